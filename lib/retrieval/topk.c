#include "retrieval/topk.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "retrieval/queries.h"
#include "retrieval/select.h"
#include "retrieval/scorer.h"

enum {
	STREAM = 256,                   /* rows that one call of `few` or `rough` scores */
	TILE_FROM = 4,                  /* queries from which a panel beats one query at a time, for kernels whose lanes are rows */
	TILE_FROM_ROUGH = 8,
	TILE_FROM_INTEGER = 10,
	PIECE_BYTES = 4 << 20,
	PENDING = 32,                   /* rows of a query that wait for their exact scores */
	WARM_ROWS = 96,                 /* scored exactly at first, so that the filter has limits to work with */
	SETTLED = 4096,                 /* rows after which few enough pass for their share to decide on the filter */
	WINDOW = 1 << 18,               /* scores over which that share is taken */
	RESCORE_SHARED = 128,           /* hits of a single query from which sharing out their rescoring pays */
};

struct worker {
	itr_select *select;             /* one a query of the block */
	itr_hit *hits;
	float *limit;                   /* their limits, in the order of the panels' lanes */
	float *low;                     /* below it a rough score proves that the exact one is not above the limit */
	float *scores, *exact;
	int32_t *pos;
	int64_t *pending;               /* [query][PENDING] */
	int *n_pending;
	void *scratch;
	int64_t warm;                   /* rows seen */
	int64_t looked, passed;         /* of the present window: scores filtered, and those let through */
	bool filter_off;
};

struct search {
	const itr_gallery *g;
	const itr_queries *q;
	int64_t nq, keep;               /* of this block; hits to keep before rescoring */
	int64_t piece_rows, pieces;
	bool tiles;
	float bound[ITR_QUERY_BLOCK];   /* of rough scores; infinite: no filter for this query */
	bool rough;
	atomic_int_fast64_t next;
	struct worker *workers;
};

static void take(const struct search *s, struct worker *w, int64_t query, float score, int64_t row)
{
	if (!(score > w->limit[query]))
		return;
	itr_select_add(&w->select[query], score, row);
	w->limit[query] = w->select[query].limit;
	w->low[query] = w->limit[query] - s->bound[query];
}

static void exact_rows(const struct search *s, struct worker *w, int64_t query, const int64_t *rows, int64_t n)
{
	itr_kquery q = itr_queries_one(s->q, query);
	s->g->kernel->few(&s->g->rows, &q, 0, rows, n, w->exact);
	for (int64_t i = 0; i < n; i++)
		take(s, w, query, w->exact[i], rows[i]);
}

static void stream_query(const struct search *s, struct worker *w, int64_t query, int64_t row, int64_t n)
{
	const itr_gallery *g = s->g;
	itr_kquery q = itr_queries_one(s->q, query);
	if (s->rough) {
		int64_t rows[STREAM];
		g->kernel->rough(&g->rows, &q, row, n, w->scores);
		int64_t m = g->scan->above(w->scores, n, w->low[query], w->pos);
		for (int64_t j = 0; j < m; j++)
			rows[j] = row + w->pos[j];
		if (m)
			exact_rows(s, w, query, rows, m);
		return;
	}
	g->kernel->few(&g->rows, &q, row, NULL, n, w->scores);
	int64_t m = g->scan->above(w->scores, n, w->limit[query], w->pos);
	for (int64_t j = 0; j < m; j++)
		take(s, w, query, w->scores[w->pos[j]], row + w->pos[j]);
}

static void stream_rows(const struct search *s, struct worker *w, int64_t from, int64_t to)
{
	/* One query: long calls. Several: a chunk of rows that stays in the first-level cache while every query passes over it. */
	int64_t chunk =
		s->nq == 1 ? STREAM : ITR_MAX((int64_t)32, ITR_MIN((int64_t)STREAM, (int64_t)(24576 / s->g->rows.stride) / 32 * 32));
	for (int64_t row = from; row < to; row += chunk)
		for (int64_t i = 0; i < s->nq; i++)
			stream_query(s, w, i, row, ITR_MIN(chunk, to - row));
}

static void flush(const struct search *s, struct worker *w, int64_t query)
{
	if (w->n_pending[query])
		exact_rows(s, w, query, w->pending + query * PENDING, w->n_pending[query]);
	w->n_pending[query] = 0;
}

