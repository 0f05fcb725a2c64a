/* lstm: one direction of one layer of torch.nn.LSTM (Hochreiter & Schmidhuber 1997) over packed sequences. z (N, 4 H) is x w_ih^T + b_ih,
 * gates in PyTorch's order i, f, g, o; w (4 H, H) the recurrent weight, b (4 H) its bias or none -> all hidden states (N, H). attr.i[0]:
 * backwards. state[0]: a packed weight instead of w, in inference. Sequences are sorted by length, longest first, so that step t is one
 * product over the sequences that are longer than t, without padding. saved = gates after their activations (N, 4 H), cells (N, H).
 */
#include <math.h>
#include <string.h>

#include "autograd/op_util.h"
#include "autograd/ops.h"
#include "autograd/product.h"
#include "base/parallel.h"
#include "base/scratch.h"
#include "tensor/vmath.h"

static int64_t hidden(const itr_node *n) { return n->out->shape[1]; }
static int64_t sequences(const itr_node *n) { return n->n_index - 1; }
static int64_t length(const itr_node *n, int64_t s) { return n->index[s + 1] - n->index[s]; }
/* Row of sequence s at step t. */
static int64_t row_at(const itr_node *n, int64_t s, int64_t t) { return n->attr.i[0] ? n->index[s + 1] - 1 - t : n->index[s] + t; }

static void shape(itr_node *n)
{
	const itr_var *z = n->in[0], *w = n->in[1], *b = n->in[2];
	const int64_t h = z && z->rank == 2 ? z->shape[1] / 4 : 0;
	bool ok = h > 0 && z->shape[1] == 4 * h && n->n_index >= 1 && n->index[0] == 0 && n->index[n->n_index - 1] == z->shape[0] &&
	          (!b || b->count == 4 * h);
	ok = ok && (w ? w->rank == 2 && w->shape[0] == 4 * h && w->shape[1] == h
	              : n->state[0] && !itr_node_training(n) && itr_packed_weight_n(n->state[0]) == 4 * h &&
	                            itr_packed_weight_k(n->state[0]) == h);
	for (int64_t s = 0; ok && s + 1 < n->n_index; s++)
		ok = n->index[s] <= n->index[s + 1];
	if (!ok)
		itr_shape_bug(n, "z (N, 4 H), w (4 H, H), b (4 H) or none, starts from 0 to N");
	itr_shape_set(n, 2, (int64_t[]){ z->shape[0], h });
	n->saved_count = 5 * h * z->shape[0];
	n->scratch_count = 5 * h * z->shape[0] + 6 * h * ITR_MAX(sequences(n), (int64_t)1);
}

static double flops(const itr_node *n) { return 8.0 * (double)n->out->count * (double)hidden(n); }

/* order: indices of the sequences, longest first (stable); running[t]: how many are longer than t. One block of memory; free it with
 * itr_scratch_give(order). */
static int64_t *by_length(const itr_node *n, int64_t *steps, int64_t **running)
{
	const int64_t count = sequences(n);
	int64_t longest = 0;
	for (int64_t s = 0; s < count; s++)
		longest = ITR_MAX(longest, length(n, s));
	int64_t *order = itr_scratch_take((size_t)(count + longest + 2) * sizeof *order), *at = order + count;
	memset(at, 0, (size_t)(longest + 2) * sizeof *at);
	for (int64_t s = 0; s < count; s++)
		for (int64_t t = 0; t < length(n, s); t++)
			at[t]++;
	int64_t k = 0;
	for (int64_t l = longest; l >= 0; l--)
		for (int64_t s = 0; s < count; s++)
			if (length(n, s) == l)
				order[k++] = s;
	*steps = longest;
	*running = at;
	return order;
}

static inline __attribute__((always_inline)) float sigmoid(float x) { return 1.0f / (1.0f + itr_vexp(-x)); }
static inline __attribute__((always_inline)) float tanh_of(float x) { return 2.0f / (1.0f + itr_vexp(-2.0f * x)) - 1.0f; }

struct step {
	itr_node *n;
	const int64_t *order;
	int64_t t, count;
	const float *b;                 /* recurrent bias or NULL */
	float *h, *r;                   /* by sequence: last hidden state (H); recurrent share of the gates (4 H) */
	float *dh, *dc, *dg, *all;      /* backward: gradients of the last state and cell (H), of the gates (4 H); of all gates, by row */
};

