/* grid_weigh.h - weighted sums of columns whose every digit is the same on every machine, for the intervals. */
#ifndef ITR_ABLATION_GRID_WEIGH_H
#define ITR_ABLATION_GRID_WEIGH_H

#include "base/compat.h"

enum { ITR_WEIGH_ROWS = 8, ITR_WEIGH_COLUMNS = 16 };

/* out (rows, columns) = weight (rows, n) x sum (n, columns); rows and columns are whole multiples of the two above. */
void itr_weigh(const double *weight, int64_t rows, int64_t n, const double *sum, int64_t columns, double *out);
void itr_weigh_doubles(const uint16_t *x, int64_t n, double *out);

/* One tile of ITR_WEIGH_ROWS x ITR_WEIGH_COLUMNS: out += weight x sum, by instruction set; all give the same bits. */
typedef void (*itr_weigh_tile)(const double *weight, int64_t ldw, int64_t n, const double *sum, int64_t ld, double *out);
itr_weigh_tile itr_weigh_tile_get(void);
extern const itr_weigh_tile itr_weigh_plain;
#if defined(__x86_64__)
extern const itr_weigh_tile itr_weigh_avx2, itr_weigh_avx512;
#endif

#endif
