/* lib/data: lists of pictures and captions in every form that is passed around, names of pictures, captions that nobody wants, Karpathy's
 * and COCO's variants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/path.h"
#include "data/dataset.h"
#include "data/intake.h"
#include "data/readers.h"
#include "data/split.h"

static char dir[64];

static void put(const char *name, const char *text, size_t n)
{
	char *path = itr_path_join(dir, name), *parent = itr_path_dirname(path);
	assert_int_equal(itr_path_mkdirs(parent, NULL), 0);
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
	free(parent);
	free(path);
}

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof dir, "/tmp/itr-test-lists-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return itr_path_remove_tree(dir, NULL);
}

/* What a reader makes of a file: "ID{CAPTION;CAPTION}SPLIT ..." and then the issues in brackets; "error: ..." when it fails. */
static char *read_with(const char *reader, const char *source, const char *images)
{
	itr_manifest m;
	itr_err err = ITR_ERR_INIT;
	itr_issues *f = itr_issues_new();
	itr_buf b = ITR_BUF_INIT;
	char *path = itr_path_join(dir, source), *images_dir = images ? itr_path_join(dir, images) : NULL;
	itr_reader_opts o = { .source = path, .images_dir = images_dir };
	itr_manifest_init(&m);
	int64_t captions = 0;
	if (itr_reader_find(reader, &err)->read(&m, &o, f, &err) < 0)
		itr_buf_printf(&b, "error: %s", err.msg);
	else
		for (int64_t i = 0; i < m.n; i++) {
			itr_buf_printf(&b, "%s%s{", i ? " " : "", m.records[i].id);
			for (int64_t k = 0; k < m.records[i].n_captions; k++)
				itr_buf_printf(&b, "%s%s", k ? ";" : "", m.records[i].captions[k].text);
			itr_buf_printf(&b, "}%s", m.records[i].split ? m.records[i].split : "");
			captions += m.records[i].n_captions;
		}
	char *issues = itr_issues_summary(f);
	if (issues[0])
		itr_buf_printf(&b, " [%s]", issues);
	if (!strncmp(itr_buf_str(&b), "error", 5) == 0)
		assert_int_equal(captions, m.n_captions);
	free(issues);
	free(path);
	free(images_dir);
	itr_issues_free(f);
	itr_manifest_free(&m);
	return itr_buf_detach(&b);
}

static void expect(const char *reader, const char *text, size_t n, const char *want)
{
	put("list", text, n);
	char *got = read_with(reader, "list", NULL);
	assert_string_equal(got, want);
	free(got);
}
#define FLICKR(text, want) expect("flickr", text, sizeof(text) - 1, want)
#define KARPATHY(text, want) expect("karpathy", text, sizeof(text) - 1, want)
#define COCO(text, want) expect("coco", text, sizeof(text) - 1, want)

static void test_headers(void **state)
{
	(void)state;
	static const char want[] = "a{dog, one;two} b{three}";
	FLICKR("image,caption\na.jpg,dog, one\na.jpg,two\nb.jpg,three\n", want);
	FLICKR("image_name,comment_number,comment\na.jpg,0,\"dog, one\"\na.jpg,1,two\nb.jpg,0,three\n", want);
	FLICKR("image_name,comment_number,comment\na.jpg,0,dog, one\na.jpg,1,two\nb.jpg,0,three\n", want);
	FLICKR("image_name| comment_number| comment\na.jpg| 0| dog, one\na.jpg| 1| two\nb.jpg| 0| three\n", want);
	FLICKR("image\tcaption\na.jpg\tdog, one\na.jpg\ttwo\nb.jpg\tthree\n", want);
	FLICKR("image;caption\na.jpg;dog, one\na.jpg;two\nb.jpg;three\n", want);
	FLICKR("filepath\ttitle\r\na.jpg\tdog, one\r\na.jpg\ttwo\r\nb.jpg\tthree\r\n", want);
	FLICKR(",caption,File_Name\n0,\"dog, one\",a.jpg\n1,two,a.jpg\n2,three,b.jpg\n", want);
	FLICKR("\"image\",\"caption\"\n\"a.jpg\",\"dog, one\"\n\"a.jpg\",\"two\"\n\"b.jpg\",\"three\"\n", want);
	FLICKR("\xEF\xBB\xBFimage,caption\na.jpg,dog, one\na.jpg,two\nb.jpg,three\n", want);
	FLICKR("image,caption\ra.jpg,dog, one\ra.jpg,two\rb.jpg,three\r", want);
	FLICKR("\xFF\xFE" "i\0m\0a\0g\0e\0,\0c\0a\0p\0t\0i\0o\0n\0\n\0a\0.\0j\0p\0g\0,\0x\0\n\0", "a{x}");
	FLICKR("image,caption,split\na.jpg,x,train\nb.jpg,y,validation\nc.jpg,z,dev\n", "a{x}train b{y}val c{z}val");
	FLICKR("image,caption,split\na.jpg,x,train\nb.jpg,y,\n", "a{x}train [picture in no part, where others are in one (left out), 1]");
	FLICKR("caption,image\nx,a.jpg\nx, y,a.jpg\ny\n",
	       "a{x} [line with more fields than the header (left out), 1; line with too few fields (left out), 1]");
}

