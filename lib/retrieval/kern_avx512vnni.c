/* int8 and int4 with VNNI, binary with VPOPCNTDQ. Gallery codes are the unsigned operand of vpdpbusd, query codes the signed one; the
 * offset's share, offset * sum(query), is in `corr`. Sums of products are exact in int32, so any order gives the scalar kernel's bits. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "base/cpu.h"
#include "retrieval/kernels.h"
#include "retrieval/quantise.h"

enum { ROWS = 16, MR = 12, MR4 = 6, NR = 32, PAIRS = 4 };

/* Bytes ahead of the row being scored that are asked for: the hardware prefetcher stops at 4 KiB pages. int4 has more to do a byte and
 * therefore fewer instructions in flight behind the prefetch. */
enum { AHEAD = 4096, AHEAD4 = 8192 };

/* vpdpbusd in place. gcc 12's intrinsic copies the sum between registers and memory around every use: 2.5 times slower in the tiles. */
static inline __m512i dot(__m512i sum, __m512i u, __m512i s)
{
	__asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(u), "v"(s));
	return sum;
}

/* Inlined twice, for streams (idx NULL) and for gathers: whatever a stream does besides loading costs bandwidth, since fewer loads are then
 * in flight. */
#define BOTH_WAYS static inline __attribute__((always_inline)) void

static inline const uint8_t *row_pointer(const itr_krows *g, int64_t first, const int64_t *idx, int64_t i, int64_t n)
{
	int64_t row = idx ? idx[i < n ? i : 0] : first + i;      /* a short gather repeats its first row; a short stream reads the slack */
	return g->base + (size_t)row * g->stride;
}

/* What to ask memory for while a row is scored: a stream's own continuation, or a gather's row 16 places on. */
static inline const char *next_pointer(const itr_krows *g, const uint8_t *p, int64_t ahead, const int64_t *idx, int64_t i, int64_t n)
{
	return (const char *)(idx ? row_pointer(g, 0, idx, i + ROWS, n) : p + ahead);
}

/* Sums the 16 lanes of each of 16 vectors: lane i of the result is the sum of a[i]. */
static inline __m512i sum16(const __m512i a[ROWS])
{
	__m512i t[8], u[4], v[2];
#pragma GCC unroll 8
	for (int i = 0; i < 8; i++)
		t[i] = _mm512_add_epi32(_mm512_unpacklo_epi32(a[2 * i], a[2 * i + 1]), _mm512_unpackhi_epi32(a[2 * i], a[2 * i + 1]));
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++)
		u[i] = _mm512_add_epi32(_mm512_unpacklo_epi64(t[2 * i], t[2 * i + 1]), _mm512_unpackhi_epi64(t[2 * i], t[2 * i + 1]));
#pragma GCC unroll 2
	for (int i = 0; i < 2; i++)
		v[i] = _mm512_add_epi32(_mm512_shuffle_i32x4(u[2 * i], u[2 * i + 1], 0x88),
		                        _mm512_shuffle_i32x4(u[2 * i], u[2 * i + 1], 0xdd));
	return _mm512_add_epi32(_mm512_shuffle_i32x4(v[0], v[1], 0x88), _mm512_shuffle_i32x4(v[0], v[1], 0xdd));
}

static inline void store_some(float *out, __m512 s, int64_t n)
{
	_mm512_mask_storeu_ps(out, n >= ROWS ? (__mmask16)0xffff : (__mmask16)((1u << n) - 1), s);
}

static inline __m512 row_scales(const itr_krows *g, int64_t first, const int64_t *idx, int64_t n)
{
	float s[ROWS];
	if (!idx)
		return _mm512_maskz_loadu_ps(n >= ROWS ? (__mmask16)0xffff : (__mmask16)((1u << n) - 1), g->scale + first);
	for (int i = 0; i < ROWS; i++)
		s[i] = g->scale[idx[i < n ? i : 0]];
	return _mm512_loadu_ps(s);
}

