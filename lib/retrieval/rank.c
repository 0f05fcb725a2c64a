#include "retrieval/rank.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "retrieval/kernels.h"
#include "retrieval/pools.h"

enum { LANES = ITR_COUNT_LANES };
/* private counts of all workers; beyond it each direction has its own pass, where the source turns */
static const size_t lane_counts_limit = (size_t)256 << 20;

/* --- counting down the lanes: thresholds of 16 lanes side by side, one slot for each of their positives ----------------------------- */

struct lanes {
	int64_t groups;
	int64_t *begin;                 /* [groups + 1]: the group's slots are begin[g] .. begin[g + 1] */
	float *threshold;               /* [slots][16], NaN where a lane has fewer positives */
	int32_t *limit;                 /* stable: index of the positive itself */
	size_t counts;                  /* slots * 16 */
};

static int64_t most_positives(const itr_ranks *r, int64_t group)
{
	int64_t most = 0;
	for (int64_t q = group * LANES; q < ITR_MIN((group + 1) * LANES, r->queries); q++)
		most = ITR_MAX(most, r->offset[q + 1] - r->offset[q]);
	return most;
}

static int64_t place(const struct lanes *c, const itr_ranks *r, int64_t q, int64_t e)
{
	return (c->begin[q / LANES] + e - r->offset[q]) * LANES + q % LANES;
}

static void lanes_init(struct lanes *c, const itr_ranks *r)
{
	c->groups = (r->queries + LANES - 1) / LANES;
	c->begin = itr_xcalloc((size_t)c->groups + 1, sizeof *c->begin);
	for (int64_t g = 0; g < c->groups; g++)
		c->begin[g + 1] = c->begin[g] + most_positives(r, g);
	c->counts = (size_t)c->begin[c->groups] * LANES;
	c->threshold = itr_aligned_alloc((c->counts + LANES) * sizeof *c->threshold);
	c->limit = r->before ? itr_aligned_calloc((c->counts + LANES) * sizeof *c->limit) : NULL;
	for (size_t i = 0; i < c->counts; i++)
		c->threshold[i] = NAN;
	for (int64_t q = 0; q < r->queries; q++)
		for (int64_t e = r->offset[q]; e < r->offset[q + 1]; e++) {
			c->threshold[place(c, r, q, e)] = r->score[e];
			if (c->limit)
				c->limit[place(c, r, q, e)] = (int32_t)r->row[e];
		}
}

static size_t lane_bytes(const itr_ranks *r)
{
	size_t slots = 0;
	for (int64_t g = 0; g * LANES < r->queries; g++)
		slots += (size_t)most_positives(r, g);
	return slots * LANES * 3 * sizeof(int32_t);
}

/* --- one pass ------------------------------------------------------------------------------------------------------------------------- */

struct pass {
	itr_ranks *lines, *in_lanes;    /* of the sides that lie so in the tiles; either may be NULL */
	struct lanes lanes;
	const itr_count_kernel *count;
	int32_t **above, **equal, **before;     /* a worker's counts of in_lanes */
};

static void count_lines(const struct pass *p, const itr_score_tile *t)
{
	itr_ranks *r = p->lines;
	for (int64_t i = 0; i < t->lines; i++)
		for (int64_t e = r->offset[t->line + i]; e < r->offset[t->line + i + 1]; e++) {
			const float *s = t->s + i * t->ld;
			int64_t split = r->before ? ITR_MAX(0, ITR_MIN(r->row[e] - t->lane, t->lanes)) : 0;
			if (split) {
				int64_t equal = 0;
				p->count->row(s, split, r->score[e], &r->above[e], &equal);
				r->before[e] += equal;
				r->equal[e] += equal;
			}
			p->count->row(s + split, t->lanes - split, r->score[e], &r->above[e], &r->equal[e]);
		}
}

static void count_lanes(const struct pass *p, const itr_score_tile *t, int worker)
{
	const struct lanes *c = &p->lanes;
	for (int64_t g = t->lane / LANES; g * LANES < t->lane + t->lanes; g++) {
		int64_t slots = c->begin[g + 1] - c->begin[g], at = c->begin[g] * LANES;
		if (slots)
			p->count->columns(t->s + g * LANES - t->lane, t->ld, t->lines, slots, c->threshold + at, p->above[worker] + at,
			                  p->equal[worker] + at, (int32_t)t->line, c->limit ? c->limit + at : NULL,
			                  c->limit ? p->before[worker] + at : NULL);
	}
}

