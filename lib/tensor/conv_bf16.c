/* The three products of a convolution on bfloat16 arrays. None of them makes patches: panels are packed directly from rows of the input.
 * The weights are packed once a call. The other operand is packed block by block by the thread that multiplies it, and stays in its
 * second-level cache. */
#include <string.h>

#include "base/cpu.h"
#include "base/parallel.h"
#include "base/scratch.h"
#include "tensor/bf16_kernel.h"
#include "tensor/conv.h"
#include "tensor/conv_plan.h"
#include "tensor/dtype.h"

enum {
	K_BLOCK = 256,               /* words of a right panel: 32 KB, in the first-level cache while left panels pass by */
	LEFT_BYTES = 512 << 10,
	MAX_PANELS = 12,
	PIECES = 4                   /* a thread, at least */
};

static int64_t div_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
static int64_t round_up(int64_t a, int64_t b) { return div_up(a, b) * b; }

/* The source of a plan's patch rows. */
struct source {
	itr_bf16_isa space;
	const itr_bf16_isa *isa;
	const itr_conv_plan *p;
	const uint16_t *x;
	uint16_t *zero;                      /* a run outside of the picture */
	int64_t k, m;                        /* the patches as a matrix: m rows of k */
	bool runs;                           /* the channels of each tap can be packed directly from the input */
};

/* unit: the channels of a tap can be packed directly when their number is a multiple of it; with a single tap always. */
static void source_init(struct source *s, const itr_conv_plan *p, const uint16_t *x)
{
	s->isa = itr_bf16_isa_get(&s->space);
	s->p = p;
	s->x = x;
	s->k = p->nh * p->nw * p->cn;
	s->m = p->batch * p->gh * p->gw;
	s->zero = itr_scratch_take((size_t)(p->cn + 64) * sizeof *s->zero);
	memset(s->zero, 0, (size_t)(p->cn + 64) * sizeof *s->zero);
}

/* Pointers to the channels of tap (u, v) for rows row .. row+rows-1. */
static void tap_rows(const struct source *s, int64_t tap, int64_t row, int64_t rows, const uint16_t **at)
{
	const itr_conv_plan *p = s->p;
	const int64_t dh = p->eh[tap / p->nw], dw = p->ew[tap % p->nw];
	int64_t j = row % p->gw, i = row / p->gw % p->gh, b = row / (p->gw * p->gh);
	for (int64_t r = 0; r < rows; r++) {
		const int64_t h = i * p->step + dh, w = j * p->step + dw;
		at[r] = h < 0 || h >= p->sh || w < 0 || w >= p->sw ? s->zero : s->x + ((b * p->sh + h) * p->sw + w) * p->sc + p->c0;
		if (++j == p->gw) {
			j = 0;
			if (++i == p->gh) {
				i = 0;
				b++;
			}
		}
	}
}

/* --- weights as right panels ---------------------------------------------------------------------------------------------------------- */

/* (n, k) of one group: forward n = results, k = taps x channels; backward n = channels, k = taps of the phase x results. */
struct weights {
	const itr_bf16_isa *isa;
	const itr_conv *g;
	const float *w;                      /* of the group */
	const itr_conv_plan *p;
	const int *taps_h, *taps_w;          /* NULL: forward */
	int64_t k, words;
	float *panels;
	uint16_t *rows;                      /* a worker's: nr k on their way to a panel, and what was read last */
	int64_t worker_rows;
};

/* A right panel from k contiguous rows of nr numbers. */
static void across_all(const itr_bf16_isa *isa, float *dst, const uint16_t *rows, int cols, int64_t k)
{
	enum { SOME = 64 };
	const uint16_t *at[SOME];
	for (int64_t kk = 0; kk < k; kk += SOME) {
		for (int64_t r = 0; r < ITR_MIN((int64_t)SOME, k - kk); r++)
			at[r] = rows + (kk + r) * isa->g.nr;
		isa->pack_transposed(dst + kk / isa->g.k_unit * isa->g.nr, isa->g.nr, at, 0, cols, ITR_MIN((int64_t)SOME, k - kk));
	}
}

