/* tower_beside.h - what lies beside published weights; inside of model. */
#ifndef ITR_MODEL_TOWER_BESIDE_H
#define ITR_MODEL_TOWER_BESIDE_H

#include "model/tower.h"

/* FOLDER/NAME of the weights (a folder, or a file in one) if it exists, else NULL. The caller frees. */
char *itr_tower_beside(const char *weights, const char *name);

/* Sets w->preset of an image tower: the one that o->preset names; else what the weights were published with, as the file beside them says
 * (timm, transformers, open_clip); else the configured one or the tower's. -1 with err: an unknown name, or a file that asks for what is
 * not built or cannot be read. */
ITR_MUST_USE int itr_tower_choose_preset(itr_tower *w, const itr_weights *weights, const itr_tower_opts *o, itr_err *err);

#endif
