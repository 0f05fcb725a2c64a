/* sigmoid: binary classification of every pair of the batch as positive or negative (SigLIP, Zhai et al. 2023), with a learned bias, and a
 * learned scale unless the model has one (--learn-temperature). Source of the initial values: open_clip. */
#include <math.h>

#include "loss/scores.h"

struct sigmoid {
	int positives;
	itr_param *bias, *log_scale;
};
static const struct sigmoid defaults = { .positives = ITR_POSITIVES_MASK };
static const itr_option options[] = { ITR_LOSS_POSITIVES(struct sigmoid), ITR_OPT_END };

static void init(void *self, itr_params *p)
{
	struct sigmoid *l = self;
	const int64_t one = 1;
	l->bias = itr_params_add(p, "", "logit_bias", 1, &one, ITR_INIT_CONSTANT, -10, true);
	l->log_scale = itr_params_add(p, "", "logit_scale", 1, &one, ITR_INIT_CONSTANT, log(10), true);
}

static itr_var *value(const void *self, itr_tape *t, const itr_loss_in *in)
{
	const struct sigmoid *l = self;
	itr_loss_in with = *in;
	itr_match m;
	if (!in->log_scale)
		with.log_scale = itr_leaf(t, l->log_scale);
	itr_var *scores = itr_loss_scores(t, &with, (itr_positives)l->positives, &m);
	return itr_sigmoid_loss(t, scores, itr_leaf(t, l->bias), &m);
}

const itr_loss_ops itr_loss_sigmoid = {
	.name = "sigmoid",
	.summary = "each pair of the batch by itself, learned bias and scale (SigLIP)",
	.contrastive = true,
	.size = sizeof(struct sigmoid),
	.defaults = &defaults,
	.options = options,
	.init = init,
	.value = value,
};
