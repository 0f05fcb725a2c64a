/* recall@K: a hit is any positive among the first K. Document 001's and the image-text literature's recall; trec_eval's success_K. */
#include "retrieval/metric.h"

/* 1 - C(n-m, t) / C(n, t), t of the best group's places lying in the top k. C(n-m,t)/C(n,t) = C(n-t,m)/C(n,m): the shorter product. */
static double recall(const itr_ranking *r, int64_t k, const void *options)
{
	(void)options;
	const itr_tie_group g = r->group[0];
	int64_t t = ITR_MAX(0, ITR_MIN(k - g.above, g.n)), few = ITR_MIN(t, g.m), many = ITR_MAX(t, g.m);
	double miss = 1;
	if (few == 1)
		return (double)many / (double)g.n;       /* the same without a rounding */
	for (int64_t i = 0; i < few && miss > 0; i++)
		miss *= (double)ITR_MAX(0, g.n - many - i) / (double)(g.n - i);
	return 1 - miss;
}

const itr_metric_ops itr_metric_recall = {
	.name = "recall@K",
	.summary = "a positive is among the first K",
	.larger_is_better = true,
	.headline = true,
	.usual = ITR_METRIC_USUAL_EACH_K,
	.equivalent = { [ITR_CONVENTIONS_TREC_EVAL] = "success_K", [ITR_CONVENTIONS_RANX] = "hit_rate@K" },
	.value = recall,
};
