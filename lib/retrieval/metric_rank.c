/* Rank of the first positive: MedR and MeanR of the image-text literature. */
#include "retrieval/metric.h"

/* The first of m positives among n places stands at (n + 1) / (m + 1) on average. */
static double first_rank(const itr_ranking *r, int64_t k, const void *options)
{
	(void)k;
	(void)options;
	return (double)r->group[0].above + (double)(r->group[0].n + 1) / (double)(r->group[0].m + 1);
}

const itr_metric_ops itr_metric_median_rank = {
	.name = "median_rank",
	.summary = "rank of the first positive, median over the queries",
	.rank = true,
	.median = true,
	.usual = ITR_METRIC_USUAL,
	.value = first_rank,
};

const itr_metric_ops itr_metric_mean_rank = {
	.name = "mean_rank",
	.summary = "rank of the first positive, mean over the queries",
	.rank = true,
	.usual = ITR_METRIC_USUAL,
	.value = first_rank,
};
