/* max_pool, avg_pool: windows of kernel x kernel, attr.i = kernel, stride, padding; global_pool: the mean over H and W. Channels last: all
 * inner loops are over channels. */
#include <math.h>
#include <string.h>

#include "autograd/op_util.h"
#include "autograd/ops.h"
#include "tensor/bf16.h"
#include "tensor/conv.h"

static itr_conv window(const itr_node *n)
{
	const itr_var *x = n->in[0];
	itr_conv g = { .batch = x->shape[0],
		       .h = x->shape[1],
		       .w = x->shape[2],
		       .c = x->shape[3],
		       .o = x->shape[3],
		       .kh = n->attr.i[0],
		       .kw = n->attr.i[0],
		       .stride = n->attr.i[1],
		       .dilation = 1,
		       .groups = 1 };
	if (n->attr.i[2] * 2 > n->attr.i[0] || !itr_conv_shape(&g, n->attr.i[2]))
		itr_shape_bug(n, "a picture that is not smaller than the window, padding of at most half of it");
	return g;
}

static void pool_shape(itr_node *n)
{
	if (!n->in[0] || n->in[0]->rank != 4)
		itr_shape_bug(n, "x (B, H, W, C)");
	const itr_conv g = window(n);
	itr_shape_set(n, 4, (int64_t[]){ g.batch, g.oh, g.ow, g.c });
	n->out->bf16 = n->in[0]->bf16;
}

/* The window of output row r: its positions in x that are inside the image. */
struct span { int64_t b, h0, h1, w0, w1; };

static struct span span_of(const itr_conv *g, int64_t r)
{
	const int64_t j = r % g->ow, i = r / g->ow % g->oh, h = i * g->stride - g->top, w = j * g->stride - g->left;
	return (struct span){ r / g->ow / g->oh, ITR_MAX(h, (int64_t)0), ITR_MIN(h + g->kh, g->h), ITR_MAX(w, (int64_t)0),
		              ITR_MIN(w + g->kw, g->w) };
}

/* A piece of the backward pass is an image, because windows overlap. The first position with the maximum gets the gradient; `left` is the
 * gradient that is not assigned yet. */
enum { LANES = 64 };
#define SAME(v) (v)
#define MAX_POOL(CLONES, value, real, LOAD, STORE, forward_name, backward_name) \
	CLONES static void forward_name(itr_node *n, int64_t begin, int64_t end) \
	{ \
		const itr_conv g = window(n); \
		for (int64_t r = begin; r < end; r++) { \
			const struct span s = span_of(&g, r); \
			value *restrict y = (value *)n->out->data + r * g.c; \
			for (int64_t j = 0; j < g.c; j++) \
				y[j] = STORE((real)-INFINITY); \
			for (int64_t h = s.h0; h < s.h1; h++) \
				for (int64_t w = s.w0; w < s.w1; w++) { \
					const value *restrict x = (const value *)n->in[0]->data + ((s.b * g.h + h) * g.w + w) * g.c; \
					for (int64_t j = 0; j < g.c; j++) \
						y[j] = LOAD(x[j]) > LOAD(y[j]) || LOAD(x[j]) != LOAD(x[j]) ? x[j] : y[j]; \
				} \
		} \
	} \
	CLONES static void backward_name(itr_node *n, int64_t begin, int64_t end) \
	{ \
		const itr_conv g = window(n); \
		for (int64_t k = begin * g.oh * g.ow * g.c; k < end * g.oh * g.ow * g.c; k += ITR_MIN((int64_t)LANES, g.c - k % g.c)) { \
			const int64_t j0 = k % g.c; \
			const struct span s = span_of(&g, k / g.c); \
			const value *restrict y = (const value *)n->out->data + k, *restrict dy = (const value *)n->out->grad + k; \
			const int lanes = (int)ITR_MIN((int64_t)LANES, g.c - j0); \
			real left[LANES]; \
			for (int l = 0; l < lanes; l++) \
				left[l] = LOAD(dy[l]); \
			for (int64_t h = s.h0; h < s.h1; h++) \
				for (int64_t w = s.w0; w < s.w1; w++) { \
					const int64_t at = ((s.b * g.h + h) * g.w + w) * g.c + j0; \
					const value *restrict x = (const value *)n->in[0]->data + at; \
					value *restrict dx = (value *)n->in[0]->grad + at; \
					for (int l = 0; l < lanes; l++) { \
						const bool hit = LOAD(x[l]) == LOAD(y[l]); \
						dx[l] = STORE(LOAD(dx[l]) + (hit ? left[l] : 0)); \
						left[l] = hit ? 0 : left[l]; \
					} \
				} \
		} \
	}
