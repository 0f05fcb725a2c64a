/* Convolutional towers and the word LSTM at small sizes: float against double (forward and every parameter's gradient), frozen against
 * recorded, pictures and texts independent of their batch, empty and long texts, running statistics as torch moves them. True sizes against
 * torchvision and timm: tests/interop/cnn_parity.py. */
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
#include "base/rng.h"
#include "model/tower.h"
#include "nn/conv.h"

struct net {
	const itr_tower_ops *ops;
	itr_tower_config c;
	itr_params *p;
	void *layers;
	float *pixels;
	int32_t ids[80];
	int64_t start[6];
	itr_tower_in in;
	int64_t dim;
};

enum { SIZE = 64, PICTURES = 5, WORDS = 23 };

/* Statistics that a trained network could have: not the initial zeros and ones, with which a mistake in folding would not show. */
static void shake(itr_params *p)
{
	itr_rng r;
	itr_rng_seed(&r, 3);
	for (int64_t i = 0; i < itr_params_count(p); i++) {
		itr_param *q = itr_params_at(p, i);
		const size_t n = strlen(q->name);
		for (int64_t k = 0; q->rank == 1 && k < q->count; k++) {
			const double x = itr_rng_normal(&r);
			q->data[k] = (float)(n > 4 && !strcmp(q->name + n - 4, "_var") ? 0.6 + fabs(x) : q->data[k] + 0.1 * x);
		}
		/* larger than the initial values: the signal then survives to the last layer */
		for (int64_t k = 0; q->rank == 4 && k < q->count; k++)
			q->data[k] *= (float)(sqrt((double)q->shape[0] * (double)(q->shape[2] * q->shape[3])) /
			                      sqrt((double)(q->count / q->shape[0])));
	}
}

static void make(struct net *y, const char *name, bool image, bool batch_statistics, uint64_t seed)
{
	itr_err err = ITR_ERR_INIT;
	itr_rng r;
	int64_t grid, state;
	memset(y, 0, sizeof *y);
	y->ops = itr_tower_find(name, image, &err);
	assert_non_null(y->ops);
	assert_int_equal(y->ops->configure(&y->c, NULL, NULL, &err), 0);
	y->c.image_size = SIZE;
	y->c.batch_statistics = batch_statistics;
	if (!image) {
		y->c.vocab = WORDS;
		y->c.width = 7;
		y->c.mlp = 6;
	}
	y->layers = itr_xcalloc(1, y->ops->size);
	y->p = itr_params_new();
	y->ops->init(y->layers, y->p, &y->c);
	itr_params_seal(y->p);
	itr_params_initialise(y->p, 5);
	shake(y->p);
	y->ops->sizes(&y->c, &y->dim, &grid, &state);
	itr_rng_seed(&r, seed);
	y->pixels = itr_aligned_alloc((size_t)(PICTURES * SIZE * SIZE * 3) * sizeof(float));
	for (int64_t i = 0; i < PICTURES * SIZE * SIZE * 3; i++)
		y->pixels[i] = (float)itr_rng_normal(&r);
	const int64_t start[] = { 0, 3, 3, 67, 68, 71 };         /* lengths 3, 0, 64, 1, 3 */
	memcpy(y->start, start, sizeof start);
	for (int i = 0; i < 80; i++)
		y->ids[i] = (int32_t)(itr_rng_u64(&r) % WORDS);
	y->in = (itr_tower_in){ .n = PICTURES, .pixels = y->pixels, .ids = y->ids, .start = y->start };
}

static void drop(struct net *y)
{
	itr_params_free(y->p);
	itr_aligned_free(y->pixels);
	free(y->layers);
}

static float *run(struct net *y, int64_t first, int64_t n, bool states, int threads)
{
	itr_tape *t = itr_tape_new(&(itr_tape_opts){ .threads = threads, .inference = true });
	itr_tower_in in = y->in;
	int64_t start[6];
	for (int64_t i = 0; i <= n; i++)
		start[i] = y->start[first + i] - y->start[first];
	in.n = n;
	in.pixels += first * SIZE * SIZE * 3;
	in.ids += y->start[first];
	in.start = start;
	itr_tower_out o = y->ops->forward(t, y->layers, &y->c, &in, states);
	float *v = itr_xmalloc((size_t)(n * y->dim) * sizeof *v);
	assert_int_equal(o.pooled->count, n * y->dim);
	memcpy(v, o.pooled->data, (size_t)(n * y->dim) * sizeof *v);
	itr_tape_free(t);
	return v;
}

static double apart(const float *a, const float *b, int64_t n)
{
	double top = 0, d = 0;
	for (int64_t i = 0; i < n; i++) {
		top = fmax(top, fabs((double)b[i]));
		d = fmax(d, fabs((double)a[i] - (double)b[i]));
	}
	assert_true(top > 1e-3);
	return d / top;
}

static const struct {
	const char *name;
	bool image;
} towers[] = {
	{ "resnet18", true }, { "mobilenet-v3-small", true }, { "efficientnet-lite0", true }, { "resnet50", true }, { "lstm", false }
};

/* Packed = recorded up to rounding (the normalisation is folded); alone = in a batch, with states = without, one thread = two, to the bit.
 */
