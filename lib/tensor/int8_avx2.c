/* AVX2 integer micro-kernel: 6 x 16 sums of pairs of 16-bit integers. VPMADDUBSW would take bytes but saturates (255 * 127 * 2 > 32767), so
 * both sides are widened when they are packed. */
#include "tensor/packed_weight_kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

enum { MR = 6, NR = 16 };

static inline __attribute__((always_inline)) void tile_rows(const int rows, int64_t k, const uint32_t *ap, const uint32_t *bp, int32_t *c,
                                                            int64_t ldc, bool resume)
{
	__m256i s[MR][2];
#pragma GCC unroll 6
	for (int i = 0; i < rows; i++) {
		s[i][0] = resume ? _mm256_loadu_si256((const __m256i *)(c + i * ldc)) : _mm256_setzero_si256();
		s[i][1] = resume ? _mm256_loadu_si256((const __m256i *)(c + i * ldc + 8)) : _mm256_setzero_si256();
	}
	for (int64_t kk = 0; kk < k; kk++, ap += MR, bp += NR) {
		__m256i b0 = _mm256_load_si256((const __m256i *)bp), b1 = _mm256_load_si256((const __m256i *)(bp + 8));
#pragma GCC unroll 6
		for (int i = 0; i < rows; i++) {
			__m256i a = _mm256_set1_epi32((int)ap[i]);
			s[i][0] = _mm256_add_epi32(s[i][0], _mm256_madd_epi16(a, b0));
			s[i][1] = _mm256_add_epi32(s[i][1], _mm256_madd_epi16(a, b1));
		}
	}
#pragma GCC unroll 6
	for (int i = 0; i < rows; i++) {
		_mm256_storeu_si256((__m256i *)(c + i * ldc), s[i][0]);
		_mm256_storeu_si256((__m256i *)(c + i * ldc + 8), s[i][1]);
	}
}

static void tile(int rows, int64_t k, const uint32_t *ap, const uint32_t *bp, int32_t *c, int64_t ldc, bool resume)
{
	switch (rows) {
#define ROWS(n) case n: tile_rows(n, k, ap, bp, c, ldc, resume); break;
	ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6)
#undef ROWS
	}
}

static inline __attribute__((always_inline)) void groups(const int rows, const itr_int8_band *q, const char *a0, const char *a1,
                                                         const uint32_t *bp, int32_t *out)
{
	__m256i s[MR][2];
#pragma GCC unroll 6
	for (int i = 0; i < rows; i++)
		s[i][0] = s[i][1] = _mm256_setzero_si256();
	for (int u = 0; u < q->nh; u++, a0 += q->line, a1 += q->line)
		for (int64_t k = 0; k < q->words; k++, bp += NR) {
			__m256i b0 = _mm256_load_si256((const __m256i *)bp), b1 = _mm256_load_si256((const __m256i *)(bp + 8));
#pragma GCC unroll 6
			for (int i = 0; i < rows; i++) {
				int32_t w;
				memcpy(&w, (i < MR / 2 ? a0 + i * q->pixel : a1 + (i - MR / 2) * q->pixel) + 4 * k, sizeof w);
				const __m256i a = _mm256_set1_epi32(w);
				s[i][0] = _mm256_add_epi32(s[i][0], _mm256_madd_epi16(a, b0));
				s[i][1] = _mm256_add_epi32(s[i][1], _mm256_madd_epi16(a, b1));
			}
		}
#pragma GCC unroll 6
	for (int i = 0; i < rows; i++) {
		_mm256_storeu_si256((__m256i *)(out + i * NR), s[i][0]);
		_mm256_storeu_si256((__m256i *)(out + i * NR + 8), s[i][1]);
	}
}

static bool direct(const itr_int8_band *q, const itr_int8_group g[2], const uint32_t *panel, int64_t j0, int cols, int32_t *s)
{
	(void)j0, (void)cols;
	if (g[1].rows)
		groups(MR, q, g[0].a, g[1].a, panel, s);
	else
		groups(MR / 2, q, g[0].a, g[0].a, panel, s);
	return false;
}

const itr_int8_isa itr_int8_avx2 = { "avx2", MR, NR, 2, tile, NULL, NULL, direct, NULL, NULL };
#endif
