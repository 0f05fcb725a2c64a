#include "linear/project.h"

#include <math.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "tensor/blas.h"
#include "tensor/rows.h"

/* A block of rows times all of G, in tiles of 4 rows by 8 columns. Multiplies, then adds, with k in order: the same chain for every row,
 * which a BLAS does not guarantee. */
enum { ROWS = 128, R = 4, C = 8 };

struct projection {
	const float *x;
	const double *g;             /* panels of C columns: g[(j / C) * base * C + k * C + j % C], zero beyond dim */
	float *out;
	int64_t rows, base, dim;
};

static void block(const struct projection *q, int64_t r0, int rows, int64_t j0)
{
	const double *g = q->g + j0 * q->base;
	double s[R][C] = { { 0 } };
	const float *x[R];
	for (int r = 0; r < R; r++)
		x[r] = q->x + (r0 + ITR_MIN(r, rows - 1)) * q->base;
	for (int64_t k = 0; k < q->base; k++, g += C)
		for (int r = 0; r < R; r++) {
			double v = (double)x[r][k];
			for (int c = 0; c < C; c++)
				s[r][c] += v * g[c];
		}
	for (int r = 0; r < rows; r++)
		for (int c = 0; c < C && j0 + c < q->dim; c++)
			q->out[(r0 + r) * q->dim + j0 + c] = (float)s[r][c];
}

static void piece(void *ctx, int64_t i, int worker)
{
	const struct projection *q = ctx;
	int64_t end = ITR_MIN((i + 1) * ROWS, q->rows);
	(void)worker;
	for (int64_t j = 0; j < q->dim; j += C)
		for (int64_t r = i * ROWS; r < end; r += R)
			block(q, r, (int)ITR_MIN((int64_t)R, end - r), j);
}

void itr_project_gaussian(const float *x, int64_t rows, int64_t base, int64_t dim, uint64_t seed, float *out, int threads)
{
	if (base <= 0 || dim <= 0)
		ITR_BUG("itr_project_gaussian: %lld to %lld", (long long)base, (long long)dim);
	if (dim == base) {
		memcpy(out, x, (size_t)(rows * base) * sizeof *out);
		return;
	}
	int64_t panels = (dim + C - 1) / C;
	double *g = itr_aligned_calloc((size_t)(panels * C * base) * sizeof *g), root = sqrt((double)base);
	uint64_t words[2] = { seed, (uint64_t)dim };
	itr_rng rng;
	itr_rng_init(&rng, words, 2);
	for (int64_t k = 0; k < base; k++)
		for (int64_t j = 0; j < dim; j++)
			g[j / C * base * C + k * C + j % C] = itr_rng_normal(&rng) / root;
	struct projection q = { x, g, out, rows, base, dim };
	itr_parallel_for(threads, (rows + ROWS - 1) / ROWS, piece, &q);
	itr_aligned_free(g);
	(void)itr_rows_normalize(out, rows, dim, threads);
}

void itr_project_rotate(const float *x, int64_t rows, int64_t dim, uint64_t seed, float *out, int threads)
{
	const size_t bytes = (size_t)(dim * dim) * sizeof(double);
	double *g = itr_aligned_alloc(bytes), *qt = itr_aligned_alloc(bytes), *l = itr_aligned_alloc(bytes),
	       *panels = itr_aligned_calloc((size_t)((dim + C - 1) / C * C * dim) * sizeof(double));
	itr_err err = ITR_ERR_INIT;
	itr_rng rng;
	itr_rng_init(&rng, (uint64_t[]){ seed, (uint64_t)dim, 1 }, 3);
	itr_rng_normals(&rng, dim * dim, g);
	itr_dsyrk(dim, dim, 1, g, dim, 0, l, dim);
	if (itr_cholesky(l, dim, &err) < 0)              /* a Gaussian matrix is singular with probability zero */
		ITR_BUG("itr_project_rotate: %s", err.msg);
	for (int64_t j = 0; j < dim; j++)
		for (int64_t k = 0; k < dim; k++)
			qt[j * dim + k] = g[k * dim + j];
	itr_trsm_lower(false, dim, dim, l, qt);
	for (int64_t j = 0; j < dim; j++)
		for (int64_t k = 0; k < dim; k++)
			panels[j / C * dim * C + k * C + j % C] = qt[j * dim + k];
	struct projection q = { x, panels, out, rows, dim, dim };
	itr_parallel_for(threads, (rows + ROWS - 1) / ROWS, piece, &q);
	itr_aligned_free(g), itr_aligned_free(qt), itr_aligned_free(l), itr_aligned_free(panels);
}

void itr_project_truncate(const float *x, int64_t rows, int64_t base, int64_t dim, float *out, int threads)
{
	if (dim <= 0 || dim > base)
		ITR_BUG("itr_project_truncate: %lld of %lld", (long long)dim, (long long)base);
	for (int64_t r = 0; r < rows; r++)
		memcpy(out + r * dim, x + r * base, (size_t)dim * sizeof *out);
	if (dim < base)
		(void)itr_rows_normalize(out, rows, dim, threads);
}
