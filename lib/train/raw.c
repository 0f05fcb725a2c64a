#include "train/raw.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/path.h"
#include "encode/encoder.h"
#include "tensor/rows.h"
#include "train/source.h"

enum { LOOK = 256, ENCODE = 32 };       /* pictures between two looks at `stop`; pictures a forward */

bool itr_raw_wanted(const char *path) { return path && (itr_path_has_suffix(path, ".jsonl") || !strcmp(path, "-")); }

static bool interrupted(const volatile sig_atomic_t *stop, itr_err *err)
{
	if (!stop || !*stop)
		return false;
	itr_err_set(err, "interrupted before training began");
	return true;
}

/* --- which rows there are ------------------------------------------------------------------------------------------------------------- */

struct looking {
	itr_raw *r;
	int64_t first;
	itr_err *reason;                /* one a picture of the block */
};

static void look_into(void *ctx, int64_t i, int worker)
{
	struct looking *l = ctx;
	itr_image img;
	(void)worker;
	char *path = itr_manifest_image_path(&l->r->manifest, &l->r->manifest.records[l->first + i]);
	l->reason[i].set = 0;
	if (itr_image_read(&img, path, &(itr_decode_opts){ .alpha = l->r->alpha }, &l->reason[i]) == 0)
		itr_image_free(&img);
	free(path);
}

/* bad[i]: record i's picture cannot be used; named one by one. */
static int look_at_pictures(itr_raw *r, const itr_raw_opts *o, uint8_t *bad, itr_err *err)
{
	struct looking l = { r, 0, itr_xcalloc(LOOK, sizeof *l.reason) };
	itr_err first = ITR_ERR_INIT;
	for (; l.first < r->manifest.n && !interrupted(o->stop, err); l.first += LOOK) {
		const int64_t n = ITR_MIN((int64_t)LOOK, r->manifest.n - l.first);
		itr_parallel_for(o->threads, n, look_into, &l);
		for (int64_t i = 0; i < n; i++)
			if (l.reason[i].set) {
				itr_warn("image '%s': %s", r->manifest.records[l.first + i].id, l.reason[i].msg);
				if (!first.set)
					itr_err_set(&first, "image '%s': %s", r->manifest.records[l.first + i].id, l.reason[i].msg);
				bad[l.first + i] = 1;
				r->failed++;
			}
	}
	free(l.reason);
	if (err && err->set)
		return -1;
	if (r->failed > o->max_failed)
		return itr_err_set(
			err,
			"%lld of %lld pictures cannot be decoded, the first: %s; --max-failed %lld would leave them and their captions out",
			(long long)r->failed, (long long)r->manifest.n, first.msg, (long long)r->failed);
	return 0;
}

static bool says_something(const char *text)
{
	return text[strspn(text, " \t\r\n\v\f")] != 0;
}

static void add_caption(itr_raw *r, const itr_caption *c, int64_t image)
{
	itr_embeddings *d = &r->pairs;
	if (!says_something(c->text)) {
		if (r->empty++ < 5)
			itr_warn("caption '%s' is empty: left out", c->id);
		return;
	}
	d->table.id[ITR_TEXT][d->table.n[ITR_TEXT]] = itr_xstrdup(c->id);
	d->table.text_image[d->table.n[ITR_TEXT]] = image;
	r->caption[d->table.n[ITR_TEXT]++] = c->text;
}

/* "train" where a record has none only if no record has one: then nothing is split yet. */
static int take_splits(itr_raw *r, const int64_t *record, const char *path, itr_err *err)
{
	itr_embeddings *d = &r->pairs;
	int64_t with = 0;
	for (int64_t i = 0; i < d->table.n[ITR_IMAGE]; i++)
		with += r->manifest.records[record[i]].split != NULL;
	if (with == 0)
		return 0;
	d->table.split_from_file = true;
	d->table.part[ITR_IMAGE] = itr_xcalloc((size_t)d->table.n[ITR_IMAGE], sizeof *d->table.part[ITR_IMAGE]);
	d->table.part[ITR_TEXT] = itr_xcalloc((size_t)d->table.n[ITR_TEXT], sizeof *d->table.part[ITR_TEXT]);
	for (int64_t i = 0; i < d->table.n[ITR_IMAGE]; i++) {
		const itr_record *rec = &r->manifest.records[record[i]];
		const int part = itr_split_find(rec->split);
		if (part < 0)
			return itr_err_set(err, "'%s': image '%s' has %s%s%s: train, val, test or restval for every record, or for none",
			                   path, rec->id, rec->split ? "the split '" : "no split", rec->split ? rec->split : "",
			                   rec->split ? "'" : "");
		d->table.part[ITR_IMAGE][i] = (itr_split)part;
	}
	for (int64_t i = 0; i < d->table.n[ITR_TEXT]; i++)
		d->table.part[ITR_TEXT][i] = d->table.part[ITR_IMAGE][d->table.text_image[i]];
	return 0;
}

