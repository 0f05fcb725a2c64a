/* Queries in the formats that kernels take: padded rows for `few`, interleaved panels for `tile`. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "retrieval/packed.h"
#include "tensor/dtype.h"

static bool is_integer(itr_precision p) { return p == ITR_PREC_INT8 || p == ITR_PREC_INT4; }

itr_queries *itr_queries_new(const itr_gallery *g, int64_t capacity)
{
	itr_queries *q = itr_xcalloc(1, sizeof *q);
	size_t k = (size_t)g->rows.k, n = (size_t)capacity, nr = (size_t)ITR_MAX(g->kernel->nr, 1), panels = (n + nr - 1) / nr;
	size_t unit = g->kernel->panel == ITR_PANEL_F32 ? 4 : g->kernel->panel == ITR_PANEL_I8X4 ? 1 : 2;
	q->g = g;
	q->groups = g->precision == ITR_PREC_INT4 ? g->rows.groups : 1;
	q->stride = is_integer(g->precision) ? k : g->precision == ITR_PREC_BINARY ? k * 8 : k * sizeof(float);
	q->stride = (q->stride + 63) / 64 * 64;
	q->data = itr_aligned_calloc(q->stride * n + 64);
	q->wide = itr_aligned_calloc((size_t)ITR_MAX(g->dim, (int64_t)k) * sizeof(float));
	q->scale = itr_xcalloc(n + nr, sizeof *q->scale);
	q->corr = itr_xcalloc(n, (size_t)q->groups * sizeof *q->corr);
	if (g->kernel->tile) {
		q->panel_bytes = k * nr * unit;
		q->panels = itr_aligned_calloc(panels * q->panel_bytes);
		q->panel_corr = itr_xcalloc(panels * (size_t)q->groups * nr, sizeof *q->panel_corr);
	}
	return q;
}

void itr_queries_free(itr_queries *q)
{
	if (!q)
		return;
	itr_aligned_free(q->data);
	itr_aligned_free(q->wide);
	itr_aligned_free(q->panels);
	free(q->scale);
	free(q->corr);
	free(q->panel_corr);
	free(q);
}

/* int4: a group's even dimensions, then its odd ones, as nibbles come out of a byte. */
static void even_odd(int8_t *x, int64_t k)
{
	int8_t t[ITR_GROUP];
	for (int64_t j = 0; j < k; j += ITR_GROUP) {
		for (int i = 0; i < 32; i++) {
			t[i] = x[j + 2 * i];
			t[32 + i] = x[j + 2 * i + 1];
		}
		memcpy(x + j, t, sizeof t);
	}
}

