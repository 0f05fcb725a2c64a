/* binary: sign bits, bit i of word i/64 set when x < 0; score = dim - 2 * Hamming distance. */
#include "retrieval/queries.h"

static void few_binary(const itr_krows *g, const itr_kquery *q, int64_t first, const int64_t *idx, int64_t n, float *out)
{
	const uint64_t *x = q->data;
	for (int64_t i = 0; i < n; i++) {
		const uint64_t *p = (const uint64_t *)(const void *)(g->base + (size_t)itr_kernel_row(idx, first, i) * g->stride);
		int64_t h = 0;
		for (int64_t k = 0; k < g->k; k++)
			h += __builtin_popcountll(p[k] ^ x[k]);
		out[i] = (float)(g->dim - 2 * h);
	}
}

static const itr_kernel kernel = { "scalar", few_binary, NULL, 0, 0, ITR_PANEL_NONE, NULL, 0, NULL };

static void layout(itr_gallery *g)
{
	g->rows.k = (g->dim + 63) / 64;
	g->rows.stride = (size_t)g->rows.k * sizeof(uint64_t);
}

static void pack(itr_gallery *g, int64_t row, const float *x, float low, float high, int8_t *code)
{
	(void)low;
	(void)high;
	(void)code;
	itr_quantise_binary(x, g->dim, itr_gallery_row(g, row));
}

/* Bits of little-endian words. */
static float decode(const itr_gallery *g, int64_t row, int64_t d)
{
	return g->rows.base[(size_t)row * g->rows.stride + (size_t)(d / 8)] >> d % 8 & 1 ? -1 : 1;
}

static void query(itr_queries *q, int64_t i, const float *x) { itr_quantise_binary(x, q->g->dim, itr_queries_at(q, i)); }

const itr_precision_ops itr_precision_binary = {
	.name = "binary",
	.summary = "signs, 1 bit per dimension",
	.signs_only = true,
	.query_bytes = sizeof(uint64_t),
	.best_kernel = "avx512vpopcntdq",
	.reference = &kernel,
	.layout = layout,
	.pack = pack,
	.decode = decode,
	.query = query,
};
