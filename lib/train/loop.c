/* Epochs: steps, validation, early stopping, checkpoints, resumption. What a step is: step.c; what it works on: trainer.c. */
#include "train/loop.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/scratch.h"
#include "tensor/rows.h"
#include "train/internal.h"

static itr_params *model_params(const itr_trainer *r) { return r->model->params; }

/* Between steps: what a step works in goes back to the system, for validation and checkpoints take as much. Gradients are dead then. */
static void give_memory_back(itr_trainer *r)
{
	r->time.tape_bytes = ITR_MAX(r->time.tape_bytes, itr_tape_bytes(r->tape));
	itr_tape_trim(r->tape);
	itr_scratch_release();
	for (int i = 0; i < r->n_nets; i++) {
		itr_params_release_grads(r->net[i].params);
		if (r->net[i].tape)
			itr_tape_trim(r->net[i].tape);
	}
}

/* The first array of any net that is not finite, or NULL. */
static const char *first_bad_weight(const itr_trainer *r)
{
	const char *bad = NULL;
	for (int i = 0; i < r->n_nets && !bad; i++)
		bad = itr_params_first_bad(r->net[i].params, false);
	return bad;
}

static bool all_finite(const itr_trainer *r)
{
	for (int i = 0; i < r->n_nets; i++) {
		const itr_train_net *net = &r->net[i];
		if (!itr_optim_finite(net->optim) ||
		    (net->ema && itr_first_not_finite(itr_ema_values(net->ema), itr_params_live(net->params)) >= 0))
			return false;
	}
	return !first_bad_weight(r);
}

/* --- checkpoints ---------------------------------------------------------------------------------------------------------------------- */

/* The best weights, out of the checkpoint that is about to be replaced. Losing them is no reason to stop: the model file holds them too. */
static float *best_so_far(const itr_trainer *r)
{
	itr_err err = ITR_ERR_INIT;
	float *best = itr_checkpoint_best(r->best_in, &r->net[0], &err);
	if (!best)
		itr_warn("the best weights are no longer in the checkpoint '%s'%s%s; those of epoch %lld are in the model file alone",
		         r->best_in, err.set ? ": " : "", err.set ? err.msg : "", (long long)r->state.best_epoch);
	return best;
}

static itr_checkpoint_parts checkpoint_parts(itr_trainer *r, const char *names[ITR_TRAIN_METRICS])
{
	for (int i = 0; i < r->n_measures; i++)
		names[i] = r->measure[i].name;
	return (itr_checkpoint_parts){ .net = r->net, .n_nets = r->n_nets, .state = &r->state, .history = r->history,
		                       .metrics = r->n_measures, .metric = names, .info = r->hooks->resume_info };
}

static int save_checkpoint(itr_trainer *r)
{
	const char *names[ITR_TRAIN_METRICS];
	if (!r->hooks->checkpoint_path)
		return 0;
	give_memory_back(r);                    /* room for the best weights on their way from file to file */
	float *best = NULL;
	itr_checkpoint_parts p = checkpoint_parts(r, names);
	if (r->state.best_epoch > 0 && r->state.best_epoch == r->state.epoch && r->state.step_in_epoch == 0)
		p.best = r->net[0].ema ? itr_ema_values(r->net[0].ema) : itr_params_values(model_params(r));
	else if (r->state.best_epoch > 0 && r->best_in)
		p.best = best = best_so_far(r);
	r->time.last_checkpoint = itr_clock_now();
	const int rc = itr_checkpoint_write(r->hooks->checkpoint_path, &p, r->err);
	if (rc == 0) {
		r->best_in = r->hooks->checkpoint_path;
		r->best_in_epoch = r->state.epoch;
	} else {
		r->diverged = !all_finite(r);
	}
	itr_aligned_free(best);
	return rc;
}

static int save_model(itr_trainer *r)
{
	const itr_train_hooks *h = r->hooks;
	return h->model_path ? itr_model_save(r->model, h->model_path, r->data->table.synthetic, h->extra, h->provenance, r->err) : 0;
}

