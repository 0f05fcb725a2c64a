/* contrast: the run's loss (--loss) of the batch's texts and their images. */
#include "train/trainer.h"

static itr_var *term(void *self, itr_step *s)
{
	(void)self;
	return itr_step_loss(s, s->pooled[0], s->pooled[1]);
}

const itr_objective itr_objective_contrast = { .name = "contrast",
	                                       .summary = "the loss of --loss on texts and their images",
	                                       .term = term };