BOTH_WAYS some_int8(const itr_krows *g, const itr_kquery *q, int64_t first, const int64_t *idx, int64_t n, float *out)
{
	const int8_t *x = q->data;
	const __m512i corr = _mm512_set1_epi32(q->corr[0]);
	const __m512 qs = _mm512_set1_ps(q->scale);
	for (int64_t i = 0; i < n; i += ROWS) {
		const int64_t *ids = idx ? idx + i : NULL;
		__m512i a[ROWS];
		for (int r = 0; r < ROWS; r++) {                     /* unrolled it is 7 % slower: sums in memory cost nothing here */
			const uint8_t *p = row_pointer(g, first + i, ids, r, n - i);
			const char *next = next_pointer(g, p, AHEAD, ids, r, n - i);
			__m512i s = _mm512_setzero_si512();
			for (int64_t k = 0; k < g->k; k += 64) {
				_mm_prefetch(next + k, _MM_HINT_T0);
				s = dot(s, _mm512_loadu_si512(p + k), _mm512_loadu_si512(x + k));
			}
			a[r] = s;
		}
		__m512 d = _mm512_cvtepi32_ps(_mm512_add_epi32(sum16(a), corr));
		store_some(out + i, _mm512_mul_ps(d, _mm512_mul_ps(row_scales(g, first + i, ids, n - i), qs)), n - i);
	}
}

static void few_int8(const itr_krows *g, const itr_kquery *q, int64_t first, const int64_t *idx, int64_t n, float *out)
{
	if (idx)
		some_int8(g, q, 0, idx, n, out);
	else
		some_int8(g, q, first, NULL, n, out);
}

static void tile_int8(const itr_krows *g, const itr_kpanel *p, int64_t first, float *out)
{
	const uint8_t *base = g->base + (size_t)first * g->stride;
	const int8_t *q = p->data;
	const size_t stride = g->stride;
	const __m512i c0 = _mm512_loadu_si512(p->corr), c1 = _mm512_loadu_si512(p->corr + 16);
	__m512i a[MR][2];
#pragma GCC unroll 12
	for (int r = 0; r < MR; r++) {
		a[r][0] = c0;
		a[r][1] = c1;
	}
	for (int64_t k = 0; k < g->k; k += 4, q += 4 * NR) {
		__m512i q0 = _mm512_loadu_si512(q), q1 = _mm512_loadu_si512(q + 64);
#pragma GCC unroll 12
		for (int r = 0; r < MR; r++) {
			__m512i b = _mm512_set1_epi32(*(const int32_t *)(const void *)(base + (size_t)r * stride + k));
			a[r][0] = dot(a[r][0], b, q0);
			a[r][1] = dot(a[r][1], b, q1);
		}
	}
	__m512 s0 = _mm512_loadu_ps(p->scale), s1 = _mm512_loadu_ps(p->scale + 16);
#pragma GCC unroll 12
	for (int r = 0; r < MR; r++) {
		__m512 s = _mm512_set1_ps(g->scale[first + r]);
		_mm512_storeu_ps(out + r * NR, _mm512_mul_ps(_mm512_cvtepi32_ps(a[r][0]), _mm512_mul_ps(s, s0)));
		_mm512_storeu_ps(out + r * NR + 16, _mm512_mul_ps(_mm512_cvtepi32_ps(a[r][1]), _mm512_mul_ps(s, s1)));
	}
}

/* --- int4: a 64-byte load is two groups of one row; eight lanes of the sum belong to each. -------------------------------------------- */

/* Sums of lanes 0..7 and of lanes 8..15 of each of 16 vectors. */
static inline void sum_halves(const __m512i a[ROWS], __m512i *low, __m512i *high)
{
	__m512i t[8], u[4], v[2];
#pragma GCC unroll 8
	for (int i = 0; i < 8; i++)
		t[i] = _mm512_add_epi32(_mm512_unpacklo_epi32(a[2 * i], a[2 * i + 1]), _mm512_unpackhi_epi32(a[2 * i], a[2 * i + 1]));
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++)
		u[i] = _mm512_add_epi32(_mm512_unpacklo_epi64(t[2 * i], t[2 * i + 1]), _mm512_unpackhi_epi64(t[2 * i], t[2 * i + 1]));
