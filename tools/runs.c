/* runs - the store of tracked runs from the shell: start, end, log, list, show, compare, best, delete, export. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/nearest.h"
#include "cli/tool.h"
#include "track/commands.h"
#include "track/report.h"

struct opt {
	itr_select select;
	itr_report_opts report;
	const char *status, *note, *older_than;
	bool all, transpose, minimum, maximum, dry_run;
	int64_t step;
	int format;
};

static const itr_option options[] = {
	ITR_OPT_HEADING("Choosing runs (list, best, export):"),
	ITR_OPT_STR("filter", 0, struct opt, select.filter, "EXPR", "such as 'metrics.recall_at_10 > 0.4 and params.model = \"cca\"'"),
	ITR_OPT_STR("sort", 's', struct opt, select.sort, "COLUMN", "sort by this column, ascending"),
	ITR_OPT_BOOL("reverse", 'r', struct opt, select.descending, "descending order"),
	ITR_OPT_INT_IN("limit", 'n', struct opt, select.limit, "N", ITR_FROM(0), "at most N runs; 0 is all"),
	ITR_OPT_BOOL("deleted", 0, struct opt, select.deleted, "deleted runs only"),
	ITR_OPT_BOOL("stale", 0, struct opt, select.stale, "list, end: only runs whose process is gone"),
	ITR_OPT_HEADING("Choosing columns (list, compare, export):"),
	ITR_OPT_STRS("columns", 'c', struct opt, report.columns, "NAMES",
	             "id name experiment status start end duration user source parent note, metrics.KEY, params.KEY, tags.KEY; 'metrics', "
	             "'params', 'tags' for all"),
	ITR_OPT_STR("keep", 0, struct opt, report.keep, "REGEX", "add the metrics and params that match"),
	ITR_OPT_STR("drop", 0, struct opt, report.drop, "REGEX", "omit the columns that match"),
	ITR_OPT_BOOL("only-changed", 0, struct opt, report.only_changed, "add the metrics and params that are not the same in all runs"),
	ITR_OPT_BOOL("all", 'a', struct opt, all, "compare: also show columns that are equal in all runs"),
	ITR_OPT_BOOL("transpose", 't', struct opt, transpose, "compare: one row per run"),
	ITR_OPT_BOOL("tree", 0, struct opt, select.tree, "list: children under their parents (when not sorted)"),
	ITR_OPT_BOOL("full-ids", 0, struct opt, report.full_ids, "all 32 digits of ids"),
	ITR_OPT_INT_IN("digits", 0, struct opt, report.digits, "N", ITR_BETWEEN(0, 17), "significant digits of metrics; 0 is all"),
	ITR_OPT_ENUM("format", 0, struct opt, format, itr_table_format_names, "how tables are printed"),
	ITR_OPT_HEADING("Changing runs:"),
	ITR_OPT_STR("status", 0, struct opt, status, "NAME", "end: status to set: FINISHED, FAILED or KILLED"),
	ITR_OPT_STR("note", 0, struct opt, note, "TEXT", "start: description of the run"),
	ITR_OPT_INT("step", 0, struct opt, step, "N", "log: step of the metrics"),
	ITR_OPT_STR("older-than", 0, struct opt, older_than, "AGE", "gc: deleted at least this long ago (30d, 12h, 10m)"),
	ITR_OPT_BOOL("dry-run", 0, struct opt, dry_run, "gc: only count"),
	ITR_OPT_BOOL("min", 0, struct opt, minimum, "best: the smallest (default for names with loss, rank, error, seconds, mb)"),
	ITR_OPT_BOOL("max", 0, struct opt, maximum, "best: the largest"),
	ITR_OPT_END
};

static const char *const examples[] = {
	"id=$({runs} start --run-name night)",
	"{runs} log $id metric loss=0.31 --step 4",
	"{runs} end $id --status FINISHED",
	"{runs} list --filter 'metrics.t2i_recall_at_10 > 0.4' --keep recall_at_10 --sort t2i_recall_at_10 --reverse",
	"{runs} compare 3f2a 91bc",
	NULL
};

static const itr_tool_desc runs_tool = {
	.name = "runs",
	.purpose = "list, compare and edit tracked runs",
	.synopsis = "{runs} [options] start | end ID | log ID KIND WHAT... | tag ID KEY=VALUE... | list | show ID [METRIC] | compare ID "
	            "ID... | best METRIC |\n"
		    "                      rm ID... | restore ID... | gc | export",
	.options = options,
	.min_args = 1,
	.max_args = -1,
	.flags = ITR_TOOL_NO_TRACK | ITR_TOOL_OUTPUT,
	.examples = examples,
	.see_also = "{analyze}(1), {evaluate}(1)",
};

/* Text to -o or stdout; takes the buffer. */
static int deliver(itr_tool *t, itr_buf *b)
{
	int rc = 0;
	if (t->output && strcmp(t->output, "-"))
		rc = itr_tool_check_output(t, false) < 0 ? -1 : itr_commands_write(t->output, b, &t->err);
	else
		fwrite(itr_buf_str(b), 1, b->len, t->out);
	itr_buf_free(b);
	return rc;
}

