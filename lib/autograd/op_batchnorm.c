/* batchnorm: activation((x - mean) rstd gamma + beta + residual). Ioffe & Szegedy 2015, PyTorch's conventions. The activation and the
 * residual are part of the op, because separate ops would need one more pass over memory each, forward and backward. Only x is saved;
 * backward recomputes the argument of the activation. attr.f = eps, momentum; attr.i = batch statistics, activation; saved = mean, rstd, a,
 * b, each (C): z = a x + b. */
#include <math.h>
#include <string.h>

#include "autograd/activation.h"
#include "autograd/lanes.h"
#include "autograd/op_util.h"
#include "autograd/ops.h"
#include "base/parallel.h"
#include "tensor/bf16.h"

static int64_t channels(const itr_node *n) { return itr_last_dim(n->out); }
static int64_t rows_of(const itr_node *n) { return n->out->count / channels(n); }
static bool by_batch(const itr_node *n) { return n->attr.i[0] && itr_node_training(n); }

/* Rows in a piece: a quarter of the second-level cache, because each is read twice. */
static int64_t piece_rows(const itr_node *n) { return ITR_MAX((int64_t)1, 65536 / channels(n)); }
static int64_t pieces(const itr_node *n) { return (rows_of(n) + piece_rows(n) - 1) / piece_rows(n); }

static void shape(itr_node *n)
{
	const itr_var *x = n->in[0], *g = n->in[1], *b = n->in[2], *r = n->in[3];
	if (!x || !g || !b || x->rank < 2 || g->count != itr_last_dim(x) || b->count != g->count || (r && r->count != x->count))
		itr_shape_bug(n, "x (..., C), gamma (C), beta (C), residual as x or none");
	itr_shape_like(n, x);
	n->out->bf16 = x->bf16;
	if (by_batch(n) && rows_of(n) < 2)
		itr_shape_bug(n, "more than one row for batch statistics");
	if (!by_batch(n) && (!n->state[0] || !n->state[1]))
		itr_shape_bug(n, "running statistics, since those of the batch are not used");
	n->saved_count = 4 * channels(n);
	n->scratch_count = (2 * pieces(n) + 2) * channels(n);
}

#define BY_ACTIVATION(n, CASE) \
	switch ((itr_activation)(n)->attr.i[1]) { \
	case ITR_ACT_RELU: CASE(RELU) break; \
	case ITR_ACT_RELU6: CASE(RELU6) break; \
	case ITR_ACT_HARDSWISH: CASE(HARDSWISH) break; \
	case ITR_ACT_HARDSIGMOID: CASE(HARDSIGMOID) break; \
	default: CASE(NONE) break; \
	}

#define VALUE float
#define LOAD(v) (v)
#define STORE(f) (f)
#define LANES 16
#define NAME(name) name
#include "autograd/op_batchnorm.inc"

#define VALUE uint16_t
#define LOAD(v) itr_bf16_load(v)
#define STORE(f) itr_bf16_round(f)
#define LANES 32
#define NAME(name) name##_bf16
#include "autograd/op_batchnorm.inc"

/* The pass for x's type, over all rows in pieces of `step`. */
#define OVER_ROWS(n, step, pass) itr_node_chunks(n, rows_of(n), step, (n)->in[0]->bf16 ? pass##_bf16 : pass)

/* Combines the pieces in order, by the parallel algorithm of Chan et al. */
static void combine(const itr_node *n, int64_t j, double *mean, double *m2)
{
	const int64_t c = channels(n), step = piece_rows(n), rows = rows_of(n);
	double count = 0;
	*mean = *m2 = 0;
	for (int64_t p = 0; p < pieces(n); p++) {
		const float *s = (const float *)n->scratch + p * 2 * c;
		const double m = (double)ITR_MIN(step, rows - p * step), d = (double)s[j] - *mean, total = count + m;
		*mean += d * m / total;
		*m2 += (double)s[c + j] + d * d * count * m / total;
		count = total;
	}
}

static void move_running(const itr_node *n, int64_t j, double mean, double m2)
{
	const double f = n->attr.f[1];
	if (n->state[0])
		((float *)n->state[0])[j] = (float)((1 - f) * (double)((float *)n->state[0])[j] + f * mean);
	if (n->state[1])
		((float *)n->state[1])[j] = (float)((1 - f) * (double)((float *)n->state[1])[j] + f * m2 / (double)(rows_of(n) - 1));
}

