/* model_encoder.h - a model as the two encoders that it is: tower, or the encoder without weights that made the rows it was fitted on
 * (classic, hash), then head or closed form. What comes out lies in the shared space: a store of it is evaluated and searched as it is.
 *
 *	itr_model *m = itr_model_open("m.h5", err);
 *	itr_encoder *e = itr_model_encoder_new(m, ITR_IMAGE, &opts, err);      // free it before m
 */
#ifndef ITR_ENCODE_MODEL_ENCODER_H
#define ITR_ENCODE_MODEL_ENCODER_H

#include "encode/encoder.h"
#include "model/model.h"

/* A model with towers is packed (itr_model_pack); m must outlive the encoder. Of o: compute (as m was packed for) and threads. NULL with
 * err: no tower, and rows of an encoder that needs weights or is unknown. */
itr_encoder *itr_model_encoder_new(const itr_model *m, itr_modality modality, const itr_encoder_opts *o, itr_err *err);

#endif
