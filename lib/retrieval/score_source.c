/* Float rows as sources of scores: both sides in memory, or queries in blocks. */
#include "retrieval/score_source.h"

#include <stdlib.h>

#include "base/cpu.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "retrieval/kernels.h"
#include "tensor/gemm.h"

/* A block of scores stays in L2, and a panel fetched for it is used for 20 micro-tiles; the extra 16 columns keep its rows from meeting in
 * the same cache sets. */
enum { BLOCK_ROWS = 280, BLOCK_COLUMNS = 480, BLOCK_LD = BLOCK_COLUMNS + 16, PAIRS_PIECE = 64 };

struct rows {
	itr_score_source base;
	const float *x[2];              /* x[0] NULL: in blocks */
	int64_t dim;
	itr_packed *packed;             /* the side that lines are scored against, between lines_begin and lines_end */
	int64_t block;
	itr_read_rows *read;
	void *ctx;
};

/* --- chosen pairs --------------------------------------------------------------------------------------------------------------------- */

struct pairs { const struct rows *r; const itr_score_list *list; int64_t piece; };

/* A few chains at a time hide the latency of their additions. */
static void pairs_piece(void *ctx, int64_t piece, int worker)
{
	(void)worker;
	const struct pairs *p = ctx;
	const itr_score_list *l = p->list;
	const itr_count_kernel *count = itr_count_best();
	const int64_t dim = p->r->dim, begin = piece * PAIRS_PIECE, end = ITR_MIN(begin + PAIRS_PIECE, l->n);
	const float *x[ITR_COUNT_DOTS], *y[ITR_COUNT_DOTS];
	int n = 0;
	for (int64_t q = begin; q < end; q++)
		for (int64_t e = l->offset[q]; e < l->offset[q + 1]; e++) {
			x[n] = p->r->x[l->side] + q * dim;
			y[n] = p->r->x[!l->side] + l->row[e] * dim;
			if (++n == ITR_COUNT_DOTS) {
				count->dots(x, y, n, dim, l->score + e + 1 - n);
				n = 0;
			}
		}
	if (n)
		count->dots(x, y, n, dim, l->score + l->offset[end] - n);
}

static int rows_pairs(itr_score_source *s, const itr_score_list *list, int n, int threads, itr_err *err)
{
	(void)err;
	for (int i = 0; i < n; i++)
		itr_parallel_for(threads, (list[i].n + PAIRS_PIECE - 1) / PAIRS_PIECE, pairs_piece,
		                 &(struct pairs){ .r = (struct rows *)s, .list = &list[i] });
	return 0;
}

/* --- tiles ---------------------------------------------------------------------------------------------------------------------------- */

struct pass {
	const float *a, *b;             /* rows first .. first+na-1 of the side that is shared out; the other side */
	int64_t first, na, nb, dim;
	itr_packed *packed;             /* b; NULL: packed anew for each tile, a quarter slower, but b's memory is not spent twice */
	float **block;                  /* one a worker */
	itr_use_tile *use;
	void *ctx;
};

static void pass_piece(void *ctx, int64_t piece, int worker)
{
	const struct pass *p = ctx;
	float *block = p->block[worker];
	int64_t at = piece * BLOCK_ROWS, rows = ITR_MIN(BLOCK_ROWS, p->na - at);
	for (int64_t j0 = 0; j0 < p->nb; j0 += BLOCK_COLUMNS) {
		int64_t n = ITR_MIN(BLOCK_COLUMNS, p->nb - j0);
		if (p->packed)
			itr_gemm_packed(rows, p->a + at * p->dim, p->dim, p->packed, j0, j0 + n, block, BLOCK_LD, 1);
		else
			itr_gemm(false, true, rows, n, p->dim, 1, p->a + at * p->dim, p->dim, p->b + j0 * p->dim, p->dim, 0, block,
			         BLOCK_LD, 1);
		p->use(p->ctx, worker, &(itr_score_tile){ p->first + at, rows, j0, n, block, BLOCK_LD });
	}
}

