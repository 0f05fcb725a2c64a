/* The files of the grid: the results in the format of the original project, and extra information in separate files, so that its readers
 * still work. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ablation/grid_internal.h"
#include "io/npz.h"

enum { SCHEMA = 1 };

static void add_list(itr_json *j, const char *key, const itr_ints *l)
{
	itr_json *a = itr_json_add_array(j, key);
	for (int i = 0; i < l->n; i++)
		itr_json_push(a, itr_json_new_int(l->v[i]));
}

static itr_json *config_json(const itr_grid *g)
{
	itr_json *j = itr_json_object(), *a;
	char text[32];
	itr_json_add_str(j, "data_path", g->o.data);
	add_list(j, "embedding_dims", &g->o.dims);
	a = itr_json_add_array(j, "precisions");
	for (int i = 0; i < g->o.precisions.n; i++)
		itr_json_push(a, itr_json_new_str(itr_precision_names[g->o.precisions.v[i]]));
	add_list(j, "candidate_sizes", &g->o.sizes);
	itr_json_add_bool(j, "full", g->o.full);
	add_list(j, "recall_k", &g->o.recall_k);
	a = itr_json_add_array(j, "seeds");
	for (int i = 0; i < g->o.seeds.n; i++) {
		snprintf(text, sizeof text, "%lld", (long long)g->o.seeds.v[i]);
		itr_json_push(a, itr_json_new_str(text));
	}
	add_list(j, "project", &g->o.project);
	add_list(j, "truncate", &g->o.truncate);
	itr_json_add_bool(j, "shuffle_queries", g->o.shuffle);
	itr_json_add_bool(j, "normalize", g->o.normalize);
	itr_json_add_bool(j, "calibrate", g->o.calibrate);
	itr_json_add_bool(j, "rotate", g->o.rotate);
	itr_json_add_bool(j, "rotate_binary", g->o.rotate_binary);
	itr_json_add_str(j, "quantizer", itr_quantizer_names[g->o.quantizer]);
	itr_json_add_int(j, "rescore", g->o.rescore);
	itr_json_add_str(j, "timing", itr_timing_names[g->o.timing]);
	itr_json_add_int(j, "bootstrap", g->o.resamples);
	return j;
}

static int write_meta(const itr_grid *g, const itr_provenance *p, itr_err *err)
{
	itr_json *j = itr_json_object(), *failed;
	int64_t n = 0;
	itr_json_add_int(j, "schema", SCHEMA);
	itr_json *provenance = p ? itr_provenance_json(p) : NULL;
	if (provenance)
		itr_json_add(j, "provenance", provenance);
	itr_json_add_bool(j, "synthetic", g->base.rows.table.synthetic);
	itr_json_add(j, "config", config_json(g));
	itr_json_add_int(j, "num_texts", g->base.rows.table.n[ITR_TEXT]);
	itr_json_add_int(j, "num_videos", g->base.rows.table.n[ITR_IMAGE]);
	itr_json_add_int(j, "unanswered", g->unanswered);
	itr_json_add_str(j, "ties", itr_ties_names[g->o.ties]);
	itr_json_add_str(j, "chance", "random_baseline of each cell: the same metrics for a random order of the same pools");
	itr_json_add_str(j, "pools",
	                 "rng = np.random.default_rng([seed, direction, C]), direction 0 = text_to_video, 1 = video_to_text; per query in "
	                 "order, p positives: "
	                 "np.delete(np.arange(N), positives)[rng.choice(N - p, C - p, replace=False)]");
	itr_json_add(j, "warnings", itr_json_copy(g->warnings));
	failed = itr_json_add_object(j, "failed");
	for (int64_t i = 0; i < g->n_cells; i++) {
		n += g->cells[i].result && !g->cells[i].error;
		if (g->cells[i].error)
			itr_json_add_str(failed, g->cells[i].key, g->cells[i].error);
	}
	itr_json_add_int(j, "cells_done", n);
	itr_json_add_int(j, "cells", g->n_cells);
	if (itr_json_first(g->fidelity))
		itr_json_add(j, "fidelity", itr_json_copy(g->fidelity));
	itr_json_add_str(j, "per_query", n ? "experiment_results.per_query.npz" : NULL);
	int rc = itr_json_write(g->meta_path, j, err);
	itr_json_free(j);
	return rc;
}

/* Writes array NAME (cells, seeds, queries) of one direction: one of the three counts of each query. */
static int put_counts(const itr_grid *g, itr_npz_writer *w, const char *name, int direction, int which, int64_t cells, itr_err *err)
{
	int64_t row = g->o.seeds.n * g->n_queries[direction], at = 0;
	int32_t *x = itr_xmalloc((size_t)(cells * row) * sizeof *x);
	for (int64_t i = 0; i < g->n_cells; i++)
		for (int64_t q = 0; q < row && g->cells[i].counts[direction]; q++)
			x[at++] = g->cells[i].counts[direction][q * 3 + which];
	int rc = itr_npz_put(w, name, ITR_I32, 3, (int64_t[]){ cells, g->o.seeds.n, g->n_queries[direction] }, x, err);
	free(x);
	return rc;
}

