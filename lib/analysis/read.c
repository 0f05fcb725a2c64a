/* Reads a results file into cells; all values are checked. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/analysis.h"
#include "base/mem.h"
#include "base/path.h"

enum { MAX_CELLS = 20000 };        /* fronts and groups compare cells in pairs */
static const char *const direction_names[] = { "text_to_video", "video_to_text" };

/* --- which figures -------------------------------------------------------------------------------------------------------------------- */

/* `wanted` if any cell has "NAME@wanted", otherwise the largest K of "NAME@K". */
static int64_t cut_off(const itr_json *results, const char *name, int64_t wanted)
{
	int64_t best = 0;
	size_t len = strlen(name);
	for (const itr_json *c = itr_json_first(results); c; c = itr_json_next(c))
		for (const itr_json *m = itr_json_first(itr_json_get(c, direction_names[0])); m; m = itr_json_next(m)) {
			const char *key = itr_json_key(m);
			if (!key || strncmp(key, name, len) || key[len] != '@')
				continue;
			int64_t k = strtoll(key + len + 1, NULL, 10);
			if (k == wanted)
				return k;
			best = ITR_MAX(best, k);
		}
	return best;
}

static void name_columns(itr_analysis *a, int64_t ndcg_k)
{
	static const char *const plain[ITR_AC_COUNT] = {
		[ITR_AC_EXPERIMENT] = "experiment",  [ITR_AC_DIM] = "embedding_dim",
		[ITR_AC_PRECISION] = "precision",    [ITR_AC_SIZE] = "candidate_size",
		[ITR_AC_SAMPLES] = "num_samples",    [ITR_AC_T2V_MRR] = "t2v_mrr",
		[ITR_AC_V2T_MRR] = "v2t_mrr",        [ITR_AC_MRR] = "avg_mrr",
		[ITR_AC_T2V_TIME] = "t2v_time",      [ITR_AC_V2T_TIME] = "v2t_time",
		[ITR_AC_TIME] = "total_time",        [ITR_AC_MEMORY] = "memory_usage_mb",
		[ITR_AC_QPS] = "queries_per_second", [ITR_AC_MB_PER_QUERY] = "mb_per_query",
		[ITR_AC_TIES] = "tie_fraction",      [ITR_AC_KERNEL] = "kernel",
		[ITR_AC_PARETO] = "pareto",
	};
	static const char *const prefixes[] = { "t2v", "v2t", "avg" };
	for (int i = 0; i < ITR_AC_COUNT; i++)
		snprintf(a->name[i], sizeof a->name[i], "%s", plain[i] ? plain[i] : "");
	for (int i = 0; i < 3; i++) {
		snprintf(a->name[ITR_AC_T2V_RECALL + i], sizeof a->name[0], "%s_recall@%lld", prefixes[i], (long long)a->k);
		snprintf(a->name[ITR_AC_T2V_NDCG + i], sizeof a->name[0], "%s_ndcg@%lld", prefixes[i], (long long)ndcg_k);
	}
	snprintf(a->name[ITR_AC_CHANCE], sizeof a->name[0], "chance_recall@%lld", (long long)a->k);
}

/* --- one cell ------------------------------------------------------------------------------------------------------------------------- */

static bool is_share(double v) { return v >= 0 && v <= 1; }

static void read_sides(itr_analysis *a, itr_acell *c, const itr_json *j)
{
	const char *metric[2] = { a->name[ITR_AC_T2V_RECALL] + 4, "mrr" }, *ndcg = a->name[ITR_AC_T2V_NDCG] + 4;
	double ties = NAN;
	for (int d = 0; d < 2; d++) {
		const itr_json *side = itr_json_get(j, direction_names[d]),
			       *chance = itr_json_get(itr_json_get(j, "random_baseline"), direction_names[d]);
		const itr_json *ci = itr_json_get(itr_json_get(j, "ci95"), direction_names[d]);
		for (int m = 0; m < 2; m++) {
			c->v[(m ? ITR_AC_T2V_MRR : ITR_AC_T2V_RECALL) + d] = itr_json_num(itr_json_get(side, metric[m]), NAN);
			c->chance[d][m] = itr_json_num(itr_json_get(chance, metric[m]),
			                               m || chance ? NAN : ITR_MIN(1.0, (double)a->k / (double)c->size));
			c->low[d][m] = itr_json_num(itr_json_at(itr_json_get(ci, metric[m]), 0), NAN);
			c->high[d][m] = itr_json_num(itr_json_at(itr_json_get(ci, metric[m]), 1), NAN);
		}
		c->v[ITR_AC_T2V_NDCG + d] = itr_json_num(itr_json_get(side, ndcg), NAN);
		ties = fmax(ties, itr_json_num(itr_json_get(side, "tie_fraction"), NAN));
	}
	for (int first = ITR_AC_T2V_RECALL; first <= ITR_AC_T2V_NDCG; first += 3)
		c->v[first + 2] = (c->v[first] + c->v[first + 1]) / 2;
	c->v[ITR_AC_CHANCE] = (c->chance[0][0] + c->chance[1][0]) / 2;
	c->v[ITR_AC_TIES] = ties;
}

