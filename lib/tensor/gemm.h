/* gemm.h - matrix products whose result never depends on the row's position, the batch, or the threads.
 *
 * Every element of A.B is ONE chain of fused multiply-adds over k = 0, 1, ..., K-1, started from 0. The AVX-512, AVX2, NEON and scalar
 * kernels all compute the same chain. So equal rows give bit-equal scores, a tie means equal bits, and the same command gives the same
 * bytes on any machine. (A usual BLAS guarantees none of this: its edge kernels and its divisions of K depend on position, shape and
 * threads.)
 *
 * Row-major throughout. lda, ldb, ldc: distance between rows in elements.
 */
#ifndef ITR_TENSOR_GEMM_H
#define ITR_TENSOR_GEMM_H

#include "base/compat.h"

/* C (M,N) = alpha * op(A) (M,K) . op(B) (K,N) + beta * C.  trans_a: A is stored (K,M); trans_b: B is stored (N,K). The finished chain is
 * multiplied by alpha, then beta * C is added (beta 0: C is not read). threads: 0 = all. Never fails. NaN and infinities propagate. */
void itr_gemm(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, float alpha,
              const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc, int threads);

/* The same with both operands rounded to bfloat16 and fp32 sums, for training and encoders. Results do not depend on threads. They differ
 * between machines with and without AVX512-BF16, whose instruction sums pairs. itr_gemm_bf16_kernel: the name of the kernel in use. */
void itr_gemm_bf16(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, float alpha,
                   const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc, int threads);
const char *itr_gemm_bf16_kernel(void);

/* A right operand packed once for many products: N rows of K numbers, as galleries and weights are stored (the product uses its transpose).
 */
typedef struct itr_packed itr_packed;
itr_packed *itr_pack_rows(const float *b, int64_t n, int64_t k, int64_t ldb, int threads);   /* copies; free with itr_packed_free */
void itr_packed_free(itr_packed *p);
size_t itr_packed_bytes(const itr_packed *p);
/* C (M, n1-n0) = A (M,K) . B[n0..n1)^T, bit-identical to itr_gemm. */
void itr_gemm_packed(int64_t m, const float *a, int64_t lda, const itr_packed *b, int64_t n0, int64_t n1, float *c, int64_t ldc,
                     int threads);

/* Reference implementation for tests: a plain loop over fmaf. Bit-identical to itr_gemm with alpha 1, beta 0. */
void itr_gemm_reference(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k,
                        const float *a, int64_t lda, const float *b, int64_t ldb, float *c, int64_t ldc);

/* Inner product as one chain of fmaf: bit-identical to the matching element of itr_gemm. */
float itr_dot_chain(const float *a, const float *b, int64_t n);

const char *itr_gemm_kernel(void);     /* the kernel that itr_gemm uses on this machine: "avx512", "avx2", "neon" or "scalar" */

#endif
