/* Whole matrices of scores, and ranks of positives. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "retrieval/packed.h"

/* --- blocks of queries against all rows, tile by tile: what a tile's scores are used for is `use`. ------------------------------------ */

typedef void (*use_fn)(void *ctx, int64_t query, int queries, int64_t row, int rows, const float *s, int row_step);

struct pass {
	const itr_gallery *g;
	const float *queries;
	int64_t nq, block;
	itr_queries **prepared;         /* one a worker */
	float **scores;
	void **scratch;
	use_fn use;
	void *ctx;
};

static void pass_tiles(const struct pass *p, const itr_queries *q, int64_t at, int64_t n, int worker)
{
	const itr_gallery *g = p->g;
	const int mr = g->kernel->mr, nr = g->kernel->nr;
	for (int64_t row = 0; row < g->n; row += mr) {
		itr_krows seen;
		int64_t first = row;
		const itr_krows *rows = itr_tile_rows(g, g->kernel, &first, p->scratch[worker], &seen);
		for (int64_t i = 0; i < q->panels[ITR_EXACT].n; i++) {
			itr_kpanel panel = itr_queries_panel(q, ITR_EXACT, i);
			g->kernel->tile(rows, &panel, first, p->scores[worker]);
			p->use(p->ctx, at + i * nr, (int)ITR_MIN((int64_t)nr, n - i * nr), row, (int)ITR_MIN((int64_t)mr, g->n - row),
			       p->scores[worker], nr);
		}
	}
}

enum { STREAM = 256 };

static void pass_block(void *ctx, int64_t piece, int worker)
{
	const struct pass *p = ctx;
	const itr_gallery *g = p->g;
	int64_t at = piece * p->block, n = ITR_MIN(p->block, p->nq - at);
	itr_queries *q = p->prepared[worker];
	itr_queries_fill(q, p->queries + at * g->dim, n, 1 << ITR_EXACT);
	if (g->kernel->tile) {
		pass_tiles(p, q, at, n, worker);
		return;
	}
	for (int64_t row = 0; row < g->n; row += STREAM)
		for (int64_t i = 0; i < n; i++) {
			itr_kquery one = itr_queries_one(q, i);
			int m = (int)ITR_MIN((int64_t)STREAM, g->n - row);
			g->kernel->few(&g->rows, &one, row, NULL, m, p->scores[worker]);
			p->use(p->ctx, at + i, 1, row, m, p->scores[worker], 1);
		}
}

static void run_pass(struct pass *p, int threads)
{
	int workers = itr_threads_resolve(threads);
	p->block = ITR_MAX((int64_t)1, ITR_MIN((int64_t)128, (p->nq + workers - 1) / workers));
	p->prepared = itr_xcalloc((size_t)workers, sizeof *p->prepared);
	p->scores = itr_xcalloc((size_t)workers, sizeof *p->scores);
	p->scratch = itr_xcalloc((size_t)workers, sizeof *p->scratch);
	for (int i = 0; i < workers; i++) {
		p->prepared[i] = itr_queries_new(p->g, ITR_MAX(p->block, (int64_t)2));
		p->scores[i] = itr_aligned_alloc(ITR_TILE_MR_MAX * ITR_TILE_NR_MAX * sizeof(float));
		p->scratch[i] = itr_aligned_alloc(itr_tile_scratch(p->g));
	}
	itr_parallel_for(workers, (p->nq + p->block - 1) / p->block, pass_block, p);
	for (int i = 0; i < workers; i++) {
		itr_queries_free(p->prepared[i]);
		itr_aligned_free(p->scores[i]);
		itr_aligned_free(p->scratch[i]);
	}
	free(p->prepared);
	free(p->scores);
	free(p->scratch);
}

struct matrix {
	float *out;
	int64_t ld;
};

static void store(void *ctx, int64_t query, int queries, int64_t row, int rows, const float *s, int row_step)
{
	const struct matrix *m = ctx;
	for (int j = 0; j < queries; j++) {
		float *out = m->out + (query + j) * m->ld + row;
		for (int r = 0; r < rows; r++)
			out[r] = s[r * row_step + j];
	}
}

int itr_gallery_scores(const itr_gallery *g, const float *queries, int64_t nq, float *out, int64_t ld, int threads, itr_err *err)
{
	if (itr_queries_check(queries, nq, g->dim, err) < 0)
		return -1;
	struct matrix m = { out, ld };
	struct pass p = { .g = g, .queries = queries, .nq = nq, .use = store, .ctx = &m };
	if (nq > 0)
		run_pass(&p, threads);
	return 0;
}

