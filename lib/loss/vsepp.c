/* vsepp: hinge loss with a margin on cosines, over all negatives or the hardest one (VSE++, Faghri et al. 2018). The mean over lines and
 * directions, whereas the paper sums over both, so that the size of the gradient does not depend on the batch. */
#include "loss/scores.h"

struct vsepp {
	double margin;
	int hinge, positives;
};
static const char *const hinge_names[] = { [ITR_HINGE_ALL] = "sum", [ITR_HINGE_HARDEST] = "max", NULL };
static const struct vsepp defaults = { 0.2, ITR_HINGE_HARDEST, ITR_POSITIVES_MASK };
static const itr_option options[] = { ITR_OPT_NUM_IN("margin", 0, struct vsepp, margin, "M", ITR_BETWEEN(0, 2),
	                                             "margin between the cosines of the positive and a negative"),
	                              ITR_OPT_ENUM("hinge", 0, struct vsepp, hinge, hinge_names,
	                                           "sum over all negatives of the batch, or the hardest one"),
	                              ITR_LOSS_POSITIVES(struct vsepp), ITR_OPT_END };

static itr_var *value(const void *self, itr_tape *t, const itr_loss_in *in)
{
	const struct vsepp *l = self;
	itr_loss_in cosines = *in;
	itr_match m;
	cosines.log_scale = NULL;
	cosines.scale = 1;
	itr_var *scores = itr_loss_scores(t, &cosines, (itr_positives)l->positives, &m);
	return itr_rank_hinge(t, scores, &m, l->margin, (itr_hinge)l->hinge);
}

const itr_loss_ops itr_loss_vsepp = {
	.name = "vsepp",
	.summary = "the right partner before all others, or the hardest, by a margin (VSE++)",
	.contrastive = true,
	.size = sizeof(struct vsepp),
	.defaults = &defaults,
	.options = options,
	.value = value,
};
