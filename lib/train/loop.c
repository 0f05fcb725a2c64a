#include "train/loop.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/parallel.h"
#include "base/path.h"
#include "base/rng.h"
#include "base/scratch.h"
#include "tensor/rows.h"
#include "train/checkpoint.h"
#include "train/validate.h"

const char *const itr_train_metric_names[] = { "val_loss",
	                                       "val_cosine",
	                                       "val_t2i_recall_at_1",
	                                       "val_t2i_recall_at_5",
	                                       "val_t2i_recall_at_10",
	                                       "val_t2i_mrr",
	                                       "val_i2t_recall_at_1",
	                                       "val_i2t_recall_at_5",
	                                       "val_i2t_recall_at_10",
	                                       "val_i2t_mrr",
	                                       "val_mean_recall_at_10",
	                                       "train_loss",
	                                       NULL };
enum { TRAIN_LOSS = ITR_VAL_COUNT, ALL_METRICS };
enum { WARM_STEPS = 5 };                /* left out of samples_per_second */

int itr_train_metric_count(void) { return ALL_METRICS; }
bool itr_train_larger_is_better(const char *metric) { return !strstr(metric, "loss"); }

/* One training run in flight. */
struct run {
	itr_model *m;
	const itr_pair_data *d;
	const itr_train_opts *o;
	const itr_train_hooks *h;
	const itr_loss_ops *loss;
	const void *loss_values;
	itr_optim *optim;
	itr_ema *ema;
	itr_tape *tape;
	itr_schedule schedule;
	int64_t *train, n_train, *val, n_val, *order, steps_per_epoch;
	itr_source *source[2];          /* text, image: what the model's sides are fed with */
	float *embed_text, *embed_image, *grad_text, *grad_image;       /* a batch's embeddings, for GradCache */
	int64_t *image_of;
	itr_train_state state;
	/* the checkpoint that holds the best weights, where those in memory are not the best: the last that was written or gone on from */
	const char *best_in;
	int64_t best_in_epoch;          /* where that checkpoint stands */
	bool diverged, warned_of_temperature;
	double *history;                /* rows of ALL_METRICS, one a finished epoch */
	int monitor;
	double metric[ALL_METRICS];
	double first_step_at, first_step_seconds, busy, waited, flops, last_checkpoint;    /* seconds and work of steady steps */
	int64_t busy_samples, warm;
	size_t tape_bytes;              /* the most so far */
	itr_err *err;
};

static int64_t global_step(const struct run *r) { return r->state.epoch * r->steps_per_epoch + r->state.step_in_epoch; }

static void tell(const struct run *r, const char *key, double value, int64_t step)
{
	if (r->h->metric)
		r->h->metric(r->h->ctx, key, value, step);
}

/* --- batches ------------------------------------------------------------------------------------------------------------------------ */

/* Takes batch `at` of the epoch's order from both sides; its size, or -1 with err. */
static int64_t next_batch(struct run *r, int64_t at)
{
	const int64_t first = at * r->o->batch_size, b = ITR_MIN(r->o->batch_size, r->n_train - first);
	for (int64_t i = 0; i < b; i++)
		r->image_of[i] = r->d->text_image[r->order[first + i]];
	const double asked = itr_clock_now();
	const int rc = itr_source_take(r->source[0], first, b, r->err) < 0 || itr_source_take(r->source[1], first, b, r->err) < 0 ? -1 : 0;
	r->waited += itr_clock_now() - asked;
	return rc < 0 ? -1 : b;
}

static void new_order(struct run *r)
{
	itr_rng g;
	itr_rng_init(&g, (uint64_t[]){ r->o->seed, (uint64_t)r->state.epoch }, 2);
	itr_rng_permutation(&g, r->n_train, r->order);
	for (int64_t i = 0; i < r->n_train; i++)
		r->order[i] = r->train[r->order[i]];
	for (int side = 0; side < 2; side++)
		itr_source_epoch(r->source[side], r->order, r->n_train, (uint64_t)r->state.epoch,
		                 r->state.step_in_epoch * r->o->accumulate * r->o->batch_size);
}

/* --- one step ------------------------------------------------------------------------------------------------------------------------ */

