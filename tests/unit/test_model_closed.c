/* lib/linear against NumPy, SciPy and scikit-learn (tests/golden/gen_linear.py). Tolerance 5e-6: the maps are float32 (2^-24 relative),
 * vectors of a dozen terms; correlations 1e-6: the float32 data may differ from NumPy's in a last bit. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/model.h"
#include "linear/project.h"

enum { N = 100, M = 300, DX = 12, DY = 9, K = 5 };

static struct { float text[M * DX], image[N * DY], narrow[M * DY]; int64_t text_image[M]; itr_linear_data all, square; } data;

/* The values of one line of the golden file. */
static int golden(const char *name, double *v, int max)
{
	static char line[65536];
	FILE *f = fopen("tests/golden/linear.txt", "r");
	int n = 0;
	assert_non_null(f);
	while (fgets(line, sizeof line, f)) {
		size_t len = strlen(name);
		if (strncmp(line, name, len) || line[len] != ' ')
			continue;
		char *at = line + len, *end;
		for (double x = strtod(at, &end); end != at && n < max; x = strtod(at, &end)) {
			v[n++] = x;
			at = end;
		}
	}
	fclose(f);
	assert_true(n > 0);
	return n;
}

static void near(const char *what, const double *want, const float *have, int n, double tolerance)
{
	for (int i = 0; i < n; i++)
		if (!(fabs(want[i] - (double)have[i]) < tolerance))
			fail_msg("%s: value %d is %.9g, not %.9g", what, i, (double)have[i], want[i]);
}

static int setup(void **state)
{
	(void)state;
	static double z[N * K], a[K * DY], b[K * DX], e[N * DY], f[M * DX];
	itr_rng r;
	itr_rng_seed(&r, 77);
	itr_rng_normals(&r, N * K, z), itr_rng_normals(&r, K * DY, a), itr_rng_normals(&r, K * DX, b), itr_rng_normals(&r, N * DY, e),
		itr_rng_normals(&r, M * DX, f);
	itr_rng_seed(&r, 78);
	for (int i = 0; i < M; i++)
		data.text_image[i] = itr_rng_integers(&r, 0, N);
	for (int i = 0; i < N; i++)
		for (int j = 0; j < DY; j++) {
			double s = 0;
			for (int k = 0; k < K; k++)
				s += z[i * K + k] * a[k * DY + j];
			data.image[i * DY + j] = (float)(s + e[i * DY + j] + 0.5);
		}
	for (int i = 0; i < M; i++)
		for (int j = 0; j < DX; j++) {
			double s = 0;
			for (int k = 0; k < K; k++)
				s += z[data.text_image[i] * K + k] * b[k * DX + j];
			data.text[i * DX + j] = (float)(s + 2 * f[i * DX + j] - 0.25);
			if (j < DY)
				data.narrow[i * DY + j] = data.text[i * DX + j];
		}
	data.all = (itr_linear_data){ data.text, data.image, M, DX, N, DY, data.text_image, { NULL, NULL }, NULL };
	data.square = (itr_linear_data){ data.narrow, data.image, M, DY, N, DY, data.text_image, { NULL, NULL }, NULL };
	return 0;
}

static itr_closed *fit(const char *method, const itr_linear_data *d, itr_closed_fit_opts o)
{
	itr_err err = ITR_ERR_INIT;
	itr_closed *p = itr_closed_fit(method, itr_model_find(method, NULL)->closed, d, &o, NULL, NULL, NULL, NULL, &err);
	if (!p)
		fail_msg("%s: %s", method, err.msg);
	return p;
}

