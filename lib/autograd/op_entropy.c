/* cross_entropy (a label for each row, some columns ignored) and kl (divergence between the softmax of the rows of two matrices). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/lanes.h"
#include "autograd/op_util.h"
#include "autograd/ops.h"
#include "base/mem.h"
#include "tensor/vmath.h"

static void by_rows(itr_node *n, void (*fn)(itr_node *n, int64_t begin, int64_t end))
{
	itr_node_chunks(n, n->in[0]->shape[0], itr_chunk_rows(n->in[0]->shape[1]), fn);
}

static double log_sum_exp64(const double *x, int64_t d)
{
	double top = x[0], sum = 0;
	for (int64_t j = 1; j < d; j++)
		top = fmax(top, x[j]);
	for (int64_t j = 0; j < d; j++)
		sum += exp(x[j] - top);
	return top + log(sum);
}

/* --- cross_entropy: index = labels, then excluded columns, attr.i[0] a row. saved: log-sum-exp, losses; scratch: the rows with -infinity
 * where a column is left out ---- */
static void cross_entropy_shape(itr_node *n)
{
	const itr_var *x = n->in[0];
	if (!x || x->rank != 2 || x->shape[0] < 1 || n->n_index != x->shape[0] * (1 + n->attr.i[0]))
		itr_shape_bug(n, "logits (B, N) and B labels");
	const int64_t b = x->shape[0], *label = n->index, *excluded = label + b;
	for (int64_t i = 0; i < n->n_index; i++)
		if (n->index[i] >= x->shape[1] || n->index[i] < (i < b ? 0 : -1) ||
		    (i >= b && excluded[i - b] == label[(i - b) / n->attr.i[0]]))
			itr_shape_bug(n, "labels and excluded columns (or -1) inside of the matrix, none of them both");
	itr_shape_set(n, 1, (int64_t[]){ 1 });
	n->saved_count = 2 * b;
	n->scratch_count = x->count;
}

/* Row i without its excluded columns. */
#define MASKED(real, name)                                                                                                                 \
	static real *name(const itr_node *n, int64_t i)                                                                                    \
	{                                                                                                                                  \
		const int64_t b = n->in[0]->shape[0], m = n->in[0]->shape[1], k = n->attr.i[0];                                            \
		real *row = (real *)n->scratch + i * m;                                                                                    \
		memcpy(row, (const real *)n->in[0]->data + i * m, (size_t)m * sizeof *row);                                                \
		for (int64_t j = b + i * k; j < b + (i + 1) * k; j++)                                                                      \
			if (n->index[j] >= 0)                                                                                              \
				row[n->index[j]] = -(real)INFINITY;                                                                        \
		return row;                                                                                                                \
	}
MASKED(float, masked)
MASKED(double, masked64)

/* The term of the label is not added to the others before the logarithm (log1p), so that a small loss keeps its precision. */
static void cross_entropy_rows(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t b = n->in[0]->shape[0], m = n->in[0]->shape[1];
	for (int64_t i = begin; i < end; i++) {
		float *x = masked(n, i);
		const float own = x[n->index[i]], top = itr_row_max(x, m);
		x[n->index[i]] = -INFINITY;
		ITR_LANE_SUM(others, m, itr_vexp(x[j] - top));
		const double total = (double)others + (double)itr_vexp(own - top);
		((float *)n->saved)[i] = top + (float)log(total);
		((float *)n->saved)[b + i] = (float)(own >= top ? log1p((double)others) : (double)(top - own) + log(total));
	}
}

static void cross_entropy_forward(itr_node *n)
{
	const int64_t b = n->in[0]->shape[0];
	double sum = 0;
	by_rows(n, cross_entropy_rows);
	for (int64_t i = 0; i < b; i++)
		sum += (double)((const float *)n->saved)[b + i];
	*itr_out(n) = (float)(sum / (double)b);
}

ITR_CLONES static void cross_entropy_dx(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t b = n->in[0]->shape[0], m = n->in[0]->shape[1];
	const float g = *itr_dout(n) / (float)b, beta = (float)n->attr.f[3];
	for (int64_t i = begin; i < end; i++) {
		float *x = masked(n, i), *d = itr_din(n, 0) + i * m;
		const float lse = ((const float *)n->saved)[i];
		for (int64_t j = 0; j < m; j++)
			x[j] = itr_vexp(x[j] - lse);
		x[n->index[i]] -= 1;
		for (int64_t j = 0; j < m; j++)
			itr_accumulate(&d[j], beta, g * x[j]);
	}
}

static void cross_entropy_backward(itr_node *n)
{
	if (!itr_din(n, 0))
		return;
	n->attr.f[3] = itr_grad_beta(n, 0);
	by_rows(n, cross_entropy_dx);
}

