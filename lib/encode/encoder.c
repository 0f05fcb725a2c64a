#include "encode/encoder.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/nearest.h"
#include "encode/tower_encoder.h"

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
	return ITR_LEN(table) + itr_tower_encoder_count();
}

const itr_encoder_desc *itr_encoder_at(int i)
{
	return i < ITR_LEN(table) ? table[i] : itr_tower_encoder_at(i - ITR_LEN(table));
}

const char *itr_encoder_summary(const itr_encoder_desc *d) { return d->tower ? itr_tower_encoder_summary(d) : d->summary; }

itr_json *itr_encoder_list(void)
{
	itr_json *all = itr_json_array();
	for (int i = 0; i < itr_encoder_count(); i++) {
		const itr_encoder_desc *d = itr_encoder_at(i);
		itr_json *e = itr_json_push(all, itr_json_object());
		itr_json_add_str(e, "name", d->name);
		itr_json_add_bool(e, "image", d->sides & ITR_HAS_IMAGE);
		itr_json_add_bool(e, "text", d->sides & ITR_HAS_TEXT);
		itr_json_add_bool(e, "needs_weights", d->needs_weights);
		itr_json_add_str(e, "summary", itr_encoder_summary(d));
	}
	return all;
}

/* An image and a text encoder may share a name: the modality decides. */
static const itr_encoder_desc *find(const char *name, itr_modality modality, itr_err *err)
{
	const char *what = itr_modality_names[modality], *nearest;
	const char **names = itr_xcalloc((size_t)itr_encoder_count(), sizeof *names);
	bool elsewhere = false;
	int n = 0;
	for (int i = 0; i < itr_encoder_count(); i++) {
		const itr_encoder_desc *d = itr_encoder_at(i);
		bool same = !strcmp(d->name, name);
		if (d->sides & 1U << modality) {
			if (same) {
				free(names);
				return d;
			}
			names[n++] = d->name;
		} else
			elsewhere |= same;
	}
	nearest = itr_nearest(name, names, n);
	free(names);
	if (elsewhere)
		itr_err_set(err, "'%s' is not an encoder for %ss (see --list)", name, what);
	else
		itr_err_set(err, "unknown %s encoder '%s': did you mean '%s'? (see --list)", what, name, nearest);
	return NULL;
}

itr_encoder *itr_encoder_new(const char *name, itr_modality modality, const itr_encoder_opts *o, itr_err *err)
{
	const itr_encoder_desc *d = find(name, modality, err);
	if (!d)
		return NULL;
	if (d->needs_weights && !o->weights) {
		itr_err_set(err,
		            "encoder '%s' needs its weights: give --%s-weights PATH ('{fetch-model} --list' shows what can be fetched)",
		            name, itr_modality_names[modality]);
		return NULL;
	}
	if (!d->tower && o->pooling) {
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
