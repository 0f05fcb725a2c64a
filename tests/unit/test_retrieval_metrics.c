/* Ranks and metrics against enumeration over every order of equal scores, against plain loops, and pools against NumPy's. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "base/rng.h"
#include "retrieval/kernels.h"
#include "retrieval/metrics.h"
#include "retrieval/pools.h"
#include "retrieval/rank.h"
#include "tensor/gemm.h"

enum { MAX_ITEMS = 7 };
static const int64_t cutoffs[] = { 1, 2, 3, 5, 10 };

/* Every metric of the table, those with a cut-off at each of `cutoffs` (ndcg at 4). o: options; NULL: defaults. */
static void set_with(itr_metric_set *s, const itr_metric_options *o)
{
	itr_err err = ITR_ERR_INIT;
	itr_metric_set_default(s, cutoffs, 5, 4);
	itr_metric_set_conventions(s, ITR_CONVENTIONS_TREC_EVAL);
	for (int i = 0; itr_metrics_table[i]; i++) {
		const char *name = itr_metrics_table[i]->name, *at = strchr(name, '@');
		for (int k = 0; k < (at ? 5 : 1) && itr_metrics_table[i]->usual == ITR_METRIC_ON_REQUEST; k++) {
			char key[32];
			snprintf(key, sizeof key, at ? "%.*s@%d" : "%.*s", (int)strcspn(name, "@"), name, (int)cutoffs[k]);
			assert_int_equal(itr_metric_set_add(s, key, o, &err), 0);
		}
	}
}

static void default_set(itr_metric_set *s) { set_with(s, NULL); }

/* --- one order, by the textbook ------------------------------------------------------------------------------------------------------ */

static int hits_until(const int *order, const bool *positive, int n, int64_t k)
{
	int hits = 0;
	for (int i = 0; i < n && i < k; i++)
		hits += positive[order[i]];
	return hits;
}

static double precisions_until(const int *order, const bool *positive, int n, int64_t k)
{
	double sum = 0;
	for (int i = 0; i < n && i < k; i++)
		sum += positive[order[i]] ? (double)hits_until(order, positive, n, i + 1) / (i + 1) : 0;
	return sum;
}

static double ndcg_of_order(const int *order, const bool *positive, int n, int64_t relevant, int64_t k)
{
	double dcg = 0, ideal = 0;
	for (int i = 0; i < n && i < k; i++)
		dcg += positive[order[i]] ? 1 / log2(i + 2.0) : 0;
	for (int i = 0; i < relevant && i < k; i++)
		ideal += 1 / log2(i + 2.0);
	return dcg / ideal;
}

/* A metric that is not named here has no reference: the test fails. */
static double metric_of_order(const itr_metric_def *m, bool by_r, const int *order, const bool *positive, int n, int64_t relevant)
{
	const char *name = m->metric->name;
	const double r = (double)relevant, k = (double)m->k;
	int first = 0;
	while (!positive[order[first]])
		first++;
	if (!strcmp(name, "recall@K"))
		return first + 1 <= m->k;
	if (!strcmp(name, "recall_all@K"))
		return hits_until(order, positive, n, m->k) / r;
	if (!strcmp(name, "precision@K"))
		return hits_until(order, positive, n, m->k) / k;
	if (!strcmp(name, "mrr"))
		return 1.0 / (first + 1);
	if (!strcmp(name, "ndcg@K"))
		return ndcg_of_order(order, positive, n, relevant, m->k);
	if (!strcmp(name, "map_at_r"))
		return precisions_until(order, positive, n, relevant) / r;
	if (!strcmp(name, "map"))
		return precisions_until(order, positive, n, n) / r;
	if (!strcmp(name, "map@K"))
		return precisions_until(order, positive, n, m->k) / (by_r ? r : fmin(r, k));
	if (!strcmp(name, "r_precision"))
		return hits_until(order, positive, n, relevant) / r;
	if (!strcmp(name, "median_rank") || !strcmp(name, "mean_rank"))
		return first + 1;
	fail_msg("metric %s: what is its value for one order?", name);
	return 0;
}

struct tally { double sum[ITR_METRIC_MAX], low[ITR_METRIC_MAX], high[ITR_METRIC_MAX], stable[ITR_METRIC_MAX]; int64_t orders; };

