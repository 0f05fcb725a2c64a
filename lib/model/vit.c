/* ViT as torchvision, timm and transformers publish it: class token, pre-norm blocks, norm at the end. Parameters are called as timm's.
 * Source: Dosovitskiy et al. 2021. */
#include <stdlib.h>

#include "base/mem.h"
#include "model/transformer.h"

static const itr_block_names names = { "norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2" };

static const itr_load_rule rules[] = {
	{ "vit.**", "**", 0, 0, 0 },
	/* timm */
	{ "patch_embed.proj.weight", "patch_embed.proj.weight", 0, 0, ITR_LOAD_NHWC },
	{ "head.**", NULL, 0, 0, 0 },
	/* torchvision */
	{ "class_token", "cls_token", 0, 0, 0 },
	{ "conv_proj.weight", "patch_embed.proj.weight", 0, 0, ITR_LOAD_NHWC },
	{ "conv_proj.bias", "patch_embed.proj.bias", 0, 0, 0 },
	{ "encoder.pos_embedding", "pos_embed", 0, 0, 0 },
	{ "encoder.layers.encoder_layer_*.ln_1.*", "blocks.*.norm1.*", 0, 0, 0 },
	{ "encoder.layers.encoder_layer_*.ln_2.*", "blocks.*.norm2.*", 0, 0, 0 },
	{ "encoder.layers.encoder_layer_*.self_attention.in_proj_weight", "blocks.*.attn.qkv.weight", 0, 0, 0 },
	{ "encoder.layers.encoder_layer_*.self_attention.in_proj_bias", "blocks.*.attn.qkv.bias", 0, 0, 0 },
	{ "encoder.layers.encoder_layer_*.self_attention.out_proj.*", "blocks.*.attn.proj.*", 0, 0, 0 },
	{ "encoder.layers.encoder_layer_*.mlp.0.*", "blocks.*.mlp.fc1.*", 0, 0, 0 },
	{ "encoder.layers.encoder_layer_*.mlp.3.*", "blocks.*.mlp.fc2.*", 0, 0, 0 },
	{ "encoder.layers.encoder_layer_*.mlp.linear_1.*", "blocks.*.mlp.fc1.*", 0, 0, 0 },
	{ "encoder.layers.encoder_layer_*.mlp.linear_2.*", "blocks.*.mlp.fc2.*", 0, 0, 0 },
	{ "encoder.ln.*", "norm.*", 0, 0, 0 },
	{ "heads.**", NULL, 0, 0, 0 },
	/* transformers */
	{ "embeddings.cls_token", "cls_token", 0, 0, 0 },
	{ "embeddings.position_embeddings", "pos_embed", 0, 0, 0 },
	{ "embeddings.patch_embeddings.projection.weight", "patch_embed.proj.weight", 0, 0, ITR_LOAD_NHWC },
	{ "embeddings.patch_embeddings.projection.bias", "patch_embed.proj.bias", 0, 0, 0 },
	{ "encoder.layer.*.attention.attention.query.*", "blocks.*.attn.qkv.*", 0, 3, 0 },
	{ "encoder.layer.*.attention.attention.key.*", "blocks.*.attn.qkv.*", 1, 3, 0 },
	{ "encoder.layer.*.attention.attention.value.*", "blocks.*.attn.qkv.*", 2, 3, 0 },
	{ "encoder.layer.*.attention.output.dense.*", "blocks.*.attn.proj.*", 0, 0, 0 },
	{ "encoder.layer.*.intermediate.dense.*", "blocks.*.mlp.fc1.*", 0, 0, 0 },
	{ "encoder.layer.*.output.dense.*", "blocks.*.mlp.fc2.*", 0, 0, 0 },
	{ "encoder.layer.*.layernorm_before.*", "blocks.*.norm1.*", 0, 0, 0 },
	{ "encoder.layer.*.layernorm_after.*", "blocks.*.norm2.*", 0, 0, 0 },
	{ "layernorm.*", "norm.*", 0, 0, 0 },
	{ "pooler.**", NULL, 0, 0, 0 },
	{ "classifier.**", NULL, 0, 0, 0 },
	{ 0 },
};

/* The published name of the patch convolution tells the publisher. eps is part of each publisher's definition of the model: 1e-6 in
 * torchvision and timm; transformers' stands in config.json. */
static const char *const conv_names[] = { "patch_embed.proj.weight", "conv_proj.weight", "embeddings.patch_embeddings.projection.weight",
	                                  "vit.embeddings.patch_embeddings.projection.weight" };
static const char *const block_names[][2] = { { "blocks.", ".norm1.weight" },
	                                      { "encoder.layers.encoder_layer_", ".ln_1.weight" },
	                                      { "encoder.layer.", ".layernorm_before.weight" },
	                                      { "vit.encoder.layer.", ".layernorm_before.weight" } };

