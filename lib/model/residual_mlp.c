/* residual-mlp: the final model of document 003. x (B, text_dim) -> (B, image_dim):
 * GELU(LayerNorm(W2 dropout(GELU(LayerNorm(W1 x)))) + P x). The last GELU cannot reach most of the negative half of the target space;
 * --output-activation none removes it. */
#include "model/model.h"

struct residual_mlp {
	itr_linear_layer projection, fc1, fc2;
	itr_layernorm_layer norm1, norm2;
};

struct options {
	int64_t hidden;
	double dropout;
	int output_activation;
};
enum { WIDTH = 2048, GELU = 0, NONE };
static const char *const output_names[] = { [GELU] = "gelu", [NONE] = "none", NULL };
static const struct options defaults = { WIDTH, 0.2, GELU };
static const itr_option options[] = { ITR_MODEL_HIDDEN(struct options), ITR_MODEL_DROPOUT(struct options),
	                              ITR_OPT_ENUM("output-activation", 0, struct options, output_activation, output_names,
	                                           "activation of the output; 'none' also allows values below -0.17, GELU's minimum"),
	                              ITR_OPT_END };

static int64_t init(void *layers, itr_params *p, int64_t text_dim, int64_t image_dim, void *opts)
{
	struct residual_mlp *m = layers;
	struct options *o = opts;
	o->hidden = o->hidden ? o->hidden : WIDTH;
	itr_linear_init(&m->projection, p, "projection", text_dim, image_dim, true);
	itr_linear_init(&m->fc1, p, "fc1", text_dim, o->hidden, true);
	itr_layernorm_init(&m->norm1, p, "norm1", o->hidden, 1e-5);
	itr_linear_init(&m->fc2, p, "fc2", o->hidden, image_dim, true);
	itr_layernorm_init(&m->norm2, p, "norm2", image_dim, 1e-5);
	return image_dim;
}

static itr_var *text(itr_tape *t, const void *layers, const void *opts, itr_var *x)
{
	const struct residual_mlp *m = layers;
	const struct options *o = opts;
	itr_var *h = itr_gelu(t, itr_layernorm(t, &m->norm1, itr_linear(t, &m->fc1, x)));
	h = itr_layernorm(t, &m->norm2, itr_linear(t, &m->fc2, itr_dropout(t, h, o->dropout)));
	h = itr_add(t, h, itr_linear(t, &m->projection, x));
	return o->output_activation == GELU ? itr_gelu(t, h) : h;
}

static const itr_recipe recipe = {
	.loss = "infonce", .optimizer = "adam", .lr = 1e-4, .epochs = 100, .batch_size = 256, .schedule = "cosine", .patience = 3,
	.split_sizes = "0.9/0.1/0"
};

const itr_model_ops itr_model_residual_mlp = {
	.name = "residual-mlp",
	.summary = "text -> image space with a linear identity path (document 003)",
	.options_size = sizeof(struct options),
	.defaults = &defaults,
	.options = options,
	.size = sizeof(struct residual_mlp),
	.init = init,
	.text = text,
	.recipe = &recipe,
};
