#include "model/tower_beside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/parallel.h"
#include "base/path.h"
#include "model/sentence.h"

#define ITR_TOWER(name, modality, symbol) extern const itr_tower_ops itr_tower_##symbol;
#include "model/towers.def"
#undef ITR_TOWER

const itr_tower_ops *const itr_towers[] = {
#define ITR_TOWER(name, modality, symbol) &itr_tower_##symbol,
#include "model/towers.def"
#undef ITR_TOWER
	NULL
};

const itr_tower_ops *itr_tower_find(const char *name, itr_modality modality, itr_err *err)
{
	const char *names[ITR_LEN(itr_towers)];
	bool elsewhere = false;
	int n = 0;
	for (int i = 0; itr_towers[i]; i++) {
		const bool same = !strcmp(itr_towers[i]->name, name);
		if (same && itr_towers[i]->modality == modality)
			return itr_towers[i];
		elsewhere |= same;
		if (itr_towers[i]->modality == modality)
			names[n++] = itr_towers[i]->name;
	}
	if (elsewhere)
		itr_err_set(err, "'%s' is not an encoder for %ss (see {extract-features} --list)", name, itr_modality_names[modality]);
	else
		itr_err_set(err, "unknown %s encoder '%s': did you mean '%s'? (see {extract-features} --list)",
		            itr_modality_names[modality], name, itr_nearest(name, names, n));
	return NULL;
}

/* --- what lies beside the weights ----------------------------------------------------------------------------------------------------- */

char *itr_tower_beside(const char *weights, const char *name)
{
	char *folder = itr_path_is_dir(weights) ? itr_xstrdup(weights) : itr_path_dirname(weights), *path = itr_path_join(folder, name);
	free(folder);
	if (itr_path_exists(path))
		return path;
	free(path);
	return NULL;
}

/* The first of these JSON files that is there. *j NULL when none is. */
static int read_beside(const char *weights, const char *const *names, itr_json **j, itr_err *err)
{
	*j = NULL;
	for (; *names; names++) {
		char *path = itr_tower_beside(weights, *names);
		if (path) {
			*j = itr_json_read(path, err);
			free(path);
			return *j ? 0 : -1;
		}
	}
	return 0;
}

/* tokenizer_config.json's length: what transformers cuts at where sentence-transformers does not say. A number too large to be meant is
 * one. */
static int read_length(itr_tower *w, const char *weights, itr_err *err)
{
	itr_json *config;
	if (read_beside(weights, (const char *const[]){ "tokenizer_config.json", NULL }, &config, err) < 0)
		return -1;
	const int64_t length = itr_json_int(itr_json_get(config, "model_max_length"), 0);
	if (length >= 2)
		w->max_tokens = ITR_MIN(w->max_tokens, length);
	itr_json_free(config);
	return 0;
}

/* How to pool, what follows, what stands in front of a text, and how long that may be. */
static int take_sentence(itr_tower *w, itr_sentence *s, const char *weights, itr_err *err)
{
	itr_tower_config *c = &w->config;
	if (w->ops->modality == ITR_TEXT && s->max_tokens >= 2)
		w->max_tokens = ITR_MIN(w->max_tokens, s->max_tokens);
	else if (w->ops->modality == ITR_TEXT && weights && read_length(w, weights, err) < 0)
		return -1;
	if (s->pooling && !w->ops->pools)
		return itr_err_set(err, "its Pooling module is not for '%s', which makes one vector of a text by itself", w->ops->name);
	if (s->modules && !s->pooling && w->ops->pools)
		return itr_err_set(err, "its modules.json names no Pooling: there is no vector of a text");
	if (s->pooling_width && s->pooling_width != c->width)
		return itr_err_set(err, "its Pooling module is for tokens of %lld numbers, these are of %lld", (long long)s->pooling_width,
		                   (long long)c->width);
	if (c->pooling == ITR_POOL_DEFAULT)
		c->pooling = s->pooling ? s->pooling : w->ops->pooling ? w->ops->pooling : ITR_POOL_CLS;
	if (!w->ops->pools && c->pooling != ITR_POOL_CLS && c->pooling != ITR_POOL_MEAN)
		return itr_err_set(err, "'%s' pools by cls or mean only", w->ops->name);
	c->stages = s->stages;
	w->prompt = s->prompt;
	s->prompt = NULL;
	return 0;
}

/* The prompt's tokens, when they are not to be pooled; at least one place must be left for a text. */
static int count_prompt(itr_tower *w, bool skip, itr_err *err)
{
	if (!w->prompt)
		return 0;
	const size_t bytes = strlen(w->prompt);
	int32_t *ids = itr_xmalloc((size_t)itr_tokenizer_max_ids(bytes) * sizeof *ids);
	/* without the last special one */
	const int64_t n = itr_tokenizer_encode(w->tokenizer, w->prompt, bytes, ids, itr_tokenizer_max_ids(bytes)) - 1;
	free(ids);
	if (n + 1 >= w->max_tokens)
		return itr_err_set(err, "the prompt '%.80s' has %lld tokens, the encoder takes %lld: nothing is left for a text", w->prompt,
		                   (long long)n, (long long)w->max_tokens);
	w->config.skip = skip ? n : 0;
	return 0;
}

