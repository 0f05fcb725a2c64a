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

/* Cache blocking. None of these numbers changes a result: the chains continue from memory across blocks of K, and the rest is only the
 * order of the work. */
enum {
	K_BLOCK = 256,               /* a right panel of 32 x 256 (32 KB) and a left one (14 KB) fit the first-level cache */
	K_CHUNK = 4096,              /* beyond, the product is done in several passes over C */
	SCRATCH_BYTES = 256 << 10,   /* panels that one worker packs in passing: they stay in the second-level cache */
	SHARED_BYTES = 8 << 20       /* packed operand that all workers read */
};

/* --- the portable kernel; the others must give the same bits ----------------------------------------------------------------------- */

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

static const itr_gemm_isa plain = { "scalar", PLAIN_MR, PLAIN_NR, plain_tile, itr_gemm_pack_plain, 1, NULL };

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

/* bfloat16 on processors without the instruction: packing rounds, then the fp32 kernel is used (products of bfloat16 are exact in fp32). */
static void pack_rounded(float *dst, int w, const float *src, int64_t row_stride, int64_t k_stride, int rows, int64_t k)
{
	itr_gemm_isa_get()->pack(dst, w, src, row_stride, k_stride, rows, k);
	for (int64_t i = 0; i < w * k; i++)
		dst[i] = itr_bf16_to_f32(itr_bf16_from_f32(dst[i]));
}

itr_gemm_isa itr_gemm_bf16_isa_get(void)
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
	int64_t rs, ks, rows, k;
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
static int64_t round_up(int64_t a, int64_t b) { return div_up(a, b) * b; }

/* Words of a panel's row for k elements. */
static int64_t words(const itr_gemm_isa *g, int64_t k) { return div_up(k, g->k_unit); }

/* Packs rows r0 .. r0+n-1, kb words from word k0 on, into consecutive panels. When rows are neighbours in memory (a transposed operand),
 * all panels advance together, so that all of a fetched cache line is used. */
static void pack_panels(const itr_gemm_isa *g, const struct operand *x, int64_t r0, int64_t n, int64_t k0, int64_t kb, int w, float *dst)
{
	int64_t u = g->k_unit, step = x->ks == 1 ? kb : 64;
	for (int64_t kk = 0; kk < kb; kk += step)
		for (int64_t r = 0; r < n; r += w)
			g->pack(dst + r * kb + kk * w, w, x->p + (r0 + r) * x->rs + (k0 + kk) * u * x->ks, x->rs, x->ks,
			        (int)ITR_MIN((int64_t)w, n - r), ITR_MIN(ITR_MIN(step, kb - kk) * u, x->k - (k0 + kk) * u));
}

struct packing {
	const itr_gemm_isa *g;
	struct operand x;
	int64_t r0, n, k0, kb, group;
	int w;
	float *dst;
};

static void pack_piece(void *ctx, int64_t i, int worker)
{
	const struct packing *q = ctx;
	int64_t r = i * q->group * q->w;
	(void)worker;
	pack_panels(q->g, &q->x, q->r0 + r, ITR_MIN(q->group * q->w, q->n - r), q->k0, q->kb, q->w, q->dst + r * q->kb);
}

static void pack_shared(const itr_gemm_isa *g, const struct operand *x, int64_t r0, int64_t n, int64_t k0, int64_t kb, int w, float *dst,
                        int threads)
{
	struct packing q = { g, *x, r0, n, k0, kb, 8, w, dst };
	itr_parallel_for(n * kb < 1 << 16 ? 1 : threads, div_up(n, 8 * w), pack_piece, &q);
}

/* --- the work: one operand is packed once and shared, the other is packed a few panels at a time by the thread that multiplies them
 * ---- */

/* Packed panels of an operand: panel p of width w starts at p * w * k. */
struct panels {
	const float *p;
	int64_t k, k0;               /* how long the panels are, and where in them this pass begins */
};

