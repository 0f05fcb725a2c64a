/* ground_truth.h - which image a text belongs to, as files say it: an array of image rows, one-hot rows, a file beside the vectors, or the
 * order of the rows. Readers of embeddings and itr_embeddings_open share it. */
#ifndef ITR_DATA_GROUND_TRUTH_H
#define ITR_DATA_GROUND_TRUTH_H

#include "data/arrays.h"
#include "data/embeddings.h"

/* An array of e's file into e->table.text_image (n texts; -1: none): image rows, or, where it has two axes and `one_hot`, rows with a
 * single 1, which are streamed. 0; -1 with err: another number of rows, a row that is not there. */
ITR_MUST_USE int itr_ground_truth_array(itr_embeddings *e, const itr_arrays *a, const char *name, bool one_hot, itr_err *err);

/* From e->opts.ground_truth, numbered by e's rows as they are now: .npy ([n texts] image rows, or [pairs, 2]), .csv (an image row a line,
 * or text row,image row). Replaces what e has. 0, or -1 with err. */
ITR_MUST_USE int itr_ground_truth_file(itr_embeddings *e, itr_err *err);

/* Where nothing else says so: e->opts.captions_per_image texts in a row for each image, or as many texts as images, row by row. Without
 * either e->table.text_image stays NULL: 0 where e->opts.unpaired, else -1 with err that says what to give. */
ITR_MUST_USE int itr_ground_truth_by_order(itr_embeddings *e, itr_err *err);

#endif
