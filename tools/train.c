/* train - fit a model to stored text and image vectors: closed forms in seconds, networks by steps. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "cli/keep.h"
#include "cli/progress.h"
#include "track/run.h"
#include "train/checkpoint.h"
#include "train/finetune.h"
#include "train/network.h"
#include "train/recipe.h"
#include "train/report.h"

enum { SPLIT_IMAGE, SPLIT_CAPTION };
static const char *const split_by_names[] = { "image", "caption", NULL }, *const direction_names[] = { "text-to-image", "image-to-text", NULL };
static const char *const activation_names[] = { "gelu", "relu", NULL }, *const output_names[] = { "gelu", "none", NULL }, *const precision_names[] = { "fp32", "bf16", NULL };
enum { FINETUNE_NO, FINETUNE_IMAGE, FINETUNE_TEXT, FINETUNE_ALL };
static const char *const finetune_names[] = { "no", "image", "text", "all", NULL }, *const bn_names[] = { "auto", "batch", "running", NULL };
static const char *const positives_names[] = { "diagonal", "mask", "all", NULL };

struct opt {
	const char *model, *split_sizes, *resume;
	int split_by, direction, precision, positives, activation, output_activation;
	int64_t dims;
	double power, lambda, checkpoint_minutes;
	itr_nums regularization;
	bool check_grad;
	int finetune, augment, pooling;
	double crop_scale, jitter;
	itr_finetune_opts tune;
	itr_train_opts net;
	itr_model_config config;
};

#define TOWERS "Towers trained along with heads, from a manifest's pictures and captions:"
#define NETWORKS "Networks (0, or nothing: as 'man train' says for each model):"
static const itr_option options[] = {
	ITR_OPT_STR("model", 'm', struct opt, model, "NAME", "what is fitted: cca, ridge, procrustes; mlp, residual-mlp, heads"),
	ITR_OPT_STR("resume", 0, struct opt, resume, "FILE", "go on from a checkpoint; every option, the data and the output come from it"),
	ITR_OPT_BOOL("check-grad", 0, struct opt, check_grad, "check every op's gradient by finite differences, print the table, train nothing"),
	ITR_OPT_HEADING("Which pairs (a feature store's own split wins):"),
	ITR_OPT_STR("split-sizes", 0, struct opt, split_sizes, "T/V/T", "shares of train, val and test where the input has no split"),
	ITR_OPT_ENUM("split-by", 0, struct opt, split_by, split_by_names, "what is dealt out then; 'caption' puts one image into several parts (leaky)"),
	ITR_OPT_HEADING(TOWERS),
	ITR_OPT_ENUM("finetune", 0, struct opt, finetune, finetune_names, "which towers; the other side's vectors are made once, at the start"),
	ITR_OPT_STR("image-encoder", 0, struct opt, tune.encoder[1], "NAME", "image tower, or the encoder of the side that is not trained (classic)"),
	ITR_OPT_STR("image-weights", 0, struct opt, tune.weights[1], "PATH", "its published weights; without them it begins with random ones"),
	ITR_OPT_STR("text-encoder", 0, struct opt, tune.encoder[0], "NAME", "text tower, or the encoder of the side that is not trained (hash)"),
	ITR_OPT_STR("text-weights", 0, struct opt, tune.weights[0], "PATH", "its published weights"),
	ITR_OPT_STR("vocabulary", 0, struct opt, tune.vocabulary, "FILE", "of the text tower; default: beside the weights, or the words of the training captions"),
	ITR_OPT_INT("vocabulary-size", 0, struct opt, tune.vocabulary_size, "N", "words of the training captions that are kept, the most frequent ones"),
	ITR_OPT_INT("max-tokens", 0, struct opt, tune.max_tokens, "N", "captions are cut to so many tokens; 0: what the tower takes"),
	ITR_OPT_ENUM("pooling", 0, struct opt, pooling, itr_pooling_names, "of a transformer's tokens"),
	ITR_OPT_STR("preset", 0, struct opt, tune.preset, "NAME", "preprocessing of pictures; default: what the weights were published with"),
	ITR_OPT_ENUM("augment", 0, struct opt, augment, itr_augment_names, "training pictures: mirrored; also cropped and resized; also recoloured"),
	ITR_OPT_NUM("crop-scale", 0, struct opt, crop_scale, "A", "least share of the picture's area that a random crop keeps"),
	ITR_OPT_NUM("jitter", 0, struct opt, jitter, "J", "brightness, contrast and saturation change by a factor from 1 - J to 1 + J"),
	ITR_OPT_NUM("tower-lr", 0, struct opt, tune.tower_lr, "FACTOR", "of the towers' learning rate to --lr; 0: 0.1 with published weights, 1 from scratch"),
	ITR_OPT_ENUM("bn", 0, struct opt, tune.bn, bn_names, "BatchNorm by the batch or by running statistics; auto: by the batch from scratch"),
	ITR_OPT_BOOL("freeze-bn", 0, struct opt, tune.freeze_bn, "BatchNorm's own parameters are not trained"),
	ITR_OPT_INT("max-failed", 0, struct opt, tune.max_failed, "N", "pictures that may be undecodable; they are named and left out with their captions"),
	ITR_OPT_HEADING("Closed forms:"),
	ITR_OPT_INT("dims", 'd', struct opt, dims, "D", "cca: width of the shared space, at most"),
	ITR_OPT_NUM("power", 0, struct opt, power, "P", "cca: directions are scaled by correlation^P"),
	ITR_OPT_NUMS("regularization", 'r', struct opt, regularization, "R...", "cca, ridge: candidates, relative to the mean variance; val recall@10 chooses"),
	ITR_OPT_NUM("lambda", 0, struct opt, lambda, "L", "ridge: this absolute value instead; negative: choose"),
	ITR_OPT_ENUM("direction", 0, struct opt, direction, direction_names, "ridge, procrustes: which side is mapped onto the other"),
	ITR_OPT_HEADING(NETWORKS),
	ITR_OPT_INT("epochs", 'e', struct opt, net.epochs, "N", "passes over the train part"),
	ITR_OPT_INT("batch-size", 'b', struct opt, net.batch_size, "N", "pairs a batch"),
	ITR_OPT_INT("val-batch", 0, struct opt, net.val_batch, "N", "pairs a batch of the val loss, which depends on it"),
	ITR_OPT_INT("accumulate", 0, struct opt, net.accumulate, "N", "batches a step; each has its own negatives"),
	ITR_OPT_INT("grad-cache", 0, struct opt, net.cache_chunk, "N", "embed a batch in chunks of N, all of it negatives: large batches in little memory"),
	ITR_OPT_STR("optimizer", 0, struct opt, net.optimizer, "NAME", "adam, adamw or sgd"),
	ITR_OPT_NUM("lr", 0, struct opt, net.lr, "X", "learning rate"),
	ITR_OPT_NUM("min-lr", 0, struct opt, net.min_lr, "X", "where the schedule ends"),
	ITR_OPT_NUM("weight-decay", 0, struct opt, net.weight_decay, "X", "of weights; biases, norms and the temperature are left out unless --decay-all"),
	ITR_OPT_BOOL("decay-all", 0, struct opt, net.decay_all, "decay every parameter, as PyTorch's default"),
	ITR_OPT_ENUM("schedule", 0, struct opt, net.schedule, itr_schedule_names, "how the learning rate goes on"),
	ITR_OPT_BOOL("schedule-by-epoch", 0, struct opt, net.by_epoch, "change it between epochs only"),
	ITR_OPT_INT("warmup", 0, struct opt, net.warmup, "STEPS", "steps of linear warm-up"),
	ITR_OPT_NUM("clip", 0, struct opt, net.clip, "X", "longest gradient, all parameters together; 0: as it comes"),
	ITR_OPT_NUM("ema", 0, struct opt, net.ema, "DECAY", "validate and keep a moving average of the weights; 0: none"),
	ITR_OPT_INT("patience", 0, struct opt, net.patience, "N", "stop after N epochs without a better --monitor; 0: never"),
	ITR_OPT_STR("monitor", 0, struct opt, net.monitor, "METRIC", "which model is the best: val_loss, val_cosine, val_t2i_recall_at_10, ..."),
	ITR_OPT_STR("loss", 0, struct opt, net.loss, "NAME", "infonce, cosine or mse"),
	ITR_OPT_ENUM("positives", 0, struct opt, positives, positives_names, "infonce: captions of one image in a batch: negatives, left out, or positives too"),
	ITR_OPT_BOOL("symmetric", 0, struct opt, net.symmetric, "infonce: image to text as well"),
	ITR_OPT_NUM("temperature", 0, struct opt, config.temperature, "T", "infonce"),
	ITR_OPT_BOOL("learn-temperature", 0, struct opt, config.learn_scale, "train it too, at 0.01 at least"),
	ITR_OPT_NUM("dropout", 0, struct opt, config.dropout, "P", "share of hidden values dropped"),
	ITR_OPT_INT("hidden", 0, struct opt, config.hidden, "N", "width of the hidden layer"),
	ITR_OPT_INT("embed-dim", 0, struct opt, config.embed_dim, "N", "heads: width of the shared space"),
	ITR_OPT_ENUM("activation", 0, struct opt, activation, activation_names, "mlp: of the hidden layer"),
	ITR_OPT_ENUM("output-activation", 0, struct opt, output_activation, output_names, "residual-mlp: 'none' frees the half of the space that GELU cannot reach"),
	ITR_OPT_ENUM("precision", 0, struct opt, precision, precision_names, "of matrix products; weights, sums and the rest stay fp32"),
	ITR_OPT_NUM("checkpoint-minutes", 0, struct opt, checkpoint_minutes, "M", "between checkpoints inside an epoch; every epoch ends with one"),
	ITR_OPT_INT("log-every", 0, struct opt, net.log_every, "STEPS", "between points of the per-step metrics"),
	ITR_OPT_END
};

static const char *const examples[] = {
	"train --model cca features.h5 -o cca.h5",
	"train --model cca --dims 128 --regularization 0.01,0.1,1 features.h5 -o cca.h5",
	"train --model residual-mlp train.npz --epochs 2 --batch-size 256 --lr 1e-4 --seed 42 -o model.h5 --json",
	"train --model heads --finetune image --image-encoder mobilenet-v3-small data/scenes/manifest.jsonl -o m.h5",
	"train --resume model.ckpt.h5",
	NULL
};

struct training {
	itr_tool *t;
	struct opt *o;
	itr_progress *progress;
	itr_pair_data *d;               /* of stored vectors, or of tuning */
	itr_pair_data stored;
	itr_finetune tuned;
	double sizes[3], started, read_seconds;
};

