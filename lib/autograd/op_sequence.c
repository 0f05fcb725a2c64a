/* attention, segment_mean, segment_weighted and segment_max over packed sequences: sequence s is rows start[s] .. start[s+1]-1. */
#include <math.h>
#include <string.h>

#include "autograd/op_util.h"
#include "autograd/ops.h"
#include "base/parallel.h"
#include "base/scratch.h"
#include "tensor/attention.h"

static bool covers(const itr_node *n, int64_t rows)
{
	if (n->n_index < 1 || n->index[0] != 0 || n->index[n->n_index - 1] != rows)
		return false;
	for (int64_t s = 0; s + 1 < n->n_index; s++)
		if (n->index[s + 1] < n->index[s])
			return false;
	return true;
}

/* --- attention: attr.i = heads, causal. saved = log-sum-exp of each row's scores, heads x N ------------------------------------------- */
static void attention_shape(itr_node *n)
{
	const itr_var *x = n->in[0];
	const int64_t heads = n->attr.i[0];
	if (!x || x->rank != 2 || heads < 1 || x->shape[1] % (3 * heads) || !covers(n, x->shape[0]))
		itr_shape_bug(n, "qkv (N, 3 D) with D a multiple of heads, and sequences that cover its rows");
	itr_shape_set(n, 2, (int64_t[]){ x->shape[0], x->shape[1] / 3 });
	n->saved_count = x->shape[0] * heads;
}

/* Two products, of which a causal one needs half. */
static double attention_flops(const itr_node *n)
{
	double pairs = 0;
	for (int64_t s = 0; s + 1 < n->n_index; s++) {
		const double l = (double)(n->index[s + 1] - n->index[s]);
		pairs += n->attr.i[1] ? l * (l + 1) / 2 : l * l;
	}
	return 4 * pairs * (double)n->out->shape[1];
}

/* Head h of sequence s; *r0: the sequence's first row. */
static itr_attention_head head_of(const itr_node *n, int64_t piece, int64_t *r0, int64_t *h)
{
	const int64_t s = piece / n->attr.i[0], d_out = n->out->shape[1], d = d_out / n->attr.i[0];
	*h = piece % n->attr.i[0];
	*r0 = n->index[s];
	const float *q = itr_in(n, 0) + *r0 * 3 * d_out + *h * d;
	return (itr_attention_head){ n->index[s + 1] - *r0, d, q, q + d_out, q + 2 * d_out, 3 * d_out, n->attr.i[1] != 0, 0, 0 };
}

/* Pieces of work for each head of each sequence, with scratch for the longest a worker. */
struct heads {
	itr_node *n;
	float *scratch;
	int64_t scratch_count;
};

static void each_head(itr_node *n, int64_t (*scratch)(int64_t rows, int64_t dim), void (*fn)(void *ctx, int64_t piece, int worker))
{
	int64_t longest = 1;
	for (int64_t s = 0; s + 1 < n->n_index; s++)
		longest = ITR_MAX(longest, n->index[s + 1] - n->index[s]);
	struct heads q = { n, NULL, scratch(longest, n->out->shape[1] / n->attr.i[0]) };
	q.scratch = itr_scratch_take((size_t)(q.scratch_count * n->threads) * sizeof(float));
	itr_parallel_for(n->out->count < 1 << 12 ? 1 : n->threads, (n->n_index - 1) * n->attr.i[0], fn, &q);
	itr_scratch_give(q.scratch);
}

static void attention_piece(void *ctx, int64_t piece, int worker)
{
	const struct heads *q = ctx;
	itr_node *n = q->n;
	int64_t r0, h;
	const itr_attention_head a = head_of(n, piece, &r0, &h);
	itr_attention_forward(&a, itr_out(n) + r0 * n->out->shape[1] + h * a.dim, n->out->shape[1],
	                      (float *)n->saved + h * n->out->shape[0] + r0, q->scratch + worker * q->scratch_count);
}

