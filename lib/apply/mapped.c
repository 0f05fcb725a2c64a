#include "apply/mapped.h"

#include <stdlib.h>
#include <string.h>

#include "apply/input.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/path.h"
#include "train/note.h"

bool itr_mapped_wanted(const char *path, const char *model)
{
	return model && path && (itr_path_has_suffix(path, ".npz") || itr_raw_wanted(path) || !itr_model_is_closed(model));
}

/* Rows of texts in the part; every row where none is named. NULL with err. */
static int64_t *part_rows(const itr_pair_data *d, const char *path, const char *split, int64_t *n, itr_err *err)
{
	int64_t *rows = NULL;
	if (!split) {
		rows = itr_xmalloc((size_t)(d->n_texts + 1) * sizeof *rows);
		for (*n = 0; *n < d->n_texts; (*n)++)
			rows[*n] = *n;
		return rows;
	}
	const int part = itr_split_named(split, err);
	if (part < 0)
		return NULL;
	if (rows = itr_pair_data_texts(d, (itr_split)part, n), *n == 0) {
		itr_err_set(err, "'%s': no caption is in split '%s'", path, split);
		free(rows);
		rows = NULL;
	}
	return rows;
}

/* NULL with err that names the row. */
static float *map_rows(const itr_model *m, itr_modality side, const float *x, int64_t in, char *const *id, const int64_t *rows, int64_t n,
                       bool normalize, int threads, itr_err *err)
{
	float *part = itr_aligned_alloc((size_t)(n * in) * sizeof *part),
	      *y = itr_aligned_alloc((size_t)(n * itr_model_embed_dim(m)) * sizeof *y);
	for (int64_t i = 0; i < n; i++)
		memcpy(part + i * in, x + rows[i] * in, (size_t)in * sizeof *part);
	const int64_t bad = itr_model_encode(m, side, part, n, y, normalize, NULL, threads);
	itr_aligned_free(part);
	if (bad < 0)
		return y;
	itr_model_bad_row(err, m->path, side, id[rows[bad]]);
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

static itr_pairs *map_part(const itr_model *m, const itr_pair_data *d, const char *path, const itr_pairs_opts *o,
                           itr_provenance *provenance, itr_err *err)
{
	int64_t n, n_images, *position;
	int64_t *texts = part_rows(d, path, o->split, &n, err);
	if (!texts)
		return NULL;
	int64_t *images = itr_pair_data_images(d, texts, n, &position, &n_images);
	itr_pairs *p = itr_xcalloc(1, sizeof *p);
	p->name = itr_xstrdup(path);
	p->n_text = n;
	p->n_image = n_images;
	p->dim = itr_model_embed_dim(m);
	p->text = map_rows(m, ITR_TEXT, d->text, d->text_dim, d->text_id, texts, n, !o->no_normalize, o->threads, err);
	p->image = p->text ? map_rows(m, ITR_IMAGE, d->image, d->image_dim, d->image_id, images, n_images, !o->no_normalize,
	                              o->threads, err)
	                   : NULL;
	p->text_id = copy_ids(d->text_id, texts, n);
	p->image_id = copy_ids(d->image_id, images, n_images);
	p->synthetic = d->synthetic || m->synthetic;
	p->all_parts = !o->split;
	p->leaky = d->leaky;
	if (p->image) {
		p = itr_pairs_of(p, position, o, provenance, err);
	} else {
		itr_pairs_free(p);
		p = NULL;
	}
	free(texts);
	free(images);
	free(position);
	return p;
}

static int check_fit(const itr_model *m, const itr_pair_data *d, const char *path, const itr_pairs_opts *o, itr_err *err)
{
	if (!d->image)
		return itr_err_set(err, "'%s' holds queries only, no images to find: {predict} writes their vectors", path);
	if (d->text_dim != itr_model_in(m, ITR_TEXT) || d->image_dim != itr_model_in(m, ITR_IMAGE))
		return itr_err_set(err, "'%s' maps texts of %lld and images of %lld dimensions, '%s' holds %lld and %lld", m->path,
		                   (long long)itr_model_in(m, ITR_TEXT), (long long)itr_model_in(m, ITR_IMAGE), path,
		                   (long long)d->text_dim, (long long)d->image_dim);
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
			if (!o->split && !m->split.by[0] && !in.d->has_split)
				p = map_part(m, in.d, path, o, provenance, err);
			else if (itr_split_note_apply(&m->split, in.d, err) == 0)
				p = map_part(m, in.d, path, o, provenance, err);
			else
				itr_err_prefix(err, "'%s' with '%s': ", path, m->path);
		}
		itr_input_data_free(&in);
	}
	itr_model_free(m);
	return p;
}

double itr_mean_cosine(const itr_pairs *p)
{
	double sum = 0;
	int64_t n = 0;
	for (int64_t i = 0; i < p->n_text; i++) {
		if (p->text_image[i] < 0)
			continue;
		const float *a = p->text + i * p->dim, *b = p->image + p->text_image[i] * p->dim;
		double s = 0;
		for (int64_t k = 0; k < p->dim; k++)
			s += (double)a[k] * (double)b[k];
		sum += s;
		n++;
	}
	return n ? sum / (double)n : 0;
}