static void coefficients(itr_node *n)
{
	const int64_t c = channels(n);
	float *s = n->saved;
	if (by_batch(n))
		OVER_ROWS(n, piece_rows(n), piece_statistics);
	for (int64_t j = 0; j < c; j++) {
		double mean, var;
		if (by_batch(n)) {
			combine(n, j, &mean, &var);
			move_running(n, j, mean, var);
			var /= (double)rows_of(n);
		} else {
			mean = (double)((const float *)n->state[0])[j];
			var = (double)((const float *)n->state[1])[j];
		}
		const double rstd = 1 / sqrt(var + n->attr.f[0]), a = rstd * (double)itr_in(n, 1)[j];
		s[j] = (float)mean;
		s[c + j] = (float)rstd;
		s[2 * c + j] = (float)a;
		s[3 * c + j] = (float)((double)itr_in(n, 2)[j] - mean * a);
	}
}

static void forward(itr_node *n)
{
	if (!n->recomputing)
		coefficients(n);
	OVER_ROWS(n, itr_chunk_rows(channels(n)), normalise);
}

static void backward(itr_node *n)
{
	const int64_t c = channels(n);
	float *dg = itr_din(n, 1), *db = itr_din(n, 2), *p = (float *)n->scratch + 2 * pieces(n) * c, *q = p + c;
	const float bg = dg ? itr_grad_beta(n, 1) : 0, bb = db ? itr_grad_beta(n, 2) : 0;
	OVER_ROWS(n, piece_rows(n), piece_sums);
	for (int64_t j = 0; j < c; j++) {
		double sum = 0, dot = 0;
		for (int64_t k = 0; k < pieces(n); k++) {
			sum += (double)((float *)n->scratch)[k * 2 * c + j];
			dot += (double)((float *)n->scratch)[k * 2 * c + c + j];
		}
		const double rstd = (double)((float *)n->saved)[c + j], a = (double)((float *)n->saved)[2 * c + j], m = (double)rows_of(n);
		if (dg)
			itr_accumulate(&dg[j], bg, (float)(dot * rstd));
		if (db)
			itr_accumulate(&db[j], bb, (float)sum);
		p[j] = by_batch(n) ? (float)(a * sum / m) : 0;
		q[j] = by_batch(n) ? (float)(a * rstd * rstd * dot / m) : 0;
	}
	const bool want_x = itr_din(n, 0), want_r = n->in[3] && itr_din(n, 3);
	if (want_x)
		n->attr.f[2] = itr_grad_beta(n, 0);
	if (want_r)
		n->attr.f[3] = itr_grad_beta(n, 3);
	if (want_x || want_r)
		OVER_ROWS(n, itr_chunk_rows(c), input_gradient);
}

/* --- reference ------------------------------------------------------------------------------------------------------------------------ */

static double ref_activation(const itr_node *n, double z)
{
#define CASE(KIND) return ITR_ACT_FORWARD_##KIND(z);
	BY_ACTIVATION(n, CASE)
#undef CASE
	return z;
}

static double ref_slope(const itr_node *n, double z)
{
	typedef double real;
#define CASE(KIND) return ITR_ACT_SLOPE_##KIND(z);
	BY_ACTIVATION(n, CASE)
#undef CASE
	return 1;
}

static double ref_argument(const itr_node *n, int64_t i)
{
	const int64_t c = channels(n), j = i % c;
	const double *s = n->saved;
	return (itr_in64(n, 0)[i] - s[j]) * s[c + j] * itr_in64(n, 1)[j] + itr_in64(n, 2)[j] + (n->in[3] ? itr_in64(n, 3)[i] : 0);
}

static void ref_forward(itr_node *n)
{
	const int64_t c = channels(n), rows = rows_of(n);
	double *s = n->saved;
	for (int64_t j = 0; j < c && !n->recomputing; j++) {
		double mean = 0, m2 = 0;
		for (int64_t r = 0; r < rows; r++)
			mean += itr_in64(n, 0)[r * c + j] / (double)rows;
		for (int64_t r = 0; r < rows; r++)
			m2 += (itr_in64(n, 0)[r * c + j] - mean) * (itr_in64(n, 0)[r * c + j] - mean);
		if (by_batch(n))
			move_running(n, j, mean, m2);
		s[j] = by_batch(n) ? mean : (double)((const float *)n->state[0])[j];
		s[c + j] = 1 / sqrt((by_batch(n) ? m2 / (double)rows : (double)((const float *)n->state[1])[j]) + n->attr.f[0]);
	}
	for (int64_t i = 0; i < n->out->count; i++)
		itr_out64(n)[i] = ref_activation(n, ref_argument(n, i));
}

