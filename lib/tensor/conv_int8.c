#include "tensor/conv_int8.h"

#include <string.h>

#include "base/cpu.h"
#include "base/parallel.h"
#include "base/scratch.h"
#include "tensor/packed_weight_kernel.h"

/* Block sizes; they do not change a result. A band of the input and its outputs stay in the second-level cache while the weights are read.
 */
enum { BAND_BYTES = 160 << 10, RESULT_BYTES = 256 << 10, WEIGHT_BYTES = 384 << 10, PIECES = 4, SEGMENTS = 4, SLACK = 64 };

static int64_t div_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* One pixel of the source an output: outputs are rows of one long product. */
static bool by_pixel(const itr_conv *g) { return g->kh == 1 && g->kw == 1 && g->top == 0 && g->left == 0; }

int64_t itr_conv_int8_run(const itr_conv *g) { return g->kh == 1 ? g->kw * g->c : div_up(g->kw * g->c, 4) * 4; }
bool itr_conv_int8_fits(const itr_conv *g) { return g->groups == 1 && (g->dilation == 1 || (g->kh == 1 && g->kw == 1)); }

struct int8_conv {
	itr_conv g;
	itr_packed_weight_int8 f;
	const float *x;
	itr_int8_band t;
	int group, unit;                                         /* outputs a group; bytes a number */
	int64_t wide, m;                                         /* pixels a row of the band; outputs in all */
	/* rows of outputs (by pixel: outputs) a band, bands a picture (by pixel: in all), bands in all */
	int64_t rows, bands, parts;
	int64_t columns, chunk, chunks;                          /* panels */
	int64_t band_size, ranges;                               /* bytes of a band; number of its ranges, stored after it */
	char *band;                                              /* one a worker, or all of them where several pieces use each */
	itr_extremes *extremes;                                  /* SEGMENTS a picture */
	itr_row_range *picture;
	float *inverse;
};

/* --- the source in 8 bits ------------------------------------------------------------------------------------------------------------- */

static void extremes_piece(void *ctx, int64_t piece, int worker)
{
	const struct int8_conv *q = ctx;
	const int64_t n = q->g.h * q->g.w * q->g.c, from = n * (piece % SEGMENTS) / SEGMENTS, to = n * (piece % SEGMENTS + 1) / SEGMENTS;
	(void)worker;
	q->extremes[piece] = (itr_extremes){ 0, 0, true };
	(q->f.kernel->extremes ? q->f.kernel->extremes : itr_rowwise_get()->extremes)(q->x + piece / SEGMENTS * n + from, to - from,
	                                                                              &q->extremes[piece]);
}

static void find_ranges(const struct int8_conv *q, int threads)
{
	itr_parallel_for(threads, q->g.batch * SEGMENTS, extremes_piece, (void *)(uintptr_t)q);
	for (int64_t b = 0; b < q->g.batch; b++) {
		itr_extremes e = q->extremes[b * SEGMENTS];
		for (int i = 1; i < SEGMENTS; i++) {
			const itr_extremes *o = &q->extremes[b * SEGMENTS + i];
			e = (itr_extremes){ ITR_MIN(e.low, o->low), ITR_MAX(e.high, o->high), e.finite && o->finite };
		}
		q->picture[b] = itr_row_range_in(&e, &q->inverse[b]);
	}
}

static char *fill_zero(const struct int8_conv *q, char *to, int64_t pixels, int32_t zero)
{
	const int64_t n = pixels * q->g.c;
	if (q->unit == 1)
		memset(to, zero, (size_t)n);
	for (int64_t i = 0; q->unit == 2 && i < n; i++)
		((int16_t *)(void *)to)[i] = (int16_t)zero;
	return to + n * q->unit;
}

/* Rows of an image with padding. */
static void make_rows(const struct int8_conv *q, int64_t b, int64_t i0, int64_t rows, char *to, itr_row_range *range)
{
	const itr_conv *g = &q->g;
	const int64_t left = ITR_MIN(g->left, q->wide), have = ITR_MIN(g->w, q->wide - left), band_h = (rows - 1) * g->stride + g->kh;
	const itr_row_range r = q->picture[b];
	for (int64_t k = 0; k < band_h; k++) {
		const int64_t h = i0 * g->stride - g->top + k;
		if (h < 0 || h >= g->h) {
			to = fill_zero(q, to, q->wide, r.zero);
			continue;
		}
		to = fill_zero(q, to, left, r.zero);
		(q->f.kernel->quantise_in ? q->f.kernel->quantise_in : itr_rowwise_get()->quantise_in)(
			q->x + (b * g->h + h) * g->w * g->c, have * g->c, r, q->inverse[b], q->unit == 2, to);
		to = fill_zero(q, to + have * g->c * q->unit, q->wide - left - have, r.zero);
	}
	memset(to, 0, (size_t)(q->group * q->t.pixel + SLACK));            /* slack: the last group of a row reads beyond its end */
	for (int i = 0; i < q->group; i++)
		range[i] = r;
}

