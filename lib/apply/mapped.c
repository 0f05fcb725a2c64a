#include "apply/mapped.h"

#include <stdlib.h>
#include <string.h>

#include "apply/input.h"
#include "base/mem.h"
#include "base/path.h"
#include "data/split_record.h"

bool itr_mapped_wanted(const char *path, const char *model)
{
	return model && path && (itr_path_has_suffix(path, ".npz") || itr_raw_wanted(path) || !itr_model_is_closed(model));
}

/* NULL with err that names the row. */
static float *map_rows(const itr_model *m, itr_modality side, const itr_embeddings *d, const itr_selection *s, const itr_pairs_opts *o,
                       itr_err *err)
{
	const int64_t n = s->n[side];
	float *part = itr_embeddings_rows(d, side, s->row[side], n),
	      *y = itr_aligned_alloc((size_t)(n * itr_model_embed_dim(m)) * sizeof *y);
	const int64_t bad = itr_model_encode(m, side, part, n, y, !o->no_normalize, NULL, o->threads);
	itr_aligned_free(part);
	if (bad < 0)
		return y;
	itr_model_bad_row(err, m->path, side, d->table.id[side][s->row[side][bad]]);
	itr_aligned_free(y);
	return NULL;
}

static char **copy_ids(char *const *ids, const int64_t *rows, int64_t n)
{
	char **copy = itr_xcalloc((size_t)n + 1, sizeof *copy);
	for (int64_t i = 0; i < n; i++)
		copy[i] = itr_xstrdup(ids[rows[i]]);
	return copy;
}

static itr_pairs *map_part(const itr_model *m, const itr_embeddings *d, const char *path, const itr_pairs_opts *o,
                           itr_provenance *provenance, itr_err *err)
{
	itr_selection s;
	if (itr_row_table_select(&s, &d->table, o->split, 0, err) < 0)
		return NULL;
	itr_pairs *p = itr_xcalloc(1, sizeof *p);
	p->name = itr_xstrdup(path);
	p->n_text = s.n[ITR_TEXT];
	p->n_image = s.n[ITR_IMAGE];
	p->dim = itr_model_embed_dim(m);
	p->text = map_rows(m, ITR_TEXT, d, &s, o, err);
	p->image = p->text ? map_rows(m, ITR_IMAGE, d, &s, o, err) : NULL;
	p->text_id = copy_ids(d->table.id[ITR_TEXT], s.row[ITR_TEXT], p->n_text);
	p->image_id = copy_ids(d->table.id[ITR_IMAGE], s.row[ITR_IMAGE], p->n_image);
	p->restval = s.restval;
	p->synthetic = d->table.synthetic || m->synthetic;
	p->all_parts = !o->split;
	p->leaky = itr_row_table_is_leaky(&d->table);
	if (p->image) {
		p = itr_pairs_of(p, s.text_image, o, provenance, err);
	} else {
		itr_pairs_free(p);
		p = NULL;
	}
	itr_selection_free(&s);
	return p;
}

static int check_fit(const itr_model *m, const itr_embeddings *d, const char *path, const itr_pairs_opts *o, itr_err *err)
{
	if (!d->side[ITR_IMAGE].rows)
		return itr_err_set(err, "'%s' holds queries only, no images to find: {predict} writes their vectors", path);
	if (d->side[ITR_TEXT].dim != itr_model_in(m, ITR_TEXT) || d->side[ITR_IMAGE].dim != itr_model_in(m, ITR_IMAGE))
		return itr_err_set(err, "'%s' maps texts of %lld and images of %lld dimensions, '%s' holds %lld and %lld", m->path,
		                   (long long)itr_model_in(m, ITR_TEXT), (long long)itr_model_in(m, ITR_IMAGE), path,
		                   (long long)d->side[ITR_TEXT].dim, (long long)d->side[ITR_IMAGE].dim);
	if (o->dim && o->dim != itr_model_embed_dim(m))
		return itr_err_set(err, "'%s' maps into %lld dimensions, not %lld", m->path, (long long)itr_model_embed_dim(m),
		                   (long long)o->dim);
	return 0;
}

itr_pairs *itr_mapped_pairs(const char *path, const itr_pairs_opts *o, itr_provenance *provenance, itr_err *err)
{
	itr_input_data in;
	itr_pairs *p = NULL;
	itr_model *m = itr_model_open(o->model, err);
	if (!m)
		return NULL;
	if (itr_input_read(m, path, o->threads, &in, err) == 0) {
		if (provenance) {
			itr_provenance_input(provenance, path);
			itr_provenance_input(provenance, o->model);
		}
		if (check_fit(m, in.d, path, o, err) == 0) {
			if (!o->split && !m->split.by[0] && !itr_row_table_has_split(&in.d->table))
				p = map_part(m, in.d, path, o, provenance, err);
			else if (itr_split_record_apply(&m->split, &in.d->table, err) == 0)
				p = map_part(m, in.d, path, o, provenance, err);
			else
				itr_err_prefix(err, "'%s' with '%s': ", path, m->path);
		}
		itr_input_data_free(&in);
	}
	itr_model_free(m);
	return p;
}
