#include "apply/mapped.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "data/manifest.h"
#include "encode/encode.h"

bool itr_mapped_wanted(const char *path, const char *model)
{
	return model && path && (itr_path_has_suffix(path, ".npz") || itr_manifest_is(path) || !itr_model_is_closed(model));
}

/* Arrays of e as pairs; e keeps what is left. */
static itr_pairs *pairs_of(itr_embeddings *e, const itr_pairs_opts *o, itr_provenance *provenance, itr_err *err)
{
	itr_selection s;
	itr_row_table *t = &e->table;
	if (itr_row_table_select(&s, t, o->split, 0, err) < 0)
		return NULL;
	itr_pairs *p = itr_xcalloc(1, sizeof *p);
	*p = (itr_pairs){ .name = t->name,
		          .n_text = t->n[ITR_TEXT],
		          .n_image = t->n[ITR_IMAGE],
		          .dim = e->side[ITR_TEXT].dim,
		          .text = e->side[ITR_TEXT].rows,
		          .image = e->side[ITR_IMAGE].rows,
		          .text_id = t->id[ITR_TEXT],
		          .image_id = t->id[ITR_IMAGE],
		          .restval = s.restval,
		          .synthetic = t->synthetic,
		          .all_parts = !o->split,
		          .leaky = itr_row_table_is_leaky(t) };
	itr_selection_free(&s);
	t->name = NULL;
	for (int side = 0; side < 2; side++) {
		t->id[side] = NULL;
		e->side[side].rows = NULL;
	}
	return itr_pairs_of(p, t->text_image, o, provenance, err);
}

itr_pairs *itr_mapped_pairs(const char *path, const itr_pairs_opts *o, itr_provenance *provenance, itr_err *err)
{
	const itr_encode_opts eo = { .sides = ITR_HAS_TEXT | ITR_HAS_IMAGE,
		                     .check_split = true,
		                     .split = o->split,
		                     .unit = !o->no_normalize,
		                     .threads = o->threads };
	itr_embeddings e;
	itr_pairs *p = NULL;
	const itr_model_opts mo = { .raw = itr_manifest_is(path) ? eo.sides : 0, .threads = o->threads };
	itr_model *m = itr_model_open(o->model, &mo, err);
	if (!m)
		return NULL;
	if (o->dim && o->dim != itr_model_embed_dim(m)) {
		itr_err_set(err, "'%s' maps into %lld dimensions, not %lld", m->path, (long long)itr_model_embed_dim(m),
		            (long long)o->dim);
	} else if (itr_encode(&e, m, path, &eo, err) == 0) {
		if (provenance) {
			itr_provenance_input(provenance, path);
			itr_provenance_input(provenance, o->model);
		}
		p = pairs_of(&e, o, provenance, err);
		itr_embeddings_free(&e);
	}
	itr_model_free(m);
	return p;
}
