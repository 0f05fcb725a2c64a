/* Ranks by counting. A positive's score is one chain of multiply-adds (itr_dot_chain), bit-identical to the tile's element, so one pass
 * over the scores suffices: each tile is counted along its rows for one direction and down its columns for the other, and forgotten. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "retrieval/kern_count.h"
#include "retrieval/metrics.h"
#include "retrieval/pools.h"
#include "tensor/gemm.h"

/* A block of scores stays in L2, and a panel fetched for it is used for 20 micro-tiles; the extra 16 columns keep its rows from meeting in
 * the same cache sets. */
enum { BLOCK_ROWS = 280, BLOCK_COLUMNS = 480, BLOCK_LD = BLOCK_COLUMNS + 16, LANES = ITR_COUNT_LANES, POSITIVES_PIECE = 64 };
/* private column counts of all workers; beyond it each direction has its own product */
static const size_t column_counts_limit = (size_t)256 << 20;

itr_ranks *itr_ranks_new(const itr_relevance *rel, bool stable)
{
	size_t pairs = (size_t)itr_relevance_pairs(rel) + 1, queries = (size_t)rel->queries;
	itr_ranks *r = itr_xcalloc(1, sizeof *r);
	r->queries = rel->queries;
	r->gallery = rel->gallery;
	r->offset = itr_xmalloc((queries + 1) * sizeof *r->offset);
	memcpy(r->offset, rel->offset, (queries + 1) * sizeof *r->offset);
	r->row = itr_xmalloc(pairs * sizeof *r->row);
	memcpy(r->row, rel->row, (pairs - 1) * sizeof *r->row);
	r->score = itr_xcalloc(pairs, sizeof *r->score);
	r->above = itr_xcalloc(pairs, sizeof *r->above);
	r->equal = itr_xcalloc(pairs, sizeof *r->equal);
	r->before = stable ? itr_xcalloc(pairs, sizeof *r->before) : NULL;
	r->pool = itr_xcalloc(queries + 1, sizeof *r->pool);
	r->relevant = itr_xcalloc(queries + 1, sizeof *r->relevant);
	r->answers = itr_xcalloc(queries + 1, sizeof *r->answers);
	for (int64_t q = 0; q < rel->queries; q++) {
		int64_t n = itr_relevance_count(rel, q);
		r->pool[q] = n ? rel->gallery : 0;
		r->relevant[q] = n + rel->outside[q];
		r->answers[q] = n;
	}
	return r;
}

void itr_ranks_free(itr_ranks *r)
{
	if (!r)
		return;
	free(r->offset);
	free(r->row);
	free(r->score);
	free(r->above);
	free(r->equal);
	free(r->before);
	free(r->pool);
	free(r->relevant);
	free(r->answers);
	free(r->listed);
	free(r->gain);
	free(r->answers_gain);
	free(r->ideal_at);
	free(r->ideal);
	free(r);
}

void itr_ranks_leave_out(itr_ranks *r, int64_t q)
{
	r->pool[q] = 0;
}

itr_ranks *itr_ranks_nothing(const itr_relevance *rel)
{
	itr_relevance *empty = itr_relevance_from_pairs(rel->queries, rel->gallery, NULL, NULL, 0);
	itr_ranks *r = itr_ranks_new(empty, false);
	for (int64_t q = 0; q < rel->queries; q++) {
		r->pool[q] = rel->gallery;
		r->answers[q] = itr_relevance_count(rel, q);
		r->relevant[q] = r->answers[q] + rel->outside[q];
	}
	itr_relevance_free(empty);
	return r;
}