#pragma GCC unroll 2
	for (int i = 0; i < 2; i++)
		v[i] = _mm512_add_epi32(_mm512_shuffle_i32x4(u[2 * i], u[2 * i + 1], 0x88),
		                        _mm512_shuffle_i32x4(u[2 * i], u[2 * i + 1], 0xdd));
	*low = _mm512_shuffle_i32x4(v[0], v[1], 0x88);
	*high = _mm512_shuffle_i32x4(v[0], v[1], 0xdd);
}

static inline __m512 group_scales(const itr_krows *g, int64_t first, const int64_t *idx, int64_t n, int64_t group)
{
	uint16_t s[ROWS];
	if (!idx && first % 16 == 0)
		return _mm512_cvtph_ps(
			_mm256_loadu_si256((const __m256i *)(const void *)(g->group_scale + (first / 16 * g->groups + group) * 16)));
	for (int i = 0; i < ROWS; i++) {
		int64_t row = idx ? idx[i < n ? i : 0] : first + i;
		s[i] = g->group_scale[(row / 16 * g->groups + group) * 16 + row % 16];
	}
	return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)s));
}

/* `pairs` pairs of groups from byte `at` of 16 rows, each row's bytes in one go: jumping from row to row for one pair after the other
 * leaves a quarter of the bandwidth unused. sums[h][r]: pair h of row r. */
BOTH_WAYS pair_sums(const itr_krows *g, int64_t first, const int64_t *idx, int64_t n, int64_t at, int pairs, __mmask64 last,
                    const __m512i even[PAIRS], const __m512i odd[PAIRS], __m512i sums[PAIRS][ROWS])
{
	const __m512i nibble = _mm512_set1_epi8(15);
	for (int r = 0; r < ROWS; r++) {
		const uint8_t *p = row_pointer(g, first, idx, r, n) + at;
		const char *next = next_pointer(g, p - at, AHEAD4, idx, r, n) + at;
#pragma GCC unroll 4
		for (int h = 0; h < pairs; h++) {
			_mm_prefetch(next + h * 64, _MM_HINT_T0);
			__m512i v = h + 1 < pairs ? _mm512_loadu_si512(p + h * 64) : _mm512_maskz_loadu_epi8(last, p + h * 64);
			__m512i s = dot(_mm512_setzero_si512(), _mm512_and_si512(v, nibble), even[h]);
			sums[h][r] = dot(s, _mm512_and_si512(_mm512_srli_epi16(v, 4), nibble), odd[h]);
		}
	}
}

BOTH_WAYS some_int4(const itr_krows *g, const itr_kquery *q, int64_t first, const int64_t *idx, int64_t n, float *out)
{
	for (int64_t i = 0; i < n; i += ROWS) {
		const int64_t *ids = idx ? idx + i : NULL;
		const int8_t *x = q->data;
		__m512 s = _mm512_setzero_ps();
		for (int64_t j = 0; j < g->groups; j += 2 * PAIRS) {
			const int pairs = (int)ITR_MIN((int64_t)PAIRS, (g->groups - j + 1) / 2);
			__m512i even[PAIRS], odd[PAIRS], sums[PAIRS][ROWS];
			for (int h = 0; h < pairs; h++, x += 128) {
				/* even dimensions of both groups, then odd ones: the query's groups are stored even|odd each. Behind the
				 * last group stands slack. */
				__m512i a = _mm512_loadu_si512(x), b = _mm512_loadu_si512(x + 64);
				even[h] = _mm512_shuffle_i64x2(a, b, 0x44);
				odd[h] = _mm512_shuffle_i64x2(a, b, 0xee);
			}
			if (j + 2 * PAIRS <= g->groups)
				pair_sums(g, first + i, ids, n - i, j * 32, PAIRS, ~(__mmask64)0, even, odd, sums);
			else
				pair_sums(g, first + i, ids, n - i, j * 32, pairs, g->groups % 2 ? (__mmask64)0xffffffff : ~(__mmask64)0,
				          even, odd, sums);
			for (int64_t h = 0; h < pairs; h++) {
				__m512i low, high;
				int64_t e = j + 2 * h;
				if (!idx)
					_mm_prefetch((const char *)(g->group_scale + ((first + i) / 16 * g->groups + e) * 16) + 2048,
					             _MM_HINT_T0);
				sum_halves(sums[h], &low, &high);
				s = _mm512_fmadd_ps(group_scales(g, first + i, ids, n - i, e),
				                    _mm512_cvtepi32_ps(_mm512_add_epi32(low, _mm512_set1_epi32(q->corr[e]))), s);
				if (e + 1 < g->groups)
					s = _mm512_fmadd_ps(group_scales(g, first + i, ids, n - i, e + 1),
					                    _mm512_cvtepi32_ps(_mm512_add_epi32(high, _mm512_set1_epi32(q->corr[e + 1]))),
					                    s);
			}
		}
		store_some(out + i, _mm512_mul_ps(s, _mm512_set1_ps(q->scale)), n - i);
	}
}