static void weight_panel(void *ctx, int64_t panel, int worker)
{
	const struct weights *q = ctx;
	const itr_conv *g = q->g;
	const int nr = q->isa->g.nr;
	const int64_t cn = g->c / g->groups, on = g->o / g->groups, taps = g->kh * g->kw, j0 = panel * nr,
		      cols = ITR_MIN((int64_t)nr, q->p->n - j0);
	float *dst = q->panels + j0 * q->words;
	if (taps == 1) {
		if (q->taps_h)
			q->isa->g.pack(dst, nr, q->w + j0, 1, cn, (int)cols, on);
		else
			q->isa->g.pack(dst, nr, q->w + j0 * cn, cn, 1, (int)cols, cn);
		return;
	}
	uint16_t *rows = q->rows + worker * q->worker_rows, *half = rows + nr * q->k;
	const uint16_t *at[ITR_GEMM_MAX_NR];
	if (!q->taps_h) {
		for (int64_t j = 0; j < cols; j++) {
			uint16_t *to = rows + j * q->k;
			at[j] = to;
			itr_bf16_from_f32_n(half, q->w + (j0 + j) * q->k, q->k);
			for (int64_t t = 0; t < taps; t++)
				for (int64_t c = 0; c < cn; c++)
					*to++ = half[c * taps + t];
		}
		q->isa->pack(dst, nr, at, (int)cols, q->k);
		return;
	}
	const int64_t mine = q->p->nh * q->p->nw;
	for (int64_t o = 0; o < on; o++) {           /* rows: (tap, result, channel of this panel) */
		itr_bf16_from_f32_n(half, q->w + (o * cn + j0) * taps, cols * taps);
		for (int64_t t = 0; t < mine; t++) {
			const uint16_t *from = half + q->taps_h[t / q->p->nw] * g->kw + q->taps_w[t % q->p->nw];
			for (int64_t j = 0; j < cols; j++)
				rows[(t * on + o) * nr + j] = from[j * taps];
		}
	}
	across_all(q->isa, dst, rows, (int)cols, q->k);
}

static float *weight_panels(const itr_bf16_isa *isa, const itr_conv *g, const float *w, const itr_conv_plan *p, const int *taps_h,
                            const int *taps_w, int threads)
{
	const int64_t k = p->nh * p->nw * p->cn, words = div_up(k, isa->g.k_unit), panels = div_up(p->n, isa->g.nr);
	struct weights q = { isa, g, w, p, taps_h, taps_w, k, words, NULL, NULL, isa->g.nr * (k + g->kh * g->kw) + k };
	q.panels = itr_scratch_take((size_t)(panels * isa->g.nr * words) * sizeof *q.panels);
	q.rows = g->kh * g->kw == 1 ? NULL : itr_scratch_take((size_t)(threads * q.worker_rows) * sizeof *q.rows);
	itr_parallel_for(p->n * k < 1 << 15 ? 1 : threads, panels, weight_panel, &q);
	itr_scratch_give(q.rows);
	return q.panels;
}

/* --- patches times weights ------------------------------------------------------------------------------------------------------------ */

struct product {
	struct source s;
	const float *panels;
	int64_t words;
	void *out;                           /* bfloat16, or float */
	bool out_float, add;
	/* division of the work: left panels of `step` rows, blocks of left panels, chunks of right panels. These numbers do not change a
	 * result */
	int step;
	int64_t left, block, blocks, right, chunks;
	char *scratch;
	size_t scratch_bytes, at_sums, at_rows;
};

static void pack_left(const struct product *q, int64_t panel, float *dst, uint16_t *buffer)
{
	const struct source *s = &q->s;
	const itr_bf16_isa *isa = s->isa;
	const int64_t row = panel * q->step, cn = s->p->cn;
	const int rows = (int)ITR_MIN((int64_t)q->step, s->m - row);
	const uint16_t *at[ITR_GEMM_MAX_MR];
	if (!s->runs) {
		itr_conv_patches(s->p, s->x, sizeof *s->x, row, rows, buffer);
		for (int r = 0; r < rows; r++)
			at[r] = buffer + r * s->k;
		isa->pack(dst, isa->g.mr, at, rows, s->k);
		return;
	}
	for (int64_t t = 0; t < s->p->nh * s->p->nw; t++) {
		tap_rows(s, t, row, rows, at);
		isa->pack(dst + t * cn / isa->g.k_unit * isa->g.mr, isa->g.mr, at, rows, cn);
	}
}

