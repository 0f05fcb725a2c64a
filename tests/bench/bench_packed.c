/* Products with packed weights (tensor/packed_weight.h) at the shapes of the encoders: GFLOP/s, best of a few repeats, fp32, bf16 and int8,
 * plain and with everything that may follow. One JSON object a line. bench_packed [SHAPE [PRECISION [THREADS]]]: by number; -1: all. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "tensor/packed_weight.h"

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct shape { const char *what; int m, n, k; itr_activation act; bool residual; };

static const struct shape shapes[] = {
	{ "clip b32 qkv", 1600, 2304, 768, ITR_ACT_NONE, false },
	{ "clip b32 projection", 1600, 768, 768, ITR_ACT_NONE, true },
	{ "clip b32 mlp up", 1600, 3072, 768, ITR_ACT_QUICK_GELU, false },
	{ "clip b32 mlp down", 1600, 768, 3072, ITR_ACT_NONE, true },
	{ "bert 32x32 mlp up", 1024, 3072, 768, ITR_ACT_GELU, false },
	{ "256", 256, 3072, 768, ITR_ACT_NONE, false },
	{ "clip b1 qkv", 50, 2304, 768, ITR_ACT_NONE, false },
	{ "clip b1 mlp up", 50, 3072, 768, ITR_ACT_QUICK_GELU, false },
	{ "clip b1 mlp down", 50, 768, 3072, ITR_ACT_NONE, true },
	{ "32 rows", 32, 3072, 768, ITR_ACT_GELU, false },
	{ "7 rows", 7, 3072, 768, ITR_ACT_GELU, false },
	{ "1 row", 1, 3072, 768, ITR_ACT_GELU, false },
	{ "minilm 32x16", 512, 1536, 384, ITR_ACT_GELU, false },
	{ "1x1 conv 56^2", 3136, 256, 64, ITR_ACT_RELU, true },
	{ "1x1 conv 14^2", 6272, 256, 1024, ITR_ACT_RELU, false },
	{ "1x1 conv 112^2", 12544, 96, 16, ITR_ACT_RELU6, false },
};

static double best(const struct shape *s, const itr_packed_weight *f, int threads, const float *a, const itr_epilogue *after, float *c)
{
	double t = 1e9, spent = 0;
	for (int r = 0; r < 2000 && (r < 3 || spent < 0.25); r++) {
		double t0 = now();
		itr_packed_weight_product(f, s->m, a, s->k, after, c, s->n, threads);
		double d = now() - t0;
		spent += d;
		t = d < t ? d : t;
	}
	return 2e-9 * s->m * s->n * s->k / t;
}

int main(int argc, char **argv)
{
	const int only = argc > 1 ? atoi(argv[1]) : -1, precision = argc > 2 ? atoi(argv[2]) : -1,
		  only_threads = argc > 3 ? atoi(argv[3]) : 0;
	for (int i = 0; i < ITR_LEN(shapes); i++) {
		const struct shape *s = shapes + i;
		const size_t na = (size_t)s->m * (size_t)s->k, nb = (size_t)s->n * (size_t)s->k, nc = (size_t)s->m * (size_t)s->n;
		if (only >= 0 && only != i)
			continue;
		float *a = itr_aligned_alloc(na * 4), *b = itr_aligned_alloc(nb * 4), *c = itr_aligned_calloc(nc * 4),
		      *res = itr_aligned_calloc(nc * 4);
		for (size_t j = 0; j < na; j++)
			a[j] = (float)(j % 31) - 15;
		for (size_t j = 0; j < nb; j++)
			b[j] = (float)(j % 29) / 100 - 0.14f;
		for (int p = 0; p < 3; p++) {
			if (precision >= 0 && precision != p)
				continue;
			const double t0 = now();
			itr_packed_weight *f = itr_pack_weight((itr_compute)p, b, s->n, s->k, s->k, 2);
			const double packing = now() - t0;
			const itr_epilogue after = { b, s->residual ? res : NULL, s->n, s->act };
			for (int threads = only_threads ? only_threads : 1; threads <= (only_threads ? only_threads : 2); threads++)
				printf("{\"shape\": \"%s\", \"m\": %d, \"n\": %d, \"k\": %d, \"precision\": \"%s\", \"kernel\": \"%s\", "
				       "\"threads\": %d, \"gflops\": %.1f, \"with_all_gflops\": %.1f, \"pack_ms\": %.1f}\n",
				       s->what, s->m, s->n, s->k, itr_compute_names[p], itr_packed_weight_kernel(f), threads,
				       best(s, f, threads, a, NULL, c), best(s, f, threads, a, &after, c), 1e3 * packing);
			fflush(stdout);
			itr_packed_weight_free(f);
		}
		itr_aligned_free(a), itr_aligned_free(b), itr_aligned_free(c), itr_aligned_free(res);
	}
	return 0;
}
