/* rows.h - operations on a matrix of float32 rows (embeddings): normalisation and checks. x (rows, dim), contiguous. */
#ifndef ITR_TENSOR_ROWS_H
#define ITR_TENSOR_ROWS_H

#include "base/err.h"

/* L2-normalises each row in place (sum of squares in double). Zero rows stay zero. Returns the number of zero rows. */
int64_t itr_rows_normalize(float *x, int64_t rows, int64_t dim, int threads);

/* Index of the first of n floats that is NaN or infinite, or -1. */
int64_t itr_first_not_finite(const float *x, int64_t n);

/* True when all rows are nearly the same vector: there are at least two, and their mean squared distance to their mean is less than 1e-6 of
 * their mean squared norm. */
bool itr_rows_alike(const float *x, int64_t rows, int64_t dim);

typedef struct itr_rows_check {
	int64_t bad_row;        /* first row with NaN or infinity, or -1 */
	int64_t zero_rows;      /* rows of zeros */
	int64_t not_unit;       /* rows whose norm differs from 1 by more than 1e-3 */
	bool constant;          /* there are at least two rows and all are bit-equal */
} itr_rows_check;
itr_rows_check itr_rows_inspect(const float *x, int64_t rows, int64_t dim, int threads);

#endif
