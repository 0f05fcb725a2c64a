/* lib/model: opened models. Towers alone, heads behind a tower without weights, one context a thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/parallel.h"
#include "base/path.h"
#include "model/model.h"
#include "tensor/rows.h"
#include "text/hash_features.h"
#include "model_options.h"

enum { TEXTS = 5, WORDS = 4, EMBED = 6, IMAGE = 8 };

static char folder[] = "/tmp/itr-model-embed.XXXXXX";
static const char *const texts[TEXTS] = { "a red circle", "two blue squares on a table", "!!!", "a", "a red circle" };

/* A file of heads, whose config says what made its rows; NULL: it does not. */
static char *heads(const char *text_encoder)
{
	itr_err err = ITR_ERR_INIT;
	char *path = itr_path_join(folder, "heads.h5");
	itr_json *extra = itr_json_object();
	void *options = model_options("heads", "{\"embed_dim\":6}");
	itr_model_config c = { .text_dim = ITR_HASH_DIM, .image_dim = IMAGE, .options = options, .temperature = 0.07 };
	itr_model *m = itr_model_new("heads", &c, 1, &err);
	free(options);
	assert_int_equal(itr_model_embed_dim(m), EMBED);
	assert_non_null(m);
	if (text_encoder)
		itr_json_add_str(extra, "text_encoder", text_encoder);
	assert_int_equal(itr_model_save(m, path, false, extra, NULL, &err), 0);
	itr_json_free(extra);
	itr_model_free(m);
	return path;
}

/* Published towers alone: each side has its own size, and rows are the tower's own. */
static void test_towers_alone(void **state)
{
	(void)state;
	itr_err err = ITR_ERR_INIT;
	const itr_model_opts o = { .tower = { { .name = "hash" }, { .name = "classic" } }, .threads = 2 };
	itr_model *m = itr_model_open(NULL, &o, &err);
	assert_non_null(m);
	const itr_model_side *side = itr_model_about(m)->side;
	assert_int_equal(side[ITR_TEXT].dim, ITR_HASH_DIM);
	assert_int_equal(side[ITR_IMAGE].dim, 2048);
	assert_true(side[ITR_TEXT].raw && side[ITR_IMAGE].raw && !side[ITR_TEXT].network);
	assert_string_equal(side[ITR_IMAGE].encoder, "classic");
	assert_string_equal(side[ITR_IMAGE].weights_sha256, "");
	itr_model_context *c = itr_model_context_new(m, 2);
	float y[TEXTS][ITR_HASH_DIM], want[ITR_HASH_DIM], states[TEXTS][WORDS][ITR_HASH_DIM];
	int64_t length[TEXTS];
	itr_model_output out = { .pooled = y[0], .states = states[0][0], .max_states = WORDS, .length = length };
	itr_model_embed(c, ITR_TEXT, &(itr_model_input){ .texts = texts }, TEXTS, &out);
	for (int i = 0; i < TEXTS; i++) {
		itr_hash_text(texts[i], want);
		assert_memory_equal(y[i], want, sizeof want);
	}
	assert_int_equal(out.zero_rows, 1);
	assert_int_equal(out.bad_row, -1);
	assert_int_equal(length[0], 3);
	assert_int_equal(length[1], WORDS);
	itr_model_context_free(c);
	itr_model_free(m);
}

struct job { const itr_model *m; float (*y)[TEXTS][EMBED]; };

static void embed_all(void *ctx, int64_t i, int worker)
{
	const struct job *j = ctx;
	(void)worker;
	itr_model_context *c = itr_model_context_new(j->m, 1);
	itr_model_embed(c, ITR_TEXT, &(itr_model_input){ .texts = texts }, TEXTS, &(itr_model_output){ .pooled = j->y[i][0] });
	itr_model_context_free(c);
}

/* Captions through hash and head are what its rows are as a store would hold them; a text without words is a row of zeros; several
 * contexts of one model work at the same time. */
