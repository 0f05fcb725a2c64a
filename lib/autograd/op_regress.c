/* cosine_loss (mean over rows of 1 - cos) and mse (mean over elements). */
#include <math.h>

#include "autograd/lanes.h"
#include "autograd/op_util.h"
#include "autograd/ops.h"

static void pair_shape(itr_node *n)
{
	const itr_var *a = n->in[0], *b = n->in[1];
	if (!a || !b || a->rank != 2 || b->rank != 2 || a->shape[0] != b->shape[0] || a->shape[1] != b->shape[1])
		itr_shape_bug(n, "two (B, D)");
	itr_shape_set(n, 1, (int64_t[]){ 1 });
	n->saved_count = 3 * a->shape[0];                /* per row: dot, |a|^2, |b|^2 */
}

/* cos = dot / sqrt(max(|a|^2 |b|^2, eps^2)), eps 1e-8: torch.nn.functional.cosine_similarity. */
static const double EPS2 = 1e-16;

static void cosine_rows(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t d = n->in[0]->shape[1];
	for (int64_t r = begin; r < end; r++) {
		const float *a = itr_in(n, 0) + r * d, *b = itr_in(n, 1) + r * d;
		float *saved = (float *)n->saved + 3 * r;
		ITR_LANE_SUM(dot, d, a[j] * b[j]);
		ITR_LANE_SUM(aa, d, a[j] * a[j]);
		ITR_LANE_SUM(bb, d, b[j] * b[j]);
		saved[0] = dot;
		saved[1] = aa;
		saved[2] = bb;
	}
}

static void cosine_loss_forward(itr_node *n)
{
	const int64_t b = n->in[0]->shape[0];
	double sum = 0;
	itr_node_chunks(n, b, itr_chunk_rows(n->in[0]->shape[1]), cosine_rows);
	for (int64_t r = 0; r < b; r++) {
		const float *s = (const float *)n->saved + 3 * r;
		sum += 1 - (double)s[0] / sqrt(fmax((double)s[1] * (double)s[2], EPS2));
	}
	*itr_out(n) = (float)(sum / (double)b);
}

/* d cos / da = b / (|a||b|) - cos a / |a|^2, and the same with a and b exchanged. */
static void cosine_back(itr_node *n, int k, int64_t begin, int64_t end)
{
	const int64_t d = n->in[0]->shape[1];
	const float g = -*itr_dout(n) / (float)n->in[0]->shape[0], beta = (float)n->attr.f[3 - k];
	for (int64_t r = begin; r < end; r++) {
		const float *x = itr_in(n, k) + r * d, *y = itr_in(n, 1 - k) + r * d, *s = (const float *)n->saved + 3 * r;
		const double product = (double)s[1] * (double)s[2], norm = sqrt(fmax(product, EPS2)), cosine = (double)s[0] / norm;
		const float cy = (float)(1 / norm), cx = product > EPS2 ? (float)(cosine / (double)s[1 + k]) : 0.0f;
		float *dx = itr_din(n, k) + r * d;
		for (int64_t j = 0; j < d; j++)
			itr_accumulate(&dx[j], beta, g * (cy * y[j] - cx * x[j]));
	}
}
static void cosine_back0(itr_node *n, int64_t begin, int64_t end) { cosine_back(n, 0, begin, end); }
static void cosine_back1(itr_node *n, int64_t begin, int64_t end) { cosine_back(n, 1, begin, end); }

static void cosine_loss_backward(itr_node *n)
{
	for (int k = 0; k < 2; k++)
		if (itr_din(n, k)) {
			n->attr.f[3 - k] = itr_grad_beta(n, k);
			itr_node_chunks(n, n->in[0]->shape[0], itr_chunk_rows(n->in[0]->shape[1]), k ? cosine_back1 : cosine_back0);
		}
}

static void cosine_loss_ref_forward(itr_node *n)
{
	const int64_t b = n->in[0]->shape[0], d = n->in[0]->shape[1];
	double sum = 0;
	for (int64_t r = 0; r < b; r++) {
		double *s = (double *)n->saved + 3 * r;
		s[0] = s[1] = s[2] = 0;
		for (int64_t j = 0; j < d; j++) {
			double x = itr_in64(n, 0)[r * d + j], y = itr_in64(n, 1)[r * d + j];
			s[0] += x * y;
			s[1] += x * x;
			s[2] += y * y;
		}
		sum += 1 - s[0] / sqrt(fmax(s[1] * s[2], EPS2));
	}
	*itr_out64(n) = sum / (double)b;
}

