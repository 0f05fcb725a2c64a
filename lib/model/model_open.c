/* Opening: a file or published towers alone, what stands in front of its sides, weights packed once, what it says of itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "model/model_file.h"

static const char *const without_weights[2] = { "hash", "classic" };

/* --- a tower beside the file ---------------------------------------------------------------------------------------------------------- */

/* The part of a stored description between `from` and `to`, or NULL; free(). */
static char *part_of(const char *text, const char *from, const char *to)
{
	const char *at = text ? strstr(text, from) : NULL, *end = at ? strstr(at + strlen(from), to) : NULL;
	return end ? itr_xstrndup(at + strlen(from), (size_t)(end - at) - strlen(from)) : NULL;
}

/* Equal but for the last part, the precision of the products: this one may be another than when the rows were made. */
static bool same_use(const char *a, const char *b)
{
	const char *x = strrchr(a, ';'), *y = strrchr(b, ';');
	return x && y && x - a == y - b && !strncmp(a, b, (size_t)(x - a));
}

static int check_same(const itr_tower *w, const char *weights, const itr_model_source *from, itr_compute compute, itr_err *err)
{
	const char *what = w->ops->modality == ITR_TEXT ? "words" : "pictures";
	itr_buf b = ITR_BUF_INIT;
	int rc = 0;
	itr_tower_describe(w, compute, &b);
	if (from->weights_sha256 && strcmp(w->weights_sha256, from->weights_sha256))
		rc = itr_err_set(err,
		                 "'%s' are other weights (SHA-256 %.12s...) than those that the model was fitted with (%.12s...): %s would "
		                 "land in another space",
		                 weights, w->weights_sha256, from->weights_sha256, what);
	else if (from->preprocess && !same_use(from->preprocess, itr_buf_str(&b)))
		rc = itr_err_set(err,
		                 "the encoder of '%s' reads %s otherwise (%.200s) than when the model was fitted (%.200s): %s would land "
		                 "in another space",
		                 weights, w->ops->modality == ITR_TEXT ? "texts" : "pictures", itr_buf_str(&b), from->preprocess, what);
	itr_buf_free(&b);
	return rc;
}

/* The published network that made the rows which the model was fitted on, used as it was then. */
static itr_tower *open_published(const itr_tower_ops *ops, const itr_model_source *from, const itr_model_opts *o, itr_err *err)
{
	const itr_tower_ref *ref = &o->tower[ops->modality];
	const bool text = ops->modality == ITR_TEXT;
	char *found = !ref->weights ? o->find_weights(from->weights_sha256, err)        /* the vocabulary lies in the same folder */
	              : text && itr_path_exists(ref->weights) && !itr_path_is_dir(ref->weights) ? itr_path_dirname(ref->weights)
	                                                                                         : itr_xstrdup(ref->weights);
	char *pooling = text ? part_of(from->preprocess, " tokens, ", ";") : NULL,
	     *prompt = text ? part_of(from->preprocess, "; prompt '", "'") : NULL;
	itr_tower_opts t = { .weights = found, .prompt = prompt, .threads = o->threads };
	itr_tower *w = NULL;
	if (found && (!pooling || itr_pooling_parse(pooling, &t.pooling, err) == 0))
		w = itr_tower_open(ops->name, ops->modality, &t, err);
	if (w && check_same(w, found, from, o->compute, err) < 0) {
		itr_tower_free(w);
		w = NULL;
	}
	free(found);
	free(pooling);
	free(prompt);
	return w;
}

static itr_tower *no_encoder(const itr_model *m, itr_modality side, const itr_model_source *from, itr_err *err)
{
	const bool model = from->encoder && !strcmp(from->encoder, ITR_MODEL_ENCODER);
	if (model)
		itr_err_set(
			err,
			"'%s' has no encoders of its own: it was fitted on rows that another model made (SHA-256 %.12s...). Make vectors "
			"with that one, then give it their store",
			m->path, from->weights_sha256 ? from->weights_sha256 : "unknown");
	else
		itr_err_set(err,
		            "'%s' has no encoders of its own, and its %ss were vectors of %s%s%s: make vectors with --image-encoder and "
		            "--text-encoder, then give it their store",
		            m->path, itr_modality_names[side], from->encoder ? "'" : "an unknown encoder",
		            from->encoder ? from->encoder : "", from->encoder ? "'" : "");
	return NULL;
}

