/* What sentence-transformers lays around a BERT: every case of tests/golden/sentence (gen_sentence.py) gives its vectors; what is not built
 * is refused by name; a model file keeps it all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/path.h"
#include "model/model.h"

#define GOLDEN "tests/golden/sentence"
static const char *const own_files[] = { "config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json" };

static void write_file(const char *folder, const char *name, const void *bytes, size_t n)
{
	itr_err err = ITR_ERR_INIT;
	char *path = itr_path_join(folder, name), *dir = itr_path_dirname(path);
	if (itr_path_mkdirs(dir, &err) < 0 || itr_atomic_write(path, bytes, n, &err) < 0)
		fail_msg("%s", err.msg);
	free(path);
	free(dir);
}

static void copy_file(const char *folder, const char *from, const char *to)
{
	itr_err err = ITR_ERR_INIT;
	size_t n;
	char *source = itr_path_join(GOLDEN, from), *bytes = itr_path_read(source, 1 << 24, &n, &err);
	if (!bytes)
		fail_msg("%s", err.msg);
	write_file(folder, to, bytes, n);
	free(bytes);
	free(source);
}

static char *new_folder(void)
{
	char name[] = "/tmp/itr-sentence.XXXXXX";
	assert_non_null(mkdtemp(name));
	return itr_xstrdup(name);
}

static void drop_folder(char *folder)
{
	itr_err err = ITR_ERR_INIT;
	assert_int_equal(itr_path_remove_tree(folder, &err), 0);
	free(folder);
}

/* Largest difference of a row as a share of its largest value, over the case's texts. */
static double worst(const char *folder, const itr_json *c, const char *const *texts)
{
	itr_err err = ITR_ERR_INIT;
	const itr_json *option = itr_json_get(c, "option"), *rows = itr_json_get(c, "vectors");
	const itr_model_opts o = { .tower[ITR_TEXT] = { .name = "bert",
		                                        .weights = folder,
		                                        .prompt = itr_json_str(itr_json_get(option, "prompt"), NULL),
		                                        .prompt_name = itr_json_str(itr_json_get(option, "prompt_name"), NULL) },
		                   .threads = 2 };
	itr_model *m = itr_model_open(NULL, &o, &err);
	const int64_t n = itr_json_count(rows), dim = itr_json_count(itr_json_at(rows, 0));
	double error = 0;
	if (!m)
		fail_msg("%s: %s", itr_json_str(itr_json_get(c, "name"), ""), err.msg);
	assert_int_equal(itr_model_about(m)->side[ITR_TEXT].dim, dim);
	itr_model_context *context = itr_model_context_new(m, 2);
	float *y = itr_aligned_alloc((size_t)(n * dim) * sizeof *y);
	itr_model_embed(context, ITR_TEXT, &(itr_model_input){ .texts = texts }, n, &(itr_model_output){ .pooled = y });
	for (int64_t i = 0; i < n; i++) {
		double top = 0, off = 0;
		for (int64_t k = 0; k < dim; k++) {
			const double want = itr_json_num(itr_json_at(itr_json_at(rows, i), k), NAN);
			top = fmax(top, fabs(want));
			off = fmax(off, fabs(want - (double)y[i * dim + k]));
		}
		error = fmax(error, off / top);
	}
	itr_aligned_free(y);
	itr_model_context_free(context);
	itr_model_free(m);
	return error;
}

static void test_vectors(void **state)
{
	itr_err err = ITR_ERR_INIT;
	itr_json *j = itr_json_read(GOLDEN "/cases.json", &err);
	const char *texts[8];
	int64_t n = 0;
	(void)state;
	assert_non_null(j);
	for (const itr_json *t = itr_json_first(itr_json_get(j, "texts")); t && n < 8; t = itr_json_next(t))
		texts[n++] = itr_json_str(t, NULL);
	const itr_json *cases = itr_json_get(j, "cases");
	assert_true(itr_json_count(cases) >= 40);
	for (const itr_json *c = itr_json_first(cases); c; c = itr_json_next(c)) {
		char *folder = new_folder();
		for (const itr_json *f = itr_json_first(itr_json_get(c, "files")); f; f = itr_json_next(f))
			write_file(folder, itr_json_key(f), itr_json_str(f, ""), strlen(itr_json_str(f, "")));
		for (const itr_json *f = itr_json_first(itr_json_get(c, "links")); f; f = itr_json_next(f))
			copy_file(folder, itr_json_key(f), itr_json_str(f, ""));
		const double error = worst(folder, c, texts);
		if (!(error <= 2e-5))            /* 24 bits through two blocks; the reference adds in another order */
			fail_msg("%s: largest error of a row %g of its largest value", itr_json_str(itr_json_get(c, "name"), ""), error);
		drop_folder(folder);
	}
	itr_json_free(j);
}

