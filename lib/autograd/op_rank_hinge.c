/* rank_hinge: max(0, margin + negative - positive) with the positive of the lowest score of a line, over all its negatives or its hardest
 * one (match.h; Faghri et al. 2018, Hermans et al. 2017). attr.f0 = margin, attr.i[4] = itr_hinge. saved: four numbers for each line, rows
 * first, then columns. */
#include <math.h>

#include "autograd/match.h"

/* Of one line: its lowest positive and its hardest negative (element; in rows from N on: an own one; -1: none), and how many hinges are
 * open. */
enum { POSITIVE, NEGATIVE, OPEN, LOSS, NUMBERS };

static void shape(itr_node *n)
{
	itr_match_shape(n);
	n->saved_count = 2 * NUMBERS * n->in[0]->shape[0];
}

/* Number of elements of a line: those of the matrix, then its own negatives. */
#define LINE(real, name)                                                                                                                   \
	static void name(const itr_node *n, const itr_lines *l, int64_t i, real *out)                                                      \
	{                                                                                                                                  \
		const real *s = (const real *)n->in[0]->data + i * l->line, margin = (real)n->attr.f[0];                                   \
		const int64_t k = l->columns ? 0 : itr_match_own(n);                                                                       \
		const real *own = k ? (const real *)n->in[1]->data + i * k : NULL;                                                         \
		int64_t p = i, hardest = -1, open = 0;                                                                                     \
		double sum = 0;                                                                                                            \
		for (int64_t j = 0; j < l->length; j++)                                                                                    \
			if (itr_match_in(n, l, i, j) > 0 && s[j * l->element] < s[p * l->element])                                         \
				p = j;                                                                                                     \
		const real least = s[p * l->element];                                                                                      \
		real top = 0;                                                                                                              \
		for (int64_t j = 0; j < l->length + k; j++) {                                                                              \
			if (j < l->length && itr_match_in(n, l, i, j) >= 0)                                                                \
				continue;                                                                                                  \
			const real v = j < l->length ? s[j * l->element] : own[j - l->length], hinge = margin + v - least;                 \
			if (hardest < 0 || v > top || v != v) {                                                                            \
				hardest = j;                                                                                               \
				top = v;                                                                                                   \
			}                                                                                                                  \
			if (!(hinge <= 0)) {                                                                                               \
				sum += (double)hinge;                                                                                      \
				open++;                                                                                                    \
			}                                                                                                                  \
		}                                                                                                                          \
		if (n->attr.i[4] == ITR_HINGE_HARDEST) {                                                                                   \
			sum = hardest >= 0 && !(margin + top - least <= 0) ? (double)(margin + top - least) : 0;                           \
			open = sum != 0;                                                                                                   \
		}                                                                                                                          \
		out[POSITIVE] = (real)p;                                                                                                   \
		out[NEGATIVE] = (real)hardest;                                                                                             \
		out[OPEN] = (real)open;                                                                                                    \
		out[LOSS] = (real)sum;                                                                                                     \
	}
LINE(float, line)
LINE(double, line64)

static void rows(itr_node *n, int64_t begin, int64_t end)
{
	const itr_lines l = itr_lines_of(n, false);
	for (int64_t i = begin; i < end; i++)
		line(n, &l, i, (float *)n->saved + i * NUMBERS);
}

static void columns(itr_node *n, int64_t begin, int64_t end)
{
	const itr_lines l = itr_lines_of(n, true);
	for (int64_t i = begin; i < end; i++)
		line(n, &l, i, (float *)n->saved + (l.count + i) * NUMBERS);
}

#define TOTAL(real, name)                                                                                                                  \
	static double name(const itr_node *n)                                                                                              \
	{                                                                                                                                  \
		const int64_t lines = n->in[0]->shape[0] * (n->attr.i[1] ? 2 : 1);                                                         \
		double sum = 0;                                                                                                            \
		for (int64_t i = 0; i < lines; i++)                                                                                        \
			sum += (double)((const real *)n->saved)[i * NUMBERS + LOSS];                                                       \
		return sum / (double)lines;                                                                                                \
	}
TOTAL(float, total)
TOTAL(double, total64)

static void forward(itr_node *n)
{
	itr_node_chunks(n, n->in[0]->shape[0], 16, rows);
	if (n->attr.i[1])
		itr_node_chunks(n, n->in[0]->shape[0], 16, columns);
	*itr_out(n) = (float)total(n);
}

