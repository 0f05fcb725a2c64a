/* project.h - other widths of given vectors: a seeded Gaussian projection, and Matryoshka-style truncation (methods section 1). */
#ifndef ITR_LINEAR_PROJECT_H
#define ITR_LINEAR_PROJECT_H

#include "base/compat.h"

/* out (rows, dim) = l2(float32(x (rows, base) . G)), G = default_rng([seed, dim]).standard_normal((base, dim)) / sqrt(base), sums in
 * float64, one chain over k an element, so equal rows stay bit-equal. dim == base: x unchanged (not normalised either). Both modalities
 * share G. */
void itr_project_gaussian(const float *x, int64_t rows, int64_t base, int64_t dim, uint64_t seed, float *out, int threads);

/* out (rows, dim) = float32(x . Q), Q orthogonal: G = default_rng([seed, dim, 1]).standard_normal((dim, dim)) made orthonormal by G
 * (chol(G^T G))^-T, sums as above. Inner products stay what they were, but no axis is special any more: sign bits of vectors whose energy
 * sits in few axes (CCA, PCA) lose much until they are rotated. Both modalities share Q. */
void itr_project_rotate(const float *x, int64_t rows, int64_t dim, uint64_t seed, float *out, int threads);

/* out (rows, dim) = l2(x[:, :dim]); dim <= base; dim == base: x unchanged. */
void itr_project_truncate(const float *x, int64_t rows, int64_t base, int64_t dim, float *out, int threads);

#endif
