/* select.h - inside of retrieval: the k best of a stream of scores.
 * Rows must arrive in rising order: then a later row that only equals the k-th score can never displace it, and one comparison with `limit`
 * decides. */
#ifndef ITR_RETRIEVAL_SELECT_H
#define ITR_RETRIEVAL_SELECT_H

#include "retrieval/topk.h"

typedef struct itr_select {
	float limit;                     /* only a score above it can matter; -inf until k are there */
	int64_t k, n, cap;
	itr_hit *hits;
} itr_select;

int64_t itr_select_cap(int64_t k);                 /* hits that the caller provides */
void itr_select_init(itr_select *s, int64_t k, itr_hit *hits);
void itr_select_add(itr_select *s, float score, int64_t row);    /* score > limit */
void itr_select_trim(itr_select *s);               /* at most k hits, in any order */
void itr_select_finish(itr_select *s);             /* at most k hits, best first */
void itr_hits_sort(itr_hit *h, int64_t n);         /* best first */
void itr_hits_cut(itr_hit *h, int64_t n, int64_t k);   /* the k best come first, in any order; k <= n */
int64_t itr_hits_best(itr_hit *h, int64_t n, int64_t k);   /* the k best come first, best first; how many they are */

#endif