struct rank {
	const itr_scan *scan;
	const int64_t *offset;
	const float *score;             /* of every positive */
	int32_t *more, *equal;
};

static void count_one(const float *s, int n, float x, int32_t *more, int32_t *equal)
{
	int32_t a = 0, b = 0;
	for (int i = 0; i < n; i++) {
		a += s[i] > x;
		b += s[i] == x;
	}
	*more += a;
	*equal += b;
}

/* Positive number `slot` of each query of the panel is looked at in one go; queries with fewer compare with NaN, which counts nothing. */
static void count(void *ctx, int64_t query, int queries, int64_t row, int rows, const float *s, int row_step)
{
	const struct rank *k = ctx;
	float x[ITR_TILE_NR_MAX];
	int32_t more[ITR_TILE_NR_MAX], equal[ITR_TILE_NR_MAX];
	int64_t slots = 0;
	(void)row;
	if (row_step == 1) {
		for (int64_t i = k->offset[query]; i < k->offset[query + 1]; i++)
			count_one(s, rows, k->score[i], &k->more[i], &k->equal[i]);
		return;
	}
	for (int j = 0; j < queries; j++)
		slots = ITR_MAX(slots, k->offset[query + j + 1] - k->offset[query + j]);
	for (int64_t slot = 0; slot < slots; slot++) {
		for (int j = 0; j < row_step; j++) {
			int64_t i = j < queries ? k->offset[query + j] + slot : 0;
			x[j] = j < queries && i < k->offset[query + j + 1] ? k->score[i] : NAN;
		}
		memset(more, 0, sizeof more);
		memset(equal, 0, sizeof equal);
		k->scan->count_tile(s, rows, row_step, x, more, equal);
		for (int j = 0; j < queries; j++) {
			int64_t i = k->offset[query + j] + slot;
			if (i < k->offset[query + j + 1]) {
				k->more[i] += more[j];
				k->equal[i] += equal[j];
			}
		}
	}
}

struct positives {
	const itr_gallery *g;
	const float *queries;
	const int64_t *offset, *rows;
	float *score;
	itr_scorer **scorers;
};

static void score_positives(void *ctx, int64_t q, int worker)
{
	const struct positives *p = ctx;
	int64_t n = p->offset[q + 1] - p->offset[q];
	if (!p->scorers[worker])
		p->scorers[worker] = itr_scorer_new(p->g);
	if (n)
		itr_scorer_rows(p->scorers[worker], p->queries + q * p->g->dim, p->rows + p->offset[q], n, p->score + p->offset[q]);
}

static int check_positives(const itr_gallery *g, int64_t nq, const int64_t *offset, const int64_t *rows, itr_err *err)
{
	for (int64_t q = 0; q < nq; q++)
		for (int64_t i = offset[q]; i < offset[q + 1]; i++)
			if (rows[i] < 0 || rows[i] >= g->n)
				return itr_err_set(err, "query row %lld names gallery row %lld as its answer, but there are %lld rows",
				                   (long long)q, (long long)rows[i], (long long)g->n);
	return 0;
}

int itr_gallery_rank(const itr_gallery *g, const float *queries, int64_t nq, const int64_t *offset, const int64_t *rows,
                     int32_t *more, int32_t *equal, float *score, int threads, itr_err *err)
{
	if (nq < 1)
		return 0;
	if (itr_queries_check(queries, nq, g->dim, err) < 0 || check_positives(g, nq, offset, rows, err) < 0)
		return -1;
	int workers = itr_threads_resolve(threads);
	size_t total = (size_t)offset[nq];
	float *own = score ? NULL : itr_xmalloc(total * sizeof *own);
	struct positives pos = { g, queries, offset, rows, score ? score : own, itr_xcalloc((size_t)workers, sizeof *pos.scorers) };
	itr_parallel_for(workers, nq, score_positives, &pos);
	for (int i = 0; i < workers; i++)
		itr_scorer_free(pos.scorers[i]);
	free(pos.scorers);
	memset(more, 0, total * sizeof *more);
	memset(equal, 0, total * sizeof *equal);
	struct rank k = { g->scan, offset, pos.score, more, equal };
	struct pass p = { .g = g, .queries = queries, .nq = nq, .use = count, .ctx = &k };
	run_pass(&p, workers);
	free(own);
	return 0;
}
