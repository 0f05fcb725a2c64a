/* lib/tensor/conv_bf16.c against the fp32 convolution of the same bfloat16 numbers, in every kernel that this processor runs (the test
 * calls itself with ITR_CPU): blocks of pixels, splits of the weights' gradient, several blocks of k, strides, groups, odd channels. Then a
 * ResNet-18 that trains with bfloat16 activations beside one that trains in fp32. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/ops.h"
#include "base/cpu.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/tower.h"
#include "nn/layers.h"
#include "optim/optim.h"
#include "tensor/conv.h"
#include "tensor/dtype.h"

/* b, h, w, c, o, k, stride, pad, groups. The later ones have what small ones lack: m beyond two splits, k beyond one block of 512, more
 * results than weights a result. */
static const int64_t cases[][9] = {
	{ 1, 5, 6, 3, 4, 3, 1, 1, 1 },     { 2, 9, 7, 5, 33, 1, 1, 0, 1 },    { 1, 9, 8, 7, 6, 5, 2, 2, 1 },
	{ 2, 7, 7, 16, 20, 3, 2, 1, 2 },   { 1, 8, 9, 32, 40, 3, 1, 1, 1 },   { 2, 8, 8, 48, 17, 1, 2, 0, 1 },
	{ 3, 32, 34, 32, 15, 3, 1, 1, 1 }, { 2, 46, 47, 3, 24, 7, 2, 3, 1 },  { 1, 7, 7, 160, 64, 3, 1, 1, 1 },
	{ 1, 7, 7, 64, 320, 1, 1, 0, 1 },  { 2, 30, 31, 96, 64, 3, 2, 1, 1 }, { 1, 60, 60, 64, 36, 1, 1, 0, 1 },
};

static float *numbers(int64_t n, uint64_t seed, uint16_t *half)
{
	itr_rng r;
	itr_rng_seed(&r, seed);
	float *x = itr_aligned_alloc((size_t)n * sizeof *x);
	for (int64_t i = 0; i < n; i++) {
		half[i] = itr_bf16_from_f32((float)itr_rng_normal(&r));
		x[i] = itr_bf16_to_f32(half[i]);
	}
	return x;
}

/* The largest difference in parts of the largest number. */
static double apart(const float *a, const void *b, bool half, int64_t n)
{
	double top = 0, worst = 0;
	for (int64_t i = 0; i < n; i++) {
		const double v = half ? (double)itr_bf16_to_f32(((const uint16_t *)b)[i]) : (double)((const float *)b)[i];
		top = fmax(top, fabs((double)a[i]));
		worst = isfinite(v) ? fmax(worst, fabs(v - (double)a[i])) : 1e30;
	}
	return worst / top;
}

/* Stored once: half a unit in the last of eight bits, 2^-8. Not stored: what order of fp32 sums makes, 1e-5 with chains of thousands. */
static const double ROUNDED = 0x1p-8, SUMS = 1e-5;

