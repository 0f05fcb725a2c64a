/* cca.c - canonical correlation analysis, regularized, directions scaled by a power of their correlation: Gong, Ke, Isard and Lazebnik, "A
 * multi-view embedding space for modeling internet images, tags, and their semantics", IJCV 2014.
 *
 * With Cxx + rx I = Lx Lx^T and Cyy + ry I = Ly Ly^T, rx = r tr(Cxx)/dx: the singular values of T = Lx^-1 Cxy Ly^-T are the canonical
 * correlations, Lx^-T U and Ly^-T V the directions.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/model.h"
#include "tensor/blas.h"

/* The lower Cholesky factor of c + r tr(c)/d I. NULL with err. */
static double *factor(const double *c, int64_t d, double r, itr_err *err)
{
	double *l = itr_aligned_alloc((size_t)(d * d) * sizeof *l), trace = 0;
	memcpy(l, c, (size_t)(d * d) * sizeof *l);
	for (int64_t i = 0; i < d; i++)
		trace += c[i * d + i];
	for (int64_t i = 0; i < d; i++)
		l[i * d + i] += r * trace / (double)d;
	if (itr_cholesky(l, d, err) < 0) {
		itr_aligned_free(l);
		return NULL;
	}
	return l;
}

static double *transposed(const double *a, int64_t rows, int64_t cols)
{
	double *t = itr_aligned_alloc((size_t)(rows * cols) * sizeof *t);
	for (int64_t i = 0; i < rows; i++)
		for (int64_t j = 0; j < cols; j++)
			t[j * rows + i] = a[i * cols + j];
	return t;
}

/* T = Lx^-1 Cxy Ly^-T, (dx, dy). */
static double *whitened(const itr_moments *m, const double *lx, const double *ly)
{
	double *a = itr_aligned_alloc((size_t)(m->dx * m->dy) * sizeof *a), *t, *back;
	memcpy(a, m->cxy, (size_t)(m->dx * m->dy) * sizeof *a);
	itr_trsm_lower(false, m->dx, m->dy, lx, a);
	t = transposed(a, m->dx, m->dy);                           /* (dy, dx) */
	itr_trsm_lower(false, m->dy, m->dx, ly, t);
	back = transposed(t, m->dy, m->dx);
	itr_aligned_free(a);
	itr_aligned_free(t);
	return back;
}

/* One side's map: L^-T times the first `dim` of `columns` directions, each times correlation^power. */
static void set_side(itr_closed_side *side, int64_t d, const double *l, const double *directions, int64_t columns, int64_t dim,
                     const double *correlation, double power, const double *mean)
{
	double *w = itr_aligned_alloc((size_t)(d * dim) * sizeof *w);
	for (int64_t i = 0; i < d; i++)
		for (int64_t j = 0; j < dim; j++)
			w[i * dim + j] = directions[i * columns + j] * pow(correlation[j], power);
	itr_trsm_lower(true, d, dim, l, w);
	side->in = d;
	side->normalize = true;
	side->mean = itr_closed_floats(mean, d);
	side->weight = itr_closed_transposed(w, d, dim);
	itr_aligned_free(w);
}

static itr_closed *assemble(const itr_moments *m, const itr_closed_fit_opts *o, double r, const double *lx, const double *ly,
                                const double *u, const double *s, const double *vt)
{
	int64_t all = ITR_MIN(m->dx, m->dy), dim = ITR_MIN(ITR_MIN(all, m->n - 1), o->dims > 0 ? o->dims : itr_closed_defaults.dims);
	itr_closed *p = itr_closed_new("cca", dim);
	double *v = transposed(vt, all, m->dy);
	set_side(&p->side[ITR_TEXT], m->dx, lx, u, all, dim, s, o->power, m->mean_x);
	set_side(&p->side[ITR_IMAGE], m->dy, ly, v, all, dim, s, o->power, m->mean_y);
	itr_aligned_free(v);
	p->regularization = r;
	p->details = itr_json_object();
	itr_json_add_num(p->details, "power", o->power);
	itr_json *c = itr_json_add_array(p->details, "correlations");
	for (int64_t i = 0; i < dim; i++)
		itr_json_push(c, itr_json_new_num(s[i]));
	return p;
}

itr_closed *itr_cca_solve(const itr_moments *m, const itr_closed_fit_opts *o, double r, itr_err *err)
{
	int64_t all = ITR_MIN(m->dx, m->dy);
	itr_closed *p = NULL;
	double *lx = factor(m->cxx, m->dx, r, err), *ly = lx ? factor(m->cyy, m->dy, r, err) : NULL;
	if (!ly) {
		itr_err_prefix(err, "cca with regularization %g: %s", r, lx ? "image covariance: " : "text covariance: ");
		itr_aligned_free(lx);
		return NULL;
	}
	double *t = whitened(m, lx, ly), *s = itr_xcalloc((size_t)all, sizeof *s);
	double *u = itr_aligned_alloc((size_t)(m->dx * all) * sizeof *u), *vt = itr_aligned_alloc((size_t)(all * m->dy) * sizeof *vt);
	if (itr_svd(t, m->dx, m->dy, u, s, vt, err) == 0)
		p = assemble(m, o, r, lx, ly, u, s, vt);
	free(s);
	itr_aligned_free(u), itr_aligned_free(vt), itr_aligned_free(t), itr_aligned_free(lx), itr_aligned_free(ly);
	return p;
}

static const itr_option options[] = { ITR_CLOSED_DIMS, ITR_CLOSED_POWER, ITR_CLOSED_REGULARIZATION, ITR_CLOSED_IDF, ITR_OPT_END };

const itr_model_ops itr_model_cca = {
	.name = "cca",
	.summary = "canonical correlation analysis: both sides into a space where they correlate most",
	.options_size = sizeof(itr_closed_fit_opts),
	.defaults = &itr_closed_defaults,
	.options = options,
	.closed = &(const itr_closed_kind){ .needs = ITR_MOMENT_XX | ITR_MOMENT_YY | ITR_MOMENT_XY,
	                                    .normalize = true,
	                                    .regularized = true,
	                                    .smaller = "--power",
	                                    .fit = itr_cca_solve },
};
