#include "tensor/conv_direct.h"

#include <string.h>

#include "base/cpu.h"
#include "base/parallel.h"
#include "base/scratch.h"
#include "tensor/packed_weight_kernel.h"

enum {
	BAND_FLOATS = 128 << 10,             /* of the source; stays in the second-level cache while panels are read */
	/* a panel of up to so many rows passes by at once; a longer one, line by line of the kernel, each for all groups */
	WHOLE = 1280,
	SLACK = 64
};

itr_direct_tile *itr_direct_tile_get(void)
{
#if defined(__x86_64__)
	if (itr_cpu_features() & ITR_CPU_AVX512 && itr_gemm_isa_get()->nr == ITR_DIRECT_COLUMNS)
		return itr_direct_tile_avx512;
#endif
	return NULL;
}

bool itr_direct_finishes(const itr_epilogue *a)
{
	return a->bias && (a->activation == ITR_ACT_NONE || a->activation == ITR_ACT_RELU || a->activation == ITR_ACT_RELU6 ||
	                   a->activation == ITR_ACT_HARDSWISH);
}

bool itr_direct_fits(const itr_conv_plan *p)
{
	/* narrow results waste the groups of seven, a handful of columns the 32 */
	return itr_direct_tile_get() && p->nh > 0 && p->nw > 0 && p->nh * p->nw > 1 && p->eh[p->nh - 1] - p->eh[0] == p->nh - 1 &&
	       p->ew[p->nw - 1] - p->ew[0] == p->nw - 1 && p->gw >= 5 && p->n > 8;
}

struct direct {
	const itr_conv_plan *p;
	const float *x, *panels;
	itr_epilogue epilogue;
	float *dst;
	itr_direct_tile *tile;
	itr_direct_input walk;                                    /* of the whole kernel; block: lines of it at a time */
	int block;
	bool finishes;
	int64_t pitch, line, band_h;                             /* floats a pixel and a row of the band; its rows */
	/* grid rows a band, bands an image; or, when bands = 1, images a band; groups a grid row */
	int64_t rows, bands, images, groups;
	int64_t columns, chunks, pieces;                         /* panels */
	float *scratch;
	int64_t scratch_size, sums_at;
};

/* Copies rows i0 .. of image b with their padding. */
static void copy_band(const struct direct *q, int64_t b, int64_t i0, int64_t band_h, float *to)
{
	const itr_conv_plan *p = q->p;
	const int64_t left = ITR_MAX(-p->ew[0], (int64_t)0), from = ITR_MAX(p->ew[0], (int64_t)0), wide = q->line / q->pitch;
	const int64_t have = ITR_MAX(ITR_MIN(p->sw - from, wide - left), (int64_t)0);
	for (int64_t r = 0; r < band_h; r++, to += q->line) {
		const int64_t h = i0 * p->step + p->eh[0] + r;
		if (h < 0 || h >= p->sh) {
			memset(to, 0, (size_t)q->line * sizeof *to);
			continue;
		}
		const float *s = q->x + ((b * p->sh + h) * p->sw + from) * p->sc + p->c0;
		memset(to, 0, (size_t)(left * q->pitch) * sizeof *to);
		if (p->cn == p->sc && p->cn == q->pitch)
			memcpy(to + left * p->cn, s, (size_t)(have * p->cn) * sizeof *to);
		else
			for (int64_t w = 0; w < have; w++)
				memcpy(to + (left + w) * q->pitch, s + w * p->sc, (size_t)p->cn * sizeof *to);
		memset(to + (left + have) * q->pitch, 0, (size_t)((wide - left - have) * q->pitch) * sizeof *to);
	}
}

/* A group: its addresses in the band and in the result. */
struct place {
	const float *a;
	float *d;
	int64_t at;                      /* d - dst, for the residual */
	int rows;
};

/* Advances to the next group: along columns, then rows, then images. */
struct cursor { int64_t b, i, j; };

