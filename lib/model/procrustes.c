/* procrustes.c - the rotation that brings one side nearest to the other (Schoenemann 1966): W = U V^T from the singular vectors of the
 * cross-covariance. Of different widths, W has orthonormal rows or columns: an isometry of the smaller space into the larger, or a
 * projection onto it. */
#include <stdlib.h>

#include "base/mem.h"
#include "model/model.h"
#include "tensor/blas.h"

static itr_closed *fit(const itr_moments *m, const itr_closed_fit_opts *o, double r, itr_err *err)
{
	bool back = o->direction == ITR_IMAGE_TO_TEXT;
	int64_t n = ITR_MIN(m->dx, m->dy), din = back ? m->dy : m->dx, dout = back ? m->dx : m->dy;
	double *u = itr_aligned_alloc((size_t)(m->dx * n) * sizeof *u), *vt = itr_aligned_alloc((size_t)(n * m->dy) * sizeof *vt),
	       *s = itr_xcalloc((size_t)n, sizeof *s);
	double *w = itr_aligned_alloc((size_t)(m->dx * m->dy) * sizeof *w);
	itr_closed *p = NULL;
	(void)r;
	if (itr_svd(m->cxy, m->dx, m->dy, u, s, vt, err) == 0) {
		p = itr_closed_new("procrustes", dout);
		itr_closed_side *from = &p->side[back ? ITR_IMAGE : ITR_TEXT],
				    *to = &p->side[back ? ITR_TEXT : ITR_IMAGE];
		itr_dgemm(false, false, m->dx, m->dy, n, 1, u, n, vt, m->dy, 0, w, m->dy);
		from->in = din;
		from->normalize = to->normalize = true;
		from->mean = itr_closed_floats(back ? m->mean_y : m->mean_x, din);
		/* (dout, din) either way */
		from->weight = back ? itr_closed_floats(w, m->dx * m->dy) : itr_closed_transposed(w, m->dx, m->dy);
		from->bias = itr_closed_floats(back ? m->mean_x : m->mean_y, dout);
		to->in = dout;
	} else {
		itr_err_prefix(err, "procrustes: ");
	}
	free(s);
	itr_aligned_free(u), itr_aligned_free(vt), itr_aligned_free(w);
	return p;
}

static const itr_option options[] = { ITR_CLOSED_DIRECTION, ITR_CLOSED_IDF, ITR_OPT_END };

const itr_model_ops itr_model_procrustes = {
	.name = "procrustes",
	.summary = "the rotation that brings one side nearest to the other",
	.options_size = sizeof(itr_closed_fit_opts),
	.defaults = &itr_closed_defaults,
	.options = options,
	.closed = &(const itr_closed_kind){ .needs = ITR_MOMENT_XY, .normalize = true, .fit = fit },
};
