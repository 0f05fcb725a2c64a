/* cosine and mse: regression of the mapped text embedding to its image embedding, without negatives. */
#include "loss/loss.h"

static itr_var *cosine(const void *self, itr_tape *t, const itr_loss_in *in)
{
	(void)self;
	return itr_cosine_loss(t, in->query, in->target);
}

static itr_var *mse(const void *self, itr_tape *t, const itr_loss_in *in)
{
	(void)self;
	return itr_mse(t, in->query, in->target);
}

const itr_loss_ops itr_loss_cosine = { .name = "cosine", .summary = "1 - cosine to the own image", .value = cosine };
const itr_loss_ops itr_loss_mse = { .name = "mse", .summary = "mean squared distance to the own image", .value = mse };