/* Every permutation that sorts the scores downwards. */
static void enumerate(const itr_metric_set *s, bool by_r, const float *score, const bool *positive, int n, int64_t relevant, int *order,
                      int at, unsigned used, struct tally *t)
{
	if (at == n) {
		double v[ITR_METRIC_MAX];
		bool stable = true;
		for (int j = 0; j < s->n; j++)
			v[j] = metric_of_order(&s->m[j], by_r, order, positive, n, relevant);
		for (int i = 1; i < n; i++)
			stable &= score[order[i]] != score[order[i - 1]] || order[i] > order[i - 1];
		for (int j = 0; j < s->n; j++) {
			t->sum[j] += v[j];
			t->low[j] = t->orders ? fmin(t->low[j], v[j]) : v[j];
			t->high[j] = t->orders ? fmax(t->high[j], v[j]) : v[j];
			if (stable)
				t->stable[j] = v[j];
		}
		t->orders++;
		return;
	}
	for (int i = 0; i < n; i++) {
		if (used & 1u << i || (at && score[i] > score[order[at - 1]]))
			continue;
		order[at] = i;
		enumerate(s, by_r, score, positive, n, relevant, order, at + 1, used | 1u << i, t);
	}
}

/* ndcg@4 of one order, with gains. */
static double graded_ndcg(const int *order, const double *gain, int n, const double *best, int64_t relevant)
{
	double dcg = 0, ideal = 0;
	for (int i = 0; i < n && i < 4; i++)
		dcg += gain[order[i]] / log2(i + 2.0);
	for (int i = 0; i < 4 && i < relevant; i++)
		ideal += best[i] / log2(i + 2.0);
	return dcg / ideal;
}

struct graded_tally { double sum, low, high; int64_t orders; };

static void enumerate_graded(const float *score, const double *gain, int n, const double *best, int64_t relevant, int *order, int at,
                             unsigned used, struct graded_tally *t)
{
	if (at == n) {
		double v = graded_ndcg(order, gain, n, best, relevant);
		t->sum += v;
		t->low = t->orders ? fmin(t->low, v) : v;
		t->high = t->orders ? fmax(t->high, v) : v;
		t->orders++;
		return;
	}
	for (int i = 0; i < n; i++) {
		if (used & 1u << i || (at && score[i] > score[order[at - 1]]))
			continue;
		bool next = true;               /* sorted: nothing better is left behind */
		for (int k = 0; k < n; k++)
			next &= (used & 1u << k) || score[k] <= score[i];
		if (!next)
			continue;
		order[at] = i;
		enumerate_graded(score, gain, n, best, relevant, order, at + 1, used | 1u << i, t);
	}
}

static int downwards(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x < y) - (x > y);
}

/* Grades 0 to 4 (some positives outside of the gallery), linear and exponential: every rule for ties is what enumeration says. */
static void test_graded_enumeration(void **state)
{
	(void)state;
	itr_metric_set s;
	itr_rng rng;
	default_set(&s);
	itr_rng_seed(&rng, 2);
	const int ndcg = itr_metric_find(&s, "ndcg@4");
	for (int trial = 0; trial < 400; trial++) {
		int n = (int)itr_rng_integers(&rng, 1, MAX_ITEMS + 1), levels = (int)itr_rng_integers(&rng, 1, 4), order[MAX_ITEMS];
		itr_gain rule = trial % 2 ? ITR_GAIN_EXPONENTIAL : ITR_GAIN_LINEAR;
		float score[MAX_ITEMS];
		double gain[MAX_ITEMS] = { 0 }, grade[MAX_ITEMS], outside[2] = { 2, 0.5 }, best[MAX_ITEMS + 2];
		int64_t query[MAX_ITEMS] = { 0 }, row[MAX_ITEMS], zero[2] = { 0, 0 }, p = 0, out = itr_rng_integers(&rng, 0, 3);
		for (int i = 0; i < n; i++) {
			score[i] = (float)itr_rng_integers(&rng, 0, levels);
			double g = (double)itr_rng_integers(&rng, 0, 5);
			if (g > 0 || (i == n - 1 && p == 0)) {
				row[p] = i;
				grade[p] = g > 0 ? g : 3;
				gain[i] = best[p] = itr_gain_of(rule, grade[p]);
				p++;
			}
		}
		for (int64_t i = 0; i < out; i++)
			best[p + i] = itr_gain_of(rule, outside[i]);
		qsort(best, (size_t)(p + out), sizeof *best, downwards);
		itr_relevance *rel = itr_relevance_from_pairs(1, n, query, row, p);
		rel->outside[0] = out;
		rel->gain = rule;
		itr_relevance_grade(rel, query, row, grade, p, zero, outside, out);
		itr_ranks *r = itr_ranks_new(rel, true);
		itr_rank_scores(&r, &(itr_candidates){ .n = n }, 1, rel, NULL, 0, score, NULL);
		itr_ranks_grade(r, rel);
		struct graded_tally t = { .orders = 0 };
		enumerate_graded(score, gain, n, best, p + out, order, 0, 0, &t);
		const double want[] = { t.sum / (double)t.orders, t.low, t.high };
		for (int ties = 0; ties < 3; ties++) {
			double v[ITR_METRIC_MAX];
			assert_true(itr_metric_query(r, 0, &s, (itr_ties)ties, v));
			if (fabs(v[ndcg] - want[ties]) > 1e-12)
				fail_msg("trial %d: ties %s: %.17g, enumeration says %.17g", trial, itr_ties_names[ties], v[ndcg],
				         want[ties]);
		}
		itr_ranks_free(r);
		itr_relevance_free(rel);
	}
}

