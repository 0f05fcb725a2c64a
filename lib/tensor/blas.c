#include "tensor/blas.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

/* LAPACK by its Fortran symbols, which OpenBLAS contains (LAPACKE would be one more package). Column-major, 32-bit integers. */
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info);
void dgesdd_(const char *jobz, const int *m, const int *n, double *a, const int *lda, double *s, double *u, const int *ldu, double *vt,
             const int *ldvt, double *work, const int *lwork, int *iwork, int *info);
void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w, double *work, const int *lwork,
             int *iwork, const int *liwork, int *info);

static int size(int64_t n)
{
	if (n < 0 || n > INT32_MAX)
		ITR_BUG("a matrix side of %lld does not fit the BLAS", (long long)n);
	return (int)n;
}

/* Always one thread, because OpenBLAS divides sums by the number of threads. Set at each call (it is cheap), as a caller may have changed
 * it. */
static void one_thread(void) { openblas_set_num_threads(1); }

void itr_dgemm(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, double alpha, const double *a, int64_t lda,
               const double *b, int64_t ldb, double beta, double *c, int64_t ldc)
{
	if (m == 0 || n == 0)
		return;
	one_thread();
	cblas_dgemm(CblasRowMajor, trans_a ? CblasTrans : CblasNoTrans, trans_b ? CblasTrans : CblasNoTrans, size(m), size(n), size(k),
	            alpha, a, size(lda), b, size(ldb), beta, c, size(ldc));
}

void itr_dsyrk(int64_t n, int64_t k, double alpha, const double *a, int64_t lda, double beta, double *c, int64_t ldc)
{
	if (n == 0)
		return;
	one_thread();
	cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, size(n), size(k), alpha, a, size(lda), beta, c, size(ldc));
	for (int64_t i = 0; i < n; i++)
		for (int64_t j = 0; j < i; j++)
			c[i * ldc + j] = c[j * ldc + i];
}

int itr_cholesky(double *a, int64_t n, itr_err *err)
{
	int order = size(n), info = 0;
	if (n == 0)
		return 0;
	one_thread();
	dpotrf_("U", &order, a, &order, &info);                    /* upper triangle in column-major order = lower in row-major order */
	if (info)
		return itr_err_set(err, "a matrix of order %lld is not positive definite (pivot %d): more regularization helps",
		                   (long long)n, info);
	for (int64_t i = 0; i < n; i++)
		for (int64_t j = i + 1; j < n; j++)
			a[i * n + j] = 0;
	return 0;
}

void itr_trsm_lower(bool trans, int64_t n, int64_t nrhs, const double *l, double *b)
{
	if (n == 0 || nrhs == 0)
		return;
	one_thread();
	cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, trans ? CblasTrans : CblasNoTrans, CblasNonUnit, size(n), size(nrhs), 1, l,
	            size(n), b, size(nrhs));
}

static bool all_finite(const double *a, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		if (!isfinite(a[i]))
			return false;
	return true;
}

/* Is the entry of largest magnitude among the n values (stride apart) negative? The first counts on ties. */
static bool points_down(const double *v, int64_t n, int64_t stride)
{
	double top = 0;
	for (int64_t i = 0; i < n; i++)
		if (fabs(v[i * stride]) > fabs(top))
			top = v[i * stride];
	return top < 0;
}

/* A row-major (m,n) is A^T column-major (n,m) = V S U^T, so LAPACK's "u" is our vt and its "vt" our u, both already row-major. */
int itr_svd(const double *a, int64_t m, int64_t n, double *u, double *s, double *vt, itr_err *err)
{
	int rows = size(n), cols = size(m), r = size(ITR_MIN(m, n)), info = 0, lwork = -1;
	double want, *copy, *work;
	if (r == 0)
		return 0;
	if (!all_finite(a, m * n))
		return itr_err_set(err, "singular values of a matrix with NaN or infinity");
	one_thread();
	copy = itr_aligned_alloc((size_t)(m * n) * sizeof *copy);
	memcpy(copy, a, (size_t)(m * n) * sizeof *copy);
	int *iwork = itr_xcalloc((size_t)r * 8, sizeof *iwork);
	dgesdd_("S", &rows, &cols, copy, &rows, s, vt, &rows, u, &r, &want, &lwork, iwork, &info);
	lwork = (int)want;
	work = itr_xcalloc((size_t)lwork, sizeof *work);
	dgesdd_("S", &rows, &cols, copy, &rows, s, vt, &rows, u, &r, work, &lwork, iwork, &info);
	free(work);
	free(iwork);
	itr_aligned_free(copy);
	if (info)
		return itr_err_set(err, "singular values of a %lld x %lld matrix did not converge", (long long)m, (long long)n);
	for (int64_t j = 0; j < r; j++)
		if (points_down(u + j, m, r)) {
			for (int64_t i = 0; i < m; i++)
				u[i * r + j] = -u[i * r + j];
			for (int64_t i = 0; i < n; i++)
				vt[j * n + i] = -vt[j * n + i];
		}
	return 0;
}

static void transpose_square(double *a, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		for (int64_t j = i + 1; j < n; j++) {
			double t = a[i * n + j];
			a[i * n + j] = a[j * n + i];
			a[j * n + i] = t;
		}
}

int itr_eigh(double *a, int64_t n, double *w, itr_err *err)
{
	int order = size(n), info = 0, lwork = -1, liwork = -1, iwant;
	double want;
	if (n == 0)
		return 0;
	if (!all_finite(a, n * n))
		return itr_err_set(err, "eigenvalues of a matrix with NaN or infinity");
	one_thread();
	dsyevd_("V", "L", &order, a, &order, w, &want, &lwork, &iwant, &liwork, &info);
	lwork = (int)want;
	liwork = iwant;
	double *work = itr_xcalloc((size_t)lwork, sizeof *work);
	int *iwork = itr_xcalloc((size_t)liwork, sizeof *iwork);
	dsyevd_("V", "L", &order, a, &order, w, work, &lwork, iwork, &liwork, &info);
	free(work);
	free(iwork);
	if (info)
		return itr_err_set(err, "eigenvalues of a matrix of order %lld did not converge", (long long)n);
	transpose_square(a, n);                                    /* column-major vector j is row j of our row-major matrix */
	for (int64_t j = 0; j < n; j++)
		if (points_down(a + j, n, n))
			for (int64_t i = 0; i < n; i++)
				a[i * n + j] = -a[i * n + j];
	return 0;
}
