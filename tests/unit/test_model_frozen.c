/* --freeze-layers: what is named stays, takes neither gradient nor memory of one, and what is left gets the very gradients that it gets
 * without freezing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/model.h"
#include "model_options.h"

enum { N = 4 };
static int64_t side = 64;

static itr_model *make(const char *layers, bool batch, itr_err *err)
{
	static const bool both[2] = { true, true };
	itr_tower *w[2] = { itr_tower_open("lstm", false, &(itr_tower_opts){ .pooling = ITR_POOL_MEAN, .seed = 3 }, err),
	                    itr_tower_open("mobilenet-v3-small", true, &(itr_tower_opts){ .batch_statistics = batch, .seed = 3 }, err) };
	assert_true(w[0] && w[1]);
	w[1]->config.image_size = side;
	if (layers && itr_towers_freeze(w, both, layers, err) < 0) {
		itr_tower_free(w[0]);
		itr_tower_free(w[1]);
		return NULL;
	}
	void *options = model_options("heads", "{\"embed_dim\":16}");
	itr_model *m = itr_model_new_towers("heads", &(itr_model_config){ .options = options, .temperature = 0.07 }, w, both, 1, err);
	free(options);
	assert_non_null(m);
	return m;
}

/* Forward, and backward from gradients of one; bytes that the tape held. */
static size_t step(itr_model *m)
{
	const int32_t ids[] = { 5, 6, 7, 8, 9, 10, 11, 12, 13 };
	const int64_t start[N + 1] = { 0, 2, 3, 7, 9 };
	float *pixels = itr_aligned_alloc((size_t)(N * side * side * 3) * sizeof *pixels), one[N * 16];
	itr_rng r;
	itr_rng_seed(&r, 5);
	for (int64_t i = 0; i < N * side * side * 3; i++)
		pixels[i] = (float)itr_rng_normal(&r);
	for (int i = 0; i < N * 16; i++)
		one[i] = (float)(i % 7) - 3;
	itr_tape *t = itr_tape_new(&(itr_tape_opts){ .threads = 2 });
	itr_tape_reset(t, 0);
	itr_params_zero_grad(m->params);
	itr_var *text = itr_model_text(
		t, m, itr_tower_forward(t, m->tower[0], &(itr_tower_in){ .n = N, .ids = ids, .start = start }, false).pooled);
	itr_var *image =
		itr_model_image(t, m, itr_tower_forward(t, m->tower[1], &(itr_tower_in){ .n = N, .pixels = pixels }, false).pooled);
	itr_backward_outputs(t, (itr_var *[]){ text, image }, (const void *[]){ one, one }, 2);
	const size_t bytes = itr_tape_bytes(t);
	itr_tape_free(t);
	itr_aligned_free(pixels);
	return bytes;
}

static bool named(const char *name)
{
	return strstr(name, ".features.0.") || strstr(name, ".features.1.") || strstr(name, ".features.2.") ||
	       !strcmp(name, "text_encoder.embedding.weight");
}

static void test_same_gradients(void **state)
{
	itr_err err = ITR_ERR_INIT;
	itr_model *whole = make(NULL, false, &err), *part = make("3,embedding", false, NULL),
		  *names = make("image_encoder.features.[0-2] ,embedding.weight", false, &err);
	(void)state;
	assert_null(part);                      /* a number counts blocks of every trained tower, and words have none */
	part = make("features.0,features.1.*,features.2.block,embedding", false, &err);
	assert_true(part && names);
	step(whole);
	step(part);
	int fixed = 0;
	for (int64_t i = 0; i < itr_params_count(whole->params); i++) {
		const itr_param *a = itr_params_at(whole->params, i), *b = itr_params_find(part->params, a->name),
				*c = itr_params_find(names->params, a->name);
		assert_int_equal(b->constant, named(a->name));
		assert_int_equal(c->constant, named(a->name));
		assert_memory_equal(a->data, b->data, (size_t)a->count * sizeof(float));
		if (b->constant) {
			assert_null(b->grad);
			assert_false(b->grad_written);
			fixed++;
		} else if (a->grad_written) {
			assert_true(b->grad_written);
			assert_memory_equal(a->grad, b->grad, (size_t)a->count * sizeof(float));
		}
	}
	assert_int_equal(fixed, 35);
	assert_true(itr_params_live(part->params) < itr_params_live(whole->params));
	itr_model_free(whole);
	itr_model_free(part);
	itr_model_free(names);
}

