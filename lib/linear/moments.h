/* moments.h - means and covariances of caption-image pairs, in double precision: what the closed forms are solved from. */
#ifndef ITR_LINEAR_MOMENTS_H
#define ITR_LINEAR_MOMENTS_H

#include "linear/fourier.h"

/* Pairs: text row i belongs to image row text_image[i]; negative: the text is left out (it belongs to another part). Every row float32,
 * finite. Images without a text count for nothing. Borrowed. */
typedef struct itr_linear_data {
	const float *text, *image;
	int64_t n_texts, text_dim, n_images, image_dim;
	const int64_t *text_image;
	/* NULL: the rows as they are; else their random features take their place, made block by block. Of texts, of images */
	const itr_fourier *fourier[2];
	const float *idf;               /* (text_dim), a factor of each dimension of a text before anything else; NULL: none */
} itr_linear_data;

/* Means and centred covariances (divided by the number of pairs) over the pairs; x = text, y = image. */
typedef struct itr_moments {
	int64_t n, dx, dy;
	double *mean_x, *mean_y;
	double *cxx, *cyy, *cxy;        /* (dx,dx) (dy,dy) (dx,dy); NULL when not asked for */
} itr_moments;

enum { ITR_MOMENT_XX = 1, ITR_MOMENT_YY = 2, ITR_MOMENT_XY = 4 };

/* Accumulated in blocks of a fixed number of rows in one order: the same bits for any number of threads. `normalize`: rows are
 * L2-normalised first. */
/* x (n, dim) *= idf, column by column. */
void itr_scale_columns(float *x, int64_t n, int64_t dim, const float *idf);

itr_moments *itr_moments_new(const itr_linear_data *data, unsigned needs, bool normalize, int threads);
void itr_moments_free(itr_moments *m);

#endif