/* Of a batch's embeddings. */
static itr_var *loss_of(struct run *r, itr_var *text, itr_var *image)
{
	const itr_loss_in in = { .query = text,
		                 .target = image,
		                 .group = r->image_of,
		                 .symmetric = r->o->symmetric,
		                 .log_scale = r->m->log_scale ? itr_leaf(r->tape, r->m->log_scale) : NULL,
		                 .scale = 1 / r->m->config.temperature };
	return r->loss->value(r->loss_values, r->tape, &in);
}

/* Embeds rows [first, first + n) of the batch; the mask of dropout depends on `number` alone, so a second call sees the same. */
static void embed(struct run *r, uint64_t number, int64_t first, int64_t n, itr_var **text, itr_var **image)
{
	itr_tape_reset(r->tape, number);
	*text = itr_model_text(r->tape, r->m, itr_source_embed(r->source[0], r->tape, first, n));
	*image = itr_model_image(r->tape, r->m, itr_source_embed(r->source[1], r->tape, first, n));
}

/* Forward and backward of a whole batch at once. Gradients are added, times `share`. */
static double plain_batch(struct run *r, int64_t b, uint64_t number, double share)
{
	itr_var *text, *image;
	embed(r, number, 0, b, &text, &image);
	itr_var *loss = loss_of(r, text, image);
	const double value = itr_var_item(r->tape, loss);
	if (isfinite(value))
		itr_backward(r->tape, loss, share);
	r->flops += itr_tape_flops(r->tape);
	return value;
}

/* GradCache: embed by chunks, gradient of the loss at the embeddings, then each chunk again with that gradient from above. Memory of one
 * chunk. */
static double cached_batch(struct run *r, int64_t b, uint64_t number, double share)
{
	const int64_t c = r->o->cache_chunk, e = itr_model_embed_dim(r->m);
	itr_var *text, *image;
	for (int64_t i = 0; i < b; i += c) {
		const int64_t n = ITR_MIN(c, b - i);
		embed(r, number + (uint64_t)(i / c) * 0x100000000u, i, n, &text, &image);
		memcpy(r->embed_text + i * e, text->data, (size_t)(n * e) * sizeof(float));
		memcpy(r->embed_image + i * e, image->data, (size_t)(n * e) * sizeof(float));
		r->flops += itr_tape_flops(r->tape);
	}
	itr_tape_reset(r->tape, number);
	text = itr_input_grad(r->tape, 2, (int64_t[]){ b, e }, r->embed_text);
	image = itr_input_grad(r->tape, 2, (int64_t[]){ b, e }, r->embed_image);
	itr_var *loss = loss_of(r, text, image);
	const double value = itr_var_item(r->tape, loss);
	if (!isfinite(value))
		return value;
	itr_backward(r->tape, loss, share);
	memcpy(r->grad_text, text->grad, (size_t)(b * e) * sizeof(float));
	memcpy(r->grad_image, image->grad, (size_t)(b * e) * sizeof(float));
	r->flops += itr_tape_flops(r->tape);
	for (int64_t i = 0; i < b; i += c) {
		const int64_t n = ITR_MIN(c, b - i);
		embed(r, number + (uint64_t)(i / c) * 0x100000000u, i, n, &text, &image);
		itr_backward_outputs(r->tape, (itr_var *[]){ text, image },
		                     (const void *[]){ r->grad_text + i * e, r->grad_image + i * e }, 2);
		r->flops += itr_tape_flops(r->tape);
	}
	return value;
}

static int stop_for_bad_numbers(struct run *r, double value)
{
	r->diverged = true;
	const char *op = itr_tape_first_bad(r->tape), *weight = itr_params_first_bad(r->m->params, false),
		   *grad = itr_params_first_bad(r->m->params, true);
	if (weight)
		return itr_err_set(r->err,
		                   "loss is %g at step %lld: the weights of '%s' are not finite (a smaller --lr or --clip may help)", value,
		                   (long long)global_step(r) + 1, weight);
	if (op)
		return itr_err_set(
			r->err, "loss is %g at step %lld: the first bad tensor is the output of '%s' (a smaller --lr or --clip may help)",
			value, (long long)global_step(r) + 1, op);
	return itr_err_set(r->err, "loss is %g at step %lld: the first bad tensor is the gradient of '%s'", value,
	                   (long long)global_step(r) + 1, grad ? grad : "the loss");
}

