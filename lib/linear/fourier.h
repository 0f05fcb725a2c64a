/* fourier.h - random Fourier features of a Gaussian kernel: a linear model on them is a kernel model, at a cost linear in the rows. Rahimi
 * and Recht, "Random features for large-scale kernel machines", NeurIPS 2007; scikit-learn's RBFSampler with gamma = 1 / (2 width^2).
 */
#ifndef ITR_LINEAR_FOURIER_H
#define ITR_LINEAR_FOURIER_H

#include "base/compat.h"

/* z = sqrt(2 / features) cos(l2(x) . frequency^T + phase). Immutable once made. */
typedef struct itr_fourier {
	int64_t in, features;
	float *frequency;               /* (features, in), N(0, width^-2) */
	float *phase;                   /* (features), U[0, 2 pi) */
} itr_fourier;

/* Arrays without values, for a reader. */
itr_fourier *itr_fourier_empty(int64_t in, int64_t features);
/* Drawn by NumPy's default_rng([seed, side]): standard_normal((features, in)) / width, then 2 pi random(features). */
itr_fourier *itr_fourier_new(int64_t in, int64_t features, double width, uint64_t seed, uint64_t side);
void itr_fourier_free(itr_fourier *f);

/* The kernel's width: the median distance between unit rows, of at most 1,000 rows spread evenly over those with used[row] (NULL: all).
 * x (rows, dim); at least 1e-3, so that equal rows give a kernel too. */
double itr_fourier_width(const float *x, int64_t rows, int64_t dim, const bool *used);

/* x (n, in) -> z (n, features). A row of zeros is one of the kernel's points like any other. The same bits for any number of threads. */
void itr_fourier_apply(const itr_fourier *f, const float *x, int64_t n, float *z, int threads);

#endif
