/* linear.h - models with a closed form: fitted from moments (means and covariances) of caption-image pairs, in double precision.
 *
 * One method = one file that exports one descriptor + one line in linear.def. The strength of regularization is chosen from a list by what
 * the caller calls a score (train: Recall@10 on val); this module knows nothing of retrieval.
 */
#ifndef ITR_LINEAR_LINEAR_H
#define ITR_LINEAR_LINEAR_H

#include "linear/projection.h"

/* Pairs: text row i belongs to image row text_image[i]; negative: the text is left out (it belongs to another part). Every row float32,
 * finite. Images without a text count for nothing. Borrowed. */
typedef struct itr_linear_data {
	const float *text, *image;
	int64_t n_texts, text_dim, n_images, image_dim;
	const int64_t *text_image;
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
itr_moments *itr_moments_new(const itr_linear_data *data, unsigned needs, bool normalize, int threads);
void itr_moments_free(itr_moments *m);

typedef struct itr_linear_opts {
	int64_t dims;                   /* at most this wide a shared space (cca); 0: 512 */
	double power;                   /* cca: directions are scaled by correlation^power (Gong et al. 2014); 4 */
	double lambda;                  /* ridge: this absolute value instead of the list; NaN: choose */
	bool image_to_text;             /* ridge, procrustes: the image side is mapped onto the text side, not the reverse */
	const double *regularization;   /* candidates r, relative to the mean variance of a dimension; NULL: 1e-4 1e-3 1e-2 1e-1 1 */
	int64_t n_regularization;
	int threads;
} itr_linear_opts;

typedef struct itr_linear_method {
	const char *name, *summary;
	unsigned needs;                 /* ITR_MOMENT_* */
	bool normalize;                 /* inputs are L2-normalised, when fitting and when applying */
	bool regularized;               /* uses r */
	/* A model from the moments and one r. NULL with err. */
	itr_projection *(*fit)(const itr_moments *m, const itr_linear_opts *o, double r, itr_err *err);
} itr_linear_method;

extern const itr_linear_method *const itr_linear_methods[];              /* the table; NULL-terminated */
const itr_linear_method *itr_linear_method_find(const char *name);       /* NULL when there is none */

/* A candidate's score on data that it was not fitted on, larger is better; NaN with err = failure. */
typedef double (*itr_linear_score)(void *ctx, const itr_projection *candidate, itr_err *err);

typedef struct itr_linear_trial { double r, score; } itr_linear_trial;

/* Fits every candidate and keeps the best score (the first of equals). `score` may be NULL when there is one candidate only. trials (may be
 * NULL) receives what was tried, room for n_regularization or 5 entries; *n_trials their number. NULL with err. */
itr_projection *itr_linear_fit(const itr_linear_method *method, const itr_linear_data *data, const itr_linear_opts *opts,
                               itr_linear_score score, void *ctx, itr_linear_trial *trials, int64_t *n_trials, itr_err *err);

/* Inside of the module: a double (rows, cols) matrix, transposed, as float32. */
float *itr_linear_transposed(const double *a, int64_t rows, int64_t cols);
float *itr_linear_floats(const double *a, int64_t n);

#endif
