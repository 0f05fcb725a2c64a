#include "encode/model_encoder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "encode/tower_encoder.h"
#include "tensor/rows.h"

/* --- the encoder: another one inside, and a head behind it ---------------------------------------------------------------------------- */

struct state {
	const itr_model *model;
	itr_encoder *inside;
	itr_tape *tape;                 /* NULL: a closed form */
	bool image, unit;               /* unit: the head was trained on rows of unit length */
};

static void destroy(itr_encoder *e)
{
	struct state *s = e->state;
	if (!s)
		return;
	itr_encoder_free(s->inside);
	itr_tape_free(s->tape);
	free(s);
}

static int prepare(const itr_encoder *e, const itr_image *img, void *input, itr_err *err)
{
	const struct state *s = e->state;
	return s->inside->desc->prepare(s->inside, img, input, err);
}

/* x (n, inside.dim) -> y (n, dim). A row of zeros, a text without words, stays one. -1 with err: a closed form makes NaN or infinity. */
static int head(const struct state *s, float *x, int64_t n, int threads, float *y, itr_err *err)
{
	const int64_t in = s->inside->dim, out = itr_model_embed_dim(s->model);
	if (s->unit)
		itr_rows_normalize(x, n, in, threads);
	if (s->tape) {
		itr_tape_reset(s->tape, 0);
		itr_var *v = itr_input(s->tape, 2, (int64_t[]){ n, in }, x);
		v = s->image ? itr_model_image(s->tape, s->model, v) : itr_model_text(s->tape, s->model, v);
		memcpy(y, v->data, (size_t)(n * out) * sizeof *y);
	} else if (itr_model_encode(s->model, s->image ? ITR_IMAGE : ITR_TEXT, x, n, y, false, NULL, threads) >= 0) {
		return itr_err_set(err, "'%s' makes NaN or infinity of %s vectors: its weights are too large for float32", s->model->path,
		                   itr_modality_names[s->image]);
	}
	for (int64_t i = 0; i < n; i++) {
		bool says = false;
		for (int64_t k = 0; k < in && !says; k++)
			says = x[i * in + k] != 0;
		if (!says)
			memset(y + i * out, 0, (size_t)out * sizeof *y);
	}
	return 0;
}

static int encode_images(const itr_encoder *e, const void *inputs, int64_t n, int threads, float *pooled, float *patches, itr_err *err)
{
	const struct state *s = e->state;
	float *x = itr_aligned_alloc((size_t)(n * s->inside->dim) * sizeof *x);
	int rc = s->inside->desc->encode_images(s->inside, inputs, n, threads, x, patches, err);
	if (rc == 0)
		rc = head(s, x, n, threads, pooled, err);
	itr_aligned_free(x);
	return rc;
}

static int encode_texts(const itr_encoder *e, const char *const *texts, int64_t n, int threads, float *pooled, float *tokens,
                        int64_t max_tokens, int64_t *length, itr_err *err)
{
	const struct state *s = e->state;
	float *x = itr_aligned_alloc((size_t)(n * s->inside->dim) * sizeof *x);
	int rc = s->inside->desc->encode_texts(s->inside, texts, n, threads, x, tokens, max_tokens, length, err);
	if (rc == 0)
		rc = head(s, x, n, threads, pooled, err);
	itr_aligned_free(x);
	return rc;
}

static const itr_encoder_desc desc = {
	.name = "model",
	.summary = "tower and head of a model file",
	.sides = ITR_HAS_IMAGE | ITR_HAS_TEXT,
	.destroy = destroy,
	.prepare = prepare,
	.encode_images = encode_images,
	.encode_texts = encode_texts,
};

/* What made the rows that m was fitted on, where that needs no weights and so can make more of them. NULL with err. */
static const char *encoder_of(const itr_model *m, itr_modality modality, itr_err *err)
{
	static const char *const beside_towers[2] = { "hash", "classic" };      /* where the first model files do not say it */
	const char *said = itr_model_source_of(m, modality).encoder,
		   *name = said || !itr_model_has_towers(m) ? said : beside_towers[modality];
	for (int i = 0; name && i < itr_encoder_count(); i++) {
		const itr_encoder_desc *d = itr_encoder_at(i);
		if (!strcmp(d->name, name) && d->sides & 1U << modality && !d->needs_weights)
			return name;
	}
	itr_err_set(err,
	            "'%s' has no encoders of its own, and its %ss were vectors of %s%s%s: make vectors with --image-encoder and "
	            "--text-encoder, then give it their store",
	            m->path, itr_modality_names[modality], name ? "'" : "an unknown encoder", name ? name : "", name ? "'" : "");
	return NULL;
}

itr_encoder *itr_model_encoder_new(const itr_model *m, itr_modality modality, const itr_encoder_opts *o, itr_err *err)
{
	const bool image = modality == ITR_IMAGE;
	itr_tower *w = m->tower[modality];
	const char *name = w ? w->ops->name : encoder_of(m, modality, err);
	if (!name)
		return NULL;
	itr_encoder *inside =
		w ? itr_tower_encoder_of(w, o) : itr_encoder_new(name, modality, &(itr_encoder_opts){ .threads = o->threads }, err);
	const int64_t in = itr_model_in(m, modality);
	if (inside && inside->dim != in) {
		itr_err_set(err, "the model's head takes %s vectors of %lld dimensions, '%s' makes %lld", image ? "image" : "text",
		            (long long)in, name, (long long)inside->dim);
		itr_encoder_free(inside);
		inside = NULL;
	}
	if (!inside)
		return NULL;
	itr_encoder *e = itr_xcalloc(1, sizeof *e);
	struct state *s = e->state = itr_xcalloc(1, sizeof *s);
	*s = (struct state){ .model = m, .inside = inside, .image = image, .unit = !m->closed && (!w || !m->trained[image]),
	                     .tape = m->closed ? NULL
	                                       : itr_tape_new(&(itr_tape_opts){ .threads = o->threads, .inference = true,
	                                                                        .compute = o->compute }) };
	e->desc = &desc;
	e->modality = modality;
	e->dim = itr_model_embed_dim(m);
	e->grid = inside->grid;
	e->patch_dim = inside->patch_dim;
	e->token_dim = inside->token_dim;
	e->input_bytes = inside->input_bytes;
	e->fast_side = inside->fast_side;
	e->batch = inside->batch;
	memcpy(e->weights_sha256, m->sha256, sizeof e->weights_sha256);
	snprintf(e->preprocess, sizeof e->preprocess, "%.440s; %.32s and %.16s", inside->preprocess, name,
	         m->closed ? m->ops->name : "head");
	return e;
}
