/* linear: y = x w^T + bias. x (rows, I), w (O, I), bias (O) -> (rows, O). y is set to the bias, then the product is added. */
#include <string.h>

#include "autograd/op_util.h"
#include "autograd/ops.h"
#include "autograd/product.h"

static void shape(itr_node *n)
{
	const itr_var *x = n->in[0], *w = n->in[1], *b = n->in[2];
	if (!x || !w || w->rank != 2 || x->rank < 1 || itr_last_dim(x) != w->shape[1] || (b && b->count != w->shape[0]))
		itr_shape_bug(n, "x (..., I), w (O, I), bias (O) or none");
	int64_t s[ITR_MAX_RANK];
	memcpy(s, x->shape, sizeof s);
	s[x->rank - 1] = w->shape[0];
	itr_shape_set(n, x->rank, s);
}

static int64_t rows_of(const itr_node *n) { return n->in[0]->count / n->in[1]->shape[1]; }

static double flops(const itr_node *n) { return 2.0 * (double)n->in[0]->count * (double)n->in[1]->shape[0]; }

ITR_CLONES static void add_bias(itr_node *n, int64_t begin, int64_t end)
{
	int64_t o = n->in[1]->shape[0];
	const float *b = itr_in(n, 2);
	for (int64_t r = begin; r < end; r++)
		for (int64_t j = 0; j < o; j++)
			itr_out(n)[r * o + j] += b[j];
}

static void forward(itr_node *n)
{
	int64_t m = rows_of(n), i = n->in[1]->shape[1], o = n->in[1]->shape[0];
	itr_node_product(n, false, true, m, o, i, 1, itr_in(n, 0), i, itr_in(n, 1), i, 0, itr_out(n), o);
	if (n->in[2])
		itr_node_chunks(n, m, itr_chunk_rows(o), add_bias);
}

/* Column sums in row order. Work is divided by columns, never by rows, so that the order is fixed. */
ITR_CLONES static void bias_gradient(itr_node *n, int64_t begin, int64_t end)
{
	int64_t o = n->in[1]->shape[0], m = rows_of(n);
	float *d = itr_din(n, 2);
	for (int64_t r = 0; r < m; r++)
		for (int64_t j = begin; j < end; j++)
			d[j] += itr_dout(n)[r * o + j];
}

static void backward(itr_node *n)
{
	int64_t m = rows_of(n), i = n->in[1]->shape[1], o = n->in[1]->shape[0];
	if (itr_din(n, 0))
		itr_node_product(n, false, false, m, i, o, 1, itr_dout(n), o, itr_in(n, 1), i, itr_grad_beta(n, 0), itr_din(n, 0), i);
	if (itr_din(n, 1))
		itr_node_product(n, true, false, o, i, m, 1, itr_dout(n), o, itr_in(n, 0), i, itr_grad_beta(n, 1), itr_din(n, 1), i);
	if (n->in[2] && itr_din(n, 2)) {
		if (itr_grad_beta(n, 2) == 0.0f)
			memset(itr_din(n, 2), 0, (size_t)o * sizeof(float));
		itr_node_chunks(n, o, 256, bias_gradient);
	}
}

static void ref_forward(itr_node *n)
{
	int64_t m = rows_of(n), i = n->in[1]->shape[1], o = n->in[1]->shape[0];
	for (int64_t r = 0; r < m; r++)
		for (int64_t j = 0; j < o; j++) {
			double s = n->in[2] ? itr_in64(n, 2)[j] : 0;
			for (int64_t k = 0; k < i; k++)
				s += itr_in64(n, 0)[r * i + k] * itr_in64(n, 1)[j * i + k];
			itr_out64(n)[r * o + j] = s;
		}
}

