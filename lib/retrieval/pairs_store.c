/* Pairs from a feature store, mapped by a projection model. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "data/features.h"
#include "linear/project.h"
#include "model/model.h"
#include "retrieval/pairs_internal.h"

struct store_rows { int64_t *images, *texts, n_images, n_texts; };

static int select_rows(const itr_features *f, const char *split, struct store_rows *r, itr_err *err)
{
	if (!split) {
		r->n_images = f->n_images;
		r->n_texts = f->n_texts;
		r->images = itr_xmalloc(((size_t)r->n_images + 1) * sizeof *r->images);
		r->texts = itr_xmalloc(((size_t)r->n_texts + 1) * sizeof *r->texts);
		for (int64_t i = 0; i < r->n_images; i++)
			r->images[i] = i;
		for (int64_t i = 0; i < r->n_texts; i++)
			r->texts[i] = i;
		return 0;
	}
	const int part = itr_split_named(split, err);
	if (part < 0)
		return -1;
	if (!f->has_split)
		return itr_err_set(err, "'%s' has no split: omit --split", f->path);
	itr_features_select(f, (itr_split)part, &r->images, &r->n_images, &r->texts, &r->n_texts);
	return 0;
}

/* The parts of the store must be those that the model was fitted beside: otherwise its training images may be in the test. */
static int check_split(const itr_features *f, const itr_model *m, const char *model, itr_err *err)
{
	char hash[3][ITR_SHA256_HEX];
	const char *hashes[3];
	int64_t count[3];
	if (!f->has_split)
		return 0;
	itr_features_parts(f, hash, count);
	for (int part = 0; part < 3; part++)
		hashes[part] = hash[part];
	if (itr_split_note_check(&m->split, hashes, count, err) < 0)
		return itr_err_prefix(err, "'%s' was fitted beside another split than that of '%s': ", model, f->path);
	return 0;
}

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

static int read_vectors(itr_pairs *p, const itr_features *f, const itr_model *m, const struct store_rows *r, const itr_pairs_opts *o,
                        itr_err *err)
{
	int64_t di;
	float *x = itr_features_texts(f, r->texts, r->n_texts, err);
	if (!x || !(p->text = mapped(m, ITR_TEXT, x, r->n_texts, f->text_dim, f->text_id, r->texts, o, &p->dim, err)))
		return -1;
	x = itr_features_images(f, r->images, r->n_images, err);
	if (!x || !(p->image = mapped(m, ITR_IMAGE, x, r->n_images, f->image_dim, f->image_id, r->images, o, &di, err)))
		return -1;
	if (di != p->dim)
		ITR_BUG("texts of %lld numbers, images of %lld", (long long)p->dim, (long long)di);
	if (!m && p->dim != f->text_dim)
		p->made_from = f->text_dim;
	return 0;
}

/* Ids, and the captions' images as rows of what was selected. */
static void name_rows(itr_pairs *p, const itr_features *f, const struct store_rows *r, int64_t *truth)
{
	int64_t *place = itr_xmalloc(((size_t)f->n_images + 1) * sizeof *place);
	for (int64_t i = 0; i < f->n_images; i++)
		place[i] = -1;
	p->image_id = itr_xcalloc((size_t)r->n_images + 1, sizeof *p->image_id);
	p->text_id = itr_xcalloc((size_t)r->n_texts + 1, sizeof *p->text_id);
	for (int64_t i = 0; i < r->n_images; i++) {
		place[r->images[i]] = i;
		p->image_id[i] = itr_xstrdup(f->image_id[r->images[i]]);
	}
	for (int64_t i = 0; i < r->n_texts; i++) {
		truth[i] = place[f->text_image[r->texts[i]]];
		p->text_id[i] = itr_xstrdup(f->text_id[r->texts[i]]);
	}
	free(place);
}

int itr_pairs_read_store(itr_pairs *p, const char *path, const itr_pairs_opts *o, itr_provenance *provenance, itr_err *err)
{
	struct store_rows r = { 0 };
	itr_split_rule rule;
	int rc = -1;
	itr_features *f = itr_features_open(path, err);
	itr_model *m = f && o->model ? itr_model_open_for_rows(o->model, err) : NULL;
	if (!f || (o->model && !m))
		goto out;
	if (provenance && o->model)
		itr_provenance_input(provenance, o->model);
	if (o->split && m && itr_split_rule_of(&rule, m->split.by, m->split.groups) && rule.by != ITR_SPLIT_BY_CAPTION &&
	    itr_features_deal(f, m->split.sizes, m->split.seed, &rule, err) < 0)
		goto out;
	if ((m && check_split(f, m, o->model, err) < 0) || select_rows(f, o->split, &r, err) < 0)
		goto out;
	if (r.n_images == 0 || r.n_texts == 0) {
		itr_err_set(err, "'%s': split '%s' has %lld images and %lld captions", path, o->split ? o->split : "all",
		            (long long)r.n_images, (long long)r.n_texts);
		goto out;
	}
	if (!m && f->text_dim != f->image_dim) {         /* in whatever size: two matrices of their own lead into two spaces */
		itr_err_set(err,
		            "'%s' holds raw features: text vectors of %lld dimensions and image vectors of %lld share no space. '{train} "
		            "--model cca' fits one: give --model its file, or the embeddings "
		            "that '{extract-features} --model' makes",
		            path, (long long)f->text_dim, (long long)f->image_dim);
		goto out;
	}
	p->n_text = r.n_texts;
	p->n_image = r.n_images;
	p->synthetic = f->synthetic || (m && m->synthetic);
	p->all_parts = !o->split && f->has_split && m;
	p->text_weights = m || !f->text_weights ? NULL : itr_xstrdup(f->text_weights);
	if (read_vectors(p, f, m, &r, o, err) == 0) {
		int64_t *truth = itr_xmalloc(((size_t)r.n_texts + 1) * sizeof *truth);
		name_rows(p, f, &r, truth);
		rc = itr_pairs_truth(p, o, truth, provenance, err);
		free(truth);
	}
out:
	free(r.images);
	free(r.texts);
	itr_model_free(m);
	if (f)
		itr_features_close(f);
	return rc;
}