static void cosine_loss_ref_backward(itr_node *n)
{
	const int64_t b = n->in[0]->shape[0], d = n->in[0]->shape[1];
	double g = -*itr_dout64(n) / (double)b;
	for (int k = 0; k < 2; k++) {
		double *dx = itr_ref_grad(n, k);
		for (int64_t r = 0; dx && r < b; r++) {
			const double *s = (const double *)n->saved + 3 * r, norm = sqrt(fmax(s[1] * s[2], EPS2));
			for (int64_t j = 0; j < d; j++)
				dx[r * d + j] +=
					g * (itr_in64(n, 1 - k)[r * d + j] / norm - s[0] / norm * itr_in64(n, k)[r * d + j] / s[1 + k]);
		}
	}
}

static itr_var *cosine_loss_sample(itr_case *c, int which)
{
	if (which >= 2)
		return NULL;
	int64_t b = itr_case_int(c, 1, 5), d = itr_case_int(c, 2, 30);
	itr_var *x = itr_case_input(c, 2, (int64_t[]){ b, d }, 1, 0);
	return itr_cosine_loss(c->tape, x, itr_case_input(c, 2, (int64_t[]){ b, d }, 2, 0.3));
}

/* --- mse ------------------------------------------------------------------------------------------------------------------------------ */
static void mse_shape(itr_node *n)
{
	pair_shape(n);
	n->saved_count = n->in[0]->shape[0];             /* per row: sum of squares */
}

static void mse_rows(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t d = n->in[0]->shape[1];
	for (int64_t r = begin; r < end; r++) {
		const float *a = itr_in(n, 0) + r * d, *b = itr_in(n, 1) + r * d;
		ITR_LANE_SUM(sum, d, (a[j] - b[j]) * (a[j] - b[j]));
		((float *)n->saved)[r] = sum;
	}
}

static void mse_forward(itr_node *n)
{
	double sum = 0;
	itr_node_chunks(n, n->in[0]->shape[0], itr_chunk_rows(n->in[0]->shape[1]), mse_rows);
	for (int64_t r = 0; r < n->in[0]->shape[0]; r++)
		sum += (double)((const float *)n->saved)[r];
	*itr_out(n) = (float)(sum / (double)n->in[0]->count);
}

static void mse_backward(itr_node *n)
{
	const float g = 2 * *itr_dout(n) / (float)n->in[0]->count;
	for (int k = 0; k < 2; k++) {
		float *dx = itr_din(n, k), beta = dx ? itr_grad_beta(n, k) : 0;
		for (int64_t i = 0; dx && i < n->in[0]->count; i++)
			itr_accumulate(&dx[i], beta, g * (itr_in(n, k)[i] - itr_in(n, 1 - k)[i]));
	}
}

static void mse_ref_forward(itr_node *n)
{
	double sum = 0;
	for (int64_t i = 0; i < n->in[0]->count; i++)
		sum += (itr_in64(n, 0)[i] - itr_in64(n, 1)[i]) * (itr_in64(n, 0)[i] - itr_in64(n, 1)[i]);
	*itr_out64(n) = sum / (double)n->in[0]->count;
}

static void mse_ref_backward(itr_node *n)
{
	const double g = 2 * *itr_dout64(n) / (double)n->in[0]->count;
	for (int k = 0; k < 2; k++) {
		double *dx = itr_ref_grad(n, k);
		for (int64_t i = 0; dx && i < n->in[0]->count; i++)
			dx[i] += g * (itr_in64(n, k)[i] - itr_in64(n, 1 - k)[i]);
	}
}

static itr_var *mse_sample(itr_case *c, int which)
{
	if (which >= 1)
		return NULL;
	itr_var *x = itr_case_input(c, 2, (int64_t[]){ 4, 19 }, 1, 0);
	return itr_mse(c->tape, x, itr_case_input(c, 2, x->shape, 1, 0));
}

#define OP(name, shape)                                                                                                                    \
	const itr_op itr_op_##name = { #name,                                                                                              \
		                       2,                                                                                                  \
		                       ITR_OP_LOSS,                                                                                        \
		                       shape,                                                                                              \
		                       name##_forward,                                                                                     \
		                       name##_backward,                                                                                    \
		                       name##_ref_forward,                                                                                 \
		                       name##_ref_backward,                                                                                \
		                       NULL,                                                                                               \
		                       name##_sample }
OP(cosine_loss, pair_shape);
OP(mse, mse_shape);

itr_var *itr_cosine_loss(itr_tape *t, itr_var *a, itr_var *b) { return itr_apply2(t, &itr_op_cosine_loss, a, b, NULL); }
itr_var *itr_mse(itr_tape *t, itr_var *a, itr_var *b) { return itr_apply2(t, &itr_op_mse, a, b, NULL); }
