/* infonce: cross entropy of the positive among the targets of the batch (van den Oord et al. 2018); text -> image, or both directions when
 * symmetric (CLIP). */
#include "loss/scores.h"

struct infonce {
	int positives;
};
static const struct infonce defaults = { ITR_POSITIVES_DIAGONAL };
static const itr_option options[] = { ITR_LOSS_POSITIVES(struct infonce), ITR_OPT_END };

static itr_var *value(const void *self, itr_tape *t, const itr_loss_in *in)
{
	itr_match m;
	itr_var *scores = itr_loss_scores(t, in, (itr_positives)((const struct infonce *)self)->positives, &m);
	return itr_infonce(t, scores, &m);
}

const itr_loss_ops itr_loss_infonce = {
	.name = "infonce",
	.summary = "the right partner among the batch",
	.contrastive = true,
	.size = sizeof(struct infonce),
	.defaults = &defaults,
	.options = options,
	.value = value,
};
