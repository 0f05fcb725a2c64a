/* conv_transpose2d: the gradient of conv2d with respect to its input, as an op. x (B, H, W, C), w (C, O, KH, KW), bias (O) or none ->
 * (B, (H - 1) stride - 2 padding + KH + output_padding, ..., O). attr.i = stride, padding, output_padding. scratch: a gradient of x to add.
 */
#include <string.h>

#include "autograd/op_util.h"
#include "autograd/ops.h"
#include "tensor/conv.h"

/* Shape of the convolution whose input is our output and whose output is our input. */
static itr_conv geometry(const itr_node *n)
{
	const itr_var *x = n->in[0], *w = n->in[1];
	const int64_t stride = n->attr.i[0], pad = n->attr.i[1], more = n->attr.i[2];
	itr_conv g = { .batch = x->shape[0],
		       .c = w->shape[1],
		       .o = w->shape[0],
		       .kh = w->shape[2],
		       .kw = w->shape[3],
		       .stride = stride,
		       .dilation = 1,
		       .groups = 1 };
	if (stride < 1 || pad < 0 || more < 0 || more >= stride)
		itr_shape_bug(n, "a stride of at least 1, no negative padding, an output padding below the stride");
	g.h = (x->shape[1] - 1) * stride - 2 * pad + g.kh + more;
	g.w = (x->shape[2] - 1) * stride - 2 * pad + g.kw + more;
	if (!itr_conv_shape(&g, pad) || g.oh != x->shape[1] || g.ow != x->shape[2])
		itr_shape_bug(n, "a padding that leaves something");
	return g;
}

static void shape(itr_node *n)
{
	const itr_var *x = n->in[0], *w = n->in[1], *b = n->in[2];
	if (!x || !w || x->rank != 4 || w->rank != 4 || w->shape[0] != x->shape[3] || (b && b->count != w->shape[1]))
		itr_shape_bug(n, "x (B, H, W, C), w (C, O, KH, KW), bias (O) or none");
	const itr_conv g = geometry(n);
	itr_shape_set(n, 4, (int64_t[]){ g.batch, g.h, g.w, g.c });
	n->scratch_count = x->count;
}

static double flops(const itr_node *n)
{
	const itr_conv g = geometry(n);
	return itr_conv_flops(&g);
}

ITR_CLONES static void add_bias(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t o = itr_last_dim(n->out);
	for (int64_t r = begin; r < end; r++)
		for (int64_t j = 0; j < o; j++)
			itr_out(n)[r * o + j] += itr_in(n, 2)[j];
}

/* Pieces of columns, rows in order. */
ITR_CLONES static void bias_gradient(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t o = itr_last_dim(n->out);
	for (int64_t r = 0; r < n->out->count / o; r++)
		for (int64_t j = begin; j < end; j++)
			itr_din(n, 2)[j] += itr_dout(n)[r * o + j];
}

static void forward(itr_node *n)
{
	const itr_conv g = geometry(n);
	itr_conv_backward_input(&g, itr_tape_compute(n->tape), itr_in(n, 0), itr_in(n, 1), 0, itr_out(n), n->threads);
	if (n->in[2])
		itr_node_chunks(n, n->out->count / g.c, itr_chunk_rows(g.c), add_bias);
}

ITR_CLONES static void add_scratch(itr_node *n, int64_t begin, int64_t end)
{
	for (int64_t i = begin; i < end; i++)
		itr_din(n, 0)[i] += ((const float *)n->scratch)[i];
}

static void backward(itr_node *n)
{
	const itr_conv g = geometry(n);
	const itr_compute compute = itr_tape_compute(n->tape);
	if (itr_din(n, 0)) {
		const bool add = itr_grad_beta(n, 0) != 0.0f;
		itr_conv_forward(&g, compute, itr_dout(n), itr_in(n, 1), add ? n->scratch : itr_din(n, 0), n->threads);
		if (add)
			itr_node_chunks(n, n->in[0]->count, ITR_CHUNK, add_scratch);
	}
	if (itr_din(n, 1))
		itr_conv_backward_weight(&g, compute, itr_dout(n), itr_in(n, 0), itr_grad_beta(n, 1), itr_din(n, 1), n->threads);
	if (n->in[2] && itr_zeroed_grad(n, 2))
		itr_node_chunks(n, g.c, 64, bias_gradient);
}

