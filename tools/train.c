/* train - fit a model to stored text and image vectors: closed forms in seconds, networks by steps. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/saved_options.h"
#include "cli/progress.h"
#include "options/train.h"
#include "tensor/rows.h"
#include "track/run.h"
#include "train/network.h"
#include "train/recipe.h"
#include "train/report.h"

static const char *const examples[] = {
	"{train} --model cca features.h5 -o cca.h5",
	"{train} --model cca --dims 128 --regularization 0.01,0.1,1 features.h5 -o cca.h5",
	"{train} --model residual-mlp train.npz --epochs 2 --batch-size 256 --lr 1e-4 --seed 42 -o model.h5 --json",
	"{train} --model heads --finetune image --image-encoder mobilenet-v3-small data/scenes/manifest.jsonl -o m.h5",
	"{train} --resume model.ckpt.h5",
	NULL
};

struct training {
	itr_tool *t;
	itr_train_options *o;
	itr_progress *progress;
	itr_embeddings *d;              /* of stored vectors, or of tuning */
	itr_embeddings stored;
	itr_finetune tuned;
	double sizes[3], started, read_seconds;
};

static const itr_tool_desc train_tool = {
	.name = "train",
	.purpose = "fit a model to stored text and image vectors",
	.synopsis = "{train} [options] --model NAME FEATURES -o MODEL\n"
		    "       {train} --model heads --finetune image|text|all [options] MANIFEST.jsonl -o MODEL\n"
		    "       {train} --resume CHECKPOINT",
	.options = itr_train_option_table,
	.groups = itr_train_option_groups,
	.max_args = 1,
	.flags = ITR_TOOL_OUTPUT,
	.examples = examples,
	.see_also = "{extract-features}(1), {evaluate}(1), {predict}(1), {runs}(1)",
	.complete = itr_train_options_complete,
};

/* --- closed forms --------------------------------------------------------------------------------------------------------------------- */

static void tried(void *ctx, double r, const double value[ITR_VAL_COUNT], int64_t step)
{
	struct training *w = ctx;
	itr_tool_metric(w->t, "regularization", r, step);
	for (int i = ITR_VAL_COSINE; i < ITR_VAL_COUNT && !isnan(value[ITR_VAL_MEAN_R10]); i++)
		itr_tool_metric(w->t, itr_val_metrics[i].name, value[i], step);
	itr_progress_add(w->progress, 1);
}

/* The report as JSON, or NULL with t->err. */
static itr_json *fit_closed(struct training *w)
{
	itr_tool *t = w->t;
	const itr_train_options *o = w->o;
	itr_closed_report r;
	itr_closed_opts c = {
		.kind = itr_model_find(o->model, NULL),
		.sizes = { w->sizes[0], w->sizes[1], w->sizes[2] },
		.seed = t->seed,
		.monitor = ITR_VAL_MEAN_R10,
		.threads = t->threads,
		.stop = &itr_interrupted,
		.tried = tried,
		.ctx = w,
		.options = o->model_options,
	};
	itr_json *j = NULL;
	w->progress = itr_progress_begin(t, "fit", "fits", 0);
	itr_closed *p = itr_train_closed(w->d, &c, &r, &t->err);
	itr_progress_end(w->progress);
	if (p && itr_closed_save(p, t->output, t->provenance, &t->err) == 0) {
		itr_tool_metric(t, "best_regularization", p->regularization, 0);
		itr_info("%s, %lld dimensions, regularization %g, from %lld captions of %lld images", p->method, (long long)p->dim,
		         p->regularization, (long long)r.train_texts, (long long)r.train_images);
		j = itr_closed_json(p, &r);
		itr_json_add_str(j, "output", t->output);
	}
	itr_closed_free(p);
	return j;
}

/* --- networks ------------------------------------------------------------------------------------------------------------------------- */

static void on_metric(void *ctx, const char *key, double value, int64_t step)
{
	itr_tool_metric(((struct training *)ctx)->t, key, value, step);
}

static void on_progress(void *ctx, int64_t samples, double loss, double lr)
{
	struct training *w = ctx;
	itr_progress_note(w->progress, "loss %.4f, lr %.2g", loss, lr);
	itr_progress_add(w->progress, samples);
}

static itr_json *fit_network(struct training *w)
{
	itr_tool *t = w->t;
	itr_train_options *o = w->o;
	itr_network_job job = {
		.model = o->model,
		.config = o->config,
		.built = w->tuned.model,
		.max_failed = o->tune.max_failed,
		.opts = itr_train_options_loop(o, t),
		.data = w->d,
		.sizes = { w->sizes[0], w->sizes[1], w->sizes[2] },
		.output = t->output,
		.resume = o->resume,
		.provenance = t->provenance,
		.started = w->started,
		.read_seconds = w->read_seconds,
		.info = itr_tool_options(t),
		.hooks = { .ctx = w, .metric = on_metric, .progress = on_progress, .stop = &itr_interrupted },
	};
	job.opts.set = w->tuned.model ? &w->tuned.set : NULL;
	w->progress = itr_progress_begin(t, "train", "pairs", itr_network_samples(&job));
	itr_json *j = itr_network_fit(&job, &t->err);
	itr_progress_end(w->progress);
	itr_json_free(job.info);
	for (const itr_json *a = itr_json_first(itr_json_get(j, "artifacts")); a; a = itr_json_next(a))
		itr_tool_artifact(t, itr_json_str(a, ""));
	return j;
}