ITR_CLONES static void cell(float *restrict gates, float *restrict c, float *restrict y, const float *restrict z, const float *restrict r,
                            const float *restrict b, const float *restrict before, int64_t h)
{
	for (int64_t j = 0; j < h; j++) {
		const float i = sigmoid(z[j] + (r[j] + b[j])), f = sigmoid(z[h + j] + (r[h + j] + b[h + j])),
			    g = tanh_of(z[2 * h + j] + (r[2 * h + j] + b[2 * h + j])),
			    o = sigmoid(z[3 * h + j] + (r[3 * h + j] + b[3 * h + j]));
		c[j] = f * before[j] + i * g;
		y[j] = o * tanh_of(c[j]);
		gates[j] = i;
		gates[h + j] = f;
		gates[2 * h + j] = g;
		gates[3 * h + j] = o;
	}
}

static void forward_piece(void *ctx, int64_t k, int worker)
{
	const struct step *q = ctx;
	itr_node *n = q->n;
	const int64_t h = hidden(n), s = q->order[k], row = row_at(n, s, q->t), rows = n->out->shape[0];
	float *gates = (float *)n->saved + row * 4 * h, *cells = (float *)n->saved + rows * 4 * h, *zero = q->r + sequences(n) * 4 * h;
	(void)worker;
	cell(gates, cells + row * h, itr_out(n) + row * h, itr_in(n, 0) + row * 4 * h, q->t ? q->r + k * 4 * h : zero, q->b ? q->b : zero,
	     q->t ? cells + row_at(n, s, q->t - 1) * h : zero, h);
	memcpy(q->h + k * h, itr_out(n) + row * h, (size_t)h * sizeof(float));
}

static void each_running(struct step *q, void (*fn)(void *ctx, int64_t k, int worker))
{
	itr_parallel_for(q->count * hidden(q->n) < 4096 ? 1 : q->n->threads, q->count, fn, q);
}

static void forward(itr_node *n)
{
	const int64_t h = hidden(n), count = sequences(n);
	int64_t steps, *running, *order = by_length(n, &steps, &running);
	itr_packed_weight *own = n->state[0] ? NULL
	                              : itr_pack_weight(itr_tape_compute(n->tape) == ITR_COMPUTE_BF16 ? ITR_COMPUTE_BF16 : ITR_COMPUTE_F32,
	                                           itr_in(n, 1), 4 * h, h, h, n->threads);
	float *scratch = itr_scratch_take((size_t)(count * 5 * h + 4 * h) * sizeof(float));
	struct step q = { .n = n, .order = order, .b = n->in[2] ? itr_in(n, 2) : NULL, .h = scratch + count * 4 * h + 4 * h, .r = scratch };
	memset(scratch + count * 4 * h, 0, (size_t)(4 * h) * sizeof(float));
	for (q.t = 0; q.t < steps; q.t++) {
		q.count = running[q.t];
		if (q.t)
			itr_packed_weight_product(own ? own : n->state[0], q.count, q.h, h, NULL, q.r, 4 * h, n->threads);
		each_running(&q, forward_piece);
	}
	itr_scratch_give(scratch);
	itr_scratch_give(order);
	itr_packed_weight_free(own);
}

ITR_CLONES static void cell_back(float *restrict dg, float *restrict dc, const float *restrict gates, const float *restrict c,
                                 const float *restrict before, const float *restrict dh, const float *restrict dy, int64_t h)
{
	for (int64_t j = 0; j < h; j++) {
		const float i = gates[j], f = gates[h + j], g = gates[2 * h + j], o = gates[3 * h + j], tc = tanh_of(c[j]),
			    d = dy[j] + dh[j];
		const float e = dc[j] + d * o * (1.0f - tc * tc);
		dg[j] = e * g * i * (1.0f - i);
		dg[h + j] = e * before[j] * f * (1.0f - f);
		dg[2 * h + j] = e * i * (1.0f - g * g);
		dg[3 * h + j] = d * tc * o * (1.0f - o);
		dc[j] = e * f;
	}
}

