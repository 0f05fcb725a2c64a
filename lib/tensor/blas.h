/* blas.h - double-precision products and LAPACK for the closed forms; the only caller of OpenBLAS. Always one thread: same bytes for any
 * --threads. Row-major. Functions return 0, or -1 with err when LAPACK reports failure (not positive definite, no convergence). */
#ifndef ITR_TENSOR_BLAS_H
#define ITR_TENSOR_BLAS_H

#include "base/err.h"

void itr_dgemm(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, double alpha, const double *a, int64_t lda,
               const double *b, int64_t ldb, double beta, double *c, int64_t ldc);
/* C (n,n) = alpha A^T A + beta C with A (k,n); both triangles are filled */
void itr_dsyrk(int64_t n, int64_t k, double alpha, const double *a, int64_t lda, double beta, double *c, int64_t ldc);
ITR_MUST_USE int itr_cholesky(double *a, int64_t n, itr_err *err);                       /* lower factor in place, upper zeroed */
void itr_trsm_lower(bool trans, int64_t n, int64_t nrhs, const double *l, double *b);    /* b (n,nrhs) = L^-1 b, or L^-T b */
/* thin: u (m,r) s (r) vt (r,n), r = min(m,n) */
ITR_MUST_USE int itr_svd(const double *a, int64_t m, int64_t n, double *u, double *s, double *vt, itr_err *err);
/* symmetric; eigenvectors in the columns of a, w ascending */
ITR_MUST_USE int itr_eigh(double *a, int64_t n, double *w, itr_err *err);

/* Sign convention for singular and eigenvectors: the entry of largest magnitude (the first one on ties) is positive, because LAPACK leaves
 * the sign open. */

#endif
