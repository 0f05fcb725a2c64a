/* input.h - what a model is applied to: stored vectors, or, where it has towers, a manifest whose pictures and captions they turn into
 * vectors. */
#ifndef ITR_APPLY_INPUT_H
#define ITR_APPLY_INPUT_H

#include "train/finetune.h"

typedef struct itr_input_data {
	itr_embeddings *d;               /* of one of these */
	itr_embeddings stored;
	itr_raw raw;
} itr_input_data;
/* The model's towers are packed for inference. 0, or -1 with err and in empty: the wrong kind for this model, or what itr_embeddings_open
 * and itr_finetune_read say. */
ITR_MUST_USE int itr_input_read(itr_model *m, const char *path, int threads, itr_input_data *in, itr_err *err);
void itr_input_data_free(itr_input_data *in);

#endif
