/* r_precision: precision over the first R places, R being the number of positives. */
#include "retrieval/metric.h"

static double r_precision(const itr_ranking *r, int64_t k, const void *options)
{
	(void)k;
	(void)options;
	return itr_ranking_hits(r, r->relevant) / (double)r->relevant;
}

const itr_metric_ops itr_metric_r_precision = {
	.name = "r_precision",
	.summary = "share of the first R that are positives, R being their number",
	.larger_is_better = true,
	.usual = ITR_METRIC_USUAL,
	.equivalent = { [ITR_CONVENTIONS_TREC_EVAL] = "Rprec", [ITR_CONVENTIONS_RANX] = "r-precision" },
	.value = r_precision,
};
