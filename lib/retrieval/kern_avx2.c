/* All precisions with AVX2, FMA and F16C. vpmaddubsw saturates when both sides use their whole range, so int8 codes are widened to 16 bits
 * before vpmaddwd; for int4 (codes below 16) its sums stay below 2^13 and it is safe. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "base/cpu.h"
#include "retrieval/kernels.h"
#include "retrieval/quantise.h"

enum { ROWS = 8, MR = 6, NR = 16, CHUNK = 64, AHEAD = 4096 };

static inline const uint8_t *row_pointer(const itr_krows *g, int64_t first, const int64_t *idx, int64_t i, int64_t n)
{
	int64_t row = idx ? idx[i < n ? i : 0] : first + i;
	return g->base + (size_t)row * g->stride;
}

static inline void store_some(float *out, __m256 s, int64_t n)
{
	float t[ROWS];
	if (n >= ROWS) {
		_mm256_storeu_ps(out, s);
		return;
	}
	_mm256_storeu_ps(t, s);
	for (int64_t i = 0; i < n; i++)
		out[i] = t[i];
}

/* Four columns of 8 rows: c[j] = column j, row i in lane i. */
static inline void four_columns(const float *const p[ROWS], int64_t k, __m256 c[4])
{
	__m256 x[4];
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++)
		x[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p[i] + k)), _mm_loadu_ps(p[i + 4] + k), 1);
	__m256 a = _mm256_unpacklo_ps(x[0], x[1]), b = _mm256_unpackhi_ps(x[0], x[1]), d = _mm256_unpacklo_ps(x[2], x[3]),
	       e = _mm256_unpackhi_ps(x[2], x[3]);
	c[0] = _mm256_castpd_ps(_mm256_unpacklo_pd(_mm256_castps_pd(a), _mm256_castps_pd(d)));
	c[1] = _mm256_castpd_ps(_mm256_unpackhi_pd(_mm256_castps_pd(a), _mm256_castps_pd(d)));
	c[2] = _mm256_castpd_ps(_mm256_unpacklo_pd(_mm256_castps_pd(b), _mm256_castps_pd(e)));
	c[3] = _mm256_castpd_ps(_mm256_unpackhi_pd(_mm256_castps_pd(b), _mm256_castps_pd(e)));
}

static inline __m256 chain4(__m256 s, const __m256 c[4], const float *x)
{
#pragma GCC unroll 4
	for (int j = 0; j < 4; j++)
		s = _mm256_fmadd_ps(_mm256_set1_ps(x[j]), c[j], s);
	return s;
}

static void few_f32(const itr_krows *g, const itr_kquery *q, int64_t first, const int64_t *idx, int64_t n, float *out)
{
	const float *x = q->data;
	for (int64_t i = 0; i < n; i += 2 * ROWS) {
		const float *p[2 * ROWS];
		const char *next = (const char *)g->base + (size_t)(first + i + 2 * ROWS) * g->stride;
		__m256 s0 = _mm256_setzero_ps(), s1 = s0, c[4];
		for (int r = 0; r < 2 * ROWS; r++)
			p[r] = (const float *)(const void *)row_pointer(g, first + i, idx ? idx + i : NULL, r, n - i);
		for (int64_t k = 0; k < g->k; k += 4) {
			if (!idx)
				for (int l = 0; l < 4; l++)
					_mm_prefetch(next + k * 64 + l * 64, _MM_HINT_T1);
			four_columns(p, k, c);
			s0 = chain4(s0, c, x + k);
			four_columns(p + ROWS, k, c);
			s1 = chain4(s1, c, x + k);
		}
		store_some(out + i, s0, n - i);
		if (n - i > ROWS)
			store_some(out + i + ROWS, s1, n - i - ROWS);
	}
}

static inline __m256 widen_f16(const uint16_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p)); }
static inline __m256 widen_bf16(const uint16_t *p)
{
	return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)), 16));
}

