/* The summary, the CSV files and the printed table. */
#include <math.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/analysis.h"
#include "base/atomic_file.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/path.h"

double itr_analysis_mean(const itr_analysis *a, itr_acolumn column, int by, int index)
{
	double sum = 0;
	int64_t n = 0;
	for (int64_t i = 0; i < a->n_cells; i++) {
		const itr_acell *c = &a->cells[i];
		if (c->error || (by >= 0 && c->group[by] != index) || isnan(c->v[column]))
			continue;
		sum += c->v[column];
		n++;
	}
	return n ? sum / (double)n : NAN;
}

/* --- experiment_summary.json ---------------------------------------------------------------------------------------------------------- */

static int64_t group_size(const itr_analysis *a, int by, int index)
{
	int64_t n = 0;
	for (int64_t i = 0; i < a->n_cells; i++)
		n += !a->cells[i].error && a->cells[i].group[by] == index;
	return n;
}

static double spread(const itr_analysis *a, itr_acolumn column, int by, int index)
{
	double mean = itr_analysis_mean(a, column, by, index), sum = 0;
	for (int64_t i = 0; i < a->n_cells; i++)
		if (!a->cells[i].error && a->cells[i].group[by] == index)
			sum += (a->cells[i].v[column] - mean) * (a->cells[i].v[column] - mean);
	return sqrt(sum / (double)group_size(a, by, index));
}

static void add_best(const itr_analysis *a, itr_json *best, const char *name, itr_acolumn column, int sign)
{
	const itr_acell *found = NULL;
	for (int64_t i = 0; i < a->n_cells; i++) {
		const itr_acell *c = &a->cells[i];
		if (!c->error && !isnan(c->v[column]) && (!found || sign * (c->v[column] - found->v[column]) > 0))
			found = c;
	}
	if (!found) {                    /* no timing */
		itr_json_add(best, name, itr_json_new_null());
		return;
	}
	itr_json *j = itr_json_add_object(best, name);
	itr_json_add_num(j, "value", found->v[column]);
	itr_json_add_str(j, "quantity", a->name[column]);
	itr_json_add_str(j, "experiment", found->key);
	j = itr_json_add_object(j, "config");
	itr_json_add_int(j, "dim", found->dim);
	itr_json_add_str(j, "precision", found->precision);
	itr_json_add_int(j, "candidates", found->size);
}

/* The format of the original project: one mean for each value. */
static void add_means(const itr_analysis *a, itr_json *summary, const char *kind, const char *by_name, int by, itr_acolumn column)
{
	char name[64];
	snprintf(name, sizeof name, "%s_by_%s", kind, by_name);
	itr_json *all = itr_json_add_object(summary, name);
	for (int i = 0; i < a->group[by].n; i++)
		itr_json_add_num(all, a->group[by].label[i], itr_analysis_mean(a, column, by, i));
}

/* All means of each value, the spread of recall and the number of experiments. */
static void add_groups(const itr_analysis *a, itr_json *groups, const char *name, int by)
{
	static const itr_acolumn columns[] = { ITR_AC_RECALL, ITR_AC_MRR, ITR_AC_NDCG,   ITR_AC_CHANCE,
		                               ITR_AC_TIME,   ITR_AC_QPS, ITR_AC_MEMORY, ITR_AC_MB_PER_QUERY };
	char key[64];
	itr_json *all = itr_json_add_object(groups, name);
	snprintf(key, sizeof key, "%s_std", a->name[ITR_AC_RECALL]);
	for (int i = 0; i < a->group[by].n; i++) {
		itr_json *one = itr_json_add_object(all, a->group[by].label[i]);
		for (int k = 0; k < ITR_LEN(columns); k++)
			itr_json_add_num(one, a->name[columns[k]], itr_analysis_mean(a, columns[k], by, i));
		itr_json_add_num(one, key, spread(a, ITR_AC_RECALL, by, i));
		itr_json_add_int(one, "experiments", group_size(a, by, i));
	}
}

static void add_list(itr_json *summary, const char *name, const itr_agroup *g, bool numbers)
{
	itr_json *list = itr_json_add_array(summary, name);
	for (int i = 0; i < g->n; i++)
		itr_json_push(list, numbers && strcmp(g->label[i], "full") ? itr_json_new_int(g->value[i]) : itr_json_new_str(g->label[i]));
}

static void add_verdicts(const itr_analysis *a, itr_json *j)
{
	itr_json *front = itr_json_add_array(j, "pareto_front"), *failed;
	for (int64_t i = 0; i < a->n_cells; i++)
		if (a->cells[i].pareto)
			itr_json_push(front, itr_json_new_str(a->cells[i].key));
	failed = itr_json_add_object(j, "failed");
	for (int64_t i = 0; i < a->n_cells; i++)
		if (a->cells[i].error)
			itr_json_add_str(failed, a->cells[i].key, a->cells[i].error);
	itr_json_add(j, "warnings", itr_json_copy(a->warnings));
	itr_json_add_bool(j, "synthetic", a->synthetic);
}