static int collect(itr_raw *r, const char *path, const uint8_t *bad, itr_err *err)
{
	const itr_manifest *m = &r->manifest;
	itr_embeddings *d = &r->pairs;
	int64_t *record = itr_xmalloc((size_t)(m->n + 1) * sizeof *record);
	d->table.synthetic = m->synthetic;
	d->table.id[ITR_IMAGE] = itr_xcalloc((size_t)m->n + 1, sizeof *d->table.id[ITR_IMAGE]);
	d->table.id[ITR_TEXT] = itr_xcalloc((size_t)m->n_captions + 1, sizeof *d->table.id[ITR_TEXT]);
	d->table.text_image = itr_xcalloc((size_t)m->n_captions + 1, sizeof *d->table.text_image);
	r->caption = itr_xcalloc((size_t)m->n_captions + 1, sizeof *r->caption);
	r->path = itr_xcalloc((size_t)m->n + 1, sizeof *r->path);
	for (int64_t i = 0; i < m->n; i++) {
		const int64_t texts = d->table.n[ITR_TEXT];
		for (int64_t c = 0; c < m->records[i].n_captions && !bad[i]; c++)
			add_caption(r, &m->records[i].captions[c], d->table.n[ITR_IMAGE]);
		if (d->table.n[ITR_TEXT] == texts)
			continue;
		d->table.id[ITR_IMAGE][d->table.n[ITR_IMAGE]] = itr_xstrdup(m->records[i].id);
		r->path[d->table.n[ITR_IMAGE]] = itr_manifest_image_path(m, &m->records[i]);
		record[d->table.n[ITR_IMAGE]++] = i;
	}
	if (r->empty > 5)
		itr_warn("%lld captions in all are empty: left out", (long long)r->empty);
	const int rc = d->table.n[ITR_TEXT] ? take_splits(r, record, path, err)
	                          : itr_err_set(err, "'%s' holds no picture with a caption that can be used", path);
	free(record);
	return rc;
}

int itr_raw_open(itr_raw *r, const char *path, const itr_raw_opts *o, itr_err *err)
{
	memset(r, 0, sizeof *r);
	r->alpha = o->alpha;
	if (itr_manifest_read(&r->manifest, path, NULL, err) < 0)
		return -1;
	uint8_t *bad = itr_xcalloc((size_t)r->manifest.n + 1, 1);
	int rc = o->look ? look_at_pictures(r, o, bad, err) : 0;
	if (rc == 0)
		rc = collect(r, path, bad, err);
	free(bad);
	if (rc < 0)
		itr_raw_free(r);
	return rc;
}

void itr_raw_free(itr_raw *r)
{
	for (int64_t i = 0; r->path && i < r->pairs.table.n[ITR_IMAGE]; i++)
		free(r->path[i]);
	free(r->path);
	free(r->caption);
	itr_embeddings_free(&r->pairs);
	itr_manifest_free(&r->manifest);
	memset(r, 0, sizeof *r);
}

int itr_raw_picture(const itr_raw *r, int64_t image, itr_image *img, itr_err *err)
{
	return itr_image_read(img, r->path[image], &(itr_decode_opts){ .alpha = r->alpha }, err);
}

/* --- vectors of a side, once ---------------------------------------------------------------------------------------------------------- */

struct preparing {
	const itr_raw *r;
	const itr_encoder *e;
	int64_t first;
	uint8_t *inputs;
	itr_err *reason;
};

static void prepare_one(void *ctx, int64_t i, int worker)
{
	struct preparing *p = ctx;
	itr_image img;
	(void)worker;
	p->reason[i].set = 0;
	if (itr_raw_picture(p->r, p->first + i, &img, &p->reason[i]) == 0) {
		(void)p->e->desc->prepare(p->e, &img, p->inputs + (size_t)i * p->e->input_bytes, &p->reason[i]);
		itr_image_free(&img);
	}
}

