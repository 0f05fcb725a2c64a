/* layernorm, softmax, log_softmax, l2norm: one row at a time. */
#include <math.h>
#include <string.h>

#include "autograd/lanes.h"
#include "autograd/op_util.h"
#include "autograd/ops.h"
#include "tensor/rowwise.h"
#include "tensor/vmath.h"

static int64_t rows_of(const itr_node *n) { return n->out->count / itr_last_dim(n->out); }

static void by_rows(itr_node *n, void (*fn)(itr_node *n, int64_t begin, int64_t end))
{
	itr_node_chunks(n, rows_of(n), itr_chunk_rows(itr_last_dim(n->out)), fn);
}

static bool begin_gradient(itr_node *n, int k)
{
	if (!itr_din(n, k))
		return false;
	n->attr.f[3] = itr_grad_beta(n, k);
	return true;
}

/* --- layernorm: saved = (mean, 1/std) per row. Ba et al. 2016; biased variance, as torch. --------------------------------------------- */
static void layernorm_shape(itr_node *n)
{
	const itr_var *x = n->in[0], *g = n->in[1], *b = n->in[2];
	if (!x || !g || !b || x->rank < 1 || g->count != itr_last_dim(x) || b->count != g->count)
		itr_shape_bug(n, "x (..., D), gamma (D), beta (D)");
	itr_shape_like(n, x);
	n->saved_count = 2 * (x->count / itr_last_dim(x));
}

static void layernorm_rows(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t d = itr_last_dim(n->out);
	itr_rowwise_get()->layernorm(itr_in(n, 0) + begin * d, end - begin, d, itr_in(n, 1), itr_in(n, 2), (float)n->attr.f[0],
	                             itr_out(n) + begin * d, (float *)n->saved + 2 * begin);
}

static void layernorm_forward(itr_node *n) { by_rows(n, layernorm_rows); }

ITR_CLONES static void layernorm_dx(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t d = itr_last_dim(n->out);
	const float *gamma = itr_in(n, 1);
	for (int64_t r = begin; r < end; r++) {
		const float *x = itr_in(n, 0) + r * d, *g = itr_dout(n) + r * d, *saved = (const float *)n->saved + 2 * r;
		float *dx = itr_din(n, 0) + r * d;
		const float mean = saved[0], rstd = saved[1];
		ITR_LANE_SUM(a, d, g[j] * gamma[j]);
		ITR_LANE_SUM(b, d, g[j] * gamma[j] * (x[j] - mean));
		const float am = a / (float)d, bm = b / (float)d * rstd * rstd;
		if (n->attr.f[3] != 0)
			for (int64_t j = 0; j < d; j++)
				dx[j] += rstd * (g[j] * gamma[j] - am - (x[j] - mean) * bm);
		else
			for (int64_t j = 0; j < d; j++)
				dx[j] = rstd * (g[j] * gamma[j] - am - (x[j] - mean) * bm);
	}
}

/* gamma's and beta's gradients for a piece of columns; rows in order, so that the sum's order is fixed. */
ITR_CLONES static void layernorm_columns(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t d = itr_last_dim(n->out);
	float *dg = itr_din(n, 1), *db = itr_din(n, 2);
	for (int64_t r = 0; r < rows_of(n); r++) {
		const float *x = itr_in(n, 0) + r * d, *g = itr_dout(n) + r * d, mean = ((const float *)n->saved)[2 * r],
			    rstd = ((const float *)n->saved)[2 * r + 1];
		for (int64_t j = begin; dg && j < end; j++)
			dg[j] += g[j] * ((x[j] - mean) * rstd);
		for (int64_t j = begin; db && j < end; j++)
			db[j] += g[j];
	}
}

static void layernorm_backward(itr_node *n)
{
	for (int k = 1; k <= 2; k++)
		if (itr_din(n, k) && itr_grad_beta(n, k) == 0.0f)
			memset(itr_din(n, k), 0, (size_t)n->in[k]->count * sizeof(float));
	if (itr_din(n, 1) || itr_din(n, 2))
		itr_node_chunks(n, itr_last_dim(n->out), 256, layernorm_columns);
	if (begin_gradient(n, 0))
		by_rows(n, layernorm_dx);
}

static void layernorm_ref_forward(itr_node *n)
{
	const int64_t d = itr_last_dim(n->out);
	for (int64_t r = 0; r < rows_of(n); r++) {
		const double *x = itr_in64(n, 0) + r * d;
		double mean = 0, var = 0;
		for (int64_t j = 0; j < d; j++)
			mean += x[j] / (double)d;
		for (int64_t j = 0; j < d; j++)
			var += (x[j] - mean) * (x[j] - mean) / (double)d;
		double rstd = 1 / sqrt(var + n->attr.f[0]);
		for (int64_t j = 0; j < d; j++)
			itr_out64(n)[r * d + j] = (x[j] - mean) * rstd * itr_in64(n, 1)[j] + itr_in64(n, 2)[j];
		((double *)n->saved)[2 * r] = mean;
		((double *)n->saved)[2 * r + 1] = rstd;
	}
}