/* Between steps: what a step works in goes back to the system, for validation and checkpoints take as much. Gradients are dead then. */
static void give_memory_back(struct run *r)
{
	r->tape_bytes = ITR_MAX(r->tape_bytes, itr_tape_bytes(r->tape));
	itr_tape_trim(r->tape);
	itr_scratch_release();
	itr_params_release_grads(r->m->params);
}

/* One optimiser step: `accumulate` batches, each of which counts by its pairs, since the last may be smaller. 0, or -1 with err before any
 * weight was touched. */
static int one_step(struct run *r)
{
	const int64_t batches = (r->n_train + r->o->batch_size - 1) / r->o->batch_size, first = r->state.step_in_epoch * r->o->accumulate;
	const int64_t last = ITR_MIN(first + r->o->accumulate, batches), step = global_step(r);
	const double lr = itr_schedule_lr(&r->schedule, step), started = itr_clock_now();
	const int64_t samples = ITR_MIN(last * r->o->batch_size, r->n_train) - first * r->o->batch_size;
	double loss = 0, clip = 1, sum = 0;
	if (r->o->accumulate == 1 && r->o->cache_chunk == 0)
		/* one walk back, whose tape lends gradients the memory of its activations */
		itr_params_release_grads(r->m->params);
	else
		itr_params_zero_grad(r->m->params);
	for (int64_t k = first; k < last; k++) {
		const int64_t b = next_batch(r, k);
		if (b < 0)
			return -1;
		const uint64_t number = (uint64_t)(step * r->o->accumulate + (k - first));
		const double share = (double)b / (double)samples,
			     v = r->o->cache_chunk > 0 ? cached_batch(r, b, number, share) : plain_batch(r, b, number, share);
		if (!isfinite(v))
			return stop_for_bad_numbers(r, v);
		loss += v / ((double)samples / (double)b);
		sum += v * (double)b;
	}
	if (r->o->clip > 0) {
		const double norm = itr_grad_norm(r->m->params, r->o->threads);
		if (!isfinite(norm))
			return stop_for_bad_numbers(r, norm);
		clip = itr_clip_factor(norm, r->o->clip);
		if (step % r->o->log_every == 0)
			tell(r, "grad_norm", norm, step);
	}
	itr_optim_step(r->optim, lr, clip);
	if (r->ema)
		itr_ema_update(r->ema);
	r->state.step_in_epoch++;
	r->state.loss_sum += sum;
	r->state.loss_weight += (double)samples;
	if (r->warm == 0) {
		r->first_step_at = started;
		r->first_step_seconds = itr_clock_now() - started;
	}
	if (r->warm++ >= WARM_STEPS) {
		r->busy += itr_clock_now() - started;
		r->busy_samples += samples;
	} else {
		r->flops = r->waited = 0;
	}
	if (step % r->o->log_every == 0) {
		tell(r, "train_loss_step", loss, step);
		tell(r, "lr", lr, step);
	}
	if (r->h->progress)
		r->h->progress(r->h->ctx, samples, loss, lr);
	return 0;
}

/* --- between epochs ------------------------------------------------------------------------------------------------------------------- */

/* The best weights, out of the checkpoint that is about to be replaced. Losing them is no reason to stop: the model file holds them too. */
static float *best_so_far(const struct run *r)
{
	itr_err err = ITR_ERR_INIT;
	float *best = itr_checkpoint_best(r->best_in, itr_params_live(r->m->params), &err);
	if (!best)
		itr_warn("the best weights are no longer in the checkpoint '%s'%s%s; those of epoch %lld are in the model file alone",
		         r->best_in, err.set ? ": " : "", err.set ? err.msg : "", (long long)r->state.best_epoch);
	return best;
}

