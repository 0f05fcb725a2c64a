/* Networks as encoders: weights read as published, packed once, pictures and texts in batches that fit the caches. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "encode/tower_encoder.h"
#include "model/tower.h"

enum {
	IMAGES = 32,                    /* pictures a forward: enough for the products, few enough for the third-level cache */
	TOKENS = 2048                   /* tokens a forward, the same for texts */
};

struct state {
	itr_tower *tower;
	bool borrowed;                  /* a model's */
	itr_tape *tape;
};

static void destroy(itr_encoder *e)
{
	struct state *s = e->state;
	if (!s)
		return;
	if (!s->borrowed)
		itr_tower_free(s->tower);
	itr_tape_free(s->tape);
	free(s);
}

static void describe(itr_encoder *e, const itr_tower *w, const itr_encoder_opts *o)
{
	char what[200];
	itr_buf b = ITR_BUF_INIT;
	if (w->ops->modality == ITR_IMAGE) {
		itr_preset_describe(w->preset, what, sizeof what);
		itr_buf_printf(&b, "%s%s", what, w->config.stages.n ? "; " : "");
		itr_stages_print(&w->config.stages, &b);
	} else {
		itr_buf_printf(&b, "%s, at most %lld tokens, ", w->ops->tokenizer, (long long)w->max_tokens);
		itr_tower_describe_text(w, &b);
	}
	itr_buf_printf(&b, "; %s", itr_compute_names[o->compute]);
	snprintf(e->preprocess, sizeof e->preprocess, "%s", itr_buf_str(&b));
	itr_buf_free(&b);
}

/* Around a tower that is packed already. */
static void settle(itr_encoder *e, itr_tower *w, bool borrowed, const itr_encoder_opts *o)
{
	const bool image = w->ops->modality == ITR_IMAGE;
	struct state *s = e->state = itr_xcalloc(1, sizeof *s);
	s->tower = w;
	s->borrowed = borrowed;
	s->tape = itr_tape_new(&(itr_tape_opts){ .threads = o->threads, .inference = true, .compute = o->compute });
	e->dim = w->dim;
	e->grid = w->grid;
	e->batch = image ? 2 * IMAGES : 0;
	if (image) {
		e->patch_dim = w->state_dim;
		e->input_bytes = (size_t)(w->config.image_size * w->config.image_size * 3) * sizeof(float);
	} else
		e->token_dim = w->state_dim;
	memcpy(e->weights_sha256, w->weights_sha256, sizeof e->weights_sha256);
	e->fast_side = image ? w->preset->size : 0;
	describe(e, w, o);
}

static int create(itr_encoder *e, itr_modality modality, const itr_encoder_opts *o, itr_err *err)
{
	const bool image = modality == ITR_IMAGE;
	itr_tower_opts t = {
		.weights = o->weights, .vocabulary = image ? NULL : o->vocabulary, .preset = image ? o->preset : NULL, .threads = o->threads
	};
	if (!image) {
		t.prompt = o->prompt;
		t.prompt_name = o->prompt_name;
	}
	if (o->pooling && !image && itr_pooling_parse(o->pooling, &t.pooling, err) < 0)
		return itr_err_prefix(err, "--pooling: ");
	itr_tower *w = itr_tower_open(e->desc->name, modality, &t, err);
	if (!w)
		return -1;
	itr_tower_pack(w, o->compute, o->threads);
	settle(e, w, false, o);
	return 0;
}

static int prepare(const itr_encoder *e, const itr_image *img, void *input, itr_err *err)
{
	return itr_preset_apply(((const struct state *)e->state)->tower->preset, img, input, err);
}

static int encode_images(const itr_encoder *e, const void *inputs, int64_t n, int threads, float *pooled, float *patches, itr_err *err)
{
	struct state *s = e->state;
	const int64_t pixels = (int64_t)(e->input_bytes / sizeof(float)), states = e->grid * e->grid * e->patch_dim;
	(void)threads, (void)err;               /* the tape has them; nothing here fails */
	for (int64_t i = 0; i < n; i += IMAGES) {
		itr_tower_in in = { .n = ITR_MIN((int64_t)IMAGES, n - i), .pixels = (const float *)inputs + i * pixels };
		itr_tape_reset(s->tape, 0);
		itr_tower_out y = itr_tower_forward(s->tape, s->tower, &in, patches != NULL);
		memcpy(pooled + i * e->dim, y.pooled->data, (size_t)(in.n * e->dim) * sizeof *pooled);
		if (patches)
			memcpy(patches + i * states, y.states->data, (size_t)(in.n * states) * sizeof *patches);
	}
	return 0;
}

