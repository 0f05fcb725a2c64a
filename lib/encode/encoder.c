#include "encode/encoder.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/nearest.h"

#define ITR_ENCODER(name) extern const itr_encoder_desc itr_encoder_##name;
#include "encode/encoders.def"
#undef ITR_ENCODER

static const itr_encoder_desc *const table[] = {
#define ITR_ENCODER(name) &itr_encoder_##name,
#include "encode/encoders.def"
#undef ITR_ENCODER
};

int itr_encoder_count(void)
{
	return ITR_LEN(table);
}

const itr_encoder_desc *itr_encoder_at(int i)
{
	return table[i];
}

itr_json *itr_encoder_list(void)
{
	itr_json *all = itr_json_array();
	for (int i = 0; i < ITR_LEN(table); i++) {
		itr_json *e = itr_json_push(all, itr_json_object());
		itr_json_add_str(e, "name", table[i]->name);
		itr_json_add_bool(e, "image", table[i]->modality & ITR_MODALITY_IMAGE);
		itr_json_add_bool(e, "text", table[i]->modality & ITR_MODALITY_TEXT);
		itr_json_add_bool(e, "needs_weights", table[i]->needs_weights);
		itr_json_add_str(e, "summary", table[i]->summary);
	}
	return all;
}

static const itr_encoder_desc *find(const char *name, enum itr_modality modality, itr_err *err)
{
	const char *what = modality == ITR_MODALITY_IMAGE ? "image" : "text";
	const char *names[ITR_LEN(table)];
	int n = 0;
	for (int i = 0; i < ITR_LEN(table); i++) {
		if (!(table[i]->modality & modality)) {
			if (!strcmp(table[i]->name, name)) {
				itr_err_set(err, "'%s' is not an encoder for %ss (see --list)", name, what);
				return NULL;
			}
			continue;
		}
		if (!strcmp(table[i]->name, name))
			return table[i];
		names[n++] = table[i]->name;
	}
	itr_err_set(err, "unknown %s encoder '%s': did you mean '%s'? (see --list)", what, name, itr_nearest(name, names, n));
	return NULL;
}

itr_encoder *itr_encoder_new(const char *name, enum itr_modality modality, const itr_encoder_opts *o, itr_err *err)
{
	const itr_encoder_desc *d = find(name, modality, err);
	if (!d)
		return NULL;
	if (d->needs_weights && !o->weights) {
		itr_err_set(err, "encoder '%s' needs its weights: give --weights FOLDER", name);
		return NULL;
	}
	if (!d->needs_weights && o->pooling) {
		itr_err_set(err, "encoder '%s' has one way of pooling: leave --pooling out", name);
		return NULL;
	}
	itr_encoder *e = itr_xcalloc(1, sizeof *e);
	e->desc = d;
	e->modality = modality;
	if (d->create(e, modality, o, err) < 0) {
		itr_encoder_free(e);
		return NULL;
	}
	return e;
}

void itr_encoder_free(itr_encoder *e)
{
	if (!e)
		return;
	if (e->desc->destroy)
		e->desc->destroy(e);
	free(e);
}