static int save_checkpoint(struct run *r)
{
	if (!r->h->checkpoint_path)
		return 0;
	give_memory_back(r);                    /* room for the best weights on their way from file to file */
	float *best = NULL;
	itr_checkpoint_parts p = { r->m, r->optim, r->ema, NULL, &r->state, r->history, ALL_METRICS, r->h->resume_info };
	if (r->state.best_epoch > 0 && r->state.best_epoch == r->state.epoch && r->state.step_in_epoch == 0)
		p.best = r->ema ? itr_ema_values(r->ema) : itr_params_values(r->m->params);
	else if (r->state.best_epoch > 0 && r->best_in)
		p.best = best = best_so_far(r);
	r->last_checkpoint = itr_clock_now();
	const int rc = itr_checkpoint_write(r->h->checkpoint_path, &p, r->err);
	if (rc == 0) {
		r->best_in = r->h->checkpoint_path;
		r->best_in_epoch = r->state.epoch;
	} else {
		r->diverged = itr_params_first_bad(r->m->params, false) || !itr_optim_finite(r->optim) ||
		              (r->ema && itr_first_not_finite(itr_ema_values(r->ema), itr_params_live(r->m->params)) >= 0);
	}
	itr_aligned_free(best);
	return rc;
}

static int save_model(struct run *r)
{
	return r->h->model_path ? itr_model_save(r->m, r->h->model_path, r->d->synthetic, r->h->extra, r->h->provenance, r->err) : 0;
}

/* Fills the metrics. -1 with err: a picture that cannot be read any more, or weights that are of no use, which then have passed every step
 * of the epoch: the loss is computed before a step. */
static int judge(struct run *r)
{
	enum { FEW = 32 };
	const char *weight = itr_params_first_bad(r->m->params, false);
	r->metric[TRAIN_LOSS] = r->state.loss_sum / r->state.loss_weight;
	for (int i = 0; i < ITR_VAL_COUNT; i++)
		r->metric[i] = NAN;
	int rc = weight ? 1
	                : itr_validate(r->m, r->d, r->val, r->n_val, r->o, r->loss, r->loss_values, r->source, r->tape, r->metric, r->err);
	if (rc == 0 && r->n_val == 0)
		rc = itr_validate_finite(r->m, r->d, r->train, ITR_MIN(r->n_train, (int64_t)FEW), r->source, r->tape, r->err);
	if (rc <= 0)
		return rc;
	r->diverged = true;
	const long long epoch = (long long)r->state.epoch + 1;
	return weight ? itr_err_set(r->err, "after epoch %lld the weights of '%s' are not finite (a smaller --lr or --clip may help)",
	                            epoch, weight)
	              : itr_err_set(r->err,
	                            "after epoch %lld the model makes NaN or infinity of its inputs (a smaller --lr or --clip may help)",
	                            epoch);
}

/* A learned temperature that runs away says that the loss is gained by the scale and no longer by the embeddings. */
static void watch_temperature(struct run *r)
{
	enum { LARGE = 1000 };
	const double t = r->m->log_scale ? itr_model_temperature(r->m) : 1, least = exp(-ITR_LOG_SCALE_CEILING);
	if (r->warned_of_temperature || (t > least * (1 + 1e-6) && t < LARGE))
		return;
	r->warned_of_temperature = true;
	if (t < LARGE)
		itr_warn("the learned temperature has reached its limit, %g, in epoch %lld (it is %g): it learns no further; a smaller "
		         "--lr, or a fixed --temperature",
		         least, (long long)r->state.epoch + 1, t);
	else
		itr_warn("the learned temperature is %g after epoch %lld: scores hardly count any more; a smaller --lr, or a fixed "
		         "--temperature",
		         t, (long long)r->state.epoch + 1);
}

/* Validation with the averaged weights where there are any; the best model is written. */
static int end_of_epoch(struct run *r)
{
	give_memory_back(r);
	if (r->ema)
		itr_ema_swap(r->ema);
	if (judge(r) < 0) {
		if (r->ema)
			itr_ema_swap(r->ema);
		return -1;
	}
	const double value = r->metric[r->monitor];
	const bool larger = itr_train_larger_is_better(itr_train_metric_names[r->monitor]);
	const bool better =
		isfinite(value) && (r->state.best_epoch == 0 || (larger ? value > r->state.best_value : value < r->state.best_value));
	int rc = 0;
	if (better) {
		r->state.best_epoch = r->state.epoch + 1;
		r->state.best_value = value;
		r->state.stale_epochs = 0;
		rc = save_model(r);
	} else {
		r->state.stale_epochs++;
	}
	if (r->ema)
		itr_ema_swap(r->ema);
	for (int i = 0; i < ALL_METRICS; i++)
		if (isfinite(r->metric[i]))
			tell(r, itr_train_metric_names[i], r->metric[i], r->state.epoch + 1);
	watch_temperature(r);
	if (r->m->log_scale)
		tell(r, "temperature", itr_model_temperature(r->m), r->state.epoch + 1);
	memcpy(r->history + r->state.epoch * ALL_METRICS, r->metric, sizeof r->metric);
	r->state.epoch++;
	r->state.step_in_epoch = 0;
	r->state.loss_sum = r->state.loss_weight = 0;
	return rc < 0 ? rc : save_checkpoint(r);
}

