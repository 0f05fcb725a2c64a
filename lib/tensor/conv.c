#include "tensor/conv.h"

#include <string.h>

#include "base/cpu.h"
#include "base/log.h"
#include "base/parallel.h"
#include "base/scratch.h"
#include "tensor/conv_direct.h"
#include "tensor/conv_int8.h"
#include "tensor/dtype.h"
#include "tensor/packed_weight_kernel.h"
#include "tensor/gemm.h"

/* PATCH_FLOATS: patches of one piece, which fit into the second-level cache. WEIGHT_ROWS: rows that one product of the weight gradient
 * sums. */
enum { PATCH_FLOATS = 96 << 10, WEIGHT_ROWS = 2048, FEW_ROWS = 28 };

static int64_t div_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

static bool one_side(int64_t size, int64_t k, int64_t stride, int64_t dilation, int64_t pad, int64_t *before, int64_t *out)
{
	const int64_t span = dilation * (k - 1) + 1;
	if (pad == ITR_PAD_SAME) {
		*out = div_up(size, stride);
		*before = ITR_MAX((*out - 1) * stride + span - size, (int64_t)0) / 2;
		return true;
	}
	*before = pad;
	*out = size + 2 * pad < span ? 0 : (size + 2 * pad - span) / stride + 1;
	return *out > 0;
}

bool itr_conv_shape(itr_conv *g, int64_t pad)
{
	if (g->batch < 1 || g->h < 1 || g->w < 1 || g->c < 1 || g->o < 1 || g->kh < 1 || g->kw < 1 || g->kh > ITR_CONV_MAX_KERNEL ||
	    g->kw > ITR_CONV_MAX_KERNEL || g->stride < 1 || g->dilation < 1 || g->groups < 1 || g->c % g->groups || g->o % g->groups ||
	    pad < ITR_PAD_SAME)
		return false;
	return one_side(g->h, g->kh, g->stride, g->dilation, pad, &g->top, &g->oh) &&
	       one_side(g->w, g->kw, g->stride, g->dilation, pad, &g->left, &g->ow);
}

double itr_conv_flops(const itr_conv *g)
{
	return 2.0 * (double)(g->batch * g->oh * g->ow) * (double)g->o * (double)(g->c / g->groups * g->kh * g->kw);
}

/* A 1x1 kernel with stride 1: the input itself is the left operand. */
static bool pointwise(const itr_conv *g)
{
	return g->kh == 1 && g->kw == 1 && g->stride == 1 && g->top == 0 && g->left == 0 && g->oh == g->h && g->ow == g->w;
}

/* --- plans ---------------------------------------------------------------------------------------------------------------------------- */

itr_conv_plan itr_conv_plan_forward(const itr_conv *g, int64_t group)
{
	const int64_t cn = g->c / g->groups, on = g->o / g->groups;
	itr_conv_plan p = { .batch = g->batch,
		            .sh = g->h,
		            .sw = g->w,
		            .sc = g->c,
		            .c0 = group * cn,
		            .cn = cn,
		            .nh = (int)g->kh,
		            .nw = (int)g->kw,
		            .step = g->stride,
		            .gh = g->oh,
		            .gw = g->ow,
		            .dh = g->oh,
		            .dw = g->ow,
		            .dc = g->o,
		            .dstep = 1,
		            .o0 = group * on,
		            .n = on };
	for (int i = 0; i < p.nh; i++)
		p.eh[i] = i * g->dilation - g->top;
	for (int i = 0; i < p.nw; i++)
		p.ew[i] = i * g->dilation - g->left;
	return p;
}

/* The kernel taps of one axis that reach the input positions first, first + stride, ...: their offsets in dy, ascending, and their indices.
 */
static int phase_taps(int64_t k, int64_t stride, int64_t dilation, int64_t before, int64_t first, int64_t *offset, int *tap)
{
	int n = 0;
	for (int64_t i = k - 1; i >= 0; i--) {
		const int64_t at = first + before - i * dilation;
		if (at % stride == 0) {
			offset[n] = at / stride;
			tap[n++] = (int)i;
		}
	}
	return n;
}