static float **blocks_new(int workers)
{
	float **block = itr_xcalloc((size_t)workers, sizeof *block);
	for (int w = 0; w < workers; w++)
		block[w] = itr_aligned_calloc((size_t)BLOCK_ROWS * BLOCK_LD * sizeof(float));
	return block;
}

static void blocks_free(float **block, int workers)
{
	for (int w = 0; w < workers; w++)
		itr_aligned_free(block[w]);
	free(block);
}

static int rows_tiles(itr_score_source *s, int line_side, int threads, itr_use_tile *use, void *ctx, itr_err *err)
{
	const struct rows *r = (struct rows *)s;
	const int workers = itr_threads_resolve(threads);
	struct pass p = { .a = r->x[line_side],
		          .na = s->n[line_side],
		          .b = r->x[!line_side],
		          .nb = s->n[!line_side],
		          .dim = r->dim,
		          .use = use,
		          .ctx = ctx };
	(void)err;
	p.packed = itr_pack_rows(p.b, p.nb, p.dim, p.dim, threads);
	p.block = blocks_new(workers);
	itr_parallel_for(threads, (p.na + BLOCK_ROWS - 1) / BLOCK_ROWS, pass_piece, &p);
	blocks_free(p.block, workers);
	itr_packed_free(p.packed);
	return 0;
}

/* --- lines ---------------------------------------------------------------------------------------------------------------------------- */

static void lines_begin(itr_score_source *s, int side, int threads)
{
	struct rows *r = (struct rows *)s;
	r->packed = itr_pack_rows(r->x[!side], s->n[!side], r->dim, r->dim, threads);
}

static void lines(const itr_score_source *s, int side, int64_t first, int64_t n, float *out)
{
	const struct rows *r = (const struct rows *)s;
	itr_gemm_packed(n, r->x[side] + first * r->dim, r->dim, r->packed, 0, s->n[!side], out, s->n[!side], 1);
}

static void lines_end(itr_score_source *s)
{
	struct rows *r = (struct rows *)s;
	itr_packed_free(r->packed);
	r->packed = NULL;
}

static void rows_free(itr_score_source *s) { free(s); }

itr_score_source *itr_score_rows(const float *queries, int64_t nq, const float *gallery, int64_t ng, int64_t dim)
{
	struct rows *r = itr_xcalloc(1, sizeof *r);
	*r = (struct rows){ .x = { queries, gallery }, .dim = dim };
	r->base = (itr_score_source){ .n = { nq, ng },
		                      .line_side = nq < ng,
		                      .turns = true,
		                      .lines_owned = true,
		                      .pairs = rows_pairs,
		                      .tiles = rows_tiles,
		                      /* the larger side is shared out, the smaller one packed */
		                      .lines_begin = lines_begin,
		                      .lines = lines,
		                      .lines_end = lines_end,
		                      .free = rows_free };
	return &r->base;
}

void itr_score_source_free(itr_score_source *s)
{
	if (s)
		s->free(s);
}

/* --- queries in blocks ---------------------------------------------------------------------------------------------------------------- */

/* The pairs of a list whose lines are gallery rows, by query: pairs of query q are pair[begin[q]] .. pair[begin[q + 1]], each an entry and
 * its gallery row. */
struct by_query { int64_t *begin; struct entry { int64_t e, gallery; } *pair; };

static void by_query_init(struct by_query *b, const itr_score_list *l, int64_t queries)
{
	b->begin = itr_xcalloc((size_t)queries + 2, sizeof *b->begin);
	b->pair = itr_xmalloc(((size_t)l->offset[l->n] + 1) * sizeof *b->pair);
	for (int64_t e = 0; e < l->offset[l->n]; e++)
		b->begin[l->row[e] + 2]++;
	for (int64_t q = 0; q < queries; q++)           /* begin[q + 1] = where q's pairs begin; it moves to their end while filling */
		b->begin[q + 2] += b->begin[q + 1];
	for (int64_t i = 0; i < l->n; i++)
		for (int64_t e = l->offset[i]; e < l->offset[i + 1]; e++)
			b->pair[b->begin[l->row[e] + 1]++] = (struct entry){ e, i };
}

