/* What a run works on: nets, objectives, strategy, sampler, inputs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "train/internal.h"

#define ITR_OBJECTIVE(name) extern const itr_objective itr_objective_##name;
#include "train/objectives.def"
#undef ITR_OBJECTIVE

const itr_objective *const itr_objectives[] = {
#define ITR_OBJECTIVE(name) &itr_objective_##name,
#include "train/objectives.def"
#undef ITR_OBJECTIVE
	NULL
};

const itr_method itr_methods[] = {
#define ITR_METHOD(name, summary, objectives) { name, summary, objectives },
#include "train/methods.def"
#undef ITR_METHOD
	{ NULL, NULL, NULL }
};

#define ITR_SAMPLER(name, symbol) extern const itr_sampler itr_sampler_##symbol;
#include "train/samplers.def"
#undef ITR_SAMPLER

const itr_sampler *const itr_samplers[] = {
#define ITR_SAMPLER(name, symbol) &itr_sampler_##symbol,
#include "train/samplers.def"
#undef ITR_SAMPLER
	NULL
};

const char *const itr_sampler_names[] = {
#define ITR_SAMPLER(name, symbol) name,
#include "train/samplers.def"
#undef ITR_SAMPLER
	NULL
};

const char *const itr_method_names[] = {
#define ITR_METHOD(name, summary, objectives) name,
#include "train/methods.def"
#undef ITR_METHOD
	NULL
};

const itr_method *itr_method_find(const char *name, itr_err *err)
{
	const char *names[32];
	int n = 0;
	for (; itr_methods[n].name; n++) {
		names[n] = itr_methods[n].name;
		if (!strcmp(name, names[n]))
			return &itr_methods[n];
	}
	itr_err_set(err, "unknown method '%s': did you mean '%s'?", name, itr_nearest(name, names, n));
	return NULL;
}

bool itr_method_uses(const itr_method *m, const char *objective)
{
	const size_t n = strlen(objective);
	for (const char *at = m->objectives; (at = strstr(at, objective)); at += n)
		if ((at == m->objectives || at[-1] == ' ') && (at[n] == ' ' || !at[n]))
			return true;
	return false;
}

/* --- what objectives ask for ------------------------------------------------------------------------------------------------------------
 */

const itr_embeddings *itr_trainer_data(const itr_trainer *r) { return r->data; }
const struct itr_train_opts *itr_trainer_opts(const itr_trainer *r) { return r->opts; }

const int64_t *itr_trainer_rows(const itr_trainer *r, int64_t *n)
{
	*n = r->n_train;
	return r->train;
}

int64_t itr_trainer_embed_dim(const itr_trainer *r) { return itr_model_embed_dim(r->model); }

itr_train_net *itr_trainer_add_net(itr_trainer *r, const char *name, itr_params *p, itr_trained trained, double lr)
{
	uint64_t h = 0;
	for (int i = 0; i < r->n_nets; i++)
		if (!strcmp(r->net[i].name, name))
			ITR_BUG("two nets are called '%s'", name);
	if (r->n_nets == ITR_TRAIN_NETS)
		ITR_BUG("more than %d nets", ITR_TRAIN_NETS);
	for (const char *c = name; *c; c++)
		h = itr_mix64(h + (unsigned char)*c);
	itr_params_seal(p);
	itr_params_initialise(p, r->opts->seed ^ h);
	itr_train_net *net = &r->net[r->n_nets];
	*net = (itr_train_net){ .name = name, .params = p, .owned = true, .trained = trained, .lr = lr, .bit = 1U << r->n_nets };
	r->n_nets++;
	if (trained == ITR_BY_OWN_STEP) {
		for (int64_t i = 0; i < itr_params_count(p); i++)
			itr_params_at(p, i)->net = net->bit;
		net->tape = itr_tape_new(&(itr_tape_opts){ .threads = r->opts->threads, .seed = r->opts->seed ^ h });
		r->own_nets |= net->bit;
	}
	return net;
}

/* --- setting up ----------------------------------------------------------------------------------------------------------------------- */

int64_t itr_trainer_step_number(const itr_trainer *r) { return r->state.epoch * r->steps_per_epoch + r->state.step_in_epoch; }