itr_conv_plan itr_conv_plan_input(const itr_conv *g, int64_t group, int64_t ph, int64_t pw, int *taps_h, int *taps_w)
{
	const int64_t cn = g->c / g->groups, on = g->o / g->groups;
	itr_conv_plan p = { .batch = g->batch,
		            .sh = g->oh,
		            .sw = g->ow,
		            .sc = g->o,
		            .c0 = group * on,
		            .cn = on,
		            .step = 1,
		            .gh = div_up(g->h - ph, g->stride),
		            .gw = div_up(g->w - pw, g->stride),
		            .dh = g->h,
		            .dw = g->w,
		            .dc = g->c,
		            .dh0 = ph,
		            .dw0 = pw,
		            .dstep = g->stride,
		            .o0 = group * cn,
		            .n = cn };
	p.nh = phase_taps(g->kh, g->stride, g->dilation, g->top, ph, p.eh, taps_h);
	p.nw = phase_taps(g->kw, g->stride, g->dilation, g->left, pw, p.ew, taps_w);
	return p;
}

/* --- patches -------------------------------------------------------------------------------------------------------------------------- */

static char *copy_bytes(char *to, const char *from, size_t bytes)
{
	memcpy(to, from, bytes);
	return to + bytes;
}

static char *zero_bytes(char *to, size_t bytes)
{
	memset(to, 0, bytes);
	return to + bytes;
}

void itr_conv_patches(const itr_conv_plan *p, const void *x, size_t element, int64_t row, int64_t rows, void *dst)
{
	const bool dense = p->cn == p->sc && p->nw && p->ew[p->nw - 1] - p->ew[0] == p->nw - 1;
	const int64_t pixel = p->sc * (int64_t)element;
	const size_t run = (size_t)p->cn * element;
	char *to = dst;
	for (int64_t r = row; r < row + rows; r++) {
		const int64_t b = r / (p->gh * p->gw), i = r / p->gw % p->gh * p->step, j = r % p->gw * p->step;
		const bool inside = dense && j + p->ew[0] >= 0 && j + p->ew[p->nw - 1] < p->sw;
		for (int u = 0; u < p->nh; u++) {
			const int64_t h = i + p->eh[u];
			const char *line = (const char *)x + ((b * p->sh + h) * p->sw + j) * pixel + p->c0 * (int64_t)element;
			if (h < 0 || h >= p->sh)
				to = zero_bytes(to, (size_t)p->nw * run);
			else if (inside)
				to = copy_bytes(to, line + p->ew[0] * pixel, (size_t)p->nw * run);
			else
				for (int v = 0; v < p->nw; v++) {
					const int64_t w = j + p->ew[v];
					to = w < 0 || w >= p->sw ? zero_bytes(to, run) : copy_bytes(to, line + p->ew[v] * pixel, run);
				}
		}
	}
}

/* --- products of patches -------------------------------------------------------------------------------------------------------------- */

struct patch_work {
	const itr_conv_plan *p;
	const float *x;
	const itr_packed *packed;        /* weights (n, k) */
	int64_t k, m, rows;
	float beta, *out, *scratch;
};

static void put_rows(const struct patch_work *q, int64_t row, int64_t rows, const float *s)
{
	const itr_conv_plan *p = q->p;
	for (int64_t r = row; r < row + rows; r++, s += p->n) {
		const int64_t b = r / (p->gh * p->gw), i = r / p->gw % p->gh, j = r % p->gw;
		float *d = q->out + ((b * p->dh + p->dh0 + i * p->dstep) * p->dw + p->dw0 + j * p->dstep) * p->dc + p->o0;
		if (q->beta == 0.0f)
			memcpy(d, s, (size_t)p->n * sizeof *d);
		else
			for (int64_t l = 0; l < p->n; l++)
				d[l] += s[l];
	}
}

static void patch_piece(void *ctx, int64_t piece, int worker)
{
	const struct patch_work *q = ctx;
	const int64_t row = piece * q->rows, rows = ITR_MIN(q->rows, q->m - row);
	float *a = q->scratch + worker * q->rows * (q->k + q->p->n), *c = a + q->rows * q->k;
	itr_conv_patches(q->p, q->x, sizeof *q->x, row, rows, a);
	itr_gemm_packed(rows, a, q->k, q->packed, 0, q->p->n, c, q->p->n, 1);
	put_rows(q, row, rows, c);
}

