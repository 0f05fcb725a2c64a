#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "model/closed.h"
#include "tensor/rows.h"

const char *const itr_mapping_names[] = { [ITR_TEXT_TO_IMAGE] = "text-to-image", [ITR_IMAGE_TO_TEXT] = "image-to-text", NULL };

const itr_closed_fit_opts itr_closed_defaults = {
	.dims = 512, .power = 4, .lambda = -1, .regularization = { 5, { 1e-4, 1e-3, 1e-2, 1e-1, 1 } }, .features = 4096
};

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
static bool fits_float(const itr_closed_kind *kind, const itr_closed *p, double r, itr_err *err)
{
	for (int s = 0; s < 2; s++) {
		const itr_closed_side *side = &p->side[s];
		const struct {
			const char *name;
			const float *x;
			int64_t n;
		} part[] = { { "mean", side->mean, itr_closed_width(side) },
			     { "weight", side->weight, p->dim * itr_closed_width(side) },
			     { "bias", side->bias, p->dim } };
		for (int k = 0; k < ITR_LEN(part); k++)
			if (part[k].x && itr_first_not_finite(part[k].x, part[k].n) >= 0) {
				itr_err_set(err,
				            "%s with regularization %g: the %s side's %s does not fit into float32; give more "
				            "--regularization%s%s",
				            p->method, r, itr_modality_names[s], part[k].name, kind->smaller ? ", or a smaller " : "",
				            kind->smaller ? kind->smaller : "");
				return false;
			}
	}
	return true;
}

/* ln((1 + N) / (1 + df)) + 1 of each dimension of a text, df: fitted texts in which it is not zero. scikit-learn's TfidfTransformer. */
static float *idf_of(const itr_linear_data *d)
{
	int64_t n = 0, *df = itr_xcalloc((size_t)d->text_dim, sizeof *df);
	float *idf = itr_aligned_alloc((size_t)d->text_dim * sizeof *idf);
	for (int64_t t = 0; t < d->n_texts; t++) {
		if (d->text_image[t] < 0)
			continue;
		n++;
		for (int64_t i = 0; i < d->text_dim; i++)
			df[i] += d->text[t * d->text_dim + i] != 0;
	}
	for (int64_t i = 0; i < d->text_dim; i++)
		idf[i] = (float)(log((1 + (double)n) / (1 + (double)df[i])) + 1);
	free(df);
	return idf;
}

/* The random features of a kernel model's sides, of the rows that it is fitted on. */
static void lift(const itr_closed_kind *kind, itr_linear_data *d, const itr_closed_fit_opts *o, itr_fourier *out[2])
{
	const bool both = kind->kernel == ITR_KERNEL_BOTH_SIDES, mapped = kind->kernel == ITR_KERNEL_MAPPED_SIDE;
	const bool text = both || (mapped && o->direction == ITR_TEXT_TO_IMAGE),
		   image = both || (mapped && o->direction == ITR_IMAGE_TO_TEXT);
	const int64_t features = o->features > 0 ? o->features : itr_closed_defaults.features;
	bool *used = itr_xcalloc((size_t)ITR_MAX(d->n_texts, d->n_images) + 1, sizeof *used);
	out[ITR_TEXT] = out[ITR_IMAGE] = NULL;
	if (text) {
		for (int64_t i = 0; i < d->n_texts; i++)
			used[i] = d->text_image[i] >= 0;
		out[ITR_TEXT] = itr_fourier_new(d->text_dim, features, itr_fourier_width(d->text, d->n_texts, d->text_dim, used), o->seed,
		                                ITR_TEXT);
	}
	if (image) {
		memset(used, 0, (size_t)ITR_MAX(d->n_texts, d->n_images));
		for (int64_t i = 0; i < d->n_texts; i++)
			if (d->text_image[i] >= 0)
				used[d->text_image[i]] = true;
		out[ITR_IMAGE] = itr_fourier_new(d->image_dim, features, itr_fourier_width(d->image, d->n_images, d->image_dim, used),
		                                 o->seed, ITR_IMAGE);
	}
	free(used);
	d->fourier[ITR_TEXT] = out[ITR_TEXT];
	d->fourier[ITR_IMAGE] = out[ITR_IMAGE];
}

static itr_fourier *copy_of(const itr_fourier *f)
{
	itr_fourier *g = itr_fourier_empty(f->in, f->features);
	memcpy(g->frequency, f->frequency, (size_t)(f->features * f->in) * sizeof *f->frequency);
	memcpy(g->phase, f->phase, (size_t)f->features * sizeof *f->phase);
	return g;
}

/* What the solver made of the moments, as a model of this kind on the rows themselves. */
static itr_closed *finish(itr_closed *p, const char *name, itr_fourier *const fourier[2], const float *idf)
{
	if (!p)
		return NULL;
	free(p->method);
	p->method = itr_xstrdup(name);
	for (int s = 0; s < 2; s++) {
		if (fourier[s]) {
			p->side[s].in = fourier[s]->in;
			p->side[s].fourier = copy_of(fourier[s]);
		}
		if (idf && s == ITR_TEXT) {
			p->side[s].idf = itr_aligned_alloc((size_t)p->side[s].in * sizeof *idf);
			memcpy(p->side[s].idf, idf, (size_t)p->side[s].in * sizeof *idf);
		}
	}
	return p;
}

itr_closed *itr_closed_fit(const char *name, const itr_closed_kind *kind, const itr_linear_data *data, const itr_closed_fit_opts *opts,
                               itr_closed_score score, void *ctx, itr_closed_trial *trials, int64_t *n_trials, itr_err *err)
{
	const itr_nums *candidates = opts->regularization.n ? &opts->regularization : &itr_closed_defaults.regularization;
	const double *r = candidates->v;
	int64_t n = candidates->n, done = 0;
	itr_closed *best = NULL;
	double top = 0;
	if (!kind->regularized || opts->lambda >= 0)
		n = 1;                                             /* nothing to choose */
	if (check(data, err) < 0)
		return NULL;
	if (n > 1 && !score) {
		itr_err_set(err, "%lld strengths of regularization and nothing to choose by: give one, or a validation part", (long long)n);
		return NULL;
	}
	itr_linear_data lifted = *data;
	itr_fourier *fourier[2];
	float *idf = opts->idf ? idf_of(data) : NULL;
	lifted.idf = idf;
	lift(kind, &lifted, opts, fourier);
	itr_moments *m = itr_moments_new(&lifted, kind->needs, kind->normalize, opts->threads);
	for (int64_t i = 0; i < n; i++) {
		itr_closed *p = finish(kind->fit(m, opts, kind->regularized ? r[i] : 0, err), name, fourier, idf);
		if (p && !fits_float(kind, p, kind->regularized ? r[i] : 0, err)) {
			itr_closed_free(p);
			p = NULL;
		}
		double s = p && score ? score(ctx, p, err) : 0;
		if (!p || isnan(s)) {
			itr_closed_free(p);
			itr_closed_free(best);
			best = NULL;
			break;
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
	itr_aligned_free(idf);
	itr_fourier_free(fourier[ITR_TEXT]);
	itr_fourier_free(fourier[ITR_IMAGE]);
	return best;
}