static void test_without_header(void **state)
{
	(void)state;
	FLICKR("\xEF\xBB\xBF" "a.jpg,dog, one\nb.jpg,two\n", "a{dog, one} b{two}");
	FLICKR("a.jpg,0,dog, one\na.jpg,1,two\n\n", "a{dog, one;two}");
	FLICKR("a.jpg,0,dog\na.jpg,two\n", "a{0,dog;two}");                                      /* not everywhere a number: it is text */
	FLICKR("a, b.jpg,dog\nimage1.png\tx\n", "a, b{dog} [line with too few fields (left out), 1]");
	FLICKR("\"a.jpg\";\"x; \"\"y\"\"\"\n", "a{x; \"y\"}");
	FLICKR("\xEF\xBB\xBF"
	       "a.jpg#0\tone\na.jpg#1\ttwo, # three\nb#c.jpg#0\tfour\nno\n",
	       "a{one;two, # three} b#c{four} [line without a picture's name (left out), 1]");
	put("image,caption", "x", 1);
	put("image.jpg", "x", 1);
	FLICKR("image.jpg,one\nimage.jpg,two\n", "image{one;two}");
	/* a picture that is called as a column is */
	put("image", "x", 1);
	put("list", "image,caption\nimage,two\n", 24);
	char *got = read_with("flickr", "list", NULL);
	assert_non_null(strstr(got, "is no list of pictures and captions"));
	free(got);
	put("list", "Bild;Text\nx;y\n", 15);
	got = read_with("flickr", "list", NULL);
	assert_non_null(strstr(got, "it begins 'Bild;Text'"));
	free(got);
}

static void test_quotes(void **state)
{
	(void)state;
	FLICKR("image,caption\na.jpg,\"dog 11\nruns, \"\"far\"\"\"\r\nb.jpg,\"x\r\ny\"\n", "a{dog 11\nruns, \"far\"} b{x\ny}");
	FLICKR("image,caption\na.jpg,\"Stop\" he said\nb.jpg,two \"x\"\n", "a{\"Stop\" he said} b{two \"x\"}");
	FLICKR("image,caption\na.jpg,\"never closed\nb.jpg,two\nc.jpg,the end\"\n", "a{\"never closed} b{two} c{the end\"}");
	FLICKR("image,caption\na.jpg,\"one\", two\nb.jpg,\"\"\n", "a{\"one\", two} [empty caption (left out), 1]");
	FLICKR("image,caption\na.jpg,\"never closed", "a{\"never closed}");
}

static void test_unwanted(void **state)
{
	(void)state;
	FLICKR("image,caption\na.jpg,one\0two\nb\0.jpg,x\nc.jpg,y\n",
	       "c{y} [caption with a NUL byte (left out), 1; picture with a name that leaves its folder or is not UTF-8 (left out), 1]");
	FLICKR("image,caption\na.jpg,\xC2\xA0\xE3\x80\x80\nb.jpg,be\x07ll\nc.jpg,caf\xE9\n",
	       "b{be\x07ll} c{caf\xEF\xBF\xBD} [empty caption (left out), 1; caption with control characters (kept), 1; caption that is "
	       "not UTF-8 (bad bytes became U+FFFD), 1]");
	FLICKR("image,caption\n../a.jpg,x\n/a.jpg,x\nC:\\a.jpg,x\n./d//e.jpg,y\n",
	       "d/e{y} [picture with a name that leaves its folder or is not UTF-8 (left out), 3]");
	char *big = itr_xcalloc(1, (1 << 20) + 100);
	const int n = snprintf(big, 50, "image,caption\na.jpg,");
	memset(big + n, 'w', (1 << 20) + 1);
	expect("flickr", big, strlen(big), " [caption of more than 1 MiB (left out), 1]");
	free(big);
}