struct work {
	const itr_gemm_isa *g;
	bool stream_right;           /* the right operand is the one that is packed in passing */
	struct panels shared;
	int64_t c0, cn;              /* which of its rows: they count in C from c0 */
	struct operand stream;
	struct panels ready;         /* the streamed operand where it is packed already; p NULL: it is not */
	int64_t s0, sn;              /* its rows s0 .. s0+sn-1 count in C from 0 */
	int64_t k0, k, k_block, group;
	bool resume;                 /* C holds unfinished chains of an earlier pass */
	struct output c;
	float *scratch;
	int64_t scratch_size;
};

/* One micro-tile. C holds the unfinished chains between blocks of K; incomplete or strided tiles go through a buffer. */
static void micro_tile(const struct work *q, const float *ap, const float *bp, int64_t kb, int64_t i, int64_t j, int rows, int cols,
                       bool resume)
{
	const itr_gemm_isa *g = q->g;
	float s[ITR_GEMM_MAX_MR * ITR_GEMM_MAX_NR] __attribute__((aligned(64)));
	float *c = q->c.p + i * q->c.rs + j * q->c.cs;
	if (cols == g->nr && q->c.cs == 1 && assigns(&q->c)) {
		g->tile(rows, kb, ap, bp, c, q->c.rs, resume);
		return;
	}
	if (resume)
		for (int r = 0; r < rows; r++)
			for (int l = 0; l < g->nr; l++)
				s[r * g->nr + l] = l < cols ? c[r * q->c.rs + l * q->c.cs] : 0.0f;
	g->tile(rows, kb, ap, bp, s, g->nr, resume);
	put(&q->c, i, j, rows, cols, s, g->nr);
}

static void work_piece(void *ctx, int64_t piece, int worker)
{
	const struct work *q = ctx;
	const itr_gemm_isa *g = q->g;
	int sw = q->stream_right ? g->nr : g->mr, cw = q->stream_right ? g->mr : g->nr;
	int64_t r0 = piece * q->group * sw, rn = ITR_MIN(q->group * sw, q->sn - r0);
	float *scratch = q->scratch + worker * q->scratch_size;

	for (int64_t k = 0; k == 0 || k < q->k; k += q->k_block) {
		int64_t kb = ITR_MIN(q->k_block, q->k - k), stride = q->ready.p ? q->ready.k : kb;
		const float *sp = q->ready.p ? q->ready.p + (q->s0 + r0) * q->ready.k + (q->ready.k0 + k) * sw : scratch;
		if (!q->ready.p)
			pack_panels(g, &q->stream, q->s0 + r0, rn, q->k0 + k, kb, sw, scratch);
		for (int64_t c = 0; c < q->cn; c += cw) {
			const float *cp = q->shared.p + c * q->shared.k + (q->shared.k0 + k) * cw;
			int cm = (int)ITR_MIN((int64_t)cw, q->cn - c);
			for (int64_t r = 0; r < rn; r += sw) {
				int rm = (int)ITR_MIN((int64_t)sw, rn - r);
				if (q->stream_right)
					micro_tile(q, cp, sp + r * stride, kb, q->c0 + c, r0 + r, cm, rm, q->resume || k > 0);
				else
					micro_tile(q, sp + r * stride, cp, kb, r0 + r, q->c0 + c, rm, cm, q->resume || k > 0);
			}
		}
	}
}

/* Group size: as many panels as fit into the scratch, but several pieces for each thread. */
static void work_run(struct work *q, int threads)
{
	int sw = q->stream_right ? q->g->nr : q->g->mr;
	int64_t panels = div_up(q->sn, sw);
	if ((double)q->sn * (double)q->cn * (double)q->k < 1e6)       /* a few microseconds: less than it takes to wake a thread */
		threads = 1;
	q->k_block = assigns(&q->c) ? K_BLOCK : K_CHUNK;                /* alpha and beta want finished chains */
	q->group = ITR_MAX((int64_t)SCRATCH_BYTES / 4 / sw / ITR_MAX(ITR_MIN(q->k_block, q->k), (int64_t)1), (int64_t)1);
	q->group = ITR_MIN(q->group, 64 / ITR_MIN(q->cn, (int64_t)4));
	while (threads > 1 && q->group > 2 && div_up(panels, q->group) < 4 * threads)
		q->group--;
	q->scratch_size = q->ready.p ? 0 : q->group * sw * ITR_MIN(q->k_block, q->k);
	q->scratch = itr_scratch_take((size_t)(q->scratch_size * threads) * sizeof *q->scratch);
	itr_parallel_for(threads, div_up(panels, q->group), work_piece, q);
	itr_scratch_give(q->scratch);
}

