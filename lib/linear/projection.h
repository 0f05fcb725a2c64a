/* projection.h - a fitted linear model: what takes text and image vectors into one space, and the file that carries it.
 *
 * A side computes  y = (l2(x) - mean) . weight^T + bias  and then l2(y); every part may be absent. In float32 through itr_gemm, so equal
 * rows give bit-equal vectors wherever they sit. `--model` of extract-features and evaluate apply it.
 */
#ifndef ITR_LINEAR_PROJECTION_H
#define ITR_LINEAR_PROJECTION_H

#include "base/hash.h"
#include "data/modality.h"
#include "io/provenance.h"

typedef struct itr_projection_side {
	int64_t in;                     /* width of what comes in */
	bool normalize;                 /* L2 before anything else */
	float *mean;                    /* (in), or NULL */
	float *weight;                  /* (dim, in) as PyTorch's Linear, or NULL: the identity, in == dim */
	float *bias;                    /* (dim), or NULL */
	char *encoder;                  /* the feature store's encoder name; "" when unknown */
	char *weights_sha256, *preprocess;      /* text: of that encoder's weights, and how it was used; NULL: none, or not told */
} itr_projection_side;

/* Who was train, val and test when the model was fitted (methods section 0): evaluate refuses a store whose parts differ. Split by caption:
 * counts and hashes are of captions. */
typedef struct itr_split_note {
	char by[16];                    /* "image", "label", "group", "caption" (leaky), "file" (official); "" when there was no split */
	char groups[1024];              /* the file of "group"; "" otherwise */
	double sizes[3];                /* train, val, test; zeros for "file" */
	uint64_t seed;
	int64_t count[3];               /* images in train, val, test */
	char hash[3][ITR_SHA256_HEX];   /* itr_split_hash of each part's ids */
} itr_split_note;

typedef struct itr_projection {
	char *method;                   /* "cca", "ridge", "procrustes" */
	int64_t dim;                    /* of the shared space */
	itr_projection_side side[2];    /* by itr_modality */
	double regularization;          /* r as chosen */
	double lambda;                  /* ridge: the absolute value; 0 otherwise */
	itr_json *details;              /* what the method has to tell: {"power":4,"correlations":[...]}; may be NULL */
	itr_split_note split;
	bool synthetic;
} itr_projection;

itr_projection *itr_projection_new(const char *method, int64_t dim);     /* no side set */
void itr_projection_free(itr_projection *p);

/* x (rows, side.in) -> out (rows, dim), rows L2-normalised; out may not overlap x. *zero (may be NULL) receives the number of rows that
 * came out zero. Returns -1, or the first row that is not finite although x is (the weights are too large for float32), where it stops:
 * what stands in out is then of no use (itr_model_bad_row). */
ITR_MUST_USE int64_t itr_projection_apply(const itr_projection *p, itr_modality side, const float *x, int64_t rows, float *out,
                                          int64_t *zero, int threads);
/* The error about such a row, of any model: `model` is its file, `id` the row's. Returns -1. */
int itr_model_bad_row(itr_err *err, const char *model, itr_modality side, const char *id);

/* HDF5, format "itr-model": /config (JSON), /provenance, /param/{text,image}.{mean,weight,bias}. Writing is whole or absent. */
ITR_MUST_USE int itr_projection_save(const itr_projection *p, const char *path, const itr_provenance *provenance, itr_err *err);
/* Refuses files of another kind of model (saying which), wrong shapes, NaN. NULL with err. */
itr_projection *itr_projection_load(const char *path, itr_err *err);

/* The note as member "split" of a model's config, and back; a config without one: by "". */
void itr_split_note_put(itr_json *config, const itr_split_note *n);
void itr_split_note_get(const itr_json *config, itr_split_note *n);

/* 0 when the parts are those the model was fitted with (or the model knows none); else -1 and a message that names the first part that
 * differs. */
ITR_MUST_USE int itr_split_note_check(const itr_split_note *model, const char *const hash[3], const int64_t count[3], itr_err *err);

#endif