/* out = beta out + patches (m, k) w^T (k, n). */
static void patch_product(const itr_conv_plan *p, const float *x, const float *w, float beta, float *out, int threads)
{
	if (itr_direct_fits(p)) {
		const int64_t k = p->nh * p->nw * p->cn;
		itr_packed *panels = itr_pack_rows(w, p->n, k, k, threads);
		itr_direct_run(p, x, itr_packed_panel(panels, 0), &(itr_epilogue){ .residual = beta != 0.0f ? out : NULL }, out, threads);
		itr_packed_free(panels);
		return;
	}
	struct patch_work q = { .p = p, .x = x, .k = p->nh * p->nw * p->cn, .m = p->batch * p->gh * p->gw, .beta = beta, .out = out };
	itr_packed *packed = itr_pack_rows(w, p->n, q.k, q.k, threads);
	q.packed = packed;
	q.rows = ITR_MIN(ITR_MAX(PATCH_FLOATS / ITR_MAX(q.k, (int64_t)1) / 28 * 28, (int64_t)28), q.m);
	threads = itr_threads_resolve(threads);
	q.scratch = itr_scratch_take((size_t)(threads * q.rows * (q.k + p->n)) * sizeof(float));
	itr_parallel_for(threads, div_up(q.m, q.rows), patch_piece, &q);
	itr_scratch_give(q.scratch);
	itr_packed_free(packed);
}

/* --- weights in the order of patches -------------------------------------------------------------------------------------------------- */

void itr_conv_weight_rows(const itr_conv *g, const float *w, float *rows)
{
	const int64_t cn = g->c / g->groups, taps = g->kh * g->kw;
	for (int64_t o = 0; o < g->o; o++, w += cn * taps, rows += cn * taps)
		for (int64_t i = 0; i < cn; i++)
			for (int64_t k = 0; k < taps; k++)
				rows[k * cn + i] = w[i * taps + k];
}

static void weight_rows_back(const itr_conv *g, const float *rows, float beta, float *w)
{
	const int64_t cn = g->c / g->groups, taps = g->kh * g->kw;
	for (int64_t o = 0; o < g->o; o++, w += cn * taps, rows += cn * taps)
		for (int64_t i = 0; i < cn; i++)
			for (int64_t k = 0; k < taps; k++)
				w[i * taps + k] = beta != 0.0f ? w[i * taps + k] + rows[k * cn + i] : rows[k * cn + i];
}

/* Weights of one group and one residue modulo the stride, (cn, taps x on): the right operand for patches of dy. */
static void phase_weights(const itr_conv *g, int64_t group, const itr_conv_plan *p, const int *taps_h, const int *taps_w, const float *w,
                          float *rows)
{
	const int64_t cn = p->n, on = p->cn;
	for (int64_t c = 0; c < cn; c++)
		for (int u = 0; u < p->nh; u++)
			for (int v = 0; v < p->nw; v++, rows += on)
				for (int64_t o = 0; o < on; o++)
					rows[o] = w[(((group * on + o) * cn + c) * g->kh + taps_h[u]) * g->kw + taps_w[v]];
}

/* --- the three products --------------------------------------------------------------------------------------------------------------- */

struct halving {
	const float *x;
	uint16_t *to;
	int64_t n;
};
enum { HALVED = 1 << 15 };

static void halve_piece(void *ctx, int64_t i, int worker)
{
	const struct halving *q = ctx;
	(void)worker;
	itr_bf16_from_f32_n(q->to + i * HALVED, q->x + i * HALVED, ITR_MIN((int64_t)HALVED, q->n - i * HALVED));
}

/* An array of n floats rounded to bfloat16 once; free with itr_scratch_give. */
static uint16_t *halved(const float *x, int64_t n, int threads)
{
	struct halving q = { x, itr_scratch_take((size_t)n * sizeof *q.to), n };
	itr_parallel_for(threads, div_up(n, HALVED), halve_piece, &q);
	return q.to;
}

void itr_conv_forward(const itr_conv *g, itr_compute compute, const float *x, const float *w, float *y, int threads)
{
	const int64_t cn = g->c / g->groups, on = g->o / g->groups, m = g->batch * g->oh * g->ow, taps = g->kh * g->kw;
	if (compute == ITR_COMPUTE_BF16) {
		uint16_t *half = halved(x, g->batch * g->h * g->w * g->c, threads);
		itr_conv_forward_bf16(g, half, w, y, true, threads);
		itr_scratch_give(half);
		return;
	}
	if (pointwise(g)) {
		for (int64_t k = 0; k < g->groups; k++)
			itr_gemm(false, true, m, on, cn, 1, x + k * cn, g->c, w + k * on * cn, cn, 0, y + k * on, g->o, threads);
		return;
	}
	float *rows = itr_scratch_take((size_t)(g->o * cn * taps) * sizeof *rows);
	itr_conv_weight_rows(g, w, rows);
	for (int64_t k = 0; k < g->groups; k++) {
		const itr_conv_plan p = itr_conv_plan_forward(g, k);
		patch_product(&p, x, rows + k * on * cn * taps, 0, y, threads);
	}
	itr_scratch_give(rows);
}

