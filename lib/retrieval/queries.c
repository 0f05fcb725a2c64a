/* Queries in the formats that kernels take: padded rows for `few`, interleaved panels for `tile`. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "retrieval/queries.h"
#include "tensor/dtype.h"

static void new_panels(struct itr_panels *p, const itr_kernel *kernel, size_t k, size_t capacity, size_t groups)
{
	size_t nr = (size_t)kernel->nr, panels = (capacity + nr - 1) / nr;
	size_t unit = kernel->panel == ITR_PANEL_F32 ? 4 : kernel->panel == ITR_PANEL_I8X4 ? 1 : 2;
	p->kernel = kernel;
	p->bytes = k * nr * unit;
	p->data = itr_aligned_calloc(panels * p->bytes);
	p->corr = itr_xcalloc(panels * groups * nr, sizeof *p->corr);
}

itr_queries *itr_queries_new(const itr_gallery *g, int64_t capacity)
{
	itr_queries *q = itr_xcalloc(1, sizeof *q);
	size_t k = (size_t)g->rows.k, n = (size_t)capacity;
	q->g = g;
	q->groups = ITR_MAX(g->rows.groups, (int64_t)1);
	q->stride = k * g->ops->query_bytes;
	q->stride = (q->stride + 63) / 64 * 64;
	q->data = itr_aligned_calloc(q->stride * n + 64);
	q->wide = itr_aligned_calloc((size_t)ITR_MAX(g->dim, (int64_t)k) * sizeof(float));
	q->scale = itr_xcalloc(n + ITR_TILE_NR_MAX, sizeof *q->scale);
	q->norm = itr_xcalloc(n, sizeof *q->norm);
	q->moved = itr_xcalloc(n, sizeof *q->moved);
	q->corr = itr_xcalloc(n, (size_t)q->groups * sizeof *q->corr);
	if (g->kernel->tile && capacity > 1)
		new_panels(&q->panels[ITR_EXACT], g->kernel, k, n, (size_t)q->groups);
	if (g->rough && capacity > 1)
		new_panels(&q->panels[ITR_ROUGH], &g->rough->kernel, k, n, (size_t)q->groups);
	return q;
}

void itr_queries_free(itr_queries *q)
{
	if (!q)
		return;
	itr_aligned_free(q->data);
	itr_aligned_free(q->wide);
	for (int i = 0; i < 2; i++) {
		itr_aligned_free(q->panels[i].data);
		free(q->panels[i].corr);
	}
	free(q->scale);
	free(q->norm);
	free(q->moved);
	free(q->corr);
	free(q);
}

void itr_queries_codes(itr_queries *q, int64_t i, const float *x, int levels)
{
	const itr_gallery *g = q->g;
	int8_t *code = itr_queries_at(q, i);
	if (g->quantizer == ITR_QUANT_MINMAX_WRAP) {
		float lo, hi;
		itr_extent(x, g->dim, &lo, &hi);
		itr_quantise_minmax(x, g->dim, lo, hi, levels, code);
		q->scale[i] = 1;
	} else {
		q->scale[i] = itr_quantise_int8(x, g->dim, code);
	}
	for (int64_t j = 0; j < q->groups; j++) {
		int64_t len = g->rows.k / q->groups;
		q->corr[i * q->groups + j] = -g->offset * itr_code_sum(code + j * len, len);
	}
}

static void fill_one(itr_queries *q, const float *x, int64_t i)
{
	const itr_gallery *g = q->g;
	if (g->factor) {
		for (int64_t d = 0; d < g->dim; d++)
			q->wide[d] = x[d] * g->factor[d];
		x = q->wide;
	}
	g->ops->query(q, i, x);
}

/* Lanes beyond the last query hold zeros. */
static void fill_panel(const itr_queries *q, struct itr_panels *t, int64_t p)
{
	const int64_t k = q->g->rows.k;
	const int nr = t->kernel->nr;
	uint8_t *panel = t->data + (size_t)p * t->bytes;
	memset(panel, 0, t->bytes);
	for (int j = 0; j < nr; j++) {
		int64_t i = p * nr + j;
		bool real = i < q->n;
		const float *f = (const float *)(const void *)((const char *)q->data + (size_t)i * q->stride);
		const int8_t *c = (const int8_t *)f;
		for (int64_t g = 0; g < q->groups; g++)
			t->corr[(p * q->groups + g) * nr + j] = real ? q->corr[i * q->groups + g] : 0;
		if (!real)
			continue;
		switch (t->kernel->panel) {
		case ITR_PANEL_F32:
			for (int64_t e = 0; e < k; e++)
				((float *)(void *)panel)[e * nr + j] = f[e];
			break;
		case ITR_PANEL_I8X4:
			for (int64_t e = 0; e < k; e += 4)
				memcpy(panel + (e * nr + j * 4), c + e, 4);
			break;
		case ITR_PANEL_I16X2:
			for (int64_t e = 0; e < k; e++)
				((int16_t *)(void *)panel)[(e / 2 * nr + j) * 2 + e % 2] = c[e];
			break;
		default:
			for (int64_t e = 0; e < k; e++)
				((uint16_t *)(void *)panel)[(e / 2 * nr + j) * 2 + e % 2] = itr_bf16_from_f32(f[e]);
			break;
		}
	}
}