/* Options of the group under `heading` that were given: the first one's name, or NULL. */
static const char *given_under(const itr_tool *t, const char *heading)
{
	bool inside = false;
	for (const itr_option *o = options; o->type != ITR_OPT_T_END; o++)
		if (o->type == ITR_OPT_T_HEADING)
			inside = !strcmp(o->name, heading);
		else if (inside && itr_tool_given(t, o->name))
			return o->name;
	return NULL;
}

static bool is_given(void *t, const char *option) { return itr_tool_given(t, option); }

static int wrong(itr_tool *t, const char *format, const char *name)
{
	itr_err_set(&t->err, format, name);
	return ITR_EXIT_USAGE;
}

static int take_up(itr_tool *t, struct opt *o)
{
	static const char *const loose[] = { "resume", "checkpoint-minutes", NULL };
	itr_json *info = itr_checkpoint_info(o->resume, &t->err);
	const int rc = info ? itr_tool_adopt(t, o, info, o->resume, loose) : -1;
	itr_json_free(info);
	return rc < 0 ? ITR_EXIT_FAIL : 0;
}

static int check_towers(itr_tool *t, struct opt *o)
{
	itr_finetune_opts *f = &o->tune;
	f->train[0] = o->finetune == FINETUNE_TEXT || o->finetune == FINETUNE_ALL;
	f->train[1] = o->finetune == FINETUNE_IMAGE || o->finetune == FINETUNE_ALL;
	for (int side = 0; side < 2; side++)
		if (f->train[side] && !f->encoder[side])
			return wrong(t, "'--finetune' needs to know which network: --%s-encoder NAME", side ? "image" : "text");
	if (o->finetune && o->split_by == SPLIT_CAPTION)
		return wrong(t, "%s", "pictures are dealt out whole with '--finetune': no '--split-by caption'");
	if (!(o->crop_scale > 0 && o->crop_scale <= 1) || !(o->jitter >= 0 && o->jitter <= 1))
		return wrong(t, "%s", "'--crop-scale' is a share between 0 and 1, and so is '--jitter'");
	if (f->max_failed < 0 || f->max_tokens < 0 || f->max_tokens == 1 || f->tower_lr < 0 || f->vocabulary_size < 5)
		return wrong(t, "%s", "'--max-failed', '--max-tokens' (2 at least) and '--tower-lr' are not negative; '--vocabulary-size' is 5 at least");
	if (o->finetune && !itr_tool_given(t, "clip"))
		o->net.clip = 1;
	return 0;
}

