/* int4: groups of 64 dimensions: float16 s = max|x|/7, codes -7..7, stored + 8, low nibble first; the query is int8. */
#include <math.h>
#include <string.h>

#include "retrieval/queries.h"
#include "tensor/dtype.h"

/* Products of a float16 scale and a group's sum (below 2^13) are exact in float32, so only the chain over groups rounds. */
static void few_int4(const itr_krows *g, const itr_kquery *q, int64_t first, const int64_t *idx, int64_t n, float *out)
{
	for (int64_t i = 0; i < n; i++) {
		int64_t row = itr_kernel_row(idx, first, i);
		const uint8_t *p = g->base + (size_t)row * g->stride;
		const int8_t *x = q->data;
		const uint16_t *scale = g->group_scale + (row / 16) * g->groups * 16 + row % 16;
		float s = 0;
		for (int64_t j = 0; j < g->groups; j++, p += 32, x += 64) {
			int32_t d = q->corr[j];
			for (int b = 0; b < 32; b++)
				d += (p[b] & 15) * x[b] + (p[b] >> 4) * x[32 + b];
			s = fmaf(itr_f16_to_f32(scale[j * 16]), (float)d, s);
		}
		out[i] = s * q->scale;
	}
}

static const itr_kernel kernel = { "scalar", few_int4, NULL, 0, 0, ITR_PANEL_NONE, NULL, 0, NULL };

static void layout(itr_gallery *g)
{
	g->rows.groups = (g->dim + ITR_GROUP - 1) / ITR_GROUP;
	g->rows.k = g->rows.groups * ITR_GROUP;
	g->rows.stride = (size_t)g->rows.k / 2;
	g->offset = g->quantizer == ITR_QUANT_MINMAX_WRAP ? 0 : 8;
	g->scale_bytes = (size_t)g->rows.groups * sizeof(uint16_t);
}

static void pack(itr_gallery *g, int64_t row, const float *x, float low, float high, int8_t *code)
{
	uint16_t *scale = (uint16_t *)g->scales + (row / 16) * g->rows.groups * 16 + row % 16;
	memset(code, 0, (size_t)g->rows.k);
	for (int64_t j = 0; j < g->rows.groups; j++) {
		int64_t at = j * ITR_GROUP, m = ITR_MIN(g->dim - at, (int64_t)ITR_GROUP);
		if (g->quantizer == ITR_QUANT_MINMAX_WRAP) {
			itr_quantise_minmax(x + at, m, low, high, 15, code + at);
			scale[j * 16] = itr_f16_from_f32(1);
		} else {
			scale[j * 16] = itr_quantise_int4(x + at, m, code + at);
		}
	}
	itr_code_nibbles(itr_gallery_row(g, row), code, g->rows.k, g->offset);
}

static float decode(const itr_gallery *g, int64_t row, int64_t d)
{
	const uint8_t *p = g->rows.base + (size_t)row * g->rows.stride;
	const uint16_t scale = g->rows.group_scale[(row / 16 * g->rows.groups + d / ITR_GROUP) * 16 + row % 16];
	return (float)((d % 2 ? p[d / 2] >> 4 : p[d / 2] & 15) - g->offset) * itr_f16_to_f32(scale);
}

/* A group's even dimensions, then its odd ones, as nibbles come out of a byte. */
static void query(itr_queries *q, int64_t i, const float *x)
{
	int8_t *code = itr_queries_at(q, i), t[ITR_GROUP];
	itr_queries_codes(q, i, x, 15);
	for (int64_t j = 0; j < q->g->rows.k; j += ITR_GROUP) {
		for (int n = 0; n < ITR_GROUP / 2; n++) {
			t[n] = code[j + 2 * n];
			t[ITR_GROUP / 2 + n] = code[j + 2 * n + 1];
		}
		memcpy(code + j, t, sizeof t);
	}
}

const itr_precision_ops itr_precision_int4 = {
	.name = "int4",
	.summary = "4-bit codes, one scale per 64 dimensions",
	.quantised = true,
	.query_bytes = 1,
	.best_kernel = "avx512vnni",
	.reference = &kernel,
	.layout = layout,
	.pack = pack,
	.decode = decode,
	.query = query,
};
