/* infonce: cross entropy of the right partner among the batch (van den Oord et al. 2018); text -> image, and both ways when symmetric
 * (CLIP). */
#include "base/log.h"
#include "loss/loss.h"

struct infonce { int positives; };
static const struct infonce defaults = { ITR_POSITIVES_DIAGONAL };
static const itr_option options[] = { ITR_OPT_ENUM("positives", 0, struct infonce, positives, itr_positives_names,
	                                           "captions of one image in a batch: negatives, excluded (mask) or positives (all)"),
	                              ITR_OPT_END };

static itr_var *value(const void *self, itr_tape *t, const itr_loss_in *in)
{
	if (in->own || in->excluded)
		ITR_BUG("infonce: neither own negatives nor excluded columns");
	itr_var *scores =
		itr_scores(t, itr_l2norm(t, in->query), itr_l2norm(t, in->target), in->log_scale, in->scale, ITR_LOG_SCALE_CEILING);
	return itr_infonce(t, scores, in->group, (itr_positives)((const struct infonce *)self)->positives, in->symmetric);
}

const itr_loss_ops itr_loss_infonce = {
	.name = "infonce", .summary = "the right partner among the batch", .contrastive = true,
	.size = sizeof(struct infonce), .defaults = &defaults, .options = options, .value = value,
};
