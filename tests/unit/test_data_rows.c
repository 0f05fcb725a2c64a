/* lib/data/row_table.c, split_record.c, embeddings.def: a part's name to rows, one rule for every kind of split, and its record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "data/embeddings.h"
#include "data/split_record.h"

enum { N = 20, M = 38 };        /* two captions an image; the last image has none */

static itr_row_table make(void)
{
	itr_row_table t = { .name = itr_xstrdup("rows"), .n = { M, N } };
	for (int m = 0; m < 2; m++) {
		t.id[m] = itr_xcalloc((size_t)t.n[m], sizeof *t.id[m]);
		for (int64_t i = 0; i < t.n[m]; i++)
			t.id[m][i] = itr_xasprintf("%c%lld", m ? 'i' : 't', (long long)i);
	}
	t.text_image = itr_xcalloc(M, sizeof *t.text_image);
	for (int64_t i = 0; i < M; i++)
		t.text_image[i] = i / 2;
	return t;
}

/* Parts as a file has them: images 0-9 train, 10-13 restval, 14-16 val, 17-19 test. */
static itr_row_table with_parts(void)
{
	itr_row_table t = make();
	t.split_from_file = true;
	for (int m = 0; m < 2; m++) {
		t.part[m] = itr_xcalloc((size_t)t.n[m], sizeof *t.part[m]);
		for (int64_t i = 0; i < t.n[m]; i++) {
			const int64_t image = m ? i : i / 2;
			t.part[m][i] = image < 10 ? ITR_TRAIN : image < 14 ? ITR_RESTVAL : image < 17 ? ITR_VAL : ITR_TEST;
		}
	}
	return t;
}

static void test_row_numbers(void **state)
{
	(void)state;
	itr_err err = ITR_ERR_INIT;
	assert_int_equal(itr_row_numbers_check((int64_t[]){ 0, -1, 8 }, 3, 9, "ground_truth", &err), 0);
	assert_int_equal(itr_row_numbers_check((int64_t[]){ 0, -2 }, 2, 9, "ground_truth", &err), -1);
	assert_non_null(strstr(err.msg, "ground_truth[1] is -2"));
	assert_int_equal(itr_row_numbers_check((int64_t[]){ 0, 9 }, 2, 9, "ground_truth", &err), -1);
}

static void test_select(void **state)
{
	(void)state;
	itr_err err = ITR_ERR_INIT;
	itr_selection s;
	itr_row_table t = with_parts();
	assert_int_equal(itr_row_table_select(&s, &t, "train", 0, &err), 0);      /* restval too */
	assert_true(s.n[ITR_IMAGE] == 14 && s.n[ITR_TEXT] == 28 && s.restval == 4 && s.text_image[27] == 13);
	assert_int_equal(itr_row_table_count(&t, ITR_TRAIN), 28);
	itr_selection_free(&s);
	assert_int_equal(itr_row_table_select(&s, &t, "test", 0, &err), 0);
	assert_true(s.n[ITR_IMAGE] == 3 && s.n[ITR_TEXT] == 4 && s.row[ITR_IMAGE][0] == 17 && s.row[ITR_TEXT][0] == 34);
	assert_true(s.text_image[0] == 0 && s.text_image[3] == 1 && s.restval == 0);
	itr_selection_free(&s);
	assert_int_equal(itr_row_table_select(&s, &t, "test", ITR_SELECT_CAPTIONED_IMAGES, &err), 0);
	assert_int_equal(s.n[ITR_IMAGE], 2);
	itr_selection_free(&s);
	assert_int_equal(itr_row_table_select(&s, &t, NULL, 0, &err), 0);
	assert_true(s.n[ITR_IMAGE] == N && s.n[ITR_TEXT] == M);
	itr_selection_free(&s);
	assert_int_equal(itr_row_table_select(&s, &t, "tset", 0, &err), -1);
	assert_non_null(strstr(err.msg, "did you mean 'test'"));
	for (int64_t i = 14; i < 17; i++)
		t.part[ITR_IMAGE][i] = t.part[ITR_TEXT][2 * i] = t.part[ITR_TEXT][2 * i + 1] = ITR_TEST;
	assert_int_equal(itr_row_table_select(&s, &t, "val", 0, &err), -1);
	assert_non_null(strstr(err.msg, "0 images and 0 captions"));
	assert_int_equal(itr_row_table_select(&s, &t, "val", ITR_SELECT_MAY_BE_EMPTY, &err), 0);
	itr_selection_free(&s);
	itr_row_table_free(&t);
}

static void test_queries_alone(void **state)
{
	(void)state;
	itr_err err = ITR_ERR_INIT;
	itr_selection s;
	itr_row_table t = make();
	free(t.text_image);
	t.text_image = NULL;
	for (int64_t i = 0; i < N; i++)
		free(t.id[ITR_IMAGE][i]);
	t.n[ITR_IMAGE] = 0;
	assert_int_equal(itr_row_table_select(&s, &t, NULL, ITR_SELECT_MAY_BE_EMPTY, &err), 0);
	assert_true(s.n[ITR_TEXT] == M && s.n[ITR_IMAGE] == 0 && s.text_image[0] == -1);
	itr_selection_free(&s);
	itr_row_table_free(&t);
}

