/* BERT: word, position and type tables, post-norm blocks; tokens pooled any way (model/pooling.h), or every token. Base and MiniLM differ
 * by config.json alone. Parameters are called as in transformers' BertModel but for the joint query|key|value. Source: Devlin et al. 2019;
 * pooling as sentence-transformers. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/transformer.h"

static const itr_block_names names = { "attention.output.LayerNorm", "attention.self.qkv", "attention.output.dense",
	                               "output.LayerNorm",           "intermediate.dense", "output.dense" };

static const itr_load_rule rules[] = {
	{ "bert.**", "**", 0, 0, 0 },
	{ "encoder.layer.*.attention.self.query.*", "encoder.layer.*.attention.self.qkv.*", 0, 3, 0 },
	{ "encoder.layer.*.attention.self.key.*", "encoder.layer.*.attention.self.qkv.*", 1, 3, 0 },
	{ "encoder.layer.*.attention.self.value.*", "encoder.layer.*.attention.self.qkv.*", 2, 3, 0 },
	{ "**.gamma", "**.weight", 0, 0, 0 },            /* the names of 2018's files */
	{ "**.beta", "**.bias", 0, 0, 0 },
	{ "embeddings.position_ids", NULL, 0, 0, 0 },
	{ "pooler.**", NULL, 0, 0, 0 },
	{ "cls.**", NULL, 0, 0, 0 },
	{ 0 },
};

/* Networks that share BERT's tensors by name compute something else with them. */
static int check_kind(const itr_json *j, itr_err *err)
{
	const char *architecture = itr_json_str(itr_json_at(itr_json_get(j, "architectures"), 0), "Bert"),
		   *type = itr_json_str(itr_json_get(j, "model_type"), "bert");
	const char *positions = itr_json_str(itr_json_get(j, "position_embedding_type"), "absolute");
	if (strcmp(type, "bert") || strncmp(architecture, "Bert", 4))
		return itr_err_set(err, "these are weights of '%.60s' (%.60s), not of BERT: only BERT itself is built", type, architecture);
	if (itr_json_bool(itr_json_get(j, "is_decoder"), false) || itr_json_bool(itr_json_get(j, "add_cross_attention"), false))
		return itr_err_set(err, "these BERT weights are a decoder's ('is_decoder' or 'add_cross_attention' in config.json): only "
		                        "the encoder is built");
	if (strcmp(positions, "absolute"))
		return itr_err_set(err, "these BERT weights use '%.60s' positions; only absolute ones are known", positions);
	return 0;
}

static int configure(itr_tower_config *c, const itr_weights *w, const itr_json *j, itr_err *err)
{
	*c = (itr_tower_config){ .width = 768,
		                 .layers = 12,
		                 .heads = 12,
		                 .mlp = 3072,
		                 .vocab = 30522,
		                 .positions = 512,
		                 .types = 2,
		                 .eps = 1e-12,
		                 .activation = ITR_ACT_GELU };
	if (!w)
		return 0;
	if (!itr_weights_find(w, "embeddings.word_embeddings.weight") && !itr_weights_find(w, "bert.embeddings.word_embeddings.weight"))
		return itr_err_set(
			err,
			"these are not BERT's weights: there is no 'embeddings.word_embeddings.weight', with or without 'bert.' in front");
	if (!j)
		return itr_err_set(err, "BERT needs config.json beside its weights: the number of heads cannot be read from the tensors");
	if (check_kind(j, err) < 0)
		return -1;
	static const struct { const char *key; size_t at;
	} sizes[] = {
		{ "hidden_size", offsetof(itr_tower_config, width) },
		{ "num_hidden_layers", offsetof(itr_tower_config, layers) },
		{ "num_attention_heads", offsetof(itr_tower_config, heads) },
		{ "intermediate_size", offsetof(itr_tower_config, mlp) },
		{ "vocab_size", offsetof(itr_tower_config, vocab) },
		{ "max_position_embeddings", offsetof(itr_tower_config, positions) },
		{ "type_vocab_size", offsetof(itr_tower_config, types) },
	};
	for (int i = 0; i < ITR_LEN(sizes); i++) {
		int64_t v = itr_json_int(itr_json_get(j, sizes[i].key), 0);
		if (v < 1 || v > 1 << 24)
			return itr_err_set(err, "config.json of these BERT weights gives no usable '%s'", sizes[i].key);
		memcpy((char *)c + sizes[i].at, &v, sizeof v);
	}
	c->eps = itr_json_num(itr_json_get(j, "layer_norm_eps"), 1e-12);
	if (itr_blocks_check(c, "BERT", err) < 0)
		return -1;
	return itr_activation_named(itr_json_str(itr_json_get(j, "hidden_act"), "gelu"), &c->activation, err);
}

