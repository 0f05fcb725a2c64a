#include "retrieval/metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/parallel.h"

const char *const itr_ties_names[] = { "expected", "pessimistic", "optimistic", "stable", NULL };

enum { VALUES_PIECE = 256 };

static void set_add(itr_metric_set *s, itr_metric_kind kind, int64_t k, const char *name)
{
	itr_metric_def *m = &s->m[s->n++];
	m->kind = kind;
	m->k = k;
	if (k)
		snprintf(m->key, sizeof m->key, "%s@%lld", name, (long long)k);
	else
		snprintf(m->key, sizeof m->key, "%s", name);
}

void itr_metric_set_default(itr_metric_set *s, const int64_t *k, int n_k, int64_t ndcg_k)
{
	if (n_k > 64)
		ITR_BUG("%d cut-offs of recall, at most 64", n_k);
	memset(s, 0, sizeof *s);
	for (int i = 0; i < n_k; i++)
		set_add(s, ITR_METRIC_RECALL, k[i], "recall");
	set_add(s, ITR_METRIC_MRR, 0, "mrr");
	set_add(s, ITR_METRIC_NDCG, ndcg_k, "ndcg");
	set_add(s, ITR_METRIC_MAP_AT_R, 0, "map_at_r");
	set_add(s, ITR_METRIC_R_PRECISION, 0, "r_precision");
	set_add(s, ITR_METRIC_MEDIAN_RANK, 0, "median_rank");
	set_add(s, ITR_METRIC_MEAN_RANK, 0, "mean_rank");
}

void itr_metric_set_add_map(itr_metric_set *s)
{
	set_add(s, ITR_METRIC_MAP, 0, "map");
}

int itr_metric_find(const itr_metric_set *s, const char *key)
{
	for (int i = 0; i < s->n; i++)
		if (strcmp(s->m[i].key, key) == 0)
			return i;
	return -1;
}

/* --- expectations over the orders of equal scores ---------------------------------------------------------------------------------- */

/* 1 - C(n-m, t) / C(n, t), t of the group's places lying in the top k. C(n-m,t)/C(n,t) = C(n-t,m)/C(n,m): the shorter product. */
static double recall(itr_tie_group g, int64_t k)
{
	int64_t t = ITR_MAX(0, ITR_MIN(k - g.above, g.n)), few = ITR_MIN(t, g.m), many = ITR_MAX(t, g.m);
	double miss = 1;
	if (few == 1)
		return (double)many / (double)g.n;       /* the same without a rounding */
	for (int64_t i = 0; i < few && miss > 0; i++)
		miss *= (double)ITR_MAX(0, g.n - many - i) / (double)(g.n - i);
	return 1 - miss;
}

/* Sum over j of P(first positive at place j of the group) / (above + j); P is C(n-j, m-1) / C(n, m), by its ratio from j to j + 1. */
static double reciprocal_rank(itr_tie_group g)
{
	double p = (double)g.m / (double)g.n, sum = 0;
	for (int64_t j = 1; j <= g.n - g.m + 1; j++) {
		sum += p / (double)(g.above + j);
		p *= (double)(g.n - j - g.m + 1) / (double)(g.n - j);
	}
	return sum;
}

/* Every rank inside a group gains the group's mean. */
static double ndcg(const itr_tie_group *g, const double *gain, int64_t groups, int64_t positives, const double *best, int64_t k)
{
	double dcg = 0, ideal = 0;
	for (int64_t i = 0; i < groups && g[i].above < k; i++) {
		double discount = 0;
		for (int64_t r = g[i].above + 1; r <= ITR_MIN(g[i].above + g[i].n, k); r++)
			discount += 1 / log2(1 + (double)r);
		dcg += discount * ((gain ? gain[i] : (double)g[i].m) / (double)g[i].n);
	}
	for (int64_t r = 1; r <= ITR_MIN(positives, k); r++)
		ideal += (best ? best[r - 1] : 1) / log2(1 + (double)r);
	return dcg / ideal;
}

