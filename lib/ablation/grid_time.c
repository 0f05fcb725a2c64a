/* Latency of single queries: gather the candidates, score them, select the best K. One thread, after a warm-up. */
#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "ablation/grid_internal.h"
#include "retrieval/scorer.h"
#include "retrieval/topk.h"

enum { QUICK_QUERIES = 64, QUICK_PASSES = 3, FULL_PASSES = 5 };

const char *const itr_timing_names[] = { "quick", "full", "off", NULL };

struct job { int64_t query, n; int64_t *rows; };        /* rows NULL: the whole gallery */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static int by_number(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

/* The queries to time: all ranked queries, or a seeded sample of them. */
static int64_t choose(const itr_grid *g, int direction, const itr_drawn *d, struct job **jobs, int64_t *ranked)
{
	int64_t n = 0, *all = itr_xmalloc((size_t)(g->n_queries[direction] + 1) * sizeof *all);
	for (int64_t q = 0; q < g->n_queries[direction]; q++)
		if (itr_relevance_count(g->rel[direction], q) && (!d || !d->n || d->n[q]))
			all[n++] = q;
	*ranked = n;
	if (g->o.timing == ITR_TIMING_QUICK && n > QUICK_QUERIES) {
		int64_t pick[QUICK_QUERIES];
		itr_rng rng;
		itr_rng_init(&rng, (uint64_t[]){ g->o.seed, 2, (uint64_t)direction }, 3);
		itr_rng_choice(&rng, n, QUICK_QUERIES, pick);
		qsort(pick, QUICK_QUERIES, sizeof *pick, by_number);
		for (int i = 0; i < QUICK_QUERIES; i++)
			all[i] = all[pick[i]];
		n = QUICK_QUERIES;
	}
	*jobs = itr_xcalloc((size_t)n + 1, sizeof **jobs);
	int32_t *list = itr_xmalloc((size_t)(d ? d->width + 1 : 1) * sizeof *list);
	for (int64_t i = 0; i < n; i++) {
		struct job *j = &(*jobs)[i];
		*j = (struct job){ all[i], g->n_gallery[direction], NULL };
		const int32_t *row = itr_drawn_rows(g, d, direction, all[i], list);
		if (!row)
			continue;
		j->n = d->n[all[i]];
		j->rows = itr_xmalloc((size_t)j->n * sizeof *j->rows);
		for (int64_t k = 0; k < j->n; k++)
			j->rows[k] = row[k];
		qsort(j->rows, (size_t)j->n, sizeof *j->rows, by_number);
	}
	free(list);
	free(all);
	return n;
}

static double percentile(const double *sorted, int64_t n, double share)
{
	double at = share * (double)(n - 1);
	int64_t i = (int64_t)at;
	return i + 1 < n ? sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]) : sorted[n - 1];
}

itr_grid_latency itr_grid_time(const itr_grid *g, const itr_gallery *gallery, const float *queries, int direction, int size)
{
	int64_t k = g->o.recall_k.v[g->o.recall_k.n - 1], dim = itr_gallery_dim(gallery), ranked,
		passes = g->o.timing == ITR_TIMING_FULL ? FULL_PASSES : QUICK_PASSES;
	struct job *jobs;
	int64_t n = choose(g, direction, itr_grid_pool(g, 0, size, direction), &jobs, &ranked);
	itr_scorer *s = itr_scorer_new(gallery);
	itr_hit *hits = itr_xmalloc((size_t)k * sizeof *hits);
	double *each = itr_xmalloc((size_t)(n * passes + 1) * sizeof *each), total[FULL_PASSES] = { 0 };
	itr_grid_latency lap = { NAN, NAN, NAN, NAN };
	for (int64_t i = 0; i < ITR_MIN(n, (int64_t)8); i++)
		itr_scorer_top(s, queries + jobs[i].query * dim, jobs[i].rows, jobs[i].n, k, g->o.rescore, hits);
	for (int64_t pass = 0; pass < passes; pass++)
		for (int64_t i = 0; i < n; i++) {
			double t = itr_clock_now();
			itr_scorer_top(s, queries + jobs[i].query * dim, jobs[i].rows, jobs[i].n, k, g->o.rescore, hits);
			each[pass * n + i] = itr_clock_now() - t;
			total[pass] += each[pass * n + i];
		}
	if (n) {
		qsort(total, (size_t)passes, sizeof *total, by_value);
		qsort(each, (size_t)(n * passes), sizeof *each, by_value);
		lap = (itr_grid_latency){ total[passes / 2] * (double)ranked / (double)n, percentile(each, n * passes, 0.50),
			         percentile(each, n * passes, 0.95), percentile(each, n * passes, 0.99) };
	}
	for (int64_t i = 0; i < n; i++)
		free(jobs[i].rows);
	free(jobs);
	free(hits);
	free(each);
	itr_scorer_free(s);
	return lap;
}
