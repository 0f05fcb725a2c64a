#include "tensor/packed_weight.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/scratch.h"
#include "tensor/packed_weight_kernel.h"
#include "tensor/rowwise.h"

const char *const itr_compute_names[] = { "fp32", "bf16", "int8", NULL };

/* Cache blocking; these numbers do not change a result. A block of left rows with all of k stays in the second-level cache while all
 * weights are read once. A part of K_BLOCK words of a right panel stays in the first-level cache while it is multiplied by the panels of
 * the block. */
enum {
	K_BLOCK = 256,
	LEFT_BYTES = 384 << 10,
	MAX_PANELS = 12,             /* left panels a block */
	PIECES = 4,                  /* a thread, at least */
	MAX_ROWS = MAX_PANELS * ITR_GEMM_MAX_MR
};

struct itr_packed_weight {
	itr_compute compute;
	int64_t n, k, words;         /* words: 32-bit words of a panel's row */
	int mr, nr;
	itr_gemm_isa g;              /* fp32 and bf16: the kernel */
	const itr_int8_isa *q;       /* int8: the kernel; then g's packing moves words */
	uint32_t *panels;
	float *scale;                /* int8: of each row of w, and the sum of its numbers */
	int32_t *sum;
};

static int64_t div_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* --- packing ------------------------------------------------------------------------------------------------------------------------- */

struct packing {
	itr_packed_weight *f;
	const float *w;
	int64_t ldw;
	const itr_bias_correction *x;
	uint32_t *rows;              /* int8: rows on their way to a panel, one panel a worker */
};

/* The product of a row's rounding errors, w - scale q, and the mean input. */
static float correction(const float *w, float scale, bool wide, const void *q, int64_t k, const float *mean)
{
	double s = 0;
	for (int64_t j = 0; j < k; j++)
		s += ((double)w[j] - (double)scale * (wide ? ((const int16_t *)q)[j] : ((const int8_t *)q)[j])) * (double)mean[j];
	return isfinite(s) ? (float)s : 0.0f;
}

static void pack_panel(void *ctx, int64_t p, int worker)
{
	const struct packing *z = ctx;
	itr_packed_weight *f = z->f;
	const int64_t j0 = p * f->nr;
	const int cols = (int)ITR_MIN((int64_t)f->nr, f->n - j0);
	uint32_t *panel = f->panels + j0 * f->words;
	if (!f->q) {
		f->g.pack((float *)panel, f->nr, z->w + j0 * z->ldw, z->ldw, 1, cols, f->k);
		return;
	}
	uint32_t *rows = z->rows + worker * f->nr * f->words;
	for (int j = 0; j < cols; j++) {
		rows[(j + 1) * f->words - 1] = 0;        /* clears the last word beyond k */
		const float *w = z->w + (j0 + j) * z->ldw;
		f->scale[j0 + j] = itr_rowwise_get()->quantise_weight(w, f->k, f->q->k_unit == 2, rows + j * f->words, f->sum + j0 + j);
		f->sum[j0 + j] += itr_int8_balance_rounding(w, f->k, f->scale[j0 + j], f->q->k_unit == 2, rows + j * f->words);
		if (z->x)
			z->x->correction[j0 + j] =
				correction(w, f->scale[j0 + j], f->q->k_unit == 2, rows + j * f->words, f->k, z->x->mean);
	}
	itr_gemm_isa_get()->pack((float *)panel, f->nr, (const float *)rows, f->words, 1, cols, f->words);
}

itr_packed_weight *itr_pack_weight(itr_compute c, const float *w, int64_t n, int64_t k, int64_t ldw, int threads)
{
	return itr_pack_weight_corrected(c, w, n, k, ldw, NULL, threads);
}

