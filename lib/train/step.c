/* One optimiser step. */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "train/internal.h"

enum { WARM_STEPS = 5 };                /* not counted in samples_per_second */

/* --- what objectives ask for --------------------------------------------------------------------------------------------------------- */

itr_var *itr_trainer_loss(const itr_trainer *r, itr_tape *t, itr_var *text, itr_var *image, const int64_t *group)
{
	const itr_model *m = r->model;
	const itr_loss_in in = { .query = text, .target = image, .group = group, .symmetric = r->opts->symmetric,
	                         .log_scale = m->log_scale ? itr_leaf(t, m->log_scale) : NULL, .scale = 1 / m->config.temperature };
	return r->loss->value(r->loss_self, t, &in);
}

itr_var *itr_step_loss(itr_step *s, itr_var *text, itr_var *image)
{
	return itr_trainer_loss(s->trainer, s->tape, text, image, s->batch.image);
}

itr_var *itr_step_scores(itr_step *s, itr_var *a, itr_var *b)
{
	const itr_model *m = s->trainer->model;
	return itr_scores(s->tape, itr_l2norm(s->tape, a), itr_l2norm(s->tape, b),
	                  m->log_scale ? itr_leaf(s->tape, m->log_scale) : NULL, 1 / m->config.temperature, ITR_LOG_SCALE_CEILING);
}

/* --- batches -------------------------------------------------------------------------------------------------------------------------- */

void itr_trainer_begin_epoch(itr_trainer *r)
{
	const itr_train_opts *o = r->opts;
	memcpy(r->order, r->train, (size_t)r->n_train * sizeof *r->order);
	r->sampler->order(r, r->state.epoch, r->order, r->n_train);
	for (int side = 0; side < 2; side++)
		itr_source_epoch(r->source[side], r->order, r->n_train, (uint64_t)r->state.epoch,
		                 r->state.step_in_epoch * o->accumulate * o->batch_size);
}

/* Batch k of the epoch, its inputs loaded. */
static int take_batch(itr_trainer *r, int64_t k, itr_batch *b, itr_err *err)
{
	const int64_t first = k * r->opts->batch_size;
	*b = (itr_batch){ r->state.epoch, k, ITR_MIN(r->opts->batch_size, r->n_train - first), r->order + first, r->image_of };
	for (int64_t i = 0; i < b->n; i++)
		r->image_of[i] = r->data->table.text_image[b->text[i]];
	const double asked = itr_clock_now();
	const int rc = itr_source_take(r->source[0], first, b->n, err) < 0 || itr_source_take(r->source[1], first, b->n, err) < 0 ? -1 : 0;
	r->time.waited += itr_clock_now() - asked;
	return rc;
}

/* --- the step ---------------------------------------------------------------------------------------------------------------------------
 */

/* A number that is none: which tensor is the first bad one. `what`: "loss", or the term's name where there are several. */
static int stop_for_bad_numbers(itr_trainer *r, const char *what, double value, itr_err *err)
{
	const long long step = (long long)itr_trainer_step_number(r) + 1;
	const char *op = itr_tape_first_bad(r->tape), *weight = NULL, *grad = NULL;
	r->diverged = true;
	for (int i = 0; i < r->n_nets; i++) {
		weight = weight ? weight : itr_params_first_bad(r->net[i].params, false);
		grad = grad ? grad : itr_params_first_bad(r->net[i].params, true);
	}
	if (weight)
		return itr_err_set(err, "%s is %g at step %lld: the weights of '%s' are not finite (a smaller --lr or --clip may help)",
		                   what, value, step, weight);
	if (op)
		return itr_err_set(err,
		                   "%s is %g at step %lld: the first bad tensor is the output of '%s' (a smaller --lr or --clip may help)",
		                   what, value, step, op);
	return itr_err_set(err, "%s is %g at step %lld: the first bad tensor is the gradient of '%s'", what, value, step,
	                   grad ? grad : "the loss");
}

/* Gradients are zero: in memory of their own, or, where there is one walk back alone, in what its tape has free by then. */
static void begin_gradients(itr_trainer *r)
{
	const bool lent = r->opts->accumulate == 1 && !r->strategy->many_walks;
	for (int i = 0; i < r->n_nets; i++)
		if (r->net[i].trained == ITR_BY_MODEL_STEP)
			(lent ? itr_params_release_grads : itr_params_zero_grad)(r->net[i].params);
}

/* --- own steps ------------------------------------------------------------------------------------------------------------------------ */

itr_tape *itr_own_begin(itr_step *s, itr_train_net *net)
{
	if (itr_tape_nets_read(s->tape) & net->bit)
		ITR_BUG("own step of '%s' after the model's step has read it", net->name);
	itr_tape_reset(net->tape, s->number);
	itr_params_zero_grad(net->params);
	return net->tape;
}

