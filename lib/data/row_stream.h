/* row_stream.h - rows of one side of embeddings that stay in their file, read ahead by threads in the order in which they will be needed.
 *
 *	itr_row_stream_begin(s, rows, n, first);                // the rows of this epoch, in order
 *	if (itr_row_stream_wait(s, at, b, err) < 0)             // until positions at .. at+b-1 are there; earlier ones are given free
 *		return -1;
 *	const float *x = itr_row_stream_row(s, at + i);         // (dim), scaled as opened
 *
 * Positions are read a segment at a time, each segment in the order of the file, so that a larger budget makes fewer jumps; what a row is
 * and when it is taken never depends on the budget or on the threads.
 */
#ifndef ITR_DATA_ROW_STREAM_H
#define ITR_DATA_ROW_STREAM_H

#include "data/embeddings.h"

typedef struct itr_row_stream itr_row_stream;

/* e is borrowed. batch: positions that are waited for at once, at most. bytes: for rows that are read ahead; twice the batch is the least.
 */
itr_row_stream *itr_row_stream_new(const itr_embeddings *e, itr_modality m, int64_t batch, size_t bytes, int threads);
void itr_row_stream_free(itr_row_stream *s);
/* rows: borrowed until the next call; reading begins at position `first`. */
void itr_row_stream_begin(itr_row_stream *s, const int64_t *rows, int64_t n, int64_t first);
/* Positions go forward. -1 with err: a row could not be read (see itr_embeddings_read). */
ITR_MUST_USE int itr_row_stream_wait(itr_row_stream *s, int64_t at, int64_t b, itr_err *err);
const float *itr_row_stream_row(const itr_row_stream *s, int64_t position);

#endif
