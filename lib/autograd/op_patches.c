/* patches: (B, H, W, C) -> (B (H/p) (W/p), p p C): each p x p square as one row, channels last, the left operand of a convolution with
 * stride p.
 */
#include <string.h>

#include "autograd/op_util.h"
#include "autograd/ops.h"

static void shape(itr_node *n)
{
	const itr_var *x = n->in[0];
	const int64_t p = n->attr.i[0];
	if (!x || x->rank != 4 || p < 1 || x->shape[1] % p || x->shape[2] % p)
		itr_shape_bug(n, "(B, H, W, C), H and W multiples of the patch");
	itr_shape_set(n, 2, (int64_t[]){ x->shape[0] * (x->shape[1] / p) * (x->shape[2] / p), p * p * x->shape[3] });
}

/* First element of line y of patch r, and elements a line. */
static int64_t line_of(const itr_node *n, int64_t r, int64_t y)
{
	const int64_t p = n->attr.i[0], h = n->in[0]->shape[1], w = n->in[0]->shape[2], c = n->in[0]->shape[3], across = w / p,
		      per = across * (h / p);
	const int64_t b = r / per, row = r % per / across, column = r % across;
	return ((b * h + row * p + y) * w + column * p) * c;
}

static void copy_rows(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t p = n->attr.i[0], line = p * n->in[0]->shape[3];
	for (int64_t r = begin; r < end; r++)
		for (int64_t y = 0; y < p; y++)
			memcpy(itr_out(n) + (r * p + y) * line, itr_in(n, 0) + line_of(n, r, y), (size_t)line * sizeof(float));
}

static void forward(itr_node *n) { itr_node_chunks(n, n->out->shape[0], itr_chunk_rows(n->out->shape[1]), copy_rows); }

static void backward(itr_node *n)
{
	const int64_t p = n->attr.i[0], line = p * n->in[0]->shape[3];
	float *d = itr_din(n, 0);
	float beta = d ? itr_grad_beta(n, 0) : 0;
	for (int64_t r = 0; d && r < n->out->shape[0]; r++)
		for (int64_t y = 0; y < p; y++) {
			float *to = d + line_of(n, r, y);
			for (int64_t k = 0; k < line; k++)
				itr_accumulate(&to[k], beta, itr_dout(n)[(r * p + y) * line + k]);
		}
}

static void ref_forward(itr_node *n)
{
	const int64_t p = n->attr.i[0], line = p * n->in[0]->shape[3];
	for (int64_t r = 0; r < n->out->shape[0]; r++)
		for (int64_t y = 0; y < p; y++)
			memcpy(itr_out64(n) + (r * p + y) * line, itr_in64(n, 0) + line_of(n, r, y), (size_t)line * sizeof(double));
}

static void ref_backward(itr_node *n)
{
	const int64_t p = n->attr.i[0], line = p * n->in[0]->shape[3];
	double *d = itr_ref_grad(n, 0);
	for (int64_t r = 0; d && r < n->out->shape[0]; r++)
		for (int64_t y = 0; y < p; y++)
			for (int64_t k = 0; k < line; k++)
				d[line_of(n, r, y) + k] += itr_dout64(n)[(r * p + y) * line + k];
}

static itr_var *sample(itr_case *c, int which)
{
	if (which >= 2)
		return NULL;
	int64_t p = itr_case_int(c, 1, 3),
		s[] = { itr_case_int(c, 1, 3), p * itr_case_int(c, 1, 3), p * itr_case_int(c, 1, 3), itr_case_int(c, 1, 3) };
	return itr_patches(c->tape, itr_case_input(c, 4, s, 1, 0), p);
}

const itr_op itr_op_patches = {
	"patches", 1, ITR_OP_UNSAVED_IN0 | ITR_OP_UNSAVED_OUT, shape, forward, backward, ref_forward, ref_backward, NULL, sample
};

itr_var *itr_patches(itr_tape *t, itr_var *x, int64_t p) { return itr_apply1(t, &itr_op_patches, x, &(itr_attr){ .i = { p } }); }