static void make_pixels(const struct int8_conv *q, int64_t i0, int64_t n, char *to, itr_row_range *range)
{
	const itr_conv *g = &q->g;
	itr_row_range (*const quantise)(const float *, int64_t, bool, void *) =
		q->f.kernel->quantise ? q->f.kernel->quantise : itr_rowwise_get()->quantise;
	for (int64_t i = i0; i < i0 + n; i++, to += q->t.pixel) {
		const int64_t at =
			g->stride == 1 ? i : (i / g->ow / g->oh * g->h + i / g->ow % g->oh * g->stride) * g->w + i % g->ow * g->stride;
		((uint32_t *)(void *)to)[q->t.words - 1] = 0;      /* clears the last word beyond c */
		*range++ = quantise(q->x + at * g->c, g->c, q->unit == 2, to);
	}
	memset(to, 0, (size_t)(q->group * q->t.pixel));
}

static itr_row_range *ranges_of(const struct int8_conv *q, char *band)
{
	return (itr_row_range *)(void *)(band + q->band_size - q->ranges * (int64_t)sizeof(itr_row_range));
}

/* Number of outputs (by pixel) or rows of outputs of band `part`; *i0 is the first. */
static int64_t extent(const struct int8_conv *q, int64_t part, int64_t *i0)
{
	*i0 = part % q->bands * q->rows;
	return ITR_MIN(q->rows, (by_pixel(&q->g) ? q->m : q->g.oh) - *i0);
}

static void make_band(const struct int8_conv *q, int64_t part, char *band)
{
	int64_t i0;
	const int64_t n = extent(q, part, &i0);
	if (by_pixel(&q->g))
		make_pixels(q, i0, n, band, ranges_of(q, band));
	else
		make_rows(q, part / q->bands, i0, n, band, ranges_of(q, band));
}

static void band_piece(void *ctx, int64_t part, int worker)
{
	const struct int8_conv *q = ctx;
	(void)worker;
	make_band(q, part, q->band + part * q->band_size);
}

/* --- the product ---------------------------------------------------------------------------------------------------------------------- */

static itr_int8_group group_of(const struct int8_conv *q, const char *band, const itr_row_range *range, int64_t part, int64_t i0, int64_t n,
                               int64_t k)
{
	const itr_conv *g = &q->g;
	if (by_pixel(g))
		return (itr_int8_group){ band + k * q->group * q->t.pixel, range + k * q->group, i0 + k * q->group,
			                 (int)ITR_MIN((int64_t)q->group, n - k * q->group) };
	const int64_t across = div_up(g->ow, q->group), i = k / across, j = k % across * q->group;
	return (itr_int8_group){ band + i * g->stride * q->t.line + j * q->t.pixel, range, ((part / q->bands) * g->oh + i0 + i) * g->ow + j,
		                 (int)ITR_MIN((int64_t)q->group, g->ow - j) };
}

static void product_piece(void *ctx, int64_t piece, int worker)
{
	const struct int8_conv *q = ctx;
	int32_t s[ITR_GEMM_MAX_MR * ITR_GEMM_MAX_NR] __attribute__((aligned(64)));
	const int64_t part = piece / q->chunks, c0 = q->columns * (piece % q->chunks) / q->chunks,
		      c1 = q->columns * (piece % q->chunks + 1) / q->chunks, nr = q->f.kernel->nr;
	char *band = q->band + (q->chunks > 1 ? part : worker) * q->band_size;
	int64_t i0;
	const int64_t n = extent(q, part, &i0), count = by_pixel(&q->g) ? div_up(n, q->group) : n * div_up(q->g.ow, q->group);
	if (q->chunks == 1)
		make_band(q, part, band);
	const itr_row_range *range = ranges_of(q, band);
	for (int64_t c = c0; c < c1; c++)
		for (int64_t k = 0; k < count; k += 2) {
			itr_int8_group g[2] = { group_of(q, band, range, part, i0, n, k), { 0 } };
			const int cols = (int)ITR_MIN(nr, q->g.o - c * nr);
			if (k + 1 < count)
				g[1] = group_of(q, band, range, part, i0, n, k + 1);
			if (q->f.kernel->direct(&q->t, g, q->f.panels + c * nr * q->f.words, c * nr, cols, s))
				continue;
			for (int i = 0; i < 2 && g[i].rows; i++)
				itr_rowwise_get()->epilogue(&q->t.epilogue, g[i].range, &q->t.columns, g[i].at, c * nr, g[i].rows, cols,
				                         s + i * q->group * nr, nr, q->t.y, q->t.ldy);
		}
}