/* Everything about the command line that the option table cannot say. */
static int complete(itr_tool *t, void *opt)
{
	struct opt *o = opt;
	const char *names[32], *foreign;
	const int n = itr_trainable_names(names);
	if (o->check_grad)
		return t->n_args ? wrong(t, "--check-grad takes no input ('%s')", t->args[0]) : 0;
	if (o->resume && take_up(t, o) != 0)
		return ITR_EXIT_FAIL;
	if (!o->model)
		return wrong(t, "%s", "'--model' is required: cca, ridge, procrustes, mlp, residual-mlp or heads");
	const itr_recipe *r = itr_recipe_find(o->finetune && !strcmp(o->model, "heads") ? "finetune" : o->model);
	if (!strcmp(o->model, "finetune"))
		return wrong(t, "%s", "towers are trained by '--model heads --finetune image', text or all");
	if (o->finetune && strcmp(o->model, "heads"))
		return wrong(t, "'--finetune' belongs to '--model heads', not to '%s'", o->model);
	if (!o->resume && !o->finetune && (foreign = given_under(t, TOWERS)))
		return wrong(t, "'--%s' needs '--finetune image', text or all", foreign);
	if (!o->finetune && t->n_args && itr_raw_wanted(t->args[0]))
		return wrong(t, "'%s' is a manifest: extract-features makes the vectors to train on, '--model heads --finetune image', text or all trains towers on it", t->args[0]);
	if (check_towers(t, o) != 0)
		return ITR_EXIT_USAGE;
	if (!r && !itr_linear_method_find(o->model)) {
		itr_err_set(&t->err, "unknown model '%s'; did you mean '%s'?", o->model, itr_nearest(o->model, names, n));
		return ITR_EXIT_USAGE;
	}
	if (!o->resume && (foreign = given_under(t, r ? "Closed forms:" : NETWORKS)))
		return wrong(t, r ? "'--%s' belongs to closed forms, not to networks" : "'--%s' belongs to networks, not to closed forms", foreign);
	if (!t->n_args || !t->output)
		return wrong(t, "%s", t->n_args ? "say where the result goes: -o FILE" : "what to work on is missing");
	if (o->dims < 1)
		return wrong(t, "%s", "'--dims' must be at least 1");
	for (int64_t i = 0; i < o->regularization.n; i++)
		if (!(o->regularization.v[i] >= 0) || isinf(o->regularization.v[i]))
			return wrong(t, "%s", "'--regularization' must not be negative");
	if (!r && !itr_tool_given(t, "split-sizes"))
		o->split_sizes = "0.6/0.2/0.2";
	if (r && !o->resume)
		itr_recipe_apply(r, &o->net, &o->config, &o->split_sizes, is_given, t);
	return 0;
}

