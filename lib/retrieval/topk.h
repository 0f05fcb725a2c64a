/* topk.h - the k best rows of a gallery for each query, scored and selected in one pass: the score matrix is never stored.
 * Order: higher score first, equal scores by lower row. The result depends on neither the threads nor the batch. */
#ifndef ITR_RETRIEVAL_TOPK_H
#define ITR_RETRIEVAL_TOPK_H

#include "retrieval/gallery.h"

typedef struct itr_hit {
	int64_t row;                     /* -1: the gallery has fewer than k rows */
	float score;
} itr_hit;

typedef struct itr_search_opts {
	/* N > 0: the N best in the gallery's precision are ranked again by the finer copy, whose scores are returned */
	int64_t rescore;
	int threads;                     /* 0: all */
} itr_search_opts;

/* hits: [nq*k], best first. opts may be NULL. -1 with err: a query is not finite, or rescore without a finer copy in the gallery. */
ITR_MUST_USE int itr_topk_search(const itr_gallery *g, const float *queries, int64_t nq, int64_t k, itr_hit *hits,
                                 const itr_search_opts *opts, itr_err *err);

/* What search runs on this machine: the scoring kernel, "avx512+bf16" where a bfloat16 filter stands before it. Borrowed. */
const char *itr_topk_kernel(const itr_gallery *g);
/* Whether this project has a better one for the precision, which this CPU (or ITR_CPU) does not allow. */
bool itr_topk_is_fallback(const itr_gallery *g);

#endif
