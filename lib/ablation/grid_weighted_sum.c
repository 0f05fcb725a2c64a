/* Weighted sums for the intervals. Not BLAS: there a column's last digits depend on its neighbours and on the machine; here every column is
 * summed alone, image by image, by fused multiply-adds, so that a cell's interval is the same whatever is computed beside it and whichever
 * instructions the processor has. */
#include "ablation/grid_weigh.h"

#include <math.h>
#include <string.h>

#include "base/cpu.h"

enum { IMAGES = 1024 };

static void tile(const double *weight, int64_t ldw, int64_t n, const double *sum, int64_t ld, double *out)
{
	for (int r = 0; r < ITR_WEIGH_ROWS; r++)
		for (int64_t i = 0; i < n; i++)
			for (int c = 0; c < ITR_WEIGH_COLUMNS; c++)
				out[r * ld + c] = fma(weight[r * ldw + i], sum[i * ld + c], out[r * ld + c]);
}

const itr_weigh_tile itr_weigh_plain = tile;

itr_weigh_tile itr_weigh_tile_get(void)
{
#if defined(__x86_64__)
	unsigned cpu = itr_cpu_features();
	if (cpu & ITR_CPU_AVX512)
		return itr_weigh_avx512;
	if (cpu & ITR_CPU_AVX2)
		return itr_weigh_avx2;
#endif
	return itr_weigh_plain;
}

ITR_CLONES void itr_weigh_doubles(const uint16_t *x, int64_t n, double *out)
{
	for (int64_t i = 0; i < n; i++)
		out[i] = x[i];
}

void itr_weigh(const double *weight, int64_t rows, int64_t n, const double *sum, int64_t columns, double *out)
{
	itr_weigh_tile one = itr_weigh_tile_get();
	memset(out, 0, (size_t)(rows * columns) * sizeof *out);
	for (int64_t from = 0; from < n; from += IMAGES)             /* a tile's sums stay in the cache for all resamples */
		for (int64_t c = 0; c < columns; c += ITR_WEIGH_COLUMNS)
			for (int64_t r = 0; r < rows; r += ITR_WEIGH_ROWS)
				one(weight + r * n + from, n, ITR_MIN(n - from, (int64_t)IMAGES), sum + from * columns + c, columns,
				    out + r * columns + c);
}