/* A diverged training says where the state before is. */
static itr_train_end failed(struct run *r)
{
	itr_err keep = r->err ? *r->err : (itr_err)ITR_ERR_INIT;
	if (r->diverged && r->best_in)
		itr_err_set(
			r->err,
			"%.1000s; the last good state is in '%.200s' (%lld epochs), but --resume would repeat the same steps: start anew",
			keep.msg, r->best_in, (long long)r->best_in_epoch);
	else if (r->diverged)
		itr_err_set(r->err, "%.1200s; there is no good state to go on from: start anew", keep.msg);
	return ITR_TRAIN_FAILED;
}

/* A step was not taken: the state before it is kept, unless it is that state which has diverged. */
static itr_train_end failed_step(struct run *r)
{
	itr_err keep = r->err ? *r->err : (itr_err)ITR_ERR_INIT;
	if (r->diverged)
		return failed(r);
	if (save_checkpoint(r) < 0)
		itr_err_prefix(r->err, "%.700s; and ", keep.msg);
	else if (r->h->checkpoint_path)
		itr_err_set(r->err, "%.1200s; the last good state is in '%.250s'", keep.msg, r->h->checkpoint_path);
	return ITR_TRAIN_FAILED;
}

static itr_train_end train_epochs(struct run *r)
{
	while (r->state.epoch < r->o->epochs) {
		if (r->state.step_in_epoch == 0 && r->o->patience > 0 && r->state.stale_epochs >= r->o->patience)
			return ITR_TRAIN_EARLY;
		new_order(r);
		while (r->state.step_in_epoch < r->steps_per_epoch) {
			if (r->h->stop && *r->h->stop)
				return save_checkpoint(r) < 0 ? failed(r) : ITR_TRAIN_STOPPED;
			if (one_step(r) < 0)
				return failed_step(r);
			if (r->o->checkpoint_seconds > 0 && itr_clock_now() - r->last_checkpoint > r->o->checkpoint_seconds &&
			    save_checkpoint(r) < 0)
				return failed(r);
		}
		if (end_of_epoch(r) < 0)
			return failed(r);
	}
	return r->o->patience > 0 && r->state.stale_epochs >= r->o->patience ? ITR_TRAIN_EARLY : ITR_TRAIN_DONE;
}

/* --- set up --------------------------------------------------------------------------------------------------------------------------- */

static int find_monitor(struct run *r)
{
	int n = 0;
	for (; itr_train_metric_names[n]; n++)
		if (!strcmp(itr_train_metric_names[n], r->o->monitor)) {
			r->monitor = n;
			if (n != TRAIN_LOSS && r->n_val == 0)
				return itr_err_set(
					r->err, "there are no validation pairs to monitor '%s' on: --monitor train_loss, or another split",
					r->o->monitor);
			return 0;
		}
	return itr_err_set(r->err, "unknown metric '%s' to monitor: did you mean '%s'?", r->o->monitor,
	                   itr_nearest(r->o->monitor, itr_train_metric_names, n));
}

static int check_opts(const itr_train_opts *o, itr_err *err)
{
	const int64_t count[] = { o->epochs, o->batch_size, o->val_batch, o->accumulate, o->log_every };
	for (int i = 0; i < ITR_LEN(count); i++)
		if (count[i] < 1 || count[i] > ITR_TRAIN_MOST || (i == 0 && count[i] > ITR_TRAIN_EPOCHS))
			return itr_err_set(err,
			                   "epochs, batch sizes, accumulation and logging interval must be at least 1, epochs %d and the "
			                   "others %d at most",
			                   ITR_TRAIN_EPOCHS, ITR_TRAIN_MOST);
	if (o->cache_chunk < 0 || o->warmup < 0 || o->patience < 0)
		return itr_err_set(err, "chunks, warm-up and patience must not be negative");
	const bool finite = isfinite(o->lr) && isfinite(o->weight_decay) && isfinite(o->clip);
	if (!finite || !(o->lr > 0) || o->weight_decay < 0 || o->clip < 0 || !(o->ema >= 0 && o->ema < 1))
		return itr_err_set(err, "the learning rate must be positive, weight decay and clip not negative, 0 <= ema < 1");
	return 0;
}

