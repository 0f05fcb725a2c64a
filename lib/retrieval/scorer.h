/* scorer.h - one thread's way to a gallery's scores: chosen rows, blocks of queries, the best among candidates. */
#ifndef ITR_RETRIEVAL_SCORER_H
#define ITR_RETRIEVAL_SCORER_H

#include "retrieval/topk.h"

/* Scores of chosen rows for one query at a time, as a service does it; one thread. Scratch is reused from call to call. */
typedef struct itr_scorer itr_scorer;
itr_scorer *itr_scorer_new(const itr_gallery *g);
void itr_scorer_free(itr_scorer *s);
/* out[i] = score of row rows[i]. rows NULL: rows 0..n-1. The query must be finite. */
void itr_scorer_rows(itr_scorer *s, const float *query, const int64_t *rows, int64_t n, float *out);

/* A scorer for up to `block` queries at a time, and their scores for all rows: out[q*ld + row]. One thread; each thread wants its own. */
itr_scorer *itr_scorer_new_block(const itr_gallery *g, int64_t block);
void itr_scorer_block(itr_scorer *s, const float *queries, int64_t nq, float *out, int64_t ld);

/* The k best among chosen rows (rising, no repeats; NULL: rows 0..n-1) for one query, with a scorer's scratch: what a service does per
 * request. Returns the number of hits. */
int64_t itr_scorer_top(itr_scorer *s, const float *query, const int64_t *rows, int64_t n, int64_t k, int64_t rescore, itr_hit *hits);

#endif