/* The best model is put back where it was, if it went. */
static int restore_model(itr_trainer *r)
{
	const size_t bytes = (size_t)itr_params_live(model_params(r)) * sizeof(float);
	float *best = itr_checkpoint_best(r->best_in, &r->net[0], r->err), *values = itr_params_values(model_params(r));
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

static int resume_from(itr_trainer *r, const char *path)
{
	const char *names[ITR_TRAIN_METRICS];
	itr_checkpoint_parts p = checkpoint_parts(r, names);
	if (itr_checkpoint_read(path, &p, r->opts->epochs, r->err) < 0)
		return -1;
	r->best_in = path;
	r->best_in_epoch = r->state.epoch;
	if (r->state.step_in_epoch > r->steps_per_epoch)
		return itr_err_set(r->err, "'%s' is of other data: it stands at step %lld of an epoch of %lld", path,
		                   (long long)r->state.step_in_epoch, (long long)r->steps_per_epoch);
	for (int i = 0; r->state.epoch > 0 && i < r->n_measures; i++)
		r->measure[i].value = r->history[(r->state.epoch - 1) * r->n_measures + i];
	return r->hooks->model_path && !itr_path_exists(r->hooks->model_path) ? restore_model(r) : 0;
}

/* --- the end of an epoch -------------------------------------------------------------------------------------------------------------- */

/* Fills the measures. -1 with err: a picture that cannot be read any more, or weights that are of no use, which then have passed every step
 * of the epoch: the loss is computed before a step. */
static int measure(itr_trainer *r)
{
	const char *weight = first_bad_weight(r);
	double value[ITR_VAL_COUNT];
	for (int i = 0; i < ITR_VAL_COUNT; i++)
		value[i] = NAN;
	int rc = weight ? 1 : itr_validate(r, value, r->err);
	if (rc == 0 && r->n_val == 0)
		rc = itr_validate_finite(r, r->err);
	for (int i = 0; i < ITR_VAL_COUNT; i++)
		r->measure[i].value = value[i];
	r->measure[ITR_VAL_COUNT].value = r->state.loss_sum / r->state.loss_weight;
	int at = ITR_VAL_COUNT + 1;
	for (int i = 0; r->n_objectives > 1 && i < r->n_objectives; i++)
		r->measure[at++].value = r->state.term_sum[i] / r->state.loss_weight;
	for (int i = 0; i < r->n_objectives; i++)
		if (r->objective[i].ops->own_step)
			r->measure[at++].value = r->state.own_sum[i] / r->state.loss_weight;
	if (rc <= 0)
		return rc;
	r->diverged = true;
	const long long epoch = (long long)r->state.epoch + 1;
	if (weight)
		return itr_err_set(r->err, "after epoch %lld the weights of '%s' are not finite (a smaller --lr or --clip may help)", epoch,
		                   weight);
	return itr_err_set(r->err, "after epoch %lld the model makes NaN or infinity of its inputs (a smaller --lr or --clip may help)",
	                   epoch);
}

/* A learned temperature that runs away says that the loss is gained by the scale and no longer by the embeddings. */
static void watch_temperature(itr_trainer *r)
{
	enum { LARGE = 1000 };
	const double t = r->model->log_scale ? itr_model_temperature(r->model) : 1, least = exp(-ITR_LOG_SCALE_CEILING);
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

static void swap_averages(itr_trainer *r)
{
	for (int i = 0; i < r->n_nets; i++)
		if (r->net[i].ema)
			itr_ema_swap(r->net[i].ema);
}

/* Is the monitored value the best so far? Then it is noted. */
static bool note_best(itr_trainer *r)
{
	const itr_measure *m = &r->measure[r->monitor];
	itr_train_state *s = &r->state;
	const bool better = isfinite(m->value) &&
	                    (s->best_epoch == 0 || (m->larger_is_better ? m->value > s->best_value : m->value < s->best_value));
	s->stale_epochs = better ? 0 : s->stale_epochs + 1;
	s->best_epoch = better ? s->epoch + 1 : s->best_epoch;
	s->best_value = better ? m->value : s->best_value;
	return better;
}

/* Validation with the averaged weights where there are any; the best model is written. */
static int end_of_epoch(itr_trainer *r)
{
	give_memory_back(r);
	swap_averages(r);
	if (measure(r) < 0) {
		swap_averages(r);
		return -1;
	}
	const int rc = note_best(r) ? save_model(r) : 0;
	swap_averages(r);
	for (int i = 0; i < r->n_measures; i++)
		if (isfinite(r->measure[i].value))
			itr_trainer_tell(r, r->measure[i].name, r->measure[i].value, r->state.epoch + 1);
	watch_temperature(r);
	if (r->model->log_scale)
		itr_trainer_tell(r, "temperature", itr_model_temperature(r->model), r->state.epoch + 1);
	for (int i = 0; i < r->n_measures; i++)
		r->history[r->state.epoch * r->n_measures + i] = r->measure[i].value;
	r->state.epoch++;
	r->state.step_in_epoch = 0;
	r->state.loss_sum = r->state.loss_weight = 0;
	memset(r->state.term_sum, 0, sizeof r->state.term_sum);
	memset(r->state.own_sum, 0, sizeof r->state.own_sum);
	return rc < 0 ? rc : save_checkpoint(r);
}

/* --- the run -------------------------------------------------------------------------------------------------------------------------- */

/* A diverged training says where the state before is. */
static itr_train_end failed(itr_trainer *r)
{
	itr_err keep = r->err ? *r->err : (itr_err)ITR_ERR_INIT;
	if (r->diverged && r->best_in)
		itr_err_set(
			r->err,
			"%.1000s; the last good state is in '%.200s' (%lld epochs), but --resume would repeat the same steps: start anew",
			keep.msg, r->best_in, (long long)r->best_in_epoch);
	else if (r->diverged)
		itr_err_set(r->err, "%.1200s; there is no good state to resume from: start again", keep.msg);
	return ITR_TRAIN_FAILED;
}

/* A step was not taken: the state before it is kept, unless it is that state which has diverged. */
static itr_train_end failed_step(itr_trainer *r)
{
	itr_err keep = r->err ? *r->err : (itr_err)ITR_ERR_INIT;
	if (r->diverged)
		return failed(r);
	if (save_checkpoint(r) < 0)
		itr_err_prefix(r->err, "%.700s; and ", keep.msg);
	else if (r->hooks->checkpoint_path)
		itr_err_set(r->err, "%.1200s; the last good state is in '%.250s'", keep.msg, r->hooks->checkpoint_path);
	return ITR_TRAIN_FAILED;
}

static bool out_of_patience(const itr_trainer *r) { return r->opts->patience > 0 && r->state.stale_epochs >= r->opts->patience; }

static bool checkpoint_is_due(const itr_trainer *r)
{
	return r->opts->checkpoint_minutes > 0 && itr_clock_now() - r->time.last_checkpoint > 60 * r->opts->checkpoint_minutes;
}

static itr_train_end train_epochs(itr_trainer *r)
{
	while (r->state.epoch < r->opts->epochs) {
		if (r->state.step_in_epoch == 0 && out_of_patience(r))
			return ITR_TRAIN_EARLY;
		itr_trainer_begin_epoch(r);
		while (r->state.step_in_epoch < r->steps_per_epoch) {
			if (r->hooks->stop && *r->hooks->stop)
				return save_checkpoint(r) < 0 ? failed(r) : ITR_TRAIN_STOPPED;
			if (itr_trainer_step(r, r->err) < 0)
				return failed_step(r);
			if (checkpoint_is_due(r) && save_checkpoint(r) < 0)
				return failed(r);
		}
		if (end_of_epoch(r) < 0)
			return failed(r);
	}
	return out_of_patience(r) ? ITR_TRAIN_EARLY : ITR_TRAIN_DONE;
}

static void fill_report(itr_trainer *r, itr_train_report *rep)
{
	const itr_timing *t = &r->time;
	*rep = (itr_train_report){ .diverged = r->diverged,
		                   .epochs = r->state.epoch,
		                   .steps = itr_optim_steps(r->net[0].optim),
		                   .best_epoch = r->state.best_epoch,
		                   .best_value = r->state.best_value,
		                   .tape_bytes = (int64_t)ITR_MAX(t->tape_bytes, itr_tape_bytes(r->tape)),
		                   .first_step_at = t->first_step_at,
		                   .first_step_seconds = t->first_step_seconds,
		                   .n_metrics = r->n_measures,
		                   .history = r->history };
	r->history = NULL;
	for (int i = 0; i < r->n_measures; i++) {
		memcpy(rep->metric[i], r->measure[i].name, sizeof rep->metric[i]);
		rep->value[i] = r->measure[i].value;
	}
	if (t->busy > 0) {
		rep->samples_per_second = (double)t->busy_samples / t->busy;
		rep->gflops = t->flops / t->busy / 1e9;
		rep->wait_share = t->waited / t->busy;
	}
}

void itr_train_report_free(itr_train_report *r)
{
	free(r->history);
	r->history = NULL;
}

itr_train_end itr_train_network(itr_model *m, const itr_embeddings *d, const itr_train_opts *o, const itr_train_hooks *h,
                                const char *resume, itr_train_report *rep, itr_err *err)
{
	itr_trainer r = { .model = m, .data = d, .opts = o, .hooks = h, .err = err };
	itr_train_end end = ITR_TRAIN_FAILED;
	*rep = (itr_train_report){ .epochs = 0 };
	if (itr_trainer_init(&r) == 0) {
		if (!resume || resume_from(&r, resume) == 0)
			end = train_epochs(&r);
		fill_report(&r, rep);
	}
	itr_trainer_release(&r);
	return end;
}
