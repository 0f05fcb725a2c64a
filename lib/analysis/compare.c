/* Comparison of two grids, cell by cell. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/analysis.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/path.h"
#include "io/npz.h"
#include "retrieval/bootstrap.h"

/* --- per-query files ------------------------------------------------------------------------------------------------------------------ */

static const char *const count_names[2][3] = { { "t2v_g", "t2v_n", "t2v_m" }, { "v2t_g", "v2t_n", "v2t_m" } };

typedef struct detail {
	itr_map *cell;                          /* key -> index */
	char **query_id[2], **image_id[2];      /* per direction */
	int64_t queries[2], seeds, *seed;
	int64_t *count[2][3];                   /* [cells][seeds][queries] */
} detail;

static void detail_free(detail *d)
{
	for (int k = 0; d && k < 2; k++) {
		itr_npz_free_text(d->query_id[k], d->queries[k]);
		itr_npz_free_text(d->image_id[k], d->queries[k]);
		for (int i = 0; i < 3; i++)
			itr_aligned_free(d->count[k][i]);
	}
	if (d) {
		itr_aligned_free(d->seed);
		itr_map_free(d->cell);
	}
	free(d);
}

static int read_cells(detail *d, itr_npz *z, itr_err *err)
{
	itr_array_info info;
	char **keys = itr_npz_text(z, "cells", &info, err);
	if (!keys)
		return -1;
	for (int64_t i = 0; i < info.count; i++)
		itr_map_add(d->cell, keys[i], i);
	itr_npz_free_text(keys, info.count);
	if (itr_map_count(d->cell) != info.count)
		return itr_err_set(err, "'%s' names a cell twice", itr_npz_path(z));
	d->seed = itr_npz_i64(z, "seeds", &info, err);
	d->seeds = info.count;
	return d->seed ? 0 : -1;
}

static int read_side(detail *d, itr_npz *z, int side, itr_err *err)
{
	itr_array_info info, other;
	d->query_id[side] = itr_npz_text(z, side ? "v2t_query_id" : "t2v_query_id", &info, err);
	if (!d->query_id[side])
		return -1;
	d->queries[side] = info.count;
	char **image = itr_npz_text(z, side ? "v2t_image_id" : "t2v_image_id", &other, err);
	if (image && other.count != info.count) {
		itr_npz_free_text(image, other.count);
		return itr_err_set(err, "'%s' holds %lld queries and %lld images", itr_npz_path(z), (long long)info.count,
		                   (long long)other.count);
	}
	d->image_id[side] = image;
	for (int i = 0; image && i < 3; i++) {
		d->count[side][i] = itr_npz_i64(z, count_names[side][i], &info, err);
		if (!d->count[side][i])
			return -1;
		if (info.rank != 3 || info.shape[0] != itr_map_count(d->cell) || info.shape[1] != d->seeds ||
		    info.shape[2] != d->queries[side])
			return itr_err_set(err, "'%s' in '%s' is not cells x seeds x queries", count_names[side][i], itr_npz_path(z));
	}
	for (int64_t k = 0; image && k < info.count; k++)
		if (d->count[side][0][k] < 0 || d->count[side][2][k] < 0 || d->count[side][2][k] > d->count[side][1][k] ||
		    d->count[side][1][k] > INT32_MAX || (d->count[side][1][k] && !d->count[side][2][k]))
			return itr_err_set(err, "'%s' holds counts that no ranking gives", itr_npz_path(z));
	return image ? 0 : -1;
}

static detail *detail_read(const itr_analysis *a, itr_err *err)
{
	char *path = itr_path_join(a->dir, "experiment_results.per_query.npz");
	const char *ties = itr_json_str(itr_json_get(a->meta, "ties"), "");
	itr_npz *z = NULL;
	if (strcmp(ties, "expected"))
		itr_err_set(err, "'%s' does not rank ties by their expectation", a->dir);
	else
		z = itr_npz_open(path, err);
	free(path);
	if (!z)
		return NULL;
	detail *d = itr_xcalloc(1, sizeof *d);
	d->cell = itr_map_new();
	int rc = read_cells(d, z, err);
	for (int side = 0; side < 2 && rc == 0; side++)
		rc = read_side(d, z, side, err);
	itr_npz_close(z);
	if (rc == 0)
		return d;
	detail_free(d);
	return NULL;
}

