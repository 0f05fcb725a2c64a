/* autograd: every op in the table against finite differences and its fast kernels against the reference; the vector functions against libm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "autograd/gradcheck.h"
#include "autograd/ops.h"
#include "tensor/vmath.h"

static void test_every_op(void **state)
{
	int ops = 0;
	(void)state;
	for (const itr_op *const *op = itr_ops; *op; op++, ops++) {
		itr_gradcheck_result r = itr_gradcheck(*op, 20260, 1), again = itr_gradcheck(*op, 20260, 2);
		printf("# %-12s %2d cases  differences %.1e  forward %.1e  backward %.1e\n", (*op)->name, r.cases, r.difference_error,
		       r.forward_error, r.backward_error);
		assert_true(r.cases > 0);
		assert_true(r.difference_error < ITR_GRADCHECK_DIFFERENCE);
		assert_true(r.forward_error < ITR_GRADCHECK_FLOAT);
		assert_true(r.backward_error < ITR_GRADCHECK_FLOAT);
		/* two threads: the same bits */
		assert_true(r.forward_error == again.forward_error && r.backward_error == again.backward_error);
	}
	assert_true(ops >= 16);
}

static void test_ops_that_take_bf16(void **state)
{
	int ops = 0;
	(void)state;
	for (const itr_op *const *op = itr_ops; *op; op++) {
		if (!((*op)->flags & ITR_OP_BF16))
			continue;
		itr_gradcheck_result r = itr_gradcheck_bf16(*op, 20261, 1), again = itr_gradcheck_bf16(*op, 20261, 2);
		printf("# %-12s %2d cases in bf16  forward %.1e  backward %.1e\n", (*op)->name, r.cases, r.forward_error, r.backward_error);
		assert_true(r.cases > 0);
		assert_true(r.forward_error < ITR_GRADCHECK_BF16);
		assert_true(r.backward_error < ITR_GRADCHECK_BF16);
		assert_true(r.forward_error == again.forward_error && r.backward_error == again.backward_error);
		ops++;
	}
	assert_true(ops >= 1);
}

/* Between an op that takes bfloat16 and one that does not, the tape casts, and gradients find their way back. */
static void test_bf16_is_cast_where_it_must_be(void **state)
{
	itr_tape *t = itr_tape_new(&(itr_tape_opts){ .threads = 1, .compute = ITR_COMPUTE_BF16 });
	(void)state;
	itr_var *x = itr_input_grad(t, 2, (int64_t[]){ 2, 2 }, (const float[]){ 1, 2.001f, -3, 0.5f }), *h = itr_to_bf16(t, x),
		*y = itr_relu(t, h);
	assert_true(h->bf16 && !y->bf16);
	assert_true(itr_var_at(t, h, 1) == 2);                                           /* to eight bits */
	itr_backward_from(t, itr_add(t, y, itr_scale(t, h, 3)), (const float[]){ 1, 1, 1, 1 });
	for (int i = 0; i < 4; i++)
		assert_true(((float *)x->grad)[i] == (i == 2 ? 3 : 4));
	itr_tape_set_inference(t, true);
	x = itr_input(t, 1, (int64_t[]){ 1 }, (const float[]){ 1.001f });
	assert_true(itr_to_bf16(t, x) == x);
	itr_tape_free(t);
}

static void wrong_backward(itr_node *n)         /* forgets the second input's factor */
{
	double *d = n->in[0]->grad;
	(void)itr_grad_beta(n, 0);
	for (int64_t i = 0; i < n->out->count; i++)
		d[i] = ((double *)n->out->grad)[i];
}

/* The check must be able to fail: an op with a wrong gradient is found. */
extern const itr_op itr_op_mul;
static itr_op broken;
static itr_var *broken_sample(itr_case *c, int which)
{
	if (which >= 1)
		return NULL;
	itr_var *in[] = { itr_case_input(c, 2, (int64_t[]){ 3, 4 }, 1, 0), itr_case_input(c, 2, (int64_t[]){ 3, 4 }, 1, 0) };
	return itr_apply(c->tape, &broken, in, 2, NULL, NULL, 0, NULL);
}

static void test_a_wrong_gradient_is_found(void **state)
{
	(void)state;
	broken = itr_op_mul;
	broken.sample = broken_sample;
	broken.ref_backward = wrong_backward;
	itr_gradcheck_result r = itr_gradcheck(&broken, 1, 1);
	assert_true(r.difference_error > 1e-2);
}

/* Gradients that are all cancellation: softmax of one entry (always 1), layernorm of two (always -1, 1). */
extern const itr_op itr_op_softmax, itr_op_layernorm;
static itr_var *cancelling_sample(itr_case *c, int which)
{
	const bool softmax = !strcmp(broken.name, "softmax");
	if (which >= 4)
		return NULL;
	const int64_t d = softmax ? 1 : 2, shape[] = { 3, d };
	itr_var *in[3] = { itr_case_input(c, 2, shape, 1, 3) };
	for (int k = 1; !softmax && k < 3; k++)
		in[k] = itr_case_input(c, 1, &d, 0.3, 1);
	return itr_apply(c->tape, &broken, in, softmax ? 1 : 3, &(itr_attr){ .f = { 1e-5 } }, NULL, 0, NULL);
}

