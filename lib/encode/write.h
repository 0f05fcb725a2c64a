/* write.h - the rows of one side as files for others: the competition's CSV, NPZ, HDF5. */
#ifndef ITR_ENCODE_WRITE_H
#define ITR_ENCODE_WRITE_H

#include <stdio.h>

#include "data/embeddings.h"
#include "io/provenance.h"

/* Is there a format for this name? 0, or -1 with err: to be asked before the work. */
ITR_MUST_USE int itr_vectors_check_name(const char *path, itr_err *err);
/* Ids and rows of a side of e, which are there, by the name's ending. .csv or "-" (stdout): header id,embedding; an embedding is a quoted
 * JSON list of the shortest decimals that read back to the same float32; no provenance, the format has no place for it. .npz: ids,
 * embeddings, itr_provenance. .h5: the same as data sets, format "itr-predictions". Whole or absent. 0; -1 with err, also for another
 * ending. */
ITR_MUST_USE int itr_vectors_write(const itr_embeddings *e, itr_modality side, const char *path, FILE *standard_output,
                                   const itr_provenance *p, itr_err *err);

#endif
