/* mapper.h - a trained model of either kind, a projection (cca, ridge, procrustes) or a network (mlp, residual-mlp, heads), as its users see it: a map of rows into one space. */
#ifndef ITR_APPLY_MAPPER_H
#define ITR_APPLY_MAPPER_H

#include "linear/projection.h"
#include "model/model.h"

typedef struct itr_mapper {
	char *path, *name;              /* file; "ridge", "residual-mlp", ... */
	int64_t in[2], dim;             /* by itr_side */
	itr_split_note split;
	bool synthetic;
	itr_projection *projection;     /* one of the two */
	itr_model *network;
} itr_mapper;

/* NULL with err. */
itr_mapper *itr_mapper_open(const char *path, itr_err *err);
void itr_mapper_close(itr_mapper *m);
/* x (rows, in[side]), unit rows, -> y (rows, dim); unit rows again when asked (a projection's always are). y may not overlap x. */
void itr_mapper_apply(const itr_mapper *m, itr_side side, const float *x, int64_t rows, float *y, bool normalize, int threads);

#endif
