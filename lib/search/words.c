/* Words that are asked, as vectors. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "encode/encoder.h"
#include "model/model.h"
#include "search/lookup_internal.h"
#include "search/weights.h"
#include "tensor/rows.h"
#include "text/unicode.h"

/* Is there a letter, a digit or a picture of a thing in it? A tower makes something of nothing too. */
static bool has_word(const char *text)
{
	for (const char *p = text, *end = text + strlen(text); p < end;) {
		const int32_t cp = itr_utf8_next(&p, end);
		const char *c = cp < 0 ? "Cn" : itr_cp_category(cp);
		if (c[0] == 'L' || c[0] == 'N' || !strcmp(c, "So"))
			return true;
	}
	return false;
}

static int no_word(const char *text, itr_err *err) { return itr_err_set(err, "'%s' has no word that the encoder knows", text); }

/* --- by the text side of a fine-tuned model, whose vectors the collection must hold --------------------------------------------------- */

static itr_encoder *network_encoder(const itr_lookup *l, itr_err *err)
{
	const int64_t dim = itr_model_embed_dim(l->model);
	if (dim != l->pairs->dim) {
		itr_err_set(err,
		            "the model gives %lld dimensions, '%s' holds %lld: is it a store that {extract-features} made with this model?",
		            (long long)dim, l->pairs->name, (long long)l->pairs->dim);
		return NULL;
	}
	if (l->pairs->text_weights && strcmp(l->pairs->text_weights, l->model->sha256)) {
		itr_err_set(err,
		            "the vectors of '%s' were made by another model (weights %.12s..., this file is %.12s...): words would land in "
		            "another space. Make the store anew with {extract-features} --model",
		            l->pairs->name, l->pairs->text_weights, l->model->sha256);
		return NULL;
	}
	return itr_model_encoder_new(l->model, ITR_TEXT, &(itr_encoder_opts){ .threads = l->o.threads }, err);
}

static int by_network(const itr_lookup *l, const itr_encoder *e, const char *text, float *y, itr_err *err)
{
	int64_t length = 0;
	if (e->desc->encode_texts(e, &text, 1, l->o.threads, y, NULL, 0, &length, err) < 0)
		return -1;
	if (itr_first_not_finite(y, l->pairs->dim) >= 0)
		return itr_model_bad_row(err, l->model->path, ITR_TEXT, text);
	return itr_rows_normalize(y, 1, l->pairs->dim, 1) > 0 ? no_word(text, err) : 0;
}

/* --- by a model on stored rows and the encoder that made them ---------------------------------------------------------------------- */

/* The part of a stored description between `from` and `to`, or NULL; free(). */
static char *part_of(const char *text, const char *from, const char *to)
{
	const char *at = text ? strstr(text, from) : NULL, *end = at ? strstr(at + strlen(from), to) : NULL;
	return end ? itr_xstrndup(at + strlen(from), (size_t)(end - at) - strlen(from)) : NULL;
}

/* Equal but for the last part, the precision of the products: fp32 is asked here whatever the collection was made in. */
static bool same_use(const char *a, const char *b)
{
	const char *x = strrchr(a, ';'), *y = strrchr(b, ';');
	return x && y && x - a == y - b && !strncmp(a, b, (size_t)(x - a));
}

static itr_encoder *tower_encoder(const itr_lookup *l, const itr_model_source *side, itr_err *err)
{
	const char *given = l->o.text_weights;                  /* the vocabulary lies in the same folder */
	char *found = !given                                              ? itr_lookup_find_weights(side->weights_sha256, err)
	              : itr_path_exists(given) && !itr_path_is_dir(given) ? itr_path_dirname(given)
	                                                                  : itr_xstrdup(given);
	char *pooling = part_of(side->preprocess, " tokens, ", ";"), *prompt = part_of(side->preprocess, "; prompt '", "'");
	itr_encoder_opts eo = { .weights = found, .pooling = pooling, .prompt = prompt, .threads = l->o.threads };
	itr_encoder *e = found ? itr_encoder_new(side->encoder, ITR_TEXT, &eo, err) : NULL;
	if (e && side->weights_sha256 && strcmp(e->weights_sha256, side->weights_sha256))
		itr_err_set(err,
		            "'%s' are other weights (SHA-256 %.12s...) than those that the model was fitted with (%.12s...): words would "
		            "land in another space",
		            found, e->weights_sha256, side->weights_sha256);
	else if (e && side->preprocess && !same_use(side->preprocess, e->preprocess))
		itr_err_set(err,
		            "the encoder of '%s' reads texts otherwise (%.200s) than when the model was fitted (%.200s): words would land "
		            "in another space",
		            found, e->preprocess, side->preprocess);
	if (e && err->set) {
		itr_encoder_free(e);
		e = NULL;
	}
	free(found);
	free(pooling);
	free(prompt);
	return e;
}

