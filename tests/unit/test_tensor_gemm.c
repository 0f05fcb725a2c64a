/* lib/tensor/gemm.c: equality with one fmaf chain, for every kernel that this processor runs (the test calls itself with ITR_CPU), on odd
 * shapes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "tensor/gemm.h"
#include "base/rng.h"
#include "tensor/dtype.h"
#include "tensor/gemm_kernel.h"

static uint32_t state_ = 12345;
static uint32_t next(void) { return state_ = state_ * 1664525u + 1013904223u; }
static int64_t below(int64_t n) { return (int64_t)(next() >> 8) % n; }
static float value(void) { return (float)((int32_t)next() >> 8) * 0x1p-23f; }

static float *matrix(int64_t rows, int64_t ld)
{
	float *x = itr_xmalloc((size_t)(rows * ld + 1) * sizeof *x);
	for (int64_t i = 0; i < rows * ld; i++)
		x[i] = value();
	return x;
}

static void compare(bool ta, bool tb, int64_t m, int64_t n, int64_t k, float alpha, float beta, int threads)
{
	int64_t lda = (ta ? m : k) + below(5), ldb = (tb ? k : n) + below(5), ldc = n + below(5);
	float *a = matrix(ta ? k : m, lda), *b = matrix(tb ? n : k, ldb), *c = matrix(m, ldc);
	float *want = itr_xmalloc((size_t)(m * ldc + 1) * sizeof *want), *chain = itr_xmalloc((size_t)(m * n + 1) * sizeof *chain);
	memcpy(want, c, (size_t)(m * ldc) * sizeof *c);
	itr_gemm_reference(ta, tb, m, n, k, a, lda, b, ldb, chain, n);
	for (int64_t i = 0; i < m; i++)
		for (int64_t j = 0; j < n; j++) {
			float v = alpha * chain[i * n + j];
			want[i * ldc + j] = beta == 0 ? v : v + beta * want[i * ldc + j];
		}
	itr_gemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, threads);
	if (memcmp(c, want, (size_t)(m * ldc) * sizeof *c))      /* what lies between the rows must not change either */
		fail_msg("%s: trans %d %d, %lld x %lld x %lld, alpha %g, beta %g, %d threads", itr_gemm_kernel(), ta, tb, (long long)m,
		         (long long)n, (long long)k, (double)alpha, (double)beta, threads);
	free(a), free(b), free(c), free(want), free(chain);
}

static void test_odd_shapes(void **state)
{
	(void)state;
	for (int i = 0; i < 160; i++)
		compare(below(2), below(2), 1 + below(i % 3 ? 40 : 150), 1 + below(i % 2 ? 60 : 200), below(i % 5 ? 70 : 1300), 1, 0,
		        1 + (int)below(3));
	for (int i = 0; i < 40; i++)
		compare(below(2), below(2), 1 + below(90), 1 + below(90), below(i % 4 ? 60 : 1200), i % 2 ? 0.5f : 1, i % 3 ? 1 : 0.25f,
		        1 + (int)below(3));
}

static void test_edges(void **state)
{
	(void)state;
	const int64_t sizes[] = { 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15, 16, 17, 28, 31, 32, 33, 63, 64, 65, 66 };
	for (int i = 0; i < ITR_LEN(sizes); i++)
		for (int j = 0; j < ITR_LEN(sizes); j++)
			compare(i & 1, j & 1, sizes[i], sizes[j], 1 + below(40), 1, 0, 2);
	compare(false, true, 5, 7, 0, 1, 0, 1);
	compare(false, true, 70, 1, 513, 1, 1, 2);
	compare(false, true, 200, 700, 1025, 1, 0, 2);            /* several pieces and several blocks of K */
	compare(true, false, 200, 600, 1025, 1, 1, 2);
}

