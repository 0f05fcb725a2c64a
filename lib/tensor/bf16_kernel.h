/* bf16_kernel.h - internal: micro-kernel and packing of products whose operands are bfloat16 arrays. The rows to pack are given as
 * pointers, so a convolution packs panels directly from its input, without patches. */
#ifndef ITR_TENSOR_BF16_KERNEL_H
#define ITR_TENSOR_BF16_KERNEL_H

#include "tensor/gemm_kernel.h"

typedef struct itr_bf16_isa {
	itr_gemm_isa g;
	/* Packs a panel of w rows: rows[r] points to k contiguous numbers, r < n <= w; the other rows are zeros. */
	void (*pack)(float *dst, int w, const uint16_t *const *rows, int n, int64_t k);
	/* The same from a transposed operand: rows[kk] + from points to the numbers at kk of the panel's `cols` <= w rows. */
	void (*pack_transposed)(float *dst, int w, const uint16_t *const *rows, int64_t from, int cols, int64_t k);
	/* to[r][at + j] = s[r lds + j], or += when `add`; rounded to nearest even. */
	void (*store)(const float *s, int64_t lds, uint16_t *const *to, int64_t at, int rows, int cols, bool add);
} itr_bf16_isa;

/* The best kernel of this processor; `space` may be used to hold it. */
const itr_bf16_isa *itr_bf16_isa_get(itr_bf16_isa *space);

#if defined(__x86_64__)
extern const itr_bf16_isa itr_bf16_avx512bf16;
#endif

#endif