/* --- refusals ------------------------------------------------------------------------------------------------------------------------- */

#define MODULES(more) "[{\"idx\":0,\"name\":\"0\",\"path\":\"\",\"type\":\"sentence_transformers.models.Transformer\"}," more "]"
#define POOLING "{\"idx\":1,\"name\":\"1\",\"path\":\"1_Pooling\",\"type\":\"sentence_transformers.models.Pooling\"}"
#define THIRD(type) MODULES(POOLING ",{\"idx\":2,\"name\":\"2\",\"path\":\"2_X\",\"type\":\"" type "\"}")

static const struct { const char *file, *text, *third, *message;
} refused[] = {
	{ "1_Pooling/config.json", "{\"pooling_mode\":\"median\"}", NULL, "'median'" },
	{ "1_Pooling/config.json", "{\"pooling_mode\":\"cls+max\"}", NULL, "neither a name nor a list" },
	{ "1_Pooling/config.json", "{\"pooling_mode\":[]}", NULL, "is empty" },
	{ "1_Pooling/config.json", "{\"pooling_mode_attention\":true}", NULL, "pooling_mode_attention" },
	{ "1_Pooling/config.json", "{\"pooling_mode\":\"mean\",\"embedding_dimension\":384}", NULL, "for tokens of 384" },
	{ "1_Pooling/config.json", "[", NULL, "1_Pooling/config.json" },
	{ "modules.json", "{}", NULL, "no list of modules" },
	{ "modules.json",
	  MODULES("{\"idx\":1,\"name\":\"1\",\"path\":\"1_Normalize\",\"type\":\"sentence_transformers.models.Normalize\"}"), NULL,
	  "names no Pooling" },
	{ "modules.json", "[{\"type\":\"sentence_transformers.models.StaticEmbedding\",\"path\":\"\"}]", NULL,
	  "StaticEmbedding.*only Transformer and CLIPModel" },
	{ "modules.json", "[{\"type\":\"sentence_transformers.models.Transformer\",\"path\":\"../elsewhere\"}]", NULL,
	  "does not lie below" },
	{ "2_X/config.json", "{}", "sentence_transformers.models.CNN", "models.CNN'.*only Pooling" },
	{ "2_X/config.json", "{}", "my_code.Dense", "my_code.Dense.*code of its own" },
	{ "2_X/config.json", "{\"in_features\":16,\"out_features\":8,\"activation_function\":\"torch.nn.modules.activation.SiLU\"}",
	  "sentence_transformers.models.Dense", "SiLU" },
	{ "2_X/config.json", "{\"in_features\":16,\"out_features\":8,\"activation_function\":\"my.Tanh\"}",
	  "sentence_transformers.models.Dense", "my.Tanh" },
	{ "2_X/config.json", "{\"in_features\":16,\"out_features\":8,\"module_input_name\":\"token_embeddings\"}",
	  "sentence_transformers.models.Dense", "token_embeddings" },
	{ "2_X/config.json", "{\"in_features\":32,\"out_features\":8}", "sentence_transformers.models.Dense",
	  "takes 32 numbers, it would get 16" },
	{ "2_X/config.json", "{\"in_features\":16,\"out_features\":16}", "sentence_transformers.models.Dense", "modules.0.linear.weight" },
	{ "2_Dense/config.json", "{}", NULL, "no modules.json" },
	{ "sentence_bert_config.json", "{\"transformer_task\":\"fill-mask\"}", NULL, "fill-mask" },
	{ "sentence_bert_config.json", "{\"query_length\":32}", NULL, "query_length" },
	{ "config_sentence_transformers.json", "{\"prompts\":{\"a\":\"x\"},\"default_prompt_name\":\"b\"}", NULL,
	  "no prompt 'b'.*names 'a'" },
	{ "config_sentence_transformers.json",
	  "{\"prompts\":{\"a\":\"a dog runs in the park a dog runs in the park a dog runs in the park a "
	  "dog\"},\"default_prompt_name\":\"a\"}",
	  NULL, "nothing is left for a text" },
	{ "config.json", "{\"model_type\":\"roberta\",\"hidden_size\":16}", NULL, "'roberta'.*not of BERT" },
	{ "config.json", "{\"architectures\":[\"MPNetModel\"],\"hidden_size\":16}", NULL, "MPNetModel" },
	{ "config.json", "{\"model_type\":\"bert\",\"is_decoder\":true,\"hidden_size\":16}", NULL, "is_decoder" },
	{ "config.json", "{\"model_type\":\"bert\",\"position_embedding_type\":\"relative_key\",\"hidden_size\":16}", NULL,
	  "relative_key" },
};

