/* A packed gallery as a source of scores, tile by tile in its precision; and whole matrices of them. */
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "retrieval/queries.h"
#include "retrieval/score_source.h"
#include "retrieval/scorer.h"

enum { BLOCK = 128, LANES = 16, STREAM = 256 };

struct codes {
	itr_score_source base;
	const itr_gallery *g;
	const float *queries;
};

struct pass {
	const struct codes *c;
	/* queries of a piece; with tiles a whole multiple of LANES, so that groups of lanes are one worker's */
	int64_t block;
	itr_queries **prepared;         /* one a worker */
	float **scores;
	void **scratch;
	itr_use_tile *use;
	void *ctx;
};

/* Gallery rows are the lines, queries the lanes. */
static void pass_tiles(const struct pass *p, const itr_queries *q, int64_t at, int64_t n, int worker)
{
	const itr_gallery *g = p->c->g;
	const int mr = g->kernel->mr, nr = g->kernel->nr;
	for (int64_t row = 0; row < g->n; row += mr) {
		itr_krows seen;
		int64_t first = row;
		const itr_krows *rows = itr_tile_rows(g, g->kernel, &first, p->scratch[worker], &seen);
		for (int64_t i = 0; i < q->panels[ITR_EXACT].n; i++) {
			itr_kpanel panel = itr_queries_panel(q, ITR_EXACT, i);
			g->kernel->tile(rows, &panel, first, p->scores[worker]);
			p->use(p->ctx, worker,
			       &(itr_score_tile){ row, ITR_MIN((int64_t)mr, g->n - row), at + i * nr, ITR_MIN((int64_t)nr, n - i * nr),
			                          p->scores[worker], nr });
		}
	}
}

static void pass_piece(void *ctx, int64_t piece, int worker)
{
	const struct pass *p = ctx;
	const itr_gallery *g = p->c->g;
	int64_t at = piece * p->block, n = ITR_MIN(p->block, p->c->base.n[0] - at);
	itr_queries *q = p->prepared[worker];
	itr_queries_fill(q, p->c->queries + at * g->dim, n, 1 << ITR_EXACT);
	if (g->kernel->tile) {
		pass_tiles(p, q, at, n, worker);
		return;
	}
	for (int64_t row = 0; row < g->n; row += STREAM)
		for (int64_t i = 0; i < n; i++) {
			itr_kquery one = itr_queries_one(q, i);
			int64_t m = ITR_MIN((int64_t)STREAM, g->n - row);
			g->kernel->few(&g->rows, &one, row, NULL, m, p->scores[worker]);
			p->use(p->ctx, worker, &(itr_score_tile){ at + i, 1, row, m, p->scores[worker], STREAM });
		}
}

static int codes_tiles(itr_score_source *s, int line_side, int threads, itr_use_tile *use, void *ctx, itr_err *err)
{
	const struct codes *c = (const struct codes *)s;
	const int workers = itr_threads_resolve(threads);
	struct pass p = { .c = c, .use = use, .ctx = ctx };
	(void)line_side;
	(void)err;
	p.block = ITR_MAX((int64_t)1, ITR_MIN((int64_t)BLOCK, (s->n[0] + workers - 1) / workers));
	if (c->g->kernel->tile)
		p.block = (p.block + LANES - 1) / LANES * LANES;
	p.prepared = itr_xcalloc((size_t)workers, sizeof *p.prepared);
	p.scores = itr_xcalloc((size_t)workers, sizeof *p.scores);
	p.scratch = itr_xcalloc((size_t)workers, sizeof *p.scratch);
	for (int i = 0; i < workers; i++) {
		p.prepared[i] = itr_queries_new(c->g, ITR_MAX(p.block, (int64_t)2));
		p.scores[i] = itr_aligned_calloc(ITR_TILE_MR_MAX * ITR_TILE_NR_MAX * sizeof(float));
		p.scratch[i] = itr_aligned_alloc(itr_tile_scratch(c->g));
	}
	itr_parallel_for(workers, (s->n[0] + p.block - 1) / p.block, pass_piece, &p);
	for (int i = 0; i < workers; i++) {
		itr_queries_free(p.prepared[i]);
		itr_aligned_free(p.scores[i]);
		itr_aligned_free(p.scratch[i]);
	}
	free(p.prepared);
	free(p.scores);
	free(p.scratch);
	return 0;
}

struct pairs { const struct codes *c; const itr_score_list *list; itr_scorer **scorers; };

static void score_query(void *ctx, int64_t q, int worker)
{
	const struct pairs *p = ctx;
	const itr_score_list *l = p->list;
	const int64_t first = l->offset[q], n = l->offset[q + 1] - first;
	if (!p->scorers[worker])
		p->scorers[worker] = itr_scorer_new(p->c->g);
	if (n)
		itr_scorer_rows(p->scorers[worker], p->c->queries + q * p->c->g->dim, l->row + first, n, l->score + first);
}

static int codes_pairs(itr_score_source *s, const itr_score_list *list, int n, int threads, itr_err *err)
{
	const struct codes *c = (const struct codes *)s;
	const int workers = itr_threads_resolve(threads);
	if (itr_queries_check(c->queries, s->n[0], c->g->dim, err) < 0)
		return -1;
	itr_scorer **scorers = itr_xcalloc((size_t)workers, sizeof *scorers);
	for (int i = 0; i < n; i++) {
		if (list[i].side)
			ITR_BUG("a packed gallery ranks queries, not its rows");
		itr_parallel_for(workers, list[i].n, score_query, &(struct pairs){ c, &list[i], scorers });
	}
	for (int i = 0; i < workers; i++)
		itr_scorer_free(scorers[i]);
	free(scorers);
	return 0;
}

static void codes_free(itr_score_source *s) { free(s); }

itr_score_source *itr_score_codes(const itr_gallery *g, const float *queries, int64_t nq)
{
	struct codes *c = itr_xcalloc(1, sizeof *c);
	const bool tiles = g->kernel->tile;
	*c = (struct codes){ .g = g, .queries = queries };
	c->base = (itr_score_source){
		.n = { nq, g->n }, .line_side = tiles, .lines_owned = !tiles, .pairs = codes_pairs, .tiles = codes_tiles, .free = codes_free
	};
	return &c->base;
}

/* --- whole matrices ------------------------------------------------------------------------------------------------------------------- */

struct matrix { float *out; int64_t ld; bool queries_are_lines; };

static void store(void *ctx, int worker, const itr_score_tile *t)
{
	const struct matrix *m = ctx;
	(void)worker;
	for (int64_t l = 0; l < t->lines && m->queries_are_lines; l++)
		memcpy(m->out + (t->line + l) * m->ld + t->lane, t->s + l * t->ld, (size_t)t->lanes * sizeof(float));
	for (int64_t k = 0; k < t->lanes && !m->queries_are_lines; k++) {
		float *out = m->out + (t->lane + k) * m->ld + t->line;
		for (int64_t l = 0; l < t->lines; l++)
			out[l] = t->s[l * t->ld + k];
	}
}

int itr_gallery_scores(const itr_gallery *g, const float *queries, int64_t nq, float *out, int64_t ld, int threads, itr_err *err)
{
	if (itr_queries_check(queries, nq, g->dim, err) < 0)
		return -1;
	if (nq < 1)
		return 0;
	itr_score_source *s = itr_score_codes(g, queries, nq);
	int rc = s->tiles(s, s->line_side, threads, store, &(struct matrix){ out, ld, s->line_side == 0 }, err);
	itr_score_source_free(s);
	return rc;
}