static void zero_phase(const itr_conv_plan *p, float *dx)
{
	for (int64_t b = 0; b < p->batch; b++)
		for (int64_t i = 0; i < p->gh; i++)
			for (int64_t j = 0; j < p->gw; j++)
				memset(dx + ((b * p->dh + p->dh0 + i * p->dstep) * p->dw + p->dw0 + j * p->dstep) * p->dc + p->o0, 0,
				       (size_t)p->n * sizeof *dx);
}

void itr_conv_backward_input(const itr_conv *g, itr_compute compute, const float *dy, const float *w, float beta, float *dx, int threads)
{
	const int64_t cn = g->c / g->groups, on = g->o / g->groups;
	if (compute == ITR_COMPUTE_BF16) {
		uint16_t *half = halved(dy, g->batch * g->oh * g->ow * g->o, threads);
		itr_conv_backward_input_bf16(g, half, w, beta, dx, true, threads);
		itr_scratch_give(half);
		return;
	}
	if (pointwise(g)) {
		for (int64_t k = 0; k < g->groups; k++)
			itr_gemm(false, false, g->batch * g->h * g->w, cn, on, 1, dy + k * on, g->o, w + k * on * cn, cn, beta, dx + k * cn,
			         g->c, threads);
		return;
	}
	float *rows = itr_scratch_take((size_t)(on * cn * g->kh * g->kw) * sizeof *rows);
	for (int64_t k = 0; k < g->groups; k++)
		for (int64_t ph = 0; ph < ITR_MIN(g->stride, g->h); ph++)
			for (int64_t pw = 0; pw < ITR_MIN(g->stride, g->w); pw++) {
				int taps_h[ITR_CONV_MAX_KERNEL], taps_w[ITR_CONV_MAX_KERNEL];
				const itr_conv_plan p = itr_conv_plan_input(g, k, ph, pw, taps_h, taps_w);
				if (p.nh && p.nw) {
					phase_weights(g, k, &p, taps_h, taps_w, w, rows);
					patch_product(&p, dy, rows, beta, dx, threads);
				} else if (beta == 0.0f)
					zero_phase(&p, dx);
			}
	itr_scratch_give(rows);
}

struct fill_work {
	const itr_conv_plan *p;
	const float *x;
	int64_t k, row, rows;
	float *dst;
};

static void fill_piece(void *ctx, int64_t i, int worker)
{
	const struct fill_work *q = ctx;
	(void)worker;
	itr_conv_patches(q->p, q->x, sizeof *q->x, q->row + i * 64, ITR_MIN((int64_t)64, q->rows - i * 64), q->dst + i * 64 * q->k);
}

/* dw (on, k) of one group = dy^T patches, WEIGHT_ROWS rows of both at a time. Shorter chains also make the sums more accurate. */
static void weight_group(const itr_conv *g, int64_t group, const float *x, const float *dy, float *rows, int threads)
{
	const itr_conv_plan p = itr_conv_plan_forward(g, group);
	const int64_t k = p.nh * p.nw * p.cn, m = g->batch * g->oh * g->ow, step = ITR_MIN((int64_t)WEIGHT_ROWS, m);
	float *patches = itr_scratch_take((size_t)(step * k) * sizeof *patches);
	for (int64_t r = 0; r < m; r += step) {
		struct fill_work q = { &p, x, k, r, ITR_MIN(step, m - r), patches };
		itr_parallel_for(threads, div_up(q.rows, 64), fill_piece, &q);
		itr_gemm(true, false, p.n, k, q.rows, 1, dy + r * g->o + p.o0, g->o, patches, k, r ? 1.0f : 0.0f, rows, k, threads);
	}
	itr_scratch_give(patches);
}

