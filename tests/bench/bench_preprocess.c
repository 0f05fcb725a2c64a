/* JPEG file -> normalised crop: bench_preprocess FOLDER [PRESET THREADS ROUNDS fast]. One JSON line: images/s (median and best over the
 * rounds) and the milliseconds of each stage on one thread. Decoding is libjpeg-turbo's: what remains of it is the limit of the whole. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "image/preset.h"

enum { MAX_FILES = 100000 };

struct job {
	char **path;
	int64_t n;
	const itr_preset *p;
	itr_decode_opts decode;
	float *out;                     /* one a worker */
	int failed;
};

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void list(struct job *j, const char *folder)
{
	DIR *d = opendir(folder);
	struct dirent *e;
	j->path = itr_xcalloc(MAX_FILES, sizeof *j->path);
	while (d && (e = readdir(d)) && j->n < MAX_FILES) {
		itr_buf b = ITR_BUF_INIT;
		if (e->d_name[0] == '.')
			continue;
		itr_buf_printf(&b, "%s/%s", folder, e->d_name);
		j->path[j->n++] = itr_buf_detach(&b);
	}
	if (d)
		closedir(d);
	qsort(j->path, (size_t)j->n, sizeof *j->path, by_name);
}

static size_t floats(const itr_preset *p) { return (size_t)p->crop * (size_t)p->crop * 3; }

static void one(void *ctx, int64_t i, int worker)
{
	struct job *j = ctx;
	itr_image img;
	if (itr_image_read(&img, j->path[i], &j->decode, NULL) < 0 ||
	    itr_preset_apply(j->p, &img, j->out + (size_t)worker * floats(j->p), NULL) < 0) {
		j->failed++;
		return;
	}
	itr_image_free(&img);
}

/* Decoding; resize, crop and values together: milliseconds a picture, where it is less than what ms holds. */
static void stages(const struct job *j, double ms[2])
{
	int64_t n = ITR_MIN(j->n, 128);
	double sum[2] = { 0, 0 };
	for (int64_t i = 0; i < n; i++) {
		itr_image img;
		double t0 = itr_clock_now();
		if (itr_image_read(&img, j->path[i], &j->decode, NULL) < 0)
			continue;
		double t1 = itr_clock_now();
		if (itr_preset_apply(j->p, &img, j->out, NULL) < 0)
			continue;
		double t2 = itr_clock_now();
		itr_image_free(&img);
		sum[0] += t1 - t0;
		sum[1] += t2 - t1;
	}
	for (int k = 0; k < 2; k++)
		ms[k] = ITR_MIN(ms[k], sum[k] / (double)n * 1e3);
}

static int by_value(const void *a, const void *b)
{
	return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

int main(int argc, char **argv)
{
	int threads = argc > 3 ? atoi(argv[3]) : 1, rounds = argc > 4 ? atoi(argv[4]) : 5;
	itr_err err = ITR_ERR_INIT;
	struct job j = { .p = itr_preset_find(argc > 2 ? argv[2] : "clip", &err) };
	if (argc < 2 || !j.p || rounds < 1)
		return fprintf(stderr, "usage: bench_preprocess FOLDER [PRESET THREADS ROUNDS fast] %s\n", err.msg), 2;
	j.decode.fast_side = argc > 5 && !strcmp(argv[5], "fast") ? j.p->size : 0;
	list(&j, argv[1]);
	if (!j.n)
		return fprintf(stderr, "bench_preprocess: no files in '%s'\n", argv[1]), 1;
	j.out = itr_aligned_alloc((size_t)ITR_MAX(threads, 1) * floats(j.p) * sizeof(float));
	double *t = itr_xcalloc((size_t)rounds, sizeof *t), ms[2] = { 1e9, 1e9 };
	for (int64_t i = 0; i < ITR_MIN(j.n, 8); i++)
		one(&j, i, 0);
	for (int r = 0; r < rounds; r++) {
		double t0 = itr_clock_now();
		itr_parallel_for(threads, j.n, one, &j);
		t[r] = itr_clock_now() - t0;
	}
	if (j.failed)
		return fprintf(stderr, "bench_preprocess: %d pictures failed\n", j.failed), 1;
	qsort(t, (size_t)rounds, sizeof *t, by_value);
	for (int r = 0; r < rounds; r++)
		stages(&j, ms);
	printf("{\"what\":\"decode\",\"preset\":\"%s\",\"threads\":%d,\"images\":%lld,\"images_per_s_median\":%.1f,\"images_per_s_best\":%."
	       "1f,\"decode_ms\":%.3f,\"resize_normalize_ms\":%.3f,"
	       "\"limit_images_per_s\":%.1f,\"kernel\":\"%s\"}\n",
	       j.p->name, threads, (long long)j.n, (double)j.n / t[rounds / 2], (double)j.n / t[0], ms[0], ms[1], 1e3 / ms[0],
	       itr_cpu_names());
	return 0;
}
