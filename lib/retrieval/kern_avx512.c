/* fp32, fp16 and bf16 with AVX-512: one chain of FMAs over k for every score, rows (few) or queries (tile) in the lanes. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "base/cpu.h"
#include "retrieval/kernels.h"
#include "retrieval/quantise.h"

enum { ROWS = 16, MR = 12, NR = 32, CHUNK = 64, AHEAD = 16384 };

/* Four columns of 16 rows: c[j] = column j, row i in lane i. Three of four 128-bit pieces are merged by masked loads, which need no shuffle
 * unit. */
static inline void four_columns(const float *const p[ROWS], int64_t k, __m512 c[4])
{
	__m512 x[4];
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++) {
		x[i] = _mm512_castps128_ps512(_mm_loadu_ps(p[i] + k));
		x[i] = _mm512_mask_broadcast_f32x4(x[i], 0x00f0, _mm_loadu_ps(p[i + 4] + k));
		x[i] = _mm512_mask_broadcast_f32x4(x[i], 0x0f00, _mm_loadu_ps(p[i + 8] + k));
		x[i] = _mm512_mask_broadcast_f32x4(x[i], 0xf000, _mm_loadu_ps(p[i + 12] + k));
	}
	__m512 a = _mm512_unpacklo_ps(x[0], x[1]), b = _mm512_unpackhi_ps(x[0], x[1]), d = _mm512_unpacklo_ps(x[2], x[3]),
	       e = _mm512_unpackhi_ps(x[2], x[3]);
	c[0] = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(d)));
	c[1] = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(d)));
	c[2] = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(b), _mm512_castps_pd(e)));
	c[3] = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(b), _mm512_castps_pd(e)));
}

static inline __m512 chain4(__m512 s, const __m512 c[4], const float *x)
{
#pragma GCC unroll 4
	for (int j = 0; j < 4; j++)
		s = _mm512_fmadd_ps(_mm512_set1_ps(x[j]), c[j], s);
	return s;
}

static inline void store_some(float *out, __m512 s, int64_t n)
{
	_mm512_mask_storeu_ps(out, n >= ROWS ? (__mmask16)0xffff : (__mmask16)((1u << n) - 1), s);
}

static inline const uint8_t *row_pointer(const itr_krows *g, int64_t first, const int64_t *idx, int64_t i, int64_t n)
{
	/* a short stream reads at most ITR_ROW_SLACK rows on */
	int64_t row = idx ? idx[i < n ? i : 0] : first + ITR_MIN(i, n + ROWS);
	return g->base + (size_t)row * g->stride;
}

/* 32 rows at a time: two chains hide half of the FMA's latency. A cache line of each row is used up at once, since rows may share cache
 * sets. */
static void few_f32(const itr_krows *g, const itr_kquery *q, int64_t first, const int64_t *idx, int64_t n, float *out)
{
	const float *x = q->data;
	for (int64_t i = 0; i < n; i += 2 * ROWS) {
		const float *p[2 * ROWS];
		__m512 s0 = _mm512_setzero_ps(), s1 = s0, c[4];
		for (int r = 0; r < 2 * ROWS; r++)
			p[r] = (const float *)(const void *)row_pointer(g, first + i, idx ? idx + i : NULL, r, n - i);
		for (int64_t k = 0; k < g->k; k += 16) {
			for (int64_t r = 2 * ROWS; idx && r < ITR_MIN(4 * ROWS, n - i); r++) /* the next rows of a gather lie anywhere */
				_mm_prefetch((const char *)g->base + (size_t)idx[i + r] * g->stride + k * 4, _MM_HINT_T1);
#pragma GCC unroll 4
			for (int j = 0; j < 16; j += 4) {
				four_columns(p, k + j, c);
				s0 = chain4(s0, c, x + k + j);
			}
#pragma GCC unroll 4
			for (int j = 0; j < 16; j += 4) {
				four_columns(p + ROWS, k + j, c);
				s1 = chain4(s1, c, x + k + j);
			}
		}
		store_some(out + i, s0, n - i);
		if (n - i > ROWS)
			store_some(out + i + ROWS, s1, n - i - ROWS);
	}
}

static inline __m512 widen_f16(const uint16_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p)); }
static inline __m512 widen_bf16(const uint16_t *p)
{
	return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)p)), 16));
}

