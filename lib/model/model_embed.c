/* A context: what one thread of work needs of a model beside the model, and embedding with it. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "model/model.h"
#include "tensor/rows.h"

enum { BATCH = 512 };                   /* rows a forward of the head */

struct itr_model_context {
	const itr_model *m;
	itr_tape *tape;
	float *x;                       /* rows before the head */
	size_t bytes;
};

itr_model_context *itr_model_context_new(const itr_model *m, int threads)
{
	itr_model_context *c = itr_xcalloc(1, sizeof *c);
	c->m = m;
	c->tape = itr_tape_new(&(itr_tape_opts){ .threads = threads, .inference = true, .compute = m->compute });
	return c;
}

void itr_model_context_free(itr_model_context *c)
{
	if (!c)
		return;
	itr_tape_free(c->tape);
	itr_aligned_free(c->x);
	free(c);
}

static float *scratch(itr_model_context *c, int64_t n, int64_t dim)
{
	const size_t bytes = (size_t)n * (size_t)dim * sizeof *c->x;
	if (bytes > c->bytes) {
		itr_aligned_free(c->x);
		c->x = itr_aligned_alloc(bytes);
		c->bytes = bytes;
	}
	return c->x;
}

int itr_model_prepare(const itr_model *m, const itr_image *img, void *input, itr_err *err)
{
	return itr_tower_prepare(m->front[ITR_IMAGE], img, input, err);
}

/* --- the head ------------------------------------------------------------------------------------------------------------------------- */

static bool is_zero(const float *x, int64_t n)
{
	while (n > 0 && x[n - 1] == 0)
		n--;
	return n == 0;
}

static void by_network(itr_model_context *c, itr_modality side, const float *x, int64_t n, float *y)
{
	const itr_model *m = c->m;
	const int64_t in = itr_model_in(m, side), out = itr_model_embed_dim(m);
	for (int64_t i = 0; i < n; i += BATCH) {
		const int64_t b = ITR_MIN((int64_t)BATCH, n - i);
		itr_tape_reset(c->tape, 0);
		itr_var *v = itr_input(c->tape, 2, (int64_t[]){ b, in }, x + i * in);
		v = side == ITR_IMAGE ? itr_model_image(c->tape, m, v) : itr_model_text(c->tape, m, v);
		memcpy(y + i * out, v->data, (size_t)(b * out) * sizeof *y);
	}
}

static int64_t first_bad(const float *y, int64_t n, int64_t dim)
{
	const int64_t at = itr_first_not_finite(y, n * dim);
	return at < 0 ? -1 : at / dim;
}

/* x (n, in) -> y->pooled (n, dim), counted in y. */
static void map(itr_model_context *c, itr_modality side, const float *x, int64_t n, itr_model_output *y)
{
	const int64_t dim = itr_model_embed_dim(c->m);
	const int threads = itr_tape_threads(c->tape);
	if (c->m->closed) {
		y->bad_row = itr_closed_apply(c->m->closed, side, x, n, y->pooled, &y->zero_rows, threads);
		return;
	}
	by_network(c, side, x, n, y->pooled);
	y->bad_row = first_bad(y->pooled, n, dim);
	if (y->unit && y->bad_row < 0)
		y->zero_rows = itr_rows_normalize(y->pooled, n, dim, threads);
}

/* Was the head trained on rows of unit length? Closed forms see to that themselves; a trained tower's rows are taken as they are. */
static bool takes_unit_rows(const itr_model *m, itr_modality side)
{
	return !m->closed && !(m->tower[side] && m->trained[side]);
}

/* A row without direction (a text without a word that the encoder knows) has none behind the head either. How many became zeros. */
static int64_t keep_zeros(const float *x, int64_t in, int64_t n, float *y, int64_t dim)
{
	int64_t zeroed = 0;
	for (int64_t i = 0; i < n; i++)
		if (is_zero(x + i * in, in) && !is_zero(y + i * dim, dim)) {
			memset(y + i * dim, 0, (size_t)dim * sizeof *y);
			zeroed++;
		}
	return zeroed;
}

static void embed_rows(itr_model_context *c, itr_modality side, const itr_model_input *x, int64_t n, itr_model_output *y)
{
	const int64_t in = itr_model_in(c->m, side);
	const float *rows = x->rows;
	if (x->stored && takes_unit_rows(c->m, side)) {
		rows = memcpy(scratch(c, n, in), x->rows, (size_t)n * (size_t)in * sizeof *rows);
		(void)itr_rows_normalize(c->x, n, in, itr_tape_threads(c->tape));
	}
	map(c, side, rows, n, y);
	const int64_t zeroed = y->bad_row < 0 ? keep_zeros(rows, in, n, y->pooled, itr_model_embed_dim(c->m)) : 0;
	y->zero_rows += y->unit || c->m->closed ? zeroed : 0;
}

static void embed_inputs(itr_model_context *c, itr_modality side, const itr_model_input *x, int64_t n, itr_model_output *y)
{
	const itr_model *m = c->m;
	const itr_tower *w = m->front[side];
	const int threads = itr_tape_threads(c->tape);
	const bool head = m->ops && !y->before_head;
	const int64_t dim = head ? itr_model_embed_dim(m) : w->dim;
	float *rows = head ? scratch(c, n, w->dim) : y->pooled;
	itr_tower_embed(w, c->tape,
	                &(itr_tower_batch){ .n = n,
	                                    .pictures = x->pictures,
	                                    .texts = x->texts,
	                                    .pooled = rows,
	                                    .states = y->states,
	                                    .max_states = y->max_states,
	                                    .length = y->length });
	if (head) {
		if (takes_unit_rows(m, side))
			itr_rows_normalize(rows, n, w->dim, threads);
		map(c, side, rows, n, y);
		(void)keep_zeros(rows, w->dim, n, y->pooled, dim);
	} else {
		y->bad_row = first_bad(y->pooled, n, dim);
		if (y->unit && y->bad_row < 0)
			(void)itr_rows_normalize(y->pooled, n, dim, threads);
	}
	y->zero_rows = 0;
	for (int64_t i = 0; i < n; i++)
		y->zero_rows += is_zero(y->pooled + i * dim, dim);
}

void itr_model_embed(itr_model_context *c, itr_modality side, const itr_model_input *x, int64_t n, itr_model_output *y)
{
	y->bad_row = -1;
	y->zero_rows = 0;
	if (x->rows)
		embed_rows(c, side, x, n, y);
	else if (c->m->front[side])
		embed_inputs(c, side, x, n, y);
	else
		ITR_BUG("itr_model_embed: nothing stands in front of the %s side", itr_modality_names[side]);
}
