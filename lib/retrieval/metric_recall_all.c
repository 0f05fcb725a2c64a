/* recall_all@K: the share of a query's positives that are among the first K. trec_eval's recall_K. */
#include "retrieval/metric.h"

static double recall_all(const itr_ranking *r, int64_t k, const void *options)
{
	(void)options;
	return itr_ranking_hits(r, k) / (double)r->relevant;
}

const itr_metric_ops itr_metric_recall_all = {
	.name = "recall_all@K", .summary = "share of the positives that are among the first K", .larger_is_better = true,
	.equivalent = { [ITR_CONVENTIONS_TREC_EVAL] = "recall_K", [ITR_CONVENTIONS_RANX] = "recall@K" }, .value = recall_all,
};
