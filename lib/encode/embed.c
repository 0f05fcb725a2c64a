#include "encode/embed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "io/npz.h"
#include "linear/project.h"
#include "model/model.h"
#include "tensor/rows.h"

const itr_option itr_embed_options[] = {
	ITR_OPT_STR("model", 0, itr_embed_opts, model, "FILE",
	            "model that maps both sides into one space ({train}); one with towers takes a manifest"),
	ITR_OPT_STR("split", 0, itr_embed_opts, split, "NAME", "only the rows of train, val, test or restval (default: all)"),
	ITR_OPT_INTS_IN("project", 0, itr_embed_opts, project, "D...", ITR_BETWEEN(1, 65536),
	                "sizes to write, by Gaussian projection (default: the model's own)"),
	ITR_OPT_INTS_IN("truncate", 0, itr_embed_opts, truncate, "D...", ITR_BETWEEN(1, 65536),
	                "sizes to write, by cutting off (Matryoshka)"),
	ITR_OPT_BOOL("shuffle-queries", 0, itr_embed_opts, shuffle_queries, "permute captions and ground truth together"),
	ITR_OPT_END
};

/* --- rows of a split ------------------------------------------------------------------------------------------------------------------ */

struct rows {
	itr_selection of;               /* of the store */
	float *image, *text;            /* vectors, (n, base) */
};

static void shuffle_texts(itr_selection *s, uint64_t seed)
{
	itr_rng r;
	const int64_t n = s->n[ITR_TEXT];
	int64_t *order = itr_xmalloc((size_t)(n + 1) * sizeof *order), *row = itr_xmalloc((size_t)(n + 1) * sizeof *row),
		*image = itr_xmalloc((size_t)(n + 1) * sizeof *image);
	itr_rng_seed(&r, seed);
	itr_rng_permutation(&r, n, order);
	for (int64_t i = 0; i < n; i++) {
		row[i] = s->row[ITR_TEXT][order[i]];
		image[i] = s->text_image[order[i]];
	}
	free(order);
	free(s->row[ITR_TEXT]);
	free(s->text_image);
	s->row[ITR_TEXT] = row;
	s->text_image = image;
}

/* A store without a split is split by the rule that the model remembers, or its training rows would count as test. */
static int select_rows(itr_features *f, const itr_model *m, const itr_embed_opts *o, struct rows *s, itr_err *err)
{
	if (o->split && m && !itr_row_table_has_split(&f->table) && itr_split_record_apply(&m->split, &f->table, err) < 0)
		return itr_err_prefix(err, "'%s' has no split and is not what '%s' was fitted on: ", f->path, o->model);
	if (itr_row_table_select(&s->of, &f->table, o->split, 0, err) < 0)
		return -1;
	if (o->shuffle_queries)
		shuffle_texts(&s->of, o->seed);
	return 0;
}

/* The model applied to one side, x[i] being of the store's row row[i]; x is freed. NULL with err. */
static float *apply(const itr_model *p, const char *model, itr_modality side, const itr_features *f, const int64_t *row, float *x,
                    int64_t rows, int64_t *zero, int threads, itr_err *err)
{
	const char *what = itr_modality_names[side], *fitted = itr_model_source_of(p, side).encoder,
		   *encoder = side == ITR_TEXT ? f->text_encoder : f->image_encoder;
	const int64_t dim = side == ITR_TEXT ? f->text_dim : f->image_dim, in = itr_model_in(p, side);
	float *out = NULL;
	if (in != dim)
		itr_err_set(err, "model '%s' takes %s vectors of %lld dimensions, '%s' holds %lld", model, what, (long long)in, f->path,
		            (long long)dim);
	else if (fitted && encoder && strcmp(fitted, encoder))
		itr_err_set(err, "model '%s' was fitted on the %s encoder '%s', '%s' holds vectors of '%s'", model, what, fitted,
		            f->path, encoder);
	else {
		out = itr_aligned_alloc((size_t)(rows * itr_model_embed_dim(p)) * sizeof *out);
		const int64_t bad = itr_model_encode_stored(p, side, x, rows, out, true, zero, threads);
		if (bad >= 0) {
			itr_model_bad_row(err, model, side, (side == ITR_TEXT ? f->table.id[ITR_TEXT] : f->table.id[ITR_IMAGE])[row[bad]]);
			itr_aligned_free(out);
			out = NULL;
		}
	}
	itr_aligned_free(x);
	return out;
}

