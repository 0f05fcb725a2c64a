#include "model/tower_beside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/parallel.h"
#include "base/path.h"

const char *const itr_pooling_names[] = { "default", "cls", "mean", NULL };

#define ITR_TOWER(name, modality, symbol) extern const itr_tower_ops itr_tower_##symbol;
#include "model/towers.def"
#undef ITR_TOWER

const itr_tower_ops *const itr_towers[] = {
#define ITR_TOWER(name, modality, symbol) &itr_tower_##symbol,
#include "model/towers.def"
#undef ITR_TOWER
	NULL
};

const itr_tower_ops *itr_tower_find(const char *name, bool image, itr_err *err)
{
	const char *names[ITR_LEN(itr_towers)];
	int n = 0;
	for (int i = 0; itr_towers[i]; i++)
		if (itr_towers[i]->image == image) {
			if (!strcmp(itr_towers[i]->name, name))
				return itr_towers[i];
			names[n++] = itr_towers[i]->name;
		}
	itr_err_set(err, "unknown %s tower '%s': did you mean '%s'?", image ? "image" : "text", name, itr_nearest(name, names, n));
	return NULL;
}

/* --- what lies beside the weights ------------------------------------------------------------------------------------------------------- */

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

/* sentence-transformers' files: how to pool, and how long a text may be. */
static int read_sentence_files(itr_tower *w, const char *weights, itr_err *err)
{
	itr_json *pooling, *sentence;
	if (read_beside(weights, (const char *const[]){ "1_Pooling/config.json", NULL }, &pooling, err) < 0)
		return -1;
	if (read_beside(weights, (const char *const[]){ "sentence_bert_config.json", NULL }, &sentence, err) < 0) {
		itr_json_free(pooling);
		return -1;
	}
	if (w->config.pooling == ITR_POOL_DEFAULT && itr_json_bool(itr_json_get(pooling, "pooling_mode_mean_tokens"), false))
		w->config.pooling = ITR_POOL_MEAN;
	int64_t length = itr_json_int(itr_json_get(sentence, "max_seq_length"), 0);
	if (length >= 2 && length < w->max_tokens)
		w->max_tokens = length;
	itr_json_free(pooling);
	itr_json_free(sentence);
	return 0;
}

static int open_tokenizer(itr_tower *w, const itr_tower_opts *o, itr_err *err)
{
	if (w->tokenizer)
		return 0;
	char *spec = o->vocabulary ? itr_xasprintf("%s:%s", w->ops->tokenizer, o->vocabulary) : o->weights && itr_path_is_dir(o->weights) ? itr_xstrdup(o->weights) : NULL;
	char *config = o->weights ? itr_tower_beside(o->weights, "tokenizer_config.json") : NULL;
	if (!spec) {
		free(config);
		return o->weights ? itr_err_set(err, "'%s' needs its vocabulary: give --vocabulary FILE, or the folder that holds weights and vocabulary", w->ops->name) : 0;
	}
	w->tokenizer = itr_tokenizer_new(spec, &(itr_tokenizer_opts){ .config = config }, err);
	if (w->tokenizer && strcmp(itr_tokenizer_kind(w->tokenizer), w->ops->tokenizer))
		itr_err_set(err, "'%s' reads %s ids, '%s' is a %s vocabulary", w->ops->name, w->ops->tokenizer, spec, itr_tokenizer_kind(w->tokenizer));
	else if (w->tokenizer && w->config.vocab && itr_tokenizer_size(w->tokenizer) > w->config.vocab)
		itr_err_set(err, "'%s' has %lld tokens, the weights have a table of %lld: they do not belong together", spec, (long long)itr_tokenizer_size(w->tokenizer), (long long)w->config.vocab);
	else if (w->tokenizer) {
		free(spec);
		free(config);
		return 0;
	}
	free(spec);
	free(config);
	return -1;
}

/* --- opening ---------------------------------------------------------------------------------------------------------------------------- */

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
	r->rc[i] = i == 0 ? itr_params_load_weights(r->w->params, r->weights, r->w->ops->rules, &r->err[0]) : itr_weights_sha256(r->weights, r->w->weights_sha256, &r->err[1]);
}

/* Numbers and hash at the same time: hashing 600 MB takes longer than everything else that stands before the first vector, and goes through the files by their paths. */
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

/* A config.json may name any size: memory is not asked for on its word. What is wrong with sizes that lie closer is told tensor by tensor. */
static int check_memory(const itr_tower *w, const itr_weights *weights, itr_err *err)
{
	enum { SLACK = 1 << 27 };
	int64_t stored = 0;
	for (int64_t i = 0; i < itr_weights_count(weights); i++)
		stored += itr_weights_at(weights, i)->count;
	const int64_t need = itr_params_elements(w->params);
	return need <= stored + SLACK ? 0 : itr_err_set(err, "the sizes in its config.json need %lld numbers, the weights are %lld", (long long)need, (long long)stored);
}

