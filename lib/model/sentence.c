#include "model/sentence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"

/* FOLDER/NAME as JSON; *j NULL where there is no such file. */
static int read_in(const char *folder, const char *name, itr_json **j, itr_err *err)
{
	char *path = itr_path_join(folder, name);
	const bool there = itr_path_exists(path);
	*j = there ? itr_json_read(path, err) : NULL;
	if (*j && !itr_json_is_object(*j) && !itr_json_is_array(*j)) {
		itr_json_free(*j);
		*j = NULL;
		itr_err_set(err, "'%s' holds neither an object nor a list", path);
	}
	free(path);
	return *j || !there ? 0 : -1;
}

static bool said(const itr_json *j) { return j && !itr_json_is_null(j); }

/* --- Pooling -------------------------------------------------------------------------------------------------------------------------- */

/* {"pooling_mode": "mean"} or ["cls", "max"]: in the order that is written. */
static int pooling_list(itr_sentence *s, const itr_json *mode, itr_err *err)
{
	itr_pooling way;
	const bool list = itr_json_is_array(mode);
	for (const itr_json *c = list ? itr_json_first(mode) : mode; c; c = list ? itr_json_next(c) : NULL) {
		if (!itr_json_is_string(c) || strchr(itr_json_str(c, ""), '+'))
			return itr_err_set(err, "its 'pooling_mode' is neither a name nor a list of names");
		if (itr_pooling_parse(itr_json_str(c, ""), &way, err) < 0)
			return itr_err_prefix(err, "'pooling_mode': ");
		if (itr_pooling_count(s->pooling) == ITR_POOL_MOST)
			return itr_err_set(err, "its 'pooling_mode' joins more than %d ways", ITR_POOL_MOST);
		s->pooling = itr_pooling_add(s->pooling, (itr_pooling_way)way);
	}
	return s->pooling ? 0 : itr_err_set(err, "its 'pooling_mode' is empty");
}

/* The flags of before 5.4, in their order; none of them set means the mean, as there. */
static int pooling_flags(itr_sentence *s, const itr_json *j, itr_err *err)
{
	static const struct { const char *key; itr_pooling_way way;
	} flags[] = {
		{ "pooling_mode_cls_token", ITR_POOL_CLS },
		{ "pooling_mode_max_tokens", ITR_POOL_MAX },
		{ "pooling_mode_mean_tokens", ITR_POOL_MEAN },
		{ "pooling_mode_mean_sqrt_len_tokens", ITR_POOL_SQRT },
		{ "pooling_mode_weightedmean_tokens", ITR_POOL_PLACE },
		{ "pooling_mode_lasttoken", ITR_POOL_LAST },
	};
	for (const itr_json *c = itr_json_first(j); c; c = itr_json_next(c)) {
		int i = 0;
		while (i < ITR_LEN(flags) && strcmp(flags[i].key, itr_json_key(c)))
			i++;
		if (i == ITR_LEN(flags) && !strncmp(itr_json_key(c), "pooling_mode_", 13) && itr_json_bool(c, true))
			return itr_err_set(err, "it asks for '%.80s', which is not known", itr_json_key(c));
	}
	for (int i = 0; i < ITR_LEN(flags); i++)
		if (itr_json_bool(itr_json_get(j, flags[i].key), false))
			s->pooling = itr_pooling_add(s->pooling, flags[i].way);
	if (!s->pooling)
		s->pooling = ITR_POOL_MEAN;
	return 0;
}

static int read_pooling(itr_sentence *s, const itr_json *j, itr_err *err)
{
	const itr_json *mode = itr_json_get(j, "pooling_mode"), *width = itr_json_get(j, "embedding_dimension");
	if (s->pooling)
		return itr_err_set(err, "there is a second Pooling module");
	if ((said(mode) ? pooling_list(s, mode, err) : pooling_flags(s, j, err)) < 0)
		return -1;
	s->pooling_width = itr_json_int(width ? width : itr_json_get(j, "word_embedding_dimension"), 0);
	s->skip_prompt = !itr_json_bool(itr_json_get(j, "include_prompt"), true);
	return 0;
}

/* --- modules behind it ---------------------------------------------------------------------------------------------------------------- */

/* The modules of one kind may read and write other things than the sentence's vector (a text's tokens, say). */
static int check_names(const itr_json *j, itr_err *err)
{
	static const char *const keys[] = { "module_input_name", "module_output_name" };
	for (int i = 0; i < ITR_LEN(keys); i++) {
		const char *v = itr_json_str(itr_json_get(j, keys[i]), "sentence_embedding");
		if (strcmp(v, "sentence_embedding"))
			return itr_err_set(err, "its '%s' is '%.60s': only 'sentence_embedding' is built", keys[i], v);
	}
	return 0;
}

