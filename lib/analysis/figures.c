/* The figures: five panels about the whole grid (and a sixth with timing), recall and MRR by pool size, the Pareto front. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/analysis.h"
#include "base/mem.h"
#include "base/path.h"
#include "plot/plot.h"

char *itr_analysis_figure_path(const itr_analysis *a, const char *dir, int figure)
{
	static const char *const names[ITR_A_FIGURES] = { "experiment_analysis.png", NULL, "summary_mrr.png", "pareto.png" };
	char name[64];
	if (names[figure])
		return itr_path_join(dir, names[figure]);
	snprintf(name, sizeof name, "summary_recall%lld.png", (long long)a->k);
	return itr_path_join(dir, name);
}

/* Columns x and y of the cells in group `index` of `by` (by -1: all). Returns their number. */
static int64_t collect(const itr_analysis *a, int by, int index, itr_acolumn x, itr_acolumn y, double *px, double *py)
{
	int64_t n = 0;
	for (int64_t i = 0; i < a->n_cells; i++) {
		const itr_acell *c = &a->cells[i];
		if (c->error || (by >= 0 && c->group[by] != index) || isnan(c->v[x]) || isnan(c->v[y]))
			continue;
		px[n] = c->v[x];
		py[n++] = c->v[y];
	}
	return n;
}

/* --- experiment_analysis.png ---------------------------------------------------------------------------------------------------------- */

static void boxes(const itr_analysis *a, itr_figure *f, int by, const char *title, const char *x_label, double *x, double *y)
{
	itr_panel *p = itr_figure_panel(f, title, x_label, a->name[ITR_AC_RECALL]);
	for (int i = 0; i < a->group[by].n; i++) {
		int64_t n = collect(a, by, i, ITR_AC_DIM, ITR_AC_RECALL, x, y);
		itr_panel_box(p, a->group[by].label[i], n, y);
	}
}

static void speed_panel(const itr_analysis *a, itr_figure *f, double *x, double *y)
{
	itr_panel *p = itr_figure_panel(f, "speed against recall", "queries per second", a->name[ITR_AC_RECALL]);
	itr_panel_log(p, true, false);
	for (int i = 0; i < a->group[ITR_A_BY_PRECISION].n; i++) {
		int64_t n = collect(a, ITR_A_BY_PRECISION, i, ITR_AC_QPS, ITR_AC_RECALL, x, y);
		if (n)
			itr_panel_scatter(p, a->group[ITR_A_BY_PRECISION].label[i], n, x, y);
	}
}

static int memory_digits(const itr_analysis *a)
{
	double least = INFINITY;
	for (int64_t i = 0; i < a->n_cells; i++)
		if (a->cells[i].v[ITR_AC_MEMORY] > 0)
			least = fmin(least, a->cells[i].v[ITR_AC_MEMORY]);
	return least < 0.1 ? 3 : least < 10 ? 2 : 0;
}

static void memory_panel(const itr_analysis *a, itr_figure *f)
{
	const itr_agroup *dims = &a->group[ITR_A_BY_DIM], *precisions = &a->group[ITR_A_BY_PRECISION];
	double *v = itr_xmalloc((size_t)dims->n * (size_t)precisions->n * sizeof *v);
	for (int i = 0; i < dims->n * precisions->n; i++)
		v[i] = NAN;
	for (int64_t i = 0; i < a->n_cells; i++) {
		const itr_acell *c = &a->cells[i];
		if (!c->error)                  /* memory does not depend on the pool */
			v[c->group[ITR_A_BY_DIM] * precisions->n + c->group[ITR_A_BY_PRECISION]] = c->v[ITR_AC_MEMORY];
	}
	itr_panel *p = itr_figure_panel(f, "memory of the gallery, MiB", "precision", "embedding size");
	itr_panel_heat(p, dims->n, precisions->n, (const char *const *)dims->label, (const char *const *)precisions->label, v,
	               memory_digits(a));
	free(v);
}

/* At most five round ticks for the values of both directions: gnuplot's labels would overlap in a square panel. */
static void few_ticks(const itr_analysis *a, itr_panel *p)
{
	double low = INFINITY, high = -INFINITY, at[16];
	for (int64_t i = 0; i < a->n_cells; i++)
		for (int d = 0; d < 2 && !a->cells[i].error; d++) {
			low = fmin(low, a->cells[i].v[ITR_AC_T2V_RECALL + d]);
			high = fmax(high, a->cells[i].v[ITR_AC_T2V_RECALL + d]);
		}
	double step = pow(10, floor(log10(fmax(high - low, 1e-6))));
	int n = 0;
	if ((high - low) / step < 2)
		step /= 2;
	while ((high - low) / step > 4)
		step *= 2;
	for (double k = ceil(low / step - 1e-9); k * step <= high + step * 1e-9 && n < ITR_LEN(at); k++)
		at[n++] = k * step;
	if (n > 1)
		itr_panel_x_ticks(p, n, at);
}

