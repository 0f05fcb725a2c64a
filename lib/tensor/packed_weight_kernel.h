/* packed_weight_kernel.h - inside of packed_weight.h: integer micro-kernels and what follows a tile.
 *
 * Panels are those of gemm_kernel.h, of 32-bit words whatever they hold: a float, two bfloat16, four 8-bit or two 16-bit integers that lie
 * behind each other along k. Left words are activations (unsigned), right words weights (signed).
 */
#ifndef ITR_TENSOR_PACKED_WEIGHT_KERNEL_H
#define ITR_TENSOR_PACKED_WEIGHT_KERNEL_H

#include "tensor/packed_weight.h"
#include "tensor/gemm_kernel.h"
#include "tensor/rowwise.h"

/* What all tiles of a convolution have in common (conv_int8.c). Output r of a group reads, for u < nh, `words` words from a + r * pixel + u
 * * line (bytes, on any boundary). */
typedef struct itr_int8_band {
	int nh;
	int64_t words, line, pixel;
	itr_after after;                 /* residual: as y */
	itr_int8_columns columns;
	float *y;
	int64_t ldy;
} itr_int8_band;
/* Up to mr / 2 neighbouring outputs: their source, the ranges it was rounded in, which outputs they are. */
typedef struct itr_int8_group {
	const char *a;
	const itr_row_range *range;      /* one an output */
	int64_t at;
	int rows;
} itr_int8_group;

typedef struct itr_int8_isa {
	const char *name;
	int mr, nr, k_unit;              /* k_unit: 4 (bytes) or 2 (16-bit words, where there is no exact product of bytes) */
	/* c[i * ldc + j] (+)= sum over k words, for i < rows <= mr and all j < nr, exactly. Panels 64-byte aligned. */
	void (*tile)(int rows, int64_t k, const uint32_t *ap, const uint32_t *bp, int32_t *c, int64_t ldc, bool resume);
	itr_row_range (*quantise)(const float *x, int64_t n, bool wide, void *q);      /* as itr_rowwise's; NULL: that one */
	/* as itr_gemm_isa's, or NULL */
	void (*tile_ahead)(int rows, int64_t k, const uint32_t *ap, const uint32_t *bp, int32_t *c, int64_t ldc, bool resume,
	                   const void *ahead, int64_t step);
	/* Convolution: both groups (g[1].rows 0: the first only) by `cols` columns from j0 on; panel: nh * words rows of nr. Either y is
	 * written and the result is true, or the sums are left in s (mr, nr), the second group's from row mr / 2 on, for itr_rowwise's
	 * `after`. */
	bool (*direct)(const itr_int8_band *q, const itr_int8_group g[2], const uint32_t *panel, int64_t j0, int cols, int32_t *s);
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

/* An int8 weight's parts. Panels: of kernel->nr columns, `words` rows each. */
typedef struct itr_packed_weight_int8 {
	const itr_int8_isa *kernel;
	const uint32_t *panels;
	int64_t words;
	itr_int8_columns columns;
} itr_packed_weight_int8;
itr_packed_weight_int8 itr_packed_weight_int8_of(const itr_packed_weight *f);

/* q: a row of weights w (k), rounded to the nearest w / scale. Rounds the other way those that lie nearest to the middle, until what
 * rounding did to the row's sum is nothing (half a step at most); returns what is added to the sum of q. Why: errors of rounding are noise
 * to inputs of either sign, but inputs behind a ReLU are positive and a background is one colour, and what such inputs share is multiplied
 * by the sum of the errors. EfficientNet-Lite0 on pictures with white around them: least cosine to fp32 .957 without. */
int32_t itr_int8_even_out(const float *w, int64_t k, float scale, bool wide, void *q);

/* The packed weights themselves, panels of itr_gemm_isa_get()->nr columns, for kernels that bring a left operand of their own. fp32 only.
 */
const float *itr_packed_weight_panels(const itr_packed_weight *f);

#endif