itr_packed_weight *itr_pack_weight_corrected(itr_compute c, const float *w, int64_t n, int64_t k, int64_t ldw, const itr_bias_correction *x,
                                             int threads)
{
	itr_packed_weight *f = itr_xcalloc(1, sizeof *f);
	if (n < 1 || k < 1 || ldw < k || (c == ITR_COMPUTE_INT8 && k > 66000))          /* 255 * 127 * k must fit 31 bits */
		ITR_BUG("itr_pack_weight: impossible shape n %lld k %lld ldw %lld", (long long)n, (long long)k, (long long)ldw);
	threads = itr_threads_resolve(threads);
	f->compute = c;
	f->n = n;
	f->k = k;
	f->g = c == ITR_COMPUTE_BF16 ? itr_gemm_bf16_isa_get() : *itr_gemm_isa_get();
	f->q = c == ITR_COMPUTE_INT8 ? itr_int8_isa_get() : NULL;
	f->mr = f->q ? f->q->mr : f->g.mr;
	f->nr = f->q ? f->q->nr : f->g.nr;
	f->words = div_up(k, f->q ? f->q->k_unit : f->g.k_unit);
	const int64_t panels = div_up(n, f->nr);
	f->panels = itr_aligned_alloc((size_t)(panels * f->nr * f->words) * sizeof *f->panels);
	struct packing z = { f, w, ldw, x && x->mean ? x : NULL, NULL };
	if (x)
		memset(x->correction, 0, (size_t)n * sizeof *x->correction);
	if (f->q) {
		f->scale = itr_aligned_calloc((size_t)(panels * f->nr) * sizeof *f->scale);
		f->sum = itr_aligned_calloc((size_t)(panels * f->nr) * sizeof *f->sum);
		z.rows = itr_scratch_take((size_t)(threads * f->nr * f->words) * sizeof *z.rows);
	}
	itr_parallel_for(n * k < 1 << 16 ? 1 : threads, panels, pack_panel, &z);
	itr_scratch_give(z.rows);
	return f;
}

void itr_packed_weight_free(itr_packed_weight *f)
{
	if (!f)
		return;
	itr_aligned_free(f->panels);
	itr_aligned_free(f->scale);
	itr_aligned_free(f->sum);
	free(f);
}

size_t itr_packed_weight_bytes(const itr_packed_weight *f)
{
	const size_t rows = (size_t)(div_up(f->n, f->nr) * f->nr);
	return rows * (size_t)f->words * sizeof *f->panels + (f->q ? rows * (sizeof *f->scale + sizeof *f->sum) : 0);
}

const float *itr_packed_weight_panels(const itr_packed_weight *f) { return (const float *)f->panels; }
itr_packed_weight_int8 itr_packed_weight_int8_of(const itr_packed_weight *f)
{
	return (itr_packed_weight_int8){ f->q, f->panels, f->words, { f->scale, f->sum } };
}
int64_t itr_packed_weight_n(const itr_packed_weight *f) { return f->n; }
int64_t itr_packed_weight_k(const itr_packed_weight *f) { return f->k; }
itr_compute itr_packed_weight_compute(const itr_packed_weight *f) { return f->compute; }
const char *itr_packed_weight_kernel(const itr_packed_weight *f) { return f->q ? f->q->name : f->g.name; }

/* --- products ------------------------------------------------------------------------------------------------------------------------ */

struct job {
	const itr_packed_weight *f;
	int64_t m;
	const float *a;              /* or, NULL: */
	int64_t lda;
	itr_rows_fill *fill;
	const void *ctx;
	itr_epilogue epilogue;
	float *c;
	int64_t ldc;
	/* division of the work: left panels of `step` rows, blocks of at most `block` left panels, chunks of right panels */
	int step;
	int64_t left, block, blocks, right, chunks;
	uint32_t *packed;            /* all left panels, when several chunks use them; NULL: each piece packs its own */
	itr_row_range *range;        /* int8: of every row of a, or of a worker's block */
	char *scratch;
	size_t scratch_bytes, at_rows, at_sums;          /* a worker's: left panels, then rows on their way there, then sums */
};

