/* lib/evaluate/trec_run.c, trec.c: a run becomes a table and ranks, by each of the conventions; relevance written is relevance read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "evaluate/trec.h"

static char folder[] = "/tmp/itr-trec-XXXXXX";

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

struct opened { itr_trec_run *run; itr_row_table table; itr_qrels qrels; };

static void open_files(struct opened *o, const char *run, const char *qrels)
{
	itr_err err = ITR_ERR_INIT;
	const itr_relevance_rules rules = { ITR_CONVENTIONS_ITR, ITR_GAIN_LINEAR, false };
	char *run_path = file("a.run", run), *qrels_path = file("a.qrels", qrels);
	o->run = itr_trec_read_run(run_path, NULL, &err);
	if (!o->run)
		fail_msg("%s", err.msg);
	itr_trec_table(o->run, &o->table);
	assert_null(o->table.text_image);
	if (itr_qrels_open(&o->qrels, &o->table, qrels_path, &rules, NULL, &err) < 0)
		fail_msg("%s", err.msg);
	free(run_path);
	free(qrels_path);
}

static void close_files(struct opened *o)
{
	itr_trec_free(o->run);
	itr_qrels_free(&o->qrels);
	itr_row_table_free(&o->table);
}

/* Query "a" lists b and c with one score, then d; c and e, which no list has, are relevant. Query "z" has no list. */
static const char *const run_text = "a Q0 b 9 2 x\na Q0 c 8 2 x\na Q0 d 7 1 x\nother Q0 b 1 1 x\n", *const qrels_text =
													    "a 0 c 1\na 0 e 1\nz 0 b 1\n";

static void rank(const struct opened *o, itr_conventions c, bool skip, itr_trec_ranks *ranks)
{
	const itr_relevance_rules rules = { c, ITR_GAIN_LINEAR, skip };
	itr_trec_rank(o->run, &o->table, &o->qrels, &rules, false, ranks);
	assert_non_null(ranks->side[ITR_TEXT]);
	assert_null(ranks->side[ITR_IMAGE]);            /* the run has no such list */
	assert_true(ranks->truncated == (c == ITR_CONVENTIONS_ITR));    /* the others find the first positive */
}

static void test_conventions(void **state)
{
	(void)state;
	struct opened o;
	itr_trec_ranks ranks;
	open_files(&o, run_text, qrels_text);
	assert_true(o.table.n[ITR_TEXT] == 2 && o.table.n[ITR_IMAGE] == 4);     /* e has joined; z is a query that is not there */
	assert_string_equal(o.table.id[ITR_IMAGE][3], "e");
	assert_string_equal(o.qrels.absent_id[ITR_TEXT][0], "z");
	assert_int_equal(o.table.text_image[0], 1);
	rank(&o, ITR_CONVENTIONS_ITR, false, &ranks);           /* b and c tie; e ties with nothing behind the list */
	const itr_ranks *r = ranks.side[ITR_TEXT];
	assert_true(r->offset[1] - r->offset[0] == 2 && r->relevant[0] == 2 && r->pool[0] == 4 && r->pool[1] == 0);
	assert_true(r->above[0] == 0 && r->equal[0] == 2 && r->above[1] == 3 && r->equal[1] == 1);
	itr_ranks_free(ranks.side[ITR_TEXT]);
	rank(&o, ITR_CONVENTIONS_TREC_EVAL, false, &ranks);     /* c before b: descending ids; e is not found */
	r = ranks.side[ITR_TEXT];
	assert_true(r->offset[1] - r->offset[0] == 1 && r->row[0] == 1 && r->above[0] == 0 && r->equal[0] == 1 && r->relevant[0] == 2);
	itr_ranks_free(ranks.side[ITR_TEXT]);
	rank(&o, ITR_CONVENTIONS_RANX, true, &ranks);           /* the file's order: b before c */
	r = ranks.side[ITR_TEXT];
	assert_true(r->offset[1] - r->offset[0] == 1 && r->above[0] == 1 && r->equal[0] == 1);
	itr_ranks_free(ranks.side[ITR_TEXT]);
	close_files(&o);
}

static void test_written_is_read(void **state)
{
	(void)state;
	itr_err err = ITR_ERR_INIT;
	struct opened o;
	itr_qrels again;
	open_files(&o, "t2i:a Q0 b 1 1 x\ni2t:b Q0 a 1 1 x\n", "t2i:a 0 b 2\ni2t:b 0 a 1\n");
	char *path = itr_xasprintf("%s/out.qrels", folder);
	assert_int_equal(itr_trec_write_qrels(&o.table, &o.qrels, path, &err), 0);
	const itr_relevance_rules rules = { ITR_CONVENTIONS_ITR, ITR_GAIN_LINEAR, false };
	assert_int_equal(itr_qrels_open(&again, &o.table, path, &rules, NULL, &err), 0);
	assert_true(again.relevant[ITR_TEXT]->grade[0] == 2 && !again.relevant[ITR_IMAGE]->grade);
	itr_qrels_free(&again);
	free(o.table.id[ITR_TEXT][0]);
	o.table.id[ITR_TEXT][0] = itr_xstrdup("a b");
	assert_int_equal(itr_trec_write_qrels(&o.table, &o.qrels, path, &err), -1);
	assert_non_null(strstr(err.msg, "'a b' is empty or holds white space"));
	free(path);
	close_files(&o);
}

static void test_refused(void **state)
{
	(void)state;
	static const struct { const char *content, *message; } cases[] = {
		{ "a Q0 b 1 2 x\na Q0 b 2 1 x\n", "query 'a' lists document 'b' twice (lines 1 and 2)" },
		{ "a Q0 b 1 nan x\n", "the score is NaN" },
		{ "a b 1\n", "has 3 columns" },
		{ "t2i: Q0 b 1 2 x\n", "no id stands behind" },
		{ "# words\n", "holds no lists, comments only" },
		{ "", "is empty" },
	};
	for (int i = 0; i < ITR_LEN(cases); i++) {
		itr_err err = ITR_ERR_INIT;
		char *path = file("bad.run", cases[i].content);
		assert_null(itr_trec_read_run(path, NULL, &err));
		if (!strstr(err.msg, cases[i].message))
			fail_msg("%s", err.msg);
		free(path);
	}
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
		cmocka_unit_test(test_conventions),
		cmocka_unit_test(test_written_is_read),
		cmocka_unit_test(test_refused),
	};
	if (!mkdtemp(folder))
		return 1;
	return cmocka_run_group_tests_name("trec", tests, NULL, remove_folder);
}
