/* transformer.h - the encoder block that CLIP, ViT and BERT share; inside of model. Tokens of all sequences lie end to end
 * (autograd/ops.h). */
#ifndef ITR_MODEL_TRANSFORMER_H
#define ITR_MODEL_TRANSFORMER_H

#include "model/tower.h"

enum { ITR_MAX_BLOCKS = 48 };

/* Names of a block's layers below its prefix. */
typedef struct itr_block_names { const char *norm1, *qkv, *proj, *norm2, *fc1, *fc2; } itr_block_names;

typedef struct itr_block {
	itr_layernorm_layer norm1, norm2;
	itr_linear_layer qkv, proj, fc1, fc2;
} itr_block;

/* Are these sizes of a transformer that can be built? 0, or -1 with err, which names the encoder: sizes come from files. */
ITR_MUST_USE int itr_blocks_check(const itr_tower_config *c, const char *name, itr_err *err);
/* c->layers blocks named PREFIX.0, PREFIX.1, ... */
void itr_blocks_init(itr_block *b, itr_params *p, const char *prefix, const itr_block_names *names, const itr_tower_config *c);

typedef struct itr_sequences {
	const int64_t *start, n;         /* (n + 1) */
	bool causal, norm_after;         /* norm_after: as BERT (the original transformer); otherwise before each half, as CLIP and ViT */
} itr_sequences;

/* All blocks. x (N, width). rows (n_rows), or NULL for all: the last block gives only these rows, which is the same numbers for less work
 * (keys and values are needed of every token, the rest of the block is not). */
itr_var *itr_blocks(itr_tape *t, const itr_block *b, const itr_tower_config *c, itr_var *x, const itr_sequences *s, const int64_t *rows,
                    int64_t n_rows);

/* (n, size, size, 3) pixels -> tokens of n sequences of 1 + grid^2: class token, then the patches, positions added. patch->weight (width,
 * patch^2 3), channels last. */
typedef struct itr_patch_embedding {
	itr_linear_layer patch;
	itr_param *class_token, *positions;      /* (1, width), (1 + grid^2, width) */
} itr_patch_embedding;
itr_var *itr_patch_tokens(itr_tape *t, const itr_patch_embedding *e, const itr_tower_config *c, const itr_tower_in *in);
/* start (n + 1) of sequences of equal length, and the row of each one's first token (n): written behind each other, 2 n + 1 numbers;
 * free(). */
int64_t *itr_equal_starts(int64_t n, int64_t length);
/* (n length, D) -> its rows but the first of each sequence. */
itr_var *itr_without_first(itr_tape *t, itr_var *x, int64_t n, int64_t length);

/* Tells images' and texts' size from published tensors: number of different '*' in "PREFIX*SUFFIX". 0: none. */
int64_t itr_weights_layers(const itr_weights *w, const char *prefix, const char *suffix);
/* "gelu" "quick_gelu" "relu" of a config file; -1 with err. */
ITR_MUST_USE int itr_activation_named(const char *name, itr_activation *a, itr_err *err);

#endif
