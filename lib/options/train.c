#include "options/train.h"

#include <math.h>
#include <string.h>

#include "cli/saved_options.h"
#include "data/dataset.h"
#include "train/checkpoint.h"
#include "train/recipe.h"

static const char *const precision_names[] = { "fp32", "bf16", NULL };
static const char *const finetune_names[] = { "no", "image", "text", "all", NULL }, *const bn_names[] = { "auto", "batch", "running",
	                                                                                                  NULL };

const itr_option itr_train_option_table[] = {
	ITR_OPT_NAME("model", 'm', itr_train_options, model, itr_model_names, "what is fitted: a network, or a closed form"),
	ITR_OPT_STR("resume", 0, itr_train_options, resume, "FILE",
	            "resume from a checkpoint, which holds every option, the data's path and the output's"),
	ITR_OPT_ENUM("finetune", 0, itr_train_options, finetune, finetune_names,
	             "which towers are trained; the other side's vectors are made once, at the start"),
	ITR_OPT_BOOL("check-grad", 0, itr_train_options, check_grad,
	             "check every op's gradient by finite differences, print the table, train nothing"),
	ITR_OPT_HEADING("Which pairs (a feature store's own split wins):"),
	ITR_OPT_STR("split-sizes", 0, itr_train_options, split_sizes, "T/V/T",
	            "shares of train, val and test where the input has no split"),
	ITR_OPT_STR(
		"split-by", 0, itr_train_options, split_by, "RULE",
		"what stays together then: image, label, group:FILE (CSV: id,group); caption puts one image into several parts (leaky)"),
	ITR_OPT_END
};

const itr_option itr_train_tower_options[] = {
	ITR_OPT_STR("image-encoder", 0, itr_train_options, tune.encoder[1], "NAME",
	            "image tower, or the encoder of the side that is not trained (classic)"),
	ITR_OPT_STR("image-weights", 0, itr_train_options, tune.weights[1], "PATH",
	            "its published weights; without them it begins with random ones"),
	ITR_OPT_STR("text-encoder", 0, itr_train_options, tune.encoder[0], "NAME",
	            "text tower, or the encoder of the side that is not trained (hash)"),
	ITR_OPT_STR("text-weights", 0, itr_train_options, tune.weights[0], "PATH", "its published weights"),
	ITR_OPT_STR("vocabulary", 0, itr_train_options, tune.vocabulary, "FILE",
	            "of the text tower; default: beside the weights, or the words of the training captions"),
	ITR_OPT_INT_IN("vocabulary-size", 0, itr_train_options, tune.vocabulary_size, "N", ITR_BETWEEN(5, ITR_TRAIN_MOST),
	               "words of the training captions that are kept, the most frequent ones"),
	ITR_OPT_INT_IN("max-tokens", 0, itr_train_options, tune.max_tokens, "N", ITR_BETWEEN(0, ITR_TRAIN_MOST),
	               "captions are cut to so many tokens; 0: what the tower takes"),
	ITR_OPT_ENUM("pooling", 0, itr_train_options, pooling, itr_pooling_names, "of a transformer's tokens"),
	ITR_OPT_STR("preset", 0, itr_train_options, tune.preset, "NAME",
	            "preprocessing of pictures; default: what the weights were published with"),
	ITR_OPT_ENUM("augment", 0, itr_train_options, augment, itr_augment_names,
	             "training pictures: mirrored; also cropped and resized; also recoloured"),
	ITR_OPT_NUM_IN("crop-scale", 0, itr_train_options, crop_scale, "A", ITR_UP_TO(0, 1),
	               "least share of the picture's area that a random crop keeps"),
	ITR_OPT_NUM_IN("jitter", 0, itr_train_options, jitter, "J", ITR_BETWEEN(0, 1),
	               "brightness, contrast and saturation change by a factor from 1 - J to 1 + J"),
	ITR_OPT_NUM_IN("tower-lr", 0, itr_train_options, tune.tower_lr, "FACTOR", ITR_FROM(0),
	               "of the towers' learning rate to --lr; 0: 0.1 with published weights, 1 from scratch"),
	ITR_OPT_ENUM("bn", 0, itr_train_options, tune.bn, bn_names,
	             "BatchNorm by the batch or by running statistics; auto: by the batch from scratch"),
	ITR_OPT_STR("freeze-layers", 0, itr_train_options, tune.freeze_layers, "LIST",
	            "parts of the trained towers that are frozen: N (stem and first N blocks), or names with * ('conv1,bn1,layer1')"),
	ITR_OPT_BOOL("freeze-bn", 0, itr_train_options, tune.freeze_bn, "BatchNorm's own parameters are not trained"),
	ITR_OPT_BOOL("gradient-checkpointing", 0, itr_train_options, gradient_checkpointing,
	             "keep only the input of each block, recompute the rest in the backward pass: less memory, slower"),
	ITR_OPT_INT_IN("max-failed", 0, itr_train_options, tune.max_failed, "N", ITR_FROM(0),
	               "undecodable pictures to accept; they are listed and skipped with their captions"),
	ITR_OPT_END
};