static const itr_tool_desc train_tool = {
	.name = "train", .purpose = "fit a model to stored text and image vectors", .synopsis = "train [options] --model NAME FEATURES -o MODEL", .options = options,
	.max_args = 1, .flags = ITR_TOOL_OUTPUT, .examples = examples, .see_also = "extract-features(1), evaluate(1), predict(1), runs(1)", .complete = complete,
};

/* --- closed forms ------------------------------------------------------------------------------------------------------------------------ */

static void tried(void *ctx, double r, const double value[ITR_VAL_COUNT], int64_t step)
{
	struct training *w = ctx;
	itr_tool_metric(w->t, "regularization", r, step);
	for (int i = ITR_VAL_COSINE; i < ITR_VAL_COUNT && !isnan(value[ITR_VAL_MEAN_R10]); i++)
		itr_tool_metric(w->t, itr_train_metric_names[i], value[i], step);
	itr_progress_add(w->progress, 1);
}

/* The report as JSON, or NULL with t->err. */
static itr_json *fit_closed(struct training *w)
{
	itr_tool *t = w->t;
	const struct opt *o = w->o;
	itr_closed_report r;
	itr_closed_opts c = {
		.method = itr_linear_method_find(o->model), .sizes = { w->sizes[0], w->sizes[1], w->sizes[2] }, .seed = t->seed, .monitor = ITR_VAL_MEAN_R10, .threads = t->threads,
		.stop = &itr_interrupted, .tried = tried, .ctx = w,
		.linear = { .dims = o->dims, .power = o->power, .lambda = o->lambda >= 0 ? o->lambda : NAN, .image_to_text = o->direction == 1, .threads = t->threads,
		            .regularization = o->regularization.n ? o->regularization.v : NULL, .n_regularization = o->regularization.n },
	};
	itr_json *j = NULL;
	w->progress = itr_progress_begin(t, "fit", "fits", 0);
	itr_projection *p = itr_train_closed(w->d, &c, &r, &t->err);
	itr_progress_end(w->progress);
	if (p && itr_projection_save(p, t->output, t->provenance, &t->err) == 0) {
		itr_tool_metric(t, "best_regularization", p->regularization, 0);
		itr_info("%s, %lld dimensions, regularization %g, from %lld captions of %lld images", p->method, (long long)p->dim, p->regularization, (long long)r.train_texts,
		         (long long)r.train_images);
		j = itr_closed_json(p, &r);
	}
	itr_projection_free(p);
	return j;
}

