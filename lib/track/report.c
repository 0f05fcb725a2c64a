#include "track/report.h"

#include <math.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"
#include "track/commands.h"
#include "track/filter.h"

typedef struct shown { itr_column c; char *name; } shown;
typedef ITR_VEC(shown) columns;

static const char *const default_columns[] = { "id", "name", "experiment", "status", "start", "duration" };

static void add(columns *cs, itr_column_kind kind, const char *key)
{
	static const char *const prefix[] = { "metrics.", "params.", "tags.", "" };
	shown s = { .name = itr_xasprintf("%s%s", prefix[kind], key) };
	for (size_t i = 0; i < cs->n; i++)
		if (!strcmp(cs->v[i].name, s.name)) {
			free(s.name);
			return;
		}
	s.c.kind = kind;
	memcpy(s.c.key, key, ITR_MIN(strlen(key), sizeof s.c.key - 1));
	ITR_VEC_PUSH(cs, s);
}

static void free_columns(columns *cs)
{
	for (size_t i = 0; i < cs->n; i++)
		free(cs->v[i].name);
	ITR_VEC_FREE(cs);
}

/* Every metric, param (and tag) that any of the runs has, by name. */
static int by_name(const void *a, const void *b) { return strcmp(((const shown *)a)->name, ((const shown *)b)->name); }

static columns all_of(const itr_runs *rs, itr_column_kind kind)
{
	itr_map *seen = itr_map_new();
	columns cs = ITR_VEC_INIT;
	for (int64_t i = 0; i < rs->n; i++) {
		const itr_run_info *r = &rs->v[i];
		for (int64_t k = 0; kind == ITR_COLUMN_METRIC && k < r->n_metrics; k++)
			itr_map_add(seen, r->metrics[k].key, 0);
		const itr_run_pair *p = kind == ITR_COLUMN_PARAM ? r->params : r->tags;
		int64_t n = kind == ITR_COLUMN_PARAM ? r->n_params : kind == ITR_COLUMN_TAG ? r->n_tags : 0;
		for (int64_t k = 0; k < n; k++)
			itr_map_add(seen, p[k].key, 0);
	}
	for (int64_t i = 0; i < itr_map_count(seen); i++)
		add(&cs, kind, itr_map_key(seen, i));
	if (cs.n)
		qsort(cs.v, cs.n, sizeof *cs.v, by_name);
	itr_map_free(seen);
	return cs;
}

static void cell_text(const itr_run_info *r, const itr_column *c, const itr_report_opts *o, itr_buf *b)
{
	double seconds;
	itr_buf_clear(b);
	if (o->raw && c->kind == ITR_COLUMN_ATTRIBUTE && !strcmp(c->key, "duration")) {
		if (itr_column_number(r, c, &seconds))
			itr_buf_printf(b, "%.3f", seconds);
		return;
	}
	if (!itr_column_text(r, c, (int)o->digits, b)) {
		if (c->kind == ITR_COLUMN_ATTRIBUTE && !strcmp(c->key, "duration") && r->status == ITR_RUN_RUNNING && !r->stale &&
		    r->start) {
			char room[32];
			itr_format_seconds((double)(itr_clock_epoch_ms() - r->start) / 1000, room);
			itr_buf_printf(b, "%s...", room);
		}
		return;
	}
	if (c->kind == ITR_COLUMN_ATTRIBUTE && !strcmp(c->key, "status") && r->stale && !o->raw)
		itr_buf_puts(b, " (process gone)");
	if (c->kind == ITR_COLUMN_ATTRIBUTE && !strcmp(c->key, "status") && r->deleted && !o->raw)
		itr_buf_puts(b, " (deleted)");
	bool id = c->kind == ITR_COLUMN_ATTRIBUTE && (!strcmp(c->key, "id") || !strcmp(c->key, "parent"));
	if (id && !o->full_ids && b->len > 8)
		b->data[b->len = 8] = 0;
	for (size_t i = 0; i < b->len; i++)                     /* one line a run */
		if ((unsigned char)b->data[i] < ' ')
			b->data[i] = ' ';
}

