#include "tensor/depthwise.h"

#include <math.h>
#include <string.h>

#include "base/cpu.h"
#include "base/log.h"
#include "base/parallel.h"
#include "base/scratch.h"
#include "tensor/depthwise_kernel.h"

/* The portable kernels, one lane at a time; the others must give the same bits. */
typedef float V;
enum { LANES = 1 };
#define LOAD(p, n) ((void)(n), *(p))
#define STORE(p, v, n) ((void)(n), *(p) = (v))
#define SPLAT(x) (x)
#define FMA fmaf
#define ADD(a, b) ((a) + (b))
#define MUL(a, b) ((a) * (b))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#include "tensor/depthwise.inc"

static const itr_depthwise_isa plain = { "scalar", row, weight };

static const itr_depthwise_isa *isa(void)
{
#if defined(__x86_64__)
	unsigned f = itr_cpu_features();
	if (f & ITR_CPU_AVX512)
		return &itr_depthwise_avx512;
	if (f & ITR_CPU_AVX2)
		return &itr_depthwise_avx2;
#endif
	return &plain;
}

void itr_depthwise_weights(const itr_conv *g, const float *w, const float *scale, float *taps)
{
	for (int64_t c = 0; c < g->c; c++)
		for (int64_t k = 0; k < g->kh * g->kw; k++)
			taps[k * g->c + c] = scale ? w[c * g->kh * g->kw + k] * scale[c] : w[c * g->kh * g->kw + k];
}

static void check(const itr_conv *g)
{
	if (g->c != g->o || g->groups != g->c || g->dilation != 1)
		ITR_BUG("depthwise: %lld channels, %lld results, %lld groups, dilation %lld", (long long)g->c, (long long)g->o,
		        (long long)g->groups, (long long)g->dilation);
}

enum { SMALL = 1 << 18 };                                 /* numbers: about a tenth of a millisecond */

struct rows_work {
	const itr_depthwise_isa *isa;
	const itr_conv *g;
	itr_conv_plan p;
	itr_depthwise_row row;           /* parameters of all rows */
	const float *x, *taps, *dy;
	float *out;
	int64_t group;                   /* rows a piece */
};

/* The source rows that output row i of image b reads. */
static void set_rows(const struct rows_work *q, itr_depthwise_row *r, int64_t b, int64_t i)
{
	const itr_conv_plan *p = &q->p;
	r->nu = 0;
	for (int u = 0; u < p->nh; u++) {
		const int64_t h = i * p->step + p->eh[u];
		if (h < 0 || h >= p->sh)
			continue;
		r->x[r->nu] = q->x + (b * p->sh + h) * p->sw * p->sc;
		r->w[r->nu++] = q->taps + (int64_t)u * p->nw * p->sc;
	}
}

static void rows_piece(void *ctx, int64_t piece, int worker)
{
	const struct rows_work *q = ctx;
	const itr_conv_plan *p = &q->p;
	itr_depthwise_row r = q->row;
	(void)worker;
	for (int64_t k = piece * q->group; k < ITR_MIN((piece + 1) * q->group, p->batch * p->gh); k++) {
		const int64_t b = k / p->gh, i = k % p->gh;
		set_rows(q, &r, b, i);
		r.out = q->out + ((b * p->dh + p->dh0 + i * p->dstep) * p->dw + p->dw0) * p->dc;
		q->isa->row(&r);
	}
}

static void run_rows(struct rows_work *q, int threads)
{
	const itr_conv_plan *p = &q->p;
	q->isa = isa();
	q->row.nv = p->nw;
	q->row.c = p->sc;
	q->row.sw = p->sw;
	q->row.step = p->step;
	q->row.first = p->nw ? p->ew[0] : 0;
	q->row.n = p->gw;
	q->row.out_step = p->dstep * p->dc;
	/* Small images: one piece for each thread, so that a thread mostly reads rows that it wrote itself in the layer before. */
	const int64_t all = p->batch * p->gh, work = p->gw * p->sc, threads_ = itr_threads_resolve(threads);
	q->group = all * work < SMALL ? (all + threads_ - 1) / threads_ : ITR_MAX((int64_t)1, 16384 / work);
	itr_parallel_for(threads, (p->batch * p->gh + q->group - 1) / q->group, rows_piece, q);
}

/* The plans of conv_plan.h are made for one group; here a "group" is all channels at once. */
static itr_conv whole(const itr_conv *g)
{
	itr_conv d = *g;
	d.groups = 1;
	return d;
}