static void direction_panel(const itr_analysis *a, itr_figure *f, double *x, double *y)
{
	itr_panel *p = itr_figure_panel(f, "text to video against video to text", a->name[ITR_AC_T2V_RECALL], a->name[ITR_AC_V2T_RECALL]);
	char name[96];
	for (int i = 0; i < a->group[ITR_A_BY_SIZE].n; i++) {
		int64_t n = collect(a, ITR_A_BY_SIZE, i, ITR_AC_T2V_RECALL, ITR_AC_V2T_RECALL, x, y);
		snprintf(name, sizeof name, "pool %s", a->group[ITR_A_BY_SIZE].label[i]);
		itr_panel_scatter(p, name, n, x, y);
	}
	itr_panel_diagonal(p);
	few_ticks(a, p);
}

static int overview(const itr_analysis *a, const char *png, itr_err *err)
{
	double *x = itr_xmalloc((size_t)a->n_cells * sizeof *x), *y = itr_xmalloc((size_t)a->n_cells * sizeof *y);
	char title[160];
	snprintf(title, sizeof title, "%lld experiments%s", (long long)(a->n_cells - a->n_failed), a->synthetic ? ", synthetic data" : "");
	itr_figure *f = itr_figure_new(png, 2, 3, title);
	boxes(a, f, ITR_A_BY_DIM, "recall by embedding size", "embedding size", x, y);
	boxes(a, f, ITR_A_BY_PRECISION, "recall by precision", "precision", x, y);
	boxes(a, f, ITR_A_BY_SIZE, "recall by pool", "candidates", x, y);
	if (a->timed)
		speed_panel(a, f, x, y);
	memory_panel(a, f);
	direction_panel(a, f, x, y);
	free(x);
	free(y);
	return itr_figure_render(f, err);
}

/* --- by pool size --------------------------------------------------------------------------------------------------------------------- */

/* x position of pool i: its size; for the whole gallery its number of rows. */
static double pool_at(const itr_analysis *a, int i) { return itr_analysis_mean(a, ITR_AC_SIZE, ITR_A_BY_SIZE, i); }

/* Means over dims of one precision (-1: all) at every pool size: value, chance level and ends of the intervals. The means of the ends are
 * the interval of the mean if the errors of all cells are fully correlated, which is nearly true, because they rank the same pools. */
static void curve(const itr_analysis *a, int precision, int direction, int metric, int size, double out[4])
{
	itr_acolumn column = (itr_acolumn)((metric ? ITR_AC_T2V_MRR : ITR_AC_T2V_RECALL) + direction);
	double n = 0;
	out[0] = out[1] = out[2] = out[3] = 0;
	for (int64_t i = 0; i < a->n_cells; i++) {
		const itr_acell *c = &a->cells[i];
		if (c->error || c->group[ITR_A_BY_SIZE] != size || (precision >= 0 && c->group[ITR_A_BY_PRECISION] != precision))
			continue;
		out[0] += c->v[column];
		out[1] += c->chance[direction][metric];
		out[2] += c->low[direction][metric];
		out[3] += c->high[direction][metric];
		n++;
	}
	for (int k = 0; k < 4; k++)
		out[k] = n > 0 ? out[k] / n : NAN;
}

static void pool_panel(const itr_analysis *a, itr_figure *f, int direction, int metric)
{
	static const char *const titles[] = { "text to video", "video to text" };
	int n = a->group[ITR_A_BY_SIZE].n, lines = a->group[ITR_A_BY_PRECISION].n;
	if (n > 1 && !strcmp(a->group[ITR_A_BY_SIZE].label[n - 1], "full"))
		n--;                             /* the whole gallery is another size in each direction: it has no place on this axis */
	double *x = itr_xmalloc((size_t)n * 5 * sizeof *x), one[4], low = INFINITY, high = 0, top = 0;
	itr_panel *p =
		itr_figure_panel(f, titles[direction], "candidates", a->name[(metric ? ITR_AC_T2V_MRR : ITR_AC_T2V_RECALL) + direction]);
	for (int i = 0; i < n; i++) {
		low = fmin(low, pool_at(a, i));
		high = fmax(high, pool_at(a, i));
	}
	for (int line = 0; line <= lines; line++) {
		bool chance = line == lines;
		for (int i = 0; i < n; i++) {
			curve(a, chance ? -1 : line, direction, metric, i, one);
			/* side by side, or the bars hide one another */
			x[i] = pool_at(a, i) + (chance ? 0 : (line - (lines - 1) / 2.0) * (high - low) * 0.012);
			x[n + i] = one[chance];
			x[2 * n + i] = one[2];
			x[3 * n + i] = one[3];
			top = fmax(top, fmax(one[0], fmax(one[1], one[3])));
		}
		bool bars = !chance && !isnan(x[2 * n]);
		if (!chance || !isnan(x[n]))
			itr_panel_line(p, chance ? "chance" : a->group[ITR_A_BY_PRECISION].label[line], n, x, x + n,
			               bars ? x + 2 * n : NULL, bars ? x + 3 * n : NULL);
	}
	itr_panel_x_range(p, low - 0.06 * (high - low) - 1, high + 0.06 * (high - low) + 1);
	itr_panel_y_range(p, 0, fmin(1.02, fmax(1.1 * top, 1e-3)));
	free(x);
}

