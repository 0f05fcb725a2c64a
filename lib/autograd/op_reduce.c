/* mean (weighted, over all elements) and row_dot (the inner products of the rows of two matrices). */
#include <math.h>

#include "autograd/lanes.h"
#include "autograd/op_util.h"
#include "autograd/ops.h"

/* --- mean: saved = the sum of the weights, scratch = one sum for each piece ----------------------------------------------------------- */

static void mean_shape(itr_node *n)
{
	const itr_var *x = n->in[0], *w = n->in[1];
	if (!x || x->count < 1 || (w && (w->count != x->count || w->needs_grad)))
		itr_shape_bug(n, "x and as many weights (without a gradient), or none");
	itr_shape_set(n, 1, (int64_t[]){ 1 });
	n->saved_count = 1;
	n->scratch_count = 2 * ((x->count + ITR_CHUNK - 1) / ITR_CHUNK);
}

ITR_CLONES static void mean_piece(itr_node *n, int64_t begin, int64_t end)
{
	const float *x = itr_in(n, 0) + begin, *w = n->in[1] ? itr_in(n, 1) + begin : NULL;
	float *sums = (float *)n->scratch + 2 * (begin / ITR_CHUNK);
	if (w) {
		ITR_LANE_SUM(sum, end - begin, w[j] * x[j]);
		ITR_LANE_SUM(weight, end - begin, w[j]);
		sums[0] = sum;
		sums[1] = weight;
	} else {
		ITR_LANE_SUM(sum, end - begin, x[j]);
		sums[0] = sum;
		sums[1] = (float)(end - begin);
	}
}

static void mean_forward(itr_node *n)
{
	const float *sums = n->scratch;
	double sum = 0, weight = 0;
	itr_node_chunks(n, n->in[0]->count, ITR_CHUNK, mean_piece);
	for (int64_t k = 0; k < n->scratch_count; k += 2) {
		sum += (double)sums[k];
		weight += (double)sums[k + 1];
	}
	*(float *)n->saved = (float)weight;
	*itr_out(n) = weight != 0 ? (float)(sum / weight) : 0.0f;
}

ITR_CLONES static void mean_back(itr_node *n, int64_t begin, int64_t end)
{
	const float *w = n->in[1] ? itr_in(n, 1) : NULL, total = *(const float *)n->saved;
	const float g = total != 0.0f ? *itr_dout(n) / total : 0.0f, beta = (float)n->attr.f[3];
	float *d = itr_din(n, 0);
	if (w)
		for (int64_t i = begin; i < end; i++)
			itr_accumulate(&d[i], beta, g * w[i]);
	else
		for (int64_t i = begin; i < end; i++)
			itr_accumulate(&d[i], beta, g);
}

static void mean_backward(itr_node *n)
{
	if (!itr_din(n, 0))
		return;
	n->attr.f[3] = itr_grad_beta(n, 0);
	itr_node_chunks(n, n->in[0]->count, ITR_CHUNK, mean_back);
}

static double weight_at(const itr_node *n, int64_t i) { return n->in[1] ? itr_in64(n, 1)[i] : 1; }

static void mean_ref_forward(itr_node *n)
{
	double sum = 0, weight = 0;
	for (int64_t i = 0; i < n->in[0]->count; i++) {
		sum += weight_at(n, i) * itr_in64(n, 0)[i];
		weight += weight_at(n, i);
	}
	*(double *)n->saved = weight;
	*itr_out64(n) = weight != 0 ? sum / weight : 0;
}

static void mean_ref_backward(itr_node *n)
{
	const double total = *(const double *)n->saved, g = total != 0 ? *itr_dout64(n) / total : 0;
	double *d = itr_ref_grad(n, 0);
	for (int64_t i = 0; d && i < n->in[0]->count; i++)
		d[i] += g * weight_at(n, i);
}

static itr_var *mean_sample(itr_case *c, int which)
{
	static const float weights[][12] = { { 0 }, { 0, 1, 0.5f, 2, 0, 0, 3, 1, 1, 0.25f, 0, 1 }, { 0 } };
	if (which >= 3)
		return NULL;
	itr_var *x = itr_case_input(c, 2, (int64_t[]){ 4, 3 }, 1, 1);
	return itr_mean(c->tape, x, which ? itr_input(c->tape, 1, (int64_t[]){ 12 }, weights[which]) : NULL);
}

