/* mrr: one over the rank of the first positive. */
#include "retrieval/metric.h"

/* Sum over j of P(first positive at place j of the group) / (above + j); P is C(n-j, m-1) / C(n, m), by its ratio from j to j + 1. */
static double reciprocal_rank(const itr_ranking *r, int64_t k, const void *options)
{
	(void)k;
	(void)options;
	const itr_tie_group g = r->group[0];
	double p = (double)g.m / (double)g.n, sum = 0;
	for (int64_t j = 1; j <= g.n - g.m + 1; j++) {
		sum += p / (double)(g.above + j);
		p *= (double)(g.n - j - g.m + 1) / (double)(g.n - j);
	}
	return sum;
}

const itr_metric_ops itr_metric_mrr = {
	.name = "mrr",
	.summary = "one over the rank of the first positive",
	.larger_is_better = true,
	.headline = true,
	.usual = ITR_METRIC_USUAL,
	.equivalent = { [ITR_CONVENTIONS_TREC_EVAL] = "recip_rank", [ITR_CONVENTIONS_RANX] = "mrr" },
	.value = reciprocal_rank,
};
