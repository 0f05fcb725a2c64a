/* Towers inside of a model: their arrays among the model's, their sizes and vocabulary in its file. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "model/transformer.h"

void itr_tower_join(itr_tower *w, itr_params *p, const char *scope, bool trained)
{
	if (w->joined)
		ITR_BUG("itr_tower_join: '%s' is part of a model already", w->ops->name);
	w->own = w->params;
	w->params = p;
	w->joined = true;
	w->first_param = itr_params_count(p);
	memset(w->layers, 0, w->ops->size);             /* registered anew: layers point at the model's arrays from here on */
	itr_params_scope(p, scope);
	itr_tower_init(w, p);
	itr_params_scope(p, NULL);
	w->n_params = itr_params_count(p) - w->first_param;
	for (int64_t i = 0; i < w->n_params; i++) {
		itr_param *q = itr_params_at(p, w->first_param + i);
		if (!trained || (w->frozen && w->frozen[i]))
			q->frozen = q->constant = true;
	}
}

void itr_tower_fill(itr_tower *w)
{
	for (int64_t i = 0; i < w->n_params && w->own; i++) {
		const itr_param *from = itr_params_at(w->own, i), *to = itr_params_at(w->params, w->first_param + i);
		memcpy(to->data, from->data, (size_t)from->count * sizeof *from->data);
	}
	itr_params_free(w->own);
	w->own = NULL;
}

/* --- sizes as JSON -------------------------------------------------------------------------------------------------------------------- */

static const struct field { const char *key; size_t at; int64_t low, high;
} fields[] = {
#define FIELD(name, low, high) { #name, offsetof(itr_tower_config, name), low, high }
	FIELD(width, 0, 16384),     FIELD(layers, 0, ITR_MAX_BLOCKS), FIELD(heads, 0, 256),
	FIELD(mlp, 0, 65536),       FIELD(image_size, 0, 4096),       FIELD(patch, 0, 256),
	FIELD(vocab, 0, 4000000),   FIELD(positions, 0, 65536),       FIELD(types, 0, 1024),
	FIELD(embed_dim, 0, 16384),
#undef FIELD
};

static int64_t *field_of(itr_tower_config *c, int i) { return (int64_t *)(void *)((char *)c + fields[i].at); }

itr_json *itr_tower_json(const itr_tower *w)
{
	itr_json *j = itr_json_object();
	itr_tower_config c = w->config;
	itr_json_add_str(j, "name", w->ops->name);
	for (int i = 0; i < ITR_LEN(fields); i++)
		itr_json_add_int(j, fields[i].key, *field_of(&c, i));
	itr_json_add_num(j, "eps", c.eps);
	itr_json_add_int(j, "activation", c.activation);
	itr_buf pooling = ITR_BUF_INIT;
	itr_pooling_print(c.pooling, &pooling);
	itr_json_add_str(j, "pooling", itr_buf_str(&pooling));
	itr_buf_free(&pooling);
	if (c.stages.n)
		itr_json_add(j, "stages", itr_stages_json(&c.stages));
	if (w->prompt) {
		itr_json_add_str(j, "prompt", w->prompt);
		itr_json_add_int(j, "prompt_skipped", c.skip);
	}
	itr_json_add_bool(j, "batch_statistics", c.batch_statistics);
	itr_json_add_int(j, "max_tokens", w->max_tokens);
	if (w->preset == &w->published)
		itr_json_add(j, "preset", itr_preset_json(w->preset));
	else
		itr_json_add_str(j, "preset", w->preset ? w->preset->name : NULL);
	itr_json_add_str(j, "weights_sha256", w->weights_sha256);
	if (w->tokenizer) {
		char *rules = itr_tokenizer_rules_json(w->tokenizer);
		itr_json_add_str(j, "tokenizer", itr_tokenizer_kind(w->tokenizer));
		itr_json_add_str(j, "tokenizer_rules", rules);
		free(rules);
	}
	return j;
}

int itr_tower_check_sizes(const itr_tower_ops *ops, const itr_tower_config *config, itr_err *err)
{
	itr_tower_config c = *config, usual;
	if (ops->configure(&usual, NULL, NULL, err) < 0)
		return -1;
	for (int i = 0; i < ITR_LEN(fields); i++) {
		const int64_t v = *field_of(&c, i);
		if (v < fields[i].low || v > fields[i].high || (v == 0) != (*field_of(&usual, i) == 0))
			return itr_err_set(err, "tower '%s' cannot have '%s' = %lld", ops->name, fields[i].key, (long long)v);
	}
	if (ops->tokenizer && !strcmp(ops->tokenizer, "words") && (c.layers > 4 || c.heads > 2))
		return itr_err_set(err, "tower '%s' cannot have %lld layers of %lld directions", ops->name, (long long)c.layers,
		                   (long long)c.heads);
	if ((c.heads && c.width % c.heads) || (c.patch && c.image_size % c.patch))
		return itr_err_set(err, "tower '%s' cannot be of width %lld with %lld heads, pictures of %lld with patches of %lld",
		                   ops->name, (long long)c.width, (long long)c.heads, (long long)c.image_size, (long long)c.patch);
	if (c.activation < ITR_ACT_NONE || c.activation > ITR_ACT_QUICK_GELU || !(c.eps >= 0))
		return itr_err_set(err, "tower '%s' cannot have activation %d with eps %g", ops->name, (int)c.activation, c.eps);
	return 0;
}