/* The vectors as the model gives them, unit rows. The base size, or -1. */
static int64_t map_rows(const itr_features *f, const itr_model *p, const itr_embed_opts *o, struct rows *s, itr_provenance *provenance,
                        itr_embed_result *r, itr_err *err)
{
	if (!f->image_dim || !f->text_dim)
		return itr_err_set(err, "'%s' has no %s vectors", f->path, f->image_dim ? "text" : "image");
	if (!o->model && f->image_dim != f->text_dim)
		return itr_err_set(err,
		                   "'%s' holds images of %lld and captions of %lld dimensions, which cannot be compared: give --model "
		                   "({train} makes one)",
		                   f->path, (long long)f->image_dim, (long long)f->text_dim);
	int64_t base = p ? itr_model_embed_dim(p) : f->image_dim;
	s->image = itr_features_images(f, s->of.row[ITR_IMAGE], s->of.n[ITR_IMAGE], err);
	s->text = s->image ? itr_features_texts(f, s->of.row[ITR_TEXT], s->of.n[ITR_TEXT], err) : NULL;
	if (p && s->text) {
		s->image = apply(p, o->model, ITR_IMAGE, f, s->of.row[ITR_IMAGE], s->image, s->of.n[ITR_IMAGE], &r->zero_images, o->threads,
		                 err);
		s->text = s->image ? apply(p, o->model, ITR_TEXT, f, s->of.row[ITR_TEXT], s->text, s->of.n[ITR_TEXT], &r->zero_texts,
		                           o->threads, err)
		                   : (itr_aligned_free(s->text), NULL);
	} else if (s->text) {
		r->zero_images = itr_rows_normalize(s->image, s->of.n[ITR_IMAGE], base, o->threads);
		r->zero_texts = itr_rows_normalize(s->text, s->of.n[ITR_TEXT], base, o->threads);
	}
	if (provenance && (f->table.synthetic || (p && p->synthetic)))
		itr_provenance_set_synthetic(provenance);
	return s->text ? base : -1;
}

/* --- sizes and output ----------------------------------------------------------------------------------------------------------------- */

static int add_dim(itr_embed_result *r, int64_t dim, const char *how, itr_err *err)
{
	if (dim < 1 || dim > 1 << 16 || (!strcmp(how, "--truncate") && dim > r->base))
		return itr_err_set(err, "%s %lld: the vectors have %lld dimensions", how, (long long)dim, (long long)r->base);
	for (int64_t i = 0; i < r->n_dims; i++)
		if (r->dims[i] == dim)
			return itr_err_set(err, "size %lld is asked for twice", (long long)dim);
	r->dims[r->n_dims++] = dim;
	return 0;
}

static int choose_dims(const itr_embed_opts *o, itr_embed_result *r, itr_err *err)
{
	for (int64_t i = 0; i < o->project.n; i++)
		if (add_dim(r, o->project.v[i], "--project", err) < 0)
			return -1;
	for (int64_t i = 0; i < o->truncate.n; i++)
		if (add_dim(r, o->truncate.v[i], "--truncate", err) < 0)
			return -1;
	return r->n_dims ? 0 : add_dim(r, r->base, "--project", err);
}

static void fit(const float *x, int64_t rows, int64_t base, int64_t dim, bool cut, const itr_embed_opts *o, float *out)
{
	if (cut)
		itr_project_truncate(x, rows, base, dim, out, o->threads);
	else
		itr_project_gaussian(x, rows, base, dim, o->seed, out, o->threads);
}