static struct place place_of(const struct direct *q, const float *band, int64_t b0, int64_t i0, int64_t rows, struct cursor *k)
{
	const itr_conv_plan *p = q->p;
	struct place g;
	g.a = band + (k->b * q->band_h + k->i * p->step) * q->line + k->j * p->step * q->pitch;
	g.at = (((b0 + k->b) * p->dh + p->dh0 + (i0 + k->i) * p->dstep) * p->dw + p->dw0 + k->j * p->dstep) * p->dc + p->o0;
	g.d = q->dst + g.at;
	g.rows = (int)ITR_MIN((int64_t)ITR_DIRECT_GROUP, p->gw - k->j);
	k->j += ITR_DIRECT_GROUP;
	if (k->j >= p->gw) {
		k->j = 0;
		k->i++;
	}
	if (k->i == rows) {
		k->i = 0;
		k->b++;
	}
	return g;
}

static void finish(const struct direct *q, const struct place *g, int64_t panel, const float *s)
{
	const int64_t j0 = panel * ITR_DIRECT_COLUMNS, ld = q->p->dstep * q->p->dc;
	itr_epilogue epilogue = q->epilogue;
	if (epilogue.residual) {
		epilogue.residual += g->at;
		epilogue.ld_residual = ld;
	}
	itr_rowwise_get()->epilogue(&epilogue, NULL, NULL, 0, j0, g->rows, (int)ITR_MIN((int64_t)ITR_DIRECT_COLUMNS, q->p->n - j0), s,
	                         ITR_DIRECT_COLUMNS, g->d, ld);
}

/* Kernel rows u0 .. for one or two groups. */
static void step(const struct direct *q, const itr_direct_input *w, int u0, int64_t panel, const struct place *one,
                 const struct place *other, float *sums)
{
	const int64_t j0 = panel * ITR_DIRECT_COLUMNS, ld = q->p->dstep * q->p->dc;
	const bool last = u0 + w->nh == q->walk.nh,
		   fused = last && q->finishes && one->rows == ITR_DIRECT_GROUP && (!other || other->rows == ITR_DIRECT_GROUP);
	const itr_epilogue *a = &q->epilogue;
	const itr_direct_out o = { .sums = sums,
		                   .resume = u0 > 0,
		                   .finish = fused,
		                   .cols = (int)ITR_MIN((int64_t)ITR_DIRECT_COLUMNS, q->p->n - j0),
		                   .activation = a->activation,
		                   .bias = fused ? a->bias + j0 : NULL,
		                   .residual = { fused && a->residual ? a->residual + one->at + j0 : NULL,
		                                 fused && a->residual && other ? a->residual + other->at + j0 : NULL },
		                   .ld_residual = ld,
		                   .ld = ld,
		                   .y = { one->d + j0, other ? other->d + j0 : NULL } };
	const float *b = q->panels + (panel * q->walk.nh + u0) * q->walk.nw * q->walk.run * ITR_DIRECT_COLUMNS;
	q->tile(w, one->a + u0 * q->line, other ? other->a + u0 * q->line : NULL, b, &o);
	if (!last || fused)
		return;
	finish(q, one, panel, sums);
	if (other)
		finish(q, other, panel, sums + ITR_DIRECT_GROUP * ITR_DIRECT_COLUMNS);
}

