#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/parallel.h"
#include "linear/linear.h"
#include "tensor/blas.h"

/* Rows that are centred in double at a time, and the side of one piece of a covariance. Fixed, so that the order of every sum is. */
enum { BLOCK = 1024, TILE = 256 };

/* One side as it is accumulated: rows of float32, a weight each (how many pairs a row stands for). */
struct side {
	const float *x;
	int64_t rows, dim;
	const double *weight;        /* NULL: 1 */
	bool normalize;
};

static double row_scale(const struct side *s, const float *x)
{
	double sum = 0;
	if (!s->normalize)
		return 1;
	for (int64_t i = 0; i < s->dim; i++)
		sum += (double)x[i] * (double)x[i];
	return sum > 0 ? 1 / sqrt(sum) : 0;
}

static double *mean_of(const struct side *s, double total)
{
	double *mean = itr_xcalloc((size_t)s->dim, sizeof *mean);
	for (int64_t r = 0; r < s->rows; r++) {
		double w = s->weight ? s->weight[r] : 1, scale;
		const float *x = s->x + r * s->dim;
		if (w == 0)
			continue;
		scale = w * row_scale(s, x);
		for (int64_t i = 0; i < s->dim; i++)
			mean[i] += scale * (double)x[i];
	}
	for (int64_t i = 0; i < s->dim; i++)
		mean[i] /= total;
	return mean;
}

/* out (n, dim) = centred rows first .. first+n-1, times the square root of their weight when `root` (for a covariance with itself). */
static void centred(const struct side *s, const double *mean, int64_t first, int64_t n, bool root, double *out)
{
	for (int64_t r = 0; r < n; r++) {
		const float *x = s->x + (first + r) * s->dim;
		double w = root && s->weight ? sqrt(s->weight[first + r]) : 1, scale = row_scale(s, x);
		for (int64_t i = 0; i < s->dim; i++)
			out[r * s->dim + i] = w * (scale * (double)x[i] - mean[i]);
	}
}

struct update {
	const double *a, *b;         /* (n, da) and (n, db) */
	double *c;                   /* (da, db) */
	int64_t n, da, db, tiles_b;
	bool symmetric;              /* only tiles on and above the diagonal */
};

static void update_tile(void *ctx, int64_t piece, int worker)
{
	const struct update *u = ctx;
	int64_t i = piece / u->tiles_b * TILE, j = piece % u->tiles_b * TILE;
	(void)worker;
	if (u->symmetric && j < i)
		return;
	itr_dgemm(true, false, ITR_MIN((int64_t)TILE, u->da - i), ITR_MIN((int64_t)TILE, u->db - j), u->n, 1, u->a + i, u->da, u->b + j, u->db, 1,
	          u->c + i * u->db + j, u->db);
}

/* c += a^T b, tile by tile. */
static void accumulate(const double *a, int64_t da, const double *b, int64_t db, int64_t n, double *c, int threads)
{
	struct update u = { a, b, c, n, da, db, (db + TILE - 1) / TILE, a == b };
	itr_parallel_for(threads, (da + TILE - 1) / TILE * u.tiles_b, update_tile, &u);
}

static double *covariance(const struct side *s, const double *mean, double total, int threads)
{
	double *c = itr_aligned_calloc((size_t)(s->dim * s->dim) * sizeof *c), *block = itr_aligned_alloc((size_t)(BLOCK * s->dim) * sizeof *block);
	for (int64_t r = 0; r < s->rows; r += BLOCK) {
		int64_t n = ITR_MIN((int64_t)BLOCK, s->rows - r);
		centred(s, mean, r, n, true, block);
		accumulate(block, s->dim, block, s->dim, n, c, threads);
	}
	for (int64_t i = 0; i < s->dim; i++)
		for (int64_t j = i; j < s->dim; j++)
			c[j * s->dim + i] = c[i * s->dim + j] /= total;
	itr_aligned_free(block);
	return c;
}

