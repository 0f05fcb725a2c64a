/* mapper.h - a trained model of either kind, a projection (cca, ridge, procrustes) or a network (mlp, residual-mlp, heads), as its users
 * see it: a map of rows into one space. */
#ifndef ITR_APPLY_MAPPER_H
#define ITR_APPLY_MAPPER_H

#include "linear/projection.h"
#include "train/finetune.h"

typedef struct itr_mapper {
	char *path, *name;              /* file; "ridge", "residual-mlp", ... */
	int64_t in[2], dim;             /* by itr_modality */
	itr_split_note split;
	bool synthetic;
	itr_projection *projection;     /* one of the two */
	itr_model *network;
	itr_json *config;               /* the network's file's */
} itr_mapper;

/* NULL with err. */
itr_mapper *itr_mapper_open(const char *path, itr_err *err);
void itr_mapper_close(itr_mapper *m);
/* x (rows, in[side]), unit rows, -> y (rows, dim); unit rows again when asked (a projection's always are). y may not overlap x. Returns -1,
 * or the first row that is not finite although x is, where y is of no use: itr_model_bad_row says so. */
ITR_MUST_USE int64_t itr_mapper_apply(const itr_mapper *m, itr_modality side, const float *x, int64_t rows, float *y, bool normalize,
                                      int threads);

/* What a model is applied to: stored vectors, or, where it has towers, a manifest whose pictures and captions they turn into vectors (the
 * towers are packed for that). */
typedef struct itr_input_data {
	itr_pair_data *d;               /* of one of these */
	itr_pair_data stored;
	itr_raw raw;
} itr_input_data;
/* 0, or -1 with err and in empty: the wrong kind for this model, or what itr_pair_data_open and itr_finetune_read say. */
ITR_MUST_USE int itr_mapper_read(itr_mapper *m, const char *path, int threads, itr_input_data *in, itr_err *err);
void itr_input_data_free(itr_input_data *in);

#endif
