/* note.h - what a model file remembers about the split it was fitted with, so that evaluate can refuse to score it on what it was trained
 * on. */
#ifndef ITR_TRAIN_NOTE_H
#define ITR_TRAIN_NOTE_H

#include "data/pair_data.h"
#include "model/closed.h"

/* Rule, sizes, seed, and size and hash of each part's ids (images; captions where the split was by caption). d is split already; sizes and
 * seed are those it was split with. */
void itr_split_note_of(itr_split_note *n, const itr_pair_data *d, const double sizes[3], uint64_t seed);
/* Splits d by the note's rule where the file has no split of its own, and compares the parts with those of the note. -1 with err when they
 * differ. */
ITR_MUST_USE int itr_split_note_apply(const itr_split_note *n, itr_pair_data *d, itr_err *err);

#endif
