/* slerp: (sin(lambda theta) a + sin((1 - lambda) theta) b) / sin(theta) of unit rows, theta the angle between them. attr: none; in[2] =
 * lambda, a constant. saved, for each row: the factors of a and b, and their derivatives by the cosine. */
#include <math.h>

#include "autograd/lanes.h"
#include "autograd/op_util.h"
#include "autograd/ops.h"

static void shape(itr_node *n)
{
	const itr_var *a = n->in[0], *b = n->in[1], *l = n->in[2];
	if (!a || !b || !l || a->rank != 2 || b->rank != 2 || a->shape[0] != b->shape[0] || a->shape[1] != b->shape[1] ||
	    l->count != a->shape[0] || l->needs_grad)
		itr_shape_bug(n, "two (B, D), and B lambdas (without a gradient)");
	itr_shape_like(n, a);
	n->saved_count = 4 * a->shape[0];
}

/* sin(l theta) / sin(theta) and its derivative with respect to c = cos(theta). Near 0 by the series in theta^2, which is also defined when
 * rounding gives c > 1. Near pi the rotation is not unique: linear interpolation. */
static void factor(double c, double l, double *f, double *slope)
{
	const double near_one = 5e-5, opposite = -0.9995;
	if (c < opposite) {
		*f = l;
		*slope = 0;
	} else if (1 - c < near_one) {
		const double u = fmax(1 - c, -1e-3), square = 2 * u + u * u / 3, a = (1 - l * l) / 6,
			     b = (7 - 10 * l * l + 3 * l * l * l * l) / 360;
		*f = l * (1 + a * square + b * square * square);
		*slope = -l * (a + 2 * b * square) * (2 + 2 * u / 3);
	} else {
		const double theta = acos(c), s = sin(theta);
		*f = sin(l * theta) / s;
		*slope = -(l * cos(l * theta) - *f * c) / (s * s);
	}
}

static void factors(double c, double l, double out[4])
{
	factor(c, l, &out[0], &out[2]);
	factor(c, 1 - l, &out[1], &out[3]);
}

ITR_CLONES static void rows(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t d = n->out->shape[1];
	for (int64_t r = begin; r < end; r++) {
		const float *a = itr_in(n, 0) + r * d, *b = itr_in(n, 1) + r * d;
		float *saved = (float *)n->saved + 4 * r;
		double f[4];
		ITR_LANE_SUM(dot, d, a[j] * b[j]);
		factors((double)dot, (double)itr_in(n, 2)[r], f);
		for (int k = 0; k < 4; k++)
			saved[k] = (float)f[k];
		for (int64_t j = 0; j < d; j++)
			itr_out(n)[r * d + j] = saved[0] * a[j] + saved[1] * b[j];
	}
}

/* da = f_a g + (f_a' a.g + f_b' b.g) b, db = f_b g + (the same) a */
ITR_CLONES static void rows_back(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t d = n->out->shape[1];
	for (int64_t r = begin; r < end; r++) {
		const float *a = itr_in(n, 0) + r * d, *b = itr_in(n, 1) + r * d, *g = itr_dout(n) + r * d,
			    *saved = (const float *)n->saved + 4 * r;
		ITR_LANE_SUM(ag, d, a[j] * g[j]);
		ITR_LANE_SUM(bg, d, b[j] * g[j]);
		const float turn = saved[2] * ag + saved[3] * bg;
		float *da = itr_din(n, 0), *db = itr_din(n, 1);
		for (int64_t j = 0; da && j < d; j++)
			itr_accumulate(&da[r * d + j], (float)n->attr.f[3], saved[0] * g[j] + turn * b[j]);
		for (int64_t j = 0; db && j < d; j++)
			itr_accumulate(&db[r * d + j], (float)n->attr.f[2], saved[1] * g[j] + turn * a[j]);
	}
}

static void forward(itr_node *n) { itr_node_chunks(n, n->out->shape[0], itr_chunk_rows(n->out->shape[1]), rows); }

static void backward(itr_node *n)
{
	for (int k = 0; k < 2; k++)
		if (itr_din(n, k))
			n->attr.f[3 - k] = itr_grad_beta(n, k);
	itr_node_chunks(n, n->out->shape[0], itr_chunk_rows(n->out->shape[1]), rows_back);
}

static void ref_forward(itr_node *n)
{
	const int64_t d = n->out->shape[1];
	for (int64_t r = 0; r < n->out->shape[0]; r++) {
		double *f = (double *)n->saved + 4 * r, dot = 0;
		for (int64_t j = r * d; j < (r + 1) * d; j++)
			dot += itr_in64(n, 0)[j] * itr_in64(n, 1)[j];
		factors(dot, itr_in64(n, 2)[r], f);
		for (int64_t j = r * d; j < (r + 1) * d; j++)
			itr_out64(n)[j] = f[0] * itr_in64(n, 0)[j] + f[1] * itr_in64(n, 1)[j];
	}
}

static void ref_backward(itr_node *n)
{
	const int64_t d = n->out->shape[1];
	double *da = itr_ref_grad(n, 0), *db = itr_ref_grad(n, 1);
	for (int64_t r = 0; r < n->out->shape[0]; r++) {
		const double *a = itr_in64(n, 0) + r * d, *b = itr_in64(n, 1) + r * d, *g = itr_dout64(n) + r * d,
			     *f = (double *)n->saved + 4 * r;
		double turn = 0, size = 0;
		for (int64_t j = 0; j < d; j++) {
			turn += f[2] * a[j] * g[j] + f[3] * b[j] * g[j];
			size += fabs(f[2] * a[j] * g[j]) + fabs(f[3] * b[j] * g[j]);
		}
		for (int64_t j = 0; j < d; j++) {
			if (da)
				da[r * d + j] += f[0] * g[j] + turn * b[j];
			if (db)
				db[r * d + j] += f[1] * g[j] + turn * a[j];
			itr_ref_terms(n, 0, fabs(f[0] * g[j]) + size * fabs(b[j]));
			itr_ref_terms(n, 1, fabs(f[1] * g[j]) + size * fabs(a[j]));
		}
	}
}

/* Case 0: angles of all sizes; 1: none (a and b are the same row); 2: opposite rows. */
static itr_var *sample(itr_case *c, int which)
{
	static const float lambda[] = { 0.25f, 0.5f, 0, 1, 0.8f };
	if (which >= 3)
		return NULL;
	const int64_t shape_of[] = { 5, which ? 4 : 3 };
	itr_tape *t = c->tape;
	itr_var *a = itr_l2norm(t, itr_case_input(c, 2, shape_of, 1, 0)), *b = a;
	if (which == 0)
		b = itr_l2norm(t, itr_case_input(c, 2, shape_of, 1, 0));
	else if (which == 2)
		b = itr_scale(t, a, -1);
	return itr_slerp(t, a, b, itr_input(t, 1, (int64_t[]){ 5 }, lambda));
}

const itr_op itr_op_slerp = { "slerp", 3, ITR_OP_UNSAVED_OUT, shape, forward, backward, ref_forward, ref_backward, NULL, sample };

itr_var *itr_slerp(itr_tape *t, itr_var *a, itr_var *b, itr_var *lambda)
{
	itr_var *in[] = { a, b, lambda };
	return itr_apply(t, &itr_op_slerp, in, 3, NULL, NULL, 0, NULL);
}
