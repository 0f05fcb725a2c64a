/* cross_attention: the queries of sequence s (rows q_start[s] .. q_start[s+1]-1) attend to rows kv_begin[s] .. kv_end[s]-1 of kv, which
 * several sequences may share. index = q_start, kv_begin, kv_end; attr.i = heads, sequences. saved = log-sum-exp of each row's scores,
 * heads x rows. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/op_util.h"
#include "autograd/ops.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/scratch.h"
#include "tensor/attention.h"

static int64_t heads_of(const itr_node *n) { return n->attr.i[0]; }
static int64_t sequences(const itr_node *n) { return n->attr.i[1]; }
static int64_t first_row(const itr_node *n, int64_t s) { return n->index[s]; }
static int64_t kv_begin(const itr_node *n, int64_t s) { return n->index[sequences(n) + 1 + s]; }
static int64_t kv_end(const itr_node *n, int64_t s) { return n->index[2 * sequences(n) + 1 + s]; }

static void shape(itr_node *n)
{
	const itr_var *q = n->in[0], *kv = n->in[1];
	const int64_t m = sequences(n);
	bool right = q && kv && q->rank == 2 && kv->rank == 2 && heads_of(n) >= 1 && q->shape[1] % heads_of(n) == 0 &&
	             kv->shape[1] == 2 * q->shape[1] && m >= 1 && first_row(n, 0) == 0 && first_row(n, m) == q->shape[0];
	for (int64_t s = 0; right && s < m; s++)
		right = first_row(n, s) <= first_row(n, s + 1) && kv_begin(n, s) >= 0 && kv_begin(n, s) <= kv_end(n, s) &&
		        kv_end(n, s) <= kv->shape[0];
	if (!right)
		itr_shape_bug(n, "q (Nq, D) with D a multiple of heads, kv (Nk, 2 D), sequences that cover q and ranges inside of kv");
	itr_shape_like(n, q);
	n->saved_count = q->shape[0] * heads_of(n);
}

/* Two products. */
static double flops(const itr_node *n)
{
	double pairs = 0;
	for (int64_t s = 0; s < sequences(n); s++)
		pairs += (double)(first_row(n, s + 1) - first_row(n, s)) * (double)(kv_end(n, s) - kv_begin(n, s));
	return 4 * pairs * (double)n->out->shape[1];
}

static itr_attention_head head_of(const itr_node *n, int64_t s, int64_t h)
{
	const int64_t d_all = n->out->shape[1], d = d_all / heads_of(n);
	const float *k = itr_in(n, 1) + kv_begin(n, s) * 2 * d_all + h * d;
	return (itr_attention_head){ .rows = first_row(n, s + 1) - first_row(n, s),
		                     .dim = d,
		                     .q = itr_in(n, 0) + first_row(n, s) * d_all + h * d,
		                     .k = k,
		                     .v = k + d_all,
		                     .ld = d_all,
		                     .keys = kv_end(n, s) - kv_begin(n, s),
		                     .ld_keys = 2 * d_all };
}

static int64_t longest(const itr_node *n)
{
	int64_t most = 1;
	for (int64_t s = 0; s < sequences(n); s++)
		most = ITR_MAX(most, ITR_MAX(first_row(n, s + 1) - first_row(n, s), kv_end(n, s) - kv_begin(n, s)));
	return most;
}

struct work {
	itr_node *n;
	float *scratch, *dq, *dkv;
	int64_t scratch_count, per_head; /* sequences a piece: all where ranges are shared, or one */
};

/* Rows without keys are zeros. */
static void forward_piece(void *ctx, int64_t piece, int worker)
{
	const struct work *w = ctx;
	itr_node *n = w->n;
	const int64_t s = piece / heads_of(n), h = piece % heads_of(n), d_all = n->out->shape[1], r0 = first_row(n, s);
	const itr_attention_head a = head_of(n, s, h);
	float *out = itr_out(n) + r0 * d_all + h * a.dim, *lse = (float *)n->saved + h * n->out->shape[0] + r0;
	if (a.keys)
		itr_attention_forward(&a, out, d_all, lse, w->scratch + worker * w->scratch_count);
	for (int64_t i = 0; !a.keys && i < a.rows; i++) {
		memset(out + i * d_all, 0, (size_t)a.dim * sizeof *out);
		lse[i] = 0;
	}
}