static int by_pool(const itr_analysis *a, const char *png, int metric, itr_err *err)
{
	char title[200];
	bool intervals = false;
	for (int64_t i = 0; i < a->n_cells; i++)
		intervals |= !a->cells[i].error && !isnan(a->cells[i].low[0][metric]);
	snprintf(title, sizeof title, "%s by pool size, mean over embedding sizes%s%s", metric ? "MRR" : a->name[ITR_AC_RECALL] + 4,
	         intervals ? ", bars: 95 %" : "", a->synthetic ? ", synthetic data" : "");
	itr_figure *f = itr_figure_new(png, 1, 2, title);
	for (int d = 0; d < 2; d++)
		pool_panel(a, f, d, metric);
	return itr_figure_render(f, err);
}

/* --- the front ------------------------------------------------------------------------------------------------------------------------ */

/* Sorts by x and keeps the points that are better than all before: the front for this cost alone. */
static int64_t rising(int64_t n, double *x, double *y)
{
	int64_t kept = 0;
	for (int64_t i = 1; i < n; i++)
		for (int64_t k = i; k > 0 && (x[k - 1] > x[k] || (x[k - 1] == x[k] && y[k - 1] < y[k])); k--) {
			double tx = x[k], ty = y[k];
			x[k] = x[k - 1];
			y[k] = y[k - 1];
			x[k - 1] = tx;
			y[k - 1] = ty;
		}
	for (int64_t i = 0; i < n; i++)
		if (!kept || y[i] > y[kept - 1]) {
			x[kept] = x[i];
			y[kept++] = y[i];
		}
	return kept;
}

/* gnuplot gives a logarithmic axis of about one decade a single label. Sets ticks at round numbers, at least three of them within the
 * range, which is widened if necessary. */
static void log_ticks(itr_panel *p, const double *x, int64_t n)
{
	static const double steps[][9] = { { 1 }, { 1, 3 }, { 1, 2, 5 }, { 1, 1.5, 2, 3, 5, 7 }, { 1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 4 } };
	double low = INFINITY, high = 0, at[64];
	for (int64_t i = 0; i < n; i++) {
		low = fmin(low, x[i]);
		high = fmax(high, x[i]);
	}
	if (!(low > 0) || !(high > low))
		return;
	low /= 1.1;
	high *= 1.1;
	for (int s = 0; s < ITR_LEN(steps); s++) {
		int k = 0;
		for (int decade = (int)floor(log10(low)); decade <= (int)floor(log10(high)); decade++)
			for (int i = 0; i < 9 && steps[s][i] > 0 && k < ITR_LEN(at); i++)
				if (steps[s][i] * pow(10, decade) >= low && steps[s][i] * pow(10, decade) <= high)
					at[k++] = steps[s][i] * pow(10, decade);
		if (k < 3 && s + 1 < ITR_LEN(steps))
			continue;
		itr_panel_x_range(p, low, high);
		if (k)
			itr_panel_x_ticks(p, k, at);
		return;
	}
}

static void front_panel(const itr_analysis *a, itr_figure *f, itr_acolumn column, const char *label, double *x, double *y)
{
	itr_panel *p = itr_figure_panel(f, label, a->name[column], a->name[ITR_AC_RECALL]);
	char name[96];
	int64_t n = collect(a, -1, 0, column, ITR_AC_RECALL, x, y);
	itr_panel_log(p, true, false);
	log_ticks(p, x, n);
	itr_panel_scatter(p, "all", n, x, y);
	for (int i = 0; i < a->group[ITR_A_BY_SIZE].n; i++) {
		n = collect(a, ITR_A_BY_SIZE, i, column, ITR_AC_RECALL, x, y);
		n = rising(n, x, y);
		snprintf(name, sizeof name, "front, pool %s", a->group[ITR_A_BY_SIZE].label[i]);
		if (n)
			itr_panel_line(p, name, n, x, y, NULL, NULL);
	}
}

static int front(const itr_analysis *a, const char *png, itr_err *err)
{
	double *x = itr_xmalloc((size_t)a->n_cells * sizeof *x), *y = itr_xmalloc((size_t)a->n_cells * sizeof *y);
	itr_figure *f = itr_figure_new(png, 1, 1 + a->timed,
	                               a->synthetic ? "Pareto fronts by pool size, synthetic data" : "Pareto fronts by pool size");
	front_panel(a, f, ITR_AC_MEMORY, "recall against memory", x, y);
	if (a->timed)
		front_panel(a, f, ITR_AC_TIME, "recall against time (s)", x, y);
	free(x);
	free(y);
	return itr_figure_render(f, err);
}

int itr_analysis_figures(const itr_analysis *a, const char *dir, itr_err *err)
{
	int rc = 0;
	for (int i = 0; i < ITR_A_FIGURES && rc == 0; i++) {
		char *png = itr_analysis_figure_path(a, dir, i);
		rc = i == 0 ? overview(a, png, err) : i == 3 ? front(a, png, err) : by_pool(a, png, i == 2, err);
		free(png);
	}
	return rc;
}
