/* Whole-model gradients at true size against PyTorch in double precision (tests/golden/gen_tower_gradients.py): MobileNetV3-Small + BiLSTM,
 * ResNet-50 + BERT, dropout off. Bound: 1e-3 of each tensor's largest gradient; float rounding leaves a hundredth of that. Pictures are of
 * 64 pixels, chosen so that no activation's input lies next to a kink: on its other side a gradient is another one, and float and double
 * need not agree on the side. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "io/npz.h"
#include "loss/loss.h"
#include "model/model.h"

enum { MAX = 16 };

static void uniform(const char *name, int64_t n, float *u)
{
	uint64_t h = 0xcbf29ce484222325u;
	for (const char *c = name; *c; c++)
		h = (h ^ (unsigned char)*c) * 0x100000001b3u;
	for (int64_t i = 0; i < n; i++)
		u[i] = (float)(itr_mix64(h + (uint64_t)i * 0x9e3779b97f4a7c15u) >> 40) * 0x1p-23f - 1.0f;
}

static bool ends(const char *s, const char *tail) { return strlen(s) >= strlen(tail) && !strcmp(s + strlen(s) - strlen(tail), tail); }

static void set_value(itr_param *q)
{
	const float base = q->rank > 1 ? 0 : ends(q->name, "running_var") || ends(q->name, ".weight") ? 1 : 0;
	float spread = ends(q->name, "running_var") ? 0.5f : 0.1f;
	if (q->rank > 1)
		spread = strstr(q->name, "embedding") ? 0.5f : (float)sqrt(3.0 / (double)(q->count / q->shape[0]));
	uniform(q->name, q->count, q->data);
	for (int64_t i = 0; i < q->count; i++)
		q->data[i] = base + q->data[i] * spread;
}

static itr_model *make(const char *image, const char *text, bool batch, int64_t side)
{
	itr_err err = ITR_ERR_INIT;
	itr_tower *w[2] = { itr_tower_open(text, false, &(itr_tower_opts){ .pooling = strcmp(text, "bert") ? ITR_POOL_MEAN : ITR_POOL_CLS },
		                           &err),
		            itr_tower_open(image, true, &(itr_tower_opts){ .batch_statistics = batch }, &err) };
	assert_true(w[0] && w[1]);
	w[1]->config.image_size = side;         /* convolutions take any */
	itr_model *m = itr_model_new_towers("heads", &(itr_model_config){ .temperature = 0.07 }, w,
	                                    (const bool[2]){ true, true }, 1, &err);
	assert_non_null(m);
	for (int64_t i = 0; i < itr_params_count(m->params); i++)
		set_value(itr_params_at(m->params, i));
	return m;
}

/* One forward and backward on what the names say; the loss. */
static double step(itr_model *m, itr_tape *t, const int64_t *lengths, int64_t n, int64_t vocabulary, const int64_t *pictures)
{
	itr_err err = ITR_ERR_INIT;
	const int64_t count = n * pictures[1] * pictures[1] * 3;
	int64_t start[MAX + 1] = { 0 }, image_of[MAX];
	char name[32];
	snprintf(name, sizeof name, "pixels%d", (int)pictures[0]);
	for (int64_t i = 0; i < n; i++) {
		start[i + 1] = start[i] + lengths[i];
		image_of[i] = i;
	}
	float *pixels = itr_aligned_alloc((size_t)count * sizeof *pixels), *u = itr_aligned_alloc((size_t)start[n] * sizeof *u);
	int32_t *ids = itr_xmalloc((size_t)start[n] * sizeof *ids);
	uniform(name, count, pixels);
	for (int64_t i = 0; i < count; i++)
		pixels[i] *= 2;
	uniform("tokens", start[n], u);
	for (int64_t i = 0; i < start[n]; i++)
		ids[i] = (int32_t)(((double)u[i] * 0.5 + 0.5) * (double)(vocabulary - 4) + 4);
	const itr_loss_ops *infonce = itr_loss_find("infonce", &err);
	itr_tape_reset(t, 0);
	itr_params_zero_grad(m->params);
	itr_var *text = itr_model_text(
		t, m, itr_tower_forward(t, m->tower[0], &(itr_tower_in){ .n = n, .ids = ids, .start = start }, false).pooled);
	itr_var *image =
		itr_model_image(t, m, itr_tower_forward(t, m->tower[1], &(itr_tower_in){ .n = n, .pixels = pixels }, false).pooled);
	itr_var *loss = infonce->value(infonce->defaults, t,
	                               &(itr_loss_in){ text, image, .group = image_of, .symmetric = true, .scale = 1 / 0.07 });
	const double value = itr_var_item(t, loss);
	itr_backward(t, loss, 1);
	itr_aligned_free(pixels);
	itr_aligned_free(u);
	free(ids);
	return value;
}