/* Sum over pairs of (x - mx)(y - my)^T = sum over images of (sum of their texts' x - mx) (y - my)^T: as many rows as images, not as pairs.
 * texts[first[i]] .. texts[first[i+1]-1] are the texts of image i, in row order. */
static double *cross(const struct side *x, const struct side *y, const double *mx, const double *my, const int64_t *first, const int64_t *texts,
                     double total, int threads)
{
	double *c = itr_aligned_calloc((size_t)(x->dim * y->dim) * sizeof *c), *one = itr_xmalloc((size_t)x->dim * sizeof *one);
	double *a = itr_aligned_alloc((size_t)(BLOCK * x->dim) * sizeof *a), *b = itr_aligned_alloc((size_t)(BLOCK * y->dim) * sizeof *b);
	for (int64_t r = 0; r < y->rows; r += BLOCK) {
		int64_t n = ITR_MIN((int64_t)BLOCK, y->rows - r);
		memset(a, 0, (size_t)(n * x->dim) * sizeof *a);
		for (int64_t i = 0; i < n; i++)
			for (int64_t t = first[r + i]; t < first[r + i + 1]; t++) {
				centred(x, mx, texts[t], 1, false, one);
				for (int64_t j = 0; j < x->dim; j++)
					a[i * x->dim + j] += one[j];
			}
		centred(y, my, r, n, false, b);
		accumulate(a, x->dim, b, y->dim, n, c, threads);
	}
	for (int64_t i = 0; i < x->dim * y->dim; i++)
		c[i] /= total;
	free(one);
	itr_aligned_free(a);
	itr_aligned_free(b);
	return c;
}

itr_moments *itr_moments_new(const itr_linear_data *d, unsigned needs, bool normalize, int threads)
{
	itr_moments *m = itr_xcalloc(1, sizeof *m);
	int64_t *first = itr_xcalloc((size_t)d->n_images + 1, sizeof *first), *texts = itr_xcalloc((size_t)ITR_MAX(d->n_texts, (int64_t)1), sizeof *texts);
	double *weight = itr_xcalloc((size_t)ITR_MAX(d->n_images, (int64_t)1), sizeof *weight);
	for (int64_t t = 0; t < d->n_texts; t++)
		first[d->text_image[t] + 1]++;
	for (int64_t i = 0; i < d->n_images; i++) {
		weight[i] = (double)first[i + 1];
		first[i + 1] += first[i];
	}
	for (int64_t t = d->n_texts - 1; t >= 0; t--)              /* from the end, so that first[] ends as the starts */
		texts[--first[d->text_image[t] + 1]] = t;
	for (int64_t i = 0; i < d->n_images; i++)
		first[i] = first[i + 1];
	first[d->n_images] = d->n_texts;

	struct side x = { d->text, d->n_texts, d->text_dim, NULL, normalize }, y = { d->image, d->n_images, d->image_dim, weight, normalize };
	double total = (double)d->n_texts;
	m->n = d->n_texts;
	m->dx = d->text_dim;
	m->dy = d->image_dim;
	m->mean_x = mean_of(&x, total);
	m->mean_y = mean_of(&y, total);
	if (needs & ITR_MOMENT_XX)
		m->cxx = covariance(&x, m->mean_x, total, threads);
	if (needs & ITR_MOMENT_YY)
		m->cyy = covariance(&y, m->mean_y, total, threads);
	if (needs & ITR_MOMENT_XY)
		m->cxy = cross(&x, &y, m->mean_x, m->mean_y, first, texts, total, threads);
	free(first), free(texts), free(weight);
	return m;
}

void itr_moments_free(itr_moments *m)
{
	if (!m)
		return;
	free(m->mean_x), free(m->mean_y);
	itr_aligned_free(m->cxx), itr_aligned_free(m->cyy), itr_aligned_free(m->cxy);
	free(m);
}