itr_json *itr_analysis_summary(const itr_analysis *a, const itr_provenance *p)
{
	static const char *const names[] = { "dim", "precision", "candidates" };
	itr_json *j = itr_json_object(), *best;
	char name[96];
	itr_json_add_int(j, "total_experiments", a->n_cells - a->n_failed);
	itr_json_add_int(j, "failed_experiments", a->n_failed);
	add_list(j, "embedding_dimensions", &a->group[ITR_A_BY_DIM], true);
	add_list(j, "precisions", &a->group[ITR_A_BY_PRECISION], false);
	add_list(j, "candidate_sizes", &a->group[ITR_A_BY_SIZE], true);
	best = itr_json_add_object(j, "best_performance");
	snprintf(name, sizeof name, "highest_%s", a->name[ITR_AC_RECALL]);
	add_best(a, best, name, ITR_AC_RECALL, 1);
	add_best(a, best, "fastest_retrieval", ITR_AC_QPS, 1);
	add_best(a, best, "most_memory_efficient", ITR_AC_MB_PER_QUERY, -1);
	for (int by = 0; by < 3; by++)
		add_means(a, j, "performance", names[by], by, ITR_AC_RECALL);
	for (int by = 0; by < 3; by++)
		add_means(a, j, "speed", names[by], by, ITR_AC_QPS);
	for (int by = 0; by < 2; by++)
		add_means(a, j, "memory", names[by], by, ITR_AC_MB_PER_QUERY);
	itr_json *groups = itr_json_add_object(j, "groups");
	for (int by = 0; by < 3; by++)
		add_groups(a, groups, names[by], by);
	add_verdicts(a, j);
	itr_json *provenance = p ? itr_provenance_json(p) : NULL;
	if (provenance)
		itr_json_add(j, "provenance", provenance);
	return j;
}

/* --- tables --------------------------------------------------------------------------------------------------------------------------- */

static int digits(itr_acolumn column)
{
	return (column >= ITR_AC_T2V_RECALL && column <= ITR_AC_NDCG) || column == ITR_AC_CHANCE || column == ITR_AC_TIES ? 4 : 0;
}

void itr_analysis_text(const itr_acell *c, itr_acolumn column, bool exact, itr_buf *out)
{
	double v = c->v[column];
	if (column == ITR_AC_EXPERIMENT)
		itr_buf_puts(out, c->key);
	else if (column == ITR_AC_PRECISION)
		itr_buf_puts(out, c->precision);
	else if (column == ITR_AC_KERNEL)
		itr_buf_puts(out, c->kernel);
	else if (column == ITR_AC_PARETO)
		itr_buf_puts(out, c->pareto ? "*" : "");
	else if (isnan(v))
		itr_buf_puts(out, "");
	else if (exact || column == ITR_AC_DIM || column == ITR_AC_SIZE || column == ITR_AC_SAMPLES)
		itr_json_print_number(out, v);
	else if (digits(column))
		itr_buf_printf(out, "%.*f", digits(column), v);
	else
		itr_buf_printf(out, column == ITR_AC_QPS ? "%.0f" : "%.4g", v);
}

static void put_cell(itr_table *t, const itr_acell *c, itr_acolumn column, bool exact, itr_buf *b)
{
	itr_buf_clear(b);
	itr_analysis_text(c, column, exact, b);
	itr_table_cell(t, itr_buf_str(b));
}

/* Appends a column to printed lines; a line break within quotes does not end a line. */
static void add_column(const char *table, char between, itr_buf *out)
{
	bool quoted = false, head = true;
	for (const char *c = table; *c; c++) {
		quoted ^= *c == '"';
		if (*c == '\n' && !quoted) {
			itr_buf_putc(out, between);
			itr_buf_puts(out, head ? "synthetic" : "true");
			head = false;
		}
		itr_buf_putc(out, *c);
	}
}

