#include "retrieval/gallery.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "retrieval/queries.h"
#include "tensor/dtype.h"

enum { PIECE = 128 };

struct pack {
	itr_gallery *g;
	const float *x;
	float lo, hi;                   /* minmax-wrap: of the whole gallery */
	int64_t bad;                    /* first row that is not finite, or n */
	float *norm;                    /* per piece: the largest norm */
};

static void pack_piece(void *ctx, int64_t piece, int worker)
{
	struct pack *p = ctx;
	itr_gallery *g = p->g;
	float *x = itr_xmalloc((size_t)g->dim * sizeof *x);
	int8_t *code = itr_xcalloc((size_t)g->rows.k + ITR_GROUP, 1);
	float norm = 0;
	(void)worker;
	for (int64_t row = piece * PIECE; row < ITR_MIN(g->n, (piece + 1) * PIECE); row++) {
		double sum = 0, part[8] = { 0 };                   /* eight sums: one alone waits for each of its additions */
		memcpy(x, p->x + row * g->dim, (size_t)g->dim * sizeof *x);
		for (int64_t d = 0; d + 8 <= g->dim; d += 8)
			for (int k = 0; k < 8; k++)
				part[k] += (double)x[d + k] * x[d + k];
		for (int64_t d = g->dim / 8 * 8; d < g->dim; d++)
			sum += (double)x[d] * x[d];
		for (int k = 0; k < 8; k++)
			sum += part[k];
		for (int64_t d = 0; g->factor && d < g->dim; d++)
			x[d] /= g->factor[d];
		norm = ITR_MAX(norm, (float)sqrt(sum));
		g->ops->pack(g, row, x, p->lo, p->hi, code);
	}
	p->norm[piece] = norm;
	free(x);
	free(code);
}

/* The slack behind the last row holds zero codes, so that what is read there is harmless. */
static void pack_all(itr_gallery *g, const float *x, int threads)
{
	struct pack p = { .g = g, .x = x };
	int64_t pieces = (g->n + PIECE - 1) / PIECE, padded = (g->n + ITR_ROW_SLACK + 15) / 16 * 16;
	size_t stride = g->rows.stride;
	g->codes_bytes = (size_t)g->n * stride;
	g->codes = itr_aligned_alloc((size_t)padded * stride + 4096);
	const size_t written = g->rows.k == g->dim ? (size_t)g->n * stride : 0;         /* rows without padding are written whole */
	memset((uint8_t *)g->codes + written, g->ops->padding, (size_t)padded * stride + 4096 - written);
	if (g->scale_bytes) {
		g->scales = itr_aligned_calloc((size_t)padded * g->scale_bytes);
		g->scales_bytes = (size_t)g->n * g->scale_bytes;
	}
	if (g->factor)
		g->scales_bytes += (size_t)g->dim * sizeof(float);
	if (g->quantizer == ITR_QUANT_MINMAX_WRAP) {
		itr_extent(x, g->n * g->dim, &p.lo, &p.hi);
	}
	p.norm = itr_xcalloc((size_t)pieces, sizeof *p.norm);
	itr_parallel_for(threads, pieces, pack_piece, &p);
	for (int64_t i = 0; i < pieces; i++)
		g->max_norm = ITR_MAX(g->max_norm, p.norm[i]);
	free(p.norm);
	g->rows.base = g->codes;
	g->rows.scale = g->scales;                       /* a kernel reads the one that its precision has */
	g->rows.group_scale = g->scales;
}

static void find_bad(void *ctx, int64_t piece, int worker)
{
	struct pack *p = ctx;
	int64_t dim = p->g->dim, from = piece * PIECE, rows = ITR_MIN(p->g->n - from, (int64_t)PIECE);
	(void)worker;
	p->norm[piece] = itr_queries_check(p->x + from * dim, rows, dim, NULL) < 0;
}

/* The first row that is not finite, or -1. */
static int64_t first_bad(itr_gallery *g, const float *x, int threads)
{
	int64_t pieces = (g->n + PIECE - 1) / PIECE, bad = -1;
	struct pack p = { .g = g, .x = x, .norm = itr_xcalloc((size_t)pieces, sizeof(float)) };
	itr_parallel_for(threads, pieces, find_bad, &p);
	for (int64_t i = 0; i < pieces && bad < 0; i++)
		for (int64_t r = i * PIECE; p.norm[i] > 0 && bad < 0 && r < g->n; r++)
			if (itr_queries_check(x + r * g->dim, 1, g->dim, NULL) < 0)
				bad = r;
	free(p.norm);
	return bad;
}

