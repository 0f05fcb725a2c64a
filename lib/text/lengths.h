/* lengths.h - statistics of the lengths of captions in token ids, for the choice of a maximum length. */
#ifndef ITR_TEXT_LENGTHS_H
#define ITR_TEXT_LENGTHS_H

#include "base/buf.h"
#include "io/json.h"

typedef struct itr_lengths {
	int64_t *histogram;             /* [i]: number of captions of i ids, i <= longest */
	int64_t longest, n;
	int64_t longest_line;           /* line of the first caption of that length */
	const char *longest_file;       /* borrowed */
} itr_lengths;

#define ITR_LENGTHS_INIT { NULL, -1, 0, 0, NULL }
void itr_lengths_add(itr_lengths *l, int64_t ids, const char *file, int64_t line);
void itr_lengths_free(itr_lengths *l);
/* {captions, mean, median, p90, p99, max, longest_file, longest_line, cut_at: {"16": number of longer captions, ...}, histogram}. A
 * quantile q is the smallest length such that at least a fraction q of the captions are not longer. The caller frees. */
itr_json *itr_lengths_json(const itr_lengths *l);
/* The same as readable text. */
void itr_lengths_print(const itr_lengths *l, itr_buf *out);

#endif
