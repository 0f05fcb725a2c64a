/* Confidence intervals of all cells of a group from one set of bootstrap resamples. The resamples are those of retrieval/bootstrap.h (same
 * generator, same order of draws), as a matrix of weights: all columns of all cells are one matrix product, instead of a pass over the
 * queries for each resample and cell. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "ablation/grid_internal.h"
#include "ablation/grid_weighted_sum.h"

enum { ROWS = 128 };            /* resamples of one product */

static bool has_interval(const itr_metric_def *m) { return m->metric->headline; }

static int64_t cluster_of(const itr_grid *g, int direction, int64_t query)
{
	return direction == T2V ? g->base.rows.table.text_image[query] : query;
}

void itr_grid_resample(itr_grid *g, int64_t clusters)
{
	itr_grid_weights *w = &g->weights;
	itr_rng rng;
	if (w->count && w->clusters == clusters)
		return;
	free(w->count);
	w->clusters = clusters;
	w->resamples = g->o.resamples;
	w->count = itr_xcalloc((size_t)(w->resamples * clusters) + 1, sizeof *w->count);
	itr_rng_init(&rng, (uint64_t[]){ g->o.seed, 1 }, 2);
	int32_t *image = itr_xmalloc((size_t)clusters * sizeof *image);
	for (int64_t b = 0; b < w->resamples; b++) {
		itr_rng_indices(&rng, clusters, clusters, image);
		for (int64_t i = 0; i < clusters; i++) {
			uint16_t *c = &w->count[b * clusters + image[i]];
			*c = *c < UINT16_MAX ? *c + 1 : *c;
		}
	}
	free(image);
}

/* Images that have a ranked query in either direction, numbered closely: number[image], or -1. */
static int64_t number_images(const itr_grid *g, itr_metric_values *const pair[2], int64_t *number)
{
	int64_t n = 0, images = g->base.rows.table.n[ITR_IMAGE];
	memset(number, 0xff, (size_t)images * sizeof *number);
	for (int d = 0; d < 2; d++)
		for (int64_t i = 0; i < pair[d]->n; i++)
			number[cluster_of(g, d, pair[d]->query[i])] = 0;
	for (int64_t c = 0; c < images; c++)
		if (number[c] == 0)
			number[c] = n++;
	return n;
}

/* Columns of the matrix of sums: first the number of queries of either direction, then per pair and direction the sums of the metrics. */
static void fill(const itr_grid *g, itr_metric_values *const *values, int n, const int64_t *number, double *sum, int64_t ld)
{
	int at = 2;
	for (int k = 0; k < 2 * n; k++) {
		const itr_metric_values *v = values[k];
		int next = at;
		for (int64_t i = 0; i < v->n; i++) {
			double *row = sum + number[cluster_of(g, k % 2, v->query[i])] * ld;
			row[k % 2] += k < 2;
			next = at;
			for (int j = 0; j < g->set.n; j++)
				if (has_interval(&g->set.m[j]))
					row[next++] += v->value[i * v->columns + j];
		}
		at = next;
	}
}

struct product {
	const itr_grid_weights *w;
	const double *sum;
	double *out;                    /* [resamples][columns] */
	int64_t columns;                /* two counts, then the cells', then nothing */
	double **weight;                /* a worker's block */
};

static void multiply(void *ctx, int64_t block, int worker)
{
	const struct product *p = ctx;
	int64_t first = block * ROWS, rows = ITR_MIN(p->w->resamples - first, (int64_t)ROWS), n = p->w->clusters;
	const uint16_t *count = p->w->count + first * n;
	itr_counts_to_doubles(count, rows * n, p->weight[worker]);
	itr_weighted_sums(p->weight[worker], (rows + ITR_WEIGHTED_SUM_ROWS - 1) / ITR_WEIGHTED_SUM_ROWS * ITR_WEIGHTED_SUM_ROWS, n, p->sum,
	                  p->columns, p->out + first * p->columns);
}

/* The k-th smallest (from 0) of n values, as std::nth_element: smaller values are moved before it. */
static double kth(double *x, int64_t n, int64_t k)
{
	int64_t lo = 0, hi = n - 1;
	while (lo < hi) {
		double pivot = x[lo + (hi - lo) / 2];
		int64_t i = lo, j = hi;
		while (i <= j) {
			while (x[i] < pivot)
				i++;
			while (pivot < x[j])
				j--;
			if (i <= j) {
				double t = x[i];
				x[i++] = x[j];
				x[j--] = t;
			}
		}
		if (k <= j)
			hi = j;
		else if (k >= i)
			lo = i;
		else
			break;
	}
	return x[k];
}