/* --- networks ------------------------------------------------------------------------------------------------------------------------------ */

static void on_metric(void *ctx, const char *key, double value, int64_t step) { itr_tool_metric(((struct training *)ctx)->t, key, value, step); }

static void on_progress(void *ctx, int64_t samples, double loss, double lr)
{
	struct training *w = ctx;
	itr_progress_note(w->progress, "loss %.4f, lr %.2g", loss, lr);
	itr_progress_add(w->progress, samples);
}

static itr_json *fit_network(struct training *w)
{
	itr_tool *t = w->t;
	struct opt *o = w->o;
	itr_network_job job = {
		.model = o->model, .config = o->config, .built = w->tuned.model, .max_failed = o->tune.max_failed, .opts = o->net, .data = w->d, .sizes = { w->sizes[0], w->sizes[1], w->sizes[2] }, .output = t->output, .resume = o->resume,
		.provenance = t->provenance, .started = w->started, .read_seconds = w->read_seconds, .info = itr_tool_options(t, o),
		.hooks = { .ctx = w, .metric = on_metric, .progress = on_progress, .stop = &itr_interrupted },
	};
	job.opts.raw = w->tuned.model ? &w->tuned.raw : NULL;
	job.opts.augment = (itr_augment){ itr_augment_kinds_of(o->augment), o->crop_scale, { o->jitter, o->jitter, o->jitter } };
	job.config.relu = o->activation == 1;
	job.config.output_activation = o->output_activation == 0;
	job.opts.positives = (itr_positives)o->positives;
	job.opts.compute = o->precision ? ITR_COMPUTE_BF16 : ITR_COMPUTE_F32;
	job.opts.seed = t->seed;
	job.opts.threads = t->threads;
	job.opts.checkpoint_seconds = 60 * o->checkpoint_minutes;
	w->progress = itr_progress_begin(t, "train", "pairs", itr_network_samples(&job));
	itr_json *j = itr_network_fit(&job, &t->err);
	itr_progress_end(w->progress);
	itr_json_free(job.info);
	for (const itr_json *a = itr_json_first(itr_json_get(j, "artifacts")); a; a = itr_json_next(a))
		itr_tool_artifact(t, itr_json_str(a, ""));
	return j;
}

/* --- verdict ------------------------------------------------------------------------------------------------------------------------------- */

