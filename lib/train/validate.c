#include "train/validate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/scratch.h"
#include "retrieval/metrics.h"
#include "retrieval/rank.h"
#include "tensor/rows.h"
#include "train/internal.h"

const itr_val_metric itr_val_metrics[ITR_VAL_COUNT] = {
	[ITR_VAL_LOSS] = { "val_loss", false },
	[ITR_VAL_COSINE] = { "val_cosine", true },
	[ITR_VAL_T2I_R1] = { "val_t2i_recall_at_1", true },
	[ITR_VAL_T2I_R5] = { "val_t2i_recall_at_5", true },
	[ITR_VAL_T2I_R10] = { "val_t2i_recall_at_10", true },
	[ITR_VAL_T2I_MRR] = { "val_t2i_mrr", true },
	[ITR_VAL_I2T_R1] = { "val_i2t_recall_at_1", true },
	[ITR_VAL_I2T_R5] = { "val_i2t_recall_at_5", true },
	[ITR_VAL_I2T_R10] = { "val_i2t_recall_at_10", true },
	[ITR_VAL_I2T_MRR] = { "val_i2t_mrr", true },
	[ITR_VAL_MEAN_R10] = { "val_mean_recall_at_10", true },
};

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
static void retrieval(itr_ranks *const ranks[2], double value[ITR_VAL_COUNT])
{
	itr_metric_set set;
	itr_metric_result r[2];
	static const char *const keys[] = { "recall@1", "recall@5", "recall@10", "mrr" };
	itr_metric_set_default(&set, (int64_t[]){ 1, 5, 10 }, 3, 10);
	for (int d = 0; d < 2; d++) {
		itr_metrics(ranks[d], &set, ITR_TIES_EXPECTED, &r[d]);
		for (int k = 0; k < 4; k++)
			value[(d ? ITR_VAL_I2T_R1 : ITR_VAL_T2I_R1) + k] = r[d].value[itr_metric_find(&set, keys[k])];
		itr_ranks_free(ranks[d]);
	}
	value[ITR_VAL_MEAN_R10] = 0.5 * (value[ITR_VAL_T2I_R10] + value[ITR_VAL_I2T_R10]);
}

void itr_validate_vectors(const float *text, int64_t n, const float *image, int64_t n_images, const int64_t *position, int64_t dim,
                          int threads, double value[ITR_VAL_COUNT])
{
	itr_relevance *t2i = itr_relevance_from_map(n, n_images, position), *i2t = itr_relevance_invert(t2i);
	itr_ranks *ranks[2];
	value[ITR_VAL_COSINE] = cosine_sum(text, image, position, n, dim) / (double)n;
	itr_rank_rows(text, n, image, n_images, dim, (const itr_relevance *[]){ t2i, i2t }, &(itr_rank_opts){ .threads = threads }, ranks);
	retrieval(ranks, value);
	itr_relevance_free(t2i);
	itr_relevance_free(i2t);
}

/* --- a model on stored pairs: memory of the images and of one block of texts, however many texts there are ---------------------------- */

enum { BLOCK_BYTES = 4 << 20 };

struct validation {
	const itr_trainer *r;
	itr_tape *tape;
	const int64_t *texts;
	int64_t *images, *position, n_images, dim;
	itr_err *err;
	float *y, *partner;             /* a block of texts, embedded; a batch of their images */
	float *raw, *image;             /* embedded images as they come (NULL where the model takes them as they are), and of unit length */
	bool *bad;                      /* set when an embedding is not finite: the ranks of NaN would look like perfect ones */
};

/* Embeds rows of the data into y. */
static int embed(const struct validation *v, bool image, const int64_t *rows, int64_t n, float *y)
{
	itr_source *source = v->r->source[image];
	const int64_t part = itr_source_part(source);
	for (int64_t i = 0; i < n; i += part) {
		const int64_t b = ITR_MIN(part, n - i);
		itr_tape_reset(v->tape, 0);
		itr_var *x = itr_source_rows(source, v->tape, rows + i, b, v->err);
		if (!x)
			return -1;
		x = image ? itr_model_image(v->tape, v->r->model, x) : itr_model_text(v->tape, v->r->model, x);
		memcpy(y + i * v->dim, x->data, (size_t)(b * v->dim) * sizeof *y);
		*v->bad = *v->bad || itr_first_not_finite(x->data, b * v->dim) >= 0;
	}
	return 0;
}

/* Adds the loss of texts first .. first+n-1, which are embedded in y, times n. */
static int add_loss(const struct validation *v, const float *y, int64_t first, int64_t n, double *loss)
{
	const int64_t shape[] = { n, v->dim };
	for (int64_t k = 0; k < n; k++) {
		const int64_t position = v->position[first + k];
		if (v->raw)
			memcpy(v->partner + k * v->dim, v->raw + position * v->dim, (size_t)v->dim * sizeof *y);
		else if (itr_embeddings_read(v->r->data, ITR_IMAGE, &v->images[position], 1, v->partner + k * v->dim, v->err) < 0)
			return -1;
	}
	itr_tape_reset(v->tape, 0);
	itr_var *text = itr_input(v->tape, 2, shape, y), *image = itr_input(v->tape, 2, shape, v->partner);
	*loss += (double)n * itr_var_item(v->tape, itr_trainer_loss(v->r, v->tape, text, image, v->position + first));
	return 0;
}