static void direct_piece(void *ctx, int64_t piece, int worker)
{
	const struct direct *q = ctx;
	const itr_conv_plan *p = q->p;
	float *band = q->scratch + worker * q->scratch_size, *sums = band + q->sums_at;
	const int64_t part = piece / q->chunks, b0 = q->bands == 1 ? part * q->images : part / q->bands,
		      i0 = q->bands == 1 ? 0 : part % q->bands * q->rows;
	const int64_t images = q->bands == 1 ? ITR_MIN(q->images, p->batch - b0) : 1, rows = ITR_MIN(q->rows, p->gh - i0),
		      count = images * rows * q->groups;
	/* where a pair's sums wait for the next lines */
	const int64_t pair = q->block < p->nh ? 2 * ITR_DIRECT_GROUP * ITR_DIRECT_COLUMNS : 0;
	for (int64_t b = 0; b < images; b++)
		copy_band(q, b0 + b, i0, (rows - 1) * p->step + p->nh, band + b * q->band_h * q->line);
	const int64_t chunk = piece % q->chunks;
	for (int64_t c = q->columns * chunk / q->chunks; c < q->columns * (chunk + 1) / q->chunks; c++)
		for (int u = 0; u < p->nh; u += q->block) {
			itr_direct_input w = q->walk;
			w.nh = ITR_MIN(q->block, p->nh - u);
			const int64_t bytes = w.nh * w.nw * w.run * ITR_DIRECT_COLUMNS * 4, tiles = (count + 1) / 2;
			const char *ahead = (const char *)(q->panels + (c * p->nh + u) * w.nw * w.run * ITR_DIRECT_COLUMNS) + bytes;
			w.ahead_step = 512 / tiles;                      /* four numbers' weights are 512 bytes */
			struct cursor at = { 0, 0, 0 };
			for (int64_t g = 0; g < count; g += 2) {
				const struct place one = place_of(q, band, b0, i0, rows, &at),
						   other = g + 1 < count ? place_of(q, band, b0, i0, rows, &at) : one;
				w.ahead = ahead + g / 2 * (bytes / tiles);
				step(q, &w, u, c, &one, g + 1 < count ? &other : NULL, sums + g / 2 * pair);
			}
		}
}

/* Size of a band: whole images when several fit, otherwise rows of one. */
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
		if (p->batch % threads)
			q->bands = (q->bands + threads - 1) / threads * threads;
		q->rows = (p->gh + q->bands - 1) / q->bands;
		q->bands = (p->gh + q->rows - 1) / q->rows;
	}
	q->band_h = (q->rows - 1) * p->step + p->nh;
	const int64_t parts = q->bands == 1 ? (p->batch + q->images - 1) / q->images : p->batch * q->bands;
	q->columns = (p->n + ITR_DIRECT_COLUMNS - 1) / ITR_DIRECT_COLUMNS;
	/* the same for each thread; a band is copied again for each chunk */
	q->chunks = threads == 1 || parts % threads == 0 ? 1 : ITR_MIN(q->columns, (int64_t)threads);
	q->sums_at =
		(q->band_h * q->images * q->line + (ITR_DIRECT_GROUP + 1) * p->step * q->pitch + (int64_t)p->nh * q->line + SLACK + 15) &
		~(int64_t)15;
	q->block = (int64_t)p->nh * p->nw * p->cn <= WHOLE ? p->nh : 1;
	q->scratch_size = q->sums_at +
	                  (q->block == p->nh ? 1 : (q->images * q->rows * q->groups + 1) / 2) * 2 * ITR_DIRECT_GROUP * ITR_DIRECT_COLUMNS;
	q->pieces = parts * q->chunks;
}

void itr_direct_run(const itr_conv_plan *p, const float *x, const float *panels, const itr_epilogue *epilogue, float *dst, int threads)
{
	struct direct q = { .p = p, .x = x, .panels = panels, .dst = dst, .tile = itr_direct_tile_get() };
	if (epilogue)
		q.epilogue = *epilogue;
	q.finishes = itr_direct_finishes(&q.epilogue);
	q.pitch = itr_direct_pitch(p->cn, p->step);
	q.line = ((p->gw - 1) * p->step + p->nw) * q.pitch;
	q.walk = (itr_direct_input){ .nh = p->nh,
		                    .nw = q.pitch == p->cn ? 1 : p->nw,
		                    .run = q.pitch == p->cn ? p->nw * p->cn : p->cn,
		                    .line = q.line,
		                    .column = q.pitch,
		                    .pixel = p->step * q.pitch };
	q.groups = (p->gw + ITR_DIRECT_GROUP - 1) / ITR_DIRECT_GROUP;
	threads = itr_threads_resolve(threads);
	cut(&q, threads);
	q.scratch = itr_scratch_take((size_t)(q.scratch_size * threads) * sizeof(float));
	/* the last group of a row reads beyond its band */
	memset(q.scratch, 0, (size_t)(q.scratch_size * threads) * sizeof(float));
	itr_parallel_for(threads, q.pieces, direct_piece, &q);
	itr_scratch_give(q.scratch);
}