/* True when it is not distinguishable from a random order in either direction, by recall and by MRR. */
static bool at_chance(const itr_acell *c)
{
	for (int d = 0; d < 2; d++)
		for (int m = 0; m < 2; m++) {
			double v = c->v[(m ? ITR_AC_T2V_MRR : ITR_AC_T2V_RECALL) + d], p = c->chance[d][m], low = c->low[d][m];
			if (isnan(p))
				continue;
			if (isnan(low))                 /* no interval: two standard errors of a share */
				low = v - 2 * sqrt(fmax(p * (1 - p), 0) / fmax(c->v[ITR_AC_SAMPLES], 1));
			if (low > p + 1e-9)             /* equal scores are at chance exactly: a mean of resamples may round above it */
				return false;
		}
	return !isnan(c->chance[0][0]);
}

static void read_cost(itr_acell *c, const itr_json *j)
{
	static const char *const times[] = { "text_to_video_time", "video_to_text_time", "total_time" };
	const itr_json *timing = itr_json_get(j, "timing");
	for (int i = 0; i < 3; i++) {
		double v = itr_json_num(itr_json_get(timing, times[i]), NAN);
		c->v[ITR_AC_T2V_TIME + i] = v > 0 ? v : NAN;
	}
	c->v[ITR_AC_MEMORY] = itr_json_num(itr_json_get(j, "memory_usage_mb"), NAN);
	c->v[ITR_AC_QPS] = itr_json_num(itr_json_get(j, "queries_per_second"), 2 * c->v[ITR_AC_SAMPLES] / c->v[ITR_AC_TIME]);
	c->v[ITR_AC_MB_PER_QUERY] = c->v[ITR_AC_MEMORY] / c->v[ITR_AC_SAMPLES];
	if (isnan(c->v[ITR_AC_TIME]))
		c->v[ITR_AC_QPS] = NAN;
}

static void read_cell(itr_analysis *a, itr_acell *c, const itr_json *j)
{
	const itr_json *config = itr_json_get(j, "config"), *error = itr_json_get(j, "error");
	c->key = itr_xstrdup(itr_json_key(j));
	for (int i = 0; i < ITR_AC_COUNT; i++)
		c->v[i] = NAN;
	c->dim = itr_json_int(itr_json_get(config, "embedding_dim"), 0);
	c->size = itr_json_int(itr_json_get(config, "candidate_size"), 0);
	c->precision = itr_xstrdup(itr_json_str(itr_json_get(config, "precision"), ""));
	c->full = itr_json_bool(itr_json_get(config, "full"), itr_path_has_suffix(c->key, "_cand_full"));
	c->kernel = itr_xstrdup(itr_json_str(itr_json_get(j, "kernel"), ""));
	if (error) {
		c->error = itr_xstrdup(itr_json_str(error, "failed without a reason"));
		return;
	}
	if (c->dim < 1 || c->size < 1 || !c->precision[0]) {
		c->error = itr_xstrdup("no config with embedding_dim, precision and candidate_size");
		return;
	}
	c->v[ITR_AC_DIM] = (double)c->dim;
	c->v[ITR_AC_SIZE] = (double)c->size;
	double n = itr_json_num(itr_json_get(config, "num_queries"), NAN);
	c->v[ITR_AC_SAMPLES] = n >= 1 ? n : NAN;
	read_sides(a, c, j);
	read_cost(c, j);
	for (int i = ITR_AC_T2V_RECALL; i <= ITR_AC_MRR; i++)
		if (!is_share(c->v[i]) && !c->error)
			c->error = isnan(c->v[i]) ? itr_xasprintf("no %s", a->name[i])
			                          : itr_xasprintf("%s is %g, not between 0 and 1", a->name[i], c->v[i]);
	if (!c->error)
		c->at_chance = at_chance(c);
}

/* --- groups --------------------------------------------------------------------------------------------------------------------------- */

