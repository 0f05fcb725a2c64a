/* analyze - what a candidate-pool ablation says: summary, tables, figures, a page, a comparison */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/analysis.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/path.h"
#include "cli/tool.h"

struct opt {
	const char *results_dir, *output_path, *sort, *keep, *drop;
	bool only_changed, plots, compare;
	int format;
	int64_t recall_k;
};

static const itr_option options[] = {
	ITR_OPT_STR("results-dir", 'd', struct opt, results_dir, "DIR", "where {run-experiments} wrote its results"),
	ITR_OPT_STR("output-path", 0, struct opt, output_path, "FILE",
	            "the summary; everything else is written beside it (default: DIR/experiment_summary.json)"),
	ITR_OPT_INT_IN("recall-k", 'k', struct opt, recall_k, "K", ITR_FROM(0),
	               "cut-off of the recall that experiments are compared by; 0: 10, or the largest there is"),
	ITR_OPT_BOOL("plots", 0, struct opt, plots, "draw the figures and write the page"),
	ITR_OPT_BOOL("compare", 0, struct opt, compare, "take two folders, A B, and show B minus A for the experiments that both hold"),
	ITR_OPT_HEADING("Table:"),
	ITR_OPT_ENUM("format", 0, struct opt, format, itr_table_format_names, "form of the table on stdout"),
	ITR_OPT_STR("sort", 0, struct opt, sort, "COLUMN", "order of the rows: \"COLUMN\" or \"COLUMN desc\""),
	ITR_OPT_BOOL("only-changed", 0, struct opt, only_changed, "omit columns that hold the same value everywhere"),
	ITR_OPT_STR("keep", 0, struct opt, keep, "REGEX", "also show columns whose name matches"),
	ITR_OPT_STR("drop", 0, struct opt, drop, "REGEX", "do not show columns whose name matches"),
	ITR_OPT_END
};

static const char *const examples[] = {
	"{analyze} --results_dir result --output_path result/experiment_summary.json",
	"{analyze} -d result --sort 'avg_recall@10 desc' --only-changed --format md", NULL
};

static const itr_tool_desc analyze_tool = {
	.name = "analyze",
	.purpose = "summary, tables and figures of a candidate-pool ablation",
	.synopsis = "{analyze} [options] --results-dir DIR | --compare A B",
	.options = options,
	.min_args = 0,
	.max_args = 2,
	.flags = ITR_TOOL_FORCE,
	.examples = examples,
	.see_also = "{run-experiments}(1), {evaluate}(1), {runs}(1)",
};

static void note_inputs(itr_tool *t, const char *dir)
{
	static const char *const names[] = { "experiment_results.json", "experiment_results.meta.json" };
	for (int i = 0; i < 2; i++) {
		char *path = itr_path_join(dir, names[i]);
		itr_provenance_input(t->provenance, path);
		free(path);
	}
}

static void say_warnings(const itr_analysis *a)
{
	for (const itr_json *w = itr_json_first(a->warnings); w; w = itr_json_next(w))
		itr_warn("%s", itr_json_str(w, ""));
	for (int64_t i = 0; i < a->n_cells; i++)
		if (a->cells[i].error)
			itr_warn("%s: %s", a->cells[i].key, a->cells[i].error);
}

/* Prints and frees. */
static void print_table(const itr_tool *t, itr_table *table, bool synthetic, int format)
{
	itr_buf b = ITR_BUF_INIT;
	itr_analysis_print(table, synthetic, (itr_table_format)format, &b);
	fwrite(itr_buf_str(&b), 1, b.len, t->out);
	itr_buf_free(&b);
	itr_table_free(table);
}

static int draw(itr_tool *t, const itr_analysis *a, const char *dir)
{
	char *page = itr_path_join(dir, "experiment_report.html");
	int rc = itr_analysis_figures(a, dir, &t->err);
	rc = rc < 0 ? rc : itr_analysis_page(a, dir, page, t->provenance, &t->err);
	for (int i = 0; i < ITR_A_FIGURES && rc == 0; i++) {
		char *png = itr_analysis_figure_path(a, dir, i);
		itr_tool_artifact(t, png);
		free(png);
	}
	if (rc == 0)
		itr_tool_artifact(t, page);
	free(page);
	return rc;
}

static int write_all(itr_tool *t, const itr_analysis *a, const itr_json *summary, const char *path, const itr_aview *view, bool plots)
{
	char *dir = itr_path_dirname(path);
	int rc = itr_json_write(path, summary, &t->err);
	rc = rc < 0 ? rc : itr_analysis_write_tables(a, dir, &t->err);
	rc = rc < 0 ? rc : itr_analysis_write_view(a, view, dir, &t->err);
	if (rc == 0)
		itr_tool_artifact(t, path);
	if (rc == 0 && plots)
		rc = draw(t, a, dir);
	free(dir);
	return rc;
}

