/* lib/evaluate/qrels.c and its readers: relevance by rows of a table that has no vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "data/manifest.h"
#include "evaluate/qrels.h"

enum { TEXTS = 4, IMAGES = 3 };
static const itr_relevance_rules rules = { ITR_CONVENTIONS_ITR, ITR_GAIN_LINEAR, false };
static char folder[] = "/tmp/itr-qrels-XXXXXX";

/* t0 and t1 belong to i0, t2 to i1, t3 to none. */
static itr_row_table make(void)
{
	itr_row_table t = { .name = itr_xstrdup("rows"), .n = { TEXTS, IMAGES } };
	for (int m = 0; m < 2; m++) {
		t.id[m] = itr_xcalloc((size_t)t.n[m], sizeof *t.id[m]);
		for (int64_t i = 0; i < t.n[m]; i++)
			t.id[m][i] = itr_xasprintf("%c%lld", m ? 'i' : 't', (long long)i);
	}
	t.text_image = itr_xcalloc(TEXTS, sizeof *t.text_image);
	memcpy(t.text_image, (int64_t[]){ 0, 0, 1, -1 }, TEXTS * sizeof *t.text_image);
	return t;
}

/* The path is the caller's to free. */
static char *file(const char *name, const char *content)
{
	char *path = itr_xasprintf("%s/%s", folder, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(content, f);
	assert_int_equal(fclose(f), 0);
	return path;
}

static void expect(const itr_relevance *r, int64_t q, int64_t n, const int64_t *row)
{
	assert_int_equal(itr_relevance_count(r, q), n);
	assert_memory_equal(r->row + r->offset[q], row, (size_t)n * sizeof *row);
}

static void test_table(void **state)
{
	(void)state;
	const char *path;
	int prefixes = 0, original = 0;
	for (int i = 0; itr_qrels_readers[i]; i++) {
		const itr_qrels_reader *r = itr_qrels_readers[i];
		const bool last = !itr_qrels_readers[i + 1];
		assert_true(r->name && r->meta && r->summary && r->read);
		assert_true(last == (!r->prefix && !r->is));
		if (r->prefix) {
			char *spec = itr_xasprintf("%sa/b:c", r->prefix);
			assert_ptr_equal(itr_qrels_reader_of(spec, &path), r);
			assert_string_equal(path, "a/b:c");
			free(spec);
			prefixes++;
		}
		original += r->original_captions;
	}
	assert_int_equal(prefixes, 4);
	assert_int_equal(original, 1);
	assert_string_equal(itr_qrels_reader_of("x.json", &path)->name, "json");
	assert_string_equal(path, "x.json");
	assert_string_equal(itr_qrels_reader_of("x.qrels", NULL)->name, "trec");
	assert_string_equal(itr_qrels_reader_of("eccv", NULL)->name, "trec");
}

static void test_ground_truth(void **state)
{
	(void)state;
	itr_err err = ITR_ERR_INIT;
	itr_row_table t = make();
	itr_qrels q;
	assert_int_equal(itr_qrels_open(&q, &t, NULL, &rules, NULL, &err), 0);
	assert_string_equal(q.source, "ground_truth");
	assert_int_equal(q.unanswered, 1);
	assert_false(itr_qrels_names_queries(&q));
	expect(q.relevant[ITR_TEXT], 1, 1, (int64_t[]){ 0 });
	expect(q.relevant[ITR_IMAGE], 0, 2, (int64_t[]){ 0, 1 });
	itr_qrels_free(&q);
	t.truth = itr_xstrdup("pairs.npy");            /* a text with two images */
	t.n_pairs = 2;
	t.pair[ITR_TEXT] = itr_xcalloc(2, sizeof(int64_t));
	t.pair[ITR_IMAGE] = itr_xcalloc(2, sizeof(int64_t));
	t.pair[ITR_IMAGE][0] = 2;
	assert_int_equal(itr_qrels_open(&q, &t, NULL, &rules, NULL, &err), 0);
	assert_string_equal(q.source, "pairs.npy");
	expect(q.relevant[ITR_TEXT], 0, 2, (int64_t[]){ 0, 2 });
	itr_qrels_free(&q);
	itr_row_table_free(&t);
}

static void open_spec(itr_qrels *q, itr_row_table *t, const char *spec)
{
	itr_err err = ITR_ERR_INIT;
	if (itr_qrels_open(q, t, spec, &rules, NULL, &err) < 0)
		fail_msg("%s: %s", spec, err.msg);
	assert_string_equal(q->source, spec);
}

static void test_json_and_trec(void **state)
{
	(void)state;
	itr_row_table t = make();
	itr_qrels q;
	static const char *const json = "{\"t2i\": {\"t0\": {\"i1\": 2, \"i2\": 1, \"far\": 3}, \"t1\": [], \"gone\": [\"i1\"]}}",
				*const trec = "t2i:t0 0 i1 2\nt2i:t0 0 i2 1\nt2i:t0 0 far 3\n# words\nt2i:t1 0 i0 0\nt2i:gone 0 i1 1\n",
				*const beir = "query-id\tcorpus-id\tscore\nt0\ti1\t2\nt0\ti2\t1\nt0\tfar\t3\nt1\ti0\t0\ngone\ti1\t1\n"
					      "t0\ti1\t2\n";
	char *path[] = { file("a.json", json), file("a.qrels", trec), file("a.beir", beir) };
	for (int i = 0; i < 3; i++) {
		open_spec(&q, &t, path[i]);
		expect(q.relevant[ITR_TEXT], 0, 2, (int64_t[]){ 1, 2 });
		expect(q.relevant[ITR_IMAGE], 1, 1, (int64_t[]){ 0 });          /* the other direction inverted */
		assert_true(itr_qrels_names_queries(&q) && q.relevant[ITR_TEXT]->named[1] && !q.relevant[ITR_TEXT]->named[2]);
		assert_true(q.relevant[ITR_TEXT]->grade[0] == 2 && itr_relevance_all(q.relevant[ITR_TEXT], 0) == 3);
		assert_true(q.outside == 1 && q.absent[ITR_TEXT]->queries == 1 && !q.absent[ITR_IMAGE]);
		assert_string_equal(q.absent_id[ITR_TEXT][0], "gone");
		assert_int_equal(q.repeated, i == 2);
		assert_int_equal(t.n[ITR_IMAGE], IMAGES);        /* a table that has its images does not grow */
		itr_qrels_free(&q);
		free(path[i]);
	}
	itr_row_table_free(&t);
}

static void test_refused(void **state)
{
	(void)state;
	static const struct { const char *name, *content, *message; } cases[] = {
		{ "b.qrels", "t0 0 i1 1\nt0 0 i1 2\n", "lines 1 and 2 contradict each other" },
		{ "c.qrels", "t0 0 i1 0\n", "holds no positive" },
		{ "d.qrels", "t0 i1 1\n", "BEIR's header" },
		{ "e.qrels", "t0 0 i1 1e10\n", "out of range" },
		{ "f.qrels", "other 0 i1 1\n", "none of its 1 queries is among the ids of 'rows' (the first text is 't0'" },
		{ "g.json", "{\"t0\": 1}", "query 't0' has no list of ids" },
		{ "h.json", "[]", "is not a map" },
	};
	itr_row_table t = make();
	itr_qrels q;
	for (int i = 0; i < ITR_LEN(cases); i++) {
		itr_err err = ITR_ERR_INIT;
		char *path = file(cases[i].name, cases[i].content);
		assert_int_equal(itr_qrels_open(&q, &t, path, &rules, NULL, &err), -1);
		if (!strstr(err.msg, cases[i].message))
			fail_msg("%s", err.msg);
		assert_null(q.source);
		free(path);
	}
	itr_row_table_free(&t);
}

/* The three packages share one reader; the order of folds is the file's. */
static void test_package(void **state)
{
	(void)state;
	itr_row_table t = make();
	itr_qrels q;
	free(file("cxc_caption_to_image.json", "{\"t0\": [\"i0\", \"i2\"]}"));
	free(file("cxc_image_to_caption.json", "{\"i1\": [\"t2\"]}"));
	char *spec = itr_xasprintf("cxc:%s", folder);
	open_spec(&q, &t, spec);
	expect(q.relevant[ITR_TEXT], 0, 2, (int64_t[]){ 0, 2 });
	expect(q.relevant[ITR_IMAGE], 1, 1, (int64_t[]){ 2 });
	expect(q.relevant[ITR_IMAGE], 0, 0, NULL);               /* both directions are the file's: nothing is inverted */
	assert_true(q.reader == itr_qrels_reader_of("cxc:", NULL) && !q.fold_order);
	itr_qrels_free(&q);
	free(spec);
	itr_row_table_free(&t);
}

static void test_captions(void **state)
{
	(void)state;
	itr_row_table t = make();
	itr_qrels q;
	static const char *const words[] = { "same", "own", "same", "three" };
	static const int of[] = { 0, 0, 1, 2 };
	itr_err err = ITR_ERR_INIT;
	itr_manifest m;
	itr_record *record = NULL;
	itr_manifest_init(&m);
	for (int i = 0; i < TEXTS; i++) {
		if (i == 0 || of[i] != of[i - 1])
			record = itr_manifest_add(&m, t.id[ITR_IMAGE][of[i]], "a.png");
		itr_record_add_caption(&m, record, t.id[ITR_TEXT][i], words[i]);
	}
	char *path = itr_xasprintf("%s/m.jsonl", folder);
	assert_int_equal(itr_manifest_write(&m, path, NULL, NULL, &err), 0);
	itr_manifest_free(&m);
	char *spec = itr_xasprintf("captions:%s", path);
	open_spec(&q, &t, spec);
	expect(q.relevant[ITR_TEXT], 0, 2, (int64_t[]){ 0, 1 });
	expect(q.relevant[ITR_TEXT], 3, 1, (int64_t[]){ 2 });
	expect(q.relevant[ITR_IMAGE], 1, 2, (int64_t[]){ 0, 2 });
	assert_false(itr_qrels_names_queries(&q));
	itr_qrels_free(&q);
	assert_int_equal(itr_qrels_open(&q, &t, NULL, &rules, NULL, &err), 0);
	itr_qrels_count_equal_captions(&q, &t, path);
	assert_int_equal(q.equal_captions, 3);                  /* t0, t2, and t3, which has no image in the table */
	assert_string_equal(q.captions_file, path);
	itr_qrels_free(&q);
	free(spec);
	free(path);
	itr_row_table_free(&t);
}

/* A run's table has ids alone: documents join, and each text's first positive becomes its image. */
static void test_grows(void **state)
{
	(void)state;
	itr_row_table t = make();
	itr_qrels q;
	itr_err err = ITR_ERR_INIT;
	free(t.text_image);
	t.text_image = NULL;
	assert_int_equal(itr_qrels_open(&q, &t, NULL, &rules, NULL, &err), -1);
	assert_non_null(strstr(err.msg, "no ground truth"));
	char *path = file("g.qrels", "t2i:t0 0 new 1\nt2i:t1 0 i2 1\nt2i:t1 0 i0 1\ni2t:i0 0 newer 1\ni2t:i0 0 t2 1\n");
	open_spec(&q, &t, path);
	assert_true(t.n[ITR_IMAGE] == IMAGES + 1 && t.n[ITR_TEXT] == TEXTS + 1);
	assert_string_equal(t.id[ITR_IMAGE][IMAGES], "new");
	assert_string_equal(t.id[ITR_TEXT][TEXTS], "newer");
	assert_true(q.relevant[ITR_TEXT]->queries == TEXTS + 1 && q.relevant[ITR_TEXT]->gallery == IMAGES + 1);
	assert_memory_equal(t.text_image, ((int64_t[]){ IMAGES, 0, 0, -1, 0 }), (TEXTS + 1) * sizeof *t.text_image);
	itr_qrels_free(&q);
	char *captions = itr_xasprintf("captions:%s", path);
	free(t.text_image);
	t.text_image = NULL;
	err = (itr_err)ITR_ERR_INIT;
	assert_int_equal(itr_qrels_open(&q, &t, captions, &rules, NULL, &err), -1);
	assert_non_null(strstr(err.msg, "a run has no captions"));
	free(captions);
	free(path);
	itr_row_table_free(&t);
}

static void test_exclude(void **state)
{
	(void)state;
	itr_row_table t = make();
	itr_qrels q;
	itr_err err = ITR_ERR_INIT;
	char *path = file("x.json", "{\"t0\": [\"i1\", \"far\"], \"nobody\": [\"i1\"]}");
	assert_int_equal(itr_qrels_open(&q, &t, NULL, &rules, NULL, &err), 0);
	assert_int_equal(itr_qrels_exclude(&q, &t, path, NULL, &err), 0);
	expect(q.excluded[ITR_TEXT], 0, 1, (int64_t[]){ 1 });
	assert_true(!q.excluded[ITR_IMAGE] && q.exclusions[ITR_TEXT] == 1 && q.own_positives == 0);
	itr_qrels_free(&q);
	free(path);
	path = file("y.json", "{\"t0\": [\"i0\"]}");
	assert_int_equal(itr_qrels_open(&q, &t, NULL, &rules, NULL, &err), 0);
	assert_int_equal(itr_qrels_exclude(&q, &t, path, NULL, &err), -1);
	assert_non_null(strstr(err.msg, "query 't0' excludes 'i0', which is one of its positives"));
	itr_qrels_free(&q);
	free(path);
	free(t.id[ITR_TEXT][0]);                                /* a text and an image of one id */
	t.id[ITR_TEXT][0] = itr_xstrdup("i0");
	err = (itr_err)ITR_ERR_INIT;
	assert_int_equal(itr_qrels_open(&q, &t, NULL, &rules, NULL, &err), 0);
	assert_int_equal(itr_qrels_exclude(&q, &t, "self", NULL, &err), 0);
	assert_true(q.own_positives == 2 && q.exclusions[ITR_TEXT] == 1 && q.exclusions[ITR_IMAGE] == 1);
	expect(q.relevant[ITR_TEXT], 0, 0, NULL);
	expect(q.relevant[ITR_IMAGE], 0, 1, (int64_t[]){ 1 });
	itr_qrels_free(&q);
	itr_row_table_free(&t);
}

static int remove_folder(void **state)
{
	(void)state;
	char *command = itr_xasprintf("rm -rf '%s'", folder);
	int rc = system(command);
	free(command);
	return rc;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),   cmocka_unit_test(test_ground_truth), cmocka_unit_test(test_json_and_trec),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_package),      cmocka_unit_test(test_captions),
		cmocka_unit_test(test_grows),   cmocka_unit_test(test_exclude),
	};
	if (!mkdtemp(folder))
		return 1;
	return cmocka_run_group_tests_name("qrels", tests, NULL, remove_folder);
}