static void test_statistics(void **state)
{
	itr_err err = ITR_ERR_INIT;
	itr_model *m = make("features.0,features.1,features.2,embedding", true, &err), *before = make(NULL, true, &err);
	(void)state;
	step(m);
	for (int64_t i = 0; i < itr_params_count(m->params); i++) {
		const itr_param *a = itr_params_at(m->params, i), *b = itr_params_find(before->params, a->name);
		const bool same = !memcmp(a->data, b->data, (size_t)a->count * sizeof(float));
		/* those of a frozen part stay, all others have moved */
		assert_int_equal(same, named(a->name) || !strstr(a->name, ".running_"));
	}
	itr_model_free(m);
	itr_model_free(before);
}

static void test_memory(void **state)
{
	itr_err err = ITR_ERR_INIT;
	(void)state;
	side = 192;                             /* besides a block of 32 MiB for small things */
	itr_model *whole = make(NULL, false, &err), *part = make("features.[0-6],embedding", false, &err);
	assert_true(whole && part);
	const size_t a = step(whole), b = step(part);
	side = 64;
	print_message("# tape: %zu MiB, %zu MiB with the first seven blocks frozen\n", a >> 20, b >> 20);
	assert_true(a > b + ((size_t)8 << 20));
	itr_model_free(whole);
	itr_model_free(part);
}

static void refused(const char *layers, const char *why)
{
	itr_err err = ITR_ERR_INIT;
	assert_null(make(layers, false, &err));
	if (!strstr(err.msg, why))
		fail_msg("'%s': %s", layers, err.msg);
}

static void test_refusals(void **state)
{
	(void)state;
	refused("layer1", "there are embedding, lstm, features.0, features.1");
	refused("features.0,", "is called ''");
	refused("features.0,features.30", "is called 'features.30'");
	refused("0", "freezes nothing");
	refused("2", "'lstm' has no numbered blocks");
	refused("features", "leaves nothing of 'mobilenet-v3-small'");
	refused("*", "leaves nothing");
}

static void test_blocks(void **state)
{
	itr_err err = ITR_ERR_INIT;
	static const struct { const char *tower; bool image; const char *layers, *last, *next; } rows[] = {
		{ "resnet18", true, "3", "layer2.0.downsample.1.running_var", "layer2.1.conv1.weight" },
		{ "efficientnet-lite0", true, "2", "blocks.1.1.bn3.running_var", "blocks.2.0.conv_pw.weight" },
		{ "mobilenet-v3-small", true, "1", "features.0.1.running_var", "features.1.block.0.0.weight" },
		{ "bert", false, "12", "encoder.layer.11.output.dense.bias", NULL },
	};
	(void)state;
	for (int r = 0; r < ITR_LEN(rows); r++) {
		itr_tower *w[2] = { NULL, NULL };
		const bool trained[2] = { !rows[r].image, rows[r].image };
		w[rows[r].image] = itr_tower_open(rows[r].tower, rows[r].image, &(itr_tower_opts){ .seed = 1 }, &err);
		assert_non_null(w[rows[r].image]);
		const int rc = itr_towers_freeze(w, trained, rows[r].layers, &err);
		itr_params *p = w[rows[r].image]->params;
		const int64_t last = itr_params_index(p, itr_params_find(p, rows[r].last));
		for (int64_t i = 0; i < itr_params_count(p); i++)
			assert_int_equal(w[rows[r].image]->frozen[i], i <= last);
		assert_int_equal(rc, rows[r].next ? 0 : -1);             /* all of BERT's blocks are all of it */
		if (rows[r].next)
			assert_string_equal(itr_params_at(p, last + 1)->name, rows[r].next);
		itr_tower_free(w[rows[r].image]);
	}
	itr_tower *w[2] = { NULL, itr_tower_open("resnet18", true, &(itr_tower_opts){ .seed = 1 }, &err) };
	assert_int_equal(itr_towers_freeze(w, (const bool[2]){ false, true }, "9", &err), -1);
	assert_non_null(strstr(err.msg, "has 8 blocks"));
	itr_tower_free(w[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_same_gradients), cmocka_unit_test(test_statistics),
		                            cmocka_unit_test(test_memory), cmocka_unit_test(test_refusals), cmocka_unit_test(test_blocks) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
