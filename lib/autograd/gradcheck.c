#include "autograd/gradcheck.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "tensor/bf16.h"

static double as_stored(const itr_case *c, double x) { return (double)(c->bf16 ? itr_bf16_load(itr_bf16_round((float)x)) : (float)x); }

itr_var *itr_case_input(itr_case *c, int rank, const int64_t *shape, double scale, double shift)
{
	int k = c->n_var++;
	if (k >= ITR_OP_INPUTS)
		ITR_BUG("a case has more than %d inputs", ITR_OP_INPUTS);
	int64_t count = 1;
	for (int i = 0; i < rank; i++)
		count *= shape[i];
	if (!c->value[k]) {
		itr_rng r;
		itr_rng_init(&r, (uint64_t[]){ c->seed, (uint64_t)k, 7 }, 3);
		c->value[k] = itr_xmalloc((size_t)count * sizeof(double));
		c->count[k] = count;
		for (int64_t i = 0; i < count; i++)              /* floats, so that both tapes see the same inputs */
			c->value[k][i] = as_stored(c, itr_rng_normal(&r) * scale + shift);
	}
	itr_var *v = itr_input_owned(c->tape, rank, shape, c->value[k]);
	c->var[k] = v;
	return v;
}

int64_t itr_case_int(itr_case *c, int64_t low, int64_t high) { return itr_rng_integers(&c->rng, low, high + 1); }

static itr_var *build(itr_case *c, const itr_op *op, int which)
{
	c->n_var = 0;
	itr_tape_reset(c->tape, 3);
	itr_rng_init(&c->rng, (uint64_t[]){ c->seed, 1 }, 2);
	return op->sample(c, which);
}

/* Random weights of the output's elements: their weighted sum is a scalar whose gradient depends on every element. */
static void weights_of(const itr_case *c, double *w, int64_t n)
{
	itr_rng r;
	itr_rng_init(&r, (uint64_t[]){ c->seed, 2 }, 2);
	for (int64_t i = 0; i < n; i++)
		w[i] = as_stored(c, itr_rng_normal(&r));
}

static double weighted(const itr_tape *t, const itr_var *y, const double *w)
{
	double s = 0;
	for (int64_t i = 0; i < y->count; i++)
		s += w[i] * itr_var_at(t, y, i);
	return s;
}

static double largest(const double *x, int64_t n)
{
	double m = 0;
	for (int64_t i = 0; i < n; i++)
		m = fmax(m, fabs(x[i]));
	return m;
}

/* floor: for each input's gradient, the allowed rounding error of its terms. */
static void compare_float(itr_gradcheck_result *res, const itr_op *op, itr_case *c, itr_tape *fast, int which, const itr_var *y64,
                          double *const *grad, const double *floor, const double *w)
{
	itr_tape *slow = c->tape;
	double top = largest(y64->data, y64->count), *y = itr_xmalloc((size_t)y64->count * sizeof *y);
	int64_t n_out = y64->count;
	memcpy(y, y64->data, (size_t)n_out * sizeof *y);
	c->tape = fast;
	itr_var *f = build(c, op, which);
	for (int64_t i = 0; i < n_out; i++)
		res->forward_error = fmax(res->forward_error, fabs(itr_var_at(fast, f, i) - y[i]) / fmax(top, 1e-30));
	float *wf = itr_xmalloc((size_t)n_out * sizeof *wf);
	for (int64_t i = 0; i < n_out; i++)
		wf[i] = (float)w[i];
	itr_backward_from(fast, f, wf);
	for (int k = 0; k < c->n_var; k++) {
		double scale = fmax(largest(grad[k], c->count[k]) + floor[k] / (c->bf16 ? ITR_GRADCHECK_BF16 : ITR_GRADCHECK_FLOAT), 1e-6);
		for (int64_t i = 0; i < c->count[k]; i++) {
			double g = *c->var[k]->written ? (double)((float *)c->var[k]->grad)[i] : 0;
			res->backward_error = fmax(res->backward_error, fabs(g - grad[k][i]) / scale);
		}
	}
	free(wf);
	free(y);
	c->tape = slow;
}

static void check_case(itr_gradcheck_result *res, const itr_op *op, itr_case *c, itr_tape *fast, int which, itr_var *y)
{
	double *w = itr_xmalloc((size_t)y->count * sizeof *w), *grad[ITR_OP_INPUTS], floor[ITR_OP_INPUTS], top = 0;
	const double h = 1e-6;
	weights_of(c, w, y->count);
	itr_backward_from(c->tape, y, w);
	for (int k = 0; k < c->n_var; k++) {
		grad[k] = itr_xcalloc((size_t)c->count[k], sizeof(double));
		if (*c->var[k]->written)
			memcpy(grad[k], c->var[k]->grad, (size_t)c->count[k] * sizeof(double));
		floor[k] = ITR_GRADCHECK_ROUNDINGS * 0x1p-24 * c->var[k]->terms;
		top = fmax(top, largest(grad[k], c->count[k]));
	}
	for (int k = 0; k < c->n_var && !c->bf16; k++)
		for (int64_t i = 0; i < c->count[k]; i++) {
			double keep = c->value[k][i], up, down;
			c->value[k][i] = keep + h;
			up = weighted(c->tape, build(c, op, which), w);
			c->value[k][i] = keep - h;
			down = weighted(c->tape, build(c, op, which), w);
			c->value[k][i] = keep;
			res->difference_error = fmax(res->difference_error, fabs((up - down) / (2 * h) - grad[k][i]) / fmax(1, top));
		}
	compare_float(res, op, c, fast, which, build(c, op, which), grad, floor, w);
	for (int k = 0; k < c->n_var; k++)
		free(grad[k]);
	free(w);
}

static itr_gradcheck_result check(const itr_op *op, uint64_t seed, int threads, bool bf16)
{
	itr_gradcheck_result res = { 0, 0, 0, 0 };
	itr_tape *slow = itr_tape_new(&(itr_tape_opts){ .threads = 1, .seed = seed, .reference = true });
	itr_tape *fast = itr_tape_new(&(itr_tape_opts){
		.threads = threads, .seed = seed, .compute = bf16 ? ITR_COMPUTE_BF16 : ITR_COMPUTE_F32, .bf16_everywhere = bf16 });
	for (int which = 0;; which++) {
		itr_case c = { .tape = slow, .seed = seed * 1000 + (uint64_t)which, .bf16 = bf16 };
		itr_var *y = build(&c, op, which);
		if (y) {
			check_case(&res, op, &c, fast, which, y);
			res.cases++;
		}
		for (int k = 0; k < ITR_OP_INPUTS; k++)
			free(c.value[k]);
		if (!y)
			break;
	}
	itr_tape_free(slow);
	itr_tape_free(fast);
	return res;
}

itr_gradcheck_result itr_gradcheck(const itr_op *op, uint64_t seed, int threads) { return check(op, seed, threads, false); }
itr_gradcheck_result itr_gradcheck_bf16(const itr_op *op, uint64_t seed, int threads) { return check(op, seed, threads, true); }
