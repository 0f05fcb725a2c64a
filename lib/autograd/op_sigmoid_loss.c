/* sigmoid_loss: -1/B of the sum over all pairs of log sigmoid(z (score + bias)), z = 1 for positives and -1 for negatives (match.h; Zhai et
 * al. 2023). in[2] = bias. scratch: a sum of each row, of losses or, in backward, of slopes. */
#include <math.h>

#include "autograd/match.h"
#include "tensor/vmath.h"

static void shape(itr_node *n)
{
	itr_match_shape(n);
	if (n->in[2] && n->in[2]->count != 1)
		itr_shape_bug(n, "a bias of one element or none");
	n->scratch_count = n->in[0]->shape[0];
}

/* softplus(y) = max(y, 0) + log(1 + e^-|y|). The second terms are summed as one logarithm of a product, which is taken before it overflows.
 */
enum { FACTORS = 512 };
struct softplus {
	double sum, product;
	int factors;
};

static inline void softplus_add(struct softplus *p, float y)
{
	p->sum += y > 0 ? (double)y : 0.0;
	p->product *= 1.0 + (double)itr_vexp(-fabsf(y));
	if (++p->factors == FACTORS || isnan(y)) {
		p->sum += log(p->product);
		p->product = 1;
		p->factors = 0;
	}
}

static float bias_of(const itr_node *n) { return n->in[2] ? *itr_in(n, 2) : 0.0f; }

static void row_losses(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t m = n->in[0]->shape[1], k = itr_match_own(n);
	const float bias = bias_of(n);
	for (int64_t i = begin; i < end; i++) {
		struct softplus p = { 0, 1, 0 };
		for (int64_t j = 0; j < m; j++) {
			const int match = itr_match_of(n, i, j);
			if (match)
				softplus_add(&p, (float)-match * (itr_in(n, 0)[i * m + j] + bias));
		}
		for (int64_t j = 0; j < k; j++)
			softplus_add(&p, itr_in(n, 1)[i * k + j] + bias);
		((float *)n->scratch)[i] = (float)(p.sum + log(p.product));
	}
}

static double total(const itr_node *n)
{
	double sum = 0;
	for (int64_t i = 0; i < n->in[0]->shape[0]; i++)
		sum += (double)((const float *)n->scratch)[i];
	return sum;
}

static void forward(itr_node *n)
{
	itr_node_chunks(n, n->in[0]->shape[0], 16, row_losses);
	*itr_out(n) = (float)(total(n) / (double)n->in[0]->shape[0]);
}

/* d softplus(y) / dy */
static inline float slope(float y) { return 1.0f / (1.0f + itr_vexp(ITR_MIN(-y, 88.0f))); }

static void rows_back(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t b = n->in[0]->shape[0], m = n->in[0]->shape[1], k = itr_match_own(n);
	const float g = *itr_dout(n) / (float)b, bias = bias_of(n);
	float *d = itr_din(n, 0), *own = n->in[1] ? itr_din(n, 1) : NULL;
	for (int64_t i = begin; i < end; i++) {
		double sum = 0;
		for (int64_t j = 0; j < m; j++) {
			const int match = itr_match_of(n, i, j);
			const float z = (float)-match, v = match ? z * slope(z * (itr_in(n, 0)[i * m + j] + bias)) : 0.0f;
			sum += (double)v;
			if (d)
				itr_accumulate(&d[i * m + j], (float)n->attr.f[3], g * v);
		}
		for (int64_t j = 0; j < k; j++) {
			const float v = slope(itr_in(n, 1)[i * k + j] + bias);
			sum += (double)v;
			if (own)
				itr_accumulate(&own[i * k + j], (float)n->attr.f[2], g * v);
		}
		((float *)n->scratch)[i] = (float)sum;
	}
}

static void backward(itr_node *n)
{
	if (itr_din(n, 0))
		n->attr.f[3] = itr_grad_beta(n, 0);
	if (n->in[1] && itr_din(n, 1))
		n->attr.f[2] = itr_grad_beta(n, 1);
	itr_node_chunks(n, n->in[0]->shape[0], 16, rows_back);
	if (n->in[2] && itr_din(n, 2)) {
		const float g = *itr_dout(n) / (float)n->in[0]->shape[0];
		itr_accumulate(itr_din(n, 2), itr_grad_beta(n, 2), (float)((double)g * total(n)));
	}
}

/* Calls fn for every pair with its score, z and the address of its gradient. */
static double softplus64(double y) { return fmax(y, 0) + log1p(exp(-fabs(y))); }

static double ref_pair(double score, double z, double g, double *d, double *bias, double *size)
{
	const double v = -z / (1 + exp(z * score));
	if (d)
		*d += g * v;
	if (bias)
		*bias += g * v;
	if (size)
		*size += fabs(g * v);
	return softplus64(-z * score);
}

static double ref_pairs(itr_node *n, double g, double *d, double *own, double *bias, double *size)
{
	const int64_t b = n->in[0]->shape[0], m = n->in[0]->shape[1], k = itr_match_own(n);
	const double shift = n->in[2] ? *itr_in64(n, 2) : 0;
	double sum = 0;
	for (int64_t i = 0; i < b; i++) {
		for (int64_t j = i * m; j < (i + 1) * m; j++)
			if (itr_match_of(n, i, j - i * m))
				sum += ref_pair(itr_in64(n, 0)[j] + shift, itr_match_of(n, i, j - i * m), g, d ? d + j : NULL, bias, size);
		for (int64_t j = i * k; j < (i + 1) * k; j++)
			sum += ref_pair(itr_in64(n, 1)[j] + shift, -1, g, own ? own + j : NULL, bias, size);
	}
	return sum / (double)b;
}

static void ref_forward(itr_node *n) { *itr_out64(n) = ref_pairs(n, 0, NULL, NULL, NULL, NULL); }

static void ref_backward(itr_node *n)
{
	double *d = itr_ref_grad(n, 0), *own = n->in[1] ? itr_ref_grad(n, 1) : NULL, *bias = n->in[2] ? itr_ref_grad(n, 2) : NULL, size = 0;
	ref_pairs(n, *itr_dout64(n) / (double)n->in[0]->shape[0], d, own, bias, &size);
	if (bias)
		itr_ref_terms(n, 2, size);
}

static itr_var *sample(itr_case *c, int which)
{
	itr_match_case m;
	if (which >= ITR_MATCH_CASES)
		return NULL;
	itr_var *s = itr_match_sample(c, which, &m);
	return itr_sigmoid_loss(c->tape, s, which % 5 ? itr_case_input(c, 1, (int64_t[]){ 1 }, 1, -2) : NULL, &m.match);
}

const itr_op itr_op_sigmoid_loss = { "sigmoid_loss", 3, ITR_OP_LOSS, shape, forward, backward, ref_forward, ref_backward, NULL, sample };

itr_var *itr_sigmoid_loss(itr_tape *t, itr_var *scores, itr_var *bias, const itr_match *m)
{
	return itr_match_apply(t, &itr_op_sigmoid_loss, scores, bias, m, 0, 0);
}
