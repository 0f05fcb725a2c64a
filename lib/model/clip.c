/* CLIP's towers: ViT with a norm in front, causal text transformer pooled at the end token, each with a projection into the shared space.
 * Parameters are called as in OpenAI's and open_clip's state_dict. Source: Radford et al. 2021; numbers as transformers' CLIPModel. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/transformer.h"

static const itr_block_names names = { "ln_1", "attn.in_proj", "attn.out_proj", "ln_2", "mlp.c_fc", "mlp.c_proj" };

/* Rules for a tower's blocks: transformers' names below FROM, open_clip's below TO. */
#define BLOCKS(from, to) \
	{ from "encoder.layers.*.self_attn.q_proj.*", to "transformer.resblocks.*.attn.in_proj.*", 0, 3, 0 }, \
	{ from "encoder.layers.*.self_attn.k_proj.*", to "transformer.resblocks.*.attn.in_proj.*", 1, 3, 0 }, \
	{ from "encoder.layers.*.self_attn.v_proj.*", to "transformer.resblocks.*.attn.in_proj.*", 2, 3, 0 }, \
	{ from "encoder.layers.*.self_attn.out_proj.*", to "transformer.resblocks.*.attn.out_proj.*", 0, 0, 0 }, \
	{ from "encoder.layers.*.layer_norm1.*", to "transformer.resblocks.*.ln_1.*", 0, 0, 0 }, \
	{ from "encoder.layers.*.layer_norm2.*", to "transformer.resblocks.*.ln_2.*", 0, 0, 0 }, \
	{ from "encoder.layers.*.mlp.fc1.*", to "transformer.resblocks.*.mlp.c_fc.*", 0, 0, 0 }, \
	{ from "encoder.layers.*.mlp.fc2.*", to "transformer.resblocks.*.mlp.c_proj.*", 0, 0, 0 }, \
	{ to "transformer.resblocks.*.attn.in_proj_weight", to "transformer.resblocks.*.attn.in_proj.weight", 0, 0, 0 }, \
	{ to "transformer.resblocks.*.attn.in_proj_bias", to "transformer.resblocks.*.attn.in_proj.bias", 0, 0, 0 }

static const itr_load_rule image_rules[] = {
	{ "vision_model.embeddings.class_embedding", "visual.class_embedding", 0, 0, 0 },
	{ "vision_model.embeddings.patch_embedding.weight", "visual.conv1.weight", 0, 0, ITR_LOAD_NHWC },
	{ "vision_model.embeddings.position_embedding.weight", "visual.positional_embedding", 0, 0, 0 },
	{ "vision_model.pre_layrnorm.*", "visual.ln_pre.*", 0, 0, 0 },
	{ "vision_model.post_layernorm.*", "visual.ln_post.*", 0, 0, 0 },
	{ "visual_projection.weight", "visual.proj.weight", 0, 0, 0 },
	BLOCKS("vision_model.", "visual."),
	{ "visual.conv1.weight", "visual.conv1.weight", 0, 0, ITR_LOAD_NHWC },
	{ "visual.proj", "visual.proj.weight", 0, 0, ITR_LOAD_TRANSPOSE },
	/* the other tower's */
	{ "text_model.**", NULL, 0, 0, 0 },
	{ "text_projection**", NULL, 0, 0, 0 },
	{ "logit_scale", NULL, 0, 0, 0 },
	{ "logit_bias", NULL, 0, 0, 0 },
	{ "transformer.**", NULL, 0, 0, 0 },
	{ "token_embedding.weight", NULL, 0, 0, 0 },
	{ "positional_embedding", NULL, 0, 0, 0 },
	{ "ln_final.*", NULL, 0, 0, 0 },
	{ "vision_model.embeddings.position_ids", NULL, 0, 0, 0 },
	{ "input_resolution", NULL, 0, 0, 0 },
	{ "context_length", NULL, 0, 0, 0 },
	{ "vocab_size", NULL, 0, 0, 0 },
	{ "text_projection", NULL, 0, 0, 0 },
	{ 0 },
};

static const itr_load_rule text_rules[] = {
	{ "text_model.embeddings.token_embedding.weight", "token_embedding.weight", 0, 0, 0 },
	{ "text_model.embeddings.position_embedding.weight", "positional_embedding", 0, 0, 0 },
	{ "text_model.final_layer_norm.*", "ln_final.*", 0, 0, 0 },
	{ "text_projection.weight", "text_projection.weight", 0, 0, 0 },
	BLOCKS("text_model.", ""),
	{ "text_projection", "text_projection.weight", 0, 0, ITR_LOAD_TRANSPOSE },
	{ "vision_model.**", NULL, 0, 0, 0 },
	{ "visual.**", NULL, 0, 0, 0 },
	{ "visual_projection.weight", NULL, 0, 0, 0 },
	{ "logit_scale", NULL, 0, 0, 0 },
	{ "logit_bias", NULL, 0, 0, 0 },
	{ "text_model.embeddings.position_ids", NULL, 0, 0, 0 },
	{ "attn_mask", NULL, 0, 0, 0 },
	{ "input_resolution", NULL, 0, 0, 0 },
	{ "context_length", NULL, 0, 0, 0 },
	{ "vocab_size", NULL, 0, 0, 0 },
	{ 0 },
};

