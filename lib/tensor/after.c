/* after.c - what follows a product, and rounding to 8 bits: short loops over a row of a tile that is still in the first-level cache. */
#include <math.h>
#include <string.h>

#include "base/cpu.h"
#include "tensor/frozen_kernel.h"
#include "tensor/vmath.h"

const char *const itr_compute_names[] = { "fp32", "bf16", "int8", NULL };

static inline __attribute__((always_inline)) float clamp(float x, float low, float high) { return x < low ? low : x > high ? high : x; }
static inline __attribute__((always_inline)) float gelu(float x) { return 0.5f * x * (1.0f + itr_verf(x * 0.70710678118654752f)); }
static inline __attribute__((always_inline)) float quick_gelu(float x) { return x / (1.0f + itr_vexp(ITR_MIN(-1.702f * x, 88.0f))); }

#define LOOP(expression) \
	do { \
		for (int64_t i = 0; i < n; i++) { \
			const float v = x[i]; \
			y[i] = expression; \
		} \
	} while (0)

/* y may be x: each element is read before it is written. */
static inline __attribute__((always_inline)) void activate(itr_activation a, const float *x, float *y, int64_t n)
{
	switch (a) {
	case ITR_ACT_NONE: LOOP(v); break;
	case ITR_ACT_RELU: LOOP(v < 0.0f ? 0.0f : v); break;                /* NaN stays NaN */
	case ITR_ACT_RELU6: LOOP(clamp(v, 0.0f, 6.0f)); break;
	case ITR_ACT_HARDSWISH: LOOP(v * (clamp(v + 3.0f, 0.0f, 6.0f) * (1.0f / 6.0f))); break;
	case ITR_ACT_HARDSIGMOID: LOOP(clamp(v + 3.0f, 0.0f, 6.0f) * (1.0f / 6.0f)); break;
	case ITR_ACT_GELU: LOOP(gelu(v)); break;
	case ITR_ACT_QUICK_GELU: LOOP(quick_gelu(v)); break;
	}
}

ITR_CLONES void itr_activate(itr_activation a, const float *x, float *y, int64_t n) { activate(a, x, y, n); }

/* One row of sums to numbers, bias and residual added, in that order. What is absent is no code: each combination is its own loop. */
static inline __attribute__((always_inline)) void put_row(const void *s, bool integer, float scale, uint32_t zero, const float *ws, const int32_t *wsum, const float *bias, const float *res,
                                                          float *t, int cols)
{
	for (int j = 0; j < cols; j++) {
		/* unsigned: the difference fits, its parts may not */
		float v = integer ? (float)(int32_t)(((const uint32_t *)s)[j] - zero * (uint32_t)wsum[j]) * (scale * ws[j]) : ((const float *)s)[j];
		if (bias)
			v += bias[j];
		if (res)
			v += res[j];
		t[j] = v;
	}
}

static inline __attribute__((always_inline)) void finish_rows(const itr_after *after, const itr_row_range *range, const itr_int8_columns *w, int64_t i0, int64_t j0, int rows, const int cols,
                                                              const void *s, int64_t lds, float *c, int64_t ldc)
{
	float t[ITR_GEMM_MAX_NR] __attribute__((aligned(64)));
	const float *ws = range ? w->scale + j0 : NULL, *bias = after->bias ? after->bias + j0 : NULL;
	const int32_t *wsum = range ? w->sum + j0 : NULL;
	for (int i = 0; i < rows; i++) {
		const float *res = after->residual ? after->residual + (i0 + i) * after->ld_residual + j0 : NULL, *sums = (const float *)s + i * lds;
		float *y = c + (i0 + i) * ldc + j0, *to = after->activation == ITR_ACT_NONE && !res ? y : t;
		const float scale = range ? range[i].scale : 0;
		const uint32_t zero = range ? (uint32_t)range[i].zero : 0;
		if (range && bias && res)
			put_row(sums, true, scale, zero, ws, wsum, bias, res, to, cols);
		else if (range && bias)
			put_row(sums, true, scale, zero, ws, wsum, bias, NULL, to, cols);
		else if (range && res)
			put_row(sums, true, scale, zero, ws, wsum, NULL, res, to, cols);
		else if (range)
			put_row(sums, true, scale, zero, ws, wsum, NULL, NULL, to, cols);
		else if (bias && res)
			put_row(sums, false, 0, 0, NULL, NULL, bias, res, to, cols);
		else if (bias)
			put_row(sums, false, 0, 0, NULL, NULL, bias, NULL, to, cols);
		else if (res)
			put_row(sums, false, 0, 0, NULL, NULL, NULL, res, to, cols);
		else
			memcpy(to, sums, (size_t)cols * sizeof *to);
		if (to != y)
			activate(after->activation, t, y, cols);
	}
}

ITR_CLONES void itr_after_block(const itr_after *after, const itr_row_range *range, const itr_int8_columns *w, int64_t i0, int64_t j0, int rows, int cols, const void *s, int64_t lds,
                                float *c, int64_t ldc)
{
	if (cols == 32)                                  /* a width that the compiler knows: loops become a few instructions */
		finish_rows(after, range, w, i0, j0, rows, 32, s, lds, c, ldc);
	else
		finish_rows(after, range, w, i0, j0, rows, cols, s, lds, c, ldc);
}

/* --- 8 bits ------------------------------------------------------------------------------------------------------------------------ */

enum { LANES = 32 };