MAX_POOL(ITR_CLONES, float, float, SAME, SAME, max_rows, max_back)
MAX_POOL(ITR_CLONES_BF16, uint16_t, float, itr_bf16_load, itr_bf16_round, max_rows_bf16, max_back_bf16)
MAX_POOL(, double, double, SAME, SAME, max_ref_rows, max_ref_back)

static void max_forward(itr_node *n)
{
	itr_node_chunks(n, n->out->count / itr_last_dim(n->out), itr_chunk_rows(itr_last_dim(n->out)),
	                n->in[0]->bf16 ? max_rows_bf16 : max_rows);
}

static void max_backward(itr_node *n)
{
	const itr_var *x = n->in[0];
	if (!x->needs_grad)
		return;
	if (itr_grad_beta(n, 0) == 0.0f)
		memset(x->grad, 0, (size_t)x->count * (x->bf16 ? sizeof(uint16_t) : sizeof(float)));
	itr_node_chunks(n, x->shape[0], 1, x->bf16 ? max_back_bf16 : max_back);
}

static void max_ref_forward(itr_node *n) { max_ref_rows(n, 0, n->out->count / itr_last_dim(n->out)); }

static void max_ref_backward(itr_node *n)
{
	if (itr_ref_grad(n, 0))
		max_ref_back(n, 0, n->in[0]->shape[0]);
}

static itr_var *max_sample(itr_case *c, int which)
{
	static const int64_t k[][3] = { { 3, 2, 1 }, { 2, 2, 0 }, { 3, 1, 1 } };
	if (which >= ITR_LEN(k))
		return NULL;
	return itr_max_pool(
		c->tape, itr_case_input(c, 4, (int64_t[]){ 2, itr_case_int(c, 3, 7), itr_case_int(c, 3, 7), itr_case_int(c, 1, 19) }, 1, 0),
		k[which][0], k[which][1], k[which][2]);
}

const itr_op itr_op_max_pool = { "max_pool",       1,    ITR_OP_BF16, pool_shape, max_forward, max_backward, max_ref_forward,
	                         max_ref_backward, NULL, max_sample };

itr_var *itr_max_pool(itr_tape *t, itr_var *x, int64_t kernel, int64_t stride, int64_t padding)
{
	return itr_apply1(t, &itr_op_max_pool, x, &(itr_attr){ .i = { kernel, stride, padding } });
}

/* --- avg_pool ------------------------------------------------------------------------------------------------------------------------- */

