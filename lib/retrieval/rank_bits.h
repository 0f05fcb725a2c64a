/* rank_bits.h - ranks of one query in many candidate pools from one row of scores.
 *
 * Where a pool holds a fair part of the gallery, a pool is a set of bits and so is "scored above the positive": a rank is the number of
 * bits that both hold. The comparisons are made once for all pools of the query, and a pool costs a few words instead of a gather. The
 * counts equal itr_ranks_query's.
 */
#ifndef ITR_RETRIEVAL_RANK_BITS_H
#define ITR_RETRIEVAL_RANK_BITS_H

#include "retrieval/metrics.h"

/* Words of a set of rows. */
static inline int64_t itr_bits_words(int64_t rows) { return (rows + 63) / 64; }

/* Query q in n pools: ranks[i] (NULL: passed over) gets its counts in pool bits[i] of size[i] rows. score: of the whole gallery. scratch: 3
 * * itr_bits_words(gallery) words. Pools hold all of q's positives. */
void itr_ranks_query_bits(itr_ranks *const *ranks, int n, const itr_relevance *rel, int64_t q, const float *score,
                          const uint64_t *const *bits, const int64_t *size, uint64_t *scratch);

/* The two loops, by instruction set. above[], equal[]: which of n scores are higher than t, which equal it; bits beyond n are 0. */
typedef struct itr_bits_kernel {
	void (*compare)(const float *score, int64_t n, float t, uint64_t *above, uint64_t *equal);
	int64_t (*common)(const uint64_t *a, const uint64_t *b, int64_t words);      /* bits set in both */
} itr_bits_kernel;

const itr_bits_kernel *itr_bits_kernel_get(void);
extern const itr_bits_kernel itr_bits_plain;
#if defined(__x86_64__)
extern const itr_bits_kernel itr_bits_avx2, itr_bits_avx512;
#endif

#endif
