/* closed.h - models with a closed form (cca, ridge, procrustes, ...): solved in double precision from the moments of caption-image pairs,
 * applied in float32. A closed form is a kind like any other: one file + one line in models.def; itr_model_open and itr_model_embed
 * (model/model.h) do not distinguish them from networks.
 *
 * A side computes  y = (z - mean) . weight^T + bias  and then l2(y), where z = l2(x idf) or its random features; every part may be absent.
 * In float32 through itr_gemm, so equal rows give bit-equal vectors wherever they are. The strength of regularization is chosen from a list
 * by what the caller calls a score (train: Recall@10 on val); this file knows nothing of retrieval.
 */
#ifndef ITR_MODEL_CLOSED_H
#define ITR_MODEL_CLOSED_H

#include "base/hash.h"
#include "base/option.h"
#include "data/modality.h"
#include "data/picture_opts.h"
#include "data/split_record.h"
#include "io/h5.h"
#include "io/provenance.h"
#include "linear/moments.h"

typedef struct itr_closed_side {
	int64_t in;                     /* width of what comes in */
	bool normalize;                 /* L2 before anything else */
	float *idf;                     /* (in), a factor of each dimension, before anything else; NULL: none */
	itr_fourier *fourier;           /* kernel models: random features take the rows' place; NULL: none. `width` is theirs, else `in` */
	float *mean;                    /* (width), or NULL */
	float *weight;                  /* (dim, width) as PyTorch's Linear, or NULL: the identity, in == dim */
	float *bias;                    /* (dim), or NULL */
	char *encoder;                  /* the feature store's encoder name; "" when unknown */
	char *weights_sha256, *preprocess;      /* text: of that encoder's weights, and how it was used; NULL: none, or not told */
} itr_closed_side;

typedef struct itr_closed {
	char *method;                   /* "cca", "ridge", "procrustes" */
	int64_t dim;                    /* of the shared space */
	itr_closed_side side[2];        /* by itr_modality */
	double regularization;          /* r as chosen */
	double lambda;                  /* ridge: the absolute value; 0 otherwise */
	itr_json *details;              /* what the method has to tell: {"power":4,"correlations":[...]}; may be NULL */
	/* of a fitted model, for its file; those of an opened one are itr_model's */
	itr_split_record split;
	itr_picture_opts pictures;      /* of the images that it was fitted on */
	bool synthetic;
} itr_closed;

/* Columns of weight and mean. */
int64_t itr_closed_width(const itr_closed_side *s);
itr_closed *itr_closed_new(const char *method, int64_t dim);         /* no side set */
void itr_closed_free(itr_closed *p);

/* x (rows, side.in) -> out (rows, dim), rows L2-normalised; out may not overlap x. *zero (may be NULL) receives the number of rows that
 * came out zero. Returns -1, or the first row that is not finite although x is (the weights are too large for float32), where it stops:
 * what stands in out is then of no use (itr_model_bad_row). */
ITR_MUST_USE int64_t itr_closed_apply(const itr_closed *p, itr_modality side, const float *x, int64_t rows, float *out, int64_t *zero,
                                          int threads);
/* The error about such a row, of any model: `model` is its file, `id` the row's. Returns -1. */
int itr_model_bad_row(itr_err *err, const char *model, itr_modality side, const char *id);

/* HDF5, format "itr-model": /config (JSON), /provenance, /net/model/param/{text,image}.{mean,weight,bias}. Writing is whole or absent. */
ITR_MUST_USE int itr_closed_save(const itr_closed *p, const char *path, const itr_provenance *provenance, itr_err *err);
/* The maps that an open model file holds, with its /config. Refuses wrong shapes and NaN. NULL with err. */
itr_closed *itr_closed_read(const itr_h5 *h, const itr_json *config, itr_err *err);

/* Of the method, its arrays and what made the rows that it was fitted on; see itr_model.hash. */
void itr_closed_hash(const itr_closed *p, char hex[ITR_SHA256_HEX]);

/* --- fitting -------------------------------------------------------------------------------------------------------------------------- */