/* True when the runs differ in the column. A run without the value differs from one with it. */
static bool differs(const itr_runs *rs, const itr_column *c)
{
	itr_buf first = ITR_BUF_INIT, other = ITR_BUF_INIT;
	bool had = false, d = false;
	for (int64_t i = 0; i < rs->n && !d; i++) {
		itr_buf_clear(&other);
		bool has = itr_column_text(&rs->v[i], c, 0, i ? &other : &first);
		d = i && (has != had || strcmp(itr_buf_str(&first), itr_buf_str(&other)));
		had = i ? had : has;
	}
	itr_buf_free(&first);
	itr_buf_free(&other);
	return d;
}

static int compile(regex_t *re, const char *text, const char *option, itr_err *err)
{
	char why[200];
	int code = regcomp(re, text, REG_EXTENDED | REG_NOSUB);
	if (!code)
		return 0;
	regerror(code, re, why, sizeof why);
	return itr_err_set(err, "--%s '%s' is no regular expression: %s", option, text, why);
}

/* Adds the columns that match `keep`, then removes those that match `drop`. */
static int apply_patterns(columns *cs, const itr_runs *rs, const itr_report_opts *o, itr_err *err)
{
	regex_t re;
	if (o->keep) {
		if (compile(&re, o->keep, "keep", err) < 0)
			return -1;
		for (int kind = ITR_COLUMN_METRIC; kind <= ITR_COLUMN_PARAM; kind++) {
			columns a = all_of(rs, (itr_column_kind)kind);
			for (size_t i = 0; i < a.n; i++)
				if (!regexec(&re, a.v[i].name, 0, NULL, 0))
					add(cs, a.v[i].c.kind, a.v[i].c.key);
			free_columns(&a);
		}
		regfree(&re);
	}
	if (o->drop) {
		if (compile(&re, o->drop, "drop", err) < 0)
			return -1;
		size_t n = 0;
		for (size_t i = 0; i < cs->n; i++) {
			if (regexec(&re, cs->v[i].name, 0, NULL, 0))
				cs->v[n++] = cs->v[i];
			else
				free(cs->v[i].name);
		}
		cs->n = n;
		regfree(&re);
	}
	return 0;
}

static int kind_of_group(const char *name)
{
	static const char *const groups[] = { "metrics", "params", "tags" };
	for (int i = 0; i < ITR_LEN(groups); i++)
		if (!strcmp(name, groups[i]))
			return i;
	return -1;
}

unsigned itr_report_needs(const itr_report_opts *o)
{
	static const unsigned need[] = { ITR_RUNS_METRICS, ITR_RUNS_PARAMS, ITR_RUNS_TAGS };
	unsigned needs = o->keep || o->only_changed ? ITR_RUNS_METRICS | ITR_RUNS_PARAMS : 0;
	for (int64_t i = 0; i < o->columns.n; i++) {
		int group = kind_of_group(o->columns.v[i]);
		needs |= group >= 0 ? need[group] : itr_column_needs(o->columns.v[i]);
	}
	return needs;
}

static int add_mentioned(columns *cs, const itr_runs *rs, const itr_report_opts *o, itr_err *err)
{
	itr_filter *f = o->filter ? itr_filter_parse(o->filter, err) : NULL;
	const char *names[64];
	char *sort = o->sort ? itr_select_sort_column(o->sort, NULL) : NULL;
	int n = f ? itr_filter_columns(f, names, ITR_LEN(names) - 1) : 0, rc = o->filter && !f ? -1 : 0;
	if (sort)
		names[n++] = sort;
	for (int i = 0; rc == 0 && i < n; i++) {
		itr_column c;
		rc = itr_column_parse(&c, names[i], rs, err);
		if (rc == 0)
			add(cs, c.kind, c.key);
	}
	itr_filter_free(f);
	free(sort);
	return rc;
}