/* Rows that the filter lets through wait until there are enough of them to fill the exact kernel's lanes. */
static void use_rough_tile(const struct search *s, struct worker *w, int64_t p, int64_t row, int real, int nr)
{
	int64_t m = s->g->scan->above_tile(w->scores, real, nr, w->low + p * nr, w->pos);
	for (int64_t j = 0; j < m; j++) {
		int64_t query = p * nr + w->pos[j] % nr;
		w->pending[query * PENDING + w->n_pending[query]++] = row + w->pos[j] / nr;
		if (w->n_pending[query] ==
		    (w->warm < SETTLED ? PENDING / 4 : PENDING)) /* early limits rise quickly: do not wait long for them */
			flush(s, w, query);
	}
	w->looked += (int64_t)real * nr;
	w->passed += m;
}

static void use_exact_tile(const struct search *s, struct worker *w, int64_t p, int64_t row, int real, int nr)
{
	int64_t m = s->g->scan->above_tile(w->scores, real, nr, w->limit + p * nr, w->pos);
	for (int64_t j = 0; j < m; j++)
		take(s, w, p * nr + w->pos[j] % nr, w->scores[w->pos[j]], row + w->pos[j] / nr);
}

/* Where many rows lie so close together that the filter tells few of them apart, it costs more than it saves. What is found is the same
 * either way. */
static void decide_filter(const struct search *s, struct worker *w)
{
	if (w->looked < WINDOW)
		return;
	if (w->warm >= 2 * SETTLED && w->passed > w->looked / 64) {
		w->filter_off = true;
		for (int64_t q = 0; q < s->nq; q++)
			flush(s, w, q);
	}
	w->looked = w->passed = 0;
}

static void tile_rows(const struct search *s, struct worker *w, int64_t from, int64_t to)
{
	const itr_gallery *g = s->g;
	for (int64_t row = from; row < to;) {
		const bool rough = s->rough && w->warm >= WARM_ROWS && !w->filter_off;
		const itr_kernel *kernel = rough ? &g->rough->kernel : g->kernel;
		const int which = rough ? ITR_ROUGH : ITR_EXACT, real = (int)ITR_MIN((int64_t)kernel->mr, to - row);
		const uint8_t *next = g->rows.base + (size_t)(row + kernel->mr) * g->rows.stride;
		itr_krows seen;
		int64_t first = row;
		for (size_t b = 0; b < (size_t)kernel->mr * g->rows.stride; b += 64)
			__builtin_prefetch(next + b, 0, 2);
		const itr_krows *rows = itr_tile_rows(g, kernel, &first, w->scratch, &seen);
		for (int64_t p = 0; p < s->q->panels[which].n; p++) {
			itr_kpanel panel = itr_queries_panel(s->q, which, p);
			kernel->tile(rows, &panel, first, w->scores);
			if (rough)
				use_rough_tile(s, w, p, row, real, kernel->nr);
			else
				use_exact_tile(s, w, p, row, real, kernel->nr);
		}
		w->warm += real;
		row += real;
		decide_filter(s, w);
	}
	for (int64_t q = 0; s->rough && q < s->nq; q++)
		flush(s, w, q);
}

/* Each worker takes pieces in rising order, as itr_select wants its rows; which worker has which piece does not matter to the result. */
static void work(void *ctx, int64_t i, int worker)
{
	struct search *s = ctx;
	struct worker *w = &s->workers[i];
	(void)worker;
	for (;;) {
		int64_t piece = atomic_fetch_add(&s->next, 1);
		if (piece >= s->pieces)
			return;
		int64_t from = piece * s->piece_rows, to = ITR_MIN(s->g->n, from + s->piece_rows);
		if (s->tiles)
			tile_rows(s, w, from, to);
		else
			stream_rows(s, w, from, to);
	}
}