/* What users may write, and what they are told otherwise. */
static void test_names(void **state)
{
	(void)state;
	static const struct { const char *key, *message;
	} wrong[] = {
		{ "recal@10", "did you mean 'recall@K'" },
		{ "recall", "needs a cut-off, as in recall@10" },
		{ "mrr@10", "mrr has no cut-off" },
		{ "map@0", "a number from 1" },
		{ "map@-3", "a number from 1" },
		{ "map@", "a number from 1" },
		{ "map@1e3", "a number from 1" },
		{ "map@9999999999999999999999", "a number from 1" },
		{ "", "unknown metric" },
		{ "@5", "unknown metric" },
		{ "precision@ 5", "a number from 1" },
		{ "map@3", "named twice" },
	};
	itr_metric_set s = { 0 };
	itr_err err = ITR_ERR_INIT;
	for (int i = 0; itr_metrics_table[i]; i++) {
		const itr_metric_ops *m = itr_metrics_table[i];
		int64_t k;
		assert_true(m->summary && m->value && m->larger_is_better != m->rank);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(itr_metrics_table[j]->name, m->name);
		assert_true(strchr(m->name, '@') || (itr_metric_parse(m->name, &k, &err) == m && k == 0));
	}
	assert_int_equal(itr_metric_set_add(&s, "map@3", NULL, &err), 0);
	assert_int_equal(itr_metric_set_add(&s, "map", NULL, &err), 0);
	assert_true(s.m[0].k == 3 && s.m[1].k == 0 && s.m[0].metric != s.m[1].metric && itr_metric_find(&s, "map@3") == 0);
	assert_true(itr_metric_set_has_option(&s, "map-denominator"));
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		err = (itr_err)ITR_ERR_INIT;
		assert_int_equal(itr_metric_set_add(&s, wrong[i].key, NULL, &err), -1);
		if (!strstr(err.msg, wrong[i].message))
			fail_msg("'%s': %s", wrong[i].key, err.msg);
		assert_int_equal(s.n, 2);
	}
}

/* A query that found nothing counts 0, and chance is what a random order of the gallery would find. */
static void test_nothing_found(void **state)
{
	(void)state;
	itr_metric_set s;
	default_set(&s);
	itr_relevance *rel = itr_relevance_from_pairs(1, 4, (int64_t[]){ 0, 0 }, (int64_t[]){ 1, 3 }, 2);
	itr_ranks *r = itr_ranks_nothing(rel);
	itr_metric_values *v = itr_metric_values_new(r, &s, ITR_TIES_EXPECTED, 1);
	assert_int_equal(v->n, 1);
	for (int j = 0; j < s.n; j++)
		assert_true(s.m[j].metric->rank ? isinf(v->value[j]) : v->value[j] == 0);
	assert_true(fabs(v->chance[itr_metric_find(&s, "recall@1")] - 0.5) < 1e-15);
	itr_metric_values_free(v);
	itr_ranks_free(r);
	itr_relevance_free(rel);
}