static void test_cca(void **state)
{
	(void)state;
	const double rs[] = { 1e-4, 1e-1 };
	for (int i = 0; i < 2; i++) {
		char name[64];
		double want[64], *r = (double[]){ rs[i] };
		float t[8 * 6], v[8 * 6], c[64];
		itr_closed *p =
			fit("cca", &data.all,
		            (itr_closed_fit_opts){
				    .dims = 6, .power = 4, .lambda = NAN, .regularization = { 1, { r[0] } }, .threads = 2 });
		assert_int_equal(p->dim, 6);
		snprintf(name, sizeof name, "cca.correlations.%g", rs[i]);
		golden(name, want, DY);
		for (int j = 0; j < 6; j++)
			assert_true(fabs(itr_json_num(itr_json_at(itr_json_get(p->details, "correlations"), j), 0) - want[j]) < 1e-6);
		assert_int_equal(itr_closed_apply(p, ITR_TEXT, data.text, 8, t, NULL, 2), -1);
		assert_int_equal(itr_closed_apply(p, ITR_IMAGE, data.image, 8, v, NULL, 1), -1);
		for (int a = 0; a < 8; a++)
			for (int b = 0; b < 8; b++) {
				c[a * 8 + b] = 0;
				for (int k = 0; k < 6; k++)
					c[a * 8 + b] += t[a * 6 + k] * v[b * 6 + k];
			}
		snprintf(name, sizeof name, "cca.cosines.%g", rs[i]);
		assert_int_equal(golden(name, want, 64), 64);
		near(name, want, c, 64, 5e-6);
		itr_closed_free(p);
	}
	/* never wider than the smaller side */
	itr_closed *p = fit("cca", &data.all,
	                    (itr_closed_fit_opts){ .power = 4, .lambda = NAN, .regularization = { 1, { rs[0] } }, .threads = 1 });
	assert_int_equal(p->dim, DY);
	itr_closed_free(p);
}

static void test_ridge(void **state)
{
	(void)state;
	double want[5 * DX];
	float out[5 * DX];
	itr_closed *p = fit("ridge", &data.all, (itr_closed_fit_opts){ .lambda = 0.7, .threads = 2 });
	assert_true(p->dim == DY && fabs(p->lambda - 0.7) < 1e-12);
	assert_int_equal(itr_closed_apply(p, ITR_TEXT, data.text, 5, out, NULL, 1), -1);
	near("ridge.forward", want, out, golden("ridge.forward", want, 5 * DY), 5e-6);
	/* the other side is only normalised */
	assert_int_equal(itr_closed_apply(p, ITR_IMAGE, data.image, 1, out, NULL, 1), -1);
	double norm = 0;
	for (int i = 0; i < DY; i++)
		norm += (double)data.image[i] * (double)data.image[i];
	for (int i = 0; i < DY; i++)
		assert_true(fabs((double)out[i] - (double)data.image[i] / sqrt(norm)) < 1e-6);
	itr_closed_free(p);
	p = fit("ridge", &data.all, (itr_closed_fit_opts){ .lambda = 3, .direction = ITR_IMAGE_TO_TEXT, .threads = 2 });
	assert_int_equal(p->dim, DX);
	assert_int_equal(itr_closed_apply(p, ITR_IMAGE, data.image, 5, out, NULL, 1), -1);
	near("ridge.backward", want, out, golden("ridge.backward", want, 5 * DX), 5e-6);
	itr_closed_free(p);
}

static void test_idf(void **state)
{
	(void)state;
	double want[5 * DY];
	float out[5 * DY], *text = itr_aligned_alloc(M * DX * sizeof *text);
	itr_linear_data d = data.all;
	for (int i = 0; i < M * DX; i++)
		text[i] = data.text[i] > 0 ? data.text[i] : 0;
	d.text = text;
	itr_closed *p = fit("ridge", &d, (itr_closed_fit_opts){ .lambda = 0.7, .idf = true, .threads = 2 });
	assert_true(p->side[ITR_TEXT].idf && !p->side[ITR_IMAGE].idf);
	assert_int_equal(itr_closed_apply(p, ITR_TEXT, text, 5, out, NULL, 1), -1);
	near("ridge.idf", want, out, golden("ridge.idf", want, 5 * DY), 5e-6);
	itr_closed_free(p);
	itr_aligned_free(text);
}

