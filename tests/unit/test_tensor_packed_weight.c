/* lib/tensor/packed_weight.c: fp32 and bf16 bit-equal to itr_gemm's, int8 bit-equal to plain loops in every kernel that this processor runs
 * (the test calls itself with ITR_CPU), with everything that may follow a product, on odd shapes, wide strides, any number of threads. */
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
#include "tensor/packed_weight_kernel.h"
#include "tensor/gemm.h"

static uint32_t state_ = 4711;
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

static double activation(itr_activation a, double v)
{
	switch (a) {
	case ITR_ACT_RELU: return fmax(v, 0);
	case ITR_ACT_RELU6: return fmin(fmax(v, 0), 6);
	case ITR_ACT_HARDSWISH: return v * fmin(fmax(v + 3, 0), 6) / 6;
	case ITR_ACT_HARDSIGMOID: return fmin(fmax(v + 3, 0), 6) / 6;
	case ITR_ACT_GELU: return 0.5 * v * (1 + erf(v / sqrt(2)));
	case ITR_ACT_QUICK_GELU: return v / (1 + exp(-1.702 * v));
	default: return v;
	}
}

/* A row of weights in 8 bits, as packed_weight.h promises it; returns the scale. */
static float weight_row(const float *w, int64_t k, int8_t *q)
{
	float top = 0;
	for (int64_t l = 0; l < k; l++)
		top = fmaxf(top, fabsf(w[l]));
	const float scale = top / 127.0f > 1e-37f ? top / 127.0f : 1.0f, inverse = 1.0f / scale;
	for (int64_t l = 0; l < k; l++)
		q[l] = (int8_t)ITR_MAX(ITR_MIN(lrintf(w[l] * inverse), 127L), -127L);
	itr_int8_balance_rounding(w, k, scale, false, q);
	return scale;
}

/* The definition of int8, plainly: the numbers that packed_weight.h promises on every machine. */
static void reference_int8(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *w, int64_t ldw, float *c)
{
	int8_t *q = itr_xmalloc((size_t)(n * k));
	float *ws = itr_xmalloc((size_t)n * sizeof *ws);
	for (int64_t j = 0; j < n; j++)
		ws[j] = weight_row(w + j * ldw, k, q + j * k);
	for (int64_t i = 0; i < m; i++) {
		float low = 0, high = 0;
		for (int64_t l = 0; l < k; l++) {
			low = fminf(low, a[i * lda + l]);
			high = fmaxf(high, a[i * lda + l]);
		}
		const float scale = high / 255.0f - low / 255.0f > 1e-37f ? high / 255.0f - low / 255.0f : 1.0f, inverse = 1.0f / scale;
		const long zero = lrintf(fminf(fmaxf(-low * inverse, 0), 255));
		for (int64_t j = 0; j < n; j++) {
			long sum = 0;
			for (int64_t l = 0; l < k; l++)
				sum += (ITR_MAX(ITR_MIN(lrintf(a[i * lda + l] * inverse) + zero, 255L), 0L) - zero) * q[j * k + l];
			c[i * n + j] = (float)sum * (scale * ws[j]);
		}
	}
	free(q);
	free(ws);
}

struct rows { const float *a; int64_t lda, k; };

static void fill_rows(const void *ctx, int64_t row, int64_t rows, float *dst)
{
	const struct rows *q = ctx;
	for (int64_t i = 0; i < rows; i++)
		memcpy(dst + i * q->k, q->a + (row + i) * q->lda, (size_t)q->k * sizeof *dst);
}