static void forward(itr_node *n)
{
	struct work w = { .n = n, .scratch_count = itr_attention_scratch(longest(n), n->out->shape[1] / heads_of(n)) };
	w.scratch = itr_scratch_take((size_t)(w.scratch_count * n->threads) * sizeof(float));
	itr_parallel_for(n->threads, sequences(n) * heads_of(n), forward_piece, &w);
	itr_scratch_give(w.scratch);
}

static void backward_piece(void *ctx, int64_t piece, int worker)
{
	const struct work *w = ctx;
	itr_node *n = w->n;
	const int64_t h = piece % heads_of(n), first = piece / heads_of(n) * w->per_head, d_all = n->out->shape[1];
	for (int64_t s = first; s < first + w->per_head; s++) {
		const itr_attention_head a = head_of(n, s, h);
		const int64_t r0 = first_row(n, s), at = r0 * d_all + h * a.dim;
		float *dk = w->dkv + kv_begin(n, s) * 2 * d_all + h * a.dim;
		if (a.keys && a.rows)
			itr_attention_backward(&a, itr_out(n) + at, itr_dout(n) + at, d_all,
			                       (const float *)n->saved + h * n->out->shape[0] + r0, w->dq + at, dk, dk + d_all,
			                       w->scratch + worker * w->scratch_count);
	}
}

static bool ranges_are_apart(const itr_node *n)
{
	for (int64_t s = 1; s < sequences(n); s++)
		if (kv_begin(n, s) < kv_end(n, s - 1))
			return false;
	return true;
}

/* A gradient that is not needed is written to scratch memory. */
static void backward(itr_node *n)
{
	struct work w = { .n = n, .scratch_count = itr_attention_backward_scratch(longest(n), n->out->shape[1] / heads_of(n)) };
	float *dq = itr_zeroed_grad(n, 0), *dkv = itr_zeroed_grad(n, 1), *spare = NULL;
	const itr_var *unasked = !dq ? n->in[0] : !dkv ? n->in[1] : NULL;
	if (unasked)
		memset(spare = itr_scratch_take((size_t)unasked->count * sizeof *spare), 0, (size_t)unasked->count * sizeof *spare);
	w.dq = dq ? dq : spare;
	w.dkv = dkv ? dkv : spare;
	w.per_head = ranges_are_apart(n) ? 1 : sequences(n);
	w.scratch = itr_scratch_take((size_t)(w.scratch_count * n->threads) * sizeof(float));
	itr_parallel_for(n->threads, sequences(n) / w.per_head * heads_of(n), backward_piece, &w);
	itr_scratch_give(w.scratch);
	itr_scratch_give(spare);
}

/* p = probabilities of row r of sequence s. */
static void ref_row(const itr_node *n, int64_t s, int64_t h, int64_t r, double *p)
{
	const int64_t d_all = n->out->shape[1], d = d_all / heads_of(n), k0 = kv_begin(n, s), keys = kv_end(n, s) - k0;
	double top = -INFINITY, sum = 0;
	for (int64_t j = 0; j < keys; j++) {
		p[j] = 0;
		for (int64_t l = h * d; l < (h + 1) * d; l++)
			p[j] += itr_in64(n, 0)[r * d_all + l] * itr_in64(n, 1)[(k0 + j) * 2 * d_all + l] / sqrt((double)d);
		top = fmax(top, p[j]);
	}
	for (int64_t j = 0; j < keys; j++)
		sum += p[j] = exp(p[j] - top);
	for (int64_t j = 0; j < keys; j++)
		p[j] /= sum;
}

static void ref_rows(itr_node *n, void (*fn)(itr_node *n, int64_t s, int64_t h, int64_t r, const double *p))
{
	double *p = itr_xmalloc((size_t)longest(n) * sizeof *p);
	for (int64_t s = 0; s < sequences(n); s++)
		for (int64_t h = 0; h < heads_of(n); h++)
			for (int64_t r = first_row(n, s); r < first_row(n, s + 1); r++) {
				ref_row(n, s, h, r, p);
				fn(n, s, h, r, p);
			}
	free(p);
}

