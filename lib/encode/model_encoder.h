/* model_encoder.h - a model file of `train --finetune` as the two encoders that it is: tower (or the encoder without weights that it was
 * trained beside), then head. What comes out lies in the shared space, so a store of it is evaluated and searched as it is.
 *
 *	itr_model *m = itr_model_open_for_inputs("m.h5", ITR_COMPUTE_F32, threads, err);
 *	itr_encoder *e = itr_model_encoder_new(m, ITR_IMAGE, &opts, err);      // free it before m
 */
#ifndef ITR_ENCODE_MODEL_ENCODER_H
#define ITR_ENCODE_MODEL_ENCODER_H

#include "encode/encoder.h"
#include "model/model.h"

/* m is packed (itr_model_pack) and must outlive it. Of o: compute (as m was packed for) and threads. */
itr_encoder *itr_model_encoder_new(const itr_model *m, itr_modality modality, const itr_encoder_opts *o, itr_err *err);

#endif
