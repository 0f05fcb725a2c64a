/* Packed fp32 and depthwise convolutions against one chain of fused multiply-adds an output, written plainly: to the bit, whatever kernel,
 * block and number of threads. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/compat.h"
#include "base/rng.h"
#include "tensor/conv.h"
#include "tensor/depthwise.h"

struct shape { int64_t batch, h, w, c, o, kernel, stride, pad; bool bias, residual; itr_activation act; };

/* They end where memory ends: a kernel that reads on dies (no sanitizer sees what assembler reads). */
struct block { void *map; size_t bytes; };
static struct block blocks[16];
static int n_blocks;

static float *numbers(itr_rng *r, int64_t n)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = ((size_t)n * sizeof(float) + page - 1) / page * page;
	char *map = mmap(NULL, bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(map != MAP_FAILED && n_blocks < ITR_LEN(blocks) && mprotect(map + bytes, page, PROT_NONE) == 0);
	blocks[n_blocks++] = (struct block){ map, bytes + page };
	float *x = (float *)(void *)(map + bytes) - n;
	for (int64_t i = 0; i < n; i++)
		x[i] = (float)itr_rng_normal(r);
	return x;
}

/* x (B, H, W, C), w (O, KH, KW, C). */
static float plain(const itr_conv *g, const float *x, const float *w, int64_t b, int64_t i, int64_t j, int64_t o)
{
	float s = 0;
	for (int64_t u = 0; u < g->kh; u++)
		for (int64_t v = 0; v < g->kw; v++)
			for (int64_t c = 0; c < g->c; c++) {
				const int64_t h = i * g->stride - g->top + u, l = j * g->stride - g->left + v;
				const float a = h < 0 || h >= g->h || l < 0 || l >= g->w ? 0.0f : x[((b * g->h + h) * g->w + l) * g->c + c];
				s = fmaf(a, w[((o * g->kh + u) * g->kw + v) * g->c + c], s);
			}
	return s;
}

static float followed(float s, const float *bias, const float *residual, itr_activation a)
{
	float y;
	if (bias)
		s += *bias;
	if (residual)
		s += *residual;
	itr_activate(a, &s, &y, 1);
	return y;
}

static void check_shape(const struct shape *s)
{
	itr_conv g = { .batch = s->batch,
		       .h = s->h,
		       .w = s->w,
		       .c = s->c,
		       .o = s->o,
		       .kh = s->kernel,
		       .kw = s->kernel,
		       .stride = s->stride,
		       .dilation = 1,
		       .groups = 1 };
	itr_rng r;
	itr_rng_seed(&r, 7);
	assert_true(itr_conv_shape(&g, s->pad));
	const int64_t k = g.kh * g.kw * g.c, n = g.batch * g.oh * g.ow * g.o;
	float *x = numbers(&r, g.batch * g.h * g.w * g.c), *w = numbers(&r, g.o * k), *bias = numbers(&r, g.o), *residual = numbers(&r, n),
	      *expected = numbers(&r, n), *y = numbers(&r, n);
	for (int64_t i = 0; i < n; i++) {
		const int64_t o = i % g.o, p = i / g.o;
		expected[i] = followed(plain(&g, x, w, p / (g.oh * g.ow), p / g.ow % g.oh, p % g.ow, o), s->bias ? bias + o : NULL,
		                       s->residual ? residual + i : NULL, s->act);
	}
	itr_packed_weight *f = itr_pack_weight(ITR_COMPUTE_F32, w, g.o, k, k, 1);
	for (int threads = 1; threads <= 3; threads++) {
		const itr_epilogue after = { s->bias ? bias : NULL, s->residual ? residual : NULL, g.o, s->act };
		memset(y, 0xff, (size_t)n * sizeof *y);
		itr_conv_packed_forward(&g, f, x, &after, y, threads);
		for (int64_t i = 0; i < n; i++)
			if (y[i] != expected[i])
				fail_msg("%lldx%lldx%lld -> %lld, kernel %lld, %d threads: element %lld is %.9g, not %.9g", (long long)g.h,
				         (long long)g.w, (long long)g.c, (long long)g.o, (long long)g.kh, threads, (long long)i,
				         (double)y[i], (double)expected[i]);
	}
	itr_packed_weight_free(f);
	while (n_blocks)
		n_blocks--, munmap(blocks[n_blocks].map, blocks[n_blocks].bytes);
}

/* Distances that are multiples of 4 KB, kernels longer than a block, groups of seven that do not come out even, columns that do not fill a
 * panel. */
static void test_packed_is_the_chain(void **state)
{
	static const struct shape shapes[] = {
		{ 1, 7, 7, 1024, 40, 1, 1, 0, true, true, ITR_ACT_RELU },     { 2, 7, 7, 2048, 33, 1, 1, 0, true, false, ITR_ACT_NONE },
		{ 1, 9, 5, 24, 88, 1, 1, 0, true, false, ITR_ACT_HARDSWISH }, { 3, 14, 14, 16, 72, 1, 1, 0, true, true, ITR_ACT_RELU6 },
		{ 2, 8, 8, 256, 48, 1, 2, 0, true, false, ITR_ACT_RELU },     { 1, 13, 11, 96, 16, 1, 1, 0, true, true, ITR_ACT_NONE },
		{ 2, 5, 5, 6, 5, 1, 1, 0, false, true, ITR_ACT_RELU },        { 1, 28, 28, 64, 300, 1, 1, 0, true, false, ITR_ACT_GELU },
		{ 1, 6, 6, 1600, 20, 1, 1, 0, false, false, ITR_ACT_NONE },   { 1, 14, 14, 512, 36, 3, 2, 1, true, false, ITR_ACT_RELU },
		{ 2, 7, 7, 512, 34, 3, 1, 1, true, true, ITR_ACT_RELU },      { 1, 30, 28, 3, 64, 7, 2, 3, true, false, ITR_ACT_RELU },
		{ 2, 16, 9, 64, 20, 3, 1, 1, true, true, ITR_ACT_HARDSWISH }, { 1, 12, 12, 70, 10, 5, 1, 2, false, true, ITR_ACT_NONE },
		{ 1, 56, 56, 64, 64, 3, 1, 1, true, false, ITR_ACT_RELU },
	};
	(void)state;
	for (int i = 0; i < ITR_LEN(shapes); i++)
		check_shape(&shapes[i]);
}