void itr_analysis_print(const itr_table *t, bool synthetic, itr_table_format format, itr_buf *out)
{
	static const char note[] = "ynthetic data: these figures say nothing about real pictures";
	itr_buf b = ITR_BUF_INIT;
	itr_table_print(t, format, &b);
	if (synthetic && format == ITR_TABLE_MD)
		itr_buf_printf(out, "**S%s.**\n\n", note);
	if (synthetic && (format == ITR_TABLE_CSV || format == ITR_TABLE_TSV))
		add_column(itr_buf_str(&b), format == ITR_TABLE_CSV ? ',' : '\t', out);
	else
		itr_buf_add(out, itr_buf_str(&b), b.len);
	if (synthetic && format == ITR_TABLE_LATEX)
		itr_buf_printf(out, "\n\\emph{S%s.}\n", note);
	if (synthetic && format == ITR_TABLE_TEXT)
		itr_buf_printf(out, "s%s\n", note);
	itr_buf_free(&b);
}

static int save(const itr_analysis *a, itr_table *t, const char *dir, const char *name, itr_table_format format, itr_err *err)
{
	itr_buf b = ITR_BUF_INIT;
	char *path = itr_path_join(dir, name);
	itr_analysis_print(t, a->synthetic, format, &b);
	int rc = itr_atomic_write(path, itr_buf_str(&b), b.len, err);
	itr_table_free(t);
	itr_buf_free(&b);
	free(path);
	return rc;
}

static itr_table *table_of(const itr_analysis *a, const itr_acolumn *columns, int n)
{
	const char *names[ITR_AC_COUNT];
	for (int i = 0; i < n; i++)
		names[i] = a->name[columns[i]];
	return itr_table_new(n, names);
}

int itr_analysis_write_tables(const itr_analysis *a, const char *dir, itr_err *err)
{
	itr_acolumn all[ITR_AC_MB_PER_QUERY + 1], few[] = { ITR_AC_SIZE, ITR_AC_RECALL, ITR_AC_MRR };
	itr_buf b = ITR_BUF_INIT;
	for (int i = 0; i <= ITR_AC_MB_PER_QUERY; i++)
		all[i] = (itr_acolumn)i;
	itr_table *t = table_of(a, all, ITR_LEN(all));
	for (int64_t i = 0; i < a->n_cells; i++)
		for (int k = 0; k < ITR_LEN(all) && !a->cells[i].error; k++)
			put_cell(t, &a->cells[i], all[k], true, &b);
	int rc = save(a, t, dir, "detailed_results.csv", ITR_TABLE_CSV, err);
	t = table_of(a, few, ITR_LEN(few));
	for (int i = 0; i < a->group[ITR_A_BY_SIZE].n; i++) {
		itr_table_cell(t, a->group[ITR_A_BY_SIZE].label[i]);
		for (int k = 1; k < ITR_LEN(few); k++) {
			itr_buf_clear(&b);
			itr_json_print_number(&b, itr_analysis_mean(a, few[k], ITR_A_BY_SIZE, i));
			itr_table_cell(t, itr_buf_str(&b));
		}
	}
	itr_buf_free(&b);
	if (rc == 0)
		return save(a, t, dir, "summary_by_candidate.csv", ITR_TABLE_CSV, err);
	itr_table_free(t);
	return rc;
}

/* --- the table for people ------------------------------------------------------------------------------------------------------------- */

static int find_column(const itr_analysis *a, const char *name, size_t len, itr_err *err)
{
	const char *names[ITR_AC_COUNT];
	char wanted[96];
	snprintf(wanted, sizeof wanted, "%.*s", (int)ITR_MIN(len, (size_t)90), name);
	for (int i = 0; i < ITR_AC_COUNT; i++) {
		if (!strcmp(a->name[i], wanted))
			return i;
		names[i] = a->name[i];
	}
	return itr_err_set(err, "no column '%s': did you mean '%s'", wanted, itr_nearest(wanted, names, ITR_AC_COUNT));
}

static int mark_columns(const itr_analysis *a, const char *pattern, bool value, bool *shown, itr_err *err)
{
	regex_t re;
	char why[256];
	int hits = 0;
	if (!pattern)
		return 0;
	int code = regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB);
	if (code) {
		regerror(code, &re, why, sizeof why);
		return itr_err_set(err, "'%s' is not a regular expression: %s", pattern, why);
	}
	for (int i = 0; i < ITR_AC_COUNT; i++)
		if (!regexec(&re, a->name[i], 0, NULL, 0)) {
			shown[i] = value;
			hits++;
		}
	regfree(&re);
	return hits ? 0 : itr_err_set(err, "no column matches '%s'", pattern);
}

static int compare_cells(const itr_acell *a, const itr_acell *b, int column)
{
	if (column == ITR_AC_EXPERIMENT || column == ITR_AC_KERNEL)
		return column == ITR_AC_KERNEL ? strcmp(a->kernel, b->kernel) : strcmp(a->key, b->key);
	if (column == ITR_AC_PRECISION)
		return (a->group[ITR_A_BY_PRECISION] > b->group[ITR_A_BY_PRECISION]) -
		       (a->group[ITR_A_BY_PRECISION] < b->group[ITR_A_BY_PRECISION]);
	if (column == ITR_AC_PARETO)
		return b->pareto - a->pareto;
	return (a->v[column] > b->v[column]) - (a->v[column] < b->v[column]);
}