/* What the rows below write; each kind's table has those that it uses. A kind with an option of its own puts this first in its struct. */
typedef struct itr_closed_fit_opts {
	int64_t dims;                   /* at most this wide a shared space; 0: 512 */
	double power;                   /* directions are scaled by correlation^power (Gong et al. 2014) */
	double lambda;                  /* this absolute value instead of the list; negative or NaN: choose */
	int direction;                  /* ITR_TEXT_TO_IMAGE, or ITR_IMAGE_TO_TEXT: the image side is mapped onto the text side */
	itr_nums regularization;        /* candidates r, relative to the mean variance of a dimension; n 0: those of the defaults */
	bool idf;                       /* a text's dimensions are weighted by their inverse document frequency among the fitted texts */
	int64_t features;               /* random features a side; 0: 4096 */
	/* no rows: the run's */
	uint64_t seed;                  /* which the random features are */
	int threads;
} itr_closed_fit_opts;
enum { ITR_TEXT_TO_IMAGE, ITR_IMAGE_TO_TEXT };
extern const char *const itr_mapping_names[];
extern const itr_closed_fit_opts itr_closed_defaults;   /* of every kind */
#define ITR_CLOSED_DIMS ITR_OPT_INT_IN("dims", 'd', itr_closed_fit_opts, dims, "D", ITR_FROM(1), "width of the shared space, at most")
#define ITR_CLOSED_POWER ITR_OPT_NUM("power", 0, itr_closed_fit_opts, power, "P", "scale each direction by correlation^P")
#define ITR_CLOSED_LAMBDA                                                                                                                  \
	ITR_OPT_NUM("lambda", 0, itr_closed_fit_opts, lambda, "L", "absolute regularization; negative: choose from --regularization")
#define ITR_CLOSED_DIRECTION                                                                                                               \
	ITR_OPT_ENUM("direction", 0, itr_closed_fit_opts, direction, itr_mapping_names, "direction of the map: source to target")
#define ITR_CLOSED_REGULARIZATION                                                                                                          \
	ITR_OPT_NUMS_IN("regularization", 'r', itr_closed_fit_opts, regularization, "R...", ITR_FROM(0),                                   \
	                "candidates, relative to the mean variance; the best recall@10 on val is selected")
#define ITR_CLOSED_IDF                                                                                                                     \
	ITR_OPT_BOOL("idf", 0, itr_closed_fit_opts, idf,                                                                                   \
	             "weight text features by inverse document frequency in the train split (hashed text)")
#define ITR_CLOSED_FEATURES                                                                                                                \
	ITR_OPT_INT_IN("features", 0, itr_closed_fit_opts, features, "N", ITR_BETWEEN(1, 65536), "random features per modality")

/* What a closed form adds to its kind (itr_model_ops.closed). */
typedef struct itr_closed_kind {
	unsigned needs;                 /* ITR_MOMENT_* */
	bool normalize;                 /* inputs are L2-normalised, when fitting and when applying */
	bool regularized;               /* uses r */
	/* whose random features take the place of the rows */
	enum { ITR_KERNEL_NONE, ITR_KERNEL_MAPPED_SIDE, ITR_KERNEL_BOTH_SIDES } kernel;
	const char *smaller;            /* options that, like less regularization, make weights larger: "--power"; NULL: none */
	/* A model from the moments and one r. NULL with err. */
	itr_closed *(*fit)(const itr_moments *m, const itr_closed_fit_opts *o, double r, itr_err *err);
} itr_closed_kind;

/* A candidate's score on data that it was not fitted on, larger is better; NaN with err = failure. */
typedef double (*itr_closed_score)(void *ctx, const itr_closed *candidate, itr_err *err);

typedef struct itr_closed_trial { double r, score; } itr_closed_trial;

/* Fits every candidate and keeps the best score (the first of equals). `score` may be NULL when there is one candidate only. trials (may be
 * NULL) receives what was tried, room for n_regularization or 5 entries; *n_trials their number. NULL with err. */
itr_closed *itr_closed_fit(const char *name, const itr_closed_kind *kind, const itr_linear_data *data, const itr_closed_fit_opts *opts,
                           itr_closed_score score, void *ctx, itr_closed_trial *trials, int64_t *n_trials, itr_err *err);

/* Solvers that several kinds share: rows as they are, or their random features. */
itr_closed *itr_cca_solve(const itr_moments *m, const itr_closed_fit_opts *o, double r, itr_err *err);
itr_closed *itr_ridge_solve(const itr_moments *m, const itr_closed_fit_opts *o, double r, itr_err *err);

/* For the kinds' own files: a double (rows, cols) matrix as float32, transposed or as it is; itr_aligned_free. */
float *itr_closed_transposed(const double *a, int64_t rows, int64_t cols);
float *itr_closed_floats(const double *a, int64_t n);

#endif
