/* rowwise.h - internal: elementwise and row loops (epilogue, quantisation to 8 bits, softmax, layer normalisation), compiled once per
 * instruction set from rowwise.inc. Every operation is one correctly rounded IEEE operation or a fused multiply-add, and sums have sixteen
 * fixed lanes, so all instruction sets give the same bits.
 */
#ifndef ITR_TENSOR_ROWWISE_H
#define ITR_TENSOR_ROWWISE_H

#include <math.h>
#include <string.h>

#include "tensor/packed_weight.h"

/* Quantisation of a row of activations to 8 bits: x = scale * (q - zero). A row with NaN or infinity has scale NaN, so that its results are
 * NaN.
 */
typedef struct itr_row_range { float scale; int32_t zero; } itr_row_range;
/* Scale and zero point of a row with numbers in [low, high], low <= 0 <= high; *inverse = 1 / scale. */
static inline itr_row_range itr_row_range_of(float low, float high, float *inverse)
{
	/* not (high - low) / 255, which may overflow */
	itr_row_range r = { high / 255.0f - low / 255.0f, 0 };
	if (!(r.scale > 1e-37f))                                         /* all zeros, or too small to divide by */
		r.scale = 1.0f;
	*inverse = 1.0f / r.scale;
	/* rounds to nearest, ties to even: adding 1.5 * 2^23 puts the integer into the low bits */
	const float y = ITR_MIN(ITR_MAX(-low * *inverse, 0.0f), 255.0f) + 12582912.0f;
	int32_t i;
	memcpy(&i, &y, sizeof i);
	r.zero = i - 0x4b400000;
	return r;
}
/* Range of the numbers to quantise: the smallest and the largest, 0 included, and whether all are finite. Initialise with { 0, 0, true }.
 */
typedef struct itr_extremes { float low, high; bool finite; } itr_extremes;
static inline itr_row_range itr_row_range_in(const itr_extremes *e, float *inverse)
{
	*inverse = 1;
	return e->finite ? itr_row_range_of(e->low, e->high, inverse) : (itr_row_range){ NAN, 0 };
}
/* For each row of a quantised weight: w = scale * q, and the sum of q. */
typedef struct itr_int8_columns { const float *scale; const int32_t *sum; } itr_int8_columns;

typedef struct itr_rowwise {
	void (*activate)(itr_activation a, const float *x, float *y, int64_t n);
	/* Applies the epilogue to a block of rows x cols sums s (row stride lds), rows i0 .. and columns j0 .. of the product, and writes
	 * c. range not NULL (one for each row): s are integer sums, which are converted to float first. */
	void (*epilogue)(const itr_epilogue *epilogue, const itr_row_range *range, const itr_int8_columns *w, int64_t i0, int64_t j0,
	                 int rows, int cols, const void *s, int64_t lds, float *c, int64_t ldc);
	/* Quantises x (n) in its own range. q: n bytes, or n 16-bit integers when wide. */
	itr_row_range (*quantise)(const float *x, int64_t n, bool wide, void *q);
	/* The two halves of quantise, for a range shared by several rows: extends e by n numbers; quantises with a given range. */
	void (*extremes)(const float *x, int64_t n, itr_extremes *e);
	void (*quantise_in)(const float *x, int64_t n, itr_row_range r, float inverse, bool wide, void *q);
	/* Symmetric, q in [-127, 127]; *sum = sum of q. Returns the scale. */
	float (*quantise_weight)(const float *w, int64_t n, bool wide, void *q, int32_t *sum);
	/* Online softmax, next block of `keys` scores of w queries: s[key * w + query] becomes exp(scale (s - top)). Query l attends to the
	 * first seen0 + l keys of the block (to all when there are fewer; in the first block to at least one). top: running maximum,
	 * unscaled, initially -infinity; sum: running sum; both are updated. old: the factor for the results of the blocks before. */
	void (*softmax_columns)(float *s, int64_t keys, int w, int64_t seen0, float scale, float *top, float *sum, float *old);
	/* Backward pass of attention: p (n, keys), the scores, become probabilities; d (n, keys), dout v^T, becomes the gradient of the
	 * scores. first: position of the first query when causal, otherwise -1. */
	void (*attention_slope)(int64_t n, int64_t keys, int64_t dim, float scale, int64_t first, const float *lse, const float *out,
	                        const float *grad, int64_t ld_out, float *p, float *d);
	/* y = (x - mean) / std * gamma + beta; saved (rows, 2): mean, 1/std. */
	void (*layernorm)(const float *x, int64_t rows, int64_t d, const float *gamma, const float *beta, float eps, float *y,
	                  float *saved);
	void (*softmax)(const float *x, int64_t rows, int64_t d, float *y);
} itr_rowwise;

const itr_rowwise *itr_rowwise_get(void);

#if defined(__x86_64__)
extern const itr_rowwise itr_rowwise_avx512, itr_rowwise_avx2;
#endif

#endif
