/* lstm.h - torch.nn.LSTM over packed sequences (start as in itr_attention), with its parameter names; one or two directions.
 *
 * Packed for inference, when the input is an embedding, its product with w_ih becomes a table with a row of gates for each word, biases
 * included (10,000 words, 256 units: 41 MB for each direction), and only the recurrent product is computed. */
#ifndef ITR_NN_LSTM_H
#define ITR_NN_LSTM_H

#include "nn/layers.h"

typedef struct itr_lstm_direction {
	/* NAME.weight_ih_lK (4 H, I), weight_hh_lK (4 H, H), bias_ih_lK, bias_hh_lK (4 H); in the second direction with suffix _reverse */
	itr_param *w_ih, *w_hh, *b_ih, *b_hh;
	/* after packing: sum of the biases; gates of each word (V, 4 H) when the input is an embedding */
	float *both, *table;
} itr_lstm_direction;

typedef struct itr_lstm_layer {
	itr_lstm_direction d[2];
	int directions;
	const itr_embedding_layer *embedding;    /* the embedding whose rows are the input, or NULL */
} itr_lstm_layer;

/* Registers layer `index` of NAME; initial values uniform in +-1/sqrt(H), as in PyTorch. embedding: for itr_lstm_words; it must be
 * registered before, and packing frees its values. */
void itr_lstm_init(itr_lstm_layer *l, itr_params *p, const char *name, int index, int64_t in, int64_t hidden, int directions,
                   const itr_embedding_layer *embedding);
/* x (N, I) -> states (N, directions H), forward | backward. */
itr_var *itr_lstm_call(itr_tape *t, const itr_lstm_layer *l, itr_var *x, const int64_t *start, int64_t n);
/* The same for words: ids (N) are rows of the embedding. */
itr_var *itr_lstm_words(itr_tape *t, const itr_lstm_layer *l, const int64_t *ids, const int64_t *start, int64_t n);

#endif
