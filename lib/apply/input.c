#include "apply/input.h"

#include <string.h>

int itr_input_read(itr_model *m, const char *path, int threads, itr_input_data *in, itr_err *err)
{
	const bool towers = itr_model_has_towers(m);
	memset(in, 0, sizeof *in);
	if (!itr_raw_wanted(path)) {
		if (towers)
			return itr_err_set(err, "'%s' has towers that take pictures and captions: give it a manifest (.jsonl), not '%s'",
			                   m->path, path);
		in->d = &in->stored;
		return itr_embeddings_open(in->d, path, threads, err);
	}
	if (!towers)
		return itr_err_set(err, "'%s' takes vectors: {extract-features} makes them from '%s'", m->path, path);
	itr_params_pack(m->params, ITR_COMPUTE_F32, threads);
	in->d = &in->raw.pairs;
	return itr_finetune_read(&in->raw, m, m->saved, path, threads, err);
}

void itr_input_data_free(itr_input_data *in)
{
	itr_embeddings_free(&in->stored);
	itr_raw_free(&in->raw);
	in->d = NULL;
}
