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

/* --- sets of metrics ------------------------------------------------------------------------------------------------------------------ */

static void set_add(itr_metric_set *s, const itr_metric_ops *metric, int64_t k, const itr_metric_options *o)
{
	if (s->n == ITR_METRIC_MAX)
		ITR_BUG("more than %d metrics", ITR_METRIC_MAX);
	itr_metric_def *m = &s->m[s->n++];
	*m = (itr_metric_def){ .metric = metric, .k = k, .options = metric->options ? itr_metric_options_of(o, metric) : NULL };
	const int stem = (int)strcspn(metric->name, "@");
	if (k)
		snprintf(m->key, sizeof m->key, "%.*s@%lld", stem, metric->name, (long long)k);
	else
		snprintf(m->key, sizeof m->key, "%s", metric->name);
}

void itr_metric_set_default(itr_metric_set *s, const int64_t *k, int n_k, int64_t ndcg_k)
{
	if (n_k > 64)
		ITR_BUG("%d cut-offs of recall, at most 64", n_k);
	memset(s, 0, sizeof *s);
	for (int i = 0; itr_metrics_table[i]; i++) {
		const itr_metric_ops *m = itr_metrics_table[i];
		for (int j = 0; m->usual == ITR_METRIC_USUAL_EACH_K && j < n_k; j++)
			set_add(s, m, k[j], NULL);
		if (m->usual == ITR_METRIC_USUAL)
			set_add(s, m, strchr(m->name, '@') ? ndcg_k : 0, NULL);
	}
}

void itr_metric_set_conventions(itr_metric_set *s, itr_conventions c)
{
	for (int i = 0; itr_metrics_table[i] && c != ITR_CONVENTIONS_ITR; i++)
		if (itr_metrics_table[i]->usual == ITR_METRIC_USUAL_ELSEWHERE)
			set_add(s, itr_metrics_table[i], 0, NULL);
}

int itr_metric_set_add(itr_metric_set *s, const char *key, const itr_metric_options *o, itr_err *err)
{
	int64_t k;
	const itr_metric_ops *m = itr_metric_parse(key, &k, err);
	if (!m)
		return -1;
	if (s->n == ITR_METRIC_MAX)
		return itr_err_set(err, "more than %d metrics", ITR_METRIC_MAX);
	set_add(s, m, k, o);
	s->n--;                                  /* the new key is spelled as others are: 010 would be 10 */
	if (itr_metric_find(s, s->m[s->n].key) >= 0)
		return itr_err_set(err, "metric '%s' is named twice", key);
	s->n++;
	return 0;
}

int itr_metric_find(const itr_metric_set *s, const char *key)
{
	for (int i = 0; i < s->n; i++)
		if (strcmp(s->m[i].key, key) == 0)
			return i;
	return -1;
}

bool itr_metric_is_median(const itr_metric_def *m) { return m->metric && m->metric->median; }

/* --- options of metrics --------------------------------------------------------------------------------------------------------------- */

/* Where the options of a metric lie in itr_metric_options: one after the other, in the table's order. */
static size_t options_at(const itr_metric_ops *metric)
{
	size_t at = 0;
	for (int i = 0; itr_metrics_table[i] && itr_metrics_table[i] != metric; i++)
		at += (itr_metrics_table[i]->options_size + 7) / 8 * 8;
	if (at + metric->options_size > sizeof(itr_metric_options))
		ITR_BUG("the options of all metrics take more than %zu bytes", sizeof(itr_metric_options));
	return at;
}

void itr_metric_options_init(itr_metric_options *o)
{
	memset(o, 0, sizeof *o);
	for (int i = 0; itr_metrics_table[i]; i++)
		if (itr_metrics_table[i]->options)
			memcpy((char *)o + options_at(itr_metrics_table[i]), itr_metrics_table[i]->defaults,
			       itr_metrics_table[i]->options_size);
}

const void *itr_metric_options_of(const itr_metric_options *o, const itr_metric_ops *metric)
{
	return o ? (const char *)o + options_at(metric) : metric->defaults;
}

int itr_metric_option_rows(itr_option *rows, int room, size_t offset)
{
	int n = 0;
	for (int i = 0; itr_metrics_table[i]; i++)
		for (const itr_option *o = itr_metrics_table[i]->options; o && o->type != ITR_OPT_T_END; o++) {
			if (n == room)
				ITR_BUG("metrics have more than %d options", room);
			rows[n] = *o;
			rows[n++].offset = o->offset + offset + options_at(itr_metrics_table[i]);
		}
	return n;
}

bool itr_metric_set_has_option(const itr_metric_set *s, const char *name)
{
	for (int i = 0; i < s->n; i++)
		for (const itr_option *o = s->m[i].metric->options; o && o->type != ITR_OPT_T_END; o++)
			if (strcmp(o->name, name) == 0)
				return true;
	return false;
}

static void add_value(itr_json *j, const itr_option *o, const void *field)
{
	char key[64];
	size_t n = 0;
	for (; o->name[n] && n + 1 < sizeof key; n++)
		key[n] = o->name[n] == '-' ? '_' : o->name[n];
	key[n] = 0;
	switch (o->type) {
	case ITR_OPT_T_ENUM: itr_json_add_str(j, key, o->names[*(const int *)field]); break;
	case ITR_OPT_T_INT: itr_json_add_int(j, key, *(const int64_t *)field); break;
	case ITR_OPT_T_NUM: itr_json_add_num(j, key, *(const double *)field); break;
	case ITR_OPT_T_BOOL: itr_json_add_bool(j, key, *(const bool *)field); break;
	default: ITR_BUG("option '%s': a metric's options are numbers, names and switches", o->name);
	}
}

itr_json *itr_metric_options_json(const itr_metric_set *s)
{
	itr_json *j = NULL;
	for (int i = 0; i < s->n; i++)
		for (const itr_option *o = s->m[i].metric->options; o && o->type != ITR_OPT_T_END; o++) {
			j = j ? j : itr_json_object();
			add_value(j, o, (const char *)s->m[i].options + o->offset);
		}
	return j;
}

/* --- one query ------------------------------------------------------------------------------------------------------------------------ */

void itr_metric_ranking(const itr_metric_set *s, const itr_ranking *r, double *value)
{
	for (int i = 0; i < s->n; i++) {
		const itr_metric_ops *m = s->m[i].metric;
		value[i] = r->groups ? m->value(r, s->m[i].k, s->m[i].options) : m->larger_is_better ? 0 : INFINITY;
	}
}

void itr_metric_chance(const itr_metric_set *s, int64_t pool, int64_t m, int64_t relevant, double *value)
{
	itr_metric_ranking(s, &(itr_ranking){ .group = &(itr_tie_group){ 0, pool, m }, .groups = 1, .relevant = relevant }, value);
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
	itr_metric_ranking(s, &(itr_ranking){ g, n, r->relevant[q], r->gain ? gain : NULL, r->gain ? r->ideal + r->ideal_at[q] : NULL },
	                   value);
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
	itr_metric_ranking(s,
	                   &(itr_ranking){ .group = &all,
	                                   .groups = all.m > 0,
	                                   .relevant = r->relevant[q],
	                                   .gain = r->gain ? r->answers_gain + q : NULL,
	                                   .ideal = r->gain ? r->ideal + r->ideal_at[q] : NULL },
	                   value);
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
		bool median = itr_metric_is_median(&s->m[j]);
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
