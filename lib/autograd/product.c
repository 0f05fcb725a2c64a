#include "autograd/product.h"

#include "tensor/gemm.h"

void itr_node_product(itr_node *n, bool trans_a, bool trans_b, int64_t m, int64_t cols, int64_t k, float alpha,
                      const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
	(itr_tape_compute(n->tape) == ITR_COMPUTE_BF16 ? itr_gemm_bf16 : itr_gemm)(trans_a, trans_b, m, cols, k, alpha, a, lda, b, ldb,
	                                                                           beta, c, ldc, n->threads);
}