const itr_option itr_train_network_options[] = {
	ITR_OPT_INT_IN("epochs", 'e', itr_train_options, net.epochs, "N", ITR_BETWEEN(1, ITR_TRAIN_EPOCHS), "passes over the train part"),
	ITR_OPT_INT_IN("batch-size", 'b', itr_train_options, net.batch_size, "N", ITR_BETWEEN(1, ITR_TRAIN_MOST), "pairs a batch"),
	ITR_OPT_ENUM("sampler", 0, itr_train_options, net.sampler, itr_sampler_names,
	             "order of an epoch: shuffled, or so that no batch has two texts of one image"),
	ITR_OPT_INT_IN("val-batch", 0, itr_train_options, net.val_batch, "N", ITR_BETWEEN(1, ITR_TRAIN_MOST),
	               "pairs a batch of the val loss, which depends on it"),
	ITR_OPT_INT_IN("accumulate", 0, itr_train_options, net.accumulate, "N", ITR_BETWEEN(1, ITR_TRAIN_MOST),
	               "batches a step; each has its own negatives"),
	ITR_OPT_INT_IN("grad-cache", 0, itr_train_options, net.cache_chunk, "N", ITR_BETWEEN(0, ITR_TRAIN_MOST),
	               "embed a batch in chunks of N, all of it negatives: large batches in little memory"),
	ITR_OPT_NAME("optimizer", 0, itr_train_options, net.optimizer, itr_optim_names, "how weights follow gradients"),
	ITR_OPT_NUM_IN("lr", 0, itr_train_options, net.lr, "X", ITR_ABOVE(0), "learning rate"),
	ITR_OPT_NUM_IN("weight-decay", 0, itr_train_options, net.weight_decay, "X", ITR_FROM(0),
	               "of weights; biases, normalisation and the temperature are excluded unless --decay-all"),
	ITR_OPT_BOOL("decay-all", 0, itr_train_options, net.decay_all, "decay every parameter, as PyTorch's default"),
	ITR_OPT_ENUM("schedule", 0, itr_train_options, net.schedule, itr_schedule_names, "learning-rate schedule"),
	ITR_OPT_BOOL("schedule-by-epoch", 0, itr_train_options, net.by_epoch, "change it between epochs only"),
	ITR_OPT_INT_IN("warmup", 0, itr_train_options, net.warmup, "STEPS", ITR_FROM(0), "steps of linear warm-up"),
	ITR_OPT_NUM_IN("clip", 0, itr_train_options, net.clip, "X", ITR_FROM(0),
	               "largest norm of the gradient, all parameters together; 0: not clipped"),
	ITR_OPT_NUM_IN("ema", 0, itr_train_options, net.ema, "DECAY", ITR_BELOW(0, 1),
	               "validate and keep a moving average of the weights; 0: none"),
	ITR_OPT_INT_IN("patience", 0, itr_train_options, net.patience, "N", ITR_FROM(0),
	               "stop after N epochs without a better --monitor; 0: never"),
	ITR_OPT_STR("monitor", 0, itr_train_options, net.monitor, "METRIC",
	            "which model is the best: val_loss, val_cosine, val_t2i_recall_at_10, ..."),
	ITR_OPT_ENUM("method", 0, itr_train_options, method, itr_method_names,
	             "what is minimised: the loss alone, or more (their options: below)"),
	ITR_OPT_NAME("loss", 0, itr_train_options, net.loss, itr_loss_names, "what a batch's embeddings minimise"),
	ITR_OPT_BOOL("symmetric", 0, itr_train_options, net.symmetric, "losses over a batch: image to text as well"),
	ITR_OPT_NUM_IN("temperature", 0, itr_train_options, config.temperature, "T", ITR_BETWEEN(0.0001, 10000), "infonce"),
	ITR_OPT_BOOL("learn-temperature", 0, itr_train_options, config.learn_scale, "train it too, at 0.01 at least"),
	ITR_OPT_ENUM("precision", 0, itr_train_options, precision, precision_names,
	             "of matrix products; weights, sums and the rest stay fp32"),
	ITR_OPT_NUM_IN("checkpoint-minutes", 0, itr_train_options, checkpoint_minutes, "M", ITR_FROM(0),
	               "between checkpoints inside an epoch; every epoch ends with one"),
	ITR_OPT_INT_IN("log-every", 0, itr_train_options, net.log_every, "STEPS", ITR_BETWEEN(1, ITR_TRAIN_MOST),
	               "between points of the per-step metrics"),
	ITR_OPT_END
};

