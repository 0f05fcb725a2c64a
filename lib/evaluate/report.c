/* An evaluation as JSON and as a table. */
#include <math.h>
#include <stdio.h>

#include "io/table.h"
#include "evaluate/evaluate.h"

static void add_interval(itr_json *object, const char *key, itr_interval i)
{
	itr_json *pair = itr_json_add_array(object, key);
	itr_json_push(pair, itr_json_new_num(i.low));
	itr_json_push(pair, itr_json_new_num(i.high));
}

static void counts_json(itr_json *j, const itr_eval_side *s)
{
	itr_json_add_int(j, "missing", s->missing);
	itr_json_add_int(j, "no_positive", s->no_positive);
	itr_json_add_int(j, "unjudged", s->unnamed);
}

static const char *missing_name(const itr_eval *e) { return e->rules.skip_missing ? "skip" : "zero"; }

itr_json *itr_eval_rules_json(const itr_eval *e)
{
	itr_json *j = itr_json_object();
	itr_json_add_str(j, "conventions", itr_conventions_names[e->rules.conventions]);
	itr_json_add_str(j, "gain", itr_gain_names[e->rules.gain]);
	itr_json_add_str(j, "missing_queries", missing_name(e));
	for (int d = 0; d < 2; d++)
		if (e->side[d].values)
			counts_json(itr_json_add_object(j, itr_direction_names[d]), &e->side[d]);
	return j;
}

static void side_json(itr_json *root, const char *name, const itr_eval *e, const itr_eval_side *s)
{
	if (!s->values || s->values->n == 0) {
		itr_json_add(root, name, itr_json_new_null());
		return;
	}
	itr_json *j = itr_json_add_object(root, name);
	for (int i = 0; i < e->set.n; i++)
		itr_json_add_num(j, e->set.m[i].key, s->result.value[i]);
	itr_json_add_int(j, "n_queries", s->result.n_queries);
	itr_json_add_int(j, "n_gallery", s->result.n_gallery);
	itr_json_add_num(j, "tie_fraction", s->result.tie_fraction);
	if (e->named)
		counts_json(j, s);
	itr_json *chance = itr_json_add_object(j, "chance"), *ci = itr_json_add_object(j, "ci95");
	for (int i = 0; i < e->set.n; i++) {
		itr_json_add_num(chance, e->set.m[i].key, s->result.chance[i]);
		if (!isnan(s->ci[i].low))
			add_interval(ci, e->set.m[i].key, s->ci[i]);
	}
}

itr_json *itr_eval_json(const itr_eval *e)
{
	const itr_row_table *t = &e->data->table;
	const itr_qrels *q = e->qrels;
	itr_json *j = itr_json_object();
	for (int d = 0; d < 2; d++)
		side_json(j, itr_direction_names[d], e, &e->side[d]);
	itr_json_add_num(j, "rsum", e->rsum);
	if (!isnan(e->rsum_ci.low))
		add_interval(j, "rsum_ci95", e->rsum_ci);
	itr_json_add_str(j, "ties", itr_ties_text(e->ties, e->rules.conventions));
	itr_json_add_str(j, "conventions", itr_conventions_names[e->rules.conventions]);
	if (e->named) {
		itr_json_add_str(j, "gain", itr_gain_names[e->rules.gain]);
		itr_json_add_bool(j, "graded", e->graded);
		itr_json_add_str(j, "missing_queries", missing_name(e));
	}
	itr_json *options = itr_metric_options_json(&e->set);
	if (options)
		itr_json_add(j, "metric_options", options);
	itr_json_add_str(j, "protocol", e->protocol);
	itr_json_add_str(j, "relevance", q->source);
	if (q->exclude) {
		itr_json *x = itr_json_add_object(j, "excluded");
		itr_json_add_str(x, "by", q->exclude);
		for (int d = 0; d < 2; d++)
			itr_json_add_int(x, itr_direction_names[d], q->exclusions[d]);
	}
	itr_json_add_int(j, "n_texts", t->n[ITR_TEXT]);
	itr_json_add_int(j, "n_images", t->n[ITR_IMAGE]);
	if (e->data->side[ITR_TEXT].dim)
		itr_json_add_int(j, "dim", e->data->side[ITR_TEXT].dim);
	if (q->captions_file)
		itr_json_add_int(j, "equal_captions", q->equal_captions);
	itr_json_add(j, "warnings", itr_json_copy(e->warnings));
	itr_json_add_bool(j, "synthetic", t->synthetic);
	return j;
}