static void backward_piece(void *ctx, int64_t k, int worker)
{
	const struct step *q = ctx;
	itr_node *n = q->n;
	const int64_t h = hidden(n), s = q->order[k], row = row_at(n, s, q->t), rows = n->out->shape[0];
	const float *gates = (const float *)n->saved + row * 4 * h, *cells = (const float *)n->saved + rows * 4 * h;
	(void)worker;
	cell_back(q->dg + k * 4 * h, q->dc + k * h, gates, cells + row * h, q->t ? cells + row_at(n, s, q->t - 1) * h : q->r, q->dh + k * h,
	          itr_dout(n) + row * h, h);
	memcpy(q->all + row * 4 * h, q->dg + k * 4 * h, (size_t)(4 * h) * sizeof(float));
}

static float *transposed(const float *w, int64_t rows, int64_t columns)
{
	float *t = itr_scratch_take((size_t)(rows * columns) * sizeof *t);
	for (int64_t i = 0; i < rows; i++)
		for (int64_t j = 0; j < columns; j++)
			t[j * rows + i] = w[i * columns + j];
	return t;
}

/* Gradients of all gates, row by row of z, into all (N, 4 H). */
static void backward_steps(itr_node *n, float *all, float *sequence)
{
	const int64_t h = hidden(n), count = sequences(n);
	int64_t steps, *running, *order = by_length(n, &steps, &running);
	float *wt = transposed(itr_in(n, 1), 4 * h, h), *zero = itr_scratch_take((size_t)h * sizeof *zero);
	itr_packed_weight *w = itr_pack_weight(itr_tape_compute(n->tape) == ITR_COMPUTE_BF16 ? ITR_COMPUTE_BF16 : ITR_COMPUTE_F32, wt, h,
	                                       4 * h, 4 * h, n->threads);
	struct step q = { .n = n,
		          .order = order,
		          .dg = sequence,
		          .dh = sequence + count * 4 * h,
		          .dc = sequence + count * 5 * h,
		          .all = all,
		          .r = zero };
	memset(q.dh, 0, (size_t)(2 * count * h) * sizeof(float));
	memset(zero, 0, (size_t)h * sizeof(float));
	for (q.t = steps - 1; q.t >= 0; q.t--) {
		q.count = running[q.t];
		each_running(&q, backward_piece);
		if (q.t)
			itr_packed_weight_product(w, q.count, q.dg, 4 * h, NULL, q.dh, h, n->threads);
	}
	itr_packed_weight_free(w);
	itr_scratch_give(zero);
	itr_scratch_give(wt);
	itr_scratch_give(order);
}

/* The state before each row; zeros at the start of a sequence. */
static void states_before(const itr_node *n, float *before)
{
	const int64_t h = hidden(n);
	for (int64_t s = 0; s < sequences(n); s++)
		for (int64_t t = 0; t < length(n, s); t++) {
			if (t)
				memcpy(before + row_at(n, s, t) * h, itr_out(n) + row_at(n, s, t - 1) * h, (size_t)h * sizeof *before);
			else
				memset(before + row_at(n, s, t) * h, 0, (size_t)h * sizeof *before);
		}
}

static void backward(itr_node *n)
{
	const int64_t h = hidden(n), rows = n->out->shape[0];
	float *all = n->scratch, *before = all + rows * 4 * h;
	backward_steps(n, all, before + rows * h);
	if (itr_din(n, 0)) {
		const float beta = itr_grad_beta(n, 0);
		for (int64_t i = 0; i < rows * 4 * h; i++)
			itr_accumulate(&itr_din(n, 0)[i], beta, all[i]);
	}
	if (itr_din(n, 1)) {
		states_before(n, before);
		itr_node_product(n, true, false, 4 * h, h, rows, 1, all, 4 * h, before, h, itr_grad_beta(n, 1), itr_din(n, 1), h);
	}
	if (n->in[2] && itr_din(n, 2)) {
		float *db = itr_din(n, 2);
		if (itr_grad_beta(n, 2) == 0.0f)
			memset(db, 0, (size_t)(4 * h) * sizeof *db);
		for (int64_t r = 0; r < rows; r++)
			for (int64_t j = 0; j < 4 * h; j++)
				db[j] += all[r * 4 * h + j];
	}
}

/* --- reference: sequence by sequence -------------------------------------------------------------------------------------------------- */

