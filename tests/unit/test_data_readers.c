/* lib/data readers on small data sets written here: every oddity is counted, every truncation is an error. */
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
#include "data/readers.h"
#include "image/image.h"

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

static void puts_file(const char *name, const char *text) { put(name, text, strlen(text)); }

static void picture(const char *name)
{
	char *path = itr_path_join(dir, name), *parent = itr_path_dirname(path);
	itr_image img;
	itr_err err = ITR_ERR_INIT;
	assert_int_equal(itr_path_mkdirs(parent, &err), 0);
	itr_image_alloc(&img, 8, 6);
	memset(img.rgb, 90, 8 * 6 * 3);
	int rc = itr_path_has_suffix(name, ".png") ? itr_image_write_png(path, &img, &err) : itr_image_write_jpeg(path, &img, 90, &err);
	assert_int_equal(rc, 0);
	itr_image_free(&img);
	free(path);
	free(parent);
}

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof dir, "/tmp/itr-test-readers-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return itr_path_remove_tree(dir, NULL);
}

struct result {
	itr_manifest m;
	itr_issues *f;
	itr_err err;
	int rc;
};

static struct result run(const char *reader, const itr_reader_opts *o)
{
	struct result r = { .f = itr_issues_new() };
	const itr_reader *rd = itr_reader_find(reader, &r.err);
	assert_non_null(rd);
	itr_manifest_init(&r.m);
	r.rc = rd->read(&r.m, o, r.f, &r.err);
	return r;
}

static void done(struct result *r)
{
	itr_issues_free(r->f);
	itr_manifest_free(&r->m);
}

static void test_unknown_reader(void **state)
{
	(void)state;
	itr_err err = ITR_ERR_INIT;
	assert_null(itr_reader_find("sidecars", &err));
	assert_non_null(strstr(err.msg, "did you mean 'sidecar'"));
}

static void test_sidecar(void **state)
{
	(void)state;
	static const char *const pictures[] = {
		"animals/birds/owl.png", "animals/ant.JPG", "b.jpeg", "lonely.png", "empty.png", "odd.png", "same.png", "same.jpg"
	};
	for (int i = 0; i < ITR_LEN(pictures); i++)
		picture(pictures[i]);
	puts_file("animals/birds/owl.txt", "\xEF\xBB\xBF""An owl.\naf.utf8=\x27n Uil.\npt_BR.utf8=Coruja.\n\n  A grey owl.  \r\n");
	puts_file("animals/ant.txt", "An ant.\nAn ant.\n");
	puts_file("b.txt", "No newline");
	puts_file("empty.txt", "\n \nfr.utf8=Rien\n");
	puts_file("odd.txt", "caf\xE9\n");
	puts_file("same.txt", "twice\n");
	puts_file("nothing.txt", "no picture\n");
	itr_reader_opts o = { .source = dir };
	struct result r = run("sidecar", &o);
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.m.n, 6);
	assert_int_equal(r.m.n_captions, 8);
	const itr_record *ant = &r.m.records[0], *owl = &r.m.records[1];
	assert_string_equal(owl->id, "animals/birds/owl");
	assert_int_equal(owl->n_captions, 2);
	assert_string_equal(owl->captions[0].text, "An owl.");
	assert_string_equal(owl->captions[1].text, "A grey owl.");
	assert_string_equal(owl->captions[1].id, "animals/birds/owl#1");
	assert_int_equal(owl->n_labels, 2);
	assert_string_equal(owl->labels[1], "birds");
	assert_int_equal(ant->n_captions, 2);
	assert_int_equal(itr_issues_count(r.f, "picture without a caption (left out)"), 2);
	assert_int_equal(itr_issues_count(r.f, "caption without a picture (left out)"), 1);
	assert_int_equal(itr_issues_count(r.f, "caption that is not UTF-8 (bad bytes became U+FFFD)"), 1);
	bool found = false;
	for (int64_t i = 0; i < r.m.n; i++)
		found |= !strcmp(r.m.records[i].captions[0].text, "caf\xEF\xBF\xBD");
	assert_true(found);
	done(&r);
}