static void test_packed(void **state)
{
	(void)state;
	for (int k = 0; k < ITR_LEN(towers); k++) {
		struct net y;
		make(&y, towers[k].name, towers[k].image, false, 9);
		float *recorded = run(&y, 0, PICTURES, false, 2);
		itr_params_pack(y.p, ITR_COMPUTE_F32, 2);
		float *packed = run(&y, 0, PICTURES, false, 2), *single = run(&y, 0, PICTURES, true, 1), *alone = run(&y, 2, 1, false, 2);
		const double e = apart(packed, recorded, PICTURES * y.dim);
		printf("# %-20s packed against recorded %.1e\n", towers[k].name, e);
		assert_true(e < 2e-5);
		assert_memory_equal(packed, single, (size_t)(PICTURES * y.dim) * sizeof(float));
		assert_memory_equal(packed + 2 * y.dim, alone, (size_t)y.dim * sizeof(float));
		free(recorded);
		free(packed);
		free(single);
		free(alone);
		drop(&y);
	}
}

/* Gradients of every parameter, float against double: 1e-3 of the largest of its tensor, as the whole models are held to PyTorch. The
 * pictures' seed is one with which no unit sits so near the corner of its activation that float and double fall on different sides: one
 * such unit of the hundred thousand is a difference of several percent. */
static void test_gradients(void **state)
{
	(void)state;
	for (int k = 0; k < ITR_LEN(towers); k++) {
		if (!strcmp(towers[k].name, "resnet50") ||
		    !strcmp(towers[k].name, "efficientnet-lite0")) /* the double loops would take minutes */
			continue;
		struct net y;
		make(&y, towers[k].name, towers[k].image, towers[k].image, 2);
		y.in.n = towers[k].image ? 2 : PICTURES;
		itr_params_enable_reference(y.p);
		float *w = itr_xmalloc((size_t)(y.in.n * y.dim) * sizeof *w);
		double *w64 = itr_xmalloc((size_t)(y.in.n * y.dim) * sizeof *w64), worst = 0;
		for (int64_t i = 0; i < y.in.n * y.dim; i++)
			w64[i] = (double)(w[i] = (float)((i * 37 % 19) - 9) / 9);
		for (int reference = 0; reference < 2; reference++) {
			itr_tape *t = itr_tape_new(&(itr_tape_opts){ .threads = 2, .seed = 1, .reference = reference });
			itr_backward_from(t, y.ops->forward(t, y.layers, &y.c, &y.in, false).pooled, reference ? (void *)w64 : (void *)w);
			itr_tape_free(t);
			if (!reference)
				itr_params_zero_grad(y.p);
		}
		double largest = 0;
		for (int64_t i = 0; i < itr_params_count(y.p); i++)
			for (int64_t j = 0; j < itr_params_at(y.p, i)->count && !itr_params_at(y.p, i)->frozen; j++)
				largest = fmax(largest, fabs(itr_params_at(y.p, i)->grad64[j]));
		for (int64_t i = 0; i < itr_params_count(y.p); i++) {
			const itr_param *q = itr_params_at(y.p, i);
			/* a shift in front of a normalisation has no gradient but rounding */
			double top = 1e-3 * largest, d = 0;
			if (q->frozen)
				continue;
			for (int64_t j = 0; j < q->count; j++) {
				top = fmax(top, fabs(q->grad64[j]));
				d = fmax(d, fabs((double)q->grad[j] - q->grad64[j]));
			}
			worst = fmax(worst, d / top);
			if (d > 1e-3 * top)
				fail_msg("%s: gradient of '%s' differs by %g of its largest element", towers[k].name, q->name, d / top);
		}
		printf("# %-20s gradients, float against double %.1e\n", towers[k].name, worst);
		free(w);
		free(w64);
		drop(&y);
	}
}

/* torch: running = .9 running + .1 mean, and the unbiased variance; the numbers by torch.nn.BatchNorm2d on the same four rows. */
static void test_running_statistics(void **state)
{
	static const float x[] = { 1, 10, 2, -4, 4, 0, 9, 6 };
	float mean[] = { 0, 1 }, var[] = { 1, 2 }, one[] = { 1, 1 }, zero[] = { 0, 0 };
	itr_param g = { .name = "g", .rank = 1, .shape = { 2 }, .count = 2, .data = one, .frozen = true }, b = g;
	b.data = zero;
	(void)state;
	itr_tape *t = itr_tape_new(&(itr_tape_opts){ .threads = 1 });
	itr_batchnorm(t, itr_input(t, 4, (int64_t[]){ 1, 2, 2, 2 }, x), itr_leaf(t, &g), itr_leaf(t, &b), NULL,
	              &(itr_norm){ .eps = 1e-5, .momentum = 0.1, .batch_statistics = true, .running_mean = mean, .running_var = var });
	/* means 4, 3; unbiased variances 38/3, 116/3 */
	assert_float_equal(mean[0], 0.4, 1e-6);
	assert_float_equal(mean[1], 1.2, 1e-6);
	assert_float_equal(var[0], 0.9 + 3.8 / 3, 1e-6);
	assert_float_equal(var[1], 1.8 + 11.6 / 3, 1e-5);
	itr_tape_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_packed), cmocka_unit_test(test_gradients),
		                            cmocka_unit_test(test_running_statistics) };
	return cmocka_run_group_tests_name("model_cnn", tests, NULL, NULL);
}
