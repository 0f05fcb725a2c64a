/* gather (rows of a table by index), concat and slice (along the last dimension), stack (concatenates rows); reshape, detach and
 * grad_scale, which are views. */
#include <string.h>

#include "autograd/op_util.h"
#include "autograd/ops.h"

static void gather_shape(itr_node *n)
{
	const itr_var *table = n->in[0];
	if (!table || table->rank != 2 || n->n_index < 1)
		itr_shape_bug(n, "table (V, D) and row numbers");
	for (int64_t i = 0; i < n->n_index; i++)
		if (n->index[i] < 0 || n->index[i] >= table->shape[0])
			itr_shape_bug(n, "row numbers inside of the table");
	itr_shape_set(n, 2, (int64_t[]){ n->n_index, table->shape[1] });
}

static void gather_rows(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t d = n->out->shape[1];
	for (int64_t i = begin; i < end; i++)
		memcpy(itr_out(n) + i * d, itr_in(n, 0) + n->index[i] * d, (size_t)d * sizeof(float));
}

static void gather_forward(itr_node *n) { itr_node_chunks(n, n->n_index, itr_chunk_rows(n->out->shape[1]), gather_rows); }

/* Piece p has every SHARES-th row of the table, because frequent rows (words) are neighbours. The sum of a row is in the order of the
 * gathered rows. With one thread there is one piece. */
enum { SHARES = 16 };

ITR_CLONES static void gather_back(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t d = n->out->shape[1], v = n->in[0]->shape[0], step = end - begin == 1 ? SHARES : 1;
	float *dt = itr_din(n, 0);
	if (n->attr.f[3] == 0)
		for (int64_t r = step > 1 ? begin : 0; r < v; r += step)
			memset(dt + r * d, 0, (size_t)d * sizeof *dt);
	for (int64_t i = 0; i < n->n_index; i++) {
		const int64_t r = n->index[i];
		if (step > 1 && r % SHARES != begin)
			continue;
		const float *g = itr_dout(n) + i * d;
		for (int64_t j = 0; j < d; j++)
			dt[r * d + j] += g[j];
	}
}

static void gather_backward(itr_node *n)
{
	if (!itr_din(n, 0))
		return;
	n->attr.f[3] = itr_grad_beta(n, 0);
	itr_node_chunks(n, SHARES, n->threads > 1 ? 1 : SHARES, gather_back);
}

static void gather_ref_forward(itr_node *n)
{
	const int64_t d = n->out->shape[1];
	for (int64_t i = 0; i < n->n_index; i++)
		memcpy(itr_out64(n) + i * d, itr_in64(n, 0) + n->index[i] * d, (size_t)d * sizeof(double));
}

static void gather_ref_backward(itr_node *n)
{
	const int64_t d = n->out->shape[1];
	double *dt = itr_ref_grad(n, 0);
	for (int64_t i = 0; dt && i < n->n_index; i++)
		for (int64_t j = 0; j < d; j++)
			dt[n->index[i] * d + j] += itr_dout64(n)[i * d + j];
}

static itr_var *gather_sample(itr_case *c, int which)
{
	int64_t rows[7], v = itr_case_int(c, 1, 5);
	for (int i = 0; i < 7; i++)
		rows[i] = itr_case_int(c, 0, v - 1);
	if (which >= 3)
		return NULL;
	/* case 2: more rows than pieces, two contributions to one gradient */
	itr_var *table = itr_case_input(c, 2, (int64_t[]){ which == 2 ? 40 : v, 9 }, 1, 0);
	itr_var *y = itr_gather(c->tape, table, which == 2 ? (const int64_t[]){ 39, 0, 16, 32, 0, 7, 39 } : rows, 7);
	return which == 2 ? itr_add(c->tape, itr_gather(c->tape, table, (const int64_t[]){ 1, 1, 2, 0, 39, 38, 5 }, 7), y) : y;
}

const itr_op itr_op_gather = { "gather",
	                       1,
	                       ITR_OP_UNSAVED_IN0 | ITR_OP_UNSAVED_OUT,
	                       gather_shape,
	                       gather_forward,
	                       gather_backward,
	                       gather_ref_forward,
	                       gather_ref_backward,
	                       NULL,
	                       gather_sample };

