/* Several nets and tapes in one step: frozen nets, values that cross tapes as constants, a walk from several outputs, a first pass that
 * records nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "autograd/ops.h"

enum { B = 6, D = 5 };

static float weight[2][D * D], grad[2][D * D], input[B * D], target[B * D];
static double weight64[2][D * D], grad64[2][D * D];

static itr_param params[2] = {
	{ .name = "first", .rank = 2, .shape = { D, D }, .count = D * D, .net = 1 },
	{ .name = "second", .rank = 2, .shape = { D, D }, .count = D * D, .net = 2 },
};

static int set_up(void **state)
{
	(void)state;
	for (int i = 0; i < D * D; i++)
		for (int k = 0; k < 2; k++)
			weight64[k][i] = weight[k][i] = (float)((i * 7 + k * 3) % 11 - 5) / 4;
	for (int i = 0; i < B * D; i++) {
		input[i] = (float)(i % 9 - 4) / 2;
		target[i] = (float)(i % 4);
	}
	for (int k = 0; k < 2; k++) {
		params[k].data = weight[k];
		params[k].data64 = weight64[k];
		params[k].grad64 = grad64[k];
	}
	return 0;
}

/* Both nets one behind the other. grad[] holds their gradients afterwards, or what it held. */
static itr_var *run(itr_tape *t)
{
	for (int k = 0; k < 2; k++) {
		params[k].grad = grad[k];
		params[k].grad_written = false;
		for (int i = 0; i < D * D; i++)
			grad[k][i] = NAN;
	}
	itr_var *x = itr_input(t, 2, (int64_t[]){ B, D }, input), *h = itr_gelu(t, itr_op_linear_call(t, x, itr_leaf(t, &params[0]), NULL));
	itr_var *y = itr_op_linear_call(t, h, itr_leaf(t, &params[1]), NULL);
	return itr_mse(t, y, itr_input(t, 2, (int64_t[]){ B, D }, target));
}

static void test_frozen_nets(void **state)
{
	float want[2][D * D];
	itr_tape *t = itr_tape_new(&(itr_tape_opts){ .threads = 1 });
	(void)state;
	assert_int_equal(itr_tape_nets_read(t), 0);
	itr_backward(t, run(t), 1);
	assert_int_equal(itr_tape_nets_read(t), 3);
	memcpy(want, grad, sizeof want);
	for (unsigned frozen = 1; frozen <= 2; frozen++) {
		itr_tape_reset(t, 0);
		assert_int_equal(itr_tape_nets_read(t), 0);
		itr_tape_set_frozen_nets(t, frozen);
		itr_backward(t, run(t), 1);
		const int trained = frozen == 1 ? 1 : 0;
		assert_memory_equal(grad[trained], want[trained], sizeof want[0]);
		assert_false(params[1 - trained].grad_written);
		assert_int_equal(itr_tape_nets_read(t), 3);              /* read all the same */
	}
	itr_tape_reset(t, 0);
	itr_tape_set_frozen_nets(t, 4);                                  /* another net: nothing changes */
	itr_backward(t, run(t), 1);
	assert_memory_equal(grad, want, sizeof want);
	itr_tape_free(t);
}

static void test_values_cross_tapes_as_constants(void **state)
{
	(void)state;
	for (int kind = 0; kind < 3; kind++) {                           /* float, double, bfloat16 */
		const itr_tape_opts o = { .threads = 1, .reference = kind == 1, .compute = kind == 2 ? ITR_COMPUTE_BF16 : ITR_COMPUTE_F32 };
		itr_tape *from = itr_tape_new(&o), *t = itr_tape_new(&o);
		itr_var *x = itr_input_grad(from, 2, (int64_t[]){ B, D }, input), *h = itr_to_bf16(from, itr_scale(from, x, 1 / 3.0));
		assert_true(h->bf16 == (kind == 2));
		itr_var *c = itr_constant_of(t, from, h);
		assert_false(c->needs_grad || c->bf16);
		const float *values = itr_values(from, h);
		for (int i = 0; i < B * D; i++) {
			assert_true(itr_var_at(t, c, i) == itr_var_at(from, h, i));
			assert_true(values[i] == (float)itr_var_at(from, h, i));
		}
		itr_var *same = itr_constant_of(from, from, h);          /* on one tape: detach */
		assert_false(same->needs_grad);
		assert_true(itr_var_at(from, same, 3) == itr_var_at(from, h, 3));
		itr_tape_free(t);
		itr_tape_free(from);
	}
}

