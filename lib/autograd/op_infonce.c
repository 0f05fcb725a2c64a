/* infonce: cross entropy of the positives, over rows and, when symmetric, over columns (match.h). saved: log-sum-exp of rows, then of
 * columns; scratch: the losses of lines; in backward the numbers of their positives. */
#include <math.h>

#include "autograd/match.h"
#include "tensor/vmath.h"

static void shape(itr_node *n)
{
	itr_match_shape(n);
	n->saved_count = n->scratch_count = 2 * n->in[0]->shape[0];
}

/* The loss of one line, in the tape's precision; also stores its log-sum-exp. own: further negatives of the line. */
#define LINE_LOSS(real, name, exp_fn, log_fn)                                                                                              \
	static real name(const itr_node *n, const itr_lines *l, const real *s, int64_t i, const real *own, int64_t n_own, real *lse)       \
	{                                                                                                                                  \
		const real *x = s + i * l->line;                                                                                           \
		real top = x[i * l->element], positives = 0;                                                                               \
		double sum = 0;                                                                                                            \
		int64_t count = 0;                                                                                                         \
		for (int64_t j = 0; j < l->length; j++)                                                                                    \
			if (itr_match_in(n, l, i, j) && x[j * l->element] > top)                                                           \
				top = x[j * l->element];                                                                                   \
		for (int64_t j = 0; j < n_own; j++)                                                                                        \
			top = own[j] > top ? own[j] : top;                                                                                 \
		for (int64_t j = 0; j < l->length; j++) {                                                                                  \
			const int match = itr_match_in(n, l, i, j);                                                                        \
			const real v = x[j * l->element];                                                                                  \
			if (match)                                                                                                         \
				sum += (double)exp_fn(v - top);                                                                            \
			if (match > 0) {                                                                                                   \
				positives += v;                                                                                            \
				count++;                                                                                                   \
			}                                                                                                                  \
		}                                                                                                                          \
		for (int64_t j = 0; j < n_own; j++)                                                                                        \
			sum += (double)exp_fn(own[j] - top);                                                                               \
		*lse = top + (real)log_fn(sum);                                                                                            \
		return *lse - positives / (real)count;                                                                                     \
	}
LINE_LOSS(float, line_loss, itr_vexp, log)
LINE_LOSS(double, line_loss64, exp, log)

static void losses(itr_node *n, bool columns, int64_t begin, int64_t end)
{
	const itr_lines l = itr_lines_of(n, columns);
	const int64_t at = columns ? l.count : 0, k = columns ? 0 : itr_match_own(n);
	for (int64_t i = begin; i < end; i++)
		((float *)n->scratch)[at + i] =
			line_loss(n, &l, itr_in(n, 0), i, k ? itr_in(n, 1) + i * k : NULL, k, (float *)n->saved + at + i);
}
static void row_losses(itr_node *n, int64_t begin, int64_t end) { losses(n, false, begin, end); }
static void column_losses(itr_node *n, int64_t begin, int64_t end) { losses(n, true, begin, end); }

static void forward(itr_node *n)
{
	const int64_t b = n->in[0]->shape[0];
	double rows = 0, columns = 0;
	itr_node_chunks(n, b, 16, row_losses);
	for (int64_t i = 0; i < b; i++)
		rows += (double)((float *)n->scratch)[i];
	rows /= (double)b;
	if (n->attr.i[1]) {
		itr_node_chunks(n, b, 16, column_losses);
		for (int64_t i = 0; i < b; i++)
			columns += (double)((float *)n->scratch)[b + i];
		rows = 0.5 * (rows + columns / (double)b);
	}
	*itr_out(n) = (float)rows;
}

static int64_t positives_of(const itr_node *n, const itr_lines *l, int64_t i)
{
	int64_t count = 0;
	for (int64_t j = 0; n->attr.i[0] == ITR_POSITIVES_ALL && j < l->length; j++)
		count += itr_match_in(n, l, i, j) > 0;
	return ITR_MAX(count, (int64_t)1);
}

