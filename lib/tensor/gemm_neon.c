/* NEON micro-kernel: 8 x 12 sums in 24 of the 32 registers. */
#include "tensor/gemm_kernel.h"

#if defined(__aarch64__)
#include <arm_neon.h>

enum { MR = 8, NR = 12 };

static inline __attribute__((always_inline)) void tile_rows(const int rows, int64_t k, const float *ap, const float *bp, float *c,
                                                            int64_t ldc, bool resume)
{
	float32x4_t s[MR][3];
#pragma GCC unroll 8
	for (int i = 0; i < rows; i++)
		for (int j = 0; j < 3; j++)
			s[i][j] = resume ? vld1q_f32(c + i * ldc + 4 * j) : vdupq_n_f32(0.0f);
	for (int64_t kk = 0; kk < k; kk++, ap += MR, bp += NR) {
		float32x4_t b0 = vld1q_f32(bp), b1 = vld1q_f32(bp + 4), b2 = vld1q_f32(bp + 8);
#pragma GCC unroll 8
		for (int i = 0; i < rows; i++) {
			float32x4_t a = vdupq_n_f32(ap[i]);
			s[i][0] = vfmaq_f32(s[i][0], b0, a);
			s[i][1] = vfmaq_f32(s[i][1], b1, a);
			s[i][2] = vfmaq_f32(s[i][2], b2, a);
		}
	}
#pragma GCC unroll 8
	for (int i = 0; i < rows; i++)
		for (int j = 0; j < 3; j++)
			vst1q_f32(c + i * ldc + 4 * j, s[i][j]);
}

static void tile(int rows, int64_t k, const float *ap, const float *bp, float *c, int64_t ldc, bool resume)
{
	switch (rows) {
#define ROWS(n) case n: tile_rows(n, k, ap, bp, c, ldc, resume); break;
	ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6) ROWS(7) ROWS(8)
#undef ROWS
	}
}

const itr_gemm_isa itr_gemm_neon = { "neon", MR, NR, tile, itr_gemm_pack_plain, 1, NULL };
#endif
