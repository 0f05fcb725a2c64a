/* attention.h - one head of self- or cross-attention over one sequence: softmax(scale q k^T) v with an online softmax over blocks of keys
 * (FlashAttention, Dao et al. 2022), so memory is linear in the sequence length. The row stride of q, k, v is `ld` floats (q, k, v may be
 * parts of one fused projection), that of out `ld_out`. Computed by one thread, so the number of threads does not change the bits.
 */
#ifndef ITR_TENSOR_ATTENTION_H
#define ITR_TENSOR_ATTENTION_H

#include "base/compat.h"

typedef struct itr_attention_head {
	int64_t rows, dim;               /* number of queries, head dimension */
	const float *q, *k, *v;          /* (rows, dim), (keys, dim), (keys, dim) */
	int64_t ld;
	bool causal;                     /* token i attends to tokens 0 .. i */
	int64_t keys, ld_keys;           /* cross-attention: number of keys (> 0) and their row stride. 0: self-attention, rows and ld */
} itr_attention_head;

/* Size in floats of the `scratch` array of itr_attention_forward for up to `rows` queries or keys. The caller passes it 64-byte aligned. */
int64_t itr_attention_scratch(int64_t rows, int64_t dim);
/* out (rows, dim) = attention; lse (rows) = logsumexp of each row of scaled scores, for the backward pass. scale = 1 / sqrt(dim). */
void itr_attention_forward(const itr_attention_head *a, float *out, int64_t ld_out, float *lse, float *scratch);

/* Adds the gradients of q, k, v to dq, dk, dv (strides of q, k, v), given grad, the gradient of out. The probabilities are recomputed from
 * lse for one block of queries at a time. Scratch as above, of itr_attention_backward_scratch floats. */
int64_t itr_attention_backward_scratch(int64_t rows, int64_t dim);
void itr_attention_backward(const itr_attention_head *a, const float *out, const float *grad, int64_t ld_out, const float *lse, float *dq,
                            float *dk, float *dv, float *scratch);

#endif
