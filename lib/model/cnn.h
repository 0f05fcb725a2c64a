/* cnn.h - inside of model: what convolutional towers share. */
#ifndef ITR_MODEL_CNN_H
#define ITR_MODEL_CNN_H

#include "model/tower.h"
#include "nn/conv.h"

/* Pictures (B, S, S, 3) to the last feature map (B, S / 32, S / 32, D). */
typedef itr_var *itr_cnn_trunk(itr_tape *t, const void *m, const itr_tower_config *c, itr_var *x);

/* pooled = the map's mean, states = its places. In inference few pictures at a time go through the whole trunk, each thread with its own
 * where there are enough of them: what one layer writes the next one still finds in cache, and nobody waits for others. No picture's result
 * depends on the others. */
itr_tower_out itr_cnn_forward(itr_tape *t, const void *m, const itr_tower_config *c, const itr_tower_in *in, bool states,
                              itr_cnn_trunk *trunk);

/* The weight of the first of these names that the file has must be (o, i, k, k); missing names are the strict loader's to list. 0, or -1
 * with err that says which network's weights these are not. */
ITR_MUST_USE int itr_cnn_check(const itr_weights *w, const char *tower, const char *const *names, int64_t o, int64_t i, int64_t k,
                               itr_err *err);

#endif