/* --- sizes ---------------------------------------------------------------------------------------------------------------------------- */

/* transformers' config.json: {"text_config": {...}, "vision_config": {...}}; what it leaves out has the values of CLIPConfig, as
 * transformers documents them. */
static int from_transformers(itr_tower_config *c, const itr_json *j, itr_err *err)
{
	c->layers = itr_json_int(itr_json_get(j, "num_hidden_layers"), c->layers);
	c->heads = itr_json_int(itr_json_get(j, "num_attention_heads"), c->heads);
	c->eps = itr_json_num(itr_json_get(j, "layer_norm_eps"), 1e-5);
	c->image_size = itr_json_int(itr_json_get(j, "image_size"), c->image_size);
	return itr_activation_named(itr_json_str(itr_json_get(j, "hidden_act"), "quick_gelu"), &c->activation, err);
}

/* open_clip_config.json: {"model_cfg": {"quick_gelu": ..., "vision_cfg": {...}, "text_cfg": {...}}}; the head size is 64 unless said. */
static void from_open_clip(itr_tower_config *c, const itr_json *j, const char *side)
{
	const itr_json *own = itr_json_get(j, side);
	int64_t head = itr_json_int(itr_json_get(own, "head_width"), 64);
	c->activation = itr_json_bool(itr_json_get(j, "quick_gelu"), false) ? ITR_ACT_QUICK_GELU : ITR_ACT_GELU;
	c->layers = itr_json_int(itr_json_get(own, "layers"), c->layers);
	c->heads = itr_json_int(itr_json_get(own, "heads"), head > 0 ? c->width / head : 0);
	c->image_size = itr_json_int(itr_json_get(own, "image_size"), c->image_size);
	c->eps = 1e-5;
}

static int from_config(itr_tower_config *c, const itr_json *config, bool image, itr_err *err)
{
	const itr_json *theirs = itr_json_get(config, image ? "vision_config" : "text_config"),
		       *open_clip = itr_json_get(config, "model_cfg");
	if (theirs)
		return from_transformers(c, theirs, err);
	if (!open_clip)
		return itr_err_set(err, "CLIP needs config.json (transformers) or open_clip_config.json beside its weights: they say which "
		                        "GELU the model was trained with");
	from_open_clip(c, open_clip, image ? "vision_cfg" : "text_cfg");
	return 0;
}

/* The first of the names that is there. */
static const itr_weight *either(const itr_weights *w, const char *a, const char *b)
{
	const itr_weight *t = itr_weights_find(w, a);
	return t ? t : itr_weights_find(w, b);
}

static int configure_image(itr_tower_config *c, const itr_weights *w, const itr_json *config, int64_t patch, itr_err *err)
{
	*c = (itr_tower_config){ .width = 768,
		                 .layers = 12,
		                 .heads = 12,
		                 .mlp = 3072,
		                 .image_size = 224,
		                 .patch = patch,
		                 .embed_dim = 512,
		                 .eps = 1e-5,
		                 .activation = ITR_ACT_QUICK_GELU };
	if (!w)
		return 0;
	const itr_weight *conv = either(w, "vision_model.embeddings.patch_embedding.weight", "visual.conv1.weight");
	if (!conv || conv->rank != 4)
		return itr_err_set(err, "these are not CLIP's weights: there is no 'vision_model.embeddings.patch_embedding.weight' "
		                        "(transformers) and no 'visual.conv1.weight' (open_clip) of a ViT");
	if (conv->shape[2] != patch)
		return itr_err_set(err, "these are the weights of a CLIP ViT with patches of %lld: this encoder has %lld",
		                   (long long)conv->shape[2], (long long)patch);
	const itr_weight *fc = either(w, "vision_model.encoder.layers.0.mlp.fc1.weight", "visual.transformer.resblocks.0.mlp.c_fc.weight");
	const itr_weight *theirs = itr_weights_find(w, "visual_projection.weight"), *open_clip = itr_weights_find(w, "visual.proj");
	c->width = conv->shape[0];
	c->mlp = fc ? fc->shape[0] : 4 * c->width;
	c->layers = theirs ? itr_weights_layers(w, "vision_model.encoder.layers.", ".layer_norm1.weight")
	                   : itr_weights_layers(w, "visual.transformer.resblocks.", ".ln_1.weight");
	c->embed_dim = theirs ? theirs->shape[0] : open_clip && open_clip->rank == 2 ? open_clip->shape[1] : 512;
	c->heads = c->width / 64;
	return from_config(c, config, true, err) < 0 ? -1 : itr_blocks_check(c, "CLIP", err);
}

