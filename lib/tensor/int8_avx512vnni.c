/* AVX512-VNNI micro-kernel: the shape of gemm_avx512.c with four bytes along k in place of a float. VPDPBUSD adds four products of an unsigned and a signed byte to a 32-bit
 * sum without saturation. */
#include "tensor/frozen_kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>

enum { MR = 14, NR = 32 };

static inline __attribute__((always_inline)) void tile_rows(const int rows, int64_t k, const uint32_t *ap, const uint32_t *bp, int32_t *c, int64_t ldc, bool resume)
{
	__m512i s[MR][2];
#pragma GCC unroll 14
	for (int i = 0; i < rows; i++) {
		s[i][0] = resume ? _mm512_loadu_si512(c + i * ldc) : _mm512_setzero_si512();
		s[i][1] = resume ? _mm512_loadu_si512(c + i * ldc + 16) : _mm512_setzero_si512();
	}
	for (int64_t kk = 0; kk < k; kk++, ap += MR, bp += NR) {
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
#define ROWS(n) case n: tile_rows(n, k, ap, bp, c, ldc, resume); break;
	ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6) ROWS(7) ROWS(8) ROWS(9) ROWS(10) ROWS(11) ROWS(12) ROWS(13) ROWS(14)
#undef ROWS
	}
}

const itr_int8_isa itr_int8_avx512vnni = { "avx512-vnni", MR, NR, 4, tile };
#endif