static void test_check_drops_damaged_pictures(void **state)
{
	(void)state;
	static const char *const names[] = { "a.png", "b.jpg", "c.png", "d.jpg" };
	for (int i = 0; i < ITR_LEN(names); i++) {
		picture(names[i]);
		char *text = itr_path_replace_extension(names[i], ".txt");
		puts_file(text, "words\n");
		free(text);
	}
	put("b.jpg", "\xFF\xD8\xFF\xE0", 4);
	puts_file("c.png", "<html>not found</html>");
	itr_reader_opts o = { .source = dir };
	itr_check_opts co = { .decode = true, .threads = 2 };
	struct result r = run("sidecar", &o);
	char *gone = itr_path_join(dir, "d.jpg");
	assert_int_equal(remove(gone), 0);
	free(gone);
	assert_int_equal(itr_dataset_check(&r.m, &co, r.f, &r.err), 3);
	assert_int_equal(r.m.n, 1);
	assert_int_equal(r.m.n_captions, 1);
	assert_int_equal(r.m.records[0].width, 8);
	assert_int_equal(strlen(r.m.records[0].sha256), 64);
	assert_int_equal(itr_issues_count(r.f, "picture damaged"), 2);
	assert_int_equal(itr_issues_count(r.f, "picture missing"), 1);
	done(&r);
}

static const char captions[] = "{\"annotations\":[" /* before the images: order must not matter */
			       "{\"image_id\":1,\"id\":10,\"caption\":\"A dog.\"},{\"image_id\":1,\"id\":11,\"caption\":\"A dog "
                               "\\u00e9t\\u00e9.\"},{\"image_id\":99,\"id\":12,\"caption\":\"nowhere\"},"
			       "{\"image_id\":2,\"id\":10,\"caption\":\"same id\"},{\"image_id\":2,\"id\":13,\"caption\":\"  "
                               "\"},{\"image_id\":2,\"id\":14},{\"image_id\":2,\"id\":15.5,\"caption\":\"x\"},"
			       "{\"image_id\":9007199254740993,\"id\":9007199254740995,\"caption\":\"big\"},{\"image_id\":\"2\",\"id\":"
                               "\"s1\",\"caption\":\"text ids\"}],"
			       "\"info\":{\"year\":2017},\"images\":[{\"id\":1,\"file_name\":\"1.jpg\",\"width\":8,\"height\":6,\"coco_"
                               "url\":\"http://x/1.jpg\",\"extra\":[1,{\"a\":2}]},"
			       "{\"id\":2,\"file_name\":\"2.jpg\"},{\"id\":2,\"file_name\":\"2b.jpg\"},{\"id\":3,\"file_name\":\"3.jpg\"},{"
                               "\"id\":9007199254740993,\"file_name\":\"b.jpg\"},"
			       "{\"id\":5,\"file_name\":\"../../etc/passwd\"},{\"file_name\":\"noid.jpg\"}]}";
static const char instances[] =
	"{\"images\":[],\"annotations\":[{\"segmentation\":[[1,2,3,4]],\"image_id\":1,\"category_id\":18,\"bbox\":[1,2,3,4]},"
	"{\"image_id\":1,\"category_id\":3,\"segmentation\":{\"counts\":[1,2],\"size\":[3,4]}},{\"image_id\":1,\"category_id\":18},{"
        "\"image_id\":77,\"category_id\":18},{\"image_id\":2,\"category_id\":5}],"
	"\"categories\":[{\"supercategory\":\"vehicle\",\"id\":3,\"name\":\"car\"},{\"id\":18,\"name\":\"dog\"}]}";

