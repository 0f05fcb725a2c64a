#include "train/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/gradcheck.h"
#include "base/clock.h"
#include "base/mem.h"
#include "plot/plot.h"

/* --- closed forms --------------------------------------------------------------------------------------------------------------------- */

static void values_json(itr_json *object, const double value[ITR_VAL_COUNT])
{
	for (int i = ITR_VAL_COSINE; i < ITR_VAL_COUNT; i++)
		if (!isnan(value[i]))
			itr_json_add_num(object, itr_val_metrics[i].name, value[i]);
}

itr_json *itr_closed_json(const itr_closed *p, const itr_closed_report *r)
{
	itr_json *j = itr_json_object(), *trials, *best;
	itr_json_add_str(j, "model", p->method);
	itr_json_add_int(j, "dim", p->dim);
	itr_json_add_int(j, "train_texts", r->train_texts);
	itr_json_add_int(j, "train_images", r->train_images);
	itr_json_add_int(j, "val_texts", r->val_texts);
	itr_json_add_int(j, "val_images", r->val_images);
	values_json(itr_json_add_object(j, "final"), r->value[r->best]);
	best = itr_json_add_object(j, "best");
	itr_json_add_num(best, "regularization", p->regularization);
	if (p->lambda > 0)
		itr_json_add_num(best, "lambda", p->lambda);
	trials = itr_json_add_array(j, "trials");
	for (int64_t i = 0; i < r->n_trials; i++) {
		itr_json *one = itr_json_push(trials, itr_json_object());
		itr_json_add_num(one, "regularization", r->r[i]);
		values_json(one, r->value[i]);
	}
	itr_json_add_bool(j, "synthetic", p->synthetic);
	return j;
}

/* --- networks ------------------------------------------------------------------------------------------------------------------------- */

static int64_t trained(const itr_params *p)
{
	int64_t n = 0;
	for (int64_t i = 0; i < itr_params_count(p); i++)
		n += itr_params_at(p, i)->frozen ? 0 : itr_params_at(p, i)->count;
	return n;
}

itr_json *itr_network_json(const itr_model *m, const itr_train_opts *o, const itr_train_report *r, itr_train_end end)
{
	itr_json *j = itr_json_object(), *final, *best;
	itr_json_add_str(j, "model", m->ops->name);
	itr_json_add_int(j, "dim", itr_model_embed_dim(m));
	itr_json_add_int(j, "parameters", itr_params_elements(m->params));
	itr_json_add_int(j, "trained_parameters", trained(m->params));
	final = itr_json_add_object(j, "final");
	for (int i = 0; i < r->n_metrics; i++)
		if (isfinite(r->value[i]))
			itr_json_add_num(final, r->metric[i], r->value[i]);
	if (m->log_scale)
		itr_json_add_num(final, "temperature", itr_model_temperature(m));
	best = r->best_epoch ? itr_json_add_object(j, "best") : NULL;
	if (best) {
		itr_json_add_int(best, "epoch", r->best_epoch);
		itr_json_add_str(best, "metric", o->monitor);
		itr_json_add_num(best, "value", r->best_value);
	} else {
		itr_json_add(j, "best", itr_json_new_null());
	}
	if (r->diverged)
		itr_json_add_bool(j, "diverged", true);
	itr_json_add_str(j, "loss", o->loss);
	itr_json_add_int(j, "batch_size", o->batch_size);
	itr_json_add_int(j, "val_batch", o->val_batch);
	itr_json_add_int(j, "epochs", r->epochs);
	itr_json_add_int(j, "steps", r->steps);
	itr_json_add_bool(j, "stopped_early", end == ITR_TRAIN_EARLY);
	itr_json_add_num(j, "samples_per_second", r->samples_per_second);
	itr_json_add_num(j, "loader_wait_share", r->wait_share);
	itr_json_add_num(j, "gflops", r->gflops);
	/* activations and gradients alone: what --batch-size, --grad-cache and --gradient-checkpointing change */
	itr_json_add_num(j, "tape_mb", (double)r->tape_bytes / 1e6);
	itr_json_add_num(j, "peak_rss_mb", itr_peak_rss_mb());
	return j;
}

