/* EfficientNet-Lite0: no squeeze-and-excitation, ReLU6, TensorFlow's padding (the weights were trained with it). Parameters are called as
 * timm's tf_efficientnet_lite0; the PyTorch port of before (_blocks.N._expand_conv) is renamed. Source: Tan & Le 2019;
 * github.com/tensorflow/tpu, efficientnet/lite. */
#include <stdio.h>

#include "model/cnn.h"

static const struct stage { int repeats; int64_t kernel, stride, expand, out;
} stages[] = {
	{ 1, 3, 1, 1, 16 },  { 2, 3, 2, 6, 24 },  { 2, 5, 2, 6, 40 },  { 3, 3, 2, 6, 80 },
	{ 3, 5, 1, 6, 112 }, { 4, 5, 2, 6, 192 }, { 1, 3, 1, 6, 320 },
};
enum { STAGES = ITR_LEN(stages), BLOCKS = 16, STEM = 32, HEAD = 1280 };

struct block {
	itr_conv_norm_layer expand, depthwise, project;
	bool expands, adds;
};

struct lite {
	itr_conv_norm_layer stem, head;
	struct block b[BLOCKS];
};

/* Block N of the port is block I of timm's stage S; its normalisations count from 0. */
#define BLOCK(n, s, i)                                                                                                                     \
	{ "_blocks." n "._expand_conv.*", "blocks." s "." i ".conv_pw.*", 0, 0, 0 },                                                       \
		{ "_blocks." n "._bn0.*", "blocks." s "." i ".bn1.*", 0, 0, 0 },                                                           \
		{ "_blocks." n "._depthwise_conv.*", "blocks." s "." i ".conv_dw.*", 0, 0, 0 },                                            \
		{ "_blocks." n "._bn1.*", "blocks." s "." i ".bn2.*", 0, 0, 0 },                                                           \
		{ "_blocks." n "._project_conv.*", "blocks." s "." i ".conv_pwl.*", 0, 0, 0 },                                             \
	{                                                                                                                                  \
		"_blocks." n "._bn2.*", "blocks." s "." i ".bn3.*", 0, 0, 0                                                                \
	}

static const itr_load_rule rules[] = {
	{ "module.**", "**", 0, 0, 0 },
	{ "**.num_batches_tracked", NULL, 0, 0, 0 },
	{ "classifier.*", NULL, 0, 0, 0 },
	{ "_fc.*", NULL, 0, 0, 0 },
	{ "_conv_stem.*", "conv_stem.*", 0, 0, 0 },
	{ "_bn0.*", "bn1.*", 0, 0, 0 },
	{ "_conv_head.*", "conv_head.*", 0, 0, 0 },
	{ "_bn1.*", "bn2.*", 0, 0, 0 },
	{ "_blocks.0._depthwise_conv.*", "blocks.0.0.conv_dw.*", 0, 0, 0 },
	{ "_blocks.0._bn1.*", "blocks.0.0.bn1.*", 0, 0, 0 },
	{ "_blocks.0._project_conv.*", "blocks.0.0.conv_pw.*", 0, 0, 0 },
	{ "_blocks.0._bn2.*", "blocks.0.0.bn2.*", 0, 0, 0 },
	BLOCK("1", "1", "0"),
	BLOCK("2", "1", "1"),
	BLOCK("3", "2", "0"),
	BLOCK("4", "2", "1"),
	BLOCK("5", "3", "0"),
	BLOCK("6", "3", "1"),
	BLOCK("7", "3", "2"),
	BLOCK("8", "4", "0"),
	BLOCK("9", "4", "1"),
	BLOCK("10", "4", "2"),
	BLOCK("11", "5", "0"),
	BLOCK("12", "5", "1"),
	BLOCK("13", "5", "2"),
	BLOCK("14", "5", "3"),
	BLOCK("15", "6", "0"),
	{ 0 },
};

static void conv(itr_conv_norm_layer *l, itr_params *p, const itr_tower_config *c, const char *prefix, const char *name, const char *norm,
                 int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t groups)
{
	char a[64], b[64];
	snprintf(a, sizeof a, "%s%s", prefix, name);
	snprintf(b, sizeof b, "%s%s", prefix, norm);
	itr_conv_norm_init(l, p, a, b,
	                   &(itr_conv_opts){ .in = in,
	                                     .out = out,
	                                     .kernel = kernel,
	                                     .stride = stride,
	                                     .padding = ITR_PAD_SAME,
	                                     .groups = groups,
	                                     .eps = c->eps,
	                                     .batch_statistics = c->batch_statistics });
}

