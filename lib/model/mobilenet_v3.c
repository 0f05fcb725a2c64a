/* MobileNetV3-Small as torchvision publishes it. Source: Howard et al. 2019; torchvision.models.mobilenet_v3_small, whose normalisation has
 * eps 1e-3 and momentum 0.01. */
#include <stdio.h>

#include "model/cnn.h"

/* One bottleneck: expanded to `wide`, depthwise k x k, squeezed and excited, projected to `out`. */
static const struct row { int64_t in, kernel, wide, out; bool excite, hard; int64_t stride;
} rows[] = {
	{ 16, 3, 16, 16, true, false, 2 }, { 16, 3, 72, 24, false, false, 2 }, { 24, 3, 88, 24, false, false, 1 },
	{ 24, 5, 96, 40, true, true, 2 },  { 40, 5, 240, 40, true, true, 1 },  { 40, 5, 240, 40, true, true, 1 },
	{ 40, 5, 120, 48, true, true, 1 }, { 48, 5, 144, 48, true, true, 1 },  { 48, 5, 288, 96, true, true, 2 },
	{ 96, 5, 576, 96, true, true, 1 }, { 96, 5, 576, 96, true, true, 1 },
};
enum { ROWS = ITR_LEN(rows), LAST = 576 };

struct bottleneck {
	itr_conv_norm_layer expand, depthwise, project;
	itr_conv_layer squeeze, excite;
};

struct mobilenet {
	itr_conv_norm_layer stem, last;
	struct bottleneck b[ROWS];
};

static const itr_load_rule rules[] = {
	{ "module.**", "**", 0, 0, 0 },
	{ "**.num_batches_tracked", NULL, 0, 0, 0 },
	{ "classifier.**", NULL, 0, 0, 0 },
	{ 0 },
};

static void conv(itr_conv_norm_layer *l, itr_params *p, const itr_tower_config *c, const char *prefix, int64_t in, int64_t out,
                 int64_t kernel, int64_t stride, int64_t groups)
{
	char a[64], b[64];
	snprintf(a, sizeof a, "%s.0", prefix);
	snprintf(b, sizeof b, "%s.1", prefix);
	itr_conv_norm_init(l, p, a, b,
	                   &(itr_conv_opts){ .in = in,
	                                     .out = out,
	                                     .kernel = kernel,
	                                     .stride = stride,
	                                     .padding = kernel / 2,
	                                     .groups = groups,
	                                     .eps = c->eps,
	                                     .momentum = 0.01,
	                                     .batch_statistics = c->batch_statistics });
}

/* torchvision's _make_divisible(wide / 4, 8). */
static int64_t squeezed(int64_t wide)
{
	const int64_t n = ITR_MAX((int64_t)8, (wide / 4 + 4) / 8 * 8);
	return n * 10 < wide / 4 * 9 ? n + 8 : n;
}

static void init(void *tower, itr_params *p, const itr_tower_config *c)
{
	struct mobilenet *m = tower;
	char name[64];
	conv(&m->stem, p, c, "features.0", 3, 16, 3, 2, 1);
	for (int i = 0; i < ROWS; i++) {
		const struct row *r = &rows[i];
		int k = 0;
#define NAME(part) (snprintf(name, sizeof name, "features.%d.block.%d" part, i + 1, k), name)
		if (r->wide != r->in) {
			conv(&m->b[i].expand, p, c, NAME(""), r->in, r->wide, 1, 1, 1);
			k++;
		}
		conv(&m->b[i].depthwise, p, c, NAME(""), r->wide, r->wide, r->kernel, r->stride, r->wide);
		k++;
		if (r->excite) {
			itr_conv_layer_init(&m->b[i].squeeze, p, NAME(".fc1"),
			                    &(itr_conv_opts){ .in = r->wide, .out = squeezed(r->wide), .kernel = 1 });
			itr_conv_layer_init(&m->b[i].excite, p, NAME(".fc2"),
			                    &(itr_conv_opts){ .in = squeezed(r->wide), .out = r->wide, .kernel = 1 });
			k++;
		}
		conv(&m->b[i].project, p, c, NAME(""), r->wide, r->out, 1, 1, 1);
		if (!r->excite)
			itr_conv_norm_follows(&m->b[i].project, &m->b[i].depthwise, r->hard ? ITR_ACT_HARDSWISH : ITR_ACT_RELU);
#undef NAME
	}
	snprintf(name, sizeof name, "features.%d", ROWS + 1);
	conv(&m->last, p, c, name, rows[ROWS - 1].out, LAST, 1, 1, 1);
}

/* x times what the means of its channels say. */
static itr_var *excited(itr_tape *t, const struct bottleneck *b, itr_var *x)
{
	itr_var *s = itr_reshape(t, itr_global_pool(t, x), 4, (int64_t[]){ x->shape[0], 1, 1, x->shape[3] });
	s = itr_conv_layer_call(t, &b->squeeze, s, ITR_ACT_RELU);
	return itr_channel_scale(t, x, itr_conv_layer_call(t, &b->excite, s, ITR_ACT_HARDSIGMOID));
}

static itr_var *bottleneck_call(itr_tape *t, const struct row *r, const struct bottleneck *b, itr_var *x)
{
	const itr_activation act = r->hard ? ITR_ACT_HARDSWISH : ITR_ACT_RELU;
	itr_var *y = r->wide != r->in ? itr_conv_norm(t, &b->expand, x, NULL, act) : x;
	y = itr_conv_norm(t, &b->depthwise, y, NULL, act);
	if (r->excite)
		y = excited(t, b, y);
	return itr_conv_norm_onto(t, &b->project, y, r->stride == 1 && r->in == r->out ? x : NULL, ITR_ACT_NONE);
}

static itr_var *trunk(itr_tape *t, const void *tower, const itr_tower_config *c, itr_var *x)
{
	const struct mobilenet *m = tower;
	const itr_scope s = itr_scope_begin(t);
	(void)c;
	x = itr_conv_norm(t, &m->stem, x, NULL, ITR_ACT_HARDSWISH);
	for (int i = 0; i < ROWS; i++)
		x = itr_scope_end(t, s, bottleneck_call(t, &rows[i], &m->b[i], x));             /* over the block's input: see resnet.c */
	return itr_conv_norm(t, &m->last, x, NULL, ITR_ACT_HARDSWISH);
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
	static const char *const last[] = { "features.12.0.weight", "module.features.12.0.weight", NULL };
	(void)j;
	*c = (itr_tower_config){ .width = LAST, .image_size = 224, .eps = 1e-3, .activation = ITR_ACT_HARDSWISH };
	return w ? itr_cnn_check(w, "MobileNetV3-Small", last, LAST, 96, 1, err) : 0;
}

const itr_tower_ops itr_tower_mobilenet_v3_small = { .name = "mobilenet-v3-small",
	                                             .summary = "MobileNetV3-Small (torchvision), 576 pooled, 7x7 grid",
	                                             .modality = ITR_IMAGE,
	                                             .size = sizeof(struct mobilenet),
	                                             .preset = "imagenet",
	                                             .rules = rules,
	                                             .configure = configure,
	                                             .init = init,
	                                             .forward = forward,
	                                             .sizes = sizes };