static void test_packed(void **state)
{
	(void)state;
	for (int i = 0; i < 60; i++) {
		int64_t m = 1 + below(i % 2 ? 20 : 120), n = 1 + below(300), k = 1 + below(i % 3 ? 50 : 700), n0 = i % 4 ? below(n) : 0,
			n1 = n0 + below(n - n0 + 1);
		int64_t lda = k + below(4), ldb = k + below(4), ldc = n1 - n0 + below(3);
		float *a = matrix(m, lda), *b = matrix(n, ldb), *c = matrix(m, ldc + 1),
		      *want = itr_xmalloc((size_t)(m * ldc + m + 1) * sizeof *want);
		itr_packed *p = itr_pack_rows(b, n, k, ldb, 2);
		memcpy(want, c, (size_t)(m * ldc) * sizeof *c);
		itr_gemm_reference(false, true, m, n1 - n0, k, a, lda, b + n0 * ldb, ldb, want, ldc);
		itr_gemm_packed(m, a, lda, p, n0, n1, c, ldc, 2);
		assert_memory_equal(c, want, (size_t)(m * ldc) * sizeof *c);
		assert_true(itr_packed_bytes(p) >= (size_t)(n * k) * sizeof *b);
		itr_packed_free(p);
		free(a), free(b), free(c), free(want);
	}
}

/* Equal gallery rows give one score, wherever they sit, whatever the batch and the threads. */
static void test_ties_are_bit_equal(void **state)
{
	(void)state;
	enum { N = 1003, DIM = 515, MAX = 256 };
	float *row = matrix(1, DIM), *g = itr_xmalloc((size_t)N * DIM * sizeof *g), *q = itr_xmalloc((size_t)MAX * DIM * sizeof *q);
	float *s = itr_xmalloc((size_t)MAX * N * sizeof *s), *query = matrix(1, DIM);
	const int64_t batches[] = { 1, 7, 256 };
	for (int64_t i = 0; i < N; i++)
		memcpy(g + i * DIM, row, DIM * sizeof *row);
	for (int64_t i = 0; i < MAX; i++)
		memcpy(q + i * DIM, query, DIM * sizeof *row);
	float want = itr_dot_chain(query, row, DIM);
	itr_packed *p = itr_pack_rows(g, N, DIM, DIM, 1);
	for (int packed = 0; packed < 2; packed++)
		for (int b = 0; b < ITR_LEN(batches); b++)
			for (int threads = 1; threads <= 2; threads++) {
				memset(s, 0, (size_t)MAX * N * sizeof *s);
				if (packed)
					itr_gemm_packed(batches[b], q, DIM, p, 0, N, s, N, threads);
				else
					itr_gemm(false, true, batches[b], N, DIM, 1, q, DIM, g, DIM, 0, s, N, threads);
				for (int64_t i = 0; i < batches[b] * N; i++)
					if (memcmp(s + i, &want, sizeof want))
						fail_msg("score %lld of batch %lld differs", (long long)i, (long long)batches[b]);
			}
	itr_packed_free(p);
	free(row), free(g), free(q), free(s), free(query);
}

static void test_not_a_number_travels(void **state)
{
	(void)state;
	float a[2 * 3] = { 1, NAN, 1, 1, 1, INFINITY }, b[3] = { 1, 0, 0 }, c[2] = { 0 };
	itr_gemm(false, true, 2, 1, 3, 1, a, 3, b, 3, 0, c, 1, 1);
	assert_true(isnan(c[0]));
	assert_true(isnan(c[1]));                                  /* infinity times 0 */
	float old[1] = { NAN }, one[1] = { 2 };
	itr_gemm(false, true, 1, 1, 1, 1, one, 1, one, 1, 0, old, 1, 1);
	assert_true(old[0] == 4.0f);                               /* beta 0 does not read C */
}

/* One left panel times one right panel, as a fused top-k does it. */
static void test_kernel_interface(void **state)
{
	(void)state;
	const itr_gemm_isa *g = itr_gemm_isa_get();
	assert_true(g->mr <= ITR_GEMM_MAX_MR && g->nr <= ITR_GEMM_MAX_NR);
	int64_t k = 77, n = 3 * g->nr - 1;
	float *a = matrix(g->mr, k), *b = matrix(n, k), *ap = itr_aligned_alloc((size_t)(g->mr * k) * sizeof *ap);
	float s[ITR_GEMM_MAX_MR * ITR_GEMM_MAX_NR];
	itr_packed *p = itr_pack_rows(b, n, k, k, 1);
	assert_int_equal(itr_packed_rows(p), n);
	assert_int_equal(itr_packed_dim(p), k);
	for (int rows = 1; rows <= g->mr; rows++) {
		g->pack(ap, g->mr, a, k, 1, rows, k);
		for (int64_t panel = 0; panel < 3; panel++) {
			g->tile(rows, k - 10, ap, itr_packed_panel(p, panel), s, g->nr, false);
			g->tile(rows, 10, ap + (k - 10) * g->mr, itr_packed_panel(p, panel) + (k - 10) * g->nr, s, g->nr, true);
			for (int i = 0; i < rows; i++)
				for (int j = 0; j < g->nr; j++) {
					int64_t r = panel * g->nr + j;
					assert_true(s[i * g->nr + j] == (r < n ? itr_dot_chain(a + i * k, b + r * k, k) : 0));
				}
		}
	}
	itr_packed_free(p);
	itr_aligned_free(ap);
	free(a), free(b);
}

