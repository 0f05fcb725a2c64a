/* frozen_kernel.h - inside of frozen.h: integer micro-kernels and what follows a tile.
 *
 * Panels are those of gemm_kernel.h, of 32-bit words whatever they hold: a float, two bfloat16, four 8-bit or two 16-bit integers that lie behind each other along k. Left words are
 * activations (unsigned), right words weights (signed).
 */
#ifndef ITR_TENSOR_FROZEN_KERNEL_H
#define ITR_TENSOR_FROZEN_KERNEL_H

#include "tensor/frozen.h"
#include "tensor/gemm_kernel.h"
#include "tensor/rowwise.h"

typedef struct itr_int8_isa {
	const char *name;
	int mr, nr, k_unit;              /* k_unit: 4 (bytes) or 2 (16-bit words, where there is no exact product of bytes) */
	/* c[i * ldc + j] (+)= sum over k words, for i < rows <= mr and all j < nr, exactly. Panels 64-byte aligned. */
	void (*tile)(int rows, int64_t k, const uint32_t *ap, const uint32_t *bp, int32_t *c, int64_t ldc, bool resume);
	itr_row_range (*quantise)(const float *x, int64_t n, const float *fixed, bool wide, void *q);      /* as itr_rowwise's; NULL: that one */
	void (*tile_ahead)(int rows, int64_t k, const uint32_t *ap, const uint32_t *bp, int32_t *c, int64_t ldc, bool resume, const void *ahead, int64_t step);     /* as itr_gemm_isa's, or NULL */
	/* Convolution (conv_int8.c): s (mr, nr) = two groups of mr / 2 outputs whose left operand is read where it lies. Output r of a group reads, for u < nh, `words` words from a + r * pixel
	 * + u * line (bytes, on any boundary); a1 NULL: the first group only. panel: nh * words rows of nr. */
	void (*direct)(int nh, int64_t words, int64_t line, int64_t pixel, const void *a0, const void *a1, const uint32_t *panel, int32_t *s);
	/* As itr_rowwise's; NULL: that one. */
	void (*extremes)(const float *x, int64_t n, itr_extremes *e);
	void (*quantise_in)(const float *x, int64_t n, itr_row_range r, float inverse, bool wide, void *q);
} itr_int8_isa;
const itr_int8_isa *itr_int8_isa_get(void);

#if defined(__x86_64__)
extern const itr_int8_isa itr_int8_avx512vnni, itr_int8_avx2;
#elif defined(__aarch64__)
extern const itr_int8_isa itr_int8_neon;
#endif

/* An int8 weight's parts. Panels: of kernel->nr columns, `words` rows each; fixed: the calibrated range, or NULL. */
typedef struct itr_frozen_int8 {
	const itr_int8_isa *kernel;
	const uint32_t *panels;
	int64_t words;
	itr_int8_columns columns;
	const float *fixed;
} itr_frozen_int8;
itr_frozen_int8 itr_frozen_int8_of(const itr_frozen *f);

/* The packed weights themselves, panels of itr_gemm_isa_get()->nr columns, for kernels that bring a left operand of their own. fp32 only. */
const float *itr_frozen_panels(const itr_frozen *f);

#endif