static int metric_index(const itr_train_report *r, const char *name)
{
	int i = 0;
	while (i < r->n_metrics && strcmp(r->metric[i], name))
		i++;
	return i;
}

/* Epochs are counted: ticks at whole numbers, ten at most. */
static void epoch_ticks(itr_panel *p, int64_t epochs)
{
	double at[10];
	int64_t step = 1, n = 0;
	for (int k = 0; (epochs + step - 1) / step > 9; k++)
		step = k % 3 == 1 ? step / 2 * 5 : step * 2;            /* 1, 2, 5, 10, 20, 50 ... */
	for (int64_t e = step == 1 ? 1 : step; e <= epochs && n < ITR_LEN(at); e += step)
		at[n++] = (double)e;
	itr_panel_x_ticks(p, n, at);
}

int itr_learning_curve(const char *png, const itr_train_opts *o, const itr_train_report *r, const char *title, itr_err *err)
{
	static const struct { int panel; const char *metric, *name;
	} lines[] = {
		{ 0, "train_loss", "train" },
		{ 0, "val_loss", "val" },
		{ 1, "val_t2i_recall_at_10", "text to image" },
		{ 1, "val_i2t_recall_at_10", "image to text" },
	};
	const int64_t n = r->epochs, k = r->n_metrics;
	double *x = itr_xmalloc((size_t)(n + 1) * sizeof *x), *y = itr_xmalloc((size_t)(n + 1) * sizeof *y);
	itr_figure *f = itr_figure_new(png, 1, 2, title);
	itr_panel *panel[2];
	char *label = itr_xasprintf("%s (batch %lld, val %lld)", o->loss, (long long)o->batch_size, (long long)o->val_batch);
	panel[0] = itr_figure_panel(f, "loss", "epoch", label);
	panel[1] = itr_figure_panel(f, "retrieval on the val part", "epoch", "Recall@10");
	for (int l = 0; l < ITR_LEN(lines); l++) {
		bool any = false;
		for (int64_t i = 0; i < n; i++) {
			x[i] = (double)(i + 1);
			y[i] = r->history[i * k + metric_index(r, lines[l].metric)];
			any |= !isnan(y[i]);
		}
		if (any)
			itr_panel_line(panel[lines[l].panel], lines[l].name, n, x, y, NULL, NULL);
	}
	itr_panel_y_range(panel[1], 0, 1);
	for (int side = 0; side < 2; side++)
		epoch_ticks(panel[side], n);
	free(label);
	free(x);
	free(y);
	return itr_figure_render(f, err);
}

/* --- --check-grad --------------------------------------------------------------------------------------------------------------------- */

int itr_check_gradients(itr_buf *out, uint64_t seed, int threads)
{
	int failed = 0;
	itr_buf_printf(out, "%-14s %5s  %-22s %-20s %-20s\n", "op", "cases", "gradient (bound 1e-6)", "float out (1e-5)",
	               "float grad (1e-5)");
	for (const itr_op *const *op = itr_ops; *op; op++) {
		const itr_gradcheck_result r = itr_gradcheck(*op, seed, threads);
		const bool ok = r.cases > 0 && r.difference_error <= ITR_GRADCHECK_DIFFERENCE && r.forward_error <= ITR_GRADCHECK_FLOAT &&
		                r.backward_error <= ITR_GRADCHECK_FLOAT;
		failed += !ok;
		itr_buf_printf(out, "%-14s %5d  %-22.2e %-20.2e %-20.2e %s\n", (*op)->name, r.cases, r.difference_error, r.forward_error,
		               r.backward_error, ok ? "ok" : "WRONG");
	}
	return failed;
}