static void count_tile(void *ctx, int worker, const itr_score_tile *t)
{
	const struct pass *p = ctx;
	if (p->lines)
		count_lines(p, t);
	if (p->in_lanes)
		count_lanes(p, t, worker);
}

static void pass_begin(struct pass *p, int workers)
{
	p->count = itr_count_best();
	p->above = itr_xcalloc((size_t)workers * 3, sizeof *p->above);
	p->equal = p->above + workers;
	p->before = p->equal + workers;
	if (!p->in_lanes)
		return;
	lanes_init(&p->lanes, p->in_lanes);
	for (int i = 0; i < workers * (p->in_lanes->before ? 3 : 2); i++)
		p->above[i] = itr_aligned_calloc((p->lanes.counts + LANES) * sizeof(int32_t));
}

static void pass_end(struct pass *p, int workers)
{
	itr_ranks *r = p->in_lanes;
	for (int64_t q = 0; r && q < r->queries; q++)
		for (int64_t e = r->offset[q]; e < r->offset[q + 1]; e++)
			for (int w = 0; w < workers; w++) {
				const int64_t at = place(&p->lanes, r, q, e);
				r->above[e] += p->above[w][at];
				r->equal[e] += p->equal[w][at];
				if (r->before)
					r->before[e] += p->before[w][at];
			}
	for (int i = 0; i < workers * 3; i++)
		itr_aligned_free(p->above[i]);
	free(p->above);
	free(p->lanes.begin);
	itr_aligned_free(p->lanes.threshold);
	itr_aligned_free(p->lanes.limit);
}

/* ranks[side] or NULL; line_side: whose rows are lines. */
static int run_pass(itr_score_source *s, itr_ranks *const ranks[2], int line_side, int threads, itr_err *err)
{
	const int workers = itr_threads_resolve(threads);
	struct pass p = { .lines = ranks[line_side], .in_lanes = ranks[!line_side] };
	pass_begin(&p, workers);
	int rc = s->tiles(s, line_side, threads, count_tile, &p, err);
	pass_end(&p, workers);
	return rc;
}

static int count_all(itr_score_source *s, itr_ranks *const ranks[2], int threads, itr_err *err)
{
	const int lines = s->line_side;
	if (!ranks[0] && !ranks[1])
		return 0;
	if (ranks[lines] && !s->lines_owned)
		ITR_BUG("this source of scores ranks one direction only");
	if (!s->turns || !ranks[!lines] || lane_bytes(ranks[!lines]) * (size_t)itr_threads_resolve(threads) <= lane_counts_limit)
		return run_pass(s, ranks, lines, threads, err);
	itr_ranks *apart[2] = { lines ? NULL : ranks[0], lines ? ranks[1] : NULL },
		  *rest[2] = { lines ? ranks[0] : NULL, lines ? NULL : ranks[1] };
	if (ranks[lines] && run_pass(s, apart, lines, threads, err) < 0)
		return -1;
	return run_pass(s, rest, !lines, threads, err);
}

/* --- what is excluded leaves ---------------------------------------------------------------------------------------------------------- */

/* Row x of score s leaves query q's ranking. */
static void leave(itr_ranks *r, int64_t q, int64_t x, float s)
{
	for (int64_t e = r->offset[q]; e < r->offset[q + 1]; e++) {
		r->above[e] -= s > r->score[e];
		r->equal[e] -= s == r->score[e];
		if (r->before)
			r->before[e] -= s == r->score[e] && x < r->row[e];
	}
	r->pool[q] -= r->pool[q] > 0;
}

int itr_rank_check_excluded(const itr_relevance *relevant, const itr_relevance *excluded, const char *what, itr_err *err)
{
	for (int64_t q = 0; relevant && excluded && q < excluded->queries; q++)
		for (int64_t i = excluded->offset[q]; i < excluded->offset[q + 1]; i++)
			if (itr_relevance_has(relevant, q, excluded->row[i]))
				return itr_err_set(err, "%s row %lld excludes row %lld, which is one of its positives", what, (long long)q,
				                   (long long)excluded->row[i]);
	return 0;
}

/* --- candidate pools ------------------------------------------------------------------------------------------------------------------ */