itr_var *itr_gather(itr_tape *t, itr_var *table, const int64_t *rows, int64_t n)
{
	itr_var *in[] = { table };
	return itr_apply(t, &itr_op_gather, in, 1, NULL, rows, n, NULL);
}

static void concat_shape(itr_node *n)
{
	const itr_var *a = n->in[0], *b = n->in[1];
	if (!a || !b || a->rank != b->rank || a->rank < 1 || memcmp(a->shape, b->shape, (size_t)(a->rank - 1) * sizeof a->shape[0]))
		itr_shape_bug(n, "a (..., D), b (..., E)");
	int64_t s[ITR_MAX_RANK];
	memcpy(s, a->shape, sizeof s);
	s[a->rank - 1] += itr_last_dim(b);
	itr_shape_set(n, a->rank, s);
}

#define CONCAT(real, forward_name, backward_name, gradient) \
	static void forward_name(itr_node *n) \
	{ \
		real *y = n->out->data; \
		for (int64_t r = 0; r < n->out->count / itr_last_dim(n->out); r++) \
			for (int k = 0; k < 2; k++) { \
				int64_t d = itr_last_dim(n->in[k]); \
				memcpy(y, (const real *)n->in[k]->data + r * d, (size_t)d * sizeof *y); \
				y += d; \
			} \
	} \
	static void backward_name(itr_node *n) \
	{ \
		real *g[2] = { gradient(n, 0), gradient(n, 1) }; \
		const real *dy = n->out->grad; \
		for (int64_t r = 0; r < n->out->count / itr_last_dim(n->out); r++) \
			for (int k = 0; k < 2; k++) { \
				int64_t d = itr_last_dim(n->in[k]); \
				for (int64_t j = 0; g[k] && j < d; j++) \
					g[k][r * d + j] += dy[j]; \
				dy += d; \
			} \
	}

CONCAT(float, concat_forward, concat_backward, itr_zeroed_grad)
CONCAT(double, concat_ref_forward, concat_ref_backward, itr_ref_grad)

static itr_var *concat_sample(itr_case *c, int which)
{
	if (which >= 2)
		return NULL;
	int64_t b = itr_case_int(c, 1, 5);
	itr_var *x = itr_case_input(c, 2, (int64_t[]){ b, itr_case_int(c, 1, 7) }, 1, 0);
	return itr_concat(c->tape, x, which ? x : itr_case_input(c, 2, (int64_t[]){ b, itr_case_int(c, 1, 7) }, 1, 0));
}

const itr_op itr_op_concat = { "concat",
	                       2,
	                       ITR_OP_UNSAVED_IN0 | ITR_OP_UNSAVED_IN1 | ITR_OP_UNSAVED_OUT,
	                       concat_shape,
	                       concat_forward,
	                       concat_backward,
	                       concat_ref_forward,
	                       concat_ref_backward,
	                       NULL,
	                       concat_sample };
itr_var *itr_concat(itr_tape *t, itr_var *a, itr_var *b) { return itr_apply2(t, &itr_op_concat, a, b, NULL); }

/* --- slice: attr.i = first column, columns ------------------------------------------------------- */
static void slice_shape(itr_node *n)
{
	const itr_var *x = n->in[0];
	int64_t s[ITR_MAX_RANK];
	if (!x || x->rank < 1 || n->attr.i[0] < 0 || n->attr.i[1] < 1 || n->attr.i[0] > itr_last_dim(x) - n->attr.i[1])
		itr_shape_bug(n, "x (..., D) and columns inside of it");
	memcpy(s, x->shape, sizeof s);
	s[x->rank - 1] = n->attr.i[1];
	itr_shape_set(n, x->rank, s);
}

#define SLICE(real, forward_name, backward_name, gradient) \
	static void forward_name(itr_node *n) \
	{ \
		const int64_t d = itr_last_dim(n->in[0]), m = n->attr.i[1]; \
		const real *x = (const real *)n->in[0]->data + n->attr.i[0]; \
		for (int64_t r = 0; r < n->out->count / m; r++) \
			memcpy((real *)n->out->data + r * m, x + r * d, (size_t)m * sizeof(real)); \
	} \
	static void backward_name(itr_node *n) \
	{ \
		const int64_t d = itr_last_dim(n->in[0]), m = n->attr.i[1]; \
		real *dx = gradient(n, 0); \
		for (int64_t r = 0; dx && r < n->out->count / m; r++) \
			for (int64_t j = 0; j < m; j++) \
				dx[r * d + n->attr.i[0] + j] += ((const real *)n->out->grad)[r * m + j]; \
	}

