#include "tensor/gemm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/scratch.h"
#include "tensor/dtype.h"
#include "tensor/gemm_kernel.h"

/* Cache blocking. None of these numbers can change a result: cutting K continues the same chain from memory, and the rest is only order of work. */
enum {
	K_BLOCK = 512,               /* a right panel of 32 x K_BLOCK (64 KB) and a left one (28 KB) stay near the core */
	TILE_ROWS_BYTES = 384 << 10, /* left panels of one piece of work: they stay in L2 while the right panels pass */
	TILE_COLS = 512,
	CHUNK_BYTES = 8 << 20,       /* packed operand that is alive at one time */
	SMALL_ROWS = 64              /* up to here the right operand is packed in passing, in private scratch, and never stored */
};

/* --- the plain kernel: what the others must equal --------------------------------------------------------------------------------- */

enum { PLAIN_MR = 4, PLAIN_NR = 8 };

static void plain_tile(int rows, int64_t k, const float *ap, const float *bp, float *c, int64_t ldc, bool resume)
{
	for (int i = 0; i < rows; i++)
		for (int j = 0; j < PLAIN_NR; j++) {
			float s = resume ? c[i * ldc + j] : 0.0f;
			for (int64_t kk = 0; kk < k; kk++)
				s = fmaf(ap[kk * PLAIN_MR + i], bp[kk * PLAIN_NR + j], s);
			c[i * ldc + j] = s;
		}
}

void itr_gemm_pack_plain(float *dst, int w, const float *src, int64_t row_stride, int64_t k_stride, int rows, int64_t k)
{
	for (int64_t kk = 0; kk < k; kk++, dst += w) {
		const float *s = src + kk * k_stride;
		if (row_stride == 1 && rows == w)
			memcpy(dst, s, (size_t)w * sizeof *dst);
		else
			for (int r = 0; r < w; r++)
				dst[r] = r < rows ? s[r * row_stride] : 0.0f;
	}
}

static const itr_gemm_isa plain = { "scalar", PLAIN_MR, PLAIN_NR, plain_tile, itr_gemm_pack_plain, 1 };

const itr_gemm_isa *itr_gemm_isa_get(void)
{
#if defined(__x86_64__)
	unsigned f = itr_cpu_features();
	if (f & ITR_CPU_AVX512)
		return &itr_gemm_avx512;
	if (f & ITR_CPU_AVX2)
		return &itr_gemm_avx2;
#elif defined(__aarch64__)
	if (itr_cpu_features() & ITR_CPU_NEON)
		return &itr_gemm_neon;
#endif
	return &plain;
}

/* bfloat16 where the processor lacks the instruction: round while packing, then the fp32 kernel (products of bfloat16 are exact in fp32). */
static void pack_rounded(float *dst, int w, const float *src, int64_t row_stride, int64_t k_stride, int rows, int64_t k)
{
	itr_gemm_isa_get()->pack(dst, w, src, row_stride, k_stride, rows, k);
	for (int64_t i = 0; i < w * k; i++)
		dst[i] = itr_bf16_to_f32(itr_bf16_from_f32(dst[i]));
}

static itr_gemm_isa bf16_isa(void)
{
	itr_gemm_isa g = *itr_gemm_isa_get();
#if defined(__x86_64__)
	if (itr_cpu_features() & ITR_CPU_AVX512_BF16)
		return itr_gemm_avx512bf16;
#endif
	g.pack = pack_rounded;
	return g;
}

const char *itr_gemm_bf16_kernel(void) { return itr_cpu_features() & ITR_CPU_AVX512_BF16 ? "avx512-bf16" : "rounded to bf16, fp32 kernel"; }

const char *itr_gemm_kernel(void) { return itr_gemm_isa_get()->name; }

/* --- operands --------------------------------------------------------------------------------------------------------------------- */

/* `rows` vectors of length k: element (r, kk) at p[r * rs + kk * ks]. Both operands of a product look like this; the right one is B^T. */
struct operand {
	const float *p;
	int64_t rs, ks, rows;
};

struct output {
	float *p;
	int64_t rs, cs;              /* element (i, j) at p[i * rs + j * cs] */
	float alpha, beta;
};