static void attention_forward(itr_node *n) { each_head(n, itr_attention_scratch, attention_piece); }

static void attention_back_piece(void *ctx, int64_t piece, int worker)
{
	const struct heads *q = ctx;
	itr_node *n = q->n;
	int64_t r0, h;
	const itr_attention_head a = head_of(n, piece, &r0, &h);
	const int64_t d_out = n->out->shape[1], at = r0 * d_out + h * a.dim;
	float *d = itr_din(n, 0) + r0 * a.ld + h * a.dim;
	for (int64_t i = 0; n->attr.f[3] == 0 && i < a.rows; i++)
		for (int part = 0; part < 3; part++)
			memset(d + i * a.ld + part * d_out, 0, (size_t)a.dim * sizeof *d);
	itr_attention_backward(&a, itr_out(n) + at, itr_dout(n) + at, d_out, (float *)n->saved + h * n->out->shape[0] + r0, d, d + d_out,
	                       d + 2 * d_out, q->scratch + worker * q->scratch_count);
}

static void attention_backward(itr_node *n)
{
	if (!itr_din(n, 0))
		return;
	n->attr.f[3] = itr_grad_beta(n, 0);
	each_head(n, itr_attention_backward_scratch, attention_back_piece);
}

/* Row i of a head: probabilities to p, in double. */
static int64_t ref_row(const itr_node *n, int64_t s, int64_t h, int64_t i, double *p)
{
	const int64_t D = n->out->shape[1], d = D / n->attr.i[0], r0 = n->index[s], seen = n->attr.i[1] ? i + 1 : n->index[s + 1] - r0;
	const double *x = itr_in64(n, 0);
	double top = -INFINITY, sum = 0;
	for (int64_t j = 0; j < seen; j++) {
		p[j] = 0;
		for (int64_t l = 0; l < d; l++)
			p[j] += x[(r0 + i) * 3 * D + h * d + l] * x[(r0 + j) * 3 * D + D + h * d + l] / sqrt((double)d);
		top = fmax(top, p[j]);
	}
	for (int64_t j = 0; j < seen; j++)
		sum += p[j] = exp(p[j] - top);
	for (int64_t j = 0; j < seen; j++)
		p[j] /= sum;
	return seen;
}

/* fn for every row of every head and sequence; p is as long as the longest sequence (the saved block serves). */
static void ref_rows(itr_node *n, bool back)
{
	const int64_t D = n->out->shape[1], d = D / n->attr.i[0];
	const double *x = itr_in64(n, 0), *g = back ? itr_dout64(n) : NULL;
	double *p = n->saved, *dx = back ? itr_ref_grad(n, 0) : NULL;
	for (int64_t s = 0; s + 1 < n->n_index; s++)
		for (int64_t h = 0; h < n->attr.i[0]; h++)
			for (int64_t i = 0; i < n->index[s + 1] - n->index[s]; i++) {
				const int64_t r0 = n->index[s], seen = ref_row(n, s, h, i, p), at = (r0 + i) * D + h * d;
				double dot = 0;
				if (!back)
					memset(itr_out64(n) + at, 0, (size_t)d * sizeof(double));
				for (int64_t j = 0; j < seen; j++)
					for (int64_t l = 0; l < d; l++) {
						const double v = x[(r0 + j) * 3 * D + 2 * D + h * d + l];
						if (back)
							dot += p[j] * v * g[at + l];
						else
							itr_out64(n)[at + l] += p[j] * v;
					}
				for (int64_t j = 0; dx && j < seen; j++) {
					double dp = 0;
					for (int64_t l = 0; l < d; l++)
						dp += g[at + l] * x[(r0 + j) * 3 * D + 2 * D + h * d + l];
					for (int64_t l = 0; l < d; l++) {
						const int64_t qi = (r0 + i) * 3 * D + h * d + l, kj = (r0 + j) * 3 * D + D + h * d + l;
						dx[qi] += p[j] * (dp - dot) * x[kj] / sqrt((double)d);
						dx[kj] += p[j] * (dp - dot) * x[qi] / sqrt((double)d);
						dx[kj + D] += p[j] * g[at + l];
					}
				}
			}
}

