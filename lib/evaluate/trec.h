/* trec.h - the files that TREC's tools exchange. Queries are written "t2i:ID" and "i2t:ID", because ids of texts and images may coincide
 * (COCO's do). */
#ifndef ITR_EVALUATE_TREC_H
#define ITR_EVALUATE_TREC_H

#include "data/embeddings.h"
#include "evaluate/qrels.h"
#include "retrieval/metrics.h"

/* QUERY 0 DOCUMENT GRADE for every positive in the gallery. Ids with white space cannot be written: -1 with err. */
ITR_MUST_USE int itr_trec_write_qrels(const itr_row_table *t, const itr_qrels *q, const char *path, itr_err *err);
/* QUERY Q0 DOCUMENT RANK SCORE TAG: the first `depth` of each query's gallery, equal scores in the gallery's order; scores with all their
 * digits. */
ITR_MUST_USE int itr_trec_write_run(const itr_embeddings *e, const char *path, int64_t depth, int threads, itr_err *err);

/* A run instead of vectors: for each query a list of documents with scores. */
typedef struct itr_trec_run itr_trec_run;
/* The rank column is ignored; NaN and a document that is twice in one list are refused. NULL with err; the caller frees. */
itr_trec_run *itr_trec_read_run(const char *path, itr_provenance *provenance, itr_err *err);
void itr_trec_free(itr_trec_run *r);
/* The ids that occur in the run as a table: itr_qrels_open adds documents of the relevance that no list has. Free with itr_row_table_free.
 */
void itr_trec_table(const itr_trec_run *r, itr_row_table *t);

/* How a list is ordered:
 *   itr        by score; equal scores tie, and documents that a list lacks tie behind all that it has
 *   trec_eval  by score as float32, equal scores by descending document id; a positive that the list lacks is not found
 *              (form_res_rels.c of trec_eval 9)
 *   ranx       by score, equal scores as numba's argsort leaves them: in the file's order for lists up to 15, in a fixed order without
 *              meaning beyond (ranx 0.3 with make_comparable=True) */
typedef struct itr_trec_ranks {
	itr_ranks *side[2];             /* t2i, i2t; NULL: the run has no such list. The caller frees */
	/* where the first positive stands is not known for some query: a list ends before it, or there is none */
	bool truncated;
	int64_t infinite;               /* scores that are infinite: they tie */
} itr_trec_ranks;
/* Ranks of the run under q, t being its table; queries that do not count (itr_relevance_counts) are left out, those of q without a list
 * find nothing. */
void itr_trec_rank(const itr_trec_run *r, const itr_row_table *t, const itr_qrels *q, const itr_relevance_rules *rules, bool stable,
                   itr_trec_ranks *out);
/* The same of vectors: what the run that itr_trec_write_run makes of the whole gallery would give. Conventions other than itr. */
void itr_trec_rank_vectors(const itr_embeddings *e, const itr_qrels *q, const itr_relevance_rules *rules, int threads, itr_trec_ranks *out);

#endif