static int embed_images(struct validation *v)
{
	const size_t bytes = (size_t)(v->n_images * v->dim) * sizeof *v->image;
	v->image = itr_aligned_alloc(bytes);
	if (embed(v, true, v->images, v->n_images, v->image) < 0)
		return -1;
	v->raw = v->r->model->ops->image ? memcpy(itr_aligned_alloc(bytes), v->image, bytes) : NULL;
	itr_rows_normalize(v->image, v->n_images, v->dim, v->r->opts->threads);
	return 0;
}

/* Texts pass twice: a rank can be counted once the scores of all positives are known. One block is embedded once. */
struct rounds { const struct validation *v; int64_t n, block; double loss, cosine; };

static int read_block(void *ctx, int round, int64_t first, int64_t n, const float **rows, itr_err *err)
{
	struct rounds *r = ctx;
	const struct validation *v = r->v;
	(void)err;                                      /* v->err is the same */
	if (round == 1 && first == 0)
		itr_scratch_release();                  /* what the loss's products took */
	if (round == 0 || r->n > r->block) {
		if (embed(v, false, v->texts + first, n, v->y) < 0)
			return -1;
		for (int64_t k = 0; round == 0 && k < n; k += v->r->opts->val_batch)
			if (add_loss(v, v->y + k * v->dim, first + k, ITR_MIN(v->r->opts->val_batch, n - k), &r->loss) < 0)
				return -1;
		itr_rows_normalize(v->y, n, v->dim, v->r->opts->threads);
	}
	if (round == 0)
		r->cosine += cosine_sum(v->y, v->image, v->position + first, n, v->dim);
	*rows = v->y;
	return 0;
}

static int both_rounds(const struct validation *v, int64_t n, int64_t block, double value[ITR_VAL_COUNT])
{
	itr_relevance *t2i = itr_relevance_from_map(n, v->n_images, v->position), *i2t = itr_relevance_invert(t2i);
	struct rounds r = { .v = v, .n = n, .block = block };
	itr_score_source *s = itr_score_blocks(n, block, read_block, &r, v->image, v->n_images, v->dim);
	itr_ranks *ranks[2];
	int rc =
		itr_rank_count(s, (const itr_relevance *[]){ t2i, i2t }, &(itr_rank_opts){ .threads = v->r->opts->threads }, ranks, v->err);
	if (rc == 0) {
		retrieval(ranks, value);
		value[ITR_VAL_LOSS] = r.loss / (double)n;
		value[ITR_VAL_COSINE] = r.cosine / (double)n;
	}
	for (int i = 0; *v->bad && i < ITR_VAL_COUNT; i++)
		value[i] = NAN;
	itr_score_source_free(s);
	itr_relevance_free(t2i);
	itr_relevance_free(i2t);
	return rc;
}

/* What the tape multiplies by while it validates. */
static itr_compute begin(const itr_trainer *r)
{
	const itr_compute compute = itr_tape_compute(r->tape);
	itr_tape_set_inference(r->tape, true);
	itr_tape_set_compute(r->tape, ITR_COMPUTE_F32);
	return compute;
}

static void end(const itr_trainer *r, itr_compute compute)
{
	itr_tape_set_compute(r->tape, compute);
	itr_tape_set_inference(r->tape, false);
}

int itr_validate_finite(const itr_trainer *r, itr_err *err)
{
	enum { FEW = 32 };
	const int64_t n = ITR_MIN(r->n_train, (int64_t)FEW);
	bool bad = false;
	struct validation v = { .r = r, .bad = &bad, .err = err, .tape = r->tape, .dim = itr_model_embed_dim(r->model) };
	const itr_compute compute = begin(r);
	int64_t *position, n_images, *images = itr_row_table_images_of(&r->data->table, r->train, n, &position, &n_images);
	float *y = itr_aligned_alloc((size_t)(ITR_MAX(n, (int64_t)1) * v.dim) * sizeof *y);
	/* no more images than texts */
	const int rc = embed(&v, false, r->train, n, y) < 0 || embed(&v, true, images, n_images, y) < 0 ? -1 : 0;
	end(r, compute);
	itr_aligned_free(y);
	free(position);
	free(images);
	return rc < 0 ? -1 : bad;
}

int itr_validate(const itr_trainer *r, double value[ITR_VAL_COUNT], itr_err *err)
{
	const int64_t n = r->n_val, batch = ITR_MIN(r->opts->val_batch, n);
	bool bad = false;
	for (int i = 0; i < ITR_VAL_COUNT; i++)
		value[i] = NAN;
	if (n == 0)
		return 0;
	struct validation v = { .r = r, .bad = &bad, .err = err, .tape = r->tape, .texts = r->val, .dim = itr_model_embed_dim(r->model) };
	const int64_t fit = (int64_t)BLOCK_BYTES / (int64_t)sizeof(float) / v.dim, few = ITR_MAX(fit / batch, (int64_t)1) * batch;
	const int64_t block =
		itr_source_is_tower(r->source[0]) ? n : few; /* a tower's texts are dear: all are kept rather than embedded twice */
	const itr_compute compute = begin(r);
	v.images = itr_row_table_images_of(&r->data->table, r->val, n, &v.position, &v.n_images);
	v.y = itr_aligned_alloc((size_t)(ITR_MIN(block, n) * v.dim) * sizeof *v.y);
	v.partner = itr_aligned_alloc((size_t)(batch * v.dim) * sizeof *v.partner);
	int rc = embed_images(&v);
	if (rc == 0 && !bad)
		rc = both_rounds(&v, n, block, value);
	float *blocks[] = { v.y, v.partner, v.raw, v.image };
	for (int i = 0; i < ITR_LEN(blocks); i++)
		itr_aligned_free(blocks[i]);
	free(v.position);
	free(v.images);
	end(r, compute);
	return rc < 0 ? -1 : bad;
}
