/* lib/model/closed_file.c: what is written comes back; what is broken is refused with a reason. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/mem.h"
#include "io/h5.h"
#include "model/model.h"

static char path[64];

static int setup(void **state)
{
	(void)state;
	snprintf(path, sizeof path, "/tmp/itr-projection-%ld.h5", (long)getpid());
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

static itr_closed *sample(void)
{
	itr_closed *p = itr_closed_new("ridge", 3);
	for (int s = 0; s < 2; s++) {
		itr_closed_side *d = &p->side[s];
		d->in = s == ITR_TEXT ? 5 : 3;
		d->normalize = s == 0;
		free(d->encoder);
		d->encoder = itr_xstrdup(s ? "classic" : "hash");
		if (s)
			continue;
		d->mean = itr_aligned_calloc(5 * sizeof(float));
		d->weight = itr_aligned_calloc(15 * sizeof(float));
		d->bias = itr_aligned_calloc(3 * sizeof(float));
		for (int i = 0; i < 15; i++)
			d->weight[i] = (float)i * 0.25f - 1;
		d->mean[2] = 0.1f;
		d->bias[1] = -3;
	}
	p->regularization = 1e-3;
	p->lambda = 12.5;
	p->details = itr_json_object();
	itr_json_add_num(p->details, "power", 4);
	p->synthetic = true;
	p->split = (itr_split_record){
		.by = "image", .sizes = { 0.6, 0.2, 0.2 }, .seed = UINT64_MAX, .count = { 6, 2, 2 }, .hash = { "aa", "bb", "cc" }
	};
	return p;
}

static void test_round_trip(void **state)
{
	(void)state;
	itr_err err = ITR_ERR_INIT;
	itr_closed *p = sample();
	itr_model *m = itr_closed_save(p, path, NULL, &err) < 0 ? NULL : itr_model_open(path, NULL, &err);
	if (!m)
		fail_msg("%s", err.msg);
	const itr_closed *q = m->closed;
	assert_true(m->synthetic && m->split.count[0] == 6 && itr_model_in(m, ITR_TEXT) == 5 && itr_model_embed_dim(m) == 3);
	assert_string_equal(itr_model_source_of(m, ITR_IMAGE).encoder, "classic");
	assert_string_equal(q->method, "ridge");
	assert_true(q->dim == 3 && q->regularization == 1e-3 && q->lambda == 12.5);
	assert_true(itr_json_num(itr_json_get(q->details, "power"), 0) == 4);
	assert_memory_equal(q->side[0].weight, p->side[0].weight, 15 * sizeof(float));
	assert_memory_equal(q->side[0].mean, p->side[0].mean, 5 * sizeof(float));
	assert_memory_equal(q->side[0].bias, p->side[0].bias, 3 * sizeof(float));
	assert_true(q->side[0].normalize && !q->side[1].normalize && !q->side[1].weight && q->side[1].in == 3);
	assert_string_equal(q->side[1].encoder, "classic");
	assert_true(m->split.seed == UINT64_MAX && m->split.count[0] == 6 && m->split.sizes[0] == 0.6);
	assert_string_equal(m->split.hash[2], "cc");
	float x[10] = { 1, 2, 3, 4, 5, 0, 0, 1, 0, 0 }, a[6], b[6];
	assert_int_equal(itr_closed_apply(p, ITR_TEXT, x, 2, a, NULL, 1), -1);
	assert_int_equal(itr_closed_apply(q, ITR_TEXT, x, 2, b, NULL, 1), -1);
	assert_memory_equal(a, b, sizeof a);
	itr_closed_free(p), itr_model_free(m);
}

/* A file with this config and a weight of this shape; its refusal must mention `why`. */
static void refused(const char *config, int64_t rows, int64_t cols, float value, const char *why)
{
	itr_err err = ITR_ERR_INIT;
	float *w = itr_aligned_calloc((size_t)(rows * cols) * sizeof *w);
	const int64_t shape[2] = { rows, cols };
	w[0] = value;
	itr_h5 *h = itr_h5_create(path, "itr-model", false, &err);
	assert_non_null(h);
	if (config)
		assert_int_equal(itr_h5_write_text(h, "/config", config, &err), 0);
	assert_int_equal(itr_h5_write(h, "/param/text.weight", ITR_F32, 2, shape, w, &err), 0);
	assert_int_equal(itr_h5_commit(h, &err), 0);
	assert_null(itr_model_open(path, NULL, &err));
	if (!strstr(err.msg, why))
		fail_msg("'%s' does not say '%s'", err.msg, why);
	itr_aligned_free(w);
}

static void test_broken_files(void **state)
{
	(void)state;
	itr_err err = ITR_ERR_INIT;
	const char *good = "{\"kind\":\"projection\",\"method\":\"ridge\",\"dim\":2,\"text\":{\"in\":3},\"image\":{\"in\":2}}";
	refused(good, 3, 2, 1, "shape");
	refused(good, 2, 4, 1, "shape");
	refused(good, 2, 3, NAN, "NaN");
	refused("{\"kind\":\"projection\",\"method\":\"ridge\",\"dim\":2,\"text\":{\"in\":3},\"image\":{\"in\":5}}", 2, 3, 1,
	        "image.weight' is missing");
	refused("{\"kind\":\"projection\",\"method\":\"ridge\",\"dim\":-2,\"text\":{\"in\":3},\"image\":{\"in\":2}}", 2, 3, 1, "'dim'");
	refused("{\"kind\":\"projection\",\"method\":\"ridge\",\"dim\":2,\"text\":{\"in\":1e15},\"image\":{\"in\":2}}", 2, 3, 1,
	        "width of the text side");
	refused("{\"kind\":\"network\",\"dim\":2}", 2, 3, 1, "unknown model");
	refused("[]", 2, 3, 1, "kind 'none'");
	refused("{\"kind\":", 2, 3, 1, path);
	refused(NULL, 2, 3, 1, "config");
	FILE *f = fopen(path, "w");
	fputs("not HDF5", f);
	fclose(f);
	assert_null(itr_model_open(path, NULL, &err));
	unlink(path);
	assert_null(itr_model_open(path, NULL, &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_round_trip),
		                            cmocka_unit_test(test_broken_files) };
	return cmocka_run_group_tests(tests, setup, teardown);
}
