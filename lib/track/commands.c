#include "track/commands.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/atomic_file.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/vec.h"
#include "track/filter.h"
#include "track/report.h"
#include "track/run.h"

/* --- choosing ------------------------------------------------------------------------------------------------------------------------- */

char *itr_select_sort_column(const char *sort, bool *descending)
{
	char *name = itr_xstrdup(sort), *space = strrchr(name, ' ');
	if (space && (!strcasecmp(space + 1, "desc") || !strcasecmp(space + 1, "asc"))) {
		if (descending)
			*descending = !strcasecmp(space + 1, "desc");
		*space = 0;
	}
	return name;
}

static void drop_run(itr_runs *rs, int64_t from)
{
	for (int64_t i = from; i < rs->n; i++)
		itr_run_info_free(&rs->v[i]);
	rs->n = ITR_MIN(rs->n, from);
}

int itr_select_runs(itr_runs *rs, const itr_select *s, itr_err *err)
{
	itr_filter *f = s->filter ? itr_filter_parse(s->filter, err) : NULL;
	bool descending = s->descending;
	char *sort = s->sort ? itr_select_sort_column(s->sort, &descending) : NULL;
	unsigned needs =
		s->needs | (f ? itr_filter_needs(f) : 0) | (sort ? itr_column_needs(sort) : 0) | (s->deleted ? ITR_RUNS_ONLY_DELETED : 0);
	int64_t broken = 0, kept = 0;
	itr_column c;
	rs->v = NULL;
	rs->n = 0;
	int rc = s->filter && !f ? -1 : itr_runs_load(rs, s->runs_dir, s->experiment, needs, s->threads, &broken, err);
	if (rc == 0 && broken)
		itr_warn("%lld runs in '%s' cannot be read (their meta.yaml is missing or damaged) and are left out", (long long)broken,
		         s->runs_dir);
	if (rc == 0 && sort)
		rc = itr_column_parse(&c, sort, rs, err);
	if (rc == 0 && f)
		rc = itr_filter_apply(f, rs, err);
	for (int64_t i = 0; rc == 0 && s->stale && i < rs->n; i++) {
		if (rs->v[i].stale)
			rs->v[kept++] = rs->v[i];
		else
			itr_run_info_free(&rs->v[i]);
	}
	if (rc == 0 && s->stale)
		rs->n = kept;
	if (rc == 0 && sort)
		itr_runs_sort(rs, &c, descending);
	if (rc == 0 && s->limit > 0)
		drop_run(rs, s->limit);
	if (rc == 0 && !sort && s->tree)
		itr_runs_tree(rs);
	itr_filter_free(f);
	free(sort);
	if (rc < 0)
		itr_runs_free(rs);
	return rc;
}

/* --- logging -------------------------------------------------------------------------------------------------------------------------- */

static int parse_number(const char *text, double *v, itr_err *err)
{
	char *end;
	*v = strtod(text, &end);
	return end == text || *end ? itr_err_set(err, "'%s' is no number", text) : 0;
}

/* Calls put for each pair of "KEY VALUE" or "KEY=VALUE...". */
static int each_pair(char **args, int n, int (*put)(void *ctx, const char *key, const char *value, itr_err *err), void *ctx, itr_err *err)
{
	int rc = 0;
	if (n == 2 && !strchr(args[0], '='))
		return put(ctx, args[0], args[1], err);
	if (n == 0)
		rc = itr_err_set(err, "nothing to log: give KEY VALUE or KEY=VALUE...");
	for (int i = 0; rc == 0 && i < n; i++) {
		char *equals = strchr(args[i], '=');
		if (!equals || equals == args[i]) {
			rc = itr_err_set(err, "'%s' is neither KEY=VALUE nor part of KEY VALUE", args[i]);
			break;
		}
		char *key = itr_xstrndup(args[i], (size_t)(equals - args[i]));
		rc = put(ctx, key, equals + 1, err);
		free(key);
	}
	return rc;
}

struct sink { itr_run *run; const char *kind; int64_t step; };

/* Checks all names before anything is written. Reports the new name of a metric that MLflow would reject, except for '@'. */
static int check_pair(void *ctx, const char *key, const char *value, itr_err *err)
{
	const struct sink *s = ctx;
	char clean[256];
	bool metric = !strcmp(s->kind, "metric");
	double v;
	if (itr_run_check(s->kind, key, metric ? NULL : value, err) < 0 || (metric && parse_number(value, &v, err) < 0))
		return -1;
	(void)itr_run_key(key, clean);
	if (strcmp(clean, key) && !strchr(key, '@'))
		itr_warn("%s '%s' is tracked as '%s': MLflow's names hold letters, numbers and _ - . : / and blanks only", s->kind, key,
		         clean);
	return 0;
}