static int put_size(itr_npz_writer *w, const struct rows *s, int64_t base, int64_t dim, bool cut, const itr_embed_opts *o, itr_err *err)
{
	char name[40];
	int64_t most = ITR_MAX(s->of.n[ITR_TEXT], s->of.n[ITR_IMAGE]);
	float *out = itr_aligned_alloc((size_t)(most * dim) * sizeof *out);
	fit(s->text, s->of.n[ITR_TEXT], base, dim, cut, o, out);
	snprintf(name, sizeof name, "text_%lld", (long long)dim);
	int rc = itr_npz_put(w, name, ITR_F32, 2, (int64_t[]){ s->of.n[ITR_TEXT], dim }, out, err);
	if (rc == 0) {
		fit(s->image, s->of.n[ITR_IMAGE], base, dim, cut, o, out);
		snprintf(name, sizeof name, "video_%lld", (long long)dim);
		rc = itr_npz_put(w, name, ITR_F32, 2, (int64_t[]){ s->of.n[ITR_IMAGE], dim }, out, err);
	}
	itr_aligned_free(out);
	return rc;
}

static int put_ids(itr_npz_writer *w, const char *name, char *const *id, const int64_t *rows, int64_t n, itr_err *err)
{
	const char **list = itr_xmalloc((size_t)n * sizeof *list);
	for (int64_t i = 0; i < n; i++)
		list[i] = id[rows[i]];
	int rc = itr_npz_put_text(w, name, list, n, err);
	free(list);
	return rc;
}

static int write_npz(const itr_features *f, const struct rows *s, const itr_embed_opts *o, const itr_embed_result *r, const char *out,
                     const itr_provenance *p, itr_err *err)
{
	itr_npz_writer *w = itr_npz_create(out, false, err);
	if (!w)
		return -1;
	int rc = 0;
	for (int64_t i = 0; i < r->n_dims && rc == 0; i++)
		rc = put_size(w, s, r->base, r->dims[i], i >= o->project.n, o, err);
	if (rc == 0)
		rc = itr_npz_put(w, "ground_truth", ITR_I64, 1, &s->of.n[ITR_TEXT], s->of.text_image, err);
	if (rc == 0)
		rc = put_ids(w, "text_ids", f->table.id[ITR_TEXT], s->of.row[ITR_TEXT], s->of.n[ITR_TEXT], err);
	if (rc == 0)
		rc = put_ids(w, "video_ids", f->table.id[ITR_IMAGE], s->of.row[ITR_IMAGE], s->of.n[ITR_IMAGE], err);
	char *text = p ? itr_provenance_text(p) : NULL;
	if (rc == 0 && text && text[0])
		rc = itr_npz_put_string(w, "itr_provenance", text, err);
	free(text);
	if (rc == 0)
		return itr_npz_finish(w, err);
	itr_npz_abandon(w);
	return -1;
}

int itr_embed(itr_features *f, const char *out, const itr_embed_opts *o, itr_provenance *p, itr_embed_result *r, itr_err *err)
{
	struct rows s = { .image = NULL };
	*r = (itr_embed_result){ 0 };
	itr_model *m = o->model ? itr_model_open_for_rows(o->model, &(itr_model_opts){ .threads = o->threads }, err) : NULL;
	int rc = o->model && !m ? -1 : 0;
	if (rc == 0)
		rc = select_rows(f, m, o, &s, err);
	if (rc == 0)
		rc = (r->base = map_rows(f, m, o, &s, p, r, err)) < 0 ? -1 : choose_dims(o, r, err);
	if (rc == 0) {
		r->texts = s.of.n[ITR_TEXT];
		r->images = s.of.n[ITR_IMAGE];
		r->restval = s.of.restval;
		rc = write_npz(f, &s, o, r, out, p, err);
	}
	itr_model_free(m);
	itr_selection_free(&s.of);
	itr_aligned_free(s.image);
	itr_aligned_free(s.text);
	return rc;
}
