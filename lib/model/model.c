#include "model/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/nearest.h"
#include "tensor/rows.h"

#define ITR_MODEL(name) extern const itr_model_ops itr_model_##name;
#include "model/models.def"
#undef ITR_MODEL

const itr_model_ops *const itr_models[] = {
#define ITR_MODEL(name) &itr_model_##name,
#include "model/models.def"
#undef ITR_MODEL
	NULL
};

static const itr_model_ops *lookup(const char *name)
{
	for (const itr_model_ops *const *m = itr_models; *m; m++)
		if (!strcmp((*m)->name, name))
			return *m;
	return NULL;
}

const itr_model_ops *itr_model_find(const char *name, itr_err *err)
{
	const char *names[64];
	int n = 0;
	const itr_model_ops *found = lookup(name);
	for (; itr_models[n]; n++)
		names[n] = itr_models[n]->name;
	if (!found)
		itr_err_set(err, "unknown model '%s': did you mean '%s'?", name, itr_nearest(name, names, n));
	return found;
}

itr_model *itr_model_new(const char *name, const itr_model_config *c, uint64_t seed, itr_err *err)
{
	return itr_model_new_towers(name, c, (itr_tower *const[2]){ NULL, NULL }, (const bool[2]){ false, false }, seed, err);
}

static int check_config(const char *name, const itr_model_config *c, itr_err *err)
{
	if (c->text_dim < 1 || c->image_dim < 1 || c->text_dim > 1 << 20 || c->image_dim > 1 << 20 || c->hidden < 0 || c->embed_dim < 0 ||
	    c->hidden > 1 << 20 || c->embed_dim > 1 << 20 || !(c->dropout >= 0 && c->dropout < 1) || !(c->temperature > 0))
		return itr_err_set(
			err, "model '%s' cannot be built: text %lld, image %lld, hidden %lld, embedding %lld, dropout %g, temperature %g",
			name, (long long)c->text_dim, (long long)c->image_dim, (long long)c->hidden, (long long)c->embed_dim, c->dropout,
			c->temperature);
	return 0;
}

itr_model *itr_model_new_towers(const char *name, const itr_model_config *config, itr_tower *const tower[2], const bool trained[2],
                                uint64_t seed, itr_err *err)
{
	static const char *const scope[2] = { "text_encoder", "image_encoder" };
	const itr_model_ops *ops = itr_model_find(name, err);
	itr_model_config c = *config;
	c.text_dim = tower[0] ? tower[0]->dim : c.text_dim;
	c.image_dim = tower[1] ? tower[1]->dim : c.image_dim;
	if (ops && ops->closed)
		itr_err_set(err, "'%s' is solved, not trained: it is no network", name);
	if (!ops || ops->closed || check_config(name, &c, err) < 0) {
		itr_tower_free(tower[0]);
		itr_tower_free(tower[1]);
		return NULL;
	}
	itr_model *m = itr_xcalloc(1, sizeof *m);
	m->ops = ops;
	m->config = c;
	m->params = itr_params_new();
	m->layers = itr_xcalloc(1, ops->size);
	ops->init(m->layers, m->params, &m->config);
	if (c.learn_scale)
		m->log_scale =
			itr_params_add(m->params, "", "logit_scale", 1, (int64_t[]){ 1 }, ITR_INIT_CONSTANT, log(1 / c.temperature), true);
	const int64_t own = itr_params_count(m->params);
	for (int side = 0; side < 2; side++) {
		m->tower[side] = tower[side];
		m->trained[side] = trained[side];
		if (tower[side])
			itr_tower_join(tower[side], m->params, scope[side], trained[side]);
	}
	if (c.stored && itr_params_elements(m->params) > c.stored) {
		itr_err_set(err, "the sizes that it names need %lld numbers, it holds %lld", (long long)itr_params_elements(m->params),
		            (long long)c.stored);
		itr_model_free(m);
		return NULL;
	}
	itr_params_seal(m->params);
	itr_params_initialise_first(m->params, own, seed, ITR_MAX(c.threads, 1));
	for (int side = 0; side < 2; side++)
		if (tower[side])
			itr_tower_fill(tower[side]);
	return m;
}

void itr_model_free(itr_model *m)
{
	if (!m)
		return;
	itr_tower_free(m->tower[0]);
	itr_tower_free(m->tower[1]);
	if (m->params)
		itr_params_free(m->params);
	itr_closed_free(m->closed);
	itr_json_free(m->saved);
	free(m->path);
	free(m->layers);
	free(m);
}

itr_var *itr_model_text(itr_tape *t, const itr_model *m, itr_var *x) { return m->ops->text(t, m->layers, &m->config, x); }
itr_var *itr_model_image(itr_tape *t, const itr_model *m, itr_var *x)
{
	return m->ops->image ? m->ops->image(t, m->layers, &m->config, x) : x;
}
int64_t itr_model_embed_dim(const itr_model *m)
{
	return m->closed ? m->closed->dim : m->ops->image ? m->config.embed_dim : m->config.image_dim;
}
double itr_model_temperature(const itr_model *m) { return m->log_scale ? exp(-(double)m->log_scale->data[0]) : m->config.temperature; }

int64_t itr_model_in(const itr_model *m, itr_modality side)
{
	return m->closed ? m->closed->side[side].in : side == ITR_IMAGE ? m->config.image_dim : m->config.text_dim;
}