static void attention_ref_forward(itr_node *n) { ref_rows(n, false); }
static void attention_ref_backward(itr_node *n) { ref_rows(n, true); }

static itr_var *attention_sample(itr_case *c, int which)
{
	static const int64_t start[][5] = {
		{ 0, 3, 3, 4, 9 }, { 0, 0, 5, 7, 9 }, { 0, 1, 2, 8, 9 }, { 0, 37, 40, 41, 41 }, { 0, 2, 2, 36, 41 }
	};
	if (which >= ITR_LEN(start))
		return NULL;
	const int64_t heads = itr_case_int(c, 1, 3), d = itr_case_int(c, 1, 5);
	return itr_attention(c->tape, itr_case_input(c, 2, (int64_t[]){ start[which][4], 3 * heads * d }, 1, 0), start[which], 4, heads,
	                     which % 2 == 1);
}

const itr_op itr_op_attention = { "attention",
	                          1,
	                          0,
	                          attention_shape,
	                          attention_forward,
	                          attention_backward,
	                          attention_ref_forward,
	                          attention_ref_backward,
	                          attention_flops,
	                          attention_sample };

itr_var *itr_attention(itr_tape *t, itr_var *qkv, const int64_t *start, int64_t n, int64_t heads, bool causal)
{
	itr_var *in[] = { qkv };
	return itr_apply(t, &itr_op_attention, in, 1, &(itr_attr){ .i = { heads, causal } }, start, n + 1, NULL);
}

/* --- segment_mean --------------------------------------------------------------------------------------------------------------------- */
static void mean_shape(itr_node *n)
{
	if (!n->in[0] || n->in[0]->rank != 2 || !covers(n, n->in[0]->shape[0]))
		itr_shape_bug(n, "x (N, D) and sequences that cover its rows");
	itr_shape_set(n, 2, (int64_t[]){ n->n_index - 1, n->in[0]->shape[1] });
}

#define MEAN(real, begin, end) \
	for (int64_t s = begin; s < end; s++) { \
		const int64_t d = n->out->shape[1], r0 = n->index[s], r1 = n->index[s + 1]; \
		const real *x = (const real *)n->in[0]->data, inverse = r1 > r0 ? 1 / (real)(r1 - r0) : 0; \
		real *y = (real *)n->out->data + s * d; \
		for (int64_t j = 0; j < d; j++) \
			y[j] = 0; \
		for (int64_t r = r0; r < r1; r++) \
			for (int64_t j = 0; j < d; j++) \
				y[j] += x[r * d + j]; \
		for (int64_t j = 0; j < d; j++) \
			y[j] *= inverse; \
	}

ITR_CLONES static void mean_piece(itr_node *n, int64_t begin, int64_t end) { MEAN(float, begin, end) }
static void mean_forward(itr_node *n) { itr_node_chunks(n, n->n_index - 1, 1, mean_piece); }
static void mean_ref_forward(itr_node *n) { MEAN(double, 0, n->n_index - 1) }

#define MEAN_BACK(real, gradient) \
	real *dx = gradient(n, 0); \
	const int64_t d = n->out->shape[1]; \
	for (int64_t s = 0; dx && s + 1 < n->n_index; s++) \
		for (int64_t r = n->index[s]; r < n->index[s + 1]; r++) \
			for (int64_t j = 0; j < d; j++) \
				dx[r * d + j] += ((const real *)n->out->grad)[s * d + j] / (real)(n->index[s + 1] - n->index[s]);

static void mean_backward(itr_node *n) { MEAN_BACK(float, itr_zeroed_grad) }
static void mean_ref_backward(itr_node *n) { MEAN_BACK(double, itr_ref_grad) }