static void cross_entropy_ref_forward(itr_node *n)
{
	const int64_t b = n->in[0]->shape[0], m = n->in[0]->shape[1];
	double sum = 0;
	for (int64_t i = 0; i < b; i++) {
		((double *)n->saved)[i] = log_sum_exp64(masked64(n, i), m);
		sum += ((double *)n->saved)[i] - itr_in64(n, 0)[i * m + n->index[i]];
	}
	*itr_out64(n) = sum / (double)b;
}

static void cross_entropy_ref_backward(itr_node *n)
{
	const int64_t b = n->in[0]->shape[0], m = n->in[0]->shape[1];
	const double g = *itr_dout64(n) / (double)b;
	double *d = itr_ref_grad(n, 0);
	for (int64_t i = 0; d && i < b; i++) {
		const double *x = masked64(n, i), lse = ((const double *)n->saved)[i];
		for (int64_t j = 0; j < m; j++)
			d[i * m + j] += g * (exp(x[j] - lse) - (j == n->index[i]));
		itr_ref_terms(n, 0, 2 * fabs(g));
	}
}

static itr_var *cross_entropy_sample(itr_case *c, int which)
{
	if (which >= 4)
		return NULL;
	const int64_t b = itr_case_int(c, 1, 6), m = itr_case_int(c, 3, 40);
	int64_t label[6], excluded[12];
	for (int64_t i = 0; i < b; i++) {
		label[i] = itr_case_int(c, 0, m - 1);
		excluded[2 * i] = i % 2 ? -1 : (label[i] + 1) % m;
		excluded[2 * i + 1] = (label[i] + 2) % m;
	}
	itr_var *x = itr_case_input(c, 2, (int64_t[]){ b, m }, 3, 0);
	return itr_cross_entropy(c->tape, x, label, which % 2 ? excluded : NULL, which % 2 ? 2 : 0);
}

const itr_op itr_op_cross_entropy = { "cross_entropy",
	                              1,
	                              ITR_OP_LOSS | ITR_OP_UNSAVED_OUT,
	                              cross_entropy_shape,
	                              cross_entropy_forward,
	                              cross_entropy_backward,
	                              cross_entropy_ref_forward,
	                              cross_entropy_ref_backward,
	                              NULL,
	                              cross_entropy_sample };

itr_var *itr_cross_entropy(itr_tape *t, itr_var *logits, const int64_t *label, const int64_t *excluded, int64_t n_excluded)
{
	const size_t b = (size_t)logits->shape[0], more = excluded ? b * (size_t)n_excluded : 0;
	int64_t *index = itr_xmalloc((b + more) * sizeof *index);
	memcpy(index, label, b * sizeof *index);
	if (more)
		memcpy(index + b, excluded, more * sizeof *index);
	itr_var *y = itr_apply(t, &itr_op_cross_entropy, &logits, 1, &(itr_attr){ .i = { excluded ? n_excluded : 0 } }, index,
	                       (int64_t)(b + more), NULL);
	free(index);
	return y;
}

/* --- kl: in[2] = weights of rows. saved: of each row, log-sum-exp of p and q, the divergence; then the sum of the weights
 * ------------------ */
static void kl_shape(itr_node *n)
{
	const itr_var *p = n->in[0], *q = n->in[1], *w = n->in[2];
	if (!p || !q || p->rank != 2 || q->rank != 2 || p->shape[0] != q->shape[0] || p->shape[1] != q->shape[1] || p->count < 1 ||
	    (w && (w->count != p->shape[0] || w->needs_grad)))
		itr_shape_bug(n, "two (B, N), and B weights (without a gradient) or none");
	itr_shape_set(n, 1, (int64_t[]){ 1 });
	n->saved_count = 3 * p->shape[0] + 1;
}

static void kl_rows(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t d = n->in[0]->shape[1];
	for (int64_t r = begin; r < end; r++) {
		const float *p = itr_in(n, 0) + r * d, *q = itr_in(n, 1) + r * d, p_top = itr_row_max(p, d), q_top = itr_row_max(q, d);
		float *saved = (float *)n->saved + 3 * r;
		ITR_LANE_SUM(p_sum, d, itr_vexp(p[j] - p_top));
		ITR_LANE_SUM(q_sum, d, itr_vexp(q[j] - q_top));
		const float p_lse = p_top + (float)log((double)p_sum), q_lse = q_top + (float)log((double)q_sum);
		ITR_LANE_SUM(divergence, d, itr_vexp(p[j] - p_lse) * ((p[j] - p_lse) - (q[j] - q_lse)));
		saved[0] = p_lse;
		saved[1] = q_lse;
		saved[2] = divergence;
	}
}

#define WEIGHTED_MEAN(real)                                                                                                                \
	const int64_t b = n->in[0]->shape[0];                                                                                              \
	const real *w = n->in[2] ? n->in[2]->data : NULL;                                                                                  \
	double sum = 0, weight = 0;                                                                                                        \
	for (int64_t r = 0; r < b; r++) {                                                                                                  \
		sum += (w ? (double)w[r] : 1) * (double)((const real *)n->saved)[3 * r + 2];                                               \
		weight += w ? (double)w[r] : 1;                                                                                            \
	}                                                                                                                                  \
	((real *)n->saved)[3 * b] = (real)weight;                                                                                          \
	*(real *)n->out->data = weight != 0 ? (real)(sum / weight) : 0;