static int encode_pictures(itr_raw *r, const itr_encoder *e, float *y, int threads, const volatile sig_atomic_t *stop, itr_err *err)
{
	struct preparing p = { r, e, 0, itr_aligned_alloc(ENCODE * e->input_bytes), itr_xcalloc(ENCODE, sizeof *p.reason) };
	int rc = 0;
	for (; p.first < r->pairs.table.n[ITR_IMAGE] && rc == 0; p.first += ENCODE) {
		const int64_t n = ITR_MIN((int64_t)ENCODE, r->pairs.table.n[ITR_IMAGE] - p.first);
		itr_parallel_for(threads, n, prepare_one, &p);
		for (int64_t i = 0; i < n && rc == 0; i++)
			if (p.reason[i].set)
				rc = itr_err_set(err, "image '%s': %s", r->pairs.table.id[ITR_IMAGE][p.first + i], p.reason[i].msg);
		if (rc == 0)
			rc = e->desc->encode_images(e, p.inputs, n, threads, y + p.first * e->dim, NULL, err);
		if (rc == 0 && interrupted(stop, err))
			rc = -1;
	}
	itr_aligned_free(p.inputs);
	free(p.reason);
	return rc;
}

/* The encoders that need no weights. */
static int by_encoder(itr_raw *r, const char *name, itr_modality modality, int threads, const volatile sig_atomic_t *stop, float **y,
                      int64_t *dim, itr_err *err)
{
	itr_encoder *e =
		itr_encoder_new(name, modality, &(itr_encoder_opts){ .threads = threads }, err);
	if (!e)
		return -1;
	const bool image = modality == ITR_IMAGE;
	const int64_t n = image ? r->pairs.table.n[ITR_IMAGE] : r->pairs.table.n[ITR_TEXT];
	*dim = e->dim;
	*y = itr_aligned_alloc((size_t)(n * e->dim) * sizeof **y);
	const int rc = image ? encode_pictures(r, e, *y, threads, stop, err)
	                     : e->desc->encode_texts(e, r->caption, n, threads, *y, NULL, 0, NULL, err);
	itr_encoder_free(e);
	return rc;
}

/* The model's tower, picture by picture as at its evaluation. */
static int by_tower(itr_raw *r, const itr_model *m, itr_modality modality, int threads, const volatile sig_atomic_t *stop, float **y,
                    int64_t *dim, itr_err *err)
{
	const bool image = modality == ITR_IMAGE;
	const int64_t n = image ? r->pairs.table.n[ITR_IMAGE] : r->pairs.table.n[ITR_TEXT];
	itr_tape *t = itr_tape_new(&(itr_tape_opts){ .threads = threads, .inference = true });
	itr_source *s =
		itr_source_new(m, &r->pairs, r, modality, &(itr_source_opts){ .threads = threads, .batch = ENCODE, .part = ENCODE });
	int64_t rows[ENCODE];
	int rc = 0;
	*dim = m->tower[modality]->dim;
	*y = itr_aligned_alloc((size_t)(n * *dim) * sizeof **y);
	for (int64_t i = 0; i < n && rc == 0; i += ENCODE) {
		const int64_t b = ITR_MIN((int64_t)ENCODE, n - i);
		for (int64_t k = 0; k < b; k++)
			rows[k] = i + k;
		itr_tape_reset(t, 0);
		const itr_var *v = itr_source_rows(s, t, rows, b, err);
		if (v)
			memcpy(*y + i * *dim, v->data, (size_t)(b * *dim) * sizeof **y);
		rc = !v || interrupted(stop, err) ? -1 : 0;
	}
	itr_source_free(s);
	itr_tape_free(t);
	return rc;
}

int itr_raw_encode(itr_raw *r, const itr_model *m, itr_modality modality, const char *encoder, int threads,
                   const volatile sig_atomic_t *stop, itr_err *err)
{
	itr_embeddings *d = &r->pairs;
	float *y = NULL;
	int64_t dim = 0;
	const bool image = modality == ITR_IMAGE;
	const bool tower = m && m->tower[modality];
	int rc = tower ? by_tower(r, m, modality, threads, stop, &y, &dim, err)
	               : by_encoder(r, encoder, modality, threads, stop, &y, &dim, err);
	const int64_t bad = rc == 0 ? itr_first_not_finite(y, (image ? d->table.n[ITR_IMAGE] : d->table.n[ITR_TEXT]) * dim) : -1;
	if (bad >= 0)
		rc = itr_err_set(err, "the %s tower makes NaN or infinity of '%s': its weights are too large for float32",
		                 itr_modality_names[modality], (image ? d->table.id[ITR_IMAGE] : d->table.id[ITR_TEXT])[bad / dim]);
	if (rc < 0) {
		itr_aligned_free(y);
		return -1;
	}
	if (!tower || !m->trained[modality])
		itr_rows_normalize(y, image ? d->table.n[ITR_IMAGE] : d->table.n[ITR_TEXT], dim, threads);
	*(image ? &d->side[ITR_IMAGE].rows : &d->side[ITR_TEXT].rows) = y;
	*(image ? &d->side[ITR_IMAGE].dim : &d->side[ITR_TEXT].dim) = dim;
	return 0;
}