static void test_coco(void **state)
{
	(void)state;
	puts_file("annotations/captions_val2017.json", captions);
	puts_file("annotations/instances_val2017.json", instances);
	picture("val2017/1.jpg");
	itr_reader_opts o = { .source = dir };
	struct result r = run("coco", &o);
	if (r.rc < 0)
		fail_msg("%s", r.err.msg);
	assert_int_equal(r.m.n, 3);
	const itr_record *one = &r.m.records[0];
	assert_string_equal(one->id, "1");
	assert_int_equal(one->n_captions, 2);
	assert_string_equal(one->captions[1].text, "A dog \xC3\xA9t\xC3\xA9.");
	assert_string_equal(one->url, "http://x/1.jpg");
	assert_non_null(strstr(one->image, "/val2017/1.jpg"));
	assert_int_equal(one->n_labels, 2);
	assert_string_equal(one->labels[0], "car");
	assert_string_equal(one->labels[1], "dog");
	assert_string_equal(r.m.records[1].captions[0].id, "s1");
	assert_string_equal(r.m.records[2].id, "9007199254740993");
	assert_string_equal(r.m.records[2].captions[0].id, "9007199254740995");
	static const struct { const char *kind; int n;
	} expected[] = {
		{ "caption of an unknown image (left out)", 1 },
		{ "caption id that occurs twice (the first counts)", 1 },
		{ "empty caption (left out)", 1 },
		{ "caption without id, image_id or text (left out)", 2 },
		{ "id beyond 2^53 (kept digit by digit)", 2 },
		{ "image id that occurs twice (the first counts)", 1 },
		{ "image without a caption (left out)", 1 },
		{ "image with a file_name that leaves its folder (left out)", 1 },
		{ "image without id or file_name (left out)", 1 },
		{ "instance of an unknown image (left out)", 1 },
		{ "instance of an unknown category (left out)", 1 },
	};
	int64_t all = 0;
	for (int i = 0; i < ITR_LEN(expected); i++) {
		if (itr_issues_count(r.f, expected[i].kind) != expected[i].n)
			fail_msg("%s: %lld", expected[i].kind, (long long)itr_issues_count(r.f, expected[i].kind));
		all += expected[i].n;
	}
	assert_int_equal(itr_issues_count(r.f, NULL), all);
	done(&r);
}

static void test_long_caption_is_kept_and_said(void **state)
{
	(void)state;
	char *text = itr_xcalloc(1, 10400);
	int n = snprintf(text, 400,
	                 "{\"images\":[{\"id\":1,\"file_name\":\"1.jpg\"}],\"annotations\":[{\"image_id\":1,\"id\":1,\"caption\":\"");
	memset(text + n, 'w', 10000);
	memcpy(text + n + 10000, "\"}]}", 5);
	puts_file("annotations/captions_x.json", text);
	free(text);
	itr_reader_opts o = { .source = dir };
	struct result r = run("coco", &o);
	assert_int_equal(r.rc, 0);
	assert_int_equal(strlen(r.m.records[0].captions[0].text), 10000);
	assert_int_equal(itr_issues_count(r.f, "very long caption (kept)"), 1);
	assert_int_equal(itr_issues_count(r.f, "no instances file, hence no labels"), 1);
	done(&r);
}

static void test_coco_refusals(void **state)
{
	(void)state;
	itr_reader_opts o = { .source = dir };
	struct result r = run("coco", &o);
	assert_int_equal(r.rc, -1);
	assert_non_null(strstr(r.err.msg, "http://images.cocodataset.org/annotations/annotations_trainval2017.zip"));
	done(&r);
	puts_file("annotations/captions_a.json", "{}");
	r = run("coco", &o);
	assert_non_null(strstr(r.err.msg, "has no 'images'"));
	done(&r);
	puts_file("annotations/captions_b.json", "{}");
	r = run("coco", &o);
	assert_non_null(strstr(r.err.msg, "say which with --subset"));
	done(&r);
	o.subset = "b";
	puts_file("annotations/captions_b.json", "[]");
	r = run("coco", &o);
	assert_int_equal(r.rc, -1);
	done(&r);
	put("annotations/captions_b.json", "{\"images\":[{\"id\":1,\"file_name\":\"a\xFF\"}],\"annotations\":[]}", 56);
	r = run("coco", &o);
	assert_int_equal(r.rc, -1);
	assert_non_null(strstr(r.err.msg, "captions_b.json"));
	done(&r);
}