static int put_metric(void *ctx, const char *key, const char *value, itr_err *err)
{
	struct sink *s = ctx;
	double v;
	if (parse_number(value, &v, err) < 0)
		return -1;
	itr_run_metric(s->run, key, v, s->step);
	return 0;
}

static int put_param(void *ctx, const char *key, const char *value, itr_err *err)
{
	(void)err;
	itr_run_param(((struct sink *)ctx)->run, key, value);
	return 0;
}

static int put_tag(void *ctx, const char *key, const char *value, itr_err *err)
{
	(void)err;
	itr_run_tag(((struct sink *)ctx)->run, key, value);
	return 0;
}

/* All or none: one invalid pair is an error before any is logged. */
static int put_pairs(char **args, int n, int (*put)(void *ctx, const char *key, const char *value, itr_err *err), struct sink *s,
                     itr_err *err)
{
	return each_pair(args, n, check_pair, s, err) < 0 ? -1 : each_pair(args, n, put, s, err);
}

/* "KEY VALUE [STEP]" lines of stdin, appended a thousand at a time as MLflow's log-batch does. */
static int metrics_from_stdin(itr_run *r, int64_t step, itr_err *err)
{
	ITR_VEC(itr_metric) batch = ITR_VEC_INIT;
	char *line = NULL;
	size_t room = 0;
	int rc = 0;
	for (int64_t number = 1; rc == 0 && getline(&line, &room, stdin) >= 0; number++) {
		char value[64], *key = NULL;
		long long at = step;
		int n = sscanf(line, "%ms %63s %lld", &key, value, &at);
		itr_metric m = { key, 0, at };
		if (n <= 0)
			continue;
		ITR_VEC_PUSH(&batch, m);
		if (n < 2 || parse_number(value, &batch.v[batch.n - 1].value, NULL) < 0)
			rc = itr_err_set(err, "standard input, line %lld: 'KEY VALUE [STEP]' is expected", (long long)number);
		else if (itr_run_check("metric", key, NULL, err) < 0)
			rc = itr_err_prefix(err, "standard input, line %lld: ", (long long)number);
	}
	if (rc == 0)
		for (size_t i = 0; i < batch.n; i += 1000)
			itr_run_metrics(r, batch.v + i, (int64_t)ITR_MIN(batch.n - i, 1000));
	for (size_t i = 0; i < batch.n; i++)
		free((char *)(uintptr_t)batch.v[i].key);
	ITR_VEC_FREE(&batch);
	free(line);
	return rc;
}

int itr_commands_log(const char *runs_dir, char **args, int n, int64_t step, itr_err *err)
{
	static const char *const kinds[] = { "metric", "param", "artifact", "tag" };
	int kind = 0, rc = 0;
	if (n < 3)
		return itr_err_set(err, "say what to log: {runs} log ID metric|param|tag KEY=VALUE..., {runs} log ID artifact FILE...");
	while (kind < 4 && strcmp(args[1], kinds[kind]))
		kind++;
	if (kind == 4)
		return itr_err_set(err, "'%s' cannot be logged: did you mean '%s'?", args[1], itr_nearest(args[1], kinds, 4));
	itr_run *r = itr_run_attach(runs_dir, args[0], err);
	if (!r)
		return -1;
	struct sink s = { r, kinds[kind], step };
	if (kind == 2)
		for (int i = 2; i < n; i++)
			itr_run_artifact(r, args[i]);
	else if (kind == 0 && n == 3 && !strcmp(args[2], "-"))
		rc = metrics_from_stdin(r, step, err);
	else
		rc = put_pairs(args + 2, n - 2, kind == 0 ? put_metric : kind == 1 ? put_param : put_tag, &s, err);
	return itr_run_close(r, rc < 0 ? NULL : err) < 0 ? -1 : rc;
}

