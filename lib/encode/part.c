#include "encode/part.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "tensor/rows.h"

enum { TEXT_BATCH = 1024, HALF_MAX = 65504 };

void itr_part_init(itr_part *p, const itr_extract_job *j, int64_t index)
{
	*p = (itr_part){ .first = j->first + index * j->part_rows };
	p->n = ITR_MIN(j->part_rows, j->first + j->n - p->first);
	for (int64_t i = 0; i < p->n; i++)
		p->n_texts += j->s->manifest.records[p->first + i].n_captions;
	p->failed = itr_xcalloc((size_t)p->n, 1);
}

void itr_part_free(itr_part *p)
{
	free(p->failed);
	free(p->failures);
	*p = (itr_part){ 0 };
}

static void hash_text(itr_sha256 *h, const char *s)
{
	itr_sha256_add(h, s ? s : "", s ? strlen(s) + 1 : 1);
}

static void hash_number(itr_sha256 *h, int64_t v)
{
	itr_sha256_add(h, &v, sizeof v);
}

static void hash_encoder(itr_sha256 *h, const itr_features_side *s)
{
	hash_text(h, s->encoder);
	hash_text(h, s->encoder ? s->preprocess : "");
	hash_text(h, s->encoder ? s->weights_sha256 : "");
	hash_number(h, s->encoder ? s->dim : 0);
}

