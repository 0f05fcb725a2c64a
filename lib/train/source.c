#include "train/source.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "data/row_stream.h"
#include "train/loader.h"

enum { STORED_PART = 256, TOWER_PART = 32 };    /* rows that evaluation embeds at once */

struct itr_source {
	const itr_embeddings *d;
	const itr_image_text_set *set;
	const itr_tower *tower;                 /* NULL: rows are stored */
	itr_source_opts o;
	bool image;
	const float *stored;                    /* NULL: a tower, or: */
	itr_row_stream *stream;                 /* of rows that stay in their file */
	int64_t *rows;                          /* of the epoch, for it */
	int64_t dim, values;                    /* of a row; floats of a row's input (pixels, or the row itself) */
	itr_loader *loader;
	const int64_t *texts;                   /* of the epoch */
	int64_t at;                             /* position of the batch taken */
	float *input;                           /* [part][values] */
	int32_t *ids;                           /* tokens of the batch taken */
	int64_t *start;
};

itr_source *itr_source_new(const itr_model *m, const itr_embeddings *d, const itr_image_text_set *set, itr_modality modality,
                           const itr_source_opts *o)
{
	itr_source *s = itr_xcalloc(1, sizeof *s);
	const bool image = modality == ITR_IMAGE;
	*s = (itr_source){
		.d = d, .set = set, .o = *o, .image = image, .stored = image ? d->side[ITR_IMAGE].rows : d->side[ITR_TEXT].rows
	};
	s->dim = s->values = image ? d->side[ITR_IMAGE].dim : d->side[ITR_TEXT].dim;
	if (d->side[modality].file && o->ahead > 0)
		s->stream = itr_row_stream_new(d, modality, o->batch, d->side[modality].ahead, o->threads);
	if (!itr_embeddings_has(d, modality)) {
		s->tower = m->tower[modality];
		if (!s->tower || !set)
			ITR_BUG("itr_source_new: neither stored %s nor a tower that makes them", image ? "images" : "texts");
		s->dim = s->tower->dim;
		s->values = image ? s->tower->config.image_size * s->tower->config.image_size * 3 : 0;
		if (image && o->ahead > 0)
			s->loader =
				itr_loader_new(set, s->tower->preset, &o->augment, o->seed, o->batch + o->ahead, ITR_MAX(1, o->threads));
	}
	s->input = itr_aligned_alloc((size_t)(ITR_MAX(o->part, itr_source_part(s)) * s->values + 1) * sizeof *s->input);
	return s;
}

static void drop_tokens(itr_source *s)
{
	free(s->ids);
	free(s->start);
	s->ids = NULL;
	s->start = NULL;
}

void itr_source_free(itr_source *s)
{
	if (!s)
		return;
	itr_loader_free(s->loader);
	itr_row_stream_free(s->stream);
	free(s->rows);
	drop_tokens(s);
	itr_aligned_free(s->input);
	free(s);
}

int64_t itr_source_part(const itr_source *s) { return s->tower ? TOWER_PART : STORED_PART; }
bool itr_source_is_tower(const itr_source *s) { return s->tower != NULL; }

void itr_source_epoch(itr_source *s, const int64_t *texts, int64_t n, uint64_t epoch, int64_t first)
{
	s->texts = texts;
	if (s->loader)
		itr_loader_epoch(s->loader, texts, n, epoch, first);
	if (s->stream) {
		int64_t *rows = itr_xmalloc((size_t)(n + 1) * sizeof *rows);
		for (int64_t i = 0; i < n; i++)
			rows[i] = s->image ? s->d->table.text_image[texts[i]] : texts[i];
		itr_row_stream_begin(s->stream, rows, n, first);
		free(s->rows);                          /* the last epoch's, which the stream has let go of */
		s->rows = rows;
	}
}

