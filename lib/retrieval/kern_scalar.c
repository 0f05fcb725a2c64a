/* The reference: what every other kernel must reproduce bit for bit. */
#include <math.h>
#include <string.h>

#include "retrieval/kernels.h"
#include "retrieval/quantise.h"
#include "tensor/dtype.h"

static int64_t row_at(const int64_t *idx, int64_t first, int64_t i) { return idx ? idx[i] : first + i; }

static void few_f32(const itr_krows *g, const itr_kquery *q, int64_t first, const int64_t *idx, int64_t n, float *out)
{
	const float *x = q->data;
	for (int64_t i = 0; i < n; i++) {
		const float *p = (const float *)(const void *)(g->base + (size_t)row_at(idx, first, i) * g->stride);
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
		const uint16_t *p = (const uint16_t *)(const void *)(g->base + (size_t)row_at(idx, first, i) * g->stride);
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

static void few_int8(const itr_krows *g, const itr_kquery *q, int64_t first, const int64_t *idx, int64_t n, float *out)
{
	const int8_t *x = q->data;
	for (int64_t i = 0; i < n; i++) {
		int64_t row = row_at(idx, first, i);
		const uint8_t *p = g->base + (size_t)row * g->stride;
		int32_t s = q->corr[0];
		for (int64_t k = 0; k < g->k; k++)
			s += (int32_t)p[k] * x[k];
		out[i] = (float)s * (g->scale[row] * q->scale);
	}
}

/* Products of a float16 scale and a group's sum (below 2^13) are exact in float32, so only the chain over groups rounds. */
static void few_int4(const itr_krows *g, const itr_kquery *q, int64_t first, const int64_t *idx, int64_t n, float *out)
{
	for (int64_t i = 0; i < n; i++) {
		int64_t row = row_at(idx, first, i);
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

static void few_binary(const itr_krows *g, const itr_kquery *q, int64_t first, const int64_t *idx, int64_t n, float *out)
{
	const uint64_t *x = q->data;
	for (int64_t i = 0; i < n; i++) {
		const uint64_t *p = (const uint64_t *)(const void *)(g->base + (size_t)row_at(idx, first, i) * g->stride);
		int64_t h = 0;
		for (int64_t k = 0; k < g->k; k++)
			h += __builtin_popcountll(p[k] ^ x[k]);
		out[i] = (float)(g->dim - 2 * h);
	}
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

static int64_t above(const float *s, int64_t n, float limit, int32_t *pos)
{
	int64_t m = 0;
	for (int64_t i = 0; i < n; i++)
		if (s[i] > limit)
			pos[m++] = (int32_t)i;
	return m;
}

static int64_t above_tile(const float *s, int mr, int nr, const float *limit, int32_t *pos)
{
	int64_t m = 0;
	for (int r = 0; r < mr; r++)
		for (int j = 0; j < nr; j++)
			if (s[r * nr + j] > limit[j])
				pos[m++] = r * nr + j;
	return m;
}

#define COUNT_BYTES 16
#include "retrieval/kern_count.inc"

static void count_compare(const float *score, int64_t n, float t, uint64_t *above_t, uint64_t *equal_t)
{
	for (int64_t w = 0; w * 64 < n; w++) {
		uint64_t a = 0, e = 0;
		count_compare_rest(score, w, 0, ITR_MIN(n - w * 64, (int64_t)64), t, &a, &e);
		above_t[w] = a;
		equal_t[w] = e;
	}
}

static const itr_count_kernel count = { count_row, count_columns, count_dots, count_compare, count_common };
static const itr_scan scan = { above, above_tile, itr_f16_from_f32_n };
static const itr_kernel fp32 = { "scalar", few_f32, tile_f32, MR, NR, ITR_PANEL_F32, NULL, 0, NULL };
static const itr_kernel fp16 = { "scalar", few_f16, NULL, 0, 0, ITR_PANEL_NONE, NULL, 0, NULL };
static const itr_kernel bf16 = { "scalar", few_bf16, NULL, 0, 0, ITR_PANEL_NONE, NULL, 0, NULL };
static const itr_kernel int8 = { "scalar", few_int8, NULL, 0, 0, ITR_PANEL_NONE, NULL, 0, NULL };
static const itr_kernel int4 = { "scalar", few_int4, NULL, 0, 0, ITR_PANEL_NONE, NULL, 0, NULL };
static const itr_kernel binary = { "scalar", few_binary, NULL, 0, 0, ITR_PANEL_NONE, NULL, 0, NULL };

const itr_isa itr_isa_scalar = { 0, &scan, &count, { &fp32, &fp16, &bf16, &int8, &int4, &binary }, { NULL } };
