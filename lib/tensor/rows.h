/* rows.h - a matrix of float32 rows and what retrieval does to rows. */
#ifndef ITR_TENSOR_ROWS_H
#define ITR_TENSOR_ROWS_H

#include "base/err.h"

/* L2-normalises each row in place (sum of squares in double, row scaled once). Zero rows stay zero and are counted. Returns their number.
 */
int64_t itr_rows_normalize(float *x, int64_t rows, int64_t dim, int threads);

/* Index of the first of n floats that is NaN or infinite, or -1. */
int64_t itr_first_not_finite(const float *x, int64_t n);

/* Are all rows (nearly) one vector? True when there are two at least and their mean squared distance to their mean is less than a millionth
 * of their mean squared length. */
bool itr_rows_alike(const float *x, int64_t rows, int64_t dim);

typedef struct itr_rows_check {
	int64_t bad_row;        /* first row with NaN or infinity, or -1 */
	int64_t zero_rows;      /* rows of zeros */
	int64_t not_unit;       /* rows whose norm differs from 1 by more than 1e-3 */
	bool constant;          /* all rows bit-equal (and more than one) */
} itr_rows_check;
itr_rows_check itr_rows_inspect(const float *x, int64_t rows, int64_t dim, int threads);

#endif