static void few_int4(const itr_krows *g, const itr_kquery *q, int64_t first, const int64_t *idx, int64_t n, float *out)
{
	if (idx)
		some_int4(g, q, 0, idx, n, out);
	else
		some_int4(g, q, first, NULL, n, out);
}

/* Nibbles to bytes in the query's order, and the scales to float32 behind the rows: [mr][k] bytes, [mr][groups] floats. */
static void decode_int4(const itr_krows *g, int64_t first, int mr, void *scratch, itr_krows *seen)
{
	const __m256i nibble = _mm256_set1_epi8(15);
	uint8_t *d = scratch;
	float *s = (float *)(void *)(d + (size_t)mr * (size_t)g->k);
	for (int r = 0; r < mr; r++) {
		int64_t row = first + r;
		const uint8_t *p = g->base + (size_t)row * g->stride;
		for (int64_t j = 0; j < g->groups; j++, d += 64) {
			__m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(p + j * 32));
			_mm256_storeu_si256((__m256i *)(void *)d, _mm256_and_si256(v, nibble));
			_mm256_storeu_si256((__m256i *)(void *)(d + 32), _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble));
			*s++ = _cvtsh_ss(g->group_scale[(row / 16 * g->groups + j) * 16 + row % 16]);
		}
	}
	*seen = *g;
	seen->base = scratch;
	seen->stride = (size_t)g->k;
	seen->scale = (const float *)(const void *)((uint8_t *)scratch + (size_t)mr * (size_t)g->k);
}

static void tile_int4(const itr_krows *g, const itr_kpanel *p, int64_t first, float *out)
{
	const uint8_t *base = g->base + (size_t)first * g->stride;
	const int8_t *q = p->data;
	const size_t stride = g->stride;
	__m512 f[MR4][2];
#pragma GCC unroll 6
	for (int r = 0; r < MR4; r++)
		f[r][0] = f[r][1] = _mm512_setzero_ps();
	for (int64_t j = 0; j < g->groups; j++, base += 64) {
		__m512i a[MR4][2];
#pragma GCC unroll 6
		for (int r = 0; r < MR4; r++) {
			a[r][0] = _mm512_loadu_si512(p->corr + j * NR);
			a[r][1] = _mm512_loadu_si512(p->corr + j * NR + 16);
		}
		for (int k = 0; k < 64; k += 4, q += 4 * NR) {
			__m512i q0 = _mm512_loadu_si512(q), q1 = _mm512_loadu_si512(q + 64);
#pragma GCC unroll 6
			for (int r = 0; r < MR4; r++) {
				__m512i b = _mm512_set1_epi32(*(const int32_t *)(const void *)(base + (size_t)r * stride + k));
				a[r][0] = dot(a[r][0], b, q0);
				a[r][1] = dot(a[r][1], b, q1);
			}
		}
#pragma GCC unroll 6
		for (int r = 0; r < MR4; r++) {
			__m512 s = _mm512_set1_ps(g->scale[(first + r) * g->groups + j]);
			f[r][0] = _mm512_fmadd_ps(s, _mm512_cvtepi32_ps(a[r][0]), f[r][0]);
			f[r][1] = _mm512_fmadd_ps(s, _mm512_cvtepi32_ps(a[r][1]), f[r][1]);
		}
	}
	__m512 s0 = _mm512_loadu_ps(p->scale), s1 = _mm512_loadu_ps(p->scale + 16);
#pragma GCC unroll 6
	for (int r = 0; r < MR4; r++) {
		_mm512_storeu_ps(out + r * NR, _mm512_mul_ps(f[r][0], s0));
		_mm512_storeu_ps(out + r * NR + 16, _mm512_mul_ps(f[r][1], s1));
	}
}

