/* add, sub, mul, scale, affine, exp, sigmoid, relu and the GELUs: one pass each, in pieces of ITR_CHUNK elements. */
#include <math.h>
#include <string.h>

#include "autograd/op_util.h"
#include "autograd/ops.h"
#include "base/log.h"
#include "tensor/vmath.h"

static void shape_one(itr_node *n)
{
	if (!n->in[0])
		itr_shape_bug(n, "one input");
	itr_shape_like(n, n->in[0]);
}

static void shape_pair(itr_node *n)
{
	const itr_var *a = n->in[0], *b = n->in[1];
	if (!a || !b || a->rank != b->rank || memcmp(a->shape, b->shape, (size_t)a->rank * sizeof a->shape[0]))
		itr_shape_bug(n, "two inputs of one shape");
	itr_shape_like(n, a);
}

/* The random shape of an elementwise case. */
static itr_var *any_input(itr_case *c)
{
	int64_t s[] = { itr_case_int(c, 1, 6), itr_case_int(c, 1, 7), itr_case_int(c, 1, 5) };
	return itr_case_input(c, 3, s, 1, 0);
}

#define FORWARD(name, expression) \
	ITR_CLONES static void name##_piece(itr_node *n, int64_t begin, int64_t end) \
	{ \
		const float *a = itr_in(n, 0), *b = n->in[1] ? itr_in(n, 1) : NULL; \
		float *y = itr_out(n), f = (float)n->attr.f[0], h = (float)n->attr.f[1]; \
		(void)b, (void)f, (void)h; \
		for (int64_t i = begin; i < end; i++) \
			y[i] = expression; \
	} \
	static void name##_forward(itr_node *n) { itr_node_chunks(n, n->out->count, ITR_CHUNK, name##_piece); } \
	static void name##_ref_forward(itr_node *n) \
	{ \
		const double *a = itr_in64(n, 0), *b = n->in[1] ? itr_in64(n, 1) : NULL; \
		double *y = itr_out64(n), f = n->attr.f[0], h = n->attr.f[1]; \
		(void)b, (void)f, (void)h; \
		for (int64_t i = 0; i < n->out->count; i++) \
			y[i] = expression; \
	}

/* Gradient of input k: `expression` in terms of g (the output's gradient), a, b, f. The float pieces read beta from attr.f[3 - k], set by
 * the caller. */
