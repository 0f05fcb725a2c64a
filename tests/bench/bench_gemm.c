/* itr_gemm against OpenBLAS on the shapes that matter: GFLOP/s, best of a few repeats, for 1 and 2 threads. Prints one JSON object a line.
 * bench_gemm [SHAPE [cpu]]: one shape by number (-1: all); "cpu": one thread only, by its CPU time, for a machine that is not idle. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "tensor/gemm.h"

void sgemm_(const char *, const char *, const int *, const int *, const int *, const float *, const float *, const int *, const float *,
            const int *, const float *, float *, const int *);
void openblas_set_num_threads(int);

static clockid_t clock_used = CLOCK_MONOTONIC;

static double now(void)
{
	struct timespec t;
	clock_gettime(clock_used, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct shape { const char *what; bool ta, tb; int m, n, k; };

static const struct shape shapes[] = {
	{ "square", 0, 1, 1024, 1024, 1024 },         { "square", 0, 1, 2048, 2048, 2048 },  { "scores", 0, 1, 5000, 1000, 512 },
	{ "queries", 0, 1, 256, 100000, 512 },        { "forward", 0, 1, 256, 2048, 1024 },  { "input gradient", 0, 0, 256, 1024, 2048 },
	{ "weight gradient", 1, 0, 2048, 1024, 256 }, { "batch 64", 0, 1, 64, 4096, 1024 },  { "batch 16", 0, 1, 16, 20000, 512 },
	{ "batch 7", 0, 1, 7, 100000, 512 },          { "one query", 0, 1, 1, 100000, 512 }, { "small", 0, 1, 100, 100, 100 },
	{ "long K", 1, 0, 512, 512, 20000 },
};

enum { OURS, PACKED, OPENBLAS, PEERS };

static double best(const struct shape *s, int who, int threads, const float *a, const float *b, const itr_packed *p, float *c)
{
	int lda = s->ta ? s->m : s->k, ldb = s->tb ? s->k : s->n;
	float one = 1, zero = 0;
	double t = 1e9, spent = 0;
	openblas_set_num_threads(threads);
	for (int r = 0; r < 200 && (r < 3 || spent < 0.4); r++) {
		double t0 = now();
		if (who == OURS)
			itr_gemm(s->ta, s->tb, s->m, s->n, s->k, 1, a, lda, b, ldb, 0, c, s->n, threads);
		else if (who == PACKED)
			itr_gemm_packed(s->m, a, lda, p, 0, s->n, c, s->n, threads);
		else                                               /* column-major: C^T = B^T A^T */
			sgemm_(s->tb ? "T" : "N", s->ta ? "T" : "N", &s->n, &s->m, &s->k, &one, b, &ldb, a, &lda, &zero, c, &s->n);
		double d = now() - t0;
		spent += d;
		t = d < t ? d : t;
	}
	return 2e-9 * s->m * s->n * s->k / t;
}

int main(int argc, char **argv)
{
	int only = argc > 1 ? atoi(argv[1]) : -1;
	if (argc > 2)
		clock_used = CLOCK_THREAD_CPUTIME_ID;
	for (int i = 0; i < ITR_LEN(shapes); i++) {
		const struct shape *s = shapes + i;
		size_t na = (size_t)s->m * (size_t)s->k, nb = (size_t)s->n * (size_t)s->k, nc = (size_t)s->m * (size_t)s->n;
		float *a = itr_aligned_alloc(na * 4), *b = itr_aligned_alloc(nb * 4), *c = itr_aligned_calloc(nc * 4);
		if (only >= 0 && only != i)
			continue;
		for (size_t j = 0; j < na; j++)
			a[j] = (float)(j % 31) - 15;
		for (size_t j = 0; j < nb; j++)
			b[j] = (float)(j % 29) - 14;
		itr_packed *p = s->tb && !s->ta ? itr_pack_rows(b, s->n, s->k, s->k, 0) : NULL;
		for (int threads = 1; threads <= (argc > 2 ? 1 : 2); threads++)
			printf("{\"shape\": \"%s\", \"m\": %d, \"n\": %d, \"k\": %d, \"threads\": %d, \"itr_gflops\": %.1f, "
			       "\"itr_packed_gflops\": %.1f, \"openblas_gflops\": %.1f}\n",
			       s->what, s->m, s->n, s->k, threads, best(s, OURS, threads, a, b, NULL, c),
			       p ? best(s, PACKED, threads, a, b, p, c) : 0, best(s, OPENBLAS, threads, a, b, NULL, c));
		fflush(stdout);
		itr_packed_free(p);
		itr_aligned_free(a), itr_aligned_free(b), itr_aligned_free(c);
	}
	return 0;
}
