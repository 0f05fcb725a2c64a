/* Towers at toy sizes: float against double, packed against recorded, pooled with and without states, gradients of every parameter,
 * registry. True sizes: tests/interop/encoders_parity.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/rng.h"
#include "model/model.h"

struct toy {
	const itr_tower_ops *ops;
	itr_tower_config c;
	itr_params *p;
	void *layers;
	float *pixels;
	int32_t ids[16];
	int64_t start[4];
	itr_tower_in in;
};

static void make(struct toy *y, const char *name, bool image)
{
	itr_err err = ITR_ERR_INIT;
	itr_rng r;
	memset(y, 0, sizeof *y);
	y->ops = itr_tower_find(name, image, &err);
	assert_non_null(y->ops);
	assert_int_equal(y->ops->configure(&y->c, NULL, NULL, &err), 0);
	y->c.width = 16;
	y->c.layers = 2;
	y->c.heads = 2;
	y->c.mlp = 24;
	y->c.embed_dim = y->c.embed_dim ? 6 : 0;
	if (image)
		y->c.image_size = 2 * y->c.patch;
	else
		y->c.vocab = 13, y->c.positions = 9;
	y->layers = itr_xcalloc(1, y->ops->size);
	y->p = itr_params_new();
	y->ops->init(y->layers, y->p, &y->c);
	itr_params_seal(y->p);
	itr_params_initialise(y->p, 5);
	itr_params_enable_reference(y->p);
	itr_rng_seed(&r, 9);
	int64_t n = image ? 3 * y->c.image_size * y->c.image_size * 3 : 0;
	y->pixels = itr_aligned_alloc((size_t)(n + 1) * sizeof(float));
	for (int64_t i = 0; i < n; i++)
		y->pixels[i] = (float)itr_rng_normal(&r);
	const int64_t start[] = { 0, 4, 6, 11 };
	memcpy(y->start, start, sizeof start);
	for (int i = 0; i < 16; i++)
		y->ids[i] = (int32_t)(itr_rng_u64(&r) % 13);
	y->in = (itr_tower_in){ .n = 3, .pixels = y->pixels, .ids = y->ids, .start = y->start };
}

static void drop(struct toy *y)
{
	itr_params_free(y->p);
	itr_aligned_free(y->pixels);
	free(y->layers);
}

static itr_tower_out forward(struct toy *y, itr_tape *t, bool states)
{
	itr_tape_reset(t, 0);
	return y->ops->forward(t, y->layers, &y->c, &y->in, states);
}

/* A loss that feels every output: squared distance to a fixed pattern (not to zero: behind a normalisation the sum of squares is constant).
 */
static double run(struct toy *y, itr_tape *t, bool states)
{
	itr_tower_out o = forward(y, t, states);
	itr_var *x = states ? itr_stack(t, itr_reshape(t, o.pooled, 2, (int64_t[]){ o.pooled->count, 1 }),
	                                itr_reshape(t, o.states, 2, (int64_t[]){ o.states->count, 1 }))
	                    : itr_reshape(t, o.pooled, 2, (int64_t[]){ o.pooled->count, 1 });
	float *target = itr_xmalloc((size_t)x->count * sizeof *target);
	for (int64_t i = 0; i < x->count; i++)
		target[i] = (float)(i % 7) - 3;
	itr_var *loss = itr_mse(t, x, itr_input(t, 2, (int64_t[]){ x->count, 1 }, target));
	double value = itr_var_item(t, loss);
	itr_params_zero_grad(y->p);
	itr_backward(t, loss, 1);
	free(target);
	return value;
}

