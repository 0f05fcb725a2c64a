/* AVX512-VNNI micro-kernel: the tile shape of gemm_avx512.c with four bytes along k instead of a float. VPDPBUSD adds four products of an
 * unsigned and a signed byte to a 32-bit sum without saturation. */
#include "tensor/packed_weight_kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

enum { MR = 14, NR = 32 };

static inline __attribute__((always_inline)) void tile_rows(const int rows, int64_t k, const uint32_t *ap, const uint32_t *bp, int32_t *c,
                                                            int64_t ldc, bool resume, const char *ahead, int64_t step)
{
	__m512i s[MR][2];
#pragma GCC unroll 14
	for (int i = 0; i < rows; i++) {
		s[i][0] = resume ? _mm512_loadu_si512(c + i * ldc) : _mm512_setzero_si512();
		s[i][1] = resume ? _mm512_loadu_si512(c + i * ldc + 16) : _mm512_setzero_si512();
	}
	for (int64_t kk = 0; kk < k; kk++, ap += MR, bp += NR) {
		if (ahead) {
			_mm_prefetch(ahead, _MM_HINT_T1);
			ahead += step;
		}
		__m512i b0 = _mm512_load_si512(bp), b1 = _mm512_load_si512(bp + 16);
#pragma GCC unroll 14
		for (int i = 0; i < rows; i++) {
			__m512i a = _mm512_set1_epi32((int)ap[i]);
			s[i][0] = _mm512_dpbusd_epi32(s[i][0], a, b0);
			s[i][1] = _mm512_dpbusd_epi32(s[i][1], a, b1);
		}
	}
#pragma GCC unroll 14
	for (int i = 0; i < rows; i++) {
		_mm512_storeu_si512(c + i * ldc, s[i][0]);
		_mm512_storeu_si512(c + i * ldc + 16, s[i][1]);
	}
}

static void tile(int rows, int64_t k, const uint32_t *ap, const uint32_t *bp, int32_t *c, int64_t ldc, bool resume)
{
	switch (rows) {
#define ROWS(n) case n: tile_rows(n, k, ap, bp, c, ldc, resume, NULL, 0); break;
	ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6) ROWS(7) ROWS(8) ROWS(9) ROWS(10) ROWS(11) ROWS(12) ROWS(13) ROWS(14)
#undef ROWS
	}
}

static void tile_ahead(int rows, int64_t k, const uint32_t *ap, const uint32_t *bp, int32_t *c, int64_t ldc, bool resume, const void *ahead,
                       int64_t step)
{
	switch (rows) {
#define ROWS(n) case n: tile_rows(n, k, ap, bp, c, ldc, resume, ahead, step); break;
	ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6) ROWS(7) ROWS(8) ROWS(9) ROWS(10) ROWS(11) ROWS(12) ROWS(13) ROWS(14)
#undef ROWS
	}
}

static inline __mmask16 first(int64_t n) { return n >= 16 ? 0xffff : (__mmask16)((1u << n) - 1); }

/* --- convolution ---------------------------------------------------------------------------------------------------------------------- */

/* Broadcast of one word of the left operand, with explicit addressing as in conv_direct_avx512.c. */
#define SPREAD(v, p, index, scale, at) __asm__("vpbroadcastd %c3(%1,%2," #scale "), %0" : "=v"(v) : "r"(p), "r"(index), "i"((at) * 4))
#define SPREAD0(v, p, at) __asm__("vpbroadcastd %c2(%1), %0" : "=v"(v) : "r"(p), "i"((at) * 4))

#define ROW(i) \
	s[i][0] = _mm512_dpbusd_epi32(s[i][0], a, b0); \
	s[i][1] = _mm512_dpbusd_epi32(s[i][1], a, b1);
#define SEVEN(first, p, at) \
	SPREAD0(a, p, at); ROW(first) \
	SPREAD(a, p, d1, 1, at); ROW(first + 1) \
	SPREAD(a, p, d1, 2, at); ROW(first + 2) \
	SPREAD(a, p, d3, 1, at); ROW(first + 3) \
	SPREAD(a, p, d1, 4, at); ROW(first + 4) \
	SPREAD(a, p, d5, 1, at); ROW(first + 5) \
	SPREAD(a, p, d3, 2, at); ROW(first + 6)