/* Order of precisions: by bits, then unknown ones in the file's order. */
static int64_t precision_rank(const char *name)
{
	static const char *const known[] = { "fp32", "bf16", "fp16", "int8", "int4", "binary" };
	for (int i = 0; i < ITR_LEN(known); i++)
		if (!strcmp(name, known[i]))
			return i;
	return ITR_LEN(known);
}

static int add_group(itr_agroup *g, const char *label, int64_t value)
{
	for (int i = 0; i < g->n; i++)
		if (!strcmp(g->label[i], label))
			return 0;
	int at = g->n++;
	g->label = itr_xrealloc(g->label, (size_t)g->n * sizeof *g->label);
	g->value = itr_xrealloc(g->value, (size_t)g->n * sizeof *g->value);
	for (; at > 0 && g->value[at - 1] > value; at--) {
		g->label[at] = g->label[at - 1];
		g->value[at] = g->value[at - 1];
	}
	g->label[at] = itr_xstrdup(label);
	g->value[at] = value;
	return 1;
}

static void cell_label(const itr_acell *c, int by, char *out, size_t size)
{
	if (by == ITR_A_BY_PRECISION)
		snprintf(out, size, "%.60s", c->precision);
	else if (by == ITR_A_BY_SIZE && c->full)
		snprintf(out, size, "full");
	else
		snprintf(out, size, "%lld", (long long)(by == ITR_A_BY_DIM ? c->dim : c->size));
}

static void make_groups(itr_analysis *a)
{
	char label[64];
	for (int64_t i = 0; i < a->n_cells; i++)
		for (int by = 0; by < 3 && !a->cells[i].error; by++) {
			const itr_acell *c = &a->cells[i];
			cell_label(c, by, label, sizeof label);
			add_group(&a->group[by], label,
			          by == ITR_A_BY_PRECISION ? precision_rank(c->precision)
			          : by == ITR_A_BY_DIM     ? c->dim
			          : c->full                ? INT64_MAX
			                                   : c->size);
		}
	for (int64_t i = 0; i < a->n_cells; i++)
		for (int by = 0; by < 3 && !a->cells[i].error; by++) {
			cell_label(&a->cells[i], by, label, sizeof label);
			while (strcmp(a->group[by].label[a->cells[i].group[by]], label))
				a->cells[i].group[by]++;
		}
}

/* True when b dominates c: not worse in any criterion and better in one. Unknown values count as equal. */
static bool dominates(const itr_acell *b, const itr_acell *c)
{
	const itr_acolumn columns[] = { ITR_AC_RECALL, ITR_AC_TIME, ITR_AC_MEMORY };
	bool better = false;
	for (int i = 0; i < 3; i++) {
		double x = b->v[columns[i]] * (i ? -1 : 1), y = c->v[columns[i]] * (i ? -1 : 1);
		if (x < y)
			return false;
		better |= x > y;
	}
	return better;
}

/* Computes the Pareto front for each pool size, because different sizes are different tasks. */
static void mark_front(itr_analysis *a)
{
	for (int64_t i = 0; i < a->n_cells; i++) {
		itr_acell *c = &a->cells[i];
		c->pareto = !c->error;
		for (int64_t k = 0; k < a->n_cells && c->pareto; k++)
			if (!a->cells[k].error && a->cells[k].group[ITR_A_BY_SIZE] == c->group[ITR_A_BY_SIZE] && dominates(&a->cells[k], c))
				c->pareto = false;
	}
}

/* --- warnings ------------------------------------------------------------------------------------------------------------------------- */

static void warn(itr_analysis *a, char *text)
{
	itr_json_push(a->warnings, itr_json_new_str(text));
	free(text);
}

static void make_warnings(itr_analysis *a)
{
	int64_t good = a->n_cells - a->n_failed, chance = 0, tied = 0;
	double worst = 0;
	bool said = false;
	for (int64_t i = 0; i < a->n_cells; i++) {
		const itr_acell *c = &a->cells[i];
		if (c->error)
			continue;
		chance += c->at_chance;
		tied += c->v[ITR_AC_TIES] > 0.1;
		worst = fmax(worst, c->v[ITR_AC_TIES]);
	}
	for (const itr_json *w = itr_json_first(itr_json_get(a->meta, "warnings")); w; w = itr_json_next(w)) {
		said |= !strncmp(itr_json_str(w, ""), "synthetic", 9);
		warn(a, itr_xstrdup(itr_json_str(w, "")));
	}
	if (a->synthetic && !said)
		warn(a, itr_xstrdup("synthetic data: these figures say nothing about real pictures"));
	if (chance)
		warn(a, itr_xasprintf("at chance: %lld of %lld experiments do not differ from a random order", (long long)chance,
		                      (long long)good));
	if (tied)
		warn(a, itr_xasprintf("degenerate ties: in %lld of %lld experiments more than a tenth of the best answers share their "
		                      "score with wrong ones (up to %.0f %%)",
		                      (long long)tied, (long long)good, worst * 100));
	if (a->n_failed)
		warn(a, itr_xasprintf("%lld of %lld experiments failed", (long long)a->n_failed, (long long)a->n_cells));
	if (!a->timed)
		warn(a, itr_xstrdup("no timing in these results: speed is not compared"));
	if (!a->group[ITR_A_BY_PRECISION].n || strcmp(a->group[ITR_A_BY_PRECISION].label[0], "fp32"))
		warn(a, itr_xstrdup("no fp32 among the precisions: the cost of quantisation is unknown"));
}