/* What a scope discarded is recomputed for them, and the walk back still finds it. */
static void test_values_of_what_a_scope_discarded(void **state)
{
	enum { N = 1 << 14 };
	static float x[N], ones[N], want[N];
	(void)state;
	for (int i = 0; i < N; i++) {
		x[i] = (float)(i % 23) - 11;
		ones[i] = 1;
	}
	for (int look = 0; look < 2; look++) {
		itr_tape *t = itr_tape_new(&(itr_tape_opts){ .threads = 2, .recompute = INFINITY });
		itr_var *v = itr_input_grad(t, 1, (int64_t[]){ N }, x);
		itr_scope s = itr_scope_begin(t);
		itr_var *h = itr_gelu(t, v), *y = itr_scope_end(t, s, itr_mul(t, h, h));
		assert_null(h->data);
		if (look)
			assert_true(itr_values(t, h)[22] > 10.9f);
		itr_backward_from(t, y, ones);
		if (!look)
			memcpy(want, v->grad, sizeof want);
		assert_memory_equal(v->grad, want, sizeof want);
		itr_tape_free(t);
	}
}

/* d (sum g0 pooled + sum g1 states) / dx, where pooled is made of states. */
static void test_backward_from_several_outputs(void **state)
{
	const int64_t start[] = { 0, 2, B };
	float g[2][B * D];
	(void)state;
	for (int i = 0; i < B * D; i++) {
		g[0][i] = (float)(i % 3);
		g[1][i] = (float)(i % 5) - 2;
	}
	for (int order = 0; order < 2; order++) {
		itr_tape *t = itr_tape_new(&(itr_tape_opts){ .threads = 1 });
		itr_var *x = itr_input_grad(t, 2, (int64_t[]){ B, D }, input), *states = itr_scale(t, x, 2);
		itr_var *pooled = itr_segment_mean(t, states, start, 2), *constant = itr_detach(t, states);
		itr_var *out[] = { order ? states : pooled, constant, NULL, order ? pooled : states, x };
		itr_backward_outputs(t, out, (const void *[]){ g[order], g[0], g[0], g[1 - order], NULL }, 5);
		for (int i = 0; i < B * D; i++) {
			const int s = i / D >= 2;
			const double want = 2 * ((double)g[1][i] + (double)g[0][s * D + i % D] / (s ? 4 : 2));
			assert_true(fabs((double)((float *)x->grad)[i] - want) < 1e-6);
		}
		itr_tape_free(t);
	}
}

/* The first pass of GradCache: the numbers of the second, dropout and all, but nothing is kept for a walk back. */
static void test_a_pass_that_records_nothing(void **state)
{
	enum { ROWS = 512, BLOCKS = 6 };
	static float x[ROWS * D], kept[ROWS * D];
	size_t bytes[2];
	(void)state;
	for (int i = 0; i < ROWS * D; i++)
		x[i] = (float)(i % 31 - 15) / 8;
	for (int recording = 1; recording >= 0; recording--) {
		itr_tape *t = itr_tape_new(&(itr_tape_opts){ .threads = 2, .seed = 7, .recompute = -1 });
		itr_tape_reset(t, 3);
		itr_tape_set_recording(t, recording);
		itr_var *h = itr_input(t, 2, (int64_t[]){ ROWS, D }, x);
		for (int k = 0; k < BLOCKS; k++) {
			itr_scope s = itr_scope_begin(t);
			params[0].grad = NULL;
			params[0].grad_written = false;
			itr_var *y = itr_dropout(t, itr_gelu(t, itr_op_linear_call(t, h, itr_leaf(t, &params[0]), NULL)), 0.3);
			/* large enough for the pool */
			const int64_t wide[] = { ROWS, 16 * D };
			itr_var *big = itr_concat(t, itr_concat(t, y, y), itr_concat(t, y, y));
			big = itr_concat(t, itr_concat(t, big, big), itr_concat(t, big, big));
			assert_int_equal(big->count, wide[0] * wide[1]);
			h = itr_scope_end(t, s, itr_slice(t, big, 0, D));
		}
		assert_true(h->needs_grad == (recording != 0));
		if (recording)
			memcpy(kept, h->data, sizeof kept);
		assert_memory_equal(h->data, kept, sizeof kept);
		bytes[recording] = itr_tape_bytes(t);
		itr_tape_free(t);
	}
	assert_true(bytes[0] < bytes[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frozen_nets),
		cmocka_unit_test(test_values_cross_tapes_as_constants),
		cmocka_unit_test(test_values_of_what_a_scope_discarded),
		cmocka_unit_test(test_backward_from_several_outputs),
		cmocka_unit_test(test_a_pass_that_records_nothing),
	};
	return cmocka_run_group_tests_name("autograd_nets", tests, set_up, NULL);
}
