/* Average precision: the mean over a query's positives of the precision at their ranks, over the whole ranking (map), its first R places
 * (map_at_r; Musgrave et al., ECCV 2020) or its first K (map@K). */
#include "retrieval/metric.h"

/* E[rel(i) * precision(i)] summed over the first `depth` ranks; inside a group a positive at rank i has (i-above-1)(m-1)/(n-1) others of
 * its group before it. */
static double precision_sum(const itr_ranking *r, int64_t depth)
{
	const itr_tie_group *g = r->group;
	double sum = 0;
	int64_t before = 0;
	for (int64_t k = 0; k < r->groups && g[k].above < depth; k++) {
		double share = (double)g[k].m / (double)g[k].n, others = g[k].n > 1 ? (double)(g[k].m - 1) / (double)(g[k].n - 1) : 0;
		for (int64_t i = g[k].above + 1; i <= ITR_MIN(g[k].above + g[k].n, depth); i++)
			sum += share * ((double)before + 1 + (double)(i - g[k].above - 1) * others) / (double)i;
		before += g[k].m;
	}
	return sum;
}

static double map(const itr_ranking *r, int64_t k, const void *options)
{
	(void)k;
	(void)options;
	return precision_sum(r, INT64_MAX) / (double)r->relevant;
}

static double map_at_r(const itr_ranking *r, int64_t k, const void *options)
{
	(void)k;
	(void)options;
	return precision_sum(r, r->relevant) / (double)r->relevant;
}

/* --- map@K ------------------------------------------------------------------------------------------------------------------------- */

enum { MIN_R_K, R };
static const char *const denominators[] = { "min(R,K)", "R", NULL };

struct options { int denominator; };
static const struct options defaults = { MIN_R_K };
static const itr_option options_table[] = {
	ITR_OPT_ENUM("map-denominator", 0, struct options, denominator, denominators,
	             "what map@K divides by, R being a query's positives: the most that K places can hold, or all of them"),
	ITR_OPT_END
};

static double map_at_k(const itr_ranking *r, int64_t k, const void *options)
{
	const struct options *o = options;
	return precision_sum(r, k) / (double)(o->denominator == R ? r->relevant : ITR_MIN(r->relevant, k));
}

const itr_metric_ops itr_metric_map_at_r = {
	.name = "map_at_r",
	.summary = "average precision over the first R, the number of positives",
	.larger_is_better = true,
	.usual = ITR_METRIC_USUAL,
	.value = map_at_r,
};

const itr_metric_ops itr_metric_map = {
	.name = "map", .summary = "average precision over the whole ranking", .larger_is_better = true, .usual = ITR_METRIC_USUAL_ELSEWHERE,
	.equivalent = { [ITR_CONVENTIONS_TREC_EVAL] = "map", [ITR_CONVENTIONS_RANX] = "map" }, .value = map,
};

const itr_metric_ops itr_metric_map_at_k = {
	.name = "map@K",
	.summary = "average precision over the first K",
	.larger_is_better = true,
	.equivalent = { [ITR_CONVENTIONS_TREC_EVAL] = "map_cut_K with --map-denominator R",
	                [ITR_CONVENTIONS_RANX] = "map@K with --map-denominator R" },
	.options = options_table,
	.defaults = &defaults,
	.options_size = sizeof defaults,
	.value = map_at_k,
};