static void softmax_forgets_the_mean(itr_node *n)
{
	(void)itr_grad_beta(n, 0);
	for (int64_t i = 0; i < n->out->count; i++)
		((float *)n->in[0]->grad)[i] = ((float *)n->out->data)[i] * ((float *)n->out->grad)[i];
}

static void layernorm_forgets_the_mean(itr_node *n)
{
	itr_op_layernorm.backward(n);
	for (int64_t i = 0; i < n->out->count; i++) {
		const float *g = (float *)n->out->grad + i / 2 * 2, *gamma = n->in[1]->data;
		((float *)n->in[0]->grad)[i] += ((float *)n->saved)[i / 2 * 2 + 1] * (g[0] * gamma[0] + g[1] * gamma[1]) / 2;
	}
}

/* Whatever the seed, a right kernel is not called wrong there, and one that forgets a term is. */
static void test_cancellation_is_told_from_a_wrong_gradient(void **state)
{
	const itr_op *const ops[] = { &itr_op_softmax, &itr_op_layernorm };
	void (*const wrong[])(itr_node *) = { softmax_forgets_the_mean, layernorm_forgets_the_mean };
	(void)state;
	for (int k = 0; k < 2; k++)
		for (uint64_t seed = 1; seed <= 50; seed++) {
			/* cases as drawn: seeds 9, 14, 27, 30, 31 hit cancellation */
			itr_gradcheck_result whole = itr_gradcheck(ops[k], seed, 1);
			broken = *ops[k];
			broken.sample = cancelling_sample;
			itr_gradcheck_result right = itr_gradcheck(&broken, seed, 1);
			broken.backward = wrong[k];
			itr_gradcheck_result bad = itr_gradcheck(&broken, seed, 1);
			assert_true(whole.backward_error <= ITR_GRADCHECK_FLOAT && whole.difference_error <= ITR_GRADCHECK_DIFFERENCE);
			assert_true(right.cases == 4 && right.backward_error <= ITR_GRADCHECK_FLOAT);
			assert_true(bad.backward_error > 100 * ITR_GRADCHECK_FLOAT);
		}
}

/* What finite differences cannot see: detach stops the gradient, grad_scale changes it; the numbers stay. */
static void test_detach_and_reversal(void **state)
{
	const float x[] = { 1, -2, 3 };
	(void)state;
	for (int reference = 0; reference < 2; reference++) {
		itr_tape *t = itr_tape_new(&(itr_tape_opts){ .threads = 1, .reference = reference });
		itr_var *v = itr_input_grad(t, 1, (int64_t[]){ 3 }, x), *d = itr_detach(t, v);
		assert_false(d->needs_grad);
		itr_var *y = itr_add(t, itr_mul(t, v, d), itr_grad_scale(t, v, -0.5));       /* x x + x, of which x - .5 arrives */
		assert_true(itr_var_at(t, y, 1) == 2);
		const double ones64[] = { 1, 1, 1 };
		const float ones[] = { 1, 1, 1 };
		itr_backward_from(t, y, reference ? (const void *)ones64 : ones);
		for (int i = 0; i < 3; i++)
			assert_true((reference ? ((double *)v->grad)[i] : (double)((float *)v->grad)[i]) == (double)x[i] - 0.5);
		itr_tape_free(t);
	}
}

/* A detached value that a scope discards is there again when the walk back reads it. */
static void test_detach_inside_of_a_scope(void **state)
{
	enum { N = 1 << 14 };
	static float x[N], ones[N], want[N];
	(void)state;
	for (int i = 0; i < N; i++) {
		x[i] = (float)(i % 23) - 11;
		ones[i] = 1;
	}
	for (int again = 0; again < 2; again++) {
		itr_tape *t = itr_tape_new(&(itr_tape_opts){ .threads = 2, .recompute = again ? INFINITY : -1 });
		itr_var *v = itr_input_grad(t, 1, (int64_t[]){ N }, x);
		itr_scope s = itr_scope_begin(t);
		itr_var *h = itr_gelu(t, v), *y = itr_scope_end(t, s, itr_mul(t, h, itr_detach(t, h)));
		itr_backward_from(t, y, ones);
		if (!again)
			memcpy(want, v->grad, sizeof want);
		assert_memory_equal(v->grad, want, sizeof want);
		itr_tape_free(t);
	}
}