struct pooled {
	const itr_score_source *s;
	int side;
	const itr_relevance *rel, *excluded;
	itr_ranks *ranks;
	int64_t first, count, rows, width;
	int32_t *candidate;             /* [batch][width] */
	int64_t *size;                  /* [batch] */
	float **scores;                 /* a worker: rows x gallery */
	void **scratch;
};

static void pooled_piece(void *ctx, int64_t piece, int worker)
{
	struct pooled *p = ctx;
	float *scores = p->scores[worker];
	int64_t begin = piece * p->rows, rows = ITR_MIN(p->rows, p->count - begin), gallery = p->rel->gallery;
	p->s->lines(p->s, p->side, p->first + begin, rows, scores);
	for (int64_t i = 0; i < rows; i++) {
		const itr_candidates c = { .row = p->candidate + (begin + i) * p->width, .n = p->size[begin + i] };
		itr_rank_scores(&p->ranks, &c, 1, p->rel, p->excluded, p->first + begin + i, scores + i * gallery, p->scratch[worker]);
	}
}

static itr_ranks *rank_pools(itr_score_source *s, int side, const itr_relevance *rel, const itr_rank_opts *o)
{
	const int workers = itr_threads_resolve(o->threads);
	itr_pools *pools = itr_pools_begin(rel, o->pool, o->seed, side);
	struct pooled p = { .s = s,
		            .side = side,
		            .rel = rel,
		            .excluded = o->excluded[side],
		            .width = itr_pools_width(pools),
		            .ranks = itr_ranks_new(rel, o->stable) };
	p.rows = ITR_MAX(1, ITR_MIN(64, (1 << 20) / ITR_MAX(1, rel->gallery)));
	int64_t batch = p.rows * ITR_MAX(1, ITR_MIN(64, (4 << 20) / (p.rows * ITR_MAX(1, p.width))));
	p.candidate = itr_xmalloc((size_t)(batch * p.width + 1) * sizeof *p.candidate);
	p.size = itr_xmalloc((size_t)batch * sizeof *p.size);
	p.scores = itr_xcalloc((size_t)workers, sizeof *p.scores);
	p.scratch = itr_xcalloc((size_t)workers, sizeof *p.scratch);
	for (int w = 0; w < workers; w++) {
		p.scores[w] = itr_aligned_alloc((size_t)(p.rows * rel->gallery + 1) * sizeof(float));
		p.scratch[w] = itr_xmalloc(itr_rank_scratch(rel->gallery));
	}
	s->lines_begin(s, side, o->threads);
	for (p.first = 0; p.first < rel->queries; p.first += batch) {
		p.count = ITR_MIN(batch, rel->queries - p.first);
		for (int64_t i = 0; i < p.count; i++)          /* one generator, in order: drawing is serial, scoring is not */
			p.size[i] = itr_pools_next(pools, p.candidate + i * p.width);
		itr_parallel_for(o->threads, (p.count + p.rows - 1) / p.rows, pooled_piece, &p);
	}
	s->lines_end(s);
	for (int w = 0; w < workers; w++) {
		itr_aligned_free(p.scores[w]);
		free(p.scratch[w]);
	}
	free(p.scores);
	free(p.scratch);
	free(p.candidate);
	free(p.size);
	itr_pools_free(pools);
	return p.ranks;
}

/* --- both directions ------------------------------------------------------------------------------------------------------------------ */

struct positives { itr_ranks *r; };

static void sort_query(void *ctx, int64_t piece, int worker)
{
	itr_ranks *r = ((struct positives *)ctx)->r;
	(void)worker;
	for (int64_t q = piece * 64; q < ITR_MIN((piece + 1) * 64, r->queries); q++)
		itr_ranks_sort(r, q);
}

/* Scores of positives and of what is excluded (left[side], by entry of excluded[side]); entries in order. */
static int score_pairs(itr_score_source *s, itr_ranks *const ranks[2], const itr_rank_opts *o, float *left[2], itr_err *err)
{
	itr_score_list list[4];
	int n = 0;
	for (int d = 0; d < 2; d++) {
		if (!ranks[d])
			continue;
		list[n++] = (itr_score_list){ d, ranks[d]->queries, ranks[d]->offset, ranks[d]->row, ranks[d]->score };
		if (left[d])
			list[n++] = (itr_score_list){ d, ranks[d]->queries, o->excluded[d]->offset, o->excluded[d]->row, left[d] };
	}
	if (n && s->pairs(s, list, n, o->threads, err) < 0)
		return -1;
	for (int d = 0; d < 2; d++)
		if (ranks[d])
			itr_parallel_for(o->threads, (ranks[d]->queries + 63) / 64, sort_query, &(struct positives){ ranks[d] });
	return 0;
}

