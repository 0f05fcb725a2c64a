#include "encode/encode.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/parallel.h"
#include "data/split_record.h"

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

/* --- rows of a model's space ---------------------------------------------------------------------------------------------------------- */

struct input {
	const itr_model *m;
	const itr_encode_opts *o;
	bool manifest;
	itr_image_text_set set;         /* a manifest; or */
	itr_embeddings stored;
	itr_row_table *table;           /* of one of them */
};

static void close_input(struct input *in)
{
	itr_image_text_set_free(&in->set);
	itr_embeddings_free(&in->stored);
}

static bool wanted(const itr_encode_opts *o, int side) { return o->sides & 1U << side; }

static int open_manifest(struct input *in, const char *path, itr_err *err)
{
	const itr_encode_opts *o = in->o;
	const bool towers = itr_model_has_towers(in->m);
	const itr_image_text_opts so = {
		.pictures = itr_picture_opts_get(in->m->saved),
		.check_pictures = towers,
		.pairs_only = towers,
		.max_failed = itr_json_int(itr_json_get(in->m->saved, "max_failed"), 0),
		.threads = o->threads,
		.stop = o->stop,
	};
	in->manifest = true;
	in->table = &in->set.table;
	return itr_image_text_set_open(&in->set, path, &so, err);
}

static int check_fit(const struct input *in, const char *path, itr_err *err)
{
	const itr_embeddings_side *s = in->stored.side;
	const itr_model *m = in->m;
	const int64_t dim[2] = { itr_model_in(m, ITR_TEXT), itr_model_in(m, ITR_IMAGE) };
	const bool both = wanted(in->o, ITR_TEXT) && wanted(in->o, ITR_IMAGE);
	for (int side = 0; side < 2; side++) {
		if (!wanted(in->o, side) || (s[side].rows && s[side].dim == dim[side]))
			continue;
		if (!s[side].rows)
			return both ? itr_err_set(err, "'%s' holds queries only, no images to find: {predict} writes their vectors", path)
			            : itr_err_set(err, "'%s' holds no %ss", path, itr_modality_names[side]);
		return both ? itr_err_set(err, "'%s' maps texts of %lld and images of %lld dimensions, '%s' holds %lld and %lld", m->path,
		                          (long long)dim[0], (long long)dim[1], path, (long long)s[0].dim, (long long)s[1].dim)
		            : itr_err_set(err, "'%s' maps %ss of %lld dimensions, '%s' holds %lld", m->path, itr_modality_names[side],
		                          (long long)dim[side], path, (long long)s[side].dim);
	}
	return 0;
}

static int open_input(struct input *in, const char *path, itr_err *err)
{
	if (itr_manifest_is(path))
		return open_manifest(in, path, err);
	if (itr_model_has_towers(in->m))
		return itr_err_set(err, "'%s' has towers that take pictures and captions: give it a manifest (.jsonl), not '%s'",
		                   in->m->path, path);
	in->table = &in->stored.table;
	return itr_embeddings_open(&in->stored, path, in->o->threads, err) < 0 ? -1 : check_fit(in, path, err);
}

static int check_split(const struct input *in, const char *path, itr_err *err)
{
	const itr_split_record *r = &in->m->split;
	if (!in->o->check_split || (!in->o->split && !r->by[0] && !itr_row_table_has_split(in->table)))
		return 0;
	return itr_split_record_apply(r, in->table, err) == 0 ? 0 : itr_err_prefix(err, "'%s' with '%s': ", path, in->m->path);
}

/* The selected rows of a side, mapped. NULL with err. */
static float *map_side(const struct input *in, itr_modality side, const itr_selection *s, itr_err *err)
{
	const itr_encode_opts *o = in->o;
	const int64_t n = s->n[side], dim = itr_model_embed_dim(in->m);
	if (in->manifest)
		return itr_encode_inputs(&in->set, in->m, side,
		                         &(itr_encode_inputs_opts){ .unit = o->unit, .threads = o->threads, .stop = o->stop },
		                         s->row[side], n, err);
	float *x = itr_embeddings_rows(&in->stored, side, s->row[side], n), *y = itr_aligned_alloc((size_t)(n * dim + 1) * sizeof *y);
	const int64_t bad = itr_model_encode(in->m, side, x, n, y, o->unit, NULL, o->threads);
	itr_aligned_free(x);
	if (bad < 0)
		return y;
	itr_model_bad_row(err, in->m->path, side, in->table->id[side][s->row[side][bad]]);
	itr_aligned_free(y);
	return NULL;
}

static int map_rows(itr_embeddings *e, const struct input *in, itr_err *err)
{
	itr_selection s;
	const itr_encode_opts *o = in->o;
	const bool both = wanted(o, ITR_TEXT) && wanted(o, ITR_IMAGE);
	if (itr_row_table_select(&s, in->table, o->check_split ? o->split : NULL, both ? 0 : ITR_SELECT_MAY_BE_EMPTY, err) < 0)
		return -1;
	itr_row_table_part(&e->table, in->table, &s);
	e->table.synthetic = in->table->synthetic || in->m->synthetic;
	int rc = 0;
	for (int side = 0; side < 2 && rc == 0; side++)
		if (wanted(o, side)) {
			e->side[side].dim = itr_model_embed_dim(in->m);
			e->side[side].rows = map_side(in, (itr_modality)side, &s, err);
			rc = e->side[side].rows ? 0 : -1;
		}
	itr_selection_free(&s);
	return rc;
}

int itr_encode(itr_embeddings *e, const itr_model *m, const char *path, const itr_encode_opts *o, itr_err *err)
{
	struct input in = { .m = m, .o = o };
	*e = (itr_embeddings){ .table.name = NULL };
	int rc = open_input(&in, path, err);
	if (rc == 0)
		rc = check_split(&in, path, err);
	if (rc == 0)
		rc = map_rows(e, &in, err);
	close_input(&in);
	if (rc < 0)
		itr_embeddings_free(e);
	return rc;
}
