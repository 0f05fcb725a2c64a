/* rowwise.h - inside of the module: the loops around the products (what follows a tile, rounding to 8 bits, softmax, layer normalisation),
 * compiled once per instruction set from rowwise.inc. Every operation in them is one correctly rounded IEEE operation or a fused
 * multiply-add, and sums have sixteen fixed lanes: all sets give the same bits.
 */
#ifndef ITR_TENSOR_ROWWISE_H
#define ITR_TENSOR_ROWWISE_H

#include <math.h>
#include <string.h>

#include "tensor/packed_weight.h"

/* One row of activations in 8 bits: x = scale * (q - zero). A row that holds NaN or infinity gets a scale of NaN, so that it comes out as
 * NaN instead of as numbers. */
typedef struct itr_row_range { float scale; int32_t zero; } itr_row_range;
/* The scale and the zero of a row whose numbers lie in [low, high], low <= 0 <= high; *inverse = 1 / scale. */
static inline itr_row_range itr_row_range_of(float low, float high, float *inverse)
{
	/* each by itself: their difference may be more than a float holds */
	itr_row_range r = { high / 255.0f - low / 255.0f, 0 };
	if (!(r.scale > 1e-37f))                                         /* nothing but zeros (or less than floats can divide by) */
		r.scale = 1.0f;
	*inverse = 1.0f / r.scale;
	/* nearest, ties to even: adding 1.5 * 2^23 leaves it in the low bits */
	const float y = ITR_MIN(ITR_MAX(-low * *inverse, 0.0f), 255.0f) + 12582912.0f;
	int32_t i;
	memcpy(&i, &y, sizeof i);
	r.zero = i - 0x4b400000;
	return r;
}
/* What quantising needs to know of numbers: the smallest and the largest, zero among them, and whether all are finite. From nothing: { 0,
 * 0, true }. */
typedef struct itr_extremes { float low, high; bool finite; } itr_extremes;
static inline itr_row_range itr_row_range_in(const itr_extremes *e, float *inverse)
{
	*inverse = 1;
	return e->finite ? itr_row_range_of(e->low, e->high, inverse) : (itr_row_range){ NAN, 0 };
}
/* Of a weight in 8 bits, by row: w = scale * q, and the sum of q. */
typedef struct itr_int8_columns { const float *scale; const int32_t *sum; } itr_int8_columns;

typedef struct itr_rowwise {
	void (*activate)(itr_activation a, const float *x, float *y, int64_t n);
	/* Epilogue of a block: rows x cols sums s (rows lds apart), for rows i0 .. and columns j0 .. of the product, written to c. Integer
	 * sums (range not NULL: one a row) become numbers first. */
	void (*after)(const itr_after *after, const itr_row_range *range, const itr_int8_columns *w, int64_t i0, int64_t j0, int rows,
	              int cols, const void *s, int64_t lds, float *c, int64_t ldc);
	/* q: n bytes, or n 16-bit words when wide. */
	itr_row_range (*quantise)(const float *x, int64_t n, bool wide, void *q);
	/* Its two halves, for what several rows share: n more numbers taken into e; and rounding in a given range. */
	void (*extremes)(const float *x, int64_t n, itr_extremes *e);
	void (*quantise_in)(const float *x, int64_t n, itr_row_range r, float inverse, bool wide, void *q);
	/* Symmetric, q in [-127, 127]; *sum = sum of q. Returns the scale. */
	float (*quantise_weight)(const float *w, int64_t n, bool wide, void *q, int32_t *sum);
	/* A running softmax over `keys` more scores of w queries side by side: s[key * w + query] becomes exp(scale (s - top)). Query l
	 * sees the first seen0 + l keys (all when that is more; of the first block at least one). top (unscaled, at first -infinity), sum:
	 * so far, brought up to date; old: what earlier results have to be multiplied by. */
	void (*softmax_columns)(float *s, int64_t keys, int w, int64_t seen0, float scale, float *top, float *sum, float *old);
	/* Of attention's backward: scores p and dout v^T d (both n x keys) become probabilities and the scores' gradient. first: the first
	 * query's place in a causal sequence, or -1. */
	void (*attention_slope)(int64_t n, int64_t keys, int64_t dim, float scale, int64_t first, const float *lse, const float *out,
	                        const float *grad, int64_t ld_out, float *p, float *d);
	/* y = (x - mean) / std * gamma + beta; saved (2 a row): mean, 1/std. */
	void (*layernorm)(const float *x, int64_t rows, int64_t d, const float *gamma, const float *beta, float eps, float *y,
	                  float *saved);
	void (*softmax)(const float *x, int64_t rows, int64_t d, float *y);
} itr_rowwise;

const itr_rowwise *itr_rowwise_get(void);

#if defined(__x86_64__)
extern const itr_rowwise itr_rowwise_avx512, itr_rowwise_avx2;
#endif

#endif