/* The same solvers on random Fourier features. 2e-5: cosines of arguments of a few units in float32. */
static void test_kernel_models(void **state)
{
	(void)state;
	double want[64];
	float out[5 * DX], t[8 * 6], v[8 * 6], z[3 * 16], cosine[64];
	itr_closed *p = fit("kernel-ridge", &data.all, (itr_closed_fit_opts){ .lambda = 0.7, .features = 16, .seed = 42, .threads = 2 });
	assert_string_equal(p->method, "kernel-ridge");
	assert_true(p->dim == DY && p->side[ITR_TEXT].in == DX && !p->side[ITR_IMAGE].fourier);
	itr_fourier_apply(p->side[ITR_TEXT].fourier, data.text, 3, z, 2);
	near("fourier.text", want, z, golden("fourier.text", want, 48), 2e-6);
	assert_int_equal(itr_closed_apply(p, ITR_TEXT, data.text, 5, out, NULL, 1), -1);
	near("kernel_ridge.forward", want, out, golden("kernel_ridge.forward", want, 5 * DY), 2e-5);
	itr_closed_free(p);
	p = fit("kernel-ridge", &data.all,
	        (itr_closed_fit_opts){ .lambda = 3, .direction = ITR_IMAGE_TO_TEXT, .features = 16, .seed = 42, .threads = 1 });
	assert_int_equal(itr_closed_apply(p, ITR_IMAGE, data.image, 5, out, NULL, 1), -1);
	near("kernel_ridge.backward", want, out, golden("kernel_ridge.backward", want, 5 * DX), 2e-5);
	itr_closed_free(p);
	p = fit("kernel-cca", &data.all,
	        (itr_closed_fit_opts){ .dims = 6, .power = 4, .lambda = NAN, .regularization = { 1, { 0.1 } },
	                               .features = 16, .seed = 42, .threads = 2 });
	assert_int_equal(itr_closed_apply(p, ITR_TEXT, data.text, 8, t, NULL, 1), -1);
	assert_int_equal(itr_closed_apply(p, ITR_IMAGE, data.image, 8, v, NULL, 2), -1);
	for (int i = 0; i < 8; i++)
		for (int j = 0; j < 8; j++) {
			double sum = 0;
			for (int k = 0; k < 6; k++)
				sum += (double)t[i * 6 + k] * (double)v[j * 6 + k];
			cosine[i * 8 + j] = (float)sum;
		}
	near("kernel_cca.cosines", want, cosine, golden("kernel_cca.cosines", want, 64), 2e-5);
	itr_closed_free(p);
}

static void test_procrustes(void **state)
{
	(void)state;
	double want[5 * DY];
	float out[5 * DX];
	itr_closed *p = fit("procrustes", &data.square, (itr_closed_fit_opts){ .lambda = NAN, .threads = 2 });
	assert_int_equal(itr_closed_apply(p, ITR_TEXT, data.narrow, 5, out, NULL, 1), -1);
	near("procrustes.square", want, out, golden("procrustes.square", want, 5 * DY), 5e-6);
	itr_closed_free(p);
	p = fit("procrustes", &data.all, (itr_closed_fit_opts){ .lambda = NAN, .threads = 2 });
	assert_int_equal(itr_closed_apply(p, ITR_TEXT, data.text, 5, out, NULL, 1), -1);
	near("procrustes.wide", want, out, golden("procrustes.wide", want, 5 * DY), 5e-6);
	itr_closed_free(p);
	p = fit("procrustes", &data.all, (itr_closed_fit_opts){ .lambda = NAN, .direction = ITR_IMAGE_TO_TEXT, .threads = 2 });
	assert_int_equal(p->dim, DX);
	/* an isometry of the smaller space into the larger */
	const itr_closed_side *s = &p->side[ITR_IMAGE];
	for (int a = 0; a < DY; a++)
		for (int b = 0; b < DY; b++) {
			double dot = 0;
			for (int i = 0; i < DX; i++)
				dot += (double)s->weight[i * DY + a] * (double)s->weight[i * DY + b];
			assert_true(fabs(dot - (a == b)) < 1e-6);
		}
	itr_closed_free(p);
}

