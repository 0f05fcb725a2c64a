/* 1x1 convolutions with the kernel of conv_direct.h. The pixels are the rows of the left operand; they are copied only when the stride is
 * not 1 or their distance would map to few cache lines. */
#include "tensor/conv_direct.h"

#include <string.h>

#include "base/cpu.h"
#include "base/parallel.h"
#include "base/scratch.h"
#include "tensor/packed_weight_kernel.h"

enum {
	BAND_FLOATS = 128 << 10,             /* rows of the left operand that all panels pass by: they stay in the second-level cache */
	FEW_WEIGHTS = 32 << 10,
	BLOCK = 1280,                        /* of k: a panel's part that streams by at once */
	PAIR = 2 * ITR_DIRECT_GROUP,
	PAIR_SUMS = PAIR * ITR_DIRECT_COLUMNS
};

struct pointwise {
	const itr_conv_plan *p;
	const float *x, *panels;
	itr_epilogue epilogue;
	float *dst;
	itr_direct_tile *tile;
	bool finishes, copies;
	int64_t m, k, block, blocks, pitch;
	int64_t rows, bands, columns, chunks;
	float *scratch;
	int64_t scratch_size, sums_at;
};

bool itr_pointwise_fits(const itr_conv_plan *p)
{
	return p->nh == 1 && p->nw == 1 && p->eh[0] == 0 && p->ew[0] == 0 && p->dstep == 1 && p->dh0 == 0 && p->dw0 == 0 && p->o0 == 0 &&
	       p->dc == p->n && p->c0 == 0 && p->cn == p->sc && p->batch * p->gh * p->gw >= PAIR && itr_direct_tile_get();
}

/* Rows r0 .. of the left operand. */
static void copy_rows(const struct pointwise *q, int64_t r0, int64_t rows, float *to)
{
	const itr_conv_plan *p = q->p;
	for (int64_t r = r0; r < r0 + rows; r++, to += q->pitch) {
		const int64_t b = r / (p->gh * p->gw), i = r / p->gw % p->gh * p->step, j = r % p->gw * p->step;
		memcpy(to, q->x + ((b * p->sh + i) * p->sw + j) * p->sc, (size_t)q->k * sizeof *to);
	}
}

static void finish(const struct pointwise *q, int64_t r0, int rows, int64_t j0, int cols, const float *sums)
{
	itr_rowwise_get()->epilogue(&q->epilogue, NULL, NULL, r0, j0, rows, cols, sums, ITR_DIRECT_COLUMNS, q->dst, q->p->dc);
}

/* Rows r0 .. r0+rows-1 (at most two groups), at address a, times rows k0 .. of one panel. */
static void step(const struct pointwise *q, const itr_direct_input *w, int64_t k0, int64_t panel, int64_t r0, int rows, const float *a,
                 float *sums)
{
	const int64_t j0 = panel * ITR_DIRECT_COLUMNS, ld = q->p->dc, second = (r0 + ITR_DIRECT_GROUP) * ld + j0;
	const int cols = (int)ITR_MIN((int64_t)ITR_DIRECT_COLUMNS, q->p->n - j0);
	const bool last = k0 + w->run == q->k, two = rows > ITR_DIRECT_GROUP, fused = last && q->finishes && rows % ITR_DIRECT_GROUP == 0;
	const float *res = fused ? q->epilogue.residual : NULL;
	const int64_t ld_res = q->epilogue.ld_residual;
	const itr_direct_out o = { .sums = sums,
		                   .resume = k0 > 0,
		                   .finish = fused,
		                   .cols = cols,
		                   .activation = q->epilogue.activation,
		                   .bias = fused ? q->epilogue.bias + j0 : NULL,
		                   .residual = { res ? res + r0 * ld_res + j0 : NULL,
		                                 res && two ? res + (r0 + ITR_DIRECT_GROUP) * ld_res + j0 : NULL },
		                   .ld_residual = ld_res,
		                   .ld = ld,
		                   .y = { q->dst + r0 * ld + j0, two ? q->dst + second : NULL } };
	q->tile(w, a + k0, two ? a + k0 + ITR_DIRECT_GROUP * q->pitch : NULL, q->panels + (panel * q->k + k0) * ITR_DIRECT_COLUMNS, &o);
	if (last && !fused)
		finish(q, r0, rows, j0, cols, sums);
}