static int deliver_table(itr_tool *t, itr_table *table, int format)
{
	if (!table)
		return -1;
	itr_buf b = ITR_BUF_INIT;
	itr_table_print(table, (itr_table_format)format, &b);
	itr_table_free(table);
	return deliver(t, &b);
}

static int deliver_json(itr_tool *t, itr_json *j)
{
	itr_buf b = ITR_BUF_INIT;
	itr_json_print(&b, j, true), itr_buf_putc(&b, '\n');
	itr_json_free(j);
	return deliver(t, &b);
}

/* The columns of filter and sort are shown too. */
static itr_report_opts report_opts(const struct opt *o)
{
	itr_report_opts r = o->report;
	r.filter = o->select.filter;
	r.sort = o->select.sort;
	return r;
}

static int select_runs(itr_tool *t, const struct opt *o, unsigned needs, itr_runs *rs)
{
	itr_select s = o->select;
	s.runs_dir = t->runs_dir;
	s.experiment = t->experiment;
	s.needs = needs;
	s.threads = t->threads;
	return itr_select_runs(rs, &s, &t->err);
}

static int do_list(itr_tool *t, const struct opt *o, bool whole)
{
	int format = whole && o->format == ITR_TABLE_TEXT ? ITR_TABLE_CSV : o->format;
	itr_report_opts r = report_opts(o);
	r.raw = format == ITR_TABLE_CSV || format == ITR_TABLE_TSV;
	r.full_ids = r.full_ids || r.raw;
	if (whole && !r.columns.n) {
		r.columns = (itr_strs){ 2, { "params", "metrics" } };
		r.add_default = true;
		r.digits = 0;
	}
	itr_runs rs;
	if (select_runs(t, o, t->json ? ITR_RUNS_ALL : itr_report_needs(&r), &rs) < 0)
		return -1;
	const int rc = t->json ? deliver_json(t, itr_commands_list_json(&rs)) : deliver_table(t, itr_report_list(&rs, &r, &t->err), format);
	itr_runs_free(&rs);
	return rc;
}

static int do_show(itr_tool *t, const struct opt *o)
{
	itr_buf b = ITR_BUF_INIT;
	if (t->n_args < 2)
		return itr_err_set(&t->err, "which run? {runs} show ID");
	const char *metric = t->n_args > 2 ? t->args[2] : NULL;
	const int rc = itr_commands_show(t->runs_dir, t->args[1], metric, t->json, (int)o->report.digits, &b, &t->err);
	return rc < 0 || b.len == 0 ? rc : deliver(t, &b);
}

static int do_compare(itr_tool *t, const struct opt *o)
{
	itr_runs rs;
	itr_report_opts r = report_opts(o);
	int rc = t->n_args < 3 ? itr_err_set(&t->err, "at least two runs are compared: {runs} compare ID ID...")
	                       : itr_commands_load(&rs, t->runs_dir, t->args + 1, t->n_args - 1, &t->err);
	if (rc < 0)
		return -1;
	rc = t->json ? deliver_json(t, itr_commands_compare_json(&rs, o->all))
	             : deliver_table(t, itr_report_compare(&rs, &r, o->all, o->transpose, &t->err), o->format);
	itr_runs_free(&rs);
	return rc;
}

