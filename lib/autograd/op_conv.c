/* conv2d: x (B, H, W, C), w (O, C / groups, KH, KW), bias (O) or none -> (B, OH, OW, O). attr.i = stride, padding, dilation, groups. With
 * groups = C = O the depthwise kernels are used. */
#include <string.h>

#include "autograd/op_util.h"
#include "autograd/ops.h"
#include "tensor/bf16.h"
#include "tensor/conv.h"
#include "tensor/depthwise.h"

static itr_conv geometry(const itr_node *n)
{
	const itr_var *x = n->in[0], *w = n->in[1];
	itr_conv g = { .batch = x->shape[0],
		       .h = x->shape[1],
		       .w = x->shape[2],
		       .c = x->shape[3],
		       .o = w->shape[0],
		       .kh = w->shape[2],
		       .kw = w->shape[3],
		       .stride = n->attr.i[0],
		       .dilation = n->attr.i[2],
		       .groups = n->attr.i[3] };
	if (!itr_conv_shape(&g, n->attr.i[1]))
		itr_shape_bug(n, "a picture that is not smaller than the kernel, channels that the groups divide");
	return g;
}

static bool by_channel(const itr_conv *g) { return g->groups > 1 && g->groups == g->c && g->c == g->o && g->dilation == 1; }

static void shape(itr_node *n)
{
	const itr_var *x = n->in[0], *w = n->in[1], *b = n->in[2];
	if (!x || !w || x->rank != 4 || w->rank != 4 || w->shape[1] * n->attr.i[3] != x->shape[3] || (b && b->count != w->shape[0]))
		itr_shape_bug(n, "x (B, H, W, C), w (O, C / groups, KH, KW), bias (O) or none");
	const itr_conv g = geometry(n);
	itr_shape_set(n, 4, (int64_t[]){ g.batch, g.oh, g.ow, g.o });
	n->out->bf16 = x->bf16;
	n->scratch_count = by_channel(&g) ? g.c * g.kh * g.kw : 0;
}

static double flops(const itr_node *n)
{
	const itr_conv g = geometry(n);
	return itr_conv_flops(&g);
}

/* The bias and its gradient: column sums in row order. Work is divided by columns, never by rows, so that the order is fixed. */
#define BIAS(value, LOAD, STORE, forward_name, backward_name) \
	ITR_CLONES static void forward_name(itr_node *n, int64_t begin, int64_t end) \
	{ \
		const int64_t o = itr_last_dim(n->out); \
		const float *restrict b = itr_in(n, 2); \
		value *restrict y = n->out->data; \
		for (int64_t r = begin; r < end; r++) \
			for (int64_t j = 0; j < o; j++) \
				y[r * o + j] = STORE(LOAD(y[r * o + j]) + b[j]); \
	} \
	ITR_CLONES static void backward_name(itr_node *n, int64_t begin, int64_t end) \
	{ \
		const int64_t o = itr_last_dim(n->out), rows = n->out->count / o; \
		const value *restrict dy = n->out->grad; \
		float *restrict d = itr_din(n, 2); \
		for (int64_t r = 0; r < rows; r++) \
			for (int64_t j = begin; j < end; j++) \
				d[j] += LOAD(dy[r * o + j]); \
	}
#define SAME(v) (v)
BIAS(float, SAME, SAME, add_bias, bias_gradient)
BIAS(uint16_t, itr_bf16_load, itr_bf16_round, add_bias_bf16, bias_gradient_bf16)

static void forward(itr_node *n)
{
	const itr_conv g = geometry(n);
	const int64_t rows = n->out->count / g.o;
	if (n->out->bf16)
		itr_conv_forward_bf16(&g, n->in[0]->data, itr_in(n, 1), n->out->data, false, n->threads);
	else if (by_channel(&g)) {
		itr_depthwise_weights(&g, itr_in(n, 1), NULL, n->scratch);
		itr_depthwise(&g, itr_in(n, 0), n->scratch, n->in[2] ? itr_in(n, 2) : NULL, ITR_ACT_NONE, itr_out(n), n->threads);
		return;
	} else
		itr_conv_forward(&g, itr_tape_compute(n->tape), itr_in(n, 0), itr_in(n, 1), itr_out(n), n->threads);
	if (n->in[2])
		itr_node_chunks(n, rows, itr_chunk_rows(g.o), n->out->bf16 ? add_bias_bf16 : add_bias);
}

