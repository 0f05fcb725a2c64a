/* mapped.h - what an evaluation of a trained model starts from: a part of stored pairs, mapped by the model, refused where the part is not
 * the one that was held out. */
#ifndef ITR_APPLY_MAPPED_H
#define ITR_APPLY_MAPPED_H

#include "retrieval/pairs.h"

/* Is this a job for itr_mapped_pairs? Networks, and any model on a competition NPZ or a manifest; projections on feature stores are
 * itr_pairs_open's. */
bool itr_mapped_wanted(const char *path, const char *model);

/* Reads the rows of `path` (data/embeddings.h), splits them by the rule that o->model remembers, takes part o->split (NULL: all, warned
 * about) and maps it. NULL with err: wrong widths, another split than the model's, an empty part. */
itr_pairs *itr_mapped_pairs(const char *path, const itr_pairs_opts *o, itr_provenance *provenance, itr_err *err);

#endif