static itr_encoder *encoder_in_front(const itr_lookup *l, itr_err *err)
{
	const itr_model_source side = itr_model_source_of(l->model, ITR_TEXT);
	const char *name = side.encoder ? side.encoder : "hash";
	const int64_t in = itr_model_in(l->model, ITR_TEXT), dim = itr_model_embed_dim(l->model);
	if (dim != l->pairs->dim) {
		itr_err_set(err, "the model gives %lld dimensions, '%s' is searched at %lld: --dim %lld", (long long)dim,
		            l->pairs->name, (long long)l->pairs->dim, (long long)dim);
		return NULL;
	}
	itr_encoder *e = strcmp(name, "hash")
	                         ? tower_encoder(l, &side, err)
	                         : itr_encoder_new(name, ITR_TEXT, &(itr_encoder_opts){ .threads = l->o.threads }, err);
	if (e && e->dim != in) {
		itr_err_set(err, "the model needs texts of %lld dimensions, encoder '%s' gives %lld", (long long)in, e->desc->name,
		            (long long)e->dim);
		itr_encoder_free(e);
		e = NULL;
	}
	return e;
}

static int by_model(const itr_lookup *l, const itr_encoder *e, const char *text, float *y, itr_err *err)
{
	int64_t length = 0, zero = 0;
	float *raw = itr_aligned_calloc((size_t)e->dim * sizeof *raw);
	int rc = e->desc->encode_texts(e, &text, 1, l->o.threads, raw, NULL, 0, &length, err);
	/* a text without words is the zero vector: centred it would still find something */
	bool says = false;
	for (int64_t i = 0; rc == 0 && i < e->dim; i++)
		says = says || raw[i] != 0;
	if (rc == 0 && says && itr_model_encode_stored(l->model, ITR_TEXT, raw, 1, y, true, &zero, 1) >= 0)
		rc = itr_model_bad_row(err, l->model->path, ITR_TEXT, text);
	else if (rc == 0 && (!says || zero > 0))
		rc = no_word(text, err);
	itr_aligned_free(raw);
	return rc;
}

int itr_lookup_texts(const itr_lookup *l, const char *const *text, int64_t n, itr_lookup_query *q, itr_err *err)
{
	if (!l->model)
		return itr_err_set(err, "words need the model that made these vectors: --model FILE");
	const bool towers = itr_model_has_towers(l->model);
	const char *front = towers ? NULL : itr_model_source_of(l->model, ITR_TEXT).encoder;
	if (l->o.text_weights && (!front || !strcmp(front, "hash")))
		return itr_err_set(
			err,
			"--text-weights would change nothing: the model's texts are not read by an encoder with weights of its own file");
	itr_encoder *e = towers ? network_encoder(l, err) : encoder_in_front(l, err);
	int rc = e ? 0 : -1;
	int64_t made = 0;
	for (; made < n && rc == 0; made++) {
		q[made] = (itr_lookup_query){ .text = itr_xstrdup(text[made]),
			                      .row = -1,
			                      .vector = itr_xcalloc((size_t)l->pairs->dim, sizeof(float)) };
		rc = !has_word(text[made]) ? no_word(text[made], err)
		     : towers              ? by_network(l, e, text[made], q[made].vector, err)
		                           : by_model(l, e, text[made], q[made].vector, err);
	}
	for (int64_t i = 0; i < made && rc < 0; i++)
		itr_lookup_query_free(&q[i]);
	itr_encoder_free(e);
	return rc;
}
