/* product.h - internal: the matrix product in the tape's compute precision, with fp32 sums. */
#ifndef ITR_AUTOGRAD_PRODUCT_H
#define ITR_AUTOGRAD_PRODUCT_H

#include "autograd/op.h"

/* As itr_gemm (tensor/gemm.h), with the node's threads and the tape's compute precision (bf16: both operands are rounded to bfloat16; sums
 * in fp32). */
void itr_node_product(itr_node *n, bool trans_a, bool trans_b, int64_t m, int64_t cols, int64_t k, float alpha,
                      const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc);

#endif