static void test_every_truncation_is_an_error(void **state)
{
	(void)state;
	itr_reader_opts o = { .source = dir };
	for (size_t n = 0; n + 1 < sizeof captions; n++) {
		put("annotations/captions_val2017.json", captions, n);
		struct result r = run("coco", &o);
		if (r.rc == 0)
			fail_msg("captions cut to %zu bytes were accepted", n);
		done(&r);
	}
	puts_file("annotations/captions_val2017.json", captions);
	for (size_t n = 0; n + 1 < sizeof instances; n++) {
		put("annotations/instances_val2017.json", instances, n);
		struct result r = run("coco", &o);
		if (r.rc == 0)
			fail_msg("instances cut to %zu bytes were accepted", n);
		done(&r);
	}
}

static void test_karpathy(void **state)
{
	(void)state;
	puts_file("annotations/captions_val2017.json", "{\"images\":[],\"annotations\":[{\"image_id\":42,\"id\":900,\"caption\":\"A man  "
	                                               "rides.\\n\"},{\"image_id\":42,\"id\":901,\"caption\":\"A man rides.\"},"
	                                               "{\"image_id\":43,\"id\":902,\"caption\":\"A cat.\"}]}");
	puts_file("dataset_coco.json",
	          "{\"images\":[{\"filepath\":\"val2014\",\"filename\":\"COCO_val2014_000000000042.jpg\",\"imgid\":0,\"split\":\"test\","
	          "\"cocoid\":42,\"sentids\":[5,6],"
	          "\"sentences\":[{\"tokens\":[\"a\"],\"raw\":\"A man rides.\",\"imgid\":0,\"sentid\":5},{\"raw\":\"A man rides. "
	          "\",\"sentid\":6}]},"
	          "{\"filepath\":\"train2014\",\"filename\":\"COCO_train2014_000000000043.jpg\",\"split\":\"restval\",\"cocoid\":43,"
	          "\"sentences\":[{\"raw\":\"Another text.\",\"sentid\":7}]},"
	          "{\"filename\":\"x.jpg\",\"split\":\"nowhere\",\"cocoid\":44,\"sentences\":[]}],\"dataset\":\"coco\"}");
	picture("train2017/000000000042.jpg");
	char *file = itr_path_join(dir, "dataset_coco.json"), *annotations = itr_path_join(dir, "annotations");
	itr_reader_opts o = { .source = file, .annotations_dir = annotations };
	struct result r = run("karpathy", &o);
	if (r.rc < 0)
		fail_msg("%s", r.err.msg);
	assert_int_equal(r.m.n, 2);
	assert_string_equal(r.m.records[0].id, "42");
	assert_string_equal(r.m.records[0].split, "test");
	assert_non_null(strstr(r.m.records[0].image, "/train2017/000000000042.jpg"));
	assert_string_equal(r.m.records[0].captions[0].id, "900");
	assert_string_equal(r.m.records[0].captions[1].id, "901");
	assert_string_equal(r.m.records[1].split, "restval");
	assert_string_equal(r.m.records[1].captions[0].id, "karpathy:7");
	assert_int_equal(itr_issues_count(r.f, "sentence without an annotation (kept under Karpathy's id)"), 1);
	assert_int_equal(itr_issues_count(r.f, "image without a usable filename or split (left out)"), 1);
	done(&r);
	free(file);
	free(annotations);
}