/* Half types: 64 columns of 32 rows are widened into the first-level cache and go on as float32. */
#define FEW_HALF(name, widen) \
static void name(const itr_krows *g, const itr_kquery *q, int64_t first, const int64_t *idx, int64_t n, float *out) \
{ \
	const float *x = q->data; \
	_Alignas(64) float wide[2 * ROWS][CHUNK]; \
	const float *p[2 * ROWS]; \
	for (int r = 0; r < 2 * ROWS; r++) \
		p[r] = wide[r]; \
	for (int64_t i = 0; i < n; i += 2 * ROWS) { \
		const uint16_t *h[2 * ROWS]; \
		__m512 s0 = _mm512_setzero_ps(), s1 = s0, c[4]; \
		for (int r = 0; r < 2 * ROWS; r++) \
			h[r] = (const uint16_t *)(const void *)row_pointer(g, first + i, idx ? idx + i : NULL, r, n - i); \
		for (int64_t k = 0; k < g->k; k += CHUNK) { \
			int64_t m = ITR_MIN(g->k - k, (int64_t)CHUNK); \
			for (int r = 0; r < 2 * ROWS; r++) { \
				for (int64_t j = 0; j < m; j += 16) \
					_mm512_store_ps(wide[r] + j, widen(h[r] + k + j)); \
			} \
			for (int64_t j = 0; j < m; j += 4) { \
				four_columns(p, j, c); \
				s0 = chain4(s0, c, x + k + j); \
				four_columns(p + ROWS, j, c); \
				s1 = chain4(s1, c, x + k + j); \
			} \
		} \
		store_some(out + i, s0, n - i); \
		if (n - i > ROWS) \
			store_some(out + i + ROWS, s1, n - i - ROWS); \
	} \
} \
static void decode_##name(const itr_krows *g, int64_t first, int mr, void *scratch, itr_krows *seen) \
{ \
	float *d = scratch; \
	for (int r = 0; r < mr; r++) { \
		const uint16_t *h = (const uint16_t *)(const void *)(g->base + (size_t)(first + r) * g->stride); \
		for (int64_t k = 0; k < g->k; k += 16, d += 16) \
			_mm512_storeu_ps(d, widen(h + k)); \
	} \
	*seen = *g; \
	seen->base = scratch; \
	seen->stride = (size_t)g->k * sizeof *d; \
}

/* Sums the 16 lanes of each of 16 vectors: lane i of the result is the sum of a[i]. */
static inline __m512 sum16(const __m512 a[ROWS])
{
	__m512 t[8], u[4], v[2];
#pragma GCC unroll 8
	for (int i = 0; i < 8; i++)
		t[i] = _mm512_add_ps(_mm512_unpacklo_ps(a[2 * i], a[2 * i + 1]), _mm512_unpackhi_ps(a[2 * i], a[2 * i + 1]));
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++) {
		__m512d x = _mm512_castps_pd(t[2 * i]), y = _mm512_castps_pd(t[2 * i + 1]);
		u[i] = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(x, y)), _mm512_castpd_ps(_mm512_unpackhi_pd(x, y)));
	}
#pragma GCC unroll 2
	for (int i = 0; i < 2; i++)
		v[i] = _mm512_add_ps(_mm512_shuffle_f32x4(u[2 * i], u[2 * i + 1], 0x88),
		                     _mm512_shuffle_f32x4(u[2 * i], u[2 * i + 1], 0xdd));
	return _mm512_add_ps(_mm512_shuffle_f32x4(v[0], v[1], 0x88), _mm512_shuffle_f32x4(v[0], v[1], 0xdd));
}

/* Lanes along the row, rows in memory order: as fast as memory delivers (the transposing kernel jumps from row to row and reaches 60 % of
 * that). Summation order differs from `few`. */
#define ROUGH(name, type, load) \
static void name(const itr_krows *g, const itr_kquery *q, int64_t first, int64_t n, float *out) \
{ \
	const float *x = q->data; \
	for (int64_t i = 0; i < n; i += ROWS) { \
		__m512 a[ROWS]; \
		_Pragma("GCC unroll 16") for (int r = 0; r < ROWS; r++) { \
			const type *p = (const type *)(const void *)(g->base + (size_t)(first + i + r) * g->stride); \
			__m512 s = _mm512_setzero_ps(), t = s; \
			int64_t k = 0; \
			for (; k + 32 <= g->k; k += 32) { \
				_mm_prefetch((const char *)(p + k) + AHEAD, _MM_HINT_T0); \
				if (sizeof *p == 4) \
					_mm_prefetch((const char *)(p + k + 16) + AHEAD, _MM_HINT_T0); \
				s = _mm512_fmadd_ps(load(p + k), _mm512_loadu_ps(x + k), s); \
				t = _mm512_fmadd_ps(load(p + k + 16), _mm512_loadu_ps(x + k + 16), t); \
			} \
			if (k < g->k) \
				s = _mm512_fmadd_ps(load(p + k), _mm512_loadu_ps(x + k), s); \
			a[r] = _mm512_add_ps(s, t); \
		} \
		store_some(out + i, sum16(a), n - i); \
	} \
}

ROUGH(rough_f32, float, _mm512_loadu_ps)
ROUGH(rough_f16, uint16_t, widen_f16)
ROUGH(rough_bf16, uint16_t, widen_bf16)
FEW_HALF(few_f16, widen_f16)
FEW_HALF(few_bf16, widen_bf16)