#define FEW_HALF(name, widen)                                                                                                              \
	static void few_##name(const itr_krows *g, const itr_kquery *q, int64_t first, const int64_t *idx, int64_t n, float *out)          \
	{                                                                                                                                  \
		const float *x = q->data;                                                                                                  \
		_Alignas(32) float wide[ROWS][CHUNK];                                                                                      \
		const float *p[ROWS];                                                                                                      \
		for (int r = 0; r < ROWS; r++)                                                                                             \
			p[r] = wide[r];                                                                                                    \
		for (int64_t i = 0; i < n; i += ROWS) {                                                                                    \
			__m256 s = _mm256_setzero_ps(), c[4];                                                                              \
			for (int64_t k = 0; k < g->k; k += CHUNK) {                                                                        \
				int64_t m = ITR_MIN(g->k - k, (int64_t)CHUNK);                                                             \
				for (int r = 0; r < ROWS; r++) {                                                                           \
					const uint16_t *h = (const uint16_t *)(const void *)row_pointer(g, first + i,                      \
					                                                                idx ? idx + i : NULL, r, n - i) +  \
					                    k;                                                                             \
					for (int64_t j = 0; j < m; j += 8)                                                                 \
						_mm256_store_ps(wide[r] + j, widen(h + j));                                                \
				}                                                                                                          \
				for (int64_t j = 0; j < m; j += 4) {                                                                       \
					four_columns(p, j, c);                                                                             \
					s = chain4(s, c, x + k + j);                                                                       \
				}                                                                                                          \
			}                                                                                                                  \
			store_some(out + i, s, n - i);                                                                                     \
		}                                                                                                                          \
	}                                                                                                                                  \
	static void decode_##name(const itr_krows *g, int64_t first, int mr, void *scratch, itr_krows *seen)                               \
	{                                                                                                                                  \
		float *d = scratch;                                                                                                        \
		for (int r = 0; r < mr; r++) {                                                                                             \
			const uint16_t *h = (const uint16_t *)(const void *)(g->base + (size_t)(first + r) * g->stride);                   \
			for (int64_t k = 0; k < g->k; k += 8, d += 8)                                                                      \
				_mm256_storeu_ps(d, widen(h + k));                                                                         \
		}                                                                                                                          \
		*seen = *g;                                                                                                                \
		seen->base = scratch;                                                                                                      \
		seen->stride = (size_t)g->k * sizeof *d;                                                                                   \
	}

/* Lanes along the row, rows in memory order: as fast as memory delivers. Summation order differs from `few`. */
#define ROUGH(name, type, load) \
static void name(const itr_krows *g, const itr_kquery *q, int64_t first, int64_t n, float *out) \
{ \
	const float *x = q->data; \
	for (int64_t i = 0; i < n; i++) { \
		const type *p = (const type *)(const void *)(g->base + (size_t)(first + i) * g->stride); \
		__m256 s = _mm256_setzero_ps(), t = s; \
		for (int64_t k = 0; k < g->k; k += 16) { \
			_mm_prefetch((const char *)(p + k) + AHEAD, _MM_HINT_T0); \
			s = _mm256_fmadd_ps(load(p + k), _mm256_loadu_ps(x + k), s); \
			t = _mm256_fmadd_ps(load(p + k + 8), _mm256_loadu_ps(x + k + 8), t); \
		} \
		s = _mm256_add_ps(s, t); \
		__m128 u = _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1)); \
		u = _mm_add_ps(u, _mm_movehl_ps(u, u)); \
		out[i] = _mm_cvtss_f32(_mm_add_ss(u, _mm_movehdup_ps(u))); \
	} \
}

ROUGH(rough_f32, float, _mm256_loadu_ps)
ROUGH(rough_f16, uint16_t, widen_f16)
ROUGH(rough_bf16, uint16_t, widen_bf16)
FEW_HALF(f16, widen_f16)
FEW_HALF(bf16, widen_bf16)

