/* A tower in bulk: pictures prepared one by one by any thread, then rows of many pictures or texts, in batches that fit the caches. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/tower.h"

enum {
	IMAGES = 32,                    /* pictures a forward: enough for the products, few enough for the third-level cache */
	TOKENS = 2048                   /* tokens a forward, the same for texts */
};

int64_t itr_tower_batch_size(const itr_tower *w) { return w->ops->forward && w->ops->modality == ITR_IMAGE ? 2 * IMAGES : 0; }

void itr_tower_describe(const itr_tower *w, itr_compute compute, itr_buf *b)
{
	char what[200];
	if (!w->ops->forward) {
		w->ops->describe(b);
		return;
	}
	if (w->ops->modality == ITR_IMAGE) {
		itr_preset_describe(w->preset, what, sizeof what);
		itr_buf_printf(b, "%s%s", what, w->config.stages.n ? "; " : "");
		itr_stages_print(&w->config.stages, b);
	} else {
		itr_buf_printf(b, "%s, at most %lld tokens, ", w->ops->tokenizer, (long long)w->max_tokens);
		itr_tower_describe_text(w, b);
	}
	itr_buf_printf(b, "; %s", itr_compute_names[compute]);
}

int itr_tower_prepare(const itr_tower *w, const itr_image *img, void *input, itr_err *err)
{
	return w->ops->prepare ? w->ops->prepare(w, img, input, err) : itr_preset_apply(w->preset, img, input, err);
}

static void embed_pictures(const itr_tower *w, itr_tape *t, const itr_tower_batch *b)
{
	const int64_t pixels = (int64_t)(w->input_bytes / sizeof(float)), states = w->grid * w->grid * w->state_dim;
	for (int64_t i = 0; i < b->n; i += IMAGES) {
		itr_tower_in in = { .n = ITR_MIN((int64_t)IMAGES, b->n - i), .pixels = (const float *)b->pictures + i * pixels };
		itr_tape_reset(t, 0);
		itr_tower_out y = itr_tower_forward(t, w, &in, b->states != NULL);
		memcpy(b->pooled + i * w->dim, y.pooled->data, (size_t)(in.n * w->dim) * sizeof *b->pooled);
		if (b->states)
			memcpy(b->states + i * states, y.states->data, (size_t)(in.n * states) * sizeof *b->states);
	}
}

/* Rows of the tokens of texts i .. i+n-1, cut to max_states, zeros behind. `start` counts from this forward's first token. */
static void copy_tokens(const itr_tower *w, const itr_tower_batch *b, int64_t i, int64_t n, const float *states, const int64_t *start)
{
	for (int64_t k = 0; k < n; k++) {
		int64_t used = ITR_MIN(start[k + 1] - start[k], b->max_states);
		float *to = b->states + (i + k) * b->max_states * w->state_dim;
		memcpy(to, states + (start[k] - start[0]) * w->state_dim, (size_t)(used * w->state_dim) * sizeof *to);
		memset(to + used * w->state_dim, 0, (size_t)((b->max_states - used) * w->state_dim) * sizeof *to);
		b->length[i + k] = used;
	}
}

static void embed_texts(const itr_tower *w, itr_tape *t, const itr_tower_batch *b)
{
	int32_t *ids;
	int64_t *start;
	itr_tower_tokenize(w, b->texts, b->n, itr_tape_threads(t), &ids, &start);
	/* a forward's own tokens, counted from its first: recurrent ops insist on it */
	int64_t *own = itr_xmalloc((size_t)(b->n + 1) * sizeof *own);
	for (int64_t i = 0, k; i < b->n; i += k) {
		for (k = 1; i + k < b->n && start[i + k + 1] - start[i] <= TOKENS; k++)
			;
		for (int64_t c = 0; c <= k; c++)
			own[c] = start[i + c] - start[i];
		itr_tape_reset(t, 0);
		itr_tower_in in = { .n = k, .ids = ids + start[i], .start = own };
		itr_tower_out y = itr_tower_forward(t, w, &in, b->states != NULL);
		memcpy(b->pooled + i * w->dim, y.pooled->data, (size_t)(k * w->dim) * sizeof *b->pooled);
		if (b->states)
			copy_tokens(w, b, i, k, y.states->data, start + i);
	}
	free(own);
	free(ids);
	free(start);
}

void itr_tower_embed(const itr_tower *w, itr_tape *t, const itr_tower_batch *b)
{
	if (!w->ops->forward)
		w->ops->embed(w, b, itr_tape_threads(t));
	else if (w->ops->modality == ITR_IMAGE)
		embed_pictures(w, t, b);
	else
		embed_texts(w, t, b);
}