static void pointwise_piece(void *ctx, int64_t piece, int worker)
{
	const struct pointwise *q = ctx;
	const int64_t band = piece / q->chunks, chunk = piece % q->chunks, r0 = band * q->rows, rows = ITR_MIN(q->rows, q->m - r0),
		      tiles = (rows + PAIR - 1) / PAIR;
	float *copy = q->scratch + worker * q->scratch_size, *sums = copy + q->sums_at;
	const float *a = q->copies ? copy : q->x + r0 * q->pitch;
	if (q->copies)
		copy_rows(q, r0, rows, copy);
	for (int64_t c = q->columns * chunk / q->chunks; c < q->columns * (chunk + 1) / q->chunks; c++)
		for (int64_t k = 0; k < q->k; k += q->block) {
			itr_direct_input w = {
				.nh = 1, .nw = 1, .run = ITR_MIN(q->block, q->k - k), .pixel = q->pitch, .ahead_step = 512 / tiles
			};
			const char *ahead = (const char *)(q->panels + (c * q->k + k + w.run) * ITR_DIRECT_COLUMNS);
			for (int64_t t = 0; t < tiles; t++) {
				w.ahead = ahead + t * (w.run / 4) * w.ahead_step;
				step(q, &w, k, c, r0 + t * PAIR, (int)ITR_MIN((int64_t)PAIR, rows - t * PAIR), a + t * PAIR * q->pitch,
				     sums + (q->blocks > 1 ? t * PAIR_SUMS : 0));
			}
		}
}

static int64_t div_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* Divides the work by rows (each thread reads all weights) or by columns (each thread reads all rows), whichever reads fewer numbers. Rows
 * are preferred when the difference is small: a thread then mostly reads rows that it wrote itself in the layer before, so less data moves
 * between cores. Pieces of nearly equal size. */
static void cut(struct pointwise *q, int threads)
{
	const int64_t groups = div_up(q->m, ITR_DIRECT_GROUP), most = ITR_MAX(BAND_FLOATS / (q->pitch * PAIR), (int64_t)1) * 2;
	const bool by_rows = groups >= 4 * threads && (q->copies || q->m >= q->p->n || q->k * q->p->n <= FEW_WEIGHTS);
	q->columns = div_up(q->p->n, ITR_DIRECT_COLUMNS);
	q->bands = div_up(groups, most);
	if (threads > 1 && by_rows)
		q->bands = div_up(q->bands, threads) * threads;
	q->rows = groups % q->bands == 0 ? groups / q->bands * ITR_DIRECT_GROUP : div_up(div_up(groups, q->bands), 2) * PAIR;
	q->bands = div_up(q->m, q->rows);
	q->chunks = threads == 1 || by_rows ? 1 : ITR_MIN(q->columns, div_up(threads, q->bands));
	q->sums_at = q->copies ? (q->rows + ITR_DIRECT_GROUP) * q->pitch : 0;
	q->sums_at = (q->sums_at + 15) & ~(int64_t)15;
	q->scratch_size = q->sums_at + (q->blocks > 1 ? div_up(q->rows, PAIR) : 1) * PAIR_SUMS;
}

void itr_pointwise_run(const itr_conv_plan *p, const float *x, const float *panels, const itr_epilogue *epilogue, float *dst, int threads)
{
	struct pointwise q = {
		.p = p, .x = x, .panels = panels, .dst = dst, .tile = itr_direct_tile_get(), .m = p->batch * p->gh * p->gw, .k = p->cn
	};
	if (epilogue)
		q.epilogue = *epilogue;
	q.finishes = itr_direct_finishes(&q.epilogue);
	q.pitch = itr_direct_pitch(q.k, 1);
	/* a group is always read whole; there is no memory after the last pixel */
	q.copies = p->step > 1 || q.pitch != q.k || q.m % ITR_DIRECT_GROUP;
	q.blocks = div_up(q.k, BLOCK);
	q.block = div_up(div_up(q.k, q.blocks), 4) * 4;
	threads = (double)q.m * (double)q.k * (double)p->n < 1e6 ? 1 : itr_threads_resolve(threads);
	cut(&q, threads);
	q.scratch = itr_scratch_take((size_t)(q.scratch_size * threads) * sizeof(float));
	itr_parallel_for(threads, q.bands * q.chunks, pointwise_piece, &q);
	itr_scratch_give(q.scratch);
}
