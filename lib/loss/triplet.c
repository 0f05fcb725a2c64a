/* triplet: batch-hard triplet loss with cosine distance: the farthest positive and the nearest negative of each anchor (Hermans et al.
 * 2017; sentence-transformers' BatchHardTripletLoss with cosine_distance). All captions of an image are its positives. */
#include "loss/scores.h"

struct triplet {
	double margin;
};
static const struct triplet defaults = { 0.2 };
static const itr_option options[] = { ITR_OPT_NUM_IN("margin", 0, struct triplet, margin, "M", ITR_BETWEEN(0, 2),
	                                             "margin between the cosines of the positive and a negative"),
	                              ITR_OPT_END };

static itr_var *value(const void *self, itr_tape *t, const itr_loss_in *in)
{
	itr_loss_in cosines = *in;
	itr_match m;
	cosines.log_scale = NULL;
	cosines.scale = 1;
	itr_var *scores = itr_loss_scores(t, &cosines, ITR_POSITIVES_ALL, &m);
	return itr_rank_hinge(t, scores, &m, ((const struct triplet *)self)->margin, ITR_HINGE_HARDEST);
}

const itr_loss_ops itr_loss_triplet = {
	.name = "triplet",
	.summary = "the farthest positive before the nearest negative by a margin (batch-hard)",
	.contrastive = true,
	.size = sizeof(struct triplet),
	.defaults = &defaults,
	.options = options,
	.value = value,
};
