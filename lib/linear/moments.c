#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/parallel.h"
#include "linear/moments.h"
#include "tensor/blas.h"

/* BLOCK: rows that are centred in double at a time. TILE: side of a tile of a covariance. Constants, so that the order of every sum is
 * fixed. */
enum { BLOCK = 1024, TILE = 256 };

/* One modality: float32 rows with weights (the number of pairs of a row). */
struct side {
	const float *x;
	int64_t rows, dim;
	const double *weight;
	bool normalize;
	/* random features (their number is then dim) and factors of dimensions: rows are computed in blocks; the last block is cached */
	const itr_fourier *fourier;
	const float *idf;
	float *block;
	int64_t first, n;               /* rows in it */
	int threads;
};

void itr_scale_columns(float *x, int64_t n, int64_t dim, const float *idf)
{
	for (int64_t r = 0; r < n; r++)
		for (int64_t i = 0; i < dim; i++)
			x[r * dim + i] *= idf[i];
}

static void make_block(struct side *s)
{
	const int64_t in = s->fourier ? s->fourier->in : s->dim;
	float *rows = s->fourier && s->idf ? itr_aligned_alloc((size_t)(s->n * in) * sizeof *rows) : s->block;
	if (s->idf) {
		memcpy(rows, s->x + s->first * in, (size_t)(s->n * in) * sizeof *rows);
		itr_scale_columns(rows, s->n, in, s->idf);
	}
	if (s->fourier)
		itr_fourier_apply(s->fourier, s->idf ? rows : s->x + s->first * in, s->n, s->block, s->threads);
	if (rows != s->block)
		itr_aligned_free(rows);
}

/* Row r, after factors and random features. */
static const float *row_of(struct side *s, int64_t r)
{
	if (!s->fourier && !s->idf)
		return s->x + r * s->dim;
	if (r < s->first || r >= s->first + s->n) {
		s->first = r / BLOCK * BLOCK;
		s->n = ITR_MIN((int64_t)BLOCK, s->rows - s->first);
		if (!s->block)
			s->block = itr_aligned_alloc((size_t)(BLOCK * s->dim) * sizeof *s->block);
		make_block(s);
	}
	return s->block + (r - s->first) * s->dim;
}

static double row_scale(const struct side *s, const float *x)
{
	double sum = 0;
	if (!s->normalize)
		return 1;
	for (int64_t i = 0; i < s->dim; i++)
		sum += (double)x[i] * (double)x[i];
	return sum > 0 ? 1 / sqrt(sum) : 0;
}

static double *mean_of(struct side *s, double total)
{
	double *mean = itr_xcalloc((size_t)s->dim, sizeof *mean);
	for (int64_t r = 0; r < s->rows; r++) {
		double w = s->weight[r], scale;
		if (w == 0)
			continue;
		const float *x = row_of(s, r);
		scale = w * row_scale(s, x);
		for (int64_t i = 0; i < s->dim; i++)
			mean[i] += scale * (double)x[i];
	}
	for (int64_t i = 0; i < s->dim; i++)
		mean[i] /= total;
	return mean;
}

/* out (dim) = row r, centred, times w. */
static void centred(struct side *s, const double *mean, int64_t r, double w, double *out)
{
	const float *x = row_of(s, r);
	double scale = row_scale(s, x);
	for (int64_t i = 0; i < s->dim; i++)
		out[i] = w * (scale * (double)x[i] - mean[i]);
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
	itr_dgemm(true, false, ITR_MIN((int64_t)TILE, u->da - i), ITR_MIN((int64_t)TILE, u->db - j), u->n, 1, u->a + i, u->da, u->b + j,
	          u->db, 1, u->c + i * u->db + j, u->db);
}

/* c += a^T b, tile by tile. */
static void accumulate(const double *a, int64_t da, const double *b, int64_t db, int64_t n, double *c, int threads)
{
	struct update u = { a, b, c, n, da, db, (db + TILE - 1) / TILE, a == b };
	itr_parallel_for(threads, (da + TILE - 1) / TILE * u.tiles_b, update_tile, &u);
}

static double *covariance(struct side *s, const double *mean, double total, int threads)
{
	double *c = itr_aligned_calloc((size_t)(s->dim * s->dim) * sizeof *c),
	       *block = itr_aligned_alloc((size_t)(BLOCK * s->dim) * sizeof *block);
	for (int64_t r = 0, n = 0; r < s->rows; r++) {             /* rows of weight 0 take no place in a block */
		if (s->weight[r] > 0)
			centred(s, mean, r, sqrt(s->weight[r]), block + n++ * s->dim);
		if (n == BLOCK || (n > 0 && r == s->rows - 1)) {
			accumulate(block, s->dim, block, s->dim, n, c, threads);
			n = 0;
		}
	}
	for (int64_t i = 0; i < s->dim; i++)
		for (int64_t j = i; j < s->dim; j++)
			c[j * s->dim + i] = c[i * s->dim + j] /= total;
	itr_aligned_free(block);
	return c;
}