/* Options are found in the rows that a program's table gets, and set through them. */
static itr_metric_options denominator_r(void)
{
	itr_metric_options o;
	itr_option rows[8];
	itr_metric_options_init(&o);
	int n = itr_metric_option_rows(rows, ITR_LEN(rows), 0);
	for (int i = 0; i < n; i++)
		if (!strcmp(rows[i].name, "map-denominator") && !strcmp(rows[i].names[1], "R"))
			*(int *)(void *)((char *)&o + rows[i].offset) = 1;
	return o;
}

static void test_enumeration(void **state)
{
	(void)state;
	const itr_metric_options by_r = denominator_r();
	itr_metric_set s;
	itr_rng rng;
	itr_rng_seed(&rng, 1);
	for (int trial = 0; trial < 400; trial++) {
		set_with(&s, trial % 2 ? &by_r : NULL);
		int n = (int)itr_rng_integers(&rng, 1, MAX_ITEMS + 1), levels = (int)itr_rng_integers(&rng, 1, 5), order[MAX_ITEMS];
		float score[MAX_ITEMS];
		bool positive[MAX_ITEMS] = { false };
		int64_t query[MAX_ITEMS], row[MAX_ITEMS], p = 0;
		for (int i = 0; i < n; i++)
			score[i] = (float)itr_rng_integers(&rng, 0, levels);
		for (int i = 0; i < n; i++)
			if (itr_rng_integers(&rng, 0, 3) == 0 || (i == n - 1 && p == 0)) {
				positive[i] = true;
				query[p] = 0;
				row[p++] = i;
			}
		itr_relevance *rel = itr_relevance_from_pairs(1, n, query, row, p);
		rel->outside[0] = itr_rng_integers(&rng, 0, 3) ? 0 : 2;            /* positives that the gallery lacks count in R */
		int64_t relevant = p + rel->outside[0];
		itr_ranks *r = itr_ranks_new(rel, true);
		itr_rank_scores(&r, &(itr_candidates){ .n = n }, 1, rel, NULL, 0, score, NULL);
		struct tally t = { .orders = 0 };
		enumerate(&s, trial % 2, score, positive, n, relevant, order, 0, 0, &t);
		for (int ties = 0; ties < 4; ties++) {
			double v[ITR_METRIC_MAX];
			assert_true(itr_metric_query(r, 0, &s, (itr_ties)ties, v));
			for (int j = 0; j < s.n; j++) {
				double worst = s.m[j].metric->rank ? t.high[j] : t.low[j],
				       best = s.m[j].metric->rank ? t.low[j] : t.high[j];
				double want[] = { t.sum[j] / (double)t.orders, worst, best, t.stable[j] };
				if (fabs(v[j] - want[ties]) > 1e-12)
					fail_msg("trial %d: %s, ties %s: %.17g, enumeration says %.17g (n %d, positives %d)", trial,
					         s.m[j].key, itr_ties_names[ties], v[j], want[ties], n, (int)p);
			}
		}
		itr_ranks_free(r);
		itr_relevance_free(rel);
	}
}

/* --- the blocked pass against plain loops --------------------------------------------------------------------------------------------- */

/* Rows of small integers, so that many inner products are equal; some rows repeat. */
static float *tied_rows(itr_rng *rng, int64_t rows, int64_t dim)
{
	float *x = itr_aligned_alloc((size_t)(rows * dim + 1) * sizeof *x);
	for (int64_t i = 0; i < rows * dim; i++)
		x[i] = (float)itr_rng_integers(rng, -1, 2);
	for (int64_t i = 3; i < rows; i += 5)
		memcpy(x + i * dim, x + (i - 3) * dim, (size_t)dim * sizeof *x);
	return x;
}

static itr_relevance *random_relevance(itr_rng *rng, int64_t queries, int64_t gallery, int64_t most)
{
	int64_t cap = queries * most, n = 0, *query = itr_xmalloc((size_t)(cap + 1) * sizeof *query),
		*row = itr_xmalloc((size_t)(cap + 1) * sizeof *row);
	for (int64_t q = 0; q < queries; q++)
		for (int64_t k = itr_rng_integers(rng, 0, most + 1); k > 0; k--) {
			query[n] = q;
			row[n++] = itr_rng_integers(rng, 0, gallery);
		}
	itr_relevance *rel = itr_relevance_from_pairs(queries, gallery, query, row, n);
	free(query);
	free(row);
	return rel;
}