/* np.percentile(x, 100 * share), linear between order statistics as NumPy's lerp does it. */
static double percentile(double *x, int64_t n, double share)
{
	double at = share * (double)(n - 1), part = at - floor(at);
	int64_t i = (int64_t)floor(at);
	double low = kth(x, n, i);
	if (i + 1 >= n)
		return low;
	double high = x[i + 1];
	for (int64_t k = i + 2; k < n; k++)
		high = x[k] < high ? x[k] : high;
	return part >= 0.5 ? high - (high - low) * (1 - part) : low + (high - low) * part;
}

struct edges {
	const itr_grid *g;
	const double *out;
	int64_t columns;
	int per_side, metric[ITR_METRIC_MAX];
	itr_interval *interval;
};

static void edge(void *ctx, int64_t i, int worker)
{
	const struct edges *e = ctx;
	int64_t side = i / e->per_side, j = i % e->per_side, n = e->g->weights.resamples;
	double *x = itr_xmalloc((size_t)n * sizeof *x);
	bool empty = false;
	(void)worker;
	for (int64_t b = 0; b < n; b++) {
		double count = e->out[b * e->columns + side % 2];
		empty |= count == 0;
		x[b] = e->out[b * e->columns + 2 + i] / count;
	}
	if (!empty)
		e->interval[side * ITR_METRIC_MAX + e->metric[j]] = (itr_interval){ percentile(x, n, 0.025), percentile(x, n, 0.975) };
	free(x);
}

/* Pairs that rank the same queries (normally all) share one product. */
static void intervals_of(itr_grid *g, itr_metric_values *const *values, int n, const int64_t *number, int64_t clusters, itr_interval *out)
{
	struct edges e = { .g = g, .interval = out };
	int workers = itr_threads_resolve(g->o.threads);
	for (int j = 0; j < g->set.n; j++)
		if (has_interval(&g->set.m[j]))
			e.metric[e.per_side++] = j;
	int64_t columns =
		((int64_t)n * 2 * e.per_side + 2 + ITR_WEIGHTED_SUM_COLUMNS - 1) / ITR_WEIGHTED_SUM_COLUMNS * ITR_WEIGHTED_SUM_COLUMNS;
	struct product p = { &g->weights, NULL, NULL, columns, itr_xcalloc((size_t)workers, sizeof *p.weight) };
	double *sum = itr_aligned_calloc((size_t)(clusters * p.columns + 1) * sizeof *sum);
	itr_grid_resample(g, clusters);
	fill(g, values, n, number, sum, p.columns);
	p.sum = sum;
	p.out = itr_aligned_alloc((size_t)((g->o.resamples + ITR_WEIGHTED_SUM_ROWS) * p.columns) * sizeof *p.out);
	for (int i = 0; i < workers; i++)
		p.weight[i] = itr_aligned_calloc((size_t)(ROWS * clusters) * sizeof(double));
	itr_parallel_for(workers, (g->o.resamples + ROWS - 1) / ROWS, multiply, &p);
	e.out = p.out;
	e.columns = p.columns;
	itr_parallel_for(workers, (int64_t)n * 2 * e.per_side, edge, &e);
	for (int i = 0; i < workers; i++)
		itr_aligned_free(p.weight[i]);
	free(p.weight);
	itr_aligned_free(p.out);
	itr_aligned_free(sum);
}

static bool same_queries(itr_metric_values *const a[2], itr_metric_values *const b[2])
{
	for (int d = 0; d < 2; d++)
		if (a[d]->n != b[d]->n || memcmp(a[d]->query, b[d]->query, (size_t)a[d]->n * sizeof *a[d]->query))
			return false;
	return true;
}

void itr_grid_intervals(itr_grid *g, itr_metric_values *const *values, int n, itr_interval *out)
{
	int64_t *number = itr_xmalloc((size_t)(g->base.rows.table.n[ITR_IMAGE] + 1) * sizeof *number);
	for (int64_t i = 0; i < (int64_t)n * 2 * ITR_METRIC_MAX; i++)
		out[i] = (itr_interval){ NAN, NAN };
	for (int i = 0, next; i < n && g->o.resamples > 0; i = next) {
		int64_t clusters = number_images(g, values + 2 * i, number);
		for (next = i + 1; next < n && same_queries(values + 2 * i, values + 2 * next);)
			next++;
		intervals_of(g, values + 2 * i, next - i, number, clusters, out + (int64_t)i * 2 * ITR_METRIC_MAX);
	}
	free(number);
}