/* gather's backward adds a row's contributions in order, whoever does it. */
static void test_gather_backward_for_any_threads(void **state)
{
	enum { V = 53, D = 37, N = 1000 };
	static float table[V * D], g[N * D], want[V * D];
	int64_t rows[N];
	itr_rng r;
	(void)state;
	itr_rng_seed(&r, 4);
	for (int i = 0; i < N; i++)
		rows[i] = itr_rng_integers(&r, 0, i % 3 ? 3 : V);
	for (int i = 0; i < N * D; i++)
		g[i] = (float)itr_rng_normal(&r);
	for (int i = 0; i < N * D; i++)
		want[rows[i / D] * D + i % D] += g[i];
	for (int threads = 1; threads <= 7; threads += 2) {
		itr_tape *t = itr_tape_new(&(itr_tape_opts){ .threads = threads });
		itr_var *x = itr_input_grad(t, 2, (int64_t[]){ V, D }, table);
		itr_backward_from(t, itr_gather(t, x, rows, N), g);
		assert_memory_equal(x->grad, want, sizeof want);
		itr_tape_free(t);
	}
}

static void test_vector_functions(void **state)
{
	double worst_exp = 0, worst_erf = 0;
	(void)state;
	for (double x = -86.9; x < 87.9; x += 0.00137)
		worst_exp = fmax(worst_exp, fabs((double)itr_vexp((float)x) / exp((double)(float)x) - 1));
	for (double x = -5; x < 5; x += 0.000137)
		worst_erf = fmax(worst_erf, fabs((double)itr_verf((float)x) - erf((double)(float)x)));
	printf("# exp %.2e relative, erf %.2e absolute\n", worst_exp, worst_erf);
	assert_true(worst_exp < 2.4e-7);
	assert_true(worst_erf < 5e-7);
	assert_true(itr_vexp(-1000.0f) == 0.0f && itr_vexp(0.0f) == 1.0f);
}

static void test_dropout_keeps_the_right_share(void **state)
{
	enum { N = 1 << 16 };
	static float x[N];
	itr_tape *t = itr_tape_new(&(itr_tape_opts){ .threads = 2, .seed = 5 });
	double first = 0;
	(void)state;
	for (int i = 0; i < N; i++)
		x[i] = 1;
	for (uint64_t step = 0; step < 3; step++) {
		itr_tape_reset(t, step);
		itr_var *y = itr_dropout(t, itr_input(t, 1, (int64_t[]){ N }, x), 0.2);
		double kept = 0, sum = 0, pattern = 0;
		for (int64_t i = 0; i < N; i++) {
			kept += itr_var_at(t, y, i) != 0;
			sum += itr_var_at(t, y, i);
			pattern += itr_var_at(t, y, i) * (double)(i % 97);
		}
		assert_true(fabs(kept / N - 0.8) < 4 * sqrt(0.8 * 0.2 / N));
		assert_true(fabs(sum / N - 1) < 0.01);
		assert_true(step == 0 || pattern != first);           /* another step, another mask */
		if (step == 0)
			first = pattern;
	}
	itr_tape_set_inference(t, true);
	itr_tape_reset(t, 0);
	itr_var *y = itr_dropout(t, itr_input(t, 1, (int64_t[]){ N }, x), 0.2);
	for (int64_t i = 0; i < N; i++)
		assert_true(itr_var_at(t, y, i) == 1);
	itr_tape_free(t);
}

static void test_nothing_is_allocated_after_the_first_step(void **state)
{
	static float x[64 * 32], w[32 * 32], g[32 * 32];
	itr_param p = { .name = "w", .rank = 2, .shape = { 32, 32 }, .count = 32 * 32, .data = w, .grad = g };
	itr_tape *t = itr_tape_new(&(itr_tape_opts){ .threads = 1 });
	size_t held = 0;
	(void)state;
	for (int i = 0; i < 64 * 32; i++)
		x[i] = (float)(i % 17) / 17;
	for (int i = 0; i < 32 * 32; i++)
		w[i] = (float)(i % 13) / 13;
	for (uint64_t step = 0; step < 5; step++) {
		itr_tape_reset(t, step);
		itr_var *in = itr_input(t, 2, (int64_t[]){ 64, 32 }, x), *h = in;
		for (int k = 0; k < 20; k++)
			h = itr_gelu(t, itr_op_linear_call(t, h, itr_leaf(t, &p), NULL));
		p.grad_written = false;
		itr_backward(t, itr_mse(t, h, in), 1);
		if (step)
			assert_int_equal(itr_tape_bytes(t), held);
		held = itr_tape_bytes(t);
	}
	itr_tape_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_op),
		cmocka_unit_test(test_ops_that_take_bf16),
		cmocka_unit_test(test_bf16_is_cast_where_it_must_be),
		cmocka_unit_test(test_a_wrong_gradient_is_found),
		cmocka_unit_test(test_cancellation_is_told_from_a_wrong_gradient),
		cmocka_unit_test(test_detach_and_reversal),
		cmocka_unit_test(test_detach_inside_of_a_scope),
		cmocka_unit_test(test_gather_backward_for_any_threads),
		cmocka_unit_test(test_vector_functions),
		cmocka_unit_test(test_dropout_keeps_the_right_share),
		cmocka_unit_test(test_nothing_is_allocated_after_the_first_step),
	};
	return cmocka_run_group_tests_name("autograd", tests, NULL, NULL);
}