static void test_names(void **state)
{
	(void)state;
	put("Images/a/1.jpg", "x", 1);
	put("Images/b\\2.jpg", "x", 1);
	char *absolute = itr_xasprintf("image,caption\n%s/Images/a/1.jpg,one\na\\1.jpg,two\na/1.jpg,three\nb/"
	                               "1.jpg,other\nb\\2.jpg,four\n1.png,x\n1.jpg,y\n50%% #1 x.jpg,z\n",
	                               dir);
	put("captions.txt", absolute, strlen(absolute));
	free(absolute);
	char *got = read_with("flickr", ".", NULL);
	assert_string_equal(got, "a/1{one;two;three} b/1{other} b\\2{four} 1{x} 1.jpg{y} 50% #1 x{z}");
	free(got);
	const char *why;
	assert_null(itr_intake_picture(dir, "", 0, &why));
	assert_null(itr_intake_picture(dir, "a/../b.jpg", 10, &why));
	assert_null(itr_intake_picture(dir, "..", 2, &why));
}

static void test_karpathy_variants(void **state)
{
	(void)state;
	KARPATHY("\xEF\xBB\xBF{\"images\":[{\"filename\":\"1.jpg\",\"sentences\":[{\"raw\":\"x\",\"sentid\":1}]}]}", "1{x}");
	KARPATHY("{\"images\":[{\"filename\":\"1.jpg\",\"split\":\"dev\",\"sentences\":[{\"tokens\":[\"a\",\"dog\"],\"sentid\":1}]}]}",
	         "1{a dog}val [sentence without its text (its tokens are taken), 1]");
	KARPATHY("{\"images\":[{\"filename\":\"1.jpg\",\"split\":\"train\",\"sentences\":[{\"raw\":\"x\"},{\"raw\":\"y\"}]}]}",
	         "1{x;y}train [sentence without 'sentid' (named IMAGE#k), 2]");
	KARPATHY("{\"images\":[{\"filename\":\"1.jpg\",\"split\":\"train\",\"sentences\":[{\"raw\":\"x\",\"sentid\":1}]},{\"filename\":\"2."
	         "jpg\",\"sentences\":[{\"raw\":\"y\",\"sentid\":2}]}]}",
	         "1{x}train [image without a split, where others have one (left out), 1]");
	KARPATHY("{\"images\":[{\"filepath\":\"a\",\"filename\":\"1.jpg\",\"sentences\":[{\"raw\":\"x\",\"sentid\":1}]},{\"filepath\":"
	         "\"b\",\"filename\":\"1.jpg\",\"sentences\":[{\"raw\":\"y\",\"sentid\":2}]},"
	         "{\"filepath\":\"b\",\"filename\":\"1.jpg\",\"sentences\":[{\"raw\":\"z\",\"sentid\":3}]}]}",
	         "1{x} b/1.jpg{y} [image id that occurs twice (the first counts), 1]");
	KARPATHY("{\"images\":[{\"filename\":\"1.jpg\",\"sentences\":[{\"raw\":\"caf\xE9\",\"sentid\":1},{\"raw\":\" \",\"sentid\":2}]}]}",
	         "1{caf\xEF\xBF\xBD} [image or caption with invalid UTF-8 (U+FFFD in its place), 1; empty caption (left out), 1]");
	KARPATHY("{\"images\":[{\"filename\":\"1.jpg\",\"split\":\"?\"}]}", " [image without a usable filename or split (left out), 1]");
	put("list", "{\"images\":[]}", 13);
	char *got = read_with("karpathy", "list", NULL);
	assert_non_null(strstr(got, "lists no captioned images"));
	free(got);
}