/* Size of a band, and division of the work when there are fewer bands than threads need: smaller bands if all weights fit into a core's
 * cache, otherwise also by columns, which needs a separate loop for the quantisation. */
static void cut(struct int8_conv *q, int threads)
{
	const itr_conv *g = &q->g;
	const int64_t pair = 2 * q->group, pieces = threads > 1 ? PIECES * threads : 1;
	const bool light = g->o * q->f.words * 4 <= WEIGHT_BYTES;
	if (by_pixel(g)) {
		q->rows = ITR_MAX(ITR_MIN(BAND_BYTES / q->t.pixel, RESULT_BYTES / (g->o * 4)) / pair, (int64_t)4) * pair;
		q->parts = div_up(q->m, q->rows);
		/* as many for each thread, all of the same size */
		q->parts = light ? ITR_MAX(q->parts, pieces) : q->parts > 1 ? div_up(q->parts, threads) * threads : 1;
		q->rows = div_up(div_up(q->m, q->parts), pair) * pair;
		q->bands = q->parts = div_up(q->m, q->rows);
		q->ranges = q->rows + pair;
		q->band_size = (q->rows + q->group) * q->t.pixel;
	} else {
		q->rows = ITR_MIN((BAND_BYTES / q->t.line - g->kh) / g->stride + 1, RESULT_BYTES / (g->o * 4 * g->ow));
		q->rows = ITR_MIN(q->rows, light ? g->oh * g->batch / pieces : g->oh);
		q->rows = ITR_MIN(ITR_MAX(q->rows, (int64_t)2), g->oh);
		q->bands = div_up(g->oh, q->rows);
		q->rows = div_up(g->oh, q->bands);
		q->bands = div_up(g->oh, q->rows);
		q->parts = g->batch * q->bands;
		q->ranges = q->group;
		q->band_size = ((q->rows - 1) * g->stride + g->kh) * q->t.line + q->group * q->t.pixel + SLACK;
	}
	q->band_size = div_up(q->band_size + q->ranges * (int64_t)sizeof(itr_row_range), 64) * 64;
	q->columns = div_up(g->o, q->f.kernel->nr);
	q->chunks = light || q->parts >= pieces ? 1 : ITR_MIN(q->columns, div_up(pieces, q->parts));
}

void itr_conv_int8(const itr_conv *g, const itr_packed_weight *f, const float *x, const itr_epilogue *epilogue, float *y, int threads)
{
	struct int8_conv q = { .g = *g, .f = itr_packed_weight_int8_of(f), .x = x, .m = g->batch * g->oh * g->ow };
	if (epilogue)
		q.t.epilogue = *epilogue;
	/* a few microseconds: less than it takes to wake a thread */
	threads = itr_conv_flops(g) < 2e6 ? 1 : itr_threads_resolve(threads);
	q.group = q.f.kernel->mr / 2;
	q.unit = 4 / q.f.kernel->k_unit;
	q.t.nh = (int)g->kh;
	q.t.words = q.f.words / g->kh;
	q.t.columns = q.f.columns;
	q.t.y = y;
	q.t.ldy = g->o;
	q.wide = (g->ow - 1) * g->stride + g->kw;
	q.t.pixel = by_pixel(g) ? q.t.words * 4 : g->stride * g->c * q.unit;
	q.t.line = q.wide * g->c * q.unit;
	cut(&q, threads);
	const int64_t bands = q.chunks > 1 ? q.parts : threads;
	q.band = itr_scratch_take((size_t)(bands * q.band_size));
	q.picture = itr_scratch_take((size_t)g->batch * (SEGMENTS * sizeof *q.extremes + sizeof *q.picture + sizeof *q.inverse));
	q.inverse = (float *)(q.picture + g->batch);
	q.extremes = (itr_extremes *)(q.inverse + g->batch);
	if (!by_pixel(g))
		find_ranges(&q, threads);
	if (q.chunks > 1)
		itr_parallel_for(threads, q.parts, band_piece, &q);
	itr_parallel_for(threads, q.parts * q.chunks, product_piece, &q);
	itr_scratch_give(q.picture);
	itr_scratch_give(q.band);
}
