/* score_source.h - scores of queries and gallery rows, wherever they come from, as the rank counter takes them (rank.h): chosen pairs
 * first, then every score once, in tiles.
 *
 *	itr_score_source *s = itr_score_rows(text, nt, image, ni, dim);
 *	itr_rank_count(s, relevant, &(itr_rank_opts){ .threads = 2 }, ranks, &err);
 *	itr_score_source_free(s);
 *
 * A pair's score has the same bits in itr_score_source.pairs and in the tiles. "Side" 0 are the queries, side 1 the gallery rows.
 */
#ifndef ITR_RETRIEVAL_SCORE_SOURCE_H
#define ITR_RETRIEVAL_SCORE_SOURCE_H

#include "base/err.h"
#include "retrieval/gallery.h"

/* Part of the score matrix: s[l * ld + k] is the score of rows `line + l` of one side and `lane + k` of the other; up to the next whole
 * multiple of 16 lanes may be read. `lane` is a multiple of 16. */
typedef struct itr_score_tile {
	int64_t line, lines, lane, lanes;
	const float *s;
	int64_t ld;
} itr_score_tile;
typedef void itr_use_tile(void *ctx, int worker, const itr_score_tile *t);

/* Pairs: row i of `side` with row[e] of the other, offset[i] <= e < offset[i + 1]; score[e] is filled in. */
typedef struct itr_score_list {
	int side;
	int64_t n;                      /* rows of `side` */
	const int64_t *offset, *row;
	float *score;
} itr_score_list;

typedef struct itr_score_source itr_score_source;
struct itr_score_source {
	int64_t n[2];                   /* queries, gallery rows */
	int line_side;                  /* which side's rows are the lines of tiles */
	bool turns;                     /* tiles may have either side's rows as lines */
	/* a line belongs to one worker during a pass: without it the other direction alone can be counted */
	bool lines_owned;
	int (*pairs)(itr_score_source *s, const itr_score_list *list, int n, int threads, itr_err *err);
	int (*tiles)(itr_score_source *s, int line_side, int threads, itr_use_tile *use, void *ctx, itr_err *err);
	/* Whole lines, for candidate pools: scores of rows first .. first+n-1 of `side` with all rows of the other, out[i * n[!side] +
	 * row]; by many threads at a time, between begin and end. NULL: a source without them. */
	void (*lines_begin)(itr_score_source *s, int side, int threads);
	void (*lines)(const itr_score_source *s, int side, int64_t first, int64_t n, float *out);
	void (*lines_end)(itr_score_source *s);
	void (*free)(itr_score_source *s);
};
void itr_score_source_free(itr_score_source *s);

/* Inner products of float rows, all borrowed. Memory beyond them: the smaller side once, packed, and a few MiB. Rows must be finite and
 * shorter than 1e18, so that no score overflows: unit rows are; check others (itr_rows_inspect). */
itr_score_source *itr_score_rows(const float *queries, int64_t nq, const float *gallery, int64_t ng, int64_t dim);

/* The same where the queries are too many to hold: they come in blocks of consecutive rows, all of them twice, in order: round 0 for the
 * scores of pairs, round 1 for the tiles. read: *rows becomes `n` rows from `first` on, which stay until the next call; -1 with err ends
 * the count. The gallery is held by the caller. */
typedef int itr_read_rows(void *ctx, int round, int64_t first, int64_t n, const float **rows, itr_err *err);
itr_score_source *itr_score_blocks(int64_t nq, int64_t block, itr_read_rows *read, void *ctx, const float *gallery, int64_t ng,
                                   int64_t dim);

/* Queries (borrowed) against a packed gallery, in its precision. Queries alone are ranked, not gallery rows. */
itr_score_source *itr_score_codes(const itr_gallery *g, const float *queries, int64_t nq);

/* All scores of nq queries: out[q*ld + row]. For matrices that fit; search and rank never hold one. -1: a query is not finite. */
ITR_MUST_USE int itr_gallery_scores(const itr_gallery *g, const float *queries, int64_t nq, float *out, int64_t ld, int threads,
                                    itr_err *err);

#endif