/* Whole galleries, for the directions that whole[d] has. */
static int rank_whole(itr_score_source *s, const itr_relevance *const whole[2], const itr_rank_opts *o, itr_ranks *ranks[2], itr_err *err)
{
	float *left[2] = { NULL, NULL };
	for (int d = 0; d < 2; d++) {
		const itr_relevance *x = o->excluded[d];
		ranks[d] = whole[d] ? itr_ranks_new(whole[d], o->stable) : NULL;
		left[d] = whole[d] && x ? itr_xmalloc(((size_t)itr_relevance_pairs(x) + 1) * sizeof(float)) : NULL;
	}
	int rc = score_pairs(s, ranks, o, left, err) < 0 || count_all(s, ranks, o->threads, err) < 0 ? -1 : 0;
	for (int d = 0; d < 2; d++) {
		const itr_relevance *x = o->excluded[d];
		for (int64_t q = 0; left[d] && q < x->queries; q++)
			for (int64_t i = x->offset[q]; i < x->offset[q + 1]; i++)
				leave(ranks[d], q, x->row[i], left[d][i]);
		free(left[d]);
	}
	return rc;
}

int itr_rank_count(itr_score_source *s, const itr_relevance *const relevant[2], const itr_rank_opts *o, itr_ranks *out[2], itr_err *err)
{
	const itr_relevance *whole[2] = { NULL, NULL };
	itr_ranks *ranks[2] = { NULL, NULL };
	for (int d = 0; d < 2; d++) {
		const itr_relevance *lists[] = { relevant[d], o->excluded[d] };
		for (int i = 0; i < 2; i++)
			if (lists[i] && (lists[i]->queries != s->n[d] || lists[i]->gallery != s->n[!d]))
				ITR_BUG("relevance of %lld queries and %lld rows, scores of %lld and %lld", (long long)lists[i]->queries,
				        (long long)lists[i]->gallery, (long long)s->n[d], (long long)s->n[!d]);
		if (itr_rank_check_excluded(relevant[d], o->excluded[d], d ? "gallery" : "query", err) < 0)
			return -1;
		if (relevant[d] && (o->pool <= 0 || o->pool >= s->n[!d]))
			whole[d] = relevant[d];
	}
	if (rank_whole(s, whole, o, ranks, err) < 0) {
		itr_ranks_free(ranks[0]);
		itr_ranks_free(ranks[1]);
		return -1;
	}
	for (int d = 0; d < 2; d++)
		if (relevant[d])
			out[d] = whole[d] ? ranks[d] : rank_pools(s, d, relevant[d], o);
	return 0;
}

void itr_rank_rows(const float *queries, int64_t nq, const float *gallery, int64_t ng, int64_t dim, const itr_relevance *const relevant[2],
                   const itr_rank_opts *o, itr_ranks *out[2])
{
	itr_err err = ITR_ERR_INIT;
	itr_score_source *s = itr_score_rows(queries, nq, gallery, ng, dim);
	if (itr_rank_count(s, relevant, o, out, &err) < 0)
		ITR_BUG("%s", err.msg);
	itr_score_source_free(s);
}

/* --- one query whose scores are all there --------------------------------------------------------------------------------------------- */

size_t itr_rank_scratch(int64_t gallery)
{
	return (size_t)itr_bits_words(gallery) * 3 * sizeof(uint64_t) + (size_t)gallery * sizeof(float);
}

/* Entries of q, best first, in every rank: the order of the positives is the same in every pool. False: q is left out everywhere. */
static const itr_ranks *make_entries(itr_ranks *const *ranks, const itr_candidates *pool, int n, const itr_relevance *rel, int64_t q,
                                     const float *score)
{
	const int64_t first = rel->offset[q], p = itr_relevance_count(rel, q);
	const itr_ranks *sorted = NULL;
	for (int i = 0; i < n; i++) {
		itr_ranks *r = ranks[i];
		if (!r)
			continue;
		r->pool[q] = p ? pool[i].n : 0;
		if (!r->pool[q])
			continue;
		if (sorted) {
			memcpy(r->row + first, sorted->row + first, (size_t)p * sizeof *r->row);
			memcpy(r->score + first, sorted->score + first, (size_t)p * sizeof *r->score);
			continue;
		}
		for (int64_t e = first; e < first + p; e++) {
			r->row[e] = rel->row[e];
			r->score[e] = score[rel->row[e]];
		}
		itr_ranks_sort(r, q);
		sorted = r;
	}
	return sorted;
}

