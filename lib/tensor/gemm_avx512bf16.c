/* AVX512-BF16 micro-kernel: the shape of gemm_avx512.c with pairs of bfloat16 along k in place of floats. VDPBF16PS adds two products to a float sum; both operands
 * were rounded to nearest even when they were packed. Denormals count as zero: that is the instruction's definition. */
#include "tensor/gemm_kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

enum { MR = 14, NR = 32 };

static inline __m512bh as_pairs(__m512i v) { return (__m512bh)v; }

/* k counts pairs; panels are read as 32-bit words. */
static inline __attribute__((always_inline)) void tile_rows(const int rows, int64_t k, const float *ap, const float *bp, float *c, int64_t ldc, bool resume)
{
	__m512 s[MR][2];
#pragma GCC unroll 14
	for (int i = 0; i < rows; i++) {
		s[i][0] = resume ? _mm512_loadu_ps(c + i * ldc) : _mm512_setzero_ps();
		s[i][1] = resume ? _mm512_loadu_ps(c + i * ldc + 16) : _mm512_setzero_ps();
	}
	for (int64_t kk = 0; kk < k; kk++, ap += MR, bp += NR) {
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
#define ROWS(n) case n: tile_rows(n, k, ap, bp, c, ldc, resume); break;
	ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6) ROWS(7) ROWS(8) ROWS(9) ROWS(10) ROWS(11) ROWS(12) ROWS(13) ROWS(14)
#undef ROWS
	}
}

/* Sixteen floats of two neighbouring k -> sixteen words (low half: even k). */
static inline __m512i pair(__m512 even, __m512 odd)
{
	__m512i e = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(even)), o = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(odd));
	return _mm512_or_si512(e, _mm512_slli_epi32(o, 16));
}

/* Neighbouring rows are neighbours in memory (a transposed operand): two rows of k at a time. */
static void pack_across(uint32_t *dst, int w, const float *src, int64_t k_stride, int rows, int64_t k)
{
	for (int64_t kk = 0; kk < k; kk += 2, dst += w)
		for (int r = 0; r < w; r += 16) {
			const int n = rows - r < 0 ? 0 : rows - r < 16 ? rows - r : 16, keep = w - r < 16 ? w - r : 16;
			const __mmask16 in = (__mmask16)((1u << n) - 1), out = (__mmask16)((1u << keep) - 1);
			__m512 even = _mm512_maskz_loadu_ps(in, src + kk * k_stride + r);
			__m512 odd = kk + 1 < k ? _mm512_maskz_loadu_ps(in, src + (kk + 1) * k_stride + r) : _mm512_setzero_ps();
			_mm512_mask_storeu_epi32(dst + r, out, pair(even, odd));
		}
}

/* Thirty-two consecutive k of one row -> sixteen words, in order. */
static inline __m512i row_words(const float *src, int64_t left)
{
	const __mmask16 lo = left >= 16 ? 0xffff : (__mmask16)((1u << left) - 1), hi = left >= 32 ? 0xffff : left <= 16 ? 0 : (__mmask16)((1u << (left - 16)) - 1);
	return (__m512i)_mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(hi, src + (hi ? 16 : 0)), _mm512_maskz_loadu_ps(lo, src));
}

static void pack_along(uint32_t *dst, int w, const float *src, int64_t row_stride, int rows, int64_t k)
{
	uint32_t words[ITR_GEMM_MAX_NR][16] __attribute__((aligned(64)));
	for (int64_t kk = 0; kk < k; kk += 32) {
		const int n = k - kk < 32 ? (int)(k - kk + 1) / 2 : 16;
		for (int r = 0; r < w; r++)
			_mm512_store_si512(words[r], r < rows ? row_words(src + r * row_stride + kk, k - kk) : _mm512_setzero_si512());
		for (int i = 0; i < n; i++, dst += w)
			for (int r = 0; r < w; r++)
				dst[r] = words[r][i];
	}
}

static void pack(float *dst, int w, const float *src, int64_t row_stride, int64_t k_stride, int rows, int64_t k)
{
	if (k_stride == 1)
		pack_along((uint32_t *)dst, w, src, row_stride, rows, k);
	else
		pack_across((uint32_t *)dst, w, src, k_stride, rows, k);
}

const itr_gemm_isa itr_gemm_avx512bf16 = { "avx512-bf16", MR, NR, tile, pack, 2 };
#endif
