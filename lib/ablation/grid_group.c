/* The cells of one (dim, precision): packed once, scored once, ranked in every pool. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "ablation/grid_internal.h"
#include "retrieval/fidelity.h"
#include "retrieval/topk.h"

enum { CALIBRATION_ROWS = 1000, FIDELITY_QUERIES = 64 };

struct itr_group {
	const itr_grid *g;
	int dim, precision, n_sizes;
	bool wanted[ITR_GRID_LIST + 1];                 /* per size */
	char *error;
	itr_gallery *gallery[2];
	itr_metric_values *values[(ITR_GRID_LIST + 1) * 2];                        /* [size][direction]: means over seeds, query by query */
	itr_metric_result (*result)[2];                 /* [seed * n_sizes + size] */
	int32_t *counts[ITR_GRID_LIST + 1][2];
};

static int64_t cell_index(const itr_grid *g, int dim, int precision, int size)
{
	return ((int64_t)dim * g->o.precisions.n + precision) * (g->o.sizes.n + g->o.full) + size;
}

itr_group *itr_group_new(const itr_grid *g, int dim, int precision)
{
	itr_group *group = itr_xcalloc(1, sizeof *group);
	bool any = false;
	*group = (itr_group){ .g = g, .dim = dim, .precision = precision, .n_sizes = g->o.sizes.n + g->o.full };
	for (int s = 0; s < group->n_sizes; s++)
		any |= group->wanted[s] = g->cells[cell_index(g, dim, precision, s)].todo;
	group->result = itr_xcalloc((size_t)(g->o.seeds.n * group->n_sizes) + 1, sizeof *group->result);
	if (any)
		return group;
	itr_group_free(group);
	return NULL;
}

static float *calibration(const itr_grid *g, const float *x, int64_t rows, int64_t dim, int64_t *n)
{
	itr_rng rng;
	*n = ITR_MIN(rows, (int64_t)CALIBRATION_ROWS);
	int64_t *pick = itr_xmalloc((size_t)*n * sizeof *pick);
	float *sample = itr_xmalloc((size_t)(*n * dim) * sizeof *sample);
	itr_rng_init(&rng, (uint64_t[]){ g->o.seed, 3 }, 2);
	itr_rng_choice(&rng, rows, *n, pick);
	for (int64_t i = 0; i < *n; i++)
		memcpy(sample + i * dim, x + pick[i] * dim, (size_t)dim * sizeof *sample);
	free(pick);
	return sample;
}

static itr_gallery *pack(const itr_group *group, const itr_vectors *v, int direction, int threads, itr_err *err)
{
	const itr_grid *g = group->g;
	const float *x = v->x[direction == T2V];
	int64_t rows = g->n_gallery[direction];
	itr_precision precision = (itr_precision)g->o.precisions.v[group->precision];
	itr_pack_opts o = { .quantizer = (itr_quantizer)g->o.quantizer,
		            .copy = g->o.rescore > 0 && precision != ITR_PREC_FP32 ? ITR_COPY_BORROW : ITR_COPY_NONE,
		            .threads = threads };
	float *sample = g->o.calibrate ? calibration(g, x, rows, v->dim, &o.calibrate_rows) : NULL;
	o.calibrate = sample;
	itr_gallery *gallery = itr_gallery_pack(x, rows, v->dim, precision, &o, err);
	free(sample);
	return gallery;
}

static void keep_counts(itr_group *group, const itr_ranks *r, int seed, int size, int direction)
{
	int32_t **all = &group->counts[size][direction];
	if (!*all)
		*all = itr_xcalloc((size_t)(group->g->o.seeds.n * r->queries * 3) + 1, sizeof **all);
	for (int64_t q = 0; q < r->queries; q++) {
		itr_tie_group b = itr_ranks_best(r, q);
		int32_t *c = *all + ((int64_t)seed * r->queries + q) * 3;
		c[0] = (int32_t)b.above;
		c[1] = (int32_t)b.n;
		c[2] = (int32_t)b.m;
	}
}

/* Adds the values of one seed to those of the seeds before. Which queries are not ranked does not depend on the seed. */
static void keep_values(itr_group *group, itr_metric_values *v, int seed, int size, int direction)
{
	itr_metric_values **all = &group->values[size * 2 + direction];
	double seeds = group->g->o.seeds.n;
	for (int64_t i = 0; i < v->n * v->columns && seeds > 1; i++) {
		v->value[i] /= seeds;
		if (seed)
			(*all)->value[i] += v->value[i];
	}
	if (seed)
		itr_metric_values_free(v);
	else
		*all = v;
}