#define STEP(at) \
	do { \
		const __m512i b0 = _mm512_load_si512(bp + 32 * (at)), b1 = _mm512_load_si512(bp + 32 * (at) + 16); \
		__m512i a; \
		SEVEN(0, p0, at) \
		if (two) { \
			SEVEN(7, p1, at) \
		} \
	} while (0)

/* As rowwise.inc's after_block, operation by operation, on sums that are still in registers; m: which of the columns there are. */
static inline __attribute__((always_inline)) __m512 number(__m512i s, __m512i zero, __m512 scale, const itr_int8_columns *w,
                                                           const float *bias, int64_t j, __mmask16 m)
{
	/* these two have whole panels */
	const __m512i d = _mm512_sub_epi32(s, _mm512_mullo_epi32(zero, _mm512_loadu_si512(w->sum + j)));
	return _mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(d), _mm512_mul_ps(scale, _mm512_loadu_ps(w->scale + j))),
	                     _mm512_maskz_loadu_ps(m, bias + j));
}

static inline __attribute__((always_inline)) __m512 activated(const itr_activation a, __m512 v)
{
	const __m512 zero = _mm512_setzero_ps(), six = _mm512_set1_ps(6);
	if (a == ITR_ACT_RELU)
		return _mm512_max_ps(zero, v);           /* the second one where they are equal or NaN */
	if (a == ITR_ACT_RELU6)
		return _mm512_min_ps(six, _mm512_max_ps(zero, v));
	if (a == ITR_ACT_HARDSWISH)
		return _mm512_mul_ps(v, _mm512_mul_ps(_mm512_min_ps(six, _mm512_max_ps(zero, _mm512_add_ps(v, _mm512_set1_ps(3)))),
		                                      _mm512_set1_ps(1.0f / 6.0f)));
	return v;
}

static inline __attribute__((always_inline)) void put(const itr_int8_band *q, const itr_activation act, const bool residual,
                                                      const itr_int8_group *g, int i, int64_t j, __mmask16 m0, __mmask16 m1, __m512i s0,
                                                      __m512i s1)
{
	const __m512i zero = _mm512_set1_epi32(g->range[i].zero);
	const __m512 scale = _mm512_set1_ps(g->range[i].scale);
	float *y = q->y + (g->at + i) * q->ldy + j;
	__m512 v0 = number(s0, zero, scale, &q->columns, q->epilogue.bias, j, m0),
	       v1 = number(s1, zero, scale, &q->columns, q->epilogue.bias, j + 16, m1);
	if (residual) {
		const float *r = q->epilogue.residual + (g->at + i) * q->epilogue.ld_residual + j;
		v0 = _mm512_add_ps(v0, _mm512_maskz_loadu_ps(m0, r));
		v1 = _mm512_add_ps(v1, _mm512_maskz_loadu_ps(m1, r + 16));
	}
	_mm512_mask_storeu_ps(y, m0, activated(act, v0));
	_mm512_mask_storeu_ps(y + 16, m1, activated(act, v1));
}

/* act LEFT: the sums are left in out. */
enum { LEFT = -1 };