static int configure(itr_tower_config *c, const itr_weights *w, const itr_json *j, int64_t patch, itr_err *err)
{
	*c = (itr_tower_config){ .width = 768,
		                 .layers = 12,
		                 .heads = 12,
		                 .mlp = 3072,
		                 .image_size = 224,
		                 .patch = patch,
		                 .eps = 1e-6,
		                 .activation = ITR_ACT_GELU };
	if (!w)
		return 0;
	int k = 0;
	while (k < ITR_LEN(conv_names) && !itr_weights_find(w, conv_names[k]))
		k++;
	if (k == ITR_LEN(conv_names))
		return itr_err_set(err,
		                   "these are not a ViT's weights: there is none of '%s' (timm), '%s' (torchvision), '%s' (transformers)",
		                   conv_names[0], conv_names[1], conv_names[2]);
	const itr_weight *conv = itr_weights_find(w, conv_names[k]);
	if (conv->rank != 4 || conv->shape[2] != patch)
		return itr_err_set(err, "these are the weights of a ViT with patches of %lld: this encoder has %lld",
		                   (long long)(conv->rank == 4 ? conv->shape[2] : 0), (long long)patch);
	c->width = conv->shape[0];
	c->layers = itr_weights_layers(w, block_names[k][0], block_names[k][1]);
	c->heads = c->width / 64;
	c->mlp = 4 * c->width;
	c->preset = k == 0 ? "vit-timm" : k == 1 ? "imagenet" : "vit";
	if (k >= 2) {
		if (!j)
			return itr_err_set(err, "transformers' ViT needs config.json beside its weights");
		c->heads = itr_json_int(itr_json_get(j, "num_attention_heads"), c->heads);
		c->mlp = itr_json_int(itr_json_get(j, "intermediate_size"), c->mlp);
		c->eps = itr_json_num(itr_json_get(j, "layer_norm_eps"), 1e-12);
		c->image_size = itr_json_int(itr_json_get(j, "image_size"), c->image_size);
		if (itr_activation_named(itr_json_str(itr_json_get(j, "hidden_act"), "gelu"), &c->activation, err) < 0)
			return -1;
	}
	return itr_blocks_check(c, "ViT", err);
}

struct vit {
	itr_patch_embedding embedding;
	itr_block block[ITR_MAX_BLOCKS];
	itr_layernorm_layer norm;
};

static void init(void *tower, itr_params *p, const itr_tower_config *c)
{
	struct vit *m = tower;
	int64_t grid = c->image_size / c->patch;
	itr_linear_init(&m->embedding.patch, p, "patch_embed.proj", 3 * c->patch * c->patch, c->width, true);
	m->embedding.class_token = itr_params_add(p, "", "cls_token", 2, (int64_t[]){ 1, c->width }, ITR_INIT_NORMAL, 0.02, true);
	m->embedding.positions =
		itr_params_add(p, "", "pos_embed", 2, (int64_t[]){ grid * grid + 1, c->width }, ITR_INIT_NORMAL, 0.02, true);
	itr_blocks_init(m->block, p, "blocks", &names, c);
	itr_layernorm_init(&m->norm, p, "norm", c->width, c->eps);
}

static itr_tower_out forward(itr_tape *t, const void *tower, const itr_tower_config *c, const itr_tower_in *in, bool states)
{
	const struct vit *m = tower;
	int64_t grid = c->image_size / c->patch, length = grid * grid + 1, *start = itr_equal_starts(in->n, length),
		*first = start + in->n + 1;
	itr_scope scope = itr_scope_begin(t);
	itr_var *x = itr_scope_end(t, scope, itr_patch_tokens(t, &m->embedding, c, in));
	x = itr_blocks(t, m->block, c, x, &(itr_sequences){ .start = start, .n = in->n }, states ? NULL : first, in->n);
	x = itr_layernorm(t, &m->norm, x);
	itr_tower_out out = { .states = states ? itr_without_first(t, x, in->n, length) : NULL,
		              .pooled = states ? itr_gather(t, x, first, in->n) : x };
	free(start);
	return out;
}

static void sizes(const itr_tower_config *c, int64_t *dim, int64_t *grid, int64_t *state_dim)
{
	*dim = *state_dim = c->width;
	*grid = c->image_size / c->patch;
}

static int configure_b16(itr_tower_config *c, const itr_weights *w, const itr_json *j, itr_err *err) { return configure(c, w, j, 16, err); }
static int configure_b32(itr_tower_config *c, const itr_weights *w, const itr_json *j, itr_err *err) { return configure(c, w, j, 32, err); }

#define VIT(symbol, shown, about, conf)                                                                                                    \
	const itr_tower_ops itr_tower_##symbol = { .name = shown,                                                                          \
		                                   .summary = about,                                                                       \
		                                   .modality = ITR_IMAGE,                                                                  \
		                                   .size = sizeof(struct vit),                                                             \
		                                   .preset = "imagenet",                                                                   \
		                                   .rules = rules,                                                                         \
		                                   .configure = conf,                                                                      \
		                                   .init = init,                                                                           \
		                                   .forward = forward,                                                                     \
		                                   .sizes = sizes }
VIT(vit_b16, "vit-b16", "ViT-B/16 (torchvision, timm, transformers), 768 pooled, 14x14 patches", configure_b16);
VIT(vit_b32, "vit-b32", "ViT-B/32 (torchvision, timm, transformers), 768 pooled, 7x7 patches", configure_b32);
