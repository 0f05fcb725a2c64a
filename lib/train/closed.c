#include "train/closed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "train/note.h"

/* The val part, as the scorer of candidates needs it. */
struct val {
	const itr_closed_opts *o;
	itr_closed_report *report;
	int64_t n, n_images, *texts, *images, *position;
	float *text, *image;            /* rows of the part */
};

static float *rows_of(const float *x, int64_t dim, const int64_t *rows, int64_t n)
{
	float *y = itr_aligned_alloc((size_t)(n * dim) * sizeof *y);
	for (int64_t i = 0; i < n; i++)
		memcpy(y + i * dim, x + rows[i] * dim, (size_t)dim * sizeof *y);
	return y;
}

static void val_open(struct val *v, const itr_pair_data *d)
{
	v->texts = itr_pair_data_texts(d, ITR_VAL, &v->n);
	v->images = itr_pair_data_images(d, v->texts, v->n, &v->position, &v->n_images);
	v->text = rows_of(d->text, d->text_dim, v->texts, v->n);
	v->image = rows_of(d->image, d->image_dim, v->images, v->n_images);
	v->report->val_texts = v->n;
	v->report->val_images = v->n_images;
}

static void val_close(struct val *v)
{
	free(v->texts), free(v->images), free(v->position);
	itr_aligned_free(v->text), itr_aligned_free(v->image);
}

static double score(void *ctx, const itr_closed *p, itr_err *err)
{
	struct val *v = ctx;
	itr_closed_report *r = v->report;
	int64_t i = r->n_trials;
	if (v->o->stop && *v->o->stop) {
		itr_err_set(err, "interrupted");
		return NAN;
	}
	for (int k = 0; k < ITR_VAL_COUNT; k++)
		r->value[i][k] = NAN;
	r->r[i] = p->regularization;
	if (v->n > 0) {
		float *text = itr_aligned_alloc((size_t)(v->n * p->dim) * sizeof *text),
		      *image = itr_aligned_alloc((size_t)(v->n_images * p->dim) * sizeof *image);
		const bool bad = itr_closed_apply(p, ITR_TEXT, v->text, v->n, text, NULL, v->o->threads) >= 0 ||
		                 itr_closed_apply(p, ITR_IMAGE, v->image, v->n_images, image, NULL, v->o->threads) >= 0;
		if (!bad)
			itr_validate_vectors(text, v->n, image, v->n_images, v->position, p->dim, v->o->threads, r->value[i]);
		itr_aligned_free(text);
		itr_aligned_free(image);
		if (bad) {
			itr_err_set(err, "%s with regularization %g makes NaN or infinity of the val part: give more --regularization",
			            p->method, p->regularization);
			return NAN;
		}
	}
	if (v->o->tried)
		v->o->tried(v->o->ctx, r->r[i], r->value[i], i);
	double s = v->n > 0 ? r->value[i][v->o->monitor] : 0;
	if (i == 0 || s > r->value[r->best][v->o->monitor])
		r->best = i;
	r->n_trials++;
	return s;
}

static void set_encoder(itr_closed_side *side, const char *name)
{
	if (!name)
		return;
	free(side->encoder);
	side->encoder = itr_xstrdup(name);
}

/* Which image each text of the train part belongs to; -1 for texts of other parts, which the fit then leaves out: no copy of the vectors is
 * made. */
static int64_t *train_map(const itr_pair_data *d, itr_closed_report *r)
{
	int64_t n, n_images, *position, *map = itr_xmalloc((size_t)(d->n_texts + 1) * sizeof *map);
	int64_t *texts = itr_pair_data_texts(d, ITR_TRAIN, &n), *images = itr_pair_data_images(d, texts, n, &position, &n_images);
	for (int64_t i = 0; i < d->n_texts; i++)
		map[i] = -1;
	for (int64_t i = 0; i < n; i++)
		map[texts[i]] = d->text_image[texts[i]];
	r->train_texts = n;
	r->train_images = n_images;
	free(texts), free(images), free(position);
	return map;
}

itr_closed *itr_train_closed(const itr_pair_data *d, const itr_closed_opts *o, itr_closed_report *report, itr_err *err)
{
	struct val v = { .o = o, .report = report };
	memset(report, 0, sizeof *report);
	if (o->linear.n_regularization > ITR_CLOSED_TRIALS) {
		itr_err_set(err, "%lld strengths of regularization are too many: %d at most", (long long)o->linear.n_regularization,
		            ITR_CLOSED_TRIALS);
		return NULL;
	}
	int64_t *map = train_map(d, report);
	itr_linear_data data = { d->text, d->image, d->n_texts, d->text_dim, d->n_images, d->image_dim, map };
	val_open(&v, d);
	bool choosing = o->kind->regularized && isnan(o->linear.lambda) && (!o->linear.regularization || o->linear.n_regularization > 1);
	itr_closed *p = NULL;
	if (choosing && v.n == 0)
		itr_err_set(err,
		            "no image is in part 'val', so nothing can choose the regularization: give one value with --regularization");
	else
		p = itr_closed_fit(o->kind, &data, &o->linear, score, &v, NULL, NULL, err);
	if (p) {
		itr_split_note_of(&p->split, d, o->sizes, o->seed);
		set_encoder(&p->side[ITR_TEXT], d->text_encoder);
		set_encoder(&p->side[ITR_IMAGE], d->image_encoder);
		p->side[ITR_TEXT].weights_sha256 = d->text_weights ? itr_xstrdup(d->text_weights) : NULL;
		p->side[ITR_TEXT].preprocess = d->text_preprocess ? itr_xstrdup(d->text_preprocess) : NULL;
		p->synthetic = d->synthetic;
	}
	val_close(&v);
	free(map);
	return p;
}
