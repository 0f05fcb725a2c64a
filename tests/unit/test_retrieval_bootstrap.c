/* Clustered bootstrap against NumPy (tests/golden/gen_bootstrap.py), and what is read off it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "retrieval/bootstrap.h"

static itr_metric_set three_columns(void)
{
	static const char *const keys[] = { "recall@1", "median_rank", "mean_rank" };
	itr_metric_set s = { 0 };
	itr_err err = ITR_ERR_INIT;
	for (int i = 0; i < 3; i++)
		assert_int_equal(itr_metric_set_add(&s, keys[i], NULL, &err), 0);
	return s;
}

static void read_side(FILE *f, int n, itr_metric_values *v, int64_t *cluster)
{
	*v = (itr_metric_values){ .n = n, .columns = 3, .value = itr_xmalloc((size_t)n * 3 * sizeof(double)) };
	for (int i = 0; i < n; i++) {
		long long c;
		assert_int_equal(fscanf(f, "%lld %lf %lf %lf", &c, &v->value[i * 3], &v->value[i * 3 + 1], &v->value[i * 3 + 2]), 4);
		cluster[i] = c;
	}
}

static void test_is_numpys(void **state)
{
	(void)state;
	FILE *f = fopen("tests/golden/bootstrap.txt", "r");
	char line[256];
	int clusters, resamples, seed, folds, nt, ni;
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof line, f));
	assert_int_equal(fscanf(f, "%d %d %d %d %d %d", &clusters, &resamples, &seed, &folds, &nt, &ni), 6);
	itr_metric_set s = three_columns();
	itr_metric_values v[2];
	int64_t ct[128], ci[128];
	int32_t fold[64];
	read_side(f, nt, &v[0], ct);
	read_side(f, ni, &v[1], ci);
	for (int round = 0; round < 2; round++) {
		int n_folds = round ? folds : 1;
		for (int c = 0; c < clusters; c++)
			fold[c] = c % n_folds;
		itr_boot_side sides[] = { { &v[0], ct }, { &v[1], ci } };
		double *x = itr_bootstrap(sides, 2, &s, clusters, round ? fold : NULL, n_folds, resamples, (uint64_t)seed, 1);
		double *again = itr_bootstrap(sides, 2, &s, clusters, fold, n_folds, resamples, (uint64_t)seed, 2);
		assert_memory_equal(x, again, sizeof(double) * (size_t)resamples * 6);
		for (int j = 0; j < 6; j++) {
			double low, high;
			assert_int_equal(fscanf(f, "%lf %lf", &low, &high), 2);
			itr_interval i = itr_interval_95(x + j, resamples, 6);
			assert_true(fabs(i.low - low) < 1e-12 && fabs(i.high - high) < 1e-12);      /* sums in another order than NumPy's */
		}
		free(x);
		free(again);
	}
	fclose(f);
	free(v[0].value);
	free(v[1].value);
}

/* Queries without an image are clusters of their own; a side without queries is NaN, not a number made up. */
static void test_singles_and_empty(void **state)
{
	(void)state;
	itr_metric_set s = three_columns();
	double value[] = { 0, 4, 4, 1, 1, 1 };
	itr_metric_values v = { .n = 2, .columns = 3, .value = value }, none = { .n = 0, .columns = 3, .value = value };
	itr_boot_side sides[] = { { &v, (int64_t[]){ -1, -1 } }, { &none, (int64_t[]){ 0 } } };
	double *x = itr_bootstrap(sides, 2, &s, 0, NULL, 1, 400, 1, 1);
	itr_interval i = itr_interval_95(x, 400, 6), e = itr_interval_95(x + 3, 400, 6);
	assert_true(i.low == 0 && i.high == 1);
	assert_true(isnan(e.low) && isnan(e.high));
	free(x);
}

static void test_p_and_holm(void **state)
{
	(void)state;
	double d[] = { 1, 1, 1, -1, 0 };
	assert_true(fabs(itr_boot_p(d, 5, 1) - 2 * 3 / 6.0) < 1e-15);
	assert_true(fabs(itr_boot_p(d, 3, 1) - 2 * 1 / 4.0) < 1e-15);
	double p[] = { 0.01, 0.04, NAN, 0.03, 0.005 }, q[5];
	itr_holm(p, 5, q);                           /* statsmodels: multipletests([.01,.04,.03,.005], method="holm") = .03 .06 .06 .02 */
	assert_true(fabs(q[0] - 0.03) < 1e-15 && fabs(q[1] - 0.06) < 1e-15 && fabs(q[3] - 0.06) < 1e-15 && fabs(q[4] - 0.02) < 1e-15);
	assert_true(isnan(q[2]));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_is_numpys), cmocka_unit_test(test_singles_and_empty),
		                            cmocka_unit_test(test_p_and_holm) };
	return cmocka_run_group_tests_name("retrieval bootstrap", tests, NULL, NULL);
}