static void tile_f32(const itr_krows *g, const itr_kpanel *p, int64_t first, float *out)
{
	const uint8_t *base = g->base + (size_t)first * g->stride;
	const float *q = p->data;
	const size_t stride = g->stride;
	__m256 a[MR][2];
#pragma GCC unroll 6
	for (int r = 0; r < MR; r++)
		a[r][0] = a[r][1] = _mm256_setzero_ps();
	for (int64_t k = 0; k < g->k; k++, q += NR) {
		__m256 q0 = _mm256_loadu_ps(q), q1 = _mm256_loadu_ps(q + 8);
#pragma GCC unroll 6
		for (int r = 0; r < MR; r++) {
			__m256 b = _mm256_broadcast_ss((const float *)(const void *)(base + (size_t)r * stride) + k);
			a[r][0] = _mm256_fmadd_ps(b, q0, a[r][0]);
			a[r][1] = _mm256_fmadd_ps(b, q1, a[r][1]);
		}
	}
#pragma GCC unroll 6
	for (int r = 0; r < MR; r++) {
		_mm256_storeu_ps(out + r * NR, a[r][0]);
		_mm256_storeu_ps(out + r * NR + 8, a[r][1]);
	}
}

/* Sums the 8 lanes of each of 8 vectors: lane i of the result is the sum of a[i]. */
static inline __m256i sum8(const __m256i a[ROWS])
{
	__m256i t0 = _mm256_hadd_epi32(_mm256_hadd_epi32(a[0], a[1]), _mm256_hadd_epi32(a[2], a[3]));
	__m256i t1 = _mm256_hadd_epi32(_mm256_hadd_epi32(a[4], a[5]), _mm256_hadd_epi32(a[6], a[7]));
	return _mm256_add_epi32(_mm256_permute2x128_si256(t0, t1, 0x20), _mm256_permute2x128_si256(t0, t1, 0x31));
}

static inline __m128i load16(const void *p) { return _mm_loadu_si128(p); }
static inline __m256i load32(const void *p) { return _mm256_loadu_si256(p); }

static void few_int8(const itr_krows *g, const itr_kquery *q, int64_t first, const int64_t *idx, int64_t n, float *out)
{
	const int8_t *x = q->data;
	for (int64_t i = 0; i < n; i += ROWS) {
		const int64_t *ids = idx ? idx + i : NULL;
		__m256i a[ROWS];
		float scale[ROWS];
#pragma GCC unroll 8
		for (int r = 0; r < ROWS; r++) {
			const uint8_t *p = row_pointer(g, first + i, ids, r, n - i);
			__m256i s = _mm256_setzero_si256();
			for (int64_t k = 0; k < g->k; k += 32) {
				_mm_prefetch((const char *)(p + k + AHEAD), _MM_HINT_T0);
				s = _mm256_add_epi32(
					s, _mm256_madd_epi16(_mm256_cvtepu8_epi16(load16(p + k)), _mm256_cvtepi8_epi16(load16(x + k))));
				s = _mm256_add_epi32(s, _mm256_madd_epi16(_mm256_cvtepu8_epi16(load16(p + k + 16)),
				                                          _mm256_cvtepi8_epi16(load16(x + k + 16))));
			}
			a[r] = s;
			scale[r] = g->scale[ids ? ids[r < n - i ? r : 0] : first + i + r];
		}
		__m256 d = _mm256_cvtepi32_ps(_mm256_add_epi32(sum8(a), _mm256_set1_epi32(q->corr[0])));
		store_some(out + i, _mm256_mul_ps(d, _mm256_mul_ps(_mm256_loadu_ps(scale), _mm256_set1_ps(q->scale))), n - i);
	}
}

