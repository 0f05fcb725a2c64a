#include "train/options.h"

#include <math.h>
#include <string.h>

#include "base/bytes.h"
#include "data/dataset.h"
#include "train/recipe.h"

static const char *const precision_names[] = { [ITR_COMPUTE_F32] = "fp32", [ITR_COMPUTE_BF16] = "bf16", NULL };
const char *const itr_finetune_names[] = { [ITR_FINETUNE_NO] = "no",
	                                   [ITR_FINETUNE_IMAGE] = "image",
	                                   [ITR_FINETUNE_TEXT] = "text",
	                                   [ITR_FINETUNE_ALL] = "all",
	                                   NULL };

const itr_option itr_train_loop_options[] = {
	ITR_OPT_INT_IN("epochs", 'e', itr_train_opts, epochs, "N", ITR_BETWEEN(1, ITR_TRAIN_EPOCHS), "passes over the train split"),
	ITR_OPT_INT_IN("batch-size", 'b', itr_train_opts, batch_size, "N", ITR_BETWEEN(1, ITR_TRAIN_MOST), "pairs per batch"),
	ITR_OPT_ENUM("sampler", 0, itr_train_opts, sampler, itr_sampler_names,
	             "order of the pairs in an epoch: shuffled, or with no two texts of one image in a batch"),
	ITR_OPT_INT_IN("val-batch", 0, itr_train_opts, val_batch, "N", ITR_BETWEEN(1, ITR_TRAIN_MOST),
	               "pairs per batch of the val loss (contrastive losses depend on it)"),
	ITR_OPT_INT_IN("accumulate", 0, itr_train_opts, accumulate, "N", ITR_BETWEEN(1, ITR_TRAIN_MOST),
	               "batches per optimizer step (gradient accumulation); each batch has its own negatives"),
	ITR_OPT_INT_IN("grad-cache", 0, itr_train_opts, cache_chunk, "N", ITR_BETWEEN(0, ITR_TRAIN_MOST),
	               "GradCache: embed the batch in chunks of N, with negatives from the whole batch; needs less memory"),
	ITR_OPT_NAME("optimizer", 0, itr_train_opts, optimizer, itr_optim_names, "how weights follow gradients"),
	ITR_OPT_NUM_IN("lr", 0, itr_train_opts, lr, "X", ITR_ABOVE(0), "learning rate"),
	ITR_OPT_NUM_IN("weight-decay", 0, itr_train_opts, weight_decay, "X", ITR_FROM(0),
	               "weight decay; excludes biases, normalisation layers and the temperature unless --decay-all is given"),
	ITR_OPT_BOOL("decay-all", 0, itr_train_opts, decay_all, "apply weight decay to every parameter, as PyTorch's default"),
	ITR_OPT_ENUM("schedule", 0, itr_train_opts, schedule, itr_schedule_names, "learning-rate schedule"),
	ITR_OPT_BOOL("schedule-by-epoch", 0, itr_train_opts, by_epoch, "update the learning rate per epoch instead of per step"),
	ITR_OPT_INT_IN("warmup", 0, itr_train_opts, warmup, "STEPS", ITR_FROM(0), "steps of linear warm-up"),
	ITR_OPT_NUM_IN("clip", 0, itr_train_opts, clip, "X", ITR_FROM(0), "clip the norm of the gradient over all parameters; 0: off"),
	ITR_OPT_NUM_IN("ema", 0, itr_train_opts, ema, "DECAY", ITR_BELOW(0, 1),
	               "validate and save an exponential moving average of the weights; 0: off"),
	ITR_OPT_INT_IN("patience", 0, itr_train_opts, patience, "N", ITR_FROM(0),
	               "stop after N epochs without a better --monitor; 0: never"),
	ITR_OPT_STR("monitor", 0, itr_train_opts, monitor, "METRIC",
	            "metric that selects the best model: val_loss, val_cosine, val_t2i_recall_at_10, ..."),
	ITR_OPT_ENUM("method", 0, itr_train_opts, method, itr_method_names,
	             "training method: the loss alone, or with an additional term (options: below)"),
	ITR_OPT_NAME("loss", 0, itr_train_opts, loss, itr_loss_names, "what a batch's embeddings minimise"),
	ITR_OPT_BOOL("symmetric", 0, itr_train_opts, symmetric, "contrastive losses: both directions, also image to text"),
	ITR_OPT_NUM_IN("temperature", 0, itr_train_opts, temperature, "T", ITR_BETWEEN(0.0001, 10000),
	               "softmax temperature of contrastive losses"),
	ITR_OPT_BOOL("learn-temperature", 0, itr_train_opts, learn_temperature, "train the temperature too, with lower bound 0.01"),
	ITR_OPT_ENUM("precision", 0, itr_train_opts, compute, precision_names,
	             "precision of matrix products; weights, sums and all else are fp32"),
	ITR_OPT_NUM_IN("checkpoint-minutes", 0, itr_train_opts, checkpoint_minutes, "M", ITR_FROM(0),
	               "minutes between checkpoints within an epoch; each epoch also ends with a checkpoint"),
	ITR_OPT_STR("max-memory", 0, itr_train_opts, memory, "SIZE",
	            "memory for the vectors of a store (300M, 2G); vectors beyond it are read from the file ahead of their use "
	            "(default: all are loaded, unless they exceed half of the machine's memory)"),
	ITR_OPT_INT_IN("log-every", 0, itr_train_opts, log_every, "STEPS", ITR_BETWEEN(1, ITR_TRAIN_MOST),
	               "steps between logged values of the per-step metrics"),
	ITR_OPT_END
};