/* Destinations of the results of rows row .. . */
static void result_rows(const struct product *q, int64_t row, int64_t rows, void **to)
{
	const itr_conv_plan *p = q->s.p;
	int64_t j = row % p->gw, i = row / p->gw % p->gh, b = row / (p->gw * p->gh);
	for (int64_t r = 0; r < rows; r++) {
		const int64_t at = ((b * p->dh + p->dh0 + i * p->dstep) * p->dw + p->dw0 + j * p->dstep) * p->dc + p->o0;
		to[r] = q->out_float ? (void *)((float *)q->out + at) : (void *)((uint16_t *)q->out + at);
		if (++j == p->gw) {
			j = 0;
			if (++i == p->gh) {
				i = 0;
				b++;
			}
		}
	}
}

static void put_rows(const struct product *q, void *const *to, int rows, int64_t j0, const float *sums)
{
	const int cols = (int)ITR_MIN((int64_t)q->s.isa->g.nr, q->s.p->n - j0);
	if (!q->out_float) {
		q->s.isa->store(sums, q->s.isa->g.nr, (uint16_t *const *)to, j0, rows, cols, q->add);
		return;
	}
	for (int r = 0; r < rows; r++, sums += q->s.isa->g.nr) {
		float *d = (float *)to[r] + j0;
		for (int c = 0; c < cols; c++)
			d[c] = q->add ? d[c] + sums[c] : sums[c];
	}
}

static void multiply(const struct product *q, int64_t j, int64_t p0, int64_t count, const float *left, float *sums, void *const *to)
{
	const itr_gemm_isa *g = &q->s.isa->g;
	const float *right = q->panels + j * g->nr * q->words;
	for (int64_t k = 0; k < q->words; k += K_BLOCK) {
		const int64_t kb = ITR_MIN((int64_t)K_BLOCK, q->words - k), step = g->nr * 4 / count;
		/* each tile of the block prefetches a share of the rest of the panel and of the next one */
		const char *ahead = (const char *)(right + (k + kb) * g->nr);
		for (int64_t p = 0; p < count; p++) {
			const int rows = (int)ITR_MIN((int64_t)q->step, q->s.m - (p0 + p) * q->step);
			const float *ap = left + (p * q->words + k) * g->mr, *bp = right + k * g->nr;
			float *s = sums + p * q->step * g->nr;
			if (g->tile_ahead)
				g->tile_ahead(rows, kb, ap, bp, s, g->nr, k > 0, ahead + p * kb * step, step);
			else
				g->tile(rows, kb, ap, bp, s, g->nr, k > 0);
			if (k + kb == q->words)
				put_rows(q, to + p * q->step, rows, j * g->nr, s);
		}
	}
}

static void product_piece(void *ctx, int64_t piece, int worker)
{
	const struct product *q = ctx;
	char *scratch = q->scratch + (size_t)worker * q->scratch_bytes;
	const int64_t b = piece / q->chunks, p0 = q->left * b / q->blocks, count = q->left * (b + 1) / q->blocks - p0,
		      c = piece % q->chunks;
	void *to[MAX_PANELS * ITR_GEMM_MAX_MR];
	result_rows(q, p0 * q->step, ITR_MIN(count * q->step, q->s.m - p0 * q->step), to);
	for (int64_t p = 0; p < count; p++)
		pack_left(q, p0 + p, (float *)scratch + p * q->s.isa->g.mr * q->words, (uint16_t *)(scratch + q->at_rows));
	for (int64_t j = q->right * c / q->chunks; j < q->right * (c + 1) / q->chunks; j++)
		multiply(q, j, p0, count, (const float *)scratch, (float *)(scratch + q->at_sums), to);
}

/* Divides the work by rows when there are many, otherwise by rows and columns; pieces of nearly equal size, a multiple of the threads. */
static void cut(struct product *q, int threads)
{
	const itr_gemm_isa *g = &q->s.isa->g;
	q->step = (int)div_up(q->s.m, div_up(q->s.m, g->mr));
	q->left = div_up(q->s.m, q->step);
	q->right = div_up(q->s.p->n, g->nr);
	q->blocks = div_up(q->left, ITR_MAX((int64_t)1, ITR_MIN((int64_t)MAX_PANELS, LEFT_BYTES / (g->mr * q->words * 4))));
	q->chunks = 1;
	if (threads > 1 && q->blocks >= PIECES * threads)
		q->blocks = ITR_MIN(round_up(q->blocks, threads), q->left);
	else if (threads > 1)
		q->chunks = ITR_MIN(q->right, div_up(2 * PIECES * threads, q->blocks));
	q->block = div_up(q->left, q->blocks);
}

