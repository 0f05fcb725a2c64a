#include "loss/scores.h"

#include <stdlib.h>

#include "base/mem.h"

/* exp(min(log_scale, ceiling)), as in itr_scores. */
static itr_var *scale_of(itr_tape *t, itr_var *log_scale)
{
	const double top = ITR_LOG_SCALE_CEILING;
	return itr_exp(t, itr_affine(t, itr_relu(t, itr_affine(t, log_scale, -1, top)), -1, top));
}

/* Scores (B, n_own) of each query with its own negatives. */
static itr_var *own_scores(itr_tape *t, const itr_loss_in *in, itr_var *query)
{
	const int64_t b = query->shape[0], n = b * in->n_own;
	int64_t *row = itr_xmalloc((size_t)n * sizeof *row);
	for (int64_t i = 0; i < n; i++)
		row[i] = i / in->n_own;
	itr_var *dot = itr_row_dot(t, itr_gather(t, query, row, n), itr_l2norm(t, in->own));
	free(row);
	dot = in->log_scale ? itr_scale_by(t, dot, scale_of(t, in->log_scale)) : itr_scale(t, dot, in->scale);
	return itr_reshape(t, dot, 2, (int64_t[]){ b, in->n_own });
}

itr_var *itr_loss_scores(itr_tape *t, const itr_loss_in *in, itr_positives positives, itr_match *m)
{
	itr_var *query = itr_l2norm(t, in->query), *target = itr_l2norm(t, in->target);
	*m = (itr_match){ positives, in->group, in->excluded, in->own ? own_scores(t, in, query) : NULL, in->symmetric };
	return itr_scores(t, query, target, in->log_scale, in->scale, ITR_LOG_SCALE_CEILING);
}
