/* Filters, columns, order and the tree of runs, on runs made in memory. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "track/commands.h"
#include "track/filter.h"

/* Three runs: loss 0.1, 0.2, none; model cca, ridge, cca. */
static itr_runs sample(void)
{
	static const char *const models[] = { "cca", "ridge", "cca" }, *const names[] = { "alpha", "beta", "gamma ray" };
	itr_runs rs = { itr_xcalloc(3, sizeof *rs.v), 3 };
	for (int i = 0; i < 3; i++) {
		itr_run_info *r = &rs.v[i];
		r->id = itr_xasprintf("%032d", i + 1);
		r->name = itr_xstrdup(names[i]);
		r->status = i == 1 ? ITR_RUN_FAILED : ITR_RUN_FINISHED;
		r->start = 1700000000000 - i * 1000;
		r->end = i == 2 ? 0 : r->start + 500 * (i + 1);
		r->params = itr_xcalloc(1, sizeof *r->params);
		r->params[0] = (itr_run_pair){ itr_xstrdup("model"), itr_xstrdup(models[i]) };
		r->n_params = 1;
		r->metrics = itr_xcalloc(1, sizeof *r->metrics);
		if (i < 2)
			r->metrics[r->n_metrics++] = (itr_run_value){ .key = itr_xstrdup("val/loss"), .value = 0.1 * (i + 1), .points = 1 };
	}
	return rs;
}

