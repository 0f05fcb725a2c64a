/* gemm_kernel.h - internal interface of the matrix product: panels and the micro-kernel, for code that fuses its own epilogue with the
 * product (such as top-k over a gallery).
 *
 * A panel contains w rows of an operand, k-major: panel[k * w + r]; missing rows are zeros. w is `mr` for the left operand (queries) and
 * `nr` for the right one (gallery, weights). `tile` multiplies a left panel by a right panel and writes rows x nr sums, each ONE chain of
 * fused multiply-adds over k. A chain can be continued from memory exactly, so dividing K does not change the result.
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
	/* Writes c[i * ldc + j] for i < rows <= mr and ALL j < nr: the chain over k, started from 0, or from c with `resume`. Panels must
	 * be 64-byte aligned. */
	void (*tile)(int rows, int64_t k, const float *ap, const float *bp, float *c, int64_t ldc, bool resume);
	/* dst[kk * w + r] = src[r * row_stride + kk * k_stride] for r < rows <= w, zeros up to w. One of the strides is 1. w is mr or nr.
	 */
	void (*pack)(float *dst, int w, const float *src, int64_t row_stride, int64_t k_stride, int rows, int64_t k);
	/* elements of k in a 4-byte word of a panel: 1, or 2 for bfloat16 pairs. k of `tile` counts words, k of `pack` elements */
	int k_unit;
	/* As tile, and prefetches at each k the cache line at `ahead`, which then advances by `step` bytes: data of the next tile. NULL
	 * where the instruction set has no such kernel. */
	void (*tile_ahead)(int rows, int64_t k, const float *ap, const float *bp, float *c, int64_t ldc, bool resume, const void *ahead,
	                   int64_t step);
} itr_gemm_isa;

/* The best kernel of this processor (ITR_CPU restricts it). Static storage. */
const itr_gemm_isa *itr_gemm_isa_get(void);
/* The kernel of bfloat16 products: AVX512-BF16, or the fp32 kernel with packing that rounds to bfloat16. */
itr_gemm_isa itr_gemm_bf16_isa_get(void);

/* Panel p of a packed right operand: its rows p*nr .. p*nr+nr-1. Borrowed. */
const float *itr_packed_panel(const itr_packed *b, int64_t p);
int64_t itr_packed_rows(const itr_packed *b);
int64_t itr_packed_dim(const itr_packed *b);

/* Portable packing, for kernels without their own. */
void itr_gemm_pack_plain(float *dst, int w, const float *src, int64_t row_stride, int64_t k_stride, int rows, int64_t k);

#if defined(__x86_64__)
extern const itr_gemm_isa itr_gemm_avx512, itr_gemm_avx2, itr_gemm_avx512bf16;
#elif defined(__aarch64__)
extern const itr_gemm_isa itr_gemm_neon;
#endif

#endif