void itr_ranks_grade(itr_ranks *r, const itr_relevance *rel)
{
	if (!rel->grade)
		return;
	size_t queries = (size_t)r->queries, all = (size_t)rel->ideal_at[rel->queries];
	r->gain = itr_xcalloc((size_t)r->offset[queries] + 1, sizeof *r->gain);
	r->answers_gain = itr_xcalloc(queries + 1, sizeof *r->answers_gain);
	r->ideal_at = itr_xmalloc((queries + 1) * sizeof *r->ideal_at);
	memcpy(r->ideal_at, rel->ideal_at, (queries + 1) * sizeof *r->ideal_at);
	r->ideal = itr_xcalloc(all + 1, sizeof *r->ideal);
	for (size_t i = 0; i < all; i++)
		r->ideal[i] = itr_gain_of(rel->gain, rel->ideal[i]);
	for (int64_t q = 0; q < r->queries; q++) {
		for (int64_t e = r->offset[q]; e < r->offset[q + 1]; e++)
			r->gain[e] = itr_gain_of(rel->gain, rel->grade[itr_relevance_find(rel, q, r->row[e])]);
		for (int64_t i = rel->offset[q]; i < rel->offset[q + 1]; i++)
			r->answers_gain[q] += itr_gain_of(rel->gain, rel->grade[i]);
	}
}

/* --- positives first: their scores, best first --------------------------------------------------------------------------------- */

struct scored { float score; int64_t row; };

static int best_first(const void *a, const void *b)
{
	const struct scored *x = a, *y = b;
	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return (x->row > y->row) - (x->row < y->row);
}

static void sort_entries(itr_ranks *r, int64_t q)
{
	int64_t first = r->offset[q], n = r->offset[q + 1] - first;
	struct scored few[32], *s = n <= ITR_LEN(few) ? few : itr_xmalloc((size_t)n * sizeof *s);
	for (int64_t i = 0; i < n; i++)
		s[i] = (struct scored){ r->score[first + i], r->row[first + i] };
	if (n > 1)
		qsort(s, (size_t)n, sizeof *s, best_first);
	for (int64_t i = 0; i < n; i++) {
		r->score[first + i] = s[i].score;
		r->row[first + i] = s[i].row;
	}
	if (s != few)
		free(s);
}

struct positives { itr_ranks *r; const float *queries, *gallery; int64_t dim; };

static void score_positives(void *ctx, int64_t piece, int worker)
{
	(void)worker;
	struct positives *p = ctx;
	itr_ranks *r = p->r;
	int64_t begin = piece * POSITIVES_PIECE, end = ITR_MIN(begin + POSITIVES_PIECE, r->queries);
	const itr_count_kernel *count = itr_count_kernel_get();
	const float *x[ITR_COUNT_DOTS], *y[ITR_COUNT_DOTS];
	int n = 0;
	for (int64_t q = begin; q < end; q++)
		for (int64_t e = r->offset[q]; e < r->offset[q + 1]; e++) {
			x[n] = p->queries + q * p->dim;
			y[n] = p->gallery + r->row[e] * p->dim;
			if (++n == ITR_COUNT_DOTS) {
				count->dots(x, y, n, p->dim, r->score + e + 1 - n);
				n = 0;
			}
		}
	if (n)
		count->dots(x, y, n, p->dim, r->score + r->offset[end] - n);
	for (int64_t q = begin; q < end; q++)
		sort_entries(r, q);
}

static itr_ranks *ranks_with_positives(const itr_relevance *rel, const float *queries, const float *gallery, int64_t dim, bool stable,
                                       int threads)
{
	struct positives p = { itr_ranks_new(rel, stable), queries, gallery, dim };
	itr_parallel_for(threads, (rel->queries + POSITIVES_PIECE - 1) / POSITIVES_PIECE, score_positives, &p);
	return p.r;
}

/* --- counting down the columns: thresholds of 16 columns side by side, one slot for each of their positives ------------------------- */

struct columns {
	int64_t groups;
	int64_t *begin;                 /* [groups + 1]: the group's slots are begin[g] .. begin[g + 1] */
	float *threshold;               /* [slots][16], NaN where a column has fewer positives */
	int32_t *limit;                 /* stable: index of the positive itself */
	size_t counts;                  /* slots * 16 */
};

