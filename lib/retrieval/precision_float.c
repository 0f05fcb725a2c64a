/* fp32, fp16 and bf16: rows as they are or rounded; queries stay float32; a score is one chain of fused multiply-adds. */
#include <math.h>
#include <string.h>

#include "retrieval/queries.h"
#include "tensor/dtype.h"

/* --- kernels of the reference --------------------------------------------------------------------------------------------------------- */

static void few_f32(const itr_krows *g, const itr_kquery *q, int64_t first, const int64_t *idx, int64_t n, float *out)
{
	const float *x = q->data;
	for (int64_t i = 0; i < n; i++) {
		const float *p = (const float *)(const void *)(g->base + (size_t)itr_kernel_row(idx, first, i) * g->stride);
		float s = 0;
		for (int64_t k = 0; k < g->k; k++)
			s = fmaf(x[k], p[k], s);
		out[i] = s;
	}
}

static void few_half(const itr_krows *g, const itr_kquery *q, int64_t first, const int64_t *idx, int64_t n, float *out,
                     float (*widen)(uint16_t))
{
	const float *x = q->data;
	for (int64_t i = 0; i < n; i++) {
		const uint16_t *p = (const uint16_t *)(const void *)(g->base + (size_t)itr_kernel_row(idx, first, i) * g->stride);
		float s = 0;
		for (int64_t k = 0; k < g->k; k++)
			s = fmaf(x[k], widen(p[k]), s);
		out[i] = s;
	}
}

static void few_f16(const itr_krows *g, const itr_kquery *q, int64_t first, const int64_t *idx, int64_t n, float *out)
{
	few_half(g, q, first, idx, n, out, itr_f16_to_f32);
}

static void few_bf16(const itr_krows *g, const itr_kquery *q, int64_t first, const int64_t *idx, int64_t n, float *out)
{
	few_half(g, q, first, idx, n, out, itr_bf16_to_f32);
}

/* The tile of the reference exists so that machines without any of our instruction sets do not go query by query. */
enum { MR = 1, NR = 16 };              /* lanes of a tile come in groups of 16 (score_source.h) */

static void tile_f32(const itr_krows *g, const itr_kpanel *p, int64_t first, float *out)
{
	const float *x = (const float *)(const void *)(g->base + (size_t)first * g->stride), *q = p->data;
	for (int j = 0; j < NR; j++)
		out[j] = 0;
	for (int64_t k = 0; k < g->k; k++)
		for (int j = 0; j < NR; j++)
			out[j] = fmaf(q[k * NR + j], x[k], out[j]);
}

static const itr_kernel kernel_fp32 = { "scalar", few_f32, tile_f32, MR, NR, ITR_PANEL_F32, NULL, 0, NULL };
static const itr_kernel kernel_fp16 = { "scalar", few_f16, NULL, 0, 0, ITR_PANEL_NONE, NULL, 0, NULL };
static const itr_kernel kernel_bf16 = { "scalar", few_bf16, NULL, 0, 0, ITR_PANEL_NONE, NULL, 0, NULL };

/* --- rows and queries ----------------------------------------------------------------------------------------------------------------- */

static void layout(itr_gallery *g, size_t element)
{
	g->rows.k = (g->dim + 15) / 16 * 16;
	g->rows.stride = (size_t)g->rows.k * element;
}

static void layout_single(itr_gallery *g) { layout(g, sizeof(float)); }
static void layout_half(itr_gallery *g) { layout(g, sizeof(uint16_t)); }

static void pack_fp32(itr_gallery *g, int64_t row, const float *x, float low, float high, int8_t *code)
{
	(void)low;
	(void)high;
	(void)code;
	memcpy(itr_gallery_row(g, row), x, (size_t)g->dim * sizeof *x);
}

static void pack_fp16(itr_gallery *g, int64_t row, const float *x, float low, float high, int8_t *code)
{
	(void)low;
	(void)high;
	(void)code;
	g->scan->to_f16(itr_gallery_row(g, row), x, g->dim);
}

static void pack_bf16(itr_gallery *g, int64_t row, const float *x, float low, float high, int8_t *code)
{
	(void)low;
	(void)high;
	(void)code;
	itr_bf16_from_f32_n(itr_gallery_row(g, row), x, g->dim);
}

static float decode_fp32(const itr_gallery *g, int64_t row, int64_t d)
{
	float f;
	memcpy(&f, g->rows.base + (size_t)row * g->rows.stride + d * 4, sizeof f);
	return f;
}

static uint16_t half_at(const itr_gallery *g, int64_t row, int64_t d)
{
	uint16_t h;
	memcpy(&h, g->rows.base + (size_t)row * g->rows.stride + d * 2, sizeof h);
	return h;
}

static float decode_fp16(const itr_gallery *g, int64_t row, int64_t d) { return itr_f16_to_f32(half_at(g, row, d)); }
static float decode_bf16(const itr_gallery *g, int64_t row, int64_t d) { return itr_bf16_to_f32(half_at(g, row, d)); }

static void query(itr_queries *q, int64_t i, const float *x) { memcpy(itr_queries_at(q, i), x, (size_t)q->g->dim * sizeof *x); }

const itr_precision_ops itr_precision_fp32 = {
	.name = "fp32",
	.summary = "float32, 32 bits per dimension",
	.bounded = true,
	.query_bytes = sizeof(float),
	.best_kernel = "avx512+bf16",
	.reference = &kernel_fp32,
	.layout = layout_single,
	.pack = pack_fp32,
	.decode = decode_fp32,
	.query = query,
};

const itr_precision_ops itr_precision_fp16 = {
	.name = "fp16",
	.summary = "float16, up to 65504, 16 bits per dimension",
	.bounded = true,
	.most = 65504,
	.query_bytes = sizeof(float),
	.best_kernel = "avx512+bf16",
	.reference = &kernel_fp16,
	.layout = layout_half,
	.pack = pack_fp16,
	.decode = decode_fp16,
	.query = query,
};

const itr_precision_ops itr_precision_bf16 = {
	.name = "bf16",
	.summary = "bfloat16, 16 bits per dimension",
	.bounded = true,
	.query_bytes = sizeof(float),
	.best_kernel = "avx512+bf16",
	.reference = &kernel_bf16,
	.layout = layout_half,
	.pack = pack_bf16,
	.decode = decode_bf16,
	.query = query,
};
