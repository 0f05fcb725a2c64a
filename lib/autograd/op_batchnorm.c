/* batchnorm: activation((x - mean) rstd gamma + beta + residual). Ioffe & Szegedy 2015, torch's conventions. The activation and the residual are part of the op because each would otherwise
 * be one more pass over memory each way: all that is kept is x, and the backward pass makes the activation's argument again.
 * attr.f = eps, momentum; attr.i = batch statistics, activation; saved = mean, rstd, a, b, each (C): z = a x + b. */
#include <math.h>
#include <string.h>

#include "autograd/activation.h"
#include "autograd/lanes.h"
#include "autograd/op_util.h"
#include "autograd/ops.h"
#include "base/parallel.h"

static int64_t channels(const itr_node *n) { return itr_last_dim(n->out); }
static int64_t rows_of(const itr_node *n) { return n->out->count / channels(n); }
static bool by_batch(const itr_node *n) { return n->attr.i[0] && itr_node_training(n); }

/* Rows a piece: a quarter of the second-level cache, since each is read twice. */
static int64_t piece_rows(const itr_node *n) { return ITR_MAX((int64_t)1, 65536 / channels(n)); }
static int64_t pieces(const itr_node *n) { return (rows_of(n) + piece_rows(n) - 1) / piece_rows(n); }

static void shape(itr_node *n)
{
	const itr_var *x = n->in[0], *g = n->in[1], *b = n->in[2], *r = n->in[3];
	if (!x || !g || !b || x->rank < 2 || g->count != itr_last_dim(x) || b->count != g->count || (r && r->count != x->count))
		itr_shape_bug(n, "x (..., C), gamma (C), beta (C), residual as x or none");
	itr_shape_like(n, x);
	if (by_batch(n) && rows_of(n) < 2)
		itr_shape_bug(n, "more than one row for batch statistics");
	if (!by_batch(n) && (!n->state[0] || !n->state[1]))
		itr_shape_bug(n, "running statistics, since those of the batch are not used");
	n->saved_count = 4 * channels(n);
	n->scratch_count = (2 * pieces(n) + 2) * channels(n);
}

/* --- the two sums of a piece, over its own mean so that nothing cancels ------------------------------------------------------------------- */

ITR_CLONES static void piece_statistics(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t c = channels(n);
	const float *x = itr_in(n, 0), inverse = 1.0f / (float)(end - begin);
	float *out = (float *)n->scratch + begin / piece_rows(n) * 2 * c, *restrict mean = out, *restrict m2 = out + c;
	memset(out, 0, (size_t)c * 2 * sizeof *out);
	int64_t r = begin;
	for (; r + 4 <= end; r += 4) {
		const float *p = x + r * c, *q = p + c, *s = q + c, *t = s + c;
		for (int64_t j = 0; j < c; j++)
			mean[j] += (p[j] + q[j]) + (s[j] + t[j]);
	}
	for (; r < end; r++)
		for (int64_t j = 0; j < c; j++)
			mean[j] += x[r * c + j];
	for (int64_t j = 0; j < c; j++)
		mean[j] *= inverse;
	for (r = begin; r + 2 <= end; r += 2) {
		const float *p = x + r * c, *q = p + c;
		for (int64_t j = 0; j < c; j++)
			m2[j] += (p[j] - mean[j]) * (p[j] - mean[j]) + (q[j] - mean[j]) * (q[j] - mean[j]);
	}
	for (; r < end; r++)
		for (int64_t j = 0; j < c; j++)
			m2[j] += (x[r * c + j] - mean[j]) * (x[r * c + j] - mean[j]);
}

/* Chan et al.'s rule, piece by piece in their order. */
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
		itr_node_chunks(n, rows_of(n), piece_rows(n), piece_statistics);
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

#define BY_ACTIVATION(n, CASE) \
	switch ((itr_activation)(n)->attr.i[1]) { \
	case ITR_ACT_RELU: CASE(RELU) break; \
	case ITR_ACT_RELU6: CASE(RELU6) break; \
	case ITR_ACT_HARDSWISH: CASE(HARDSWISH) break; \
	case ITR_ACT_HARDSIGMOID: CASE(HARDSIGMOID) break; \
	default: CASE(NONE) break; \
	}

ITR_CLONES static void normalise(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t c = channels(n);
	const float *restrict a = (const float *)n->saved + 2 * c, *restrict b = a + c;
	for (int64_t r = begin; r < end; r++) {
		const float *restrict x = itr_in(n, 0) + r * c, *restrict s = n->in[3] ? itr_in(n, 3) + r * c : NULL;
		float *restrict y = itr_out(n) + r * c;
#define CASE(KIND) \
	if (s) \
		for (int64_t j = 0; j < c; j++) { \
			const float z = x[j] * a[j] + b[j] + s[j]; \
			y[j] = ITR_ACT_FORWARD_##KIND(z); \
		} \
	else \
		for (int64_t j = 0; j < c; j++) { \
			const float z = x[j] * a[j] + b[j]; \
			y[j] = ITR_ACT_FORWARD_##KIND(z); \
		}
		BY_ACTIVATION(n, CASE)
#undef CASE
	}
}

