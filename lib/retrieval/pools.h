/* pools.h - candidate pools that anyone can rebuild with NumPy. For direction d, size C and seed s:
 *
 *	rng = np.random.default_rng([s, d, C])
 *	for each query in order, p = number of positives:
 *	    neg = np.delete(np.arange(Ng), positives)[rng.choice(Ng - p, C - p, replace=False)]
 *
 * C >= Ng: the whole gallery, nothing is drawn. No positive, or p > C: the query is left out and draws nothing. Pools depend on nothing
 * else: the same for every dimension and precision, so that comparisons are paired. */
#ifndef ITR_RETRIEVAL_POOLS_H
#define ITR_RETRIEVAL_POOLS_H

#include "retrieval/relevance.h"

typedef struct itr_pools itr_pools;      /* a stream: queries come in order 0, 1, ... */

/* rel is borrowed; free with itr_pools_free */
itr_pools *itr_pools_begin(const itr_relevance *rel, int64_t size, uint64_t seed, int direction);
int64_t itr_pools_width(const itr_pools *p);          /* the most rows that a pool can have: min(size, gallery) */
/* Candidates of the next query into out[width]: its positives first (ascending), then the negatives in NumPy's order. Their number; 0: left
 * out. */
int64_t itr_pools_next(itr_pools *p, int32_t *out);
/* The same pool as a set, much faster: bit i of the (gallery + 63) / 64 words stands for row i. Its number of rows; 0: left out (words
 * untouched). */
int64_t itr_pools_next_bits(itr_pools *p, uint64_t *bits);
/* Such a pool as itr_pools_next gives it, but the negatives ascending. out holds as many rows as bits are set; their number is returned. */
int64_t itr_pools_rows(const itr_relevance *rel, int64_t q, const uint64_t *bits, int32_t *out);
void itr_pools_free(itr_pools *p);

#endif
