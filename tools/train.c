/* train - fit a model to stored text and image vectors: closed forms in seconds, networks by steps. */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/progress.h"
#include "cli/saved_options.h"
#include "track/run.h"
#include "train/checkpoint.h"
#include "train/closed.h"
#include "train/data.h"
#include "train/network.h"
#include "train/recipe.h"
#include "train/report.h"

struct opt {
	const char *model, *resume;
	int finetune;
	bool check_grad;
	itr_train_options train;
};

static const itr_option options[] = {
	ITR_OPT_NAME("model", 'm', struct opt, model, itr_model_names, "model to fit: a network, or a closed form"),
	ITR_OPT_STR("resume", 0, struct opt, resume, "FILE",
	            "resume from a checkpoint; it contains all options and the paths of data and output"),
	ITR_OPT_ENUM("finetune", 0, struct opt, finetune, itr_finetune_names,
	             "towers to train; the vectors of the other modality are computed once, at the start"),
	ITR_OPT_BOOL("check-grad", 0, struct opt, check_grad,
	             "check the gradient of every op by finite differences and print the table; no training"),
	ITR_OPT_HEADING("Split (used if the input has none):"),
	ITR_OPT_STR("split-sizes", 0, struct opt, train.split_sizes, "T/V/T", "shares of train, val and test where the input has no split"),
	ITR_OPT_STR("split-by", 0, struct opt, train.split_by, "RULE",
	            "unit of that split: image, label, group:FILE (CSV: id,group); caption puts one image into several parts (leaky)"),
	ITR_OPT_END
};

static const char *const examples[] = {
	"{train} --model cca features.h5 -o cca.h5",
	"{train} --model cca --dims 128 --regularization 0.01,0.1,1 features.h5 -o cca.h5",
	"{train} --model residual-mlp train.npz --epochs 2 --batch-size 256 --lr 1e-4 --seed 42 -o model.h5 --json",
	"{train} --model heads --finetune image --image-encoder mobilenet-v3-small data/scenes/manifest.jsonl -o m.h5",
	"{train} --resume model.ckpt.h5",
	NULL
};

/* --- options -------------------------------------------------------------------------------------------------------------------------- */

static itr_option_group *groups(void *opt) { return itr_train_options_groups(&((struct opt *)opt)->train); }
static bool is_given(void *t, const char *option) { return itr_tool_given(t, option); }

static int wrong(itr_tool *t, const char *format, const char *name)
{
	itr_err_set(&t->err, format, name);
	return ITR_EXIT_USAGE;
}

/* Every option that was not given is the checkpoint's. */
static int resume(itr_tool *t, const struct opt *o)
{
	static const char *const loose[] = { "resume", "checkpoint-minutes", "max-memory", NULL };
	itr_json *info = itr_checkpoint_info(o->resume, &t->err);
	const int rc = info ? itr_tool_adopt(t, info, o->resume, loose) : -1;
	itr_json_free(info);
	return rc;
}

static int complete(itr_tool *t, void *opt)
{
	struct opt *o = opt;
	if (o->check_grad) {
		itr_train_options_use_all(&o->train);
		return t->n_args ? wrong(t, "--check-grad takes no input ('%s')", t->args[0]) : 0;
	}
	if (o->resume && resume(t, o) < 0)
		return ITR_EXIT_FAIL;
	if (o->model && !o->finetune && t->n_args && itr_manifest_is(t->args[0]))
		return wrong(t,
		             "'%s' is a manifest: {extract-features} makes the vectors to train on, '--model heads --finetune image', text "
		             "or all trains towers on it",
		             t->args[0]);
	const itr_train_choice c = { o->model, o->finetune, o->resume, is_given, t };
	if (itr_train_options_use(&o->train, &c, &t->err) < 0)
		return ITR_EXIT_USAGE;
	if (!t->n_args || !t->output)
		return wrong(t, "%s", t->n_args ? "say where the result goes: -o FILE" : "what to work on is missing");
	o->train.loop.seed = o->train.towers.seed = t->seed;
	o->train.loop.threads = o->train.towers.threads = t->threads;
	o->train.towers.stop = &itr_interrupted;
	return 0;
}