struct chooser { int calls; double best_r; };

static double prefer(void *ctx, const itr_closed *p, itr_err *err)
{
	struct chooser *c = ctx;
	(void)err;
	c->calls++;
	return -fabs(log10(p->regularization / c->best_r));
}

static double refuse(void *ctx, const itr_closed *p, itr_err *err)
{
	(void)ctx, (void)p;
	itr_err_set(err, "no");
	return NAN;
}

static void test_choice_of_regularization(void **state)
{
	(void)state;
	itr_err err = ITR_ERR_INIT;
	itr_closed_trial trials[5];
	int64_t n = 0;
	itr_closed_fit_opts o = { .power = 4, .features = 16, .lambda = NAN, .threads = 1 };
	for (int i = 0; itr_models[i]; i++) {
		if (!itr_models[i]->closed)
			continue;
		const itr_closed_kind *m = itr_models[i]->closed;
		struct chooser c = { 0, 1e-2 };
		assert_ptr_equal(itr_model_find(itr_models[i]->name, NULL), itr_models[i]);
		itr_closed *p = itr_closed_fit(itr_models[i]->name, m, &data.all, &o, m->regularized ? prefer : NULL, &c, trials, &n, &err);
		assert_non_null(p);
		assert_string_equal(p->method, itr_models[i]->name);
		if (m->regularized) {
			assert_true(c.calls == 5 && n == 5);
			assert_true(fabs(p->regularization - 1e-2) < 1e-12);
			assert_true(fabs(trials[4].r - 1) < 1e-12);
			assert_null(itr_closed_fit(itr_models[i]->name, m, &data.all, &o, NULL, NULL, NULL, NULL, &err));
			assert_null(itr_closed_fit(itr_models[i]->name, m, &data.all, &o, refuse, NULL, NULL, NULL, &err));
			assert_string_equal(err.msg, "no");
		}
		itr_closed_free(p);
	}
	assert_null(itr_model_find("nothing", NULL));
}

static void test_threads_change_nothing(void **state)
{
	(void)state;
	for (int i = 0; itr_models[i]; i++) {
		if (!itr_models[i]->closed)
			continue;
		const double r[] = { 0.1 };
		itr_closed_fit_opts o = {
			.power = 4, .features = 16, .lambda = NAN, .regularization = { 1, { r[0] } }, .threads = 1
		};
		itr_closed *a = fit(itr_models[i]->name, &data.all, o);
		o.threads = 3;
		itr_closed *b = fit(itr_models[i]->name, &data.all, o);
		for (int s = 0; s < 2; s++)
			if (a->side[s].weight)
				assert_memory_equal(a->side[s].weight, b->side[s].weight, (size_t)(a->dim * a->side[s].in) * sizeof(float));
		itr_closed_free(a), itr_closed_free(b);
	}
}

