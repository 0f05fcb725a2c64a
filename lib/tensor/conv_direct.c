#include "tensor/conv_direct.h"

#include <string.h>

#include "base/cpu.h"
#include "base/parallel.h"
#include "base/scratch.h"
#include "tensor/frozen_kernel.h"

enum { BAND_FLOATS = 64 << 10, SLACK = 64 };             /* of the source, in the second-level cache beside the panel that streams by */

itr_direct_tile *itr_direct_tile_get(void)
{
#if defined(__x86_64__)
	if (itr_cpu_features() & ITR_CPU_AVX512 && itr_gemm_isa_get()->nr == ITR_DIRECT_COLUMNS)
		return itr_direct_tile_avx512;
#endif
	return NULL;
}

bool itr_direct_fits(const itr_conv_plan *p)
{
	/* narrow results waste the groups of seven, a handful of columns the 32 */
	return itr_direct_tile_get() && p->nh > 0 && p->nw > 0 && p->nh * p->nw > 1 && p->eh[p->nh - 1] - p->eh[0] == p->nh - 1 && p->ew[p->nw - 1] - p->ew[0] == p->nw - 1 && p->gw >= 5 && p->n > 8;
}

struct direct {
	const itr_conv_plan *p;
	const float *x, *panels;
	itr_after after;
	float *dst;
	itr_direct_tile *tile;
	int64_t line, band_h;                                    /* floats a row of the band; its rows */
	int64_t rows, bands, images, groups;                     /* grid rows a band, bands an image; or, when bands = 1, images a band; groups a grid row */
	int64_t columns, chunk, chunks, pieces;                  /* panels */
	float *scratch;
	int64_t scratch_size;
};

/* Rows i0 .. of picture b with the zeros around. */
static void copy_band(const struct direct *q, int64_t b, int64_t i0, int64_t band_h, float *to)
{
	const itr_conv_plan *p = q->p;
	const int64_t left = ITR_MAX(-p->ew[0], (int64_t)0), from = ITR_MAX(p->ew[0], (int64_t)0), wide = q->line / p->cn;
	const int64_t have = ITR_MAX(ITR_MIN(p->sw - from, wide - left), (int64_t)0);
	for (int64_t r = 0; r < band_h; r++, to += q->line) {
		const int64_t h = i0 * p->step + p->eh[0] + r;
		if (h < 0 || h >= p->sh) {
			memset(to, 0, (size_t)q->line * sizeof *to);
			continue;
		}
		const float *s = q->x + ((b * p->sh + h) * p->sw + from) * p->sc + p->c0;
		memset(to, 0, (size_t)(left * p->cn) * sizeof *to);
		if (p->cn == p->sc)
			memcpy(to + left * p->cn, s, (size_t)(have * p->cn) * sizeof *to);
		else
			for (int64_t w = 0; w < have; w++)
				memcpy(to + (left + w) * p->cn, s + w * p->sc, (size_t)p->cn * sizeof *to);
		memset(to + (left + have) * p->cn, 0, (size_t)((wide - left - have) * p->cn) * sizeof *to);
	}
}

/* A group: its place in the band and in the result. */
struct place {
	const float *a;
	float *d;
	int64_t at;                      /* d - dst, for the residual */
	int rows;
};

static struct place place_of(const struct direct *q, const float *band, int64_t b0, int64_t i0, int64_t rows, int64_t k)
{
	const itr_conv_plan *p = q->p;
	const int64_t j = k % q->groups * ITR_DIRECT_GROUP, i = k / q->groups % rows, b = k / q->groups / rows;
	struct place g;
	g.a = band + (b * q->band_h + i * p->step) * q->line + j * p->step * p->cn;
	g.at = (((b0 + b) * p->dh + p->dh0 + (i0 + i) * p->dstep) * p->dw + p->dw0 + j * p->dstep) * p->dc + p->o0;
	g.d = q->dst + g.at;
	g.rows = (int)ITR_MIN((int64_t)ITR_DIRECT_GROUP, p->gw - j);
	return g;
}

static void finish(const struct direct *q, const struct place *g, int64_t panel, const float *s)
{
	const int64_t j0 = panel * ITR_DIRECT_COLUMNS, ld = q->p->dstep * q->p->dc;
	itr_after after = q->after;
	if (after.residual) {
		after.residual += g->at;
		after.ld_residual = ld;
	}
	itr_rowwise_get()->after(&after, NULL, NULL, 0, j0, g->rows, (int)ITR_MIN((int64_t)ITR_DIRECT_COLUMNS, q->p->n - j0), s, ITR_DIRECT_COLUMNS, g->d, ld);
}

