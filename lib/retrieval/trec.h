/* trec.h - the files that TREC's tools exchange. Queries are written "t2i:ID" and "i2t:ID", because ids of texts and images may coincide (COCO's do). */
#ifndef ITR_RETRIEVAL_TREC_H
#define ITR_RETRIEVAL_TREC_H

#include "retrieval/metrics.h"
#include "retrieval/pairs.h"

/* QUERY 0 DOCUMENT 1 for every positive in the gallery. Ids with white space cannot be written: -1 with err. */
ITR_MUST_USE int itr_trec_write_qrels(const itr_pairs *p, const char *path, itr_err *err);
/* QUERY Q0 DOCUMENT RANK SCORE TAG: the first `depth` of each query's gallery, equal scores in the gallery's order; scores with all their digits. */
ITR_MUST_USE int itr_trec_write_run(const itr_pairs *p, const char *path, int64_t depth, int threads, itr_err *err);

/* A run instead of vectors. Ranks follow from the scores (the rank column is not believed), equal scores tie. Documents that a list lacks tie behind all that it has. */
typedef struct itr_trec_run itr_trec_run;
itr_trec_run *itr_trec_read_run(const char *path, itr_provenance *provenance, itr_err *err);
void itr_trec_free(itr_trec_run *r);
/* Ids that occur in the run, without relevance: itr_pairs_judge comes next (it adds judged documents that no list has). */
itr_pairs *itr_trec_pairs(const itr_trec_run *r);
/* Ranks of both directions under p's relevance; NULL where the run has no such list. *truncated: a list lacks part of the gallery, so ranks far down are not known. */
void itr_trec_ranks(const itr_trec_run *r, const itr_pairs *p, bool stable, itr_ranks **t2i, itr_ranks **i2t, bool *truncated);

#endif
