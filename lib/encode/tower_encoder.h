/* tower_encoder.h - every tower of model/towers.def as an encoder; between encoder.c and enc_tower.c. */
#ifndef ITR_ENCODE_TOWER_ENCODER_H
#define ITR_ENCODE_TOWER_ENCODER_H

#include "encode/encoder.h"

int itr_tower_encoder_count(void);
const itr_encoder_desc *itr_tower_encoder_at(int i);
const char *itr_tower_encoder_summary(const itr_encoder_desc *d);

#endif