/* --- row_dot -------------------------------------------------------------------------------------------------------------------------- */

static void dot_shape(itr_node *n)
{
	const itr_var *a = n->in[0], *b = n->in[1];
	if (!a || !b || a->rank != 2 || b->rank != 2 || a->shape[0] != b->shape[0] || a->shape[1] != b->shape[1])
		itr_shape_bug(n, "two (B, D)");
	itr_shape_set(n, 1, a->shape);
}

ITR_CLONES static void dot_rows(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t d = n->in[0]->shape[1];
	for (int64_t r = begin; r < end; r++) {
		const float *a = itr_in(n, 0) + r * d, *b = itr_in(n, 1) + r * d;
		ITR_LANE_SUM(dot, d, a[j] * b[j]);
		itr_out(n)[r] = dot;
	}
}

static void row_dot_forward(itr_node *n) { itr_node_chunks(n, n->out->count, itr_chunk_rows(n->in[0]->shape[1]), dot_rows); }

#define DOT_BACK(real, k, begin, end)                                                                                                      \
	const int64_t d = n->in[0]->shape[1];                                                                                              \
	const real *other = n->in[1 - (k)]->data, *g = n->out->grad, beta = (real)n->attr.f[3 - (k)];                                      \
	real *dx = n->in[k]->grad;                                                                                                         \
	for (int64_t r = begin; r < end; r++)                                                                                              \
		for (int64_t j = 0; j < d; j++)                                                                                            \
			dx[r * d + j] = (beta != 0 ? dx[r * d + j] : 0) + g[r] * other[r * d + j];

ITR_CLONES static void dot_back0(itr_node *n, int64_t begin, int64_t end){ DOT_BACK(float, 0, begin, end) } ITR_CLONES
	static void dot_back1(itr_node *n, int64_t begin, int64_t end)
{
	DOT_BACK(float, 1, begin, end)
}
static void dot_ref_back(itr_node *n, int k) { DOT_BACK(double, k, 0, n->out->count) }

static void row_dot_backward(itr_node *n)
{
	for (int k = 0; k < 2; k++)
		if (n->in[k]->needs_grad) {
			n->attr.f[3 - k] = itr_grad_beta(n, k);
			itr_node_chunks(n, n->out->count, itr_chunk_rows(n->in[0]->shape[1]), k ? dot_back1 : dot_back0);
		}
}

static void row_dot_ref_forward(itr_node *n)
{
	const int64_t d = n->in[0]->shape[1];
	for (int64_t r = 0; r < n->out->count; r++) {
		itr_out64(n)[r] = 0;
		for (int64_t j = 0; j < d; j++)
			itr_out64(n)[r] += itr_in64(n, 0)[r * d + j] * itr_in64(n, 1)[r * d + j];
	}
}

static void row_dot_ref_backward(itr_node *n)
{
	for (int k = 0; k < 2; k++)
		if (n->in[k]->needs_grad) {
			n->attr.f[3 - k] = itr_grad_beta(n, k);
			dot_ref_back(n, k);
		}
}

static itr_var *row_dot_sample(itr_case *c, int which)
{
	if (which >= 2)
		return NULL;
	itr_var *a = itr_case_input(c, 2, (int64_t[]){ itr_case_int(c, 1, 5), itr_case_int(c, 1, 37) }, 1, 0);
	return itr_row_dot(c->tape, a, which ? a : itr_case_input(c, 2, a->shape, 1, 0));
}

#define OP(name, flags, shape)                                                                                                             \
	const itr_op itr_op_##name = {                                                                                                     \
		#name, 2, flags, shape, name##_forward, name##_backward, name##_ref_forward, name##_ref_backward, NULL, name##_sample      \
	}
OP(mean, ITR_OP_LOSS | ITR_OP_UNSAVED_IN0 | ITR_OP_UNSAVED_OUT, mean_shape);
OP(row_dot, ITR_OP_UNSAVED_OUT, dot_shape);

itr_var *itr_mean(itr_tape *t, itr_var *x, itr_var *weights) { return itr_apply2(t, &itr_op_mean, x, weights, NULL); }
itr_var *itr_row_dot(itr_tape *t, itr_var *a, itr_var *b) { return itr_apply2(t, &itr_op_row_dot, a, b, NULL); }
