/* attention.h - one head of attention over one sequence (its own keys and values, or another's), by tiles that stay in cache:
 * softmax(scale q k^T) v with a running softmax (Dao et al. 2022), nothing quadratic kept. Rows of q, k, v lie `ld` floats apart (a fused
 * projection's output), those of out `ld_out`. The same bits for any number of threads: a head is one piece of work.
 */
#ifndef ITR_TENSOR_ATTENTION_H
#define ITR_TENSOR_ATTENTION_H

#include "base/compat.h"

typedef struct itr_attention_head {
	int64_t rows, dim;               /* tokens, numbers a head */
	const float *q, *k, *v;
	int64_t ld;
	bool causal;                     /* a token sees itself and what is before it */
	/* keys and values of another sequence: how many (> 0), rows ld_keys apart; 0: those of the queries' own */
	int64_t keys, ld_keys;
} itr_attention_head;

/* Floats of scratch that a call with up to `rows` queries or keys needs, and 64-byte aligned memory of that size is handed in. */
int64_t itr_attention_scratch(int64_t rows, int64_t dim);
/* out = attention; lse (rows) = log of the sum of exp(scaled scores), for the backward pass. scale = 1 / sqrt(dim). */
void itr_attention_forward(const itr_attention_head *a, float *out, int64_t ld_out, float *lse, float *scratch);

/* Gradients of q, k, v, added to dq, dk, dv (rows ld apart), from that of out; probabilities are recomputed from lse, a block of queries at
 * a time. */
int64_t itr_attention_backward_scratch(int64_t rows, int64_t dim);
void itr_attention_backward(const itr_attention_head *a, const float *out, const float *grad, int64_t ld_out, const float *lse, float *dq,
                            float *dk, float *dv, float *scratch);

#endif