static void backward(itr_node *n)
{
	const itr_conv g = geometry(n);
	const itr_compute c = itr_tape_compute(n->tape);
	if (itr_din(n, 0)) {
		const float beta = itr_grad_beta(n, 0);
		if (n->out->bf16)
			itr_conv_backward_input_bf16(&g, n->out->grad, itr_in(n, 1), beta, n->in[0]->grad, false, n->threads);
		else if (by_channel(&g))
			itr_depthwise_backward_input(&g, itr_dout(n), itr_in(n, 1), beta, itr_din(n, 0), n->threads);
		else
			itr_conv_backward_input(&g, c, itr_dout(n), itr_in(n, 1), beta, itr_din(n, 0), n->threads);
	}
	if (itr_din(n, 1)) {
		const float beta = itr_grad_beta(n, 1);
		if (n->out->bf16)
			itr_conv_backward_weight_bf16(&g, n->in[0]->data, n->out->grad, beta, itr_din(n, 1), n->threads);
		else if (by_channel(&g))
			itr_depthwise_backward_weight(&g, itr_in(n, 0), itr_dout(n), beta, itr_din(n, 1), n->threads);
		else
			itr_conv_backward_weight(&g, c, itr_in(n, 0), itr_dout(n), beta, itr_din(n, 1), n->threads);
	}
	if (n->in[2] && itr_din(n, 2)) {
		if (itr_grad_beta(n, 2) == 0.0f)
			memset(itr_din(n, 2), 0, (size_t)g.o * sizeof(float));
		itr_node_chunks(n, g.o, 64, n->out->bf16 ? bias_gradient_bf16 : bias_gradient);
	}
}

/* Calls f(ctx, output, input, weight) for every multiplication: the reference loops of forward and backward. */
static void ref_each(const itr_conv *g, void (*f)(void *ctx, int64_t y, int64_t x, int64_t w), void *ctx)
{
	const int64_t cn = g->c / g->groups, on = g->o / g->groups;
	for (int64_t y = 0; y < g->batch * g->oh * g->ow * g->o; y++) {
		const int64_t o = y % g->o, j = y / g->o % g->ow, i = y / g->o / g->ow % g->oh, b = y / g->o / g->ow / g->oh;
		for (int64_t u = 0; u < g->kh; u++)
			for (int64_t v = 0; v < g->kw; v++) {
				const int64_t h = i * g->stride + u * g->dilation - g->top, w = j * g->stride + v * g->dilation - g->left;
				for (int64_t c = 0; h >= 0 && h < g->h && w >= 0 && w < g->w && c < cn; c++)
					f(ctx, y, ((b * g->h + h) * g->w + w) * g->c + o / on * cn + c,
					  ((o * cn + c) * g->kh + u) * g->kw + v);
			}
	}
}

struct ref {
	const double *x, *w, *g;
	double *y, *dx, *dw;
};

static void ref_sum(void *ctx, int64_t y, int64_t x, int64_t w)
{
	struct ref *r = ctx;
	r->y[y] += r->x[x] * r->w[w];
}

static void ref_gradient(void *ctx, int64_t y, int64_t x, int64_t w)
{
	struct ref *r = ctx;
	if (r->dx)
		r->dx[x] += r->g[y] * r->w[w];
	if (r->dw)
		r->dw[w] += r->g[y] * r->x[x];
}

static void ref_forward(itr_node *n)
{
	const itr_conv g = geometry(n);
	struct ref r = { .x = itr_in64(n, 0), .w = itr_in64(n, 1), .y = itr_out64(n) };
	for (int64_t i = 0; i < n->out->count; i++)
		r.y[i] = n->in[2] ? itr_in64(n, 2)[i % g.o] : 0;
	ref_each(&g, ref_sum, &r);
}

