/* scale_by (one learnable factor), row_scale (a factor for each row), row_limit (rows of at most a given length). */
#include <math.h>

#include "autograd/lanes.h"
#include "autograd/op_util.h"
#include "autograd/ops.h"

static void by_rows(itr_node *n, void (*fn)(itr_node *n, int64_t begin, int64_t end))
{
	const int64_t d = itr_last_dim(n->out);
	itr_node_chunks(n, n->out->count / d, itr_chunk_rows(d), fn);
}

/* --- scale_by: scratch = the sum of each piece -----------------------------------------------------------------------------------------
 */

static void by_shape(itr_node *n)
{
	if (!n->in[0] || !n->in[1] || n->in[1]->count != 1)
		itr_shape_bug(n, "x and a factor of one element");
	itr_shape_like(n, n->in[0]);
	n->scratch_count = (n->in[0]->count + ITR_CHUNK - 1) / ITR_CHUNK;
}

ITR_CLONES static void by_piece(itr_node *n, int64_t begin, int64_t end)
{
	const float *x = itr_in(n, 0), s = *itr_in(n, 1);
	for (int64_t i = begin; i < end; i++)
		itr_out(n)[i] = x[i] * s;
}

ITR_CLONES static void by_back(itr_node *n, int64_t begin, int64_t end)
{
	const float *g = itr_dout(n), s = *itr_in(n, 1), beta = (float)n->attr.f[3];
	float *d = itr_din(n, 0);
	for (int64_t i = begin; i < end; i++)
		itr_accumulate(&d[i], beta, g[i] * s);
}

ITR_CLONES static void by_sum(itr_node *n, int64_t begin, int64_t end)
{
	const float *g = itr_dout(n) + begin, *x = itr_in(n, 0) + begin;
	ITR_LANE_SUM(sum, end - begin, g[j] * x[j]);
	((float *)n->scratch)[begin / ITR_CHUNK] = sum;
}

static void scale_by_forward(itr_node *n) { itr_node_chunks(n, n->out->count, ITR_CHUNK, by_piece); }

static void scale_by_backward(itr_node *n)
{
	if (itr_din(n, 0)) {
		n->attr.f[3] = itr_grad_beta(n, 0);
		itr_node_chunks(n, n->out->count, ITR_CHUNK, by_back);
	}
	if (itr_din(n, 1)) {
		double sum = 0;
		itr_node_chunks(n, n->out->count, ITR_CHUNK, by_sum);
		for (int64_t k = 0; k < n->scratch_count; k++)
			sum += (double)((const float *)n->scratch)[k];
		itr_accumulate(itr_din(n, 1), itr_grad_beta(n, 1), (float)sum);
	}
}

static void scale_by_ref_forward(itr_node *n)
{
	for (int64_t i = 0; i < n->out->count; i++)
		itr_out64(n)[i] = itr_in64(n, 0)[i] * *itr_in64(n, 1);
}

static void scale_by_ref_backward(itr_node *n)
{
	double *dx = itr_ref_grad(n, 0), *ds = itr_ref_grad(n, 1), size = 0;
	for (int64_t i = 0; i < n->out->count; i++) {
		const double product = itr_dout64(n)[i] * itr_in64(n, 0)[i];
		if (dx)
			dx[i] += itr_dout64(n)[i] * *itr_in64(n, 1);
		if (ds)
			*ds += product;
		size += fabs(product);
	}
	itr_ref_terms(n, 1, size);
}

static itr_var *scale_by_sample(itr_case *c, int which)
{
	if (which >= 2)
		return NULL;
	itr_var *x = itr_case_input(c, 3, (int64_t[]){ itr_case_int(c, 1, 6), itr_case_int(c, 1, 7), itr_case_int(c, 1, 5) }, 1, 0);
	return itr_scale_by(c->tape, x, itr_case_input(c, 1, (int64_t[]){ 1 }, 1, 0.5));
}

/* --- row_scale ------------------------------------------------------------------------------------------------------------------------ */

static void row_shape(itr_node *n)
{
	const itr_var *x = n->in[0], *s = n->in[1];
	if (!x || !s || x->rank < 1 || s->count * itr_last_dim(x) != x->count)
		itr_shape_bug(n, "x (N, D), s (N)");
	itr_shape_like(n, x);
}