int itr_commands_tag(const char *runs_dir, char **args, int n, itr_err *err)
{
	itr_run *r = n < 2 ? NULL : itr_run_attach(runs_dir, args[0], err);
	struct sink s = { r, "tag", 0 };
	if (n < 2)
		return itr_err_set(err, "say which run and which tag: {runs} tag ID KEY=VALUE...");
	int rc = r ? put_pairs(args + 1, n - 1, put_tag, &s, err) : -1;
	return itr_run_close(r, rc < 0 ? NULL : err) < 0 ? -1 : rc;
}

/* --- printing ------------------------------------------------------------------------------------------------------------------------- */

int itr_commands_history(const itr_run_info *r, const char *key, bool json, itr_buf *out, itr_err *err)
{
	itr_run_point *p;
	int64_t n;
	if (itr_run_history(r, key, &p, &n, err) < 0)
		return -1;
	if (json)
		itr_buf_puts(out, "{\n  \"key\": ");
	if (json)
		itr_json_print_string(out, key);
	itr_buf_puts(out, json ? ",\n  \"points\": [" : "step\tvalue\ttimestamp\n");
	for (int64_t i = 0; i < n; i++) {
		if (json)
			itr_buf_printf(out, "%s\n    {\"step\": %lld, \"value\": ", i ? "," : "", (long long)p[i].step);
		else
			itr_buf_printf(out, "%lld\t", (long long)p[i].step);
		itr_json *value = itr_report_number(p[i].value);
		if (json || isfinite(p[i].value))
			itr_json_print(out, value, false);
		else
			itr_buf_puts(out, isnan(p[i].value) ? "nan" : p[i].value > 0 ? "inf" : "-inf");
		itr_json_free(value);
		itr_buf_printf(out, json ? ", \"timestamp\": %lld}" : "\t%lld\n", (long long)p[i].timestamp);
	}
	if (json)
		itr_buf_puts(out, "\n  ]\n}\n");
	free(p);
	return 0;
}

int itr_commands_end(const char *runs_dir, char **ids, int n, const char *status, itr_err *err)
{
	int s = itr_run_status_parse(status);
	if (s < 0)
		return itr_err_set(err, "'%s' is no status: FINISHED, FAILED or KILLED", status);
	if (n < 1)
		return itr_err_set(err, "which run? {runs} end ID");
	for (int i = 0; i < n; i++) {
		itr_run *r = itr_run_attach(runs_dir, ids[i], err);
		if (!r || itr_run_end(r, (itr_run_status)s, err) < 0)
			return -1;
	}
	return 0;
}

int itr_commands_stage(const char *runs_dir, const char *experiment, char **ids, int n, bool away, itr_err *err)
{
	if (n < 1 && experiment)
		return (away ? itr_experiment_delete : itr_experiment_restore)(runs_dir, experiment, err);
	if (n < 1)
		return itr_err_set(err, "which runs? Give ids, or --experiment NAME for a whole experiment");
	for (int i = 0; i < n; i++)
		if ((away ? itr_run_delete : itr_run_restore)(runs_dir, ids[i], err) < 0)
			return -1;
	return 0;
}

int itr_commands_load(itr_runs *rs, const char *runs_dir, char **ids, int n, itr_err *err)
{
	*rs = (itr_runs){ itr_xcalloc((size_t)n, sizeof *rs->v), 0 };
	for (; rs->n < n; rs->n++)
		if (itr_runs_load_one(&rs->v[rs->n], runs_dir, ids[rs->n], err) < 0) {
			itr_runs_free(rs);
			return -1;
		}
	return 0;
}

itr_json *itr_commands_list_json(const itr_runs *rs)
{
	itr_json *j = itr_json_object(), *a = itr_json_add_array(j, "runs");
	itr_json_add_int(j, "schema", 1);
	for (int64_t i = 0; i < rs->n; i++)
		itr_json_push(a, itr_report_json(&rs->v[i], false));
	return j;
}

