/* rank.h - ranks by counting: one pass over the scores serves both directions, and no score is kept.
 *
 *	itr_ranks *ranks[2];
 *	itr_rank_rows(text, nt, image, ni, dim, (const itr_relevance *[]){ t2i, i2t }, &(itr_rank_opts){ .threads = 2 }, ranks);
 *
 * The scores of positives are made first, bit-identical to the tiles' elements; each tile is then counted along its lines for one direction
 * and down its lanes for the other.
 */
#ifndef ITR_RETRIEVAL_RANK_H
#define ITR_RETRIEVAL_RANK_H

#include "retrieval/ranks.h"
#include "retrieval/score_source.h"

typedef struct itr_rank_opts {
	/* rows that leave a query's gallery, such as the query itself or a reference image: they are not ranked and chance does not know
	 * them. [0]: of the queries, [1]: of the gallery rows as queries. NULL: none */
	const itr_relevance *excluded[2];
	bool stable;                    /* fill `before` */
	/* > 0: each query among that many candidates, drawn as pools.h says (direction 0 for the queries, 1 for the gallery rows), as if
	 * nothing were excluded; what is excluded leaves the pool afterwards. From the size of the gallery on: the whole gallery */
	int64_t pool;
	uint64_t seed;                  /* of the pools */
	int threads;                    /* 0: all */
} itr_rank_opts;

/* relevant[0]: queries against the gallery; relevant[1]: gallery rows against the queries, from the same pass. Either may be NULL; its out
 * is then untouched. 0; -1 with err: a positive is excluded, or the source failed. */
ITR_MUST_USE int itr_rank_count(itr_score_source *s, const itr_relevance *const relevant[2], const itr_rank_opts *o, itr_ranks *out[2],
                                itr_err *err);

/* The same of float rows in memory, whose lists exclude no positive: it cannot fail. */
void itr_rank_rows(const float *queries, int64_t nq, const float *gallery, int64_t ng, int64_t dim, const itr_relevance *const relevant[2],
                   const itr_rank_opts *o, itr_ranks *out[2]);

/* -1 with err that names the first query which excludes one of its own positives; `what`: what a query is called. */
ITR_MUST_USE int itr_rank_check_excluded(const itr_relevance *relevant, const itr_relevance *excluded, const char *what, itr_err *err);

/* --- one query whose scores are all there --------------------------------------------------------------------------------------------- */

/* The candidates of a query: a set of rows, a list, or (both NULL) the whole gallery. */
typedef struct itr_candidates {
	const uint64_t *bits;           /* (gallery + 63) / 64 words; or */
	const int32_t *row;             /* [n] rows */
	int64_t n;                      /* rows; 0: the query is left out */
} itr_candidates;

/* Query q in n pools at once: ranks[i] (NULL: passed over) gets its counts among pool[i]. score: of the whole gallery (a list's rows
 * suffice where all pools are lists); pools hold all of q's positives. excluded may be NULL. scratch: itr_rank_scratch(gallery) bytes,
 * aligned to 8; NULL where all pools are the whole gallery. Comparisons with sets are made once for all pools of the query. Different q may
 * run in different threads. */
void itr_rank_scores(itr_ranks *const *ranks, const itr_candidates *pool, int n, const itr_relevance *rel, const itr_relevance *excluded,
                     int64_t q, const float *score, void *scratch);
size_t itr_rank_scratch(int64_t gallery);

/* Words of a set of rows. */
static inline int64_t itr_bits_words(int64_t rows) { return (rows + 63) / 64; }

#endif