ITR_CLONES static void row_rows(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t d = itr_last_dim(n->out);
	for (int64_t r = begin; r < end; r++) {
		const float *x = itr_in(n, 0) + r * d, s = itr_in(n, 1)[r];
		for (int64_t j = 0; j < d; j++)
			itr_out(n)[r * d + j] = x[j] * s;
	}
}

ITR_CLONES static void row_dx(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t d = itr_last_dim(n->out);
	for (int64_t r = begin; r < end; r++) {
		const float *g = itr_dout(n) + r * d, s = itr_in(n, 1)[r];
		float *dx = itr_din(n, 0) + r * d;
		for (int64_t j = 0; j < d; j++)
			itr_accumulate(&dx[j], (float)n->attr.f[3], g[j] * s);
	}
}

ITR_CLONES static void row_ds(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t d = itr_last_dim(n->out);
	for (int64_t r = begin; r < end; r++) {
		const float *g = itr_dout(n) + r * d, *x = itr_in(n, 0) + r * d;
		ITR_LANE_SUM(sum, d, g[j] * x[j]);
		itr_accumulate(&itr_din(n, 1)[r], (float)n->attr.f[2], sum);
	}
}

static void row_scale_forward(itr_node *n) { by_rows(n, row_rows); }

static void row_scale_backward(itr_node *n)
{
	if (itr_din(n, 0)) {
		n->attr.f[3] = itr_grad_beta(n, 0);
		by_rows(n, row_dx);
	}
	if (itr_din(n, 1)) {
		n->attr.f[2] = itr_grad_beta(n, 1);
		by_rows(n, row_ds);
	}
}

static void row_scale_ref_forward(itr_node *n)
{
	for (int64_t i = 0; i < n->out->count; i++)
		itr_out64(n)[i] = itr_in64(n, 0)[i] * itr_in64(n, 1)[i / itr_last_dim(n->out)];
}

static void row_scale_ref_backward(itr_node *n)
{
	const int64_t d = itr_last_dim(n->out);
	double *dx = itr_ref_grad(n, 0), *ds = itr_ref_grad(n, 1);
	for (int64_t r = 0; r < n->out->count / d; r++) {
		double size = 0;
		for (int64_t j = r * d; j < (r + 1) * d; j++) {
			const double product = itr_dout64(n)[j] * itr_in64(n, 0)[j];
			if (dx)
				dx[j] += itr_dout64(n)[j] * itr_in64(n, 1)[r];
			if (ds)
				ds[r] += product;
			size += fabs(product);
		}
		itr_ref_terms(n, 1, size);
	}
}

static itr_var *row_scale_sample(itr_case *c, int which)
{
	if (which >= 2)
		return NULL;
	const int64_t b = itr_case_int(c, 1, 6);
	itr_var *x = itr_case_input(c, 2, (int64_t[]){ b, itr_case_int(c, 1, 37) }, 1, 0);
	return itr_row_scale(c->tape, x, itr_case_input(c, 1, &b, 1, 0));
}

/* --- row_limit: attr.f0 = the longest that a row may be, saved = lengths -------------------------------------------------------------- */

static void limit_shape(itr_node *n)
{
	if (!n->in[0] || n->in[0]->rank < 1 || !(n->attr.f[0] >= 0))
		itr_shape_bug(n, "x (B, D) and a length of at least 0");
	itr_shape_like(n, n->in[0]);
	n->saved_count = n->out->count / itr_last_dim(n->out);
}

ITR_CLONES static void limit_rows(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t d = itr_last_dim(n->out);
	const float limit = (float)n->attr.f[0];
	for (int64_t r = begin; r < end; r++) {
		const float *x = itr_in(n, 0) + r * d;
		ITR_LANE_SUM(squares, d, x[j] * x[j]);
		const float length = sqrtf(squares), factor = length > limit ? limit / length : 1.0f;
		((float *)n->saved)[r] = length;
		for (int64_t j = 0; j < d; j++)
			itr_out(n)[r * d + j] = x[j] * factor;
	}
}