static int build(itr_tower *w, const itr_weights *weights, const itr_json *config, const itr_tower_opts *o, itr_err *err)
{
	if (w->ops->configure(&w->config, weights, config, err) < 0 || itr_tower_check_sizes(w->ops, &w->config, err) < 0)
		return -1;
	w->config.pooling = o->pooling;
	w->config.batch_statistics = o->batch_statistics;
	w->max_tokens = w->config.positions;
	if (w->ops->image && itr_tower_choose_preset(w, weights, o, err) < 0)
		return -1;
	if (w->ops->image && w->preset->crop != w->config.image_size)
		return itr_err_set(err, "'%s' takes pictures of %lld x %lld, the preset '%s' makes %d x %d: choose another with --preset", w->ops->name, (long long)w->config.image_size,
		                   (long long)w->config.image_size, w->preset->name, w->preset->crop, w->preset->crop);
	if (!w->ops->image && o->weights && read_sentence_files(w, o->weights, err) < 0)
		return -1;
	if (!w->ops->image && open_tokenizer(w, o, err) < 0)
		return -1;
	if (o->max_tokens >= 2)
		w->max_tokens = ITR_MIN(w->max_tokens, o->max_tokens);
	if (!weights && w->tokenizer)
		w->config.vocab = itr_tokenizer_size(w->tokenizer);
	if (w->config.pooling == ITR_POOL_DEFAULT)
		w->config.pooling = w->ops->pooling == ITR_POOL_DEFAULT ? ITR_POOL_CLS : w->ops->pooling;
	w->params = itr_params_new();
	w->ops->init(w->layers, w->params, &w->config);
	if (weights && check_memory(w, weights, err) < 0)
		return -1;
	itr_params_seal(w->params);
	w->ops->sizes(&w->config, &w->dim, &w->grid, &w->state_dim);
	if (!weights) {
		itr_params_initialise(w->params, o->seed);
		return 0;
	}
	return read_weights(w, weights, o->threads, err);
}

/* A tokenizer that was taken over goes with a failure too. */
static itr_tower *not_opened(const itr_tower_opts *o)
{
	itr_tokenizer_free(o->tokenizer);
	return NULL;
}

itr_tower *itr_tower_open(const char *name, bool image, const itr_tower_opts *o, itr_err *err)
{
	const itr_tower_ops *ops = itr_tower_find(name, image, err);
	itr_weights *weights = NULL;
	itr_json *config = NULL;
	if (!ops || (o->weights && !(weights = itr_weights_open(o->weights, err))))
		return not_opened(o);
	itr_tower *w = itr_xcalloc(1, sizeof *w);
	w->ops = ops;
	w->tokenizer = o->tokenizer;
	w->layers = itr_xcalloc(1, ops->size);
	int rc = o->weights ? read_beside(o->weights, (const char *const[]){ "config.json", "open_clip_config.json", NULL }, &config, err) : 0;
	if (rc == 0)
		rc = build(w, weights, config, o, err);
	itr_json_free(config);
	itr_weights_close(weights);
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
	if (!w->joined)
		itr_params_free(w->params);
	itr_params_free(w->own);
	itr_tokenizer_free(w->tokenizer);
	free(w->layers);
	free(w->fixed);
	free(w);
}

void itr_tower_freeze(itr_tower *w, itr_compute c, int threads) { itr_params_freeze(w->params, c, threads); }

itr_tower_out itr_tower_forward(itr_tape *t, const itr_tower *w, const itr_tower_in *in, bool states) { return w->ops->forward(t, w->layers, &w->config, in, states); }

/* --- texts ------------------------------------------------------------------------------------------------------------------------------ */

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
	(void)worker;
	x->count[i] = itr_tokenizer_encode(x->w->tokenizer, x->text[i], strlen(x->text[i]), ids, x->w->max_tokens);
	for (int64_t k = 0; x->w->ops->stops_at_end && k < x->count[i]; k++)
		if (ids[k] == end)
			x->count[i] = k + 1;
}

void itr_tower_tokenize(const itr_tower *w, const char *const *texts, int64_t n, int threads, int32_t **ids, int64_t **start)
{
	if (!w->tokenizer)
		ITR_BUG("itr_tower_tokenize: '%s' was opened without a vocabulary", w->ops->name);
	struct texts x = { w, texts, itr_xmalloc((size_t)(n * w->max_tokens) * sizeof *x.ids), itr_xcalloc((size_t)n + 1, sizeof *x.count) };
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