/* |x|/std + |mean|/std: the sum of the magnitudes of both terms of a normalised element. */
static double parts_of(const itr_node *n, int64_t r, double x)
{
	const double *saved = (double *)n->saved + 2 * r;
	return (fabs(x) + fabs(saved[0])) * saved[1];
}

static void layernorm_gamma_terms(itr_node *n, int64_t d)
{
	for (int64_t j = 0; j < d; j++) {
		double size = 0;
		for (int64_t r = 0; r < rows_of(n); r++)
			size += fabs(itr_dout64(n)[r * d + j]) * parts_of(n, r, itr_in64(n, 0)[r * d + j]);
		itr_ref_terms(n, 1, size);
	}
}

static void layernorm_ref_backward(itr_node *n)
{
	const int64_t d = itr_last_dim(n->out);
	double *dx = itr_ref_grad(n, 0), *dg = itr_ref_grad(n, 1), *db = itr_ref_grad(n, 2);
	for (int64_t r = 0; r < rows_of(n); r++) {
		const double *x = itr_in64(n, 0) + r * d, *g = itr_dout64(n) + r * d, *gamma = itr_in64(n, 1);
		double mean = ((double *)n->saved)[2 * r], rstd = ((double *)n->saved)[2 * r + 1], a = 0, b = 0, size = 0;
		for (int64_t j = 0; j < d; j++) {
			double h = (x[j] - mean) * rstd;
			a += g[j] * gamma[j] / (double)d;
			b += g[j] * gamma[j] * h / (double)d;
			size += fabs(g[j] * gamma[j]) * parts_of(n, r, x[j]) / (double)d;
			if (dg)
				dg[j] += g[j] * h;
			if (db)
				db[j] += g[j];
		}
		for (int64_t j = 0; dx && j < d; j++) {
			dx[r * d + j] += rstd * (g[j] * gamma[j] - a - (x[j] - mean) * rstd * b);
			itr_ref_terms(n, 0, rstd * (fabs(g[j] * gamma[j]) + fabs(a) + parts_of(n, r, x[j]) * size));
		}
	}
	layernorm_gamma_terms(n, d);
}

static itr_var *layernorm_sample(itr_case *c, int which)
{
	if (which >= 3)
		return NULL;
	int64_t b = itr_case_int(c, 1, 6), d = itr_case_int(c, 2, 40);
	itr_var *x = itr_case_input(c, 2, (int64_t[]){ b, d }, 1, which), *g = itr_case_input(c, 1, (int64_t[]){ d }, 0.3, 1);
	return itr_op_layernorm_call(c->tape, x, g, itr_case_input(c, 1, (int64_t[]){ d }, 1, 0), which == 2 ? 1e-12 : 1e-5);
}

const itr_op itr_op_layernorm = { "layernorm",
	                          3,
	                          ITR_OP_UNSAVED_IN2 | ITR_OP_UNSAVED_OUT,
	                          layernorm_shape,
	                          layernorm_forward,
	                          layernorm_backward,
	                          layernorm_ref_forward,
	                          layernorm_ref_backward,
	                          NULL,
	                          layernorm_sample };

itr_var *itr_op_layernorm_call(itr_tape *t, itr_var *x, itr_var *gamma, itr_var *beta, double eps)
{
	itr_var *in[] = { x, gamma, beta };
	return itr_apply(t, &itr_op_layernorm, in, 3, &(itr_attr){ .f = { eps } }, NULL, 0, NULL);
}

/* --- softmax -------------------------------------------------------------------------------------------------------------------------- */
static void row_shape(itr_node *n)
{
	if (!n->in[0] || n->in[0]->rank < 1)
		itr_shape_bug(n, "x (..., D)");
	itr_shape_like(n, n->in[0]);
}

static void softmax_rows(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t d = itr_last_dim(n->out);
	itr_rowwise_get()->softmax(itr_in(n, 0) + begin * d, end - begin, d, itr_out(n) + begin * d);
}

ITR_CLONES static void softmax_dx(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t d = itr_last_dim(n->out);
	for (int64_t r = begin; r < end; r++) {
		const float *y = itr_out(n) + r * d, *g = itr_dout(n) + r * d;
		float *dx = itr_din(n, 0) + r * d;
		ITR_LANE_SUM(dot, d, g[j] * y[j]);
		for (int64_t j = 0; j < d; j++)
			itr_accumulate(&dx[j], (float)n->attr.f[3], y[j] * (g[j] - dot));
	}
}

