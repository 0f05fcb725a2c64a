/* predict.h - vectors that a model gives for texts (or images), as files for others: the competition's CSV, NPZ, HDF5. */
#ifndef ITR_APPLY_PREDICT_H
#define ITR_APPLY_PREDICT_H

#include <stdio.h>

#include "apply/input.h"
#include "io/provenance.h"

typedef struct itr_predict_opts {
	const char *model;
	itr_modality side;
	bool normalize;                 /* unit rows out */
	int threads;
} itr_predict_opts;

typedef struct itr_prediction {
	int64_t rows, dim;
	char **id;
	float *y;                       /* (rows, dim) */
	bool synthetic;
	char *model;                    /* "residual-mlp" */
} itr_prediction;

/* Every row of one side of `path` (competition NPZ, with or without images, or feature store) through the model. Free with
 * itr_prediction_free. 0, or -1 with err. */
ITR_MUST_USE int itr_predict(itr_prediction *out, const char *path, const itr_predict_opts *o, itr_provenance *p, itr_err *err);
void itr_prediction_free(itr_prediction *r);

/* Is there a format for this name? 0, or -1 with err: to be asked before the work. */
ITR_MUST_USE int itr_prediction_check_name(const char *path, itr_err *err);
/* By the name's ending. .csv or "-" (stdout): header id,embedding; an embedding is a quoted JSON list of the shortest decimals that read
 * back to the same float32; no provenance, the format has no place for it. .npz: ids, embeddings, itr_provenance. .h5: the same as data
 * sets, format "itr-predictions". Another ending is refused. */
ITR_MUST_USE int itr_prediction_write(const itr_prediction *r, const char *path, FILE *standard_output, const itr_provenance *p,
                                      itr_err *err);

#endif
