/* Pairs from a feature store, mapped by a projection model. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "data/features.h"
#include "linear/project.h"
#include "model/model.h"
#include "retrieval/pairs_internal.h"

/* x (rows, in), the store's rows row[0...] with their ids, as the model and --dim want it; frees x. NULL with err. */
static float *mapped(const itr_model *m, itr_modality side, float *x, int64_t rows, int64_t in, char *const *id, const int64_t *row,
                     const itr_pairs_opts *o, int64_t *dim, itr_err *err)
{
	if (m && itr_model_in(m, side) != in) {
		itr_err_set(err, "'%s' maps %s vectors of %lld dimensions, the store's have %lld", o->model,
		            itr_modality_names[side], (long long)itr_model_in(m, side), (long long)in);
		itr_aligned_free(x);
		return NULL;
	}
	*dim = in;
	if (m) {
		const int64_t out = itr_model_embed_dim(m);
		float *y = itr_aligned_alloc(((size_t)rows * (size_t)out + 1) * sizeof *y);
		const int64_t bad = itr_model_encode_stored(m, side, x, rows, y, true, NULL, o->threads);
		itr_aligned_free(x);
		if (bad >= 0) {
			itr_model_bad_row(err, o->model, side, id[row[bad]]);
			itr_aligned_free(y);
			return NULL;
		}
		x = y;
		*dim = out;
	}
	if (o->dim && o->dim != *dim) {
		float *y = itr_aligned_alloc(((size_t)rows * (size_t)o->dim + 1) * sizeof *y);
		itr_project_gaussian(x, rows, *dim, o->dim, o->seed, y, o->threads);
		itr_aligned_free(x);
		x = y;
		*dim = o->dim;
	}
	return x;
}

static int read_vectors(itr_pairs *p, const itr_features *f, const itr_model *m, const itr_selection *r, const itr_pairs_opts *o,
                        itr_err *err)
{
	int64_t di;
	float *x = itr_features_texts(f, r->row[ITR_TEXT], r->n[ITR_TEXT], err);
	if (!x ||
	    !(p->text = mapped(m, ITR_TEXT, x, r->n[ITR_TEXT], f->text_dim, f->table.id[ITR_TEXT], r->row[ITR_TEXT], o, &p->dim, err)))
		return -1;
	x = itr_features_images(f, r->row[ITR_IMAGE], r->n[ITR_IMAGE], err);
	if (!x ||
	    !(p->image = mapped(m, ITR_IMAGE, x, r->n[ITR_IMAGE], f->image_dim, f->table.id[ITR_IMAGE], r->row[ITR_IMAGE], o, &di, err)))
		return -1;
	if (di != p->dim)
		ITR_BUG("texts of %lld numbers, images of %lld", (long long)p->dim, (long long)di);
	if (!m && p->dim != f->text_dim)
		p->made_from = f->text_dim;
	return 0;
}

static char **copy_ids(char *const *id, const int64_t *row, int64_t n)
{
	char **copy = itr_xcalloc((size_t)n + 1, sizeof *copy);
	for (int64_t i = 0; i < n; i++)
		copy[i] = itr_xstrdup(id[row[i]]);
	return copy;
}

/* The parts of the store must be those that the model was fitted beside, or its training images may be in the test. Nothing is compared
 * where no part is asked for and there is none. */
static int select_rows(itr_features *f, const itr_model *m, const itr_pairs_opts *o, itr_selection *r, itr_err *err)
{
	const bool had = itr_row_table_has_split(&f->table);
	if (m && (o->split || had) && itr_split_record_apply(&m->split, &f->table, err) < 0)
		return had ? itr_err_prefix(err, "'%s' was fitted beside another split than that of '%s': ", o->model, f->path)
		           : itr_err_prefix(err, "'%s' with '%s': ", f->path, o->model);
	return itr_row_table_select(r, &f->table, o->split, 0, err);
}

int itr_pairs_read_store(itr_pairs *p, const char *path, const itr_pairs_opts *o, itr_provenance *provenance, itr_err *err)
{
	itr_selection r = { .restval = 0 };
	int rc = -1;
	itr_features *f = itr_features_open(path, err);
	itr_model *m = f && o->model ? itr_model_open_for_rows(o->model, &(itr_model_opts){ .threads = o->threads }, err) : NULL;
	if (!f || (o->model && !m))
		goto out;
	if (provenance && o->model)
		itr_provenance_input(provenance, o->model);
	const bool all_parts = !o->split && m && itr_row_table_has_split(&f->table);
	if (select_rows(f, m, o, &r, err) < 0)
		goto out;
	if (!m && f->text_dim != f->image_dim) {         /* in whatever size: two matrices of their own lead into two spaces */
		itr_err_set(err,
		            "'%s' holds raw features: text vectors of %lld dimensions and image vectors of %lld share no space. '{train} "
		            "--model cca' fits one: give --model its file, or the embeddings "
		            "that '{extract-features} --model' makes",
		            path, (long long)f->text_dim, (long long)f->image_dim);
		goto out;
	}
	p->n_text = r.n[ITR_TEXT];
	p->n_image = r.n[ITR_IMAGE];
	p->synthetic = f->table.synthetic || (m && m->synthetic);
	p->all_parts = all_parts;
	p->restval = r.restval;
	p->leaky = m && itr_row_table_is_leaky(&f->table);
	p->text_weights = m || !f->text_weights ? NULL : itr_xstrdup(f->text_weights);
	if (read_vectors(p, f, m, &r, o, err) == 0) {
		p->text_id = copy_ids(f->table.id[ITR_TEXT], r.row[ITR_TEXT], p->n_text);
		p->image_id = copy_ids(f->table.id[ITR_IMAGE], r.row[ITR_IMAGE], p->n_image);
		rc = itr_pairs_truth(p, o, r.text_image, provenance, err);
	}
out:
	itr_selection_free(&r);
	itr_model_free(m);
	if (f)
		itr_features_close(f);
	return rc;
}