static int configure_text(itr_tower_config *c, const itr_weights *w, const itr_json *config, itr_err *err)
{
	*c = (itr_tower_config){ .width = 512,
		                 .layers = 12,
		                 .heads = 8,
		                 .mlp = 2048,
		                 .vocab = 49408,
		                 .positions = 77,
		                 .embed_dim = 512,
		                 .eps = 1e-5,
		                 .activation = ITR_ACT_QUICK_GELU };
	if (!w)
		return 0;
	const itr_weight *table = either(w, "text_model.embeddings.token_embedding.weight", "token_embedding.weight");
	const itr_weight *positions = either(w, "text_model.embeddings.position_embedding.weight", "positional_embedding");
	if (!table || !positions || table->rank != 2)
		return itr_err_set(err, "these are not CLIP's weights: there is no 'text_model.embeddings.token_embedding.weight' "
		                        "(transformers) and no 'token_embedding.weight' (open_clip)");
	const itr_weight *fc = either(w, "text_model.encoder.layers.0.mlp.fc1.weight", "transformer.resblocks.0.mlp.c_fc.weight");
	const itr_weight *theirs = itr_weights_find(w, "text_projection.weight"), *open_clip = itr_weights_find(w, "text_projection");
	c->vocab = table->shape[0];
	c->width = table->shape[1];
	c->positions = positions->shape[0];
	c->mlp = fc ? fc->shape[0] : 4 * c->width;
	c->layers = theirs ? itr_weights_layers(w, "text_model.encoder.layers.", ".layer_norm1.weight")
	                   : itr_weights_layers(w, "transformer.resblocks.", ".ln_1.weight");
	c->embed_dim = theirs ? theirs->shape[0] : open_clip && open_clip->rank == 2 ? open_clip->shape[1] : 512;
	c->heads = c->width / 64;
	return from_config(c, config, false, err) < 0 ? -1 : itr_blocks_check(c, "CLIP", err);
}

/* --- image ---------------------------------------------------------------------------------------------------------------------------- */

struct image {
	itr_patch_embedding embedding;
	itr_layernorm_layer pre, post;
	itr_block block[ITR_MAX_BLOCKS];
	itr_linear_layer projection;
};

static void init_image(void *tower, itr_params *p, const itr_tower_config *c)
{
	struct image *m = tower;
	int64_t grid = c->image_size / c->patch;
	itr_linear_init(&m->embedding.patch, p, "visual.conv1", 3 * c->patch * c->patch, c->width, false);
	m->embedding.class_token =
		itr_params_add(p, "visual", "class_embedding", 2, (int64_t[]){ 1, c->width }, ITR_INIT_NORMAL, 0.02, true);
	m->embedding.positions = itr_params_add(p, "visual", "positional_embedding", 2, (int64_t[]){ grid * grid + 1, c->width },
	                                        ITR_INIT_NORMAL, 0.02, true);
	itr_layernorm_init(&m->pre, p, "visual.ln_pre", c->width, c->eps);
	itr_blocks_init(m->block, p, "visual.transformer.resblocks", &names, c);
	itr_layernorm_init(&m->post, p, "visual.ln_post", c->width, c->eps);
	itr_linear_init(&m->projection, p, "visual.proj", c->width, c->embed_dim, false);
}

/* pooled: the class token, normalised and projected. states: the patches behind the last block, as transformers' last_hidden_state without
 * its first row. */
static itr_tower_out forward_image(itr_tape *t, const void *tower, const itr_tower_config *c, const itr_tower_in *in, bool states)
{
	const struct image *m = tower;
	int64_t grid = c->image_size / c->patch, length = grid * grid + 1, *start = itr_equal_starts(in->n, length),
		*first = start + in->n + 1;
	itr_scope scope = itr_scope_begin(t);
	itr_var *x = itr_scope_end(t, scope, itr_layernorm(t, &m->pre, itr_patch_tokens(t, &m->embedding, c, in)));
	x = itr_blocks(t, m->block, c, x, &(itr_sequences){ .start = start, .n = in->n }, states ? NULL : first, in->n);
	itr_tower_out out = { .states = states ? itr_without_first(t, x, in->n, length) : NULL };
	out.pooled = itr_linear(t, &m->projection, itr_layernorm(t, &m->post, states ? itr_gather(t, x, first, in->n) : x));
	free(start);
	return out;
}

static void image_sizes(const itr_tower_config *c, int64_t *dim, int64_t *grid, int64_t *state_dim)
{
	*dim = c->embed_dim;
	*grid = c->image_size / c->patch;
	*state_dim = c->width;
}

