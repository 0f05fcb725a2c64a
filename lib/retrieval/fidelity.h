/* fidelity.h - what a precision does to scores and rankings, against float32. */
#ifndef ITR_RETRIEVAL_FIDELITY_H
#define ITR_RETRIEVAL_FIDELITY_H

#include "retrieval/gallery.h"

/* How far a precision moves scores and rankings from float32's, over all rows for the given queries. */
typedef struct itr_fidelity {
	double cosine_error;             /* mean over rows of 1 - cosine(row, row as stored) */
	double cosine_error_max;
	double spearman;                 /* mean over queries: rank correlation of the scores with float32's, ties averaged */
	double overlap;                  /* mean over queries: share of float32's k best rows that are among the k best here */
} itr_fidelity;
/* vectors: the rows that g was packed from. -1 with err: a query is not finite. */
ITR_MUST_USE int itr_gallery_fidelity(const itr_gallery *g, const float *vectors, const float *queries, int64_t nq, int64_t k, int threads,
                                      itr_fidelity *out, itr_err *err);

#endif
