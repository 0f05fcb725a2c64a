#include "encode/encode.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/parallel.h"
#include "data/split_record.h"
#include "io/h5.h"
#include "linear/project.h"
#include "tensor/rows.h"

enum { PICTURES = 64, TEXTS = 1024 };   /* a batch */

/* --- pictures and captions through a model -------------------------------------------------------------------------------------------- */

struct preparing {
	const itr_image_text_set *s;
	const itr_model *m;
	const int64_t *rows;
	int64_t first;
	uint8_t *inputs;
	itr_err *reason;                /* one a picture of the batch */
};

static int64_t row_at(const int64_t *rows, int64_t i) { return rows ? rows[i] : i; }

static void prepare_one(void *ctx, int64_t i, int worker)
{
	struct preparing *p = ctx;
	itr_image img;
	(void)worker;
	p->reason[i].set = 0;
	if (itr_image_text_set_picture(p->s, row_at(p->rows, p->first + i), p->m->front[ITR_IMAGE]->fast_side, &img, &p->reason[i]) < 0)
		return;
	if (itr_model_prepare(p->m, &img, p->inputs + (size_t)i * p->m->front[ITR_IMAGE]->input_bytes, &p->reason[i]) < 0)
		p->reason[i].set = 1;
	itr_image_free(&img);
}

static int embed_pictures(struct preparing *p, itr_model_context *c, int64_t n, itr_model_output *y, int threads, itr_err *err)
{
	itr_parallel_for(threads, n, prepare_one, p);
	for (int64_t i = 0; i < n; i++)
		if (p->reason[i].set)
			return itr_err_set(err, "image '%s': %s", p->s->table.id[ITR_IMAGE][row_at(p->rows, p->first + i)],
			                   p->reason[i].msg);
	itr_model_embed(c, ITR_IMAGE, &(itr_model_input){ .pictures = p->inputs }, n, y);
	return 0;
}

static int embed_texts(const struct preparing *p, itr_model_context *c, int64_t n, itr_model_output *y)
{
	const char *text[TEXTS];
	for (int64_t i = 0; i < n; i++)
		text[i] = p->s->table.caption[row_at(p->rows, p->first + i)];
	itr_model_embed(c, ITR_TEXT, &(itr_model_input){ .texts = text }, n, y);
	return 0;
}

static int bad_row(const struct preparing *p, itr_modality side, int64_t row, bool before_head, itr_err *err)
{
	const char *id = p->s->table.id[side][row_at(p->rows, p->first + row)];
	if (!before_head)
		return itr_model_bad_row(err, p->m->path, side, id);
	return itr_err_set(err, "the %s encoder makes NaN or infinity of %s '%.200s': its weights are too large for float32",
	                   itr_modality_names[side], itr_modality_names[side], id);
}

float *itr_encode_inputs(const itr_image_text_set *s, const itr_model *m, itr_modality side, const itr_encode_inputs_opts *o,
                         const int64_t *rows, int64_t n, itr_err *err)
{
	const bool image = side == ITR_IMAGE;
	const int64_t batch = image ? PICTURES : TEXTS, dim = o->before_head ? m->front[side]->dim : itr_model_embed_dim(m);
	struct preparing p = { .s = s, .m = m, .rows = rows };
	float *y = itr_aligned_alloc((size_t)(n * dim + 1) * sizeof *y);
	itr_model_context *c = itr_model_context_new(m, o->threads);
	int rc = 0;
	if (image) {
		p.inputs = itr_aligned_alloc(PICTURES * m->front[side]->input_bytes);
		p.reason = itr_xcalloc(PICTURES, sizeof *p.reason);
	}
	for (; p.first < n && rc == 0; p.first += batch) {
		const int64_t b = ITR_MIN(batch, n - p.first);
		itr_model_output out = { .pooled = y + p.first * dim, .unit = o->unit, .before_head = o->before_head };
		rc = image ? embed_pictures(&p, c, b, &out, o->threads, err) : embed_texts(&p, c, b, &out);
		if (rc == 0 && out.bad_row >= 0)
			rc = bad_row(&p, side, out.bad_row, o->before_head, err);
		else if (rc == 0 && o->stop && *o->stop)
			rc = itr_err_set(err, "interrupted");
	}
	itr_model_context_free(c);
	itr_aligned_free(p.inputs);
	free(p.reason);
	if (rc == 0)
		return y;
	itr_aligned_free(y);
	return NULL;
}