static int read_dense(itr_stage *g, const itr_json *j, itr_err *err)
{
	const itr_json *a = itr_json_get(j, "activation_function");
	if (!j)
		return itr_err_set(err, "it has no config.json");
	*g = (itr_stage){ ITR_STAGE_DENSE,
		          itr_json_int(itr_json_get(j, "in_features"), 0),
		          itr_json_int(itr_json_get(j, "out_features"), 0),
		          itr_json_bool(itr_json_get(j, "bias"), true),
		          itr_json_bool(itr_json_get(j, "use_residual"), false),
		          ITR_DENSE_IDENTITY };
	return itr_json_is_null(a) ? 0 : itr_dense_activation_named(itr_json_str(a, NULL), &g->activation, err);
}

/* One module behind the first one. */
static int read_module(itr_sentence *s, const char *type, const char *folder, const itr_json *j, itr_err *err)
{
	itr_stage g = { .kind = ITR_STAGE_NORMALIZE };
	if (!strcmp(type, "Pooling")) {
		if (s->stages.n)
			return itr_err_set(err, "it comes behind other modules: only the place behind the transformer is built");
		return j ? read_pooling(s, j, err) : itr_err_set(err, "it has no config.json");
	}
	if (!strcmp(type, "Dropout"))
		return 0;                               /* the identity, but in training */
	if (check_names(j, err) < 0)
		return -1;
	if (!strcmp(type, "Dense") && read_dense(&g, j, err) < 0)
		return -1;
	if (!strcmp(type, "LayerNorm"))
		g = (itr_stage){ .kind = ITR_STAGE_LAYERNORM, .in = itr_json_int(itr_json_get(j, "dimension"), 0) };
	if (g.kind == ITR_STAGE_NORMALIZE && strcmp(type, "Normalize"))
		return itr_err_set(
			err, "only Pooling, Dense, LayerNorm, Normalize and Dropout are built; without it the vectors would be others");
	if (s->stages.n == ITR_MAX_STAGES)
		return itr_err_set(err, "there are more than %d modules behind the pooling", ITR_MAX_STAGES);
	if (g.kind != ITR_STAGE_NORMALIZE)
		s->stage_folder[s->stages.n] = itr_xstrdup(folder);
	s->stages.v[s->stages.n++] = g;
	return 0;
}

/* The last part of "sentence_transformers.models.Dense"; NULL: a module of somebody else's. */
static const char *type_of(const itr_json *module)
{
	const char *type = itr_json_str(itr_json_get(module, "type"), ""), *dot = strrchr(type, '.');
	return !strncmp(type, "sentence_transformers.", 22) && dot ? dot + 1 : NULL;
}

static int read_modules(itr_sentence *s, const char *folder, const itr_json *list, itr_err *err)
{
	if (!itr_json_is_array(list) || !itr_json_count(list))
		return itr_err_set(err, "its modules.json is no list of modules");
	s->modules = true;
	for (int64_t i = 0; i < itr_json_count(list); i++) {
		const itr_json *m = itr_json_at(list, i);
		const char *type = type_of(m), *path = itr_json_str(itr_json_get(m, "path"), "");
		itr_json *config = NULL;
		if (*path && !itr_path_is_safe(path))
			return itr_err_set(err, "its modules.json names the folder '%.100s', which does not lie below it", path);
		char *place = *path ? itr_path_join(folder, path) : itr_xstrdup(folder);
		int rc = 0;
		if (i == 0 && (!type || (strcmp(type, "Transformer") && strcmp(type, "CLIPModel"))))
			rc = itr_err_set(err, "only Transformer and CLIPModel are built as the first one");
		else if (i == 0 && *path)
			s->folder = itr_xstrdup(place);
		else if (i > 0 && !type)
			rc = itr_err_set(err, "it is code of its own");
		else if (i > 0)
			rc = *path && read_in(place, "config.json", &config, err) < 0 ? -1 : read_module(s, type, place, config, err);
		itr_json_free(config);
		free(place);
		if (rc < 0)
			return itr_err_prefix(err, "module %lld of modules.json, '%.100s': ", (long long)i,
			                      itr_json_str(itr_json_get(m, "type"), ""));
	}
	return 0;
}

/* --- the other files ------------------------------------------------------------------------------------------------------------------ */

static int read_transformer(itr_sentence *s, const char *folder, itr_err *err)
{
	static const char *const lengths[] = { "query_length", "document_length", "query_expansion" };
	itr_json *j;
	if (read_in(folder, "sentence_bert_config.json", &j, err) < 0)
		return -1;
	int rc = 0;
	const char *task = itr_json_str(itr_json_get(j, "transformer_task"), "feature-extraction");
	s->max_tokens = itr_json_int(itr_json_get(j, "max_seq_length"), 0);
	s->lower = itr_json_bool(itr_json_get(j, "do_lower_case"), false);
	if (strcmp(task, "feature-extraction"))
		rc = itr_err_set(err, "sentence_bert_config.json: 'transformer_task' is '%.60s'; only 'feature-extraction' is built", task);
	for (int i = 0; i < ITR_LEN(lengths) && rc == 0; i++)
		if (said(itr_json_get(j, lengths[i])))
			rc = itr_err_set(err, "sentence_bert_config.json: '%s' is not built", lengths[i]);
	itr_json_free(j);
	return rc;
}

