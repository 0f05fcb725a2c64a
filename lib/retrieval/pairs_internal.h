/* pairs_internal.h - inside of retrieval: what the readers of pairs share. */
#ifndef ITR_RETRIEVAL_PAIRS_INTERNAL_H
#define ITR_RETRIEVAL_PAIRS_INTERNAL_H

#include "base/map.h"
#include "retrieval/pairs.h"
#include "tensor/dtype.h"

/* Row numbers as ids. */
char **itr_pairs_number_ids(int64_t n);
/* id -> row; NULL with err on a repeat, naming `what` and the file. */
itr_map *itr_pairs_id_map(char **ids, int64_t n, const char *what, const char *file, itr_err *err);
/* Ground truth from --ground-truth, --captions-per-image or the rows' own order: fills text_image, truth, pairs. `stored`: what the file
 * holds (n_text entries), or NULL. */
ITR_MUST_USE int itr_pairs_truth(itr_pairs *p, const itr_pairs_opts *o, const int64_t *stored, itr_provenance *provenance, itr_err *err);
/* Row numbers must not come as true and false, which would be read as rows 1 and 0: 0, or -1 with err, which says what to save instead. */
ITR_MUST_USE int itr_pairs_not_mask(itr_dtype t, const char *path, const char *name, itr_err *err);
/* A feature store, mapped by o->model. */
ITR_MUST_USE int itr_pairs_read_store(itr_pairs *p, const char *path, const itr_pairs_opts *o, itr_provenance *provenance, itr_err *err);

#endif