/* Sum over pairs of (x - mx)(y - my)^T = sum over images of (sum of their texts' x - mx) (y - my)^T: as many rows as images, not as pairs.
 * texts[first[i]] .. texts[first[i+1]-1] are the texts of image i, in row order. */
static double *cross(struct side *x, struct side *y, const double *mx, const double *my, const int64_t *first,
                     const int64_t *texts, double total, int threads)
{
	double *c = itr_aligned_calloc((size_t)(x->dim * y->dim) * sizeof *c), *one = itr_xmalloc((size_t)x->dim * sizeof *one);
	double *a = itr_aligned_alloc((size_t)(BLOCK * x->dim) * sizeof *a), *b = itr_aligned_alloc((size_t)(BLOCK * y->dim) * sizeof *b);
	for (int64_t i = 0, n = 0; i < y->rows; i++) {
		if (y->weight[i] > 0) {
			memset(a + n * x->dim, 0, (size_t)x->dim * sizeof *a);
			for (int64_t t = first[i]; t < first[i + 1]; t++) {
				centred(x, mx, texts[t], 1, one);
				for (int64_t j = 0; j < x->dim; j++)
					a[n * x->dim + j] += one[j];
			}
			centred(y, my, i, 1, b + n++ * y->dim);
		}
		if (n == BLOCK || (n > 0 && i == y->rows - 1)) {
			accumulate(a, x->dim, b, y->dim, n, c, threads);
			n = 0;
		}
	}
	for (int64_t i = 0; i < x->dim * y->dim; i++)
		c[i] /= total;
	free(one);
	itr_aligned_free(a);
	itr_aligned_free(b);
	return c;
}

/* The texts of image i: texts[first[i]] .. texts[first[i+1]-1] in row order; weights: number of pairs of each row. */
struct pairs {
	int64_t n, *first, *texts;
	double *text_weight, *image_weight;
};

static struct pairs pairs_of(const itr_linear_data *d)
{
	struct pairs p = { 0 };
	p.first = itr_xcalloc((size_t)d->n_images + 2, sizeof *p.first);
	p.texts = itr_xcalloc((size_t)d->n_texts + 1, sizeof *p.texts);
	p.text_weight = itr_xcalloc((size_t)d->n_texts + 1, sizeof *p.text_weight);
	p.image_weight = itr_xcalloc((size_t)d->n_images + 1, sizeof *p.image_weight);
	for (int64_t t = 0; t < d->n_texts; t++)
		if (d->text_image[t] >= 0) {
			p.first[d->text_image[t] + 2]++;           /* two on: filling moves each start to the next one's place */
			p.text_weight[t] = 1;
			p.image_weight[d->text_image[t]]++;
			p.n++;
		}
	for (int64_t i = 0; i < d->n_images; i++)
		p.first[i + 2] += p.first[i + 1];
	for (int64_t t = 0; t < d->n_texts; t++)
		if (d->text_image[t] >= 0)
			p.texts[p.first[d->text_image[t] + 1]++] = t;
	return p;
}

itr_moments *itr_moments_new(const itr_linear_data *d, unsigned needs, bool normalize, int threads)
{
	itr_moments *m = itr_xcalloc(1, sizeof *m);
	struct pairs p = pairs_of(d);
	const itr_fourier *fx = d->fourier[0], *fy = d->fourier[1];
	struct side x = { d->text, d->n_texts, fx ? fx->features : d->text_dim, p.text_weight, normalize && !fx, fx, d->idf, NULL, 0,
		          0,       threads },
		    y = { d->image, d->n_images, fy ? fy->features : d->image_dim, p.image_weight, normalize && !fy, fy, NULL, NULL, 0,
		          0,        threads };
	double total = (double)p.n;
	m->n = p.n;
	m->dx = x.dim;
	m->dy = y.dim;
	m->mean_x = mean_of(&x, total);
	m->mean_y = mean_of(&y, total);
	if (needs & ITR_MOMENT_XX)
		m->cxx = covariance(&x, m->mean_x, total, threads);
	if (needs & ITR_MOMENT_YY)
		m->cyy = covariance(&y, m->mean_y, total, threads);
	if (needs & ITR_MOMENT_XY)
		m->cxy = cross(&x, &y, m->mean_x, m->mean_y, p.first, p.texts, total, threads);
	itr_aligned_free(x.block);
	itr_aligned_free(y.block);
	free(p.first), free(p.texts), free(p.text_weight), free(p.image_weight);
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