static bool assigns(const struct output *c) { return c->alpha == 1.0f && c->beta == 0.0f; }

static float finished(const struct output *c, float chain, float old)
{
	float v = c->alpha == 1.0f ? chain : c->alpha * chain;
	return c->beta == 0.0f ? v : c->beta == 1.0f ? v + old : v + c->beta * old;
}

static void put(const struct output *c, int64_t i0, int64_t j0, int rows, int cols, const float *s, int64_t lds)
{
	for (int i = 0; i < rows; i++) {
		float *row = c->p + (i0 + i) * c->rs + j0 * c->cs;
		const float *from = s + i * lds;
		if (assigns(c) && c->cs == 1)
			memcpy(row, from, (size_t)cols * sizeof *row);
		else
			for (int j = 0; j < cols; j++)
				row[j * c->cs] = finished(c, from[j], c->beta == 0.0f ? 0.0f : row[j * c->cs]);
	}
}

static int64_t div_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* Words of a panel's row for k elements. */
static int64_t words(const itr_gemm_isa *g, int64_t k) { return div_up(k, g->k_unit); }

struct packing {
	const itr_gemm_isa *g;
	struct operand x;
	int64_t r0, k;
	int w;
	float *dst;
};

static void pack_panel(void *ctx, int64_t p, int worker)
{
	const struct packing *q = ctx;
	int64_t r = q->r0 + p * q->w;
	(void)worker;
	q->g->pack(q->dst + p * q->w * words(q->g, q->k), q->w, q->x.p + r * q->x.rs, q->x.rs, q->x.ks, (int)ITR_MIN((int64_t)q->w, q->x.rows - r), q->k);
}

/* Rows r0 .. r0+n-1 of x as panels of width w, into dst. */
static void pack_rows(const itr_gemm_isa *g, const struct operand *x, int64_t r0, int64_t n, int64_t k, int w, float *dst, int threads)
{
	struct packing q = { g, *x, r0, k, w, dst };
	q.x.rows = r0 + n;
	itr_parallel_for(n * k < 1 << 15 ? 1 : threads, div_up(n, w), pack_panel, &q);
}

/* --- one chunk: packed panels on both sides, pieces of TILE rows x TILE columns ------------------------------------------------------ */

struct chunk {
	const itr_gemm_isa *g;
	const float *ap, *bp;        /* panels of the rows i0 .. i0+m-1 and of the columns j0 .. j0+n-1 */
	int64_t i0, m, j0, n, k;
	int64_t tile_m, tile_n, tiles_n;
	struct output c;
	float *sums;                 /* a private tile_m x tile_n a worker, when C cannot hold unfinished chains */
};

/* Unfinished chains live in C itself where a whole micro-tile fits there, else in the worker's scratch. */
static void chunk_piece(void *ctx, int64_t piece, int worker)
{
	const struct chunk *q = ctx;
	const itr_gemm_isa *g = q->g;
	int64_t im = piece / q->tiles_n * q->tile_m, jn = piece % q->tiles_n * q->tile_n;
	int64_t m = ITR_MIN(q->tile_m, q->m - im), n = ITR_MIN(q->tile_n, q->n - jn);
	float *sums = q->sums + worker * q->tile_m * q->tile_n;
	bool direct = assigns(&q->c) && q->c.cs == 1;

	for (int64_t k0 = 0; k0 == 0 || k0 < q->k; k0 += K_BLOCK) {
		int64_t kb = ITR_MIN((int64_t)K_BLOCK, q->k - k0);
		bool last = k0 + kb >= q->k;
		for (int64_t j = 0; j < n; j += g->nr) {
			const float *bp = q->bp + (jn + j) * q->k + k0 * g->nr;
			int cols = (int)ITR_MIN((int64_t)g->nr, n - j);
			for (int64_t i = 0; i < m; i += g->mr) {
				const float *ap = q->ap + (im + i) * q->k + k0 * g->mr;
				int rows = (int)ITR_MIN((int64_t)g->mr, m - i);
				if (direct && cols == g->nr) {
					g->tile(rows, kb, ap, bp, q->c.p + (q->i0 + im + i) * q->c.rs + q->j0 + jn + j, q->c.rs, k0 > 0);
				} else {
					float *s = sums + i * q->tile_n + j;
					g->tile(rows, kb, ap, bp, s, q->tile_n, k0 > 0);
					if (last)
						put(&q->c, q->i0 + im + i, q->j0 + jn + j, rows, cols, s, q->tile_n);
				}
			}
		}
	}
}