static void product(const itr_conv_plan *p, const uint16_t *x, const itr_conv *g, const float *w, const int *taps_h, const int *taps_w,
                    void *out, bool out_float, bool add, int threads)
{
	struct product q = { .out = out, .out_float = out_float, .add = add };
	source_init(&q.s, p, x);
	const itr_gemm_isa *kernel = &q.s.isa->g;
	q.s.runs = p->nh * p->nw == 1 || (p->cn % kernel->k_unit == 0 && p->cn >= 16);
	float *panels = weight_panels(q.s.isa, g, w, p, taps_h, taps_w, threads);
	q.panels = panels;
	q.words = div_up(q.s.k, kernel->k_unit);
	if ((double)q.s.m * (double)p->n * (double)q.s.k < 1e6)        /* a few microseconds: less than it takes to wake a thread */
		threads = 1;
	cut(&q, threads);
	q.at_sums = (size_t)round_up(q.block * kernel->mr * q.words * 4, 64);
	q.at_rows = q.at_sums + (size_t)round_up(q.block * q.step * kernel->nr * 4, 64);
	q.scratch_bytes = q.at_rows + (q.s.runs ? 0 : (size_t)round_up(kernel->mr * q.s.k * 2, 64));
	q.scratch = itr_scratch_take(q.scratch_bytes * (size_t)threads);
	itr_parallel_for(threads, q.blocks * q.chunks, product_piece, &q);
	itr_scratch_give(q.scratch);
	itr_scratch_give(panels);
	itr_scratch_give(q.s.zero);
}

void itr_conv_forward_bf16(const itr_conv *g, const uint16_t *x, const float *w, void *y, bool y_float, int threads)
{
	const int64_t group = g->o / g->groups * (g->c / g->groups) * g->kh * g->kw;
	threads = itr_threads_resolve(threads);
	for (int64_t k = 0; k < g->groups; k++) {
		const itr_conv_plan p = itr_conv_plan_forward(g, k);
		product(&p, x, g, w + k * group, NULL, NULL, y, y_float, false, threads);
	}
}

/* --- the weights' gradient ------------------------------------------------------------------------------------------------------------ */

/* TOGETHER: that many rows are packed into all panels before the next ones, so that all of a fetched cache line is used. */
enum { TOGETHER = 16, PIXELS = 2 * K_BLOCK, SPLIT_PIXELS = 1536, MAX_SPLITS = 8, GRADIENT_PIECES = 16, PATCH_BYTES = 384 << 10 };

/* sums (split, on, ld) = dy^T patches over the pixels of the split; pieces are splits x chunks of the longer side. The division depends on
 * the shapes only, so the order of the sums and the result do, too. */
struct gradient {
	struct source s;
	const uint16_t *dy;
	int64_t on, ldy, pixels, blocks, splits, chunks, left, right, ld;
	int step;
	bool cut_left;
	float *sums;
	char *scratch;
	size_t scratch_bytes, at_right, at_pointers, at_patches;
};

/* Prefetches the next rows: there are too many streams for the hardware prefetcher. */
static void ask_for(const uint16_t *const *rows, int64_t n, int64_t from, int64_t to)
{
	for (int64_t r = 0; r < n; r++)
		for (int64_t j = from; j < to; j += 32)
			__builtin_prefetch(rows[r] + j);
}

