/* int8: s = max|x|/127 a row, codes -127..127, stored + 128 (unsigned, as the dot-product instructions want one side); the query is int8
 * too. */
#include "retrieval/queries.h"

static void few_int8(const itr_krows *g, const itr_kquery *q, int64_t first, const int64_t *idx, int64_t n, float *out)
{
	const int8_t *x = q->data;
	for (int64_t i = 0; i < n; i++) {
		int64_t row = itr_kernel_row(idx, first, i);
		const uint8_t *p = g->base + (size_t)row * g->stride;
		int32_t s = q->corr[0];
		for (int64_t k = 0; k < g->k; k++)
			s += (int32_t)p[k] * x[k];
		out[i] = (float)s * (g->scale[row] * q->scale);
	}
}

static const itr_kernel kernel = { "scalar", few_int8, NULL, 0, 0, ITR_PANEL_NONE, NULL, 0, NULL };

static void layout(itr_gallery *g)
{
	g->rows.k = (g->dim + 63) / 64 * 64;
	g->rows.stride = (size_t)g->rows.k;
	g->offset = 128;
	g->scale_bytes = sizeof(float);
}

static void pack(itr_gallery *g, int64_t row, const float *x, float low, float high, int8_t *code)
{
	float *scale = g->scales;
	if (g->quantizer == ITR_QUANT_MINMAX_WRAP) {
		itr_quantise_minmax(x, g->dim, low, high, 255, code);
		scale[row] = 1;
	} else {
		scale[row] = itr_quantise_int8(x, g->dim, code);
	}
	itr_code_shift(itr_gallery_row(g, row), code, g->dim, g->offset);       /* the padding holds zero codes already */
}

static float decode(const itr_gallery *g, int64_t row, int64_t d)
{
	return (float)((int)g->rows.base[(size_t)row * g->rows.stride + (size_t)d] - 128) * g->rows.scale[row];
}

static void query(itr_queries *q, int64_t i, const float *x) { itr_queries_codes(q, i, x, 255); }

const itr_precision_ops itr_precision_int8 = {
	.name = "int8",
	.summary = "8-bit codes, one scale per row",
	.quantised = true,
	.padding = 128,
	.query_bytes = 1,
	.best_kernel = "avx512vnni",
	.reference = &kernel,
	.layout = layout,
	.pack = pack,
	.decode = decode,
	.query = query,
};
