#include "model/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/nearest.h"
#include "tensor/rows.h"

#define ITR_MODEL(name, symbol) extern const itr_model_ops itr_model_##symbol;
#include "model/models.def"
#undef ITR_MODEL

const itr_model_ops *const itr_models[] = {
#define ITR_MODEL(name, symbol) &itr_model_##symbol,
#include "model/models.def"
#undef ITR_MODEL
	NULL
};

const char *const itr_model_names[] = {
#define ITR_MODEL(name, symbol) name,
#include "model/models.def"
#undef ITR_MODEL
	NULL
};

const itr_model_ops *itr_model_find(const char *name, itr_err *err)
{
	int n = 0;
	for (; itr_models[n]; n++)
		if (!strcmp(itr_models[n]->name, name))
			return itr_models[n];
	itr_err_set(err, "unknown model '%s': did you mean '%s'?", name, itr_nearest(name, itr_model_names, n));
	return NULL;
}

itr_model *itr_model_new(const char *name, const itr_model_config *c, uint64_t seed, itr_err *err)
{
	return itr_model_new_towers(name, c, (itr_tower *const[2]){ NULL, NULL }, (const bool[2]){ false, false }, seed, err);
}

static int check_config(const char *name, const itr_model_config *c, itr_err *err)
{
	if (c->text_dim < 1 || c->image_dim < 1 || c->text_dim > 1 << 20 || c->image_dim > 1 << 20 || !(c->temperature > 0))
		return itr_err_set(err, "model '%s' cannot be built: text %lld, image %lld, temperature %g", name, (long long)c->text_dim,
		                   (long long)c->image_dim, c->temperature);
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
	void *options = itr_xcalloc(1, ops->options_size + 1);
	if (ops->options_size)
		memcpy(options, c.options ? c.options : ops->defaults, ops->options_size);
	m->config.options = options;
	m->params = itr_params_new();
	m->layers = itr_xcalloc(1, ops->size);
	m->dim = ops->init(m->layers, m->params, c.text_dim, c.image_dim, options);
	if (c.learn_scale)
		m->log_scale =
			itr_params_add(m->params, "", "logit_scale", 1, (int64_t[]){ 1 }, ITR_INIT_CONSTANT, log(1 / c.temperature), true);
	const int64_t own = itr_params_count(m->params);
	for (int side = 0; side < 2; side++) {
		m->tower[side] = m->front[side] = tower[side];
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
	for (int side = 0; side < 2; side++) {
		if (m->front[side] != m->tower[side])
			itr_tower_free(m->front[side]);
		itr_tower_free(m->tower[side]);
	}
	if (m->params)
		itr_params_free(m->params);
	itr_closed_free(m->closed);
	itr_json_free(m->saved);
	free(m->path);
	free((void *)m->config.options);
	free(m->layers);
	free(m);
}

itr_var *itr_model_text(itr_tape *t, const itr_model *m, itr_var *x) { return m->ops->text(t, m->layers, m->config.options, x); }
itr_var *itr_model_image(itr_tape *t, const itr_model *m, itr_var *x)
{
	return m->ops->image ? m->ops->image(t, m->layers, m->config.options, x) : x;
}
int64_t itr_model_embed_dim(const itr_model *m) { return m->closed ? m->closed->dim : m->dim; }
double itr_model_temperature(const itr_model *m) { return m->log_scale ? exp(-(double)m->log_scale->data[0]) : m->config.temperature; }

int64_t itr_model_in(const itr_model *m, itr_modality side)
{
	return m->closed ? m->closed->side[side].in : side == ITR_IMAGE ? m->config.image_dim : m->config.text_dim;
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