static void forward(itr_node *n)
{
	coefficients(n);
	itr_node_chunks(n, rows_of(n), itr_chunk_rows(channels(n)), normalise);
}

/* --- backward: dz = dy slope(z); a piece's sums of dz and of dz (x - mean), then dx ----------------------------------------------------------- */

/* The sums of one strip of sixteen (or the fewer that are left) channels over the rows of a piece; lanes is a constant where it is sixteen, and the sums then live in registers. */
#define STRIP(lanes) \
	for (int64_t r = begin; r < end; r++) { \
		const float *x = itr_in(n, 0) + r * c + j0, *g = itr_dout(n) + r * c + j0; \
		for (int l = 0; l < (lanes); l++) { \
			const float z = x[l] * a[l] + b[l] + (res ? res[r * c + j0 + l] : 0); \
			const float dz = g[l] * SLOPE(z); \
			(void)z; \
			sum[l] += dz; \
			dot[l] += dz * (x[l] - mean[l]); \
		} \
	}
#define STRIPS(KIND) \
	ITR_CLONES static void strip_##KIND(const itr_node *n, int64_t begin, int64_t end, int64_t j0, float *out) \
	{ \
		typedef float real; \
		const int64_t c = channels(n); \
		const float *res = n->in[3] ? itr_in(n, 3) : NULL, *saved = (const float *)n->saved + j0; \
		const int lanes = (int)ITR_MIN((int64_t)ITR_LANES, c - j0); \
		float sum[ITR_LANES] = { 0 }, dot[ITR_LANES] = { 0 }, mean[ITR_LANES] = { 0 }, a[ITR_LANES] = { 0 }, b[ITR_LANES] = { 0 }; \
		for (int l = 0; l < lanes; l++) { \
			mean[l] = saved[l]; \
			a[l] = saved[2 * c + l]; \
			b[l] = saved[3 * c + l]; \
		} \
		if (lanes == ITR_LANES && !res) { \
			res = NULL; \
			STRIP(ITR_LANES) \
		} else \
			STRIP(lanes) \
		for (int l = 0; l < lanes; l++) { \
			out[j0 + l] = sum[l]; \
			out[c + j0 + l] = dot[l]; \
		} \
	}
#define SLOPE ITR_ACT_SLOPE_NONE
STRIPS(NONE)
#undef SLOPE
#define SLOPE ITR_ACT_SLOPE_RELU
STRIPS(RELU)
#undef SLOPE
#define SLOPE ITR_ACT_SLOPE_RELU6
STRIPS(RELU6)
#undef SLOPE
#define SLOPE ITR_ACT_SLOPE_HARDSWISH
STRIPS(HARDSWISH)
#undef SLOPE
#define SLOPE ITR_ACT_SLOPE_HARDSIGMOID
STRIPS(HARDSIGMOID)
#undef SLOPE

static void piece_sums(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t c = channels(n);
	float *out = (float *)n->scratch + begin / piece_rows(n) * 2 * c;
	for (int64_t j0 = 0; j0 < c; j0 += ITR_LANES) {
#define CASE(KIND) strip_##KIND(n, begin, end, j0, out);
		BY_ACTIVATION(n, CASE)
#undef CASE
	}
}

/* dx = a dz - p - q (x - mean), p and q (C) zero where the statistics are constants; the residual's gradient is dz. */
ITR_CLONES static void input_gradient(itr_node *n, int64_t begin, int64_t end)
{
	typedef float real;
	const int64_t c = channels(n);
	const float *restrict mean = n->saved, *restrict a = mean + 2 * c, *restrict b = a + c, *restrict p = (const float *)n->scratch + 2 * pieces(n) * c, *restrict q = p + c;
	const float bx = (float)n->attr.f[2], br = (float)n->attr.f[3];
	for (int64_t r = begin; r < end; r++) {
		const float *restrict x = itr_in(n, 0) + r * c, *restrict s = n->in[3] ? itr_in(n, 3) + r * c : NULL, *restrict g = itr_dout(n) + r * c;
		float *restrict dx = itr_din(n, 0) ? itr_din(n, 0) + r * c : NULL, *restrict dr = n->in[3] && itr_din(n, 3) ? itr_din(n, 3) + r * c : NULL;
#define EACH(KIND, residual, store) \
	for (int64_t j = 0; j < c; j++) { \
		const float z = x[j] * a[j] + b[j] + (residual), dz = g[j] * ITR_ACT_SLOPE_##KIND(z); \
		(void)z; \
		store; \
	}
#define DX (a[j] * dz - p[j] - q[j] * (x[j] - mean[j]))
#define CASE(KIND) \
	if (dr && br != 0) \
		EACH(KIND, s[j], dr[j] += dz) \
	else if (dr) \
		EACH(KIND, s[j], dr[j] = dz) \
	if (dx && s && bx == 0) \
		EACH(KIND, s[j], dx[j] = DX) \
	else if (dx && s) \
		EACH(KIND, s[j], dx[j] += DX) \
	else if (dx && bx == 0) \
		EACH(KIND, 0, dx[j] = DX) \
	else if (dx) \
		EACH(KIND, 0, dx[j] += DX)
		BY_ACTIVATION(n, CASE)
#undef EACH
#undef DX
#undef CASE
	}
}

