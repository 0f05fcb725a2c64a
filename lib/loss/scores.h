/* scores.h - inside of loss: the scores that losses over a batch start from. */
#ifndef ITR_LOSS_SCORES_H
#define ITR_LOSS_SCORES_H

#include "loss/loss.h"

/* --positives of a loss whose options lie in S. */
#define ITR_LOSS_POSITIVES(S) \
	ITR_OPT_ENUM("positives", 0, S, positives, itr_positives_names, \
	             "captions of one image in a batch: negatives, excluded (mask) or positives (all)")

/* Scaled cosines (B, N) of in's rows; *m: who belongs to whom, with the scores of own negatives. Arrays are in's. */
itr_var *itr_loss_scores(itr_tape *t, const itr_loss_in *in, itr_positives positives, itr_match *m);

#endif
