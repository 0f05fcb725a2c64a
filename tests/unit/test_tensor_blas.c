/* lib/tensor/blas.c: what defines each factorisation, checked on the factors. Tolerances: 1e-10 for orders below 60, where double leaves
 * about 1e-13. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "tensor/blas.h"

static double *normal(uint64_t seed, int64_t n)
{
	itr_rng r;
	double *x = itr_xmalloc((size_t)n * sizeof *x);
	itr_rng_seed(&r, seed);
	itr_rng_normals(&r, n, x);
	return x;
}

static void near(const double *a, const double *b, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		if (!(fabs(a[i] - b[i]) < 1e-10))
			fail_msg("entry %lld: %g and %g", (long long)i, a[i], b[i]);
}

static void multiply(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const double *a, int64_t lda, const double *b, int64_t ldb,
                     double *c)
{
	for (int64_t i = 0; i < m; i++)
		for (int64_t j = 0; j < n; j++) {
			double s = 0;
			for (int64_t p = 0; p < k; p++)
				s += (ta ? a[p * lda + i] : a[i * lda + p]) * (tb ? b[j * ldb + p] : b[p * ldb + j]);
			c[i * n + j] = s;
		}
}

static void test_products(void **state)
{
	(void)state;
	enum { M = 5, N = 7, K = 6 };
	double *a = normal(1, 64), *b = normal(2, 64), c[M * N], d[M * N], e[N * N], f[N * N];
	for (int t = 0; t < 4; t++) {
		int lda = t & 1 ? M : K, ldb = t & 2 ? K : N;
		multiply(t & 1, t & 2, M, N, K, a, lda, b, ldb, c);
		itr_dgemm(t & 1, t & 2, M, N, K, 1, a, lda, b, ldb, 0, d, N);
		near(c, d, M * N);
	}
	multiply(true, false, N, N, K, b, N, b, N, e);
	itr_dsyrk(N, K, 1, b, N, 0, f, N);
	near(e, f, N * N);
	free(a), free(b);
}

static void test_cholesky(void **state)
{
	(void)state;
	enum { N = 20, R = 3 };
	itr_err err = ITR_ERR_INIT;
	double *x = normal(3, 40 * N), *b = normal(4, N * R), a[N * N], l[N * N], back[N * N], y[N * R], z[N * R];
	itr_dsyrk(N, 40, 1, x, N, 0, a, N);
	memcpy(l, a, sizeof l);
	assert_int_equal(itr_cholesky(l, N, &err), 0);
	multiply(false, true, N, N, N, l, N, l, N, back);
	near(a, back, N * N);
	for (int i = 0; i < N; i++)
		for (int j = i + 1; j < N; j++)
			assert_true(l[i * N + j] == 0);
	memcpy(y, b, sizeof y);
	itr_trsm_lower(false, N, R, l, y);
	multiply(false, false, N, R, N, l, N, y, R, z);
	near(z, b, N * R);
	memcpy(y, b, sizeof y);
	itr_trsm_lower(true, N, R, l, y);
	multiply(true, false, N, R, N, l, N, y, R, z);
	near(z, b, N * R);
	memset(a, 0, sizeof a);
	assert_int_equal(itr_cholesky(a, N, &err), -1);
	assert_non_null(strstr(err.msg, "not positive definite"));
	free(x), free(b);
}

static void check_svd(int64_t m, int64_t n)
{
	itr_err err = ITR_ERR_INIT;
	int64_t r = ITR_MIN(m, n);
	double *a = normal((uint64_t)(m * 100 + n), m * n), u[60 * 60], s[60], vt[60 * 60], us[60 * 60], back[60 * 60], eye[60 * 60],
	       gram[60 * 60];
	assert_int_equal(itr_svd(a, m, n, u, s, vt, &err), 0);
	for (int64_t i = 0; i < m; i++)
		for (int64_t j = 0; j < r; j++)
			us[i * r + j] = u[i * r + j] * s[j];
	multiply(false, false, m, n, r, us, r, vt, n, back);
	near(a, back, m * n);
	for (int64_t i = 0; i < r * r; i++)
		eye[i] = i % (r + 1) == 0;
	multiply(true, false, r, r, m, u, r, u, r, gram);
	near(gram, eye, r * r);
	multiply(false, true, r, r, n, vt, n, vt, n, gram);
	near(gram, eye, r * r);
	for (int64_t j = 0; j < r; j++) {
		double top = 0;
		for (int64_t i = 0; i < m; i++)
			if (fabs(u[i * r + j]) > fabs(top))
				top = u[i * r + j];
		assert_true(top > 0 && s[j] >= 0 && (j == 0 || s[j] <= s[j - 1]));
	}
	free(a);
}

static void test_svd(void **state)
{
	(void)state;
	check_svd(1, 1), check_svd(5, 5), check_svd(40, 7), check_svd(7, 40), check_svd(55, 54);
	itr_err err = ITR_ERR_INIT;
	double bad[4] = { 1, NAN, 0, 1 }, o[4];
	assert_int_equal(itr_svd(bad, 2, 2, o, o, o, &err), -1);
}

static void test_eigh(void **state)
{
	(void)state;
	enum { N = 31 };
	itr_err err = ITR_ERR_INIT;
	double *x = normal(8, 50 * N), a[N * N], v[N * N], w[N], av[N * N], vw[N * N];
	itr_dsyrk(N, 50, 1, x, N, 0, a, N);
	memcpy(v, a, sizeof v);
	assert_int_equal(itr_eigh(v, N, w, &err), 0);
	multiply(false, false, N, N, N, a, N, v, N, av);
	for (int i = 0; i < N; i++)
		for (int j = 0; j < N; j++)
			vw[i * N + j] = v[i * N + j] * w[j];
	near(av, vw, N * N);
	for (int j = 1; j < N; j++)
		assert_true(w[j] >= w[j - 1]);
	free(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_products), cmocka_unit_test(test_cholesky), cmocka_unit_test(test_svd),
		                            cmocka_unit_test(test_eigh) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