void itr_depthwise(const itr_conv *g, const float *x, const float *taps, const float *bias, itr_activation a, float *y, int threads)
{
	const itr_conv d = whole(g);
	check(g);
	if (a == ITR_ACT_GELU || a == ITR_ACT_QUICK_GELU)
		ITR_BUG("depthwise: no such activation here");
	struct rows_work q = { .g = g, .p = itr_conv_plan_forward(&d, 0), .x = x, .taps = taps, .out = y };
	q.row.bias = bias;
	q.row.low = a == ITR_ACT_RELU || a == ITR_ACT_RELU6 ? 0.0f : -INFINITY;
	q.row.high = a == ITR_ACT_RELU6 ? 6.0f : INFINITY;
	q.row.hardswish = a == ITR_ACT_HARDSWISH;
	q.row.hardsigmoid = a == ITR_ACT_HARDSIGMOID;
	run_rows(&q, threads);
}

void itr_depthwise_backward_input(const itr_conv *g, const float *dy, const float *w, float beta, float *dx, int threads)
{
	const itr_conv d = whole(g);
	check(g);
	float *taps = itr_scratch_take((size_t)(g->c * g->kh * g->kw) * sizeof *taps);
	for (int64_t ph = 0; ph < ITR_MIN(g->stride, g->h); ph++)
		for (int64_t pw = 0; pw < ITR_MIN(g->stride, g->w); pw++) {
			int th[ITR_CONV_MAX_KERNEL], tw[ITR_CONV_MAX_KERNEL];
			struct rows_work q = { .g = g, .p = itr_conv_plan_input(&d, 0, ph, pw, th, tw), .x = dy, .taps = taps, .out = dx };
			for (int u = 0; u < q.p.nh; u++)
				for (int v = 0; v < q.p.nw; v++)
					for (int64_t c = 0; c < g->c; c++)
						taps[((int64_t)u * q.p.nw + v) * g->c + c] = w[(c * g->kh + th[u]) * g->kw + tw[v]];
			q.row.low = -INFINITY;
			q.row.high = INFINITY;
			q.row.add = beta != 0.0f;
			run_rows(&q, threads);
		}
	itr_scratch_give(taps);
}

/* The share of one image, (KH, KW, C), summed row by row. */
static void weight_piece(void *ctx, int64_t b, int worker)
{
	const struct rows_work *q = ctx;
	const itr_conv_plan *p = &q->p;
	itr_depthwise_row r = q->row;
	const int64_t taps = p->nh * p->nw * p->sc;
	float *dw[ITR_CONV_MAX_KERNEL], *sum = q->out + b * taps;
	(void)worker;
	memset(sum, 0, (size_t)taps * sizeof *sum);
	for (int64_t i = 0; i < p->gh; i++) {
		r.nu = 0;
		for (int u = 0; u < p->nh; u++) {
			const int64_t h = i * p->step + p->eh[u];
			if (h < 0 || h >= p->sh)
				continue;
			r.x[r.nu] = q->x + (b * p->sh + h) * p->sw * p->sc;
			dw[r.nu++] = sum + (int64_t)u * p->nw * p->sc;
		}
		q->isa->weight(&r, q->dy + (b * p->gh + i) * p->gw * p->sc, dw);
	}
}

void itr_depthwise_backward_weight(const itr_conv *g, const float *x, const float *dy, float beta, float *dw, int threads)
{
	const itr_conv d = whole(g);
	const int64_t k = g->kh * g->kw, taps = k * g->c;
	check(g);
	float *sums = itr_scratch_take((size_t)(g->batch * taps) * sizeof *sums);
	struct rows_work q = { .isa = isa(), .g = g, .p = itr_conv_plan_forward(&d, 0), .x = x, .dy = dy, .out = sums };
	q.row.nv = q.p.nw;
	q.row.c = g->c;
	q.row.sw = q.p.sw;
	q.row.step = q.p.step;
	q.row.first = q.p.ew[0];
	q.row.n = q.p.gw;
	itr_parallel_for(threads, g->batch, weight_piece, &q);
	for (int64_t b = 1; b < g->batch; b++)
		for (int64_t i = 0; i < taps; i++)
			sums[i] += sums[b * taps + i];
	for (int64_t c = 0; c < g->c; c++)
		for (int64_t i = 0; i < k; i++)
			dw[c * k + i] = beta != 0.0f ? dw[c * k + i] + sums[i * g->c + c] : sums[i * g->c + c];
	itr_scratch_give(sums);
}