static void init(void *tower, itr_params *p, const itr_tower_config *c)
{
	struct lite *m = tower;
	struct block *b = m->b;
	int64_t in = STEM;
	conv(&m->stem, p, c, "", "conv_stem", "bn1", 3, STEM, 3, 2, 1);
	for (int s = 0; s < STAGES; s++)
		for (int i = 0; i < stages[s].repeats; i++, b++) {
			const struct stage *g = &stages[s];
			const int64_t wide = in * g->expand, stride = i ? 1 : g->stride;
			char prefix[32];
			snprintf(prefix, sizeof prefix, "blocks.%d.%d.", s, i);
			b->expands = g->expand != 1;
			b->adds = stride == 1 && in == g->out;
			if (b->expands)
				conv(&b->expand, p, c, prefix, "conv_pw", "bn1", in, wide, 1, 1, 1);
			conv(&b->depthwise, p, c, prefix, "conv_dw", b->expands ? "bn2" : "bn1", wide, wide, g->kernel, stride, wide);
			conv(&b->project, p, c, prefix, b->expands ? "conv_pwl" : "conv_pw", b->expands ? "bn3" : "bn2", wide, g->out, 1, 1,
			     1);
			itr_conv_norm_follows(&b->project, &b->depthwise, ITR_ACT_RELU6);
			in = g->out;
		}
	conv(&m->head, p, c, "", "conv_head", "bn2", in, HEAD, 1, 1, 1);
}

static itr_var *block_call(itr_tape *t, const struct block *b, itr_var *x)
{
	itr_var *y = b->expands ? itr_conv_norm(t, &b->expand, x, NULL, ITR_ACT_RELU6) : x;
	y = itr_conv_norm(t, &b->depthwise, y, NULL, ITR_ACT_RELU6);
	return itr_conv_norm_onto(t, &b->project, y, b->adds ? x : NULL, ITR_ACT_NONE);
}

static itr_var *trunk(itr_tape *t, const void *tower, const itr_tower_config *c, itr_var *x)
{
	const struct lite *m = tower;
	const itr_scope s = itr_scope_begin(t);
	(void)c;
	x = itr_conv_norm(t, &m->stem, x, NULL, ITR_ACT_RELU6);
	for (int i = 0; i < BLOCKS; i++)
		x = itr_scope_end(t, s, block_call(t, &m->b[i], x));             /* over the block's input: see resnet.c */
	return itr_conv_norm(t, &m->head, x, NULL, ITR_ACT_RELU6);
}

static itr_tower_out forward(itr_tape *t, const void *m, const itr_tower_config *c, const itr_tower_in *in, bool states)
{
	return itr_cnn_forward(t, m, c, in, states, trunk);
}

static void sizes(const itr_tower_config *c, int64_t *dim, int64_t *grid, int64_t *state_dim)
{
	*dim = *state_dim = c->width;
	*grid = c->image_size / 32;
}

static int configure(itr_tower_config *c, const itr_weights *w, const itr_json *j, itr_err *err)
{
	static const char *const head[] = { "conv_head.weight", "_conv_head.weight", "module.conv_head.weight", NULL };
	(void)j;
	*c = (itr_tower_config){ .width = HEAD, .image_size = 224, .eps = 1e-3, .activation = ITR_ACT_RELU6 };
	return w ? itr_cnn_check(w, "EfficientNet-Lite0", head, HEAD, 320, 1, err) : 0;
}

const itr_tower_ops itr_tower_efficientnet_lite0 = { .name = "efficientnet-lite0",
	                                             .summary = "EfficientNet-Lite0 (timm, original), 1,280 pooled, 7x7 grid",
	                                             .modality = ITR_IMAGE,
	                                             .size = sizeof(struct lite),
	                                             .preset = "efficientnet-lite0",
	                                             .rules = rules,
	                                             .configure = configure,
	                                             .init = init,
	                                             .forward = forward,
	                                             .sizes = sizes };