static int64_t round_up(int64_t a, int64_t b) { return div_up(a, b) * b; }

/* Piece sizes: as large as the caches like, but several pieces a thread. */
static void chunk_run(struct chunk *q, int threads)
{
	int mr = q->g->mr, nr = q->g->nr;
	int64_t kb = ITR_MAX(ITR_MIN(q->k, (int64_t)K_BLOCK), (int64_t)1);
	q->tile_m = ITR_MIN(round_up(ITR_MAX(TILE_ROWS_BYTES / 4 / kb, (int64_t)mr), mr), round_up(q->m, mr));
	q->tile_n = ITR_MIN(round_up(TILE_COLS, nr), round_up(q->n, nr));
	while (threads > 1 && div_up(q->m, q->tile_m) * div_up(q->n, q->tile_n) < 4 * threads) {
		if (q->tile_n > 4 * nr)
			q->tile_n = round_up(q->tile_n / 2, nr);
		else if (q->tile_m > 2 * mr)
			q->tile_m = round_up(q->tile_m / 2, mr);
		else
			break;
	}
	q->tiles_n = div_up(q->n, q->tile_n);
	int64_t pieces = div_up(q->m, q->tile_m) * q->tiles_n;
	if ((double)q->m * (double)q->n * (double)q->k < 2e5)
		threads = 1;
	q->sums = itr_scratch_take((size_t)(ITR_MIN((int64_t)threads, pieces) * q->tile_m * q->tile_n) * sizeof *q->sums);
	itr_parallel_for(threads, pieces, chunk_piece, q);
	itr_scratch_give(q->sums);
}

/* --- few rows: the right operand is read once, packed panel by panel in passing ------------------------------------------------------ */

struct stream {
	const itr_gemm_isa *g;
	const float *ap;
	struct operand b;
	const float *packed;         /* or the right panels, when they are packed already */
	int64_t m, k, n0, n1;        /* columns n0 .. n1-1 of b; panels are counted from 0 */
	struct output c;
	float *scratch;              /* a worker: one right panel, then m x nr sums */
	int64_t scratch_size;
};

static void stream_panel(void *ctx, int64_t i, int worker)
{
	const struct stream *q = ctx;
	const itr_gemm_isa *g = q->g;
	float *panel = q->scratch + worker * q->scratch_size;
	const float *bp = panel;
	int64_t base = q->packed ? q->n0 / g->nr * g->nr : q->n0;
	int64_t r = base + i * g->nr, end = ITR_MIN(r + g->nr, q->n1), begin = ITR_MAX(r, q->n0);
	float s[ITR_GEMM_MAX_MR * ITR_GEMM_MAX_NR] __attribute__((aligned(64)));

	if (q->packed)
		bp = q->packed + r * q->k;
	else
		g->pack(panel, g->nr, q->b.p + r * q->b.rs, q->b.rs, q->b.ks, (int)(end - r), q->k);
	for (int64_t m = 0; m < q->m; m += g->mr) {
		int rows = (int)ITR_MIN((int64_t)g->mr, q->m - m);
		if (assigns(&q->c) && q->c.cs == 1 && end - begin == g->nr) {
			g->tile(rows, q->k, q->ap + m * q->k, bp, q->c.p + m * q->c.rs + (begin - q->n0), q->c.rs, false);
			continue;
		}
		g->tile(rows, q->k, q->ap + m * q->k, bp, s, g->nr, false);
		put(&q->c, m, begin - q->n0, rows, (int)(end - begin), s + (begin - r), g->nr);
	}
}