/* Insertion sort, which is stable; unknown values come last in both orders. */
static void sort_cells(const itr_acell **c, int64_t n, int column, int sign)
{
	bool number = column != ITR_AC_EXPERIMENT && column != ITR_AC_KERNEL && column != ITR_AC_PRECISION && column != ITR_AC_PARETO;
	for (int64_t i = 1; i < n; i++) {
		const itr_acell *x = c[i];
		int64_t at = i;
		for (; at > 0; at--) {
			bool nan_x = number && isnan(x->v[column]), nan_y = number && isnan(c[at - 1]->v[column]);
			if (nan_x || (!nan_y && sign * compare_cells(c[at - 1], x, column) <= 0))
				break;
			c[at] = c[at - 1];
		}
		c[at] = x;
	}
}

static int sort_view(const itr_analysis *a, const char *sort, const itr_acell **c, int64_t n, itr_err *err)
{
	size_t len = sort ? strcspn(sort, " ") : 0;
	if (!sort)
		return 0;
	const char *order = sort + len + strspn(sort + len, " ");
	bool desc = !strcmp(order, "desc");
	int column = find_column(a, sort, len, err);
	if (column >= 0 && *order && !desc && strcmp(order, "asc"))
		return itr_err_set(err, "order '%s' is neither asc nor desc", order);
	if (column >= 0)
		sort_cells(c, n, column, desc ? -1 : 1);
	return column < 0 ? -1 : 0;
}

static bool changes(const itr_acell *const *c, int64_t n, itr_acolumn column, itr_buf *x)
{
	itr_buf first = ITR_BUF_INIT;
	bool differ = false;
	for (int64_t i = 0; i < n && !differ; i++) {
		itr_buf_clear(x);
		itr_analysis_text(c[i], column, true, i ? x : &first);
		differ = i && strcmp(itr_buf_str(&first), itr_buf_str(x));
	}
	itr_buf_free(&first);
	return differ;
}

itr_table *itr_analysis_table(const itr_analysis *a, const itr_aview *view, itr_err *err)
{
	bool shown[ITR_AC_COUNT] = { [ITR_AC_EXPERIMENT] = true, [ITR_AC_T2V_RECALL] = true, [ITR_AC_V2T_RECALL] = true,
		                     [ITR_AC_RECALL] = true,     [ITR_AC_CHANCE] = true,     [ITR_AC_MRR] = true,
		                     [ITR_AC_QPS] = a->timed,    [ITR_AC_MEMORY] = true,     [ITR_AC_PARETO] = true };
	const itr_acell **c = itr_xmalloc((size_t)a->n_cells * sizeof *c);
	itr_acolumn columns[ITR_AC_COUNT];
	itr_table *t = NULL;
	itr_buf b = ITR_BUF_INIT;
	int64_t n = 0;
	int k = 0;
	for (int64_t i = 0; i < a->n_cells; i++)
		if (!a->cells[i].error)
			c[n++] = &a->cells[i];
	if (sort_view(a, view->sort, c, n, err) < 0 || mark_columns(a, view->keep, true, shown, err) < 0 ||
	    mark_columns(a, view->drop, false, shown, err) < 0)
		goto out;
	for (int i = 0; i < ITR_AC_COUNT; i++)
		if (shown[i] && (!view->only_changed || i == ITR_AC_EXPERIMENT || changes(c, n, (itr_acolumn)i, &b)))
			columns[k++] = (itr_acolumn)i;
	if (!k) {
		itr_err_set(err, "no column is left to show");
		goto out;
	}
	t = table_of(a, columns, k);
	for (int64_t i = 0; i < n; i++)
		for (int j = 0; j < k; j++)
			put_cell(t, c[i], columns[j], view->exact, &b);
out:
	itr_buf_free(&b);
	free(c);
	return t;
}

int itr_analysis_write_view(const itr_analysis *a, const itr_aview *view, const char *dir, itr_err *err)
{
	itr_aview rounded = *view;
	rounded.exact = false;
	itr_table *md = itr_analysis_table(a, &rounded, err), *tex = md ? itr_analysis_table(a, &rounded, err) : NULL;
	if (!tex) {
		itr_table_free(md);
		return -1;
	}
	if (save(a, md, dir, "experiment_table.md", ITR_TABLE_MD, err) == 0)
		return save(a, tex, dir, "experiment_table.tex", ITR_TABLE_LATEX, err);
	itr_table_free(tex);
	return -1;
}
