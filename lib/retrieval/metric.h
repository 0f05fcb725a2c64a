/* metric.h - a retrieval metric as a descriptor: one file metric_NAME.c (metrics that share a formula share the file) and one line in
 * metrics.def.
 *
 * A metric's value for a query is its exact expectation over all orders of equal scores (McSherry & Najork, ECIR 2008). Its input
 * are the groups of equal scores that hold positives. Chance is the same function with one group, the whole gallery.
 */
#ifndef ITR_RETRIEVAL_METRIC_H
#define ITR_RETRIEVAL_METRIC_H

#include "base/buf.h"
#include "base/option.h"
#include "retrieval/relevance.h"

/* Equal scores that hold positives: `above` rows stand over the group, it has n rows, m of them positive. */
typedef struct itr_tie_group { int64_t above, n, m; } itr_tie_group;

/* One query's ranking, as far as metrics are concerned. */
typedef struct itr_ranking {
	const itr_tie_group *group;     /* best first */
	int64_t groups;                 /* 0: nothing was found; metrics are not asked then */
	int64_t relevant;               /* R: positives, those outside the gallery included; at least 1 */
	const double *gain;             /* [groups] sum of the gains of a group's positives; NULL: each gains 1 */
	const double *ideal;            /* [relevant] gains of all positives, best first; NULL: all 1 */
} itr_ranking;

/* Whether a metric is computed when nobody asked for it by name. */
typedef enum itr_metric_usual {
	ITR_METRIC_ON_REQUEST,
	ITR_METRIC_USUAL,
	ITR_METRIC_USUAL_EACH_K,        /* at every cut-off that is asked for (--recall-k) */
	ITR_METRIC_USUAL_ELSEWHERE,     /* under the conventions of trec_eval and ranx */
} itr_metric_usual;

typedef struct itr_metric_ops {
	const char *name;               /* as users write it: "recall@K" takes a cut-off K, "mrr" takes none */
	const char *summary;            /* one line, lower case, no full stop */
	bool larger_is_better;          /* a query for which nothing was found has 0; otherwise infinity */
	bool rank;                      /* a rank, from 1, known only where whole galleries are ranked; otherwise a share from 0 to 1 */
	bool median;                    /* its figure is the median over the queries, otherwise the mean */
	bool headline;                  /* the ablation gives it an interval */
	itr_metric_usual usual;
	const char *equivalent[ITR_CONVENTIONS_COUNT];  /* the other programs' name for it; NULL: they have none */
	/* its own options, bound to a struct of options_size bytes whose defaults are `defaults`; NULL: none */
	const itr_option *options;
	const void *defaults;
	size_t options_size;
	double (*value)(const itr_ranking *r, int64_t k, const void *options);          /* k: the cut-off, 0 without one */
} itr_metric_ops;

extern const itr_metric_ops *const itr_metrics_table[];     /* metrics.def, NULL-terminated */
void itr_metrics_help(itr_buf *out);                        /* "name: summary; name: summary" */

/* "recall@10" -> its descriptor and *k = 10 (0 without a cut-off). NULL with err: an unknown name (the nearest is given, and all), a
 * cut-off that is missing, superfluous or not from 1 to 2^31 - 1. */
const itr_metric_ops *itr_metric_parse(const char *key, int64_t *k, itr_err *err);

/* Expected number of positives among the first k places. */
double itr_ranking_hits(const itr_ranking *r, int64_t k);

#endif