static void stream_run(struct stream *q, const struct operand *a, int threads)
{
	int64_t base = q->packed ? q->n0 / q->g->nr * q->g->nr : q->n0;
	float *ap = itr_scratch_take((size_t)(round_up(q->m, q->g->mr) * q->k) * sizeof *ap);
	if ((double)q->m * (double)(q->n1 - q->n0) * (double)q->k < 2e5)
		threads = 1;
	q->scratch_size = q->packed ? 0 : q->k * q->g->nr;
	q->scratch = itr_scratch_take((size_t)(q->scratch_size * threads) * sizeof *q->scratch);
	pack_rows(q->g, a, 0, q->m, q->k, q->g->mr, ap, 1);
	q->ap = ap;
	itr_parallel_for(threads, div_up(q->n1 - base, q->g->nr), stream_panel, q);
	itr_scratch_give(q->scratch);
	itr_scratch_give(ap);
}

/* --- the product ------------------------------------------------------------------------------------------------------------------- */

/* Rows that a chunk takes, so that its packed form stays within CHUNK_BYTES: at least one piece of work. */
static int64_t chunk_rows(int64_t rows, int64_t k, int w)
{
	int64_t fit = ITR_MAX((int64_t)CHUNK_BYTES / 4 / ITR_MAX(k, (int64_t)1), (int64_t)TILE_COLS);
	return ITR_MIN(round_up(fit, w), round_up(rows, w));
}

static void product(const itr_gemm_isa *g, const struct operand *a, const struct operand *b, int64_t k, const struct output *c, int threads)
{
	const int64_t kw = words(g, k);
	int64_t mc = chunk_rows(a->rows, kw, g->mr), nc = chunk_rows(b->rows, kw, g->nr);
	float *ap = itr_scratch_take((size_t)(mc * kw) * sizeof *ap), *bp = itr_scratch_take((size_t)(nc * kw) * sizeof *bp);

	for (int64_t j = 0; j < b->rows; j += nc) {
		int64_t n = ITR_MIN(nc, b->rows - j);
		pack_rows(g, b, j, n, k, g->nr, bp, threads);
		for (int64_t i = 0; i < a->rows; i += mc) {
			int64_t m = ITR_MIN(mc, a->rows - i);
			if (j == 0 || a->rows > mc)             /* one chunk of A stays packed for all of B */
				pack_rows(g, a, i, m, k, g->mr, ap, threads);
			struct chunk q = { .g = g, .ap = ap, .bp = bp, .i0 = i, .m = m, .j0 = j, .n = n, .k = kw, .c = *c };
			chunk_run(&q, threads);
		}
	}
	itr_scratch_give(bp);
	itr_scratch_give(ap);
}

void itr_gemm(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, float alpha,
              const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc, int threads)
{
	if (m < 0 || n < 0 || k < 0 || ldc < n || lda < (trans_a ? m : k) || ldb < (trans_b ? k : n))
		ITR_BUG("itr_gemm: impossible shape m %lld n %lld k %lld lda %lld ldb %lld ldc %lld", (long long)m, (long long)n, (long long)k,
		        (long long)lda, (long long)ldb, (long long)ldc);
	if (m == 0 || n == 0)
		return;
	threads = itr_threads_resolve(threads);
	struct operand x = { a, trans_a ? 1 : lda, trans_a ? lda : 1, m }, y = { b, trans_b ? ldb : 1, trans_b ? 1 : ldb, n };
	struct output out = { c, ldc, 1, alpha, beta };
	/* a column or two: the product the other way round, each sum being the same chain (multiplication commutes exactly) */
	if (n < 4 && n < m) {
		struct operand t = x;
		x = y, y = t;
		out.rs = 1, out.cs = ldc;
	}
	if (x.rows <= SMALL_ROWS && (y.rows > x.rows || x.rows == 1)) {
		struct stream q = { .g = itr_gemm_isa_get(), .b = y, .m = x.rows, .k = k, .n0 = 0, .n1 = y.rows, .c = out };
		stream_run(&q, &x, threads);
	} else {
		product(itr_gemm_isa_get(), &x, &y, k, &out, threads);
	}
}

void itr_gemm_bf16(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, float alpha,
                   const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc, int threads)
{
	struct operand x = { a, trans_a ? 1 : lda, trans_a ? lda : 1, m }, y = { b, trans_b ? ldb : 1, trans_b ? 1 : ldb, n };
	struct output out = { c, ldc, 1, alpha, beta };
	const itr_gemm_isa g = bf16_isa();
	if (m < 0 || n < 0 || k < 0 || ldc < n || lda < (trans_a ? m : k) || ldb < (trans_b ? k : n))
		ITR_BUG("itr_gemm_bf16: impossible shape m %lld n %lld k %lld", (long long)m, (long long)n, (long long)k);
	if (m > 0 && n > 0)
		product(&g, &x, &y, k, &out, itr_threads_resolve(threads));
}

