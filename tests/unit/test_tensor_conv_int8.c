/* lib/tensor/conv_int8.c: bit-equal to plain loops in every kernel that this processor runs (the test calls itself with ITR_CPU): kernels
 * of one and of many pixels, strides, both ways of padding, channels that fill no word, few pictures and many, any number of threads; a
 * picture's numbers are its own. */
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
#include "tensor/conv.h"
#include "tensor/packed_weight_kernel.h"

static uint32_t state_ = 815;
static uint32_t next(void) { return state_ = state_ * 1664525u + 1013904223u; }
static int64_t below(int64_t n) { return (int64_t)(next() >> 8) % n; }

static float *numbers(int64_t n, float low)
{
	float *x = itr_xmalloc((size_t)n * sizeof *x);
	for (int64_t i = 0; i < n; i++)
		x[i] = ITR_MAX((float)((int32_t)next() >> 8) * 0x1p-23f, low);
	return x;
}

struct range { float scale, inverse; long zero; };

/* Of n numbers. */
static struct range range_of(const float *x, int64_t n)
{
	float low = 0, high = 0;
	for (int64_t i = 0; i < n; i++) {
		low = fminf(low, x[i]);
		high = fmaxf(high, x[i]);
	}
	struct range r = { .scale = high / 255.0f - low / 255.0f > 1e-37f ? high / 255.0f - low / 255.0f : 1.0f };
	r.inverse = 1.0f / r.scale;
	r.zero = lrintf(fminf(fmaxf(-low * r.inverse, 0), 255));
	return r;
}

/* What conv.h promises: activations in the range of the pixel or of the picture, weights (o, kh kw c) in the range of their row. */
static void reference(const itr_conv *g, const float *x, const float *w, float *y)
{
	const int64_t k = g->kh * g->kw * g->c, picture = g->h * g->w * g->c;
	int8_t *rounded = itr_xmalloc((size_t)(g->o * k));
	float *ws = itr_xmalloc((size_t)g->o * sizeof *ws);
	for (int64_t o = 0; o < g->o; o++) {
		float top = 0;
		for (int64_t l = 0; l < k; l++)
			top = fmaxf(top, fabsf(w[o * k + l]));
		ws[o] = top / 127.0f > 1e-37f ? top / 127.0f : 1.0f;
		const float inverse = 1.0f / ws[o];
		for (int64_t l = 0; l < k; l++)
			rounded[o * k + l] = (int8_t)ITR_MAX(ITR_MIN(lrintf(w[o * k + l] * inverse), 127L), -127L);
		itr_int8_balance_rounding(w + o * k, k, ws[o], false, rounded + o * k);
	}
	for (int64_t r = 0; r < g->batch * g->oh * g->ow; r++) {
		const int64_t b = r / g->ow / g->oh, i = r / g->ow % g->oh * g->stride - g->top, j = r % g->ow * g->stride - g->left;
		const bool pixel = g->kh == 1 && g->kw == 1 && g->top == 0 && g->left == 0;
		const struct range a = pixel ? range_of(x + b * picture + (i * g->w + j) * g->c, g->c) : range_of(x + b * picture, picture);
		for (int64_t o = 0; o < g->o; o++) {
			long sum = 0;
			for (int64_t l = 0; l < k; l++) {
				const int64_t h = i + l / g->c / g->kw, v = j + l / g->c % g->kw;
				if (h < 0 || h >= g->h || v < 0 || v >= g->w)
					continue;
				const long q = ITR_MAX(
					ITR_MIN(lrintf(x[b * picture + (h * g->w + v) * g->c + l % g->c] * a.inverse) + a.zero, 255L), 0L);
				sum += (q - a.zero) * rounded[o * k + l];
			}
			y[r * g->o + o] = (float)sum * (a.scale * ws[o]);
		}
	}
	free(rounded);
	free(ws);
}

