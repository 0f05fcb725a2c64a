/* packed_weight.h - products with constant weights, packed once as fp32, bfloat16 or int8. The epilogue (bias, residual, activation) is
 * applied to each tile while it is in the cache.
 *
 *	itr_packed_weight *w = itr_pack_weight(ITR_COMPUTE_BF16, weight, 768, 3072, 3072, threads);
 *	itr_packed_weight_product(w, tokens, x, 3072, &(itr_epilogue){ .bias = b, .residual = y, .ld_residual = 768 }, y, 768, threads);
 *
 * fp32 is bit-identical to itr_gemm, bf16 to itr_gemm_bf16. int8 is dynamic quantisation: weights symmetric with one scale for each row of
 * w, rounded so that the errors of a row cancel (itr_int8_balance_rounding); activations asymmetric with one range for each row of the
 * batch, computed at run time; sums in 32-bit integers, hence exact and equal on every machine. No result depends on threads, on the batch
 * or on the position of the row in it.
 */
#ifndef ITR_TENSOR_PACKED_WEIGHT_H
#define ITR_TENSOR_PACKED_WEIGHT_H

#include "base/compat.h"

typedef enum { ITR_COMPUTE_F32, ITR_COMPUTE_BF16, ITR_COMPUTE_INT8 } itr_compute;
extern const char *const itr_compute_names[];            /* "fp32" "bf16" "int8" NULL */

/* As in torch.nn.functional: relu, relu6, hardswish, hardsigmoid, gelu (exact, by erf); and CLIP's quick GELU, x sigmoid(1.702 x). */
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
typedef struct itr_epilogue {
	const float *bias;               /* (n), or NULL */
	const float *residual;           /* (m, n), rows ld_residual apart; may be c itself; or NULL */
	int64_t ld_residual;
	itr_activation activation;
} itr_epilogue;
void itr_activate(itr_activation a, const float *x, float *y, int64_t n);        /* y may be x */

typedef struct itr_packed_weight itr_packed_weight;

/* Packs w (n, k), row stride ldw, the layout of torch.nn.Linear: y = x w^T. Copies w; free with itr_packed_weight_free. Aborts for int8
 * with k > 66000, whose sums would not fit 32 bits. */
itr_packed_weight *itr_pack_weight(itr_compute c, const float *w, int64_t n, int64_t k, int64_t ldw, int threads);
/* Bias correction for int8 weights (Nagel et al. 2019): rounding the weights shifts the mean of the result by (w - rounded w) mean. */
typedef struct itr_bias_correction {
	const float *mean;               /* (k): mean of each input number; NULL: unknown, the correction is zero */
	float *correction;               /* out, (n): the caller adds it to the bias; zeros for fp32 and bf16 */
} itr_bias_correction;
/* As itr_pack_weight; also fills x->correction. x may be NULL. */
itr_packed_weight *itr_pack_weight_corrected(itr_compute c, const float *w, int64_t n, int64_t k, int64_t ldw, const itr_bias_correction *x,
                                             int threads);
void itr_packed_weight_free(itr_packed_weight *f);
size_t itr_packed_weight_bytes(const itr_packed_weight *f);
int64_t itr_packed_weight_n(const itr_packed_weight *f);
int64_t itr_packed_weight_k(const itr_packed_weight *f);
itr_compute itr_packed_weight_compute(const itr_packed_weight *f);
const char *itr_packed_weight_kernel(const itr_packed_weight *f);      /* the kernel in use: "avx512-vnni", "avx2", ... */

/* c (m, n) = epilogue(a (m, k) w^T). epilogue may be NULL. c may not overlap a. Never fails. */
void itr_packed_weight_product(const itr_packed_weight *f, int64_t m, const float *a, int64_t lda, const itr_epilogue *epilogue, float *c,
                               int64_t ldc, int threads);

/* The same with a left operand that is generated block by block (patches of a convolution): fill writes rows row .. row+rows-1, contiguous,
 * k numbers each. Several threads call it at the same time. */
typedef void itr_rows_fill(const void *ctx, int64_t row, int64_t rows, float *dst);
void itr_packed_weight_product_from(const itr_packed_weight *f, int64_t m, itr_rows_fill *fill, const void *ctx,
                                    const itr_epilogue *epilogue, float *c, int64_t ldc, int threads);

#endif