/* Codes widened to 16 bits, as vpmaddwd takes them. */
static void decode_int8(const itr_krows *g, int64_t first, int mr, void *scratch, itr_krows *seen)
{
	uint16_t *d = scratch;
	for (int r = 0; r < mr; r++) {
		const uint8_t *p = g->base + (size_t)(first + r) * g->stride;
		for (int64_t k = 0; k < g->k; k += 16, d += 16)
			_mm256_storeu_si256((__m256i *)(void *)d, _mm256_cvtepu8_epi16(load16(p + k)));
	}
	*seen = *g;
	seen->base = scratch;
	seen->stride = (size_t)g->k * sizeof *d;
	seen->scale = g->scale + first;
}

/* Sums of [from, from + len) columns of widened rows against a panel of pairs, added to a. */
static inline void pair_sums(const uint8_t *base, size_t stride, const int16_t *q, int64_t len, __m256i a[MR][2])
{
	for (int64_t k = 0; k < len; k += 2, q += 2 * NR) {
		__m256i q0 = load32(q), q1 = load32(q + 16);
#pragma GCC unroll 6
		for (int r = 0; r < MR; r++) {
			__m256i b = _mm256_set1_epi32(*(const int32_t *)(const void *)(base + (size_t)r * stride + (size_t)k * 2));
			a[r][0] = _mm256_add_epi32(a[r][0], _mm256_madd_epi16(b, q0));
			a[r][1] = _mm256_add_epi32(a[r][1], _mm256_madd_epi16(b, q1));
		}
	}
}

static void tile_int8(const itr_krows *g, const itr_kpanel *p, int64_t first, float *out)
{
	__m256i a[MR][2];
#pragma GCC unroll 6
	for (int r = 0; r < MR; r++) {
		a[r][0] = load32(p->corr);
		a[r][1] = load32(p->corr + 8);
	}
	pair_sums(g->base + (size_t)first * g->stride, g->stride, p->data, g->k, a);
#pragma GCC unroll 6
	for (int r = 0; r < MR; r++) {
		__m256 s = _mm256_set1_ps(g->scale[first + r]);
		_mm256_storeu_ps(out + r * NR, _mm256_mul_ps(_mm256_cvtepi32_ps(a[r][0]), _mm256_mul_ps(s, _mm256_loadu_ps(p->scale))));
		_mm256_storeu_ps(out + r * NR + 8,
		                 _mm256_mul_ps(_mm256_cvtepi32_ps(a[r][1]), _mm256_mul_ps(s, _mm256_loadu_ps(p->scale + 8))));
	}
}

static void few_int4(const itr_krows *g, const itr_kquery *q, int64_t first, const int64_t *idx, int64_t n, float *out)
{
	const __m256i nibble = _mm256_set1_epi8(15), one = _mm256_set1_epi16(1);
	for (int64_t i = 0; i < n; i += ROWS) {
		const int64_t *ids = idx ? idx + i : NULL;
		const int8_t *x = q->data;
		__m256 s = _mm256_setzero_ps();
		for (int64_t j = 0; j < g->groups; j++, x += 64) {
			__m256i a[ROWS], even = load32(x), odd = load32(x + 32);
			uint16_t scale[ROWS];
#pragma GCC unroll 8
			for (int r = 0; r < ROWS; r++) {
				int64_t row = ids ? ids[r < n - i ? r : 0] : first + i + r;
				__m256i v = load32(g->base + (size_t)row * g->stride + j * 32);
				__m256i d = _mm256_add_epi16(_mm256_maddubs_epi16(_mm256_and_si256(v, nibble), even),
				                             _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(v, 4), nibble), odd));
				a[r] = _mm256_madd_epi16(d, one);
				scale[r] = g->group_scale[(row / 16 * g->groups + j) * 16 + row % 16];
			}
			__m256 d = _mm256_cvtepi32_ps(_mm256_add_epi32(sum8(a), _mm256_set1_epi32(q->corr[j])));
			s = _mm256_fmadd_ps(_mm256_cvtph_ps(load16(scale)), d, s);
		}
		store_some(out + i, _mm256_mul_ps(s, _mm256_set1_ps(q->scale)), n - i);
	}
}