static void compare(itr_compute compute, int64_t m, int64_t n, int64_t k, itr_activation act, bool bias, int residual)
{
	const int64_t lda = k + below(5), ldw = k + below(5), ldc = n + below(5);
	float *a = matrix(m, lda), *w = matrix(n, ldw), *b = matrix(1, n), *res = matrix(m, ldc), *c = matrix(m, ldc),
	      *want = itr_xmalloc((size_t)(m * n) * sizeof *want);
	float *first = itr_xmalloc((size_t)(m * ldc) * sizeof *first);
	itr_packed_weight *f = itr_pack_weight(compute, w, n, k, ldw, 2);
	if (compute == ITR_COMPUTE_INT8)
		reference_int8(m, n, k, a, lda, w, ldw, want);
	else
		(compute == ITR_COMPUTE_F32 ? itr_gemm : itr_gemm_bf16)(false, true, m, n, k, 1, a, lda, w, ldw, 0, want, n, 1);
	for (int64_t i = 0; i < m; i++)
		for (int64_t j = 0; j < n; j++) {
			float *v = want + i * n + j;
			*v += bias ? b[j] : 0.0f;
			*v += residual ? res[i * ldc + j] : 0.0f;
		}
	for (int run = 0; run < 6; run++) {                    /* threads 1 to 3; then by fill */
		const struct rows made = { a, lda, k };
		memcpy(c, res, (size_t)(m * ldc) * sizeof *c);
		const itr_epilogue after = { bias ? b : NULL, residual == 2 ? c : residual ? res : NULL, ldc, act };
		if (run < 3)
			itr_packed_weight_product(f, m, a, lda, &after, c, ldc, run + 1);
		else
			itr_packed_weight_product_from(f, m, fill_rows, &made, &after, c, ldc, run - 2);
		for (int64_t i = 0; i < m && run == 0; i++)
			for (int64_t j = 0; j < n; j++) {
				const float got = c[i * ldc + j], v = want[i * n + j];
				if (act == ITR_ACT_NONE ? got != v
				                        : fabs((double)got - activation(act, (double)v)) > 2e-6 * (1 + fabs((double)v)))
					fail_msg("%s %s: %lld x %lld x %lld, activation %d, bias %d, residual %d: %.9g instead of %.9g "
					         "(before it) at %lld, %lld",
					         itr_compute_names[compute], itr_packed_weight_kernel(f), (long long)m, (long long)n,
					         (long long)k, (int)act, bias, residual, (double)got, (double)v, (long long)i,
					         (long long)j);
			}
		if (run == 0)
			memcpy(first, c, (size_t)(m * ldc) * sizeof *c);
		if (memcmp(first, c, (size_t)(m * ldc) * sizeof *c))
			fail_msg("%s %s: %lld x %lld x %lld: run %d has other bits", itr_compute_names[compute],
			         itr_packed_weight_kernel(f), (long long)m, (long long)n, (long long)k, run);
		for (int64_t i = 0; i < m; i++)
			/* what lies between the rows */
			assert_memory_equal(c + i * ldc + n, res + i * ldc + n, (size_t)(ldc - n) * sizeof *c);
	}
	itr_packed_weight_free(f);
	free(a), free(w), free(b), free(res), free(c), free(want), free(first);
}

static void test_odd_shapes(void **state)
{
	(void)state;
	for (int i = 0; i < (itr_cpu_features() ? 210 : 60); i++)
		compare((itr_compute)(i % 3), 1 + below(i % 4 ? 50 : 300), 1 + below(i % 2 ? 60 : 300), 1 + below(i % 5 ? 80 : 1500),
		        (itr_activation)(i % 7), below(2), (int)below(3));
}

static void test_batch_one(void **state)
{
	static const int64_t m[] = { 1, 7, 14, 15, 50, 64 };
	(void)state;
	for (int i = 0; i < (itr_cpu_features() ? ITR_LEN(m) : 2); i++)       /* the plain kernel takes seconds for the rest */
		for (int c = 0; c < 3; c++)
			compare((itr_compute)c, m[i], 770, 1025, c == 1 ? ITR_ACT_NONE : ITR_ACT_QUICK_GELU, true, 2);
}

/* A row's numbers are its own: not of the batch, not of its place. */
static void test_a_row_is_its_own(void **state)
{
	enum { M = 131, N = 90, K = 200 };
	float *a = matrix(M, K), *w = matrix(N, K), *c = matrix(M, N), one[N];
	(void)state;
	for (int p = 0; p < 3; p++) {
		itr_packed_weight *f = itr_pack_weight((itr_compute)p, w, N, K, K, 1);
		assert_int_equal(itr_packed_weight_n(f), N);
		assert_int_equal(itr_packed_weight_k(f), K);
		assert_true(itr_packed_weight_bytes(f) > 0 && itr_packed_weight_compute(f) == (itr_compute)p);
		itr_packed_weight_product(f, M, a, K, NULL, c, N, 2);
		for (int i = 0; i < M; i++) {
			itr_packed_weight_product(f, 1, a + i * K, K, NULL, one, N, 1);
			assert_memory_equal(one, c + i * N, sizeof one);
		}
		itr_packed_weight_free(f);
	}
	free(a), free(w), free(c);
}

