#include "train/validate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "retrieval/metrics.h"
#include "tensor/rows.h"

/* Rows of x by number, packed. */
static float *rows_of(const float *x, int64_t dim, const int64_t *rows, int64_t n)
{
	float *y = itr_aligned_alloc((size_t)(n * dim) * sizeof *y);
	for (int64_t i = 0; i < n; i++)
		memcpy(y + i * dim, x + rows[i] * dim, (size_t)dim * sizeof *y);
	return y;
}

/* The loss over embeddings that are already made: a tape of losses alone, batch by batch. */
static double mean_loss(const itr_model *m, const float *text, const float *image, const int64_t *position, int64_t n, int64_t dim, const itr_train_opts *o, const itr_loss_ops *loss)
{
	itr_tape *t = itr_tape_new(&(itr_tape_opts){ .threads = o->threads, .inference = true });
	float *partner = itr_aligned_alloc((size_t)(o->val_batch * dim) * sizeof *partner);
	double sum = 0;
	for (int64_t i = 0; i < n; i += o->val_batch) {
		const int64_t b = ITR_MIN(o->val_batch, n - i);
		for (int64_t k = 0; k < b; k++)
			memcpy(partner + k * dim, image + position[i + k] * dim, (size_t)dim * sizeof *partner);
		itr_tape_reset(t, 0);
		itr_loss_opts lo = { m->log_scale ? itr_leaf(t, m->log_scale) : NULL, 1 / m->config.temperature, o->positives, o->symmetric, position + i };
		itr_var *v = loss->value(t, itr_input(t, 2, (int64_t[]){ b, dim }, text + i * dim), itr_input(t, 2, (int64_t[]){ b, dim }, partner), &lo);
		sum += (double)b * itr_var_item(t, v);
	}
	itr_aligned_free(partner);
	itr_tape_free(t);
	return sum / (double)n;
}

static double mean_cosine(const float *text, const float *image, const int64_t *position, int64_t n, int64_t dim)
{
	double sum = 0;
	for (int64_t i = 0; i < n; i++) {
		const float *a = text + i * dim, *b = image + position[i] * dim;
		double s = 0;
		for (int64_t k = 0; k < dim; k++)
			s += (double)a[k] * (double)b[k];
		sum += s;
	}
	return sum / (double)n;
}

static void retrieval(const float *text, int64_t n, const float *image, int64_t n_images, const int64_t *position, int64_t dim, int threads, double value[ITR_VAL_COUNT])
{
	itr_relevance *t2i = itr_relevance_from_map(n, n_images, position), *i2t = itr_relevance_invert(t2i);
	itr_ranks *rt, *ri;
	itr_metric_set set;
	itr_metric_result r[2];
	static const char *const keys[] = { "recall@1", "recall@5", "recall@10", "mrr" };
	itr_metric_set_default(&set, (int64_t[]){ 1, 5, 10 }, 3, 10);
	itr_rank_both(text, n, image, n_images, dim, t2i, i2t, false, threads, &rt, &ri);
	itr_metrics(rt, &set, ITR_TIES_EXPECTED, &r[0]);
	itr_metrics(ri, &set, ITR_TIES_EXPECTED, &r[1]);
	for (int d = 0; d < 2; d++)
		for (int k = 0; k < 4; k++)
			value[(d ? ITR_VAL_I2T_R1 : ITR_VAL_T2I_R1) + k] = r[d].value[itr_metric_find(&set, keys[k])];
	value[ITR_VAL_MEAN_R10] = 0.5 * (value[ITR_VAL_T2I_R10] + value[ITR_VAL_I2T_R10]);
	itr_ranks_free(rt);
	itr_ranks_free(ri);
	itr_relevance_free(t2i);
	itr_relevance_free(i2t);
}

void itr_validate_vectors(const float *text, int64_t n, const float *image, int64_t n_images, const int64_t *position, int64_t dim, int threads, double value[ITR_VAL_COUNT])
{
	value[ITR_VAL_COSINE] = mean_cosine(text, image, position, n, dim);
	retrieval(text, n, image, n_images, position, dim, threads, value);
}

void itr_validate(const itr_model *m, const itr_pair_data *d, const int64_t *texts, int64_t n, const itr_train_opts *o, const itr_loss_ops *loss, double value[ITR_VAL_COUNT])
{
	for (int i = 0; i < ITR_VAL_COUNT; i++)
		value[i] = NAN;
	if (n == 0)
		return;
	const int64_t dim = itr_model_embed_dim(m);
	int64_t *position, n_images;
	int64_t *images = itr_pair_data_images(d, texts, n, &position, &n_images);
	float *x = rows_of(d->text, d->text_dim, texts, n), *text = itr_aligned_alloc((size_t)(n * dim) * sizeof *text);
	itr_model_encode(m, false, x, n, text, false, o->threads);
	itr_aligned_free(x);
	x = rows_of(d->image, d->image_dim, images, n_images);
	float *image = itr_aligned_alloc((size_t)(n_images * dim) * sizeof *image);
	itr_model_encode(m, true, x, n_images, image, false, o->threads);
	itr_aligned_free(x);
	value[ITR_VAL_LOSS] = mean_loss(m, text, image, position, n, dim, o, loss);
	itr_rows_normalize(text, n, dim, o->threads);
	itr_rows_normalize(image, n_images, dim, o->threads);
	itr_validate_vectors(text, n, image, n_images, position, dim, o->threads, value);
	itr_aligned_free(text);
	itr_aligned_free(image);
	free(position);
	free(images);
}