/* Runs this program again for the kernels below the best one; ITR_CPU only lowers. */
static void test_other_kernels(void **state)
{
	const char *const caps[] = { "scalar", "avx2", "avx512", "neon" };
	const char *self = *state;
	if (getenv("ITR_CPU"))
		return;
	for (int i = 0; i < ITR_LEN(caps); i++) {
		char *command = itr_xasprintf("ITR_CPU=%s '%s' >/dev/null 2>&1", caps[i], self);
		if (system(command))
			fail_msg("ITR_CPU=%s %s fails: run it to see", caps[i], self);
		free(command);
	}
}

/* bfloat16: equal to the float product of rounded operands within the rounding of the sums, at shapes that exercise tails of k, rows and
 * columns. */
static void bf16_case(bool ta, bool tb, int64_t m, int64_t n, int64_t k)
{
	const int64_t lda = ta ? m : k, ldb = tb ? k : n;
	float *a = matrix(m, k), *b = matrix(n, k), *want = matrix(m, n), *one = matrix(m, n), *two = matrix(m, n);
	for (int64_t i = 0; i < m * k; i++)
		a[i] = itr_bf16_to_f32(itr_bf16_from_f32(a[i]));
	for (int64_t i = 0; i < n * k; i++)
		b[i] = itr_bf16_to_f32(itr_bf16_from_f32(b[i]));
	itr_gemm_reference(ta, tb, m, n, k, a, lda, b, ldb, want, n);
	itr_gemm_bf16(ta, tb, m, n, k, 1, a, lda, b, ldb, 0, one, n, 1);
	itr_gemm_bf16(ta, tb, m, n, k, 1, a, lda, b, ldb, 0, two, n, 2);
	assert_memory_equal(one, two, (size_t)(m * n) * sizeof *one);
	for (int64_t i = 0; i < m * n; i++)
		assert_true(fabsf(one[i] - want[i]) <= 2e-6f * sqrtf((float)k) + 1e-6f * fabsf(want[i]));
	memset(a, 0, (size_t)(m * k) * sizeof *a);
	a[0] = 1.00390625f;                      /* 1 + 2^-8: a tie, rounded to the even 1.0 */
	for (int64_t i = 0; i < n * k; i++)
		b[i] = 1;
	itr_gemm_bf16(ta, tb, m, n, k, 1, a, lda, b, ldb, 0, one, n, 2);
	assert_true(one[0] == 1.0f);
	free(a), free(b), free(want), free(one), free(two);
}

static void test_bf16(void **state)
{
	static const int64_t shapes[][3] = {
		{ 1, 1, 1 }, { 3, 5, 7 }, { 14, 32, 33 }, { 29, 65, 64 }, { 100, 70, 515 }, { 17, 200, 1030 }
	};
	(void)state;
	for (int s = 0; s < ITR_LEN(shapes); s++)
		for (int trans = 0; trans < 4; trans++)
			bf16_case(trans & 1, trans & 2, shapes[s][0], shapes[s][1], shapes[s][2]);
}

int main(int argc, char **argv)
{
	void *self = argc > 0 ? argv[0] : NULL;
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_odd_shapes),
		                            cmocka_unit_test(test_edges),
		                            cmocka_unit_test(test_packed),
		                            cmocka_unit_test(test_ties_are_bit_equal),
		                            cmocka_unit_test(test_not_a_number_travels),
		                            cmocka_unit_test(test_bf16),
		                            cmocka_unit_test(test_kernel_interface),
		                            cmocka_unit_test_prestate(test_other_kernels, self) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
