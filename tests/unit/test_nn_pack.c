/* Layers before and after itr_params_pack, scopes in inference: the same numbers, less memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "nn/conv.h"

enum { LAYERS = 6, D = 96, H = 160, N = 41 };

struct block { itr_layernorm_layer norm1, norm2; itr_linear_layer qkv, proj, up, down; };
struct model { itr_params *p; struct block b[LAYERS]; itr_embedding_layer table; };

static void build(struct model *m)
{
	m->p = itr_params_new();
	for (int i = 0; i < LAYERS; i++) {
		char name[40];
		struct block *b = m->b + i;
		snprintf(name, sizeof name, "b%d.norm1", i), itr_layernorm_init(&b->norm1, m->p, name, D, 1e-5);
		snprintf(name, sizeof name, "b%d.norm2", i), itr_layernorm_init(&b->norm2, m->p, name, D, 1e-5);
		snprintf(name, sizeof name, "b%d.qkv", i), itr_linear_init(&b->qkv, m->p, name, D, 3 * D, true);
		snprintf(name, sizeof name, "b%d.proj", i), itr_linear_init(&b->proj, m->p, name, D, D, true);
		snprintf(name, sizeof name, "b%d.up", i), itr_linear_init(&b->up, m->p, name, D, H, true);
		snprintf(name, sizeof name, "b%d.down", i), itr_linear_init(&b->down, m->p, name, H, D, false);
	}
	itr_embedding_init(&m->table, m->p, "table", 50, D);
	itr_params_seal(m->p);
	itr_params_initialise(m->p, 11);
}

static itr_var *block(itr_tape *t, const struct block *b, itr_var *x, const int64_t *start, int64_t n)
{
	itr_var *a = itr_attention(t, itr_linear(t, &b->qkv, itr_layernorm(t, &b->norm1, x)), start, n, 4, false);
	x = itr_linear_add(t, &b->proj, a, x);
	return itr_linear_add(t, &b->down, itr_linear_act(t, &b->up, itr_layernorm(t, &b->norm2, x), ITR_ACT_QUICK_GELU), x);
}

static itr_var *forward(itr_tape *t, const struct model *m, bool scopes)
{
	static const int64_t start[] = { 0, 7, 7, 20, N };
	int64_t ids[N];
	for (int i = 0; i < N; i++)
		ids[i] = i * 7 % 50;
	itr_var *x = itr_embedding(t, &m->table, ids, N);
	for (int i = 0; i < LAYERS; i++) {
		itr_scope s = itr_scope_begin(t);
		itr_var *y = block(t, m->b + i, x, start, 4);
		if (i == 2)                                             /* a view of what the scope made */
			y = itr_reshape(t, itr_reshape(t, y, 1, (int64_t[]){ N * D }), 2, (int64_t[]){ N, D });
		x = scopes ? itr_scope_end(t, s, y) : y;
		itr_scope again = itr_scope_begin(t);                   /* nothing made, and something made for nothing */
		if (i == 4)
			(void)itr_gelu(t, x);
		x = scopes ? itr_scope_end(t, again, x) : x;
	}
	return itr_segment_mean(t, x, start, 4);
}

static void test_scopes_change_nothing_but_memory(void **state)
{
	struct model m;
	float want[4 * D];
	size_t plain_bytes = 0;
	(void)state;
	build(&m);
	for (int run = 0; run < 6; run++) {
		itr_tape *t = itr_tape_new(&(itr_tape_opts){ .threads = 1 + run % 2, .inference = run > 1 });
		for (uint64_t step = 0; step < 3; step++) {
			itr_tape_reset(t, step);
			itr_var *y = forward(t, &m, run != 2 && run != 3);
			assert_int_equal(y->count, 4 * D);
			if (run == 0 && step == 0)
				memcpy(want, y->data, sizeof want);
			assert_memory_equal(want, y->data, sizeof want);
			assert_true(itr_tape_flops(t) > 0);
			if (run < 2)
				itr_backward_from(t, y, want);
		}
		if (run == 2)
			plain_bytes = itr_tape_bytes(t);
		assert_true(run != 4 || itr_tape_bytes(t) <= plain_bytes);
		itr_tape_free(t);
	}
	itr_params_free(m.p);
}

/* Of a block's arrays only its result stays. */
static void test_scopes_bound_memory(void **state)
{
	enum { ROWS = 3000, WIDTH = 1024 };                     /* 12 MB an array */
	float *x = itr_aligned_calloc((size_t)ROWS * WIDTH * sizeof *x);
	size_t bytes[2];
	(void)state;
	for (int i = 0; i < ROWS * WIDTH; i++)
		x[i] = (float)(i % 37) / 37;
	for (int scopes = 0; scopes < 2; scopes++) {
		itr_tape *t = itr_tape_new(&(itr_tape_opts){ .threads = 2, .inference = true });
		itr_var *y = itr_input(t, 2, (int64_t[]){ ROWS, WIDTH }, x);
		for (int i = 0; i < 10; i++) {
			itr_scope s = itr_scope_begin(t);
			itr_var *z = itr_relu(t, itr_scale(t, itr_scale(t, itr_scale(t, y, 2), 0.25), 2));
			y = scopes ? itr_scope_end(t, s, z) : z;
		}
		assert_memory_equal(y->data, x, (size_t)ROWS * WIDTH * sizeof *x);
		bytes[scopes] = itr_tape_bytes(t);
		itr_tape_free(t);
	}
	printf("# ten blocks of four arrays: %.0f MB, with scopes %.0f MB\n", (double)bytes[0] / 1e6, (double)bytes[1] / 1e6);
	assert_true(bytes[1] * 2 < bytes[0]);
	itr_aligned_free(x);
}