/* C = x . y^T, for alpha 1 and beta 0 or for k <= K_CHUNK words. right: y already packed, used from row n0 (a multiple of nr) on; NULL: not
 * packed. */
static void multiply(const itr_gemm_isa *g, const struct operand *x, const struct operand *y, const float *right, int64_t n0,
                     const struct output *c, int threads)
{
	int64_t k = words(g, x->k);
	bool stream_right = x->rows <= y->rows;
	const struct operand *shared = stream_right ? x : y, *stream = stream_right ? y : x;
	int w = stream_right ? g->mr : g->nr;
	bool pack = !right || stream_right;                             /* the shared operand needs packing */
	for (int64_t k0 = 0; k0 == 0 || k0 < k; k0 += K_CHUNK) {
		int64_t kb = ITR_MIN((int64_t)K_CHUNK, k - k0);
		int64_t fit = ITR_MAX((int64_t)SHARED_BYTES / 4 / ITR_MAX(kb, (int64_t)1), (int64_t)256);
		int64_t step = pack ? ITR_MIN(round_up(fit, w), round_up(shared->rows, w)) : shared->rows;
		float *panels = pack ? itr_scratch_take((size_t)(step * kb) * sizeof *panels) : NULL;
		for (int64_t c0 = 0; c0 < shared->rows; c0 += step) {
			struct work q = {
				.g = g,
				.stream_right = stream_right,
				.c0 = c0,
				.cn = ITR_MIN(step, shared->rows - c0),
				.stream = *stream,
				.sn = stream->rows,
				.k0 = k0,
				.k = kb,
				.resume = k0 > 0,
				.c = *c,
			};
			q.shared = pack ? (struct panels){ panels, kb, 0 } : (struct panels){ right + n0 * k, k, k0 };
			if (right && stream_right) {
				q.ready = (struct panels){ right, k, k0 };
				q.s0 = n0;
			}
			if (pack)
				pack_shared(g, shared, c0, q.cn, k0, kb, w, panels, threads);
			work_run(&q, threads);
		}
		itr_scratch_give(panels);
	}
}

/* As multiply, for any alpha and beta. */
static void product(const itr_gemm_isa *g, const struct operand *x, const struct operand *y, const struct output *c, int threads)
{
	if (assigns(c) || words(g, x->k) <= K_CHUNK) {
		multiply(g, x, y, NULL, 0, c, threads);
		return;
	}
	struct output sums = { itr_scratch_take((size_t)(x->rows * y->rows) * sizeof(float)), y->rows, 1, 1.0f, 0.0f };
	multiply(g, x, y, NULL, 0, &sums, threads);
	for (int64_t i = 0; i < x->rows; i++)
		for (int64_t j = 0; j < y->rows; j++) {
			float *at = c->p + i * c->rs + j * c->cs;
			*at = finished(c, sums.p[i * y->rows + j], c->beta == 0.0f ? 0.0f : *at);
		}
	itr_scratch_give(sums.p);
}

void itr_gemm(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, float alpha,
              const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc, int threads)
{
	if (m < 0 || n < 0 || k < 0 || ldc < n || lda < (trans_a ? m : k) || ldb < (trans_b ? k : n))
		ITR_BUG("itr_gemm: impossible shape m %lld n %lld k %lld lda %lld ldb %lld ldc %lld", (long long)m, (long long)n,
		        (long long)k, (long long)lda, (long long)ldb, (long long)ldc);
	if (m == 0 || n == 0)
		return;
	threads = itr_threads_resolve(threads);
	struct operand x = { a, trans_a ? 1 : lda, trans_a ? lda : 1, m, k }, y = { b, trans_b ? ldb : 1, trans_b ? 1 : ldb, n, k };
	struct output out = { c, ldc, 1, alpha, beta };
	/* few columns: computes the transpose; each sum is the same chain, because multiplication commutes exactly */
	if (n < 4 && n < m) {
		struct operand t = x;
		x = y, y = t;
		out.rs = 1, out.cs = ldc;
	}
	product(itr_gemm_isa_get(), &x, &y, &out, threads);
}