static void check_tower(const char *name, bool image, itr_pooling pooling, bool states)
{
	struct toy y;
	make(&y, name, image);
	y.c.pooling = pooling;
	itr_tape *f = itr_tape_new(&(itr_tape_opts){ .threads = 2 }),
		 *d = itr_tape_new(&(itr_tape_opts){ .threads = 1, .reference = true });
	double a = run(&y, f, states), worst = 0;
	double b = run(&y, d, states);
	assert_true(fabs(a - b) <= 1e-5 * fabs(b));
	/* the double pass zeroed the marks: float gradients are made again and compared */
	double **grad = itr_xcalloc((size_t)itr_params_count(y.p), sizeof *grad);
	for (int64_t i = 0; i < itr_params_count(y.p); i++) {
		itr_param *p = itr_params_at(y.p, i);
		grad[i] = itr_xmalloc((size_t)p->count * sizeof **grad);
		memcpy(grad[i], p->grad64, (size_t)p->count * sizeof **grad);
		assert_true(p->grad_written);
	}
	run(&y, f, states);
	for (int64_t i = 0; i < itr_params_count(y.p); i++) {
		itr_param *p = itr_params_at(y.p, i);
		double top = 1e-6;
		for (int64_t k = 0; k < p->count; k++)
			top = fmax(top, fabs(grad[i][k]));
		for (int64_t k = 0; k < p->count; k++)
			worst = fmax(worst, fabs((double)p->grad[k] - grad[i][k]) / top);
		free(grad[i]);
	}
	free(grad);
	if (worst > 1e-3)
		fail_msg("%s: gradients differ by %g of the largest", name, worst);
	itr_tape_free(f);
	itr_tape_free(d);
	drop(&y);
}

static void test_float_and_double(void **state)
{
	(void)state;
	check_tower("clip-vit-b32", true, ITR_POOL_CLS, false);
	check_tower("clip-vit-b32", true, ITR_POOL_CLS, true);
	check_tower("clip-vit-b32", false, ITR_POOL_CLS, false);
	check_tower("clip-vit-b32", false, ITR_POOL_CLS, true);
	check_tower("vit-b16", true, ITR_POOL_CLS, true);
	check_tower("bert", false, ITR_POOL_CLS, false);
	check_tower("bert", false, ITR_POOL_MEAN, true);
}

/* What is pooled does not depend on whether the states are asked for, nor on what stands beside it in the batch, nor on packing in fp32.
 */
static void check_same(const char *name, bool image)
{
	struct toy y;
	make(&y, name, image);
	y.c.pooling = ITR_POOL_CLS;
	itr_tape *t = itr_tape_new(&(itr_tape_opts){ .threads = 2, .inference = true });
	itr_tower_out o = forward(&y, t, true);
	int64_t dim = o.pooled->shape[1];
	float *first = itr_xmalloc((size_t)o.pooled->count * sizeof *first);
	memcpy(first, o.pooled->data, (size_t)o.pooled->count * sizeof *first);
	o = forward(&y, t, false);
	assert_memory_equal(first, o.pooled->data, (size_t)o.pooled->count * sizeof *first);
	y.in.n = 1;
	y.in.pixels += y.c.image_size * y.c.image_size * 3;
	y.in.start += 1;
	o = forward(&y, t, false);
	assert_memory_equal(first + dim, o.pooled->data, (size_t)dim * sizeof *first);
	itr_params_pack(y.p, ITR_COMPUTE_F32, 2);
	o = forward(&y, t, false);
	for (int64_t i = 0; i < dim; i++)
		assert_true(fabsf(first[dim + i] - ((const float *)o.pooled->data)[i]) <= 1e-5f * (1 + fabsf(first[dim + i])));
	free(first);
	itr_tape_free(t);
	drop(&y);
}

static void test_same_vector(void **state)
{
	(void)state;
	check_same("clip-vit-b32", true);
	check_same("clip-vit-b32", false);
	check_same("vit-b16", true);
	check_same("bert", false);
}

static void test_registry(void **state)
{
	itr_err err = ITR_ERR_INIT;
	(void)state;
	for (int i = 0; itr_towers[i]; i++) {
		const itr_tower_ops *o = itr_towers[i];
		assert_ptr_equal(itr_tower_find(o->name, o->modality, &err), o);
		assert_true(o->name && o->summary);
		if (!o->forward) {
			assert_true(o->open && o->describe && o->embed && (o->modality == ITR_TEXT || o->prepare));
			continue;
		}
		assert_true(o->size && o->configure && o->init && o->sizes && !o->open && !o->embed && !o->prepare);
		assert_true(o->modality == ITR_IMAGE ? itr_preset_find(o->preset, &err) != NULL : o->tokenizer != NULL);
	}
	assert_null(itr_tower_find("clip-vit-b31", true, &err));
	assert_non_null(strstr(err.msg, "clip-vit-b32"));
	err = (itr_err)ITR_ERR_INIT;
	assert_null(itr_tower_open("bert", false, &(itr_tower_opts){ .weights = "/nowhere" }, &err));
}

