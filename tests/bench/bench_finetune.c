/* bench_finetune - one training step of an image and a text tower with linear heads, symmetric InfoNCE and Adam(W), from pixels and words,
 * weights random and of true size, batch statistics on. bench_finetune IMAGE TEXT PRECISION BATCH TOKENS THREADS STEPS [RECOMPUTE].
 * RECOMPUTE as in tape.h (-1, 0, 256 as train, inf as train --gradient-checkpointing). TEXT lstm-peer is peer_dual_encoder.py's: one
 * direction, one layer, embedding 256, 512 units, last state. One JSON line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "loss/loss.h"
#include "model/tower.h"
#include "optim/optim.h"

enum { EMBED = 256, MOST = 1000 };

struct side {
	const itr_tower_ops *ops;
	itr_tower_config c;
	void *layers;
	itr_linear_layer head;
};

static void add(struct side *s, itr_params *p, const char *name, bool image)
{
	itr_err err = ITR_ERR_INIT;
	const bool peer = !strcmp(name, "lstm-peer");
	int64_t dim, grid, state;
	if (!(s->ops = itr_tower_find(peer ? "lstm" : name, image, &err)) || s->ops->configure(&s->c, NULL, NULL, &err) < 0) {
		fprintf(stderr, "bench_finetune: %s\n", err.msg);
		exit(1);
	}
	s->c.batch_statistics = true;
	s->c.pooling = ITR_POOL_CLS;
	if (peer) {
		s->c.width = 256;
		s->c.mlp = 512;
		s->c.heads = s->c.layers = 1;
	}
	s->layers = itr_xcalloc(1, s->ops->size);
	s->ops->init(s->layers, p, &s->c);
	s->ops->sizes(&s->c, &dim, &grid, &state);
	itr_linear_init(&s->head, p, image ? "image_head" : "text_head", dim, EMBED, true);
}

static int compare(const void *a, const void *b) { return *(const double *)a < *(const double *)b ? -1 : 1; }

int main(int argc, char **argv)
{
	if (argc < 8) {
		fprintf(stderr, "usage: bench_finetune IMAGE TEXT fp32|bf16 BATCH TOKENS THREADS STEPS [RECOMPUTE]\n");
		return 2;
	}
	const int64_t batch = atoll(argv[4]), tokens = atoll(argv[5]), size = 224;
	const int threads = atoi(argv[6]), steps = ITR_MIN(atoi(argv[7]), MOST);
	struct side image, text;
	itr_params *p = itr_params_new();
	add(&image, p, argv[1], true);
	add(&text, p, argv[2], false);
	itr_params_seal(p);
	itr_params_initialise(p, 1);
	itr_err err = ITR_ERR_INIT;
	itr_optim *opt = itr_optim_new("adamw", p, &(itr_optim_opts){ .weight_decay = 0.01, .threads = threads }, &err);
	itr_params_release_grads(p);            /* the tape lends them, as train does */
	itr_rng r;
	itr_rng_seed(&r, 2);
	float *x = itr_aligned_alloc((size_t)(batch * size * size * 3) * sizeof *x);
	for (int64_t i = 0; i < batch * size * size * 3; i++)
		x[i] = (float)itr_rng_normal(&r);
	int32_t *ids = itr_xcalloc((size_t)(batch * tokens), sizeof *ids);
	int64_t *start = itr_xcalloc((size_t)batch + 1, sizeof *start);
	for (int64_t i = 0; i < batch * tokens; i++)
		ids[i] = (int32_t)(itr_rng_u64(&r) % (uint64_t)(text.c.vocab - 2)) + 1;
	for (int64_t i = 0; i <= batch; i++)
		start[i] = i * tokens;
	itr_tape *t = itr_tape_new(&(itr_tape_opts){ .threads = threads,
	                                             .seed = 1,
	                                             .compute = !strcmp(argv[3], "bf16") ? ITR_COMPUTE_BF16 : ITR_COMPUTE_F32,
	                                             .recompute = argc > 8 ? atof(argv[8]) : ITR_RECOMPUTE_CHEAP });
	const itr_tower_in in = { .n = batch, .pixels = x, .ids = ids, .start = start };
	double time[MOST], forward = 0, flops = 0, value = 0;
	for (int k = -2; k < steps; k++) {
		const double begun = itr_clock_now();
		itr_tape_reset(t, (uint64_t)(k + 2));
		itr_var *b = itr_linear(t, &text.head, text.ops->forward(t, text.layers, &text.c, &in, false).pooled),
			*a = itr_linear(t, &image.head, image.ops->forward(t, image.layers, &image.c, &in, false).pooled);
		itr_var *loss = itr_infonce(t, itr_scores(t, itr_l2norm(t, a), itr_l2norm(t, b), NULL, 1 / 0.07, 100),
		                            &(itr_match){ .symmetric = true });
		forward += k < 0 ? 0 : itr_clock_now() - begun;
		itr_backward(t, loss, 1);
		itr_optim_step(opt, 1e-4, 1);
		value = itr_var_item(t, loss);
		flops = itr_tape_flops(t);
		if (k >= 0)
			time[k] = itr_clock_now() - begun;
	}
	qsort(time, (size_t)steps, sizeof *time, compare);
	printf("{\"image\": \"%s\", \"text\": \"%s\", \"precision\": \"%s\", \"batch\": %lld, \"tokens\": %lld, \"threads\": %d, "
	       "\"median_ms\": %.1f, \"min_ms\": %.1f, \"forward_ms\": %.1f, "
	       "\"items_per_s_median\": %.2f, \"gflops_median\": %.1f, \"tape_mb\": %.0f, \"peak_rss_mb\": %.0f, \"loss\": %.5f}\n",
	       argv[1], argv[2], argv[3], (long long)batch, (long long)tokens, threads, time[steps / 2] * 1e3, time[0] * 1e3,
	       forward / steps * 1e3, (double)batch / time[steps / 2], flops / time[steps / 2] / 1e9, (double)itr_tape_bytes(t) / 1e6,
	       itr_peak_rss_mb(), value);
	itr_optim_free(opt);
	itr_tape_free(t);
	itr_params_free(p);
	itr_aligned_free(x);
	free(image.layers);
	free(text.layers);
	free(ids);
	free(start);
	return 0;
}