/* Nibbles to 16 bits in the query's order; the scales to float32 behind the rows. */
static void decode_int4(const itr_krows *g, int64_t first, int mr, void *scratch, itr_krows *seen)
{
	const __m128i nibble = _mm_set1_epi8(15);
	uint16_t *d = scratch;
	float *s = (float *)(void *)(d + (int64_t)mr * g->k);
	for (int r = 0; r < mr; r++) {
		int64_t row = first + r;
		const uint8_t *p = g->base + (size_t)row * g->stride;
		for (int64_t j = 0; j < g->groups; j++, d += 64, p += 32) {
			for (int h = 0; h < 2; h++) {
				__m128i v = load16(p + 16 * h);
				_mm256_storeu_si256((__m256i *)(void *)(d + 16 * h), _mm256_cvtepu8_epi16(_mm_and_si128(v, nibble)));
				_mm256_storeu_si256((__m256i *)(void *)(d + 32 + 16 * h),
				                    _mm256_cvtepu8_epi16(_mm_and_si128(_mm_srli_epi16(v, 4), nibble)));
			}
			*s++ = _cvtsh_ss(g->group_scale[(row / 16 * g->groups + j) * 16 + row % 16]);
		}
	}
	*seen = *g;
	seen->base = scratch;
	seen->stride = (size_t)g->k * sizeof *d;
	seen->scale = (const float *)(const void *)((uint16_t *)scratch + (int64_t)mr * g->k);
}

static void tile_int4(const itr_krows *g, const itr_kpanel *p, int64_t first, float *out)
{
	const uint8_t *base = g->base + (size_t)first * g->stride;
	const int16_t *q = p->data;
	for (int i = 0; i < MR * NR; i++)
		out[i] = 0;
	for (int64_t j = 0; j < g->groups; j++, base += 128, q += 64 * NR) {
		__m256i a[MR][2];
#pragma GCC unroll 6
		for (int r = 0; r < MR; r++) {
			a[r][0] = load32(p->corr + j * NR);
			a[r][1] = load32(p->corr + j * NR + 8);
		}
		pair_sums(base, g->stride, q, 64, a);
		for (int r = 0; r < MR; r++)
			for (int h = 0; h < 2; h++) {
				__m256 s = _mm256_set1_ps(g->scale[(first + r) * g->groups + j]);
				float *o = out + r * NR + 8 * h;
				_mm256_storeu_ps(o, _mm256_fmadd_ps(s, _mm256_cvtepi32_ps(a[r][h]), _mm256_loadu_ps(o)));
			}
	}
	for (int r = 0; r < MR; r++)
		for (int h = 0; h < 2; h++)
			_mm256_storeu_ps(out + r * NR + 8 * h,
			                 _mm256_mul_ps(_mm256_loadu_ps(out + r * NR + 8 * h), _mm256_loadu_ps(p->scale + 8 * h)));
}

/* The processor's popcnt, which every AVX2 machine has. */
static void few_binary(const itr_krows *g, const itr_kquery *q, int64_t first, const int64_t *idx, int64_t n, float *out)
{
	const uint64_t *x = q->data;
	for (int64_t i = 0; i < n; i++) {
		const uint64_t *p = (const uint64_t *)(const void *)row_pointer(g, first + i, idx ? idx + i : NULL, 0, 1);
		int64_t h = 0;
		_mm_prefetch((const char *)p + AHEAD, _MM_HINT_T0);
		for (int64_t k = 0; k < g->k; k++)
			h += _mm_popcnt_u64(p[k] ^ x[k]);
		out[i] = (float)(g->dim - 2 * h);
	}
}