static void ref_backward(itr_node *n)
{
	const itr_conv g = geometry(n);
	struct ref r = { .x = itr_in64(n, 0), .w = itr_in64(n, 1), .g = itr_dout64(n), .dx = itr_ref_grad(n, 0), .dw = itr_ref_grad(n, 1) };
	double *db = n->in[2] ? itr_ref_grad(n, 2) : NULL;
	ref_each(&g, ref_gradient, &r);
	for (int64_t i = 0; db && i < n->out->count; i++)
		db[i % g.o] += r.g[i];
}

/* The cases of real networks in small: 1x1, 3x3 and 5x5, strides, same padding on odd sizes, dilation, groups, channel by channel. */
static itr_var *sample(itr_case *c, int which)
{
	static const struct { int64_t b, h, w, c, o, kh, kw, stride, pad, dilation, groups; bool bias;
	} cases[] = {
		{ 2, 5, 4, 3, 7, 1, 1, 1, 0, 1, 1, true },
		{ 2, 6, 5, 4, 5, 3, 3, 1, 1, 1, 1, false },
		{ 1, 7, 8, 3, 6, 3, 3, 2, 1, 1, 1, true },
		{ 1, 6, 7, 2, 3, 5, 5, 2, ITR_PAD_SAME, 1, 1, false },
		{ 1, 9, 9, 3, 2, 7, 7, 2, 3, 1, 1, false },
		{ 1, 8, 7, 2, 3, 3, 3, 1, 2, 2, 1, true },
		{ 1, 5, 6, 4, 6, 3, 3, 2, 1, 1, 2, true },
		{ 2, 4, 4, 6, 4, 1, 1, 2, 0, 1, 1, false },
		{ 1, 4, 3, 4, 6, 1, 1, 1, 0, 1, 2, false },
		{ 2, 7, 6, 19, 19, 3, 3, 1, 1, 1, 19, true },
		{ 1, 8, 9, 17, 17, 3, 3, 2, ITR_PAD_SAME, 1, 17, false },
		{ 1, 9, 7, 5, 5, 5, 5, 1, 2, 1, 5, false },
		{ 1, 8, 7, 18, 18, 5, 5, 2, 2, 1, 18, true },
		{ 1, 6, 6, 4, 4, 3, 3, 1, 2, 2, 4, false },
		{ 1, 3, 3, 2, 2, 3, 2, 3, 0, 1, 2, false },
		{ 1, 16, 14, 1, 2, 3, 3, 1, 1, 1, 1, false },
		{ 2, 7, 8, 9, 10, 3, 3, 1, 1, 1, 1, false },
		{ 1, 9, 16, 10, 9, 3, 3, 2, ITR_PAD_SAME, 1, 1, true },
		{ 1, 6, 9, 9, 33, 3, 5, 1, 1, 1, 1, false },
	};
	if (which >= ITR_LEN(cases))
		return NULL;
	const int64_t cc = cases[which].c, o = cases[which].o;
	itr_var *x = itr_case_input(c, 4, (int64_t[]){ cases[which].b, cases[which].h, cases[which].w, cc }, 1, 0);
	itr_var *w = itr_case_input(c, 4, (int64_t[]){ o, cc / cases[which].groups, cases[which].kh, cases[which].kw }, 0.4, 0);
	return itr_conv2d(c->tape, x, w, cases[which].bias ? itr_case_input(c, 1, &o, 1, 0) : NULL, cases[which].stride, cases[which].pad,
	                  cases[which].dilation, cases[which].groups);
}

const itr_op itr_op_conv2d = {
	"conv2d", 3,     ITR_OP_BF16 | ITR_OP_UNSAVED_IN2 | ITR_OP_UNSAVED_OUT, shape, forward, backward, ref_forward, ref_backward,
	flops,    sample
};

