/* model_encoder.h - a model file of `train --finetune` as the two encoders that it is: tower (or the encoder without weights that it was
 * trained beside), then head. What comes out lies in the shared space, so a store of it is evaluated and searched as it is.
 *
 *	itr_model_file *f = itr_model_file_open("m.h5", ITR_COMPUTE_F32, threads, err);
 *	itr_encoder *e = itr_model_encoder_new(f, ITR_IMAGE, &opts, err);      // free it before f
 */
#ifndef ITR_ENCODE_MODEL_ENCODER_H
#define ITR_ENCODE_MODEL_ENCODER_H

#include "encode/encoder.h"
#include "model/model.h"

typedef struct itr_model_file {
	itr_model *model;                        /* frozen: packed for `compute` */
	char sha256[ITR_SHA256_HEX];             /* of the file */
} itr_model_file;

/* NULL with err: no such file, or a model without encoders of its own. */
itr_model_file *itr_model_file_open(const char *path, itr_compute c, int threads, itr_err *err);
void itr_model_file_close(itr_model_file *f);

/* f must outlive it. Of o: compute (as f was opened with) and threads. */
itr_encoder *itr_model_encoder_new(const itr_model_file *f, itr_modality modality, const itr_encoder_opts *o, itr_err *err);

#endif
