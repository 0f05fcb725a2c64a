/* model_file.h - reading an "itr-model" file; inside of model. */
#ifndef ITR_MODEL_MODEL_FILE_H
#define ITR_MODEL_MODEL_FILE_H

#include "model/model.h"

/* The group of a model's arrays in its file, as that of a net in a checkpoint. Files of earlier versions have the former one; a link of
 * that name lets their programs, and scripts that read such files, open new files. */
#define ITR_MODEL_PARAM        "/net/model/param"
#define ITR_MODEL_FORMER_PARAM "/param"
const char *itr_model_param_group(const itr_h5 *h);

/* What a store of a model's embeddings names as their encoder. */
#define ITR_MODEL_ENCODER "model"

/* The model of any kind that the file holds, with what it says beside the arrays; nothing in front of its sides, nothing packed. NULL with
 * err. */
itr_model *itr_model_read(const char *path, itr_err *err);

#endif