static struct worker *new_workers(const itr_gallery *g, int n, int64_t block, int64_t keep)
{
	struct worker *w = itr_xcalloc((size_t)n, sizeof *w);
	const int64_t cap = itr_select_cap(keep), lanes = block + ITR_TILE_NR_MAX,
		      buffer = ITR_MAX((int64_t)STREAM, (int64_t)ITR_TILE_MR_MAX * ITR_TILE_NR_MAX);
	for (int i = 0; i < n; i++) {
		w[i].select = itr_xcalloc((size_t)block, sizeof *w[i].select);
		w[i].hits = itr_xmalloc((size_t)(block * cap) * sizeof *w[i].hits);
		w[i].limit = itr_xmalloc((size_t)lanes * sizeof *w[i].limit);
		w[i].low = itr_xmalloc((size_t)lanes * sizeof *w[i].low);
		w[i].scores = itr_aligned_alloc((size_t)buffer * sizeof *w[i].scores);
		w[i].exact = itr_aligned_alloc(STREAM * sizeof *w[i].exact);
		w[i].pending = itr_xmalloc((size_t)block * PENDING * sizeof *w[i].pending);
		w[i].n_pending = itr_xcalloc((size_t)block, sizeof *w[i].n_pending);
		w[i].pos = itr_xmalloc((size_t)buffer * sizeof *w[i].pos);
		w[i].scratch = itr_aligned_alloc(itr_tile_scratch(g));
	}
	return w;
}

static void reset_worker(struct worker *w, int64_t nq, int64_t block, int64_t keep)
{
	for (int64_t q = 0; q < block + ITR_TILE_NR_MAX; q++)
		w->low[q] = w->limit[q] = q < nq ? -INFINITY : INFINITY;        /* lanes beyond the last query take nothing */
	w->warm = w->looked = w->passed = 0;
	w->filter_off = false;
	for (int64_t q = 0; q < nq; q++)
		itr_select_init(&w->select[q], keep, w->hits + q * itr_select_cap(keep));
}

static void free_workers(struct worker *w, int n)
{
	for (int i = 0; i < n; i++) {
		free(w[i].select);
		free(w[i].hits);
		free(w[i].limit);
		free(w[i].low);
		free(w[i].pending);
		free(w[i].n_pending);
		itr_aligned_free(w[i].scores);
		itr_aligned_free(w[i].exact);
		free(w[i].pos);
		itr_aligned_free(w[i].scratch);
	}
	free(w);
}

struct merge {
	const struct search *s;
	const float *queries;
	int n_workers;
	int64_t k, rescore;
	itr_hit *hits;
	itr_scorer **scorers;           /* one a worker, made on first use; NULL without rescoring */
};

struct rescore {
	const struct merge *m;
	const float *query;
	const int64_t *rows;
	float *scores;
	int64_t n, each;
};

static void rescore_piece(void *ctx, int64_t i, int worker)
{
	const struct rescore *r = ctx;
	itr_scorer **scorer = &r->m->scorers[worker];
	if (!*scorer)
		*scorer = itr_scorer_new(r->m->s->g->fine);
	itr_scorer_rows(*scorer, r->query, r->rows + i * r->each, ITR_MIN(r->each, r->n - i * r->each), r->scores + i * r->each);
}

/* The finer copy's scores of n hits. A single query's are shared out, since nobody else has work then. */
static void rescore(const struct merge *m, int64_t query, itr_hit *h, int64_t n, int worker)
{
	int64_t *rows = itr_xmalloc((size_t)n * sizeof *rows);
	float *scores = itr_xmalloc((size_t)n * sizeof *scores);
	struct rescore r = { m, m->queries + query * m->s->g->fine->dim, rows, scores, n, n };
	for (int64_t i = 0; i < n; i++)
		rows[i] = h[i].row;
	if (m->s->nq == 1 && n >= RESCORE_SHARED) {
		r.each = (n / (2 * m->n_workers) + 32) / 32 * 32;
		itr_parallel_for(m->n_workers, (n + r.each - 1) / r.each, rescore_piece, &r);
	} else {
		rescore_piece(&r, 0, worker);
	}
	for (int64_t i = 0; i < n; i++)
		h[i].score = scores[i];
	free(rows);
	free(scores);
}

/* The workers' lists of one query become its hits. */
static void merge_query(void *ctx, int64_t query, int worker)
{
	const struct merge *m = ctx;
	int64_t n = 0, keep = m->s->keep;
	itr_hit *all = itr_xmalloc((size_t)ITR_MAX(keep * m->n_workers, (int64_t)1) * sizeof *all);
	for (int i = 0; i < m->n_workers; i++) {
		itr_select *part = &m->s->workers[i].select[query];
		itr_select_trim(part);
		memcpy(all + n, part->hits, (size_t)part->n * sizeof *all);
		n += part->n;
	}
	if (m->rescore && n) {
		if (n > keep)
			itr_hits_cut(all, n, keep);
		n = ITR_MIN(n, keep);
		rescore(m, query, all, n, worker);
	}
	n = itr_hits_best(all, n, m->k);
	for (int64_t i = 0; i < m->k; i++)
		m->hits[query * m->k + i] = i < n ? all[i] : (itr_hit){ -1, -INFINITY };
	free(all);
}

