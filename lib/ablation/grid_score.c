/* The scores of a direction are computed once for all pools of a (dim, precision), that is for all cells of a group. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "ablation/grid_internal.h"
#include "retrieval/rank.h"
#include "retrieval/scorer.h"
#include "retrieval/select.h"

enum { BLOCK = 64 };

struct lane {                           /* a worker's scratch */
	itr_scorer *scorer, *fine;
	float *scores;                   /* [BLOCK][gallery] */
	float *pool, *again;             /* [gallery] */
	int64_t *row;
	int32_t *candidate;              /* [gallery] */
	void *scratch;                   /* of itr_rank_scores */
	itr_candidates *among;           /* [seeds * sizes] */
	itr_hit *hit;
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

/* The m best candidates of the pool by its scores, best first, as row << 32 | position; equal scores are sorted by row. */
static void best_of(struct lane *l, const int32_t *candidate, int64_t n, int64_t m)
{
	itr_select s;
	if (candidate) {
		for (int64_t i = 0; i < n; i++)
			l->hit[i] = (itr_hit){ (int64_t)candidate[i] << 32 | i, l->pool[i] };
		itr_hits_cut(l->hit, n, m);
		itr_hits_sort(l->hit, m);
		return;
	}
	itr_select_init(&s, m, l->hit);
	for (int64_t i = 0; i < n; i++)
		if (l->pool[i] > s.limit)
			itr_select_add(&s, l->pool[i], i << 32 | i);
	itr_select_finish(&s);
}

/* Sorts the N best by their float32 scores, above all other candidates: their scores are replaced by multiples of a number larger than all
 * others. Equal float32 scores stay equal. */
static void rescore(const struct pass *p, struct lane *l, int64_t query, const int32_t *candidate, int64_t n)
{
	int64_t m = ITR_MIN(n, p->g->o.rescore), dense = m;
	float beyond = 1;
	best_of(l, candidate, n, m);
	for (int64_t i = 0; i < n; i++)
		beyond = fabsf(l->pool[i]) > beyond ? fabsf(l->pool[i]) : beyond;
	for (int64_t i = 0; i < m; i++)
		l->row[i] = l->hit[i].row >> 32;
	itr_scorer_rows(l->fine, p->queries + query * itr_gallery_dim(p->gallery), l->row, m, l->again);
	for (int64_t i = 0; i < m; i++)
		l->hit[i].score = l->again[i];
	itr_hits_sort(l->hit, m);
	for (int64_t i = 0; i < m; i++) {
		dense -= i > 0 && l->hit[i].score < l->hit[i - 1].score;
		l->pool[l->hit[i].row & INT32_MAX] = 2 * beyond * (float)(dense + 1);
	}
}

/* Pool k of a query; n 0: the query is not ranked in it. */
static itr_candidates candidates_of(const struct pass *p, int k, int64_t query)
{
	const itr_drawn *d = itr_grid_pool(p->g, k / p->n_sizes, k % p->n_sizes, p->direction);
	if (!d || !d->n)
		return (itr_candidates){ .n = p->g->n_gallery[p->direction] };
	return (itr_candidates){ d->bits ? d->bits + query * d->words : NULL, d->row ? d->row + query * d->width : NULL, d->n[query] };
}

/* Scores of pool k into l->again, the best ones computed again in float32 (rescore). Returns the pool as a list. */
static itr_candidates rescored(const struct pass *p, struct lane *l, int k, int64_t query, itr_candidates c, const float *score)
{
	const itr_drawn *d = itr_grid_pool(p->g, k / p->n_sizes, k % p->n_sizes, p->direction);
	const int32_t *candidate = itr_drawn_rows(p->g, d, p->direction, query, l->candidate);
	for (int64_t i = 0; i < c.n; i++)
		l->pool[i] = score[candidate ? candidate[i] : i];
	rescore(p, l, query, candidate, c.n);
	for (int64_t i = 0; i < c.n; i++)
		l->again[candidate ? candidate[i] : i] = l->pool[i];
	return (itr_candidates){ .row = candidate, .n = c.n };
}

static void rank_query(const struct pass *p, struct lane *l, const float *score, int64_t query)
{
	const int pools = p->g->o.seeds.n * p->n_sizes;
	const itr_relevance *rel = p->g->rel[p->direction];
	for (int k = 0; k < pools; k++) {
		l->among[k] = candidates_of(p, k, query);
		if (!l->fine || !p->ranks[k])
			continue;
		if (l->among[k].n && itr_relevance_count(rel, query))
			l->among[k] = rescored(p, l, k, query, l->among[k], score);
		itr_rank_scores(&p->ranks[k], &l->among[k], 1, rel, NULL, query, l->again, l->scratch);
	}
	if (!l->fine)
		itr_rank_scores(p->ranks, l->among, pools, rel, NULL, query, score, l->scratch);
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

void itr_grid_rank(const itr_grid *g, const itr_gallery *gallery, const float *queries, int direction, const bool *wanted,
                   itr_ranks **ranks, int threads)
{
	int workers = itr_threads_resolve(threads);
	int64_t n = itr_gallery_rows(gallery);
	struct pass p = {
		g, gallery, queries, direction, g->o.sizes.n + g->o.full, wanted, ranks, itr_xcalloc((size_t)workers, sizeof *p.lanes)
	};
	for (int k = 0; k < g->o.seeds.n * p.n_sizes; k++)
		ranks[k] = wanted[k % p.n_sizes] ? itr_ranks_new(g->rel[direction], g->o.ties == ITR_TIES_STABLE) : NULL;
	size_t pools = (size_t)g->o.seeds.n * (size_t)p.n_sizes;
	for (int i = 0; i < workers; i++) {
		struct lane *l = &p.lanes[i];
		l->candidate = itr_xmalloc((size_t)n * sizeof *l->candidate);
		l->scratch = itr_xmalloc(itr_rank_scratch(n));
		l->among = itr_xmalloc(pools * sizeof *l->among);
		l->scorer = itr_scorer_new_block(gallery, BLOCK);
		l->fine = g->o.rescore > 0 && itr_gallery_fine(gallery) ? itr_scorer_new(itr_gallery_fine(gallery)) : NULL;
		l->scores = itr_aligned_alloc((size_t)(BLOCK * n) * sizeof *l->scores);
		l->pool = itr_xmalloc((size_t)n * sizeof *l->pool);
		l->again = itr_xmalloc((size_t)n * sizeof *l->again);
		l->row = itr_xmalloc((size_t)n * sizeof *l->row);
		l->hit = itr_xmalloc((size_t)ITR_MAX(n, itr_select_cap(ITR_MIN(n, g->o.rescore))) * sizeof *l->hit);
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
		free(l->candidate);
		free(l->scratch);
		free(l->among);
		free(l->hit);
	}
	free(p.lanes);
}
