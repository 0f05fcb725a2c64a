#include "nn/lstm.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tensor/gemm.h"

static void pack_direction(itr_params *p, itr_lstm_layer *l, itr_lstm_direction *d, itr_compute c, int threads)
{
	const int64_t h4 = d->w_ih->shape[0], in = d->w_ih->shape[1];
	d->both = itr_aligned_alloc((size_t)h4 * sizeof(float));
	itr_params_owns(p, d->both);
	for (int64_t i = 0; i < h4; i++)
		d->both[i] = d->b_ih->data[i] + d->b_hh->data[i];
	/* the activations of the recurrent product are states in (-1, 1), a small range that suits int8 */
	d->w_hh->packed = itr_pack_weight(c, d->w_hh->data, h4, h4 / 4, h4 / 4, threads);
	itr_params_release_data(p, d->w_hh);
	if (!l->embedding) {
		d->w_ih->packed = itr_pack_weight(c, d->w_ih->data, h4, in, in, threads);
		itr_params_release_data(p, d->w_ih);
		return;
	}
	const itr_param *e = l->embedding->weight;
	const int64_t words = e->shape[0];
	d->table = itr_aligned_alloc((size_t)(words * h4) * sizeof(float));
	itr_params_owns(p, d->table);
	itr_gemm(false, true, words, h4, in, 1, e->data, in, d->w_ih->data, in, 0, d->table, h4, threads);
	for (int64_t i = 0; i < words; i++)
		for (int64_t j = 0; j < h4; j++)
			d->table[i * h4 + j] += d->both[j];
	itr_params_release_data(p, d->w_ih);
}

static void pack(itr_params *p, void *layer, itr_compute c, int threads)
{
	itr_lstm_layer *l = layer;
	for (int k = 0; k < l->directions; k++)
		pack_direction(p, l, &l->d[k], c, threads);
	if (l->embedding)
		itr_params_release_data(p, l->embedding->weight);
}

static itr_param *add(itr_params *p, const char *name, const char *what, int index, int direction, int rank, int64_t rows, int64_t columns,
                      double bound)
{
	char full[64];
	snprintf(full, sizeof full, "%s_l%d%s", what, index, direction ? "_reverse" : "");
	return itr_params_add(p, name, full, rank, (int64_t[]){ rows, columns }, ITR_INIT_UNIFORM, bound, rank == 1);
}

void itr_lstm_init(itr_lstm_layer *l, itr_params *p, const char *name, int index, int64_t in, int64_t hidden, int directions,
                   const itr_embedding_layer *embedding)
{
	const double bound = 1 / sqrt((double)hidden);
	memset(l, 0, sizeof *l);
	l->directions = directions;
	l->embedding = embedding;
	for (int k = 0; k < directions; k++) {
		l->d[k].w_ih = add(p, name, "weight_ih", index, k, 2, 4 * hidden, in, bound);
		l->d[k].w_hh = add(p, name, "weight_hh", index, k, 2, 4 * hidden, hidden, bound);
		l->d[k].b_ih = add(p, name, "bias_ih", index, k, 1, 4 * hidden, 0, bound);
		l->d[k].b_hh = add(p, name, "bias_hh", index, k, 1, 4 * hidden, 0, bound);
	}
	itr_params_add_packer(p, pack, l);
}

/* The states of one direction; words: rows of the table, or NULL when x is the input. */
static itr_var *direction(itr_tape *t, const itr_lstm_layer *l, int k, itr_var *x, const int64_t *words, const int64_t *start, int64_t n)
{
	const itr_lstm_direction *d = &l->d[k];
	if (!d->w_hh->packed)
		return itr_lstm(t, itr_op_linear_call(t, x, itr_leaf(t, d->w_ih), itr_leaf(t, d->b_ih)), itr_leaf(t, d->w_hh),
		                itr_leaf(t, d->b_hh), start, n, k == 1);
	itr_var *z = words ? itr_gather(t, itr_input(t, 2, (int64_t[]){ l->embedding->weight->shape[0], d->w_ih->shape[0] }, d->table),
	                                words, start[n])
	                   : itr_linear_packed(t, x, d->w_ih->packed, d->both, NULL, ITR_ACT_NONE);
	return itr_lstm_packed(t, z, d->w_hh->packed, start, n, k == 1);
}

static itr_var *both(itr_tape *t, const itr_lstm_layer *l, itr_var *x, const int64_t *words, const int64_t *start, int64_t n)
{
	itr_var *y = direction(t, l, 0, x, words, start, n);
	return l->directions == 2 ? itr_concat(t, y, direction(t, l, 1, x, words, start, n)) : y;
}

itr_var *itr_lstm_call(itr_tape *t, const itr_lstm_layer *l, itr_var *x, const int64_t *start, int64_t n)
{
	return both(t, l, x, NULL, start, n);
}

itr_var *itr_lstm_words(itr_tape *t, const itr_lstm_layer *l, const int64_t *ids, const int64_t *start, int64_t n)
{
	return l->d[0].table ? both(t, l, NULL, ids, start, n) : both(t, l, itr_embedding(t, l->embedding, ids, start[n]), NULL, start, n);
}