static void ref_add(itr_node *n, int64_t s, int64_t h, int64_t r, const double *p)
{
	const int64_t d_all = n->out->shape[1], d = d_all / heads_of(n);
	for (int64_t j = kv_begin(n, s); j < kv_end(n, s); j++)
		for (int64_t l = h * d; l < (h + 1) * d; l++)
			itr_out64(n)[r * d_all + l] += p[j - kv_begin(n, s)] * itr_in64(n, 1)[(j * 2 + 1) * d_all + l];
}

static void ref_spread(itr_node *n, int64_t s, int64_t h, int64_t r, const double *p)
{
	const int64_t d_all = n->out->shape[1], d = d_all / heads_of(n);
	const double *q = itr_in64(n, 0) + r * d_all, *g = itr_dout64(n) + r * d_all, *kv = itr_in64(n, 1);
	double dot = 0, *dq = itr_din64(n, 0), *dkv = itr_din64(n, 1);
	for (int64_t l = h * d; l < (h + 1) * d; l++)
		dot += itr_out64(n)[r * d_all + l] * g[l];
	for (int64_t j = kv_begin(n, s); j < kv_end(n, s); j++) {
		const double *k = kv + j * 2 * d_all, *v = k + d_all;
		double slope = -dot;
		for (int64_t l = h * d; l < (h + 1) * d; l++)
			slope += g[l] * v[l];
		slope *= p[j - kv_begin(n, s)] / sqrt((double)d);
		for (int64_t l = h * d; l < (h + 1) * d; l++) {
			if (dq)
				dq[r * d_all + l] += slope * k[l];
			if (dkv) {
				dkv[j * 2 * d_all + l] += slope * q[l];
				dkv[(j * 2 + 1) * d_all + l] += p[j - kv_begin(n, s)] * g[l];
			}
		}
	}
}

static void ref_forward(itr_node *n)
{
	memset(n->out->data, 0, (size_t)n->out->count * sizeof(double));
	ref_rows(n, ref_add);
}

static void ref_backward(itr_node *n)
{
	itr_ref_grad(n, 0);
	itr_ref_grad(n, 1);
	ref_rows(n, ref_spread);
}

/* Ranges of their own, shared and overlapping ones, sequences without queries or without keys, more keys than a block of the kernel. */
static itr_var *sample(itr_case *c, int which)
{
	static const struct {
		int64_t rows, keys, start[5], begin[4], end[4];
	} cases[] = {
		{ 9, 12, { 0, 3, 3, 4, 9 }, { 0, 2, 2, 7 }, { 2, 2, 7, 12 } },
		{ 7, 5, { 0, 1, 3, 5, 7 }, { 0, 0, 2, 1 }, { 5, 5, 5, 4 } },
		{ 40, 300, { 0, 1, 38, 39, 40 }, { 0, 3, 3, 299 }, { 300, 40, 40, 299 } },
	};
	if (which >= 2 * ITR_LEN(cases) - 1)
		return NULL;
	const int k = which % ITR_LEN(cases);
	const int64_t heads = itr_case_int(c, 1, 3), d = heads * itr_case_int(c, 1, k == 2 ? 2 : 5);
	itr_var *q = itr_case_input(c, 2, (int64_t[]){ cases[k].rows, d }, 1, 0);
	itr_var *kv = itr_case_input(c, 2, (int64_t[]){ cases[k].keys, 2 * d }, 1, 0);
	return itr_cross_attention(c->tape, q, kv, cases[k].start, cases[k].begin, cases[k].end, 4, heads);
}

const itr_op itr_op_cross_attention = { "cross_attention", 2, 0, shape, forward, backward, ref_forward, ref_backward, flops, sample };

itr_var *itr_cross_attention(itr_tape *t, itr_var *q, itr_var *kv, const int64_t *q_start, const int64_t *begin, const int64_t *end,
                             int64_t n, int64_t heads)
{
	itr_var *in[] = { q, kv };
	int64_t *index = itr_xmalloc((size_t)(3 * n + 1) * sizeof *index);
	memcpy(index, q_start, (size_t)(n + 1) * sizeof *index);
	memcpy(index + n + 1, begin, (size_t)n * sizeof *index);
	memcpy(index + 2 * n + 1, end, (size_t)n * sizeof *index);
	itr_var *y = itr_apply(t, &itr_op_cross_attention, in, 2, &(itr_attr){ .i = { heads, n } }, index, 3 * n + 1, NULL);
	free(index);
	return y;
}