static void pixel_block(const struct gradient *q, int64_t row, int64_t rows, const int64_t from[2], const int64_t to[2], float *sums,
                        bool resume, char *scratch)
{
	const struct source *s = &q->s;
	const itr_gemm_isa *g = &s->isa->g;
	const int64_t words = div_up(rows, g->k_unit), cn = s->p->cn;
	float *left = (float *)scratch, *right = (float *)(scratch + q->at_right);
	const uint16_t **at = (const uint16_t **)(scratch + q->at_pointers);
	uint16_t *patches = (uint16_t *)(scratch + q->at_patches);
	for (int64_t r = 0; r < rows; r++)
		at[r] = q->dy + (row + r) * q->ldy;
	for (int64_t r = 0; r < rows; r += TOGETHER) {
		ask_for(at + r + TOGETHER, ITR_MIN((int64_t)TOGETHER, rows - r - TOGETHER), from[0] * q->step,
		        ITR_MIN(to[0] * q->step, q->on));
		for (int64_t i = from[0]; i < to[0]; i++)
			s->isa->pack_transposed(left + ((i - from[0]) * words + r / g->k_unit) * g->mr, g->mr, at + r, i * q->step,
			               (int)ITR_MIN((int64_t)q->step, q->on - i * q->step), ITR_MIN((int64_t)TOGETHER, rows - r));
	}
	if (!s->runs) {
		itr_conv_patches(s->p, s->x, sizeof *s->x, row, rows, patches);
		for (int64_t r = 0; r < rows; r++)
			at[r] = patches + r * s->k;
	}
	for (int64_t j = from[1], tap = -1; j < to[1]; j++) {
		const int64_t c = j * g->nr;
		if (s->runs && c / cn != tap)
			tap_rows(s, tap = c / cn, row, rows, at);
		s->isa->pack_transposed(right, g->nr, at, s->runs ? c - tap * cn : c, (int)ITR_MIN((int64_t)g->nr, s->k - c), rows);
		for (int64_t i = from[0]; i < to[0]; i++)
			g->tile((int)ITR_MIN((int64_t)q->step, q->on - i * q->step), words, left + (i - from[0]) * g->mr * words, right,
			        sums + i * q->step * q->ld + c, q->ld, resume);
	}
}

static void gradient_piece(void *ctx, int64_t piece, int worker)
{
	const struct gradient *q = ctx;
	const int64_t split = piece / q->chunks, c = piece % q->chunks, b0 = q->blocks * split / q->splits,
		      b1 = q->blocks * (split + 1) / q->splits;
	const int64_t from[2] = { q->cut_left ? q->left * c / q->chunks : 0, q->cut_left ? 0 : q->right * c / q->chunks };
	const int64_t to[2] = { q->cut_left ? q->left * (c + 1) / q->chunks : q->left,
		                q->cut_left ? q->right : q->right * (c + 1) / q->chunks };
	for (int64_t b = b0; b < b1; b++)
		pixel_block(q, b * q->pixels, ITR_MIN(q->pixels, q->s.m - b * q->pixels), from, to, q->sums + split * q->on * q->ld, b > b0,
		            q->scratch + (size_t)worker * q->scratch_bytes);
}

struct finish {
	const struct gradient *q;
	int64_t taps;
	float beta, *dw;
};

/* The weight gradient of one output channel: adds the sums of the splits in order and writes PyTorch's layout. */
static void finish_piece(void *ctx, int64_t o, int worker)
{
	const struct finish *f = ctx;
	const struct gradient *q = f->q;
	const int64_t cn = q->s.p->cn;
	float *sums = q->sums + o * q->ld, *dw = f->dw + o * q->s.k;
	(void)worker;
	for (int64_t s = 1; s < q->splits; s++)
		for (int64_t j = 0; j < q->s.k; j++)
			sums[j] += sums[s * q->on * q->ld + j];
	if (f->taps == 1 && f->beta == 0.0f) {
		memcpy(dw, sums, (size_t)cn * sizeof *dw);
		return;
	}
	for (int64_t c = 0; c < cn; c++)
		for (int64_t t = 0; t < f->taps; t++)
			dw[c * f->taps + t] = f->beta != 0.0f ? dw[c * f->taps + t] + sums[t * cn + c] : sums[t * cn + c];
}