static void fill_integer(itr_queries *q, const float *x, int64_t i)
{
	const itr_gallery *g = q->g;
	int8_t *code = (int8_t *)q->data + (size_t)i * q->stride;
	if (g->quantizer == ITR_QUANT_MINMAX_WRAP) {
		float lo = x[0], hi = x[0];
		for (int64_t d = 1; d < g->dim; d++) {
			lo = x[d] < lo ? x[d] : lo;
			hi = x[d] > hi ? x[d] : hi;
		}
		itr_quantise_minmax(x, g->dim, lo, hi, g->precision == ITR_PREC_INT8 ? 255 : 15, code);
		q->scale[i] = 1;
	} else {
		q->scale[i] = itr_quantise_int8(x, g->dim, code);
	}
	if (g->precision == ITR_PREC_INT4)
		even_odd(code, g->rows.k);
	for (int64_t j = 0; j < q->groups; j++) {
		int32_t sum = 0;
		int64_t len = g->rows.k / q->groups;
		for (int64_t k = 0; k < len; k++)
			sum += code[j * len + k];
		q->corr[i * q->groups + j] = -g->offset * sum;
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
	if (is_integer(g->precision))
		fill_integer(q, x, i);
	else if (g->precision == ITR_PREC_BINARY)
		itr_quantise_binary(x, g->dim, (uint64_t *)(void *)((char *)q->data + (size_t)i * q->stride));
	else
		memcpy((char *)q->data + (size_t)i * q->stride, x, (size_t)g->dim * sizeof *x);
}

static void fill_panel(itr_queries *q, int64_t p)
{
	const itr_kernel *kernel = q->g->kernel;
	const int64_t k = q->g->rows.k;
	const int nr = kernel->nr;
	uint8_t *panel = q->panels + (size_t)p * q->panel_bytes;
	for (int j = 0; j < nr; j++) {
		int64_t i = p * nr + j;
		bool real = i < q->n;
		const void *row = (const char *)q->data + (size_t)(real ? i : 0) * q->stride;
		for (int64_t g = 0; g < q->groups; g++)
			q->panel_corr[(p * q->groups + g) * nr + j] = real ? q->corr[i * q->groups + g] : 0;
		if (!real)
			q->scale[i] = 0;
		for (int64_t e = 0; e < k; e++) {
			const float *f = row;
			const int8_t *c = row;
			if (kernel->panel == ITR_PANEL_F32)
				((float *)(void *)panel)[e * nr + j] = real ? f[e] : 0;
			else if (kernel->panel == ITR_PANEL_I8X4)
				((int8_t *)panel)[(e / 4 * nr + j) * 4 + e % 4] = real ? c[e] : 0;
			else if (kernel->panel == ITR_PANEL_I16X2)
				((int16_t *)(void *)panel)[(e / 2 * nr + j) * 2 + e % 2] = real ? c[e] : 0;
			else
				((uint16_t *)(void *)panel)[(e / 2 * nr + j) * 2 + e % 2] = real ? itr_bf16_from_f32(f[e]) : 0;
		}
	}
}

void itr_queries_fill(itr_queries *q, const float *x, int64_t n, bool with_panels)
{
	q->n = n;
	for (int64_t i = 0; i < n; i++)
		fill_one(q, x + i * q->g->dim, i);
	if (!with_panels || !q->g->kernel->tile)
		return;
	q->n_panels = (n + q->g->kernel->nr - 1) / q->g->kernel->nr;
	for (int64_t p = 0; p < q->n_panels; p++)
		fill_panel(q, p);
}

itr_kquery itr_queries_one(const itr_queries *q, int64_t i)
{
	return (itr_kquery){ (const char *)q->data + (size_t)i * q->stride, q->scale[i], q->corr + i * q->groups };
}

itr_kpanel itr_queries_panel(const itr_queries *q, int64_t p)
{
	const int nr = q->g->kernel->nr;
	return (itr_kpanel){ q->panels + (size_t)p * q->panel_bytes, q->scale + p * nr, q->panel_corr + p * q->groups * nr };
}

int itr_queries_check(const float *x, int64_t n, int64_t dim, itr_err *err)
{
	for (int64_t i = 0; i < n; i++) {
		uint32_t worst = 0;
		for (int64_t d = 0; d < dim; d++) {
			uint32_t b;
			memcpy(&b, &x[i * dim + d], sizeof b);
			b &= 0x7fffffff;
			worst = b > worst ? b : worst;
		}
		if (worst >= 0x7f800000)
			return itr_err_set(err, "query row %lld holds NaN or infinity", (long long)i);
	}
	return 0;
}

size_t itr_tile_scratch(const itr_gallery *g)
{
	size_t k = (size_t)g->rows.k, mr = (size_t)ITR_MAX(g->kernel->mr, 1);
	return g->kernel->decode ? mr * (k * g->kernel->decoded_size + (size_t)g->rows.groups * sizeof(float)) + 64 : 64;
}

const itr_krows *itr_tile_rows(const itr_gallery *g, int64_t *first, void *scratch, itr_krows *seen)
{
	if (!g->kernel->decode)
		return &g->rows;
	g->kernel->decode(&g->rows, *first, g->kernel->mr, scratch, seen);
	*first = 0;
	return seen;
}