static itr_var *mean_sample(itr_case *c, int which)
{
	static const int64_t start[][5] = { { 0, 3, 3, 4, 9 }, { 0, 9, 9, 9, 9 } };
	return which < 2 ? itr_segment_mean(c->tape, itr_case_input(c, 2, (int64_t[]){ 9, itr_case_int(c, 1, 20) }, 1, 0), start[which], 4)
	                 : NULL;
}

const itr_op itr_op_segment_mean = { "segment_mean",
	                             1,
	                             ITR_OP_UNSAVED_IN0 | ITR_OP_UNSAVED_OUT,
	                             mean_shape,
	                             mean_forward,
	                             mean_backward,
	                             mean_ref_forward,
	                             mean_ref_backward,
	                             NULL,
	                             mean_sample };

itr_var *itr_segment_mean(itr_tape *t, itr_var *x, const int64_t *start, int64_t n)
{
	itr_var *in[] = { x };
	return itr_apply(t, &itr_op_segment_mean, in, 1, NULL, start, n + 1, NULL);
}

/* --- segment_weighted: attr.i = itr_segment_weights, place of a sequence's first row. Rows of one sequence are added in order. -------- */
#define ROW_WEIGHT(real, r)                                                                                                                \
	(n->attr.i[0] == ITR_WEIGHTS_SQRT ? 1 / (real)ITR_ROOT_##real((real)(r1 - r0)) : (real)((r)-r0 + n->attr.i[1] + 1) / total)
#define ITR_ROOT_float(x) sqrtf(x)
#define ITR_ROOT_double(x) sqrt(x)
#define TOTAL(real) \
	real total = 0; \
	for (int64_t r = r0; r < r1; r++) \
		total += (real)(r - r0 + n->attr.i[1] + 1);

#define WEIGHTED(real, begin, end) \
	for (int64_t s = begin; s < end; s++) { \
		const int64_t d = n->out->shape[1], r0 = n->index[s], r1 = n->index[s + 1]; \
		const real *x = (const real *)n->in[0]->data; \
		real *y = (real *)n->out->data + s * d; \
		TOTAL(real) \
		for (int64_t j = 0; j < d; j++) \
			y[j] = 0; \
		for (int64_t r = r0; r < r1; r++) { \
			const real weight = ROW_WEIGHT(real, r); \
			for (int64_t j = 0; j < d; j++) \
				y[j] += weight * x[r * d + j]; \
		} \
	}

static void weighted_piece(itr_node *n, int64_t begin, int64_t end) { WEIGHTED(float, begin, end) }
static void weighted_forward(itr_node *n) { itr_node_chunks(n, n->n_index - 1, 1, weighted_piece); }
static void weighted_ref_forward(itr_node *n) { WEIGHTED(double, 0, n->n_index - 1) }

#define WEIGHTED_BACK(real, gradient) \
	real *dx = gradient(n, 0); \
	const int64_t d = n->out->shape[1]; \
	for (int64_t s = 0; dx && s + 1 < n->n_index; s++) { \
		const int64_t r0 = n->index[s], r1 = n->index[s + 1]; \
		TOTAL(real) \
		for (int64_t r = r0; r < r1; r++) { \
			const real weight = ROW_WEIGHT(real, r); \
			for (int64_t j = 0; j < d; j++) \
				dx[r * d + j] += weight * ((const real *)n->out->grad)[s * d + j]; \
		} \
	}

static void weighted_backward(itr_node *n) { WEIGHTED_BACK(float, itr_zeroed_grad) }
static void weighted_ref_backward(itr_node *n) { WEIGHTED_BACK(double, itr_ref_grad) }

static itr_var *weighted_sample(itr_case *c, int which)
{
	static const int64_t start[] = { 0, 3, 3, 4, 9 };
	return which < 3 ? itr_segment_weighted(c->tape, itr_case_input(c, 2, (int64_t[]){ 9, itr_case_int(c, 1, 20) }, 1, 0), start, 4,
	                                        which ? ITR_WEIGHTS_PLACE : ITR_WEIGHTS_SQRT, which == 2 ? 5 : 0)
	                 : NULL;
}

const itr_op itr_op_segment_weighted = { "segment_weighted",
	                                 1,
	                                 ITR_OP_UNSAVED_IN0 | ITR_OP_UNSAVED_OUT,
	                                 mean_shape,
	                                 weighted_forward,
	                                 weighted_backward,
	                                 weighted_ref_forward,
	                                 weighted_ref_backward,
	                                 NULL,
	                                 weighted_sample };

itr_var *itr_segment_weighted(itr_tape *t, itr_var *x, const int64_t *start, int64_t n, itr_segment_weights weights, int64_t first)
{
	itr_var *in[] = { x };
	return itr_apply(t, &itr_op_segment_weighted, in, 1, &(itr_attr){ .i = { weights, first } }, start, n + 1, NULL);
}

/* --- segment_max ---------------------------------------------------------------------------------------------------------------------- */
#define MAXIMUM(real, begin, end) \
	for (int64_t s = begin; s < end; s++) { \
		const int64_t d = n->out->shape[1]; \
		const real *x = (const real *)n->in[0]->data; \
		real *y = (real *)n->out->data + s * d; \
		for (int64_t j = 0; j < d; j++) \
			y[j] = -(real)INFINITY; \
		for (int64_t r = n->index[s]; r < n->index[s + 1]; r++) \
			for (int64_t j = 0; j < d; j++) \
				y[j] = x[r * d + j] > y[j] ? x[r * d + j] : y[j]; \
	}

ITR_CLONES static void max_piece(itr_node *n, int64_t begin, int64_t end) { MAXIMUM(float, begin, end) }
static void max_forward(itr_node *n) { itr_node_chunks(n, n->n_index - 1, 1, max_piece); }
static void max_ref_forward(itr_node *n) { MAXIMUM(double, 0, n->n_index - 1) }

/* Of equal maxima the first gets the gradient. */
#define MAXIMUM_BACK(real, gradient) \
	real *dx = gradient(n, 0); \
	const real *x = (const real *)n->in[0]->data; \
	const int64_t d = n->out->shape[1]; \
	for (int64_t s = 0; dx && s + 1 < n->n_index; s++) \
		for (int64_t j = 0; j < d; j++) { \
			int64_t best = n->index[s]; \
			for (int64_t r = best + 1; r < n->index[s + 1]; r++) \
				best = x[r * d + j] > x[best * d + j] ? r : best; \
			if (best < n->index[s + 1]) \
				dx[best * d + j] += ((const real *)n->out->grad)[s * d + j]; \
		}

static void max_backward(itr_node *n) { MAXIMUM_BACK(float, itr_zeroed_grad) }
static void max_ref_backward(itr_node *n) { MAXIMUM_BACK(double, itr_ref_grad) }

static itr_var *max_sample(itr_case *c, int which)
{
	static const int64_t start[][5] = { { 0, 3, 4, 8, 9 }, { 0, 5, 7, 8, 9 } };
	return which < 2 ? itr_segment_max(c->tape, itr_case_input(c, 2, (int64_t[]){ 9, itr_case_int(c, 1, 20) }, 1, 0), start[which], 4)
	                 : NULL;
}

const itr_op itr_op_segment_max = { "segment_max",    1,    ITR_OP_UNSAVED_OUT, mean_shape, max_forward, max_backward, max_ref_forward,
	                            max_ref_backward, NULL, max_sample };

itr_var *itr_segment_max(itr_tape *t, itr_var *x, const int64_t *start, int64_t n)
{
	itr_var *in[] = { x };
	return itr_apply(t, &itr_op_segment_max, in, 1, NULL, start, n + 1, NULL);
}
