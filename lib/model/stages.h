/* stages.h - what sentence-transformers puts behind the pooling of a tower: Dense, LayerNorm, Normalize, in the order of modules.json.
 * Inside of model. */
#ifndef ITR_MODEL_STAGES_H
#define ITR_MODEL_STAGES_H

#include "io/json.h"
#include "nn/layers.h"

enum { ITR_MAX_STAGES = 8 };
typedef enum { ITR_STAGE_DENSE, ITR_STAGE_LAYERNORM, ITR_STAGE_NORMALIZE, ITR_STAGE_KINDS } itr_stage_kind;
typedef enum {
	ITR_DENSE_IDENTITY,
	ITR_DENSE_TANH,
	ITR_DENSE_RELU,
	ITR_DENSE_GELU,
	ITR_DENSE_RELU6,
	ITR_DENSE_HARDSWISH,
	ITR_DENSE_HARDSIGMOID,
	ITR_DENSE_ACTIVATIONS
} itr_dense_activation;

typedef struct itr_stage {
	itr_stage_kind kind;
	int64_t in, out;
	bool bias, residual;             /* dense: residual adds the input, through a matrix of its own where the sizes differ */
	itr_dense_activation activation;
} itr_stage;

typedef struct itr_stages { int n; itr_stage v[ITR_MAX_STAGES]; } itr_stages;
typedef struct itr_stage_layers { itr_linear_layer linear, residual; itr_layernorm_layer norm; } itr_stage_layers;

/* "torch.nn.modules.activation.Tanh", whose last part counts; NULL is Tanh, as sentence-transformers' default. -1 with err: one that is not
 * built. */
ITR_MUST_USE int itr_dense_activation_named(const char *name, itr_dense_activation *a, itr_err *err);

/* Arrays are called modules.I.linear.weight, I counting from 0: what itr_weights_append gives with that prefix. */
void itr_stages_init(itr_stage_layers *l, itr_params *p, const itr_stages *s);
itr_var *itr_stages_apply(itr_tape *t, const itr_stage_layers *l, const itr_stages *s, itr_var *x);
int64_t itr_stages_out(const itr_stages *s, int64_t in);                /* width of what comes out */
/* Does each stage take what the one before it makes, beginning with `in` numbers, and is every size usable? 0, or -1 with err. */
ITR_MUST_USE int itr_stages_check(const itr_stages *s, int64_t in, itr_err *err);
void itr_stages_print(const itr_stages *s, itr_buf *b);                 /* "dense 384->128 tanh, normalize"; nothing without stages */

/* For model files: NULL without stages; and back. */
itr_json *itr_stages_json(const itr_stages *s);
ITR_MUST_USE int itr_stages_read(itr_stages *s, const itr_json *j, itr_err *err);

#endif