/* --- what is read --------------------------------------------------------------------------------------------------------------------- */

struct input {
	const itr_model *m;             /* that maps the rows; NULL: they stay as they are */
	const itr_model *fitted;        /* whose split counts: m, or what has made the rows already; NULL: none */
	const itr_encode_opts *o;
	itr_image_text_set set;         /* a manifest; or */
	itr_embeddings stored;          /* the table of a file of vectors */
	itr_row_table *table;           /* of one of them */
};

static void close_input(struct input *in)
{
	itr_image_text_set_free(&in->set);
	itr_embeddings_free(&in->stored);
}

static bool wanted(const itr_encode_opts *o, int side) { return !o->in.sides || o->in.sides & 1U << side; }
static bool both_wanted(const itr_encode_opts *o) { return wanted(o, ITR_TEXT) && wanted(o, ITR_IMAGE); }

static int open_manifest(struct input *in, const char *path, itr_err *err)
{
	const itr_encode_opts *o = in->o;
	const bool towers = itr_model_has_towers(in->m);
	const itr_image_text_opts so = {
		.pictures = itr_picture_opts_get(in->m->saved),
		.check_pictures = towers,
		.pairs_only = towers,
		.max_failed = itr_json_int(itr_json_get(in->m->saved, "max_failed"), 0),
		.threads = o->in.threads,
		.stop = o->stop,
	};
	in->table = &in->set.table;
	if (itr_image_text_set_open(&in->set, path, &so, err) < 0)
		return -1;
	if (o->in.provenance) {
		itr_provenance_input(o->in.provenance, path);
		itr_provenance_input(o->in.provenance, in->m->path);
	}
	return 0;
}

static int check_model_fits(const struct input *in, itr_err *err)
{
	const itr_embeddings_side *s = in->stored.side;
	const itr_model *m = in->m;
	const int64_t dim[2] = { itr_model_in(m, ITR_TEXT), itr_model_in(m, ITR_IMAGE) };
	const char *path = in->table->name;
	for (int side = 0; side < 2; side++) {
		const char *fitted = itr_model_source_of(m, (itr_modality)side).encoder;
		if (wanted(in->o, side) && s[side].dim != dim[side])
			return both_wanted(in->o)
			               ? itr_err_set(err, "'%s' maps texts of %lld and images of %lld dimensions, '%s' holds %lld and %lld",
			                             m->path, (long long)dim[0], (long long)dim[1], path, (long long)s[0].dim,
			                             (long long)s[1].dim)
			               : itr_err_set(err, "'%s' maps %ss of %lld dimensions, '%s' holds %lld", m->path,
			                             itr_modality_names[side], (long long)dim[side], path, (long long)s[side].dim);
		if (wanted(in->o, side) && fitted && s[side].encoder && strcmp(fitted, s[side].encoder))
			return itr_err_set(err, "'%s' was fitted on the %s encoder '%s', '%s' holds vectors of '%s'", m->path,
			                   itr_modality_names[side], fitted, path, s[side].encoder);
	}
	return 0;
}

static int check_fit(const struct input *in, itr_err *err)
{
	const itr_embeddings_side *s = in->stored.side;
	const char *path = in->table->name;
	for (int side = 0; side < 2; side++)
		if (wanted(in->o, side) && !s[side].dim)
			return both_wanted(in->o) && side == ITR_IMAGE
			               ? itr_err_set(err, "'%s' holds queries only, no images to find: {predict} writes their vectors",
			                             path)
			               : itr_err_set(err, "'%s' holds no %ss", path, itr_modality_names[side]);
	if (in->m)
		return check_model_fits(in, err);
	if (!both_wanted(in->o) || s[ITR_TEXT].dim == s[ITR_IMAGE].dim)
		return 0;
	if (in->stored.reader->features)          /* in whatever size: two matrices of their own lead into two spaces */
		return itr_err_set(err,
		                   "'%s' holds raw features: text vectors of %lld dimensions and image vectors of %lld share no space. "
		                   "'{train} --model cca' fits one: give --model its file, or the embeddings that '{extract-features} "
		                   "--model' makes",
		                   path, (long long)s[ITR_TEXT].dim, (long long)s[ITR_IMAGE].dim);
	return itr_err_set(err, "'%s': texts (%s) are rows of %lld dimensions, images (%s) of %lld: they cannot be compared", path,
	                   s[ITR_TEXT].array, (long long)s[ITR_TEXT].dim, s[ITR_IMAGE].array, (long long)s[ITR_IMAGE].dim);
}