static void test_flickr(void **state)
{
	(void)state;
	puts_file("captions.txt", "image,caption\na.jpg,A dog , running .\na.jpg,\"Two dogs, \"\"playing\"\".\"\nb.jpg,\nb.jpg,A boat\nno "
	                          "picture here\n../x.jpg,evil\nc.jpg,caf\xE9");
	picture("Images/a.jpg");
	itr_reader_opts o = { .source = dir };
	struct result r = run("flickr", &o);
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.m.n, 3);
	assert_string_equal(r.m.records[0].captions[0].text, "A dog , running .");
	assert_string_equal(r.m.records[0].captions[1].text, "Two dogs, \"playing\".");
	assert_string_equal(r.m.records[0].captions[1].id, "a.jpg#1");
	assert_string_equal(r.m.records[2].captions[0].text, "caf\xEF\xBF\xBD");
	assert_non_null(strstr(r.m.records[0].image, "/Images/a.jpg"));
	assert_null(r.m.records[0].split);
	assert_int_equal(itr_issues_count(r.f, NULL), 4);
	done(&r);
	puts_file("token/Flickr8k.token.txt", "a.jpg#0\tA dog .\na.jpg#1\tA # dog, again .\nb.jpg.1#0\tA boat .\nc.jpg#0\tA cat .\n");
	puts_file("token/Flickr_8k.trainImages.txt", "a.jpg\n");
	puts_file("token/Flickr_8k.testImages.txt", "c.jpg\n");
	char *token = itr_path_join(dir, "token");
	o.source = token;
	r = run("flickr", &o);
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.m.n, 2);
	assert_string_equal(r.m.records[0].captions[1].text, "A # dog, again .");
	assert_string_equal(r.m.records[0].split, "train");
	assert_string_equal(r.m.records[1].split, "test");
	assert_int_equal(itr_issues_count(r.f, "picture in no official list (left out)"), 1);
	done(&r);
	free(token);
}

static void test_relative_paths(void **state)
{
	(void)state;
	static const struct { const char *from, *to, *expected;
	} cases[] = {
		{ "data/out", "data/in/x.txt", "../in/x.txt" },
		{ "data/out", "data/out/x.txt", "x.txt" },
		{ "data/out", "y.txt", "../../y.txt" },
		{ "data/ou", "data/out/x.txt", "../out/x.txt" },
	};
	puts_file("data/in/x.txt", "x");
	puts_file("data/out/x.txt", "x");
	puts_file("data/ou/x.txt", "x");
	puts_file("y.txt", "x");
	for (int i = 0; i < ITR_LEN(cases); i++) {
		char *from = itr_path_join(dir, cases[i].from), *to = itr_path_join(dir, cases[i].to),
		     *have = itr_dataset_relative(from, to);
		assert_string_equal(have, cases[i].expected);
		free(from);
		free(to);
		free(have);
	}
	char *usr = itr_dataset_relative(dir, "/usr/bin/env");
	assert_int_equal(usr[0], '/');
	free(usr);
}

static void test_one_folder_one_data_set(void **state)
{
	(void)state;
	itr_err err = ITR_ERR_INIT;
	assert_int_equal(itr_dataset_claim(dir, "synthetic n=5", false, &err), 0);
	assert_int_equal(itr_dataset_claim(dir, "synthetic n=5", false, &err), 1);
	assert_int_equal(itr_dataset_claim(dir, "synthetic n=6", false, &err), -1);
	assert_non_null(strstr(err.msg, "--force"));
	assert_int_equal(itr_dataset_claim(dir, "synthetic n=6", true, &err), 0);
	char *marker = itr_path_join(dir, "dataset.txt");
	assert_int_equal(remove(marker), 0);
	puts_file("manifest.jsonl", "somebody's own\n");
	assert_int_equal(itr_dataset_claim(dir, "synthetic n=6", false, &err), -1);
	free(marker);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(test_unknown_reader),
		                            TEST(test_sidecar),
		                            TEST(test_check_drops_damaged_pictures),
		                            TEST(test_coco),
		                            TEST(test_long_caption_is_kept_and_said),
		                            TEST(test_coco_refusals),
		                            TEST(test_every_truncation_is_an_error),
		                            TEST(test_karpathy),
		                            TEST(test_flickr),
		                            TEST(test_relative_paths),
		                            TEST(test_one_folder_one_data_set) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