static void one_case(const int64_t *d)
{
	itr_conv g = { .batch = d[0],
		       .h = d[1],
		       .w = d[2],
		       .c = d[3],
		       .o = d[4],
		       .kh = d[5],
		       .kw = d[5],
		       .stride = d[6],
		       .dilation = 1,
		       .groups = d[8] };
	assert_true(itr_conv_shape(&g, d[7]));
	const int64_t nx = g.batch * g.h * g.w * g.c, ny = g.batch * g.oh * g.ow * g.o, nw = g.o * g.c / g.groups * g.kh * g.kw,
		      most = ITR_MAX(ITR_MAX(nx, ny), nw);
	uint16_t *hx = itr_xmalloc((size_t)nx * 2), *hy = itr_xmalloc((size_t)ny * 2), *hw = itr_xmalloc((size_t)nw * 2);
	float *x = numbers(nx, 1, hx), *dy = numbers(ny, 2, hy), *w = numbers(nw, 3, hw), *want = itr_aligned_alloc((size_t)most * 4),
	      *got = itr_aligned_alloc((size_t)most * 4), *again = itr_aligned_alloc((size_t)most * 4);
	double e[6];
	itr_conv_forward(&g, ITR_COMPUTE_F32, x, w, want, 1);
	itr_conv_forward_bf16(&g, hx, w, got, false, 1);
	e[0] = apart(want, got, true, ny);
	itr_conv_forward_bf16(&g, hx, w, again, false, 3);
	assert_memory_equal(got, again, (size_t)ny * 2);
	itr_conv_forward(&g, ITR_COMPUTE_BF16, x, w, got, 2);
	e[1] = apart(want, got, false, ny);
	itr_conv_backward_input(&g, ITR_COMPUTE_F32, dy, w, 0, want, 1);
	itr_conv_backward_input_bf16(&g, hy, w, 0, got, false, 2);
	e[2] = apart(want, got, true, nx);
	memcpy(got, hx, (size_t)nx * 2);
	memcpy(again, hx, (size_t)nx * 2);
	for (int64_t i = 0; i < nx; i++)
		want[i] += x[i];
	itr_conv_backward_input_bf16(&g, hy, w, 1, got, false, 1);
	itr_conv_backward_input_bf16(&g, hy, w, 1, again, false, 3);
	assert_memory_equal(got, again, (size_t)nx * 2);
	e[3] = apart(want, got, true, nx);
	itr_conv_backward_weight(&g, ITR_COMPUTE_F32, x, dy, 0, want, 1);
	itr_conv_backward_weight_bf16(&g, hx, hy, 0, got, 1);
	itr_conv_backward_weight_bf16(&g, hx, hy, 0, again, 3);
	assert_memory_equal(got, again, (size_t)nw * 4);
	e[4] = apart(want, got, false, nw);
	itr_conv_backward_weight_bf16(&g, hx, hy, 1, again, 2);
	for (int64_t i = 0; i < nw; i++)
		got[i] *= 2;
	e[5] = apart(got, again, false, nw);
	printf("# %2lldx%-2lld %3lld -> %3lld kernel %lld stride %lld: forward %.1e %.1e input %.1e %.1e weight %.1e %.1e\n",
	       (long long)g.h, (long long)g.w, (long long)g.c, (long long)g.o, (long long)g.kh, (long long)g.stride, e[0], e[1], e[2], e[3],
	       e[4], e[5]);
	assert_true(e[0] < ROUNDED && e[1] < SUMS && e[2] < ROUNDED && e[3] < ROUNDED && e[4] < SUMS && e[5] < SUMS);
	float *all[] = { x, dy, w, want, got, again };
	for (int i = 0; i < ITR_LEN(all); i++)
		itr_aligned_free(all[i]);
	free(hx);
	free(hy);
	free(hw);
}

static void test_products(void **state)
{
	(void)state;
	for (int i = 0; i < (itr_cpu_features() ? ITR_LEN(cases) : 6); i++)        /* the plain kernel takes seconds for the rest */
		one_case(cases[i]);
}

/* --- a whole network ------------------------------------------------------------------------------------------------------------------ */

enum { STEPS = 16, PICTURES = 16, SIDE = 64, CLASSES = 8 };

