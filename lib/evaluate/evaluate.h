/* evaluate.h - embeddings and relevance in, a report out: both directions under a protocol, chance beside each figure, intervals,
 * warnings. */
#ifndef ITR_EVALUATE_EVALUATE_H
#define ITR_EVALUATE_EVALUATE_H

#include "data/embeddings.h"
#include "evaluate/qrels.h"
#include "retrieval/bootstrap.h"

typedef enum itr_protocol { ITR_PROTOCOL_FULL, ITR_PROTOCOL_POOL, ITR_PROTOCOL_COCO_1K, ITR_PROTOCOL_COCO_5K } itr_protocol;

typedef struct itr_eval_opts {
	itr_metric_set set;
	itr_ties ties;                  /* of the conventions itr: the others have a rule of their own */
	itr_relevance_rules rules;
	itr_protocol protocol;
	int64_t pool;                   /* of ITR_PROTOCOL_POOL */
	int resamples;                  /* 0: no intervals */
	uint64_t seed;
	int threads;
	const itr_json *warnings;       /* sentences on the vectors, which come first in the report's; may be NULL */
} itr_eval_opts;

/* "full", "pool:100", "coco-1k", "coco-5k". */
ITR_MUST_USE int itr_protocol_parse(const char *text, itr_protocol *protocol, int64_t *pool, itr_err *err);
char *itr_protocol_text(itr_protocol protocol, int64_t pool);       /* the caller frees */
/* What is done with equal scores, for people and per-query files: a name of itr_ties_names, or the other conventions' rule. */
const char *itr_ties_text(itr_ties ties, itr_conventions conventions);

/* One direction; values NULL: it is not evaluated. Everything per query is in the order of values->query: rows of the texts (t2i) or of the
 * images (i2t). */
typedef struct itr_eval_side {
	itr_metric_result result;
	itr_interval ci[ITR_METRIC_MAX];       /* NaN without resamples */
	itr_metric_values *values;
	itr_tie_group *best;                   /* [values->n]: g, n, m as scored */
	int64_t *relevant, *pool, *cluster;    /* [values->n]: R; rows ranked; row of the image (-1: none) */
	/* With a file that names queries: those of it without a ranking; those whose grades are all 0; ranked ones that it does not name */
	int64_t missing, no_positive, unnamed;
	int64_t explained;                     /* queries left out for these reasons, or asked by nobody */
} itr_eval_side;

typedef struct itr_eval {
	const itr_embeddings *data;            /* borrowed, as the relevance is */
	const itr_qrels *qrels;
	itr_metric_set set;
	itr_ties ties;
	itr_relevance_rules rules;
	bool named, graded;                    /* the relevance names its queries (folds do not ask); has grades other than 1 */
	char *protocol;
	itr_eval_side side[2];                 /* by the query's modality: t2i, i2t */
	double rsum;                           /* 100 * (recall@1 + @5 + @10, both directions); NaN when one of them is not computed */
	itr_interval rsum_ci;
	bool truncated;                        /* ranks came from lists that lack part of the gallery */
	itr_json *warnings;                    /* array of sentences: on the vectors, on the relevance, and what the figures show */
} itr_eval;

/* Both are borrowed and must outlive the report. NULL with err: a protocol that does not fit the data, no query with a positive. */
itr_eval *itr_evaluate(const itr_embeddings *e, const itr_qrels *q, const itr_eval_opts *o, itr_err *err);
/* From given ranks (of a TREC run, whose embeddings are a table alone), by the query's modality; either may be NULL. Takes ownership of
 * them. truncated: lists that lack part of the gallery; median_rank and mean_rank need it all and become NaN, with a warning. Queries of q
 * that are not among the rows count 0 in a direction that has ranks, unless o->rules leaves them out. */
itr_eval *itr_evaluate_ranks(const itr_embeddings *e, const itr_qrels *q, itr_ranks *const ranks[2], bool truncated, const itr_eval_opts *o,
                             itr_err *err);
void itr_eval_free(itr_eval *e);

/* {"t2i": {...}, "i2t": {...}, "rsum", "rsum_ci95", "ties", "protocol", "warnings", "synthetic"}: the caller adds schema, provenance,
 * per_query and frees. */
itr_json *itr_eval_json(const itr_eval *e);
/* {"conventions", "gain", "missing_queries", "t2i": {"missing", "no_positive", "unjudged"}, "i2t"}: how the relevance was counted. The
 * caller frees. */
itr_json *itr_eval_rules_json(const itr_eval *e);
/* Metric by metric for people: value, interval, chance. */
void itr_eval_table(const itr_eval *e, int format, itr_buf *out);      /* format: itr_table_format */

/* Every figure as a tracked metric: t2i_recall@10, i2t_recall@10, mean_recall@10, ... */
void itr_eval_track(const itr_eval *e, void (*metric)(void *ctx, const char *key, double value), void *ctx);

/* --- per-query files ------------------------------------------------------------------------------------------------------------------ */

/* NPZ: for d in t2i, i2t: d_query_id, d_image_id (what is resampled together; "" = none), d_g, d_n, d_m (tie group of the best positive),
 * d_relevant (R), d_pool, d_values [queries, metrics]; metrics (their keys), ties, protocol, itr_provenance. */
ITR_MUST_USE int itr_eval_write_queries(const itr_eval *e, const char *path, const itr_provenance *provenance, itr_err *err);

/* Does `path` hold just that already, made from inputs of the same bytes? How it was asked for (the arguments) may differ. */
bool itr_eval_same_queries(const itr_eval *e, const char *path, const itr_provenance *provenance);

/* Paired comparison of two such files: queries joined by id, images resampled. Prints as JSON: {"a", "b", "t2i": {metric: {"a", "b",
 * "difference", "ci95", "p", "p_holm"}}, "i2t", "n_images", "warnings"}; difference = b - a. NULL with err. */
itr_json *itr_eval_compare(const char *a, const char *b, int resamples, uint64_t seed, int threads, itr_err *err);
/* The same as a table for people; format: itr_table_format. */
void itr_eval_compare_table(const itr_json *comparison, int format, itr_buf *out);

#endif
