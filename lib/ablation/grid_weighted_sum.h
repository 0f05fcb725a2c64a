/* grid_weighted_sum.h - weighted sums of columns with the same bits on every machine, for the confidence intervals. */
#ifndef ITR_ABLATION_GRID_WEIGHTED_SUM_H
#define ITR_ABLATION_GRID_WEIGHTED_SUM_H

#include "base/compat.h"

enum { ITR_WEIGHTED_SUM_ROWS = 8, ITR_WEIGHTED_SUM_COLUMNS = 16 };

/* out (rows, columns) = weight (rows, n) x sum (n, columns); rows and columns are multiples of the two constants. */
void itr_weighted_sums(const double *weight, int64_t rows, int64_t n, const double *sum, int64_t columns, double *out);
void itr_counts_to_doubles(const uint16_t *x, int64_t n, double *out);

/* One tile of ITR_WEIGHTED_SUM_ROWS x ITR_WEIGHTED_SUM_COLUMNS: out += weight x sum, by instruction set; all give the same bits. */
typedef void (*itr_weighted_sum_tile)(const double *weight, int64_t ldw, int64_t n, const double *sum, int64_t ld, double *out);
itr_weighted_sum_tile itr_weighted_sum_tile_get(void);
extern const itr_weighted_sum_tile itr_weighted_sum_scalar;
#if defined(__x86_64__)
extern const itr_weighted_sum_tile itr_weighted_sum_avx2, itr_weighted_sum_avx512;
#endif

#endif
