/* chunks: GradCache (Gao et al. 2021). The batch is embedded chunk by chunk, the gradient of the loss is taken at the embeddings, then each
 * chunk is embedded again and walked back from that gradient: memory of one chunk, negatives of the whole batch. Objectives see the
 * embeddings as leaves over buffers of the whole batch. */
#include <string.h>

#include "base/mem.h"
#include "train/internal.h"

struct chunks {
	int64_t dim;
	float *value[2], *grad[2];      /* (batch, dim) a side */
};

static void take_buffers(void *self, itr_trainer *r)
{
	struct chunks *c = self;
	const int64_t rows = ITR_MIN(r->opts->batch_size, r->n_train);
	c->dim = itr_model_embed_dim(r->model);
	for (int side = 0; side < 2; side++) {
		c->value[side] = itr_aligned_alloc((size_t)(rows * c->dim) * sizeof(float));
		c->grad[side] = itr_aligned_alloc((size_t)(rows * c->dim) * sizeof(float));
	}
}

static void free_buffers(void *self)
{
	struct chunks *c = self;
	for (int side = 0; side < 2; side++) {
		itr_aligned_free(c->value[side]);
		itr_aligned_free(c->grad[side]);
	}
}

/* Rows [first, first + n). The masks of dropout depend on the batch and the chunk alone, so the second time is like the first. */
static void embed_chunk(itr_step *s, int64_t first, int64_t n, itr_var *y[2])
{
	itr_trainer *r = s->trainer;
	itr_tape_reset(r->tape, s->number + (uint64_t)(first / r->opts->cache_chunk) * 0x100000000u);
	y[0] = itr_model_text(r->tape, r->model, itr_source_embed(r->source[0], r->tape, first, n));
	y[1] = itr_model_image(r->tape, r->model, itr_source_embed(r->source[1], r->tape, first, n));
}

static void embed(void *self, itr_step *s)
{
	struct chunks *c = self;
	itr_trainer *r = s->trainer;
	const int64_t b = s->batch.n, size = r->opts->cache_chunk;
	itr_var *y[2];
	itr_tape_set_recording(r->tape, false);
	for (int64_t i = 0; i < b; i += size) {
		const int64_t n = ITR_MIN(size, b - i);
		embed_chunk(s, i, n, y);
		for (int side = 0; side < 2; side++)
			memcpy(c->value[side] + i * c->dim, y[side]->data, (size_t)(n * c->dim) * sizeof(float));
		r->time.flops += itr_tape_flops(r->tape);
	}
	itr_tape_set_recording(r->tape, true);
	itr_tape_reset(r->tape, s->number);
	s->tape = r->tape;
	for (int side = 0; side < 2; side++)
		s->pooled[side] = itr_input_grad(s->tape, 2, (int64_t[]){ b, c->dim }, c->value[side]);
}

static void back(void *self, itr_step *s)
{
	struct chunks *c = self;
	itr_trainer *r = s->trainer;
	const int64_t b = s->batch.n, size = r->opts->cache_chunk;
	itr_var *y[2];
	for (int side = 0; side < 2; side++)
		if (*s->pooled[side]->written)
			memcpy(c->grad[side], s->pooled[side]->grad, (size_t)(b * c->dim) * sizeof(float));
		else
			memset(c->grad[side], 0, (size_t)(b * c->dim) * sizeof(float));
	r->time.flops += itr_tape_flops(r->tape);
	for (int64_t i = 0; i < b; i += size) {
		embed_chunk(s, i, ITR_MIN(size, b - i), y);
		itr_backward_outputs(r->tape, y, (const void *[]){ c->grad[0] + i * c->dim, c->grad[1] + i * c->dim }, 2);
		r->time.flops += itr_tape_flops(r->tape);
	}
}

const itr_strategy itr_strategy_chunks = {
	.name = "chunks",
	.summary = "GradCache: the batch in chunks, all of it negatives",
	.size = sizeof(struct chunks),
	.many_walks = true,
	.open = take_buffers,
	.embed = embed,
	.back = back,
	.close = free_buffers,
};
