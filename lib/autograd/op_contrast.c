/* scores (scale * a b^T) and InfoNCE over them. */
#include <math.h>
#include <string.h>

#include "autograd/op_util.h"
#include "autograd/ops.h"
#include "autograd/product.h"
#include "tensor/vmath.h"

const char *const itr_positives_names[] = { "diagonal", "mask", "all", NULL };

/* --- scores. attr: f0 fixed scale, f1 ceiling of the log scale. saved: the scale in use, then one partial sum a row (d log_scale). ---- */
static void scores_shape(itr_node *n)
{
	const itr_var *a = n->in[0], *b = n->in[1], *s = n->in[2];
	if (!a || !b || a->rank != 2 || b->rank != 2 || a->shape[1] != b->shape[1] || (s && s->count != 1))
		itr_shape_bug(n, "a (B, D), b (N, D), log scale of one element or none");
	itr_shape_set(n, 2, (int64_t[]){ a->shape[0], b->shape[0] });
	n->saved_count = 1;
	n->scratch_count = ITR_MAX(a->count, b->count);
}

static double scores_flops(const itr_node *n) { return 2.0 * (double)n->out->count * (double)n->in[0]->shape[1]; }

static double scale_now(const itr_node *n, double log_scale) { return n->in[2] ? exp(fmin(log_scale, n->attr.f[1])) : n->attr.f[0]; }

static void scores_forward(itr_node *n)
{
	const int64_t b = n->out->shape[0], m = n->out->shape[1], d = n->in[0]->shape[1];
	const float scale = (float)scale_now(n, n->in[2] ? (double)*itr_in(n, 2) : 0);
	*(float *)n->saved = scale;
	itr_node_product(n, false, true, b, m, d, scale, itr_in(n, 0), d, itr_in(n, 1), d, 0, itr_out(n), m);
}

static void scores_backward(itr_node *n)
{
	const int64_t b = n->out->shape[0], m = n->out->shape[1], d = n->in[0]->shape[1];
	const float scale = *(float *)n->saved;
	if (itr_din(n, 0))
		itr_node_product(n, false, false, b, d, m, scale, itr_dout(n), m, itr_in(n, 1), d, itr_grad_beta(n, 0), itr_din(n, 0), d);
	if (itr_din(n, 1))
		itr_node_product(n, true, false, m, d, b, scale, itr_dout(n), m, itr_in(n, 0), d, itr_grad_beta(n, 1), itr_din(n, 1), d);
	if (n->in[2] && itr_din(n, 2)) {
		double sum = 0;                          /* d(s e^l)/dl = the score itself, below the ceiling */
		for (int64_t i = 0; i < n->out->count && (double)*itr_in(n, 2) < n->attr.f[1]; i++)
			sum += (double)itr_dout(n)[i] * (double)itr_out(n)[i];
		itr_accumulate(itr_din(n, 2), itr_grad_beta(n, 2), (float)sum);
	}
}

static void scores_ref_forward(itr_node *n)
{
	const int64_t b = n->out->shape[0], m = n->out->shape[1], d = n->in[0]->shape[1];
	const double scale = scale_now(n, n->in[2] ? *itr_in64(n, 2) : 0);
	*(double *)n->saved = scale;
	for (int64_t i = 0; i < b; i++)
		for (int64_t j = 0; j < m; j++) {
			double s = 0;
			for (int64_t k = 0; k < d; k++)
				s += itr_in64(n, 0)[i * d + k] * itr_in64(n, 1)[j * d + k];
			itr_out64(n)[i * m + j] = scale * s;
		}
}

static void scores_ref_backward(itr_node *n)
{
	const int64_t b = n->out->shape[0], m = n->out->shape[1], d = n->in[0]->shape[1];
	double *da = itr_ref_grad(n, 0), *db = itr_ref_grad(n, 1), *ds = n->in[2] ? itr_ref_grad(n, 2) : NULL, scale = *(double *)n->saved;
	for (int64_t i = 0; i < b; i++)
		for (int64_t j = 0; j < m; j++) {
			double g = itr_dout64(n)[i * m + j];
			if (ds && *itr_in64(n, 2) < n->attr.f[1])
				*ds += g * itr_out64(n)[i * m + j];
			for (int64_t k = 0; k < d; k++) {
				if (da)
					da[i * d + k] += g * scale * itr_in64(n, 1)[j * d + k];
				if (db)
					db[j * d + k] += g * scale * itr_in64(n, 0)[i * d + k];
			}
		}
}