static int put_texts(const itr_grid *g, itr_npz_writer *w, itr_err *err)
{
	const itr_row_table *t = &g->base.rows.table;
	const char **text = itr_xmalloc((size_t)(ITR_MAX(t->n[ITR_TEXT], g->n_cells) + 1) * sizeof *text);
	int64_t n = 0;
	for (int64_t i = 0; i < g->n_cells; i++)
		if (g->cells[i].counts[0])
			text[n++] = g->cells[i].key;
	int rc = itr_npz_put_text(w, "cells", text, n, err);
	for (int64_t i = 0; i < t->n[ITR_TEXT]; i++)
		text[i] = t->text_image[i] >= 0 ? t->id[ITR_IMAGE][t->text_image[i]] : "";
	rc = rc < 0 ? rc : itr_npz_put(w, "seeds", ITR_I64, 1, (int64_t[]){ g->o.seeds.n }, g->o.seeds.v, err);
	rc = rc < 0 ? rc : itr_npz_put_text(w, "t2v_query_id", (const char *const *)t->id[ITR_TEXT], t->n[ITR_TEXT], err);
	rc = rc < 0 ? rc : itr_npz_put_text(w, "t2v_image_id", text, t->n[ITR_TEXT], err);
	rc = rc < 0 ? rc : itr_npz_put_text(w, "v2t_query_id", (const char *const *)t->id[ITR_IMAGE], t->n[ITR_IMAGE], err);
	rc = rc < 0 ? rc : itr_npz_put_text(w, "v2t_image_id", (const char *const *)t->id[ITR_IMAGE], t->n[ITR_IMAGE], err);
	free(text);
	return rc;
}

static int write_queries(const itr_grid *g, const itr_provenance *provenance, itr_err *err)
{
	static const char *const names[2][3] = { { "t2v_g", "t2v_n", "t2v_m" }, { "v2t_g", "v2t_n", "v2t_m" } };
	int64_t cells = 0;
	for (int64_t i = 0; i < g->n_cells; i++)
		cells += g->cells[i].counts[0] != NULL;
	if (!cells)
		return 0;
	itr_npz_writer *w = itr_npz_create(g->queries_path, false, err);
	if (!w)
		return -1;
	int rc = put_texts(g, w, err);
	for (int d = 0; d < 2; d++)
		for (int k = 0; k < 3 && rc == 0; k++)
			rc = put_counts(g, w, names[d][k], d, k, cells, err);
	char *text = provenance ? itr_provenance_text(provenance) : NULL;
	if (rc == 0 && text && text[0])
		rc = itr_npz_put_string(w, "itr_provenance", text, err);
	free(text);
	if (rc == 0)
		return itr_npz_finish(w, err);
	itr_npz_abandon(w);
	return -1;
}

int itr_grid_write(itr_grid *g, itr_provenance *p, const char *paths[3], itr_err *err)
{
	itr_json *j = itr_json_object();
	bool any = false;
	for (int64_t i = 0; i < g->n_cells; i++) {
		if (g->cells[i].result)
			itr_json_add(j, g->cells[i].key, itr_json_copy(g->cells[i].result));
		any |= g->cells[i].counts[0] != NULL;
	}
	int rc = itr_json_write(g->results_path, j, err);
	itr_json_free(j);
	if (rc < 0 || write_meta(g, p, err) < 0 || write_queries(g, p, err) < 0)
		return -1;
	paths[0] = g->results_path;
	paths[1] = g->meta_path;
	paths[2] = any ? g->queries_path : NULL;
	return 0;
}