/* Entry e in the pools that are sets: a rank is the number of bits that "scored above the positive" and the pool have in common. */
static void count_sets(itr_ranks *const *ranks, const itr_candidates *pool, int n, const itr_ranks *sorted, int64_t gallery, int64_t q,
                       int64_t e, const float *score, uint64_t *scratch)
{
	const itr_count_kernel *count = itr_count_best();
	const int64_t words = itr_bits_words(gallery), row = sorted->row[e];
	uint64_t *above = scratch, *equal = scratch + words, *lower = scratch + 2 * words;
	count->compare(score, gallery, sorted->score[e], above, equal);
	if (sorted->before) {
		memcpy(lower, equal, (size_t)words * sizeof *lower);
		lower[row / 64] &= (UINT64_C(1) << row % 64) - 1;
		memset(lower + row / 64 + 1, 0, (size_t)(words - row / 64 - 1) * sizeof *lower);
	}
	for (int i = 0; i < n; i++) {
		if (!ranks[i] || !ranks[i]->pool[q] || !pool[i].bits)
			continue;
		ranks[i]->above[e] = count->common(above, pool[i].bits, words);
		ranks[i]->equal[e] = count->common(equal, pool[i].bits, words);
		if (ranks[i]->before)
			ranks[i]->before[e] = count->common(lower, pool[i].bits, words);
	}
}

/* q among a list of rows, or among all. */
static void count_list(itr_ranks *r, const itr_candidates *pool, int64_t q, const float *score, float *gathered)
{
	const itr_count_kernel *count = itr_count_best();
	const float *s = score;
	if (pool->row) {
		for (int64_t i = 0; i < pool->n; i++)
			gathered[i] = score[pool->row[i]];
		s = gathered;
	}
	for (int64_t e = r->offset[q]; e < r->offset[q + 1]; e++) {
		r->above[e] = r->equal[e] = 0;
		count->row(s, pool->n, r->score[e], &r->above[e], &r->equal[e]);
		if (!r->before)
			continue;
		r->before[e] = 0;
		for (int64_t i = 0; i < pool->n; i++)
			r->before[e] += s[i] == r->score[e] && (pool->row ? pool->row[i] : i) < r->row[e];
	}
}

static bool in_pool(const itr_candidates *pool, int64_t row)
{
	if (pool->bits)
		return pool->bits[row / 64] >> row % 64 & 1;
	for (int64_t i = 0; pool->row && i < pool->n; i++)
		if (pool->row[i] == row)
			return true;
	return !pool->row;
}

void itr_rank_scores(itr_ranks *const *ranks, const itr_candidates *pool, int n, const itr_relevance *rel, const itr_relevance *excluded,
                     int64_t q, const float *score, void *scratch)
{
	uint64_t *bits = scratch;
	float *gathered = bits ? (float *)(void *)(bits + 3 * itr_bits_words(rel->gallery)) : NULL;
	const itr_ranks *sorted = make_entries(ranks, pool, n, rel, q, score);
	bool sets = false;
	for (int i = 0; i < n; i++)
		sets |= ranks[i] && pool[i].bits;
	for (int64_t e = rel->offset[q]; sorted && sets && e < rel->offset[q + 1]; e++)
		count_sets(ranks, pool, n, sorted, rel->gallery, q, e, score, bits);
	for (int i = 0; i < n; i++) {
		if (!ranks[i] || !ranks[i]->pool[q])
			continue;
		if (!pool[i].bits)
			count_list(ranks[i], &pool[i], q, score, gathered);
		for (int64_t k = excluded ? excluded->offset[q] : 0; excluded && k < excluded->offset[q + 1]; k++)
			if (in_pool(&pool[i], excluded->row[k]))
				leave(ranks[i], q, excluded->row[k], score[excluded->row[k]]);
	}
}