struct block_pairs {
	const struct rows *r;
	const itr_score_list *list;
	const struct by_query *by_query;        /* of a list of side 1 */
	const float *x;
	int64_t first, n;
};

static void block_pairs_piece(void *ctx, int64_t piece, int worker)
{
	const struct block_pairs *p = ctx;
	const itr_score_list *l = p->list;
	const int64_t dim = p->r->dim, end = p->first + ITR_MIN((piece + 1) * PAIRS_PIECE, p->n);
	(void)worker;
	for (int64_t q = p->first + piece * PAIRS_PIECE; q < end; q++) {
		const float *x = p->x + (q - p->first) * dim;
		if (l->side == 0) {
			for (int64_t e = l->offset[q]; e < l->offset[q + 1]; e++)
				l->score[e] = itr_dot_chain(x, p->r->x[1] + l->row[e] * dim, dim);
			continue;
		}
		for (int64_t i = p->by_query->begin[q]; i < p->by_query->begin[q + 1]; i++)
			l->score[p->by_query->pair[i].e] = itr_dot_chain(p->r->x[1] + p->by_query->pair[i].gallery * dim, x, dim);
	}
}

static int blocks_pairs(itr_score_source *s, const itr_score_list *list, int n, int threads, itr_err *err)
{
	const struct rows *r = (struct rows *)s;
	struct by_query *by_query = itr_xcalloc((size_t)n + 1, sizeof *by_query);
	int rc = 0;
	for (int i = 0; i < n; i++)
		if (list[i].side == 1)
			by_query_init(&by_query[i], &list[i], s->n[0]);
	for (int64_t first = 0; first < s->n[0] && rc == 0; first += r->block) {
		struct block_pairs p = { .r = r, .first = first, .n = ITR_MIN(r->block, s->n[0] - first) };
		rc = r->read(r->ctx, 0, first, p.n, &p.x, err);
		for (int i = 0; i < n && rc == 0; i++) {
			p.list = &list[i];
			p.by_query = &by_query[i];
			itr_parallel_for(threads, (p.n + PAIRS_PIECE - 1) / PAIRS_PIECE, block_pairs_piece, &p);
		}
	}
	for (int i = 0; i < n; i++) {
		free(by_query[i].begin);
		free(by_query[i].pair);
	}
	free(by_query);
	return rc;
}

static int blocks_tiles(itr_score_source *s, int line_side, int threads, itr_use_tile *use, void *ctx, itr_err *err)
{
	const struct rows *r = (struct rows *)s;
	const int workers = itr_threads_resolve(threads);
	struct pass p = { .b = r->x[1], .nb = s->n[1], .dim = r->dim, .block = blocks_new(workers), .use = use, .ctx = ctx };
	int rc = 0;
	(void)line_side;
	for (; p.first < s->n[0] && rc == 0; p.first += r->block) {
		p.na = ITR_MIN(r->block, s->n[0] - p.first);
		rc = r->read(r->ctx, 1, p.first, p.na, &p.a, err);
		if (rc == 0)
			itr_parallel_for(threads, (p.na + BLOCK_ROWS - 1) / BLOCK_ROWS, pass_piece, &p);
	}
	blocks_free(p.block, workers);
	return rc;
}

itr_score_source *itr_score_blocks(int64_t nq, int64_t block, itr_read_rows *read, void *ctx, const float *gallery, int64_t ng, int64_t dim)
{
	struct rows *r = itr_xcalloc(1, sizeof *r);
	*r = (struct rows){ .x = { NULL, gallery }, .dim = dim, .block = block, .read = read, .ctx = ctx };
	r->base =
		(itr_score_source){ .n = { nq, ng }, .lines_owned = true, .pairs = blocks_pairs, .tiles = blocks_tiles, .free = rows_free };
	return &r->base;
}
