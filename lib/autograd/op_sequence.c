/* attention and segment_mean over ragged sequences: sequence s is rows start[s] .. start[s+1]-1. */
#include <math.h>
#include <string.h>

#include "autograd/lanes.h"
#include "autograd/op_util.h"
#include "autograd/ops.h"
#include "base/parallel.h"
#include "tensor/vmath.h"

static bool covers(const itr_node *n, int64_t rows)
{
	if (n->n_index < 1 || n->index[0] != 0 || n->index[n->n_index - 1] != rows)
		return false;
	for (int64_t s = 0; s + 1 < n->n_index; s++)
		if (n->index[s + 1] < n->index[s])
			return false;
	return true;
}

/* --- attention: attr.i = heads, causal. saved = log-sum-exp of each row's scores, heads x N ------------------------------------------------- */
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

struct head {
	int64_t rows, d, ld, d_out;     /* ld: distance of rows of qkv */
	const float *q, *k, *v;
	float scale;
	bool causal;
};

static struct head head_of(const itr_node *n, int64_t piece, int64_t *r0, int64_t *h)
{
	const int64_t s = piece / n->attr.i[0], d_out = n->out->shape[1], d = d_out / n->attr.i[0];
	*h = piece % n->attr.i[0];
	*r0 = n->index[s];
	const float *q = itr_in(n, 0) + *r0 * 3 * d_out + *h * d;
	return (struct head){ n->index[s + 1] - *r0, d, 3 * d_out, d_out, q, q + d_out, q + 2 * d_out, (float)(1 / sqrt((double)d)), n->attr.i[1] != 0 };
}

enum { TILE = 64 };             /* keys at a time */

/* p[j] = scaled score of query i and key j0 + j. */
static inline __attribute__((always_inline)) void scores(const struct head *a, int64_t i, int64_t j0, int64_t n, float *p)
{
	const float *q = a->q + i * a->ld;
	for (int64_t t = 0; t < n; t++) {
		const float *k = a->k + (j0 + t) * a->ld;
		ITR_LANE_SUM(dot, a->d, q[j] * k[j]);
		p[t] = dot * a->scale;
	}
}

static inline int64_t visible(const struct head *a, int64_t i) { return a->causal ? i + 1 : a->rows; }

ITR_CLONES static void attention_head(const struct head *a, float *out, float *lse)
{
	float p[TILE];
	for (int64_t i = 0; i < a->rows; i++) {
		float *o = out + i * a->d_out, top = -INFINITY, sum = 0;
		memset(o, 0, (size_t)a->d * sizeof *o);
		for (int64_t j0 = 0; j0 < visible(a, i); j0 += TILE) {
			const int64_t n = ITR_MIN((int64_t)TILE, visible(a, i) - j0);
			scores(a, i, j0, n, p);
			const float m = itr_row_max(p, n), now = m > top ? m : top, old = itr_vexp(top - now);
			for (int64_t t = 0; t < n; t++)
				p[t] = itr_vexp(p[t] - now);
			ITR_LANE_SUM(part, n, p[j]);
			sum = sum * old + part;
			for (int64_t l = 0; l < a->d; l++)
				o[l] *= old;
			for (int64_t t = 0; t < n; t++)
				for (int64_t l = 0; l < a->d; l++)
					o[l] += p[t] * a->v[(j0 + t) * a->ld + l];
			top = now;
		}
		for (int64_t l = 0; l < a->d; l++)
			o[l] /= sum;
		lse[i] = top + logf(sum);
	}
}

static void attention_piece(void *ctx, int64_t piece, int worker)
{
	itr_node *n = ctx;
	int64_t r0, h;
	const struct head a = head_of(n, piece, &r0, &h);
	(void)worker;
	attention_head(&a, itr_out(n) + r0 * a.d_out + h * a.d, (float *)n->saved + h * n->out->shape[0] + r0);
}

static void attention_forward(itr_node *n) { itr_parallel_for(n->threads, (n->n_index - 1) * n->attr.i[0], attention_piece, n); }

