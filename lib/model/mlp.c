/* mlp: the baseline of document 003: text_dim -> 4096 -> image_dim. */
#include "model/model.h"

struct mlp { itr_linear_layer fc1, fc2; };

static void init(void *model, itr_params *p, itr_model_config *c)
{
	struct mlp *m = model;
	if (!c->hidden)
		c->hidden = 4096;
	itr_linear_init(&m->fc1, p, "fc1", c->text_dim, c->hidden, true);
	itr_linear_init(&m->fc2, p, "fc2", c->hidden, c->image_dim, true);
}

static itr_var *text(itr_tape *t, const void *model, const itr_model_config *c, itr_var *x)
{
	const struct mlp *m = model;
	itr_var *h = itr_linear(t, &m->fc1, x);
	h = itr_dropout(t, c->relu ? itr_relu(t, h) : itr_gelu(t, h), c->dropout);
	return itr_linear(t, &m->fc2, h);
}

const itr_model_ops itr_model_mlp = { .name = "mlp",
	                              .summary = "text -> image space: Linear, GELU, dropout, Linear",
	                              .size = sizeof(struct mlp),
	                              .init = init,
	                              .text = text };
