/* qrels.h - relevance: which images are positives of a text and which texts of an image, by the rows of a table of ids; no vectors are
 * needed. It is the table's own ground truth, or what one of the readers of qrels.def finds in a file.
 *
 *	itr_qrels q;
 *	if (itr_qrels_open(&q, &e->table, "eccv:DIR", &rules, provenance, err) < 0)
 *		return -1;
 *	use(q.relevant[ITR_TEXT], q.relevant[ITR_IMAGE]);
 *	itr_qrels_free(&q);
 *
 * A reader is one file that exports one descriptor and one line in qrels.def.
 */
#ifndef ITR_EVALUATE_QRELS_H
#define ITR_EVALUATE_QRELS_H

#include "base/buf.h"
#include "data/row_table.h"
#include "io/json.h"
#include "io/provenance.h"
#include "retrieval/relevance.h"

extern const char *const itr_direction_names[];         /* "t2i" "i2t" NULL, by the modality of the query */

struct itr_qrels_reading;               /* evaluate/qrels_internal.h: what a reader fills */

typedef struct itr_qrels_reader {
	const char *name;
	const char *prefix;             /* what its specifications begin with, as "eccv:"; NULL: they are a path */
	const char *meta;               /* for people: "eccv:DIR", "FILE.json" */
	const char *summary;
	bool (*is)(const char *path);   /* without a prefix; NULL: takes every path */
	/* path: the specification without the prefix. 0, or -1 with err. */
	int (*read)(struct itr_qrels_reading *r, const char *path, itr_err *err);
	bool original_captions;         /* it says what COCO's captions say, so that the protocol coco-1k can be cut from it */
} itr_qrels_reader;

extern const itr_qrels_reader *const itr_qrels_readers[];        /* qrels.def in its order, then NULL */

/* The reader of a specification (the last of the table takes what no other does); *path, unless NULL, is set to what it reads. */
const itr_qrels_reader *itr_qrels_reader_of(const char *spec, const char **path);
/* "META: summary; META: summary", for help. */
void itr_qrels_readers_help(itr_buf *out);

typedef struct itr_qrels {              /* index: the modality of the query */
	char *source;                   /* as results call it: "ground_truth", "row by row", "eccv:DIR" */
	const itr_qrels_reader *reader; /* NULL: the table's ground truth */
	itr_relevance *relevant[2];
	itr_relevance *absent[2];       /* queries of the file that are not among the rows, as queries of their own; NULL: none */
	char **absent_id[2];            /* [absent->queries] */
	itr_relevance *excluded[2];     /* rows that leave a query's gallery (itr_qrels_exclude); NULL: none */
	char *exclude;                  /* what itr_qrels_exclude was asked for; NULL */
	int64_t exclusions[2];          /* pairs excluded */
	int64_t own_positives;          /* positives that were the query itself and left with it */
	int64_t *fold_order;            /* [n images]: image rows in the order that coco-1k cuts; NULL: as they are */
	int64_t unanswered;             /* texts without an image in the ground truth */
	int64_t outside;                /* positives of the file that are not in the gallery */
	int64_t repeated;               /* pairs that are in the file more than once, with the same grade */
	/* texts whose caption another image of the gallery has too, where the captions are known and the relevance does not say so */
	int64_t equal_captions;
	char *captions_file;            /* which knows them */
} itr_qrels;

/* spec NULL: the table's ground truth. Otherwise one of the readers' specifications, matched by id; `rules` says which grades can be taken.
 * Positives that are not in the gallery are counted in R and in q->outside; queries that are not among the rows become q->absent. A table
 * without text_image has ids alone (a TREC run's): documents of the file that it lacks are added to its ids, and text_image becomes each
 * text's first positive. Refused: a pair with two grades, grades that the rules do not know, a file none of whose queries is a row. The
 * file is noted in `provenance`, which may be NULL. 0; -1 with err, q empty. */
ITR_MUST_USE int itr_qrels_open(itr_qrels *q, itr_row_table *t, const char *spec, const itr_relevance_rules *rules,
                                itr_provenance *provenance, itr_err *err);
void itr_qrels_free(itr_qrels *q);

/* Rows leave the galleries of single queries: the query itself where both sides hold the same things, a reference image of a composed
 * query. They are not ranked, and chance does not know them.
 *   self  rows of the other side with the query's own id; where they are among its positives, they leave these too (counted)
 *   FILE  as relevance is read; a direction that it does not name excludes nothing. Unknown ids are ignored
 * 0; -1 with err: nothing is excluded, or a positive is. */
ITR_MUST_USE int itr_qrels_exclude(itr_qrels *q, const itr_row_table *t, const char *spec, itr_provenance *provenance, itr_err *err);

/* Counts equal captions where `path`, a feature store or a manifest, has the words of the table's texts; otherwise nothing happens. */
void itr_qrels_count_equal_captions(itr_qrels *q, const itr_row_table *t, const char *path);

/* Does the relevance say which queries count (a file of queries), so that others can be missing from it? */
bool itr_qrels_names_queries(const itr_qrels *q);

/* Sentences for the user, pushed on a JSON array. */
void itr_qrels_warnings(const itr_qrels *q, itr_json *warnings);

#endif