#define AVERAGE(real, CLONES, forward_name, backward_name) \
	CLONES static void forward_name(itr_node *n, int64_t begin, int64_t end) \
	{ \
		const itr_conv g = window(n); \
		const real inverse = 1 / (real)(g.kh * g.kw); \
		for (int64_t r = begin; r < end; r++) { \
			const struct span s = span_of(&g, r); \
			real *restrict y = (real *)n->out->data + r * g.c; \
			memset(y, 0, (size_t)g.c * sizeof *y); \
			for (int64_t h = s.h0; h < s.h1; h++) \
				for (int64_t w = s.w0; w < s.w1; w++) { \
					const real *restrict x = (const real *)n->in[0]->data + ((s.b * g.h + h) * g.w + w) * g.c; \
					for (int64_t j = 0; j < g.c; j++) \
						y[j] += x[j]; \
				} \
			for (int64_t j = 0; j < g.c; j++) \
				y[j] *= inverse; \
		} \
	} \
	CLONES static void backward_name(itr_node *n, int64_t begin, int64_t end) \
	{ \
		const itr_conv g = window(n); \
		const real inverse = 1 / (real)(g.kh * g.kw); \
		for (int64_t r = begin * g.oh * g.ow; r < end * g.oh * g.ow; r++) { \
			const struct span s = span_of(&g, r); \
			const real *restrict d = (const real *)n->out->grad + r * g.c; \
			for (int64_t h = s.h0; h < s.h1; h++) \
				for (int64_t w = s.w0; w < s.w1; w++) { \
					real *restrict x = (real *)n->in[0]->grad + ((s.b * g.h + h) * g.w + w) * g.c; \
					for (int64_t j = 0; j < g.c; j++) \
						x[j] += d[j] * inverse; \
				} \
		} \
	}
AVERAGE(float, ITR_CLONES, avg_rows, avg_back)
AVERAGE(double, , avg_ref_rows, avg_ref_back)

static void avg_forward(itr_node *n)
{
	itr_node_chunks(n, n->out->count / itr_last_dim(n->out), itr_chunk_rows(itr_last_dim(n->out)), avg_rows);
}
static void avg_ref_forward(itr_node *n) { avg_ref_rows(n, 0, n->out->count / itr_last_dim(n->out)); }

static void avg_backward(itr_node *n)
{
	float *d = itr_din(n, 0);
	if (!d)
		return;
	if (itr_grad_beta(n, 0) == 0.0f)
		memset(d, 0, (size_t)n->in[0]->count * sizeof *d);
	itr_node_chunks(n, n->in[0]->shape[0], 1, avg_back);
}

static void avg_ref_backward(itr_node *n)
{
	if (itr_ref_grad(n, 0))
		avg_ref_back(n, 0, n->in[0]->shape[0]);
}

static itr_var *avg_sample(itr_case *c, int which)
{
	static const int64_t k[][3] = { { 2, 2, 0 }, { 3, 2, 1 } };
	if (which >= ITR_LEN(k))
		return NULL;
	return itr_avg_pool(
		c->tape, itr_case_input(c, 4, (int64_t[]){ 2, itr_case_int(c, 3, 7), itr_case_int(c, 3, 7), itr_case_int(c, 1, 19) }, 1, 0),
		k[which][0], k[which][1], k[which][2]);
}

const itr_op itr_op_avg_pool = { "avg_pool",
	                         1,
	                         ITR_OP_UNSAVED_IN0 | ITR_OP_UNSAVED_OUT,
	                         pool_shape,
	                         avg_forward,
	                         avg_backward,
	                         avg_ref_forward,
	                         avg_ref_backward,
	                         NULL,
	                         avg_sample };

itr_var *itr_avg_pool(itr_tape *t, itr_var *x, int64_t kernel, int64_t stride, int64_t padding)
{
	return itr_apply1(t, &itr_op_avg_pool, x, &(itr_attr){ .i = { kernel, stride, padding } });
}

/* --- global_pool ---------------------------------------------------------------------------------------------------------------------- */

static void global_shape(itr_node *n)
{
	const itr_var *x = n->in[0];
	if (!x || x->rank != 4)
		itr_shape_bug(n, "x (B, H, W, C)");
	itr_shape_set(n, 2, (int64_t[]){ x->shape[0], x->shape[3] });
}

static int64_t pixels(const itr_node *n) { return n->in[0]->shape[1] * n->in[0]->shape[2]; }