SLICE(float, slice_forward, slice_backward, itr_zeroed_grad)
SLICE(double, slice_ref_forward, slice_ref_backward, itr_ref_grad)

static itr_var *slice_sample(itr_case *c, int which)
{
	if (which >= 3)
		return NULL;
	const int64_t d = itr_case_int(c, 4, 9);
	itr_var *x = itr_case_input(c, 2, (int64_t[]){ itr_case_int(c, 1, 5), d }, 1, 0);
	itr_var *y = itr_slice(c->tape, x, which == 0 ? 0 : 1, which == 0 ? d : 3);
	return which == 2 ? itr_mul(c->tape, y, itr_slice(c->tape, x, 0, 3)) : y; /* slices that overlap: two contributions */
}

const itr_op itr_op_slice = { "slice", 1, ITR_OP_UNSAVED_IN0 | ITR_OP_UNSAVED_OUT, slice_shape, slice_forward, slice_backward,
	                      slice_ref_forward, slice_ref_backward, NULL, slice_sample };

itr_var *itr_slice(itr_tape *t, itr_var *x, int64_t first, int64_t n)
{
	return itr_apply1(t, &itr_op_slice, x, &(itr_attr){ .i = { first, n } });
}

static void stack_shape(itr_node *n)
{
	const itr_var *a = n->in[0], *b = n->in[1];
	if (!a || !b || a->rank != 2 || b->rank != 2 || a->shape[1] != b->shape[1])
		itr_shape_bug(n, "a (N, D), b (M, D)");
	itr_shape_set(n, 2, (int64_t[]){ a->shape[0] + b->shape[0], a->shape[1] });
}

/* The output is the concatenation of the inputs: two for stack, one for reshape, a view. */
#define ROWS(real, forward_name, backward_name, gradient) \
	static void forward_name(itr_node *n) \
	{ \
		real *y = n->out->data; \
		for (int k = 0; k < 2; k++) { \
			memcpy(y, n->in[k]->data, (size_t)n->in[k]->count * sizeof *y); \
			y += n->in[k]->count; \
		} \
	} \
	static void backward_name(itr_node *n) \
	{ \
		const real *g = n->out->grad; \
		for (int k = 0; k < 2 && n->in[k]; k++) { \
			real *d = gradient(n, k); \
			for (int64_t i = 0; d && i < n->in[k]->count; i++) \
				d[i] += g[i]; \
			g += n->in[k]->count; \
		} \
	}

ROWS(float, stack_forward, stack_backward, itr_zeroed_grad)
ROWS(double, stack_ref_forward, stack_ref_backward, itr_ref_grad)

static itr_var *stack_sample(itr_case *c, int which)
{
	if (which >= 2)
		return NULL;
	int64_t d = itr_case_int(c, 1, 7);
	itr_var *x = itr_case_input(c, 2, (int64_t[]){ itr_case_int(c, 1, 5), d }, 1, 0);
	return itr_stack(c->tape, x, which ? x : itr_case_input(c, 2, (int64_t[]){ itr_case_int(c, 1, 5), d }, 1, 0));
}

const itr_op itr_op_stack = { "stack",
	                      2,
	                      ITR_OP_UNSAVED_IN0 | ITR_OP_UNSAVED_IN1 | ITR_OP_UNSAVED_OUT,
	                      stack_shape,
	                      stack_forward,
	                      stack_backward,
	                      stack_ref_forward,
	                      stack_ref_backward,
	                      NULL,
	                      stack_sample };
itr_var *itr_stack(itr_tape *t, itr_var *a, itr_var *b) { return itr_apply2(t, &itr_op_stack, a, b, NULL); }

