/* ResNet-18 and ResNet-50 as torchvision (and timm, under the same names) publishes them: the stride of a bottleneck is in its 3x3
 * convolution. Source: He et al. 2016; "v1.5". */
#include <stdio.h>

#include "model/cnn.h"

enum { STAGES = 4, MAX_BLOCKS = 16 };

struct block {
	itr_conv_norm_layer conv[3], down;
	int convs;
	bool has_down;
};

struct resnet {
	itr_conv_norm_layer stem;
	struct block block[MAX_BLOCKS];
	int blocks;
};

static const itr_load_rule rules[] = {
	{ "module.**", "**", 0, 0, 0 },
	{ "**.num_batches_tracked", NULL, 0, 0, 0 },
	{ "fc.*", NULL, 0, 0, 0 },
	{ 0 },
};

static void conv(itr_conv_norm_layer *l, itr_params *p, const itr_tower_config *c, const char *prefix, const char *name, const char *norm,
                 int64_t in, int64_t out, int64_t kernel, int64_t stride)
{
	char a[64], b[64];
	snprintf(a, sizeof a, "%s%s", prefix, name);
	snprintf(b, sizeof b, "%s%s", prefix, norm);
	itr_conv_norm_init(l, p, a, b,
	                   &(itr_conv_opts){ .in = in,
	                                     .out = out,
	                                     .kernel = kernel,
	                                     .stride = stride,
	                                     .padding = kernel / 2,
	                                     .eps = c->eps,
	                                     .batch_statistics = c->batch_statistics });
}

static void block_init(struct block *k, itr_params *p, const itr_tower_config *c, const char *prefix, int64_t in, int64_t width,
                       int64_t stride)
{
	const bool bottleneck = c->width == 2048;
	const int64_t out = bottleneck ? 4 * width : width;
	k->convs = bottleneck ? 3 : 2;
	k->has_down = stride != 1 || in != out;
	if (bottleneck) {
		conv(&k->conv[0], p, c, prefix, "conv1", "bn1", in, width, 1, 1);
		conv(&k->conv[1], p, c, prefix, "conv2", "bn2", width, width, 3, stride);
		conv(&k->conv[2], p, c, prefix, "conv3", "bn3", width, out, 1, 1);
	} else {
		conv(&k->conv[0], p, c, prefix, "conv1", "bn1", in, width, 3, stride);
		conv(&k->conv[1], p, c, prefix, "conv2", "bn2", width, width, 3, 1);
	}
	for (int i = 1; i < k->convs; i++)
		itr_conv_norm_follows(&k->conv[i], &k->conv[i - 1], ITR_ACT_RELU);
	if (k->has_down)
		conv(&k->down, p, c, prefix, "downsample.0", "downsample.1", in, out, 1, stride);
}

static void init(void *tower, itr_params *p, const itr_tower_config *c)
{
	static const int depth18[] = { 2, 2, 2, 2 }, depth50[] = { 3, 4, 6, 3 };
	const int *depth = c->width == 2048 ? depth50 : depth18;
	struct resnet *m = tower;
	int64_t in = 64;
	m->blocks = 0;
	conv(&m->stem, p, c, "", "conv1", "bn1", 3, 64, 7, 2);
	for (int s = 0; s < STAGES; s++)
		for (int i = 0; i < depth[s]; i++) {
			char prefix[32];
			snprintf(prefix, sizeof prefix, "layer%d.%d.", s + 1, i);
			block_init(&m->block[m->blocks++], p, c, prefix, in, (int64_t)64 << s, s && !i ? 2 : 1);
			in = ((int64_t)64 << s) * (c->width == 2048 ? 4 : 1);
		}
}

static itr_var *block_call(itr_tape *t, const struct block *k, itr_var *x)
{
	itr_var *identity = k->has_down ? itr_conv_norm(t, &k->down, x, NULL, ITR_ACT_NONE) : x;
	for (int i = 0; i + 1 < k->convs; i++)
		x = itr_conv_norm(t, &k->conv[i], x, NULL, ITR_ACT_RELU);
	return itr_conv_norm_onto(t, &k->conv[k->convs - 1], x, identity, ITR_ACT_RELU);
}

static itr_var *trunk(itr_tape *t, const void *tower, const itr_tower_config *c, itr_var *x)
{
	const struct resnet *m = tower;
	const itr_scope s = itr_scope_begin(t);
	(void)c;
	x = itr_scope_end(t, s, itr_max_pool(t, itr_conv_norm(t, &m->stem, itr_to_bf16(t, x), NULL, ITR_ACT_RELU), 3, 2, 1));
	for (int i = 0; i < m->blocks; i++)
		/* over the block's input, which nobody asks for any more: what goes through the trunk stays in cache */
		x = itr_scope_end(t, s, block_call(t, &m->block[i], x));
	return x;
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

static int configure(itr_tower_config *c, const itr_weights *w, int64_t width, const char *name, itr_err *err)
{
	static const char *const first[] = { "layer1.0.conv1.weight", "module.layer1.0.conv1.weight", NULL };
	*c = (itr_tower_config){ .width = width, .image_size = 224, .eps = 1e-5 };
	return w ? itr_cnn_check(w, name, first, 64, 64, width == 2048 ? 1 : 3, err) : 0;
}

static int configure18(itr_tower_config *c, const itr_weights *w, const itr_json *j, itr_err *err)
{
	return (void)j, configure(c, w, 512, "ResNet-18", err);
}
static int configure50(itr_tower_config *c, const itr_weights *w, const itr_json *j, itr_err *err)
{
	return (void)j, configure(c, w, 2048, "ResNet-50", err);
}

#define RESNET(symbol, shown, about, conf)                                                                                                 \
	const itr_tower_ops itr_tower_##symbol = { .name = shown,                                                                          \
		                                   .summary = about,                                                                       \
		                                   .modality = ITR_IMAGE,                                                                  \
		                                   .size = sizeof(struct resnet),                                                          \
		                                   .preset = "imagenet",                                                                   \
		                                   .rules = rules,                                                                         \
		                                   .configure = conf,                                                                      \
		                                   .init = init,                                                                           \
		                                   .forward = forward,                                                                     \
		                                   .sizes = sizes }
RESNET(resnet18, "resnet18", "ResNet-18 (torchvision, timm), 512 pooled, 7x7 grid", configure18);
RESNET(resnet50, "resnet50", "ResNet-50 (torchvision, timm), 2,048 pooled, 7x7 grid", configure50);
