/* scores: scale * a b^T. */
#include <math.h>
#include <string.h>

#include "autograd/op_util.h"
#include "autograd/ops.h"
#include "autograd/product.h"

/* --- scores. attr: f0 fixed scale, f1 ceiling of the log scale. saved: the scale in use, then one partial sum a row (d log_scale). ---- */
static void scores_shape(itr_node *n)
{
	const itr_var *a = n->in[0], *b = n->in[1], *s = n->in[2];
	if (!a || !b || a->rank != 2 || b->rank != 2 || a->shape[1] != b->shape[1] || (s && s->count != 1))
		itr_shape_bug(n, "a (B, D), b (N, D), log scale of one element or none");
	itr_shape_set(n, 2, (int64_t[]){ a->shape[0], b->shape[0] });
	n->saved_count = 1;
	n->scratch_count = ITR_MAX(a->count, b->count);
}

static double scores_flops(const itr_node *n) { return 2.0 * (double)n->out->count * (double)n->in[0]->shape[1]; }

static double scale_now(const itr_node *n, double log_scale) { return n->in[2] ? exp(fmin(log_scale, n->attr.f[1])) : n->attr.f[0]; }

static void scores_forward(itr_node *n)
{
	const int64_t b = n->out->shape[0], m = n->out->shape[1], d = n->in[0]->shape[1];
	const float scale = (float)scale_now(n, n->in[2] ? (double)*itr_in(n, 2) : 0);
	*(float *)n->saved = scale;
	itr_node_product(n, false, true, b, m, d, scale, itr_in(n, 0), d, itr_in(n, 1), d, 0, itr_out(n), m);
}

static void scores_backward(itr_node *n)
{
	const int64_t b = n->out->shape[0], m = n->out->shape[1], d = n->in[0]->shape[1];
	const float scale = *(float *)n->saved;
	if (itr_din(n, 0))
		itr_node_product(n, false, false, b, d, m, scale, itr_dout(n), m, itr_in(n, 1), d, itr_grad_beta(n, 0), itr_din(n, 0), d);
	if (itr_din(n, 1))
		itr_node_product(n, true, false, m, d, b, scale, itr_dout(n), m, itr_in(n, 0), d, itr_grad_beta(n, 1), itr_din(n, 1), d);
	if (n->in[2] && itr_din(n, 2)) {
		double sum = 0;                          /* d(s e^l)/dl = the score itself, below the ceiling */
		for (int64_t i = 0; i < n->out->count && (double)*itr_in(n, 2) < n->attr.f[1]; i++)
			sum += (double)itr_dout(n)[i] * (double)itr_out(n)[i];
		itr_accumulate(itr_din(n, 2), itr_grad_beta(n, 2), (float)sum);
	}
}

static void scores_ref_forward(itr_node *n)
{
	const int64_t b = n->out->shape[0], m = n->out->shape[1], d = n->in[0]->shape[1];
	const double scale = scale_now(n, n->in[2] ? *itr_in64(n, 2) : 0);
	*(double *)n->saved = scale;
	for (int64_t i = 0; i < b; i++)
		for (int64_t j = 0; j < m; j++) {
			double s = 0;
			for (int64_t k = 0; k < d; k++)
				s += itr_in64(n, 0)[i * d + k] * itr_in64(n, 1)[j * d + k];
			itr_out64(n)[i * m + j] = scale * s;
		}
}

static void scores_ref_backward(itr_node *n)
{
	const int64_t b = n->out->shape[0], m = n->out->shape[1], d = n->in[0]->shape[1];
	double *da = itr_ref_grad(n, 0), *db = itr_ref_grad(n, 1), *ds = n->in[2] ? itr_ref_grad(n, 2) : NULL, scale = *(double *)n->saved;
	for (int64_t i = 0; i < b; i++)
		for (int64_t j = 0; j < m; j++) {
			double g = itr_dout64(n)[i * m + j];
			if (ds && *itr_in64(n, 2) < n->attr.f[1])
				*ds += g * itr_out64(n)[i * m + j];
			for (int64_t k = 0; k < d; k++) {
				if (da)
					da[i * d + k] += g * scale * itr_in64(n, 1)[j * d + k];
				if (db)
					db[j * d + k] += g * scale * itr_in64(n, 0)[i * d + k];
			}
		}
}

static itr_var *scores_sample(itr_case *c, int which)
{
	if (which >= 4)
		return NULL;
	int64_t b = itr_case_int(c, 1, 6), m = itr_case_int(c, 1, 6), d = itr_case_int(c, 1, 12);
	itr_var *x = itr_case_input(c, 2, (int64_t[]){ b, d }, 1, 0), *y = itr_case_input(c, 2, (int64_t[]){ m, d }, 1, 0);
	/* case 3: beyond the ceiling */
	itr_var *s = which >= 1 ? itr_case_input(c, 1, (int64_t[]){ 1 }, 0.2, which == 3 ? 9 : 1) : NULL;
	return itr_scores(c->tape, x, y, s, 1 / 0.07, 4.6052);
}

const itr_op itr_op_scores = {
	"scores", 3, 0, scores_shape, scores_forward, scores_backward, scores_ref_forward, scores_ref_backward, scores_flops, scores_sample
};

itr_var *itr_scores(itr_tape *t, itr_var *a, itr_var *b, itr_var *log_scale, double scale, double ceiling)
{
	itr_var *in[] = { a, b, log_scale };
	return itr_apply(t, &itr_op_scores, in, 3, &(itr_attr){ .f = { scale, ceiling } }, NULL, 0, NULL);
}