/* The new shape comes as the index. */
static void reshape_shape(itr_node *n)
{
	int64_t count = 1;
	for (int64_t i = 0; i < n->n_index; i++)
		count *= n->index[i];
	if (!n->in[0] || n->n_index > ITR_MAX_RANK || count != n->in[0]->count)
		itr_shape_bug(n, "as many elements as the new shape has");
	itr_shape_set(n, (int)n->n_index, n->index);
}

static void reshape_forward(itr_node *n) { (void)n; }

static itr_var *reshape_sample(itr_case *c, int which)
{
	if (which >= 1)
		return NULL;
	int64_t d = itr_case_int(c, 1, 7);
	itr_var *x = itr_case_input(c, 3, (int64_t[]){ 3, d, 4 }, 1, 0);
	return itr_mul(c->tape, itr_reshape(c->tape, x, 2, (int64_t[]){ 6, 2 * d }), itr_reshape(c->tape, x, 2, (int64_t[]){ 6, 2 * d }));
}

const itr_op itr_op_reshape = { "reshape",
	                        1,
	                        ITR_OP_VIEW | ITR_OP_UNSAVED_IN0 | ITR_OP_UNSAVED_OUT,
	                        reshape_shape,
	                        reshape_forward,
	                        stack_backward,
	                        reshape_forward,
	                        stack_ref_backward,
	                        NULL,
	                        reshape_sample };

itr_var *itr_reshape(itr_tape *t, itr_var *x, int rank, const int64_t *shape)
{
	itr_var *in[] = { x };
	return itr_apply(t, &itr_op_reshape, in, 1, NULL, shape, rank, NULL);
}

/* --- detach and grad_scale: the same values, another gradient -------------------------------------------------------- */
static void same_shape(itr_node *n)
{
	if (!n->in[0])
		itr_shape_bug(n, "one input");
	itr_shape_like(n, n->in[0]);
}

static void no_gradient(itr_node *n) { (void)n; }

static itr_var *detach_sample(itr_case *c, int which)
{
	static const float two[] = { 2, 2, 2 };
	if (which >= 1)
		return NULL;
	itr_var *x = itr_case_input(c, 1, (int64_t[]){ 3 }, 1, 0);
	return itr_mul(c->tape, x, itr_detach(c->tape, itr_input(c->tape, 1, (int64_t[]){ 3 }, two)));
}

const itr_op itr_op_detach = { "detach", 1, ITR_OP_VIEW | ITR_OP_CONSTANT | ITR_OP_UNSAVED_IN0 | ITR_OP_UNSAVED_OUT, same_shape,
	                       reshape_forward, no_gradient, reshape_forward, no_gradient, NULL, detach_sample };

itr_var *itr_detach(itr_tape *t, itr_var *x) { return itr_apply1(t, &itr_op_detach, x, NULL); }

static void grad_scale_backward(itr_node *n)
{
	const float f = (float)n->attr.f[0], beta = itr_din(n, 0) ? itr_grad_beta(n, 0) : 0;
	for (int64_t i = 0; itr_din(n, 0) && i < n->out->count; i++)
		itr_accumulate(&itr_din(n, 0)[i], beta, f * itr_dout(n)[i]);
}

static void grad_scale_ref_backward(itr_node *n)
{
	double *d = itr_ref_grad(n, 0);
	for (int64_t i = 0; d && i < n->out->count; i++)
		d[i] += n->attr.f[0] * itr_dout64(n)[i];
}

/* Central differences do not show the factor, so the case uses two factors whose product is 1. */
static itr_var *grad_scale_sample(itr_case *c, int which)
{
	if (which >= 1)
		return NULL;
	return itr_grad_scale(c->tape, itr_grad_scale(c->tape, itr_case_input(c, 2, (int64_t[]){ 3, 4 }, 1, 0), -4), -0.25);
}

const itr_op itr_op_grad_scale = { "grad_scale", 1, ITR_OP_VIEW | ITR_OP_UNSAVED_IN0 | ITR_OP_UNSAVED_OUT, same_shape, reshape_forward,
	                           grad_scale_backward, reshape_forward, grad_scale_ref_backward, NULL, grad_scale_sample };

itr_var *itr_grad_scale(itr_tape *t, itr_var *x, double f) { return itr_apply1(t, &itr_op_grad_scale, x, &(itr_attr){ .f = { f } }); }