/* Which of several sizes is to be read: what the model takes, or, of rows that it may have made, what it gives. */
static int64_t size_for(const struct input *in, const char *path)
{
	enum { SIZES = 256 };
	int64_t size[SIZES];
	const int64_t given = in->o->in.dim ? in->o->in.dim : itr_model_embed_dim(in->m);
	const int n = in->o->keep_mapped && path ? itr_embeddings_sizes(path, size, SIZES) : 0;
	for (int i = 0; i < n; i++)
		if (size[i] == given)
			return given;
	return itr_model_in(in->m, both_wanted(in->o) || wanted(in->o, ITR_TEXT) ? ITR_TEXT : ITR_IMAGE);
}

static bool was_mapped(const struct input *in)
{
	const int64_t dim = itr_model_embed_dim(in->m);
	return in->o->keep_mapped && !in->stored.reader->features && in->stored.side[ITR_TEXT].dim == dim &&
	       in->stored.side[ITR_IMAGE].dim == dim;
}

/* A Gaussian matrix brings rows of encoders and of models to another size; of embeddings, --dim names one that is there. */
static bool is_projected(const struct input *in, int64_t own)
{
	return in->o->in.dim && in->o->in.dim != own && (in->m || (in->stored.reader && in->stored.reader->features));
}

/* 1: the rows of a store of {extract-features} with this very model; 0: others; -1 with err: its file cannot be read. */
static int was_made(const struct input *in, itr_err *err)
{
	const itr_embeddings_side *text = &in->stored.side[ITR_TEXT];
	if (!text->weights_sha256 || text->dim != itr_model_embed_dim(in->m))
		return 0;
	return itr_model_made(in->m, text->weights_sha256, err);
}

static int takes_no_rows(const struct input *in, const char *path, itr_err *err)
{
	return itr_err_set(err, "'%s' has towers that take pictures and captions: give it a manifest (.jsonl), not '%s'", in->m->path,
	                   path ? path : in->o->in.vectors[ITR_TEXT]);
}

static int open_rows(struct input *in, const char *path, itr_err *err)
{
	const itr_encode_opts *o = in->o;
	itr_embeddings_opts e = o->in;
	const bool towers = in->m && itr_model_has_towers(in->m);
	if (towers && !(path && itr_h5_is(path)))
		return takes_no_rows(in, path, err);
	e.unpaired |= !both_wanted(o);
	if (in->m && !towers)
		e.dim = size_for(in, path);
	if (itr_embeddings_open_table(&in->stored, path, &e, err) < 0)
		return -1;
	in->table = &in->stored.table;
	if (in->m && o->in.provenance)
		itr_provenance_input(o->in.provenance, in->m->path);
	const int made = in->m ? was_made(in, err) : 0;
	if (made < 0)
		return -1;
	if (made)
		in->m = NULL;
	else if (towers)
		return takes_no_rows(in, path, err);
	else if (in->m && was_mapped(in))
		in->m = in->fitted = NULL;
	/* as stored where something else is made of them: a closed form rescales what it takes, networks are given unit rows */
	if (in->m)
		in->stored.opts.scale = in->m->closed && !in->stored.reader->unit ? ITR_SCALE_STORED : ITR_SCALE_UNIT;
	else if (is_projected(in, in->stored.side[ITR_TEXT].dim))
		in->stored.opts.scale = ITR_SCALE_STORED;
	return check_fit(in, err);
}

/* --- which rows ----------------------------------------------------------------------------------------------------------------------- */

/* Without a part that is asked for, and without a split of the data's own, the model's rule tells only whether its training rows are here:
 * of other data nothing is known, and all of it is wanted. */
static bool has_training_rows(const struct input *in)
{
	itr_err ignored = ITR_ERR_INIT;
	if (!in->fitted->split.by[0] || itr_split_record_apply(&in->fitted->split, in->table, &ignored) == 0)
		return true;
	itr_row_table_drop_split(in->table);
	return false;
}