static void tile_f32(const itr_krows *g, const itr_kpanel *p, int64_t first, float *out)
{
	const uint8_t *base = g->base + (size_t)first * g->stride;
	const float *q = p->data;
	const size_t stride = g->stride;
	__m512 a[MR][2];
#pragma GCC unroll 12
	for (int r = 0; r < MR; r++)
		a[r][0] = a[r][1] = _mm512_setzero_ps();
	for (int64_t k = 0; k < g->k; k++, q += NR) {
		__m512 q0 = _mm512_loadu_ps(q), q1 = _mm512_loadu_ps(q + 16);
#pragma GCC unroll 12
		for (int r = 0; r < MR; r++) {
			__m512 b = _mm512_set1_ps(((const float *)(const void *)(base + (size_t)r * stride))[k]);
			a[r][0] = _mm512_fmadd_ps(b, q0, a[r][0]);
			a[r][1] = _mm512_fmadd_ps(b, q1, a[r][1]);
		}
	}
#pragma GCC unroll 12
	for (int r = 0; r < MR; r++) {
		_mm512_storeu_ps(out + r * NR, a[r][0]);
		_mm512_storeu_ps(out + r * NR + 16, a[r][1]);
	}
}

static int64_t above(const float *s, int64_t n, float limit, int32_t *pos)
{
	const __m512 t = _mm512_set1_ps(limit);
	int64_t m = 0;
	for (int64_t i = 0; i < n; i += 16) {
		__mmask16 in = n - i >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << (n - i)) - 1);
		unsigned hit = _mm512_cmp_ps_mask(_mm512_maskz_loadu_ps(in, s + i), t, _CMP_GT_OQ) & in;
		for (; hit; hit &= hit - 1)
			pos[m++] = (int32_t)(i + __builtin_ctz(hit));
	}
	return m;
}

static int64_t above_tile(const float *s, int mr, int nr, const float *limit, int32_t *pos)
{
	int64_t m = 0;
	for (int r = 0; r < mr; r++)
		for (int j = 0; j < nr; j += 16) {
			unsigned hit = _mm512_cmp_ps_mask(_mm512_loadu_ps(s + r * nr + j), _mm512_loadu_ps(limit + j), _CMP_GT_OQ);
			for (; hit; hit &= hit - 1)
				pos[m++] = r * nr + j + __builtin_ctz(hit);
		}
	return m;
}

static void to_f16(uint16_t *d, const float *x, int64_t n)
{
	for (int64_t i = 0; i < n; i += 16) {
		__mmask16 in = n - i >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << (n - i)) - 1);
		_mm256_mask_storeu_epi16(d + i, in,
		                         _mm512_cvtps_ph(_mm512_maskz_loadu_ps(in, x + i), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
	}
}

#define COUNT_BYTES 64
#include "retrieval/kern_count.inc"

static void count_compare(const float *score, int64_t n, float t, uint64_t *above_t, uint64_t *equal_t)
{
	__m512 limit = _mm512_set1_ps(t);
	for (int64_t w = 0; w * 64 < n; w++) {
		uint64_t a = 0, e = 0;
		for (int k = 0; k < 4; k++) {
			int64_t left = ITR_MAX(0, ITR_MIN(n - w * 64 - k * 16, (int64_t)16));
			__mmask16 in = (__mmask16)((1u << left) - 1);
			__m512 v = _mm512_maskz_loadu_ps(in, score + w * 64 + (left ? k * 16 : 0));
			a |= (uint64_t)_mm512_mask_cmp_ps_mask(in, v, limit, _CMP_GT_OQ) << (k * 16);
			e |= (uint64_t)_mm512_mask_cmp_ps_mask(in, v, limit, _CMP_EQ_OQ) << (k * 16);
		}
		above_t[w] = a;
		equal_t[w] = e;
	}
}

static const itr_count_kernel count = { count_row, count_columns, count_dots, count_compare, count_common };
static const itr_scan scan = { above, above_tile, to_f16 };
static const itr_kernel fp32 = { "avx512", few_f32, tile_f32, MR, NR, ITR_PANEL_F32, NULL, 0, rough_f32 };
static const itr_kernel fp16 = { "avx512", few_f16, tile_f32, MR, NR, ITR_PANEL_F32, decode_few_f16, 4, rough_f16 };
static const itr_kernel bf16 = { "avx512", few_bf16, tile_f32, MR, NR, ITR_PANEL_F32, decode_few_bf16, 4, rough_bf16 };

const itr_isa itr_isa_avx512 = { ITR_CPU_AVX2 | ITR_CPU_AVX512,
	                         &scan,
	                         &count,
	                         { [ITR_PREC_FP32] = &fp32, [ITR_PREC_FP16] = &fp16, [ITR_PREC_BF16] = &bf16 },
	                         { NULL } };
#endif