static void side_cells(itr_table *t, const itr_eval *e, const itr_eval_side *s, int i, bool machine)
{
	int digits = e->set.m[i].metric->rank && !machine ? 1 : machine ? 6 : 4;
	if (!s->values || s->values->n == 0) {
		for (int k = 0; k < (machine ? 4 : 3); k++)
			itr_table_cell(t, "");
		return;
	}
	if (isnan(s->result.value[i]))
		itr_table_cell(t, "");
	else
		itr_table_cellf(t, "%.*f", digits, s->result.value[i]);
	if (machine) {
		itr_table_cellf(t, "%.*f", digits, s->ci[i].low);
		itr_table_cellf(t, "%.*f", digits, s->ci[i].high);
	} else if (isnan(s->ci[i].low)) {
		itr_table_cell(t, "");
	} else {
		itr_table_cellf(t, "[%.*f, %.*f]", digits, s->ci[i].low, digits, s->ci[i].high);
	}
	itr_table_cellf(t, "%.*f", digits, s->result.chance[i]);
}

static bool computed(const itr_eval *e, const itr_metric_ops *m)
{
	for (int i = 0; i < e->set.n; i++)
		if (e->set.m[i].metric == m)
			return true;
	return false;
}

/* "; recall@K is success_K, mrr recip_rank": false where none of our metrics is one of theirs. */
static bool equivalents(const itr_eval *e, itr_buf *out)
{
	bool any = false;
	for (int i = 0; itr_metrics_table[i]; i++) {
		const itr_metric_ops *m = itr_metrics_table[i];
		const char *theirs = m->equivalent[e->rules.conventions];
		if (!theirs || !computed(e, m))
			continue;
		itr_buf_printf(out, any ? ", %s %s" : "; %s is %s", m->name, theirs);
		any = true;
	}
	return any;
}

/* The conventions, and which of our figures are which of theirs. */
static void rules_line(const itr_eval *e, itr_buf *out)
{
	static const char *const programs[] = { NULL, "trec_eval -c", "ranx" };
	itr_buf_printf(out, "conventions %s", itr_conventions_names[e->rules.conventions]);
	if (programs[e->rules.conventions] && equivalents(e, out))
		itr_buf_printf(out, " (%s)", programs[e->rules.conventions]);
	if (e->graded)
		itr_buf_printf(out, "; grades, gain %s", itr_gain_names[e->rules.gain]);
	itr_buf_putc(out, '\n');
	for (int d = 0; d < 2 && e->named; d++)
		if (e->side[d].values)
			itr_buf_printf(
				out, "%s relevance: %lld queries missing (%s), %lld without a positive (%s), %lld not in it (left out)\n",
				itr_direction_names[d], (long long)e->side[d].missing, e->rules.skip_missing ? "left out" : "count 0",
				(long long)e->side[d].no_positive, e->rules.conventions == ITR_CONVENTIONS_ITR ? "left out" : "count 0",
				(long long)e->side[d].unnamed);
}