static int open_tokenizer(itr_tower *w, const char *weights, const char *vocabulary, bool lower, itr_err *err)
{
	if (w->tokenizer)
		return 0;
	char *spec = vocabulary                            ? itr_xasprintf("%s:%s", w->ops->tokenizer, vocabulary)
	             : weights && itr_path_is_dir(weights) ? itr_xstrdup(weights)
	                                                   : NULL;
	char *config = weights ? itr_tower_beside(weights, "tokenizer_config.json") : NULL;
	if (!spec) {
		free(config);
		return weights ? itr_err_set(err,
		                             "'%s' needs its vocabulary: give --vocabulary FILE, or the folder that holds weights and "
		                             "vocabulary",
		                             w->ops->name)
		               : 0;
	}
	w->tokenizer = itr_tokenizer_new(spec, &(itr_tokenizer_opts){ .config = config, .lower = lower }, err);
	if (w->tokenizer && strcmp(itr_tokenizer_kind(w->tokenizer), w->ops->tokenizer))
		itr_err_set(err, "'%s' reads %s ids, '%s' is a %s vocabulary", w->ops->name, w->ops->tokenizer, spec,
		            itr_tokenizer_kind(w->tokenizer));
	else if (w->tokenizer && w->config.vocab && itr_tokenizer_size(w->tokenizer) > w->config.vocab)
		itr_err_set(err, "'%s' has %lld tokens, the weights have a table of %lld: they do not belong together", spec,
		            (long long)itr_tokenizer_size(w->tokenizer), (long long)w->config.vocab);
	else if (w->tokenizer) {
		free(spec);
		free(config);
		return 0;
	}
	free(spec);
	free(config);
	return -1;
}

/* --- opening -------------------------------------------------------------------------------------------------------------------------- */

struct reading {
	itr_tower *w;
	const itr_weights *weights;
	int rc[2];
	itr_err err[2];
};

static void read_one(void *ctx, int64_t i, int worker)
{
	struct reading *r = ctx;
	(void)worker;
	r->rc[i] = i == 0 ? itr_params_load_weights(r->w->params, r->weights, r->w->ops->rules, &r->err[0])
	                  : itr_weights_sha256(r->weights, r->w->weights_sha256, &r->err[1]);
}

/* Numbers and hash at the same time: hashing 600 MB takes longer than everything else that stands before the first vector, and goes through
 * the files by their paths. */
static int read_weights(itr_tower *w, const itr_weights *weights, int threads, itr_err *err)
{
	struct reading r = { .w = w, .weights = weights, .err = { ITR_ERR_INIT, ITR_ERR_INIT } };
	itr_parallel_for(threads, 2, read_one, &r);
	for (int i = 0; i < 2; i++)
		if (r.rc[i] < 0) {
			*err = r.err[i];
			return -1;
		}
	return 0;
}

/* A config.json may name any size: memory is not asked for on its word. What is wrong with sizes that lie closer is told tensor by tensor.
 */
static int check_memory(const itr_tower *w, const itr_weights *weights, itr_err *err)
{
	enum { SLACK = 1 << 27 };
	int64_t stored = 0;
	for (int64_t i = 0; i < itr_weights_count(weights); i++)
		stored += itr_weights_at(weights, i)->count;
	const int64_t need = itr_params_elements(w->params);
	return need <= stored + SLACK ? 0
	                              : itr_err_set(err, "the sizes in its config.json need %lld numbers, the weights are %lld",
	                                            (long long)need, (long long)stored);
}