/* E[rel(i) * precision(i)] summed over the first `depth` ranks; inside a group a positive at rank i has (i-above-1)(m-1)/(n-1) others of
 * its group before it. */
static double average_precision(const itr_tie_group *g, int64_t groups, int64_t relevant, int64_t depth)
{
	double sum = 0;
	int64_t before = 0;
	for (int64_t k = 0; k < groups && g[k].above < depth; k++) {
		double share = (double)g[k].m / (double)g[k].n, others = g[k].n > 1 ? (double)(g[k].m - 1) / (double)(g[k].n - 1) : 0;
		for (int64_t i = g[k].above + 1; i <= ITR_MIN(g[k].above + g[k].n, depth); i++)
			sum += share * ((double)before + 1 + (double)(i - g[k].above - 1) * others) / (double)i;
		before += g[k].m;
	}
	return sum / (double)relevant;
}

static double r_precision(const itr_tie_group *g, int64_t groups, int64_t relevant)
{
	double hits = 0;
	for (int64_t k = 0; k < groups && g[k].above < relevant; k++)
		hits += (double)g[k].m * (double)(ITR_MIN(g[k].above + g[k].n, relevant) - g[k].above) / (double)g[k].n;
	return hits / (double)relevant;
}

static bool is_rank(const itr_metric_def *m)
{
	return m->kind == ITR_METRIC_MEDIAN_RANK || m->kind == ITR_METRIC_MEAN_RANK;
}

void itr_metric_graded_groups(const itr_metric_set *s, const itr_tie_group *g, const double *gain, int64_t n_groups, int64_t relevant,
                              const double *ideal, double *value)
{
	double mrr = -1;
	for (int i = 0; i < s->n && n_groups == 0; i++)
		value[i] = is_rank(&s->m[i]) ? INFINITY : 0;
	for (int i = 0; i < s->n && n_groups; i++)
		switch (s->m[i].kind) {
		case ITR_METRIC_RECALL:
			value[i] = recall(g[0], s->m[i].k);
			break;
		case ITR_METRIC_MRR:
			value[i] = mrr < 0 ? (mrr = reciprocal_rank(g[0])) : mrr;
			break;
		case ITR_METRIC_NDCG:
			value[i] = ndcg(g, gain, n_groups, relevant, ideal, s->m[i].k);
			break;
		case ITR_METRIC_MAP_AT_R:
			value[i] = average_precision(g, n_groups, relevant, relevant);
			break;
		case ITR_METRIC_MAP:
			value[i] = average_precision(g, n_groups, relevant, INT64_MAX);
			break;
		case ITR_METRIC_R_PRECISION:
			value[i] = r_precision(g, n_groups, relevant);
			break;
		case ITR_METRIC_MEDIAN_RANK:
		case ITR_METRIC_MEAN_RANK:
			value[i] = (double)g[0].above + (double)(g[0].n + 1) / (double)(g[0].m + 1);
			break;
		}
}

void itr_metric_groups(const itr_metric_set *s, const itr_tie_group *g, int64_t n_groups, int64_t relevant, double *value)
{
	itr_metric_graded_groups(s, g, NULL, n_groups, relevant, NULL, value);
}

void itr_metric_chance(const itr_metric_set *s, int64_t pool, int64_t m, int64_t relevant, double *value)
{
	itr_metric_groups(s, &(itr_tie_group){ 0, pool, m }, 1, relevant, value);
}

/* --- from ranks to groups ---------------------------------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Positives of one score, the least gain first for the pessimist, the greatest for the optimist: each its own place from `above` on. */
static int64_t places_by_gain(const itr_ranks *r, int64_t e, int64_t m, int64_t above, bool least_first, itr_tie_group *g, double *gain)
{
	memcpy(gain, r->gain + e, (size_t)m * sizeof *gain);
	qsort(gain, (size_t)m, sizeof *gain, by_size);
	for (int64_t i = 0; i < m / 2 && !least_first; i++) {
		double swap = gain[i];
		gain[i] = gain[m - 1 - i];
		gain[m - 1 - i] = swap;
	}
	for (int64_t i = 0; i < m; i++)
		g[i] = (itr_tie_group){ above + i, 1, 1 };
	return m;
}