static void ref_forward(itr_node *n)
{
	const int64_t h = hidden(n), rows = n->out->shape[0];
	double *gates = n->saved, *cells = gates + rows * 4 * h;
	for (int64_t s = 0; s < sequences(n); s++)
		for (int64_t t = 0; t < length(n, s); t++) {
			const int64_t row = row_at(n, s, t), last = t ? row_at(n, s, t - 1) : -1;
			double *g = gates + row * 4 * h;
			for (int64_t j = 0; j < 4 * h; j++) {
				double v = itr_in64(n, 0)[row * 4 * h + j] + (n->in[2] ? itr_in64(n, 2)[j] : 0);
				for (int64_t k = 0; t && k < h; k++)
					v += itr_in64(n, 1)[j * h + k] * itr_out64(n)[last * h + k];
				g[j] = j / h == 2 ? tanh(v) : 1 / (1 + exp(-v));
			}
			for (int64_t j = 0; j < h; j++) {
				cells[row * h + j] = g[h + j] * (t ? cells[last * h + j] : 0) + g[j] * g[2 * h + j];
				itr_out64(n)[row * h + j] = g[3 * h + j] * tanh(cells[row * h + j]);
			}
		}
}

/* One step of backpropagation through time: gradients of the gates' arguments into dg (4 H), from dy, dh and dc; updates dc. */
static void ref_step(const itr_node *n, int64_t row, int64_t last, const double *dh, double *dc, double *dg)
{
	const int64_t h = hidden(n);
	const double *g = (const double *)n->saved + row * 4 * h, *cells = (const double *)n->saved + n->out->shape[0] * 4 * h;
	for (int64_t j = 0; j < h; j++) {
		const double tc = tanh(cells[row * h + j]), d = itr_dout64(n)[row * h + j] + dh[j],
			     e = dc[j] + d * g[3 * h + j] * (1 - tc * tc);
		dg[j] = e * g[2 * h + j] * g[j] * (1 - g[j]);
		dg[h + j] = e * (last >= 0 ? cells[last * h + j] : 0) * g[h + j] * (1 - g[h + j]);
		dg[2 * h + j] = e * g[j] * (1 - g[2 * h + j] * g[2 * h + j]);
		dg[3 * h + j] = d * tc * g[3 * h + j] * (1 - g[3 * h + j]);
		dc[j] = e * g[h + j];
	}
}

static void ref_backward(itr_node *n)
{
	const int64_t h = hidden(n);
	double *dz = itr_ref_grad(n, 0), *dw = itr_ref_grad(n, 1), *db = n->in[2] ? itr_ref_grad(n, 2) : NULL, *dg = n->scratch,
	       *dh = dg + 4 * h, *dc = dh + h;
	for (int64_t s = 0; s < sequences(n); s++) {
		memset(dh, 0, (size_t)(2 * h) * sizeof *dh);
		for (int64_t t = length(n, s) - 1; t >= 0; t--) {
			const int64_t row = row_at(n, s, t), last = t ? row_at(n, s, t - 1) : -1;
			ref_step(n, row, last, dh, dc, dg);
			memset(dh, 0, (size_t)h * sizeof *dh);
			for (int64_t j = 0; j < 4 * h; j++) {
				if (dz)
					dz[row * 4 * h + j] += dg[j];
				if (db)
					db[j] += dg[j];
				for (int64_t k = 0; t && k < h; k++) {
					dh[k] += dg[j] * itr_in64(n, 1)[j * h + k];
					if (dw)
						dw[j * h + k] += dg[j] * itr_out64(n)[last * h + k];
				}
			}
		}
	}
}

/* Both directions; an empty sequence, one of a single step, equal lengths, one of 64. */
static itr_var *sample(itr_case *c, int which)
{
	static const int64_t starts[][5] = { { 0, 3, 3, 4, 7 }, { 0, 2, 4, 9, 9 }, { 0, 0, 1, 3, 4 }, { 0, 64, 64, 66, 66 } };
	if (which >= ITR_LEN(starts))
		return NULL;
	const int64_t h = which == 3 ? 2 : itr_case_int(c, 1, 6), rows = starts[which][4];
	itr_var *z = itr_case_input(c, 2, (int64_t[]){ rows, 4 * h }, 1, 0), *w = itr_case_input(c, 2, (int64_t[]){ 4 * h, h }, 0.6, 0);
	return itr_lstm(c->tape, z, w, which == 1 ? NULL : itr_case_input(c, 1, (int64_t[]){ 4 * h }, 0.5, 0), starts[which], 4, which % 2);
}

