/* bootstrap.h - how sure a retrieval figure is: images are resampled with replacement, and every query of an image (its captions, and the
 * image itself) goes with it, because captions of one picture are not independent. Percentile intervals (Efron & Tibshirani 1993, ch. 13);
 * paired for comparisons, Holm (1979) for several.
 *
 * Resample b draws rng.integers(0, N, size=N) from one rng = np.random.default_rng([seed, 1]), all directions together, so that anyone can
 * rebuild it.
 */
#ifndef ITR_RETRIEVAL_BOOTSTRAP_H
#define ITR_RETRIEVAL_BOOTSTRAP_H

#include "io/table.h"
#include "retrieval/metrics.h"

enum { ITR_BOOT_RESAMPLES = 2000 };

/* Queries of one direction (or one system). cluster[i]: image of v->query[i], 0 <= cluster < clusters, or -1: a query without an image, its
 * own cluster. */
typedef struct itr_boot_side {
	const itr_metric_values *v;
	const int64_t *cluster;         /* [v->n] */
} itr_boot_side;

/* Statistics of every resample: sample[b * (n_sides * set->n) + side * set->n + metric]. Means (median_rank: medians; at most one such
 * metric) over the resampled queries; with folds (fold[c] of cluster c in [0, n_folds); NULL: one), the mean over folds of each fold's.
 * Clusters without any query are not drawn. NaN where a resample holds no query of a side. The caller frees. Same values for any number of
 * threads. */
double *itr_bootstrap(const itr_boot_side *sides, int n_sides, const itr_metric_set *set, int64_t clusters, const int32_t *fold,
                      int n_folds, int resamples, uint64_t seed, int threads);

typedef struct itr_interval { double low, high; } itr_interval;
/* np.percentile(x, [2.5, 97.5]) of n values `stride` apart; NaN when any is NaN. */
itr_interval itr_interval_95(const double *x, int64_t n, int64_t stride);
/* Two-sided p of "no difference" from n resampled differences `stride` apart: 2 * min(share <= 0, share >= 0), with one added above and
 * below so that it is never 0. */
double itr_boot_p(const double *difference, int64_t n, int64_t stride);
/* The smallest p that n resamples can give: every one of them was on the same side. What stands there is "less than", and itr_p_cell shows
 * it so. */
static inline double itr_boot_p_floor(int64_t n) { return 2.0 / (double)(n + 1); }
/* A cell for people: "0.0312", "<0.0010" where p is a bound, empty for NaN. */
void itr_p_cell(itr_table *t, double p, bool bound);
/* Holm's step-down adjustment; NaN stay NaN and do not count. adjusted may be p. */
void itr_holm(const double *p, int n, double *adjusted);

#endif