static bool same_text(char *const *a, char *const *b, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		if (strcmp(a[i], b[i]))
			return false;
	return true;
}

static int same_queries(const detail *a, const detail *b, itr_err *err)
{
	for (int side = 0; side < 2; side++)
		if (a->queries[side] != b->queries[side] || !same_text(a->query_id[side], b->query_id[side], a->queries[side]) ||
		    !same_text(a->image_id[side], b->image_id[side], a->queries[side]))
			return itr_err_set(err, "the two grids have other queries");
	if (a->seeds != b->seeds || memcmp(a->seed, b->seed, (size_t)a->seeds * sizeof *a->seed))
		return itr_err_set(err, "the two grids drew their pools from other seeds");
	return 0;
}

/* --- the test ------------------------------------------------------------------------------------------------------------------------- */

static double recall(const detail *d, int side, int64_t at, const itr_metric_set *set)
{
	double value;
	itr_tie_group g = { d->count[side][0][at], d->count[side][1][at], d->count[side][2][at] };
	itr_metric_ranking(set, &(itr_ranking){ .group = &g, .groups = 1, .relevant = g.m }, &value);
	return value;
}

/* b - a for every query that both ranked, mean over seeds; the cluster of a query is its image. */
static itr_metric_values *differences(const detail *a, const detail *b, const char *key, int side, const itr_metric_set *set,
                                      const int64_t *image, int64_t *cluster)
{
	int64_t n = a->queries[side], ca = itr_map_get(a->cell, key, 0), cb = itr_map_get(b->cell, key, 0);
	itr_metric_values *v = itr_xcalloc(1, sizeof *v);
	v->columns = 1;
	v->query = itr_xmalloc((size_t)(n + 1) * sizeof *v->query);
	v->value = itr_xmalloc((size_t)(n + 1) * sizeof *v->value);
	v->chance = itr_xcalloc((size_t)n + 1, sizeof *v->chance);
	for (int64_t q = 0; q < n; q++) {
		double sum = 0;
		int64_t both = 0;
		for (int64_t s = 0; s < a->seeds; s++) {
			int64_t ia = (ca * a->seeds + s) * n + q, ib = (cb * b->seeds + s) * n + q;
			if (!a->count[side][1][ia] || !b->count[side][1][ib])
				continue;
			sum += recall(b, side, ib, set) - recall(a, side, ia, set);
			both++;
		}
		if (!both)
			continue;
		v->query[v->n] = q;
		cluster[v->n] = image[q];
		v->value[v->n++] = sum / (double)both;
	}
	return v;
}

/* Number of resamples: proportional to the number of cells, because Holm multiplies the smallest p by it; so a difference in the same
 * direction in all resamples has p = 0.01 and not n times 0.001. At most 20,000; a p at its bound is then printed as "less than". */
static int64_t resamples_for(int64_t cells) { return ITR_MIN(ITR_MAX((int64_t)ITR_BOOT_RESAMPLES, 200 * cells), (int64_t)20000); }

