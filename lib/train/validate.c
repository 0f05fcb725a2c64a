#include "train/validate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/scratch.h"
#include "retrieval/metrics.h"
#include "tensor/rows.h"

static double cosine_sum(const float *text, const float *image, const int64_t *position, int64_t n, int64_t dim)
{
	double sum = 0;
	for (int64_t i = 0; i < n; i++) {
		const float *a = text + i * dim, *b = image + position[i] * dim;
		double s = 0;
		for (int64_t k = 0; k < dim; k++)
			s += (double)a[k] * (double)b[k];
		sum += s;
	}
	return sum;
}

/* Recalls and MRR of both directions; the ranks are freed. */
static void retrieval(itr_ranks *t2i, itr_ranks *i2t, double value[ITR_VAL_COUNT])
{
	itr_metric_set set;
	itr_metric_result r[2];
	static const char *const keys[] = { "recall@1", "recall@5", "recall@10", "mrr" };
	itr_metric_set_default(&set, (int64_t[]){ 1, 5, 10 }, 3, 10);
	itr_metrics(t2i, &set, ITR_TIES_EXPECTED, &r[0]);
	itr_metrics(i2t, &set, ITR_TIES_EXPECTED, &r[1]);
	for (int d = 0; d < 2; d++)
		for (int k = 0; k < 4; k++)
			value[(d ? ITR_VAL_I2T_R1 : ITR_VAL_T2I_R1) + k] = r[d].value[itr_metric_find(&set, keys[k])];
	value[ITR_VAL_MEAN_R10] = 0.5 * (value[ITR_VAL_T2I_R10] + value[ITR_VAL_I2T_R10]);
	itr_ranks_free(t2i);
	itr_ranks_free(i2t);
}

void itr_validate_vectors(const float *text, int64_t n, const float *image, int64_t n_images, const int64_t *position, int64_t dim,
                          int threads, double value[ITR_VAL_COUNT])
{
	itr_relevance *t2i = itr_relevance_from_map(n, n_images, position), *i2t = itr_relevance_invert(t2i);
	itr_ranks *rt, *ri;
	value[ITR_VAL_COSINE] = cosine_sum(text, image, position, n, dim) / (double)n;
	itr_rank_both(text, n, image, n_images, dim, t2i, i2t, false, threads, &rt, &ri);
	retrieval(rt, ri, value);
	itr_relevance_free(t2i);
	itr_relevance_free(i2t);
}

/* --- a model on stored pairs: memory of the images and of one block of texts, however many texts there are ---------------------------- */

enum { BLOCK_BYTES = 4 << 20 };

struct validation {
	const itr_model *m;
	const itr_pair_data *d;
	const itr_train_opts *o;
	const itr_loss_ops *loss;
	const void *loss_values;
	itr_tape *tape;
	const int64_t *texts;
	int64_t *images, *position, n_images, dim;
	itr_source *const *source;
	itr_err *err;
	float *y, *partner;             /* a block of texts, embedded; a batch of their images */
	float *raw, *image;             /* embedded images as they come (NULL where the model takes them as they are), and of unit length */
	bool *bad;                      /* set when an embedding is not finite: the ranks of NaN would look like perfect ones */
};

/* Embeds rows of the data into y. */
static int embed(const struct validation *v, bool image, const int64_t *rows, int64_t n, float *y)
{
	const int64_t part = itr_source_part(v->source[image]);
	for (int64_t i = 0; i < n; i += part) {
		const int64_t b = ITR_MIN(part, n - i);
		itr_tape_reset(v->tape, 0);
		itr_var *x = itr_source_rows(v->source[image], v->tape, rows + i, b, v->err);
		if (!x)
			return -1;
		x = image ? itr_model_image(v->tape, v->m, x) : itr_model_text(v->tape, v->m, x);
		memcpy(y + i * v->dim, x->data, (size_t)(b * v->dim) * sizeof *y);
		*v->bad = *v->bad || itr_first_not_finite(x->data, b * v->dim) >= 0;
	}
	return 0;
}

static const float *raw_image(const struct validation *v, int64_t position)
{
	return v->raw ? v->raw + position * v->dim : v->d->image + v->images[position] * v->d->image_dim;
}

/* The loss of texts first .. first+n-1, which are embedded in v->y, times n. */
static double batch_loss(const struct validation *v, const float *y, int64_t first, int64_t n)
{
	const int64_t shape[] = { n, v->dim };
	for (int64_t k = 0; k < n; k++)
		memcpy(v->partner + k * v->dim, raw_image(v, v->position[first + k]), (size_t)v->dim * sizeof *y);
	itr_tape_reset(v->tape, 0);
	const itr_loss_in in = { .query = itr_input(v->tape, 2, shape, y),
		                 .target = itr_input(v->tape, 2, shape, v->partner),
		                 .group = v->position + first,
		                 .symmetric = v->o->symmetric,
		                 .log_scale = v->m->log_scale ? itr_leaf(v->tape, v->m->log_scale) : NULL,
		                 .scale = 1 / v->m->config.temperature };
	return (double)n * itr_var_item(v->tape, v->loss->value(v->loss_values, v->tape, &in));
}

static int embed_images(struct validation *v)
{
	const size_t bytes = (size_t)(v->n_images * v->dim) * sizeof *v->image;
	v->image = itr_aligned_alloc(bytes);
	if (embed(v, true, v->images, v->n_images, v->image) < 0)
		return -1;
	v->raw = v->m->ops->image ? memcpy(itr_aligned_alloc(bytes), v->image, bytes) : NULL;
	itr_rows_normalize(v->image, v->n_images, v->dim, v->o->threads);
	return 0;
}