/* Repeating every pair changes no mean and no covariance; several blocks and tiles. */
static void test_moments_of_many_rows(void **state)
{
	(void)state;
	enum { BIG = 2500, D = 300 };
	itr_rng r;
	itr_rng_seed(&r, 5);
	float *x = itr_xmalloc((size_t)BIG * D * sizeof *x), *twice = itr_xmalloc((size_t)2 * BIG * D * sizeof *x),
	      *y = itr_xmalloc((size_t)BIG * 7 * sizeof *y);
	int64_t *map = itr_xmalloc(2 * BIG * sizeof *map);
	for (int i = 0; i < BIG * D; i++)
		x[i] = (float)itr_rng_normal(&r);
	for (int i = 0; i < BIG * 7; i++)
		y[i] = (float)itr_rng_normal(&r);
	for (int i = 0; i < BIG; i++)
		map[i] = map[BIG + i] = (i * 7) % BIG;
	memcpy(twice, x, (size_t)BIG * D * sizeof *x), memcpy(twice + (size_t)BIG * D, x, (size_t)BIG * D * sizeof *x);
	itr_linear_data one = { x, y, BIG, D, BIG, 7, map, { NULL, NULL }, NULL },
			two = { twice, y, 2 * BIG, D, BIG, 7, map, { NULL, NULL }, NULL };
	itr_moments *a = itr_moments_new(&one, 7, false, 2), *b = itr_moments_new(&two, 7, false, 1);
	double sum = 0;
	for (int i = 0; i < D * D; i++)
		assert_true(fabs(a->cxx[i] - b->cxx[i]) < 1e-12);
	for (int i = 0; i < D * 7; i++)
		assert_true(fabs(a->cxy[i] - b->cxy[i]) < 1e-12);
	for (int i = 0; i < BIG; i++)
		sum += ((double)x[i * D + 3] - a->mean_x[3]) * ((double)y[map[i] * 7 + 2] - a->mean_y[2]);
	assert_true(fabs(sum / BIG - a->cxy[3 * 7 + 2]) < 1e-12);
	itr_moments_free(a), itr_moments_free(b);
	free(x), free(y), free(twice), free(map);
}

/* Rows of other parts, marked by a negative image, leave no trace. */
static void test_other_parts_do_not_leak(void **state)
{
	(void)state;
	static float text[2 * M * DX], image[2 * N * DY];
	static int64_t map[2 * M];
	for (int i = 0; i < 2 * M; i++) {
		map[i] = i % 2 ? -1 : 2 * data.text_image[i / 2];
		for (int j = 0; j < DX; j++)
			text[i * DX + j] = i % 2 ? 100 : data.text[i / 2 * DX + j];
	}
	for (int i = 0; i < 2 * N; i++)
		for (int j = 0; j < DY; j++)
			image[i * DY + j] = i % 2 ? -50 : data.image[i / 2 * DY + j];
	itr_linear_data mixed = { text, image, 2 * M, DX, 2 * N, DY, map, { NULL, NULL }, NULL };
	for (int i = 0; itr_models[i]; i++) {
		if (!itr_models[i]->closed)
			continue;
		const double r[] = { 1e-3 };
		itr_closed_fit_opts o = {
			.power = 4, .features = 16, .lambda = NAN, .regularization = { 1, { r[0] } }, .threads = 2
		};
		itr_closed *a = fit(itr_models[i]->name, &data.all, o), *b = fit(itr_models[i]->name, &mixed, o);
		for (int s = 0; s < 2; s++)
			if (a->side[s].weight)
				assert_memory_equal(a->side[s].weight, b->side[s].weight, (size_t)(a->dim * a->side[s].in) * sizeof(float));
		itr_closed_free(a), itr_closed_free(b);
	}
}

static void test_equal_rows_stay_equal(void **state)
{
	(void)state;
	enum { ROWS = 1003 };
	const double r[] = { 1e-2 };
	float *x = itr_xmalloc(ROWS * DX * sizeof *x), *out = itr_xmalloc(ROWS * 64 * sizeof *out);
	itr_closed *p = fit("cca", &data.all,
	                    (itr_closed_fit_opts){
				    .power = 4, .features = 16, .lambda = NAN, .regularization = { 1, { r[0] } }, .threads = 2 });
	for (int i = 0; i < ROWS; i++)
		memcpy(x + i * DX, data.text, DX * sizeof *x);
	for (int threads = 1; threads < 3; threads++) {
		assert_int_equal(itr_closed_apply(p, ITR_TEXT, x, ROWS, out, NULL, threads), -1);
		for (int i = 1; i < ROWS; i++)
			assert_memory_equal(out, out + i * p->dim, (size_t)p->dim * sizeof *out);
		itr_project_gaussian(x, ROWS, DX, 37, 42, out, threads);
		for (int i = 1; i < ROWS; i++)
			assert_memory_equal(out, out + i * 37, 37 * sizeof *out);
	}
	itr_closed_free(p);
	free(x), free(out);
}