static void softmax_forward(itr_node *n) { by_rows(n, softmax_rows); }
static void softmax_backward(itr_node *n)
{
	if (begin_gradient(n, 0))
		by_rows(n, softmax_dx);
}

/* Sum of exp(x - *top), *top being the largest. */
static double sum_of_exp(const double *x, int64_t d, double *top)
{
	double sum = 0;
	*top = x[0];
	for (int64_t j = 1; j < d; j++)
		*top = fmax(*top, x[j]);
	for (int64_t j = 0; j < d; j++)
		sum += exp(x[j] - *top);
	return sum;
}

static void softmax_ref_forward(itr_node *n)
{
	const int64_t d = itr_last_dim(n->out);
	for (int64_t r = 0; r < rows_of(n); r++) {
		const double *x = itr_in64(n, 0) + r * d;
		double top;
		const double sum = sum_of_exp(x, d, &top);
		for (int64_t j = 0; j < d; j++)
			itr_out64(n)[r * d + j] = exp(x[j] - top) / sum;
	}
}

static void softmax_ref_backward(itr_node *n)
{
	const int64_t d = itr_last_dim(n->out);
	double *dx = itr_ref_grad(n, 0);
	for (int64_t r = 0; dx && r < rows_of(n); r++) {
		const double *y = itr_out64(n) + r * d, *g = itr_dout64(n) + r * d;
		double dot = 0, size = 0;
		for (int64_t j = 0; j < d; j++) {
			dot += g[j] * y[j];
			size += fabs(g[j] * y[j]);
		}
		for (int64_t j = 0; j < d; j++) {
			dx[r * d + j] += y[j] * (g[j] - dot);
			itr_ref_terms(n, 0, y[j] * (fabs(g[j]) + size));
		}
	}
}

static itr_var *softmax_sample(itr_case *c, int which)
{
	return which < 2 ? itr_softmax(c->tape, itr_case_input(c, 2, (int64_t[]){ itr_case_int(c, 1, 5), itr_case_int(c, 1, 40) }, 3, 0))
	                 : NULL;
}

const itr_op itr_op_softmax = {
	"softmax",     1, ITR_OP_UNSAVED_IN0, row_shape, softmax_forward, softmax_backward, softmax_ref_forward, softmax_ref_backward, NULL,
	softmax_sample
};
itr_var *itr_softmax(itr_tape *t, itr_var *x) { return itr_apply1(t, &itr_op_softmax, x, NULL); }

/* --- log_softmax ------------------------------------------------------- */
ITR_CLONES static void log_softmax_rows(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t d = itr_last_dim(n->out);
	for (int64_t r = begin; r < end; r++) {
		const float *x = itr_in(n, 0) + r * d, top = itr_row_max(x, d);
		ITR_LANE_SUM(sum, d, itr_vexp(x[j] - top));
		const float total = top + (float)log((double)sum);
		for (int64_t j = 0; j < d; j++)
			itr_out(n)[r * d + j] = x[j] - total;
	}
}

ITR_CLONES static void log_softmax_dx(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t d = itr_last_dim(n->out);
	for (int64_t r = begin; r < end; r++) {
		const float *y = itr_out(n) + r * d, *g = itr_dout(n) + r * d;
		float *dx = itr_din(n, 0) + r * d;
		ITR_LANE_SUM(sum, d, g[j]);
		for (int64_t j = 0; j < d; j++)
			itr_accumulate(&dx[j], (float)n->attr.f[3], g[j] - itr_vexp(y[j]) * sum);
	}
}

static void log_softmax_forward(itr_node *n) { by_rows(n, log_softmax_rows); }
static void log_softmax_backward(itr_node *n)
{
	if (begin_gradient(n, 0))
		by_rows(n, log_softmax_dx);
}

static void log_softmax_ref_forward(itr_node *n)
{
	const int64_t d = itr_last_dim(n->out);
	for (int64_t r = 0; r < rows_of(n); r++) {
		const double *x = itr_in64(n, 0) + r * d;
		double top;
		const double sum = sum_of_exp(x, d, &top);
		for (int64_t j = 0; j < d; j++)
			itr_out64(n)[r * d + j] = x[j] - top - log(sum);
	}
}

static void log_softmax_ref_backward(itr_node *n)
{
	const int64_t d = itr_last_dim(n->out);
	double *dx = itr_ref_grad(n, 0);
	for (int64_t r = 0; dx && r < rows_of(n); r++) {
		const double *y = itr_out64(n) + r * d, *g = itr_dout64(n) + r * d;
		double sum = 0, size = 0;
		for (int64_t j = 0; j < d; j++) {
			sum += g[j];
			size += fabs(g[j]);
		}
		for (int64_t j = 0; j < d; j++) {
			dx[r * d + j] += g[j] - exp(y[j]) * sum;
			itr_ref_terms(n, 0, fabs(g[j]) + exp(y[j]) * size);
		}
	}
}