static void ref_backward(itr_node *n)
{
	const int64_t c = channels(n), rows = rows_of(n);
	const double *s = n->saved;
	double *dx = itr_ref_grad(n, 0), *dg = itr_ref_grad(n, 1), *db = itr_ref_grad(n, 2), *dr = n->in[3] ? itr_ref_grad(n, 3) : NULL;
	for (int64_t j = 0; j < c; j++) {
		double sum = 0, dot = 0, size = 0;
		for (int64_t i = j; i < n->out->count; i += c) {
			const double dz = itr_dout64(n)[i] * ref_slope(n, ref_argument(n, i));
			sum += dz;
			size += fabs(dz) * (fabs(itr_in64(n, 0)[i]) + fabs(s[j])) * s[c + j];
			dot += dz * (itr_in64(n, 0)[i] - s[j]) * s[c + j];
			if (dr)
				dr[i] += dz;
		}
		itr_ref_terms(n, 1, size);
		if (dg)
			dg[j] += dot;
		if (db)
			db[j] += sum;
		for (int64_t i = j; dx && i < n->out->count; i += c) {
			const double dz = itr_dout64(n)[i] * ref_slope(n, ref_argument(n, i)), x = (itr_in64(n, 0)[i] - s[j]) * s[c + j];
			dx[i] += itr_in64(n, 1)[j] * s[c + j] * (by_batch(n) ? dz - sum / (double)rows - x * dot / (double)rows : dz);
			if (by_batch(n))
				itr_ref_terms(n, 0,
				              fabs(itr_in64(n, 1)[j]) * s[c + j] *
				                      (fabs(dz) + fabs(sum) / (double)rows +
				                       (fabs(itr_in64(n, 0)[i]) + fabs(s[j])) * s[c + j] * size / (double)rows));
		}
	}
}

/* Batch and running statistics, each activation, with and without residual; two rows at least, as batch statistics need. */
static itr_var *sample(itr_case *c, int which)
{
	static const itr_activation acts[] = { ITR_ACT_NONE, ITR_ACT_RELU, ITR_ACT_RELU6, ITR_ACT_HARDSWISH, ITR_ACT_HARDSIGMOID };
	static float mean[] = { 0.5f, -1, 0, 2, 1, 0.25f, -0.5f }, var[] = { 1, 0.5f, 2, 0.1f, 1.5f, 3, 1 };
	if (which >= 10)
		return NULL;
	const int64_t d = itr_case_int(c, 1, ITR_LEN(mean)), s[] = { 2, itr_case_int(c, 1, 4), itr_case_int(c, 1, 4), d };
	const itr_norm o = { .eps = which % 2 ? 1e-3 : 1e-5,
		             .momentum = 0.1,
		             .batch_statistics = which < 5,
		             .activation = acts[which % 5],
		             .running_mean = which < 5 ? NULL : mean,
		             .running_var = which < 5 ? NULL : var };
	itr_var *x = itr_case_input(c, 4, s, 2, 0.5), *g = itr_case_input(c, 1, &d, 0.5, 2), *b = itr_case_input(c, 1, &d, 1, 0.5);
	return itr_batchnorm(c->tape, x, g, b, which % 3 == 1 ? itr_case_input(c, 4, s, 1, 0) : NULL, &o);
}

const itr_op itr_op_batchnorm = { "batchnorm",
	                          4,
	                          ITR_OP_BF16 << 0 | ITR_OP_BF16 << 3 | ITR_OP_UNSAVED_IN2 | ITR_OP_UNSAVED_OUT,
	                          shape,
	                          forward,
	                          backward,
	                          ref_forward,
	                          ref_backward,
	                          NULL,
	                          sample };

itr_var *itr_batchnorm(itr_tape *t, itr_var *x, itr_var *gamma, itr_var *beta, itr_var *residual, const itr_norm *o)
{
	itr_var *in[] = { x, gamma, beta, residual };
	return itr_apply(t, &itr_op_batchnorm, in, 4,
	                 &(itr_attr){ .f = { o->eps, o->momentum }, .i = { o->batch_statistics, (int64_t)o->activation } }, NULL, 0,
	                 (void *const[2]){ o->running_mean, o->running_var });
}