/* What made the rows that the file's head takes. */
static itr_tower *open_beside(const itr_model *m, itr_modality side, const itr_model_opts *o, itr_err *err)
{
	const itr_model_source from = itr_model_source_of(m, side);
	const itr_tower_ref *ref = &o->tower[side];
	const char *name = from.encoder                ? from.encoder
	                   : ref->name                 ? ref->name
	                   : itr_model_has_towers(m) ? without_weights[side]
	                                               : NULL;
	if (!name || !strcmp(name, ITR_MODEL_ENCODER))
		return no_encoder(m, side, &from, err);
	const itr_tower_ops *ops = itr_tower_find(name, side, NULL);
	if (!ops || (ops->forward && !ref->weights && !o->find_weights))
		return no_encoder(m, side, &from, err);
	itr_tower *w = ops->forward ? open_published(ops, &from, o, err) : itr_tower_open(name, side, &(itr_tower_opts){ 0 }, err);
	if (w && w->dim != itr_model_in(m, side)) {
		itr_err_set(err, "the model needs %s of %lld dimensions, encoder '%s' gives %lld", side == ITR_TEXT ? "texts" : "images",
		            (long long)itr_model_in(m, side), name, (long long)w->dim);
		itr_tower_free(w);
		w = NULL;
	}
	return w;
}

/* --- towers alone --------------------------------------------------------------------------------------------------------------------- */

static itr_tower *open_named(itr_modality side, const itr_model_opts *o, itr_err *err)
{
	const itr_tower_ref *ref = &o->tower[side];
	const itr_tower_ops *ops = itr_tower_find(ref->name, side, err);
	if (!ops)
		return NULL;
	if (ops->forward && !ref->weights) {
		itr_err_set(err,
		            "encoder '%s' needs its weights: give --%s-weights PATH ('{fetch-model} --list' shows what can be fetched)",
		            ref->name, itr_modality_names[side]);
		return NULL;
	}
	return itr_tower_open(ref->name, side,
	                      &(itr_tower_opts){ .weights = ref->weights,
	                                         .vocabulary = ref->vocabulary,
	                                         .preset = ref->preset,
	                                         .pooling = ref->pooling,
	                                         .prompt = ref->prompt,
	                                         .prompt_name = ref->prompt_name,
	                                         .threads = o->threads },
	                      err);
}

/* --- all of it ------------------------------------------------------------------------------------------------------------------------ */

static int set_fronts(itr_model *m, const itr_model_opts *o, itr_err *err)
{
	for (int side = 0; side < 2; side++) {
		m->front[side] = m->tower[side];
		if (!m->path && o->tower[side].name && !(m->front[side] = open_named((itr_modality)side, o, err)))
			return -1;
		if (m->path && !m->tower[side] && o->raw & 1U << side && !(m->front[side] = open_beside(m, (itr_modality)side, o, err)))
			return -1;
	}
	return 0;
}

static void pack(itr_model *m, const itr_model_opts *o)
{
	m->compute = o->compute;
	if (m->params)
		itr_params_pack(m->params, o->compute, o->threads);
	for (int side = 0; side < 2; side++)
		if (m->front[side] && m->front[side] != m->tower[side] && m->front[side]->params)
			itr_tower_pack(m->front[side], o->compute, o->threads);
}

static void describe(itr_model *m, itr_modality side)
{
	const itr_tower *w = m->front[side];
	itr_model_side *s = &m->about.side[side];
	itr_buf b = ITR_BUF_INIT;
	s->in = m->ops ? itr_model_in(m, side) : w ? w->dim : 0;
	s->dim = m->ops ? itr_model_embed_dim(m) : s->in;
	if (!w)
		return;
	s->raw = true;
	s->network = w->ops->forward != NULL;
	s->input_bytes = w->input_bytes;
	s->batch = itr_tower_batch_size(w);
	s->grid = w->grid;
	s->state_dim = w->state_dim;
	s->fast_side = w->fast_side;
	itr_tower_describe(w, m->compute, &b);
	if (m->ops)
		snprintf(s->preprocess, sizeof s->preprocess, "%.440s; %.32s and %.16s", itr_buf_str(&b), w->ops->name,
		         m->closed ? m->ops->name : "head");
	else
		snprintf(s->preprocess, sizeof s->preprocess, "%s", itr_buf_str(&b));
	s->encoder = m->ops ? ITR_MODEL_ENCODER : w->ops->name;
	s->weights_sha256 = m->ops ? m->hash : w->weights_sha256;
	itr_buf_free(&b);
}

itr_model *itr_model_open(const char *path, const itr_model_opts *o, itr_err *err)
{
	itr_model_opts opts = o ? *o : (itr_model_opts){ 0 };
	opts.threads = ITR_MAX(opts.threads, 1);
	itr_model *m = path ? itr_model_read(path, err) : itr_xcalloc(1, sizeof *m);
	if (m && set_fronts(m, &opts, err) < 0) {
		itr_model_free(m);
		return NULL;
	}
	if (!m)
		return NULL;
	pack(m, &opts);
	describe(m, ITR_TEXT);
	describe(m, ITR_IMAGE);
	return m;
}

int itr_model_made(const itr_model *m, const char *hash, itr_err *err)
{
	char file[ITR_SHA256_HEX];
	if (!strcmp(hash, m->hash))
		return 1;
	return itr_sha256_file(m->path, file, err) < 0 ? -1 : !strcmp(hash, file);
}

const itr_model_info *itr_model_about(const itr_model *m) { return &m->about; }
