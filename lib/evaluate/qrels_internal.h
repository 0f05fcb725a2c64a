/* qrels_internal.h - inside of evaluate: what the readers of relevance fill. */
#ifndef ITR_EVALUATE_QRELS_INTERNAL_H
#define ITR_EVALUATE_QRELS_INTERNAL_H

#include "base/map.h"
#include "base/vec.h"
#include "evaluate/qrels.h"

/* Queries of one kind: those among the rows, or those that are not. */
typedef struct itr_qrels_entries {
	ITR_VEC(int64_t) q, row, out_q;         /* positives in the gallery, and outside */
	ITR_VEC(double) grade, out_grade;
	ITR_VEC(bool) named;                    /* by query */
} itr_qrels_entries;

/* One direction while it is read. */
typedef struct itr_qrels_side {
	bool present;                           /* the file has this direction; otherwise it is the other one inverted */
	/* rows that may ask: documents of the other direction that join are no rows of this one */
	int64_t queries;
	itr_qrels_entries known, absent;
	itr_map *absent_query;                  /* id -> its number */
	itr_map *counted;                       /* "kind query<TAB>positive" seen outside the gallery: a repeat counts once */
	int64_t outside;
} itr_qrels_side;

typedef struct itr_qrels_reading {
	const itr_row_table *table;
	itr_map *id[2];                         /* id -> row */
	bool grow;                              /* ids are all there is: a document that no list has joins the gallery */
	const itr_relevance_rules *rules;
	itr_provenance *provenance;             /* may be NULL */
	itr_qrels_side side[2];                 /* by the query's modality */
	itr_relevance *relevant;                /* of texts, from a reader that knows them as a whole; NULL: what was added */
	int64_t *fold_order, repeated;          /* become those of itr_qrels */
} itr_qrels_reading;

/* 0; -1 with err: an id stands twice in the table. Free either way. */
ITR_MUST_USE int itr_qrels_reading_init(itr_qrels_reading *r, const itr_row_table *t, const itr_relevance_rules *rules,
                                        itr_provenance *provenance, itr_err *err);
void itr_qrels_reading_free(itr_qrels_reading *r);
void itr_qrels_input(const itr_qrels_reading *r, const char *path);      /* notes a file that was read */
/* The file names this query, if only with grades of 0. */
void itr_qrels_name_query(itr_qrels_reading *r, itr_modality m, const char *id);
/* A pair; grades of 0 and less name the query alone. */
void itr_qrels_add(itr_qrels_reading *r, itr_modality m, const char *query, const char *document, double grade);
/* A grade that the rules can take: 0, or -1 with err that begins with `where`. */
ITR_MUST_USE int itr_qrels_check_grade(const itr_qrels_reading *r, double grade, const char *where, itr_err *err);
/* {query: [document, ...]} or {query: {document: grade}}: 0, or -1 with err. */
ITR_MUST_USE int itr_qrels_add_map(itr_qrels_reading *r, itr_modality m, const itr_json *map, const char *path, itr_err *err);

#endif