static void backward(itr_node *n)
{
	const int64_t c = channels(n);
	float *dg = itr_din(n, 1), *db = itr_din(n, 2), *p = (float *)n->scratch + 2 * pieces(n) * c, *q = p + c;
	const float bg = dg ? itr_grad_beta(n, 1) : 0, bb = db ? itr_grad_beta(n, 2) : 0;
	itr_node_chunks(n, rows_of(n), piece_rows(n), piece_sums);
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
		itr_node_chunks(n, rows_of(n), itr_chunk_rows(c), input_gradient);
}

/* --- reference ------------------------------------------------------------------------------------------------------------------------------ */

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
	for (int64_t j = 0; j < c; j++) {
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
		double sum = 0, dot = 0;
		for (int64_t i = j; i < n->out->count; i += c) {
			const double dz = itr_dout64(n)[i] * ref_slope(n, ref_argument(n, i));
			sum += dz;
			dot += dz * (itr_in64(n, 0)[i] - s[j]) * s[c + j];
			if (dr)
				dr[i] += dz;
		}
		if (dg)
			dg[j] += dot;
		if (db)
			db[j] += sum;
		for (int64_t i = j; dx && i < n->out->count; i += c) {
			const double dz = itr_dout64(n)[i] * ref_slope(n, ref_argument(n, i)), x = (itr_in64(n, 0)[i] - s[j]) * s[c + j];
			dx[i] += itr_in64(n, 1)[j] * s[c + j] * (by_batch(n) ? dz - sum / (double)rows - x * dot / (double)rows : dz);
		}
	}
}

/* Batch and running statistics, each activation, with and without residual. Eight rows at least: the gradient of two rows by their own statistics is all cancellation (x is then +-1
 * whatever it was), and its largest element says nothing about the size of the terms that float rounds. */
static itr_var *sample(itr_case *c, int which)
{
	static const itr_activation acts[] = { ITR_ACT_NONE, ITR_ACT_RELU, ITR_ACT_RELU6, ITR_ACT_HARDSWISH, ITR_ACT_HARDSIGMOID };
	static float mean[] = { 0.5f, -1, 0, 2, 1, 0.25f, -0.5f }, var[] = { 1, 0.5f, 2, 0.1f, 1.5f, 3, 1 };
	if (which >= 10)
		return NULL;
	const int64_t d = itr_case_int(c, 1, ITR_LEN(mean)), s[] = { 2, itr_case_int(c, 2, 4), itr_case_int(c, 2, 4), d };
	const itr_norm o = { .eps = which % 2 ? 1e-3 : 1e-5, .momentum = 0.1, .batch_statistics = which < 5, .activation = acts[which % 5], .running_mean = which < 5 ? NULL : mean, .running_var = which < 5 ? NULL : var };
	itr_var *x = itr_case_input(c, 4, s, 2, 0.5), *g = itr_case_input(c, 1, &d, 0.5, 2), *b = itr_case_input(c, 1, &d, 1, 0.5);
	return itr_batchnorm(c->tape, x, g, b, which % 3 == 1 ? itr_case_input(c, 4, s, 1, 0) : NULL, &o);
}

const itr_op itr_op_batchnorm = { "batchnorm", 4, 0, shape, forward, backward, ref_forward, ref_backward, NULL, sample };

itr_var *itr_batchnorm(itr_tape *t, itr_var *x, itr_var *gamma, itr_var *beta, itr_var *residual, const itr_norm *o)
{
	itr_var *in[] = { x, gamma, beta, residual };
	return itr_apply(t, &itr_op_batchnorm, in, 4, &(itr_attr){ .f = { o->eps, o->momentum }, .i = { o->batch_statistics, (int64_t)o->activation } }, NULL, 0, (void *const[2]){ o->running_mean, o->running_var });
}