static void test_record(void **state)
{
	(void)state;
	static const double sizes[3] = { .6, .2, .2 };
	static const itr_split_by rules[] = { ITR_SPLIT_BY_IMAGE, ITR_SPLIT_BY_CAPTION };
	for (int i = 0; i < ITR_LEN(rules); i++) {
		itr_err err = ITR_ERR_INIT;
		itr_row_table a = make(), b = make();
		itr_split_record r, back;
		itr_selection s, same;
		assert_int_equal(itr_row_table_select(&s, &a, "test", 0, &err), -1);
		assert_non_null(strstr(err.msg, "has no split"));
		assert_int_equal(itr_split_assign_rows(&a, sizes, UINT64_MAX, &(itr_split_rule){ .by = rules[i] }, &err), 0);
		assert_int_equal(itr_row_table_is_leaky(&a), i);
		itr_split_record_of(&r, &a, sizes, UINT64_MAX);
		assert_true(r.count[0] + r.count[1] + r.count[2] == (i ? M : N));
		itr_json *j = itr_json_object();
		itr_split_record_put(j, &r);
		itr_split_record_get(j, &back);
		assert_memory_equal(&back, &r, sizeof r);
		itr_json_free(j);
		assert_int_equal(itr_split_record_apply(&back, &b, &err), 0);    /* the same rows without a split */
		assert_int_equal(itr_row_table_select(&s, &a, "test", 0, &err), 0);
		assert_int_equal(itr_row_table_select(&same, &b, "test", 0, &err), 0);
		assert_int_equal(s.n[ITR_TEXT], same.n[ITR_TEXT]);
		assert_memory_equal(s.row[ITR_TEXT], same.row[ITR_TEXT], (size_t)s.n[ITR_TEXT] * sizeof *s.row[ITR_TEXT]);
		assert_memory_equal(s.row[ITR_IMAGE], same.row[ITR_IMAGE], (size_t)s.n[ITR_IMAGE] * sizeof *s.row[ITR_IMAGE]);
		itr_selection_free(&s);
		itr_selection_free(&same);
		itr_split *part = b.part[i ? ITR_TEXT : ITR_IMAGE];
		part[0] = part[0] == ITR_TEST ? ITR_VAL : ITR_TEST;
		assert_int_equal(itr_split_record_apply(&r, &b, &err), -1);
		assert_non_null(strstr(err.msg, "is not the one that the model was fitted with"));
		itr_row_table_free(&a);
		itr_row_table_free(&b);
	}
}

static void test_record_of_a_file(void **state)
{
	(void)state;
	itr_err err = ITR_ERR_INIT;
	itr_row_table t = with_parts(), none = make();
	itr_split_record r, unknown = { .by = "" };
	itr_split_record_of(&r, &t, NULL, 1);
	assert_string_equal(r.by, "file");
	assert_int_equal(itr_split_record_apply(&r, &t, &err), 0);
	assert_int_equal(itr_split_record_apply(&unknown, &t, &err), 0);
	assert_int_equal(itr_split_record_apply(&r, &none, &err), -1);
	assert_non_null(strstr(err.msg, "a split of its own"));
	assert_int_equal(itr_split_record_apply(&unknown, &none, &err), -1);
	assert_non_null(strstr(err.msg, "remembers no split"));
	assert_false(itr_row_table_has_split(&none));
	itr_row_table_free(&t);
	itr_row_table_free(&none);
}

/* Labels as lists: images of one label stay together; rows without any are refused. */
static void test_labels(void **state)
{
	(void)state;
	static const double sizes[3] = { .5, 0, .5 };
	itr_err err = ITR_ERR_INIT;
	itr_row_table t = make();
	const itr_split_rule rule = { .by = ITR_SPLIT_BY_LABEL };
	assert_int_equal(itr_split_assign_rows(&t, sizes, 1, &rule, &err), -1);
	assert_non_null(strstr(err.msg, "cannot be split by label"));
	t.label_start = itr_xcalloc(N + 1, sizeof *t.label_start);
	t.label = itr_xcalloc(N, sizeof *t.label);
	t.label_name = itr_xcalloc(4, sizeof *t.label_name);
	t.n_labels = 4;
	for (int k = 0; k < 4; k++)
		t.label_name[k] = itr_xasprintf("label %d", k);
	for (int64_t i = 0; i < N; i++) {
		t.label_start[i + 1] = i + 1;
		t.label[i] = i % 4;
	}
	assert_int_equal(itr_split_assign_rows(&t, sizes, 1, &rule, &err), 0);
	int64_t test = 0;
	for (int64_t i = 0; i < N; i++) {
		assert_int_equal(t.part[ITR_IMAGE][i], t.part[ITR_IMAGE][i % 4]);
		test += t.part[ITR_IMAGE][i] == ITR_TEST;
	}
	assert_int_equal(test, N / 2);
	itr_row_table_free(&t);
}

static void test_readers(void **state)
{
	(void)state;
	assert_non_null(itr_embeddings_readers[0]);
	for (int i = 0; itr_embeddings_readers[i]; i++) {
		const itr_embeddings_reader *r = itr_embeddings_readers[i];
		assert_true(r->name && r->summary && r->is && r->open && r->load);
	}
	itr_err err = ITR_ERR_INIT;
	itr_embeddings e;
	assert_int_equal(itr_embeddings_open(&e, "/nowhere/x.npz", &(itr_embeddings_opts){ .threads = 1 }, &err), -1);
	assert_true(err.set && !e.table.name && !e.side[ITR_TEXT].rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_row_numbers), cmocka_unit_test(test_select),           cmocka_unit_test(test_queries_alone),
		cmocka_unit_test(test_record),      cmocka_unit_test(test_record_of_a_file), cmocka_unit_test(test_labels),
		cmocka_unit_test(test_readers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
