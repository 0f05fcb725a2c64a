/* model_file.h - reading an "itr-model" file; inside of model. */
#ifndef ITR_MODEL_MODEL_FILE_H
#define ITR_MODEL_MODEL_FILE_H

#include "model/model.h"

/* Where the arrays of a model lie in its file, as those of a net in a checkpoint; files of earlier versions have them under /param. */
#define ITR_MODEL_PARAM "/net/model/param"
const char *itr_model_param_group(const itr_h5 *h);

/* What a store of a model's embeddings names as their encoder. */
#define ITR_MODEL_ENCODER "model"

/* The model of any kind that the file holds, with what it says beside the arrays; nothing in front of its sides, nothing packed. NULL with
 * err. */
itr_model *itr_model_read(const char *path, itr_err *err);

#endif
