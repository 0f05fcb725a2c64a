/* lib/data/image_text_set: which rows a manifest's pictures and captions make, whatever is damaged, empty or left out */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/path.h"
#include "data/image_text_set.h"

enum { SIDE = 40, GOOD = 24 };

static char folder[] = "/tmp/itr-test-set-XXXXXX";

static char *in_folder(const char *name) { return itr_path_join(folder, name); }

static void write_text(const char *name, const char *text)
{
	char *path = in_folder(name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	free(path);
}

/* Picture k: its own shade everywhere, as a JPEG. */
static void draw(int k)
{
	char name[32];
	itr_image img;
	itr_err err = ITR_ERR_INIT;
	snprintf(name, sizeof name, "p%d.jpg", k);
	char *path = in_folder(name);
	itr_image_alloc(&img, SIDE, SIDE);
	memset(img.rgb, 10 * k + 5, (size_t)SIDE * SIDE * 3);
	assert_int_equal(itr_image_write_jpeg(path, &img, 95, &err), 0);
	itr_image_free(&img);
	free(path);
}

static int setup(void **state)
{
	(void)state;
	itr_log_setup("test", ITR_LOG_ERROR);
	if (!mkdtemp(folder))
		return -1;
	for (int k = 0; k < GOOD; k++)
		draw(k);
	write_text("damaged.jpg", "no picture");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return itr_path_remove_tree(folder, NULL);
}

#define HEAD "{\"itr_manifest\":1}\n"
#define REC(id, image, captions, more)                                                                                                     \
	"{\"id\":\"" id "\",\"image\":\"" image "\",\"captions\":[" captions "],\"synthetic\":true" more "}\n"
#define CAP(id, text) "{\"id\":\"" id "\",\"text\":\"" text "\"}"

/* a: two captions, one empty; b: damaged; c: without a caption; d: with an empty one alone; e: whole */
static const char mixed[] = HEAD REC("a", "p1.jpg", CAP("a1", "one") "," CAP("a2", " \\t"), ",\"labels\":[\"cat\",\"dog\"]")
	REC("b", "damaged.jpg", CAP("b1", "two"), ",\"labels\":[\"cow\"]") REC("c", "p2.jpg", "", "")
		REC("d", "p3.jpg", CAP("d1", "  "), ",\"labels\":[\"eel\"]")
			REC("e", "p4.jpg", CAP("e1", "three") "," CAP("e2", "four"), ",\"labels\":[\"dog\"]");

static int open_set(itr_image_text_set *s, const char *text, const itr_image_text_opts *o, itr_err *err)
{
	char *path = in_folder("m.jsonl");
	write_text("m.jsonl", text);
	const int rc = itr_image_text_set_open(s, path, o, err);
	free(path);
	return rc;
}

static void test_every_row(void **state)
{
	static const char *const image[] = { "a", "b", "c", "d", "e" }, *const text[] = { "a1", "a2", "b1", "d1", "e1", "e2" };
	static const int64_t of[] = { 0, 0, 1, 3, 4, 4 };
	itr_image_text_set s;
	itr_image img;
	itr_err err = ITR_ERR_INIT;
	(void)state;
	assert_int_equal(open_set(&s, mixed, &(itr_image_text_opts){ .threads = 1 }, &err), 0);
	assert_int_equal(s.table.n[ITR_IMAGE], 5);
	assert_int_equal(s.table.n[ITR_TEXT], 6);
	for (int i = 0; i < 5; i++)
		assert_string_equal(s.table.id[ITR_IMAGE][i], image[i]);
	for (int i = 0; i < 6; i++) {
		assert_string_equal(s.table.id[ITR_TEXT][i], text[i]);
		assert_int_equal(s.table.text_image[i], of[i]);
	}
	assert_string_equal(s.table.caption[5], "four");
	assert_true(s.table.synthetic);
	assert_false(itr_row_table_has_split(&s.table));
	assert_int_equal(itr_issues_count(s.issues, NULL), 0);
	assert_int_equal(s.table.n_labels, 4);
	assert_int_equal(s.table.label_start[4], 4);
	assert_string_equal(s.table.label_name[s.table.label[s.table.label_start[4]]], "dog");
	/* nobody has looked at the pictures: the damaged one fails when it is asked for */
	assert_int_equal(itr_image_text_set_picture(&s, 1, 0, &img, &err), -1);
	assert_non_null(strstr(err.msg, "damaged.jpg"));
	itr_image_text_set_free(&s);
}

static void test_pairs_only(void **state)
{
	itr_image_text_opts o = { .check_pictures = true, .pairs_only = true, .max_failed = 1, .threads = 2 };
	itr_image_text_set s;
	itr_image img;
	itr_err err = ITR_ERR_INIT;
	(void)state;
	assert_int_equal(open_set(&s, mixed, &o, &err), 0);
	assert_int_equal(s.table.n[ITR_IMAGE], 2);
	assert_int_equal(s.table.n[ITR_TEXT], 3);
	assert_string_equal(s.table.id[ITR_IMAGE][1], "e");
	assert_int_equal(s.table.text_image[2], 1);
	assert_int_equal(s.table.n_labels, 2);
	assert_int_equal(itr_issues_count(s.issues, ITR_ISSUE_DAMAGED), 1);
	assert_int_equal(itr_issues_count(s.issues, ITR_ISSUE_EMPTY), 2);
	assert_int_equal(itr_issues_count(s.issues, ITR_ISSUE_UNCAPTIONED), 2);
	assert_int_equal(itr_image_text_set_picture(&s, 1, 0, &img, &err), 0);
	assert_in_range(img.rgb[0], 43, 47);            /* p4, not the manifest's second picture */
	itr_image_free(&img);
	itr_image_text_set_free(&s);
	o.max_failed = 0;
	assert_int_equal(open_set(&s, mixed, &o, &err), -1);
	assert_non_null(strstr(err.msg, "1 of 5 pictures cannot be decoded"));
	assert_null(s.table.id[ITR_IMAGE]);
	err = (itr_err)ITR_ERR_INIT;
	o.max_failed = 9;
	assert_int_equal(open_set(&s, HEAD REC("b", "damaged.jpg", CAP("b1", "two"), "") REC("c", "p2.jpg", "", ""), &o, &err), -1);
	assert_non_null(strstr(err.msg, "no picture with a caption"));
}

static void test_split(void **state)
{
	const itr_image_text_opts all = { .threads = 1 }, pairs = { .pairs_only = true, .threads = 1 };
	const char *half = HEAD REC("a", "p1.jpg", CAP("a1", "one"), ",\"split\":\"val\"") REC("b", "p2.jpg", "", "")
		REC("c", "p3.jpg", CAP("c1", "two") "," CAP("c2", "three"), ",\"split\":\"test\"");
	itr_image_text_set s;
	itr_row_table t;
	itr_selection test;
	itr_err err = ITR_ERR_INIT;
	(void)state;
	assert_int_equal(open_set(&s, half, &all, &err), -1);
	assert_non_null(strstr(err.msg, "1 of 3 records have no 'split', the first is image 'b'"));
	err = (itr_err)ITR_ERR_INIT;
	assert_int_equal(open_set(&s, half, &pairs, &err), 0);          /* the record without a split is no row */
	assert_true(s.table.split_from_file);
	assert_int_equal(s.table.part[ITR_IMAGE][0], ITR_VAL);
	assert_int_equal(s.table.part[ITR_TEXT][2], ITR_TEST);
	/* a part of the table lives on without the set */
	assert_int_equal(itr_row_table_select(&test, &s.table, "test", 0, &err), 0);
	itr_row_table_part(&t, &s.table, &test);
	itr_image_text_set_free(&s);
	itr_selection_free(&test);
	assert_int_equal(t.n[ITR_IMAGE], 1);
	assert_int_equal(t.n[ITR_TEXT], 2);
	assert_string_equal(t.id[ITR_IMAGE][0], "c");
	assert_string_equal(t.id[ITR_TEXT][1], "c2");
	assert_int_equal(t.text_image[1], 0);
	assert_int_equal(t.part[ITR_TEXT][1], ITR_TEST);
	itr_row_table_free(&t);
}

struct reader {
	const itr_image_text_set *s;
	int bad;
};

static void read_one(void *ctx, int64_t i, int worker)
{
	struct reader *r = ctx;
	itr_image img;
	const int64_t row = i % GOOD;
	const int shade = 10 * (int)row + 5;
	(void)worker;
	if (itr_image_text_set_picture(r->s, row, i % 2 ? 8 : 0, &img, NULL) < 0) {
		__atomic_fetch_add(&r->bad, 1, __ATOMIC_RELAXED);
		return;
	}
	if (abs(img.rgb[0] - shade) > 2 || img.width != (i % 2 ? SIDE / 4 : SIDE))
		__atomic_fetch_add(&r->bad, 1, __ATOMIC_RELAXED);
	itr_image_free(&img);
}

static void test_pictures_by_many_threads(void **state)
{
	itr_image_text_set s;
	itr_buf b = ITR_BUF_INIT;
	itr_err err = ITR_ERR_INIT;
	struct reader r = { &s, 0 };
	(void)state;
	itr_buf_puts(&b, HEAD);
	for (int k = 0; k < GOOD; k++)
		itr_buf_printf(&b, REC("%d", "p%d.jpg", "", ""), k, k);
	assert_int_equal(open_set(&s, itr_buf_str(&b), &(itr_image_text_opts){ .pictures.fast = true, .threads = 1 }, &err), 0);
	itr_parallel_for(4, 8 * GOOD, read_one, &r);
	assert_int_equal(r.bad, 0);
	itr_image_text_set_free(&s);
	itr_buf_free(&b);
}

/* What is as by default leaves no trace, so that files are those of before. */
static void test_picture_opts_in_a_config(void **state)
{
	(void)state;
	for (int k = 0; k < 8; k++) {
		const itr_picture_opts o = { .alpha = k & 1 ? ITR_ALPHA_DROP : ITR_ALPHA_WHITE, .exif = k & 2, .fast = k & 4 };
		itr_json *config = itr_json_object();
		itr_picture_opts_put(config, &o);
		assert_int_equal(itr_json_count(config), (k & 1) + (k >> 1 & 1) + (k >> 2));
		const itr_picture_opts back = itr_picture_opts_get(config);
		assert_int_equal(back.alpha, o.alpha);
		assert_int_equal(back.exif, o.exif);
		assert_int_equal(back.fast, o.fast);
		itr_json_free(config);
	}
}

static void test_interrupted(void **state)
{
	static const volatile sig_atomic_t stop = 1;
	itr_image_text_set s;
	itr_err err = ITR_ERR_INIT;
	(void)state;
	assert_int_equal(open_set(&s, mixed, &(itr_image_text_opts){ .check_pictures = true, .threads = 1, .stop = &stop }, &err), -1);
	assert_non_null(strstr(err.msg, "interrupted"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_row),
		cmocka_unit_test(test_pairs_only),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_pictures_by_many_threads),
		cmocka_unit_test(test_picture_opts_in_a_config),
		cmocka_unit_test(test_interrupted),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
