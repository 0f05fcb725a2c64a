/* packed_weight_kernel.h - internal part of packed_weight.h: integer micro-kernels.
 *
 * Panels are as in gemm_kernel.h, of 32-bit words. A word is a float, two bfloat16, four 8-bit or two 16-bit integers, consecutive along k.
 * Left words are activations (unsigned), right words weights (signed).
 */
#ifndef ITR_TENSOR_PACKED_WEIGHT_KERNEL_H
#define ITR_TENSOR_PACKED_WEIGHT_KERNEL_H

#include "tensor/packed_weight.h"
#include "tensor/gemm_kernel.h"
#include "tensor/rowwise.h"

/* Parameters of all tiles of a convolution (conv_int8.c). Output r of a group reads, for u < nh, `words` words from a + r * pixel + u *
 * line (offsets in bytes, not aligned). */
typedef struct itr_int8_band {
	int nh;
	int64_t words, line, pixel;
	itr_epilogue epilogue;           /* its residual has the layout of y */
	itr_int8_columns columns;
	float *y;
	int64_t ldy;
} itr_int8_band;
/* Up to mr / 2 neighbouring outputs: address of their input, its quantisation ranges, index of the first output, number of outputs. */
typedef struct itr_int8_group {
	const char *a;
	const itr_row_range *range;      /* one for each output */
	int64_t at;
	int rows;
} itr_int8_group;

typedef struct itr_int8_isa {
	const char *name;
	int mr, nr, k_unit;              /* k_unit: 4 (bytes), or 2 (16-bit integers, where the processor has no exact product of bytes) */
	/* c[i * ldc + j] (+)= sum over k words, for i < rows <= mr and all j < nr, exactly. Panels 64-byte aligned. */
	void (*tile)(int rows, int64_t k, const uint32_t *ap, const uint32_t *bp, int32_t *c, int64_t ldc, bool resume);
	itr_row_range (*quantise)(const float *x, int64_t n, bool wide, void *q);      /* as in itr_rowwise; NULL: use that one */
	/* as in itr_gemm_isa, or NULL */
	void (*tile_ahead)(int rows, int64_t k, const uint32_t *ap, const uint32_t *bp, int32_t *c, int64_t ldc, bool resume,
	                   const void *ahead, int64_t step);
	/* Convolution: both groups (g[1].rows 0: only the first) by `cols` columns from j0 on; panel: nh * words rows of nr. Returns true
	 * when it has written y. Otherwise it has written the sums to s (mr, nr), those of the second group from row mr / 2 on, and the
	 * caller applies itr_rowwise's `epilogue`. */
	bool (*direct)(const itr_int8_band *q, const itr_int8_group g[2], const uint32_t *panel, int64_t j0, int cols, int32_t *s);
	/* As in itr_rowwise; NULL: use that one. */
	void (*extremes)(const float *x, int64_t n, itr_extremes *e);
	void (*quantise_in)(const float *x, int64_t n, itr_row_range r, float inverse, bool wide, void *q);
} itr_int8_isa;
const itr_int8_isa *itr_int8_isa_get(void);

#if defined(__x86_64__)
extern const itr_int8_isa itr_int8_avx512vnni, itr_int8_avx2;
#elif defined(__aarch64__)
extern const itr_int8_isa itr_int8_neon;
#endif

/* The parts of an int8 weight, borrowed from it. Panels of kernel->nr columns and `words` rows. */
typedef struct itr_packed_weight_int8 {
	const itr_int8_isa *kernel;
	const uint32_t *panels;
	int64_t words;
	itr_int8_columns columns;
} itr_packed_weight_int8;
itr_packed_weight_int8 itr_packed_weight_int8_of(const itr_packed_weight *f);

/* q: a row of weights w (k) rounded to the nearest w / scale. Rounds the weights nearest to the middle between two steps the other way,
 * until the sum of the row's rounding errors is at most half a step (or no such weight is left). Returns the change of the sum of q.
 * Reason: inputs after a ReLU are all positive, and a background has one colour; the common part of such inputs is multiplied by the sum of
 * the errors. Without this the smallest cosine between int8 and fp32 embeddings of EfficientNet-Lite0 was .957, on images with a white
 * border. */
int32_t itr_int8_balance_rounding(const float *w, int64_t k, float scale, bool wide, void *q);

/* The panels of an fp32 weight, itr_gemm_isa_get()->nr columns each, for kernels that do not use a packed left operand. Borrowed. */
const float *itr_packed_weight_panels(const itr_packed_weight *f);

#endif