void itr_part_key(const itr_part *p, const itr_extract_job *j, char hex[ITR_SHA256_HEX])
{
	const itr_extract_opts *o = j->o;
	itr_sha256 *h = itr_sha256_new();
	hash_text(h, "itr part 1");
	hash_encoder(h, &j->layout.image);
	hash_encoder(h, &j->layout.text);
	hash_text(h, o->pooling);
	hash_number(h, o->patches | o->tokens << 1 | o->normalize << 2 | j->s->pictures.exif << 3 | (int)j->s->pictures.alpha << 4);
	hash_number(h, o->tokens ? o->max_tokens : 0);
	hash_number(h, p->n);
	for (int64_t i = p->first; i < p->first + p->n; i++) {
		const itr_record *r = &j->s->manifest.records[i];
		struct stat st = { 0 };
		char *path = itr_manifest_image_path(&j->s->manifest, r);
		int found = j->image ? stat(path, &st) == 0 : 0;
		free(path);
		hash_text(h, r->id);
		hash_text(h, r->image);
		hash_number(h, found ? (int64_t)st.st_size : -1);        /* a repaired picture makes its part new */
		hash_number(h, found ? (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec : -1);
		hash_number(h, r->n_captions);
		for (int64_t c = 0; c < r->n_captions; c++)
			hash_text(h, r->captions[c].text);
	}
	itr_sha256_end(h, hex);
}

int itr_part_load(itr_part *p, const itr_extract_job *j, const char *path)
{
	char key[ITR_SHA256_HEX];
	itr_err ignored = ITR_ERR_INIT;                  /* whatever is wrong with an old part, the answer is to make it again */
	itr_h5 *h = itr_h5_open(path, ITR_FEATURES_PART, &ignored);
	if (!h)
		return 0;
	itr_part_key(p, j, key);
	char *stored = itr_h5_attr_text(h, "/", "key");
	int ok = stored && !strcmp(stored, key) && itr_h5_read_rows(h, "/image/failed", ITR_U8, 0, p->n, p->failed, &ignored) == 0;
	free(stored);
	if (ok)
		p->failures = itr_h5_read_text(h, "/failures", &ignored);
	ok = ok && p->failures;
	for (int64_t i = 0; ok && i < p->n; i++)
		p->n_failed += p->failed[i] != 0;
	p->empty_texts = itr_h5_attr_int(h, "/", "empty_texts", 0);
	itr_h5_close(h);
	return ok;
}

/* --- pictures ------------------------------------------------------------------------------------------------------------------------ */

struct pictures {
	const itr_extract_job *j;
	itr_part *p;
	int64_t at, n;                  /* rows of the part in this batch */
	uint8_t *inputs;
	float *pooled, *patches;
	itr_err *reason;                /* one a picture */
};

static void load_one(void *ctx, int64_t i, int worker)
{
	struct pictures *b = ctx;
	const itr_extract_job *j = b->j;
	void *input = b->inputs + (size_t)i * j->image->input_bytes;
	itr_image img;
	(void)worker;
	b->reason[i].set = 0;
	int rc = itr_image_text_set_picture(j->s, b->p->first + b->at + i, j->image->fast_side, &img, &b->reason[i]);
	if (rc == 0) {
		rc = itr_model_prepare(j->model, &img, input, &b->reason[i]);
		itr_image_free(&img);
	}
	if (rc < 0)
		memset(input, 0, j->image->input_bytes);
	b->p->failed[b->at + i] = rc < 0;
}

/* A vector must be finite and, where halves are stored, fit into one. */
static bool in_range(const float *x, int64_t n, float limit)
{
	bool ok = true;
	for (int64_t k = 0; k < n; k++)
		ok &= fabsf(x[k]) <= limit;              /* false for NaN as well */
	return ok;
}

static void check_vectors(struct pictures *b)
{
	const itr_model_side *e = b->j->image;
	int64_t cells = e->grid * e->grid * e->state_dim;
	for (int64_t i = 0; i < b->n; i++)
		if (!b->p->failed[b->at + i] && (!in_range(b->pooled + i * e->dim, e->dim, 3e38f) ||
		                                 (b->patches && !in_range(b->patches + i * cells, cells, HALF_MAX)))) {
			b->p->failed[b->at + i] = 1;
			itr_err_set(&b->reason[i], "encoder '%s' gave NaN, infinity or a value too large to store", e->encoder);
		}
}

static int write_pictures(struct pictures *b, itr_h5 *h, itr_buf *failures, itr_err *err)
{
	const itr_extract_job *j = b->j;
	const itr_model_side *e = j->image;
	for (int64_t i = 0; i < b->n; i++)
		if (b->p->failed[b->at + i]) {
			itr_buf_printf(failures, "image '%s': %s\n", j->s->table.id[ITR_IMAGE][b->p->first + b->at + i], b->reason[i].msg);
			memset(b->pooled + i * e->dim, 0, (size_t)e->dim * sizeof(float));
			b->p->n_failed++;
		}
	if (j->o->normalize) {
		itr_rows_normalize(b->pooled, b->n, e->dim, j->o->threads);
		if (b->patches)
			itr_rows_normalize(b->patches, b->n * e->grid * e->grid, e->state_dim, j->o->threads);
	}
	if (itr_h5_write_rows(h, "/image/pooled", ITR_F32, b->at, b->n, b->pooled, err) < 0)
		return -1;
	return b->patches ? itr_h5_write_rows(h, "/image/patches", ITR_F32, b->at, b->n, b->patches, err) : 0;
}

static int interrupted(const itr_extract_job *j, itr_err *err)
{
	return j->o->interrupted && *j->o->interrupted ? itr_err_set(err, "interrupted") : 0;
}

static int encode_pictures(const itr_extract_job *j, itr_part *p, itr_h5 *h, itr_buf *failures, itr_err *err)
{
	const itr_model_side *e = j->image;
	size_t n = (size_t)ITR_MIN(j->batch, p->n);
	struct pictures b = { .j = j, .p = p };
	b.inputs = itr_aligned_alloc(n * e->input_bytes);
	b.pooled = itr_aligned_alloc(n * (size_t)e->dim * sizeof(float));
	b.patches = j->o->patches ? itr_aligned_alloc(n * (size_t)(e->grid * e->grid * e->state_dim) * sizeof(float)) : NULL;
	b.reason = itr_xcalloc(n, sizeof *b.reason);
	int rc = 0;
	for (b.at = 0; b.at < p->n && rc == 0; b.at += b.n) {
		b.n = ITR_MIN(j->batch, p->n - b.at);
		itr_parallel_for(j->o->threads, b.n, load_one, &b);
		itr_model_embed(j->context, ITR_IMAGE, &(itr_model_input){ .pictures = b.inputs }, b.n,
		                &(itr_model_output){ .pooled = b.pooled, .states = b.patches });
		check_vectors(&b);
		rc = write_pictures(&b, h, failures, err);
		if (rc == 0 && j->o->progress)
			j->o->progress(j->o->progress_ctx, b.n);
		if (rc == 0)
			rc = interrupted(j, err);
	}
	itr_aligned_free(b.inputs);
	itr_aligned_free(b.pooled);
	itr_aligned_free(b.patches);
	free(b.reason);
	return rc;
}

/* --- captions ------------------------------------------------------------------------------------------------------------------------ */

static const char **caption_list(const itr_extract_job *j, const itr_part *p)
{
	const char **text = itr_xmalloc((size_t)(p->n_texts + 1) * sizeof *text);
	int64_t k = 0;
	for (int64_t i = p->first; i < p->first + p->n; i++)
		for (int64_t c = 0; c < j->s->manifest.records[i].n_captions; c++)
			text[k++] = j->s->manifest.records[i].captions[c].text;
	return text;
}

static int check_texts(const itr_extract_job *j, itr_part *p, const char *const *text, int64_t n, const float *pooled, const float *tokens,
                       itr_err *err)
{
	const itr_model_side *e = j->text;
	int64_t cells = j->o->max_tokens * e->state_dim;
	for (int64_t i = 0; i < n; i++) {
		bool zero = true;
		if (!in_range(pooled + i * e->dim, e->dim, 3e38f) || (tokens && !in_range(tokens + i * cells, cells, HALF_MAX)))
			return itr_err_set(err, "encoder '%s' gave NaN, infinity or a value too large to store for the caption '%.200s'",
			                   e->encoder, text[i]);
		for (int64_t k = 0; k < e->dim && zero; k++)
			zero = pooled[i * e->dim + k] == 0;
		p->empty_texts += zero;
	}
	return 0;
}

static int write_texts(const itr_extract_job *j, itr_h5 *h, int64_t at, int64_t n, float *pooled, float *tokens, const int64_t *length,
                       itr_err *err)
{
	const itr_model_side *e = j->text;
	if (j->o->normalize) {
		itr_rows_normalize(pooled, n, e->dim, j->o->threads);
		if (tokens)
			itr_rows_normalize(tokens, n * j->o->max_tokens, e->state_dim, j->o->threads);
	}
	if (itr_h5_write_rows(h, "/text/pooled", ITR_F32, at, n, pooled, err) < 0)
		return -1;
	if (!tokens)
		return 0;
	return itr_h5_write_rows(h, "/text/tokens", ITR_F32, at, n, tokens, err) < 0
	               ? -1
	               : itr_h5_write_rows(h, "/text/length", ITR_I64, at, n, length, err);
}

static int encode_captions(const itr_extract_job *j, itr_part *p, itr_h5 *h, itr_err *err)
{
	const itr_model_side *e = j->text;
	size_t n = (size_t)ITR_MAX(ITR_MIN(TEXT_BATCH, p->n_texts), 1);
	const char **text = caption_list(j, p);
	float *pooled = itr_aligned_alloc(n * (size_t)e->dim * sizeof(float));
	float *tokens = j->o->tokens ? itr_aligned_alloc(n * (size_t)(j->o->max_tokens * e->state_dim) * sizeof(float)) : NULL;
	int64_t *length = itr_xcalloc(n, sizeof *length);
	int rc = 0;
	for (int64_t at = 0, k; at < p->n_texts && rc == 0; at += k) {
		k = ITR_MIN(TEXT_BATCH, p->n_texts - at);
		itr_model_embed(
			j->context, ITR_TEXT, &(itr_model_input){ .texts = text + at }, k,
			&(itr_model_output){ .pooled = pooled, .states = tokens, .max_states = j->o->max_tokens, .length = length });
		rc = check_texts(j, p, text + at, k, pooled, tokens, err);
		if (rc == 0)
			rc = write_texts(j, h, at, k, pooled, tokens, length, err);
		if (rc == 0)
			rc = interrupted(j, err);
	}
	free(text);
	itr_aligned_free(pooled);
	itr_aligned_free(tokens);
	free(length);
	return rc;
}

/* -------------------------------------------------------------------------------------------------------------------------------------- */

static int finish(const itr_extract_job *j, itr_part *p, itr_h5 *h, itr_err *err)
{
	char key[ITR_SHA256_HEX];
	itr_part_key(p, j, key);
	if (itr_h5_write_rows(h, "/image/failed", ITR_U8, 0, p->n, p->failed, err) < 0 ||
	    itr_h5_write_text(h, "/failures", p->failures, err) < 0)
		return -1;
	if (itr_h5_set_attr_text(h, "/", "key", key, err) < 0)
		return -1;
	return itr_h5_set_attr_int(h, "/", "empty_texts", p->empty_texts, err);
}

int itr_part_compute(itr_part *p, const itr_extract_job *j, const char *path, itr_err *err)
{
	itr_features_layout l = j->layout;
	l.n_images = p->n;
	l.n_texts = p->n_texts;
	memset(p->failed, 0, (size_t)p->n);
	p->n_failed = p->empty_texts = 0;
	free(p->failures);
	p->failures = NULL;
	itr_h5 *h = itr_features_create(path, ITR_FEATURES_PART, &l, err);
	if (!h)
		return -1;
	itr_buf failures = ITR_BUF_INIT;
	int rc = j->image ? encode_pictures(j, p, h, &failures, err) : 0;
	p->failures = itr_buf_detach(&failures);
	if (rc == 0 && p->n_failed == p->n)
		rc = itr_err_set(err, "none of %lld pictures could be used; the first: %.*s", (long long)p->n,
		                 (int)strcspn(p->failures, "\n"), p->failures);
	if (rc == 0 && j->text)
		rc = encode_captions(j, p, h, err);
	if (rc == 0 && !j->image && j->o->progress)
		j->o->progress(j->o->progress_ctx, p->n);
	if (rc == 0)
		rc = finish(j, p, h, err);
	if (rc < 0) {
		itr_h5_close(h);
		return -1;
	}
	return itr_h5_commit(h, err);
}