static void columns_init(struct columns *c, const itr_ranks *r)
{
	c->groups = (r->queries + LANES - 1) / LANES;
	c->begin = itr_xcalloc((size_t)c->groups + 1, sizeof *c->begin);
	for (int64_t g = 0; g < c->groups; g++) {
		int64_t most = 0;
		for (int64_t q = g * LANES; q < ITR_MIN((g + 1) * LANES, r->queries); q++)
			most = ITR_MAX(most, r->offset[q + 1] - r->offset[q]);
		c->begin[g + 1] = c->begin[g] + most;
	}
	c->counts = (size_t)c->begin[c->groups] * LANES;
	c->threshold = itr_aligned_alloc((c->counts + LANES) * sizeof *c->threshold);
	c->limit = r->before ? itr_aligned_calloc((c->counts + LANES) * sizeof *c->limit) : NULL;
	for (size_t i = 0; i < c->counts; i++)
		c->threshold[i] = NAN;
	for (int64_t q = 0; q < r->queries; q++)
		for (int64_t e = r->offset[q]; e < r->offset[q + 1]; e++) {
			int64_t at = (c->begin[q / LANES] + e - r->offset[q]) * LANES + q % LANES;
			c->threshold[at] = r->score[e];
			if (c->limit)
				c->limit[at] = (int32_t)r->row[e];
		}
}

static void columns_free(struct columns *c)
{
	free(c->begin);
	itr_aligned_free(c->threshold);
	itr_aligned_free(c->limit);
}

/* --- the pass ---------------------------------------------------------------------------------------------------------------------- */

struct pass {
	const float *a;                 /* rows first .. first+na-1 of the side that is shared out */
	int64_t first, na, nb, dim;
	const float *b;
	itr_packed *packed;             /* b, or NULL: packed anew for each tile, a quarter slower, but b's memory is not spent twice */
	int threads;
	itr_ranks *ra, *rb;             /* either may be NULL */
	struct columns columns;
	const itr_count_kernel *count;
	float **block;                  /* one a worker, as are the column counts */
	int32_t **above, **equal, **before;
};

static void count_rows(const struct pass *p, const float *block, int64_t i0, int64_t rows, int64_t j0, int64_t n)
{
	itr_ranks *r = p->ra;
	for (int64_t i = 0; i < rows; i++)
		for (int64_t e = r->offset[i0 + i]; e < r->offset[i0 + i + 1]; e++) {
			const float *s = block + i * BLOCK_LD;
			int64_t split = r->before ? ITR_MAX(0, ITR_MIN(r->row[e] - j0, n)) : 0;
			if (split) {
				int64_t equal = 0;
				p->count->row(s, split, r->score[e], &r->above[e], &equal);
				r->before[e] += equal;
				r->equal[e] += equal;
			}
			p->count->row(s + split, n - split, r->score[e], &r->above[e], &r->equal[e]);
		}
}

static void count_block_columns(const struct pass *p, const float *block, int64_t i0, int64_t rows, int64_t j0, int64_t n, int worker)
{
	const struct columns *c = &p->columns;
	for (int64_t g = j0 / LANES; g * LANES < j0 + n; g++) {
		int64_t slots = c->begin[g + 1] - c->begin[g], at = c->begin[g] * LANES;
		if (slots)
			p->count->columns(block + g * LANES - j0, BLOCK_LD, rows, slots, c->threshold + at, p->above[worker] + at,
			                  p->equal[worker] + at, (int32_t)i0, c->limit ? c->limit + at : NULL,
			                  c->limit ? p->before[worker] + at : NULL);
	}
}

static void pass_piece(void *ctx, int64_t piece, int worker)
{
	struct pass *p = ctx;
	float *block = p->block[worker];
	int64_t at = piece * BLOCK_ROWS, i0 = p->first + at, rows = ITR_MIN(BLOCK_ROWS, p->na - at);
	for (int64_t j0 = 0; j0 < p->nb; j0 += BLOCK_COLUMNS) {
		int64_t n = ITR_MIN(BLOCK_COLUMNS, p->nb - j0);
		if (p->packed)
			itr_gemm_packed(rows, p->a + at * p->dim, p->dim, p->packed, j0, j0 + n, block, BLOCK_LD, 1);
		else
			itr_gemm(false, true, rows, n, p->dim, 1, p->a + at * p->dim, p->dim, p->b + j0 * p->dim, p->dim, 0, block,
			         BLOCK_LD, 1);
		if (p->ra)
			count_rows(p, block, i0, rows, j0, n);
		if (p->rb)
			count_block_columns(p, block, i0, rows, j0, n, worker);
	}
}

