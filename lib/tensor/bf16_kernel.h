/* bf16_kernel.h - inside of products whose operands lie in memory as bfloat16: the micro-kernel of gemm_kernel.h, and how its panels are
 * made from rows that need not lie next to each other (a convolution's patches are then never made at all: a row is a pointer into the
 * picture). */
#ifndef ITR_TENSOR_BF16_KERNEL_H
#define ITR_TENSOR_BF16_KERNEL_H

#include "tensor/gemm_kernel.h"

typedef struct itr_bf16_isa {
	itr_gemm_isa g;
	/* A panel of w rows, n <= w of them there (zeros else): rows[r] are k numbers that lie along k. */
	void (*along)(float *dst, int w, const uint16_t *const *rows, int n, int64_t k);
	/* The same of a transposed operand: rows[kk] + from are the panel's `cols` <= w numbers at kk. */
	void (*across)(float *dst, int w, const uint16_t *const *rows, int64_t from, int cols, int64_t k);
	/* to[r][at + j] = s[r lds + j], or is added to it, rounded to nearest even. */
	void (*put)(const float *s, int64_t lds, uint16_t *const *to, int64_t at, int rows, int cols, bool add);
} itr_bf16_isa;

/* The best this processor has. */
const itr_bf16_isa *itr_bf16_isa_get(itr_bf16_isa *space);

#if defined(__x86_64__)
extern const itr_bf16_isa itr_bf16_avx512bf16;
#endif

#endif
