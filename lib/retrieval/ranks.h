/* ranks.h - where each query's positives stand in its ranking. A rank is three counts a positive: gallery rows scored above it, rows scored
 * equal to it (itself included), and equal rows that stand before it. A tie is bit-equality, and scores are bit-stable (tensor/gemm.h), so
 * no result depends on batches, blocks or threads. rank.h counts them, metrics.h says what they are worth.
 */
#ifndef ITR_RETRIEVAL_RANKS_H
#define ITR_RETRIEVAL_RANKS_H

#include "retrieval/relevance.h"

typedef struct itr_ranks {
	int64_t queries;
	int64_t *offset;                /* [queries + 1]: positives of q are entries offset[q] .. offset[q+1], best score first */
	int64_t *row;                   /* per entry: gallery row */
	float *score;                   /* per entry */
	int64_t *above, *equal;         /* per entry: rows scored higher; rows of the same score, itself included */
	int64_t *before;                /* per entry: equal rows of smaller index; NULL unless asked for (ITR_TIES_STABLE needs it) */
	/* [queries]: rows that were ranked (gallery or candidate pool, less what is excluded); 0: the query does not count. One that counts
	 * but has no entry found nothing: its values are 0 */
	int64_t *pool;
	int64_t *relevant;              /* [queries]: R = positives, those outside the gallery included */
	/* [queries]: positives in the pool, which a random order could find: the number of entries, unless a list lacks some */
	int64_t *answers;
	bool *listed;                   /* [queries]: has a ranking at all (a run may lack queries); NULL: all have */
	int64_t gallery;
	double *gain, *answers_gain;    /* per entry; [queries] sum over the answers. NULL: every positive gains 1 (itr_ranks_grade) */
	int64_t *ideal_at;              /* [queries + 1], ideal: gains of all R positives, best first */
	double *ideal;
} itr_ranks;

/* Entries as rel's, pool = gallery, relevant and answers filled, counts zero. Free with itr_ranks_free. */
itr_ranks *itr_ranks_new(const itr_relevance *rel, bool stable);
void itr_ranks_free(itr_ranks *r);
/* Ranks of queries whose lists are missing: no entries, pool = gallery; answers and relevant are rel's. */
itr_ranks *itr_ranks_nothing(const itr_relevance *rel);
/* Puts the entries of q, whose scores are known, in the order of itr_ranks: best first, equal scores by row. */
void itr_ranks_sort(itr_ranks *r, int64_t q);
/* Gives ranked entries the gains of rel's grades, for ndcg; nothing where rel is not graded. Entries may be fewer than rel's positives
 * (answers then says how many these are). */
void itr_ranks_grade(itr_ranks *r, const itr_relevance *rel);

#endif