static void tokenize(itr_source *s, const int64_t *texts, int64_t n)
{
	const char **caption = itr_xmalloc((size_t)(n + 1) * sizeof *caption);
	for (int64_t i = 0; i < n; i++)
		caption[i] = s->set->table.caption[texts[i]];
	drop_tokens(s);
	itr_tower_tokenize(s->tower, caption, n, s->o.threads, &s->ids, &s->start);
	free(caption);
}

int itr_source_take(itr_source *s, int64_t at, int64_t b, itr_err *err)
{
	s->at = at;
	if (s->loader)
		return itr_loader_wait(s->loader, at, b, err);
	if (s->stream)
		return itr_row_stream_wait(s->stream, at, b, err);
	if (s->tower)
		tokenize(s, s->texts + at, b);
	return 0;
}

/* --- inputs of some rows, and what becomes of them ------------------------------------------------------------------------------------ */

struct filling { itr_source *s; int64_t first; };

static void fill_row(void *ctx, int64_t i, int worker)
{
	const struct filling *f = ctx;
	itr_source *s = f->s;
	const int64_t position = s->at + f->first + i;
	float *to = s->input + i * s->values;
	(void)worker;
	if (s->loader)
		itr_preset_values(s->tower->preset, itr_loader_pixels(s->loader, position), to);
	else if (s->stream)
		memcpy(to, itr_row_stream_row(s->stream, position), (size_t)s->dim * sizeof *to);
	else
		memcpy(to, s->stored + (s->image ? s->d->table.text_image[s->texts[position]] : s->texts[position]) * s->dim,
		       (size_t)s->dim * sizeof *to);
}

static itr_var *forward(itr_source *s, itr_tape *t, int64_t first_text, int64_t n)
{
	if (!s->tower)
		return itr_input(t, 2, (int64_t[]){ n, s->dim }, s->input);
	if (s->image)
		return itr_tower_forward(t, s->tower, &(itr_tower_in){ .n = n, .pixels = s->input }, false).pooled;
	const int64_t from = s->start[first_text];
	int64_t *start = itr_xmalloc((size_t)(n + 1) * sizeof *start);           /* a chunk's own tokens, counted from its first */
	for (int64_t i = 0; i <= n; i++)
		start[i] = s->start[first_text + i] - from;
	itr_var *y = itr_tower_forward(t, s->tower, &(itr_tower_in){ .n = n, .ids = s->ids + from, .start = start }, false).pooled;
	free(start);
	return y;
}

itr_var *itr_source_embed(itr_source *s, itr_tape *t, int64_t first, int64_t n)
{
	struct filling f = { s, first };
	if (s->image || !s->tower)
		itr_parallel_for(s->o.threads, n, fill_row, &f);
	return forward(s, t, first, n);
}

struct reading { itr_source *s; const int64_t *rows; itr_err *reason; };

static void read_row(void *ctx, int64_t i, int worker)
{
	const struct reading *r = ctx;
	itr_source *s = r->s;
	float *to = s->input + i * s->values;
	(void)worker;
	const int rc = s->tower ? itr_loader_plain(s->set, s->tower->preset, r->rows[i], to, &r->reason[i])
	                        : itr_embeddings_read(s->d, s->image ? ITR_IMAGE : ITR_TEXT, &r->rows[i], 1, to, &r->reason[i]);
	if (rc < 0)
		memset(to, 0, (size_t)s->values * sizeof *to);
}

itr_var *itr_source_rows(itr_source *s, itr_tape *t, const int64_t *rows, int64_t n, itr_err *err)
{
	struct reading r = { s, rows, NULL };
	int rc = 0;
	if (s->tower && !s->image) {
		tokenize(s, rows, n);
		return forward(s, t, 0, n);
	}
	r.reason = itr_xcalloc((size_t)n, sizeof *r.reason);
	itr_parallel_for(s->o.threads, n, read_row, &r);
	for (int64_t i = 0; i < n && rc == 0; i++)
		if (r.reason[i].set)
			rc = itr_err_set(err, "%s", r.reason[i].msg);
	free(r.reason);
	return rc < 0 ? NULL : forward(s, t, 0, n);
}