static void test_bad_numbers_stay_bad(void **state)
{
	enum { N = 40, K = 70 };
	float *a = matrix(3, K), *w = matrix(N, K), c[3 * N];
	(void)state;
	a[K + 5] = NAN;
	a[2 * K + 7] = INFINITY;
	for (int p = 0; p < 3; p++) {
		itr_packed_weight *f = itr_pack_weight((itr_compute)p, w, N, K, K, 1);
		itr_packed_weight_product(f, 3, a, K, &(itr_epilogue){ .activation = ITR_ACT_RELU }, c, N, 1);
		for (int j = 0; j < N; j++) {
			assert_true(isfinite(c[j]));
			assert_true(isnan(c[N + j]));
			assert_true(!isfinite(c[2 * N + j]) || p != 2);
		}
		itr_packed_weight_free(f);
	}
	/* a row of zeros, and rows of tiny and huge numbers */
	for (int i = 0; i < K; i++)
		a[i] = 0, a[K + i] = 1e-38f, a[2 * K + i] = 1e36f;
	itr_packed_weight *f = itr_pack_weight(ITR_COMPUTE_INT8, w, N, K, K, 1);
	itr_packed_weight_product(f, 3, a, K, NULL, c, N, 1);
	for (int j = 0; j < 3 * N; j++)
		assert_true(isfinite(c[j]) && (j >= N || c[j] == 0));
	itr_packed_weight_free(f);
	free(a), free(w);
}

/* Rounded weights whose errors cancel: each lies at one of its two neighbours, those that went to the further one were the nearest to the
 * middle, and the sum is off by half a step at most. */
static void test_errors_cancel(void **state)
{
	enum { K = 3000 };
	float w[K];
	int8_t q[K], plain[K];
	int16_t wide[K];
	(void)state;
	for (int round = 0; round < 60; round++) {
		const int64_t k = round < 30 ? 1 + below(40) : 1 + below(K);
		float top = 0;
		for (int64_t j = 0; j < k; j++) {
			/* the last: all are rounded down */
			w[j] = round % 3 == 0 ? value() : round % 3 == 1 ? value() * value() * value() : (float)below(100) + 0.4f;
			w[j] = below(10) ? w[j] : 0.0f;
			top = fmaxf(top, fabsf(w[j]));
		}
		const float scale = top > 0 ? top / 127.0f : 1.0f, inverse = 1.0f / scale;
		double before = 0, after = 0, least_moved = 1, most_left = 0;
		for (int64_t j = 0; j < k; j++) {
			wide[j] = q[j] = plain[j] = (int8_t)lrintf(w[j] * inverse);
			before += (double)(w[j] * inverse) - plain[j];
		}
		const int32_t added = itr_int8_balance_rounding(w, k, scale, false, q);
		assert_int_equal(itr_int8_balance_rounding(w, k, scale, true, wide), added);
		int32_t sum = 0;
		int64_t candidates = 0;
		for (int64_t j = 0; j < k; j++) {
			const double e = (double)(w[j] * inverse) - plain[j], near = before < 0 ? -e : e;
			assert_int_equal(wide[j], q[j]);
			assert_true(abs(q[j] - plain[j]) <= 1 && abs(q[j]) <= 127 && (w[j] != 0.0f || q[j] == 0));
			sum += q[j] - plain[j];
			after += (double)(w[j] * inverse) - q[j];
			if (q[j] != plain[j])
				least_moved = fmin(least_moved, near);
			else if (w[j] != 0.0f && abs(plain[j]) < 127 && near > 1e-4) {
				most_left = fmax(most_left, near);
				candidates++;
			}
		}
		assert_int_equal(sum, added);
		assert_true(fabs(after) <= 0.51 || candidates == 0);
		assert_true(added == 0 || least_moved >= most_left - 1.0 / 500);
	}
	/* what it is for: an input of one value comes out as fp32 has it, but for the half step */
	for (int j = 0; j < K; j++)
		w[j] = (float)below(1000) * 0.001f - 0.3f;
	float ones[K], exact = 0, got;
	for (int j = 0; j < K; j++)
		ones[j] = 1, exact += w[j];
	itr_packed_weight *f = itr_pack_weight(ITR_COMPUTE_INT8, w, 1, K, K, 1);
	itr_packed_weight_product(f, 1, ones, K, NULL, &got, 1, 1);
	itr_packed_weight_free(f);
	assert_true(fabsf(got - exact) < 0.7f / 127);
}

