/* lstm.h - torch.nn.LSTM over sequences that lie end to end (start as in itr_attention): parameters by its names, one or two directions.
 *
 * In inference the product of the input with its weight is a table where the input is an embedding: one row of gates a word, biases in
 * (10,000 words, 256 units: 41 MB a direction), and only the recurrent product is left. */
#ifndef ITR_NN_LSTM_H
#define ITR_NN_LSTM_H

#include "nn/layers.h"

typedef struct itr_lstm_direction {
	/* NAME.weight_ih_lK (4 H, I), weight_hh_lK (4 H, H), bias_ih_lK, bias_hh_lK (4 H); those of the second direction end in _reverse */
	itr_param *w_ih, *w_hh, *b_ih, *b_hh;
	/* after packing: the sum of the biases; words' gates (V, 4 H) where the input is an embedding */
	float *both, *table;
} itr_lstm_direction;

typedef struct itr_lstm_layer {
	itr_lstm_direction d[2];
	int directions;
	const itr_embedding_layer *embedding;    /* what the input is gathered from, or NULL */
} itr_lstm_layer;

/* Layer `index` of NAME; uniform in +-1/sqrt(H) as torch. embedding: where the layer reads words (then it must be registered before, and is
 * given back by packing). */
void itr_lstm_init(itr_lstm_layer *l, itr_params *p, const char *name, int index, int64_t in, int64_t hidden, int directions,
                   const itr_embedding_layer *embedding);
/* x (N, I) -> states (N, directions H), forward | backward. */
itr_var *itr_lstm_call(itr_tape *t, const itr_lstm_layer *l, itr_var *x, const int64_t *start, int64_t n);
/* The same of words. */
itr_var *itr_lstm_words(itr_tape *t, const itr_lstm_layer *l, const int64_t *ids, const int64_t *start, int64_t n);

#endif