/* Bounds of rough scores; a query so long that its bound is not finite switches the filter off for the block. */
static void plan_filter(struct search *s)
{
	const itr_gallery *g = s->g;
	s->rough = s->tiles ? g->rough != NULL : g->kernel->rough != NULL;
	for (int64_t i = 0; i < s->nq; i++) {
		s->bound[i] = s->rough ? itr_rough_bound(s->q, i, s->tiles) : 0;
		if (!(s->bound[i] < 1e30f))
			s->rough = false;
	}
}

static void search_block(struct search *s, const float *queries, itr_queries *q, int n_workers, const struct merge *how)
{
	const itr_gallery *g = s->g;
	struct merge m = *how;
	s->tiles = g->kernel->tile && s->nq >= (g->ops->quantised ? TILE_FROM_INTEGER : g->kernel->rough ? TILE_FROM_ROUGH : TILE_FROM);
	itr_queries_fill(q, queries, s->nq, (s->tiles ? 1 << ITR_EXACT | 1 << ITR_ROUGH : 0) | 1 << ITR_BOUNDS);
	s->q = q;
	s->next = 0;
	plan_filter(s);
	s->piece_rows = ITR_MAX((int64_t)1, (int64_t)(PIECE_BYTES / g->rows.stride) / STREAM) * STREAM;
	if (s->tiles)
		s->piece_rows = ITR_MAX((int64_t)1, ITR_MIN((int64_t)4096, s->piece_rows) / g->kernel->mr) * g->kernel->mr;
	s->pieces = (g->n + s->piece_rows - 1) / s->piece_rows;
	itr_parallel_for(n_workers, n_workers, work, s);
	m.queries = queries;
	itr_parallel_for(m.rescore ? n_workers : 1, s->nq, merge_query, &m);
}

const char *itr_topk_kernel(const itr_gallery *g) { return g->rough ? g->rough->name : g->kernel->name; }

bool itr_topk_is_fallback(const itr_gallery *g)
{
	return strcmp(itr_topk_kernel(g), g->ops->best_kernel) != 0 && strcmp(g->kernel->name, "neon") != 0;
}

int itr_topk_search(const itr_gallery *g, const float *queries, int64_t nq, int64_t k, itr_hit *hits, const itr_search_opts *opts,
                    itr_err *err)
{
	const itr_search_opts none = { 0 }, *o = opts ? opts : &none;
	if (k < 1)
		return itr_err_set(err, "top-k needs k of at least 1, not %lld", (long long)k);
	if (o->rescore > 0 && !g->fine)
		return itr_err_set(err, "the gallery was packed without a finer copy, so its best rows cannot be rescored");
	if (itr_queries_check(queries, nq, g->dim, err) < 0)
		return -1;
	int n_workers = itr_threads_resolve(o->threads);
	int64_t block = ITR_MIN(ITR_MAX(nq, (int64_t)1), (int64_t)ITR_QUERY_BLOCK);
	struct search s = { .g = g, .keep = ITR_MIN(ITR_MAX(k, o->rescore), g->n) };
	itr_queries *q = itr_queries_new(g, block);
	s.workers = new_workers(g, n_workers, block, s.keep);
	struct merge how = { .s = &s, .n_workers = n_workers, .k = k, .rescore = o->rescore };
	how.scorers = itr_xcalloc((size_t)n_workers, sizeof *how.scorers);
	for (int64_t at = 0; at < nq; at += block) {
		s.nq = ITR_MIN(block, nq - at);
		how.hits = hits + at * k;
		for (int i = 0; i < n_workers; i++)
			reset_worker(&s.workers[i], s.nq, block, s.keep);
		search_block(&s, queries + at * g->dim, q, n_workers, &how);
	}
	for (int i = 0; i < n_workers; i++)
		itr_scorer_free(how.scorers[i]);
	free(how.scorers);
	free_workers(s.workers, n_workers);
	itr_queries_free(q);
	return 0;
}
