#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "model/closed.h"
#include "tensor/rows.h"

static const double decades[] = { 1e-4, 1e-3, 1e-2, 1e-1, 1 };

float *itr_closed_floats(const double *a, int64_t n)
{
	float *f = itr_aligned_alloc((size_t)n * sizeof *f);
	for (int64_t i = 0; i < n; i++)
		f[i] = (float)a[i];
	return f;
}

float *itr_closed_transposed(const double *a, int64_t rows, int64_t cols)
{
	float *f = itr_aligned_alloc((size_t)(rows * cols) * sizeof *f);
	for (int64_t i = 0; i < rows; i++)
		for (int64_t j = 0; j < cols; j++)
			f[j * rows + i] = (float)a[i * cols + j];
	return f;
}

static int check(const itr_linear_data *d, itr_err *err)
{
	int64_t pairs = 0;
	bool two = false;            /* images at least */
	for (int64_t t = 0, last = -1; t < d->n_texts; t++) {
		if (d->text_image[t] >= d->n_images)
			ITR_BUG("text %lld belongs to image %lld of %lld", (long long)t, (long long)d->text_image[t],
			        (long long)d->n_images);
		if (d->text_image[t] < 0)
			continue;
		two = two || (last >= 0 && last != d->text_image[t]);
		last = d->text_image[t];
		pairs++;
	}
	if (!two)
		return itr_err_set(err, "%lld captions of %s are too few to fit a model: it takes two images at least", (long long)pairs,
		                   pairs ? "one image" : "no image");
	return 0;
}

/* Solved in double, kept in float: what does not fit has become infinite. */
static bool fits_float(const itr_closed *p, double r, itr_err *err)
{
	for (int s = 0; s < 2; s++) {
		const itr_closed_side *side = &p->side[s];
		const struct {
			const char *name;
			const float *x;
			int64_t n;
		} part[] = { { "mean", side->mean, side->in },
			     { "weight", side->weight, p->dim * side->in },
			     { "bias", side->bias, p->dim } };
		for (int k = 0; k < ITR_LEN(part); k++)
			if (part[k].x && itr_first_not_finite(part[k].x, part[k].n) >= 0) {
				itr_err_set(err,
				            "%s with regularization %g: the %s side's %s does not fit into float32; give more "
				            "--regularization%s",
				            p->method, r, s == ITR_TEXT ? "text" : "image", part[k].name,
				            strcmp(p->method, "cca") ? "" : ", or a smaller --power");
				return false;
			}
	}
	return true;
}

itr_closed *itr_closed_fit(const itr_closed_kind *kind, const itr_linear_data *data, const itr_closed_fit_opts *opts,
                               itr_closed_score score, void *ctx, itr_closed_trial *trials, int64_t *n_trials, itr_err *err)
{
	const double *r = opts->regularization ? opts->regularization : decades;
	int64_t n = opts->regularization ? opts->n_regularization : ITR_LEN(decades), done = 0;
	itr_closed *best = NULL;
	double top = 0;
	if (!kind->regularized || !isnan(opts->lambda))
		n = 1;                                             /* nothing to choose */
	if (check(data, err) < 0)
		return NULL;
	if (n > 1 && !score) {
		itr_err_set(err, "%lld strengths of regularization and nothing to choose by: give one, or a validation part", (long long)n);
		return NULL;
	}
	itr_moments *m = itr_moments_new(data, kind->needs, kind->normalize, opts->threads);
	for (int64_t i = 0; i < n; i++) {
		itr_closed *p = kind->fit(m, opts, kind->regularized ? r[i] : 0, err);
		if (p && !fits_float(p, kind->regularized ? r[i] : 0, err)) {
			itr_closed_free(p);
			p = NULL;
		}
		double s = p && score ? score(ctx, p, err) : 0;
		if (!p || isnan(s)) {
			itr_closed_free(p);
			itr_closed_free(best);
			itr_moments_free(m);
			return NULL;
		}
		if (trials)
			trials[done] = (itr_closed_trial){ p->regularization, s };
		done++;
		if (!best || s > top) {
			itr_closed_free(best);
			best = p;
			top = s;
		} else {
			itr_closed_free(p);
		}
	}
	if (n_trials)
		*n_trials = done;
	itr_moments_free(m);
	return best;
}
