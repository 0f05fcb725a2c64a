/* qrels.h - inside of retrieval: judgements as TREC's and BEIR's files have them. */
#ifndef ITR_RETRIEVAL_QRELS_H
#define ITR_RETRIEVAL_QRELS_H

#include "base/vec.h"
#include "retrieval/relevance.h"
#include "retrieval/trec_lines.h"

/* direction: 0 t2i, 1 i2t, -1 not said */
typedef struct itr_qrel { const char *query, *document; int direction; double grade; int64_t line; } itr_qrel;
typedef struct itr_qrels { itr_trec_lines lines; ITR_VEC(itr_qrel) list; } itr_qrels;

/* QUERY 0 DOCUMENT RELEVANCE, or QUERY DOCUMENT SCORE under BEIR's header. 0, or -1 with err; free either way. */
ITR_MUST_USE int itr_qrels_read(itr_qrels *q, const char *path, const itr_judging *j, itr_err *err);
void itr_qrels_free(itr_qrels *q);
/* A grade that the conventions and the gain can take: 0, or -1 with err that begins with `where`. */
ITR_MUST_USE int itr_grade_check(double grade, const itr_judging *j, const char *where, itr_err *err);

#endif