static void test_coco_variants(void **state)
{
	(void)state;
#define IMAGES "{\"images\":[{\"id\":1,\"filename\":\"1.jpg\"},{\"id\":2.0,\"file_name\":\"./2.jpg\"}],\"annotations\":["
#define NONE "no instances file, hence no labels, 1]"
	COCO(IMAGES "{\"id\":11.0,\"image_id\":1.0,\"caption\":\"x\"},{\"id\":12,\"image_id\":2,\"caption\":\"y\"}]}", "1{x} 2{y} [" NONE);
	COCO(IMAGES "{\"image_id\":1,\"caption\":\"x\"},{\"id\":null,\"image_id\":1,\"caption\":\"y\"},{\"id\":\"1#0\",\"image_id\":2,"
	            "\"caption\":\"z\"}]}",
	     "1{x;y} 2{z} [captions without an id (named IMAGE#k), 1; " NONE);
	COCO(IMAGES "{\"id\":11.5,\"image_id\":1,\"caption\":\"x\"}]}",
	     " [caption without id, image_id or text (left out), 1; no instances file, hence no labels, 1; image without a caption (left "
	     "out), 2]");
	put("Images/3.jpg", "x", 1);
	char *text = itr_xasprintf("{\"images\":[{\"id\":1,\"file_name\":\"%s/Images/3.jpg\"},{\"id\":2,\"file_name\":\"/etc/"
	                           "passwd\"}],\"annotations\":[{\"id\":1,\"image_id\":1,\"caption\":\"x\"}]}",
	                           dir);
	put("any name.json", text, strlen(text));
	free(text);
	char *got = read_with("coco", "any name.json", "Images");
	assert_string_equal(got, "1{x} [image with a file_name that leaves its folder (left out), 1; " NONE);
	free(got);
}

static void test_sidecar_files(void **state)
{
	(void)state;
	static const char *const pictures[] = { "p/a.jpg", "p/b.jpg", "p/c.jpg", "p/d.jpg", "p/e.webp", "p/f.jpg" };
	for (int i = 0; i < ITR_LEN(pictures); i++)
		put(pictures[i], "x", 1);
	put("p/a.txt", "\xFF\xFE" "a\0 \0d\0o\0g\0\r\0\n\0", 16);
	put("p/b.txt", "\0a\0 \0c\0a\0t", 10);
	put("p/c.txt", "one\rtwo\r", 8);
	put("p/d.txt", "good\nba\0d\n", 10);
	put("p/e.txt", "webp\n", 5);
	put("p/f.txt", "\xFF\xFE\0\0x\0\0\0", 8);
	char *got = read_with("sidecar", "p", NULL);
	assert_string_equal(got, "a{a dog} b{a cat} c{one;two} d{good} [picture of a kind that is not read yet (left out), 1; caption with "
	                         "a NUL byte (left out), 1; "
	                         "caption file that cannot be read (left out), 1; picture without a caption (left out), 1]");
	free(got);
}

static void test_official_lists(void **state)
{
	(void)state;
	static const char token[] = "a.jpg#0\tx\nb.jpg#0\ty\nc.jpg#0\tz\nd.jpg#0\tw\n";
	put("f/Flickr8k.token.txt", token, sizeof token - 1);
	put("f/Flickr_8k.trainImages.txt", "\xEF\xBB\xBF" "a.jpg\r\n", 10);
	put("f/Flickr_8k.devImages.txt", "\xFF\xFE" "b\0.\0j\0p\0g\0\n\0", 14);
	put("f/Flickr_8k.testImages.txt", "c.jpg\r", 6);
	char *got = read_with("flickr", "f", NULL);
	assert_string_equal(got, "a{x}train b{y}val c{z}test [picture in no official list (left out), 1]");
	free(got);
}

static void test_split_names(void **state)
{
	(void)state;
	assert_int_equal(itr_split_find("dev"), ITR_VAL);
	assert_int_equal(itr_split_find("Validation"), ITR_VAL);
	assert_int_equal(itr_split_find("TEST"), ITR_TEST);
	assert_int_equal(itr_split_find("restval"), ITR_RESTVAL);
	assert_int_equal(itr_split_find("nowhere"), -1);
	assert_int_equal(itr_split_find(""), -1);
	assert_int_equal(itr_split_find(NULL), -1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(test_headers),       TEST(test_without_header), TEST(test_quotes),
		                            TEST(test_unwanted),      TEST(test_names),          TEST(test_karpathy_variants),
		                            TEST(test_coco_variants), TEST(test_sidecar_files),  TEST(test_official_lists),
		                            TEST(test_split_names) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