/* --- the file ------------------------------------------------------------------------------------------------------------------------- */

static itr_json *read_results(const char *dir, itr_err *err)
{
	char *path = itr_path_join(dir, "experiment_results.json");
	if (!itr_path_is_dir(dir) || !itr_path_exists(path)) {
		itr_err_set(err,
		            itr_path_is_dir(dir) ? "no experiment_results.json in '%s': {run-experiments} --output-dir writes it"
		                                 : "'%s' is not a folder of results",
		            dir);
		free(path);
		return NULL;
	}
	itr_json *j = itr_json_read(path, err);
	if (j && (!itr_json_is_object(j) || !itr_json_first(j))) {
		itr_err_set(err, "'%s' holds no experiments", path);
		itr_json_free(j);
		j = NULL;
	}
	if (j && itr_json_count(j) > MAX_CELLS) {
		itr_err_set(err, "'%s' claims %lld experiments; at most %d are read", path, (long long)itr_json_count(j), MAX_CELLS);
		itr_json_free(j);
		j = NULL;
	}
	free(path);
	return j;
}

static int read_meta(itr_analysis *a, itr_err *err)
{
	char *path = itr_path_join(a->dir, "experiment_results.meta.json");
	int rc = 0;
	if (itr_path_exists(path) && !(a->meta = itr_json_read(path, err)))
		rc = -1;
	a->synthetic = itr_json_bool(itr_json_get(a->meta, "synthetic"), false);
	free(path);
	return rc;
}

static int finish(itr_analysis *a, itr_err *err)
{
	for (int64_t i = 0; i < a->n_cells; i++) {
		a->n_failed += a->cells[i].error != NULL;
		a->timed |= !isnan(a->cells[i].v[ITR_AC_TIME]);
	}
	if (a->n_failed == a->n_cells)
		return itr_err_set(err, "all %lld experiments in '%s' failed; the first, %.100s: %.600s", (long long)a->n_cells, a->dir,
		                   a->cells[0].key, a->cells[0].error);
	make_groups(a);
	mark_front(a);
	make_warnings(a);
	return 0;
}

itr_analysis *itr_analysis_read(const char *dir, int64_t k, itr_err *err)
{
	itr_json *results = read_results(dir, err);
	if (!results)
		return NULL;
	itr_analysis *a = itr_xcalloc(1, sizeof *a);
	a->dir = itr_xstrdup(dir);
	a->warnings = itr_json_array();
	a->k = cut_off(results, "recall", k ? k : 10);
	int rc = read_meta(a, err);
	if (rc == 0 && k && a->k != k)
		rc = itr_err_set(err, "no recall@%lld in '%s': the largest there is recall@%lld", (long long)k, dir, (long long)a->k);
	if (rc == 0) {
		name_columns(a, cut_off(results, "ndcg", a->k));
		a->cells = itr_xcalloc((size_t)itr_json_count(results), sizeof *a->cells);
		for (const itr_json *j = itr_json_first(results); j; j = itr_json_next(j))
			read_cell(a, &a->cells[a->n_cells++], j);
		rc = finish(a, err);
	}
	itr_json_free(results);
	if (rc == 0)
		return a;
	itr_analysis_free(a);
	return NULL;
}

void itr_analysis_free(itr_analysis *a)
{
	if (!a)
		return;
	for (int64_t i = 0; i < a->n_cells; i++) {
		free(a->cells[i].key);
		free(a->cells[i].kernel);
		free(a->cells[i].error);
		free(a->cells[i].precision);
	}
	for (int by = 0; by < 3; by++) {
		for (int i = 0; i < a->group[by].n; i++)
			free(a->group[by].label[i]);
		free(a->group[by].label);
		free(a->group[by].value);
	}
	itr_json_free(a->meta);
	itr_json_free(a->warnings);
	free(a->cells);
	free(a->dir);
	free(a);
}