static void test_head(void **state)
{
	(void)state;
	itr_err err = ITR_ERR_INIT;
	char *path = heads("hash");
	itr_model *m = itr_model_open(path, &(itr_model_opts){ .raw = ITR_HAS_TEXT }, &err);
	assert_non_null(m);
	assert_true(itr_model_about(m)->side[ITR_TEXT].raw && !itr_model_about(m)->side[ITR_IMAGE].raw);
	float rows[TEXTS][ITR_HASH_DIM], y[TEXTS][EMBED], z[TEXTS][EMBED], many[8][TEXTS][EMBED];
	const float zero[EMBED] = { 0 };
	itr_model_context *c = itr_model_context_new(m, 1);
	itr_model_output out = { .pooled = y[0], .unit = true }, again = { .pooled = z[0], .unit = true };
	itr_model_embed(c, ITR_TEXT, &(itr_model_input){ .texts = texts }, TEXTS, &out);
	assert_int_equal(out.zero_rows, 1);
	assert_memory_equal(y[2], zero, sizeof zero);
	assert_memory_equal(y[0], y[4], sizeof zero);
	itr_model_embed(c, ITR_TEXT, &(itr_model_input){ .texts = texts }, TEXTS,
	                &(itr_model_output){ .pooled = rows[0], .before_head = true });
	itr_model_embed(c, ITR_TEXT, &(itr_model_input){ .rows = rows[0], .stored = true }, TEXTS, &again);
	for (int i = 0; i < TEXTS; i++)
		if (i != 2)
			assert_memory_equal(y[i], z[i], sizeof zero);
	itr_model_embed(c, ITR_TEXT, &(itr_model_input){ .texts = texts }, TEXTS, &(itr_model_output){ .pooled = y[0] });
	itr_parallel_for(4, 8, embed_all, &(struct job){ m, many });
	for (int i = 0; i < 8; i++)
		assert_memory_equal(many[i], y, sizeof y);
	itr_model_context_free(c);
	itr_model_free(m);
	unlink(path);
	free(path);
}

/* The same file as an earlier version wrote it: arrays under /param, no hash. */
static void write_old(const char *path, const char *old)
{
	itr_err err = ITR_ERR_INIT;
	void *options = model_options("heads", "{\"embed_dim\":6}");
	itr_model_config c = { .text_dim = ITR_HASH_DIM, .image_dim = IMAGE, .options = options, .temperature = 0.07 };
	itr_model *m = itr_model_new("heads", &c, 1, &err);
	free(options);
	itr_h5 *from = itr_h5_open(path, "itr-model", &err), *to = itr_h5_create(old, "itr-model", false, &err);
	char *text = itr_h5_read_text(from, "/config", &err), *at = strstr(text, ",\n  \"hash\"");
	assert_non_null(at);
	memcpy(at, "\n}", 3);
	assert_int_equal(itr_h5_write_text(to, "/config", text, &err), 0);
	assert_int_equal(itr_params_save(m->params, to, "/param", &err), 0);
	assert_int_equal(itr_h5_commit(to, &err), 0);
	itr_h5_close(from);
	itr_model_free(m);
	free(text);
}

/* The hash is that of the arrays and of what made the rows; a file without it gets the same. */
static void test_hash(void **state)
{
	static const char *const encoders[] = { "hash", "bert" };
	char hash[2][ITR_SHA256_HEX], *old = itr_path_join(folder, "old.h5");
	(void)state;
	for (int i = 0; i < 2; i++) {
		itr_err err = ITR_ERR_INIT;
		char *path = heads(encoders[i]);
		write_old(path, old);
		itr_model *m = itr_model_open(path, NULL, &err), *o = itr_model_open(old, NULL, &err);
		assert_true(m && o);
		assert_int_equal(strlen(m->hash), ITR_SHA256_HEX - 1);
		assert_string_equal(m->hash, o->hash);
		memcpy(hash[i], m->hash, sizeof hash[i]);
		itr_model_free(m), itr_model_free(o);
		unlink(path), unlink(old);
		free(path);
	}
	assert_string_not_equal(hash[0], hash[1]);
	free(old);
}

/* What made the rows is not guessed. */
static void test_refused(void **state)
{
	static const struct { const char *encoder, *message; } cases[] = {
		{ NULL, "no encoders of its own" }, { "model", "rows that another model made" }, { "bert", "no encoders of its own" },
		{ "hsah", "vectors of 'hsah'" },
	};
	(void)state;
	for (int i = 0; i < ITR_LEN(cases); i++) {
		itr_err err = ITR_ERR_INIT;
		char *path = heads(cases[i].encoder);
		assert_null(itr_model_open(path, &(itr_model_opts){ .raw = ITR_HAS_TEXT }, &err));
		assert_non_null(strstr(err.msg, cases[i].message));
		itr_model *m = itr_model_open(path, NULL, &err);         /* rows it takes all the same */
		assert_non_null(m);
		itr_model_free(m);
		unlink(path);
		free(path);
	}
	itr_err err = ITR_ERR_INIT;
	const itr_model_opts needs = { .tower[ITR_IMAGE] = { .name = "resnet18" } };
	assert_null(itr_model_open(NULL, &needs, &err));
	assert_non_null(strstr(err.msg, "--image-weights"));
	err = (itr_err)ITR_ERR_INIT;
	const itr_model_opts given = { .tower[ITR_IMAGE] = { .name = "classic", .weights = "/nowhere" } };
	assert_null(itr_model_open(NULL, &given, &err));
	assert_non_null(strstr(err.msg, "leave --weights out"));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_towers_alone), cmocka_unit_test(test_head), cmocka_unit_test(test_hash),
		                            cmocka_unit_test(test_refused) };
	if (!mkdtemp(folder))
		return 1;
	const int rc = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(folder);
	return rc;
}