static void gather_columns(struct pass *p, int workers)
{
	itr_ranks *r = p->rb;
	for (int64_t q = 0; q < r->queries; q++)
		for (int64_t e = r->offset[q]; e < r->offset[q + 1]; e++) {
			int64_t at = (p->columns.begin[q / LANES] + e - r->offset[q]) * LANES + q % LANES;
			for (int w = 0; w < workers; w++) {
				r->above[e] += p->above[w][at];
				r->equal[e] += p->equal[w][at];
				if (r->before)
					r->before[e] += p->before[w][at];
			}
		}
}

/* a's rows are shared out. ra: a's rows as queries over b; rb: b's over a, their positives' scores known. */
static void begin_pass(struct pass *p)
{
	int workers = itr_threads_resolve(p->threads);
	p->count = itr_count_kernel_get();
	if (p->rb)
		columns_init(&p->columns, p->rb);
	p->block = itr_xcalloc((size_t)workers * 4, sizeof *p->block);
	p->above = itr_xcalloc((size_t)workers * 3, sizeof *p->above);
	p->equal = p->above + workers;
	p->before = p->equal + workers;
	for (int w = 0; w < workers; w++) {
		p->block[w] = itr_aligned_calloc((size_t)BLOCK_ROWS * BLOCK_LD * sizeof(float));
		for (int k = 0; p->rb && k < 3; k++)
			p->above[k * workers + w] = itr_aligned_calloc((p->columns.counts + LANES) * sizeof(int32_t));
	}
}

static void count_pass(struct pass *p) { itr_parallel_for(p->threads, (p->na + BLOCK_ROWS - 1) / BLOCK_ROWS, pass_piece, p); }

static void end_pass(struct pass *p)
{
	int workers = itr_threads_resolve(p->threads);
	if (p->rb)
		gather_columns(p, workers);
	for (int w = 0; w < workers; w++) {
		itr_aligned_free(p->block[w]);
		for (int k = 0; k < 3; k++)
			itr_aligned_free(p->above[k * workers + w]);
	}
	free(p->block);
	free(p->above);
	if (p->rb)
		columns_free(&p->columns);
	itr_packed_free(p->packed);
}

static void run_pass(struct pass *p)
{
	p->packed = itr_pack_rows(p->b, p->nb, p->dim, p->dim, p->threads);
	begin_pass(p);
	count_pass(p);
	end_pass(p);
}

static size_t column_bytes(const itr_ranks *r)
{
	size_t slots = 0;
	for (int64_t q = 0; q < r->queries; q += LANES) {
		int64_t most = 0;
		for (int64_t k = q; k < ITR_MIN(q + LANES, r->queries); k++)
			most = ITR_MAX(most, r->offset[k + 1] - r->offset[k]);
		slots += (size_t)most;
	}
	return slots * LANES * 3 * sizeof(int32_t);
}

void itr_rank_both(const float *a, int64_t na, const float *b, int64_t nb, int64_t dim, const itr_relevance *a_to_b,
                   const itr_relevance *b_to_a, bool stable, int threads, itr_ranks **ranks_a, itr_ranks **ranks_b)
{
	if (na < nb) {                           /* the larger side is shared out, the smaller one packed */
		itr_rank_both(b, nb, a, na, dim, b_to_a, a_to_b, stable, threads, ranks_b, ranks_a);
		return;
	}
	itr_ranks *ra = a_to_b ? ranks_with_positives(a_to_b, a, b, dim, stable, threads) : NULL;
	itr_ranks *rb = b_to_a ? ranks_with_positives(b_to_a, b, a, dim, stable, threads) : NULL;
	bool apart = rb && column_bytes(rb) * (size_t)itr_threads_resolve(threads) > column_counts_limit;
	if (ra || (rb && !apart))
		run_pass(&(struct pass){
			.a = a, .na = na, .b = b, .nb = nb, .dim = dim, .threads = threads, .ra = ra, .rb = apart ? NULL : rb });
	if (apart)
		run_pass(&(struct pass){ .a = b, .na = nb, .b = a, .nb = na, .dim = dim, .threads = threads, .ra = rb });
	if (ra)
		*ranks_a = ra;
	if (rb)
		*ranks_b = rb;
}