static itr_var *log_softmax_sample(itr_case *c, int which)
{
	if (which >= 2)
		return NULL;
	return itr_log_softmax(c->tape, itr_case_input(c, 2, (int64_t[]){ itr_case_int(c, 1, 5), itr_case_int(c, 1, 40) }, 3, 0));
}

const itr_op itr_op_log_softmax = { "log_softmax",
	                            1,
	                            ITR_OP_UNSAVED_IN0,
	                            row_shape,
	                            log_softmax_forward,
	                            log_softmax_backward,
	                            log_softmax_ref_forward,
	                            log_softmax_ref_backward,
	                            NULL,
	                            log_softmax_sample };
itr_var *itr_log_softmax(itr_tape *t, itr_var *x) { return itr_apply1(t, &itr_op_log_softmax, x, NULL); }

/* --- l2norm: saved = 1 / max(|x|, 1e-12) per row -------------------------------------------------------------------------------------- */
static void l2norm_shape(itr_node *n)
{
	row_shape(n);
	n->saved_count = rows_of(n);
}

ITR_CLONES static void l2norm_rows(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t d = itr_last_dim(n->out);
	for (int64_t r = begin; r < end; r++) {
		const float *x = itr_in(n, 0) + r * d;
		ITR_LANE_SUM(squares, d, x[j] * x[j]);
		const float inverse = 1.0f / fmaxf(sqrtf(squares), 1e-12f);
		((float *)n->saved)[r] = inverse;
		for (int64_t j = 0; j < d; j++)
			itr_out(n)[r * d + j] = x[j] * inverse;
	}
}

ITR_CLONES static void l2norm_dx(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t d = itr_last_dim(n->out);
	for (int64_t r = begin; r < end; r++) {
		const float *y = itr_out(n) + r * d, *g = itr_dout(n) + r * d, inverse = ((const float *)n->saved)[r];
		float *dx = itr_din(n, 0) + r * d;
		ITR_LANE_SUM(dot, d, g[j] * y[j]);
		for (int64_t j = 0; j < d; j++)
			itr_accumulate(&dx[j], (float)n->attr.f[3], inverse * (g[j] - y[j] * dot));
	}
}

static void l2norm_forward(itr_node *n) { by_rows(n, l2norm_rows); }
static void l2norm_backward(itr_node *n)
{
	if (begin_gradient(n, 0))
		by_rows(n, l2norm_dx);
}

static void l2norm_ref_forward(itr_node *n)
{
	const int64_t d = itr_last_dim(n->out);
	for (int64_t r = 0; r < rows_of(n); r++) {
		double s = 0;
		for (int64_t j = 0; j < d; j++)
			s += itr_in64(n, 0)[r * d + j] * itr_in64(n, 0)[r * d + j];
		((double *)n->saved)[r] = 1 / fmax(sqrt(s), 1e-12);
		for (int64_t j = 0; j < d; j++)
			itr_out64(n)[r * d + j] = itr_in64(n, 0)[r * d + j] * ((double *)n->saved)[r];
	}
}

static void l2norm_ref_backward(itr_node *n)
{
	const int64_t d = itr_last_dim(n->out);
	double *dx = itr_ref_grad(n, 0);
	for (int64_t r = 0; dx && r < rows_of(n); r++) {
		const double *y = itr_out64(n) + r * d, *g = itr_dout64(n) + r * d;
		double dot = 0, size = 0;
		for (int64_t j = 0; j < d; j++) {
			dot += g[j] * y[j];
			size += fabs(g[j] * y[j]);
		}
		for (int64_t j = 0; j < d; j++) {
			dx[r * d + j] += ((double *)n->saved)[r] * (g[j] - y[j] * dot);
			itr_ref_terms(n, 0, ((double *)n->saved)[r] * (fabs(g[j]) + fabs(y[j]) * size));
		}
	}
}

static itr_var *l2norm_sample(itr_case *c, int which)
{
	return which < 2 ? itr_l2norm(c->tape, itr_case_input(c, 2, (int64_t[]){ itr_case_int(c, 1, 5), itr_case_int(c, 1, 40) }, 2, 0.5))
	                 : NULL;
}

const itr_op itr_op_l2norm = {
	"l2norm",     1, ITR_OP_UNSAVED_IN0, l2norm_shape, l2norm_forward, l2norm_backward, l2norm_ref_forward, l2norm_ref_backward, NULL,
	l2norm_sample
};
itr_var *itr_l2norm(itr_tape *t, itr_var *x) { return itr_apply1(t, &itr_op_l2norm, x, NULL); }