const itr_op itr_op_lstm = { "lstm", 3,     ITR_OP_UNSAVED_IN0 | ITR_OP_UNSAVED_IN2, shape, forward, backward, ref_forward, ref_backward,
	                     flops,  sample };

itr_var *itr_lstm(itr_tape *t, itr_var *z, itr_var *w, itr_var *b, const int64_t *start, int64_t n, bool backwards)
{
	itr_var *in[] = { z, w, b };
	return itr_apply(t, &itr_op_lstm, in, 3, &(itr_attr){ .i = { backwards } }, start, n + 1, NULL);
}

itr_var *itr_lstm_packed(itr_tape *t, itr_var *z, const itr_packed_weight *w, const int64_t *start, int64_t n, bool backwards)
{
	itr_var *in[] = { z };
	return itr_apply(t, &itr_op_lstm, in, 1, &(itr_attr){ .i = { backwards } }, start, n + 1,
	                 (void *const[2]){ (void *)(uintptr_t)w, NULL });
}

/* --- segment_end: of each sequence the first attr.i[0] columns of its last row and the others of its first row, zeros where it is empty
 * ----------------- */

static void end_shape(itr_node *n)
{
	const itr_var *x = n->in[0];
	bool ok = x && x->rank == 2 && n->n_index >= 2 && n->index[0] == 0 && n->index[n->n_index - 1] == x->shape[0] &&
	          n->attr.i[0] >= 0 && n->attr.i[0] <= x->shape[1];
	for (int64_t s = 0; ok && s + 1 < n->n_index; s++)
		ok = n->index[s] <= n->index[s + 1];
	if (!ok)
		itr_shape_bug(n, "x (N, D), starts from 0 to N, at most D columns of the last rows");
	itr_shape_set(n, 2, (int64_t[]){ n->n_index - 1, x->shape[1] });
}

/* Index of the source element of column j of sequence s. */
static int64_t end_of(const itr_node *n, int64_t s, int64_t j)
{
	return (j < n->attr.i[0] ? n->index[s + 1] - 1 : n->index[s]) * n->out->shape[1] + j;
}

#define SEGMENT_END(real, forward_name, backward_name, gradient) \
	static void forward_name(itr_node *n) \
	{ \
		const int64_t d = n->out->shape[1]; \
		for (int64_t i = 0; i < n->out->count; i++) \
			((real *)n->out->data)[i] = length(n, i / d) ? ((const real *)n->in[0]->data)[end_of(n, i / d, i % d)] : 0; \
	} \
	static void backward_name(itr_node *n) \
	{ \
		const int64_t d = n->out->shape[1]; \
		real *dx = gradient; \
		for (int64_t i = 0; dx && i < n->out->count; i++) \
			if (length(n, i / d)) \
				dx[end_of(n, i / d, i % d)] += ((const real *)n->out->grad)[i]; \
	}

static float *zeroed(itr_node *n, int k)
{
	float *d = itr_din(n, k);
	if (d && itr_grad_beta(n, k) == 0.0f)
		memset(d, 0, (size_t)n->in[k]->count * sizeof *d);
	return d;
}

SEGMENT_END(float, end_forward, end_backward, zeroed(n, 0))
SEGMENT_END(double, end_ref_forward, end_ref_backward, itr_ref_grad(n, 0))

static itr_var *end_sample(itr_case *c, int which)
{
	return which < 2 ? itr_segment_end(c->tape, itr_case_input(c, 2, (int64_t[]){ 6, 5 }, 1, 0), (int64_t[]){ 0, 2, 2, 6 }, 3,
	                                   which ? 2 : 5)
	                 : NULL;
}

const itr_op itr_op_segment_end = { "segment_end",
	                            1,
	                            ITR_OP_UNSAVED_IN0 | ITR_OP_UNSAVED_OUT,
	                            end_shape,
	                            end_forward,
	                            end_backward,
	                            end_ref_forward,
	                            end_ref_backward,
	                            NULL,
	                            end_sample };

itr_var *itr_segment_end(itr_tape *t, itr_var *x, const int64_t *start, int64_t n, int64_t last)
{
	itr_var *in[] = { x };
	return itr_apply(t, &itr_op_segment_end, in, 1, &(itr_attr){ .i = { last } }, start, n + 1, NULL);
}
