/* ndcg@K: discounted cumulative gain over that of the best order (Järvelin & Kekäläinen 2002). Gains are 1, or those of the grades. */
#include <math.h>

#include "retrieval/metric.h"

/* Every rank inside a group gains the group's mean. */
static double ndcg(const itr_ranking *r, int64_t k, const void *options)
{
	(void)options;
	const itr_tie_group *g = r->group;
	double dcg = 0, ideal = 0;
	for (int64_t i = 0; i < r->groups && g[i].above < k; i++) {
		double discount = 0;
		for (int64_t at = g[i].above + 1; at <= ITR_MIN(g[i].above + g[i].n, k); at++)
			discount += 1 / log2(1 + (double)at);
		dcg += discount * ((r->gain ? r->gain[i] : (double)g[i].m) / (double)g[i].n);
	}
	for (int64_t at = 1; at <= ITR_MIN(r->relevant, k); at++)
		ideal += (r->ideal ? r->ideal[at - 1] : 1) / log2(1 + (double)at);
	return dcg / ideal;
}

const itr_metric_ops itr_metric_ndcg = {
	.name = "ndcg@K",
	.summary = "gains of the first K, discounted by log2(1 + rank), over those of the best order",
	.larger_is_better = true,
	.headline = true,
	.usual = ITR_METRIC_USUAL,
	.equivalent = { [ITR_CONVENTIONS_TREC_EVAL] = "ndcg_cut_K", [ITR_CONVENTIONS_RANX] = "ndcg@K" },
	.value = ndcg,
};