/* f(ctx, output, input, weight) for every multiplication. */
struct ref {
	const double *x, *w, *g;
	double *y, *dx, *dw;
};

static void ref_each(const itr_conv *g, struct ref *r)
{
	for (int64_t at = 0; at < g->batch * g->oh * g->ow * g->o; at++) {
		const int64_t c = at % g->o, j = at / g->o % g->ow, i = at / g->o / g->ow % g->oh, b = at / g->o / g->ow / g->oh;
		for (int64_t k = 0; k < g->c * g->kh * g->kw; k++) {
			const int64_t v = k % g->kw, u = k / g->kw % g->kh, o = k / g->kw / g->kh, w = c * g->c * g->kh * g->kw + k;
			const int64_t y = i * g->stride + u - g->top, x = j * g->stride + v - g->left;
			if (y < 0 || y >= g->h || x < 0 || x >= g->w)
				continue;
			const int64_t to = ((b * g->h + y) * g->w + x) * g->c + o;
			if (r->y)
				r->y[to] += r->x[at] * r->w[w];
			if (r->dx)
				r->dx[at] += r->g[to] * r->w[w];
			if (r->dw)
				r->dw[w] += r->g[to] * r->x[at];
		}
	}
}

static void ref_forward(itr_node *n)
{
	const itr_conv g = geometry(n);
	struct ref r = { .x = itr_in64(n, 0), .w = itr_in64(n, 1), .y = itr_out64(n) };
	for (int64_t i = 0; i < n->out->count; i++)
		r.y[i] = n->in[2] ? itr_in64(n, 2)[i % g.c] : 0;
	ref_each(&g, &r);
}

static void ref_backward(itr_node *n)
{
	const itr_conv g = geometry(n);
	struct ref r = { .x = itr_in64(n, 0), .w = itr_in64(n, 1), .g = itr_dout64(n), .dx = itr_ref_grad(n, 0), .dw = itr_ref_grad(n, 1) };
	double *db = n->in[2] ? itr_ref_grad(n, 2) : NULL;
	ref_each(&g, &r);
	for (int64_t i = 0; db && i < n->out->count; i++)
		db[i % g.c] += r.g[i];
}

/* The autoencoder's (4, stride 2, padding 1), without stride, with an output padding, kernels that are not square, x twice. */
static itr_var *sample(itr_case *c, int which)
{
	static const struct {
		int64_t h, w, c, o, kh, kw, stride, pad, more;
		bool bias;
	} cases[] = {
		{ 3, 4, 5, 3, 4, 4, 2, 1, 0, true },
		{ 4, 3, 2, 6, 3, 3, 1, 1, 0, false },
		{ 3, 3, 4, 2, 3, 3, 2, 1, 1, true },
		{ 2, 5, 3, 17, 2, 3, 3, 0, 2, false },
	};
	if (which >= ITR_LEN(cases) + 1)
		return NULL;
	const int k = which % ITR_LEN(cases);
	const int64_t o = cases[k].o;
	itr_var *x = itr_case_input(c, 4, (int64_t[]){ 2, cases[k].h, cases[k].w, cases[k].c }, 1, 0);
	itr_var *w = itr_case_input(c, 4, (int64_t[]){ cases[k].c, o, cases[k].kh, cases[k].kw }, 0.4, 0);
	itr_var *b = cases[k].bias ? itr_case_input(c, 1, &o, 1, 0) : NULL;
	itr_var *y = itr_conv_transpose2d(c->tape, x, w, b, cases[k].stride, cases[k].pad, cases[k].more);
	return which == k ? y
	                  : itr_mul(c->tape, y, itr_conv_transpose2d(c->tape, x, w, NULL, cases[k].stride, cases[k].pad, cases[k].more));
}

const itr_op itr_op_conv_transpose2d = {
	"conv_transpose2d", 3, ITR_OP_UNSAVED_IN2 | ITR_OP_UNSAVED_OUT, shape, forward, backward, ref_forward, ref_backward, flops, sample
};

itr_var *itr_conv_transpose2d(itr_tape *t, itr_var *x, itr_var *w, itr_var *bias, int64_t stride, int64_t padding, int64_t output_padding)
{
	itr_var *in[] = { x, w, bias };
	return itr_apply(t, &itr_op_conv_transpose2d, in, 3, &(itr_attr){ .i = { stride, padding, output_padding } }, NULL, 0, NULL);
}
