/* mlp: the baseline of document 003: text_dim -> 4096 -> image_dim. */
#include "model/model.h"

struct mlp { itr_linear_layer fc1, fc2; };

struct options {
	int64_t hidden;
	double dropout;
	int activation;
};
enum { WIDTH = 4096, GELU = 0, RELU };
static const char *const activation_names[] = { [GELU] = "gelu", [RELU] = "relu", NULL };
static const struct options defaults = { WIDTH, 0.2, GELU };
static const itr_option options[] = {
	ITR_MODEL_HIDDEN(struct options), ITR_MODEL_DROPOUT(struct options),
	ITR_OPT_ENUM("activation", 0, struct options, activation, activation_names, "activation of the hidden layer"), ITR_OPT_END
};

static int64_t init(void *layers, itr_params *p, int64_t text_dim, int64_t image_dim, void *opts)
{
	struct mlp *m = layers;
	struct options *o = opts;
	o->hidden = o->hidden ? o->hidden : WIDTH;
	itr_linear_init(&m->fc1, p, "fc1", text_dim, o->hidden, true);
	itr_linear_init(&m->fc2, p, "fc2", o->hidden, image_dim, true);
	return image_dim;
}

static itr_var *text(itr_tape *t, const void *layers, const void *opts, itr_var *x)
{
	const struct mlp *m = layers;
	const struct options *o = opts;
	itr_var *h = itr_linear(t, &m->fc1, x);
	h = itr_dropout(t, o->activation == RELU ? itr_relu(t, h) : itr_gelu(t, h), o->dropout);
	return itr_linear(t, &m->fc2, h);
}

static const itr_recipe recipe = { .loss = "cosine",
	                           .optimizer = "adam",
	                           .lr = 1e-3,
	                           .epochs = 20,
	                           .batch_size = 256,
	                           .schedule = "constant",
	                           .split_sizes = "0.9/0.1/0" };

const itr_model_ops itr_model_mlp = {
	.name = "mlp",
	.summary = "text -> image space: Linear, GELU, dropout, Linear",
	.options_size = sizeof(struct options),
	.defaults = &defaults,
	.options = options,
	.size = sizeof(struct mlp),
	.init = init,
	.text = text,
	.recipe = &recipe,
};
