/* infonce: cross entropy of the right partner among the batch (van den Oord et al. 2018); text -> image, and both ways when symmetric
 * (CLIP). */
#include "loss/loss.h"

static itr_var *value(itr_tape *t, itr_var *text, itr_var *image, const itr_loss_opts *o)
{
	itr_var *scores = itr_scores(t, itr_l2norm(t, text), itr_l2norm(t, image), o->log_scale, o->scale, ITR_LOG_SCALE_CEILING);
	return itr_infonce(t, scores, o->image, o->positives, o->symmetric);
}

const itr_loss_ops itr_loss_infonce = { "infonce", "the right partner among the batch", true, value };