static int no_prompt(const itr_json *prompts, const char *name, itr_err *err)
{
	itr_buf b = ITR_BUF_INIT;
	for (const itr_json *c = itr_json_first(prompts); c; c = itr_json_next(c))
		itr_buf_printf(&b, "%s'%.60s'", b.len ? ", " : "", itr_json_key(c));
	itr_err_set(err,
	            b.len ? "the weights have no prompt '%.60s': config_sentence_transformers.json names %.600s"
	                  : "the weights have no prompt '%.60s': there is no list of prompts in a config_sentence_transformers.json%s",
	            name, itr_buf_str(&b));
	itr_buf_free(&b);
	return -1;
}

static int read_prompts(itr_sentence *s, const char *folder, const char *prompt, const char *name, itr_err *err)
{
	itr_json *j;
	if (read_in(folder, "config_sentence_transformers.json", &j, err) < 0)
		return -1;
	const itr_json *prompts = itr_json_get(j, "prompts");
	const char *similarity = itr_json_str(itr_json_get(j, "similarity_fn_name"), "cosine");
	int rc = 0;
	name = name ? name : itr_json_str(itr_json_get(j, "default_prompt_name"), NULL);
	if (!prompt && name && *name && !itr_json_is_string(itr_json_get(prompts, name)))
		rc = no_prompt(prompts, name, err);
	else if (!prompt && name && *name)
		prompt = itr_json_str(itr_json_get(prompts, name), "");
	if (rc == 0 && prompt && *prompt)
		s->prompt = itr_xstrdup(prompt);
	if (rc == 0 && strcmp(similarity, "cosine"))
		itr_info("these weights are published for comparison by '%.40s': evaluate and search compare directions (cosine) unless "
		         "told otherwise",
		         similarity);
	itr_json_free(j);
	return rc;
}

/* A module's folder by itself is a part of a model only. */
static int check_whole(const char *folder, itr_err *err)
{
	char *up = itr_path_dirname(folder), *parent = itr_path_join(up, "modules.json"),
	     *behind = itr_path_join(folder, "2_Dense/config.json"), *own = itr_path_join(folder, "modules.json");
	int rc = 0;
	if (!itr_path_exists(own) && !strncmp(itr_path_basename(folder), "0_", 2) && itr_path_exists(parent))
		rc = itr_err_set(err, "this is the first of several modules: give the folder above it, '%s'", up);
	else if (!itr_path_exists(own) && itr_path_exists(behind))
		rc = itr_err_set(err, "'%s' is there, but no modules.json, which lists the modules in order: fetch it too",
		                 behind);
	free(up);
	free(parent);
	free(behind);
	free(own);
	return rc;
}

int itr_sentence_read(itr_sentence *s, const char *weights, const char *prompt, const char *prompt_name, itr_err *err)
{
	char *folder = itr_path_is_dir(weights) ? itr_xstrdup(weights) : itr_path_dirname(weights);
	itr_json *modules = NULL, *pooling = NULL;
	*s = (itr_sentence){ .folder = NULL };
	for (size_t n = strlen(folder); n > 1 && folder[n - 1] == '/'; n--)
		folder[n - 1] = 0;
	int rc = check_whole(folder, err);
	if (rc == 0)
		rc = read_in(folder, "modules.json", &modules, err);
	if (rc == 0 && modules)
		rc = read_modules(s, folder, modules, err);
	else if (rc == 0 && (rc = read_in(folder, "1_Pooling/config.json", &pooling, err)) == 0 && pooling &&
	         read_pooling(s, pooling, err) < 0)
		rc = itr_err_prefix(err, "'%s/1_Pooling/config.json': ", folder);
	if (rc == 0)
		rc = read_transformer(s, s->folder ? s->folder : folder, err);
	if (rc == 0)
		rc = read_prompts(s, folder, prompt, prompt_name, err);
	itr_json_free(modules);
	itr_json_free(pooling);
	free(folder);
	return rc;
}

void itr_sentence_free(itr_sentence *s)
{
	for (int i = 0; i < ITR_MAX_STAGES; i++)
		free(s->stage_folder[i]);
	free(s->folder);
	free(s->prompt);
	*s = (itr_sentence){ .folder = NULL };
}

int itr_sentence_append(const itr_sentence *s, itr_weights *w, itr_err *err)
{
	for (int i = 0; i < s->stages.n; i++) {
		char prefix[32];
		snprintf(prefix, sizeof prefix, "modules.%d.", i);
		if (s->stage_folder[i] && itr_weights_append(w, s->stage_folder[i], prefix, err) < 0)
			return -1;
	}
	return 0;
}
