#include "retrieval/bootstrap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/parallel.h"
#include "base/rng.h"

enum { BATCH = 64 };       /* resamples whose weights are held at a time: drawing is serial, summing is not */

/* One side, summed by cluster once: a resample is then a weighted sum over clusters. */
struct side {
	const itr_metric_values *v;
	double *sum;            /* [clusters][columns] */
	double *count;          /* [clusters] */
	int64_t *place;         /* [v->n]: cluster (compact) of each query */
	int64_t *order;         /* [v->n]: queries by expected rank, fold by fold */
	int64_t *fold_end;      /* [folds]: where each fold ends in order */
};

struct boot {
	const itr_metric_set *set;
	struct side *side;
	int n_sides, n_folds, median;     /* median: column, or -1 */
	int64_t clusters;                 /* those with queries */
	int32_t *fold;                    /* [clusters] */
	int32_t *weight;                  /* [BATCH][clusters] */
	double *out;                      /* of the batch */
};

/* --- clusters with queries, numbered closely in their own order; queries without an image come behind --------------------------------- */

static int64_t compact(struct boot *b, const itr_boot_side *sides, int64_t clusters, const int32_t *fold)
{
	int64_t *number = itr_xmalloc(((size_t)clusters + 1) * sizeof *number), n = 0, singles = 0;
	memset(number, 0xff, ((size_t)clusters + 1) * sizeof *number);
	for (int s = 0; s < b->n_sides; s++)
		for (int64_t i = 0; i < sides[s].v->n; i++) {
			if (sides[s].cluster[i] >= 0)
				number[sides[s].cluster[i]] = 0;
			else
				singles++;
		}
	for (int64_t c = 0; c < clusters; c++)
		if (number[c] == 0)
			number[c] = n++;
	b->fold = itr_xcalloc((size_t)(n + singles) + 1, sizeof *b->fold);
	for (int64_t c = 0; c < clusters; c++)
		if (number[c] >= 0)
			b->fold[number[c]] = fold ? fold[c] : 0;
	for (int s = 0; s < b->n_sides; s++) {
		b->side[s].place = itr_xmalloc(((size_t)sides[s].v->n + 1) * sizeof *b->side[s].place);
		for (int64_t i = 0; i < sides[s].v->n; i++)
			b->side[s].place[i] = sides[s].cluster[i] >= 0 ? number[sides[s].cluster[i]] : n++;
	}
	free(number);
	return n;
}

struct by_rank { double rank; int64_t query; int32_t fold; };

static int by_fold_and_rank(const void *a, const void *b)
{
	const struct by_rank *x = a, *y = b;
	if (x->fold != y->fold)
		return x->fold < y->fold ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return (x->query > y->query) - (x->query < y->query);
}

static void side_init(struct boot *b, struct side *s, const itr_metric_values *v)
{
	int columns = b->set->n;
	s->v = v;
	s->sum = itr_xcalloc((size_t)b->clusters * (size_t)columns + 1, sizeof *s->sum);
	s->count = itr_xcalloc((size_t)b->clusters + 1, sizeof *s->count);
	s->fold_end = itr_xcalloc((size_t)b->n_folds, sizeof *s->fold_end);
	for (int64_t i = 0; i < v->n; i++) {
		s->count[s->place[i]]++;
		s->fold_end[b->fold[s->place[i]]]++;
		for (int j = 0; j < columns; j++)
			s->sum[s->place[i] * columns + j] += v->value[i * columns + j];
	}
	for (int f = 1; f < b->n_folds; f++)
		s->fold_end[f] += s->fold_end[f - 1];
	if (b->median < 0)
		return;
	struct by_rank *sorted = itr_xmalloc(((size_t)v->n + 1) * sizeof *sorted);
	for (int64_t i = 0; i < v->n; i++)
		sorted[i] = (struct by_rank){ v->value[i * columns + b->median], i, b->fold[s->place[i]] };
	qsort(sorted, (size_t)v->n, sizeof *sorted, by_fold_and_rank);
	s->order = itr_xmalloc(((size_t)v->n + 1) * sizeof *s->order);
	for (int64_t i = 0; i < v->n; i++)
		s->order[i] = sorted[i].query;
	free(sorted);
}

/* --- one resample --------------------------------------------------------------------------------------------------------------------- */

/* Median of queries repeated `weight` times each, as np.median of the repeated list. */
static double weighted_median(const struct boot *b, const struct side *s, const int32_t *weight, int64_t begin, int64_t end, int64_t total)
{
	int64_t seen = 0, columns = b->set->n;
	double low = NAN;
	for (int64_t i = begin; i < end; i++) {
		int64_t q = s->order[i], before = seen;
		double x = s->v->value[q * columns + b->median];
		seen += weight[s->place[q]];
		if (before <= (total - 1) / 2 && (total - 1) / 2 < seen)
			low = x;
		if (total / 2 < seen)
			return (low + x) / 2;
	}
	return NAN;
}

static void side_statistics(const struct boot *b, const struct side *s, const int32_t *weight, double *out)
{
	int columns = b->set->n, folds = 0;
	double *sum = itr_xcalloc((size_t)b->n_folds * (size_t)(columns + 1), sizeof *sum);
	for (int64_t c = 0; c < b->clusters; c++) {
		double w = weight[c], *to = sum + b->fold[c] * (columns + 1);
		const double *from = s->sum + c * columns;
		if (weight[c] == 0)
			continue;
		for (int j = 0; j < columns; j++)
			to[j] += w * from[j];
		to[columns] += w * s->count[c];
	}
	for (int j = 0; j < columns; j++)
		out[j] = 0;
	for (int f = 0; f < b->n_folds; f++) {
		const double *of = sum + f * (columns + 1);
		if (of[columns] == 0)
			continue;
		folds++;
		for (int j = 0; j < columns; j++)
			out[j] += j == b->median
			                  ? weighted_median(b, s, weight, f ? s->fold_end[f - 1] : 0, s->fold_end[f], (int64_t)of[columns])
			                  : of[j] / of[columns];
	}
	for (int j = 0; j < columns; j++)
		out[j] = folds ? out[j] / folds : NAN;
	free(sum);
}