static int choose(columns *cs, const itr_runs *rs, const itr_report_opts *o, itr_err *err)
{
	for (int i = 0; (!o->columns.n || o->add_default) && i < ITR_LEN(default_columns); i++)
		add(cs, ITR_COLUMN_ATTRIBUTE, default_columns[i]);
	if (!o->columns.n && add_mentioned(cs, rs, o, err) < 0)
		return -1;
	for (int64_t i = 0; i < o->columns.n; i++) {
		int group = kind_of_group(o->columns.v[i]);
		itr_column c;
		if (group >= 0) {
			columns a = all_of(rs, (itr_column_kind)group);
			for (size_t k = 0; k < a.n; k++)
				add(cs, a.v[k].c.kind, a.v[k].c.key);
			free_columns(&a);
		} else if (itr_column_parse(&c, o->columns.v[i], rs, err) < 0) {
			return -1;
		} else {
			add(cs, c.kind, c.key);
		}
	}
	for (int kind = ITR_COLUMN_METRIC; o->only_changed && kind <= ITR_COLUMN_PARAM; kind++) {
		columns a = all_of(rs, (itr_column_kind)kind);
		for (size_t k = 0; k < a.n; k++)
			if (differs(rs, &a.v[k].c))
				add(cs, a.v[k].c.kind, a.v[k].c.key);
		free_columns(&a);
	}
	return apply_patterns(cs, rs, o, err);
}

static itr_table *table_of(const columns *cs)
{
	const char **names = itr_xcalloc(cs->n + 1, sizeof *names);
	for (size_t i = 0; i < cs->n; i++)
		names[i] = cs->v[i].name;
	itr_table *t = itr_table_new((int)cs->n, names);
	free(names);
	return t;
}

itr_table *itr_report_list(const itr_runs *rs, const itr_report_opts *o, itr_err *err)
{
	columns cs = ITR_VEC_INIT;
	itr_table *t = NULL;
	itr_buf b = ITR_BUF_INIT;
	int rc = choose(&cs, rs, o, err);
	if (rc == 0 && cs.n == 0)
		rc = itr_err_set(err, "no column is left to show");
	if (rc == 0) {
		t = table_of(&cs);
		for (int64_t i = 0; i < rs->n; i++)
			for (size_t k = 0; k < cs.n; k++) {
				bool name = !o->raw && cs.v[k].c.kind == ITR_COLUMN_ATTRIBUTE && !strcmp(cs.v[k].c.key, "name");
				cell_text(&rs->v[i], &cs.v[k].c, o, &b);
				itr_table_cellf(t, "%*s%s%s", name && rs->v[i].depth ? 2 * rs->v[i].depth - 2 : 0, "",
				                name && rs->v[i].depth ? "- " : "", itr_buf_str(&b));
			}
	}
	itr_buf_free(&b);
	free_columns(&cs);
	return t;
}

/* --- compare -------------------------------------------------------------------------------------------------------------------------- */

static void difference(const itr_runs *rs, const itr_column *c, itr_buf *b)
{
	double x, y;
	itr_buf_clear(b);
	bool numbers = c->kind <= ITR_COLUMN_PARAM && itr_column_number(&rs->v[0], c, &x) && itr_column_number(&rs->v[1], c, &y);
	if (numbers)
		itr_buf_printf(b, "%+.4g", y - x);
}