void itr_trainer_tell(const itr_trainer *r, const char *key, double value, int64_t step)
{
	if (r->hooks->metric)
		r->hooks->metric(r->hooks->ctx, key, value, step);
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

static int take_rows(itr_trainer *r)
{
	const itr_embeddings *d = r->data;
	const itr_model_config *c = &r->model->config;
	itr_selection part[2];
	if (itr_row_table_select(&part[0], &d->table, "train", ITR_SELECT_MAY_BE_EMPTY, r->err) < 0 ||
	    itr_row_table_select(&part[1], &d->table, "val", ITR_SELECT_MAY_BE_EMPTY, r->err) < 0)
		return -1;
	r->train = part[0].row[ITR_TEXT];
	r->n_train = part[0].n[ITR_TEXT];
	r->val = part[1].row[ITR_TEXT];
	r->n_val = part[1].n[ITR_TEXT];
	part[0].row[ITR_TEXT] = part[1].row[ITR_TEXT] = NULL;
	itr_selection_free(&part[0]);
	itr_selection_free(&part[1]);
	if (r->n_train == 0)
		return itr_err_set(r->err, "no pair is in the part 'train'");
	if ((itr_embeddings_has(d, ITR_TEXT) && d->side[ITR_TEXT].dim != c->text_dim) ||
	    (itr_embeddings_has(d, ITR_IMAGE) && d->side[ITR_IMAGE].dim != c->image_dim))
		return itr_err_set(r->err, "the data are %lld -> %lld, the model is %lld -> %lld", (long long)d->side[ITR_TEXT].dim,
		                   (long long)d->side[ITR_IMAGE].dim, (long long)c->text_dim, (long long)c->image_dim);
	return 0;
}

/* A component's self: its values, or a copy of its defaults. NULL where it has none. */
static void *self_of(const void *values, const void *defaults, size_t size)
{
	return size ? memcpy(itr_xmalloc(size), values ? values : defaults, size) : NULL;
}

static int build_loss(itr_trainer *r)
{
	const itr_train_opts *o = r->opts;
	if (!(r->loss = itr_loss_find(o->loss, r->err)))
		return -1;
	r->loss_self = self_of(o->loss_values, r->loss->defaults, r->loss->size);
	if (r->loss->check && r->loss->check(r->loss_self, itr_model_embed_dim(r->model), r->err) < 0)
		return -1;
	if (r->loss->init) {
		itr_params *p = itr_params_new();
		r->loss->init(r->loss_self, p);
		(void)itr_trainer_add_net(r, "loss", p, ITR_BY_MODEL_STEP, 0);
	}
	if (r->loss->contrastive && ITR_MIN(o->batch_size, r->n_train) == 1)
		itr_warn("'%s' with one pair a batch learns nothing, since a batch holds no negatives: a larger --batch-size",
		         o->loss);
	if (r->loss->contrastive && r->n_val > 0 && ITR_MIN(o->val_batch, r->n_val) == 1)
		itr_warn("the val loss of one pair a batch is 0 whatever the model: a larger --val-batch or val part");
	return 0;
}

static int build_objectives(itr_trainer *r)
{
	const itr_method *m = &itr_methods[r->opts->method];
	for (int i = 0; itr_objectives[i]; i++) {
		const itr_objective *o = itr_objectives[i];
		if (!itr_method_uses(m, o->name))
			continue;
		itr_running *new = &r->objective[r->n_objectives++];
		*new = (itr_running){ o, self_of(r->opts->objective_values ? r->opts->objective_values[i] : NULL, o->defaults, o->size) };
		if (o->build && o->build(new->self, r, r->err) < 0)
			return -1;
	}
	return m ? 0 : -1;
}

/* Each net's optimiser; the model's average. */
static int build_optimizers(itr_trainer *r)
{
	const itr_train_opts *o = r->opts;
	const itr_optim_opts opts = {
		.weight_decay = o->weight_decay, .values = o->optimizer_values, .decay_all = o->decay_all, .threads = o->threads
	};
	for (int i = 0; i < r->n_nets; i++)
		if (!(r->net[i].optim = itr_optim_new(o->optimizer, r->net[i].params, &opts, r->err)))
			return -1;
	r->net[0].ema = o->ema > 0 ? itr_ema_new(r->net[0].params, o->ema) : NULL;
	r->batches_per_epoch = (r->n_train + o->batch_size - 1) / o->batch_size;
	r->steps_per_epoch = (r->batches_per_epoch + o->accumulate - 1) / o->accumulate;
	r->schedule = (itr_schedule){ .ops = itr_schedules[o->schedule],
		                      .values = o->schedule_values,
		                      .lr = o->lr,
		                      .warmup = o->warmup,
		                      .total = r->steps_per_epoch * o->epochs,
		                      .by_epoch = o->by_epoch,
		                      .steps_per_epoch = r->steps_per_epoch };
	return itr_schedule_check(&r->schedule, r->err);
}

/* What is measured: validation, the loss, the term of each objective where there are several. */
static int name_measures(itr_trainer *r)
{
	const char *names[ITR_TRAIN_METRICS];
	for (int i = 0; i < ITR_VAL_COUNT; i++) {
		r->measure[i].larger_is_better = itr_val_metrics[i].larger_is_better;
		snprintf(r->measure[i].name, sizeof r->measure[i].name, "%s", itr_val_metrics[i].name);
	}
	snprintf(r->measure[ITR_VAL_COUNT].name, sizeof r->measure[0].name, "train_loss");
	r->n_measures = ITR_VAL_COUNT + 1;
	for (int i = 0; r->n_objectives > 1 && i < r->n_objectives; i++)
		snprintf(r->measure[r->n_measures++].name, sizeof r->measure[0].name, "train_loss_%s", r->objective[i].ops->name);
	for (int i = 0; i < r->n_objectives; i++)
		if (r->objective[i].ops->own_step)
			snprintf(r->measure[r->n_measures++].name, sizeof r->measure[0].name, "train_own_loss_%s",
			         r->objective[i].ops->name);
	r->monitor = -1;
	for (int i = 0; i < r->n_measures; i++) {
		names[i] = r->measure[i].name;
		r->measure[i].value = NAN;
		r->monitor = strcmp(names[i], r->opts->monitor) ? r->monitor : i;
	}
	if (r->monitor < 0)
		return itr_err_set(r->err, "unknown metric '%s' to monitor: did you mean '%s'?", r->opts->monitor,
		                   itr_nearest(r->opts->monitor, names, r->n_measures));
	if (r->monitor < ITR_VAL_COUNT && r->n_val == 0)
		return itr_err_set(r->err, "there are no validation pairs to monitor '%s' on: --monitor train_loss, or another split",
		                   r->opts->monitor);
	r->history = itr_xmalloc((size_t)(r->opts->epochs * r->n_measures) * sizeof *r->history);
	return 0;
}

static void open_inputs(itr_trainer *r)
{
	const itr_train_opts *o = r->opts;
	const int64_t b = ITR_MIN(o->batch_size, r->n_train);
	const itr_source_opts opts = { .batch = b,
		                       .part = o->cache_chunk > 0 ? ITR_MIN(o->cache_chunk, b) : b,
		                       .ahead = ITR_MAX(b, (int64_t)16),
		                       .augment = o->augment,
		                       .seed = o->seed,
		                       .threads = o->threads };
	r->order = itr_xmalloc((size_t)r->n_train * sizeof *r->order);
	r->image_of = itr_xmalloc((size_t)b * sizeof *r->image_of);
	for (int side = 0; side < 2; side++)
		r->source[side] = itr_source_new(r->model, r->data, o->set, (itr_modality)side, &opts);
	r->tape = itr_tape_new(&(itr_tape_opts){ .threads = o->threads,
	                                         .seed = o->seed,
	                                         .compute = (itr_compute)o->compute,
	                                         .recompute = o->recompute,
	                                         .frozen_nets = r->own_nets,
	                                         .fresh_statistics = o->fresh_statistics });
	r->sampler = itr_samplers[o->sampler];
	r->strategy = o->cache_chunk > 0 ? &itr_strategy_chunks : &itr_strategy_whole;
	r->strategy_self = r->strategy->size ? itr_xcalloc(1, r->strategy->size) : NULL;
	if (r->strategy->open)
		r->strategy->open(r->strategy_self, r);
	r->time.last_checkpoint = itr_clock_now();
}

int itr_trainer_init(itr_trainer *r)
{
	if (check_opts(r->opts, r->err) < 0 || take_rows(r) < 0)
		return -1;
	r->net[r->n_nets++] = (itr_train_net){ .name = "model", .params = r->model->params };
	if (build_loss(r) < 0 || build_objectives(r) < 0 || name_measures(r) < 0 || build_optimizers(r) < 0)
		return -1;
	open_inputs(r);
	return 0;
}

void itr_trainer_release(itr_trainer *r)
{
	if (r->strategy && r->strategy->close)
		r->strategy->close(r->strategy_self);
	free(r->strategy_self);
	for (int i = 0; i < r->n_objectives; i++) {
		if (r->objective[i].ops->release)
			r->objective[i].ops->release(r->objective[i].self);
		free(r->objective[i].self);
	}
	free(r->loss_self);
	for (int i = 0; i < r->n_nets; i++) {
		itr_optim_free(r->net[i].optim);
		itr_ema_free(r->net[i].ema);
		itr_tape_free(r->net[i].tape);
		if (r->net[i].owned)
			itr_params_free(r->net[i].params);
	}
	itr_source_free(r->source[0]);
	itr_source_free(r->source[1]);
	itr_tape_free(r->tape);
	free(r->train);
	free(r->val);
	free(r->order);
	free(r->image_of);
	free(r->history);
}
