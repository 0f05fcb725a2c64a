/* hash - hashed words and word pairs (text/hash_features.h): needs no weights */
#include <stdio.h>

#include "base/parallel.h"
#include "encode/encoder.h"
#include "text/hash_features.h"

static int create(itr_encoder *e, itr_modality modality, const itr_encoder_opts *o, itr_err *err)
{
	(void)modality, (void)o, (void)err;
	e->dim = e->token_dim = ITR_HASH_DIM;
	snprintf(e->preprocess, sizeof e->preprocess, "hash-1: NFKC, lower case, words and word pairs, %d slots each, pairs at %g",
	         ITR_HASH_SLOTS, (double)ITR_HASH_PAIR_WEIGHT);
	return 0;
}

struct batch {
	const char *const *texts;
	float *pooled, *tokens;
	int64_t max_tokens, *length;
};

static void encode_one(void *ctx, int64_t i, int worker)
{
	const struct batch *b = ctx;
	(void)worker;
	itr_hash_text(b->texts[i], b->pooled + i * ITR_HASH_DIM);
	if (b->tokens)
		b->length[i] = itr_hash_tokens(b->texts[i], b->max_tokens, b->tokens + i * b->max_tokens * ITR_HASH_DIM);
}

static int encode_texts(const itr_encoder *e, const char *const *texts, int64_t n, int threads, float *pooled, float *tokens,
                        int64_t max_tokens, int64_t *length, itr_err *err)
{
	(void)e, (void)err;
	struct batch b = { texts, pooled, tokens, max_tokens, length };
	itr_parallel_for(threads, n, encode_one, &b);
	return 0;
}

const itr_encoder_desc itr_encoder_hash = {
	.name = "hash",
	.summary = "hashed words and word pairs; 768 pooled and per word; no weights",
	.sides = ITR_HAS_TEXT,
	.create = create,
	.encode_texts = encode_texts,
};