itr_table *itr_report_compare(const itr_runs *rs, const itr_report_opts *o, bool all, bool transpose, itr_err *err)
{
	static const char *const attributes[] = { "name", "experiment", "status", "start", "duration" };
	columns cs = ITR_VEC_INIT;
	itr_buf b = ITR_BUF_INIT;
	ITR_VEC(const char *) heads = ITR_VEC_INIT;
	bool two = rs->n == 2 && !transpose;
	for (int i = 0; i < ITR_LEN(attributes); i++)
		add(&cs, ITR_COLUMN_ATTRIBUTE, attributes[i]);
	for (int kind = ITR_COLUMN_METRIC; kind <= ITR_COLUMN_PARAM; kind++) {
		columns a = all_of(rs, (itr_column_kind)kind);
		for (size_t k = 0; k < a.n; k++)
			add(&cs, a.v[k].c.kind, a.v[k].c.key);
		free_columns(&a);
	}
	size_t n = 0;
	for (size_t i = 0; i < cs.n; i++) {
		if (all || differs(rs, &cs.v[i].c))
			cs.v[n++] = cs.v[i];
		else
			free(cs.v[i].name);
	}
	cs.n = n;
	itr_report_opts only_drop = { .drop = o->drop };
	if (apply_patterns(&cs, rs, &only_drop, err) < 0) {
		free_columns(&cs);
		return NULL;
	}
	ITR_VEC_PUSH(&heads, transpose ? "run" : "");
	char (*ids)[40] = itr_xcalloc((size_t)rs->n + 1, sizeof *ids);
	for (int64_t i = 0; i < rs->n; i++)
		memcpy(ids[i], rs->v[i].id, ITR_MIN(strlen(rs->v[i].id), o->full_ids ? 39u : 8u));
	for (int64_t i = 0; !transpose && i < rs->n; i++)
		ITR_VEC_PUSH(&heads, ids[i]);
	for (size_t k = 0; transpose && k < cs.n; k++)
		ITR_VEC_PUSH(&heads, cs.v[k].name);
	if (two)
		ITR_VEC_PUSH(&heads, "difference");
	itr_table *t = itr_table_new((int)heads.n, heads.v);
	for (int64_t row = 0; row < (transpose ? rs->n : (int64_t)cs.n); row++) {
		itr_table_cell(t, transpose ? ids[row] : cs.v[row].name);
		for (int64_t k = 0; k < (transpose ? (int64_t)cs.n : rs->n); k++) {
			cell_text(&rs->v[transpose ? row : k], &cs.v[transpose ? k : row].c, o, &b);
			itr_table_cell(t, itr_buf_str(&b));
		}
		if (two) {
			difference(rs, &cs.v[row].c, &b);
			itr_table_cell(t, itr_buf_str(&b));
		}
	}
	ITR_VEC_FREE(&heads);
	free(ids);
	itr_buf_free(&b);
	free_columns(&cs);
	return t;
}

/* --- one run -------------------------------------------------------------------------------------------------------------------------- */

static void put_pairs(itr_buf *out, const char *title, const itr_run_pair *p, int64_t n)
{
	size_t width = 0;
	for (int64_t i = 0; i < n; i++)
		width = ITR_MAX(width, ITR_MIN(strlen(p[i].key), (size_t)40));
	if (n)
		itr_buf_printf(out, "\n%s\n", title);
	for (int64_t i = 0; i < n; i++) {
		size_t lines = strcspn(p[i].value, "\n");
		itr_buf_printf(out, "  %-*s  %.*s%s\n", (int)width, p[i].key, (int)ITR_MIN(lines, (size_t)300), p[i].value,
		               p[i].value[lines] || lines > 300 ? " ..." : "");
	}
}

