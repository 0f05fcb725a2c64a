/* metrics.h - how well rankings find their positives, ties counted exactly: sets of metrics (metric.h) and their
 * values over the queries.
 *
 *	itr_metric_set set;
 *	itr_metric_set_default(&set, (int64_t[]){ 1, 5, 10 }, 3, 10);
 *	itr_metric_result r;
 *	itr_metrics(ranks, &set, ITR_TIES_EXPECTED, &r);          // r.value[i], r.chance[i] for set.m[i].key; ranks: rank.h
 *
 * Expectations over all orders of equal scores: McSherry & Najork, ECIR 2008; every formula is checked against enumeration
 * (tests/unit/test_retrieval_metrics.c).
 */
#ifndef ITR_RETRIEVAL_METRICS_H
#define ITR_RETRIEVAL_METRICS_H

#include "io/json.h"
#include "retrieval/metric.h"
#include "retrieval/ranks.h"

typedef enum itr_ties { ITR_TIES_EXPECTED, ITR_TIES_PESSIMISTIC, ITR_TIES_OPTIMISTIC, ITR_TIES_STABLE } itr_ties;
extern const char *const itr_ties_names[];        /* "expected" "pessimistic" "optimistic" "stable" NULL */

/* --- sets ---------------------------------------------------------------------------------------------------------------------- */

extern const itr_metric_ops itr_metric_recall;       /* named here, since rsum and mean_recall@K are made of it */

enum { ITR_METRIC_MAX = 80 };

typedef struct itr_metric_def {
	const itr_metric_ops *metric;       /* NULL: a figure of a file that this version does not know (compare.c) */
	int64_t k;                      /* of recall@k; 0: it has none */
	const void *options;            /* of the metric's own struct, borrowed; NULL where it has no options */
	char key[32];                   /* "recall@10" */
} itr_metric_def;

typedef struct itr_metric_set {
	int n;
	itr_metric_def m[ITR_METRIC_MAX];
} itr_metric_set;

/* Values of all metrics' options, as a program's table fills them in (itr_metric_option_rows). A set borrows them. */
typedef struct itr_metric_options { double value[8]; } itr_metric_options;
void itr_metric_options_init(itr_metric_options *o);    /* the defaults */
const void *itr_metric_options_of(const itr_metric_options *o, const itr_metric_ops *metric);        /* o NULL: the metric's defaults */
/* Rows of a program's option table, `offset` being that of the itr_metric_options in the program's struct. Their number. */
int itr_metric_option_rows(itr_option *rows, int room, size_t offset);

/* The usual ones: recall@k for each of k (at most 64, each >= 1), mrr, ndcg@ndcg_k, map_at_r, r_precision, median_rank, mean_rank. */
void itr_metric_set_default(itr_metric_set *s, const int64_t *k, int n_k, int64_t ndcg_k);
/* Adds what trec_eval and ranx report as well: map. Nothing under the conventions itr. */
void itr_metric_set_conventions(itr_metric_set *s, itr_conventions c);
/* Adds "map@10". o: borrowed by the set; NULL: defaults. -1 with err: as itr_metric_parse, or named twice. */
ITR_MUST_USE int itr_metric_set_add(itr_metric_set *s, const char *key, const itr_metric_options *o, itr_err *err);
int itr_metric_find(const itr_metric_set *s, const char *key);       /* index, or -1 */
bool itr_metric_is_median(const itr_metric_def *m);     /* summarised by the median, not by the mean */
bool itr_metric_set_has_option(const itr_metric_set *s, const char *name);      /* is it an option of one of the set's metrics? */
/* {"map_denominator": "R"}: options of the set's metrics, NULL where these have none. The caller frees. */
itr_json *itr_metric_options_json(const itr_metric_set *s);

/* The best positive's group of query q as scored (before any --ties rule): what per-query files keep. All zero for a query left out. */
itr_tie_group itr_ranks_best(const itr_ranks *r, int64_t q);

/* One query's value of each metric. Where nothing was found (no groups): 0, ranks infinity. */
void itr_metric_ranking(const itr_metric_set *s, const itr_ranking *r, double *value);
/* The same straight from ranks under a rule for ties. False (values untouched) for a query left out. */
bool itr_metric_query(const itr_ranks *r, int64_t q, const itr_metric_set *s, itr_ties ties, double *value);
/* What a random order gives: one group of all `pool` rows with m positives. */
void itr_metric_chance(const itr_metric_set *s, int64_t pool, int64_t m, int64_t relevant, double *value);

/* Values of every ranked query, for means, bootstrap and per-query files: value[i * set.n + j] is metric j of query[i]. */
typedef struct itr_metric_values {
	int64_t n;                      /* ranked queries */
	int columns;
	int64_t *query;                 /* [n] index of the query */
	double *value, *chance;         /* [n][columns] */
	int64_t left_out;               /* queries without a positive, or that did not fit the pool */
	int64_t tied;                   /* queries whose best positive shares its score with rows that are not positive (n > m) */
} itr_metric_values;
itr_metric_values *itr_metric_values_new(const itr_ranks *r, const itr_metric_set *s, itr_ties ties, int threads);
void itr_metric_values_free(itr_metric_values *v);

/* Mean over queries (median_rank: the median). NaN when there is no query. */
typedef struct itr_metric_result {
	double value[ITR_METRIC_MAX], chance[ITR_METRIC_MAX];
	double tie_fraction;
	int64_t n_queries, n_gallery, left_out;
} itr_metric_result;
void itr_metric_summary(const itr_metric_values *v, const itr_metric_set *s, int64_t n_gallery, itr_metric_result *out);
/* values_new + summary in one call. */
void itr_metrics(const itr_ranks *r, const itr_metric_set *s, itr_ties ties, itr_metric_result *out);

/* NumPy's median of n values (reorders x). NaN for n = 0. */
double itr_median(double *x, int64_t n);

#endif
