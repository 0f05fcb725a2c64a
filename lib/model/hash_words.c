/* hash - hashed words and word pairs (text/hash_features.h): needs no weights */
#include "base/parallel.h"
#include "model/tower.h"
#include "text/hash_features.h"

static void open_sizes(itr_tower *w) { w->dim = w->state_dim = ITR_HASH_DIM; }

static void describe(itr_buf *b)
{
	itr_buf_printf(b, "hash-1: NFKC, lower case, words and word pairs, %d slots each, pairs at %g", ITR_HASH_SLOTS,
	               (double)ITR_HASH_PAIR_WEIGHT);
}

static void embed_one(void *ctx, int64_t i, int worker)
{
	const itr_tower_batch *b = ctx;
	(void)worker;
	itr_hash_text(b->texts[i], b->pooled + i * ITR_HASH_DIM);
	if (b->states)
		b->length[i] = itr_hash_tokens(b->texts[i], b->max_states, b->states + i * b->max_states * ITR_HASH_DIM);
}

static void embed(const itr_tower *w, const itr_tower_batch *b, int threads)
{
	(void)w;
	itr_parallel_for(threads, b->n, embed_one, (void *)(intptr_t)b);
}

const itr_tower_ops itr_tower_hash = {
	.name = "hash",
	.summary = "hashed words and word pairs; 768 pooled and per word; no weights",
	.modality = ITR_TEXT,
	.open = open_sizes,
	.describe = describe,
	.embed = embed,
};