/* Groups of query q under a rule, into g and gain (room for one an entry); their number. Entries of equal score are the runs of equal
 * `above`. */
static int64_t groups_of(const itr_ranks *r, int64_t q, itr_ties ties, itr_tie_group *g, double *gain)
{
	int64_t n = 0, end = r->offset[q + 1];
	for (int64_t e = r->offset[q], next; e < end; e = next) {
		for (next = e + 1; next < end && r->above[next] == r->above[e] && ties != ITR_TIES_STABLE;)
			next++;
		itr_tie_group group = { r->above[e], r->equal[e], next - e };
		switch (ties) {
		case ITR_TIES_EXPECTED:
			break;
		case ITR_TIES_PESSIMISTIC:
			group.above += group.n - group.m;
			group.n = group.m;
			break;
		case ITR_TIES_OPTIMISTIC:
			group.n = group.m;
			break;
		case ITR_TIES_STABLE:
			if (!r->before)
				ITR_BUG("stable ties need ranks that were counted with stable = true");
			group = (itr_tie_group){ group.above + r->before[e], 1, 1 };
			break;
		}
		if (r->gain && group.m > 1 && ties != ITR_TIES_EXPECTED) {
			n += places_by_gain(r, e, group.m, group.above, ties == ITR_TIES_PESSIMISTIC, g + n, gain + n);
			continue;
		}
		gain[n] = 0;
		for (int64_t i = e; r->gain && i < next; i++)
			gain[n] += r->gain[i];
		g[n++] = group;
	}
	return n;
}

itr_tie_group itr_ranks_best(const itr_ranks *r, int64_t q)
{
	int64_t e = r->offset[q], m = 1;
	if (!r->pool[q] || e == r->offset[q + 1])
		return (itr_tie_group){ 0, 0, 0 };
	while (e + m < r->offset[q + 1] && r->above[e + m] == r->above[e])
		m++;
	return (itr_tie_group){ r->above[e], r->equal[e], m };
}

bool itr_metric_query(const itr_ranks *r, int64_t q, const itr_metric_set *s, itr_ties ties, double *value)
{
	if (!r->pool[q])
		return false;
	int64_t entries = r->offset[q + 1] - r->offset[q];
	itr_tie_group few[32] = { { 0, 0, 0 } }, *g = entries <= ITR_LEN(few) ? few : itr_xmalloc((size_t)entries * sizeof *g);
	double few_gains[32] = { 0 }, *gain = g == few ? few_gains : itr_xmalloc((size_t)entries * sizeof *gain);
	int64_t n = groups_of(r, q, ties, g, gain);
	itr_metric_graded_groups(s, g, r->gain ? gain : NULL, n, r->relevant[q], r->gain ? r->ideal + r->ideal_at[q] : NULL, value);
	if (g != few) {
		free(g);
		free(gain);
	}
	return true;
}

/* --- all queries ------------------------------------------------------------------------------------------------------------------- */

struct values { const itr_ranks *r; const itr_metric_set *set; itr_ties ties; itr_metric_values *v; };

/* Is query q's chance the same as query o's? Then it is copied: the sum behind MRR runs over the whole pool. */
static bool same_chance(const itr_ranks *r, int64_t q, int64_t o)
{
	return !r->gain && r->pool[q] == r->pool[o] && r->relevant[q] == r->relevant[o] && r->answers[q] == r->answers[o];
}

static void chance_of(const itr_ranks *r, int64_t q, const itr_metric_set *s, double *value)
{
	itr_tie_group all = { 0, r->pool[q], r->answers[q] };
	itr_metric_graded_groups(s, &all, r->gain ? r->answers_gain + q : NULL, all.m > 0, r->relevant[q],
	                         r->gain ? r->ideal + r->ideal_at[q] : NULL, value);
}

