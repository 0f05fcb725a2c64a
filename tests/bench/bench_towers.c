/* bench_towers - a tower's forward pass in inference, weights random and of true size. Prints one JSON line: median and fastest batch,
 * items/s, GFLOP/s and the peak that bounds it. bench_towers NAME image|text PRECISION BATCH TOKENS THREADS SECONDS: texts of TOKENS tokens
 * each (images ignore it). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/tower.h"
#include "limits.h"

enum { MOST = 10000 };

static int compare(const void *a, const void *b) { return *(const double *)a < *(const double *)b ? -1 : 1; }

int main(int argc, char **argv)
{
	if (argc < 8) {
		fprintf(stderr, "usage: bench_towers NAME image|text fp32|bf16|int8 BATCH TOKENS THREADS SECONDS\n");
		return 2;
	}
	const bool image = !strcmp(argv[2], "image");
	itr_compute compute = ITR_COMPUTE_F32;
	for (int i = 0; itr_compute_names[i]; i++)
		if (!strcmp(itr_compute_names[i], argv[3]))
			compute = (itr_compute)i;
	const int64_t batch = atoll(argv[4]), tokens = atoll(argv[5]);
	const int threads = atoi(argv[6]);
	const double seconds = atof(argv[7]);
	itr_err err = ITR_ERR_INIT;
	itr_tower *w = itr_tower_open(argv[1], image, &(itr_tower_opts){ .seed = 42, .threads = threads }, &err);
	if (!w) {
		fprintf(stderr, "bench_towers: %s\n", err.msg);
		return 1;
	}
	double started = itr_clock_now();
	itr_tower_pack(w, compute, threads);
	const double packing = itr_clock_now() - started;
	itr_rng r;
	itr_rng_seed(&r, 1);
	int64_t pixels = image ? batch * w->config.image_size * w->config.image_size * 3 : 0;
	float *x = itr_aligned_alloc((size_t)(pixels + 1) * sizeof *x);
	for (int64_t i = 0; i < pixels; i++)
		x[i] = (float)itr_rng_normal(&r);
	int32_t *ids = itr_xcalloc((size_t)(batch * tokens + 1), sizeof *ids);
	int64_t *start = itr_xcalloc((size_t)batch + 1, sizeof *start);
	for (int64_t i = 0; !image && i < batch * tokens; i++)
		ids[i] = i % tokens == tokens - 1 ? (int32_t)w->config.vocab - 1
		                                  : (int32_t)(itr_rng_u64(&r) % (uint64_t)(w->config.vocab - 2));
	for (int64_t i = 0; i <= batch; i++)
		start[i] = i * tokens;
	itr_tape *t = itr_tape_new(&(itr_tape_opts){ .threads = threads, .inference = true, .compute = compute });
	double *time = itr_xmalloc(MOST * sizeof *time), flops = 0;
	int n = 0;
	started = itr_clock_now();
	for (int k = -2; k < MOST && (k < 5 || itr_clock_now() - started < seconds); k++) {
		const double begun = itr_clock_now();
		itr_tape_reset(t, 0);
		itr_tower_forward(t, w, &(itr_tower_in){ .n = batch, .pixels = x, .ids = ids, .start = start }, false);
		flops = itr_tape_flops(t);
		if (k >= 0)
			time[n++] = itr_clock_now() - begun;
	}
	qsort(time, (size_t)n, sizeof *time, compare);
	const double peak = 1e9 * limit_peak(compute == ITR_COMPUTE_F32    ? LIMIT_FMA
	                                     : compute == ITR_COMPUTE_BF16 ? LIMIT_BF16
	                                                                   : LIMIT_INT8,
	                                     threads);
	printf("{\"tower\": \"%s\", \"side\": \"%s\", \"precision\": \"%s\", \"batch\": %lld, \"tokens\": %lld, \"threads\": %d, "
	       "\"median_ms\": %.3f, \"min_ms\": %.3f, \"items_per_s_median\": %.2f, "
	       "\"gflop\": %.2f, \"gflops_median\": %.1f, \"peak_gflops\": %.1f, \"percent_of_peak\": %.1f, \"packing_ms\": %.0f, "
	       "\"peak_rss_mb\": %.0f}\n",
	       argv[1], argv[2], argv[3], (long long)batch, (long long)(image ? 0 : tokens), threads, time[n / 2] * 1e3, time[0] * 1e3,
	       (double)batch / time[n / 2], flops / 1e9, flops / time[n / 2] / 1e9, peak / 1e9,
	       peak > 0 ? 100 * flops / time[n / 2] / peak : 0, packing * 1e3, itr_peak_rss_mb());
	itr_tower_free(w);
	itr_tape_free(t);
	itr_aligned_free(x);
	free(ids);
	free(start);
	free(time);
	return 0;
}