/* Rows of a text's tokens, cut to max_tokens, zeros behind. `start` counts from this forward's first token. */
static void copy_tokens(const itr_encoder *e, const float *states, const int64_t *start, int64_t n, int64_t max_tokens, float *tokens,
                        int64_t *length)
{
	for (int64_t i = 0; i < n; i++) {
		int64_t used = ITR_MIN(start[i + 1] - start[i], max_tokens);
		float *to = tokens + i * max_tokens * e->token_dim;
		memcpy(to, states + (start[i] - start[0]) * e->token_dim, (size_t)(used * e->token_dim) * sizeof *to);
		memset(to + used * e->token_dim, 0, (size_t)((max_tokens - used) * e->token_dim) * sizeof *to);
		length[i] = used;
	}
}

static int encode_texts(const itr_encoder *e, const char *const *texts, int64_t n, int threads, float *pooled, float *tokens,
                        int64_t max_tokens, int64_t *length, itr_err *err)
{
	struct state *s = e->state;
	int32_t *ids;
	int64_t *start;
	(void)err;
	itr_tower_tokenize(s->tower, texts, n, threads, &ids, &start);
	/* a forward's own tokens, counted from its first: recurrent ops insist on it */
	int64_t *own = itr_xmalloc((size_t)(n + 1) * sizeof *own);
	for (int64_t i = 0, k; i < n; i += k) {
		for (k = 1; i + k < n && start[i + k + 1] - start[i] <= TOKENS; k++)
			;
		for (int64_t c = 0; c <= k; c++)
			own[c] = start[i + c] - start[i];
		itr_tape_reset(s->tape, 0);
		itr_tower_out y = itr_tower_forward(s->tape, s->tower, &(itr_tower_in){ .n = k, .ids = ids + start[i], .start = own },
		                                    tokens != NULL);
		memcpy(pooled + i * e->dim, y.pooled->data, (size_t)(k * e->dim) * sizeof *pooled);
		if (tokens)
			copy_tokens(e, y.states->data, start + i, k, max_tokens, tokens + i * max_tokens * e->token_dim, length + i);
	}
	free(own);
	free(ids);
	free(start);
	return 0;
}

/* --- the table ------------------------------------------------------------------------------------------------------------------------ */

#define ITR_TOWER(shown, modality, symbol) extern const itr_tower_ops itr_tower_##symbol;
#include "model/towers.def"
#undef ITR_TOWER

static const itr_encoder_desc table[] = {
#define ITR_TOWER(shown, m, symbol)                                                                                                        \
	{ .name = shown,                                                                                                                   \
	  .sides = ITR_HAS_##m,                                                                                                            \
	  .needs_weights = true,                                                                                                           \
	  .tower = &itr_tower_##symbol,                                                                                                    \
	  .create = create,                                                                                                                \
	  .destroy = destroy,                                                                                                              \
	  .prepare = prepare,                                                                                                              \
	  .encode_images = encode_images,                                                                                                  \
	  .encode_texts = encode_texts },
#include "model/towers.def"
#undef ITR_TOWER
};

itr_encoder *itr_tower_encoder_of(itr_tower *w, const itr_encoder_opts *o)
{
	itr_encoder *e = itr_xcalloc(1, sizeof *e);
	for (int i = 0; i < ITR_LEN(table); i++)
		if (table[i].tower == w->ops)
			e->desc = &table[i];
	e->modality = w->ops->modality;
	settle(e, w, true, o);
	return e;
}

int itr_tower_encoder_count(void) { return ITR_LEN(table); }
const itr_encoder_desc *itr_tower_encoder_at(int i) { return &table[i]; }
const char *itr_tower_encoder_summary(const itr_encoder_desc *d) { return d->tower->summary; }