#define BACKWARD(name, k, expression) \
	ITR_CLONES static void name##_back##k(itr_node *n, int64_t begin, int64_t end) \
	{ \
		const float *a = itr_in(n, 0), *b = n->in[1] ? itr_in(n, 1) : NULL, *g = itr_dout(n), *y = itr_out(n); \
		float *d = itr_din(n, k), f = (float)n->attr.f[0]; \
		(void)a, (void)b, (void)y, (void)f; \
		if (n->attr.f[3 - k] != 0) \
			for (int64_t i = begin; i < end; i++) \
				d[i] += expression; \
		else \
			for (int64_t i = begin; i < end; i++) \
				d[i] = expression; \
	} \
	static void name##_grad##k(itr_node *n) \
	{ \
		if (!itr_din(n, k)) \
			return; \
		n->attr.f[3 - k] = itr_grad_beta(n, k); \
		itr_node_chunks(n, n->out->count, ITR_CHUNK, name##_back##k); \
	} \
	static void name##_ref_grad##k(itr_node *n) \
	{ \
		const double *a = itr_in64(n, 0), *b = n->in[1] ? itr_in64(n, 1) : NULL, *g = itr_dout64(n), *y = itr_out64(n); \
		double *d = itr_ref_grad(n, k), f = n->attr.f[0]; \
		(void)a, (void)b, (void)y, (void)f; \
		for (int64_t i = 0; d && i < n->out->count; i++) \
			d[i] += expression; \
	}

#define ONE_INPUT(name) \
	static void name##_backward(itr_node *n) { name##_grad0(n); } \
	static void name##_ref_backward(itr_node *n) { name##_ref_grad0(n); }
#define TWO_INPUTS(name) \
	static void name##_backward(itr_node *n) { name##_grad0(n); name##_grad1(n); } \
	static void name##_ref_backward(itr_node *n) { name##_ref_grad0(n); name##_ref_grad1(n); }

FORWARD(add, a[i] + b[i])
BACKWARD(add, 0, g[i])
BACKWARD(add, 1, g[i])
TWO_INPUTS(add)

FORWARD(sub, a[i] - b[i])
BACKWARD(sub, 0, g[i])
BACKWARD(sub, 1, -g[i])
TWO_INPUTS(sub)

FORWARD(mul, a[i] * b[i])
BACKWARD(mul, 0, g[i] * b[i])
BACKWARD(mul, 1, g[i] * a[i])
TWO_INPUTS(mul)

FORWARD(scale, a[i] * f)
BACKWARD(scale, 0, g[i] * f)
ONE_INPUT(scale)

FORWARD(affine, a[i] * f + h)
BACKWARD(affine, 0, g[i] * f)
ONE_INPUT(affine)

/* exp in the precision of x; itr_vexp is valid up to 88. */
static inline __attribute__((always_inline)) float exp_float(float x) { return x > 88.0f ? INFINITY : itr_vexp(x); }
#define EXP(x) _Generic((x), float: exp_float, double: exp)(x)

FORWARD(exp, EXP(a[i]))
BACKWARD(exp, 0, g[i] * y[i])
ONE_INPUT(exp)

FORWARD(sigmoid, 1 / (1 + EXP(-a[i])))
BACKWARD(sigmoid, 0, g[i] * y[i] * (1 - y[i]))
ONE_INPUT(sigmoid)

FORWARD(relu, a[i] > 0 ? a[i] : 0)
BACKWARD(relu, 0, a[i] > 0 ? g[i] : 0)
ONE_INPUT(relu)

/* gelu(x) = x Phi(x); derivative Phi(x) + x phi(x). Separate loops, because float and double use different erf and exp. */
static void gelu_piece(itr_node *n, int64_t begin, int64_t end)
{
	itr_activate(ITR_ACT_GELU, itr_in(n, 0) + begin, itr_out(n) + begin, end - begin);
}

static inline __attribute__((always_inline)) float gelu_slope(float x)
{
	float cdf = 0.5f * (1.0f + itr_verf(x * 0.70710678118654752f));
	return cdf + x * 0.39894228040143268f * itr_vexp(-0.5f * x * x);
}

ITR_CLONES static void gelu_back(itr_node *n, int64_t begin, int64_t end)
{
	const float *x = itr_in(n, 0), *g = itr_dout(n);
	float *d = itr_din(n, 0);
	if (n->attr.f[3] != 0)
		for (int64_t i = begin; i < end; i++)
			d[i] += g[i] * gelu_slope(x[i]);
	else
		for (int64_t i = begin; i < end; i++)
			d[i] = g[i] * gelu_slope(x[i]);
}

static void gelu_forward(itr_node *n) { itr_node_chunks(n, n->out->count, ITR_CHUNK, gelu_piece); }

static void gelu_backward(itr_node *n)
{
	if (!itr_din(n, 0))
		return;
	n->attr.f[3] = itr_grad_beta(n, 0);
	itr_node_chunks(n, n->out->count, ITR_CHUNK, gelu_back);
}

static void gelu_ref_forward(itr_node *n)
{
	const double *x = itr_in64(n, 0);
	for (int64_t i = 0; i < n->out->count; i++)
		itr_out64(n)[i] = 0.5 * x[i] * (1 + erf(x[i] * M_SQRT1_2));
}

static void gelu_ref_backward(itr_node *n)
{
	const double *x = itr_in64(n, 0), *g = itr_dout64(n);
	double *d = itr_ref_grad(n, 0);
	for (int64_t i = 0; d && i < n->out->count; i++)
		d[i] += g[i] * (0.5 * (1 + erf(x[i] * M_SQRT1_2)) + x[i] * exp(-0.5 * x[i] * x[i]) / sqrt(2 * M_PI));
}

/* quick_gelu(x) = x s, s = sigmoid(1.702 x); d = s + 1.702 x s (1 - s) */
static inline __attribute__((always_inline)) float quick_sigmoid(float x) { return 1.0f / (1.0f + itr_vexp(ITR_MIN(-1.702f * x, 88.0f))); }

static inline __attribute__((always_inline)) float quick_slope(float x)
{
	const float s = quick_sigmoid(x);
	return s + 1.702f * x * s * (1.0f - s);
}

static void quick_gelu_piece(itr_node *n, int64_t begin, int64_t end)
{
	itr_activate(ITR_ACT_QUICK_GELU, itr_in(n, 0) + begin, itr_out(n) + begin, end - begin);
}

ITR_CLONES static void quick_gelu_back(itr_node *n, int64_t begin, int64_t end)
{
	const float *x = itr_in(n, 0), *g = itr_dout(n);
	float *d = itr_din(n, 0);
	if (n->attr.f[3] != 0)
		for (int64_t i = begin; i < end; i++)
			d[i] += g[i] * quick_slope(x[i]);
	else
		for (int64_t i = begin; i < end; i++)
			d[i] = g[i] * quick_slope(x[i]);
}

static void quick_gelu_forward(itr_node *n) { itr_node_chunks(n, n->out->count, ITR_CHUNK, quick_gelu_piece); }

static void quick_gelu_backward(itr_node *n)
{
	if (!itr_din(n, 0))
		return;
	n->attr.f[3] = itr_grad_beta(n, 0);
	itr_node_chunks(n, n->out->count, ITR_CHUNK, quick_gelu_back);
}

static void quick_gelu_ref_forward(itr_node *n)
{
	const double *x = itr_in64(n, 0);
	for (int64_t i = 0; i < n->out->count; i++)
		itr_out64(n)[i] = x[i] / (1 + exp(-1.702 * x[i]));
}

static void quick_gelu_ref_backward(itr_node *n)
{
	const double *x = itr_in64(n, 0), *g = itr_dout64(n);
	double *d = itr_ref_grad(n, 0);
	for (int64_t i = 0; d && i < n->out->count; i++) {
		const double s = 1 / (1 + exp(-1.702 * x[i]));
		d[i] += g[i] * (s + 1.702 * x[i] * s * (1 - s));
	}
}

static itr_var *add_sample(itr_case *c, int which)
{
	if (which >= 2)
		return NULL;
	itr_var *a = any_input(c);
	/* x + x: two contributions to one gradient */
	return itr_add(c->tape, a, which ? a : itr_case_input(c, a->rank, a->shape, 1, 0));
}

static itr_var *sub_sample(itr_case *c, int which)
{
	if (which >= 2)
		return NULL;
	itr_var *a = any_input(c);
	return itr_sub(c->tape, a, which ? itr_scale(c->tape, a, 3) : itr_case_input(c, a->rank, a->shape, 1, 0));
}

static itr_var *mul_sample(itr_case *c, int which)
{
	if (which >= 2)
		return NULL;
	itr_var *a = any_input(c);
	return itr_mul(c->tape, a, which ? a : itr_case_input(c, a->rank, a->shape, 1, 0));
}

static itr_var *scale_sample(itr_case *c, int which) { return which < 1 ? itr_scale(c->tape, any_input(c), -1.75) : NULL; }
static itr_var *affine_sample(itr_case *c, int which) { return which < 1 ? itr_affine(c->tape, any_input(c), -2, 0.5) : NULL; }
static itr_var *exp_sample(itr_case *c, int which) { return which < 1 ? itr_exp(c->tape, any_input(c)) : NULL; }
static itr_var *sigmoid_sample(itr_case *c, int which)
{
	return which < 2 ? itr_sigmoid(c->tape, itr_case_input(c, 2, (int64_t[]){ 5, 31 }, 3, 0)) : NULL;
}
static itr_var *relu_sample(itr_case *c, int which) { return which < 2 ? itr_relu(c->tape, any_input(c)) : NULL; }
static itr_var *gelu_sample(itr_case *c, int which)
{
	return which < 2 ? itr_gelu(c->tape, itr_case_input(c, 2, (int64_t[]){ 5, 31 }, 2.5, 0)) : NULL;
}
static itr_var *quick_gelu_sample(itr_case *c, int which)
{
	return which < 2 ? itr_quick_gelu(c->tape, itr_case_input(c, 2, (int64_t[]){ 5, 31 }, 2.5, 0)) : NULL;
}

#define OP(name, inputs, spares, shape) \
	const itr_op itr_op_##name = { \
		#name, inputs, spares, shape, name##_forward, name##_backward, name##_ref_forward, name##_ref_backward, NULL, \
			name##_sample \
	}