/* Smallest and largest value, zero among them, and the largest magnitude as bits (which shows NaN and infinity). */
static inline __attribute__((always_inline)) void extremes(const float *x, int64_t n, float *low, float *high, uint32_t *bits)
{
	float lo[LANES] = { 0 }, hi[LANES] = { 0 };
	uint32_t b[LANES] = { 0 };
	int64_t j = 0;
	for (; j + LANES <= n; j += LANES)
		for (int l = 0; l < LANES; l++) {
			uint32_t u;
			memcpy(&u, x + j + l, sizeof u);
			u &= 0x7fffffffu;
			lo[l] = x[j + l] < lo[l] ? x[j + l] : lo[l];
			hi[l] = x[j + l] > hi[l] ? x[j + l] : hi[l];
			b[l] = u > b[l] ? u : b[l];
		}
	for (int l = 0; j + l < n; l++) {
		uint32_t u;
		memcpy(&u, x + j + l, sizeof u);
		u &= 0x7fffffffu;
		lo[l] = x[j + l] < lo[l] ? x[j + l] : lo[l];
		hi[l] = x[j + l] > hi[l] ? x[j + l] : hi[l];
		b[l] = u > b[l] ? u : b[l];
	}
	for (int l = 1; l < LANES; l++) {
		lo[0] = lo[l] < lo[0] ? lo[l] : lo[0];
		hi[0] = hi[l] > hi[0] ? hi[l] : hi[0];
		b[0] = b[l] > b[0] ? b[l] : b[0];
	}
	*low = lo[0], *high = hi[0], *bits = b[0];
}

/* Nearest whole number, ties to even, without libm: adding 1.5 * 2^23 leaves it in the low bits. |x| < 2^21. */
static inline __attribute__((always_inline)) int32_t nearest(float x)
{
	const float magic = 12582912.0f, y = x + magic;
	int32_t i;
	memcpy(&i, &y, sizeof i);
	return i - 0x4b400000;
}

#define QUANTISE(type, low_, high_, shift) \
	do { \
		type *out = q; \
		for (int64_t j = 0; j < n; j++) { \
			const float v = x[j] * inverse; \
			int32_t k = nearest(v < -512.0f ? -512.0f : v > 512.0f ? 512.0f : v) + (shift); \
			k = k < (low_) ? (low_) : k > (high_) ? (high_) : k; \
			out[j] = (type)k; \
		} \
	} while (0)

ITR_CLONES itr_row_range itr_quantise_row(const float *x, int64_t n, const float *fixed, bool wide, void *q)
{
	float low, high;
	uint32_t bits;
	extremes(x, n, &low, &high, &bits);
	if (bits >= 0x7f800000u) {
		memset(q, 0, (size_t)n * (wide ? 2 : 1));
		return (itr_row_range){ NAN, 0 };
	}
	if (fixed) {
		low = ITR_MIN(fixed[0], 0.0f);
		high = ITR_MAX(fixed[1], 0.0f);
	}
	itr_row_range r = { (high - low) / 255.0f, 0 };
	if (!(r.scale > 1e-37f))                         /* nothing but zeros (or less than floats can divide by) */
		r.scale = 1.0f;
	if (r.scale > 1e37f)
		r.scale = 1e37f;
	const float inverse = 1.0f / r.scale;
	r.zero = nearest(clamp(-low * inverse, 0.0f, 255.0f));
	if (wide)
		QUANTISE(int16_t, 0, 255, r.zero);
	else
		QUANTISE(uint8_t, 0, 255, r.zero);
	return r;
}

ITR_CLONES float itr_quantise_weight_row(const float *x, int64_t n, bool wide, void *q, int32_t *sum)
{
	float low, high;
	uint32_t bits;
	extremes(x, n, &low, &high, &bits);
	const float top = high > -low ? high : -low;
	float scale = top / 127.0f;
	int32_t total = 0;
	*sum = 0;
	if (bits >= 0x7f800000u) {
		memset(q, 0, (size_t)n * (wide ? 2 : 1));
		return NAN;
	}
	if (!(scale > 1e-37f))
		scale = 1.0f;
	const float inverse = 1.0f / scale;
	if (wide)
		QUANTISE(int16_t, -127, 127, 0);
	else
		QUANTISE(int8_t, -127, 127, 0);
	for (int64_t j = 0; j < n; j++)
		total += wide ? ((const int16_t *)q)[j] : ((const int8_t *)q)[j];
	*sum = total;
	return scale;
}

/* --- the plain integer kernel: what the others must equal -------------------------------------------------------------------------------- */

enum { PLAIN_MR = 4, PLAIN_NR = 8 };

static void plain_tile(int rows, int64_t k, const uint32_t *ap, const uint32_t *bp, int32_t *c, int64_t ldc, bool resume)
{
	for (int i = 0; i < rows; i++)
		for (int j = 0; j < PLAIN_NR; j++) {
			int32_t s = resume ? c[i * ldc + j] : 0;
			for (int64_t kk = 0; kk < k; kk++) {
				uint8_t a[4];
				int8_t b[4];
				memcpy(a, ap + kk * PLAIN_MR + i, 4);
				memcpy(b, bp + kk * PLAIN_NR + j, 4);
				for (int l = 0; l < 4; l++)
					s += a[l] * b[l];
			}
			c[i * ldc + j] = s;
		}
}

static const itr_int8_isa plain = { "scalar", PLAIN_MR, PLAIN_NR, 4, plain_tile };

const itr_int8_isa *itr_int8_isa_get(void)
{
#if defined(__x86_64__)
	unsigned f = itr_cpu_features();
	if (f & ITR_CPU_AVX512_VNNI)
		return &itr_int8_avx512vnni;
	if (f & ITR_CPU_AVX2)
		return &itr_int8_avx2;
#endif
	return &plain;
}