void itr_conv_backward_weight(const itr_conv *g, itr_compute compute, const float *x, const float *dy, float beta, float *dw, int threads)
{
	const int64_t cn = g->c / g->groups, on = g->o / g->groups, taps = g->kh * g->kw;
	if (compute == ITR_COMPUTE_BF16) {
		uint16_t *half_x = halved(x, g->batch * g->h * g->w * g->c, threads),
			 *half_dy = halved(dy, g->batch * g->oh * g->ow * g->o, threads);
		itr_conv_backward_weight_bf16(g, half_x, half_dy, beta, dw, threads);
		itr_scratch_give(half_x);
		itr_scratch_give(half_dy);
		return;
	}
	if (pointwise(g)) {
		for (int64_t k = 0; k < g->groups; k++)
			itr_gemm(true, false, on, cn, g->batch * g->h * g->w, 1, dy + k * on, g->o, x + k * cn, g->c, beta,
			         dw + k * on * cn, cn, threads);
		return;
	}
	float *rows = itr_scratch_take((size_t)(g->o * cn * taps) * sizeof *rows);
	for (int64_t k = 0; k < g->groups; k++)
		weight_group(g, k, x, dy, rows + k * on * cn * taps, threads);
	weight_rows_back(g, rows, beta, dw);
	itr_scratch_give(rows);
}

/* --- packed --------------------------------------------------------------------------------------------------------------------------- */

struct packed_source {
	itr_conv_plan p;
	const float *x;
};

static void packed_rows(const void *ctx, int64_t row, int64_t rows, float *dst)
{
	const struct packed_source *s = ctx;
	itr_conv_patches(&s->p, s->x, sizeof *s->x, row, rows, dst);
}

static float *copy_run(float *to, const float *from, int64_t n)
{
	return (float *)copy_bytes((char *)to, (const char *)from, (size_t)n * sizeof *to);
}
static float *zero_run(float *to, int64_t n) { return (float *)zero_bytes((char *)to, (size_t)n * sizeof *to); }

itr_packed_weight *itr_conv_pack_weight(const itr_conv *g, itr_compute compute, const float *rows, const itr_bias_correction *x,
                                        int threads)
{
	const int64_t run = g->kw * g->c, wide = compute == ITR_COMPUTE_INT8 && itr_conv_int8_fits(g) ? itr_conv_int8_run(g) : run;
	float *all = itr_scratch_take((size_t)((g->o + 1) * g->kh * wide) * sizeof *all), *mean = all + g->o * g->kh * wide;
	for (int64_t r = 0; r < g->o * g->kh; r++)
		zero_run(copy_run(all + r * wide, rows + r * run, run), wide - run);
	for (int64_t i = 0; x && x->mean && i < g->kh; i++) {
		float *to = mean + i * wide;
		for (int64_t j = 0; j < g->kw; j++)
			to = copy_run(to, x->mean, g->c);
		zero_run(to, wide - run);
	}
	itr_packed_weight *f = itr_pack_weight_corrected(compute, all, g->o, g->kh * wide, g->kh * wide,
	                                     x ? &(itr_bias_correction){ x->mean ? mean : NULL, x->correction } : NULL, threads);
	itr_scratch_give(all);
	return f;
}

void itr_conv_packed_forward(const itr_conv *g, const itr_packed_weight *w, const float *x, const itr_epilogue *epilogue, float *y,
                             int threads)
{
	const int64_t m = g->batch * g->oh * g->ow;
	const bool whole = itr_packed_weight_compute(w) == ITR_COMPUTE_INT8 && itr_conv_int8_fits(g);
	if (g->groups != 1 || itr_packed_weight_k(w) != g->kh * (whole ? itr_conv_int8_run(g) : g->kw * g->c) ||
	    itr_packed_weight_n(w) != g->o)
		ITR_BUG("itr_conv_packed_forward: weights (%lld, %lld) for %lld channels, kernel %lld x %lld",
		        (long long)itr_packed_weight_n(w), (long long)itr_packed_weight_k(w), (long long)g->c, (long long)g->kh,
		        (long long)g->kw);
	if (whole && (m >= FEW_ROWS || !pointwise(g))) {
		itr_conv_int8(g, w, x, epilogue, y, threads);
		return;
	}
	const struct packed_source s = { itr_conv_plan_forward(g, 0), x };
	if (itr_packed_weight_compute(w) == ITR_COMPUTE_F32 && itr_pointwise_fits(&s.p)) {
		itr_pointwise_run(&s.p, x, itr_packed_weight_panels(w), epilogue, y, threads);
		return;
	}
	if (pointwise(g)) {
		itr_packed_weight_product(w, m, x, g->c, epilogue, y, g->o, threads);
		return;
	}
	if (itr_packed_weight_compute(w) == ITR_COMPUTE_F32 && itr_direct_fits(&s.p)) {
		itr_direct_run(&s.p, x, itr_packed_weight_panels(w), epilogue, y, threads);
		return;
	}
	itr_packed_weight_product_from(w, m, packed_rows, &s, epilogue, y, g->o, threads);
}