/* d loss / d s_ij of one direction, before the division by the number of lines: p_ij [not ignored] - [positive] / |positives|. */
ITR_CLONES static void rows_back(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t b = n->in[0]->shape[0], m = n->in[0]->shape[1];
	const bool both = n->attr.i[1] != 0, plain = itr_match_plain(n);
	const float *s = itr_in(n, 0), *row = n->saved, *column = row + b, *counts = n->scratch;
	const float g = *itr_dout(n) / (float)b * (both ? 0.5f : 1.0f);
	for (int64_t i = begin; i < end; i++) {
		float *d = itr_din(n, 0) + i * m;
		const float share = g / counts[i];
		for (int64_t j = 0; j < m; j++) {
			const int match = plain ? (i == j ? 1 : -1) : itr_match_of(n, i, j);
			const bool down = both && j < b;
			float v = 0;
			if (match)
				v = g * (itr_vexp(s[i * m + j] - row[i]) + (down ? itr_vexp(s[i * m + j] - column[j]) : 0.0f));
			if (match > 0)
				v -= share + (down ? g / counts[b + j] : 0.0f);
			itr_accumulate(&d[j], (float)n->attr.f[3], v);
		}
	}
}

static void own_back(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t k = itr_match_own(n);
	const float g = *itr_dout(n) / (float)n->in[0]->shape[0] * (n->attr.i[1] ? 0.5f : 1.0f), *row = n->saved;
	for (int64_t i = begin * k; i < end * k; i++)
		itr_accumulate(&itr_din(n, 1)[i], (float)n->attr.f[2], g * itr_vexp(itr_in(n, 1)[i] - row[i / k]));
}

static void backward(itr_node *n)
{
	const int64_t b = n->in[0]->shape[0];
	const itr_lines rows = itr_lines_of(n, false), columns = itr_lines_of(n, true);
	if (itr_din(n, 0)) {
		for (int64_t i = 0; i < b; i++) {
			((float *)n->scratch)[i] = (float)positives_of(n, &rows, i);
			((float *)n->scratch)[b + i] = n->attr.i[1] ? (float)positives_of(n, &columns, i) : 1.0f;
		}
		n->attr.f[3] = itr_grad_beta(n, 0);
		itr_node_chunks(n, b, 16, rows_back);
	}
	if (n->in[1] && itr_din(n, 1)) {
		n->attr.f[2] = itr_grad_beta(n, 1);
		itr_node_chunks(n, b, 16, own_back);
	}
}

static void ref_forward(itr_node *n)
{
	double loss = 0, *lse = n->saved;
	for (int dir = 0; dir <= (n->attr.i[1] != 0); dir++) {
		const itr_lines l = itr_lines_of(n, dir);
		const int64_t k = dir ? 0 : itr_match_own(n);
		double sum = 0;
		for (int64_t i = 0; i < l.count; i++)
			sum += line_loss64(n, &l, itr_in64(n, 0), i, k ? itr_in64(n, 1) + i * k : NULL, k, lse + dir * l.count + i);
		loss += sum / (double)l.count;
	}
	*itr_out64(n) = n->attr.i[1] ? loss / 2 : loss;
}

static void ref_backward(itr_node *n)
{
	double *d = itr_ref_grad(n, 0), *own = n->in[1] ? itr_ref_grad(n, 1) : NULL, *lse = n->saved;
	for (int dir = 0; dir <= (n->attr.i[1] != 0); dir++) {
		const itr_lines l = itr_lines_of(n, dir);
		const double g = *itr_dout64(n) / (double)l.count / (n->attr.i[1] ? 2 : 1);
		for (int64_t i = 0; i < l.count; i++) {
			double positives = 0;
			for (int64_t j = 0; j < l.length; j++)
				positives += itr_match_in(n, &l, i, j) > 0;
			for (int64_t j = 0; d && j < l.length; j++) {
				const int64_t at = i * l.line + j * l.element;
				const int match = itr_match_in(n, &l, i, j);
				if (match)
					d[at] += g * exp(itr_in64(n, 0)[at] - lse[dir * l.count + i]);
				if (match > 0)
					d[at] -= g / positives;
			}
			for (int64_t j = i * itr_match_own(n); own && !dir && j < (i + 1) * itr_match_own(n); j++)
				own[j] += g * exp(itr_in64(n, 1)[j] - lse[i]);
		}
	}
}

static itr_var *sample(itr_case *c, int which)
{
	itr_match_case m;
	if (which >= ITR_MATCH_CASES)
		return NULL;
	itr_var *s = itr_match_sample(c, which, &m);
	return itr_infonce(c->tape, s, &m.match);
}

const itr_op itr_op_infonce = { "infonce", 2, ITR_OP_LOSS, shape, forward, backward, ref_forward, ref_backward, NULL, sample };

itr_var *itr_infonce(itr_tape *t, itr_var *scores, const itr_match *m)
{
	return itr_match_apply(t, &itr_op_infonce, scores, NULL, m, 0, 0);
}