/* golden: norm, largest magnitude, 16 entries. */
static double compare(const itr_param *q, const double *golden, double least)
{
	double sum = 0, worst = 0;
	const bool zero = golden[1] < 1e-9 * least;
	const double largest = zero ? least : golden[1], norm = zero ? least : golden[0];
	for (int64_t i = 0; i < q->count; i++)
		sum += (double)q->grad[i] * (double)q->grad[i];
	for (int64_t k = 0; k < 16; k++)
		worst = fmax(worst, fabs((double)q->grad[k * q->count / 16] - golden[2 + k]) / largest);
	return fmax(worst, fabs(sqrt(sum) - golden[0]) / norm);
}

static void check(const char *key, const char *image, const char *text, bool batch, int64_t vocabulary)
{
	itr_err err = ITR_ERR_INIT;
	itr_array_info info, ni;
	char name[64];
	itr_npz *z = itr_npz_open("tests/golden/tower_gradients.npz", &err);
	if (!z)
		z = itr_npz_open("../../tests/golden/tower_gradients.npz", &err);
	if (!z)
		fail_msg("%s", err.msg);
	snprintf(name, sizeof name, "%s/numbers", key);
	double *golden = itr_npz_f64(z, name, &info, &err);
	snprintf(name, sizeof name, "%s/lengths", key);
	int64_t *lengths = itr_npz_i64(z, name, &info, &err);
	const int64_t n = info.count;
	snprintf(name, sizeof name, "%s/pixels", key);
	int64_t *pictures = itr_npz_i64(z, name, &ni, &err);
	assert_non_null(pictures);
	snprintf(name, sizeof name, "%s/names", key);
	char **names = itr_npz_text(z, name, &ni, &err);
	snprintf(name, sizeof name, "%s/loss", key);
	double *loss = itr_npz_f64(z, name, &info, &err);
	assert_true(names && golden && lengths && loss && n <= MAX);
	itr_model *m = make(image, text, batch, pictures[1]);
	itr_tape *t = itr_tape_new(&(itr_tape_opts){ .threads = 2, .no_dropout = true });
	const double value = step(m, t, lengths, n, vocabulary, pictures);
	if (!(fabs(value - loss[0]) <= 1e-4 * fabs(loss[0])))
		fail_msg("%s: loss %.7g, PyTorch's is %.7g", key, value, loss[0]);
	double worst = 0, least = 0;
	const char *where = "";
	for (int64_t i = 0; i < ni.count; i++)
		/* a shift that the next BatchNorm takes out again has a gradient of zero: rounding is all there is of it */
		least = fmax(least, golden[18 * i + 1]);
	int64_t with = 0;
	for (int64_t i = 0; i < itr_params_count(m->params); i++)
		with += itr_params_at(m->params, i)->grad_written;
	for (int64_t i = 0; i < ni.count; i++) {
		const itr_param *q = itr_params_find(m->params, names[i]);
		if (!q || !q->grad_written)
			fail_msg("%s: '%s' has no gradient", key, names[i]);
		const double d = compare(q, golden + 18 * i, least);
		if (getenv("VERBOSE") && d > 3e-4)
			printf("# %s %.1e\n", names[i], d);
		if (!(d <= worst)) {
			worst = d;
			where = names[i];
		}
	}
	printf("# %s: loss %.6f, %lld arrays, worst difference %.1e of the largest, in '%s'\n", key, value, (long long)ni.count, worst,
	       where);
	if (!(worst <= 1e-3))
		fail_msg("%s: the gradient of '%s' differs by %g of its largest", key, where, worst);
	assert_int_equal(with, ni.count);
	itr_tape_free(t);
	itr_model_free(m);
	itr_npz_free_text(names, ni.count);
	itr_aligned_free(golden);
	itr_aligned_free(lengths);
	itr_aligned_free(pictures);
	itr_aligned_free(loss);
	itr_npz_close(z);
}

static void test_mobilenet_lstm(void **state) { (void)state; check("mobilenet_lstm", "mobilenet-v3-small", "lstm", true, 10000); }
static void test_resnet50_bert(void **state) { (void)state; check("resnet50_bert", "resnet50", "bert", false, 30522); }

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_mobilenet_lstm), cmocka_unit_test(test_resnet50_bert) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