static void gradient(const itr_conv *g, int64_t group, const uint16_t *x, const uint16_t *dy, float beta, float *dw, int threads)
{
	const itr_conv_plan p = itr_conv_plan_forward(g, group);
	struct gradient q = { .dy = dy + p.o0, .on = p.n, .ldy = g->o };
	source_init(&q.s, &p, x);
	const itr_gemm_isa *kernel = &q.s.isa->g;
	q.s.runs = p.nh * p.nw == 1 || p.cn % kernel->nr == 0;
	q.pixels = q.s.runs ? PIXELS : ITR_MAX(ITR_MIN((int64_t)PIXELS, PATCH_BYTES / 2 / q.s.k / 2 * 2), (int64_t)32);
	q.blocks = div_up(q.s.m, q.pixels);
	q.splits = ITR_MAX(ITR_MIN(q.s.m / SPLIT_PIXELS, (int64_t)MAX_SPLITS), (int64_t)1);
	q.left = div_up(q.on, kernel->mr);
	q.step = (int)div_up(q.on, q.left);
	q.left = div_up(q.on, q.step);
	q.right = div_up(q.s.k, kernel->nr);
	q.cut_left = q.on > q.s.k;
	q.chunks = ITR_MIN(div_up(GRADIENT_PIECES, q.splits), q.cut_left ? q.left : q.right);
	q.ld = q.right * kernel->nr;
	const int64_t words = div_up(q.pixels, kernel->k_unit);
	q.at_right = (size_t)round_up((q.cut_left ? div_up(q.left, q.chunks) : q.left) * kernel->mr * words * 4, 64);
	q.at_pointers = q.at_right + (size_t)(kernel->nr * words * 4);
	q.at_patches = q.at_pointers + (size_t)round_up(q.pixels * (int64_t)sizeof(void *), 64);
	q.scratch_bytes = q.at_patches + (q.s.runs ? 0 : (size_t)round_up(q.pixels * q.s.k * 2, 64));
	if ((double)q.s.m * (double)q.on * (double)q.s.k < 1e6)
		threads = 1;
	q.scratch = itr_scratch_take(q.scratch_bytes * (size_t)threads);
	q.sums = itr_scratch_take((size_t)(q.splits * q.on * q.ld) * sizeof *q.sums);
	itr_parallel_for(threads, q.splits * q.chunks, gradient_piece, &q);
	struct finish f = { &q, g->kh * g->kw, beta, dw };
	itr_parallel_for(q.on * q.s.k < 1 << 15 ? 1 : threads, q.on, finish_piece, &f);
	itr_scratch_give(q.sums);
	itr_scratch_give(q.scratch);
	itr_scratch_give(q.s.zero);
}

void itr_conv_backward_weight_bf16(const itr_conv *g, const uint16_t *x, const uint16_t *dy, float beta, float *dw, int threads)
{
	const int64_t group = g->o / g->groups * (g->c / g->groups) * g->kh * g->kw;
	threads = itr_threads_resolve(threads);
	for (int64_t k = 0; k < g->groups; k++)
		gradient(g, k, x, dy, beta, dw + k * group, threads);
}

/* --- the input's gradient ------------------------------------------------------------------------------------------------------------- */

static void zero_phase(const itr_conv_plan *p, size_t element, void *dx)
{
	for (int64_t b = 0; b < p->batch; b++)
		for (int64_t i = 0; i < p->gh; i++)
			for (int64_t j = 0; j < p->gw; j++)
				memset((char *)dx + (size_t)(((b * p->dh + p->dh0 + i * p->dstep) * p->dw + p->dw0 + j * p->dstep) * p->dc +
				                             p->o0) *
				                            element,
				       0, (size_t)p->n * element);
}

void itr_conv_backward_input_bf16(const itr_conv *g, const uint16_t *dy, const float *w, float beta, void *dx, bool dx_float, int threads)
{
	const int64_t group = g->o / g->groups * (g->c / g->groups) * g->kh * g->kw;
	threads = itr_threads_resolve(threads);
	for (int64_t k = 0; k < g->groups; k++)
		for (int64_t ph = 0; ph < ITR_MIN(g->stride, g->h); ph++)
			for (int64_t pw = 0; pw < ITR_MIN(g->stride, g->w); pw++) {
				int taps_h[ITR_CONV_MAX_KERNEL], taps_w[ITR_CONV_MAX_KERNEL];
				const itr_conv_plan p = itr_conv_plan_input(g, k, ph, pw, taps_h, taps_w);
				if (p.nh && p.nw)
					product(&p, dy, g, w + k * group, taps_h, taps_w, dx, dx_float, beta != 0.0f, threads);
				else if (beta == 0.0f)
					zero_phase(&p, dx_float ? sizeof(float) : sizeof(uint16_t), dx);
			}
}
