/* columns.c - values of runs by column name, as in MLflow's search. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "track/runstore.h"

/* --- status --------------------------------------------------------------------------------------------------------------------------- */

static const char *const status_names[] = { "UNKNOWN", "RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED" };

const char *itr_run_status_name(itr_run_status s)
{
	return status_names[(int)s > 0 && (int)s < ITR_LEN(status_names) ? (int)s : 0];
}

int itr_run_status_parse(const char *name)
{
	for (int i = 1; i < ITR_LEN(status_names); i++)
		if (!strcasecmp(name, status_names[i]))
			return i;
	return -1;
}

/* --- names ---------------------------------------------------------------------------------------------------------------------------- */

static const char *const attributes[] = { "id",       "name", "experiment", "experiment_id", "status", "start", "end",
	                                  "duration", "user", "source",     "parent",        "note",   NULL };
static const char *const attribute_aliases[][2] = { { "run_id", "id" },    { "run_name", "name" }, { "start_time", "start" },
	                                            { "end_time", "end" }, { "user_id", "user" },  { "created", "start" },
	                                            { "Created", "start" } };

static const char *attribute(const char *name)
{
	for (int i = 0; i < ITR_LEN(attribute_aliases); i++)
		if (!strcmp(name, attribute_aliases[i][0]))
			name = attribute_aliases[i][1];
	for (int i = 0; attributes[i]; i++)
		if (!strcmp(name, attributes[i]))
			return attributes[i];
	return NULL;
}

static const struct { const char *prefix; itr_column_kind kind; unsigned needs;
} prefixes[] = {
	{ "metrics.", ITR_COLUMN_METRIC, ITR_RUNS_METRICS },
	{ "metric.", ITR_COLUMN_METRIC, ITR_RUNS_METRICS },
	{ "params.", ITR_COLUMN_PARAM, ITR_RUNS_PARAMS },
	{ "parameters.", ITR_COLUMN_PARAM, ITR_RUNS_PARAMS },
	{ "param.", ITR_COLUMN_PARAM, ITR_RUNS_PARAMS },
	{ "tags.", ITR_COLUMN_TAG, ITR_RUNS_TAGS },
	{ "tag.", ITR_COLUMN_TAG, ITR_RUNS_TAGS },
	{ "attributes.", ITR_COLUMN_ATTRIBUTE, 0 },
	{ "attribute.", ITR_COLUMN_ATTRIBUTE, 0 },
	{ "attr.", ITR_COLUMN_ATTRIBUTE, 0 },
	{ "run.", ITR_COLUMN_ATTRIBUTE, 0 },
};
static const char *const kind_names[] = { "metric", "param", "tag", "attribute" };

static int prefix_of(const char *name)
{
	for (int i = 0; i < ITR_LEN(prefixes); i++)
		if (!strncmp(name, prefixes[i].prefix, strlen(prefixes[i].prefix)))
			return i;
	return -1;
}

unsigned itr_column_needs(const char *name)
{
	int p = prefix_of(name);
	if (!strcmp(name, "note") || !strcmp(name, "attributes.note"))
		return ITR_RUNS_TAGS;
	return p >= 0 ? prefixes[p].needs : attribute(name) ? 0 : ITR_RUNS_METRICS | ITR_RUNS_PARAMS;
}

static const itr_run_value *metric(const itr_run_info *r, const char *key)
{
	for (int64_t i = 0; i < r->n_metrics; i++)
		if (!strcmp(r->metrics[i].key, key))
			return &r->metrics[i];
	return NULL;
}

static const char *pair(const itr_run_pair *p, int64_t n, const char *key)
{
	for (int64_t i = 0; i < n; i++)
		if (!strcmp(p[i].key, key))
			return p[i].value;
	return NULL;
}

static bool run_has(const itr_run_info *r, const itr_column *c)
{
	return c->kind == ITR_COLUMN_METRIC ? metric(r, c->key) != NULL
	     : c->kind == ITR_COLUMN_PARAM  ? pair(r->params, r->n_params, c->key) != NULL
	     : c->kind == ITR_COLUMN_TAG    ? pair(r->tags, r->n_tags, c->key) != NULL : true;
}