static itr_var *scores_sample(itr_case *c, int which)
{
	if (which >= 4)
		return NULL;
	int64_t b = itr_case_int(c, 1, 6), m = itr_case_int(c, 1, 6), d = itr_case_int(c, 1, 12);
	itr_var *x = itr_case_input(c, 2, (int64_t[]){ b, d }, 1, 0), *y = itr_case_input(c, 2, (int64_t[]){ m, d }, 1, 0);
	/* case 3: beyond the ceiling */
	itr_var *s = which >= 1 ? itr_case_input(c, 1, (int64_t[]){ 1 }, 0.2, which == 3 ? 9 : 1) : NULL;
	return itr_scores(c->tape, x, y, s, 1 / 0.07, 4.6052);
}

const itr_op itr_op_scores = {
	"scores", 3, 0, scores_shape, scores_forward, scores_backward, scores_ref_forward, scores_ref_backward, scores_flops, scores_sample
};

itr_var *itr_scores(itr_tape *t, itr_var *a, itr_var *b, itr_var *log_scale, double scale, double ceiling)
{
	itr_var *in[] = { a, b, log_scale };
	return itr_apply(t, &itr_op_scores, in, 3, &(itr_attr){ .f = { scale, ceiling } }, NULL, 0, NULL);
}

/* --- infonce. attr: i0 positives, i1 symmetric. index: groups. saved: log-sum-exp of rows, then of columns. Lines: rows, or columns when
 * symmetric. --- */
static void infonce_shape(itr_node *n)
{
	const itr_var *s = n->in[0];
	if (!s || s->rank != 2 || s->shape[0] > s->shape[1] || (n->attr.i[1] && s->shape[0] != s->shape[1]) ||
	    (n->n_index && n->n_index != s->shape[1]))
		itr_shape_bug(n, "scores (B, N) with N >= B (N = B when symmetric) and N groups or none");
	itr_shape_set(n, 1, (int64_t[]){ 1 });
	n->saved_count = s->shape[0] + s->shape[1];
	n->scratch_count = s->shape[0] + s->shape[1];
}

static bool same_group(const itr_node *n, int64_t i, int64_t j) { return i == j || (n->index && n->index[i] == n->index[j]); }

/* Is j in the denominator of line i? */
static bool counted(const itr_node *n, int64_t i, int64_t j)
{
	return i == j || n->attr.i[0] != ITR_POSITIVES_MASK || !same_group(n, i, j);
}
static bool positive(const itr_node *n, int64_t i, int64_t j)
{
	return i == j || (n->attr.i[0] == ITR_POSITIVES_ALL && same_group(n, i, j));
}

/* Line i of the matrix: element j at s[i * stride_line + j * stride_element]. */
struct lines { int64_t count, length, stride_line, stride_element; };

static struct lines lines_of(const itr_node *n, bool columns)
{
	const int64_t b = n->in[0]->shape[0], m = n->in[0]->shape[1];
	return columns ? (struct lines){ m, b, 1, m } : (struct lines){ b, m, m, 1 };
}

/* The loss of one line, in the tape's precision; leaves its log-sum-exp. */
#define LINE_LOSS(real, name, exp_fn, log_fn) \
	static real name(const itr_node *n, const struct lines *l, const real *s, int64_t i, real *lse) \
	{ \
		const real *x = s + i * l->stride_line; \
		real top = x[i * l->stride_element], positives = 0; \
		double sum = 0; \
		int64_t count = 0; \
		for (int64_t j = 0; j < l->length; j++) \
			if (counted(n, i, j) && x[j * l->stride_element] > top) \
				top = x[j * l->stride_element]; \
		for (int64_t j = 0; j < l->length; j++) { \
			real v = x[j * l->stride_element]; \
			if (counted(n, i, j)) \
				sum += (double)exp_fn(v - top); \
			if (positive(n, i, j)) { \
				positives += v; \
				count++; \
			} \
		} \
		*lse = top + (real)log_fn(sum); \
		return *lse - positives / (real)count; \
	}
LINE_LOSS(float, line_loss, itr_vexp, log)
LINE_LOSS(double, line_loss64, exp, log)

static void loss_piece(itr_node *n, bool columns, int64_t begin, int64_t end)
{
	const struct lines l = lines_of(n, columns);
	const int64_t at = columns ? n->in[0]->shape[0] : 0;
	for (int64_t i = begin; i < end; i++)
		((float *)n->scratch)[at + i] = line_loss(n, &l, itr_in(n, 0), i, (float *)n->saved + at + i);
}
static void row_losses(itr_node *n, int64_t begin, int64_t end) { loss_piece(n, false, begin, end); }
static void column_losses(itr_node *n, int64_t begin, int64_t end) { loss_piece(n, true, begin, end); }

static void infonce_forward(itr_node *n)
{
	const int64_t b = n->in[0]->shape[0], m = n->in[0]->shape[1];
	double rows = 0, columns = 0;
	itr_node_chunks(n, b, 16, row_losses);
	for (int64_t i = 0; i < b; i++)
		rows += (double)((float *)n->scratch)[i];
	rows /= (double)b;
	if (n->attr.i[1]) {
		itr_node_chunks(n, m, 16, column_losses);
		for (int64_t i = 0; i < m; i++)
			columns += (double)((float *)n->scratch)[b + i];
		rows = 0.5 * (rows + columns / (double)m);
	}
	*itr_out(n) = (float)rows;
}

