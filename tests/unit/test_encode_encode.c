/* lib/encode/encode: a manifest through a model that was fitted on rows of classic and hash gives what the same rows give by hand */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/rng.h"
#include "encode/encode.h"
#include "model_options.h"

enum { PICTURES = 5, SIDE = 48, DIM = 8 };

static char folder[] = "/tmp/itr-test-encode-XXXXXX";
static char *manifest, *damaged;

static char *in_folder(const char *name) { return itr_path_join(folder, name); }

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* Coloured noise, another one for each k. */
static void draw(int k)
{
	char name[32];
	itr_image img;
	itr_rng r;
	itr_err err = ITR_ERR_INIT;
	snprintf(name, sizeof name, "p%d.png", k);
	char *path = in_folder(name);
	itr_image_alloc(&img, SIDE, SIDE);
	itr_rng_seed(&r, (uint64_t)k);
	for (int i = 0; i < SIDE * SIDE * 3; i++)
		img.rgb[i] = (uint8_t)(itr_rng_u64(&r) >> 56);
	assert_int_equal(itr_image_write_png(path, &img, &err), 0);
	itr_image_free(&img);
	free(path);
}

static const char *const caption[] = { "a red circle", "two blue squares", "!!!", "a red circle above a cone", "three stars" };
static const char *const part[] = { "train", "test", "train", "test", "train" };

/* Picture k has caption k; picture 4 has none; caption 4 is the second of picture 1. */
static int setup(void **state)
{
	itr_buf b = ITR_BUF_INIT;
	(void)state;
	itr_log_setup("test", ITR_LOG_ERROR);
	if (!mkdtemp(folder))
		return -1;
	for (int k = 0; k < PICTURES; k++) {
		draw(k);
		itr_buf_printf(&b, "{\"id\":\"p%d\",\"image\":\"p%d.png\",\"split\":\"%s\",\"synthetic\":true,\"captions\":[", k, k,
		               part[k]);
		if (k < 4)
			itr_buf_printf(&b, "{\"id\":\"t%d\",\"text\":\"%s\"}", k, caption[k]);
		if (k == 1)
			itr_buf_printf(&b, ",{\"id\":\"t4\",\"text\":\"%s\"}", caption[4]);
		itr_buf_puts(&b, "]}\n");
	}
	manifest = in_folder("m.jsonl");
	damaged = in_folder("damaged.jsonl");
	write_text(manifest, itr_buf_str(&b));
	itr_buf_puts(&b, "{\"id\":\"bad\",\"image\":\"m.jsonl\",\"split\":\"val\",\"synthetic\":true,\"captions\":[]}\n");
	write_text(damaged, itr_buf_str(&b));
	itr_buf_free(&b);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(manifest);
	free(damaged);
	return itr_path_remove_tree(folder, NULL);
}

static float *noise(int64_t rows, int64_t dim, uint64_t seed)
{
	float *x = itr_aligned_alloc((size_t)(rows * dim) * sizeof *x);
	itr_rng r;
	itr_rng_seed(&r, seed);
	for (int64_t i = 0; i < rows * dim; i++)
		x[i] = (float)itr_rng_random(&r) - 0.5f;
	return x;
}

static void save_closed(const char *path)
{
	itr_err err = ITR_ERR_INIT;
	itr_closed *c = itr_closed_new("cca", DIM);
	for (int m = 0; m < 2; m++) {
		itr_closed_side *s = &c->side[m];
		s->in = m == ITR_IMAGE ? 2048 : 768;
		s->normalize = true;
		s->weight = noise(DIM, s->in, (uint64_t)m + 1);
		s->mean = noise(1, s->in, (uint64_t)m + 3);
		free(s->encoder);
		s->encoder = itr_xstrdup(m == ITR_IMAGE ? "classic" : "hash");
	}
	if (itr_closed_save(c, path, NULL, &err) < 0)
		fail_msg("%s", err.msg);
	itr_closed_free(c);
}

static void save_heads(const char *path)
{
	itr_err err = ITR_ERR_INIT;
	void *options = model_options("heads", "{\"embed_dim\":8}");
	itr_model_config c = { .text_dim = 768, .image_dim = 2048, .options = options, .temperature = 0.1 };
	itr_model *m = itr_model_new("heads", &c, 7, &err);
	free(options);
	itr_json *extra = itr_json_object();
	assert_non_null(m);
	itr_json_add_str(extra, "text_encoder", "hash");
	itr_json_add_str(extra, "image_encoder", "classic");
	assert_int_equal(itr_model_save(m, path, false, extra, NULL, &err), 0);
	itr_json_free(extra);
	itr_model_free(m);
}