itr_var *itr_conv2d(itr_tape *t, itr_var *x, itr_var *w, itr_var *bias, int64_t stride, int64_t padding, int64_t dilation, int64_t groups)
{
	/* channel by channel is one multiplication for every number read: in floats */
	itr_var *in[] = { x->bf16 && groups == x->shape[x->rank - 1] && groups > 1 ? itr_cast(t, x, false) : x, w, bias };
	return itr_apply(t, &itr_op_conv2d, in, 3, &(itr_attr){ .i = { stride, padding, dilation, groups } }, NULL, 0, NULL);
}

/* --- with packed weights: only in inference, so not in the table of ops. state = weights, bias; attr.i = kernel, stride, padding,
 * activation, results (0: depthwise) ------------ */
static itr_conv packed_geometry(const itr_node *n)
{
	const itr_var *x = n->in[0];
	const int64_t o = n->attr.i[4];
	if (itr_node_training(n) || !x || x->rank != 4)
		itr_shape_bug(n, "a tape in inference, x (B, H, W, C)");
	itr_conv g = { .batch = x->shape[0],
		       .h = x->shape[1],
		       .w = x->shape[2],
		       .c = x->shape[3],
		       .o = o ? o : x->shape[3],
		       .kh = n->attr.i[0],
		       .kw = n->attr.i[0],
		       .stride = n->attr.i[1],
		       .dilation = 1,
		       .groups = o ? 1 : x->shape[3] };
	if (!itr_conv_shape(&g, n->attr.i[2]))
		itr_shape_bug(n, "a picture that is not smaller than the kernel");
	return g;
}

static void packed_shape(itr_node *n)
{
	const itr_conv g = packed_geometry(n);
	itr_shape_set(n, 4, (int64_t[]){ g.batch, g.oh, g.ow, g.o });
	if (n->in[1] && n->in[1]->count != n->out->count)
		itr_shape_bug(n, "a residual as large as the result");
}

static void packed_forward(itr_node *n)
{
	const itr_conv g = packed_geometry(n);
	const itr_epilogue epilogue = { n->state[1], n->in[1] ? itr_in(n, 1) : NULL, g.o, (itr_activation)n->attr.i[3] };
	if (n->attr.i[4])
		itr_conv_packed_forward(&g, n->state[0], itr_in(n, 0), &epilogue, itr_out(n), n->threads);
	else
		itr_depthwise(&g, itr_in(n, 0), n->state[0], epilogue.bias, epilogue.activation, itr_out(n), n->threads);
}

static double packed_flops(const itr_node *n)
{
	const itr_conv g = packed_geometry(n);
	return itr_conv_flops(&g);
}

static const itr_op conv_packed = { "conv2d (packed)", 2, 0, packed_shape, packed_forward, NULL, NULL, NULL, packed_flops, NULL };
static const itr_op conv_packed_in_place = {
	"conv2d (packed, onto the residual)", 2, ITR_OP_IN_PLACE, packed_shape, packed_forward, NULL, NULL, NULL, packed_flops, NULL
};

itr_var *itr_conv_packed(itr_tape *t, itr_var *x, const itr_packed_weight *w, const float *bias, itr_var *residual, bool in_place,
                         int64_t kernel, int64_t stride, int64_t padding, itr_activation a)
{
	itr_var *in[] = { x, residual };
	void *const state[] = { (void *)(uintptr_t)w, (void *)(uintptr_t)bias };
	return itr_apply(t, in_place ? &conv_packed_in_place : &conv_packed, in, 2,
	                 &(itr_attr){ .i = { kernel, stride, padding, (int64_t)a, itr_packed_weight_n(w) } }, NULL, 0, state);
}

itr_var *itr_depthwise_packed(itr_tape *t, itr_var *x, const float *taps, const float *bias, int64_t kernel, int64_t stride,
                              int64_t padding, itr_activation a)
{
	itr_var *in[] = { x };
	void *const state[] = { (void *)(uintptr_t)taps, (void *)(uintptr_t)bias };
	return itr_apply(t, &conv_packed, in, 1, &(itr_attr){ .i = { kernel, stride, padding, (int64_t)a, 0 } }, NULL, 0, state);
}