/* Can every element be held? */
static bool fits(const float *x, int64_t n, float most)
{
	float lo, hi;
	itr_extent(x, n, &lo, &hi);
	return lo >= -most && hi <= most;
}

static itr_gallery *new_gallery(int64_t n, int64_t dim, itr_precision precision)
{
	itr_gallery *g = itr_xcalloc(1, sizeof *g);
	g->precision = precision;
	g->ops = itr_precisions[precision];
	g->n = n;
	g->dim = g->rows.dim = dim;
	g->kernel = itr_kernel_for(precision);
	g->rough = itr_rough_for(precision);
	g->scan = itr_scan_best();
	return g;
}

static itr_gallery *pack_fine(const float *x, int64_t n, int64_t dim, const itr_pack_opts *o, itr_err *err)
{
	if (o->copy != ITR_COPY_BORROW || dim % 16)
		return itr_gallery_pack(x, n, dim, o->copy == ITR_COPY_INT8 ? ITR_PREC_INT8 : ITR_PREC_FP32,
		                        &(itr_pack_opts){ .threads = o->threads }, err);
	itr_gallery *g = new_gallery(n, dim, ITR_PREC_FP32);       /* only ever gathered from, so it needs no slack */
	g->ops->layout(g);
	g->rows.base = (const uint8_t *)x;
	g->codes_bytes = (size_t)n * g->rows.stride;
	return g;
}

itr_gallery *itr_gallery_pack(const float *vectors, int64_t n, int64_t dim, itr_precision precision, const itr_pack_opts *opts,
                              itr_err *err)
{
	const itr_pack_opts none = { 0 }, *o = opts ? opts : &none;
	if (n < 1 || n > INT32_MAX || dim < 1 || dim > ITR_DIM_MAX) {
		itr_err_set(err, "cannot pack a gallery of %lld rows of %lld: rows must be 1..%d, dimensions 1..%d", (long long)n,
		            (long long)dim, INT32_MAX, ITR_DIM_MAX);
		return NULL;
	}
	itr_gallery *g = new_gallery(n, dim, precision);
	int64_t bad = first_bad(g, vectors, o->threads);
	if (bad >= 0) {
		itr_err_set(err, "gallery row %lld holds NaN or infinity", (long long)bad);
		free(g);
		return NULL;
	}
	if (g->ops->most > 0 && !fits(vectors, n * dim, g->ops->most)) {
		itr_err_set(err, "a gallery value is beyond %.0f, which %s cannot hold: normalize the rows or choose bf16",
		            (double)g->ops->most, g->ops->name);
		free(g);
		return NULL;
	}
	if (g->ops->quantised) {
		g->quantizer = o->quantizer;
		if (o->calibrate && o->calibrate_rows > 0 && g->quantizer == ITR_QUANT_SYMMETRIC) {
			g->factor = itr_xmalloc((size_t)dim * sizeof *g->factor);
			itr_calibrate(o->calibrate, o->calibrate_rows, dim, g->factor);
		}
	}
	g->ops->layout(g);
	pack_all(g, vectors, o->threads);
	if (o->copy != ITR_COPY_NONE && !(g->fine = pack_fine(vectors, n, dim, o, err))) {
		itr_gallery_free(g);
		return NULL;
	}
	return g;
}

void itr_gallery_free(itr_gallery *g)
{
	if (!g)
		return;
	itr_gallery_free(g->fine);
	itr_aligned_free(g->codes);
	itr_aligned_free(g->scales);
	free(g->factor);
	free(g);
}

const itr_gallery *itr_gallery_fine(const itr_gallery *g) { return g->fine; }
int64_t itr_gallery_rows(const itr_gallery *g) { return g->n; }
int64_t itr_gallery_dim(const itr_gallery *g) { return g->dim; }
itr_precision itr_gallery_precision(const itr_gallery *g) { return g->precision; }
const char *itr_gallery_kernel(const itr_gallery *g) { return g->kernel->name; }

itr_gallery_memory itr_gallery_bytes(const itr_gallery *g)
{
	itr_gallery_memory m = { .codes = g->codes_bytes, .scales = g->scales_bytes };
	if (g->fine)
		m.copy = itr_gallery_bytes(g->fine).total;
	m.total = m.codes + m.scales + m.copy;
	return m;
}

void itr_gallery_decode(const itr_gallery *g, int64_t row, float *out)
{
	if (row < 0 || row >= g->n)
		ITR_BUG("itr_gallery_decode: row %lld of %lld", (long long)row, (long long)g->n);
	for (int64_t d = 0; d < g->dim; d++) {
		out[d] = g->ops->decode(g, row, d);
		if (g->factor)
			out[d] *= g->factor[d];
	}
}