static void resample(void *ctx, int64_t i, int worker)
{
	(void)worker;
	struct boot *b = ctx;
	for (int s = 0; s < b->n_sides; s++)
		side_statistics(b, &b->side[s], b->weight + i * b->clusters, b->out + (i * b->n_sides + s) * b->set->n);
}

double *itr_bootstrap(const itr_boot_side *sides, int n_sides, const itr_metric_set *set, int64_t clusters, const int32_t *fold,
                      int n_folds, int resamples, uint64_t seed, int threads)
{
	struct boot b = { .set = set, .n_sides = n_sides, .n_folds = ITR_MAX(1, n_folds), .median = -1 };
	double *out = itr_xcalloc((size_t)resamples * (size_t)n_sides * (size_t)set->n + 1, sizeof *out);
	for (int j = 0; j < set->n; j++)
		if (itr_metric_is_median(&set->m[j]))
			b.median = j;
	b.side = itr_xcalloc((size_t)n_sides, sizeof *b.side);
	b.clusters = compact(&b, sides, clusters, fold);
	for (int s = 0; s < n_sides; s++)
		side_init(&b, &b.side[s], sides[s].v);
	b.weight = itr_xmalloc((size_t)BATCH * (size_t)(b.clusters + 1) * sizeof *b.weight);

	itr_rng rng;
	itr_rng_init(&rng, (uint64_t[]){ seed, 1 }, 2);
	for (int first = 0; first < resamples; first += BATCH) {
		int n = ITR_MIN(BATCH, resamples - first);
		memset(b.weight, 0, (size_t)n * (size_t)b.clusters * sizeof *b.weight);
		for (int i = 0; i < n; i++)
			for (int64_t k = 0; k < b.clusters; k++)
				b.weight[i * b.clusters + itr_rng_integers(&rng, 0, b.clusters)]++;
		b.out = out + (size_t)first * (size_t)n_sides * (size_t)set->n;
		itr_parallel_for(threads, n, resample, &b);
	}
	for (int s = 0; s < n_sides; s++) {
		free(b.side[s].sum);
		free(b.side[s].count);
		free(b.side[s].place);
		free(b.side[s].order);
		free(b.side[s].fold_end);
	}
	free(b.side);
	free(b.fold);
	free(b.weight);
	return out;
}

/* --- what is read off the resamples --------------------------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* NumPy's linear method, its rounding included. */
static double percentile(const double *sorted, int64_t n, double share)
{
	double at = share * (double)(n - 1);
	int64_t i = (int64_t)at;
	double t = at - (double)i, a = sorted[i], b = sorted[ITR_MIN(i + 1, n - 1)];
	return t >= 0.5 ? b - (b - a) * (1 - t) : a + (b - a) * t;
}

itr_interval itr_interval_95(const double *x, int64_t n, int64_t stride)
{
	itr_interval r = { NAN, NAN };
	if (n <= 0)
		return r;
	double *sorted = itr_xmalloc((size_t)n * sizeof *sorted);
	bool finite = true;
	for (int64_t i = 0; i < n; i++) {
		sorted[i] = x[i * stride];
		finite &= !isnan(sorted[i]);
	}
	qsort(sorted, (size_t)n, sizeof *sorted, by_size);
	if (finite)
		r = (itr_interval){ percentile(sorted, n, 0.025), percentile(sorted, n, 0.975) };
	free(sorted);
	return r;
}

double itr_boot_p(const double *difference, int64_t n, int64_t stride)
{
	int64_t low = 0, high = 0;
	for (int64_t i = 0; i < n; i++) {
		if (isnan(difference[i * stride]))
			return NAN;
		low += difference[i * stride] <= 0;
		high += difference[i * stride] >= 0;
	}
	return ITR_MIN(1.0, 2 * (double)(ITR_MIN(low, high) + 1) / (double)(n + 1));
}

void itr_p_cell(itr_table *t, double p, bool bound)
{
	char text[32] = "";
	if (!isnan(p))
		snprintf(text, sizeof text, p >= 0.00005 ? "%s%.4f" : "%s%.1e", bound ? "<" : "", p);
	itr_table_cell(t, text);
}

void itr_holm(const double *p, int n, double *adjusted)
{
	int *order = itr_xmalloc(((size_t)n + 1) * sizeof *order), m = 0;
	double running = 0;
	for (int i = 0; i < n; i++) {
		if (isnan(p[i])) {
			adjusted[i] = NAN;
			continue;
		}
		int k = m++;
		for (; k > 0 && p[order[k - 1]] > p[i]; k--)
			order[k] = order[k - 1];
		order[k] = i;
	}
	double *out = itr_xmalloc(((size_t)n + 1) * sizeof *out);
	for (int k = 0; k < m; k++) {
		running = ITR_MAX(running, ITR_MIN(1.0, (m - k) * p[order[k]]));
		out[order[k]] = running;
	}
	for (int k = 0; k < m; k++)
		adjusted[order[k]] = out[order[k]];
	free(order);
	free(out);
}
