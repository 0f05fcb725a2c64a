/* AVX512-BF16 micro-kernel: the tile shape of gemm_avx512.c with pairs of bfloat16 along k instead of floats. VDPBF16PS adds two products
 * to a float sum; both operands were rounded to nearest even when they were packed. The instruction treats denormals as zero. */
#include "tensor/bf16_kernel.h"

#if defined(__x86_64__)
#include "tensor/transpose_avx512.h"

enum { MR = 14, NR = 32 };

static inline __m512bh as_pairs(__m512i v) { return (__m512bh)v; }

/* k counts pairs; panels are read as 32-bit words. */
static inline __attribute__((always_inline)) void tile_rows(const int rows, int64_t k, const float *ap, const float *bp, float *c,
                                                            int64_t ldc, bool resume, const char *ahead, int64_t step)
{
	__m512 s[MR][2];
#pragma GCC unroll 14
	for (int i = 0; i < rows; i++) {
		s[i][0] = resume ? _mm512_loadu_ps(c + i * ldc) : _mm512_setzero_ps();
		s[i][1] = resume ? _mm512_loadu_ps(c + i * ldc + 16) : _mm512_setzero_ps();
	}
	for (int64_t kk = 0; kk < k; kk++, ap += MR, bp += NR) {
		if (ahead) {
			_mm_prefetch(ahead, _MM_HINT_T1);
			ahead += step;
		}
		__m512bh b0 = as_pairs(_mm512_load_si512(bp)), b1 = as_pairs(_mm512_load_si512(bp + 16));
#pragma GCC unroll 14
		for (int i = 0; i < rows; i++) {
			__m512bh a = as_pairs(_mm512_castps_si512(_mm512_set1_ps(ap[i])));
			s[i][0] = _mm512_dpbf16_ps(s[i][0], a, b0);
			s[i][1] = _mm512_dpbf16_ps(s[i][1], a, b1);
		}
	}
#pragma GCC unroll 14
	for (int i = 0; i < rows; i++) {
		_mm512_storeu_ps(c + i * ldc, s[i][0]);
		_mm512_storeu_ps(c + i * ldc + 16, s[i][1]);
	}
}

static void tile(int rows, int64_t k, const float *ap, const float *bp, float *c, int64_t ldc, bool resume)
{
	switch (rows) {
#define ROWS(n) case n: tile_rows(n, k, ap, bp, c, ldc, resume, NULL, 0); break;
	ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6) ROWS(7) ROWS(8) ROWS(9) ROWS(10) ROWS(11) ROWS(12) ROWS(13) ROWS(14)
#undef ROWS
	}
}

static void tile_ahead(int rows, int64_t k, const float *ap, const float *bp, float *c, int64_t ldc, bool resume, const void *ahead,
                       int64_t step)
{
	switch (rows) {
#define ROWS(n) case n: tile_rows(n, k, ap, bp, c, ldc, resume, ahead, step); break;
	ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6) ROWS(7) ROWS(8) ROWS(9) ROWS(10) ROWS(11) ROWS(12) ROWS(13) ROWS(14)
#undef ROWS
	}
}

/* Sixteen floats of two neighbouring k -> sixteen words (low half: even k). */
static inline __m512i pair(__m512 even, __m512 odd)
{
	const __m512i zip = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19,
	                                     3, 18, 2, 17, 1, 16, 0);
	return _mm512_permutexvar_epi16(zip, (__m512i)_mm512_cvtne2ps_pbh(odd, even));
}

/* For a transposed operand, whose rows are neighbours in memory: two k at a time, with prefetch of the next panel. */
static void pack_across(uint32_t *dst, int w, const float *src, int64_t k_stride, int rows, int64_t k)
{
	for (int64_t kk = 0; kk < k; kk += 2, dst += w)
		for (int r = 0; r < w; r += 16) {
			const int n = rows - r < 0 ? 0 : rows - r < 16 ? rows - r : 16, keep = w - r < 16 ? w - r : 16;
			const __mmask16 in = (__mmask16)((1u << n) - 1), out = (__mmask16)((1u << keep) - 1);
			const float *even = src + kk * k_stride + r, *odd = even + k_stride;
			_mm_prefetch((const char *)(even + w), _MM_HINT_T0);
			_mm_prefetch((const char *)(odd + w), _MM_HINT_T0);
			_mm512_mask_storeu_epi32(
				dst + r, out,
				pair(_mm512_maskz_loadu_ps(in, even), kk + 1 < k ? _mm512_maskz_loadu_ps(in, odd) : _mm512_setzero_ps()));
		}
}

/* Thirty-two consecutive k of one row -> sixteen words, in order. */
static inline __m512i row_words(const float *src, int64_t left)
{
	if (left >= 32)
		return (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(src + 16), _mm512_loadu_ps(src));
	const __mmask16 lo = left >= 16 ? 0xffff : (__mmask16)((1u << left) - 1),
			hi = left <= 16 ? 0 : (__mmask16)((1u << (left - 16)) - 1);
	return (__m512i)_mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(hi, src + (hi ? 16 : 0)), _mm512_maskz_loadu_ps(lo, src));
}

