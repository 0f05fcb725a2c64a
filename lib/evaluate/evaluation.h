/* evaluation.h - a whole evaluation: vectors (or a run) and relevance in, the result as JSON and as a table, what belongs beside it
 * written. What the program `evaluate` does between its options and its exit code. */
#ifndef ITR_EVALUATE_EVALUATION_H
#define ITR_EVALUATE_EVALUATION_H

#include "evaluate/evaluate.h"
#include "encode/encode.h"

typedef struct itr_evaluation_opts {
	itr_encode_opts rows;           /* its threads, seed and provenance serve the rest, too */
	const char *model;              /* that maps the rows; NULL: as they are */
	const char *input;              /* NULL with rows.in.vectors or run */
	const char *run;                /* a TREC run instead of vectors */
	const char *relevance;          /* instead of the ground truth, see itr_qrels_open; may be NULL */
	const char *exclude;            /* what leaves the galleries of queries, see itr_qrels_exclude; may be NULL */
	itr_relevance_rules rules;
	const char *protocol;           /* see itr_protocol_parse */
	const int64_t *k;
	int64_t n_k;                    /* cut-offs K of recall@K in the default metrics */
	const char *const *metrics;     /* keys, "default" among them standing for the default ones; none: those alone */
	int64_t n_metrics;
	itr_metric_options metric_options;
	itr_ties ties;
	int resamples;                  /* of the intervals; 0: none */
	const char *output;             /* file of the result, for the names of what stands beside it; NULL: stdout */
	const char *per_query;          /* NULL: beside output or input; "none" */
	const char *baseline;           /* compared with; may be NULL */
	const char *run_out, *qrels_out;/* may be NULL */
	int64_t run_depth;              /* 0: the whole gallery */
	bool anchors, distances;
	bool force;                     /* outputs that exist are replaced */
	void (*artifact)(void *ctx, const char *path);  /* told of each file that was written, run_out and qrels_out excepted */
	void *ctx;
} itr_evaluation_opts;

typedef struct itr_evaluation {
	itr_embeddings data;            /* a table alone for a run */
	itr_qrels qrels;
	itr_eval *eval;
	itr_json *result;               /* complete: schema, provenance, per_query ... */
	const char *set;                /* of published figures that stand beside it; NULL: none */
} itr_evaluation;

/* The metrics of an evaluation: those named, or the default ones: itr_metric_set_default, and map under other conventions. Borrows
 * o->metric_options. -1 with err: a name that is unknown or given twice. */
ITR_MUST_USE int itr_evaluation_metrics(const itr_evaluation_opts *o, itr_metric_set *set, itr_err *err);

/* Options that do not go together (none, or several inputs; a run with what vectors alone have; conventions with another rule for ties):
 * before the work. 0, or -1 with err. */
ITR_MUST_USE int itr_evaluation_check(const itr_evaluation_opts *o, itr_err *err);

/* Refuses outputs that exist (unless o->force), that are inputs too, or that are named twice: before the work. The per-query file is left
 * out, since one that holds the same stays. 0, or -1 with err. */
ITR_MUST_USE int itr_evaluation_check_outputs(const itr_evaluation_opts *o, itr_err *err);

/* Files named in the options are written. A per-query file of another evaluation is not replaced without o->force: -1. A per-query file
 * that nobody asked for and that cannot be written beside the input is a warning. 0; -1 with err, nothing to free. */
ITR_MUST_USE int itr_evaluation_run(itr_evaluation *e, const itr_evaluation_opts *o, itr_err *err);
void itr_evaluation_free(itr_evaluation *e);

/* itr_eval_compare of two files as a result: with schema and provenance. The caller frees; NULL with err. */
itr_json *itr_evaluation_compare(const itr_evaluation_opts *o, const char *a, const char *b, itr_err *err);

/* What people read, appended; format: itr_table_format. */
void itr_evaluation_table(const itr_evaluation *e, int format, itr_buf *out);

#endif