static void heading(const itr_eval *e, itr_buf *out)
{
	const itr_row_table *t = &e->data->table;
	const itr_qrels *q = e->qrels;
	itr_buf_printf(out, "%s: %lld texts, %lld images", t->name, (long long)t->n[ITR_TEXT], (long long)t->n[ITR_IMAGE]);
	if (e->data->side[ITR_TEXT].dim)
		itr_buf_printf(out, ", %lld dimensions", (long long)e->data->side[ITR_TEXT].dim);
	itr_buf_printf(out, "; protocol %s, relevance %s, ties %s%s\n", e->protocol, q->source,
	               itr_ties_text(e->ties, e->rules.conventions), t->synthetic ? "; SYNTHETIC DATA" : "");
	if (e->named || e->rules.conventions != ITR_CONVENTIONS_ITR)
		rules_line(e, out);
	for (int d = 0; d < 2; d++) {
		const itr_metric_result *r = &e->side[d].result;
		if (e->side[d].values && e->side[d].values->n)
			itr_buf_printf(out, "%s: %lld %ss each against %lld %ss, tied %.2f %%\n", itr_direction_names[d],
			               (long long)r->n_queries, itr_modality_names[d], (long long)r->n_gallery, itr_modality_names[!d],
			               100 * r->tie_fraction);
	}
	if (q->exclude)
		itr_buf_printf(out, "exclude %s: %lld images left the galleries of texts, %lld texts those of images\n", q->exclude,
		               (long long)q->exclusions[ITR_TEXT], (long long)q->exclusions[ITR_IMAGE]);
	itr_buf_putc(out, '\n');
}

void itr_eval_table(const itr_eval *e, int format, itr_buf *out)
{
	static const char *const people[] = { "metric", "t2i", "95 % CI", "chance", "i2t", "95 % CI", "chance" };
	static const char *const machines[] = { "metric", "t2i",     "t2i_low",  "t2i_high",  "t2i_chance",
		                                "i2t",    "i2t_low", "i2t_high", "i2t_chance" };
	bool machine = format == ITR_TABLE_CSV || format == ITR_TABLE_TSV;
	itr_table *t = machine ? itr_table_new(ITR_LEN(machines), machines) : itr_table_new(ITR_LEN(people), people);
	for (int i = 0; i < e->set.n; i++) {
		itr_table_cell(t, e->set.m[i].key);
		side_cells(t, e, &e->side[ITR_TEXT], i, machine);
		side_cells(t, e, &e->side[ITR_IMAGE], i, machine);
	}
	if (format == ITR_TABLE_TEXT)
		heading(e, out);
	itr_table_print_marked(t, (itr_table_format)format, e->data->table.synthetic, out);
	itr_table_free(t);
	if (format != ITR_TABLE_TEXT)
		return;
	if (!isnan(e->rsum)) {
		itr_buf_printf(out, "\nrsum %.1f", e->rsum);
		if (!isnan(e->rsum_ci.low))
			itr_buf_printf(out, "  [%.1f, %.1f]", e->rsum_ci.low, e->rsum_ci.high);
		itr_buf_putc(out, '\n');
	}
	for (const itr_json *w = itr_json_first(e->warnings); w; w = itr_json_next(w))
		itr_buf_printf(out, "warning: %s\n", itr_json_str(w, ""));
}

void itr_eval_track(const itr_eval *e, void (*metric)(void *ctx, const char *key, double value), void *ctx)
{
	const itr_eval_side *t2i = &e->side[ITR_TEXT], *i2t = &e->side[ITR_IMAGE];
	char key[64];
	for (int i = 0; i < e->set.n; i++) {
		for (int d = 0; d < 2; d++) {
			snprintf(key, sizeof key, "%s_%s", itr_direction_names[d], e->set.m[i].key);
			if (e->side[d].values && !isnan(e->side[d].result.value[i]))
				metric(ctx, key, e->side[d].result.value[i]);
		}
		snprintf(key, sizeof key, "mean_%s", e->set.m[i].key);
		if (e->set.m[i].metric == &itr_metric_recall && t2i->values && i2t->values)
			metric(ctx, key, (t2i->result.value[i] + i2t->result.value[i]) / 2);
	}
	if (!isnan(e->rsum))
		metric(ctx, "rsum", e->rsum);
}