static bool any_has(const itr_runs *rs, const itr_column *c)
{
	for (int64_t i = 0; rs && i < rs->n; i++)
		if (run_has(&rs->v[i], c))
			return true;
	return !rs || rs->n == 0;
}

/* "no run has metric 'recal_at_10': did you mean 'recall_at_10'?"; `bare`: attributes, metrics and params are candidates. */
static int unknown(const itr_column *c, bool bare, const itr_runs *rs, itr_err *err)
{
	itr_map *seen = itr_map_new();
	for (int64_t i = 0; i < rs->n; i++) {
		const itr_run_info *r = &rs->v[i];
		for (int64_t k = 0; (bare || c->kind == ITR_COLUMN_METRIC) && k < r->n_metrics; k++)
			itr_map_add(seen, r->metrics[k].key, 0);
		for (int64_t k = 0; (bare || c->kind == ITR_COLUMN_PARAM) && k < r->n_params; k++)
			itr_map_add(seen, r->params[k].key, 0);
		for (int64_t k = 0; c->kind == ITR_COLUMN_TAG && k < r->n_tags; k++)
			itr_map_add(seen, r->tags[k].key, 0);
	}
	for (int k = 0; (bare || c->kind == ITR_COLUMN_ATTRIBUTE) && attributes[k]; k++)
		itr_map_add(seen, attributes[k], 0);
	int n = (int)itr_map_count(seen);
	const char **names = itr_xcalloc((size_t)n + 1, sizeof *names);
	for (int k = 0; k < n; k++)
		names[k] = itr_map_key(seen, k);
	const char *near = itr_nearest(c->key, names, n);
	itr_err_set(err, "%s has %s '%s'%s%s%s", rs->n == 1 ? "the run" : "no run",
	            rs->n == 1 ? bare ? "no metric or param" : kind_names[c->kind]
	            : bare ? "a metric or param"
	                       : kind_names[c->kind],
	            c->key, near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
	free(names);
	itr_map_free(seen);
	return -1;
}

int itr_column_parse(itr_column *c, const char *name, const itr_runs *rs, itr_err *err)
{
	int p = prefix_of(name);
	const char *attr = attribute(p >= 0 && prefixes[p].kind == ITR_COLUMN_ATTRIBUTE ? name + strlen(prefixes[p].prefix) : name);
	memset(c, 0, sizeof *c);
	if (attr) {
		c->kind = ITR_COLUMN_ATTRIBUTE;
		snprintf(c->key, sizeof c->key, "%s", attr);
		return 0;
	}
	(void)itr_run_key(p >= 0 ? name + strlen(prefixes[p].prefix) : name, c->key);
	if (p >= 0) {
		c->kind = prefixes[p].kind;
		bool ok = c->kind != ITR_COLUMN_ATTRIBUTE && any_has(rs, c);
		static const itr_runs none;
		return ok ? 0 : unknown(c, false, rs ? rs : &none, err);
	}
	for (int kind = ITR_COLUMN_METRIC; kind <= ITR_COLUMN_PARAM; kind++) {
		c->kind = (itr_column_kind)kind;
		if (any_has(rs, c))
			return 0;
	}
	c->kind = ITR_COLUMN_METRIC;
	return unknown(c, true, rs, err);
}

/* --- values --------------------------------------------------------------------------------------------------------------------------- */

static const char *attribute_string(const itr_run_info *r, const char *key)
{
	return !strcmp(key, "id")              ? r->id
	       : !strcmp(key, "name")          ? r->name
	       : !strcmp(key, "experiment")    ? r->experiment
	       : !strcmp(key, "experiment_id") ? r->experiment_id
	       : !strcmp(key, "user")          ? r->user
	       : !strcmp(key, "source")        ? r->source
	       : !strcmp(key, "parent")        ? r->parent
	       : !strcmp(key, "note")          ? r->note
	       : !strcmp(key, "status")        ? itr_run_status_name(r->status)
	                                       : NULL;
}

bool itr_column_number(const itr_run_info *r, const itr_column *c, double *v)
{
	const itr_run_value *m = c->kind == ITR_COLUMN_METRIC ? metric(r, c->key) : NULL;
	if (m) {
		*v = m->value;
		return !isnan(m->value);
	}
	if (c->kind == ITR_COLUMN_PARAM || c->kind == ITR_COLUMN_TAG) {
		const char *text = c->kind == ITR_COLUMN_PARAM ? pair(r->params, r->n_params, c->key) : pair(r->tags, r->n_tags, c->key);
		char *end = NULL;
		*v = text ? strtod(text, &end) : 0;
		return text && end != text && !*end;
	}
	if (c->kind == ITR_COLUMN_METRIC)
		return false;
	if (!strcmp(c->key, "start"))
		*v = (double)r->start;
	else if (!strcmp(c->key, "end"))
		*v = (double)r->end;
	else if (!strcmp(c->key, "duration"))
		*v = (double)(r->end - r->start) / 1000;
	else
		return false;
	return !strcmp(c->key, "start") ? r->start > 0 : r->end > 0;
}

bool itr_column_text(const itr_run_info *r, const itr_column *c, int digits, itr_buf *out)
{
	const itr_run_value *m = c->kind == ITR_COLUMN_METRIC ? metric(r, c->key) : NULL;
	const char *text = c->kind == ITR_COLUMN_PARAM       ? pair(r->params, r->n_params, c->key)
	                   : c->kind == ITR_COLUMN_TAG       ? pair(r->tags, r->n_tags, c->key)
	                   : c->kind == ITR_COLUMN_ATTRIBUTE ? attribute_string(r, c->key)
	                                                     : NULL;
	char room[64];
	double v;
	if (m) {
		for (int d = digits ? digits : 15; d <= (digits ? digits : 17); d++) {
			snprintf(room, sizeof room, "%.*g", d, m->value);
			if (strtod(room, NULL) == m->value)
				break;
		}
	} else if (text) {
		itr_buf_puts(out, text);
		return true;
	} else if (c->kind == ITR_COLUMN_ATTRIBUTE && itr_column_number(r, c, &v)) {
		if (!strcmp(c->key, "duration"))
			itr_format_seconds(v, room);
		else
			itr_clock_iso8601((int64_t)v, room);
	} else {
		return false;
	}
	itr_buf_puts(out, room);
	return true;
}

/* --- order ---------------------------------------------------------------------------------------------------------------------------- */

struct keyed { itr_run_info run; bool has, is_number; double number; itr_buf text; int64_t at; int sign; };

static int compare_keyed(const void *a, const void *b)
{
	const struct keyed *x = a, *y = b;
	int order = 0;
	if (x->has != y->has)
		return x->has ? -1 : 1;
	if (x->has && x->is_number != y->is_number)
		return x->is_number ? -1 : 1;
	if (x->has)
		order = x->is_number ? (x->number > y->number) - (x->number < y->number)
		                     : strcmp(itr_buf_str(&x->text), itr_buf_str(&y->text));
	return order ? order * x->sign : (x->at > y->at) - (x->at < y->at);
}

void itr_runs_sort(itr_runs *rs, const itr_column *c, bool descending)
{
	struct keyed *k = itr_xcalloc((size_t)rs->n + 1, sizeof *k);
	for (int64_t i = 0; i < rs->n; i++) {
		k[i].run = rs->v[i];
		k[i].at = i;
		k[i].sign = descending ? -1 : 1;
		k[i].is_number = itr_column_number(&rs->v[i], c, &k[i].number);
		k[i].has = k[i].is_number || (c->kind != ITR_COLUMN_METRIC && itr_column_text(&rs->v[i], c, 0, &k[i].text));
	}
	qsort(k, (size_t)rs->n, sizeof *k, compare_keyed);
	for (int64_t i = 0; i < rs->n; i++) {
		rs->v[i] = k[i].run;
		itr_buf_free(&k[i].text);
	}
	free(k);
}
