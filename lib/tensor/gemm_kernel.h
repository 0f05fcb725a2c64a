/* gemm_kernel.h - inside of the product, for code that fuses something with it (top-k over a gallery): panels and the micro-kernel.
 *
 * A "panel" holds w rows of an operand, k-major: panel[k * w + r], rows beyond the end zero. w is `mr` for the left operand (queries) and
 * `nr` for the right one (gallery, weights). `tile` multiplies a left panel by a right panel and leaves rows x nr sums, each ONE chain of
 * fused multiply-adds over k; continuing a chain from memory is exact, so cutting K changes nothing.
 *
 *	const itr_gemm_isa *g = itr_gemm_isa_get();
 *	g->pack(ap, g->mr, queries + i * ld, ld, 1, rows, dim);               // rows <= mr
 *	g->tile(rows, dim, ap, itr_packed_panel(gallery, p), scores, g->nr, false);   // gallery rows p*nr ...
 */
#ifndef ITR_TENSOR_GEMM_KERNEL_H
#define ITR_TENSOR_GEMM_KERNEL_H

#include "tensor/gemm.h"

enum { ITR_GEMM_MAX_MR = 16, ITR_GEMM_MAX_NR = 64 };

typedef struct itr_gemm_isa {
	const char *name;
	int mr, nr;
	/* c[i * ldc + j] for i < rows <= mr and ALL j < nr: the chain over k from 0, or from what c holds when `resume`. Panels 64-byte
	 * aligned, c any. */
	void (*tile)(int rows, int64_t k, const float *ap, const float *bp, float *c, int64_t ldc, bool resume);
	/* dst[kk * w + r] = src[r * row_stride + kk * k_stride] for r < rows <= w, zeros up to w. One of the strides is 1. w is mr or nr.
	 */
	void (*pack)(float *dst, int w, const float *src, int64_t row_stride, int64_t k_stride, int rows, int64_t k);
	/* how many k one 4-byte word of a panel holds: 1, or 2 for bfloat16 pairs. `tile` counts k in words, `pack` in elements */
	int k_unit;
	/* As tile, and at each k prefetches the line at `ahead`, which advances by `step` bytes: memory is read for the next tile while
	 * this one computes. Or NULL. */
	void (*tile_ahead)(int rows, int64_t k, const float *ap, const float *bp, float *c, int64_t ldc, bool resume, const void *ahead,
	                   int64_t step);
} itr_gemm_isa;

/* The best this processor has (ITR_CPU lowers it). */
const itr_gemm_isa *itr_gemm_isa_get(void);
/* What bfloat16 products run on: AVX512-BF16's kernel, or the fp32 one with packing that rounds. */
itr_gemm_isa itr_gemm_bf16_isa_get(void);

/* Right panels of a packed operand: panel p holds its rows p*nr .. p*nr+nr-1. */
const float *itr_packed_panel(const itr_packed *b, int64_t p);
int64_t itr_packed_rows(const itr_packed *b);
int64_t itr_packed_dim(const itr_packed *b);

/* The plain packing that every kernel may fall back on. */
void itr_gemm_pack_plain(float *dst, int w, const float *src, int64_t row_stride, int64_t k_stride, int rows, int64_t k);

#if defined(__x86_64__)
extern const itr_gemm_isa itr_gemm_avx512, itr_gemm_avx2, itr_gemm_avx512bf16;
#elif defined(__aarch64__)
extern const itr_gemm_isa itr_gemm_neon;
#endif

#endif