/* --- binary --------------------------------------------------------------------------------------------------------------------------- */

/* Sums the 8 lanes of each of 8 vectors of 64-bit counts. */
static inline __m512i sum8(const __m512i a[8])
{
	__m512i t[4], u[2];
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++)
		t[i] = _mm512_add_epi64(_mm512_unpacklo_epi64(a[2 * i], a[2 * i + 1]), _mm512_unpackhi_epi64(a[2 * i], a[2 * i + 1]));
#pragma GCC unroll 2
	for (int i = 0; i < 2; i++)
		u[i] = _mm512_add_epi64(_mm512_shuffle_i64x2(t[2 * i], t[2 * i + 1], 0x88),
		                        _mm512_shuffle_i64x2(t[2 * i], t[2 * i + 1], 0xdd));
	return _mm512_add_epi64(_mm512_shuffle_i64x2(u[0], u[1], 0x88), _mm512_shuffle_i64x2(u[0], u[1], 0xdd));
}

BOTH_WAYS some_binary(const itr_krows *g, const itr_kquery *q, int64_t first, const int64_t *idx, int64_t n, float *out)
{
	const uint64_t *x = q->data;
	const __m512i dim = _mm512_set1_epi32((int32_t)g->dim);
	for (int64_t i = 0; i < n; i += ROWS) {
		const int64_t *ids = idx ? idx + i : NULL;
		__m512i a[ROWS];
#pragma GCC unroll 16
		for (int r = 0; r < ROWS; r++)
			a[r] = _mm512_setzero_si512();
		for (int64_t k = 0; k < g->k; k += 8) {
			__mmask8 m = g->k - k >= 8 ? (__mmask8)0xff : (__mmask8)((1u << (g->k - k)) - 1);
			__m512i v = _mm512_maskz_loadu_epi64(m, x + k);
#pragma GCC unroll 16
			for (int r = 0; r < ROWS; r++) {
				const uint8_t *p = row_pointer(g, first + i, ids, r, n - i);
				_mm_prefetch(next_pointer(g, p, AHEAD, ids, r, n - i) + k * 8, _MM_HINT_T0);
				a[r] = _mm512_add_epi64(a[r],
				                        _mm512_popcnt_epi64(_mm512_xor_si512(_mm512_maskz_loadu_epi64(m, p + k * 8), v)));
			}
		}
		__m512i h =
			_mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi64_epi32(sum8(a))), _mm512_cvtepi64_epi32(sum8(a + 8)), 1);
		store_some(out + i, _mm512_cvtepi32_ps(_mm512_sub_epi32(dim, _mm512_slli_epi32(h, 1))), n - i);
	}
}

static void few_binary(const itr_krows *g, const itr_kquery *q, int64_t first, const int64_t *idx, int64_t n, float *out)
{
	if (idx)
		some_binary(g, q, 0, idx, n, out);
	else
		some_binary(g, q, first, NULL, n, out);
}

static const itr_kernel int8 = { "avx512vnni", few_int8, tile_int8, MR, NR, ITR_PANEL_I8X4, NULL, 0, NULL };
static const itr_kernel int4 = { "avx512vnni", few_int4, tile_int4, MR4, NR, ITR_PANEL_I8X4, decode_int4, 2, NULL };
static const itr_kernel binary = { "avx512vpopcntdq", few_binary, NULL, 0, 0, ITR_PANEL_NONE, NULL, 0, NULL };

const itr_isa itr_isa_avx512vnni = {
	ITR_CPU_AVX2 | ITR_CPU_AVX512 | ITR_CPU_AVX512_VNNI, NULL, NULL, { [ITR_PREC_INT8] = &int8, [ITR_PREC_INT4] = &int4 }, { NULL }
};
const itr_isa itr_isa_avx512vpopcnt = {
	ITR_CPU_AVX2 | ITR_CPU_AVX512 | ITR_CPU_AVX512_VPOPCNT, NULL, NULL, { [ITR_PREC_BINARY] = &binary }, { NULL }
};
#endif