static int build(itr_tower *w, const itr_weights *weights, const itr_json *config, itr_sentence *s, const itr_tower_opts *o, itr_err *err)
{
	if (w->ops->configure(&w->config, weights, config, err) < 0 || itr_tower_check_sizes(w->ops, &w->config, err) < 0)
		return -1;
	w->config.pooling = o->pooling;
	w->config.batch_statistics = o->batch_statistics;
	w->max_tokens = w->config.positions;
	if (w->ops->modality == ITR_IMAGE && itr_tower_choose_preset(w, weights, o, err) < 0)
		return -1;
	if (w->ops->modality == ITR_IMAGE && w->preset->crop != w->config.image_size)
		return itr_err_set(err, "'%s' takes pictures of %lld x %lld, the preset '%s' makes %d x %d: choose another with --preset",
		                   w->ops->name, (long long)w->config.image_size, (long long)w->config.image_size, w->preset->name,
		                   w->preset->crop, w->preset->crop);
	if (take_sentence(w, s, o->weights, err) < 0 ||
	    (w->ops->modality == ITR_TEXT && open_tokenizer(w, o->weights, o->vocabulary, s->lower, err) < 0))
		return -1;
	if (o->max_tokens >= 2)
		w->max_tokens = ITR_MIN(w->max_tokens, o->max_tokens);
	if (!weights && w->tokenizer)
		w->config.vocab = itr_tokenizer_size(w->tokenizer);
	if (w->tokenizer && count_prompt(w, s->skip_prompt, err) < 0)
		return -1;
	w->ops->sizes(&w->config, &w->dim, &w->grid, &w->state_dim);
	if (itr_stages_check(&w->config.stages, w->dim, err) < 0)
		return -1;
	itr_tower_sizes(w);
	w->params = itr_params_new();
	itr_tower_init(w, w->params);
	if (weights && check_memory(w, weights, err) < 0)
		return -1;
	itr_params_seal(w->params);
	if (!weights) {
		itr_params_initialise(w->params, o->seed);
		return 0;
	}
	return read_weights(w, weights, o->threads, err);
}

/* Checkpoints of a training hold the tower below a name of their own, with heads and queues beside it. Its arrays' names are those of the
 * usual sizes. */
static int find_arrays(const itr_tower_ops *ops, itr_weights *weights, itr_err *err)
{
	itr_tower_config usual;
	if (ops->configure(&usual, NULL, NULL, err) < 0)
		return -1;
	usual.vocab = ops->modality == ITR_IMAGE ? usual.vocab : ITR_MAX(usual.vocab, 1);
	itr_params *p = itr_params_new();
	void *layers = itr_xcalloc(1, ops->size);
	ops->init(layers, p, &usual);
	char *prefix = itr_params_prefix(p, weights, ops->rules);
	if (*prefix)
		itr_weights_below(weights, prefix);
	if (*itr_weights_note(weights))
		itr_info("'%s': %s", itr_weights_path(weights), itr_weights_note(weights));
	free(prefix);
	free(layers);
	itr_params_free(p);
	return 0;
}

/* A tokenizer that was taken over goes with a failure too. */
static itr_tower *not_opened(const itr_tower_opts *o)
{
	itr_tokenizer_free(o->tokenizer);
	return NULL;
}

/* Files around the weights, then the weights, which may lie in another folder than the one named. *folder, free(): that folder or file. */
static int open_files(const itr_tower_ops *ops, const char *path, const itr_tower_opts *o, itr_sentence *s, itr_weights **weights,
                      itr_json **config, char **folder, itr_err *err)
{
	char *modules = itr_tower_beside(path, "modules.json");
	const bool read = ops->modality == ITR_TEXT || modules;
	free(modules);
	if (read && itr_sentence_read(s, path, o->prompt, o->prompt_name, err) < 0)
		return -1;
	if (s->folder && !itr_path_is_dir(path))
		return itr_err_set(err, "modules.json beside it puts the weights in '%s': give the folder that holds modules.json",
		                   s->folder);
	*folder = itr_xstrdup(s->folder ? s->folder : path);
	if (!(*weights = itr_weights_open(*folder, err)) || find_arrays(ops, *weights, err) < 0 ||
	    itr_sentence_append(s, *weights, err) < 0)
		return -1;
	return read_beside(*folder, (const char *const[]){ "config.json", "open_clip_config.json", NULL }, config, err);
}

static itr_tower *open_without_weights(const itr_tower_ops *ops, const itr_tower_opts *o, itr_err *err)
{
	const char *option = o->weights || o->tokenizer ? "weights" : o->vocabulary                ? "vocabulary"
	                                                      : o->preset                    ? "preset"
	                                                      : o->pooling                   ? "pooling"
	                                                      : o->prompt || o->prompt_name ? "prompt"
	                                                                                     : NULL;
	if (option) {
		itr_err_set(err, "encoder '%s' is no network with weights: leave --%s out", ops->name, option);
		return NULL;
	}
	itr_tower *w = itr_xcalloc(1, sizeof *w);
	w->ops = ops;
	ops->open(w);
	return w;
}