enum { X = ITR_OP_UNSAVED_IN0, B = ITR_OP_UNSAVED_IN1, Y = ITR_OP_UNSAVED_OUT };
OP(add, 2, X | B | Y, shape_pair);
OP(sub, 2, X | B | Y, shape_pair);
OP(mul, 2, Y, shape_pair);
OP(scale, 1, X | Y, shape_one);
OP(affine, 1, X | Y, shape_one);
OP(exp, 1, X, shape_one);
OP(sigmoid, 1, X, shape_one);
OP(relu, 1, Y, shape_one);
OP(gelu, 1, Y, shape_one);
OP(quick_gelu, 1, Y, shape_one);

itr_var *itr_add(itr_tape *t, itr_var *a, itr_var *b) { return itr_apply2(t, &itr_op_add, a, b, NULL); }
itr_var *itr_sub(itr_tape *t, itr_var *a, itr_var *b) { return itr_apply2(t, &itr_op_sub, a, b, NULL); }
itr_var *itr_mul(itr_tape *t, itr_var *a, itr_var *b) { return itr_apply2(t, &itr_op_mul, a, b, NULL); }
itr_var *itr_scale(itr_tape *t, itr_var *a, double factor) { return itr_apply1(t, &itr_op_scale, a, &(itr_attr){ .f = { factor } }); }
itr_var *itr_affine(itr_tape *t, itr_var *x, double a, double b) { return itr_apply1(t, &itr_op_affine, x, &(itr_attr){ .f = { a, b } }); }
itr_var *itr_exp(itr_tape *t, itr_var *x) { return itr_apply1(t, &itr_op_exp, x, NULL); }
itr_var *itr_sigmoid(itr_tape *t, itr_var *x) { return itr_apply1(t, &itr_op_sigmoid, x, NULL); }
itr_var *itr_relu(itr_tape *t, itr_var *x) { return itr_apply1(t, &itr_op_relu, x, NULL); }
itr_var *itr_gelu(itr_tape *t, itr_var *x) { return itr_apply1(t, &itr_op_gelu, x, NULL); }
itr_var *itr_quick_gelu(itr_tape *t, itr_var *x) { return itr_apply1(t, &itr_op_quick_gelu, x, NULL); }

itr_var *itr_activation_call(itr_tape *t, itr_var *x, itr_activation a)
{
	switch (a) {
	case ITR_ACT_NONE: return x;
	case ITR_ACT_RELU: return itr_relu(t, x);
	case ITR_ACT_GELU: return itr_gelu(t, x);
	case ITR_ACT_QUICK_GELU: return itr_quick_gelu(t, x);
	case ITR_ACT_RELU6: return itr_relu6(t, x);
	case ITR_ACT_HARDSWISH: return itr_hardswish(t, x);
	case ITR_ACT_HARDSIGMOID: return itr_hardsigmoid(t, x);
	default: ITR_BUG("itr_activation_call: no op for activation %d", (int)a);
	}
}