/* Gradient of a row that was scaled to the limit: limit / |x| times the part of g orthogonal to x. */
ITR_CLONES static void limit_dx(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t d = itr_last_dim(n->out);
	const float limit = (float)n->attr.f[0], beta = (float)n->attr.f[3];
	for (int64_t r = begin; r < end; r++) {
		const float *x = itr_in(n, 0) + r * d, *g = itr_dout(n) + r * d, length = ((const float *)n->saved)[r];
		const bool cut = length > limit;
		float *dx = itr_din(n, 0) + r * d;
		ITR_LANE_SUM(dot, d, g[j] * x[j]);
		const float factor = cut ? limit / length : 1.0f, along = cut ? dot / length / length : 0.0f;
		for (int64_t j = 0; j < d; j++)
			itr_accumulate(&dx[j], beta, factor * (g[j] - along * x[j]));
	}
}

static void row_limit_forward(itr_node *n) { by_rows(n, limit_rows); }

static void row_limit_backward(itr_node *n)
{
	if (!itr_din(n, 0))
		return;
	n->attr.f[3] = itr_grad_beta(n, 0);
	by_rows(n, limit_dx);
}

static void row_limit_ref_forward(itr_node *n)
{
	const int64_t d = itr_last_dim(n->out);
	for (int64_t r = 0; r < n->out->count / d; r++) {
		double squares = 0;
		for (int64_t j = r * d; j < (r + 1) * d; j++)
			squares += itr_in64(n, 0)[j] * itr_in64(n, 0)[j];
		((double *)n->saved)[r] = sqrt(squares);
		for (int64_t j = r * d; j < (r + 1) * d; j++)
			itr_out64(n)[j] = itr_in64(n, 0)[j] * (sqrt(squares) > n->attr.f[0] ? n->attr.f[0] / sqrt(squares) : 1);
	}
}

static void row_limit_ref_backward(itr_node *n)
{
	const int64_t d = itr_last_dim(n->out);
	double *dx = itr_ref_grad(n, 0);
	for (int64_t r = 0; dx && r < n->out->count / d; r++) {
		const double *x = itr_in64(n, 0) + r * d, *g = itr_dout64(n) + r * d, length = ((const double *)n->saved)[r];
		const bool cut = length > n->attr.f[0];
		const double factor = cut ? n->attr.f[0] / length : 1;
		double along = 0, size = 0;
		for (int64_t j = 0; cut && j < d; j++) {
			along += g[j] * x[j] / (length * length);
			size += fabs(g[j] * x[j]) / (length * length);
		}
		for (int64_t j = 0; j < d; j++) {
			dx[r * d + j] += factor * (g[j] - along * x[j]);
			itr_ref_terms(n, 0, factor * (fabs(g[j]) + size * fabs(x[j])));
		}
	}
}

/* Case 0: some rows are cut, others are not; 1: all; 2: none. */
static itr_var *row_limit_sample(itr_case *c, int which)
{
	static const double limits[] = { 4, 0.5, 100 };
	return which < 3 ? itr_row_limit(c->tape, itr_case_input(c, 2, (int64_t[]){ 6, 17 }, 1, 0), limits[which]) : NULL;
}

#define OP(name, inputs, flags, shape)                                                                                                     \
	const itr_op itr_op_##name = {                                                                                                     \
		#name, inputs, flags, shape, name##_forward, name##_backward, name##_ref_forward, name##_ref_backward, NULL, name##_sample \
	}
OP(scale_by, 2, ITR_OP_UNSAVED_OUT, by_shape);
OP(row_scale, 2, ITR_OP_UNSAVED_OUT, row_shape);
OP(row_limit, 1, ITR_OP_UNSAVED_OUT, limit_shape);

itr_var *itr_scale_by(itr_tape *t, itr_var *x, itr_var *s) { return itr_apply2(t, &itr_op_scale_by, x, s, NULL); }
itr_var *itr_row_scale(itr_tape *t, itr_var *x, itr_var *s) { return itr_apply2(t, &itr_op_row_scale, x, s, NULL); }
itr_var *itr_row_limit(itr_tape *t, itr_var *x, double r) { return itr_apply1(t, &itr_op_row_limit, x, &(itr_attr){ .f = { r } }); }