/* Probabilities come again from the scores and the saved log-sum-exp; a row's softmax gradient needs sum_j p_j dp_j = out . dout. */
ITR_CLONES static void attention_head_back(const struct head *a, const float *out, const float *g, const float *lse, float *dq)
{
	float p[TILE], dp[TILE], *dk = dq + a->d_out, *dv = dq + 2 * a->d_out;
	for (int64_t i = 0; i < a->rows; i++) {
		const float *gi = g + i * a->d_out, *oi = out + i * a->d_out, *q = a->q + i * a->ld;
		float *dqi = dq + i * a->ld;
		ITR_LANE_SUM(delta, a->d, gi[j] * oi[j]);
		for (int64_t j0 = 0; j0 < visible(a, i); j0 += TILE) {
			const int64_t n = ITR_MIN((int64_t)TILE, visible(a, i) - j0);
			scores(a, i, j0, n, p);
			for (int64_t t = 0; t < n; t++)
				p[t] = itr_vexp(ITR_MIN(p[t] - lse[i], 88.0f));
			for (int64_t t = 0; t < n; t++) {
				const float *v = a->v + (j0 + t) * a->ld;
				ITR_LANE_SUM(dot, a->d, gi[j] * v[j]);
				dp[t] = p[t] * (dot - delta) * a->scale;
			}
			for (int64_t t = 0; t < n; t++) {
				const int64_t at = (j0 + t) * a->ld;
				for (int64_t l = 0; l < a->d; l++) {
					dqi[l] += dp[t] * a->k[at + l];
					dk[at + l] += dp[t] * q[l];
					dv[at + l] += p[t] * gi[l];
				}
			}
		}
	}
}

static void attention_back_piece(void *ctx, int64_t piece, int worker)
{
	itr_node *n = ctx;
	int64_t r0, h;
	const struct head a = head_of(n, piece, &r0, &h);
	float *d = itr_din(n, 0) + r0 * a.ld + h * a.d;
	(void)worker;
	if (n->attr.f[3] == 0)
		for (int64_t i = 0; i < a.rows; i++)
			for (int part = 0; part < 3; part++)
				memset(d + i * a.ld + part * a.d_out, 0, (size_t)a.d * sizeof *d);
	attention_head_back(&a, itr_out(n) + r0 * a.d_out + h * a.d, itr_dout(n) + r0 * a.d_out + h * a.d, (float *)n->saved + h * n->out->shape[0] + r0, d);
}

static void attention_backward(itr_node *n)
{
	if (!itr_din(n, 0))
		return;
	n->attr.f[3] = itr_grad_beta(n, 0);
	itr_parallel_for(n->threads, (n->n_index - 1) * n->attr.i[0], attention_back_piece, n);
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
	static const int64_t start[][5] = { { 0, 3, 3, 4, 9 }, { 0, 0, 5, 7, 9 }, { 0, 1, 2, 8, 9 } };
	if (which >= 3)
		return NULL;
	const int64_t heads = itr_case_int(c, 1, 3), d = itr_case_int(c, 1, 5);
	return itr_attention(c->tape, itr_case_input(c, 2, (int64_t[]){ 9, 3 * heads * d }, 1, 0), start[which], 4, heads, which == 1);
}

const itr_op itr_op_attention = { "attention", 1, 0, attention_shape, attention_forward, attention_backward, attention_ref_forward, attention_ref_backward, attention_flops, attention_sample };

itr_var *itr_attention(itr_tape *t, itr_var *qkv, const int64_t *start, int64_t n, int64_t heads, bool causal)
{
	itr_var *in[] = { qkv };
	return itr_apply(t, &itr_op_attention, in, 1, &(itr_attr){ .i = { heads, causal } }, start, n + 1, NULL);
}

/* --- segment_mean ------------------------------------------------------------------------------------------------------------------------ */
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

static float *zeroed(itr_node *n, int k)
{
	float *d = itr_din(n, k);
	if (d && itr_grad_beta(n, k) == 0.0f)
		memset(d, 0, (size_t)n->in[k]->count * sizeof *d);
	return d;
}

static void mean_backward(itr_node *n) { MEAN_BACK(float, zeroed) }
static void mean_ref_backward(itr_node *n) { MEAN_BACK(double, itr_ref_grad) }

static itr_var *mean_sample(itr_case *c, int which)
{
	static const int64_t start[][5] = { { 0, 3, 3, 4, 9 }, { 0, 9, 9, 9, 9 } };
	return which < 2 ? itr_segment_mean(c->tape, itr_case_input(c, 2, (int64_t[]){ 9, itr_case_int(c, 1, 20) }, 1, 0), start[which], 4) : NULL;
}

const itr_op itr_op_segment_mean = { "segment_mean", 1, 0, mean_shape, mean_forward, mean_backward, mean_ref_forward, mean_ref_backward, NULL, mean_sample };

itr_var *itr_segment_mean(itr_tape *t, itr_var *x, const int64_t *start, int64_t n)
{
	itr_var *in[] = { x };
	return itr_apply(t, &itr_op_segment_mean, in, 1, NULL, start, n + 1, NULL);
}
