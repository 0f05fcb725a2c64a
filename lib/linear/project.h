/* project.h - changes the number of dimensions of embeddings: seeded Gaussian projection and Matryoshka-style truncation; and random
 * rotation. */
#ifndef ITR_LINEAR_PROJECT_H
#define ITR_LINEAR_PROJECT_H

#include "base/compat.h"

/* out (rows, dim) = l2(float32(x (rows, base) . G)), G = default_rng([seed, dim]).standard_normal((base, dim)) / sqrt(base). Sums in
 * float64, one chain over k for each element, so equal rows stay bit-equal. dim == base: copies x, without normalisation. Use the same seed
 * for both modalities. */
void itr_project_gaussian(const float *x, int64_t rows, int64_t base, int64_t dim, uint64_t seed, float *out, int threads);

/* out (rows, dim) = float32(x . Q) with a random orthogonal Q: G = default_rng([seed, dim, 1]).standard_normal((dim, dim)), orthonormalised
 * as G (chol(G^T G))^-T; sums as above. Inner products do not change, but the variance is spread over all dimensions, which improves binary
 * codes (sign bits) of embeddings with most variance in few dimensions (CCA, PCA). Use the same seed for both modalities. */
void itr_project_rotate(const float *x, int64_t rows, int64_t dim, uint64_t seed, float *out, int threads);

/* out (rows, dim) = l2(x[:, :dim]), dim <= base; dim == base: copies x. */
void itr_project_truncate(const float *x, int64_t rows, int64_t base, int64_t dim, float *out, int threads);

#endif