static float *floats(int64_t rows, int64_t dim) { return itr_aligned_alloc((size_t)(rows * dim) * sizeof(float)); }

static int set_up(struct run *r)
{
	const itr_train_opts *o = r->o;
	if (check_opts(o, r->err) < 0 || !(r->loss = itr_loss_find(o->loss, r->err)))
		return -1;
	if (r->loss->init)
		return itr_err_set(r->err, "'%s' has trainable arrays of its own, which no training keeps yet", o->loss);
	r->loss_values = o->loss_values ? o->loss_values : r->loss->defaults;
	r->train = itr_pair_data_texts(r->d, ITR_TRAIN, &r->n_train);
	r->val = itr_pair_data_texts(r->d, ITR_VAL, &r->n_val);
	if (r->n_train == 0)
		return itr_err_set(r->err, "no pair is in the part 'train'");
	if (find_monitor(r) < 0)
		return -1;
	if ((r->d->text && r->d->text_dim != r->m->config.text_dim) || (r->d->image && r->d->image_dim != r->m->config.image_dim))
		return itr_err_set(r->err, "the data are %lld -> %lld, the model is %lld -> %lld", (long long)r->d->text_dim,
		                   (long long)r->d->image_dim, (long long)r->m->config.text_dim, (long long)r->m->config.image_dim);
	r->optim = itr_optim_new(
		o->optimizer, r->m->params,
		&(itr_optim_opts){
			.weight_decay = o->weight_decay, .values = o->optimizer_values, .decay_all = o->decay_all, .threads = o->threads },
		r->err);
	if (!r->optim)
		return -1;
	const int64_t b = ITR_MIN(o->batch_size, r->n_train), batches = (r->n_train + o->batch_size - 1) / o->batch_size;
	r->steps_per_epoch = (batches + o->accumulate - 1) / o->accumulate;
	r->schedule = (itr_schedule){
		itr_schedules[o->schedule], o->schedule_values, o->lr, o->warmup, r->steps_per_epoch * o->epochs, o->by_epoch,
		r->steps_per_epoch
	};
	if (itr_schedule_check(&r->schedule, r->err) < 0)
		return -1;
	r->order = itr_xmalloc((size_t)r->n_train * sizeof *r->order);
	r->image_of = itr_xmalloc((size_t)b * sizeof *r->image_of);
	if (r->loss->contrastive && b == 1)
		itr_warn("'%s' with one pair a batch learns nothing, for there is no other to tell it from: a larger --batch-size",
		         o->loss);
	if (r->loss->contrastive && r->n_val > 0 && ITR_MIN(o->val_batch, r->n_val) == 1)
		itr_warn("the val loss of one pair a batch is 0 whatever the model: a larger --val-batch or val part");
	const int64_t part = o->cache_chunk > 0 ? ITR_MIN(o->cache_chunk, b) : b;
	for (int side = 0; side < 2; side++)
		r->source[side] = itr_source_new(r->m, r->d, o->raw, side == 1,
		                                 &(itr_source_opts){ .batch = b,
		                                                     .part = part,
		                                                     .ahead = ITR_MAX(b, (int64_t)16),
		                                                     .augment = o->augment,
		                                                     .seed = o->seed,
		                                                     .threads = o->threads });
	if (o->cache_chunk > 0) {
		const int64_t e = itr_model_embed_dim(r->m);
		r->embed_text = floats(b, e), r->embed_image = floats(b, e), r->grad_text = floats(b, e), r->grad_image = floats(b, e);
	}
	r->tape = itr_tape_new(&(itr_tape_opts){ .threads = o->threads,
	                                         .seed = o->seed,
	                                         .compute = o->compute,
	                                         .recompute = o->recompute,
	                                         .fresh_statistics = o->fresh_statistics });
	r->ema = o->ema > 0 ? itr_ema_new(r->m->params, o->ema) : NULL;
	r->last_checkpoint = itr_clock_now();
	return 0;
}

