/* gemm.h - matrix products whose result never depends on the row's position, the batch, or the threads.
 *
 * Every element of C is ONE chain of fused multiply-adds over k = 0, 1, ..., K-1, started from 0 (or from beta*C): the AVX-512, AVX2, NEON
 * and scalar kernels all compute that same chain, so equal rows give bit-equal scores, a tie is bit-equality, and the same command gives
 * the same bytes on any machine with FMA. (A plain BLAS promises none of this: its edge kernels and its splits of K vary with position,
 * shape and threads.)
 *
 * Row-major throughout. lda, ldb, ldc: distance between rows in elements.
 */
#ifndef ITR_TENSOR_GEMM_H
#define ITR_TENSOR_GEMM_H

#include "base/compat.h"

/* C (M,N) = alpha * op(A) (M,K) . op(B) (K,N) + beta * C.  trans_a: A is stored (K,M); trans_b: B is stored (N,K).
 * alpha scales the finished chain; beta is 0 or 1 in the fast path: with beta = 1 the chain's result is added to C once.
 * threads: 0 = all. Never fails (scratch comes from itr_aligned_alloc). NaN and infinities propagate. */
void itr_gemm(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, float alpha,
              const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc, int threads);

/* The same with both operands rounded to bfloat16 and fp32 sums, for training and encoders. The order of sums is fixed for one instruction
 * set (pairs with AVX512-BF16), so results do not depend on threads, but they do differ between machines with and without it. */
void itr_gemm_bf16(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, float alpha,
                   const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc, int threads);
const char *itr_gemm_bf16_kernel(void);

/* A packed right-hand side, B (N rows of K, i.e. B^T as stored galleries and weights are), for many products with it. */
typedef struct itr_packed itr_packed;
itr_packed *itr_pack_rows(const float *b, int64_t n, int64_t k, int64_t ldb, int threads);   /* copies; free with itr_packed_free */
void itr_packed_free(itr_packed *p);
size_t itr_packed_bytes(const itr_packed *p);
/* C (M, n1-n0) = A (M,K) . B[n0..n1)^T, bit-identical to itr_gemm. */
void itr_gemm_packed(int64_t m, const float *a, int64_t lda, const itr_packed *b, int64_t n0, int64_t n1, float *c, int64_t ldc,
                     int threads);

/* The reference: a plain loop over fmaf. Bit-identical to itr_gemm for alpha 1, beta 0. For tests. */
void itr_gemm_reference(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k,
                        const float *a, int64_t lda, const float *b, int64_t ldb, float *c, int64_t ldc);

/* Inner product as one chain of fmaf: bit-identical to the matching element of itr_gemm. */
float itr_dot_chain(const float *a, const float *b, int64_t n);

const char *itr_gemm_kernel(void);     /* "avx512", "avx2", "neon" or "scalar": what itr_gemm runs on this machine */

#endif