/* The product of the rounding errors and a mean: added to the result for an input that is the mean, it gives fp32's. */
static void test_what_rounding_costs(void **state)
{
	enum { N = 70, K = 333 };
	float *w = matrix(N, K), *mean = matrix(1, K), lost[N], got[N], exact[N];
	double with = 0, without = 0;
	(void)state;
	for (int j = 0; j < K; j++)
		/* whole numbers from 0 to 255, both among them: rounding the input costs nothing */
		mean[j] = nearbyintf((mean[j] + 1) * 127.5f);
	mean[0] = 0, mean[1] = 255;
	itr_gemm(false, true, 1, N, K, 1, mean, K, w, K, 0, exact, N, 1);
	itr_packed_weight *f = itr_pack_weight_corrected(ITR_COMPUTE_INT8, w, N, K, K, &(itr_bias_correction){ mean, lost }, 2);
	itr_packed_weight_product(f, 1, mean, K, NULL, got, N, 1);
	itr_packed_weight_free(f);
	for (int j = 0; j < N; j++) {
		without = fmax(without, fabs((double)got[j] - exact[j]));
		with = fmax(with, fabs((double)got[j] + lost[j] - exact[j]));
	}
	assert_true(without > 1 && with < 0.02);
	for (int c = 0; c < 3; c++) {                            /* nothing is known, or nothing is rounded to 8 bits */
		lost[0] = lost[N - 1] = 7;
		itr_packed_weight_free(
			itr_pack_weight_corrected((itr_compute)c, w, N, K, K, &(itr_bias_correction){ c == 2 ? NULL : mean, lost }, 1));
		assert_true(lost[0] == 0 && lost[N - 1] == 0);
	}
	free(w), free(mean);
}

static void test_activations(void **state)
{
	float x[1001], y[1001];
	(void)state;
	for (int a = ITR_ACT_NONE; a <= ITR_ACT_QUICK_GELU; a++) {
		for (int i = 0; i < 1001; i++)
			x[i] = (float)(i - 500) / 40;
		itr_activate((itr_activation)a, x, y, 1001);
		for (int i = 0; i < 1001; i++)
			if (fabs((double)y[i] - activation((itr_activation)a, (double)x[i])) > 2e-6 * (1 + fabs((double)x[i])))
				fail_msg("activation %d of %g: %g", a, (double)x[i], (double)y[i]);
		itr_activate((itr_activation)a, x, x, 1001);
		assert_memory_equal(x, y, sizeof x);
	}
	float far[] = { -1000, 1000, -88, -200 };
	itr_activate(ITR_ACT_QUICK_GELU, far, far, 4);
	assert_true(fabsf(far[0]) < 1e-30f && far[1] == 1000 && fabsf(far[2]) < 1e-30f && fabsf(far[3]) < 1e-30f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_odd_shapes),       cmocka_unit_test(test_batch_one),
		cmocka_unit_test(test_a_row_is_its_own), cmocka_unit_test(test_bad_numbers_stay_bad),
		cmocka_unit_test(test_errors_cancel),    cmocka_unit_test(test_what_rounding_costs),
		cmocka_unit_test(test_activations),
	};
	static const char *const kernels[] = { "avx512", "avx2", "scalar" };
	char command[4300];
	(void)argc;
	int failed = cmocka_run_group_tests_name(itr_cpu_names(), tests, NULL, NULL);
	for (int i = 0; i < ITR_LEN(kernels) && !getenv("ITR_CPU"); i++) {
		snprintf(command, sizeof command, "ITR_CPU=%s '%s'", kernels[i], argv[0]);
		failed += system(command) != 0;
	}
	return failed;
}