static void check_ranks(const itr_ranks *r, const itr_relevance *rel, const float *queries, const float *gallery, int64_t dim)
{
	float *s = itr_xmalloc((size_t)(rel->gallery + 1) * sizeof *s);
	for (int64_t q = 0; q < rel->queries; q++) {
		for (int64_t j = 0; j < rel->gallery; j++)
			s[j] = itr_dot_chain(queries + q * dim, gallery + j * dim, dim);
		for (int64_t e = r->offset[q]; e < r->offset[q + 1]; e++) {
			int64_t above = 0, equal = 0, before = 0;
			for (int64_t j = 0; j < rel->gallery; j++) {
				above += s[j] > s[r->row[e]];
				equal += s[j] == s[r->row[e]];
				before += s[j] == s[r->row[e]] && j < r->row[e];
			}
			assert_true(itr_relevance_has(rel, q, r->row[e]));
			assert_true(r->score[e] == s[r->row[e]]);
			assert_int_equal(r->above[e], above);
			assert_int_equal(r->equal[e], equal);
			if (r->before)
				assert_int_equal(r->before[e], before);
			assert_true(e == r->offset[q] || r->above[e - 1] <= r->above[e]);
		}
	}
	free(s);
}

/* One direction of rows in memory. */
static itr_ranks *rank_one(const float *queries, const float *gallery, int64_t dim, const itr_relevance *rel, const itr_rank_opts *o)
{
	itr_ranks *r[2];
	itr_rank_rows(queries, rel->queries, gallery, rel->gallery, dim, (const itr_relevance *[]){ rel, NULL }, o, r);
	return r[0];
}

struct blocks { const float *a; int64_t dim; int fails_in; int64_t fails_at; };

static int read_block(void *ctx, int round, int64_t first, int64_t n, const float **rows, itr_err *err)
{
	const struct blocks *b = ctx;
	if (round == b->fails_in && b->fails_at < first + n)
		return itr_err_set(err, "row %lld is gone", (long long)b->fails_at);
	*rows = b->a + first * b->dim;
	return 0;
}

static void free_both(itr_ranks *r[2])
{
	itr_ranks_free(r[0]);
	itr_ranks_free(r[1]);
}

static void test_blocks(void **state)
{
	(void)state;
	static const struct { int64_t na, nb, dim, most; bool stable; int threads; } cases[] = {
		{ 203, 1003, 17, 3, false, 1 }, { 1003, 203, 17, 3, true, 2 }, { 1, 50, 8, 2, true, 1 }, { 50, 1, 8, 2, false, 2 },
		{ 97, 96, 33, 40, true, 2 }, { 600, 530, 5, 1, false, 2 }, { 2, 1, 1, 1, true, 1 },
	};
	itr_rng rng;
	itr_rng_seed(&rng, 2);
	for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
		int64_t na = cases[c].na, nb = cases[c].nb, dim = cases[c].dim;
		float *a = tied_rows(&rng, na, dim), *b = tied_rows(&rng, nb, dim);
		itr_relevance *ab = random_relevance(&rng, na, nb, cases[c].most), *ba = itr_relevance_invert(ab);
		const itr_relevance *both[2] = { ab, ba };
		const itr_rank_opts o = { .stable = cases[c].stable, .threads = cases[c].threads };
		itr_ranks *r[2], *alone[2] = { NULL, NULL };
		itr_rank_rows(b, nb, a, na, dim, (const itr_relevance *[]){ ba, NULL }, &o, alone);
		check_ranks(alone[0], ba, b, a, dim);
		assert_null(alone[1]);
		itr_rank_rows(a, na, b, nb, dim, both, &o, r);
		check_ranks(r[0], ab, a, b, dim);
		check_ranks(r[1], ba, b, a, dim);
		free_both(r);
		for (int64_t block = 1; block <= 200; block += 66) {             /* rows that come in blocks */
			struct blocks blocks = { a, dim, -1, 0 };
			itr_err err = ITR_ERR_INIT;
			itr_score_source *s = itr_score_blocks(na, block, read_block, &blocks, b, nb, dim);
			assert_int_equal(itr_rank_count(s, both, &o, r, &err), 0);
			check_ranks(r[0], ab, a, b, dim);
			check_ranks(r[1], ba, b, a, dim);
			free_both(r);
			blocks = (struct blocks){ a, dim, 1, na / 2 };           /* a read that fails ends the count */
			assert_int_equal(itr_rank_count(s, both, &o, r, &err), -1);
			assert_non_null(strstr(err.msg, "gone"));
			itr_score_source_free(s);
		}
		itr_ranks_free(alone[0]);
		itr_relevance_free(ab);
		itr_relevance_free(ba);
		itr_aligned_free(a);
		itr_aligned_free(b);
	}
}

