/* bench_train - one training step, as the loop does it: pack a batch, forward, loss, backward, optimiser. Prints one JSON line: median and
 * fastest step, samples/s, GFLOP/s. bench_train peak 0 0 PRECISION THREADS: the product that bounds it, 2048 cubed, in the same process:
 * best of 12. bench_train MODEL BATCH STEPS PRECISION THREADS, MODEL = residual-mlp | mlp | heads; the same job as
 * shared/peers/peer_residual_mlp.py and peer_resnet50_bert.py heads. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "loss/loss.h"
#include "model/model.h"
#include "optim/optim.h"
#include "tensor/gemm.h"
#include "tensor/rows.h"

enum { POOL = 16384 };

static float *rows(int64_t n, int64_t dim, uint64_t key)
{
	itr_rng r;
	float *x = itr_aligned_alloc((size_t)(n * dim) * sizeof *x);
	itr_rng_seed(&r, key);
	for (int64_t i = 0; i < n * dim; i++)
		x[i] = (float)itr_rng_normal(&r);
	itr_rows_normalize(x, n, dim, 2);
	return x;
}

static int compare(const void *a, const void *b) { return *(const double *)a < *(const double *)b ? -1 : 1; }

static void peak(bool bf16, int threads)
{
	enum { N = 2048 };
	float *a = rows(N, N, 1), *b = rows(N, N, 2), *c = itr_aligned_alloc((size_t)N * N * sizeof *c);
	double best = 1e9;
	for (int k = 0; k < 12; k++) {
		const double started = itr_clock_now();
		(bf16 ? itr_gemm_bf16 : itr_gemm)(false, true, N, N, N, 1, a, N, b, N, 0, c, N, threads);
		best = fmin(best, itr_clock_now() - started);
	}
	printf("{\"bench\": \"gemm peak\", \"precision\": \"%s\", \"threads\": %d, \"gflops\": %.1f, \"kernel\": \"%s\"}\n",
	       bf16 ? "bf16" : "fp32", threads, 2.0 * N * N * N / best / 1e9, bf16 ? itr_gemm_bf16_kernel() : itr_gemm_kernel());
	itr_aligned_free(a), itr_aligned_free(b), itr_aligned_free(c);
}

int main(int argc, char **argv)
{
	if (argc > 5 && !strcmp(argv[1], "peak")) {
		peak(!strcmp(argv[4], "bf16"), atoi(argv[5]));
		return 0;
	}
	const char *name = argc > 1 ? argv[1] : "residual-mlp", *precision = argc > 4 ? argv[4] : "fp32";
	const int64_t batch = argc > 2 ? atoll(argv[2]) : 256, steps = argc > 3 ? atoll(argv[3]) : 30;
	const int threads = argc > 5 ? atoi(argv[5]) : 2;
	const bool heads = !strcmp(name, "heads");
	itr_err err = ITR_ERR_INIT;
	const itr_loss_ops *infonce = itr_loss_find("infonce", &err);
	itr_model_config c = { .text_dim = heads ? 768 : 1024,
		               .image_dim = heads ? 2048 : 1536,
		               .temperature = 0.07 };
	itr_model *m = itr_model_new(name, &c, 42, &err);
	itr_optim *opt = m ? itr_optim_new(heads ? "adamw" : "adam", m->params, &(itr_optim_opts){ .threads = threads }, &err) : NULL;
	if (!opt) {
		fprintf(stderr, "bench_train: %s\n", err.msg);
		return 1;
	}
	float *x = rows(POOL, c.text_dim, 1), *y = rows(POOL, c.image_dim, 2), *bx = itr_aligned_alloc((size_t)(batch * c.text_dim) * 4),
	      *by = itr_aligned_alloc((size_t)(batch * c.image_dim) * 4);
	int64_t *order = itr_xmalloc(POOL * sizeof *order);
	double *time = itr_xmalloc((size_t)steps * sizeof *time), flops = 0, loss = 0, rss = itr_peak_rss_mb();
	itr_rng r;
	itr_rng_seed(&r, 3);
	itr_rng_permutation(&r, POOL, order);
	itr_tape *t = itr_tape_new(&(itr_tape_opts){
		.threads = threads, .seed = 42, .compute = strcmp(precision, "bf16") ? ITR_COMPUTE_F32 : ITR_COMPUTE_BF16 });
	for (int64_t k = -5; k < steps; k++) {
		const double started = itr_clock_now();
		for (int64_t i = 0; i < batch; i++) {
			const int64_t row = order[((k + 5) * batch + i) % POOL];
			memcpy(bx + i * c.text_dim, x + row * c.text_dim, (size_t)c.text_dim * 4);
			memcpy(by + i * c.image_dim, y + row * c.image_dim, (size_t)c.image_dim * 4);
		}
		itr_tape_reset(t, (uint64_t)(k + 5));
		itr_params_zero_grad(m->params);
		itr_var *text = itr_model_text(t, m, itr_input(t, 2, (int64_t[]){ batch, c.text_dim }, bx));
		itr_var *image = itr_model_image(t, m, itr_input(t, 2, (int64_t[]){ batch, c.image_dim }, by));
		itr_var *v = infonce->value(infonce->defaults, t, &(itr_loss_in){ text, image, .symmetric = heads, .scale = 1 / 0.07 });
		itr_backward(t, v, 1);
		itr_optim_step(opt, 1e-4, 1);
		loss = itr_var_item(t, v);
		flops = itr_tape_flops(t);
		if (k >= 0)
			time[k] = itr_clock_now() - started;
	}
	qsort(time, (size_t)steps, sizeof *time, compare);
	printf("{\"bench\": \"train\", \"model\": \"%s\", \"precision\": \"%s\", \"batch\": %lld, \"threads\": %d, \"median_ms\": %.3f, "
	       "\"min_ms\": %.3f, \"p90_ms\": %.3f, "
	       "\"samples_per_s_median\": %.0f, \"gflop_per_step\": %.2f, \"gflops_median\": %.1f, \"loss_last\": %.4f, \"extra_mb\": "
	       "%.0f, \"peak_rss_mb\": %.0f, \"kernel\": \"%s\"}\n",
	       name, precision, (long long)batch, threads, time[steps / 2] * 1e3, time[0] * 1e3, time[steps * 9 / 10] * 1e3,
	       (double)batch / time[steps / 2], flops / 1e9, flops / time[steps / 2] / 1e9, loss, itr_peak_rss_mb() - rss,
	       itr_peak_rss_mb(), strcmp(precision, "bf16") ? itr_gemm_kernel() : itr_gemm_bf16_kernel());
	itr_tape_free(t);
	itr_optim_free(opt);
	itr_model_free(m);
	itr_aligned_free(x), itr_aligned_free(y), itr_aligned_free(bx), itr_aligned_free(by);
	free(order), free(time);
	return 0;
}
