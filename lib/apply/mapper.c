#include "apply/mapper.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static int open_network(itr_mapper *m, const char *path, itr_err *err)
{
	itr_json *config = NULL;
	m->network = itr_model_load(path, &config, err);
	if (!m->network)
		return -1;
	m->name = itr_xstrdup(m->network->ops->name);
	m->in[ITR_TEXT] = m->network->config.text_dim;
	m->in[ITR_IMAGE] = m->network->config.image_dim;
	m->dim = itr_model_embed_dim(m->network);
	itr_split_note_get(config, &m->split);
	m->config = config;
	itr_h5 *h = itr_h5_open(path, "itr-model", err);
	m->synthetic = h && itr_h5_is_synthetic(h);
	itr_h5_close(h);
	return h ? 0 : -1;
}

static int open_projection(itr_mapper *m, const char *path, itr_err *err)
{
	m->projection = itr_projection_load(path, err);
	if (!m->projection)
		return -1;
	m->name = itr_xstrdup(m->projection->method);
	for (int s = 0; s < 2; s++)
		m->in[s] = m->projection->side[s].in;
	m->dim = m->projection->dim;
	m->split = m->projection->split;
	m->synthetic = m->projection->synthetic;
	return 0;
}

itr_mapper *itr_mapper_open(const char *path, itr_err *err)
{
	itr_mapper *m = itr_xcalloc(1, sizeof *m);
	m->path = itr_xstrdup(path);
	if ((itr_model_is_network(path) ? open_network(m, path, err) : open_projection(m, path, err)) == 0)
		return m;
	itr_mapper_close(m);
	return NULL;
}

void itr_mapper_close(itr_mapper *m)
{
	if (!m)
		return;
	itr_projection_free(m->projection);
	itr_model_free(m->network);
	itr_json_free(m->config);
	free(m->path);
	free(m->name);
	free(m);
}

int64_t itr_mapper_apply(const itr_mapper *m, itr_modality side, const float *x, int64_t rows, float *y, bool normalize, int threads)
{
	if (m->network)
		return itr_model_encode(m->network, side, x, rows, y, normalize, threads);
	return itr_projection_apply(m->projection, side, x, rows, y, NULL, threads);
}

int itr_mapper_read(itr_mapper *m, const char *path, int threads, itr_input_data *in, itr_err *err)
{
	const bool towers = m->network && (m->network->tower[0] || m->network->tower[1]);
	memset(in, 0, sizeof *in);
	if (!itr_raw_wanted(path)) {
		if (towers)
			return itr_err_set(err, "'%s' has towers that take pictures and captions: give it a manifest (.jsonl), not '%s'",
			                   m->path, path);
		in->d = &in->stored;
		return itr_pair_data_open(in->d, path, threads, err);
	}
	if (!towers)
		return itr_err_set(err, "'%s' takes vectors: {extract-features} makes them from '%s'", m->path, path);
	itr_params_freeze(m->network->params, ITR_COMPUTE_F32, threads);
	in->d = &in->raw.pairs;
	return itr_finetune_read(&in->raw, m->network, m->config, path, threads, err);
}

void itr_input_data_free(itr_input_data *in)
{
	itr_pair_data_free(&in->stored);
	itr_raw_free(&in->raw);
	in->d = NULL;
}