/* d loss / d s_ij of one direction, before the division by the number of lines: p_ij [counted] - [positive]/|P|. */
static int64_t positives_of(const itr_node *n, int64_t i, int64_t length)
{
	int64_t count = 0;
	for (int64_t j = 0; j < length; j++)
		count += positive(n, i, j);
	return count;
}

ITR_CLONES static void infonce_rows_back(itr_node *n, int64_t begin, int64_t end)
{
	const int64_t b = n->in[0]->shape[0], m = n->in[0]->shape[1];
	const bool both = n->attr.i[1] != 0, plain = n->attr.i[0] == ITR_POSITIVES_DIAGONAL;
	const float *s = itr_in(n, 0), *row = n->saved, *column = row + b, *counts = n->scratch;
	const float g = *itr_dout(n) / (float)b * (both ? 0.5f : 1.0f);
	for (int64_t i = begin; i < end; i++) {
		float *d = itr_din(n, 0) + i * m;
		const float share = g / counts[i];
		for (int64_t j = 0; j < m; j++) {
			float v = 0;
			if (plain || counted(n, i, j))
				v = g * (itr_vexp(s[i * m + j] - row[i]) + (both ? itr_vexp(s[i * m + j] - column[j]) : 0.0f));
			if (j == i || (!plain && positive(n, i, j)))
				v -= share + (both ? g / counts[j] : 0.0f);
			itr_accumulate(&d[j], (float)n->attr.f[3], v);
		}
	}
}

static void infonce_backward(itr_node *n)
{
	if (!itr_din(n, 0))
		return;
	n->attr.f[3] = itr_grad_beta(n, 0);
	for (int64_t i = 0; i < n->in[0]->shape[0]; i++)        /* groups are symmetric: a column has as many positives as its row */
		((float *)n->scratch)[i] = (float)positives_of(n, i, n->in[0]->shape[1]);
	itr_node_chunks(n, n->in[0]->shape[0], 16, infonce_rows_back);
}

static void infonce_ref_forward(itr_node *n)
{
	double loss = 0, *lse = n->saved;
	for (int dir = 0; dir <= (n->attr.i[1] != 0); dir++) {
		const struct lines l = lines_of(n, dir);
		double sum = 0;
		for (int64_t i = 0; i < l.count; i++)
			sum += line_loss64(n, &l, itr_in64(n, 0), i, lse + (dir ? n->in[0]->shape[0] : 0) + i);
		loss += sum / (double)l.count;
	}
	*itr_out64(n) = n->attr.i[1] ? loss / 2 : loss;
}

static void infonce_ref_backward(itr_node *n)
{
	double *d = itr_ref_grad(n, 0), *lse = n->saved;
	for (int dir = 0; d && dir <= (n->attr.i[1] != 0); dir++) {
		const struct lines l = lines_of(n, dir);
		double g = *itr_dout64(n) / (double)l.count / (n->attr.i[1] ? 2 : 1);
		for (int64_t i = 0; i < l.count; i++)
			for (int64_t j = 0; j < l.length; j++) {
				int64_t at = i * l.stride_line + j * l.stride_element;
				if (counted(n, i, j))
					d[at] += g * exp(itr_in64(n, 0)[at] - lse[(dir ? n->in[0]->shape[0] : 0) + i]);
				if (positive(n, i, j))
					d[at] -= g / (double)positives_of(n, i, l.length);
			}
	}
}

static itr_var *infonce_sample(itr_case *c, int which)
{
	if (which >= 12)
		return NULL;
	int64_t b = itr_case_int(c, 2, 9), m = which & 1 ? b : b + itr_case_int(c, 0, 4), group[16];
	for (int64_t j = 0; j < m; j++)
		group[j] = itr_case_int(c, 0, 3);
	itr_var *s = itr_case_input(c, 2, (int64_t[]){ b, m }, 3, 0);
	return itr_infonce(c->tape, s, which < 6 ? group : NULL, (itr_positives)(which / 2 % 3), which & 1);
}

const itr_op itr_op_infonce = {
	"infonce",     1, ITR_OP_LOSS, infonce_shape, infonce_forward, infonce_backward, infonce_ref_forward, infonce_ref_backward, NULL,
	infonce_sample
};

itr_var *itr_infonce(itr_tape *t, itr_var *scores, const int64_t *group, itr_positives positives, bool symmetric)
{
	itr_var *in[] = { scores };
	return itr_apply(t, &itr_op_infonce, in, 1, &(itr_attr){ .i = { positives, symmetric } }, group, group ? scores->shape[1] : 0,
	                 NULL);
}