static void tear_down(struct run *r)
{
	free(r->train);
	free(r->val);
	free(r->order);
	free(r->image_of);
	free(r->history);
	itr_source_free(r->source[0]);
	itr_source_free(r->source[1]);
	float *blocks[] = { r->embed_text, r->embed_image, r->grad_text, r->grad_image };
	for (int i = 0; i < ITR_LEN(blocks); i++)
		itr_aligned_free(blocks[i]);
	itr_tape_free(r->tape);
	itr_ema_free(r->ema);
	itr_optim_free(r->optim);
}

static void fill_report(struct run *r, itr_train_report *rep)
{
	*rep = (itr_train_report){ .diverged = r->diverged,
		                   .epochs = r->state.epoch,
		                   .steps = itr_optim_steps(r->optim),
		                   .best_epoch = r->state.best_epoch,
		                   .best_value = r->state.best_value,
		                   .tape_bytes = (int64_t)ITR_MAX(r->tape_bytes, itr_tape_bytes(r->tape)),
		                   .first_step_at = r->first_step_at,
		                   .first_step_seconds = r->first_step_seconds,
		                   .history = r->history };
	r->history = NULL;
	for (int i = 0; i < ALL_METRICS; i++)
		if (isfinite(r->metric[i])) {
			rep->key[rep->n_metrics] = itr_train_metric_names[i];
			rep->value[rep->n_metrics++] = r->metric[i];
		}
	if (r->busy > 0) {
		rep->samples_per_second = (double)r->busy_samples / r->busy;
		rep->gflops = r->flops / r->busy / 1e9;
		rep->wait_share = r->waited / r->busy;
	}
}

/* The best model is put back where it was, if it went. */
static int restore_model(struct run *r)
{
	const size_t bytes = (size_t)itr_params_live(r->m->params) * sizeof(float);
	float *best = itr_checkpoint_best(r->best_in, itr_params_live(r->m->params), r->err), *values = itr_params_values(r->m->params);
	if (!best)
		return r->err && r->err->set ? -1 : 0;
	float *now = memcpy(itr_aligned_alloc(bytes), values, bytes);
	memcpy(values, best, bytes);
	const int rc = save_model(r);
	memcpy(values, now, bytes);
	itr_aligned_free(now);
	itr_aligned_free(best);
	return rc;
}

/* Goes on from a checkpoint. */
static int take_up(struct run *r, const char *path)
{
	itr_checkpoint_parts p = { r->m, r->optim, r->ema, NULL, &r->state, r->history, ALL_METRICS, NULL };
	if (itr_checkpoint_read(path, &p, r->o->epochs, r->err) < 0)
		return -1;
	r->best_in = path;
	r->best_in_epoch = r->state.epoch;
	if (r->state.step_in_epoch > r->steps_per_epoch)
		return itr_err_set(r->err, "'%s' is of other data: it stands at step %lld of an epoch of %lld", path,
		                   (long long)r->state.step_in_epoch, (long long)r->steps_per_epoch);
	if (r->state.epoch > 0)
		memcpy(r->metric, r->history + (r->state.epoch - 1) * ALL_METRICS, sizeof r->metric);
	return r->h->model_path && !itr_path_exists(r->h->model_path) ? restore_model(r) : 0;
}

void itr_train_report_free(itr_train_report *r)
{
	free(r->history);
	r->history = NULL;
}

itr_train_end itr_train_network(itr_model *m, const itr_pair_data *d, const itr_train_opts *o, const itr_train_hooks *h, const char *resume,
                                itr_train_report *rep, itr_err *err)
{
	struct run r = { .m = m, .d = d, .o = o, .h = h, .err = err };
	itr_train_end end = ITR_TRAIN_FAILED;
	*rep = (itr_train_report){ .epochs = 0 };
	for (int i = 0; i < ALL_METRICS; i++)
		r.metric[i] = NAN;
	if (set_up(&r) == 0) {
		r.history = itr_xmalloc((size_t)o->epochs * sizeof r.metric);
		if (!resume || take_up(&r, resume) == 0)
			end = train_epochs(&r);
		fill_report(&r, rep);
	}
	tear_down(&r);
	return end;
}
