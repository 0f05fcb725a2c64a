/* scores.h - internal: the score matrix of contrastive losses. */
#ifndef ITR_LOSS_SCORES_H
#define ITR_LOSS_SCORES_H

#include "loss/loss.h"

/* Option --positives of a loss whose options are struct S. */
#define ITR_LOSS_POSITIVES(S)                                                                                                              \
	ITR_OPT_ENUM("positives", 0, S, positives, itr_positives_names,                                                                    \
	             "other captions of the same image in a batch: negatives (diagonal), excluded (mask) or positives (all)")

/* Scaled cosines (B, N) of queries and targets. Sets *m from `in` (its arrays are borrowed), with the scores of own negatives. */
itr_var *itr_loss_scores(itr_tape *t, const itr_loss_in *in, itr_positives positives, itr_match *m);

#endif