/* Adds {key: [value of each run]} for the keys whose values differ, or for all. */
static void add_rows(itr_json *object, const itr_runs *rs, itr_column_kind kind, bool all)
{
	itr_map *seen = itr_map_new();
	for (int64_t i = 0; i < rs->n; i++) {
		const itr_run_info *r = &rs->v[i];
		for (int64_t k = 0; k < (kind == ITR_COLUMN_METRIC ? r->n_metrics : r->n_params); k++)
			itr_map_add(seen, kind == ITR_COLUMN_METRIC ? r->metrics[k].key : r->params[k].key, 0);
	}
	for (int64_t i = 0; i < itr_map_count(seen); i++) {
		itr_column c = { .kind = kind };
		const char *key = itr_map_key(seen, i);
		itr_buf first = ITR_BUF_INIT, b = ITR_BUF_INIT;
		itr_json *a = itr_json_array();
		bool differs = false;
		memcpy(c.key, key, ITR_MIN(strlen(key), sizeof c.key - 1));
		for (int64_t k = 0; k < rs->n; k++) {
			double v = 0;
			itr_buf_clear(&b);
			bool has = itr_column_text(&rs->v[k], &c, 0, k ? &b : &first);
			differs = differs || !has || (k && strcmp(itr_buf_str(&first), itr_buf_str(&b)));
			itr_json_push(a, !has ? itr_json_new_null()
			                 : kind == ITR_COLUMN_METRIC && (itr_column_number(&rs->v[k], &c, &v) || isnan(v))
			                         ? itr_report_number(v)
			                         : itr_json_new_str(itr_buf_str(k ? &b : &first)));
		}
		if (all || differs)
			itr_json_add(object, key, a);
		else
			itr_json_free(a);
		itr_buf_free(&first);
		itr_buf_free(&b);
	}
	itr_map_free(seen);
}

itr_json *itr_commands_compare_json(const itr_runs *rs, bool all)
{
	itr_json *j = itr_json_object(), *runs = itr_json_add_array(j, "runs");
	for (int64_t i = 0; i < rs->n; i++) {
		itr_json *r = itr_json_object();
		itr_json_add_str(r, "id", rs->v[i].id);
		itr_json_add_str(r, "name", rs->v[i].name);
		itr_json_push(runs, r);
	}
	add_rows(itr_json_add_object(j, "metrics"), rs, ITR_COLUMN_METRIC, all);
	add_rows(itr_json_add_object(j, "params"), rs, ITR_COLUMN_PARAM, all);
	return j;
}

bool itr_commands_smaller_is_better(const char *metric)
{
	static const char *const words[] = { "loss", "rank", "error", "seconds", "time", "latency", "_mb", "bytes", "perplexity" };
	for (int i = 0; i < ITR_LEN(words); i++)
		if (strcasestr(metric, words[i]))
			return true;
	return false;
}

int64_t itr_commands_age(const char *text, itr_err *err)
{
	static const struct { char unit; int64_t ms; } units[] = { { 'd', 86400000 }, { 'h', 3600000 }, { 'm', 60000 }, { 's', 1000 } };
	char *end;
	errno = 0;
	long long n = strtoll(text, &end, 10);
	if (end != text && !errno && n >= 0 && n < 100000)
		for (int i = 0; i < ITR_LEN(units); i++)
			if ((end[0] == units[i].unit && !end[1]) || (n == 0 && !*end))
				return n * units[i].ms;
	return itr_err_set(err, "'%s' is no age: 30d, 12h, 10m or 5s", text);
}

int itr_commands_write(const char *path, const itr_buf *b, itr_err *err)
{
	return itr_atomic_write(path, itr_buf_str(b), b->len, err);
}

/* The object, which is freed, as a pretty line. */
static void print_json(itr_json *j, itr_buf *out)
{
	itr_json_print(out, j, true);
	itr_buf_putc(out, '\n');
	itr_json_free(j);
}

int itr_commands_show(const char *runs_dir, const char *id, const char *metric, bool json, int digits, itr_buf *out, itr_err *err)
{
	itr_run_info r;
	int rc = itr_runs_load_one(&r, runs_dir, id, err);
	if (rc < 0)
		return -1;
	if (metric)
		rc = itr_commands_history(&r, metric, json, out, err);
	else if (json)
		print_json(itr_report_json(&r, true), out);
	else
		itr_report_show(&r, digits, out);
	itr_run_info_free(&r);
	return rc;
}

int itr_commands_best(const itr_runs *rs, const char *metric, bool json, int digits, itr_buf *out, itr_err *err)
{
	itr_column c;
	double v;
	if (itr_column_parse(&c, metric, rs, err) < 0)
		return -1;
	if (rs->n == 0 || !itr_column_number(&rs->v[0], &c, &v))
		return itr_err_set(err, "no run has a number for '%s'", metric);
	if (json)
		print_json(itr_report_json(&rs->v[0], false), out);
	else
		itr_buf_printf(out, "%s  %.*g  %s\n", rs->v[0].id, digits ? digits : 17, v, rs->v[0].name);
	return 0;
}
