/* distill: the batch's similarities follow a teacher's: KL(softmax of the teacher's scores || softmax of the model's) by rows of texts, and
 * by rows of images too where the loss is symmetric. Source: Hinton et al. 2015 on similarity rows, as open_clip's DistillClipLoss. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "train/loop.h"
#include "train/trainer.h"

struct distill {
	const char *teacher;
	double weight, temperature;
	itr_embeddings data;             /* the teacher's rows, unit length */
	int64_t *text_row, *image_row;  /* [n_texts], [n_images] of the training data: its row of the teacher's, -1: none */
	int64_t *known;                 /* [batch] rows of the batch that the teacher knows */
	float *rows[2];                 /* (batch, dim) the teacher's, for the tape */
};
static const struct distill defaults = { .weight = 1, .temperature = 0.07 };
static const itr_option options[] = {
	ITR_OPT_STR("teacher", 0, struct distill, teacher, "FILE", "teacher's embeddings of the same texts and images, joined by id"),
	ITR_OPT_NUM_IN("distill-weight", 0, struct distill, weight, "X", ITR_FROM(0), "weight of the KL divergence in the total loss"),
	ITR_OPT_NUM_IN("teacher-temperature", 0, struct distill, temperature, "T", ITR_BETWEEN(0.0001, 10000),
	               "temperature of the teacher's cosines"),
	ITR_OPT_END
};

/* For each id of `wanted` its place among `ids`, or -1. The caller frees. */
static int64_t *join(char *const *wanted, int64_t n, char *const *ids, int64_t n_ids)
{
	itr_map *m = itr_map_new();
	int64_t *row = itr_xmalloc((size_t)(n + 1) * sizeof *row);
	for (int64_t i = 0; i < n_ids; i++)
		(void)itr_map_add(m, ids[i], i);
	for (int64_t i = 0; i < n; i++)
		row[i] = itr_map_get(m, wanted[i], -1);
	itr_map_free(m);
	return row;
}

static int build(void *self, itr_trainer *r, itr_err *err)
{
	struct distill *d = self;
	const itr_train_opts *o = itr_trainer_opts(r);
	const itr_embeddings *data = itr_trainer_data(r), *t = &d->data;
	int64_t n, missing = 0;
	const int64_t *train = itr_trainer_rows(r, &n);
	if (!d->teacher)
		return itr_err_set(err, "distillation needs a teacher: --teacher FILE");
	if (itr_embeddings_open(&d->data, d->teacher, &(itr_embeddings_opts){ .unpaired = true, .threads = o->threads }, err) < 0)
		return -1;
	if (!t->side[ITR_IMAGE].rows || !t->side[ITR_TEXT].rows || t->side[ITR_TEXT].dim != t->side[ITR_IMAGE].dim)
		return itr_err_set(err, "'%s' is no teacher: its texts have %lld dimensions, its images %lld, which must be one space",
		                   d->teacher, (long long)t->side[ITR_TEXT].dim,
		                   (long long)(t->side[ITR_IMAGE].rows ? t->side[ITR_IMAGE].dim : 0));
	d->text_row = join(data->table.id[ITR_TEXT], data->table.n[ITR_TEXT], t->table.id[ITR_TEXT], t->table.n[ITR_TEXT]);
	d->image_row = join(data->table.id[ITR_IMAGE], data->table.n[ITR_IMAGE], t->table.id[ITR_IMAGE], t->table.n[ITR_IMAGE]);
	for (int64_t i = 0; i < n; i++)
		missing += d->text_row[train[i]] < 0 || d->image_row[data->table.text_image[train[i]]] < 0;
	if (missing == n)
		return itr_err_set(err, "the teacher '%s' knows none of the %lld training pairs by their ids", d->teacher, (long long)n);
	if (missing)
		itr_warn("the teacher '%s' does not know %lld of %lld training pairs, which are not distilled", d->teacher,
		         (long long)missing, (long long)n);
	const int64_t b = ITR_MIN(o->batch_size, n);
	d->known = itr_xmalloc((size_t)b * sizeof *d->known);
	for (int side = 0; side < 2; side++)
		d->rows[side] = itr_aligned_alloc((size_t)(b * t->side[ITR_TEXT].dim) * sizeof(float));
	return 0;
}

/* Fills `known` and the teacher's rows; how many. */
static int64_t take_known(struct distill *d, const itr_batch *b)
{
	const int64_t dim = d->data.side[ITR_TEXT].dim;
	int64_t n = 0;
	for (int64_t i = 0; i < b->n; i++) {
		const int64_t row[2] = { d->text_row[b->text[i]], d->image_row[b->image[i]] };
		if (row[0] < 0 || row[1] < 0)
			continue;
		memcpy(d->rows[0] + n * dim, d->data.side[ITR_TEXT].rows + row[0] * dim, (size_t)dim * sizeof(float));
		memcpy(d->rows[1] + n * dim, d->data.side[ITR_IMAGE].rows + row[1] * dim, (size_t)dim * sizeof(float));
		d->known[n++] = i;
	}
	return n;
}

static itr_var *divergence(struct distill *d, itr_step *s, itr_var *const teacher[2], itr_var *const model[2], int from)
{
	itr_var *p = itr_scores(s->tape, teacher[from], teacher[!from], NULL, 1 / d->temperature, ITR_LOG_SCALE_CEILING);
	return itr_kl(s->tape, p, itr_step_scores(s, model[from], model[!from]), NULL);
}

static itr_var *term(void *self, itr_step *s)
{
	struct distill *d = self;
	itr_tape *t = s->tape;
	const int64_t n = take_known(d, &s->batch), shape[] = { n, d->data.side[ITR_TEXT].dim };
	itr_var *teacher[2], *model[2];
	if (n < 2)
		return NULL;
	for (int side = 0; side < 2; side++) {
		teacher[side] = itr_input(t, 2, shape, d->rows[side]);
		model[side] = n == s->batch.n ? s->pooled[side] : itr_gather(t, s->pooled[side], d->known, n);
	}
	itr_var *loss = divergence(d, s, teacher, model, 0);
	if (itr_trainer_opts(s->trainer)->symmetric)
		loss = itr_scale(t, itr_add(t, loss, divergence(d, s, teacher, model, 1)), 0.5);
	return itr_scale(t, loss, d->weight);
}

static void release(void *self)
{
	struct distill *d = self;
	itr_embeddings_free(&d->data);
	free(d->text_row);
	free(d->image_row);
	free(d->known);
	itr_aligned_free(d->rows[0]);
	itr_aligned_free(d->rows[1]);
}

static const char *input(const void *self) { return ((const struct distill *)self)->teacher; }

const itr_objective itr_objective_distill = {
	.name = "distill", .summary = "similarities follow a teacher's", .size = sizeof(struct distill), .defaults = &defaults,
	.options = options, .input = input, .build = build, .term = term, .release = release,
};
