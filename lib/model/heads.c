/* heads: one linear map per side into a shared space, trained contrastively on stored features. */
#include "model/model.h"

struct heads { itr_linear_layer text, image; };

static void init(void *model, itr_params *p, itr_model_config *c)
{
	struct heads *m = model;
	if (!c->embed_dim)
		c->embed_dim = 256;
	itr_linear_init(&m->text, p, "text_projection", c->text_dim, c->embed_dim, true);
	itr_linear_init(&m->image, p, "image_projection", c->image_dim, c->embed_dim, true);
}

static itr_var *text(itr_tape *t, const void *model, const itr_model_config *c, itr_var *x)
{
	return itr_linear(t, &((const struct heads *)model)->text, itr_dropout(t, x, c->dropout));
}

static itr_var *image(itr_tape *t, const void *model, const itr_model_config *c, itr_var *x)
{
	return itr_linear(t, &((const struct heads *)model)->image, itr_dropout(t, x, c->dropout));
}

const itr_model_ops itr_model_heads = { .name = "heads",
	                                .summary = "two linear towers on stored features",
	                                .size = sizeof(struct heads),
	                                .init = init,
	                                .text = text,
	                                .image = image };