void itr_group_rank(itr_group *group, const itr_vectors *v, const char *error, int threads)
{
	const itr_grid *g = group->g;
	itr_err err = ITR_ERR_INIT;
	int n = g->o.seeds.n * group->n_sizes;
	itr_ranks **ranks = itr_xcalloc((size_t)n, sizeof *ranks);
	for (int d = 0; d < 2 && !error; d++)
		if (!(group->gallery[d] = pack(group, v, d, threads, &err)))
			error = err.msg;
	if (error)
		group->error = itr_xstrdup(error);
	for (int d = 0; d < 2 && !error; d++) {
		itr_grid_rank(g, group->gallery[d], v->x[d != T2V], d, group->wanted, ranks, threads);
		for (int k = 0; k < n; k++) {
			if (!ranks[k])
				continue;
			itr_metric_values *values = itr_metric_values_new(ranks[k], &g->set, (itr_ties)g->o.ties, threads);
			itr_metric_summary(values, &g->set, ranks[k]->gallery, &group->result[k][d]);
			keep_counts(group, ranks[k], k / group->n_sizes, k % group->n_sizes, d);
			keep_values(group, values, k / group->n_sizes, k % group->n_sizes, d);
			itr_ranks_free(ranks[k]);
		}
	}
	free(ranks);
}

/* --- results -------------------------------------------------------------------------------------------------------------------------- */

static const char *const direction_names[] = { "text_to_video", "video_to_text" };

static void add_metrics(const itr_metric_set *set, itr_json *object, const double *value)
{
	for (int j = 0; j < set->n; j++)
		itr_json_add_num(object, set->m[j].key, value[j]);
}

static void mean_of_seeds(const itr_group *group, int size, int direction, itr_metric_result *out)
{
	int n = group->g->o.seeds.n;
	*out = group->result[size][direction];
	for (int s = 1; s < n; s++) {
		const itr_metric_result *r = &group->result[s * group->n_sizes + size][direction];
		for (int j = 0; j < group->g->set.n; j++)
			out->value[j] += r->value[j];
		out->tie_fraction += r->tie_fraction;
	}
	for (int j = 0; j < group->g->set.n && n > 1; j++)
		out->value[j] /= n;
	out->tie_fraction /= n;
}

static void add_seeds(const itr_group *group, int size, itr_json *cell)
{
	const itr_grid *g = group->g;
	if (g->o.seeds.n < 2)
		return;
	itr_json *list = itr_json_add_array(cell, "per_seed");
	for (int s = 0; s < g->o.seeds.n; s++) {
		itr_json *one = itr_json_push(list, itr_json_object());
		char seed[32];
		snprintf(seed, sizeof seed, "%lld", (long long)g->o.seeds.v[s]);
		itr_json_add_str(one, "seed", seed);
		for (int d = 0; d < 2; d++)
			add_metrics(&g->set, itr_json_add_object(one, direction_names[d]),
			            group->result[s * group->n_sizes + size][d].value);
	}
}

static void add_lap(itr_json *timing, const char *key, itr_grid_latency lap)
{
	itr_json *one = itr_json_add_object(timing, key);
	itr_json_add_num(one, "p50_ms", lap.p50 * 1e3);
	itr_json_add_num(one, "p95_ms", lap.p95 * 1e3);
	itr_json_add_num(one, "p99_ms", lap.p99 * 1e3);
}

static void add_timing(const itr_group *group, const itr_vectors *v, int size, int64_t queries, itr_json *cell)
{
	const itr_grid *g = group->g;
	itr_json *timing = itr_json_add_object(cell, "timing");
	itr_grid_latency lap[2] = { { NAN, NAN, NAN, NAN }, { NAN, NAN, NAN, NAN } };
	for (int d = 0; d < 2 && g->o.timing != ITR_TIMING_OFF; d++)
		lap[d] = itr_grid_time(g, group->gallery[d], v->x[d != T2V], d, size);
	double total = lap[T2V].total + lap[V2T].total;
	itr_json_add_num(timing, "text_to_video_time", lap[T2V].total);
	itr_json_add_num(timing, "video_to_text_time", lap[V2T].total);
	itr_json_add_num(timing, "total_time", total);
	itr_json_add_str(timing, "mode", itr_timing_names[g->o.timing]);
	if (g->o.timing != ITR_TIMING_OFF) {
		add_lap(timing, "text_to_video_latency", lap[T2V]);
		add_lap(timing, "video_to_text_latency", lap[V2T]);
	}
	itr_json_add_num(cell, "queries_per_second", 2 * (double)queries / total);
}

static void add_intervals(const itr_metric_set *set, itr_json *object, const itr_interval *ci)
{
	for (int j = 0; j < set->n; j++) {
		if (isnan(ci[j].low))
			continue;
		itr_json *pair = itr_json_add_array(object, set->m[j].key);
		itr_json_push(pair, itr_json_new_num(ci[j].low));
		itr_json_push(pair, itr_json_new_num(ci[j].high));
	}
}