int64_t itr_model_encode(const itr_model *m, itr_modality side, const float *x, int64_t n, float *y, bool normalize, int64_t *zero,
                         int threads)
{
	enum { BATCH = 512 };
	if (m->closed)
		return itr_closed_apply(m->closed, side, x, n, y, zero, threads);
	const int64_t in = itr_model_in(m, side), out = itr_model_embed_dim(m);
	itr_tape *t = itr_tape_new(&(itr_tape_opts){ .threads = threads, .inference = true });
	int64_t bad = -1, zeros = 0;
	for (int64_t i = 0; i < n && bad < 0; i += BATCH) {
		const int64_t b = ITR_MIN((int64_t)BATCH, n - i);
		itr_tape_reset(t, 0);
		itr_var *v = itr_input(t, 2, (int64_t[]){ b, in }, x + i * in);
		v = side == ITR_IMAGE ? itr_model_image(t, m, v) : itr_model_text(t, m, v);
		memcpy(y + i * out, v->data, (size_t)(b * out) * sizeof *y);
		bad = itr_first_not_finite(y + i * out, b * out);
		bad = bad < 0 ? -1 : i + bad / out;
	}
	itr_tape_free(t);
	if (normalize && bad < 0)
		zeros = itr_rows_normalize(y, n, out, threads);
	if (zero)
		*zero = zeros;
	return bad;
}

int64_t itr_model_encode_stored(const itr_model *m, itr_modality side, float *x, int64_t n, float *y, bool normalize, int64_t *zero,
                                int threads)
{
	if (!m->closed)
		(void)itr_rows_normalize(x, n, itr_model_in(m, side), threads);
	return itr_model_encode(m, side, x, n, y, normalize, zero, threads);
}

itr_model_source itr_model_source_of(const itr_model *m, itr_modality side)
{
	static const char *const key[2][3] = { { "text_encoder", "text_weights_sha256", "text_preprocess" },
		                               { "image_encoder", "image_weights_sha256", "image_preprocess" } };
	if (m->closed) {
		const itr_closed_side *s = &m->closed->side[side];
		return (itr_model_source){ s->encoder && *s->encoder ? s->encoder : NULL, s->weights_sha256, s->preprocess };
	}
	return (itr_model_source){ itr_json_str(itr_json_get(m->saved, key[side][0]), NULL),
		                   itr_json_str(itr_json_get(m->saved, key[side][1]), NULL),
		                   itr_json_str(itr_json_get(m->saved, key[side][2]), NULL) };
}

bool itr_model_has_towers(const itr_model *m) { return m->tower[ITR_TEXT] || m->tower[ITR_IMAGE]; }

/* --- files ---------------------------------------------------------------------------------------------------------------------------- */

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
	itr_json_add_int(j, "hidden", c->hidden);
	itr_json_add_int(j, "embed_dim", c->embed_dim);
	itr_json_add_num(j, "dropout", c->dropout);
	itr_json_add_bool(j, "relu", c->relu);
	itr_json_add_bool(j, "output_activation", c->output_activation);
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

int itr_model_write(const itr_model *m, itr_h5 *h, const itr_json *extra, itr_err *err)
{
	itr_json *j = config_json(m, extra);
	itr_buf b = ITR_BUF_INIT;
	itr_json_print(&b, j, true);
	int rc = itr_h5_write_text(h, "/config", itr_buf_str(&b), err);
	if (rc == 0)
		rc = itr_params_save(m->params, h, "/param", err);
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

/* How many numbers /param holds; at least 1. A file's arrays are as large as they claim (io/h5.h), its config may say anything. */
static int64_t stored_numbers(const itr_h5 *h)
{
	char **names = NULL;
	int64_t sum = 1, n = itr_h5_list(h, "/param", &names);
	for (int64_t i = 0; i < n; i++) {
		itr_h5_info info;
		char *path = itr_xasprintf("/param/%s", names[i]);
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
	const itr_model_config c = {
		.text_dim = itr_json_int(itr_json_get(j, "text_dim"), 0),
		.image_dim = itr_json_int(itr_json_get(j, "image_dim"), 0),
		.hidden = itr_json_int(itr_json_get(j, "hidden"), 0),
		.embed_dim = itr_json_int(itr_json_get(j, "embed_dim"), 0),
		.dropout = itr_json_num(itr_json_get(j, "dropout"), 0),
		.relu = itr_json_bool(itr_json_get(j, "relu"), false),
		.output_activation = itr_json_bool(itr_json_get(j, "output_activation"), true),
		.learn_scale = itr_json_bool(itr_json_get(j, "learn_scale"), false),
		.temperature = itr_json_num(itr_json_get(j, "temperature"), 0.07),
		.stored = stored_numbers(h),
	};
	itr_model *m = build(h, j, itr_json_str(itr_json_get(j, "model"), "?"), &c, err);
	if (m && itr_params_load(m->params, h, "/param", err) < 0) {
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

itr_model *itr_model_open(const char *path, itr_err *err)
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
	} else {
		itr_json_free(config);
	}
	itr_h5_close(h);
	return m;
}

itr_model *itr_model_open_for_rows(const char *path, itr_err *err)
{
	itr_model *m = itr_model_open(path, err);
	if (!m || !itr_model_has_towers(m))
		return m;
	itr_err_set(err, "'%s' has towers that take pictures and captions: give it a manifest (.jsonl)", path);
	itr_model_free(m);
	return NULL;
}

int itr_model_pack(itr_model *m, itr_compute c, int threads, itr_err *err)
{
	if (itr_sha256_file(m->path, m->sha256, err) < 0)
		return -1;
	if (m->params)
		itr_params_pack(m->params, c, threads);
	return 0;
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
