/* The "itr-model" file: what a model writes, and the way back. */
#include "model/model_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const char *const tower_key[2] = { "text_tower", "image_tower" }, *const vocabulary_path[2] = { "/text_vocabulary",
	                                                                                               "/image_vocabulary" };

static itr_json *config_json(const itr_model *m, const itr_json *extra)
{
	itr_json *j = extra ? itr_json_copy(extra) : itr_json_object();
	const itr_model_config *c = &m->config;
	itr_json_add_str(j, "kind", "network");
	itr_json_add_str(j, "model", m->ops->name);
	itr_json_add_int(j, "text_dim", c->text_dim);
	itr_json_add_int(j, "image_dim", c->image_dim);
	itr_model_options_write(m, j);
	itr_json_add_bool(j, "learn_scale", c->learn_scale);
	itr_json_add_num(j, "temperature", c->temperature);
	for (int side = 0; side < 2; side++)
		if (m->tower[side]) {
			itr_json *t = itr_json_add(j, tower_key[side], itr_tower_json(m->tower[side]));
			itr_json_add_bool(t, "trained", m->trained[side]);
		}
	return j;
}

static int write_vocabulary(const itr_model *m, int side, itr_h5 *h, itr_err *err)
{
	size_t n;
	if (!m->tower[side] || !m->tower[side]->tokenizer)
		return 0;
	const void *bytes = itr_tokenizer_source(m->tower[side]->tokenizer, &n);
	return itr_h5_write(h, vocabulary_path[side], ITR_U8, 1, (int64_t[]){ (int64_t)n }, bytes, err);
}

/* What a name, a shape and numbers are to a hash. */
static void hash_array(itr_sha256 *h, const itr_param *q)
{
	itr_sha256_add(h, q->name, strlen(q->name) + 1);
	itr_sha256_add(h, q->shape, (size_t)q->rank * sizeof *q->shape);
	itr_sha256_add(h, q->data, (size_t)q->count * sizeof *q->data);
}

/* A network's; said: its /config, of which what made its rows counts too. */
static void hash_network(const itr_model *m, const itr_json *said, char hex[ITR_SHA256_HEX])
{
	static const char *const rows[] = { "text_encoder",  "text_weights_sha256",  "text_preprocess",
		                            "image_encoder", "image_weights_sha256", "image_preprocess" };
	itr_sha256 *h = itr_sha256_new();
	itr_json *j = config_json(m, NULL);
	itr_buf b = ITR_BUF_INIT;
	for (int i = 0; i < ITR_LEN(rows); i++)
		if (itr_json_get(said, rows[i]))
			itr_json_add_str(j, rows[i], itr_json_str(itr_json_get(said, rows[i]), NULL));
	const itr_picture_opts pictures = itr_picture_opts_get(said);
	itr_picture_opts_put(j, &pictures);
	itr_json_print(&b, j, false);
	itr_sha256_add(h, itr_buf_str(&b), b.len + 1);
	for (int64_t i = 0; i < itr_params_count(m->params); i++)
		hash_array(h, itr_params_at(m->params, i));
	for (int side = 0; side < 2; side++)
		if (m->tower[side] && m->tower[side]->tokenizer) {
			size_t n;
			const void *bytes = itr_tokenizer_source(m->tower[side]->tokenizer, &n);
			itr_sha256_add(h, bytes, n);
		}
	itr_sha256_end(h, hex);
	itr_buf_free(&b);
	itr_json_free(j);
}

int itr_model_write(const itr_model *m, itr_h5 *h, const itr_json *extra, itr_err *err)
{
	itr_json *j = config_json(m, extra);
	itr_buf b = ITR_BUF_INIT;
	char hash[ITR_SHA256_HEX];
	hash_network(m, extra, hash);
	itr_json_add_str(j, "hash", hash);
	itr_json_print(&b, j, true);
	int rc = itr_h5_write_text(h, "/config", itr_buf_str(&b), err);
	if (rc == 0)
		rc = itr_params_save(m->params, h, ITR_MODEL_PARAM, err);
	if (rc == 0)
		rc = itr_h5_write_link(h, ITR_MODEL_FORMER_PARAM, ITR_MODEL_PARAM, err);
	for (int side = 0; rc == 0 && side < 2; side++)
		rc = write_vocabulary(m, side, h, err);
	itr_buf_free(&b);
	itr_json_free(j);
	return rc;
}

int itr_model_save(const itr_model *m, const char *path, bool synthetic, const itr_json *extra, const char *provenance, itr_err *err)
{
	itr_h5 *h = itr_h5_create(path, "itr-model", synthetic, err);
	if (!h)
		return -1;
	if (itr_model_write(m, h, extra, err) < 0 ||
	    (provenance && *provenance && itr_h5_write_text(h, "/provenance", provenance, err) < 0)) {
		itr_h5_close(h);
		return -1;
	}
	return itr_h5_commit(h, err);
}

static itr_json *read_config(itr_h5 *h, itr_err *err)
{
	char *text = itr_h5_read_text(h, "/config", err);
	itr_json *j = text ? itr_json_parse(text, strlen(text), itr_h5_path(h), err) : NULL;
	free(text);
	return j;
}

const char *itr_model_param_group(const itr_h5 *h) { return itr_h5_has(h, ITR_MODEL_PARAM) ? ITR_MODEL_PARAM : ITR_MODEL_FORMER_PARAM; }

