/* One pass over a direction's scores serves every pool of a (dim, precision): the cells of a group share it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "experiment/grid_internal.h"

enum { BLOCK = 64 };

struct lane {                           /* a worker's scratch */
	itr_scorer *scorer, *fine;
	float *scores;                   /* [BLOCK][gallery] */
	float *pool, *again;             /* [gallery] */
	int64_t *row;
};

struct pass {
	const itr_grid *g;
	const itr_gallery *gallery;
	const float *queries;
	int direction, n_sizes;
	const bool *wanted;
	itr_ranks **ranks;
	struct lane *lanes;
};

struct place { float coarse, fine; int64_t row, at; };

static int by_coarse(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	if (x->coarse != y->coarse)
		return x->coarse > y->coarse ? -1 : 1;
	return (x->row > y->row) - (x->row < y->row);
}

static int by_fine(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	if (x->fine != y->fine)
		return x->fine > y->fine ? -1 : 1;
	return by_coarse(a, b);
}

/* Scores of the pool become places, as whole numbers: the N best by float32's order, the rest behind them by their own; equal scores stay equal within each part. */
static void rescore(const struct pass *p, struct lane *l, int64_t query, const int32_t *candidate, int64_t n)
{
	int64_t m = ITR_MIN(n, p->g->o.rescore);
	struct place *s = itr_xmalloc((size_t)n * sizeof *s);
	for (int64_t i = 0; i < n; i++)
		s[i] = (struct place){ l->pool[i], 0, candidate ? candidate[i] : i, i };
	qsort(s, (size_t)n, sizeof *s, by_coarse);
	for (int64_t i = 0; i < m; i++)
		l->row[i] = s[i].row;
	itr_scorer_rows(l->fine, p->queries + query * itr_gallery_dim(p->gallery), l->row, m, l->again);
	for (int64_t i = 0; i < m; i++)
		s[i].fine = l->again[i];
	qsort(s, (size_t)m, sizeof *s, by_fine);
	float place = (float)n;
	for (int64_t i = 0; i < n; i++) {
		bool same = i > 0 && (i < m ? s[i].fine == s[i - 1].fine : i > m && s[i].coarse == s[i - 1].coarse);
		place -= same ? 0 : 1;
		l->pool[s[i].at] = place;
	}
	free(s);
}

static void rank_query(const struct pass *p, struct lane *l, const float *score, int64_t query)
{
	const itr_grid *g = p->g;
	for (int k = 0; k < g->o.seeds.n * p->n_sizes; k++) {
		const itr_drawn *d = itr_grid_pool(g, k / p->n_sizes, k % p->n_sizes, p->direction);
		const int32_t *candidate = d && d->row ? d->row + query * d->width : NULL;
		int64_t n = candidate ? d->n[query] : p->g->n_gallery[p->direction];
		if (!p->ranks[k])
			continue;
		if (n == 0 || itr_relevance_count(g->rel[p->direction], query) == 0) {
			itr_ranks_leave_out(p->ranks[k], query);
			continue;
		}
		const float *s = score;
		if (candidate)
			for (int64_t i = 0; i < n; i++)
				l->pool[i] = score[candidate[i]];
		else if (l->fine)
			memcpy(l->pool, score, (size_t)n * sizeof *score);
		if (l->fine)
			rescore(p, l, query, candidate, n);
		if (candidate || l->fine)
			s = l->pool;
		itr_ranks_query(p->ranks[k], g->rel[p->direction], query, s, candidate, n);
	}
}

static void rank_block(void *ctx, int64_t block, int worker)
{
	const struct pass *p = ctx;
	struct lane *l = &p->lanes[worker];
	int64_t at = block * BLOCK, n = ITR_MIN(p->g->n_queries[p->direction] - at, (int64_t)BLOCK), gallery = itr_gallery_rows(p->gallery);
	itr_scorer_block(l->scorer, p->queries + at * itr_gallery_dim(p->gallery), n, l->scores, gallery);
	for (int64_t i = 0; i < n; i++)
		rank_query(p, l, l->scores + i * gallery, at + i);
}

void itr_grid_rank(const itr_grid *g, const itr_gallery *gallery, const float *queries, int direction, const bool *wanted, itr_ranks **ranks, int threads)
{
	int workers = itr_threads_resolve(threads);
	int64_t n = itr_gallery_rows(gallery);
	struct pass p = { g, gallery, queries, direction, g->o.sizes.n + g->o.full, wanted, ranks, itr_xcalloc((size_t)workers, sizeof *p.lanes) };
	for (int k = 0; k < g->o.seeds.n * p.n_sizes; k++)
		ranks[k] = wanted[k % p.n_sizes] ? itr_ranks_new(g->rel[direction], g->o.ties == ITR_TIES_STABLE) : NULL;
	for (int i = 0; i < workers; i++) {
		struct lane *l = &p.lanes[i];
		l->scorer = itr_scorer_new_block(gallery, BLOCK);
		l->fine = g->o.rescore > 0 && itr_gallery_fine(gallery) ? itr_scorer_new(itr_gallery_fine(gallery)) : NULL;
		l->scores = itr_aligned_alloc((size_t)(BLOCK * n) * sizeof *l->scores);
		l->pool = itr_xmalloc((size_t)n * sizeof *l->pool);
		l->again = itr_xmalloc((size_t)n * sizeof *l->again);
		l->row = itr_xmalloc((size_t)n * sizeof *l->row);
	}
	itr_parallel_for(workers, (g->n_queries[direction] + BLOCK - 1) / BLOCK, rank_block, &p);
	for (int i = 0; i < workers; i++) {
		struct lane *l = &p.lanes[i];
		itr_scorer_free(l->scorer);
		itr_scorer_free(l->fine);
		itr_aligned_free(l->scores);
		free(l->pool);
		free(l->again);
		free(l->row);
	}
	free(p.lanes);
}
