/* tower_encoder.h - every tower of model/towers.def as an encoder; between encoder.c, enc_tower.c and model_encoder.c. */
#ifndef ITR_ENCODE_TOWER_ENCODER_H
#define ITR_ENCODE_TOWER_ENCODER_H

#include "encode/encoder.h"

int itr_tower_encoder_count(void);
const itr_encoder_desc *itr_tower_encoder_at(int i);
const char *itr_tower_encoder_summary(const itr_encoder_desc *d);

/* A tower that somebody else owns and has packed for o->compute, as an encoder. */
struct itr_tower;
itr_encoder *itr_tower_encoder_of(struct itr_tower *w, const itr_encoder_opts *o);

#endif