static void test_refused(void **state)
{
	(void)state;
	for (int i = 0; i < ITR_LEN(refused); i++) {
		itr_err err = ITR_ERR_INIT;
		char *folder = new_folder();
		regex_t pattern;
		for (int f = 0; f < ITR_LEN(own_files); f++)
			copy_file(folder, own_files[f], own_files[f]);
		if (refused[i].third) {
			itr_buf b = ITR_BUF_INIT;
			itr_buf_printf(&b, MODULES(POOLING ",{\"idx\":2,\"name\":\"2\",\"path\":\"2_X\",\"type\":\"%s\"}"),
			               refused[i].third);
			write_file(folder, "modules.json", b.data, b.len);
			write_file(folder, "1_Pooling/config.json", "{\"pooling_mode\":\"mean\"}", 23);
			copy_file(folder, "dense.safetensors", "2_X/model.safetensors");
			itr_buf_free(&b);
		}
		write_file(folder, refused[i].file, refused[i].text, strlen(refused[i].text));
		itr_tower *w = itr_tower_open("bert", ITR_TEXT, &(itr_tower_opts){ .weights = folder, .threads = 1 }, &err);
		if (w)
			fail_msg("%s: %s is taken", refused[i].file, refused[i].text);
		assert_int_equal(regcomp(&pattern, refused[i].message, REG_EXTENDED | REG_NOSUB), 0);
		if (regexec(&pattern, err.msg, 0, NULL, 0))
			fail_msg("'%s' is not said: %s", refused[i].message, err.msg);
		regfree(&pattern);
		drop_folder(folder);
	}
}

/* A model file's JSON brings pooling, modules and prompt back. */
static void test_kept(void **state)
{
	itr_err err = ITR_ERR_INIT;
	char *folder = new_folder();
	itr_buf before = ITR_BUF_INIT, after = ITR_BUF_INIT;
	size_t n;
	(void)state;
	for (int f = 0; f < ITR_LEN(own_files); f++)
		copy_file(folder, own_files[f], own_files[f]);
	write_file(folder, "modules.json", THIRD("sentence_transformers.models.Dense"),
	           strlen(THIRD("sentence_transformers.models.Dense")));
	const char *pooling = "{\"pooling_mode\":[\"cls\",\"weightedmean\"],\"include_prompt\":false}";
	const char *dense = "{\"in_features\":32,\"out_features\":8,\"use_residual\":true}";
	const char *prompts = "{\"prompts\":{\"q\":\"query: \"},\"default_prompt_name\":\"q\"}";
	write_file(folder, "1_Pooling/config.json", pooling, strlen(pooling));
	write_file(folder, "2_X/config.json", dense, strlen(dense));
	write_file(folder, "config_sentence_transformers.json", prompts, strlen(prompts));
	copy_file(folder, "wide.safetensors", "2_X/model.safetensors");
	itr_tower *w = itr_tower_open("bert", false, &(itr_tower_opts){ .weights = folder, .threads = 1 }, &err);
	if (!w)
		fail_msg("%s", err.msg);
	const void *vocabulary = itr_tokenizer_source(w->tokenizer, &n);
	itr_json *j = itr_tower_json(w);
	itr_tower *back = itr_tower_restore(j, false, vocabulary, n, &err);
	if (!back)
		fail_msg("%s", err.msg);
	itr_tower_describe_text(w, &before);
	itr_tower_describe_text(back, &after);
	assert_string_equal(before.data, "cls+weightedmean; dense 32->8 tanh + input; prompt 'query: ', not pooled");
	assert_string_equal(after.data, before.data);
	assert_int_equal(back->dim, 8);
	assert_int_equal(back->config.skip, 3);
	itr_json_free(j);
	itr_tower_free(w);
	itr_tower_free(back);
	itr_buf_free(&before);
	itr_buf_free(&after);
	drop_folder(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_vectors), cmocka_unit_test(test_refused), cmocka_unit_test(test_kept) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