/* --- verdict -------------------------------------------------------------------------------------------------------------------------- */

static int load_stored(struct training *w)
{
	itr_tool *t = w->t;
	itr_provenance_input_begin(t->provenance, t->args[0]);          /* hashed while it is read */
	if (itr_network_data(&w->stored, t->args[0], w->o->split_sizes, &w->o->rule, t->seed, t->threads, w->sizes, &t->err) < 0)
		return -1;
	itr_provenance_input_end(t->provenance);
	w->d = &w->stored;
	const int64_t zeros = w->d->side[ITR_TEXT].zero_rows + w->d->side[ITR_IMAGE].zero_rows;
	if (zeros)
		itr_warn("%lld rows of '%s' are zero", (long long)zeros, t->args[0]);
	if (itr_row_table_is_leaky(&w->d->table))
		itr_warn("split by caption: the same images are in several parts, so val and test figures are leaky");
	return 0;
}

static int load_manifest(struct training *w)
{
	itr_tool *t = w->t;
	const itr_finetune_opts f = itr_train_options_towers(w->o, t);
	itr_provenance_input(t->provenance, t->args[0]);
	for (int side = 0; side < 2; side++)
		if (f.weights[side])
			itr_provenance_input(t->provenance, f.weights[side]);
	if (itr_finetune_open(&w->tuned, t->args[0], w->o->model, &w->o->config, &f, &t->err) < 0 ||
	    itr_finetune_check_batches(&w->tuned, w->o->net.batch_size, w->o->net.cache_chunk, &t->err) < 0)
		return -1;
	memcpy(w->sizes, w->tuned.sizes, sizeof w->sizes);
	w->d = &w->tuned.data;
	return 0;
}

static int load(struct training *w)
{
	const double began = itr_clock_now();
	if ((w->o->finetune ? load_manifest(w) : load_stored(w)) < 0)
		return -1;
	const itr_embeddings *d = w->d;
	if (d->side[ITR_TEXT].rows && itr_rows_alike(d->side[ITR_TEXT].rows, d->table.n[ITR_TEXT], d->side[ITR_TEXT].dim))
		itr_warn("the text vectors of '%s' are all (nearly) the same: nothing can be learned from them", w->t->args[0]);
	if (d->side[ITR_IMAGE].rows && itr_rows_alike(d->side[ITR_IMAGE].rows, d->table.n[ITR_IMAGE], d->side[ITR_IMAGE].dim))
		itr_warn("the image vectors of '%s' are all (nearly) the same: nothing can be learned from them", w->t->args[0]);
	w->read_seconds = itr_clock_now() - began;
	if (w->d->table.synthetic)
		itr_provenance_set_synthetic(w->t->provenance);
	return 0;
}

static int check_gradients(itr_tool *t)
{
	itr_buf table = ITR_BUF_INIT;
	const int failed = itr_check_gradients(&table, t->seed, t->threads);
	fputs(itr_buf_str(&table), t->out);
	itr_buf_free(&table);
	if (failed)
		itr_error("%d ops fail", failed);
	return itr_tool_end(t, !failed);
}

/* What the report says, for people and programs: the exit code. It may be about a training that has given no model, with t->err. Frees j.
 */
static int conclude(itr_tool *t, itr_json *j)
{
	const itr_json *final = itr_json_get(j, "final");
	const char *output = itr_json_str(itr_json_get(j, "output"), NULL),
		   *synthetic = itr_provenance_synthetic(t->provenance) ? " (synthetic data)" : "";
	const double t2i = itr_json_num(itr_json_get(final, "val_t2i_recall_at_10"), NAN),
		     i2t = itr_json_num(itr_json_get(final, "val_i2t_recall_at_10"), NAN);
	if (!t->err.set && isnan(t2i))
		itr_info("no val part to evaluate on%s -> %s", synthetic, output);
	else if (!t->err.set)
		itr_info("val: t2i recall@10 %.4f, i2t recall@10 %.4f%s -> %s", t2i, i2t, synthetic, output);
	if (t->json) {
		itr_json_add_str(j, "run_id", t->run ? itr_run_id(t->run) : NULL);
		itr_json_add_bool(j, "synthetic", itr_provenance_synthetic(t->provenance));
		itr_tool_print_json(t, j);
	} else {
		itr_json_free(j);
	}
	return t->err.set ? itr_tool_fail(t) : itr_tool_end(t, true);
}

int main(int argc, char **argv)
{
	const double started = itr_clock_now();
	itr_train_options o;
	itr_train_options_init(&o);
	itr_tool *t = itr_tool_begin(&train_tool, &o, argc, argv);
	struct training w = { .t = t, .o = &o, .started = started };
	itr_memory_return_large();
	if (o.check_grad)
		return check_gradients(t);
	itr_json *j = NULL;
	int rc = o.resume ? 0 : itr_tool_check_output(t, true);
	if (rc == 0 && !o.resume && !t->force && itr_recipe_find(o.model, false))
		rc = itr_network_check_fresh(t->output, &t->err);
	if (rc == 0 && load(&w) == 0)
		j = itr_recipe_find(o.model, false) ? fit_network(&w) : fit_closed(&w);
	itr_embeddings_free(&w.stored);
	itr_finetune_free(&w.tuned);
	return j ? conclude(t, j) : itr_tool_fail(t);
}