static itr_json *cell_json(const itr_group *group, const itr_vectors *v, int size, const itr_interval *ci)
{
	const itr_grid *g = group->g;
	itr_json *cell = itr_json_object(), *part[2], *chance, *intervals;
	itr_metric_result r[2];
	for (int d = 0; d < 2; d++) {
		mean_of_seeds(group, size, d, &r[d]);
		part[d] = itr_json_add_object(cell, direction_names[d]);
		add_metrics(&g->set, part[d], r[d].value);
		itr_json_add_num(part[d], "tie_fraction", r[d].tie_fraction);
		itr_json_add_int(part[d], "left_out", r[d].left_out);
	}
	add_timing(group, v, size, r[T2V].n_queries, cell);
	itr_json_add_num(cell, "memory_usage_mb", (double)itr_gallery_bytes(group->gallery[T2V]).total / (1 << 20));
	itr_json_add_num(cell, "memory_text_mb", (double)itr_gallery_bytes(group->gallery[V2T]).total / (1 << 20));
	itr_json *config = itr_json_add_object(cell, "config");
	itr_json_add_int(config, "embedding_dim", v->dim);
	itr_json_add_str(config, "precision", itr_precision_names[g->o.precisions.v[group->precision]]);
	itr_json_add_int(config, "candidate_size", size < g->o.sizes.n ? g->o.sizes.v[size] : g->n_gallery[T2V]);
	itr_json_add_int(config, "num_queries", r[T2V].n_queries);
	if (size >= g->o.sizes.n)
		itr_json_add_bool(config, "full", true);
	if (g->o.rotate || itr_grid_rotates(g, (int)g->o.precisions.v[group->precision]))
		itr_json_add_bool(config, "rotated", true);
	chance = itr_json_add_object(cell, "random_baseline");
	intervals = itr_json_add_object(cell, "ci95");
	for (int d = 0; d < 2; d++) {
		add_metrics(&g->set, itr_json_add_object(chance, direction_names[d]), r[d].chance);
		add_intervals(&g->set, itr_json_add_object(intervals, direction_names[d]), ci + d * ITR_METRIC_MAX);
	}
	itr_json_add_str(cell, "kernel", itr_gallery_kernel(group->gallery[T2V]));
	add_seeds(group, size, cell);
	return cell;
}

static void add_fidelity(itr_grid *g, const itr_group *group, const itr_vectors *v)
{
	itr_fidelity f;
	char key[64];
	int64_t queries = ITR_MIN(g->n_queries[T2V], (int64_t)FIDELITY_QUERIES);
	if (!g->o.fidelity || itr_gallery_fidelity(group->gallery[T2V], v->x[1], v->x[0], queries, g->o.recall_k.v[g->o.recall_k.n - 1],
	                                           g->o.threads, &f, NULL) < 0)
		return;
	snprintf(key, sizeof key, "dim_%lld_prec_%s", (long long)v->dim, itr_precision_names[g->o.precisions.v[group->precision]]);
	itr_json *j = itr_json_add_object(g->fidelity, key);
	itr_json_add_num(j, "cosine_error", f.cosine_error);
	itr_json_add_num(j, "cosine_error_max", f.cosine_error_max);
	itr_json_add_num(j, "spearman", f.spearman);
	itr_json_add_num(j, "topk_overlap", f.overlap);
	itr_json_add_int(j, "queries", queries);
}

static void fail_cell(itr_cell *c, const char *why)
{
	c->error = itr_xstrdup(why);
	c->result = itr_json_object();
	itr_json_add_str(c->result, "error", why);
}

void itr_group_free(itr_group *group)
{
	for (int s = 0; s < group->n_sizes; s++)
		for (int d = 0; d < 2; d++) {
			itr_metric_values_free(group->values[s * 2 + d]);
			free(group->counts[s][d]);
		}
	for (int d = 0; d < 2; d++)
		itr_gallery_free(group->gallery[d]);
	free(group->error);
	free(group->result);
	free(group);
}

void itr_group_finish(itr_grid *g, itr_group *group, const itr_vectors *v)
{
	itr_metric_values *values[(ITR_GRID_LIST + 1) * 2];
	itr_interval *ci = itr_xmalloc((size_t)(ITR_GRID_LIST + 1) * 2 * ITR_METRIC_MAX * sizeof *ci);
	int n = 0;
	for (int s = 0; s < group->n_sizes; s++) {
		itr_cell *c = &g->cells[cell_index(g, group->dim, group->precision, s)];
		if (!group->wanted[s])
			continue;
		if (group->error)
			fail_cell(c, group->error);
		else if (!group->values[s * 2]->n || !group->values[s * 2 + 1]->n)
			fail_cell(c, "no query of one direction fits: each has more positives than the pool has places");
		else
			for (int d = 0; d < 2; d++)
				values[n++] = group->values[s * 2 + d];
	}
	itr_grid_intervals(g, values, n / 2, ci);
	for (int s = 0, k = 0; s < group->n_sizes; s++) {
		itr_cell *c = &g->cells[cell_index(g, group->dim, group->precision, s)];
		if (!group->wanted[s] || c->error)
			continue;
		c->result = cell_json(group, v, s, ci + (int64_t)k++ * 2 * ITR_METRIC_MAX);
		for (int d = 0; d < 2; d++) {
			c->counts[d] = group->counts[s][d];
			group->counts[s][d] = NULL;
		}
	}
	if (!group->error)
		add_fidelity(g, group, v);
	free(ci);
	itr_group_free(group);
}