void itr_train_options_init(itr_train_options *o)
{
	*o = (itr_train_options){ .checkpoint_minutes = 10,
		                  .augment = 2,
		                  .crop_scale = 0.5,
		                  .jitter = 0.2,
		                  .net = { .val_batch = 512, .accumulate = 1, .monitor = "val_loss", .log_every = 10 },
		                  .config = { .temperature = 0.07 },
		                  .tune = { .vocabulary_size = 10000 } };
}

itr_option_group *itr_train_option_groups(void *opt)
{
	itr_train_options *o = opt;
	itr_option_groups *g = &o->groups;
	for (const itr_model_ops *const *m = itr_models; *m; m++)
		itr_option_groups_add(g, "model", (*m)->name, (*m)->options, (*m)->defaults, (*m)->options_size);
	o->towers = itr_option_groups_section(g, "Towers trained along with heads, from a manifest's pictures and captions",
	                                      "--finetune image, text or all", itr_train_tower_options, o);
	o->network = itr_option_groups_section(g, "Networks (0, or nothing: as 'man {train}' says for each model)",
	                                       "networks, not to closed forms", itr_train_network_options, o);
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

static bool is_given(void *t, const char *option) { return itr_tool_given(t, option); }

static int wrong(itr_tool *t, const char *format, const char *name)
{
	itr_err_set(&t->err, format, name);
	return ITR_EXIT_USAGE;
}

static int take_up(itr_tool *t, itr_train_options *o)
{
	static const char *const loose[] = { "resume", "checkpoint-minutes", NULL };
	itr_json *info = itr_checkpoint_info(o->resume, &t->err);
	const int rc = info ? itr_tool_adopt(t, info, o->resume, loose) : -1;
	itr_json_free(info);
	return rc < 0 ? ITR_EXIT_FAIL : 0;
}

static int check_towers(itr_tool *t, itr_train_options *o)
{
	itr_finetune_opts *f = &o->tune;
	f->train[0] = o->finetune == ITR_FINETUNE_TEXT || o->finetune == ITR_FINETUNE_ALL;
	f->train[1] = o->finetune == ITR_FINETUNE_IMAGE || o->finetune == ITR_FINETUNE_ALL;
	for (int side = 0; side < 2; side++)
		if (f->train[side] && !f->encoder[side])
			return wrong(t, "'--finetune' needs to know which network: --%s-encoder NAME", side ? "image" : "text");
	if (itr_split_rule_parse(&o->rule, o->split_by, &t->err) < 0)
		return wrong(t, "%s", t->err.msg);
	if (o->finetune && o->rule.by == ITR_SPLIT_BY_CAPTION)
		return wrong(t, "%s", "'--finetune' splits by picture: no '--split-by caption'");
	if (f->max_tokens == 1)
		return wrong(t, "%s", "'--max-tokens' is 0 or at least 2");
	if (o->rule.by == ITR_SPLIT_BY_NEAR || (o->finetune && o->rule.by != ITR_SPLIT_BY_IMAGE))
		return wrong(
			t, "'--split-by %s' is {fetch-coco}'s: it makes that split, and the manifest and the store keep it",
			o->split_by);
	if (o->finetune && !itr_tool_given(t, "clip"))
		o->net.clip = 1;
	o->towers->in_use = o->finetune != ITR_FINETUNE_NO;
	return 0;
}

/* What must hold between numbers, each of which is in its own range. */
static int check_together(itr_tool *t, const itr_train_options *o, bool network)
{
	double sizes[3];
	if (itr_split_parse(sizes, o->split_sizes, &t->err) < 0) {
		itr_err_prefix(&t->err, "'--split-sizes': ");
		return ITR_EXIT_USAGE;
	}
	const itr_schedule schedule = { .ops = itr_schedules[o->net.schedule], .values = o->net.schedule_values, .lr = o->net.lr };
	return network && itr_schedule_check(&schedule, &t->err) < 0 ? ITR_EXIT_USAGE : 0;
}

/* Whose options count. */
static void use_components(itr_train_options *o)
{
	o->net.loss_values = itr_option_groups_use(&o->groups, "loss", o->net.loss, NULL);
	o->net.optimizer_values = itr_option_groups_use(&o->groups, "optimizer", o->net.optimizer, NULL);
	o->net.schedule_values = itr_option_groups_use(&o->groups, "schedule", itr_schedule_names[o->net.schedule], NULL);
	o->net.method = itr_method_names[o->method];
	for (int i = 0; itr_objectives[i]; i++)
		if (itr_method_uses(&itr_methods[o->method], itr_objectives[i]->name) && itr_objectives[i]->options)
			o->objective_values[i] = itr_option_groups_use(&o->groups, "method", o->net.method, itr_objectives[i]->options);
	o->net.objective_values = o->objective_values;
}

static int model_missing(itr_tool *t)
{
	itr_buf b = ITR_BUF_INIT;
	for (int i = 0; itr_model_names[i]; i++)
		itr_buf_printf(&b, "%s%s", i ? ", " : "", itr_model_names[i]);
	itr_err_set(&t->err, "'--model' is required: one of %s", itr_buf_str(&b));
	itr_buf_free(&b);
	return ITR_EXIT_USAGE;
}

/* Everything about the command line that the option table cannot say. */
int itr_train_options_complete(itr_tool *t, void *opt)
{
	itr_train_options *o = opt;
	for (int i = 0; i < o->groups.n; i++)
		o->groups.group[i].in_use = o->check_grad;      /* which takes no notice of them */
	if (o->check_grad)
		return t->n_args ? wrong(t, "--check-grad takes no input ('%s')", t->args[0]) : 0;
	if (o->resume && take_up(t, o) != 0)
		return ITR_EXIT_FAIL;
	if (!o->model)
		return model_missing(t);
	const itr_recipe *r = itr_recipe_find(o->model, o->finetune != ITR_FINETUNE_NO);
	if (!itr_model_find(o->model, &t->err))
		return ITR_EXIT_USAGE;
	if (o->finetune && !r) {
		itr_err_set(&t->err, "'--finetune' belongs to '--model %s', not to '%s'", itr_recipe_with_towers(), o->model);
		return ITR_EXIT_USAGE;
	}
	if (!o->finetune && t->n_args && itr_manifest_is(t->args[0]))
		return wrong(t,
		             "'%s' is a manifest: {extract-features} makes the vectors to train on, '--model heads --finetune image', text "
		             "or all trains towers on it",
		             t->args[0]);
	if (check_towers(t, o) != 0)
		return ITR_EXIT_USAGE;
	o->network->in_use = r != NULL;
	o->config.options = o->model_options = itr_option_groups_use(&o->groups, "model", o->model, NULL);
	if (!t->n_args || !t->output)
		return wrong(t, "%s", t->n_args ? "say where the result goes: -o FILE" : "what to work on is missing");
	if (!r && !itr_tool_given(t, "split-sizes"))
		o->split_sizes = "0.6/0.2/0.2";
	if (r && !o->resume)
		itr_recipe_apply(r, &o->net, &o->split_sizes, is_given, t);
	if (r)
		use_components(o);
	return check_together(t, o, r != NULL);
}

itr_train_opts itr_train_options_loop(const itr_train_options *o, const itr_tool *t)
{
	itr_train_opts n = o->net;
	n.augment = (itr_augment){ itr_augment_kinds_of(o->augment), o->crop_scale, { o->jitter, o->jitter, o->jitter } };
	n.compute = o->precision ? ITR_COMPUTE_BF16 : ITR_COMPUTE_F32;
	n.recompute = o->gradient_checkpointing ? INFINITY : ITR_RECOMPUTE_CHEAP;
	n.seed = t->seed;
	n.fresh_statistics = o->finetune && !o->tune.weights[1];
	n.threads = t->threads;
	n.checkpoint_seconds = 60 * o->checkpoint_minutes;
	return n;
}

itr_finetune_opts itr_train_options_towers(const itr_train_options *o, const itr_tool *t)
{
	itr_finetune_opts f = o->tune;
	f.split_sizes = o->split_sizes;
	f.pooling = (itr_pooling)o->pooling;
	f.seed = t->seed;
	f.threads = t->threads;
	f.stop = &itr_interrupted;
	return f;
}
