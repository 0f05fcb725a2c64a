/* AVX-512 micro-kernel: 14 x 32 sums in 28 of the 32 registers, two loads of B and fourteen broadcasts of A for 28 fused multiply-adds, so
 * that neither the two load ports nor the FMA latency (4 cycles x 2 units) limits it. */
#include "tensor/gemm_kernel.h"

#if defined(__x86_64__)
#include "tensor/transpose_avx512.h"

enum { MR = 14, NR = 32 };

/* `rows` is a constant wherever this is inlined: the loops over i unroll and the sums stay in registers. */
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
		__m512 b0 = _mm512_load_ps(bp), b1 = _mm512_load_ps(bp + 16);
#pragma GCC unroll 14
		for (int i = 0; i < rows; i++) {
			__m512 a = _mm512_set1_ps(ap[i]);
			s[i][0] = _mm512_fmadd_ps(a, b0, s[i][0]);
			s[i][1] = _mm512_fmadd_ps(a, b1, s[i][1]);
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

/* Up to sixteen rows of one panel. */
static void pack16(float *dst, int w, int keep, const float *src, int64_t stride, int rows, int64_t k)
{
	__mmask16 out = (__mmask16)((1u << keep) - 1);
	for (int64_t kk = 0; kk < k; kk += 16) {
		int n = k - kk < 16 ? (int)(k - kk) : 16;
		__mmask16 in = (__mmask16)((1u << n) - 1);
		__m512 v[16];
		for (int r = 0; r < 16; r++) {
			v[r] = r < rows ? _mm512_maskz_loadu_ps(in, src + r * stride + kk) : _mm512_setzero_ps();
			/* the next panel's rows: too many streams for the hardware prefetcher */
			_mm_prefetch((const char *)(src + (r + w) * stride + kk), _MM_HINT_T1);
		}
		itr_transpose16(v);
		if (n == 16) {
#pragma GCC unroll 16
			for (int i = 0; i < 16; i++)
				_mm512_mask_storeu_ps(dst + (kk + i) * w, out, v[i]);
		} else {
			float last[16 * 16];
			for (int i = 0; i < 16; i++)
				_mm512_storeu_ps(last + 16 * i, v[i]);
			for (int i = 0; i < n; i++)
				_mm512_mask_storeu_ps(dst + (kk + i) * w, out, _mm512_loadu_ps(last + 16 * i));
		}
	}
}

static void pack(float *dst, int w, const float *src, int64_t row_stride, int64_t k_stride, int rows, int64_t k)
{
	if (k_stride != 1) {
		__mmask16 lo = (__mmask16)((1u << ITR_MIN(rows, 16)) - 1), hi = (__mmask16)((1u << ITR_MAX(rows - 16, 0)) - 1);
		__mmask16 keep = (__mmask16)((1u << ITR_MIN(w, 16)) - 1);
		for (int64_t kk = 0; kk < k; kk++, dst += w, src += k_stride) {
			_mm512_mask_storeu_ps(dst, keep, _mm512_maskz_loadu_ps(lo, src));
			if (w > 16)
				_mm512_storeu_ps(dst + 16, _mm512_maskz_loadu_ps(hi, src + 16));
		}
		return;
	}
	for (int r = 0; r < w; r += 16)
		pack16(dst + r, w, w - r < 16 ? w - r : 16, src + ITR_MIN(r, rows) * row_stride, row_stride, rows - r < 16 ? rows - r : 16,
		       k);
}

const itr_gemm_isa itr_gemm_avx512 = { "avx512", MR, NR, tile, pack, 1, tile_ahead };
#endif