static int64_t above(const float *s, int64_t n, float limit, int32_t *pos)
{
	const __m256 t = _mm256_set1_ps(limit);
	int64_t m = 0, i = 0;
	for (; i + 8 <= n; i += 8)
		for (unsigned hit = (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(s + i), t, _CMP_GT_OQ)); hit; hit &= hit - 1)
			pos[m++] = (int32_t)(i + __builtin_ctz(hit));
	for (; i < n; i++)
		if (s[i] > limit)
			pos[m++] = (int32_t)i;
	return m;
}

/* nr is a multiple of 8 wherever a tile kernel exists. */
static int64_t above_tile(const float *s, int mr, int nr, const float *limit, int32_t *pos)
{
	int64_t m = 0;
	for (int r = 0; r < mr; r++)
		for (int j = 0; j < nr; j += 8)
			for (unsigned hit = (unsigned)_mm256_movemask_ps(
				     _mm256_cmp_ps(_mm256_loadu_ps(s + r * nr + j), _mm256_loadu_ps(limit + j), _CMP_GT_OQ));
			     hit; hit &= hit - 1)
				pos[m++] = r * nr + j + __builtin_ctz(hit);
	return m;
}

static void to_f16(uint16_t *d, const float *x, int64_t n)
{
	int64_t i = 0;
	for (; i + 8 <= n; i += 8)
		_mm_storeu_si128((__m128i *)(void *)(d + i),
		                 _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
	for (; i < n; i++)
		d[i] = _cvtss_sh(x[i], _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

#define COUNT_BYTES 32
#include "retrieval/kern_count.inc"

static void count_compare(const float *score, int64_t n, float t, uint64_t *above_t, uint64_t *equal_t)
{
	__m256 limit = _mm256_set1_ps(t);
	for (int64_t w = 0; w * 64 < n; w++) {
		uint64_t a = 0, e = 0;
		int64_t left = ITR_MIN(n - w * 64, (int64_t)64), i = 0;
		for (; i + 8 <= left; i += 8) {
			__m256 v = _mm256_loadu_ps(score + w * 64 + i);
			a |= (uint64_t)(unsigned)_mm256_movemask_ps(_mm256_cmp_ps(v, limit, _CMP_GT_OQ)) << i;
			e |= (uint64_t)(unsigned)_mm256_movemask_ps(_mm256_cmp_ps(v, limit, _CMP_EQ_OQ)) << i;
		}
		count_compare_rest(score, w, i, left, t, &a, &e);
		above_t[w] = a;
		equal_t[w] = e;
	}
}

static const itr_count_kernel count = { count_row, count_columns, count_dots, count_compare, count_common };
static const itr_scan scan = { above, above_tile, to_f16 };
static const itr_kernel fp32 = { "avx2", few_f32, tile_f32, MR, NR, ITR_PANEL_F32, NULL, 0, rough_f32 };
static const itr_kernel fp16 = { "avx2", few_f16, tile_f32, MR, NR, ITR_PANEL_F32, decode_f16, 4, rough_f16 };
static const itr_kernel bf16 = { "avx2", few_bf16, tile_f32, MR, NR, ITR_PANEL_F32, decode_bf16, 4, rough_bf16 };
static const itr_kernel int8 = { "avx2", few_int8, tile_int8, MR, NR, ITR_PANEL_I16X2, decode_int8, 2, NULL };
static const itr_kernel int4 = { "avx2", few_int4, tile_int4, MR, NR, ITR_PANEL_I16X2, decode_int4, 2, NULL };
static const itr_kernel binary = { "avx2", few_binary, NULL, 0, 0, ITR_PANEL_NONE, NULL, 0, NULL };

const itr_isa itr_isa_avx2 = { ITR_CPU_AVX2,
	                       &scan,
	                       &count,
	                       { [ITR_PREC_FP32] = &fp32,
	                         [ITR_PREC_FP16] = &fp16,
	                         [ITR_PREC_BF16] = &bf16,
	                         [ITR_PREC_INT8] = &int8,
	                         [ITR_PREC_INT4] = &int4,
	                         [ITR_PREC_BINARY] = &binary },
	                       { NULL } };
#endif