/* Texts pass twice: a rank can be counted once the scores of all positives are known. One block is embedded once. */
static void both_rounds(const struct validation *v, int64_t n, int64_t block, double value[ITR_VAL_COUNT])
{
	itr_relevance *t2i = itr_relevance_from_map(n, v->n_images, v->position), *i2t = itr_relevance_invert(t2i);
	itr_rank_stream *s = itr_rank_stream_new(v->image, v->n_images, v->dim, t2i, i2t, v->o->threads);
	double loss = 0, cosine = 0;
	for (int64_t i = 0; i < n; i += block) {
		const int64_t b = ITR_MIN(block, n - i);
		(void)embed(v, false, v->texts + i, b, v->y);           /* captions cannot fail */
		for (int64_t k = 0; k < b; k += v->o->val_batch)
			loss += batch_loss(v, v->y + k * v->dim, i + k, ITR_MIN(v->o->val_batch, b - k));
		itr_rows_normalize(v->y, b, v->dim, v->o->threads);
		cosine += cosine_sum(v->y, v->image, v->position + i, b, v->dim);
		itr_rank_stream_positives(s, v->y, i, b);
	}
	itr_scratch_release();                          /* what the loss's products took */
	for (int64_t i = 0; i < n; i += block) {
		const int64_t b = ITR_MIN(block, n - i);
		if (n > block) {
			(void)embed(v, false, v->texts + i, b, v->y);
			itr_rows_normalize(v->y, b, v->dim, v->o->threads);
		}
		itr_rank_stream_count(s, v->y, i, b);
	}
	itr_ranks *rt, *ri;
	itr_rank_stream_end(s, &rt, &ri);
	retrieval(rt, ri, value);
	value[ITR_VAL_LOSS] = loss / (double)n;
	value[ITR_VAL_COSINE] = cosine / (double)n;
	for (int i = 0; *v->bad && i < ITR_VAL_COUNT; i++)
		value[i] = NAN;
	itr_relevance_free(t2i);
	itr_relevance_free(i2t);
}

int itr_validate_finite(const itr_model *m, const itr_pair_data *d, const int64_t *texts, int64_t n, itr_source *const source[2],
                        itr_tape *t, itr_err *err)
{
	bool bad = false;
	struct validation v = { .bad = &bad, .m = m, .d = d, .source = source, .err = err, .tape = t, .dim = itr_model_embed_dim(m) };
	const itr_compute compute = itr_tape_compute(t);
	int64_t *position, n_images, *images = itr_pair_data_images(d, texts, n, &position, &n_images);
	float *y = itr_aligned_alloc((size_t)(ITR_MAX(n, (int64_t)1) * v.dim) * sizeof *y);
	itr_tape_set_inference(t, true);
	itr_tape_set_compute(t, ITR_COMPUTE_F32);
	/* no more images than texts */
	const int rc = embed(&v, false, texts, n, y) < 0 || embed(&v, true, images, n_images, y) < 0 ? -1 : 0;
	itr_tape_set_compute(t, compute);
	itr_tape_set_inference(t, false);
	itr_aligned_free(y);
	free(position);
	free(images);
	return rc < 0 ? -1 : bad;
}

int itr_validate(const itr_model *m, const itr_pair_data *d, const int64_t *texts, int64_t n, const itr_train_opts *o,
                 const itr_loss_ops *loss, const void *loss_values, itr_source *const source[2], itr_tape *t, double value[ITR_VAL_COUNT],
                 itr_err *err)
{
	for (int i = 0; i < ITR_VAL_COUNT; i++)
		value[i] = NAN;
	if (n == 0)
		return 0;
	bool bad = false;
	struct validation v = { .bad = &bad,
		                .m = m,
		                .d = d,
		                .o = o,
		                .loss = loss,
		                .loss_values = loss_values,
		                .source = source,
		                .err = err,
		                .tape = t,
		                .texts = texts,
		                .dim = itr_model_embed_dim(m) };
	const int64_t batch = ITR_MIN(o->val_batch, n), fit = (int64_t)BLOCK_BYTES / (int64_t)sizeof(float) / v.dim,
		      few = ITR_MAX(fit / batch, (int64_t)1) * batch;
	const int64_t block =
		itr_source_is_tower(source[0]) ? n : few; /* a tower's texts are dear: all are kept rather than embedded twice */
	const itr_compute compute = itr_tape_compute(t);
	itr_tape_set_inference(t, true);
	itr_tape_set_compute(t, ITR_COMPUTE_F32);
	v.images = itr_pair_data_images(d, texts, n, &v.position, &v.n_images);
	v.y = itr_aligned_alloc((size_t)(ITR_MIN(block, n) * v.dim) * sizeof *v.y);
	v.partner = itr_aligned_alloc((size_t)(batch * v.dim) * sizeof *v.partner);
	const int rc = embed_images(&v);
	if (rc == 0 && !bad)
		both_rounds(&v, n, block, value);
	float *blocks[] = { v.y, v.partner, v.raw, v.image };
	for (int i = 0; i < ITR_LEN(blocks); i++)
		itr_aligned_free(blocks[i]);
	free(v.position);
	free(v.images);
	itr_tape_set_compute(t, compute);
	itr_tape_set_inference(t, false);
	return rc < 0 ? -1 : bad;
}
