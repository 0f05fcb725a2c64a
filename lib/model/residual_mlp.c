/* residual-mlp: the final model of document 003. x (B, text_dim) -> (B, image_dim):
 * GELU(LayerNorm(W2 dropout(GELU(LayerNorm(W1 x)))) + P x). The last GELU cannot reach most of the negative half of the target space;
 * --output-activation none removes it. */
#include "model/model.h"

struct residual_mlp {
	itr_linear_layer projection, fc1, fc2;
	itr_layernorm_layer norm1, norm2;
};

static void init(void *model, itr_params *p, itr_model_config *c)
{
	struct residual_mlp *m = model;
	if (!c->hidden)
		c->hidden = 2048;
	itr_linear_init(&m->projection, p, "projection", c->text_dim, c->image_dim, true);
	itr_linear_init(&m->fc1, p, "fc1", c->text_dim, c->hidden, true);
	itr_layernorm_init(&m->norm1, p, "norm1", c->hidden, 1e-5);
	itr_linear_init(&m->fc2, p, "fc2", c->hidden, c->image_dim, true);
	itr_layernorm_init(&m->norm2, p, "norm2", c->image_dim, 1e-5);
}

static itr_var *text(itr_tape *t, const void *model, const itr_model_config *c, itr_var *x)
{
	const struct residual_mlp *m = model;
	itr_var *h = itr_gelu(t, itr_layernorm(t, &m->norm1, itr_linear(t, &m->fc1, x)));
	h = itr_layernorm(t, &m->norm2, itr_linear(t, &m->fc2, itr_dropout(t, h, c->dropout)));
	h = itr_add(t, h, itr_linear(t, &m->projection, x));
	return c->output_activation ? itr_gelu(t, h) : h;
}

const itr_model_ops itr_model_residual_mlp = {
	.name = "residual-mlp", .summary = "text -> image space with a linear identity path (document 003)",
	.size = sizeof(struct residual_mlp), .init = init, .text = text
};
