/* match.h - internal, shared by the contrastive losses: which elements of a score matrix are positives, negatives, or ignored (itr_match in
 * ops.h). Fields of the node: in[0] = scores (B, N), in[1] = scores of own negatives (B, K) or NULL; attr.i[0..3] = positives, symmetric,
 * number of groups, number of excluded columns; index = groups, then excluded columns. */
#ifndef ITR_AUTOGRAD_MATCH_H
#define ITR_AUTOGRAD_MATCH_H

#include "autograd/op_util.h"
#include "autograd/ops.h"

/* +1: positive, -1: negative, 0: ignored. */
static inline int itr_match_of(const itr_node *n, int64_t row, int64_t column)
{
	if (row == column)
		return 1;
	if (n->attr.i[3] && n->index[n->attr.i[2] + row] == column)
		return 0;
	if (!n->attr.i[2] || n->index[row] != n->index[column] || n->attr.i[0] == ITR_POSITIVES_DIAGONAL)
		return -1;
	return n->attr.i[0] == ITR_POSITIVES_ALL ? 1 : 0;
}

/* True when every element off the diagonal is a negative. */
static inline bool itr_match_plain(const itr_node *n) { return !n->attr.i[3] && (!n->attr.i[2] || n->attr.i[0] == ITR_POSITIVES_DIAGONAL); }

/* A line is a row, or, when the loss is symmetric, one of the first B columns. Element j of line i is s[i * line + j * element]. */
typedef struct itr_lines {
	int64_t count, length, line, element;
	bool columns;
} itr_lines;

static inline itr_lines itr_lines_of(const itr_node *n, bool columns)
{
	const int64_t b = n->in[0]->shape[0], m = n->in[0]->shape[1];
	return columns ? (itr_lines){ b, b, 1, m, true } : (itr_lines){ b, m, m, 1, false };
}

static inline int itr_match_in(const itr_node *n, const itr_lines *l, int64_t i, int64_t j)
{
	return l->columns ? itr_match_of(n, j, i) : itr_match_of(n, i, j);
}

static inline int64_t itr_match_own(const itr_node *n) { return n->in[1] ? n->in[1]->shape[1] : 0; }

/* Shape rule: checks the scores and the arrays of itr_match; the output has one element. */
void itr_match_shape(itr_node *n);
/* third: one more input or NULL; f: attr.f[0]; mode: attr.i[4]. */
itr_var *itr_match_apply(itr_tape *t, const itr_op *op, itr_var *scores, itr_var *third, const itr_match *m, double f, int64_t mode);

/* For random cases: fills m with random groups and excluded columns and with the options of case `which`; returns scores (B, N). */
typedef struct itr_match_case {
	itr_match match;
	int64_t group[24], excluded[16];
} itr_match_case;
enum { ITR_MATCH_CASES = 24 };
itr_var *itr_match_sample(itr_case *c, int which, itr_match_case *m);

#endif