static void compare(itr_conv g, int64_t pad, float low, bool bias, bool residual, bool relu)
{
	g.dilation = g.groups = 1;
	if (!itr_conv_shape(&g, pad))
		fail_msg("impossible case");
	const int64_t n = g.batch * g.oh * g.ow * g.o;
	float *x = numbers(g.batch * g.h * g.w * g.c, low), *w = numbers(g.o * g.kh * g.kw * g.c, -1), *b = numbers(g.o, -1),
	      *res = numbers(n, -1), *want = itr_xmalloc((size_t)n * sizeof *want);
	float *y = itr_xmalloc((size_t)n * sizeof *y);
	const itr_epilogue after = { bias ? b : NULL, residual ? res : NULL, g.o, relu ? ITR_ACT_RELU : ITR_ACT_NONE };
	for (int64_t i = 0; i < g.h * g.w * g.c; i++)            /* pictures of different ranges */
		x[i] *= 3;
	itr_packed_weight *f = itr_conv_pack_weight(&g, ITR_COMPUTE_INT8, w, NULL, 2);
	reference(&g, x, w, want);
	for (int64_t i = 0; i < n; i++) {
		want[i] += bias ? b[i % g.o] : 0.0f;
		want[i] += residual ? res[i] : 0.0f;
		want[i] = relu && want[i] < 0 ? 0 : want[i];
	}
	for (int threads = 1; threads <= 3; threads++) {
		memset(y, 255, (size_t)n * sizeof *y);
		itr_conv_packed_forward(&g, f, x, &after, y, threads);
		for (int64_t i = 0; i < n; i++)
			if (y[i] != want[i])
				fail_msg("%s: %lld pictures %lld x %lld x %lld, %lld results, kernel %lld x %lld, stride %lld, padding "
				         "%lld, %d threads: %.9g instead of %.9g at %lld",
				         itr_packed_weight_kernel(f), (long long)g.batch, (long long)g.h, (long long)g.w, (long long)g.c,
				         (long long)g.o, (long long)g.kh, (long long)g.kw, (long long)g.stride, (long long)pad, threads,
				         (double)y[i], (double)want[i], (long long)i);
	}
	itr_conv one = g;                                        /* the last picture by itself */
	one.batch = 1;
	const itr_epilogue its = { after.bias, residual ? res + n / g.batch * (g.batch - 1) : NULL, g.o, after.activation };
	itr_conv_packed_forward(&one, f, x + (g.batch - 1) * g.h * g.w * g.c, &its, y, 2);
	assert_memory_equal(y, want + n / g.batch * (g.batch - 1), (size_t)(n / g.batch) * sizeof *y);
	itr_packed_weight_free(f);
	free(x), free(w), free(b), free(res), free(want), free(y);
}

static void test_odd_shapes(void **state)
{
	(void)state;
	for (int i = 0; i < (itr_cpu_features() ? 120 : 50); i++) {
		const int64_t k = i % 3 == 0 ? 1 : 1 + below(5), stride = 1 + below(3), pad = i % 4 == 0 ? ITR_PAD_SAME : below(k + 1);
		const itr_conv g = { .batch = 1 + below(4),
			             .h = k + below(i % 5 ? 9 : 30),
			             .w = k + below(i % 7 ? 9 : 40),
			             .c = 1 + below(i % 6 ? 9 : 70),
			             .o = 1 + below(i % 5 ? 20 : 130),
			             .kh = k,
			             .kw = i % 8 == 1 ? ITR_MAX(k - 1, (int64_t)1) : k,
			             .stride = stride };
		compare(g, pad, i % 2 ? 0 : -1, below(2), below(2), below(2));
	}
}

/* As in real networks: a first layer of three channels, bands of one picture, several blocks of weights, a grid of 7 x 7. */
static void test_true_shapes(void **state)
{
	static const struct { itr_conv g; int64_t pad;
	} cases[] = {
		{ { .batch = 1, .h = 64, .w = 64, .c = 3, .o = 64, .kh = 7, .kw = 7, .stride = 2 }, 3 },
		{ { .batch = 2, .h = 56, .w = 56, .c = 64, .o = 16, .kh = 3, .kw = 3, .stride = 1 }, 1 },
		{ { .batch = 2, .h = 7, .w = 7, .c = 256, .o = 96, .kh = 3, .kw = 3, .stride = 1 }, 1 },
		{ { .batch = 2, .h = 14, .w = 14, .c = 516, .o = 130, .kh = 1, .kw = 1, .stride = 2 }, 0 },
		{ { .batch = 1, .h = 56, .w = 56, .c = 64, .o = 256, .kh = 1, .kw = 1, .stride = 1 }, 0 },
		{ { .batch = 1, .h = 28, .w = 28, .c = 32, .o = 40, .kh = 3, .kw = 3, .stride = 2 }, ITR_PAD_SAME },
	};
	(void)state;
	for (int i = 0; i < (itr_cpu_features() ? ITR_LEN(cases) : 1); i++)          /* the plain kernel takes seconds for the rest */
		compare(cases[i].g, cases[i].pad, i % 2 ? 0 : -1, true, i % 2, true);
}

/* NaN and infinity come out as NaN, in their own picture alone. */
static void test_bad_numbers_stay_bad(void **state)
{
	itr_conv g = { .batch = 3, .h = 9, .w = 9, .c = 5, .o = 33, .kh = 3, .kw = 3, .stride = 1, .dilation = 1, .groups = 1 };
	assert_true(itr_conv_shape(&g, 1));
	const int64_t n = g.oh * g.ow * g.o;
	float *x = numbers(3 * 9 * 9 * 5, -1), *w = numbers(33 * 45, -1), *y = itr_xmalloc((size_t)(3 * n) * sizeof *y);
	(void)state;
	x[17] = NAN;
	x[2 * 9 * 9 * 5 + 99] = -INFINITY;
	itr_packed_weight *f = itr_conv_pack_weight(&g, ITR_COMPUTE_INT8, w, NULL, 1);
	itr_conv_packed_forward(&g, f, x, NULL, y, 2);
	for (int64_t i = 0; i < 3 * n; i++)
		assert_true(i / n == 1 ? isfinite(y[i]) : isnan(y[i]));
	itr_packed_weight_free(f);
	free(x), free(w), free(y);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_odd_shapes), cmocka_unit_test(test_true_shapes),
		                            cmocka_unit_test(test_bad_numbers_stay_bad) };
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