/* Lengths that bound the error of rough scores. */
static void fill_norms(itr_queries *q, int64_t i)
{
	const float *x = (const float *)(const void *)((const char *)q->data + (size_t)i * q->stride);
	double sum = 0, moved = 0;
	for (int64_t d = 0; d < q->g->dim; d++) {
		double e = x[d] - itr_bf16_to_f32(itr_bf16_from_f32(x[d]));
		sum += (double)x[d] * x[d];
		moved += e * e;
	}
	q->norm[i] = (float)sqrt(sum);
	q->moved[i] = (float)sqrt(moved);
}

void itr_queries_fill(itr_queries *q, const float *x, int64_t n, unsigned panels)
{
	q->n = n;
	memset(q->scale, 0, (size_t)(n + ITR_TILE_NR_MAX) * sizeof *q->scale);
	for (int64_t i = 0; i < n; i++) {
		fill_one(q, x + i * q->g->dim, i);
		if (panels >> ITR_BOUNDS & 1 && q->g->ops->bounded)
			fill_norms(q, i);
	}
	for (int w = 0; w < 2; w++) {
		struct itr_panels *t = &q->panels[w];
		t->n = t->kernel && panels >> w & 1 ? (n + t->kernel->nr - 1) / t->kernel->nr : 0;
		for (int64_t p = 0; p < t->n; p++)
			fill_panel(q, t, p);
	}
}

itr_kquery itr_queries_one(const itr_queries *q, int64_t i)
{
	return (itr_kquery){ (const char *)q->data + (size_t)i * q->stride, q->scale[i], q->corr + i * q->groups };
}

itr_kpanel itr_queries_panel(const itr_queries *q, int which, int64_t p)
{
	const struct itr_panels *t = &q->panels[which];
	return (itr_kpanel){ t->data + (size_t)p * t->bytes, q->scale + p * t->kernel->nr, t->corr + p * q->groups * t->kernel->nr };
}

/* Cauchy-Schwarz on what the bfloat16 roundings move, and the usual n*u for each of two sums of k products: u = 2^-24, twice for the tile,
 * whose instruction rounds product and sum. 1 % on top covers norms and bounds that were themselves rounded, and stored rows a little
 * longer than given ones. */
float itr_rough_bound(const itr_queries *q, int64_t i, bool tile)
{
	double row = (double)q->g->max_norm * 1.01, k = (double)q->g->rows.k;
	double sums = (tile ? 3 * k : 2 * k) + 64;
	double bound = sums / 16777216 * q->norm[i] * row;
	if (tile)
		bound += q->moved[i] * row + q->g->rough->row_error * (q->norm[i] + q->moved[i]) * row;
	return (float)(bound * 1.01 + k * 1e-37);
}

int itr_queries_check(const float *x, int64_t n, int64_t dim, itr_err *err)
{
	for (int64_t i = 0; i < n; i++)
		if (!itr_all_finite(x + i * dim, dim))
			return itr_err_set(err, "query row %lld holds NaN or infinity", (long long)i);
	return 0;
}

static size_t scratch_of(const itr_gallery *g, const itr_kernel *kernel)
{
	return kernel->decode ? (size_t)kernel->mr * ((size_t)g->rows.k * kernel->decoded_size + (size_t)g->rows.groups * sizeof(float))
	                      : 0;
}

size_t itr_tile_scratch(const itr_gallery *g)
{
	return ITR_MAX(scratch_of(g, g->kernel), g->rough ? scratch_of(g, &g->rough->kernel) : 0) + 64;
}

const itr_krows *itr_tile_rows(const itr_gallery *g, const itr_kernel *kernel, int64_t *first, void *scratch, itr_krows *seen)
{
	if (!kernel->decode)
		return &g->rows;
	kernel->decode(&g->rows, *first, kernel->mr, scratch, seen);
	*first = 0;
	return seen;
}
