/* relu6, hardswish, hardsigmoid, tanh: one pass each (relu and the GELUs are in op_elementwise.c); channel_scale, the multiplication of
 * squeeze-and-excitation. */
#include <math.h>

#include "autograd/activation.h"
#include "autograd/op_util.h"
#include "autograd/ops.h"

static void shape_one(itr_node *n)
{
	if (!n->in[0])
		itr_shape_bug(n, "one input");
	itr_shape_like(n, n->in[0]);
}

#define ACTIVATION(name, KIND)                                                                                                             \
	ITR_CLONES static void name##_piece(itr_node *n, int64_t begin, int64_t end)                                                       \
	{                                                                                                                                  \
		const float *x = itr_in(n, 0);                                                                                             \
		float *y = itr_out(n);                                                                                                     \
		for (int64_t i = begin; i < end; i++)                                                                                      \
			y[i] = ITR_ACT_FORWARD_##KIND(x[i]);                                                                               \
	}                                                                                                                                  \
	ITR_CLONES static void name##_back(itr_node *n, int64_t begin, int64_t end)                                                        \
	{                                                                                                                                  \
		typedef float real;                                                                                                        \
		const float *x = itr_in(n, 0), *g = itr_dout(n);                                                                           \
		float *d = itr_din(n, 0);                                                                                                  \
		if (n->attr.f[3] != 0)                                                                                                     \
			for (int64_t i = begin; i < end; i++)                                                                              \
				d[i] += g[i] * ITR_ACT_SLOPE_##KIND(x[i]);                                                                 \
		else                                                                                                                       \
			for (int64_t i = begin; i < end; i++)                                                                              \
				d[i] = g[i] * ITR_ACT_SLOPE_##KIND(x[i]);                                                                  \
	}                                                                                                                                  \
	static void name##_forward(itr_node *n) { itr_node_chunks(n, n->out->count, ITR_CHUNK, name##_piece); }                            \
	static void name##_backward(itr_node *n)                                                                                           \
	{                                                                                                                                  \
		if (!itr_din(n, 0))                                                                                                        \
			return;                                                                                                            \
		n->attr.f[3] = itr_grad_beta(n, 0);                                                                                        \
		itr_node_chunks(n, n->out->count, ITR_CHUNK, name##_back);                                                                 \
	}                                                                                                                                  \
	static void name##_ref_forward(itr_node *n)                                                                                        \
	{                                                                                                                                  \
		const double *x = itr_in64(n, 0);                                                                                          \
		for (int64_t i = 0; i < n->out->count; i++)                                                                                \
			itr_out64(n)[i] = ITR_ACT_FORWARD_##KIND(x[i]);                                                                    \
	}                                                                                                                                  \
	static void name##_ref_backward(itr_node *n)                                                                                       \
	{                                                                                                                                  \
		typedef double real;                                                                                                       \
		const double *x = itr_in64(n, 0);                                                                                          \
		double *d = itr_ref_grad(n, 0);                                                                                            \
		for (int64_t i = 0; d && i < n->out->count; i++)                                                                           \
			d[i] += itr_dout64(n)[i] * ITR_ACT_SLOPE_##KIND(x[i]);                                                             \
	}                                                                                                                                  \
	static itr_var *name##_sample(itr_case *c, int which)                                                                              \
	{                                                                                                                                  \
		return which < 2 ? itr_##name(c->tape, itr_case_input(c, 2, (int64_t[]){ 9, 31 }, 4, 1)) : NULL;                           \
	}                                                                                                                                  \
	const itr_op itr_op_##name = { #name,                                                                                              \
		                       1,                                                                                                  \
		                       ITR_OP_UNSAVED_OUT,                                                                                 \
		                       shape_one,                                                                                          \
		                       name##_forward,                                                                                     \
		                       name##_backward,                                                                                    \
		                       name##_ref_forward,                                                                                 \
		                       name##_ref_backward,                                                                                \
		                       NULL,                                                                                               \
		                       name##_sample };                                                                                    \
	itr_var *itr_##name(itr_tape *t, itr_var *x) { return itr_apply1(t, &itr_op_##name, x, NULL); }

ACTIVATION(relu6, RELU6)
ACTIVATION(hardswish, HARDSWISH)
ACTIVATION(hardsigmoid, HARDSIGMOID)
ACTIVATION(tanh, TANH)

/* --- channel_scale: x (B, H, W, C) times s (B, C) ------------------------------------------------------------------------------------- */
enum { SMALL = 1 << 18 };

static void scale_shape(itr_node *n)
{
	const itr_var *x = n->in[0], *s = n->in[1];
	if (!x || !s || x->rank != 4 || s->count != x->shape[0] * x->shape[3] || s->shape[0] != x->shape[0])
		itr_shape_bug(n, "x (B, H, W, C), s (B, C)");
	itr_shape_like(n, x);
}

/* Rows are pixels. */
ITR_CLONES static void scale_rows(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t c = itr_last_dim(n->out), pixels = n->out->shape[1] * n->out->shape[2];
	for (int64_t r = begin; r < end; r++) {
		const float *x = itr_in(n, 0) + r * c, *s = itr_in(n, 1) + r / pixels * c;
		float *y = itr_out(n) + r * c;
		for (int64_t j = 0; j < c; j++)
			y[j] = x[j] * s[j];
	}
}

ITR_CLONES static void scale_dx(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t c = itr_last_dim(n->out), pixels = n->out->shape[1] * n->out->shape[2];
	for (int64_t r = begin; r < end; r++) {
		const float *g = itr_dout(n) + r * c, *s = itr_in(n, 1) + r / pixels * c;
		float *d = itr_din(n, 0) + r * c;
		if (n->attr.f[3] != 0)
			for (int64_t j = 0; j < c; j++)
				d[j] += g[j] * s[j];
		else
			for (int64_t j = 0; j < c; j++)
				d[j] = g[j] * s[j];
	}
}

/* A piece is an image, whose pixels are summed in order. */
ITR_CLONES static void scale_ds(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t c = itr_last_dim(n->out), pixels = n->out->shape[1] * n->out->shape[2];
	for (int64_t b = begin; b < end; b++) {
		float *d = itr_din(n, 1) + b * c;
		if (n->attr.f[2] == 0)
			for (int64_t j = 0; j < c; j++)
				d[j] = 0;
		for (int64_t p = 0; p < pixels; p++) {
			const float *g = itr_dout(n) + (b * pixels + p) * c, *x = itr_in(n, 0) + (b * pixels + p) * c;
			for (int64_t j = 0; j < c; j++)
				d[j] += g[j] * x[j];
		}
	}
}

/* Elementwise, so pieces may have any size. Small feature maps: one piece for each thread, which then mostly reads rows that it wrote
 * itself in the layer before. */
static void scale_forward(itr_node *n)
{
	const int64_t c = itr_last_dim(n->out), rows = n->out->count / c;
	itr_node_chunks(n, rows, n->out->count < SMALL ? (rows + n->threads - 1) / n->threads : itr_chunk_rows(c), scale_rows);
}

static void scale_backward(itr_node *n)
{
	if (itr_din(n, 1)) {
		n->attr.f[2] = itr_grad_beta(n, 1);
		itr_node_chunks(n, n->out->shape[0], 1, scale_ds);
	}
	if (itr_din(n, 0)) {
		n->attr.f[3] = itr_grad_beta(n, 0);
		itr_node_chunks(n, n->out->count / itr_last_dim(n->out), itr_chunk_rows(itr_last_dim(n->out)), scale_dx);
	}
}

static int64_t scale_of(const itr_node *n, int64_t i)
{
	return i / (n->out->count / n->out->shape[0]) * itr_last_dim(n->out) + i % itr_last_dim(n->out);
}

static void scale_ref_forward(itr_node *n)
{
	for (int64_t i = 0; i < n->out->count; i++)
		itr_out64(n)[i] = itr_in64(n, 0)[i] * itr_in64(n, 1)[scale_of(n, i)];
}

static void scale_ref_backward(itr_node *n)
{
	double *dx = itr_ref_grad(n, 0), *ds = itr_ref_grad(n, 1);
	for (int64_t i = 0; i < n->out->count; i++) {
		if (dx)
			dx[i] += itr_dout64(n)[i] * itr_in64(n, 1)[scale_of(n, i)];
		if (ds)
			ds[scale_of(n, i)] += itr_dout64(n)[i] * itr_in64(n, 0)[i];
	}
}

static itr_var *scale_sample(itr_case *c, int which)
{
	if (which >= 2)
		return NULL;
	int64_t b = itr_case_int(c, 1, 3), d = itr_case_int(c, 1, 21);
	itr_var *x = itr_case_input(c, 4, (int64_t[]){ b, itr_case_int(c, 1, 4), itr_case_int(c, 1, 4), d }, 1, 0);
	return itr_channel_scale(c->tape, x,
	                         which ? itr_case_input(c, 4, (int64_t[]){ b, 1, 1, d }, 1, 0)
	                               : itr_case_input(c, 2, (int64_t[]){ b, d }, 1, 0));
}

const itr_op itr_op_channel_scale = {
	"channel_scale",    2,    ITR_OP_UNSAVED_OUT, scale_shape, scale_forward, scale_backward, scale_ref_forward,
	scale_ref_backward, NULL, scale_sample
};
itr_var *itr_channel_scale(itr_tape *t, itr_var *x, itr_var *s) { return itr_apply2(t, &itr_op_channel_scale, x, s, NULL); }