static int configure_b32(itr_tower_config *c, const itr_weights *w, const itr_json *config, itr_err *err)
{
	return configure_image(c, w, config, 32, err);
}
static int configure_b16(itr_tower_config *c, const itr_weights *w, const itr_json *config, itr_err *err)
{
	return configure_image(c, w, config, 16, err);
}

/* --- text ----------------------------------------------------------------------------------------------------------------------------- */

struct text {
	itr_embedding_layer tokens;
	itr_param *positions;
	itr_block block[ITR_MAX_BLOCKS];
	itr_layernorm_layer final;
	itr_linear_layer projection;
};

static void init_text(void *tower, itr_params *p, const itr_tower_config *c)
{
	struct text *m = tower;
	itr_embedding_init(&m->tokens, p, "token_embedding", c->vocab, c->width);
	m->positions = itr_params_add(p, "", "positional_embedding", 2, (int64_t[]){ c->positions, c->width }, ITR_INIT_NORMAL, 0.01, true);
	itr_blocks_init(m->block, p, "transformer.resblocks", &names, c);
	itr_layernorm_init(&m->final, p, "ln_final", c->width, c->eps);
	itr_linear_init(&m->projection, p, "text_projection", c->width, c->embed_dim, false);
}

/* A token sees only what is before it and the text is read off at its end token (itr_tower_tokenize cuts there), so nothing is padded to
 * 77: 16 tokens on average, and the same numbers. */
static itr_tower_out forward_text(itr_tape *t, const void *tower, const itr_tower_config *c, const itr_tower_in *in, bool states)
{
	const struct text *m = tower;
	int64_t begin = in->start[0], n = in->start[in->n] - begin;
	int64_t *start = itr_xmalloc((size_t)(2 * in->n + 1 + 2 * n) * sizeof *start), *last = start + in->n + 1, *id = last + in->n,
		*position = id + n;
	for (int64_t s = 0; s < in->n; s++) {
		start[s] = in->start[s] - begin;
		last[s] = in->start[s + 1] - begin - 1;
		for (int64_t i = start[s]; i <= last[s]; i++) {
			id[i] = in->ids[begin + i];
			position[i] = i - start[s];
		}
	}
	start[in->n] = n;
	itr_scope scope = itr_scope_begin(t);
	itr_var *x = itr_scope_end(t, scope,
	                           itr_add(t, itr_embedding(t, &m->tokens, id, n), itr_gather(t, itr_leaf(t, m->positions), position, n)));
	x = itr_blocks(t, m->block, c, x, &(itr_sequences){ .start = start, .n = in->n, .causal = true }, states ? NULL : last, in->n);
	itr_tower_out out = { .states = states ? itr_layernorm(t, &m->final, x) : NULL };
	out.pooled = itr_linear(t, &m->projection, states ? itr_gather(t, out.states, last, in->n) : itr_layernorm(t, &m->final, x));
	free(start);
	return out;
}

static void text_sizes(const itr_tower_config *c, int64_t *dim, int64_t *grid, int64_t *state_dim)
{
	*dim = c->embed_dim;
	*grid = 0;
	*state_dim = c->width;
}

#define IMAGE(symbol, shown, about, sizes_from)                                                                                            \
	const itr_tower_ops itr_tower_##symbol = { .name = shown,                                                                          \
		                                   .summary = about,                                                                       \
		                                   .modality = ITR_IMAGE,                                                                  \
		                                   .size = sizeof(struct image),                                                           \
		                                   .preset = "clip",                                                                       \
		                                   .rules = image_rules,                                                                   \
		                                   .configure = sizes_from,                                                                \
		                                   .init = init_image,                                                                     \
		                                   .forward = forward_image,                                                               \
		                                   .sizes = image_sizes }
#define TEXT(symbol, shown)                                                                                                                \
	const itr_tower_ops itr_tower_##symbol = { .name = shown,                                                                          \
		                                   .summary = "CLIP's text transformer, 512, any transformers or open_clip weights",       \
		                                   .size = sizeof(struct text),                                                            \
		                                   .tokenizer = "clip-bpe",                                                                \
		                                   .stops_at_end = true,                                                                   \
		                                   .rules = text_rules,                                                                    \
		                                   .configure = configure_text,                                                            \
		                                   .init = init_text,                                                                      \
		                                   .forward = forward_text,                                                                \
		                                   .sizes = text_sizes }
IMAGE(clip_vit_b32_image, "clip-vit-b32", "CLIP ViT-B/32, 512 pooled, 7x7 patches of 768", configure_b32);
IMAGE(clip_vit_b16_image, "clip-vit-b16", "CLIP ViT-B/16, 512 pooled, 14x14 patches of 768", configure_b16);
TEXT(clip_vit_b32_text, "clip-vit-b32");
TEXT(clip_vit_b16_text, "clip-vit-b16");
