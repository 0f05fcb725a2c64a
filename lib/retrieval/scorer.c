/* One thread's way to a gallery's scores: chosen rows, blocks of queries, the best among candidates. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "retrieval/queries.h"
#include "retrieval/scorer.h"
#include "retrieval/select.h"

struct itr_scorer {
	const itr_gallery *g;
	itr_queries *q;
	float *tile;
	void *scratch;
	float *scores;                  /* of itr_scorer_top */
	int64_t *rows;
	itr_hit *hits;
	int64_t cap, cap_hits;
	itr_scorer *fine;
};

itr_scorer *itr_scorer_new_block(const itr_gallery *g, int64_t block)
{
	itr_scorer *s = itr_xcalloc(1, sizeof *s);
	s->g = g;
	s->q = itr_queries_new(g, block);
	if (block > 1 && g->kernel->tile) {
		s->tile = itr_aligned_alloc(ITR_TILE_MR_MAX * ITR_TILE_NR_MAX * sizeof(float));
		s->scratch = itr_aligned_alloc(itr_tile_scratch(g));
	}
	return s;
}

itr_scorer *itr_scorer_new(const itr_gallery *g) { return itr_scorer_new_block(g, 1); }

void itr_scorer_free(itr_scorer *s)
{
	if (!s)
		return;
	itr_queries_free(s->q);
	itr_aligned_free(s->tile);
	itr_aligned_free(s->scratch);
	itr_scorer_free(s->fine);
	free(s->scores);
	free(s->rows);
	free(s->hits);
	free(s);
}

void itr_scorer_rows(itr_scorer *s, const float *query, const int64_t *rows, int64_t n, float *out)
{
	itr_queries_fill(s->q, query, 1, 0);
	itr_kquery q = itr_queries_one(s->q, 0);
	s->g->kernel->few(&s->g->rows, &q, 0, rows, n, out);
}

static void tile_out(const float *tile, int nr, int real, int64_t queries, float *out, int64_t ld)
{
	for (int64_t j = 0; j < queries; j++)
		for (int r = 0; r < real; r++)
			out[j * ld + r] = tile[r * nr + j];
}

void itr_scorer_block(itr_scorer *s, const float *queries, int64_t nq, float *out, int64_t ld)
{
	const itr_gallery *g = s->g;
	const itr_kernel *kernel = g->kernel;
	itr_queries_fill(s->q, queries, nq, 1 << ITR_EXACT);
	const int64_t panels = s->q->panels[ITR_EXACT].n;
	for (int64_t i = 0; i < nq && !panels; i++) {
		itr_kquery q = itr_queries_one(s->q, i);
		kernel->few(&g->rows, &q, 0, NULL, g->n, out + i * ld);
	}
	for (int64_t row = 0; row < g->n && panels; row += kernel->mr) {
		itr_krows seen;
		int64_t first = row;
		const itr_krows *rows = itr_tile_rows(g, kernel, &first, s->scratch, &seen);
		for (int64_t p = 0; p < panels; p++) {
			itr_kpanel panel = itr_queries_panel(s->q, ITR_EXACT, p);
			kernel->tile(rows, &panel, first, s->tile);
			tile_out(s->tile, kernel->nr, (int)ITR_MIN((int64_t)kernel->mr, g->n - row),
			         ITR_MIN((int64_t)kernel->nr, nq - p * kernel->nr), out + p * kernel->nr * ld + row, ld);
		}
	}
}

static void rescore(itr_scorer *s, const float *query, itr_hit *h, int64_t n)
{
	if (!s->fine)
		s->fine = itr_scorer_new(s->g->fine);
	for (int64_t i = 0; i < n; i++)
		s->rows[i] = h[i].row;
	itr_scorer_rows(s->fine, query, s->rows, n, s->scores);
	for (int64_t i = 0; i < n; i++)
		h[i].score = s->scores[i];
}

int64_t itr_scorer_top(itr_scorer *s, const float *query, const int64_t *rows, int64_t n, int64_t k, int64_t rescore_n, itr_hit *hits)
{
	int64_t keep = ITR_MIN(n, ITR_MAX(k, s->g->fine ? rescore_n : 0));
	itr_select best;
	if (n > s->cap) {
		s->scores = itr_xrealloc(s->scores, (size_t)n * sizeof *s->scores);
		s->rows = itr_xrealloc(s->rows, (size_t)n * sizeof *s->rows);
		s->cap = n;
	}
	if (itr_select_cap(keep) > s->cap_hits) {
		s->cap_hits = itr_select_cap(keep);
		s->hits = itr_xrealloc(s->hits, (size_t)s->cap_hits * sizeof *s->hits);
	}
	itr_scorer_rows(s, query, rows, n, s->scores);
	itr_select_init(&best, keep, s->hits);
	for (int64_t i = 0; i < n; i++)
		if (s->scores[i] > best.limit)
			itr_select_add(&best, s->scores[i], rows ? rows[i] : i);
	itr_select_trim(&best);
	if (rescore_n > 0 && s->g->fine)
		rescore(s, query, best.hits, best.n);
	int64_t found = itr_hits_best(best.hits, best.n, k);
	memcpy(hits, best.hits, (size_t)found * sizeof *hits);
	return found;
}
