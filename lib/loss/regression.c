/* cosine and mse: the translated text against its own image, nobody else. */
#include "loss/loss.h"

static itr_var *cosine(itr_tape *t, itr_var *text, itr_var *image, const itr_loss_opts *o)
{
	(void)o;
	return itr_cosine_loss(t, text, image);
}

static itr_var *mse(itr_tape *t, itr_var *text, itr_var *image, const itr_loss_opts *o)
{
	(void)o;
	return itr_mse(t, text, image);
}

const itr_loss_ops itr_loss_cosine = { "cosine", "1 - cosine to the own image", false, cosine };
const itr_loss_ops itr_loss_mse = { "mse", "mean squared distance to the own image", false, mse };