static void kl_forward(itr_node *n)
{
	by_rows(n, kl_rows);
	WEIGHTED_MEAN(float)
}

ITR_CLONES static void kl_dx(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t b = n->in[0]->shape[0], d = n->in[0]->shape[1];
	const float total = ((const float *)n->saved)[3 * b], g = total != 0.0f ? *itr_dout(n) / total : 0.0f;
	float *dp = itr_din(n, 0), *dq = itr_din(n, 1);
	for (int64_t r = begin; r < end; r++) {
		const float *p = itr_in(n, 0) + r * d, *q = itr_in(n, 1) + r * d, *saved = (const float *)n->saved + 3 * r;
		const float share = g * (n->in[2] ? itr_in(n, 2)[r] : 1.0f);
		for (int64_t j = 0; dp && j < d; j++) {
			const float lp = p[j] - saved[0], lq = q[j] - saved[1];
			itr_accumulate(&dp[r * d + j], (float)n->attr.f[3], share * itr_vexp(lp) * ((lp - lq) - saved[2]));
		}
		for (int64_t j = 0; dq && j < d; j++)
			itr_accumulate(&dq[r * d + j], (float)n->attr.f[2],
			               share * (itr_vexp(q[j] - saved[1]) - itr_vexp(p[j] - saved[0])));
	}
}

static void kl_betas(itr_node *n)
{
	for (int k = 0; k < 2; k++)
		if (n->in[k]->needs_grad)
			n->attr.f[3 - k] = itr_grad_beta(n, k);
}

static void kl_backward(itr_node *n)
{
	kl_betas(n);
	by_rows(n, kl_dx);
}

static void kl_ref_forward(itr_node *n)
{
	const int64_t d = n->in[0]->shape[1];
	for (int64_t r = 0; r < n->in[0]->shape[0]; r++) {
		const double *p = itr_in64(n, 0) + r * d, *q = itr_in64(n, 1) + r * d;
		double *saved = (double *)n->saved + 3 * r;
		saved[0] = log_sum_exp64(p, d);
		saved[1] = log_sum_exp64(q, d);
		saved[2] = 0;
		for (int64_t j = 0; j < d; j++)
			saved[2] += exp(p[j] - saved[0]) * ((p[j] - saved[0]) - (q[j] - saved[1]));
	}
	WEIGHTED_MEAN(double)
}

static void kl_ref_backward(itr_node *n)
{
	const int64_t b = n->in[0]->shape[0], d = n->in[0]->shape[1];
	const double total = ((const double *)n->saved)[3 * b], g = total != 0 ? *itr_dout64(n) / total : 0;
	double *dp = itr_ref_grad(n, 0), *dq = itr_ref_grad(n, 1);
	for (int64_t i = 0; i < b * d; i++) {
		const double *saved = (const double *)n->saved + 3 * (i / d), share = g * (n->in[2] ? itr_in64(n, 2)[i / d] : 1);
		const double lp = itr_in64(n, 0)[i] - saved[0], lq = itr_in64(n, 1)[i] - saved[1];
		if (dp)
			dp[i] += share * exp(lp) * ((lp - lq) - saved[2]);
		if (dq)
			dq[i] += share * (exp(lq) - exp(lp));
		itr_ref_terms(n, 0, fabs(share) * exp(lp) * (fabs(lp) + fabs(lq) + saved[2]));
		itr_ref_terms(n, 1, fabs(share) * (exp(lq) + exp(lp)));
	}
}

static itr_var *kl_sample(itr_case *c, int which)
{
	static const float weights[][4] = { { 0 }, { 1, 0, 2, 0.5f }, { 0, 0, 0, 0 } };
	if (which >= 3)
		return NULL;
	const int64_t shape[] = { 4, itr_case_int(c, 2, 37) };
	itr_var *p = itr_case_input(c, 2, shape, 2, 0), *q = itr_case_input(c, 2, shape, 2, 0);
	return itr_kl(c->tape, p, q, which ? itr_input(c->tape, 1, (int64_t[]){ 4 }, weights[which]) : NULL);
}

const itr_op itr_op_kl = {
	"kl", 3, ITR_OP_LOSS | ITR_OP_UNSAVED_OUT, kl_shape, kl_forward, kl_backward, kl_ref_forward, kl_ref_backward, NULL, kl_sample
};

itr_var *itr_kl(itr_tape *t, itr_var *p, itr_var *q, itr_var *weights)
{
	itr_var *in[] = { p, q, weights };
	return itr_apply(t, &itr_op_kl, in, 3, NULL, NULL, 0, NULL);
}