void itr_train_options_init(itr_train_options *o)
{
	*o = (itr_train_options){ .loop = { .val_batch = 512,
		                            .accumulate = 1,
		                            .monitor = "val_loss",
		                            .log_every = 10,
		                            .temperature = 0.07,
		                            .checkpoint_minutes = 10 },
		                  .towers = itr_finetune_defaults };
}

itr_option_group *itr_train_options_groups(itr_train_options *o)
{
	itr_option_groups *g = &o->groups;
	for (const itr_model_ops *const *m = itr_models; *m; m++)
		itr_option_groups_add(g, "model", (*m)->name, (*m)->options, (*m)->defaults, (*m)->options_size);
	o->of_towers = itr_option_groups_section(g, "Towers trained along with heads, from a manifest's pictures and captions",
	                                         "--finetune image, text or all", itr_finetune_options, &o->towers);
	o->of_networks = itr_option_groups_section(g, "Networks (0 or not given: the model's default, see 'man {train}')",
	                                           "networks, not to closed forms", itr_train_loop_options, &o->loop);
	for (const itr_loss_ops *const *l = itr_losses; *l; l++)
		itr_option_groups_add(g, "loss", (*l)->name, (*l)->options, (*l)->defaults, (*l)->size);
	for (const itr_optim_ops *const *p = itr_optims; *p; p++)
		itr_option_groups_add(g, "optimizer", (*p)->name, (*p)->options, (*p)->defaults, (*p)->size);
	for (const itr_schedule_ops *const *s = itr_schedules; *s; s++)
		itr_option_groups_add(g, "schedule", (*s)->name, (*s)->options, (*s)->defaults, (*s)->size);
	for (const itr_objective *const *p = itr_objectives; *p; p++)
		for (const itr_method *m = itr_methods; m->name; m++)
			if (itr_method_uses(m, (*p)->name))
				itr_option_groups_add(g, "method", m->name, (*p)->options, (*p)->defaults, (*p)->size);
	return g->group;
}

void itr_train_options_use_all(itr_train_options *o)
{
	for (int i = 0; i < o->groups.n; i++)
		o->groups.group[i].in_use = true;
}

static int use_towers(itr_train_options *o, const itr_train_choice *c, itr_err *err)
{
	itr_finetune_opts *f = &o->towers;
	f->train[ITR_TEXT] = c->finetune == ITR_FINETUNE_TEXT || c->finetune == ITR_FINETUNE_ALL;
	f->train[ITR_IMAGE] = c->finetune == ITR_FINETUNE_IMAGE || c->finetune == ITR_FINETUNE_ALL;
	if (!c->given(c->ctx, "clip"))
		o->loop.clip = 1;
	o->of_towers->in_use = true;
	if (o->rule.by == ITR_SPLIT_BY_CAPTION)
		return itr_err_set(err, "'--finetune' splits by picture: no '--split-by caption'");
	return itr_finetune_check(f, err);
}