static int select_rows(itr_encoded *out, const struct input *in, itr_selection *s, itr_err *err)
{
	const itr_encode_opts *o = in->o;
	itr_row_table *t = in->table;
	const bool had = itr_row_table_has_split(t);
	const itr_model *m = o->check_split || (o->split && !had) ? in->fitted : NULL;
	if (m && (o->split || had) && itr_split_record_apply(&m->split, t, err) < 0)
		return had ? itr_err_prefix(err, "'%s' was fitted beside another split than that of '%s': ", m->path, t->name)
		           : itr_err_prefix(err, "'%s' has no split and is not what '%s' was fitted on: ", t->name, m->path);
	if (m && !o->split) {           /* a closed form on a whole store without a split has never been asked */
		const bool whole = m->closed && in->stored.reader && in->stored.reader->features;
		out->every_part = had || (!whole && has_training_rows(in));
	}
	if (itr_row_table_select(s, t, o->split, both_wanted(o) ? 0 : ITR_SELECT_MAY_BE_EMPTY, err) < 0)
		return -1;
	out->leaky = m && itr_row_table_is_leaky(t);
	out->restval = s->restval;
	return 0;
}

/* --- rows of one space ---------------------------------------------------------------------------------------------------------------- */

static int encode_manifest(itr_encoded *out, const struct input *in, const itr_selection *s, itr_err *err)
{
	const itr_encode_opts *o = in->o;
	itr_embeddings *e = &out->rows;
	itr_row_table_part(&e->table, in->table, s);
	for (int side = 0; side < 2; side++) {
		if (!wanted(o, side))
			continue;
		const itr_encode_inputs_opts io = { .unit = o->in.scale != ITR_SCALE_STORED, .threads = o->in.threads, .stop = o->stop };
		e->side[side].dim = itr_model_embed_dim(in->m);
		e->side[side].rows = itr_encode_inputs(&in->set, in->m, (itr_modality)side, &io, s->row[side], s->n[side], err);
		if (!e->side[side].rows)
			return -1;
	}
	return 0;
}

/* The side's rows, if there are any, become those of the model's space. */
static int map_side(itr_embeddings *e, itr_modality side, const struct input *in, itr_err *err)
{
	itr_embeddings_side *s = &e->side[side];
	const int64_t n = e->table.n[side], dim = itr_model_embed_dim(in->m);
	float *y = s->rows ? itr_aligned_alloc(((size_t)n * (size_t)dim + 1) * sizeof *y) : NULL;
	itr_model_output out = { .pooled = y, .unit = in->o->in.scale != ITR_SCALE_STORED, .bad_row = -1 };
	if (y) {
		itr_model_context *c = itr_model_context_new(in->m, in->o->in.threads);
		itr_model_embed(c, side, &(itr_model_input){ .rows = s->rows }, n, &out);
		itr_model_context_free(c);
	}
	itr_aligned_free(s->rows);
	free(s->array);
	free(s->encoder);
	free(s->weights_sha256);
	free(s->preprocess);
	*s = (itr_embeddings_side){ .dim = y ? dim : 0, .rows = y };
	return out.bad_row < 0 ? 0 : itr_model_bad_row(err, in->m->path, side, e->table.id[side][out.bad_row]);
}

static void project_side(itr_embeddings *e, itr_modality side, const itr_encode_opts *o)
{
	itr_embeddings_side *s = &e->side[side];
	const int64_t n = e->table.n[side], dim = o->in.dim;
	if (!s->rows || s->dim == dim)
		return;
	float *y = itr_aligned_alloc(((size_t)n * (size_t)dim + 1) * sizeof *y);
	itr_project_gaussian(s->rows, n, s->dim, dim, o->seed, y, o->in.threads);
	itr_aligned_free(s->rows);
	s->rows = y;
	s->dim = dim;
}

static int encode_stored(itr_encoded *out, struct input *in, const itr_selection *s, itr_err *err)
{
	itr_embeddings *e = &out->rows;
	*e = in->stored;
	memset(&in->stored, 0, sizeof in->stored);
	int rc = itr_embeddings_load(e, s, err);
	for (int side = 0; in->m && side < 2 && rc == 0; side++)
		rc = map_side(e, (itr_modality)side, in, err);
	return rc;
}