/* Left panels p0 .. p0+count-1 to dst. */
static void pack_left(const struct job *o, int64_t p0, int64_t count, uint32_t *dst, itr_row_range *range, char *buffer)
{
	const itr_packed_weight *f = o->f;
	uint32_t *rows = (uint32_t *)buffer;
	float *made = (float *)(buffer + (size_t)f->mr * (size_t)f->words * 4);
	for (int64_t p = p0; p < p0 + count; p++, dst += f->mr * f->words) {
		const int64_t i0 = p * o->step, ld = o->fill ? f->k : o->lda;
		const int n = (int)ITR_MIN((int64_t)o->step, o->m - i0);
		const float *a = o->fill ? made : o->a + i0 * o->lda;
		if (o->fill)
			o->fill(o->ctx, i0, n, made);
		if (!f->q) {
			f->g.pack((float *)dst, f->mr, a, ld, 1, n, f->k);
			continue;
		}
		for (int i = 0; i < n; i++) {
			rows[(i + 1) * f->words - 1] = 0;
			range[(p - p0) * o->step + i] = (f->q->quantise ? f->q->quantise : itr_rowwise_get()->quantise)(
				a + i * ld, f->k, f->q->k_unit == 2, rows + i * f->words);
		}
		f->g.pack((float *)dst, f->mr, (const float *)rows, f->words, 1, n, f->words);
	}
}

static char *worker_scratch(const struct job *o, int worker) { return o->scratch + (size_t)worker * o->scratch_bytes; }

static void pack_piece(void *ctx, int64_t p, int worker)
{
	const struct job *o = ctx;
	pack_left(o, p, 1, o->packed + p * o->f->mr * o->f->words, o->range ? o->range + p * o->step : NULL,
	          worker_scratch(o, worker) + o->at_rows);
}

/* One right panel times a block of left panels. */
static void multiply(const struct job *o, int64_t jp, int64_t p0, int64_t count, const uint32_t *left, const itr_row_range *range,
                     uint32_t *sums)
{
	const itr_packed_weight *f = o->f;
	const uint32_t *right = f->panels + jp * f->nr * f->words;
	const int64_t rows_here = ITR_MIN(count * o->step, o->m - p0 * o->step);
	const itr_int8_columns w = { f->scale, f->sum };
	const int cols = (int)ITR_MIN((int64_t)f->nr, f->n - jp * f->nr);
	for (int64_t k = 0; k < f->words; k += K_BLOCK) {
		const int64_t kb = ITR_MIN((int64_t)K_BLOCK, f->words - k);
		/* The next data in memory are the rest of the panel, then the next panel. Their prefetches are spread over this
		 * block's tiles. */
		const char *ahead = (const char *)(right + (k + kb) * f->nr);
		const int64_t step = f->nr * 4 / count;
		for (int64_t p = 0; p < count; p++) {
			const int rows = (int)ITR_MIN((int64_t)o->step, rows_here - p * o->step);
			const uint32_t *ap = left + (p * f->words + k) * f->mr, *bp = right + k * f->nr;
			uint32_t *s = sums + p * o->step * f->nr;
			if (f->q && f->q->tile_ahead)
				f->q->tile_ahead(rows, kb, ap, bp, (int32_t *)s, f->nr, k > 0, ahead + p * kb * step, step);
			else if (!f->q && f->g.tile_ahead)
				f->g.tile_ahead(rows, kb, (const float *)ap, (const float *)bp, (float *)s, f->nr, k > 0,
				                ahead + p * kb * step, step);
			else if (f->q)
				f->q->tile(rows, kb, ap, bp, (int32_t *)s, f->nr, k > 0);
			else
				f->g.tile(rows, kb, (const float *)ap, (const float *)bp, (float *)s, f->nr, k > 0);
			if (k + kb == f->words)
				itr_rowwise_get()->epilogue(&o->epilogue, range ? range + p * o->step : NULL, &w, (p0 + p) * o->step,
				                            jp * f->nr, rows, cols, s, f->nr, o->c, o->ldc);
		}
	}
}

static void product_piece(void *ctx, int64_t piece, int worker)
{
	const struct job *o = ctx;
	const itr_packed_weight *f = o->f;
	char *scratch = worker_scratch(o, worker);
	const int64_t b = piece / o->chunks, p0 = o->left * b / o->blocks, count = o->left * (b + 1) / o->blocks - p0;
	const int64_t q = piece % o->chunks, j0 = o->right * q / o->chunks, j1 = o->right * (q + 1) / o->chunks;
	const uint32_t *left = o->packed ? o->packed + p0 * f->mr * f->words : (uint32_t *)scratch;
	itr_row_range *range = !o->range ? NULL : o->packed ? o->range + p0 * o->step : o->range + worker * MAX_ROWS;
	if (!o->packed)
		pack_left(o, p0, count, (uint32_t *)scratch, range, scratch + o->at_rows);
	for (int64_t j = j0; j < j1; j++)
		multiply(o, j, p0, count, left, range, (uint32_t *)(scratch + o->at_sums));
}