/* How many numbers a file's arrays hold; at least 1. They are as large as they claim (io/h5.h), its config may say anything. */
static int64_t stored_numbers(const itr_h5 *h)
{
	const char *group = itr_model_param_group(h);
	char **names = NULL;
	int64_t sum = 1, n = itr_h5_list(h, group, &names);
	for (int64_t i = 0; i < n; i++) {
		itr_h5_info info;
		char *path = itr_xasprintf("%s/%s", group, names[i]);
		if (itr_h5_info_of(h, path, &info, NULL) == 0)
			sum += info.count;
		free(path);
		free(names[i]);
	}
	free(names);
	return sum;
}

/* The tower that the file describes, still without numbers; NULL where there is none. 0, or -1 with err. */
static int read_tower(const itr_h5 *h, const itr_json *config, int side, itr_tower **tower, bool *trained, itr_err *err)
{
	const itr_json *j = itr_json_get(config, tower_key[side]);
	itr_h5_info info = { .count = 0 };
	void *vocabulary = NULL;
	*tower = NULL;
	*trained = itr_json_bool(itr_json_get(j, "trained"), false);
	if (!j)
		return 0;
	if (itr_h5_has(h, vocabulary_path[side]) && !(vocabulary = itr_h5_read(h, vocabulary_path[side], ITR_U8, &info, err)))
		return -1;
	*tower = itr_tower_restore(j, (itr_modality)side, vocabulary, (size_t)info.count, err);
	itr_aligned_free(vocabulary);
	return *tower ? 0 : itr_err_prefix(err, "'%s': ", itr_h5_path(h));
}

static itr_model *build(const itr_h5 *h, const itr_json *config, const char *name, const itr_model_config *c, itr_err *err)
{
	itr_tower *tower[2] = { NULL, NULL };
	bool trained[2] = { false, false };
	if (read_tower(h, config, 0, &tower[0], &trained[0], err) == 0 && read_tower(h, config, 1, &tower[1], &trained[1], err) == 0) {
		itr_model *m = itr_model_new_towers(name, c, tower, trained, 0, err);       /* takes the towers over */
		if (!m)
			itr_err_prefix(err, "'%s': ", itr_h5_path(h));
		return m;
	}
	itr_tower_free(tower[0]);
	return NULL;
}

/* The network that the file holds. NULL with err. */
static itr_model *read_network(const itr_h5 *h, const itr_json *j, itr_err *err)
{
	const itr_model_ops *ops = itr_model_find(itr_json_str(itr_json_get(j, "model"), "?"), err);
	itr_model_config c = {
		.text_dim = itr_json_int(itr_json_get(j, "text_dim"), 0),
		.image_dim = itr_json_int(itr_json_get(j, "image_dim"), 0),
		.learn_scale = itr_json_bool(itr_json_get(j, "learn_scale"), false),
		.temperature = itr_json_num(itr_json_get(j, "temperature"), 0.07),
		.stored = stored_numbers(h),
	};
	if (!ops) {
		itr_err_prefix(err, "'%s': ", itr_h5_path(h));
		return NULL;
	}
	void *options = itr_xcalloc(1, ops->options_size + 1);
	if (ops->options_size)
		memcpy(options, ops->defaults, ops->options_size);
	c.options = options;
	itr_model *m = itr_model_options_read(ops, j, options, err) == 0 ? build(h, j, ops->name, &c, err) : NULL;
	free(options);
	if (m && itr_params_load(m->params, h, itr_model_param_group(h), err) < 0) {
		itr_model_free(m);
		m = NULL;
	}
	return m;
}

/* The maps of a closed form as a model. NULL with err. */
static itr_model *read_closed(const itr_h5 *h, const itr_json *config, itr_err *err)
{
	const itr_model_ops *ops = itr_model_find(itr_json_str(itr_json_get(config, "method"), "?"), err);
	itr_closed *c = ops && ops->closed ? itr_closed_read(h, config, err) : NULL;
	if (ops && !ops->closed)
		itr_err_set(err, "'%s' says that '%s' is a closed form: it is a network", itr_h5_path(h), ops->name);
	if (!c)
		return NULL;
	itr_model *m = itr_xcalloc(1, sizeof *m);
	m->ops = ops;
	m->closed = c;
	return m;
}

/* As the file says, so that not every opening walks through all its arrays; earlier versions did not say it. */
static void take_hash(itr_model *m, const itr_json *config)
{
	const char *said = itr_json_str(itr_json_get(config, "hash"), "");
	if (strlen(said) == sizeof m->hash - 1)
		memcpy(m->hash, said, sizeof m->hash);
	else if (m->closed)
		itr_closed_hash(m->closed, m->hash);
	else
		hash_network(m, config, m->hash);
}

itr_model *itr_model_read(const char *path, itr_err *err)
{
	itr_h5 *h = itr_h5_open(path, "itr-model", err);
	itr_json *config = h ? read_config(h, err) : NULL;
	itr_model *m = NULL;
	const char *kind = itr_json_str(itr_json_get(config, "kind"), "none");
	if (config && !strcmp(kind, "projection"))
		m = read_closed(h, config, err);
	else if (config && !strcmp(kind, "network"))
		m = read_network(h, config, err);
	else if (config)
		itr_err_set(err, "'%s' is a model of kind '%s', which this program does not know", path, kind);
	if (m) {
		m->path = itr_xstrdup(path);
		m->saved = config;
		m->synthetic = itr_h5_is_synthetic(h);
		itr_split_record_get(config, &m->split);
		take_hash(m, config);
	} else {
		itr_json_free(config);
	}
	itr_h5_close(h);
	return m;
}

bool itr_model_is_closed(const char *path)
{
	itr_h5 *h = itr_h5_open(path, "itr-model", NULL);
	itr_json *j = h ? read_config(h, NULL) : NULL;
	const bool yes = j && !strcmp(itr_json_str(itr_json_get(j, "kind"), ""), "projection");
	itr_json_free(j);
	itr_h5_close(h);
	return yes;
}
