#include "ablation/grid.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/path.h"
#include "ablation/grid_internal.h"
#include "io/npz.h"

const char *const itr_pick_names[] = { "missing", "failed", "all", NULL };

/* --- beginning ------------------------------------------------------------------------------------------------------------------------ */

static int by_number(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

/* Removes duplicates. */
static int check_list(itr_ints *l, const char *name, int64_t low, int64_t high, itr_err *err)
{
	int n = 0;
	for (int i = 0; i < l->n; i++) {
		bool again = false;
		if (l->v[i] < low || l->v[i] > high)
			return itr_err_set(err, "--%s: %lld is not between %lld and %lld", name, (long long)l->v[i], (long long)low,
			                   (long long)high);
		for (int j = 0; j < n; j++)
			again |= l->v[j] == l->v[i];
		if (!again)
			l->v[n++] = l->v[i];
	}
	l->n = n;
	return 0;
}

static int check_options(itr_grid_opts *o, itr_err *err)
{
	if (!o->dims.n)
		o->dims = o->project.n ? o->project : o->truncate;
	if (!o->sizes.n && !o->full)
		return itr_err_set(err, "no candidate sizes: --candidate-sizes C..., --full, or both");
	if (!o->precisions.n || !o->recall_k.n || !o->seeds.n)
		return itr_err_set(err, "the grid needs at least one precision, one cut-off and one seed");
	if (check_list(&o->dims, "embedding-dims", 1, ITR_DIM_MAX, err) < 0 ||
	    check_list(&o->sizes, "candidate-sizes", 1, INT32_MAX, err) < 0 ||
	    check_list(&o->recall_k, "recall-k", 1, INT32_MAX, err) < 0 || check_list(&o->seeds, "seeds", 0, INT64_MAX, err) < 0 ||
	    check_list(&o->project, "project", 1, ITR_DIM_MAX, err) < 0 || check_list(&o->truncate, "truncate", 1, ITR_DIM_MAX, err) < 0 ||
	    check_list(&o->precisions, "precisions", 0, ITR_PREC_COUNT - 1, err) < 0)
		return -1;
	qsort(o->recall_k.v, (size_t)o->recall_k.n, sizeof *o->recall_k.v, by_number);
	if (o->resamples < 0 || o->rescore < 0)
		return itr_err_set(err, "--bootstrap and --rescore have to be 0 or more");
	if (o->jobs < 1)
		return itr_err_set(err, "--jobs has to be 1 or more");
	if (o->pick != ITR_PICK_MISSING && !o->resume)
		return itr_err_set(err, "--pick %s chooses among the cells of an earlier run: it needs --resume", itr_pick_names[o->pick]);
	for (int i = 0; i < o->truncate.n; i++)
		for (int j = 0; j < o->project.n; j++)
			if (o->truncate.v[i] == o->project.v[j])
				return itr_err_set(err, "size %lld is asked for by --project and by --truncate: choose one",
				                   (long long)o->truncate.v[i]);
	return 0;
}

static void make_cells(itr_grid *g)
{
	int n_sizes = g->o.sizes.n + g->o.full;
	g->n_cells = (int64_t)g->o.dims.n * g->o.precisions.n * n_sizes;
	g->cells = itr_xcalloc((size_t)g->n_cells, sizeof *g->cells);
	for (int64_t i = 0; i < g->n_cells; i++) {
		itr_cell *c = &g->cells[i];
		int s = (int)(i % n_sizes);
		char size[24] = "full";
		*c = (itr_cell){ .dim = (int)(i / n_sizes / g->o.precisions.n),
			         .precision = (int)g->o.precisions.v[i / n_sizes % g->o.precisions.n],
			         .size = s < g->o.sizes.n ? g->o.sizes.v[s] : 0 };
		if (c->size)
			snprintf(size, sizeof size, "%lld", (long long)c->size);
		snprintf(c->key, sizeof c->key, "dim_%lld_prec_%s_cand_%s", (long long)g->o.dims.v[c->dim],
		         itr_precision_names[c->precision], size);
	}
}

static void add_list(itr_sha256 *h, const itr_ints *l)
{
	const int n = (int)l->n;                /* as journals of earlier versions have it */
	itr_sha256_add(h, &n, sizeof n);
	itr_sha256_add(h, l->v, (size_t)l->n * sizeof *l->v);
}

/* Everything that determines the results of a cell, but not the list of cells. */
static int take_fingerprint(itr_grid *g, const itr_provenance *p, itr_err *err)
{
	char hex[ITR_SHA256_HEX] = "";
	itr_json *j = p ? itr_provenance_json(p) : NULL;
	const itr_json *input = itr_json_first(itr_json_get(j, "inputs"));
	snprintf(hex, sizeof hex, "%s", itr_json_str(itr_json_get(input, "sha256"), ""));
	itr_json_free(j);
	if (!hex[0] && !itr_path_is_dir(g->o.data) && itr_sha256_file(g->o.data, hex, err) < 0)
		return -1;
	itr_sha256 *h = itr_sha256_new();
	int64_t numbers[] = { g->o.shuffle,   !g->o.normalize, g->o.calibrate,     g->o.ties,   g->o.rescore,
		              g->o.quantizer, g->o.resamples,    (int64_t)g->o.seed, g->o.rotate, g->o.rotate_binary };
	itr_sha256_add(h, hex, strlen(hex));
	itr_sha256_add(h, numbers, sizeof numbers);
	add_list(h, &g->o.seeds);
	add_list(h, &g->o.recall_k);
	add_list(h, &g->o.project);
	add_list(h, &g->o.truncate);
	itr_sha256_end(h, g->fingerprint);
	return 0;
}

static void look_for_oddities(itr_grid *g)
{
	int64_t small = ITR_MIN(g->n_gallery[0], g->n_gallery[1]), k = g->o.recall_k.v[g->o.recall_k.n - 1];
	itr_encoded_warnings(&g->base, g->warnings);
	if (g->unanswered)
		itr_json_pushf(g->warnings, "%lld texts have no image (ground truth -1): left out", (long long)g->unanswered);
	for (int i = 0; i < g->o.sizes.n; i++) {
		if (g->o.sizes.v[i] > small)
			itr_json_pushf(g->warnings,
			               "a pool of %lld is more than the gallery holds (%lld videos, %lld texts): the whole gallery is "
			               "ranked there",
			               (long long)g->o.sizes.v[i], (long long)g->n_gallery[T2V], (long long)g->n_gallery[V2T]);
		if (k > ITR_MIN(g->o.sizes.v[i], small))
			itr_json_pushf(g->warnings, "recall@%lld in a pool of %lld is 1 whatever the scores", (long long)k,
			               (long long)ITR_MIN(g->o.sizes.v[i], small));
	}
	if (g->o.quantizer == ITR_QUANT_MINMAX_WRAP)
		itr_json_pushf(g->warnings,
		               "quantizer minmax-wrap reproduces a published defect: int8 codes wrap around and are never dequantised");
}

itr_grid *itr_grid_new(const itr_grid_opts *o, itr_provenance *p, itr_err *err)
{
	itr_grid *g = itr_xcalloc(1, sizeof *g);
	g->o = *o;
	g->warnings = itr_json_array();
	g->fidelity = itr_json_object();
	g->results_path = itr_xasprintf("%s/experiment_results.json", o->output_dir);
	g->meta_path = itr_xasprintf("%s/experiment_results.meta.json", o->output_dir);
	g->queries_path = itr_xasprintf("%s/experiment_results.per_query.npz", o->output_dir);
	g->journal_path = itr_xasprintf("%s/experiment_results.journal", o->output_dir);
	/* then all is to do, and the file can be read for its checksum while pools are drawn */
	bool later = !o->resume && !o->dry_run && !itr_path_is_dir(o->data);
	if (check_options(&g->o, err) < 0 || itr_grid_open(g, later ? NULL : p, err) < 0)
		goto fail;
	if (later)
		itr_grid_draw(g, p);
	if (take_fingerprint(g, p, err) < 0)
		goto fail;
	itr_metric_set_default(&g->set, g->o.recall_k.v, g->o.recall_k.n, g->o.recall_k.v[g->o.recall_k.n - 1]);
	make_cells(g);
	look_for_oddities(g);
	if (itr_journal_open(g, err) < 0)
		goto fail;
	for (int64_t i = 0; i < g->n_cells; i++) {
		itr_cell *c = &g->cells[i];
		c->todo = c->error ? g->o.pick != ITR_PICK_MISSING : !c->result && g->o.pick != ITR_PICK_FAILED;
	}
	return g;
fail:
	itr_grid_free(g);
	return NULL;
}

void itr_grid_free(itr_grid *g)
{
	if (!g)
		return;
	for (int64_t i = 0; i < g->n_cells; i++) {
		itr_json_free(g->cells[i].result);
		free(g->cells[i].error);
		free(g->cells[i].counts[0]);
		free(g->cells[i].counts[1]);
	}
	for (int64_t i = 0; g->pools && i < (int64_t)g->o.seeds.n * g->o.sizes.n * 2; i++) {
		free(g->pools[i].row);
		free(g->pools[i].bits);
		free(g->pools[i].n);
	}
	free(g->weights.count);
	itr_journal_close(g->journal);
	itr_encoded_free(&g->base);
	itr_relevance_free(g->rel[T2V]);
	itr_relevance_free(g->rel[V2T]);
	itr_json_free(g->warnings);
	itr_json_free(g->fidelity);
	free(g->cells);
	free(g->pools);
	free(g->order);
	free(g->results_path);
	free(g->meta_path);
	free(g->queries_path);
	free(g->journal_path);
	free(g);
}

int64_t itr_grid_cells(const itr_grid *g) { return g->n_cells; }
const char *itr_grid_cell_key(const itr_grid *g, int64_t i) { return g->cells[i].key; }
const char *itr_grid_cell_error(const itr_grid *g, int64_t i) { return g->cells[i].error; }
const itr_json *itr_grid_cell_result(const itr_grid *g, int64_t i) { return g->cells[i].result; }
const itr_json *itr_grid_warnings(const itr_grid *g) { return g->warnings; }

const char *itr_grid_cell_plan(const itr_grid *g, int64_t i)
{
	const itr_cell *c = &g->cells[i];
	return c->todo ? "compute" : c->error ? "failed before" : c->result ? "keep" : "leave";
}

int64_t itr_grid_todo(const itr_grid *g)
{
	int64_t n = 0;
	for (int64_t i = 0; i < g->n_cells; i++)
		n += g->cells[i].todo;
	return n;
}

/* --- running -------------------------------------------------------------------------------------------------------------------------- */

struct side_by_side {
	itr_group **group;
	const itr_vectors *const *v;
	const char *error;
	int threads;
};

static void rank_group(void *ctx, int64_t i, int worker)
{
	const struct side_by_side *s = ctx;
	(void)worker;
	itr_group_rank(s->group[i], s->v[i], s->error, s->threads);
}

static int commit(itr_grid *g, const itr_grid_watch *w, int dim, int precision, itr_err *err)
{
	int64_t n = 0;
	for (int64_t i = 0; i < g->n_cells; i++) {
		itr_cell *c = &g->cells[i];
		if (!c->todo || c->dim != dim || c->precision != precision || !c->result)
			continue;
		c->todo = false;
		if (itr_journal_add(g, c, err) < 0)
			return -1;
		if (w && w->cell)
			w->cell(w->ctx, g, i);
		n++;
	}
	if (w && w->done && n)
		w->done(w->ctx, n);
	return 0;
}

/* Frees the earlier results of the cells of this group that are computed again. */
static void clear(itr_grid *g, int dim, int precision)
{
	for (int64_t i = 0; i < g->n_cells; i++) {
		itr_cell *c = &g->cells[i];
		if (!c->todo || c->dim != dim || c->precision != precision)
			continue;
		itr_json_free(c->result);
		free(c->error);
		c->result = NULL;
		c->error = NULL;
	}
}

static int run_dim(itr_grid *g, int dim, const itr_grid_watch *w, itr_err *err)
{
	itr_group *group[ITR_PREC_COUNT];
	int precision[ITR_PREC_COUNT], n = 0, rc = 0, jobs = (int)ITR_MAX((int64_t)1, g->o.jobs);
	itr_vectors v = { 0 }, rotated = { 0 };
	const itr_vectors *use[ITR_PREC_COUNT];
	itr_err why = ITR_ERR_INIT;
	for (int p = 0; p < g->o.precisions.n; p++) {
		precision[n] = (int)g->o.precisions.v[p];
		group[n] = itr_group_new(g, dim, p);
		n += group[n] != NULL;
	}
	if (n == 0)
		return 0;
	const char *error = itr_grid_vectors(g, g->o.dims.v[dim], &v, &why) < 0 ? why.msg : NULL;
	for (int i = 0; i < n; i++) {
		use[i] = itr_grid_rotates(g, precision[i]) && !error ? &rotated : &v;
		if (use[i] == &rotated)
			itr_grid_rotate(g, &v, &rotated);
	}
	int at = 0;
	for (; at < n && rc == 0 && !(w && w->stop && *w->stop); at += jobs) {
		int some = ITR_MIN(jobs, n - at);
		struct side_by_side s = { group + at, use + at, error, jobs > 1 ? 1 : g->o.threads };
		if (jobs > 1)
			itr_parallel_for(ITR_MIN(jobs, g->o.threads), some, rank_group, &s);
		else
			rank_group(&s, 0, 0);
		for (int i = 0; i < some; i++) {
			clear(g, dim, precision[at + i]);
			itr_group_finish(g, group[at + i], use[at + i]);
			rc = rc < 0 ? rc : commit(g, w, dim, precision[at + i], err);
		}
	}
	for (; at < n; at++)
		itr_group_free(group[at]);
	itr_vectors_free(&rotated);
	itr_vectors_free(&v);
	return rc;
}

int itr_grid_run(itr_grid *g, const itr_grid_watch *watch, itr_err *err)
{
	if (itr_grid_todo(g) && !g->pools)
		itr_grid_draw(g, NULL);
	for (int d = 0; d < g->o.dims.n; d++) {
		if (run_dim(g, d, watch, err) < 0)
			return -1;
		if (watch && watch->stop && *watch->stop)
			return itr_err_set(err, "stopped with %lld of %lld cells to go; --resume continues", (long long)itr_grid_todo(g),
			                   (long long)g->n_cells);
	}
	return 0;
}