/* Rows of a side as the tower gives them, and then through the model as a store's rows are. */
static float *by_hand(const itr_model *m, const itr_image_text_set *s, itr_modality side)
{
	itr_err err = ITR_ERR_INIT;
	const int64_t n = s->table.n[side];
	const itr_encode_inputs_opts o = { .before_head = true, .threads = 1 };
	float *x = itr_encode_inputs(s, m, side, &o, NULL, n, &err), *y = itr_aligned_alloc((size_t)(n * DIM) * sizeof *y);
	assert_non_null(x);
	itr_model_context *c = itr_model_context_new(m, 1);
	itr_model_output out = { .pooled = y, .unit = true };
	itr_model_embed(c, side, &(itr_model_input){ .rows = x, .stored = true }, n, &out);
	assert_int_equal(out.bad_row, -1);
	assert_int_equal(out.zero_rows, side == ITR_TEXT);
	itr_model_context_free(c);
	itr_aligned_free(x);
	return y;
}

static itr_model *open_raw(const char *path)
{
	itr_err err = ITR_ERR_INIT;
	itr_model *m = itr_model_open(path, &(itr_model_opts){ .raw = ITR_HAS_TEXT | ITR_HAS_IMAGE, .threads = 1 }, &err);
	if (!m)
		fail_msg("%s", err.msg);
	return m;
}

static void check_model(const char *path)
{
	const itr_encode_opts all = { .in = { .scale = ITR_SCALE_UNIT_IF_NEEDED, .threads = 2 } };
	itr_err err = ITR_ERR_INIT;
	itr_image_text_set s;
	itr_encoded e, t;
	itr_model *m = open_raw(path);
	assert_int_equal(itr_image_text_set_open(&s, manifest, &(itr_image_text_opts){ .threads = 1 }, &err), 0);
	if (itr_encode(&e, m, manifest, &all, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(e.rows.table.synthetic);
	assert_int_equal(e.rows.table.n[ITR_IMAGE], PICTURES);
	for (int side = 0; side < 2; side++) {
		float *y = by_hand(m, &s, (itr_modality)side);
		assert_int_equal(e.rows.table.n[side], s.table.n[side]);
		for (int64_t i = 0; i < e.rows.table.n[side] * DIM; i++)
			assert_float_equal(e.rows.side[side].rows[i], y[i], 1e-6);
		itr_aligned_free(y);
	}
	/* one side alone, and one part: pictures 1 and 3 with captions 1, 4 and 3 */
	const itr_encode_opts images = { .in = { .scale = ITR_SCALE_UNIT_IF_NEEDED, .sides = ITR_HAS_IMAGE, .threads = 1 } };
	assert_int_equal(itr_encode(&t, m, manifest, &images, &err), 0);
	assert_null(t.rows.side[ITR_TEXT].rows);
	assert_memory_equal(t.rows.side[ITR_IMAGE].rows, e.rows.side[ITR_IMAGE].rows, PICTURES * DIM * sizeof(float));
	itr_encoded_free(&t);
	itr_encode_opts test = all;
	test.check_split = true;
	test.split = "test";
	assert_int_equal(itr_encode(&t, m, manifest, &test, &err), 0);
	assert_int_equal(t.rows.table.n[ITR_IMAGE], 2);
	assert_int_equal(t.rows.table.n[ITR_TEXT], 3);
	assert_string_equal(t.rows.table.id[ITR_TEXT][1], "t4");
	assert_int_equal(t.rows.table.text_image[1], 0);
	assert_memory_equal(t.rows.side[ITR_IMAGE].rows + DIM, e.rows.side[ITR_IMAGE].rows + 3 * DIM, DIM * sizeof(float));
	itr_encoded_free(&t);
	itr_encoded_free(&e);
	/* no picture may be damaged; its id is named */
	assert_int_equal(itr_encode(&e, m, damaged, &all, &err), -1);
	assert_non_null(strstr(err.msg, "image 'bad'"));
	assert_null(e.rows.table.id[ITR_IMAGE]);
	itr_image_text_set_free(&s);
	itr_model_free(m);
}

static void test_closed_form(void **state)
{
	char *path = in_folder("cca.h5");
	(void)state;
	save_closed(path);
	check_model(path);
	free(path);
}

static void test_network(void **state)
{
	char *path = in_folder("heads.h5");
	(void)state;
	save_heads(path);
	check_model(path);
	free(path);
}

static void test_interrupted(void **state)
{
	static const volatile sig_atomic_t stop = 1;
	char *path = in_folder("cca.h5");
	itr_err err = ITR_ERR_INIT;
	itr_encoded e;
	(void)state;
	itr_model *m = open_raw(path);
	assert_int_equal(itr_encode(&e, m, manifest, &(itr_encode_opts){ .in = { .threads = 1 }, .stop = &stop }, &err), -1);
	assert_non_null(strstr(err.msg, "interrupted"));
	itr_model_free(m);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_closed_form),
		cmocka_unit_test(test_network),
		cmocka_unit_test(test_interrupted),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
