/* AVX2 micro-kernel: 6 x 16 sums in 12 of the 16 registers. */
#include "tensor/gemm_kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>

enum { MR = 6, NR = 16 };

static inline __attribute__((always_inline)) void tile_rows(const int rows, int64_t k, const float *ap, const float *bp, float *c,
                                                            int64_t ldc, bool resume)
{
	__m256 s[MR][2];
#pragma GCC unroll 6
	for (int i = 0; i < rows; i++) {
		s[i][0] = resume ? _mm256_loadu_ps(c + i * ldc) : _mm256_setzero_ps();
		s[i][1] = resume ? _mm256_loadu_ps(c + i * ldc + 8) : _mm256_setzero_ps();
	}
	for (int64_t kk = 0; kk < k; kk++, ap += MR, bp += NR) {
		__m256 b0 = _mm256_load_ps(bp), b1 = _mm256_load_ps(bp + 8);
#pragma GCC unroll 6
		for (int i = 0; i < rows; i++) {
			__m256 a = _mm256_broadcast_ss(ap + i);
			s[i][0] = _mm256_fmadd_ps(a, b0, s[i][0]);
			s[i][1] = _mm256_fmadd_ps(a, b1, s[i][1]);
		}
	}
#pragma GCC unroll 6
	for (int i = 0; i < rows; i++) {
		_mm256_storeu_ps(c + i * ldc, s[i][0]);
		_mm256_storeu_ps(c + i * ldc + 8, s[i][1]);
	}
}

static void tile(int rows, int64_t k, const float *ap, const float *bp, float *c, int64_t ldc, bool resume)
{
	switch (rows) {
#define ROWS(n) case n: tile_rows(n, k, ap, bp, c, ldc, resume); break;
	ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6)
#undef ROWS
	}
}

static inline __attribute__((always_inline)) void transpose8(__m256 v[8])
{
	__m256 t[8];
	for (int i = 0; i < 8; i += 2) {
		t[i] = _mm256_unpacklo_ps(v[i], v[i + 1]);
		t[i + 1] = _mm256_unpackhi_ps(v[i], v[i + 1]);
	}
	for (int i = 0; i < 8; i += 4) {
		v[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
		v[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
		v[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
		v[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
	}
	for (int i = 0; i < 4; i++) {
		t[i] = _mm256_permute2f128_ps(v[i], v[i + 4], 0x20);
		t[i + 4] = _mm256_permute2f128_ps(v[i], v[i + 4], 0x31);
	}
	for (int i = 0; i < 8; i++)
		v[i] = t[i];
}

static void pack8(float *dst, int w, int keep, const float *src, int64_t stride, int rows, int64_t k)
{
	__m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
	__m256i out = _mm256_cmpgt_epi32(_mm256_set1_epi32(keep), lane);
	int64_t kk = 0;
	for (; kk + 8 <= k; kk += 8) {
		__m256 v[8];
		for (int r = 0; r < 8; r++)
			v[r] = r < rows ? _mm256_loadu_ps(src + r * stride + kk) : _mm256_setzero_ps();
		transpose8(v);
		for (int i = 0; i < 8; i++)
			_mm256_maskstore_ps(dst + (kk + i) * w, out, v[i]);
	}
	for (; kk < k; kk++)
		for (int r = 0; r < keep; r++)
			dst[kk * w + r] = r < rows ? src[r * stride + kk] : 0.0f;
}

static void pack(float *dst, int w, const float *src, int64_t row_stride, int64_t k_stride, int rows, int64_t k)
{
	if (k_stride != 1) {
		itr_gemm_pack_plain(dst, w, src, row_stride, k_stride, rows, k);
		return;
	}
	for (int r = 0; r < w; r += 8)
		pack8(dst + r, w, w - r < 8 ? w - r : 8, src + ITR_MIN(r, rows) * row_stride, row_stride, rows - r < 8 ? rows - r : 8, k);
}

const itr_gemm_isa itr_gemm_avx2 = { "avx2", MR, NR, tile, pack, 1, NULL };
#endif