itr_ranks *itr_rank(const float *queries, const float *gallery, int64_t dim, const itr_relevance *rel, bool stable, int threads)
{
	itr_ranks *r = NULL, *none = NULL;
	itr_rank_both(queries, rel->queries, gallery, rel->gallery, dim, rel, NULL, stable, threads, &r, &none);
	return r;
}

/* --- rows that come in blocks, twice ------------------------------------------------------------------------------------------------ */

struct itr_rank_stream {
	struct pass pass;
	bool counting;
};

itr_rank_stream *itr_rank_stream_new(const float *b, int64_t nb, int64_t dim, const itr_relevance *a_to_b, const itr_relevance *b_to_a,
                                     int threads)
{
	itr_rank_stream *s = itr_xcalloc(1, sizeof *s);
	s->pass = (struct pass){
		.b = b, .nb = nb, .dim = dim, .threads = threads, .ra = itr_ranks_new(a_to_b, false), .rb = itr_ranks_new(b_to_a, false)
	};
	return s;
}

void itr_rank_stream_positives(itr_rank_stream *s, const float *a, int64_t first, int64_t n)
{
	itr_ranks *ra = s->pass.ra, *rb = s->pass.rb;
	const int64_t dim = s->pass.dim;
	for (int64_t i = first; i < first + n; i++) {
		for (int64_t e = ra->offset[i]; e < ra->offset[i + 1]; e++)
			ra->score[e] = itr_dot_chain(a + (i - first) * dim, s->pass.b + ra->row[e] * dim, dim);
		sort_entries(ra, i);
	}
	for (int64_t q = 0; q < rb->queries; q++)
		for (int64_t e = rb->offset[q]; e < rb->offset[q + 1]; e++)
			if (rb->row[e] >= first && rb->row[e] < first + n)
				rb->score[e] = itr_dot_chain(s->pass.b + q * dim, a + (rb->row[e] - first) * dim, dim);
}

void itr_rank_stream_count(itr_rank_stream *s, const float *a, int64_t first, int64_t n)
{
	if (!s->counting) {
		for (int64_t q = 0; q < s->pass.rb->queries; q++)
			sort_entries(s->pass.rb, q);
		begin_pass(&s->pass);
		s->counting = true;
	}
	s->pass.a = a;
	s->pass.first = first;
	s->pass.na = n;
	count_pass(&s->pass);
}

void itr_rank_stream_end(itr_rank_stream *s, itr_ranks **ranks_a, itr_ranks **ranks_b)
{
	end_pass(&s->pass);
	*ranks_a = s->pass.ra;
	*ranks_b = s->pass.rb;
	free(s);
}

/* --- ranks from scores that are already there ------------------------------------------------------------------------------------- */

void itr_ranks_entries(itr_ranks *r, const itr_relevance *rel, int64_t q, const float *score)
{
	for (int64_t e = rel->offset[q]; e < rel->offset[q + 1]; e++) {
		r->row[e] = rel->row[e];
		r->score[e] = score[rel->row[e]];
	}
	sort_entries(r, q);
}

void itr_ranks_query(itr_ranks *r, const itr_relevance *rel, int64_t q, const float *score, const int32_t *candidate, int64_t n)
{
	const itr_count_kernel *count = itr_count_kernel_get();
	int64_t first = rel->offset[q], p = itr_relevance_count(rel, q);
	r->pool[q] = p ? n : 0;
	for (int64_t i = 0; i < p; i++) {
		r->row[first + i] = rel->row[first + i];
		r->score[first + i] = score[candidate ? i : rel->row[first + i]];
	}
	sort_entries(r, q);
	for (int64_t e = first; e < first + p; e++) {
		r->above[e] = r->equal[e] = 0;
		count->row(score, n, r->score[e], &r->above[e], &r->equal[e]);
		if (!r->before)
			continue;
		r->before[e] = 0;
		for (int64_t i = 0; i < n; i++)
			r->before[e] += score[i] == r->score[e] && (candidate ? candidate[i] : i) < r->row[e];
	}
}