static const char *load(const char *path, const char *config)
{
	static itr_err err;
	static const char words[] = "<pad>\n<unk>\n<start>\n<end>\n";
	err = (itr_err)ITR_ERR_INIT;
	itr_h5 *h = itr_h5_create(path, "itr-model", false, &err);
	assert_non_null(h);
	assert_int_equal(itr_h5_write_text(h, "/config", config, &err), 0);
	assert_int_equal(itr_h5_write(h, "/param/text_projection.bias", ITR_F32, 1, (int64_t[]){ 4 }, (float[4]){ 0 }, &err), 0);
	assert_int_equal(itr_h5_write(h, "/text_vocabulary", ITR_U8, 1, (int64_t[]){ sizeof words - 1 }, words, &err), 0);
	assert_int_equal(itr_h5_commit(h, &err), 0);
	assert_null(itr_model_open(path, NULL, &err));
	assert_non_null(strstr(err.msg, path));
	return err.msg;
}

/* A small file that names large sizes: terabytes must not be asked for on its word. */
static void test_lying_file(void **state)
{
	(void)state;
	char template[] = "/tmp/itr-model.XXXXXX";
	assert_non_null(mkdtemp(template));
	char *path = itr_path_join(template, "m.h5");
	assert_non_null(strstr(
		load(path, "{\"kind\":\"network\",\"model\":\"heads\",\"text_dim\":1048576,\"image_dim\":1048576,\"embed_dim\":1048576}"),
		"numbers, it holds"));
	assert_non_null(
		strstr(load(path, "{\"kind\":\"network\",\"model\":\"mlp\",\"text_dim\":4,\"image_dim\":1048576,\"hidden\":1048576}"),
	               "numbers, it holds"));
	assert_non_null(strstr(load(path, "{\"kind\":\"network\",\"model\":\"heads\",\"image_dim\":4,\"embed_dim\":4,\"text_tower\":{"
	                                  "\"name\":\"lstm\",\"width\":16384,\"layers\":2,\"heads\":2,"
	                                  "\"mlp\":65536,\"image_size\":0,\"patch\":0,\"vocab\":4000000,\"positions\":64,\"types\":0,"
	                                  "\"embed_dim\":0,\"max_tokens\":64}}"),
	                       "numbers, it holds"));
	assert_non_null(
		strstr(load(path, "{\"kind\":\"network\",\"model\":\"heads\",\"text_dim\":-4,\"image_dim\":4}"), "cannot be built"));
	unlink(path);
	rmdir(template);
	free(path);
}

static const char *opened(const char *folder, const char *name, bool image)
{
	static itr_err err;
	err = (itr_err)ITR_ERR_INIT;
	assert_null(itr_tower_open(name, image, &(itr_tower_opts){ .weights = folder }, &err));
	return err.msg;
}

static void put(const char *folder, const char *name, const char *before, const void *bytes, size_t n)
{
	char *path = itr_path_join(folder, name);
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(before, 1, strlen(before), f), strlen(before));
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	fclose(f);
	free(path);
}

static void put_weights(const char *folder, const char *header)
{
	char *text = itr_xasprintf("%*s%s", 8, "", header);
	const uint64_t n = strlen(header);
	memcpy(text, &n, sizeof n);             /* little-endian, as safetensors; the zeros in it are why this is no string */
	put(folder, "model.safetensors", "", text, n + 8);
	free(text);
}