/* --- a packed right-hand side ------------------------------------------------------------------------------------------------------ */

struct itr_packed {
	const itr_gemm_isa *g;
	int64_t n, k;
	float *panels;
};

itr_packed *itr_pack_rows(const float *b, int64_t n, int64_t k, int64_t ldb, int threads)
{
	itr_packed *p = itr_xcalloc(1, sizeof *p);
	struct operand x = { b, ldb, 1, n };
	p->g = itr_gemm_isa_get();
	p->n = n;
	p->k = k;
	p->panels = itr_aligned_alloc((size_t)(round_up(n, p->g->nr) * k) * sizeof *p->panels);
	pack_rows(p->g, &x, 0, n, k, p->g->nr, p->panels, itr_threads_resolve(threads));
	return p;
}

void itr_packed_free(itr_packed *p)
{
	if (p)
		itr_aligned_free(p->panels);
	free(p);
}

size_t itr_packed_bytes(const itr_packed *p) { return (size_t)(round_up(p->n, p->g->nr) * p->k) * sizeof *p->panels; }
const float *itr_packed_panel(const itr_packed *b, int64_t p) { return b->panels + p * b->g->nr * b->k; }
int64_t itr_packed_rows(const itr_packed *b) { return b->n; }
int64_t itr_packed_dim(const itr_packed *b) { return b->k; }

void itr_gemm_packed(int64_t m, const float *a, int64_t lda, const itr_packed *b, int64_t n0, int64_t n1, float *c, int64_t ldc, int threads)
{
	const itr_gemm_isa *g = b->g;
	struct operand x = { a, lda, 1, m };
	struct output out = { c, ldc, 1, 1.0f, 0.0f };
	if (n0 < 0 || n1 > b->n || n0 > n1 || ldc < n1 - n0 || lda < b->k)
		ITR_BUG("itr_gemm_packed: columns %lld..%lld of %lld, lda %lld, ldc %lld", (long long)n0, (long long)n1, (long long)b->n, (long long)lda, (long long)ldc);
	if (m <= 0 || n0 == n1)
		return;
	threads = itr_threads_resolve(threads);
	if (m <= SMALL_ROWS || n0 % g->nr) {
		struct stream q = { .g = g, .packed = b->panels, .m = m, .k = b->k, .n0 = n0, .n1 = n1, .c = out };
		stream_run(&q, &x, threads);
		return;
	}
	int64_t mc = chunk_rows(m, b->k, g->mr);
	float *ap = itr_scratch_take((size_t)(mc * b->k) * sizeof *ap);
	for (int64_t i = 0; i < m; i += mc) {
		struct chunk q = { .g = g, .ap = ap, .bp = b->panels + n0 * b->k, .i0 = i, .m = ITR_MIN(mc, m - i), .j0 = 0, .n = n1 - n0, .k = b->k, .c = out };
		pack_rows(g, &x, i, q.m, b->k, g->mr, ap, threads);
		chunk_run(&q, threads);
	}
	itr_scratch_give(ap);
}

/* --- reference --------------------------------------------------------------------------------------------------------------------- */

void itr_gemm_reference(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k,
                        const float *a, int64_t lda, const float *b, int64_t ldb, float *c, int64_t ldc)
{
	for (int64_t i = 0; i < m; i++)
		for (int64_t j = 0; j < n; j++) {
			float s = 0.0f;
			for (int64_t kk = 0; kk < k; kk++)
				s = fmaf(trans_a ? a[kk * lda + i] : a[i * lda + kk], trans_b ? b[j * ldb + kk] : b[kk * ldb + j], s);
			c[i * ldc + j] = s;
		}
}

float itr_dot_chain(const float *a, const float *b, int64_t n)
{
	float s = 0.0f;
	for (int64_t i = 0; i < n; i++)
		s = fmaf(a[i], b[i], s);
	return s;
}
