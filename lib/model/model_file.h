/* model_file.h - reading an "itr-model" file; inside of model. */
#ifndef ITR_MODEL_MODEL_FILE_H
#define ITR_MODEL_MODEL_FILE_H

#include "model/model.h"

/* What a store of a model's embeddings names as their encoder. */
#define ITR_MODEL_ENCODER "model"

/* The model of any kind that the file holds, with what it says beside the arrays; nothing in front of its sides, nothing packed. NULL with
 * err. */
itr_model *itr_model_read(const char *path, itr_err *err);

#endif