static void ref_backward(itr_node *n)
{
	int64_t m = rows_of(n), i = n->in[1]->shape[1], o = n->in[1]->shape[0];
	double *dx = itr_ref_grad(n, 0), *dw = itr_ref_grad(n, 1), *db = n->in[2] ? itr_ref_grad(n, 2) : NULL;
	for (int64_t r = 0; r < m; r++)
		for (int64_t j = 0; j < o; j++) {
			double g = itr_dout64(n)[r * o + j];
			if (db)
				db[j] += g;
			for (int64_t k = 0; k < i; k++) {
				if (dx)
					dx[r * i + k] += g * itr_in64(n, 1)[j * i + k];
				if (dw)
					dw[j * i + k] += g * itr_in64(n, 0)[r * i + k];
			}
		}
}

static itr_var *sample(itr_case *c, int which)
{
	if (which >= 4)
		return NULL;
	int64_t b = itr_case_int(c, 1, 9), i = itr_case_int(c, 1, 20), o = itr_case_int(c, 1, 20);
	itr_var *x = which == 2 ? itr_case_input(c, 3, (int64_t[]){ 2, b, i }, 1, 0) : itr_case_input(c, 2, (int64_t[]){ b, i }, 1, 0);
	itr_var *w = itr_case_input(c, 2, (int64_t[]){ o, i }, 0.5, 0);
	return itr_op_linear_call(c->tape, x, w, which == 1 ? NULL : itr_case_input(c, 1, (int64_t[]){ o }, 1, 0));
}

const itr_op itr_op_linear = {
	"linear", 3, ITR_OP_UNSAVED_IN2 | ITR_OP_UNSAVED_OUT, shape, forward, backward, ref_forward, ref_backward, flops, sample
};

itr_var *itr_op_linear_call(itr_tape *t, itr_var *x, itr_var *w, itr_var *bias)
{
	itr_var *in[] = { x, w, bias };
	return itr_apply(t, &itr_op_linear, in, 3, NULL, NULL, 0, NULL);
}

/* --- with a packed weight: only in inference, so not in the table of ops. state = weight, bias; attr.i = activation ------------------- */
static void packed_shape(itr_node *n)
{
	const itr_var *x = n->in[0], *r = n->in[1];
	const int64_t o = itr_packed_weight_n(n->state[0]);
	if (itr_node_training(n) || !x || x->rank < 1 || itr_last_dim(x) != itr_packed_weight_k(n->state[0]) ||
	    (r && r->count != x->count / itr_last_dim(x) * o))
		itr_shape_bug(n, "a tape in inference, x (..., I), residual (..., O) or none");
	int64_t s[ITR_MAX_RANK];
	memcpy(s, x->shape, sizeof s);
	s[x->rank - 1] = o;
	itr_shape_set(n, x->rank, s);
}

static void packed_forward(itr_node *n)
{
	const itr_packed_weight *w = n->state[0];
	const int64_t o = itr_packed_weight_n(w), k = itr_packed_weight_k(w);
	const itr_epilogue epilogue = { n->state[1], n->in[1] ? itr_in(n, 1) : NULL, o, (itr_activation)n->attr.i[0] };
	itr_packed_weight_product(w, n->in[0]->count / k, itr_in(n, 0), k, &epilogue, itr_out(n), o, n->threads);
}

static double packed_flops(const itr_node *n) { return 2.0 * (double)n->in[0]->count * (double)itr_packed_weight_n(n->state[0]); }

static const itr_op linear_packed = { "linear (packed)", 2, 0, packed_shape, packed_forward, NULL, NULL, NULL, packed_flops, NULL };

itr_var *itr_linear_packed(itr_tape *t, itr_var *x, const itr_packed_weight *w, const float *bias, itr_var *residual, itr_activation a)
{
	itr_var *in[] = { x, residual };
	void *const state[] = { (void *)(uintptr_t)w, (void *)(uintptr_t)bias };
	return itr_apply(t, &linear_packed, in, 2, &(itr_attr){ .i = { a } }, NULL, 0, state);
}