static void direct_piece(void *ctx, int64_t piece, int worker)
{
	const struct direct *q = ctx;
	const itr_conv_plan *p = q->p;
	float s[2 * ITR_DIRECT_GROUP * ITR_DIRECT_COLUMNS] __attribute__((aligned(64))), *band = q->scratch + worker * q->scratch_size;
	const int64_t part = piece / q->chunks, b0 = q->bands == 1 ? part * q->images : part / q->bands, i0 = q->bands == 1 ? 0 : part % q->bands * q->rows;
	const int64_t images = q->bands == 1 ? ITR_MIN(q->images, p->batch - b0) : 1, rows = ITR_MIN(q->rows, p->gh - i0), count = images * rows * q->groups;
	const int64_t k = (int64_t)p->nh * p->nw * p->cn;
	for (int64_t b = 0; b < images; b++)
		copy_band(q, b0 + b, i0, (rows - 1) * p->step + p->nh, band + b * q->band_h * q->line);
	for (int64_t c = piece % q->chunks * q->chunk; c < ITR_MIN((piece % q->chunks + 1) * q->chunk, q->columns); c++)
		for (int64_t g = 0; g < count; g += 2) {
			const bool two = g + 1 < count;
			const struct place one = place_of(q, band, b0, i0, rows, g), other = two ? place_of(q, band, b0, i0, rows, g + 1) : one;
			q->tile(p->nh, p->nw * p->cn, q->line, p->step * p->cn, one.a, two ? other.a : NULL, q->panels + c * ITR_DIRECT_COLUMNS * k, s);
			finish(q, &one, c, s);
			if (two)
				finish(q, &other, c, s + ITR_DIRECT_GROUP * ITR_DIRECT_COLUMNS);
		}
}

/* How much of the source a band holds: whole pictures where several fit, else rows of one. */
static void cut(struct direct *q, int threads)
{
	const itr_conv_plan *p = q->p;
	const int64_t whole = ((p->gh - 1) * p->step + p->nh) * q->line;
	q->rows = p->gh;
	q->bands = q->images = 1;
	if (whole <= BAND_FLOATS)
		q->images = ITR_MIN(ITR_MAX(BAND_FLOATS / whole, (int64_t)1), p->batch);
	else {
		q->rows = ITR_MAX((BAND_FLOATS / q->line - p->nh) / p->step + 1, (int64_t)1);
		q->bands = (p->gh + q->rows - 1) / q->rows;
		q->rows = (p->gh + q->bands - 1) / q->bands;
		q->bands = (p->gh + q->rows - 1) / q->rows;
	}
	q->band_h = (q->rows - 1) * p->step + p->nh;
	const int64_t parts = q->bands == 1 ? (p->batch + q->images - 1) / q->images : p->batch * q->bands;
	q->columns = (p->n + ITR_DIRECT_COLUMNS - 1) / ITR_DIRECT_COLUMNS;
	q->chunks = parts >= 6 * threads || threads == 1 ? 1 : ITR_MIN(q->columns, (6 * threads + parts - 1) / parts);
	q->chunk = (q->columns + q->chunks - 1) / q->chunks;
	q->chunks = (q->columns + q->chunk - 1) / q->chunk;
	q->scratch_size = (q->band_h * q->images * q->line + (ITR_DIRECT_GROUP + 1) * p->step * p->cn + (int64_t)p->nh * q->line + SLACK + 15) & ~(int64_t)15;
	q->pieces = parts * q->chunks;
}

void itr_direct_run(const itr_conv_plan *p, const float *x, const float *panels, const itr_after *after, float *dst, int threads)
{
	struct direct q = { .p = p, .x = x, .panels = panels, .dst = dst, .tile = itr_direct_tile_get(), .line = ((p->gw - 1) * p->step + p->nw) * p->cn };
	if (after)
		q.after = *after;
	q.groups = (p->gw + ITR_DIRECT_GROUP - 1) / ITR_DIRECT_GROUP;
	threads = itr_threads_resolve(threads);
	cut(&q, threads);
	q.scratch = itr_scratch_take((size_t)(q.scratch_size * threads) * sizeof(float));
	memset(q.scratch, 0, (size_t)(q.scratch_size * threads) * sizeof(float));          /* the last group of a row reads beyond its band */
	itr_parallel_for(threads, q.pieces, direct_piece, &q);
	itr_scratch_give(q.scratch);
}