/* Rows that are no unit rows and stay so: their scores could overflow. */
static int check_lengths(const itr_embeddings *e, itr_err *err)
{
	for (int side = 0; side < 2; side++) {
		const itr_embeddings_side *s = &e->side[side];
		for (int64_t i = 0; s->not_unit && !s->rescaled && i < e->table.n[side]; i++) {
			double sum = 0;
			for (int64_t k = 0; k < s->dim; k++)
				sum += (double)s->rows[i * s->dim + k] * (double)s->rows[i * s->dim + k];
			if (sum > 1e36)
				return itr_err_set(err,
				                   "'%s': %s row %lld is longer than 1e18, its scores would overflow; leave out "
				                   "--no-normalize",
				                   e->table.name, itr_modality_names[side], (long long)i);
		}
	}
	return 0;
}

static int finish(itr_encoded *out, const struct input *in, bool manifest, itr_err *err)
{
	const itr_encode_opts *o = in->o;
	itr_embeddings *e = &out->rows;
	const int64_t own = e->side[wanted(o, ITR_TEXT) ? ITR_TEXT : ITR_IMAGE].dim;
	const bool project = !manifest && is_projected(in, own);
	for (int side = 0; project && side < 2; side++)
		project_side(e, (itr_modality)side, o);
	if (project && !in->m)
		out->projected_from = own;
	e->table.synthetic |= in->fitted && in->fitted->synthetic;
	if (e->table.synthetic && o->in.provenance)
		itr_provenance_set_synthetic(o->in.provenance);
	if ((in->m || project) && itr_embeddings_check(e, o->in.scale, o->in.threads, err) < 0)
		return -1;
	return both_wanted(o) ? check_lengths(e, err) : 0;
}

int itr_encode(itr_encoded *out, const itr_model *m, const char *path, const itr_encode_opts *o, itr_err *err)
{
	struct input in = { .m = m, .fitted = m, .o = o };
	itr_selection s = { .restval = 0 };
	const bool manifest = m && path && itr_manifest_is(path);
	*out = (itr_encoded){ .restval = 0 };
	int rc = manifest ? open_manifest(&in, path, err) : open_rows(&in, path, err);
	if (rc == 0)
		rc = select_rows(out, &in, &s, err);
	if (rc == 0)
		rc = manifest ? encode_manifest(out, &in, &s, err) : encode_stored(out, &in, &s, err);
	if (rc == 0)
		rc = finish(out, &in, manifest, err);
	itr_selection_free(&s);
	close_input(&in);
	if (rc < 0)
		itr_encoded_free(out);
	return rc;
}

void itr_encoded_free(itr_encoded *r)
{
	itr_embeddings_free(&r->rows);
	memset(r, 0, sizeof *r);
}

void itr_encoded_warnings(const itr_encoded *r, itr_json *w)
{
	const itr_embeddings_side *text = &r->rows.side[ITR_TEXT], *image = &r->rows.side[ITR_IMAGE];
	if (r->rows.table.synthetic)
		itr_json_pushf(w, "synthetic data: these figures say nothing about real pictures");
	if (r->projected_from)
		itr_json_pushf(w, "the store's vectors have %lld dimensions: a Gaussian matrix brought texts and images to %lld",
		               (long long)r->projected_from, (long long)text->dim);
	if (r->every_part)
		itr_json_pushf(w, "every split is evaluated, the model's own training rows included (--split test leaves them out)");
	if (r->restval)
		itr_json_pushf(w, "train holds the %lld images of restval too", (long long)r->restval);
	if (r->leaky)
		itr_json_pushf(w, "leaky: the split is by caption, so the model was trained on images of this part");
	for (int side = 0; side < 2; side++)
		if (r->rows.side[side].constant)
			itr_json_pushf(w, "degenerate: all %lld %s vectors are equal", (long long)r->rows.table.n[side],
			               itr_modality_names[side]);
	if (text->not_unit || image->not_unit)
		itr_json_pushf(w, "%lld text and %lld image rows were not of unit length: %s", (long long)text->not_unit,
		               (long long)image->not_unit,
		               text->rescaled || image->rescaled ? "normalised here (--no-normalize ranks by plain inner product)"
		                                                 : "ranked by plain inner product");
	if (text->zero_rows || image->zero_rows)
		itr_json_pushf(w, "%lld text and %lld image rows are zero: they score 0 with everything", (long long)text->zero_rows,
		               (long long)image->zero_rows);
}
