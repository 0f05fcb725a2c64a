/* Words that are asked, as vectors. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "search/lookup_internal.h"
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

/* The collection must hold the vectors of this model; where the model has towers, its own stores say so. */
static int check_space(const itr_lookup *l, itr_err *err)
{
	const bool towers = itr_model_has_towers(l->model);
	const int64_t dim = itr_model_embed_dim(l->model);
	if (dim != l->dim && towers)
		return itr_err_set(
			err,
			"the model gives %lld dimensions, '%s' holds %lld: is it a store that {extract-features} made with this model?",
			(long long)dim, l->data.table.name, (long long)l->dim);
	if (dim != l->dim)
		return itr_err_set(err, "the model gives %lld dimensions, '%s' is searched at %lld: --dim %lld", (long long)dim,
		                   l->data.table.name, (long long)l->dim, (long long)dim);
	const char *made_by = l->data.side[ITR_TEXT].weights_sha256;
	const int own = towers && made_by ? itr_model_made(l->model, made_by, err) : 1;
	if (own != 0)
		return own < 0 ? -1 : 0;
	return itr_err_set(err,
	                   "the vectors of '%s' were made by another model (hash %.12s..., this one's is %.12s...): words would land in "
	                   "another space. Make the store anew with {extract-features} --model",
	                   l->data.table.name, made_by, l->model->hash);
}

/* y (n, dim), unit rows. */
static int embed(const itr_lookup *l, const char *const *text, int64_t n, float *y, itr_err *err)
{
	itr_model_output out = { .pooled = y, .unit = true };
	itr_model_embed(l->context, ITR_TEXT, &(itr_model_input){ .texts = text }, n, &out);
	if (out.bad_row >= 0)
		return itr_model_bad_row(err, l->model->path, ITR_TEXT, text[out.bad_row]);
	for (int64_t i = 0; out.zero_rows > 0 && i < n; i++)
		if (itr_rows_inspect(y + i * l->dim, 1, l->dim, 1).zero_rows)
			return no_word(text[i], err);
	return 0;
}

int itr_lookup_texts(const itr_lookup *l, const char *const *text, int64_t n, itr_lookup_query *q, itr_err *err)
{
	if (!l->context)
		return itr_err_set(err, "words need the model that made these vectors: --model FILE");
	if (check_space(l, err) < 0)
		return -1;
	for (int64_t i = 0; i < n; i++)
		if (!has_word(text[i]))
			return no_word(text[i], err);
	const int64_t dim = l->dim;
	float *y = itr_aligned_alloc((size_t)(n * dim + 1) * sizeof *y);
	const int rc = embed(l, text, n, y, err);
	for (int64_t i = 0; i < n && rc == 0; i++) {
		q[i] = (itr_lookup_query){ .text = itr_xstrdup(text[i]), .row = -1, .vector = itr_xmalloc((size_t)dim * sizeof *y) };
		memcpy(q[i].vector, y + i * dim, (size_t)dim * sizeof *y);
	}
	itr_aligned_free(y);
	return rc;
}