/* Up to sixteen rows of one panel, whose width is w words; `keep` of the sixteen columns belong to the panel. */
static void pack16(uint32_t *dst, int w, int keep, const float *src, int64_t row_stride, int rows, int64_t k)
{
	const __mmask16 out = (__mmask16)((1u << keep) - 1);
	for (int64_t kk = 0; kk < k; kk += 32) {
		const int n = k - kk < 32 ? (int)(k - kk + 1) / 2 : 16;
		__m512 v[16];
		for (int r = 0; r < 16; r++) {
			const float *row = src + r * row_stride + kk;
			v[r] = r < rows ? _mm512_castsi512_ps(row_words(row, k - kk)) : _mm512_setzero_ps();
			/* the next panel's rows: too many streams for the hardware prefetcher */
			_mm_prefetch((const char *)(row + w * row_stride), _MM_HINT_T1);
			_mm_prefetch((const char *)(row + w * row_stride + 16), _MM_HINT_T1);
		}
		itr_transpose16(v);
		if (n == 16) {
#pragma GCC unroll 16
			for (int i = 0; i < 16; i++)
				_mm512_mask_storeu_ps(dst + i * w, out, v[i]);
		} else {
			float last[16 * 16];
			for (int i = 0; i < 16; i++)
				_mm512_storeu_ps(last + 16 * i, v[i]);
			for (int i = 0; i < n; i++)
				_mm512_mask_storeu_ps(dst + i * w, out, _mm512_loadu_ps(last + 16 * i));
		}
		dst += n * w;
	}
}

static void pack_along(uint32_t *dst, int w, const float *src, int64_t row_stride, int rows, int64_t k)
{
	for (int r = 0; r < w; r += 16)
		pack16(dst + r, w, w - r < 16 ? w - r : 16, src + ITR_MIN(r, rows) * row_stride, row_stride, rows - r < 16 ? rows - r : 16,
		       k);
}

static void pack(float *dst, int w, const float *src, int64_t row_stride, int64_t k_stride, int rows, int64_t k)
{
	if (k_stride == 1)
		pack_along((uint32_t *)dst, w, src, row_stride, rows, k);
	else
		pack_across((uint32_t *)dst, w, src, k_stride, rows, k);
}

#define ISA { "avx512-bf16", MR, NR, tile, pack, 2, tile_ahead }
const itr_gemm_isa itr_gemm_avx512bf16 = ISA;

/* --- from bfloat16 in memory ---------------------------------------------------------------------------------------------------------- */

static void along16(uint32_t *dst, int w, int keep, const uint16_t *const *rows, int n, int64_t k)
{
	const __mmask16 out = (__mmask16)((1u << keep) - 1);
	for (int64_t kk = 0; kk < k; kk += 32, dst += 16 * w) {
		const __mmask32 in = k - kk < 32 ? (__mmask32)((1u << (k - kk)) - 1) : 0xffffffffu;
		const int words = k - kk < 32 ? (int)(k - kk + 1) / 2 : 16;
		__m512 v[16];
#pragma GCC unroll 16
		for (int r = 0; r < 16; r++)
			v[r] = r < n ? _mm512_castsi512_ps(_mm512_maskz_loadu_epi16(in, rows[r] + kk)) : _mm512_setzero_ps();
		itr_transpose16(v);
#pragma GCC unroll 16
		for (int i = 0; i < 16; i++)
			if (i < words)
				_mm512_mask_storeu_ps(dst + i * w, out, v[i]);
	}
}

static void along(float *dst, int w, const uint16_t *const *rows, int n, int64_t k)
{
	for (int r = 0; r < w; r += 16)
		along16((uint32_t *)dst + r, w, ITR_MIN(w - r, 16), rows + r, ITR_MAX(ITR_MIN(n - r, 16), 0), k);
}

/* Sixteen numbers each of two rows -> sixteen pairs. */
static inline __m512i pairs(__m256i even, __m256i odd)
{
	return _mm512_or_si512(_mm512_cvtepu16_epi32(even), _mm512_slli_epi32(_mm512_cvtepu16_epi32(odd), 16));
}

static void across(float *dst, int w, const uint16_t *const *rows, int64_t from, int cols, int64_t k)
{
	static const uint16_t zeros[NR];
	const __mmask16 low = (__mmask16)((1u << ITR_MIN(cols, 16)) - 1), high = (__mmask16)((1u << ITR_MAX(cols - 16, 0)) - 1),
			out = (__mmask16)((1u << ITR_MIN(w, 16)) - 1);
	for (int64_t kk = 0; kk < k; kk += 2, dst += w) {
		const uint16_t *even = rows[kk] + from, *odd = kk + 1 < k ? rows[kk + 1] + from : zeros;
		_mm512_mask_storeu_epi32(dst, out, pairs(_mm256_maskz_loadu_epi16(low, even), _mm256_maskz_loadu_epi16(low, odd)));
		if (w > 16) {
			_mm_prefetch((const char *)(even + NR), _MM_HINT_T0);            /* the next panel's */
			_mm_prefetch((const char *)(odd + NR), _MM_HINT_T0);
			_mm512_storeu_si512(dst + 16,
			                    pairs(_mm256_maskz_loadu_epi16(high, even + 16), _mm256_maskz_loadu_epi16(high, odd + 16)));
		}
	}
}

static void put(const float *s, int64_t lds, uint16_t *const *to, int64_t at, int rows, int cols, bool add)
{
	const __mmask32 keep = cols < 32 ? (__mmask32)((1u << cols) - 1) : 0xffffffffu;
	for (int r = 0; r < rows; r++) {
		__m512 low = _mm512_loadu_ps(s + r * lds), high = _mm512_loadu_ps(s + r * lds + 16);
		if (add) {
			const __m512i old = _mm512_maskz_loadu_epi16(keep, to[r] + at);
			low = _mm512_add_ps(low,
			                    _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_castsi512_si256(old)), 16)));
			high = _mm512_add_ps(
				high, _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(old, 1)), 16)));
		}
		_mm512_mask_storeu_epi16(to[r] + at, keep, (__m512i)_mm512_cvtne2ps_pbh(high, low));
	}
}

const itr_bf16_isa itr_bf16_avx512bf16 = { ISA, along, across, put };
#endif