static int do_best(itr_tool *t, const struct opt *o)
{
	if (t->n_args != 2)
		return itr_err_set(&t->err, "by which metric? {runs} best METRIC");
	struct opt by = *o;
	itr_runs rs;
	itr_buf b = ITR_BUF_INIT;
	by.select.sort = t->args[1];
	by.select.descending = o->maximum || (!o->minimum && !itr_commands_smaller_is_better(t->args[1]));
	by.select.limit = 0;
	if (select_runs(t, &by, t->json ? ITR_RUNS_ALL : 0, &rs) < 0)
		return -1;
	const int rc = itr_commands_best(&rs, t->args[1], t->json, (int)o->report.digits, &b, &t->err);
	itr_runs_free(&rs);
	return rc < 0 ? -1 : deliver(t, &b);
}

static int do_start(itr_tool *t, const struct opt *o)
{
	itr_run_opts r = { .runs_dir = t->runs_dir,
		           .experiment = t->experiment,
		           .name = t->run_name,
		           .parent = t->parent_run,
		           .source = "runs",
		           .note = o->note,
		           .detached = true };
	itr_run *run = itr_run_start(&r, &t->err);
	if (!run)
		return -1;
	fprintf(t->out, "%s\n", itr_run_id(run));
	return itr_run_close(run, &t->err);
}

static int do_end(itr_tool *t, const struct opt *o)
{
	if (o->select.stale) {
		int64_t n = itr_runs_end_stale(t->runs_dir, &t->err);
		if (n >= 0)
			itr_info("%lld runs ended as KILLED", (long long)n);
		return n < 0 ? -1 : 0;
	}
	return itr_commands_end(t->runs_dir, t->args + 1, t->n_args - 1, o->status, &t->err);
}

static int do_gc(itr_tool *t, const struct opt *o)
{
	int64_t age = itr_commands_age(o->older_than, &t->err), n = age < 0 ? -1 : itr_runs_gc(t->runs_dir, age, o->dry_run, &t->err);
	if (n >= 0)
		fprintf(t->out, "%lld runs %s\n", (long long)n, o->dry_run ? "would be removed" : "removed");
	return n < 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
	static const char *const commands[] = { "start", "end", "list", "show",    "compare", "best",
		                                "log",   "tag", "rm",   "restore", "gc",      "export" };
	struct opt o = { .select.tree = true, .report.digits = 6, .status = "FINISHED", .older_than = "0" };
	itr_tool *t = itr_tool_begin(&runs_tool, &o, argc, argv);
	int which = 0, rc = 0;
	while (which < ITR_LEN(commands) && strcmp(t->args[0], commands[which]))
		which++;
	switch (which) {
	case 0: rc = do_start(t, &o); break;
	case 1: rc = do_end(t, &o); break;
	case 2: case 11: rc = do_list(t, &o, which == 11); break;
	case 3: rc = do_show(t, &o); break;
	case 4: rc = do_compare(t, &o); break;
	case 5: rc = do_best(t, &o); break;
	case 6: rc = itr_commands_log(t->runs_dir, t->args + 1, t->n_args - 1, o.step, &t->err); break;
	case 7: rc = itr_commands_tag(t->runs_dir, t->args + 1, t->n_args - 1, &t->err); break;
	case 8: case 9: rc = itr_commands_stage(t->runs_dir, t->experiment, t->args + 1, t->n_args - 1, which == 8, &t->err); break;
	case 10: rc = do_gc(t, &o); break;
	default:
		return itr_tool_usage(t, "no command '%s': did you mean '%s'?", t->args[0],
		                      itr_nearest(t->args[0], commands, ITR_LEN(commands)));
	}
	return rc < 0 ? itr_tool_fail(t) : itr_tool_end(t, true);
}