static inline __attribute__((always_inline)) void groups(const bool two, const int act, const bool residual, const itr_int8_band *q,
                                                         const itr_int8_group *g, const uint32_t *bp, int64_t j0, int cols, int32_t *out)
{
	const __mmask16 m0 = first(cols), m1 = cols > 16 ? first(cols - 16) : 0;
	const int64_t d1 = q->pixel, d3 = d1 * 3, d5 = d1 * 5;
	__m512i s[MR][2];
	const int rows = two ? MR : MR / 2;
#pragma GCC unroll 14
	for (int i = 0; i < rows; i++)
		s[i][0] = s[i][1] = _mm512_setzero_si512();
	for (int u = 0; u < q->nh; u++) {
		const char *p0 = g[0].a + u * q->line, *p1 = two ? g[1].a + u * q->line : p0;
		int64_t k = q->words;
		for (; k >= 4; k -= 4, p0 += 16, p1 += 16, bp += 128) {
			STEP(0);
			STEP(1);
			STEP(2);
			STEP(3);
		}
		for (; k > 0; k--, p0 += 4, p1 += 4, bp += 32)
			STEP(0);
	}
#pragma GCC unroll 14
	for (int i = 0; i < rows; i++) {
		if (act == LEFT) {
			_mm512_store_si512(out + NR * i, s[i][0]);
			_mm512_store_si512(out + NR * i + 16, s[i][1]);
		} else if (i < MR / 2 ? i < g[0].rows : i - MR / 2 < g[1].rows)
			put(q, (itr_activation)act, residual, &g[i / (MR / 2)], i % (MR / 2), j0, m0, m1, s[i][0], s[i][1]);
	}
}

static __attribute__((noinline)) void left_two(const itr_int8_band *q, const itr_int8_group *g, const uint32_t *bp, int32_t *out)
{
	groups(true, LEFT, false, q, g, bp, 0, NR, out);
}
static __attribute__((noinline)) void left_one(const itr_int8_band *q, const itr_int8_group *g, const uint32_t *bp, int32_t *out)
{
	groups(false, LEFT, false, q, g, bp, 0, NR, out);
}

#define WHOLE(name, act, residual)                                                                                                         \
	static __attribute__((noinline)) void name(const itr_int8_band *q, const itr_int8_group *g, const uint32_t *bp, int64_t j0,        \
	                                           int cols)                                                                               \
	{                                                                                                                                  \
		groups(true, act, residual, q, g, bp, j0, cols, NULL);                                                                     \
	}
WHOLE(none, ITR_ACT_NONE, false)
WHOLE(none_residual, ITR_ACT_NONE, true)
WHOLE(relu, ITR_ACT_RELU, false)
WHOLE(relu_residual, ITR_ACT_RELU, true)
WHOLE(relu6, ITR_ACT_RELU6, false)
WHOLE(hardswish, ITR_ACT_HARDSWISH, false)

static bool direct(const itr_int8_band *q, const itr_int8_group g[2], const uint32_t *panel, int64_t j0, int cols, int32_t *s)
{
	const itr_activation act = q->epilogue.activation;
	const bool two = g[1].rows > 0, residual = q->epilogue.residual;
	/* the usual cases in networks; others are rare */
	void (*run)(const itr_int8_band *, const itr_int8_group *, const uint32_t *, int64_t, int) =
		!two || !q->epilogue.bias                  ? NULL
		: act == ITR_ACT_RELU                   ? residual ? relu_residual : relu
		: act == ITR_ACT_NONE                   ? residual ? none_residual : none
		: act == ITR_ACT_RELU6 && !residual     ? relu6
		: act == ITR_ACT_HARDSWISH && !residual ? hardswish
							: NULL;
	if (run)
		run(q, g, panel, j0, cols);
	else if (two)
		left_two(q, g, panel, s);
	else
		left_one(q, g, panel, s);
	return run;
}

/* --- 8 bits: as rowwise.inc's, with the instructions that the compiler does not find: conversion rounds to nearest even, narrowing
 * saturates ----- */

