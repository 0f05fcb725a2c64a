#include "train/closed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "data/split_record.h"
#include "train/report.h"

/* The val part, as the scorer of candidates needs it. */
struct val {
	const itr_closed_opts *o;
	itr_closed_report *report;
	itr_selection part;
	float *text, *image;            /* rows of the part */
};

static int val_open(struct val *v, const itr_embeddings *d, itr_err *err)
{
	if (itr_row_table_select(&v->part, &d->table, "val", ITR_SELECT_CAPTIONED_IMAGES | ITR_SELECT_MAY_BE_EMPTY, err) < 0)
		return -1;
	v->text = itr_embeddings_rows(d, ITR_TEXT, v->part.row[ITR_TEXT], v->part.n[ITR_TEXT]);
	v->image = itr_embeddings_rows(d, ITR_IMAGE, v->part.row[ITR_IMAGE], v->part.n[ITR_IMAGE]);
	v->report->val_texts = v->part.n[ITR_TEXT];
	v->report->val_images = v->part.n[ITR_IMAGE];
	return 0;
}

static void val_close(struct val *v)
{
	itr_selection_free(&v->part);
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
	if (v->part.n[ITR_TEXT] > 0) {
		float *text = itr_aligned_alloc((size_t)(v->part.n[ITR_TEXT] * p->dim) * sizeof *text),
		      *image = itr_aligned_alloc((size_t)(v->part.n[ITR_IMAGE] * p->dim) * sizeof *image);
		const bool bad = itr_closed_apply(p, ITR_TEXT, v->text, v->part.n[ITR_TEXT], text, NULL, v->o->threads) >= 0 ||
		                 itr_closed_apply(p, ITR_IMAGE, v->image, v->part.n[ITR_IMAGE], image, NULL, v->o->threads) >= 0;
		if (!bad)
			itr_validate_vectors(text, v->part.n[ITR_TEXT], image, v->part.n[ITR_IMAGE], v->part.text_image, p->dim,
			                     v->o->threads, r->value[i]);
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
	double s = v->part.n[ITR_TEXT] > 0 ? r->value[i][v->o->monitor] : 0;
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
static int64_t *train_map(const itr_embeddings *d, itr_closed_report *r, itr_err *err)
{
	itr_selection s;
	if (itr_row_table_select(&s, &d->table, "train", ITR_SELECT_CAPTIONED_IMAGES | ITR_SELECT_MAY_BE_EMPTY, err) < 0)
		return NULL;
	int64_t *map = itr_xmalloc((size_t)(d->table.n[ITR_TEXT] + 1) * sizeof *map);
	for (int64_t i = 0; i < d->table.n[ITR_TEXT]; i++)
		map[i] = -1;
	for (int64_t i = 0; i < s.n[ITR_TEXT]; i++)
		map[s.row[ITR_TEXT][i]] = d->table.text_image[s.row[ITR_TEXT][i]];
	r->train_texts = s.n[ITR_TEXT];
	r->train_images = s.n[ITR_IMAGE];
	itr_selection_free(&s);
	return map;
}

itr_closed *itr_train_closed(const itr_embeddings *d, const itr_closed_opts *o, itr_closed_report *report, itr_err *err)
{
	struct val v = { .o = o, .report = report };
	memset(report, 0, sizeof *report);
	o->options->seed = o->seed;
	o->options->threads = o->threads;
	int64_t *map = train_map(d, report, err);
	if (!map || val_open(&v, d, err) < 0) {
		free(map);
		return NULL;
	}
	itr_linear_data data = { d->side[ITR_TEXT].rows,
		                 d->side[ITR_IMAGE].rows,
		                 d->table.n[ITR_TEXT],
		                 d->side[ITR_TEXT].dim,
		                 d->table.n[ITR_IMAGE],
		                 d->side[ITR_IMAGE].dim,
		                 map,
		                 { NULL, NULL }, NULL };
	bool choosing =
		o->kind->closed->regularized && !(o->options->lambda >= 0) && o->options->regularization.n != 1;
	itr_closed *p = NULL;
	if (choosing && v.part.n[ITR_TEXT] == 0)
		itr_err_set(err,
		            "no image is in part 'val', so nothing can choose the regularization: give one value with --regularization");
	else
		p = itr_closed_fit(o->kind->name, o->kind->closed, &data, o->options, score, &v, NULL, NULL, err);
	if (p) {
		itr_split_record_of(&p->split, &d->table, o->sizes, o->seed);
		set_encoder(&p->side[ITR_TEXT], d->side[ITR_TEXT].encoder);
		set_encoder(&p->side[ITR_IMAGE], d->side[ITR_IMAGE].encoder);
		p->side[ITR_TEXT].weights_sha256 = d->side[ITR_TEXT].weights_sha256 ? itr_xstrdup(d->side[ITR_TEXT].weights_sha256) : NULL;
		p->side[ITR_TEXT].preprocess = d->side[ITR_TEXT].preprocess ? itr_xstrdup(d->side[ITR_TEXT].preprocess) : NULL;
		p->synthetic = d->table.synthetic;
		p->pictures = d->pictures;
	}
	val_close(&v);
	free(map);
	return p;
}

itr_json *itr_train_closed_file(const itr_embeddings *d, const itr_closed_opts *o, const char *output, const itr_provenance *provenance,
                                itr_err *err)
{
	itr_closed_report r;
	itr_json *j = NULL;
	itr_closed *p = itr_train_closed(d, o, &r, err);
	if (p && itr_closed_save(p, output, provenance, err) == 0) {
		itr_info("%s, %lld dimensions, regularization %g, from %lld captions of %lld images", p->method, (long long)p->dim,
		         p->regularization, (long long)r.train_texts, (long long)r.train_images);
		j = itr_closed_json(p, &r);
		itr_json_add_str(j, "output", output);
	}
	itr_closed_free(p);
	return j;
}