void itr_gemm_bf16(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, float alpha,
                   const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc, int threads)
{
	struct operand x = { a, trans_a ? 1 : lda, trans_a ? lda : 1, m, k }, y = { b, trans_b ? ldb : 1, trans_b ? 1 : ldb, n, k };
	struct output out = { c, ldc, 1, alpha, beta };
	const itr_gemm_isa g = itr_gemm_bf16_isa_get();
	if (m < 0 || n < 0 || k < 0 || ldc < n || lda < (trans_a ? m : k) || ldb < (trans_b ? k : n))
		ITR_BUG("itr_gemm_bf16: impossible shape m %lld n %lld k %lld", (long long)m, (long long)n, (long long)k);
	if (m > 0 && n > 0)
		product(&g, &x, &y, &out, itr_threads_resolve(threads));
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
	struct operand x = { b, ldb, 1, n, k };
	p->g = itr_gemm_isa_get();
	p->n = n;
	p->k = k;
	p->panels = itr_aligned_alloc((size_t)(round_up(n, p->g->nr) * k) * sizeof *p->panels);
	pack_shared(p->g, &x, 0, n, 0, k, p->g->nr, p->panels, itr_threads_resolve(threads));
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

/* The first `lead` columns of C when n0 is inside a panel. */
static void leading_columns(const struct operand *x, const itr_packed *b, int64_t n0, int64_t lead, const struct output *c)
{
	const itr_gemm_isa *g = b->g;
	float s[ITR_GEMM_MAX_MR * ITR_GEMM_MAX_NR] __attribute__((aligned(64))),
		*ap = itr_scratch_take((size_t)(g->mr * b->k) * sizeof *ap);
	for (int64_t i = 0; i < x->rows; i += g->mr) {
		int rows = (int)ITR_MIN((int64_t)g->mr, x->rows - i);
		g->pack(ap, g->mr, x->p + i * x->rs, x->rs, 1, rows, b->k);
		g->tile(rows, b->k, ap, b->panels + n0 / g->nr * g->nr * b->k, s, g->nr, false);
		put(c, i, 0, rows, (int)lead, s + n0 % g->nr, g->nr);
	}
	itr_scratch_give(ap);
}

void itr_gemm_packed(int64_t m, const float *a, int64_t lda, const itr_packed *b, int64_t n0, int64_t n1, float *c, int64_t ldc,
                     int threads)
{
	const itr_gemm_isa *g = b->g;
	struct operand x = { a, lda, 1, m, b->k };
	struct output out = { c, ldc, 1, 1.0f, 0.0f };
	if (n0 < 0 || n1 > b->n || n0 > n1 || ldc < n1 - n0 || lda < b->k)
		ITR_BUG("itr_gemm_packed: columns %lld..%lld of %lld, lda %lld, ldc %lld", (long long)n0, (long long)n1, (long long)b->n,
		        (long long)lda, (long long)ldc);
	if (m <= 0 || n0 == n1)
		return;
	threads = itr_threads_resolve(threads);
	/* columns before the first whole panel, one panel on its own; then the rest */
	int64_t lead = n0 % g->nr ? ITR_MIN(g->nr - n0 % g->nr, n1 - n0) : 0;
	if (lead)
		leading_columns(&x, b, n0, lead, &out);
	struct operand y = { NULL, 0, 1, n1 - n0 - lead, b->k };
	out.p += lead;
	if (y.rows > 0)
		multiply(g, &x, &y, b->panels, n0 + lead, &out, threads);
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