static int compare(itr_tool *t, const struct opt *o)
{
	itr_analysis *a = itr_analysis_read(t->args[0], o->recall_k, &t->err), *b = a ? itr_analysis_read(t->args[1], a->k, &t->err) : NULL;
	itr_acompare *c = b ? itr_analysis_compare(a, b, t->seed, t->threads, &t->err) : NULL;
	if (c) {
		if (c->untested)
			itr_warn("differences without test: %s", c->untested);
		if (c->only_a || c->only_b)
			itr_warn("%lld experiments are only in '%s', %lld only in '%s'", (long long)c->only_a, a->dir, (long long)c->only_b,
			         b->dir);
		bool synthetic = a->synthetic || b->synthetic;
		if (synthetic) {
			itr_warn("synthetic data: these figures say nothing about real pictures");
			itr_provenance_set_synthetic(t->provenance);
		}
		if (t->json)
			itr_tool_print_json(t, itr_acompare_json(c, a, b));
		else
			print_table(t, itr_acompare_table(c, a, o->format == ITR_TABLE_CSV || o->format == ITR_TABLE_TSV), synthetic,
			            o->format);
	}
	int rc = c ? 0 : -1;
	itr_acompare_free(c);
	itr_analysis_free(b);
	itr_analysis_free(a);
	return rc < 0 ? itr_tool_fail(t) : itr_tool_end(t, true);
}

/* Every file that would be written, before one is. */
static int check_outputs(itr_tool *t, const itr_analysis *a, const char *summary, bool plots)
{
	static const char *const names[] = { "detailed_results.csv", "summary_by_candidate.csv", "experiment_table.md",
		                             "experiment_table.tex", "experiment_report.html" };
	char *dir = itr_path_dirname(summary);
	int rc = itr_tool_check_free(t, summary);
	for (int i = 0; i < ITR_LEN(names) + ITR_A_FIGURES && rc == 0; i++) {
		bool drawn = i >= ITR_LEN(names) - 1;
		char *path = i < ITR_LEN(names) ? itr_path_join(dir, names[i]) : itr_analysis_figure_path(a, dir, i - ITR_LEN(names));
		rc = drawn && !plots ? 0 : itr_tool_check_free(t, path);
		free(path);
	}
	free(dir);
	return rc;
}

/* An older summary may be replaced (--force), anything else not: --output-path result/experiment_results.json is one slip away. */
static int check_summary_path(const char *path, itr_err *err)
{
	itr_err why = ITR_ERR_INIT;
	itr_json *j = itr_path_exists(path) ? itr_json_read(path, &why) : NULL;
	bool ours = itr_json_get(j, "total_experiments") != NULL, there = itr_path_exists(path);
	itr_json_free(j);
	return !there || ours ? 0 : itr_err_set(err, "'%s' exists and is no summary of {analyze}: give another --output-path", path);
}

static int run(itr_tool *t, const struct opt *o)
{
	bool exact = o->format == ITR_TABLE_CSV || o->format == ITR_TABLE_TSV;
	char *path = o->output_path ? itr_path_join("", o->output_path) : itr_path_join(o->results_dir, "experiment_summary.json");
	itr_analysis *a = itr_analysis_read(o->results_dir, o->recall_k, &t->err);
	itr_aview view = { o->sort, o->keep, o->drop, o->only_changed, exact };
	itr_table *table = a ? itr_analysis_table(a, &view, &t->err) : NULL;
	itr_json *summary = NULL;
	bool synthetic = a && a->synthetic;
	int rc = !table || check_summary_path(path, &t->err) < 0 ? -1 : check_outputs(t, a, path, o->plots);
	if (rc == 0) {
		note_inputs(t, o->results_dir);
		if (a->synthetic)
			itr_provenance_set_synthetic(t->provenance);
		say_warnings(a);
		summary = itr_analysis_summary(a, t->provenance);
		rc = write_all(t, a, summary, path, &view, o->plots);
	}
	if (rc == 0 && !t->json)
		print_table(t, table, synthetic, o->format);
	else
		itr_table_free(table);
	if (rc == 0 && t->json)
		itr_tool_print_json(t, summary);
	else
		itr_json_free(summary);
	itr_analysis_free(a);
	free(path);
	return rc < 0 ? itr_tool_fail(t) : itr_tool_end(t, true);
}

int main(int argc, char **argv)
{
	struct opt o = { .format = ITR_TABLE_TEXT, .plots = true };
	itr_tool *t = itr_tool_begin(&analyze_tool, &o, argc, argv);
	if (o.compare)
		return t->n_args == 2 && !o.results_dir ? compare(t, &o)
		                                        : itr_tool_usage(t, "--compare takes two folders, A B, and no --results-dir");
	if (t->n_args)
		return itr_tool_usage(t, "'%s' is not an option", t->args[0]);
	if (!o.results_dir)
		return itr_tool_usage(t, "no results: --results-dir DIR");
	return run(t, &o);
}