struct pooled {
	const float *queries;
	int64_t dim, first, count, rows, width;
	const itr_relevance *rel;
	const itr_packed *gallery;
	itr_ranks *ranks;
	int32_t *candidate;             /* [batch][width] */
	int64_t *size;                  /* [batch] */
	float **scores, **gathered;     /* a worker: rows x gallery; width */
};

static void pooled_piece(void *ctx, int64_t piece, int worker)
{
	struct pooled *p = ctx;
	float *scores = p->scores[worker], *gathered = p->gathered[worker];
	int64_t begin = piece * p->rows, rows = ITR_MIN(p->rows, p->count - begin), gallery = p->rel->gallery;
	itr_gemm_packed(rows, p->queries + (p->first + begin) * p->dim, p->dim, p->gallery, 0, gallery, scores, gallery, 1);
	for (int64_t i = 0; i < rows; i++) {
		int64_t at = begin + i, n = p->size[at];
		const int32_t *candidate = p->candidate + at * p->width;
		for (int64_t k = 0; k < n; k++)
			gathered[k] = scores[i * gallery + candidate[k]];
		if (n)
			itr_ranks_query(p->ranks, p->rel, p->first + at, gathered, candidate, n);
		else
			itr_ranks_leave_out(p->ranks, p->first + at);
	}
}

itr_ranks *itr_rank_pools(const float *queries, const float *gallery, int64_t dim, const itr_relevance *rel, int64_t size, uint64_t seed,
                          int direction, bool stable, int threads)
{
	if (size >= rel->gallery)
		return itr_rank(queries, gallery, dim, rel, stable, threads);
	int workers = itr_threads_resolve(threads);
	itr_pools *pools = itr_pools_begin(rel, size, seed, direction);
	struct pooled p = {
		.queries = queries, .dim = dim, .rel = rel, .width = itr_pools_width(pools), .ranks = itr_ranks_new(rel, stable)
	};
	p.rows = ITR_MAX(1, ITR_MIN(64, (1 << 20) / ITR_MAX(1, rel->gallery)));
	int64_t batch = p.rows * ITR_MAX(1, ITR_MIN(64, (4 << 20) / (p.rows * ITR_MAX(1, p.width))));
	itr_packed *packed = itr_pack_rows(gallery, rel->gallery, dim, dim, threads);
	p.gallery = packed;
	p.candidate = itr_xmalloc((size_t)(batch * p.width + 1) * sizeof *p.candidate);
	p.size = itr_xmalloc((size_t)batch * sizeof *p.size);
	p.scores = itr_xcalloc((size_t)workers * 2, sizeof *p.scores);
	p.gathered = p.scores + workers;
	for (int w = 0; w < workers; w++) {
		p.scores[w] = itr_aligned_alloc((size_t)(p.rows * rel->gallery + 1) * sizeof(float));
		p.gathered[w] = itr_aligned_alloc((size_t)(p.width + 1) * sizeof(float));
	}
	for (p.first = 0; p.first < rel->queries; p.first += batch) {
		p.count = ITR_MIN(batch, rel->queries - p.first);
		for (int64_t i = 0; i < p.count; i++)          /* one generator, in order: drawing is serial, scoring is not */
			p.size[i] = itr_pools_next(pools, p.candidate + i * p.width);
		itr_parallel_for(threads, (p.count + p.rows - 1) / p.rows, pooled_piece, &p);
	}
	for (int w = 0; w < workers; w++) {
		itr_aligned_free(p.scores[w]);
		itr_aligned_free(p.gathered[w]);
	}
	free(p.scores);
	free(p.candidate);
	free(p.size);
	itr_packed_free(packed);
	itr_pools_free(pools);
	return p.ranks;
}