static void values_piece(void *ctx, int64_t piece, int worker)
{
	(void)worker;
	struct values *c = ctx;
	itr_metric_values *v = c->v;
	size_t row = (size_t)v->columns * sizeof(double);
	int64_t begin = piece * VALUES_PIECE, end = ITR_MIN(begin + VALUES_PIECE, v->n);
	for (int64_t i = begin; i < end; i++) {
		int64_t q = v->query[i], p = c->r->offset[q + 1] - c->r->offset[q];
		double *chance = v->chance + i * v->columns, *value = v->value + i * v->columns;
		itr_tie_group best = itr_ranks_best(c->r, q);
		if (i > begin && same_chance(c->r, q, v->query[i - 1]))
			memcpy(chance, chance - v->columns, row);
		else
			chance_of(c->r, q, c->set, chance);
		if (c->ties == ITR_TIES_EXPECTED && best.n == c->r->pool[q] && best.m == p && p == c->r->answers[q])
			memcpy(value, chance, row);              /* everything ties: this is chance, by definition */
		else
			itr_metric_query(c->r, q, c->set, c->ties, value);
	}
}

itr_metric_values *itr_metric_values_new(const itr_ranks *r, const itr_metric_set *s, itr_ties ties, int threads)
{
	itr_metric_values *v = itr_xcalloc(1, sizeof *v);
	v->columns = s->n;
	v->query = itr_xmalloc(((size_t)r->queries + 1) * sizeof *v->query);
	for (int64_t q = 0; q < r->queries; q++) {
		itr_tie_group best = itr_ranks_best(r, q);
		if (r->pool[q])
			v->query[v->n++] = q;
		v->tied += best.n > best.m;
	}
	v->left_out = r->queries - v->n;
	v->value = itr_xcalloc((size_t)v->n * (size_t)s->n + 1, sizeof *v->value);
	v->chance = itr_xcalloc((size_t)v->n * (size_t)s->n + 1, sizeof *v->chance);
	itr_parallel_for(threads, (v->n + VALUES_PIECE - 1) / VALUES_PIECE, values_piece, &(struct values){ r, s, ties, v });
	return v;
}

void itr_metric_values_free(itr_metric_values *v)
{
	if (!v)
		return;
	free(v->query);
	free(v->value);
	free(v->chance);
	free(v);
}

double itr_median(double *x, int64_t n)
{
	if (n == 0)
		return NAN;
	qsort(x, (size_t)n, sizeof *x, by_size);
	return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

static double column_summary(const double *x, int64_t n, int columns, int j, bool median)
{
	double sum = 0, lost = 0;
	if (n == 0)
		return NAN;
	if (!median) {
		for (int64_t i = 0; i < n; i++) {        /* Neumaier: the mean of equal values is that value */
			double v = x[i * columns + j], t = sum + v;
			lost += fabs(sum) >= fabs(v) ? (sum - t) + v : (v - t) + sum;
			sum = t;
		}
		return (sum + lost) / (double)n;
	}
	double *copy = itr_xmalloc((size_t)n * sizeof *copy);
	for (int64_t i = 0; i < n; i++)
		copy[i] = x[i * columns + j];
	sum = itr_median(copy, n);
	free(copy);
	return sum;
}

void itr_metric_summary(const itr_metric_values *v, const itr_metric_set *s, int64_t n_gallery, itr_metric_result *out)
{
	memset(out, 0, sizeof *out);
	for (int j = 0; j < s->n; j++) {
		bool median = s->m[j].kind == ITR_METRIC_MEDIAN_RANK;
		out->value[j] = column_summary(v->value, v->n, v->columns, j, median);
		out->chance[j] = column_summary(v->chance, v->n, v->columns, j, median);
	}
	out->tie_fraction = v->n ? (double)v->tied / (double)v->n : 0;
	out->n_queries = v->n;
	out->n_gallery = n_gallery;
	out->left_out = v->left_out;
}

void itr_metrics(const itr_ranks *r, const itr_metric_set *s, itr_ties ties, itr_metric_result *out)
{
	itr_metric_values *v = itr_metric_values_new(r, s, ties, 1);
	itr_metric_summary(v, s, r->gallery, out);
	itr_metric_values_free(v);
}