static int load_stored(struct training *w)
{
	itr_tool *t = w->t;
	itr_provenance_input_begin(t->provenance, t->args[0]);          /* hashed while it is read */
	if (itr_network_data(&w->stored, t->args[0], w->o->split_sizes, w->o->split_by == SPLIT_CAPTION, t->seed, t->threads, w->sizes, &t->err) < 0)
		return -1;
	itr_provenance_input_end(t->provenance);
	w->d = &w->stored;
	if (w->d->zero_rows)
		itr_warn("%lld rows of '%s' are zero", (long long)w->d->zero_rows, t->args[0]);
	if (w->d->leaky)
		itr_warn("split by caption: the same images are in several parts, so val and test figures are leaky");
	return 0;
}

static int load_raw(struct training *w)
{
	itr_tool *t = w->t;
	itr_finetune_opts f = w->o->tune;
	f.split_sizes = w->o->split_sizes;
	f.pooling = (itr_pooling)w->o->pooling;
	f.seed = t->seed;
	f.threads = t->threads;
	f.stop = &itr_interrupted;
	itr_provenance_input(t->provenance, t->args[0]);
	for (int side = 0; side < 2; side++)
		if (f.weights[side])
			itr_provenance_input(t->provenance, f.weights[side]);
	if (itr_finetune_open(&w->tuned, t->args[0], w->o->model, &w->o->config, &f, &t->err) < 0 ||
	    itr_finetune_check_batches(&w->tuned, w->o->net.batch_size, w->o->net.cache_chunk, &t->err) < 0)
		return -1;
	memcpy(w->sizes, w->tuned.sizes, sizeof w->sizes);
	w->d = &w->tuned.raw.pairs;
	return 0;
}

static int load(struct training *w)
{
	const double began = itr_clock_now();
	if ((w->o->finetune ? load_raw(w) : load_stored(w)) < 0)
		return -1;
	w->read_seconds = itr_clock_now() - began;
	if (w->d->synthetic)
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

int main(int argc, char **argv)
{
	const double started = itr_clock_now();
	struct opt o = { .dims = 512, .power = 4, .lambda = -1, .regularization = { 5, { 1e-4, 1e-3, 1e-2, 1e-1, 1 } }, .checkpoint_minutes = 10,
	                 .net = { .val_batch = 512, .accumulate = 1, .monitor = "val_loss", .log_every = 10 }, .config = { .temperature = 0.07 }, .augment = 2, .crop_scale = 0.5, .jitter = 0.2,
	                 .tune = { .vocabulary_size = 10000 } };
	itr_tool *t = itr_tool_begin(&train_tool, &o, argc, argv);
	struct training w = { .t = t, .o = &o, .started = started };
	itr_memory_return_large();
	if (o.check_grad)
		return check_gradients(t);
	itr_json *j = NULL;
	int rc = o.resume ? 0 : itr_tool_check_output(t, true);
	if (rc == 0 && !o.resume && !t->force && itr_recipe_find(o.model))
		rc = itr_network_check_fresh(t->output, &t->err);
	if (rc == 0 && load(&w) == 0)
		j = itr_recipe_find(o.model) ? fit_network(&w) : fit_closed(&w);
	itr_pair_data_free(&w.stored);
	itr_finetune_free(&w.tuned);
	if (!j)
		return itr_tool_fail(t);
	const itr_json *final = itr_json_get(j, "final");
	if (isnan(itr_json_num(itr_json_get(final, "val_t2i_recall_at_10"), NAN)))
		itr_info("no val part to judge by%s -> %s", itr_provenance_synthetic(t->provenance) ? " (synthetic data)" : "", t->output);
	else
		itr_info("val: t2i recall@10 %.4f, i2t recall@10 %.4f%s -> %s", itr_json_num(itr_json_get(final, "val_t2i_recall_at_10"), NAN),
	         itr_json_num(itr_json_get(final, "val_i2t_recall_at_10"), NAN), itr_provenance_synthetic(t->provenance) ? " (synthetic data)" : "", t->output);
	if (t->json) {
		itr_json_add_str(j, "output", t->output);
		itr_json_add_str(j, "run_id", t->run ? itr_run_id(t->run) : NULL);
		itr_json_add_bool(j, "synthetic", itr_provenance_synthetic(t->provenance));
		itr_tool_print_json(t, j);
	} else {
		itr_json_free(j);
	}
	return itr_tool_end(t, true);
}
