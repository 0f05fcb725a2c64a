/* precision@K: the share of positives among the first K places; where the gallery has fewer rows than K it is still divided by K, as
 * trec_eval's P_K. */
#include "retrieval/metric.h"

static double precision(const itr_ranking *r, int64_t k, const void *options)
{
	(void)options;
	return itr_ranking_hits(r, k) / (double)k;
}

const itr_metric_ops itr_metric_precision = {
	.name = "precision@K", .summary = "share of the first K that are positives", .larger_is_better = true,
	.equivalent = { [ITR_CONVENTIONS_TREC_EVAL] = "P_K", [ITR_CONVENTIONS_RANX] = "precision@K" }, .value = precision,
};