static void test_packing(void **state)
{
	float want[4 * D];
	double worst[3] = { 0, 0, 0 };
	(void)state;
	for (int c = -1; c < 3; c++) {
		struct model m;
		build(&m);
		if (c >= 0) {
			itr_params_pack(m.p, (itr_compute)c, 2);
			assert_true(itr_params_packed(m.p));
			assert_null(m.b[0].qkv.weight->data);
			assert_non_null(m.b[0].qkv.weight->packed);
			assert_non_null(m.b[0].qkv.bias->data);
			assert_non_null(m.table.weight->data);
			assert_null(itr_params_first_bad(m.p, false));
		}
		for (int threads = 1; threads <= 2; threads++) {
			itr_tape *t = itr_tape_new(&(itr_tape_opts){ .threads = threads, .inference = true });
			itr_var *y = forward(t, &m, true);
			if (c < 0)
				memcpy(want, y->data, sizeof want);
			for (int i = 0; c >= 0 && i < 4 * D; i++)
				worst[c] = fmax(worst[c], fabs((double)((float *)y->data)[i] - (double)want[i]));
			itr_tape_free(t);
		}
		itr_params_free(m.p);
	}
	printf("# largest difference to the layers before packing: fp32 %.2g, bf16 %.2g, int8 %.2g\n", worst[0], worst[1], worst[2]);
	/* the epilogue's exp is fused, the op's too: the same numbers but for the order of residual and bias */
	assert_true(worst[0] < 2e-6);
	assert_true(worst[1] < 0.05 && worst[1] > 1e-5);
	assert_true(worst[2] < 0.1 && worst[2] > 1e-5);
}

/* A convolution behind a normalised channel and ReLU6: what int8 gets wrong on average, over many pixels, is much less where the layer
 * knows what it follows. */
static double mean_error(bool follows)
{
	enum { C = 48, O = 24, PIXELS = 4000 };
	float *x = itr_aligned_alloc((size_t)(PIXELS * C) * sizeof *x), *exact = itr_aligned_alloc((size_t)(PIXELS * O) * sizeof *exact);
	uint32_t s = 99;
	for (int i = 0; i < PIXELS * C; i++) {                  /* the sum of twelve uniform numbers: mean 0, variance 1 */
		float v = -6;
		for (int k = 0; k < 12; k++)
			v += (float)((s = s * 1664525u + 1013904223u) >> 8) * 0x1p-24f;
		x[i] = v;
	}
	double off[O] = { 0 }, worst = 0;
	for (int c = 0; c < 3; c += 2) {
		itr_params *p = itr_params_new();
		itr_conv_norm_layer a, b;
		itr_conv_norm_init(&a, p, "a", "an", &(itr_conv_opts){ .in = C, .out = C, .kernel = 1, .groups = C, .eps = 1e-5 });
		itr_conv_norm_init(&b, p, "b", "bn", &(itr_conv_opts){ .in = C, .out = O, .kernel = 1, .eps = 1e-5 });
		if (follows)
			itr_conv_norm_follows(&b, &a, ITR_ACT_RELU6);
		itr_params_seal(p);
		itr_params_initialise(p, 3);
		for (int i = 0; i < C; i++) {
			a.weight->data[i] = 1;
			a.gamma->data[i] = 0.25f + 0.1f * (float)(i % 7);
			a.beta->data[i] = (float)(i % 9) - 2;
		}
		itr_params_pack(p, (itr_compute)c, 1);
		itr_tape *t = itr_tape_new(&(itr_tape_opts){ .threads = 2, .inference = true });
		itr_var *y = itr_conv_norm(
			t, &b, itr_conv_norm(t, &a, itr_input(t, 4, (int64_t[]){ 1, 50, PIXELS / 50, C }, x), NULL, ITR_ACT_RELU6), NULL,
			ITR_ACT_NONE);
		for (int i = 0; i < PIXELS * O; i++)
			if (c == 0)
				exact[i] = ((const float *)y->data)[i];
			else
				off[i % O] += ((double)((const float *)y->data)[i] - (double)exact[i]) / PIXELS;
		itr_tape_free(t);
		itr_params_free(p);
	}
	for (int i = 0; i < O; i++)
		worst = fmax(worst, fabs(off[i]));
	itr_aligned_free(x);
	itr_aligned_free(exact);
	return worst;
}

static void test_mean_error_of_int8(void **state)
{
	const double with = mean_error(true), without = mean_error(false);
	(void)state;
	printf("# int8 behind ReLU6, largest mean error of a channel: %.2g, without knowing what it follows %.2g\n", with, without);
	assert_true(with < 0.3 * without);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_scopes_change_nothing_but_memory),
		                            cmocka_unit_test(test_scopes_bound_memory), cmocka_unit_test(test_packing),
		                            cmocka_unit_test(test_mean_error_of_int8) };
	return cmocka_run_group_tests_name("nn pack", tests, NULL, NULL);
}
