/* ridge.c - one side predicted from the other by regularized least squares (Hoerl and Kennard 1970), with intercept; scikit-learn's Ridge
 * with alpha = lambda. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "model/model.h"
#include "tensor/blas.h"

/* W (din, dout) = (C + lambda/n I)^-1 B; both moments are divided by n already. NULL with err. */
static double *solve(const double *c, const double *b, int64_t din, int64_t dout, double ridge, itr_err *err)
{
	double *l = itr_aligned_alloc((size_t)(din * din) * sizeof *l), *w = NULL;
	memcpy(l, c, (size_t)(din * din) * sizeof *l);
	for (int64_t i = 0; i < din; i++)
		l[i * din + i] += ridge;
	if (itr_cholesky(l, din, err) == 0) {
		w = itr_aligned_alloc((size_t)(din * dout) * sizeof *w);
		memcpy(w, b, (size_t)(din * dout) * sizeof *w);
		itr_trsm_lower(false, din, dout, l, w);
		itr_trsm_lower(true, din, dout, l, w);
	}
	itr_aligned_free(l);
	return w;
}

itr_closed *itr_ridge_solve(const itr_moments *m, const itr_closed_fit_opts *o, double r, itr_err *err)
{
	bool back = o->direction == ITR_IMAGE_TO_TEXT;
	int64_t din = back ? m->dy : m->dx, dout = back ? m->dx : m->dy;
	const double *c = back ? m->cyy : m->cxx;
	double trace = 0, *flipped = NULL, *w;
	for (int64_t i = 0; i < din; i++)
		trace += c[i * din + i];
	double ridge = !(o->lambda >= 0) ? r * trace / (double)din : o->lambda / (double)m->n;
	if (back) {
		flipped = itr_aligned_alloc((size_t)(din * dout) * sizeof *flipped);
		for (int64_t i = 0; i < m->dx; i++)
			for (int64_t j = 0; j < m->dy; j++)
				flipped[j * m->dx + i] = m->cxy[i * m->dy + j];
	}
	w = solve(c, back ? flipped : m->cxy, din, dout, ridge, err);
	itr_aligned_free(flipped);
	if (!w) {
		itr_err_prefix(err, "ridge with lambda %g: ", ridge * (double)m->n);
		return NULL;
	}
	itr_closed *p = itr_closed_new("ridge", dout);
	itr_closed_side *from = &p->side[back ? ITR_IMAGE : ITR_TEXT], *to = &p->side[back ? ITR_TEXT : ITR_IMAGE];
	from->in = din;
	from->normalize = to->normalize = true;
	from->mean = itr_closed_floats(back ? m->mean_y : m->mean_x, din);
	from->weight = itr_closed_transposed(w, din, dout);
	from->bias = itr_closed_floats(back ? m->mean_x : m->mean_y, dout);
	to->in = dout;
	itr_aligned_free(w);
	p->lambda = ridge * (double)m->n;
	p->regularization = trace > 0 ? ridge * (double)din / trace : 0;
	return p;
}

static const itr_option options[] = { ITR_CLOSED_REGULARIZATION, ITR_CLOSED_LAMBDA, ITR_CLOSED_DIRECTION, ITR_CLOSED_IDF, ITR_OPT_END };

const itr_model_ops itr_model_ridge = {
	.name = "ridge",
	.summary = "regularized least squares from one side to the other",
	.options_size = sizeof(itr_closed_fit_opts),
	.defaults = &itr_closed_defaults,
	.options = options,
	.closed = &(const itr_closed_kind){ .needs = ITR_MOMENT_XX | ITR_MOMENT_YY | ITR_MOMENT_XY,
	                                    .normalize = true,
	                                    .regularized = true,
	                                    .fit = itr_ridge_solve },
};