/* Each channel by itself: the taps inside of the picture, in order, then bias and activation. */
static float plain_channel(const itr_conv *g, const float *x, const float *w, int64_t b, int64_t i, int64_t j, int64_t c)
{
	float s = 0;
	for (int64_t u = 0; u < g->kh; u++)
		for (int64_t v = 0; v < g->kw; v++) {
			const int64_t h = i * g->stride - g->top + u, l = j * g->stride - g->left + v;
			if (h >= 0 && h < g->h && l >= 0 && l < g->w)
				s = fmaf(x[((b * g->h + h) * g->w + l) * g->c + c], w[(c * g->kh + u) * g->kw + v], s);
		}
	return s;
}

static void test_depthwise_is_the_chain(void **state)
{
	static const struct { int64_t h, w, c, kernel, stride; itr_activation act;
	} shapes[] = {
		{ 14, 14, 40, 5, 1, ITR_ACT_NONE }, { 7, 7, 19, 5, 1, ITR_ACT_RELU },  { 15, 13, 16, 3, 2, ITR_ACT_RELU6 },
		{ 28, 30, 33, 3, 1, ITR_ACT_NONE }, { 9, 17, 48, 5, 2, ITR_ACT_RELU }, { 3, 2, 5, 3, 1, ITR_ACT_NONE },
		{ 2, 3, 24, 5, 1, ITR_ACT_NONE },   { 11, 12, 3, 7, 1, ITR_ACT_RELU }, { 1, 1, 20, 5, 2, ITR_ACT_NONE },
	};
	(void)state;
	for (int k = 0; k < ITR_LEN(shapes); k++) {
		const int64_t c = shapes[k].c, kernel = shapes[k].kernel;
		itr_conv g = { .batch = 2,
			       .h = shapes[k].h,
			       .w = shapes[k].w,
			       .c = c,
			       .o = c,
			       .kh = kernel,
			       .kw = kernel,
			       .stride = shapes[k].stride,
			       .dilation = 1,
			       .groups = c };
		itr_rng r;
		itr_rng_seed(&r, 8);
		assert_true(itr_conv_shape(&g, kernel / 2));
		const int64_t n = g.batch * g.oh * g.ow * c;
		float *x = numbers(&r, g.batch * g.h * g.w * c), *w = numbers(&r, c * kernel * kernel),
		      *taps = numbers(&r, c * kernel * kernel), *bias = numbers(&r, c), *y = numbers(&r, n);
		itr_depthwise_weights(&g, w, NULL, taps);
		for (int threads = 1; threads <= 3; threads++) {
			itr_depthwise(&g, x, taps, bias, shapes[k].act, y, threads);
			for (int64_t i = 0; i < n; i++) {
				const int64_t p = i / c;
				const float e = followed(plain_channel(&g, x, w, p / (g.oh * g.ow), p / g.ow % g.oh, p % g.ow, i % c),
				                         bias + i % c, NULL, shapes[k].act);
				if (y[i] != e)
					fail_msg("shape %d, %d threads: element %lld is %.9g, not %.9g", k, threads, (long long)i,
					         (double)y[i], (double)e);
			}
		}
		while (n_blocks)
			n_blocks--, munmap(blocks[n_blocks].map, blocks[n_blocks].bytes);
	}
}

/* NaN and infinity go through what follows the sums as they do elsewhere. */
static void test_not_a_number(void **state)
{
	(void)state;
	static const itr_activation acts[] = { ITR_ACT_NONE, ITR_ACT_RELU, ITR_ACT_RELU6, ITR_ACT_HARDSWISH };
	const float in[] = { NAN, INFINITY, -INFINITY, -0.0f, 1, -1, 7 };
	for (int a = 0; a < ITR_LEN(acts); a++) {
		itr_conv g = { .batch = 1, .h = 7, .w = 2, .c = 1, .o = 17, .kh = 1, .kw = 1, .stride = 1, .dilation = 1, .groups = 1 };
		float x[14], w[17], bias[17] = { 0 }, y[14 * 17];
		assert_true(itr_conv_shape(&g, 0));
		for (int i = 0; i < 14; i++)
			x[i] = in[i % 7];
		for (int i = 0; i < 17; i++)
			w[i] = 1;
		itr_packed_weight *f = itr_pack_weight(ITR_COMPUTE_F32, w, 17, 1, 1, 1);
		itr_conv_packed_forward(&g, f, x, &(itr_epilogue){ .bias = bias, .activation = acts[a] }, y, 1);
		for (int i = 0; i < 14 * 17; i++) {
			const float e = followed(fmaf(x[i / 17], 1, 0), bias, NULL, acts[a]);
			if (isnan(e) ? !isnan(y[i]) : y[i] != e)
				fail_msg("activation %d of %g: %g, not %g", a, (double)x[i / 17], (double)y[i], (double)e);
		}
		itr_packed_weight_free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_packed_is_the_chain), cmocka_unit_test(test_depthwise_is_the_chain),
		                            cmocka_unit_test(test_not_a_number) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
