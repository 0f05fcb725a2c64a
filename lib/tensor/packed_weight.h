/* packed_weight.h - products with constant weights: packed once, as fp32, bfloat16 or int8, and what follows the product
 * (bias, residual, activation) done while the tile is at hand.
 *
 *	itr_packed_weight *w = itr_pack_weight(ITR_COMPUTE_BF16, weight, 768, 3072, 3072, threads);
 *	itr_packed_weight_product(w, tokens, x, 3072, &(itr_after){ .bias = b, .residual = y, .ld_residual = 768 }, y, 768, threads);
 *
 * fp32 is bit-identical to itr_gemm (one chain over k); bf16 to itr_gemm_bf16. int8: weights symmetric per row (of w), rounded so that the
 * errors of a row cancel (itr_int8_even_out), activations asymmetric 8 bits per row of the batch, found on the fly; sums in 32-bit
 * integers, hence exact and equal on every machine. No result depends on threads, on the batch or on the row's place.
 */
#ifndef ITR_TENSOR_PACKED_WEIGHT_H
#define ITR_TENSOR_PACKED_WEIGHT_H

#include "base/compat.h"

typedef enum { ITR_COMPUTE_F32, ITR_COMPUTE_BF16, ITR_COMPUTE_INT8 } itr_compute;
extern const char *const itr_compute_names[];            /* "fp32" "bf16" "int8" NULL */

/* Definitions as torch.nn.functional: relu, relu6, hardswish, gelu (exact, erf), and CLIP's quick GELU x sigmoid(1.702 x). */
typedef enum {
	ITR_ACT_NONE,
	ITR_ACT_RELU,
	ITR_ACT_RELU6,
	ITR_ACT_HARDSWISH,
	ITR_ACT_HARDSIGMOID,
	ITR_ACT_GELU,
	ITR_ACT_QUICK_GELU
} itr_activation;

/* c = activation(product + bias + residual). */
typedef struct itr_after {
	const float *bias;               /* (n), or NULL */
	const float *residual;           /* (m, n), rows ld_residual apart; may be c itself; or NULL */
	int64_t ld_residual;
	itr_activation activation;
} itr_after;
void itr_activate(itr_activation a, const float *x, float *y, int64_t n);        /* y may be x */

typedef struct itr_packed_weight itr_packed_weight;

/* w (n, k), rows ldw apart: y = x w^T, as torch.nn.Linear stores it. Copies; never fails. */
itr_packed_weight *itr_pack_weight(itr_compute c, const float *w, int64_t n, int64_t k, int64_t ldw, int threads);
/* What is known of the left operand, and what rounding the weights to 8 bits then costs. */
typedef struct itr_expected {
	const float *mean;               /* (k), of each of its numbers; NULL: nothing is known */
	/* (n): the product of w's rounding errors and the mean, to be added to the bias; zeros for fp32 and bf16 */
	float *lost;
} itr_expected;
itr_packed_weight *itr_pack_weight_expecting(itr_compute c, const float *w, int64_t n, int64_t k, int64_t ldw, const itr_expected *x,
                                             int threads);
void itr_packed_weight_free(itr_packed_weight *f);
size_t itr_packed_weight_bytes(const itr_packed_weight *f);
int64_t itr_packed_weight_n(const itr_packed_weight *f);
int64_t itr_packed_weight_k(const itr_packed_weight *f);
itr_compute itr_packed_weight_compute(const itr_packed_weight *f);
const char *itr_packed_weight_kernel(const itr_packed_weight *f);      /* "avx512-vnni", "avx2", ...: what runs here */

/* c (m, n) = after(a (m, k) w^T). `after` may be NULL. c may not overlap a. */
void itr_packed_weight_product(const itr_packed_weight *f, int64_t m, const float *a, int64_t lda, const itr_after *after, float *c,
                               int64_t ldc, int threads);

/* The same with a left operand that is made as it is needed (a convolution's patches): fill writes rows row .. row+rows-1, k numbers each,
 * one behind the other. Called from several threads, for blocks that stay in cache. */
typedef void itr_rows_fill(const void *ctx, int64_t row, int64_t rows, float *dst);
void itr_packed_weight_product_from(const itr_packed_weight *f, int64_t m, itr_rows_fill *fill, const void *ctx, const itr_after *after,
                                    float *c, int64_t ldc, int threads);

#endif