static void test_projection_and_truncation(void **state)
{
	(void)state;
	enum { ROWS = 10, BASE = 64, D = 40 };
	double want[3 * D], v[ROWS * BASE];
	float x[ROWS * BASE], out[ROWS * BASE];
	itr_rng r;
	itr_rng_seed(&r, 6);
	itr_rng_normals(&r, ROWS * BASE, v);
	for (int i = 0; i < ROWS * BASE; i++)
		x[i] = (float)v[i];
	itr_project_gaussian(x, ROWS, BASE, D, 5, out, 2);
	near("project", want, out, golden("project", want, 3 * D), 1e-6);
	itr_project_gaussian(x, ROWS, BASE, BASE, 5, out, 2);
	assert_memory_equal(out, x, sizeof x);
	itr_project_truncate(x, ROWS, BASE, BASE, out, 2);
	assert_memory_equal(out, x, sizeof x);
	itr_project_rotate(x, ROWS, BASE, 5, out, 2);
	for (int i = 0; i < ROWS; i++)
		for (int j = 0; j <= i; j++) {           /* a rotation keeps all inner products, and is not the identity */
			double before = 0, after = 0;
			for (int k = 0; k < BASE; k++) {
				before += (double)x[i * BASE + k] * (double)x[j * BASE + k];
				after += (double)out[i * BASE + k] * (double)out[j * BASE + k];
			}
			assert_true(fabs(before - after) < 1e-4 && fabs((double)(out[i * BASE] - x[i * BASE])) > 1e-6);
		}
	itr_project_truncate(x, ROWS, BASE, 3, out, 2);
	for (int i = 0; i < ROWS; i++) {
		double norm = sqrt(v[i * BASE] * v[i * BASE] + v[i * BASE + 1] * v[i * BASE + 1] + v[i * BASE + 2] * v[i * BASE + 2]);
		assert_true(fabs((double)out[i * 3 + 1] - v[i * BASE + 1] / norm) < 1e-6);
	}
}

static void test_hopeless_data(void **state)
{
	(void)state;
	itr_err err = ITR_ERR_INIT;
	const double r[] = { 1e-2 };
	float same[M * DX] = { 0 };
	itr_closed_fit_opts o = { .power = 4, .features = 16, .lambda = NAN, .regularization = { 1, { r[0] } }, .threads = 1 };
	itr_linear_data d = data.all;
	d.text = same;
	assert_null(itr_closed_fit("cca", itr_model_find("cca", NULL)->closed, &d, &o, NULL, NULL, NULL, NULL, &err));
	assert_non_null(strstr(err.msg, "text covariance"));
	assert_null(itr_closed_fit("ridge", itr_model_find("ridge", NULL)->closed, &d, &o, NULL, NULL, NULL, NULL, &err));
	d.n_texts = 1;
	assert_null(itr_closed_fit("cca", itr_model_find("cca", NULL)->closed, &d, &o, NULL, NULL, NULL, NULL, &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_cca),
		                            cmocka_unit_test(test_ridge),
		cmocka_unit_test(test_kernel_models),
		cmocka_unit_test(test_idf),
		                            cmocka_unit_test(test_procrustes),
		                            cmocka_unit_test(test_choice_of_regularization),
		                            cmocka_unit_test(test_threads_change_nothing),
		                            cmocka_unit_test(test_moments_of_many_rows),
		                            cmocka_unit_test(test_other_parts_do_not_leak),
		                            cmocka_unit_test(test_equal_rows_stay_equal),
		                            cmocka_unit_test(test_projection_and_truncation),
		                            cmocka_unit_test(test_hopeless_data) };
	return cmocka_run_group_tests(tests, setup, NULL);
}