static int count(const char *text)
{
	itr_err err = ITR_ERR_INIT;
	itr_runs rs = sample();
	itr_filter *f = itr_filter_parse(text, &err);
	if (!f)
		fail_msg("%s: %s", text, err.msg);
	if (itr_filter_apply(f, &rs, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	int n = (int)rs.n;
	itr_filter_free(f);
	itr_runs_free(&rs);
	return n;
}

static void test_filters(void **state)
{
	(void)state;
	assert_int_equal(count("params.model = 'cca'"), 2);
	assert_int_equal(count("params.model != 'cca'"), 1);
	assert_int_equal(count("metrics.val/loss < 0.15"), 1);
	assert_int_equal(count("metrics.\"val/loss\" >= 0.2"), 1);
	assert_int_equal(count("metrics.`val/loss` <= 0.2"), 2);
	assert_int_equal(count("not metrics.val/loss > 0"), 1);
	assert_int_equal(count("params.model = cca AND metrics.val/loss > 0"), 1);
	assert_int_equal(count("params.model = cca OR metrics.val/loss > 0"), 3);
	assert_int_equal(count("params.model = ridge or params.model = cca and metrics.val/loss = 0.1"), 2);
	assert_int_equal(count("(params.model = ridge or params.model = cca) and metrics.val/loss = 0.1"), 1);
	assert_int_equal(count("name like '%a%'"), 3);
	assert_int_equal(count("name like '%ray'"), 1);
	assert_int_equal(count("name like 'ALPHA'"), 0);
	assert_int_equal(count("name ilike 'AL_HA'"), 1);
	assert_int_equal(count("name not like '%a'"), 1);
	assert_int_equal(count("params.model in ('x', 'ridge')"), 1);
	assert_int_equal(count("params.model not in ('x', 'ridge')"), 2);
	assert_int_equal(count("attributes.status = 'FAILED'"), 1);
	assert_int_equal(count("duration >= 1"), 1);
	assert_int_equal(count("id = 00000000000000000000000000000002"), 1);
}

static void test_bad_filters(void **state)
{
	static const char *const bad[] = {
		"",        "and", "a",         "a =", "a = 'x",    "a = 1 b",           "(a = 1",        "a = 1)", "a in 1", "a in (1",
		"a in ()", "= 1", "a = 1 and", "not", "a not = 1", "a = 1 or or b = 2", "metrics.`x = 1"
	};
	itr_err err = ITR_ERR_INIT;
	(void)state;
	for (int i = 0; i < ITR_LEN(bad); i++) {
		err.set = 0;
		itr_filter *f = itr_filter_parse(bad[i], &err);
		if (f)
			fail_msg("accepted: %s", bad[i]);
		assert_true(err.set && strstr(err.msg, "filter"));
	}
}

static void test_columns(void **state)
{
	itr_err err = ITR_ERR_INIT;
	itr_runs rs = sample();
	itr_column c;
	(void)state;
	assert_int_equal(itr_column_parse(&c, "val/loss", &rs, &err), 0);
	assert_int_equal(c.kind, ITR_COLUMN_METRIC);
	assert_int_equal(itr_column_parse(&c, "model", &rs, &err), 0);
	assert_int_equal(c.kind, ITR_COLUMN_PARAM);
	assert_int_equal(itr_column_parse(&c, "start_time", &rs, &err), 0);
	assert_string_equal(c.key, "start");
	assert_int_equal(itr_column_parse(&c, "metrics.val/los", &rs, &err), -1);
	assert_non_null(strstr(err.msg, "did you mean 'val/loss'"));
	assert_int_equal(itr_column_parse(&c, "attributes.stat", &rs, &err), -1);
	assert_int_equal(itr_column_parse(&c, "modle", &rs, &err), -1);
	assert_non_null(strstr(err.msg, "did you mean 'model'"));
	itr_runs_free(&rs);
}

static void test_sort(void **state)
{
	itr_err err = ITR_ERR_INIT;
	itr_runs rs = sample();
	itr_column c;
	(void)state;
	assert_int_equal(itr_column_parse(&c, "val/loss", &rs, &err), 0);
	itr_runs_sort(&rs, &c, true);                       /* the run without the value stays last */
	assert_string_equal(rs.v[0].name, "beta");
	assert_string_equal(rs.v[2].name, "gamma ray");
	itr_runs_sort(&rs, &c, false);
	assert_string_equal(rs.v[0].name, "alpha");
	assert_string_equal(rs.v[2].name, "gamma ray");
	itr_runs_free(&rs);
}

static void test_tree(void **state)
{
	itr_runs rs = sample();                             /* newest first: alpha, beta, gamma */
	(void)state;
	rs.v[0].parent = itr_xstrdup(rs.v[2].id);           /* alpha and beta below gamma */
	rs.v[1].parent = itr_xstrdup(rs.v[2].id);
	itr_runs_tree(&rs);
	assert_string_equal(rs.v[0].name, "gamma ray");
	assert_string_equal(rs.v[1].name, "beta");          /* children: oldest first */
	assert_string_equal(rs.v[2].name, "alpha");
	assert_int_equal(rs.v[2].depth, 1);
	free(rs.v[0].parent);
	rs.v[0].parent = itr_xstrdup(rs.v[2].id);           /* a circle */
	itr_runs_tree(&rs);
	assert_int_equal(rs.n, 3);
	assert_non_null(rs.v[2].id);
	itr_runs_free(&rs);
}

static void test_words(void **state)
{
	itr_err err = ITR_ERR_INIT;
	(void)state;
	assert_int_equal(itr_commands_age("30d", &err), 30LL * 86400000);
	assert_int_equal(itr_commands_age("0", &err), 0);
	assert_int_equal(itr_commands_age("x", &err), -1);
	assert_int_equal(itr_commands_age("-1d", &err), -1);
	assert_int_equal(itr_commands_age("5", &err), -1);
	assert_true(itr_commands_smaller_is_better("val_loss") && itr_commands_smaller_is_better("t2i_median_rank"));
	assert_false(itr_commands_smaller_is_better("t2i_recall_at_10"));
	assert_int_equal(itr_run_status_parse("finished"), ITR_RUN_FINISHED);
	assert_int_equal(itr_run_status_parse("done"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_filters), cmocka_unit_test(test_bad_filters),
		                            cmocka_unit_test(test_columns), cmocka_unit_test(test_sort),
		                            cmocka_unit_test(test_tree),    cmocka_unit_test(test_words) };
	return cmocka_run_group_tests_name("track_filter", tests, NULL, NULL);
}