static void test_cell(const detail *a, const detail *b, itr_adiff *d, const itr_metric_set *set, int64_t *const image[2], int64_t resamples,
                      uint64_t seed, int threads)
{
	itr_metric_values *v[2];
	int64_t *cluster[2];
	itr_boot_side side[2];
	if (!itr_map_has(a->cell, d->a->key) || !itr_map_has(b->cell, d->a->key))
		return;
	for (int k = 0; k < 2; k++) {
		cluster[k] = itr_xmalloc((size_t)(a->queries[k] + 1) * sizeof *cluster[k]);
		v[k] = differences(a, b, d->a->key, k, set, image[k], cluster[k]);
		side[k] = (itr_boot_side){ v[k], cluster[k] };
	}
	if (v[0]->n && v[1]->n) {
		double *x = itr_bootstrap(side, 2, set, a->queries[1], NULL, 1, (int)resamples, seed, threads);
		for (int64_t i = 0; i < resamples; i++)
			x[i * 2] = (x[i * 2] + x[i * 2 + 1]) / 2;
		itr_interval ci = itr_interval_95(x, resamples, 2);
		d->low = ci.low;
		d->high = ci.high;
		d->p = itr_boot_p(x, resamples, 2);
		d->bound = d->p <= itr_boot_p_floor(resamples);
		free(x);
	}
	for (int k = 0; k < 2; k++) {
		itr_metric_values_free(v[k]);
		free(cluster[k]);
	}
}

static int test_all(const itr_analysis *a, const itr_analysis *b, itr_acompare *c, uint64_t seed, int threads, itr_err *err)
{
	detail *da = detail_read(a, err), *db = da ? detail_read(b, err) : NULL;
	int rc = db ? same_queries(da, db, err) : -1;
	if (rc == 0) {
		const itr_metric_set set = { 1, { { .metric = &itr_metric_recall, .k = a->k } } };
		itr_map *images = itr_map_new();
		int64_t *image[2];
		double *p = itr_xmalloc((size_t)(c->n + 1) * sizeof *p);
		for (int64_t i = 0; i < da->queries[1]; i++)
			itr_map_add(images, da->image_id[1][i], i);
		for (int k = 0; k < 2; k++) {
			image[k] = itr_xmalloc((size_t)(da->queries[k] + 1) * sizeof *image[k]);
			for (int64_t q = 0; q < da->queries[k]; q++)
				image[k][q] = itr_map_get(images, da->image_id[k][q], -1);
		}
		c->resamples = resamples_for(c->n);
		for (int64_t i = 0; i < c->n; i++) {
			test_cell(da, db, &c->d[i], &set, image, c->resamples, seed, threads);
			p[i] = c->d[i].p;
		}
		itr_holm(p, (int)c->n, p);
		for (int64_t i = 0; i < c->n; i++)
			c->d[i].p = p[i];
		for (int k = 0; k < 2; k++)
			free(image[k]);
		itr_map_free(images);
		free(p);
	}
	detail_free(da);
	detail_free(db);
	return rc;
}

/* --- cells ---------------------------------------------------------------------------------------------------------------------------- */

itr_acompare *itr_analysis_compare(const itr_analysis *a, const itr_analysis *b, uint64_t seed, int threads, itr_err *err)
{
	itr_acompare *c = itr_xcalloc(1, sizeof *c);
	itr_map *keys = itr_map_new();
	itr_err why = ITR_ERR_INIT;
	c->d = itr_xcalloc((size_t)a->n_cells, sizeof *c->d);
	for (int64_t i = 0; i < b->n_cells; i++)
		if (!b->cells[i].error)
			itr_map_add(keys, b->cells[i].key, i);
	for (int64_t i = 0; i < a->n_cells; i++) {
		const itr_acell *x = &a->cells[i];
		int64_t at = x->error ? -1 : itr_map_get(keys, x->key, -1);
		c->only_a += !x->error && at < 0;
		if (at < 0)
			continue;
		const itr_acell *y = &b->cells[at];
		c->d[c->n++] = (itr_adiff){ x,
			                    y,
			                    y->v[ITR_AC_RECALL] - x->v[ITR_AC_RECALL],
			                    y->v[ITR_AC_MRR] - x->v[ITR_AC_MRR],
			                    y->v[ITR_AC_TIME] - x->v[ITR_AC_TIME],
			                    y->v[ITR_AC_MEMORY] - x->v[ITR_AC_MEMORY],
			                    NAN,
			                    NAN,
			                    NAN,
			                    false };
	}
	c->only_b = itr_map_count(keys) - c->n;
	itr_map_free(keys);
	if (!c->n) {
		itr_err_set(err, "'%s' and '%s' have no experiment in common", a->dir, b->dir);
		itr_acompare_free(c);
		return NULL;
	}
	if (test_all(a, b, c, seed, threads, &why) < 0)
		c->untested = itr_xstrdup(why.msg);
	return c;
}