/* Pictures of waves of eight kinds under noise, pulled towards their kind's direction. Loss before each step. */
static size_t train(itr_compute compute, int threads, double *loss)
{
	itr_err err = ITR_ERR_INIT;
	const itr_tower_ops *ops = itr_tower_find("resnet18", true, &err);
	itr_tower_config c;
	assert_true(ops && ops->configure(&c, NULL, NULL, &err) == 0);
	c.batch_statistics = true;
	c.image_size = SIDE;
	void *layers = itr_xcalloc(1, ops->size);
	itr_params *p = itr_params_new();
	itr_linear_layer head;
	ops->init(layers, p, &c);
	itr_linear_init(&head, p, "head", 512, CLASSES, true);
	itr_params_seal(p);
	itr_params_initialise(p, 5);
	itr_optim *opt = itr_optim_new("adamw", p, &(itr_optim_opts){ .weight_decay = 0.01, .threads = threads }, &err);
	itr_tape *t = itr_tape_new(&(itr_tape_opts){ .threads = threads, .seed = 1, .compute = compute });
	static float x[PICTURES * SIDE * SIDE * 3], y[PICTURES * CLASSES];
	itr_rng r;
	itr_rng_seed(&r, 9);
	for (int64_t i = 0; i < PICTURES * SIDE * SIDE * 3; i++) {
		const int64_t k = i / (SIDE * SIDE * 3) % CLASSES, u = i / 3 % SIDE, v = i / 3 / SIDE % SIDE;
		x[i] = (float)(sin(0.2 * (double)((k + 1) * (k % 2 ? u : v))) + 0.5 * itr_rng_normal(&r));
	}
	memset(y, 0, sizeof y);
	for (int64_t i = 0; i < PICTURES; i++)
		y[i * CLASSES + i % CLASSES] = 1;
	for (uint64_t step = 0; step < STEPS; step++) {
		itr_tape_reset(t, step);
		const itr_tower_in in = { .n = PICTURES, .pixels = x };
		itr_var *l = itr_mse(t, itr_linear(t, &head, ops->forward(t, layers, &c, &in, false).pooled),
		                     itr_input(t, 2, (int64_t[]){ PICTURES, CLASSES }, y));
		loss[step] = itr_var_item(t, l);
		itr_params_zero_grad(p);
		itr_backward(t, l, 1);
		itr_optim_step(opt, 3e-4, 1);
	}
	const size_t bytes = itr_tape_bytes(t);
	itr_optim_free(opt);
	itr_tape_free(t);
	itr_params_free(p);
	free(layers);
	return bytes;
}

/* The curves stay together: bfloat16 has eight bits, and twenty layers' roundings, carried on by Adam's steps, leave less than a hundredth
 * of the first loss (measured: 2e-3 before the first step, 6e-3 at most). Both fall to a fraction. */
static void test_a_network_trains_as_in_fp32(void **state)
{
	double f[STEPS], h[STEPS], again[STEPS], worst = 0;
	(void)state;
	const size_t wide = train(ITR_COMPUTE_F32, 2, f), narrow = train(ITR_COMPUTE_BF16, 2, h);
	train(ITR_COMPUTE_BF16, 1, again);
	for (int i = 0; i < STEPS; i++) {
		printf("# step %2d: fp32 %.5f bf16 %.5f\n", i, f[i], h[i]);
		worst = fmax(worst, fabs(f[i] - h[i]) / f[0]);
	}
	printf("# activations: fp32 %.1f MB, bf16 %.1f MB\n", (double)wide / 1e6, (double)narrow / 1e6);
	assert_memory_equal(h, again, sizeof h);                 /* one thread or two: the same bits */
	assert_true(memcmp(f, h, sizeof f) != 0);
	assert_true(worst < 0.02);
	assert_true(h[STEPS - 1] < 0.5 * h[0] && f[STEPS - 1] < 0.5 * f[0]);
	assert_true((double)narrow < 0.6 * (double)wide);         /* half: all large arrays are bfloat16 */
}

int main(int argc, char **argv)
{
	static const char *const kernels[] = { "avx512", "avx2", "scalar" };
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_products), cmocka_unit_test(test_a_network_trains_as_in_fp32) };
	char command[4096];
	(void)argc;
	if (getenv("ITR_CPU"))                   /* the network on the best kernels alone */
		return _cmocka_run_group_tests(itr_cpu_names(), tests, 1, NULL, NULL);
	int failed = cmocka_run_group_tests_name(itr_cpu_names(), tests, NULL, NULL);
	for (int i = 0; i < ITR_LEN(kernels) && !getenv("ITR_CPU"); i++) {
		snprintf(command, sizeof command, "ITR_CPU=%s '%s'", kernels[i], argv[0]);
		failed += system(command) != 0;
	}
	return failed;
}
