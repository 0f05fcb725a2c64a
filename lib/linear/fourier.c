#include "linear/fourier.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "tensor/gemm.h"
#include "tensor/rows.h"

enum { SAMPLE = 1000 };

itr_fourier *itr_fourier_empty(int64_t in, int64_t features)
{
	itr_fourier *f = itr_xcalloc(1, sizeof *f);
	f->in = in;
	f->features = features;
	f->frequency = itr_aligned_calloc((size_t)(features * in) * sizeof *f->frequency);
	f->phase = itr_aligned_calloc((size_t)features * sizeof *f->phase);
	return f;
}

itr_fourier *itr_fourier_new(int64_t in, int64_t features, double width, uint64_t seed, uint64_t side)
{
	itr_fourier *f = itr_fourier_empty(in, features);
	itr_rng r;
	itr_rng_init(&r, (uint64_t[]){ seed, side }, 2);
	for (int64_t i = 0; i < features * in; i++)
		f->frequency[i] = (float)(itr_rng_normal(&r) / width);
	for (int64_t i = 0; i < features; i++)
		f->phase[i] = (float)(2 * M_PI * itr_rng_random(&r));
	return f;
}

void itr_fourier_free(itr_fourier *f)
{
	if (!f)
		return;
	itr_aligned_free(f->frequency);
	itr_aligned_free(f->phase);
	free(f);
}

static int ascending(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

double itr_fourier_width(const float *x, int64_t rows, int64_t dim, const bool *used)
{
	int64_t n = 0, *row = itr_xmalloc((size_t)(rows + 1) * sizeof *row);
	for (int64_t i = 0; i < rows; i++)
		if (!used || used[i])
			row[n++] = i;
	const int64_t m = ITR_MIN(n, (int64_t)SAMPLE);
	float *u = itr_aligned_alloc((size_t)(m * dim + 1) * sizeof *u);
	for (int64_t i = 0; i < m; i++)
		memcpy(u + i * dim, x + row[i * n / m] * dim, (size_t)dim * sizeof *u);
	(void)itr_rows_normalize(u, m, dim, 1);
	double *d = itr_xmalloc((size_t)(m * (m - 1) / 2 + 1) * sizeof *d), width = 1;
	int64_t count = 0;
	for (int64_t i = 0; i < m; i++)
		for (int64_t j = 0; j < i; j++) {
			double sum = 0;
			for (int64_t k = 0; k < dim; k++) {
				const double e = (double)u[i * dim + k] - (double)u[j * dim + k];
				sum += e * e;
			}
			d[count++] = sqrt(sum);
		}
	if (count) {
		qsort(d, (size_t)count, sizeof *d, ascending);
		width = 0.5 * (d[(count - 1) / 2] + d[count / 2]);
	}
	free(d);
	free(row);
	itr_aligned_free(u);
	return ITR_MAX(width, 1e-3);
}

struct wave { const itr_fourier *f; float *z; float scale; };

static void wave_row(void *ctx, int64_t i, int worker)
{
	const struct wave *w = ctx;
	float *z = w->z + i * w->f->features;
	(void)worker;
	for (int64_t k = 0; k < w->f->features; k++)
		z[k] = w->scale * cosf(z[k] + w->f->phase[k]);
}

void itr_fourier_apply(const itr_fourier *f, const float *x, int64_t n, float *z, int threads)
{
	struct wave w = { f, z, (float)sqrt(2 / (double)f->features) };
	float *unit = itr_aligned_alloc((size_t)(n * f->in + 1) * sizeof *unit);
	memcpy(unit, x, (size_t)(n * f->in) * sizeof *unit);
	(void)itr_rows_normalize(unit, n, f->in, threads);
	itr_gemm(false, true, n, f->features, f->in, 1, unit, f->in, f->frequency, f->in, 0, z, f->features, threads);
	itr_parallel_for(threads, n, wave_row, &w);
	itr_aligned_free(unit);
}