/* The same with published weights: a config.json of any size, and tables without a row that a token could point at. */
static void test_lying_weights(void **state)
{
	(void)state;
	itr_err err = ITR_ERR_INIT;
	char template[] = "/tmp/itr-tower.XXXXXX";
	const char *words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n", *clip = "{\"text_config\":{}}";
	assert_non_null(mkdtemp(template));
	put(template, "vocab.txt", words, "", 0);
	put_weights(template, "{\"embeddings.word_embeddings.weight\":{\"dtype\":\"F32\",\"shape\":[0,8],\"data_offsets\":[0,0]}}");
	put(template, "config.json",
	    "{\"hidden_size\":16000,\"num_hidden_layers\":48,\"num_attention_heads\":8,\"intermediate_size\":64000,\"vocab_size\":9,\"max_"
	    "position_embeddings\":9,\"type_vocab_size\":1}",
	    "", 0);
	assert_non_null(strstr(opened(template, "bert", false), "the weights are 0"));
	put(template, "config.json",
	    "{\"hidden_size\":16000000,\"num_hidden_layers\":48,\"num_attention_heads\":8,\"intermediate_size\":9,\"vocab_size\":9,\"max_"
	    "position_embeddings\":9,\"type_vocab_size\":1}",
	    "", 0);
	assert_non_null(strstr(opened(template, "bert", false), "cannot have 'width' = 16000000"));
	put_weights(template, "{\"token_embedding.weight\":{\"dtype\":\"F32\",\"shape\":[0,512],\"data_offsets\":[0,0]},\"positional_"
	                      "embedding\":{\"dtype\":\"F32\",\"shape\":[0,512],\"data_offsets\":[0,0]},"
	                      "\"transformer.resblocks.0.ln_1.weight\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}");
	put(template, "config.json", clip, "", 0);
	assert_non_null(strstr(opened(template, "clip-vit-b32", false), "cannot have 'vocab' = 0"));
	assert_int_equal(itr_path_remove_tree(template, &err), 0);
}

/* A tower's arrays below a prefix, all 0, as a file of weights; `beside`: more entries of its header. */
static void put_tower(const char *folder, const char *name, const char *prefix, const char *beside)
{
	itr_err err = ITR_ERR_INIT;
	itr_tower *w = itr_tower_open(name, true, &(itr_tower_opts){ .seed = 1 }, &err);
	itr_buf header = ITR_BUF_INIT;
	int64_t at = 0;
	assert_non_null(w);
	for (int64_t i = 0; i < itr_params_count(w->params); i++) {
		const itr_param *q = itr_params_at(w->params, i);
		itr_buf_printf(&header, "%s\"%s%s\":{\"dtype\":\"F16\",\"shape\":[", i ? "," : "{", prefix, q->name);
		for (int d = 0; d < q->rank; d++)
			itr_buf_printf(&header, "%s%lld", d ? "," : "", (long long)q->shape[d]);
		itr_buf_printf(&header, "],\"data_offsets\":[%lld,%lld]}", (long long)at, (long long)(at + 2 * q->count));
		at += 2 * q->count;
	}
	itr_buf_printf(&header, "%s}", beside);
	char *bytes = itr_xcalloc(1, 8 + header.len + (size_t)at);
	const uint64_t n = header.len;
	memcpy(bytes, &n, sizeof n);
	memcpy(bytes + 8, header.data, header.len);
	put(folder, "model.safetensors", "", bytes, 8 + header.len + (size_t)at);
	free(bytes);
	itr_buf_free(&header);
	itr_tower_free(w);
}

/* The file beside the weights says how pictures are prepared, unless the user does; a model keeps it. */
static void test_published_preset(void **state)
{
	(void)state;
	static const struct { const char *file, *text, *preset, *want;
	} cases[] = {
		{ "none.json", "{}", NULL, "imagenet" },
		{ "config.json",
		  "{\"architecture\":\"mobilenetv3_small_100\",\"pretrained_cfg\":{\"interpolation\":\"bicubic\",\"crop_pct\":0.875}}",
		  NULL, "imagenet-bicubic" },
		{ "config.json", "{\"architecture\":\"x\",\"crop_pct\":0.95,\"interpolation\":\"bicubic\"}", NULL, "imagenet-95" },
		{ "config.json", "{\"pretrained_cfg\":{\"mean\":[0.5,0.5,0.5],\"std\":[0.5,0.5,0.5],\"interpolation\":\"box\"}}", NULL,
		  "timm-config" },
		{ "config.json", "{\"pretrained_cfg\":{\"crop_mode\":\"border\"}}", "imagenet-232", "imagenet-232" },
		{ "config.json", "{\"pretrained_cfg\":{\"crop_mode\":\"border\"}}", NULL,
		  "crop_mode border, which is not built: choose the preprocessing yourself, with --preset NAME" },
		{ "config.json", "{\"pretrained_cfg\":{\"input_size\":[3,288,288]}}", NULL,
		  "takes pictures of 224 x 224, the preset 'timm-config' makes 288 x 288: choose another with --preset" },
		{ "preprocessor_config.json", "{\"image_processor_type\":\"ViTImageProcessor\",\"size\":224}", NULL, "vit" },
		{ "processor_config.json", "{\"image_processor\":{\"image_processor_type\":\"CLIPImageProcessor\"}}", NULL, "clip" },
		{ "preprocessor_config.json", "{\"size\":", NULL, "preprocessor_config.json" },
		{ "open_clip_config.json", "{\"preprocess_cfg\":{\"resize_mode\":\"squash\"}}", NULL, "clip-squash" },
	};
	itr_err err = ITR_ERR_INIT;
	char folder[] = "/tmp/itr-tower.XXXXXX";
	assert_non_null(mkdtemp(folder));
	put_tower(folder, "mobilenet-v3-small", "", "");
	for (int i = 0; i < ITR_LEN(cases); i++) {
		put(folder, cases[i].file, cases[i].text, "", 0);
		itr_tower *w =
			itr_tower_open("mobilenet-v3-small", true, &(itr_tower_opts){ .weights = folder, .preset = cases[i].preset }, &err);
		if (w ? strcmp(w->preset->name, cases[i].want) != 0 : !strstr(err.msg, cases[i].want))
			fail_msg("%s: %s", cases[i].text, w ? w->preset->name : err.msg);
		if (w) {
			char text[2][256];
			itr_json *j = itr_tower_json(w);
			itr_tower *again = itr_tower_restore(j, true, NULL, 0, &err);
			assert_non_null(again);
			itr_preset_describe(w->preset, text[0], 256);
			itr_preset_describe(again->preset, text[1], 256);
			assert_string_equal(text[0], text[1]);
			itr_json_free(j);
			itr_tower_free(again);
		}
		itr_tower_free(w);
		char *path = itr_path_join(folder, cases[i].file);
		unlink(path);
		free(path);
	}
	assert_int_equal(itr_path_remove_tree(folder, &err), 0);
}

/* A training's checkpoint: the tower below a name of its own, and others beside it. */
static void test_prefixes(void **state)
{
	(void)state;
#define BESIDE(name) ",\"" name "\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}"
	static const struct { const char *prefix, *beside, *why;
	} cases[] = {
		{ "encoder_q.", BESIDE("encoder_k.features.0.0.weight") BESIDE("queue"), NULL },
		{ "module.encoder_q.", BESIDE("module.queue"), NULL },
		{ "image_encoder.backbone.", BESIDE("image_encoder.head.weight") BESIDE("text_encoder.embed.weight"), NULL },
		{ "model.", "", NULL },
		{ "my.own.wrapper.", ",\"q\":{\"dtype\":\"F8_E4M3\",\"shape\":[0],\"data_offsets\":[0,0]}", NULL },
		{ "", BESIDE("classifier.0.weight"), NULL },
		{ "", BESIDE("queue"), "1 unexpected: 'queue'" },
		{ "net.", BESIDE("net.queue"), "1 unexpected: 'queue'" },
		{ "net.", ",\"net.queue\":{\"dtype\":\"C64\",\"shape\":[0],\"data_offsets\":[0,0]}", "1 unexpected: 'queue'" },
	};
	itr_err err = ITR_ERR_INIT;
	char folder[] = "/tmp/itr-tower.XXXXXX";
	assert_non_null(mkdtemp(folder));
	for (int i = 0; i < ITR_LEN(cases); i++) {
		put_tower(folder, "mobilenet-v3-small", cases[i].prefix, cases[i].beside);
		itr_tower *w = itr_tower_open("mobilenet-v3-small", true, &(itr_tower_opts){ .weights = folder }, &err);
		if (w ? cases[i].why != NULL : !cases[i].why || !strstr(err.msg, cases[i].why))
			fail_msg("'%s' with%s: %s", cases[i].prefix, cases[i].beside, w ? "was read" : err.msg);
		itr_tower_free(w);
	}
	put_weights(folder, "{\"a.b\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}");
	assert_non_null(strstr(opened(folder, "resnet18", true), "is of another network"));
	assert_int_equal(itr_path_remove_tree(folder, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_float_and_double), cmocka_unit_test(test_same_vector),
		                            cmocka_unit_test(test_registry),         cmocka_unit_test(test_lying_file),
		                            cmocka_unit_test(test_lying_weights),    cmocka_unit_test(test_published_preset),
		                            cmocka_unit_test(test_prefixes) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
