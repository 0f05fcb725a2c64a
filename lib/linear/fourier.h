/* fourier.h - random Fourier features of a Gaussian kernel: a linear model on them approximates a kernel model, in time linear in the rows.
 * Rahimi and Recht, "Random features for large-scale kernel machines", NeurIPS 2007; scikit-learn's RBFSampler with gamma = 1 / (2
 * width^2).
 */
#ifndef ITR_LINEAR_FOURIER_H
#define ITR_LINEAR_FOURIER_H

#include "base/compat.h"

/* z = sqrt(2 / features) cos(l2(x) . frequency^T + phase), where l2 is L2 normalisation. Immutable. */
typedef struct itr_fourier {
	int64_t in, features;
	float *frequency;               /* (features, in), N(0, width^-2) */
	float *phase;                   /* (features), U[0, 2 pi) */
} itr_fourier;

/* With uninitialised arrays, for a reader of model files. */
itr_fourier *itr_fourier_empty(int64_t in, int64_t features);
/* Random numbers of NumPy's default_rng([seed, side]): standard_normal((features, in)) / width, then 2 pi random(features). */
itr_fourier *itr_fourier_new(int64_t in, int64_t features, double width, uint64_t seed, uint64_t side);
void itr_fourier_free(itr_fourier *f);

/* The width of the kernel by the median heuristic: the median distance between L2-normalised rows of x (rows, dim), for at most 1,000 rows,
 * evenly spaced among those with used[row] (NULL: all). At least 1e-3, for equal rows. */
double itr_fourier_width(const float *x, int64_t rows, int64_t dim, const bool *used);

/* x (n, in) -> z (n, features). Rows of zeros are allowed. The same bits for any number of threads. */
void itr_fourier_apply(const itr_fourier *f, const float *x, int64_t n, float *z, int threads);

#endif