/* 1,003 equal rows: one distinct score, so exactly chance whatever the batch and the threads. */
static void test_constant_is_chance(void **state)
{
	(void)state;
	enum { N = 1003, DIM = 48 };
	static const int64_t batches[] = { 1, 7, 256, N };
	itr_metric_set s;
	itr_rng rng;
	default_set(&s);
	itr_rng_seed(&rng, 3);
	float *x = itr_aligned_alloc(sizeof(float) * N * DIM);
	for (int i = 0; i < N * DIM; i++)
		x[i] = i < DIM ? (float)itr_rng_normal(&rng) : x[i - DIM];
	int64_t map[N];
	for (int64_t i = 0; i < N; i++)
		map[i] = (i * 7) % N;
	for (int b = 0; b < 4; b++)
		for (int threads = 1; threads <= 2; threads++)
			for (int ties = 0; ties < 4; ties++) {
				itr_relevance *rel = itr_relevance_from_map(batches[b], N, map);
				itr_ranks *r = rank_one(x, x, DIM, rel, &(itr_rank_opts){ .stable = true, .threads = threads });
				itr_ranks *pooled = rank_one(
					x, x, DIM, rel, &(itr_rank_opts){ .stable = true, .threads = threads, .pool = 100, .seed = 42 });
				itr_metric_result m;
				itr_metrics(r, &s, (itr_ties)ties, &m);
				assert_true(m.tie_fraction == 1);
				for (int j = 0; j < s.n; j++)
					if (ties == ITR_TIES_EXPECTED)
						assert_true(m.value[j] == m.chance[j]);
				assert_true(m.chance[4] == 10.0 / N || fabs(m.chance[4] - 10.0 / N) < 1e-15);       /* recall@10 */
				itr_metrics(pooled, &s, (itr_ties)ties, &m);
				if (ties == ITR_TIES_EXPECTED)
					assert_true(m.value[4] == m.chance[4] && fabs(m.chance[4] - 0.1) < 1e-15);
				if (ties == ITR_TIES_OPTIMISTIC)
					assert_true(m.value[0] == 1);
				if (ties == ITR_TIES_PESSIMISTIC)
					assert_true(m.value[4] == 0);
				itr_ranks_free(r);
				itr_ranks_free(pooled);
				itr_relevance_free(rel);
			}
	itr_aligned_free(x);
}

/* A pool as large as the gallery, and a pool against its definition. */
static void test_pool_ranks(void **state)
{
	(void)state;
	enum { NQ = 130, NG = 211, DIM = 6, SIZE = 25 };
	itr_rng rng;
	itr_rng_seed(&rng, 4);
	float *a = tied_rows(&rng, NQ, DIM), *b = tied_rows(&rng, NG, DIM);
	itr_relevance *rel = random_relevance(&rng, NQ, NG, 3);
	itr_ranks *whole = rank_one(a, b, DIM, rel, &(itr_rank_opts){ .stable = true, .threads = 1, .pool = NG, .seed = 1 });
	itr_ranks *r = rank_one(a, b, DIM, rel, &(itr_rank_opts){ .stable = true, .threads = 2, .pool = SIZE, .seed = 1 });
	check_ranks(whole, rel, a, b, DIM);
	itr_pools *pools = itr_pools_begin(rel, SIZE, 1, 0);
	int32_t candidate[SIZE];
	for (int64_t q = 0; q < NQ; q++) {
		int64_t n = itr_pools_next(pools, candidate);
		assert_int_equal(n, r->pool[q]);
		assert_int_equal(n, itr_relevance_count(rel, q) ? SIZE : 0);
		for (int64_t e = r->offset[q]; n && e < r->offset[q + 1]; e++) {
			int64_t above = 0, equal = 0, before = 0;
			for (int64_t i = 0; i < n; i++) {
				float s = itr_dot_chain(a + q * DIM, b + candidate[i] * DIM, DIM);
				above += s > r->score[e];
				equal += s == r->score[e];
				before += s == r->score[e] && candidate[i] < r->row[e];
			}
			assert_int_equal(r->above[e], above);
			assert_int_equal(r->equal[e], equal);
			assert_int_equal(r->before[e], before);
		}
	}
	itr_pools_free(pools);
	itr_ranks_free(whole);
	itr_ranks_free(r);
	itr_relevance_free(rel);
	itr_aligned_free(a);
	itr_aligned_free(b);
}

