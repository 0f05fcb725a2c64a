/* moments.h - means and covariances of caption-image pairs, in double precision, for closed-form models (CCA, ridge regression, ...). */
#ifndef ITR_LINEAR_MOMENTS_H
#define ITR_LINEAR_MOMENTS_H

#include "linear/fourier.h"

/* Pairs: text row i and image row text_image[i]; negative: the text is not used (it is in another split). Rows are finite float32. Images
 * without a text are not used. All arrays are borrowed. */
typedef struct itr_linear_data {
	const float *text, *image;
	int64_t n_texts, text_dim, n_images, image_dim;
	const int64_t *text_image;
	/* [0] texts, [1] images: random features to use instead of the rows, computed block by block; NULL: the rows */
	const itr_fourier *fourier[2];
	const float *idf;               /* (text_dim): factors of the text dimensions, applied first; NULL: none */
} itr_linear_data;

/* Means and covariances (divided by n) over the n pairs; x = text, y = image. */
typedef struct itr_moments {
	int64_t n, dx, dy;
	double *mean_x, *mean_y;
	double *cxx, *cyy, *cxy;        /* (dx,dx) (dy,dy) (dx,dy); NULL unless requested */
} itr_moments;

enum { ITR_MOMENT_XX = 1, ITR_MOMENT_YY = 2, ITR_MOMENT_XY = 4 };

/* x (n, dim): multiplies column k by idf[k]. */
void itr_scale_columns(float *x, int64_t n, int64_t dim, const float *idf);

/* Computes the means and the covariances in `needs` (ITR_MOMENT_* bits). normalize: L2-normalises the rows first. Sums are in blocks of a
 * fixed number of rows, in a fixed order: the same bits for any number of threads. Free with itr_moments_free. */
itr_moments *itr_moments_new(const itr_linear_data *data, unsigned needs, bool normalize, int threads);
void itr_moments_free(itr_moments *m);

#endif