static const itr_tool_desc train_tool = {
	.name = "train",
	.purpose = "fit a model to stored text and image vectors",
	.synopsis = "{train} [options] --model NAME FEATURES -o MODEL\n"
		    "       {train} --model heads --finetune image|text|all [options] MANIFEST.jsonl -o MODEL\n"
		    "       {train} --resume CHECKPOINT",
	.options = options,
	.groups = groups,
	.max_args = 1,
	.flags = ITR_TOOL_OUTPUT,
	.examples = examples,
	.see_also = "{extract-features}(1), {evaluate}(1), {predict}(1), {runs}(1)",
	.complete = complete,
};

struct training {
	itr_tool *t;
	struct opt *o;
	itr_progress *progress;
	itr_train_data data;
	double started;
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
	itr_closed_opts c = { .kind = itr_model_find(w->o->model, NULL),
		              .options = w->o->train.model_options,
		              .seed = t->seed,
		              .monitor = ITR_VAL_MEAN_R10,
		              .threads = t->threads,
		              .stop = &itr_interrupted,
		              .tried = tried,
		              .ctx = w };
	memcpy(c.sizes, w->data.sizes, sizeof c.sizes);
	w->progress = itr_progress_begin(t, "fit", "fits", 0);
	itr_json *j = itr_train_closed_file(w->data.d, &c, t->output, t->provenance, &t->err);
	itr_progress_end(w->progress);
	if (j)
		itr_tool_metric(t, "best_regularization", itr_json_num(itr_json_path(j, "best.regularization"), NAN), 0);
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
	const itr_train_options *o = &w->o->train;
	itr_network_job job = {
		.model = w->o->model,
		.config = itr_train_options_model(o),
		.built = w->data.tuned.model,
		.max_failed = o->towers.max_failed,
		.opts = itr_train_options_loop(o),
		.data = w->data.d,
		.output = t->output,
		.resume = w->o->resume,
		.provenance = t->provenance,
		.started = w->started,
		.read_seconds = w->data.read_seconds,
		.info = itr_tool_options(t),
		.hooks = { .ctx = w, .metric = on_metric, .progress = on_progress, .stop = &itr_interrupted },
	};
	memcpy(job.sizes, w->data.sizes, sizeof job.sizes);
	job.opts.set = job.built ? &w->data.tuned.set : NULL;
	w->progress = itr_progress_begin(t, "train", "pairs", itr_network_samples(&job));
	itr_json *j = itr_network_fit(&job, &t->err);
	itr_progress_end(w->progress);
	itr_json_free(job.info);
	for (const itr_json *a = itr_json_first(itr_json_get(j, "artifacts")); a; a = itr_json_next(a))
		itr_tool_artifact(t, itr_json_str(a, ""));
	return j;
}

/* --- verdict -------------------------------------------------------------------------------------------------------------------------- */

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
	struct opt o = { .model = NULL };
	struct training w = { .o = &o, .started = itr_clock_now() };
	itr_train_options_init(&o.train);
	itr_tool *t = w.t = itr_tool_begin(&train_tool, &o, argc, argv);
	itr_memory_return_large();
	if (o.check_grad)
		return check_gradients(t);
	const bool network = itr_recipe_find(o.model, false);
	itr_json *j = NULL;
	int rc = o.resume ? 0 : itr_tool_check_output(t, true);
	if (rc == 0 && !o.resume && !t->force && network)
		rc = itr_network_check_fresh(t->output, &t->err);
	if (rc == 0 && itr_train_data_open(&w.data, t->args[0], o.model, o.finetune, &o.train, t->provenance, &t->err) == 0)
		j = network ? fit_network(&w) : fit_closed(&w);
	itr_train_data_free(&w.data);
	return j ? conclude(t, j) : itr_tool_fail(t);
}