static void test_count_kernels_score_pairs(void **state)
{
	(void)state;
	enum { DIM = 67 };
	const itr_count_kernel *kernel[3] = { itr_isa_scalar.count };
	int n = 1;
#if defined(__x86_64__)
	if (itr_cpu_features() & ITR_CPU_AVX2)
		kernel[n++] = itr_isa_avx2.count;
	if (itr_cpu_features() & ITR_CPU_AVX512)
		kernel[n++] = itr_isa_avx512.count;
#endif
	float a[ITR_COUNT_DOTS][DIM], b[ITR_COUNT_DOTS][DIM];
	const float *x[ITR_COUNT_DOTS], *y[ITR_COUNT_DOTS];
	itr_rng rng;
	itr_rng_seed(&rng, 8);
	for (int i = 0; i < ITR_COUNT_DOTS; i++) {
		x[i] = a[i];
		y[i] = b[i];
		for (int j = 0; j < DIM; j++) {
			a[i][j] = (float)itr_rng_random(&rng) - 0.5f;
			b[i][j] = (float)itr_rng_random(&rng) - 0.5f;
		}
	}
	for (int k = 0; k < n; k++)
		for (int pairs = 1; pairs <= ITR_COUNT_DOTS; pairs++) {
			float out[ITR_COUNT_DOTS + 1] = { 0 };
			out[pairs] = 7;
			kernel[k]->dots(x, y, pairs, DIM, out);
			for (int i = 0; i < pairs; i++)
				assert_true(out[i] == itr_dot_chain(a[i], b[i], DIM));
			assert_true(out[pairs] == 7);
		}
}

/* Every counting kernel that this processor has, against loops; lengths around the vector length, thresholds that are absent (NaN). */
static void test_count_kernels(void **state)
{
	(void)state;
	enum { ROWS = 37, LD = 40, SLOTS = 3 };
	const itr_count_kernel *kernel[3] = { itr_isa_scalar.count };
	int n = 1;
#if defined(__x86_64__)
	if (itr_cpu_features() & ITR_CPU_AVX2)
		kernel[n++] = itr_isa_avx2.count;
	if (itr_cpu_features() & ITR_CPU_AVX512)
		kernel[n++] = itr_isa_avx512.count;
#endif
	float s[ROWS * LD], t[SLOTS * ITR_COUNT_LANES];
	int32_t limit[SLOTS * ITR_COUNT_LANES];
	itr_rng rng;
	itr_rng_seed(&rng, 6);
	for (int i = 0; i < ROWS * LD; i++)
		s[i] = (float)itr_rng_integers(&rng, -2, 3);
	for (int i = 0; i < SLOTS * ITR_COUNT_LANES; i++) {
		t[i] = i % 7 == 3 ? NAN : (float)itr_rng_integers(&rng, -2, 3);
		limit[i] = (int32_t)itr_rng_integers(&rng, 0, 200);
	}
	for (int k = 0; k < n; k++) {
		for (int64_t len = 0; len <= LD; len++) {
			int64_t above = 5, equal = 7, want_above = 5, want_equal = 7;
			kernel[k]->row(s, len, 1, &above, &equal);
			for (int64_t i = 0; i < len; i++) {
				want_above += s[i] > 1;
				want_equal += s[i] == 1;
			}
			assert_true(above == want_above && equal == want_equal);
		}
		int32_t above[SLOTS * ITR_COUNT_LANES] = { 0 }, equal[SLOTS * ITR_COUNT_LANES] = { 0 },
				      before[SLOTS * ITR_COUNT_LANES] = { 0 };
		kernel[k]->columns(s + 1, LD, ROWS, SLOTS, t, above, equal, 90, limit, before);
		kernel[k]->columns(s + 1, LD, ROWS, SLOTS, t, above, equal, 90, NULL, NULL);
		for (int j = 0; j < SLOTS * ITR_COUNT_LANES; j++) {
			int32_t a = 0, e = 0, b = 0;
			for (int i = 0; i < ROWS; i++) {
				float v = s[1 + i * LD + j % ITR_COUNT_LANES];
				a += v > t[j];
				e += v == t[j];
				b += v == t[j] && 90 + i < limit[j];
			}
			assert_true(above[j] == 2 * a && equal[j] == 2 * e && before[j] == b);
		}
	}
}

