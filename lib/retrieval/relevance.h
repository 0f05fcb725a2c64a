/* relevance.h - which gallery rows answer which query: one list a query, held as offsets and rows (CSR).
 * Built by adding pairs in any order; finishing sorts each list and drops repeats. Rows are indices into the gallery, 0 <= row < gallery. */
#ifndef ITR_RETRIEVAL_RELEVANCE_H
#define ITR_RETRIEVAL_RELEVANCE_H

#include "base/err.h"

typedef struct itr_relevance {
	int64_t queries, gallery;
	int64_t *offset;        /* [queries + 1] */
	int64_t *row;           /* positives of query q: row[offset[q] .. offset[q+1]), ascending, no repeats */
	int64_t *outside;       /* [queries]: positives that a judgement file names but the gallery lacks; they count in R (map_at_r, r_precision) and nowhere else */
} itr_relevance;

/* Positives as pairs (query[i], row[i]); query[i] < 0 or row[i] < 0 is passed over (no answer). Anything else out of range is a programming mistake: check what
 * comes from files with itr_relevance_check first. Never fails. Free with itr_relevance_free. */
itr_relevance *itr_relevance_from_pairs(int64_t queries, int64_t gallery, const int64_t *query, const int64_t *row, int64_t pairs);
/* One positive a query: row[q], or -1 for none. */
itr_relevance *itr_relevance_from_map(int64_t queries, int64_t gallery, const int64_t *row);
/* The other direction: gallery rows become queries. `outside` is not carried over. */
itr_relevance *itr_relevance_invert(const itr_relevance *r);
void itr_relevance_free(itr_relevance *r);

int64_t itr_relevance_pairs(const itr_relevance *r);            /* positives in all */
int64_t itr_relevance_count(const itr_relevance *r, int64_t q); /* positives of q that are in the gallery */
bool itr_relevance_has(const itr_relevance *r, int64_t q, int64_t row);

/* row[i] is -1 or in [0, gallery): 0; otherwise -1 with err that names the first offender as "NAME[i]". */
ITR_MUST_USE int itr_relevance_check(const int64_t *row, int64_t n, int64_t gallery, const char *name, itr_err *err);

#endif
