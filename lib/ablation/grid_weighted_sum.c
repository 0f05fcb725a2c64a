/* Weighted sums for the confidence intervals. Not by BLAS, whose rounding of a column depends on the other columns and on the machine. Here
 * every column is one chain of fused multiply-adds over the images, so that a cell's interval depends neither on other cells nor on the
 * instruction set. */
#include "ablation/grid_weighted_sum.h"

#include <math.h>
#include <string.h>

#include "base/cpu.h"

enum { IMAGES = 1024 };

static void tile(const double *weight, int64_t ldw, int64_t n, const double *sum, int64_t ld, double *out)
{
	for (int r = 0; r < ITR_WEIGHTED_SUM_ROWS; r++)
		for (int64_t i = 0; i < n; i++)
			for (int c = 0; c < ITR_WEIGHTED_SUM_COLUMNS; c++)
				out[r * ld + c] = fma(weight[r * ldw + i], sum[i * ld + c], out[r * ld + c]);
}

const itr_weighted_sum_tile itr_weighted_sum_scalar = tile;

itr_weighted_sum_tile itr_weighted_sum_tile_get(void)
{
#if defined(__x86_64__)
	unsigned cpu = itr_cpu_features();
	if (cpu & ITR_CPU_AVX512)
		return itr_weighted_sum_avx512;
	if (cpu & ITR_CPU_AVX2)
		return itr_weighted_sum_avx2;
#endif
	return itr_weighted_sum_scalar;
}

ITR_CLONES void itr_counts_to_doubles(const uint16_t *x, int64_t n, double *out)
{
	for (int64_t i = 0; i < n; i++)
		out[i] = x[i];
}

void itr_weighted_sums(const double *weight, int64_t rows, int64_t n, const double *sum, int64_t columns, double *out)
{
	itr_weighted_sum_tile one = itr_weighted_sum_tile_get();
	memset(out, 0, (size_t)(rows * columns) * sizeof *out);
	for (int64_t from = 0; from < n; from += IMAGES)             /* a tile's sums stay in the cache for all resamples */
		for (int64_t c = 0; c < columns; c += ITR_WEIGHTED_SUM_COLUMNS)
			for (int64_t r = 0; r < rows; r += ITR_WEIGHTED_SUM_ROWS)
				one(weight + r * n + from, n, ITR_MIN(n - from, (int64_t)IMAGES), sum + from * columns + c, columns,
				    out + r * columns + c);
}