void itr_acompare_free(itr_acompare *c)
{
	if (!c)
		return;
	free(c->untested);
	free(c->d);
	free(c);
}

/* sign: prints "+" for positive differences. */
static void put(itr_table *t, double v, bool exact, int digits, bool sign)
{
	itr_buf b = ITR_BUF_INIT;
	if (!isnan(v) && exact)
		itr_json_print_number(&b, v);
	else if (!isnan(v) && digits)
		itr_buf_printf(&b, sign ? "%+.*f" : "%.*f", digits, v);
	else if (!isnan(v))
		itr_buf_printf(&b, "%.3g", v);
	itr_table_cell(t, itr_buf_str(&b));
	itr_buf_free(&b);
}

itr_table *itr_acompare_table(const itr_acompare *c, const itr_analysis *a, bool exact)
{
	const char *names[] = { "experiment",
		                a->name[ITR_AC_RECALL],
		                "other",
		                "difference",
		                "low",
		                "high",
		                "p_holm",
		                "avg_mrr_difference",
		                "total_time_difference",
		                "memory_usage_mb_difference" };
	itr_table *t = itr_table_new(ITR_LEN(names), names);
	for (int64_t i = 0; i < c->n; i++) {
		const itr_adiff *d = &c->d[i];
		double v[] = {
			d->a->v[ITR_AC_RECALL], d->b->v[ITR_AC_RECALL], d->recall, d->low, d->high, d->p, d->mrr, d->time, d->memory
		};
		itr_table_cell(t, d->a->key);
		for (int k = 0; k < ITR_LEN(v); k++)
			if (k == 5 && !exact)
				itr_p_cell(t, d->p, d->bound);
			else
				put(t, v[k], exact, k > 6 ? 0 : 4, k >= 2);
	}
	return t;
}

itr_json *itr_acompare_json(const itr_acompare *c, const itr_analysis *a, const itr_analysis *b)
{
	itr_json *j = itr_json_object(), *list;
	itr_json_add_str(j, "a", a->dir);
	itr_json_add_str(j, "b", b->dir);
	itr_json_add_str(j, "sign", "b - a");
	itr_json_add_str(j, "recall", a->name[ITR_AC_RECALL]);
	itr_json_add_str(j, "untested", c->untested);
	if (a->synthetic || b->synthetic)
		itr_json_add_bool(j, "synthetic", true);
	if (c->resamples)
		itr_json_add_int(j, "resamples", c->resamples);
	itr_json_add_int(j, "only_a", c->only_a);
	itr_json_add_int(j, "only_b", c->only_b);
	list = itr_json_add_array(j, "experiments");
	for (int64_t i = 0; i < c->n; i++) {
		const itr_adiff *d = &c->d[i];
		itr_json *one = itr_json_push(list, itr_json_object());
		itr_json_add_str(one, "experiment", d->a->key);
		itr_json_add_num(one, "a", d->a->v[ITR_AC_RECALL]);
		itr_json_add_num(one, "b", d->b->v[ITR_AC_RECALL]);
		itr_json_add_num(one, "difference", d->recall);
		itr_json_add_num(one, "low", d->low);
		itr_json_add_num(one, "high", d->high);
		itr_json_add_num(one, "p_holm", d->p);
		itr_json_add_num(one, "avg_mrr_difference", d->mrr);
		itr_json_add_num(one, "total_time_difference", d->time);
		itr_json_add_num(one, "memory_usage_mb_difference", d->memory);
	}
	return j;
}