static inline __attribute__((always_inline)) void extremes(const float *x, int64_t n, itr_extremes *e)
{
	const __m512 nothing = _mm512_setzero_ps();
	/* odd: sums of 0 x, NaN once an x is not finite */
	__m512 lo[2] = { nothing, nothing }, hi[2] = { nothing, nothing }, odd[2] = { nothing, nothing };
	int64_t j = 0;
	for (; j + 32 <= n; j += 32)
		for (int u = 0; u < 2; u++) {
			const __m512 v = _mm512_loadu_ps(x + j + 16 * u);
			lo[u] = _mm512_min_ps(v, lo[u]);
			hi[u] = _mm512_max_ps(v, hi[u]);
			odd[u] = _mm512_fmadd_ps(v, nothing, odd[u]);
		}
	for (; j < n; j += 16) {
		const __m512 v = _mm512_maskz_loadu_ps(first(n - j), x + j);
		lo[0] = _mm512_min_ps(v, lo[0]);
		hi[0] = _mm512_max_ps(v, hi[0]);
		odd[0] = _mm512_fmadd_ps(v, nothing, odd[0]);
	}
	/* the largest and the negated smallest, side by side: one tree for both */
	const __m512 top = _mm512_max_ps(hi[0], hi[1]), bottom = _mm512_sub_ps(_mm512_setzero_ps(), _mm512_min_ps(lo[0], lo[1]));
	__m512 t = _mm512_max_ps(_mm512_shuffle_f32x4(top, bottom, 0x44), _mm512_shuffle_f32x4(top, bottom, 0xee));
	t = _mm512_max_ps(t, _mm512_shuffle_f32x4(t, t, 0xb1));
	t = _mm512_max_ps(t, _mm512_permute_ps(t, 0x4e));
	t = _mm512_max_ps(t, _mm512_permute_ps(t, 0xb1));
	const float high = _mm512_cvtss_f32(t), low = -_mm_cvtss_f32(_mm512_extractf32x4_ps(t, 2));
	e->low = ITR_MIN(e->low, low);
	e->high = ITR_MAX(e->high, high);
	e->finite = e->finite && !_mm512_cmp_ps_mask(odd[0], odd[1], _CMP_UNORD_Q);
}

/* clamp: the range is not that of these numbers. */
static inline __attribute__((always_inline)) __m512i whole(__m512 x, __m512 by, __m512i zero, const bool clamp)
{
	__m512 v = _mm512_mul_ps(x, by);
	if (clamp)
		v = _mm512_min_ps(_mm512_max_ps(v, _mm512_set1_ps(-512)), _mm512_set1_ps(512));
	return _mm512_add_epi32(_mm512_cvtps_epi32(v), zero);
}

static inline __attribute__((always_inline)) void round_to(const float *x, int64_t n, itr_row_range r, float inverse, const bool clamp,
                                                           void *q)
{
	const __m512 by = _mm512_set1_ps(inverse);
	const __m512i zero = _mm512_set1_epi32(r.zero), order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
	int64_t j = 0;
	for (; j + 64 <= n; j += 64) {
		__m512i k[4];
		for (int u = 0; u < 4; u++)
			k[u] = whole(_mm512_loadu_ps(x + j + 16 * u), by, zero, clamp);
		_mm512_storeu_si512((char *)q + j, _mm512_permutexvar_epi32(order, _mm512_packus_epi16(_mm512_packus_epi32(k[0], k[1]),
		                                                                                       _mm512_packus_epi32(k[2], k[3]))));
	}
	for (; j < n; j += 16) {
		const __mmask16 m = first(n - j);
		_mm512_mask_cvtusepi32_storeu_epi8(
			(char *)q + j, m,
			_mm512_max_epi32(whole(_mm512_maskz_loadu_ps(m, x + j), by, zero, clamp), _mm512_setzero_si512()));
	}
}

static void quantise_in(const float *x, int64_t n, itr_row_range r, float inverse, bool wide, void *q)
{
	(void)wide;
	if (r.scale != r.scale)
		memset(q, 0, (size_t)n);
	else
		round_to(x, n, r, inverse, true, q);
}

static itr_row_range quantise(const float *x, int64_t n, bool wide, void *q)
{
	itr_extremes e = { 0, 0, true };
	float inverse;
	extremes(x, n, &e);
	const itr_row_range r = itr_row_range_in(&e, &inverse);
	if (!e.finite)
		quantise_in(x, n, r, inverse, wide, q);
	else
		round_to(x, n, r, inverse, false, q);
	return r;
}

const itr_int8_isa itr_int8_avx512vnni = { "avx512-vnni", MR, NR, 4, tile, quantise, tile_ahead, direct, extremes, quantise_in };
#endif
