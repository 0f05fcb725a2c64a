/* Rules that rename, strictness, parts, transposition: small safetensors files are written here, tensor by tensor, so that every value is
 * known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/atomic_file.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/path.h"
#include "nn/load.h"

static char *file;
static const char *dtype = "F32";        /* what the headers say */

struct tensor {
	const char *name;
	int rank;
	int64_t shape[4];
	float first;            /* its elements are first, first + 1, ... */
};

static int64_t count(const struct tensor *t)
{
	int64_t n = 1;
	for (int d = 0; d < t->rank; d++)
		n *= t->shape[d];
	return n;
}

/* Writes the tensors, up to one without a name, as safetensors and opens them. */
static itr_weights *weights(const struct tensor *t)
{
	itr_buf header = ITR_BUF_INIT, data = ITR_BUF_INIT, all = ITR_BUF_INIT;
	itr_err err = ITR_ERR_INIT;
	for (; t->name; t++) {
		itr_buf_printf(&header, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", header.len ? "," : "{", t->name, dtype);
		for (int d = 0; d < t->rank; d++)
			itr_buf_printf(&header, "%s%lld", d ? "," : "", (long long)t->shape[d]);
		itr_buf_printf(&header, "],\"data_offsets\":[%zu,%zu]}", data.len, data.len + (size_t)count(t) * 4);
		for (int64_t i = 0; i < count(t); i++)
			itr_buf_add(&data, &(float){ t->first + (float)i }, 4);
	}
	itr_buf_putc(&header, '}');
	itr_buf_add(&all, &(uint64_t){ header.len }, 8);
	itr_buf_add(&all, header.data, header.len);
	itr_buf_add(&all, itr_buf_str(&data), data.len);
	assert_int_equal(itr_atomic_write(file, all.data, all.len, &err), 0);
	itr_buf_free(&header);
	itr_buf_free(&data);
	itr_buf_free(&all);
	itr_weights *w = itr_weights_open(file, &err);
	if (!w)
		fail_msg("%s", err.msg);
	return w;
}

static itr_params *params(const struct tensor *t)
{
	itr_params *p = itr_params_new();
	for (; t->name; t++)
		itr_params_add(p, "", t->name, t->rank, t->shape, ITR_INIT_ZERO, 0, false);
	itr_params_seal(p);
	return p;
}

static void check(const itr_params *p, const char *name, const float *want)
{
	const itr_param *q = itr_params_find(p, name);
	for (int64_t i = 0; i < q->count; i++)
		if (q->data[i] != want[i])
			fail_msg("%s[%lld] is %g, not %g", name, (long long)i, (double)q->data[i], (double)want[i]);
}

/* Loads; "" when that works, else the message. */
static const char *load(itr_params *p, itr_weights *w, const itr_load_rule *rules)
{
	static itr_err err;
	err = (itr_err)ITR_ERR_INIT;
	int rc = itr_params_load_weights(p, w, rules, &err);
	itr_weights_close(w);
	assert_int_equal(rc, err.set ? -1 : 0);
	return err.msg;
}

static void test_names(void **state)
{
	(void)state;
	static const itr_load_rule rules[] = {
		{ "bert.**", "**", 0, 0, 0 },
		{ "encoder.layer.*.output.LayerNorm.gamma", "layers.*.norm.weight", 0, 0, 0 },
		{ "encoder.layer.*.output.LayerNorm.weight", "layers.*.norm.weight", 0, 0, 0 },
		{ "visual.*.*.scale", "*.x.*", 0, 0, 0 },
		{ "**.position_ids", NULL, 0, 0, 0 },
		{ "head.**", "classifier.**", 0, 0, ITR_LOAD_OPTIONAL },
		{ NULL, NULL, 0, 0, 0 },
	};
	itr_params *p = params((struct tensor[]){ { "layers.0.norm.weight", 1, { 2 }, 0 },
	                                          { "layers.11.norm.weight", 1, { 2 }, 0 },
	                                          { "plain", 1, { 2 }, 0 },
	                                          { "a.x.b", 1, { 2 }, 0 },
	                                          { 0 } });
	const char *said = load(p,
	                        weights((struct tensor[]){ { "bert.encoder.layer.0.output.LayerNorm.gamma", 1, { 2 }, 1 },
	                                                   { "encoder.layer.11.output.LayerNorm.weight", 1, { 2 }, 3 },
	                                                   { "bert.plain", 1, { 2 }, 5 },
	                                                   { "visual.a.b.scale", 1, { 2 }, 7 },
	                                                   { "bert.embeddings.position_ids", 1, { 9 }, 0 },
	                                                   { "head.0.weight", 1, { 3 }, 0 },
	                                                   { 0 } }),
	                        rules);
	assert_string_equal(said, "");
	check(p, "layers.0.norm.weight", (float[]){ 1, 2 });
	check(p, "layers.11.norm.weight", (float[]){ 3, 4 });
	check(p, "plain", (float[]){ 5, 6 });
	check(p, "a.x.b", (float[]){ 7, 8 });
	/* one star never crosses a dot, and no star is empty */
	said = load(p,
	            weights((struct tensor[]){ { "encoder.layer.0.1.output.LayerNorm.gamma", 1, { 2 }, 1 },
	                                       { "encoder.layer..output.LayerNorm.gamma", 1, { 2 }, 1 },
	                                       { ".position_ids", 1, { 2 }, 1 },
	                                       { 0 } }),
	            rules);
	assert_non_null(strstr(said, "3 unexpected"));
	itr_params_free(p);
}

static void test_parts(void **state)
{
	(void)state;
	static const itr_load_rule rules[] = {
		{ "q", "qkv", 0, 3, 0 }, { "k", "qkv", 1, 3, 0 }, { "v", "qkv", 2, 3, ITR_LOAD_TRANSPOSE }, { NULL, NULL, 0, 0, 0 }
	};
	itr_params *p = params((struct tensor[]){ { "qkv", 2, { 6, 3 }, 0 }, { 0 } });
	const struct tensor q = { "q", 2, { 2, 3 }, 1 }, k = { "k", 2, { 2, 3 }, 11 }, v = { "v", 2, { 3, 2 }, 21 };
	assert_string_equal(load(p, weights((struct tensor[]){ v, q, k, { 0 } }), rules), "");
	check(p, "qkv", (float[]){ 1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16, 21, 23, 25, 22, 24, 26 });
	assert_non_null(strstr(load(p, weights((struct tensor[]){ q, v, { 0 } }), rules), "1 missing: 'qkv' (2 of its 3 parts are there)"));
	assert_non_null(
		strstr(load(p, weights((struct tensor[]){ q, k, v, { "qkv", 2, { 6, 3 }, 1 }, { 0 } }), rules), "filled twice: 'qkv'"));
	assert_non_null(strstr(load(p, weights((struct tensor[]){ q, v, { "k", 2, { 3, 2 }, 1 }, { 0 } }), rules),
	                       "'k' is (3, 2), the model's is (6, 3) in 3 parts"));
	assert_string_equal(load(p, weights((struct tensor[]){ { "qkv", 2, { 6, 3 }, 1 }, { 0 } }), rules), "");
	itr_params_free(p);
}

static void test_layouts(void **state)
{
	(void)state;
	static const itr_load_rule rules[] = {
		{ "proj", "projection", 0, 0, ITR_LOAD_TRANSPOSE },
		{ "conv", "conv_last", 0, 0, ITR_LOAD_NHWC },
		{ "patch", "patch_flat", 0, 0, ITR_LOAD_NHWC },
		{ "kernel", "kernel_flat", 0, 0, ITR_LOAD_FLATTEN },
		{ NULL, NULL, 0, 0, 0 },
	};
	itr_params *p = params((struct tensor[]){ { "projection", 2, { 2, 3 }, 0 },
	                                          { "conv_last", 4, { 1, 2, 2, 3 }, 0 },
	                                          { "patch_flat", 2, { 2, 4 }, 0 },
	                                          { "kernel_flat", 2, { 2, 4 }, 0 },
	                                          { "class", 1, { 2 }, 0 },
	                                          { "position", 2, { 2, 3 }, 0 },
	                                          { "scale", 0, { 0 }, 0 },
	                                          { 0 } });
	assert_string_equal(load(p,
	                         weights((struct tensor[]){ { "proj", 2, { 3, 2 }, 1 },
	                                                    { "conv", 4, { 1, 3, 2, 2 }, 0 },
	                                                    { "patch", 4, { 2, 2, 1, 2 }, 0 },
	                                                    { "kernel", 4, { 2, 2, 1, 2 }, 0 },
	                                                    { "class", 3, { 1, 1, 2 }, 5 },
	                                                    { "position", 4, { 1, 2, 3, 1 }, 8 },
	                                                    { "scale", 1, { 1 }, 4 },
	                                                    { 0 } }),
	                         rules),
	                    "");
	check(p, "projection", (float[]){ 1, 3, 5, 2, 4, 6 });
	check(p, "conv_last", (float[]){ 0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11 });
	check(p, "patch_flat", (float[]){ 0, 2, 1, 3, 4, 6, 5, 7 });
	check(p, "kernel_flat", (float[]){ 0, 1, 2, 3, 4, 5, 6, 7 });
	check(p, "class", (float[]){ 5, 6 });
	check(p, "position", (float[]){ 8, 9, 10, 11, 12, 13 });
	check(p, "scale", (float[]){ 4 });
	itr_params_free(p);
	p = params((struct tensor[]){ { "a", 2, { 2, 3 }, 0 }, { 0 } });        /* as many elements are not enough */
	assert_non_null(strstr(load(p, weights((struct tensor[]){ { "a", 2, { 3, 2 }, 1 }, { 0 } }), NULL),
	                       "1 of another shape: 'a' is (3, 2), the model's is (2, 3)"));
	itr_params_free(p);
}

static void test_strict(void **state)
{
	(void)state;
	static const itr_load_rule rules[] = { { "old.*", "new.*", 0, 0, 0 }, { NULL, NULL, 0, 0, 0 } };
	struct tensor have[41] = { { 0 } }, want[41] = { { 0 } };
	char names[80][24];
	for (int i = 0; i < 40; i++) {
		snprintf(names[i], sizeof names[i], "have.%d", i);
		snprintf(names[40 + i], sizeof names[i], "want.%d", i);
		have[i] = (struct tensor){ names[i], 1, { 1 }, 0 };
		want[i] = (struct tensor){ names[40 + i], 1, { 1 }, 0 };
	}
	itr_params *p = params(want);
	const char *said = load(p, weights(have), NULL);
	assert_non_null(strstr(said, file));
	assert_non_null(strstr(said, "40 missing: 'want.0', 'want.1', "));
	assert_non_null(strstr(said, "'want.9' and 30 more; 40 unexpected: 'have.0', "));
	assert_non_null(strstr(said, "'have.9' and 30 more"));
	itr_params_free(p);
	p = params((struct tensor[]){ { "new.x", 1, { 1 }, 0 }, { 0 } });
	assert_non_null(strstr(load(p, weights((struct tensor[]){ { "old.x", 1, { 1 }, 0 }, { "new.x", 1, { 1 }, 0 }, { 0 } }), rules),
	                       "1 filled twice: 'new.x'"));
	assert_non_null(strstr(load(p, weights((struct tensor[]){ { "new.x", 1, { 1 }, 3e38f * 10 }, { 0 } }), rules),
	                       "1 with NaN or infinity: 'new.x'"));
	dtype = "I32";
	assert_non_null(strstr(load(p, weights((struct tensor[]){ { "new.x", 1, { 1 }, 3 }, { 0 } }), rules),
	                       "1 of whole numbers, not floats: 'new.x'"));
	dtype = "F32";
	assert_non_null(strstr(load(p, weights((struct tensor[]){ { "old.y", 1, { 1 }, 0 }, { 0 } }), rules),
	                       "1 missing: 'new.x'; 1 unexpected: 'old.y'"));
	itr_params_free(p);
}

static int setup(void **state)
{
	(void)state;
	char template[] = "/tmp/itr-load.XXXXXX";
	file = itr_xasprintf("%s/small.safetensors", mkdtemp(template) ? template : "");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	char *dir = itr_path_dirname(file);
	itr_err err = ITR_ERR_INIT;
	int rc = itr_path_remove_tree(dir, &err);
	free(dir);
	free(file);
	return rc;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_names), cmocka_unit_test(test_parts), cmocka_unit_test(test_layouts),
		                            cmocka_unit_test(test_strict) };
	return cmocka_run_group_tests_name("nn_load", tests, setup, teardown);
}