/* Splits that need more than rows are made before: near by pictures, and those of a manifest. */
static int use_split(itr_train_options *o, bool manifest, itr_err *err)
{
	double sizes[3];
	if (o->rule.by == ITR_SPLIT_BY_NEAR || (manifest && o->rule.by != ITR_SPLIT_BY_IMAGE))
		return itr_err_set(err, "'--split-by %s' is {fetch-coco}'s: it makes that split, and the manifest and the store keep it",
		                   o->split_by);
	o->towers.split_sizes = o->split_sizes;
	return itr_split_parse(sizes, o->split_sizes, err) < 0 ? itr_err_prefix(err, "'--split-sizes': ") : 0;
}

/* Whose options count beside the model's. */
static void use_components(itr_train_options *o)
{
	itr_train_opts *l = &o->loop;
	l->loss_values = itr_option_groups_use(&o->groups, "loss", l->loss, NULL);
	l->optimizer_values = itr_option_groups_use(&o->groups, "optimizer", l->optimizer, NULL);
	l->schedule_values = itr_option_groups_use(&o->groups, "schedule", itr_schedule_names[l->schedule], NULL);
	for (int i = 0; itr_objectives[i]; i++)
		if (itr_method_uses(&itr_methods[l->method], itr_objectives[i]->name) && itr_objectives[i]->options)
			o->objective_values[i] =
				itr_option_groups_use(&o->groups, "method", itr_method_names[l->method], itr_objectives[i]->options);
	l->objective_values = o->objective_values;
}

/* What the vectors may take. */
static int use_memory(itr_train_opts *l, bool manifest, itr_err *err)
{
	if (l->memory && manifest)
		return itr_err_set(err, "'--max-memory' is about a store's vectors: '--finetune' reads pictures");
	return l->memory && itr_bytes_parse(l->memory, &l->max_memory, err) < 0 ? itr_err_prefix(err, "'--max-memory': ") : 0;
}

static int model_missing(itr_err *err)
{
	itr_buf b = ITR_BUF_INIT;
	for (int i = 0; itr_model_names[i]; i++)
		itr_buf_printf(&b, "%s%s", i ? ", " : "", itr_model_names[i]);
	itr_err_set(err, "'--model' is required: one of %s", itr_buf_str(&b));
	itr_buf_free(&b);
	return -1;
}

int itr_train_options_use(itr_train_options *o, const itr_train_choice *c, itr_err *err)
{
	if (!c->model)
		return model_missing(err);
	if (!itr_model_find(c->model, err))
		return -1;
	const itr_recipe *r = itr_recipe_find(c->model, c->finetune != ITR_FINETUNE_NO);
	if (c->finetune && !r)
		return itr_err_set(err, "'--finetune' belongs to '--model %s', not to '%s'", itr_recipe_with_towers(), c->model);
	if (itr_split_rule_parse(&o->rule, o->split_by, err) < 0 || (c->finetune && use_towers(o, c, err) < 0))
		return -1;
	o->of_networks->in_use = r != NULL;
	o->model_options = itr_option_groups_use(&o->groups, "model", c->model, NULL);
	if (!r && !c->given(c->ctx, "split-sizes"))
		o->split_sizes = "0.6/0.2/0.2";
	if (r && !c->resumed)
		itr_recipe_apply(r, &o->loop, &o->split_sizes, c->given, c->ctx);
	if (r)
		use_components(o);
	if (use_split(o, c->finetune, err) < 0 || use_memory(&o->loop, c->finetune, err) < 0)
		return -1;
	const itr_train_opts *l = &o->loop;
	const itr_schedule schedule = { .ops = itr_schedules[l->schedule], .values = l->schedule_values, .lr = l->lr };
	return r ? itr_schedule_check(&schedule, err) : 0;
}

itr_train_opts itr_train_options_loop(const itr_train_options *o)
{
	itr_train_opts l = o->loop;
	const itr_finetune_opts *f = &o->towers;
	l.augment = (itr_augment){ itr_augment_kinds_of(f->augment), f->crop_scale, { f->jitter, f->jitter, f->jitter } };
	l.recompute = f->gradient_checkpointing ? INFINITY : ITR_RECOMPUTE_CHEAP;
	l.fresh_statistics = (f->train[ITR_TEXT] || f->train[ITR_IMAGE]) && !f->weights[ITR_IMAGE];
	return l;
}

itr_model_config itr_train_options_model(const itr_train_options *o)
{
	return (itr_model_config){
		.options = o->model_options, .temperature = o->loop.temperature, .learn_scale = o->loop.learn_temperature
	};
}