int itr_own_end(itr_step *s, itr_train_net *net, itr_var *loss, itr_err *err)
{
	itr_trainer *r = s->trainer;
	const itr_params *p = net->params;
	double clip = 1;
	s->own_loss = itr_var_item(net->tape, loss);
	if (!isfinite(s->own_loss))
		return stop_for_bad_numbers(r, net->name, s->own_loss, err);
	itr_backward(net->tape, loss, 1);
	if (r->opts->clip > 0) {
		const double norm = itr_grad_norm(&p, 1, r->opts->threads);
		if (!isfinite(norm))
			return stop_for_bad_numbers(r, net->name, norm, err);
		clip = itr_clip_factor(norm, r->opts->clip);
	}
	itr_optim_step(net->optim, net->lr, clip);
	return 0;
}

/* The terms of all objectives, added up (NULL: none has one); their values are noted. -1 with err: one is not finite. */
static int sum_of_terms(itr_trainer *r, itr_step *s, itr_var **loss, double *value, itr_err *err)
{
	*loss = NULL;
	*value = 0;
	for (int i = 0; i < r->n_objectives; i++) {
		const itr_running *o = &r->objective[i];
		s->own_loss = 0;
		if (o->ops->own_step && o->ops->own_step(o->self, s, err) < 0)
			return -1;
		r->state.own_sum[i] += s->own_loss * (double)s->batch.n;
		itr_var *term = o->ops->term(o->self, s);
		if (!term)
			continue;
		const double v = itr_var_item(s->tape, term);
		if (!isfinite(v))
			return stop_for_bad_numbers(r, r->n_objectives > 1 ? o->ops->name : "loss", v, err);
		*value += v;
		r->state.term_sum[i] += v * (double)s->batch.n;
		*loss = *loss ? itr_add(s->tape, *loss, term) : term;
	}
	return 0;
}

/* One norm clips all nets; then each optimiser. */
static int update_nets(itr_trainer *r, double lr, itr_err *err)
{
	const int64_t step = itr_trainer_step_number(r);
	double clip = 1;
	if (r->opts->clip > 0) {
		const itr_params *p[ITR_TRAIN_NETS];
		int n = 0;
		for (int i = 0; i < r->n_nets; i++)
			if (r->net[i].trained == ITR_BY_MODEL_STEP)
				p[n++] = r->net[i].params;
		const double norm = itr_grad_norm(p, n, r->opts->threads);
		if (!isfinite(norm))
			return stop_for_bad_numbers(r, "loss", norm, err);
		clip = itr_clip_factor(norm, r->opts->clip);
		if (step % r->opts->log_every == 0)
			itr_trainer_tell(r, "grad_norm", norm, step);
	}
	for (int i = 0; i < r->n_nets; i++) {
		if (r->net[i].trained != ITR_BY_MODEL_STEP)
			continue;
		itr_optim_step(r->net[i].optim, lr, clip);
		if (r->net[i].ema)
			itr_ema_update(r->net[i].ema);
	}
	return 0;
}

/* Position, figures, progress. */
static void note_step(itr_trainer *r, double loss, double lr, int64_t samples, double started)
{
	itr_timing *t = &r->time;
	const int64_t step = itr_trainer_step_number(r);
	r->state.step_in_epoch++;
	r->state.loss_weight += (double)samples;
	if (t->steps == 0) {
		t->first_step_at = started;
		t->first_step_seconds = itr_clock_now() - started;
	}
	if (t->steps++ >= WARM_STEPS) {
		t->busy += itr_clock_now() - started;
		t->busy_samples += samples;
	} else {
		t->flops = t->waited = 0;
	}
	if (step % r->opts->log_every == 0) {
		itr_trainer_tell(r, "train_loss_step", loss, step);
		itr_trainer_tell(r, "lr", lr, step);
	}
	if (r->hooks->progress)
		r->hooks->progress(r->hooks->ctx, samples, loss, lr);
}

/* `accumulate` batches, each of which counts by its rows, since the last may be smaller. */
int itr_trainer_step(itr_trainer *r, itr_err *err)
{
	const itr_train_opts *o = r->opts;
	const int64_t first = r->state.step_in_epoch * o->accumulate, last = ITR_MIN(first + o->accumulate, r->batches_per_epoch);
	const int64_t samples = ITR_MIN(last * o->batch_size, r->n_train) - first * o->batch_size;
	const double started = itr_clock_now(), lr = itr_schedule_lr(&r->schedule, itr_trainer_step_number(r));
	double mean = 0, sum = 0, value;
	begin_gradients(r);
	for (int64_t k = first; k < last; k++) {
		itr_step s = { .trainer = r, .number = (uint64_t)(itr_trainer_step_number(r) * o->accumulate + (k - first)) };
		if (take_batch(r, k, &s.batch, err) < 0)
			return -1;
		r->strategy->embed(r->strategy_self, &s);
		itr_var *loss;
		if (sum_of_terms(r, &s, &loss, &value, err) < 0)
			return -1;
		if (loss) {
			itr_backward(s.tape, loss, (double)s.batch.n / (double)samples);
			r->strategy->back(r->strategy_self, &s);
		}
		mean += value / ((double)samples / (double)s.batch.n);
		sum += value * (double)s.batch.n;
	}
	if (update_nets(r, lr, err) < 0)
		return -1;
	r->state.loss_sum += sum;
	note_step(r, mean, lr, samples, started);
	return 0;
}
