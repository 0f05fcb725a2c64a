/* gather (rows of a table by number), concat (along the last dimension), stack (rows under rows), reshape: copies or none, in both
 * precisions by the same code. */
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

#define GATHER(real, forward_name, backward_name, gradient) \
	static void forward_name(itr_node *n) \
	{ \
		const int64_t d = n->out->shape[1]; \
		for (int64_t i = 0; i < n->n_index; i++) \
			memcpy((real *)n->out->data + i * d, (const real *)n->in[0]->data + n->index[i] * d, (size_t)d * sizeof(real)); \
	} \
	static void backward_name(itr_node *n) \
	{ \
		const int64_t d = n->out->shape[1]; \
		real *dt = gradient; \
		for (int64_t i = 0; dt && i < n->n_index; i++) \
			for (int64_t j = 0; j < d; j++) \
				dt[n->index[i] * d + j] += ((const real *)n->out->grad)[i * d + j]; \
	}

/* The gradient of input k, zeroed at its first contribution. */
static float *zeroed(itr_node *n, int k)
{
	float *d = itr_din(n, k);
	if (d && itr_grad_beta(n, k) == 0.0f)
		memset(d, 0, (size_t)n->in[k]->count * sizeof *d);
	return d;
}

GATHER(float, gather_forward, gather_backward, zeroed(n, 0))
GATHER(double, gather_ref_forward, gather_ref_backward, itr_ref_grad(n, 0))

static itr_var *gather_sample(itr_case *c, int which)
{
	int64_t rows[7], v = itr_case_int(c, 1, 5);
	for (int i = 0; i < 7; i++)
		rows[i] = itr_case_int(c, 0, v - 1);
	return which < 2 ? itr_gather(c->tape, itr_case_input(c, 2, (int64_t[]){ v, 9 }, 1, 0), rows, 7) : NULL;
}

const itr_op itr_op_gather = { "gather",
	                       1,
	                       ITR_OP_SPARES_IN0 | ITR_OP_SPARES_OUT,
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

CONCAT(float, concat_forward, concat_backward, zeroed)
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
	                       ITR_OP_SPARES_IN0 | ITR_OP_SPARES_IN1 | ITR_OP_SPARES_OUT,
	                       concat_shape,
	                       concat_forward,
	                       concat_backward,
	                       concat_ref_forward,
	                       concat_ref_backward,
	                       NULL,
	                       concat_sample };
itr_var *itr_concat(itr_tape *t, itr_var *a, itr_var *b) { return itr_apply2(t, &itr_op_concat, a, b, NULL); }

static void stack_shape(itr_node *n)
{
	const itr_var *a = n->in[0], *b = n->in[1];
	if (!a || !b || a->rank != 2 || b->rank != 2 || a->shape[1] != b->shape[1])
		itr_shape_bug(n, "a (N, D), b (M, D)");
	itr_shape_set(n, 2, (int64_t[]){ a->shape[0] + b->shape[0], a->shape[1] });
}

/* The output is the inputs' numbers one behind the other: two inputs for stack, one for reshape, whose output is its input. */
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

ROWS(float, stack_forward, stack_backward, zeroed)
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
	                      ITR_OP_SPARES_IN0 | ITR_OP_SPARES_IN1 | ITR_OP_SPARES_OUT,
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
	                        ITR_OP_VIEW | ITR_OP_SPARES_IN0 | ITR_OP_SPARES_OUT,
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