struct bert {
	itr_embedding_layer words;
	itr_param *positions, *types;
	itr_layernorm_layer norm;
	itr_block block[ITR_MAX_BLOCKS];
};

static void init(void *tower, itr_params *p, const itr_tower_config *c)
{
	struct bert *m = tower;
	m->words.weight = itr_params_add(p, "embeddings.word_embeddings", "weight", 2, (int64_t[]){ c->vocab, c->width }, ITR_INIT_NORMAL,
	                                 0.02, false);
	m->positions = itr_params_add(p, "embeddings.position_embeddings", "weight", 2, (int64_t[]){ c->positions, c->width },
	                              ITR_INIT_NORMAL, 0.02, false);
	m->types = itr_params_add(p, "embeddings.token_type_embeddings", "weight", 2, (int64_t[]){ c->types, c->width }, ITR_INIT_NORMAL,
	                          0.02, false);
	itr_layernorm_init(&m->norm, p, "embeddings.LayerNorm", c->width, c->eps);
	itr_blocks_init(m->block, p, "encoder.layer", &names, c);
}

/* All tokens are of type 0: one text, no pair. */
static itr_var *embed(itr_tape *t, const struct bert *m, const itr_tower_in *in)
{
	int64_t first = in->start[0], n = in->start[in->n] - first, *id = itr_xcalloc((size_t)(3 * n), sizeof *id), *position = id + n,
		*type = position + n;
	for (int64_t s = 0; s < in->n; s++)
		for (int64_t i = in->start[s]; i < in->start[s + 1]; i++) {
			id[i - first] = in->ids[i];
			position[i - first] = i - in->start[s];
		}
	itr_var *x = itr_add(t, itr_embedding(t, &m->words, id, n), itr_gather(t, itr_leaf(t, m->positions), position, n));
	x = itr_layernorm(t, &m->norm, itr_add(t, x, itr_gather(t, itr_leaf(t, m->types), type, n)));
	free(id);
	return x;
}

static itr_tower_out forward(itr_tape *t, const void *tower, const itr_tower_config *c, const itr_tower_in *in, bool states)
{
	const struct bert *m = tower;
	const bool first = c->pooling == ITR_POOL_CLS && !c->skip && !states;            /* then the last block computes no other rows */
	int64_t *start = itr_xmalloc((size_t)(in->n + 1) * sizeof *start);
	for (int64_t s = 0; s <= in->n; s++)
		start[s] = in->start[s] - in->start[0];
	itr_scope scope = itr_scope_begin(t);
	itr_var *x = itr_scope_end(t, scope, embed(t, m, in));
	x = itr_blocks(t, m->block, c, x, &(itr_sequences){ .start = start, .n = in->n, .norm_after = true }, first ? start : NULL, in->n);
	itr_tower_out out = { .states = states ? x : NULL, .pooled = first ? x : itr_pool(t, x, start, in->n, c->pooling, c->skip) };
	free(start);
	return out;
}

static void sizes(const itr_tower_config *c, int64_t *dim, int64_t *grid, int64_t *state_dim)
{
	*state_dim = c->width;
	*dim = c->width * ITR_MAX(itr_pooling_count(c->pooling), 1);
	*grid = 0;
}

const itr_tower_ops itr_tower_bert = {
	.name = "bert",
	.summary = "BERT, any size (base 768, MiniLM 384): [CLS], mean or other pooling, and per token",
	.size = sizeof(struct bert),
	.tokenizer = "wordpiece",
	.pools = true,
	.rules = rules,
	.configure = configure,
	.init = init,
	.forward = forward,
	.sizes = sizes,
};