static int read_config(itr_tower *w, const itr_json *j, itr_err *err)
{
	itr_tower_config *c = &w->config;
	const char *pooling = itr_json_str(itr_json_get(j, "pooling"), "cls");
	if (w->ops->configure(c, NULL, NULL, err) < 0)
		return -1;
	for (int i = 0; i < ITR_LEN(fields); i++)
		*field_of(c, i) = itr_json_int(itr_json_get(j, fields[i].key), -1);
	c->eps = itr_json_num(itr_json_get(j, "eps"), c->eps);
	c->activation = (itr_activation)itr_json_int(itr_json_get(j, "activation"), c->activation);
	if (itr_pooling_parse(pooling, &c->pooling, err) < 0 || itr_stages_read(&c->stages, itr_json_get(j, "stages"), err) < 0)
		return -1;
	if (!w->ops->pools && c->pooling != ITR_POOL_CLS && c->pooling != ITR_POOL_MEAN)
		return itr_err_set(err, "tower '%s' cannot pool by '%.80s'", w->ops->name, pooling);
	c->batch_statistics = itr_json_bool(itr_json_get(j, "batch_statistics"), false);
	w->max_tokens = ITR_MIN(itr_json_int(itr_json_get(j, "max_tokens"), 0), c->positions > 0 ? c->positions : 65536);
	const char *prompt = itr_json_str(itr_json_get(j, "prompt"), NULL);
	c->skip = prompt ? itr_json_int(itr_json_get(j, "prompt_skipped"), 0) : 0;
	if (c->skip < 0 || c->skip >= ITR_MAX(w->max_tokens, 1))
		return itr_err_set(err, "tower '%s' cannot leave out %lld tokens of a prompt", w->ops->name, (long long)c->skip);
	w->prompt = prompt ? itr_xstrdup(prompt) : NULL;
	return itr_tower_check_sizes(w->ops, c, err);
}

static int read_rest(itr_tower *w, const itr_json *j, const void *vocabulary, size_t n, itr_err *err)
{
	if (w->ops->modality == ITR_IMAGE) {
		const itr_json *preset = itr_json_get(j, "preset");
		w->preset = itr_json_is_object(preset) ? &w->published : itr_preset_find(itr_json_str(preset, "?"), err);
		if (!w->preset || (w->preset == &w->published && itr_preset_from_json(preset, &w->published, err) < 0))
			return -1;
		return w->preset->crop == w->config.image_size ? 0
		                                               : itr_err_set(err, "the preset '%s' does not make pictures of %lld pixels",
		                                                             w->preset->name, (long long)w->config.image_size);
	}
	if (w->max_tokens < 2 || !n)
		return itr_err_set(err, n ? "tower '%s' takes no tokens" : "tower '%s' has no vocabulary", w->ops->name);
	w->tokenizer = itr_tokenizer_parse(w->ops->tokenizer, "vocabulary of the model", vocabulary, n,
	                                   &(itr_tokenizer_opts){ .rules = itr_json_str(itr_json_get(j, "tokenizer_rules"), "{}") }, err);
	if (!w->tokenizer)
		return -1;
	return itr_tokenizer_size(w->tokenizer) <= w->config.vocab
	               ? 0
	               : itr_err_set(err, "the vocabulary has %lld tokens, the tower a table of %lld",
	                             (long long)itr_tokenizer_size(w->tokenizer), (long long)w->config.vocab);
}

itr_tower *itr_tower_restore(const itr_json *j, itr_modality modality, const void *vocabulary, size_t n, itr_err *err)
{
	const itr_tower_ops *ops = itr_tower_find(itr_json_str(itr_json_get(j, "name"), "?"), modality, err);
	if (ops && !ops->forward)
		itr_err_set(err, "tower '%s' has no weights that a model could hold", ops->name);
	if (!ops || !ops->forward)
		return NULL;
	itr_tower *w = itr_xcalloc(1, sizeof *w);
	w->ops = ops;
	w->layers = itr_xcalloc(1, ops->size);
	int rc = read_config(w, j, err);
	if (rc == 0) {
		ops->sizes(&w->config, &w->dim, &w->grid, &w->state_dim);
		rc = itr_stages_check(&w->config.stages, w->dim, err);
	}
	if (rc < 0 || read_rest(w, j, vocabulary, n, err) < 0) {
		itr_tower_free(w);
		return NULL;
	}
	itr_tower_sizes(w);
	const char *hash = itr_json_str(itr_json_get(j, "weights_sha256"), "");
	memcpy(w->weights_sha256, hash, ITR_MIN(strlen(hash), sizeof w->weights_sha256 - 1));
	return w;
}