itr_tower *itr_tower_open(const char *name, itr_modality modality, const itr_tower_opts *o, itr_err *err)
{
	const itr_tower_ops *ops = itr_tower_find(name, modality, err);
	itr_weights *weights = NULL;
	itr_json *config = NULL;
	itr_sentence s = { .folder = NULL };
	char *folder = NULL;
	if (!ops)
		return not_opened(o);
	if (!ops->forward)
		return open_without_weights(ops, o, err);
	itr_tower *w = itr_xcalloc(1, sizeof *w);
	w->ops = ops;
	w->tokenizer = o->tokenizer;
	w->layers = itr_xcalloc(1, ops->size);
	int rc = o->weights ? open_files(ops, o->weights, o, &s, &weights, &config, &folder, err) : 0;
	itr_tower_opts there = *o;
	there.weights = folder;
	if (rc == 0)
		rc = build(w, weights, config, &s, &there, err);
	itr_json_free(config);
	itr_weights_close(weights);
	itr_sentence_free(&s);
	free(folder);
	if (rc == 0)
		return w;
	if (o->weights)
		itr_err_prefix(err, "'%s' from '%s': ", name, o->weights);
	itr_tower_free(w);
	return NULL;
}

void itr_tower_free(itr_tower *w)
{
	if (!w)
		return;
	if (w->ops->close)
		w->ops->close(w);
	if (!w->joined)
		itr_params_free(w->params);
	itr_params_free(w->own);
	itr_tokenizer_free(w->tokenizer);
	free(w->layers);
	free(w->frozen);
	free(w->prompt);
	free(w);
}

void itr_tower_pack(itr_tower *w, itr_compute c, int threads)
{
	if (w->params)
		itr_params_pack(w->params, c, threads);
}

void itr_tower_init(itr_tower *w, itr_params *p)
{
	w->ops->init(w->layers, p, &w->config);
	itr_stages_init(w->stage, p, &w->config.stages);
}

void itr_tower_sizes(itr_tower *w)
{
	w->ops->sizes(&w->config, &w->dim, &w->grid, &w->state_dim);
	w->dim = itr_stages_out(&w->config.stages, w->dim);
	if (w->ops->modality == ITR_IMAGE) {
		w->input_bytes = (size_t)(w->config.image_size * w->config.image_size * 3) * sizeof(float);
		w->fast_side = w->preset->size;
	}
}

itr_tower_out itr_tower_forward(itr_tape *t, const itr_tower *w, const itr_tower_in *in, bool states)
{
	itr_tower_out out = w->ops->forward(t, w->layers, &w->config, in, states);
	out.pooled = itr_stages_apply(t, w->stage, &w->config.stages, out.pooled);
	return out;
}

void itr_tower_describe_text(const itr_tower *w, itr_buf *b)
{
	enum { SHOWN = 60 };
	itr_pooling_print(w->config.pooling, b);
	if (w->config.stages.n)
		itr_buf_puts(b, "; ");
	itr_stages_print(&w->config.stages, b);
	if (!w->prompt)
		return;
	if (strlen(w->prompt) <= SHOWN) {
		itr_buf_printf(b, "; prompt '%s'", w->prompt);
	} else {
		char hash[ITR_SHA256_HEX];
		itr_sha256_bytes(w->prompt, strlen(w->prompt), hash);
		itr_buf_printf(b, "; prompt of SHA-256 %.16s", hash);
	}
	if (w->config.skip)
		itr_buf_puts(b, ", not pooled");
}

/* --- texts ---------------------------------------------------------------------------------------------------------------------------- */

struct texts {
	const itr_tower *w;
	const char *const *text;
	int32_t *ids;                   /* max_tokens places each */
	int64_t *count;
};

static void encode_one(void *ctx, int64_t i, int worker)
{
	const struct texts *x = ctx;
	int32_t *ids = x->ids + i * x->w->max_tokens, end = itr_tokenizer_end(x->w->tokenizer);
	char *joined = x->w->prompt ? itr_xasprintf("%s%s", x->w->prompt, x->text[i]) : NULL;
	const char *text = joined ? joined : x->text[i];
	(void)worker;
	x->count[i] = itr_tokenizer_encode(x->w->tokenizer, text, strlen(text), ids, x->w->max_tokens);
	free(joined);
	for (int64_t k = 0; x->w->ops->stops_at_end && k < x->count[i]; k++)
		if (ids[k] == end)
			x->count[i] = k + 1;
}

void itr_tower_tokenize(const itr_tower *w, const char *const *texts, int64_t n, int threads, int32_t **ids, int64_t **start)
{
	if (!w->tokenizer)
		ITR_BUG("itr_tower_tokenize: '%s' was opened without a vocabulary", w->ops->name);
	struct texts x = { w, texts, itr_xmalloc((size_t)(n * w->max_tokens) * sizeof *x.ids),
		           itr_xcalloc((size_t)n + 1, sizeof *x.count) };
	itr_parallel_for(threads, n, encode_one, &x);
	int64_t at = 0;
	for (int64_t i = 0; i < n; i++) {       /* close the gaps */
		int64_t count = x.count[i];
		memmove(x.ids + at, x.ids + i * w->max_tokens, (size_t)count * sizeof *x.ids);
		x.count[i] = at;
		at += count;
	}
	x.count[n] = at;
	*ids = x.ids;
	*start = x.count;
}
