/* The word LSTM of document 001: embedding, bidirectional LSTM, the mean of its states (pooling mean), or its last states, forward |
 * backward (cls). Sizes come from the weights; without any, the document's: 10,000 words, 512, two layers of 256 a direction, dropout .1
 * between them. Parameters are called as torch's modules `embedding` and `lstm`. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "model/tower.h"
#include "nn/lstm.h"

enum { MAX_LAYERS = 4 };

struct lstm_text {
	itr_embedding_layer embedding;
	itr_lstm_layer layer[MAX_LAYERS];
};

static const itr_load_rule rules[] = {
	{ "module.**", "**", 0, 0, 0 },
	{ "text_encoder.**", "**", 0, 0, 0 },
	{ "embedding.*", "embedding.*", 0, 0, 0 },
	{ "lstm.*", "lstm.*", 0, 0, 0 },
	{ "**", NULL, 0, 0, 0 },                 /* projections and whatever else the published model has beside the encoder */
	{ 0 },
};

static const itr_weight *find(const itr_weights *w, const char *name)
{
	static const char *const prefixes[] = { "", "text_encoder.", "module.", "module.text_encoder." };
	const itr_weight *x = NULL;
	for (int i = 0; !x && i < ITR_LEN(prefixes); i++) {
		char full[96];
		snprintf(full, sizeof full, "%s%s", prefixes[i], name);
		x = itr_weights_find(w, full);
	}
	return x;
}

/* width: of the embedding; mlp: units a direction; heads: directions. */
static int configure(itr_tower_config *c, const itr_weights *w, const itr_json *j, itr_err *err)
{
	(void)j;
	*c = (itr_tower_config){ .width = 512, .layers = 2, .heads = 2, .mlp = 256, .vocab = 10000, .positions = 64 };
	if (!w)
		return 0;
	const itr_weight *e = find(w, "embedding.weight"), *h = find(w, "lstm.weight_hh_l0");
	if (!e || !h || e->rank != 2 || h->rank != 2 || h->shape[0] != 4 * h->shape[1])
		return itr_err_set(err, "these are not a word LSTM's weights: 'embedding.weight' (words, size) or 'lstm.weight_hh_l0' (4 "
		                        "units, units) is missing or has another shape");
	c->vocab = e->shape[0];
	c->width = e->shape[1];
	c->mlp = h->shape[1];
	c->heads = find(w, "lstm.weight_hh_l0_reverse") ? 2 : 1;
	c->layers = 1;
	for (char name[32]; c->layers < MAX_LAYERS && (snprintf(name, sizeof name, "lstm.weight_hh_l%d", (int)c->layers), find(w, name));
	     c->layers++)
		;
	return 0;
}

static void init(void *tower, itr_params *p, const itr_tower_config *c)
{
	struct lstm_text *m = tower;
	itr_embedding_init(&m->embedding, p, "embedding", c->vocab, c->width);
	for (int i = 0; i < c->layers; i++)
		itr_lstm_init(&m->layer[i], p, "lstm", i, i ? c->mlp * c->heads : c->width, c->mlp, (int)c->heads,
		              i ? NULL : &m->embedding);
}

static itr_tower_out forward(itr_tape *t, const void *tower, const itr_tower_config *c, const itr_tower_in *in, bool states)
{
	const struct lstm_text *m = tower;
	const int64_t n = in->start[in->n];
	int64_t *ids = itr_xmalloc((size_t)(n + 1) * sizeof *ids);
	for (int64_t i = 0; i < n; i++)
		ids[i] = in->ids[i];
	itr_var *x = itr_lstm_words(t, &m->layer[0], ids, in->start, in->n);
	free(ids);
	for (int i = 1; i < c->layers; i++)
		x = itr_lstm_call(t, &m->layer[i], itr_dropout(t, x, 0.1), in->start, in->n);
	return (itr_tower_out){ .states = states ? x : NULL,
		                .pooled = c->pooling == ITR_POOL_CLS ? itr_segment_end(t, x, in->start, in->n, c->mlp)
		                                                     : itr_segment_mean(t, x, in->start, in->n) };
}

static void sizes(const itr_tower_config *c, int64_t *dim, int64_t *grid, int64_t *state_dim)
{
	*dim = *state_dim = c->mlp * c->heads;
	*grid = 0;
}

const itr_tower_ops itr_tower_lstm_text = { .name = "lstm",
	                                    .summary = "word LSTM of document 001: embedding, bidirectional LSTM, mean of states, 512",
	                                    .modality = ITR_TEXT,
	                                    .size = sizeof(struct lstm_text),
	                                    .tokenizer = "words",
	                                    .pooling = ITR_POOL_MEAN,
	                                    .rules = rules,
	                                    .configure = configure,
	                                    .init = init,
	                                    .forward = forward,
	                                    .sizes = sizes };