/* The result is float, also for a bfloat16 input. */
#define GLOBAL_POOL(value, LOAD, STORE, forward_name, backward_name) \
	ITR_CLONES_BF16 static void forward_name(itr_node *n, int64_t begin, int64_t end) \
	{ \
		const int64_t c = n->out->shape[1], m = pixels(n); \
		for (int64_t b = begin; b < end; b++) { \
			float *restrict y = itr_out(n) + b * c; \
			const value *restrict x = (const value *)n->in[0]->data + b * m * c; \
			memset(y, 0, (size_t)c * sizeof *y); \
			for (int64_t p = 0; p < m; p++) \
				for (int64_t j = 0; j < c; j++) \
					y[j] += LOAD(x[p * c + j]); \
			for (int64_t j = 0; j < c; j++) \
				y[j] *= 1.0f / (float)m; \
		} \
	} \
	ITR_CLONES_BF16 static void backward_name(itr_node *n, int64_t begin, int64_t end) \
	{ \
		const int64_t c = n->out->shape[1], m = pixels(n); \
		const float inverse = 1.0f / (float)m, beta = (float)n->attr.f[3]; \
		for (int64_t r = begin; r < end; r++) { \
			const float *restrict g = itr_dout(n) + r / m * c; \
			value *restrict d = (value *)n->in[0]->grad + r * c; \
			if (beta != 0.0f) \
				for (int64_t j = 0; j < c; j++) \
					d[j] = STORE(LOAD(d[j]) + g[j] * inverse); \
			else \
				for (int64_t j = 0; j < c; j++) \
					d[j] = STORE(g[j] * inverse); \
		} \
	}
GLOBAL_POOL(float, SAME, SAME, global_rows, global_back)
GLOBAL_POOL(uint16_t, itr_bf16_load, itr_bf16_round, global_rows_bf16, global_back_bf16)

static void global_forward(itr_node *n) { itr_node_chunks(n, n->out->shape[0], 1, n->in[0]->bf16 ? global_rows_bf16 : global_rows); }

static void global_backward(itr_node *n)
{
	if (!itr_din(n, 0))
		return;
	n->attr.f[3] = itr_grad_beta(n, 0);
	itr_node_chunks(n, n->in[0]->count / n->out->shape[1], itr_chunk_rows(n->out->shape[1]),
	                n->in[0]->bf16 ? global_back_bf16 : global_back);
}

static void global_ref_forward(itr_node *n)
{
	const int64_t c = n->out->shape[1], m = pixels(n);
	memset(n->out->data, 0, (size_t)n->out->count * sizeof(double));
	for (int64_t i = 0; i < n->in[0]->count; i++)
		itr_out64(n)[i / (m * c) * c + i % c] += itr_in64(n, 0)[i] / (double)m;
}

static void global_ref_backward(itr_node *n)
{
	const int64_t c = n->out->shape[1], m = pixels(n);
	double *d = itr_ref_grad(n, 0);
	for (int64_t i = 0; d && i < n->in[0]->count; i++)
		d[i] += itr_dout64(n)[i / (m * c) * c + i % c] / (double)m;
}

static itr_var *global_sample(itr_case *c, int which)
{
	return which < 2 ? itr_global_pool(c->tape, itr_case_input(c, 4,
	                                                           (int64_t[]){ itr_case_int(c, 1, 3), itr_case_int(c, 1, 5),
	                                                                        itr_case_int(c, 1, 5), itr_case_int(c, 1, 19) },
	                                                           1, 0))
	                 : NULL;
}

const itr_op itr_op_global_pool = { "global_pool",
	                            1,
	                            ITR_OP_BF16 | ITR_OP_UNSAVED_IN0 | ITR_OP_UNSAVED_OUT,
	                            global_shape,
	                            global_forward,
	                            global_backward,
	                            global_ref_forward,
	                            global_ref_backward,
	                            NULL,
	                            global_sample };
itr_var *itr_global_pool(itr_tape *t, itr_var *x) { return itr_apply1(t, &itr_op_global_pool, x, NULL); }