static void ref_forward(itr_node *n)
{
	for (int dir = 0; dir <= (n->attr.i[1] != 0); dir++) {
		const itr_lines l = itr_lines_of(n, dir);
		for (int64_t i = 0; i < l.count; i++)
			line64(n, &l, i, (double *)n->saved + (dir * l.count + i) * NUMBERS);
	}
	*itr_out64(n) = total64(n);
}

/* Gradient of element j of a line, in numbers of active hinges (> 0): each gives +1 to its negative and -1 to the positive of the line. */
#define SHARE(real, name)                                                                                                                  \
	static real name(const itr_node *n, const real *of, const real *s, int64_t step, int64_t j, real v, int match)                     \
	{                                                                                                                                  \
		const bool hardest = n->attr.i[4] == ITR_HINGE_HARDEST;                                                                    \
		real share = (real)j == of[POSITIVE] ? -of[OPEN] : 0;                                                                      \
		if (match < 0 && (hardest ? (real)j == of[NEGATIVE] && of[OPEN] > 0                                                        \
		                          : !((real)n->attr.f[0] + v - s[(int64_t)of[POSITIVE] * step] <= 0)))                             \
			share += 1;                                                                                                        \
		return share;                                                                                                              \
	}
SHARE(float, share)
SHARE(double, share64)

#define ROWS_BACK(real, share_fn, begin, end)                                                                                              \
	const int64_t b = n->in[0]->shape[0], m = n->in[0]->shape[1], k = itr_match_own(n);                                                \
	const real *s = n->in[0]->data, *saved = n->saved, g = *(const real *)n->out->grad / (real)(b * (n->attr.i[1] ? 2 : 1));           \
	real *d = n->in[0]->needs_grad ? n->in[0]->grad : NULL, *own = n->in[1] && n->in[1]->needs_grad ? n->in[1]->grad : NULL;           \
	for (int64_t i = begin; i < end; i++) {                                                                                            \
		const real *of = saved + i * NUMBERS;                                                                                      \
		for (int64_t j = 0; d && j < m; j++) {                                                                                     \
			const int match = itr_match_of(n, i, j);                                                                           \
			real v = share_fn(n, of, s + i * m, 1, j, s[i * m + j], match);                                                    \
			if (n->attr.i[1] && j < b)                                                                                         \
				v += share_fn(n, saved + (b + j) * NUMBERS, s + j, m, i, s[i * m + j], match);                             \
			d[i * m + j] = (n->attr.f[3] != 0 ? d[i * m + j] : 0) + g * v;                                                     \
		}                                                                                                                          \
		for (int64_t j = 0; own && j < k; j++) {                                                                                   \
			const real v = ((const real *)n->in[1]->data)[i * k + j];                                                          \
			own[i * k + j] = (n->attr.f[2] != 0 ? own[i * k + j] : 0) + g * share_fn(n, of, s + i * m, 1, m + j, v, -1);       \
		}                                                                                                                          \
	}

static void rows_back(itr_node *n, int64_t begin, int64_t end) { ROWS_BACK(float, share, begin, end) }
static void all_back64(itr_node *n) { ROWS_BACK(double, share64, 0, b) }

static void betas(itr_node *n)
{
	if (n->in[0]->needs_grad)
		n->attr.f[3] = itr_grad_beta(n, 0);
	if (n->in[1] && n->in[1]->needs_grad)
		n->attr.f[2] = itr_grad_beta(n, 1);
}

static void backward(itr_node *n)
{
	betas(n);
	itr_node_chunks(n, n->in[0]->shape[0], 16, rows_back);
}

static void ref_backward(itr_node *n)
{
	betas(n);
	all_back64(n);
}

static itr_var *sample(itr_case *c, int which)
{
	itr_match_case m;
	if (which >= 2 * ITR_MATCH_CASES)
		return NULL;
	itr_var *s = itr_match_sample(c, which % ITR_MATCH_CASES, &m);
	return itr_rank_hinge(c->tape, s, &m.match, 1.5, which < ITR_MATCH_CASES ? ITR_HINGE_ALL : ITR_HINGE_HARDEST);
}

const itr_op itr_op_rank_hinge = {
	"rank_hinge", 2, ITR_OP_LOSS | ITR_OP_UNSAVED_OUT, shape, forward, backward, ref_forward, ref_backward, NULL, sample
};

itr_var *itr_rank_hinge(itr_tape *t, itr_var *scores, const itr_match *m, double margin, itr_hinge hinge)
{
	return itr_match_apply(t, &itr_op_rank_hinge, scores, NULL, m, margin, hinge);
}