void itr_report_show(const itr_run_info *r, int digits, itr_buf *out)
{
	static const char *const names[] = {
		"name", "experiment", "status", "start", "end", "duration", "user", "source", "parent", "note"
	};
	itr_report_opts o = { .digits = digits, .full_ids = true };
	itr_buf b = ITR_BUF_INIT;
	size_t width = 0;
	itr_buf_printf(out, "run %s\n", r->id);
	for (int i = 0; i < ITR_LEN(names); i++) {
		itr_column c = { .kind = ITR_COLUMN_ATTRIBUTE };
		memcpy(c.key, names[i], strlen(names[i]));
		cell_text(r, &c, &o, &b);
		if (b.len)
			itr_buf_printf(out, "  %-10s  %s\n", names[i], b.data);
	}
	itr_buf_printf(out, "  %-10s  %s\n", "folder", r->dir);
	put_pairs(out, "params", r->params, r->n_params);
	for (int64_t i = 0; i < r->n_metrics; i++)
		width = ITR_MAX(width, ITR_MIN(strlen(r->metrics[i].key), (size_t)40));
	if (r->n_metrics)
		itr_buf_puts(out, "\nmetrics\n");
	for (int64_t i = 0; i < r->n_metrics; i++) {
		const itr_run_value *m = &r->metrics[i];
		itr_buf_printf(out, "  %-*s  %.*g", (int)width, m->key, digits ? digits : 17, m->value);
		if (m->points > 1) {
			itr_buf_printf(out, "   (step %lld of %lld points", (long long)m->step, (long long)m->points);
			if (m->points > m->nans)
				itr_buf_printf(out, ", %.4g to %.4g", m->min, m->max);
			if (m->nans)
				itr_buf_printf(out, ", %lld nan", (long long)m->nans);
			itr_buf_putc(out, ')');
		}
		itr_buf_putc(out, '\n');
	}
	put_pairs(out, "tags", r->tags, r->n_tags);
	int64_t n;
	char **files = itr_run_artifacts(r, &n);
	if (n)
		itr_buf_puts(out, "\nartifacts\n");
	for (int64_t i = 0; i < n; i++) {
		itr_buf_printf(out, "  %s\n", files[i]);
		free(files[i]);
	}
	free(files);
	itr_buf_free(&b);
}

itr_json *itr_report_number(double v)
{
	return isfinite(v) ? itr_json_new_num(v) : itr_json_new_str(isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity");
}

itr_json *itr_report_json(const itr_run_info *r, bool with_artifacts)
{
	itr_json *j = itr_json_object();
	itr_json_add_str(j, "id", r->id);
	itr_json_add_str(j, "name", r->name);
	itr_json_add_str(j, "experiment", r->experiment);
	itr_json_add_str(j, "experiment_id", r->experiment_id);
	itr_json_add_str(j, "status", itr_run_status_name(r->status));
	itr_json_add_bool(j, "stale", r->stale);
	itr_json_add_bool(j, "deleted", r->deleted);
	itr_json_add_int(j, "start_time", r->start);
	itr_json_add(j, "end_time", r->end ? itr_json_new_int(r->end) : itr_json_new_null());
	itr_json_add(j, "duration", r->end ? itr_json_new_num((double)(r->end - r->start) / 1000) : itr_json_new_null());
	itr_json_add_str(j, "user", r->user);
	itr_json_add_str(j, "source", r->source);
	itr_json_add_str(j, "parent", r->parent);
	itr_json *m = itr_json_add_object(j, "metrics"), *p = itr_json_add_object(j, "params"), *t = itr_json_add_object(j, "tags");
	for (int64_t i = 0; i < r->n_metrics; i++)
		itr_json_add(m, r->metrics[i].key, itr_report_number(r->metrics[i].value));
	for (int64_t i = 0; i < r->n_params; i++)
		itr_json_add_str(p, r->params[i].key, r->params[i].value);
	for (int64_t i = 0; i < r->n_tags; i++)
		itr_json_add_str(t, r->tags[i].key, r->tags[i].value);
	if (with_artifacts) {
		int64_t n;
		char **files = itr_run_artifacts(r, &n);
		itr_json *a = itr_json_add_array(j, "artifacts");
		for (int64_t i = 0; i < n; i++) {
			itr_json_push(a, itr_json_new_str(files[i]));
			free(files[i]);
		}
		free(files);
	}
	return j;
}
