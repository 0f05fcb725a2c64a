/* heads: one linear map per side into a shared space, trained contrastively on stored features or with towers in front. */
#include "model/model.h"

struct heads { itr_linear_layer text, image; };

struct options {
	int64_t embed_dim, hidden;
	double dropout;
};
enum { WIDTH = 256 };
static const struct options defaults = { .embed_dim = WIDTH };
static const itr_option options[] = {
	ITR_OPT_INT_IN("embed-dim", 0, struct options, embed_dim, "N", ITR_BETWEEN(0, 1048576), "width of the shared space"),
	ITR_MODEL_DROPOUT(struct options),
	ITR_OPT_INT_UNUSED("hidden", struct options, hidden, "N", ITR_BETWEEN(0, 1048576), "no effect: heads have no hidden layer"),
	ITR_OPT_END
};

static int64_t init(void *layers, itr_params *p, int64_t text_dim, int64_t image_dim, void *opts)
{
	struct heads *m = layers;
	struct options *o = opts;
	o->embed_dim = o->embed_dim ? o->embed_dim : WIDTH;
	itr_linear_init(&m->text, p, "text_projection", text_dim, o->embed_dim, true);
	itr_linear_init(&m->image, p, "image_projection", image_dim, o->embed_dim, true);
	return o->embed_dim;
}

static itr_var *text(itr_tape *t, const void *layers, const void *opts, itr_var *x)
{
	return itr_linear(t, &((const struct heads *)layers)->text, itr_dropout(t, x, ((const struct options *)opts)->dropout));
}

static itr_var *image(itr_tape *t, const void *layers, const void *opts, itr_var *x)
{
	return itr_linear(t, &((const struct heads *)layers)->image, itr_dropout(t, x, ((const struct options *)opts)->dropout));
}

static const itr_recipe recipe = {
	.loss = "infonce", .symmetric = true, .optimizer = "adamw", .lr = 1e-3, .weight_decay = 0.01, .epochs = 30, .batch_size = 128,
	.schedule = "cosine", .patience = 5, .split_sizes = "0.6/0.2/0.2"
};
static const itr_recipe tower_recipe = {
	.loss = "infonce", .symmetric = true, .optimizer = "adamw", .lr = 1e-4, .weight_decay = 0.01, .epochs = 10, .batch_size = 32,
	.schedule = "cosine", .patience = 3, .split_sizes = "0.6/0.2/0.2"
};

const itr_model_ops itr_model_heads = {
	.name = "heads",
	.summary = "two linear towers on stored features",
	.options_size = sizeof(struct options),
	.defaults = &defaults,
	.options = options,
	.size = sizeof(struct heads),
	.init = init,
	.text = text,
	.image = image,
	.recipe = &recipe,
	.tower_recipe = &tower_recipe,
};
