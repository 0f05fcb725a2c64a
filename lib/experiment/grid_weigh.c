/* Weighted sums for the intervals. Not BLAS: there a column's last digits depend on its neighbours and on the machine; here every column is summed alone, image by
 * image, by separate products and sums, so that a cell's interval is the same whatever is computed beside it and whichever instructions the processor has. */
#include <string.h>

#include "experiment/grid_internal.h"

enum { ROWS = ITR_WEIGH_ROWS, LANES = 8, PARTS = ITR_WEIGH_COLUMNS / LANES, IMAGES = 1024 };
typedef double vd __attribute__((vector_size(LANES * sizeof(double))));

/* ROWS resamples, one tile of columns, n images: out += weight x sum. */
ITR_CLONES static void tile(const double *weight, int64_t ldw, int64_t n, const double *sum, int64_t ld, double *out)
{
	vd acc[ROWS][PARTS];
#pragma GCC unroll 8                                                    /* fully, so that the sums live in registers */
	for (int r = 0; r < ROWS; r++)
		memcpy(acc[r], out + r * ld, sizeof acc[r]);
	for (int64_t i = 0; i < n; i++) {
		vd x[PARTS];
		memcpy(x, sum + i * ld, sizeof x);
#pragma GCC unroll 8
		for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 2
			for (int k = 0; k < PARTS; k++)
				acc[r][k] += weight[r * ldw + i] * x[k];
	}
#pragma GCC unroll 8
	for (int r = 0; r < ROWS; r++)
		memcpy(out + r * ld, acc[r], sizeof acc[r]);
}

ITR_CLONES void itr_grid_doubles(const uint16_t *x, int64_t n, double *out)
{
	for (int64_t i = 0; i < n; i++)
		out[i] = x[i];
}

void itr_grid_weigh(const double *weight, int64_t rows, int64_t n, const double *sum, int64_t columns, double *out)
{
	memset(out, 0, (size_t)(rows * columns) * sizeof *out);
	for (int64_t from = 0; from < n; from += IMAGES)             /* a tile's sums stay in the cache for all resamples */
		for (int64_t c = 0; c < columns; c += ITR_WEIGH_COLUMNS)
			for (int64_t r = 0; r < rows; r += ROWS)
				tile(weight + r * n + from, n, ITR_MIN(n - from, (int64_t)IMAGES), sum + from * columns + c, columns, out + r * columns + c);
}