/* Divides the work by rows when there are many, otherwise by rows and columns: several pieces for each thread, of nearly equal size, as
 * many for each thread. */
static void cut(struct job *o, int threads)
{
	const itr_packed_weight *f = o->f;
	o->left = div_up(o->m, f->mr);
	/* even panels: a last one of few rows would run at a fraction of the speed */
	o->step = (int)div_up(o->m, o->left);
	o->left = div_up(o->m, o->step);
	o->right = div_up(f->n, f->nr);
	o->block = ITR_MAX((int64_t)1, ITR_MIN((int64_t)MAX_PANELS, LEFT_BYTES / (f->mr * f->words * 4)));
	o->blocks = div_up(o->left, o->block);
	o->chunks = 1;
	if (threads > 1 && o->blocks >= PIECES * threads)
		o->blocks = ITR_MIN(div_up(o->blocks, threads) * threads, o->left);
	else if (threads > 1)
		o->chunks = ITR_MIN(o->right, div_up(2 * PIECES * threads, o->blocks));
	o->block = div_up(o->left, o->blocks);
}

static void run(struct job *o, int threads)
{
	const itr_packed_weight *f = o->f;
	if ((double)o->m * (double)f->n * (double)f->k < 1e6)        /* a few microseconds: less than it takes to wake a thread */
		threads = 1;
	cut(o, threads);
	const size_t panel = (size_t)f->mr * (size_t)f->words * 4, line = 63;
	o->at_rows = o->chunks > 1 ? 0 : (panel * (size_t)o->block + line) & ~line;
	o->at_sums = (o->at_rows + (f->q ? panel : 0) + panel + (o->fill ? (size_t)f->mr * (size_t)f->k * 4 : 0) + line) & ~line;
	o->scratch_bytes = o->at_sums + (((size_t)(o->block * o->step * f->nr) * 4 + line) & ~line);
	o->scratch = itr_scratch_take(o->scratch_bytes * (size_t)threads);
	if (f->q)
		o->range = itr_scratch_take(ITR_MAX((size_t)o->m, (size_t)threads * MAX_ROWS) * sizeof *o->range);
	if (o->chunks > 1) {
		o->packed = itr_scratch_take(panel * (size_t)o->left);
		itr_parallel_for(o->m * f->k < 1 << 15 ? 1 : threads, o->left, pack_piece, o);
	}
	itr_parallel_for(threads, o->blocks * o->chunks, product_piece, o);
	itr_scratch_give(o->packed);
	itr_scratch_give(o->range);
	itr_scratch_give(o->scratch);
}

void itr_packed_weight_product(const itr_packed_weight *f, int64_t m, const float *a, int64_t lda, const itr_epilogue *epilogue, float *c,
                               int64_t ldc, int threads)
{
	struct job o = { .f = f, .m = m, .a = a, .lda = lda, .c = c, .ldc = ldc };
	if (m < 0 || lda < f->k || ldc < f->n)
		ITR_BUG("itr_packed_weight_product: m %lld, n %lld, k %lld, lda %lld, ldc %lld", (long long)m, (long long)f->n,
		        (long long)f->k, (long long)lda, (long long)ldc);
	if (epilogue)
		o.epilogue = *epilogue;
	if (m > 0)
		run(&o, itr_threads_resolve(threads));
}

void itr_packed_weight_product_from(const itr_packed_weight *f, int64_t m, itr_rows_fill *fill, const void *ctx,
                                    const itr_epilogue *epilogue, float *c, int64_t ldc, int threads)
{
	struct job o = { .f = f, .m = m, .fill = fill, .ctx = ctx, .c = c, .ldc = ldc };
	if (m < 0 || ldc < f->n)
		ITR_BUG("itr_packed_weight_product_from: m %lld, n %lld, ldc %lld", (long long)m, (long long)f->n, (long long)ldc);
	if (epilogue)
		o.epilogue = *epilogue;
	if (m > 0)
		run(&o, itr_threads_resolve(threads));
}