static void test_pools_are_numpys(void **state)
{
	(void)state;
	FILE *f = fopen("tests/golden/pools.txt", "r");
	char line[256];
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof line, f));
	long long gallery, size, seed, direction, queries, n, x;
	int cases = 0;
	while (fscanf(f, " case %lld %lld %lld %lld %lld", &gallery, &size, &seed, &direction, &queries) == 5) {
		int64_t query[256], row[256], pairs = 0, want[64][10];
		for (long long q = 0; q < queries; q++) {
			assert_int_equal(fscanf(f, "%lld", &n), 1);
			while (n-- > 0) {
				assert_int_equal(fscanf(f, "%lld", &x), 1);
				query[pairs] = q;
				row[pairs++] = x;
			}
			assert_int_equal(fscanf(f, "%lld", &n), 1);
			want[q][0] = n;
			for (int i = 0; n && i < 1 + ITR_MIN(n, 8); i++) {
				assert_int_equal(fscanf(f, "%lld", &x), 1);
				want[q][1 + i] = x;
			}
		}
		itr_relevance *rel = itr_relevance_from_pairs(queries, gallery, query, row, pairs);
		itr_pools *p = itr_pools_begin(rel, size, (uint64_t)seed, (int)direction);
		int32_t *out = itr_xmalloc(sizeof *out * (size_t)itr_pools_width(p));
		for (long long q = 0; q < queries; q++) {
			int64_t got = itr_pools_next(p, out), sum = 0;
			assert_int_equal(got, want[q][0]);
			for (int64_t i = 0; i < got; i++)
				sum += out[i] * (i + 1);
			assert_true(got == 0 || sum == want[q][1]);
			for (int64_t i = 0; i < ITR_MIN(got, 8); i++)
				assert_int_equal(out[i], want[q][2 + i]);
		}
		free(out);
		itr_pools_free(p);
		itr_relevance_free(rel);
		cases++;
	}
	assert_int_equal(cases, 5);
	fclose(f);
}

static void test_relevance(void **state)
{
	(void)state;
	itr_relevance *r = itr_relevance_from_pairs(4, 9, (int64_t[]){ 2, 0, 2, 2, -1, 3 }, (int64_t[]){ 8, 1, 4, 8, 3, -1 }, 6);
	assert_int_equal(itr_relevance_pairs(r), 3);
	assert_int_equal(itr_relevance_count(r, 2), 2);
	assert_int_equal(r->row[r->offset[2]], 4);
	assert_true(itr_relevance_has(r, 2, 8));
	assert_false(itr_relevance_has(r, 3, 8));
	itr_relevance *inverse = itr_relevance_invert(r);
	assert_int_equal(inverse->queries, 9);
	assert_true(itr_relevance_has(inverse, 8, 2));
	itr_relevance_free(inverse);
	itr_relevance_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names), cmocka_unit_test(test_enumeration),        cmocka_unit_test(test_graded_enumeration),
		cmocka_unit_test(test_nothing_found),      cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_constant_is_chance), cmocka_unit_test(test_pool_ranks),
		cmocka_unit_test(test_pools_are_numpys),   cmocka_unit_test(test_relevance),
		cmocka_unit_test(test_count_kernels),      cmocka_unit_test(test_count_kernels_score_pairs),
	};
	return cmocka_run_group_tests_name("retrieval metrics", tests, NULL, NULL);
}
