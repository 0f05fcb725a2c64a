/* layers.h - linear, layer normalisation and embedding layers. A layer is a struct of parameters; its `_init` function registers them with
 * PyTorch's names and initial distributions, its call records its ops on the tape. */
#ifndef ITR_NN_LAYERS_H
#define ITR_NN_LAYERS_H

#include "autograd/ops.h"
#include "nn/param.h"

/* y = x W^T + b; NAME.weight (out, in), NAME.bias (out). Initial values uniform in +-1/sqrt(in), as torch.nn.Linear (kaiming_uniform with a
 * = sqrt 5). */
typedef struct itr_linear_layer { itr_param *weight, *bias; } itr_linear_layer;
void itr_linear_init(itr_linear_layer *l, itr_params *p, const char *name, int64_t in, int64_t out, bool bias);
itr_var *itr_linear(itr_tape *t, const itr_linear_layer *l, itr_var *x);

/* activation(x W^T + b), and residual + x W^T + b: separate ops in training, one fused product after itr_params_pack. */
itr_var *itr_linear_act(itr_tape *t, const itr_linear_layer *l, itr_var *x, itr_activation a);
itr_var *itr_linear_add(itr_tape *t, const itr_linear_layer *l, itr_var *x, itr_var *residual);

/* NAME.weight, NAME.bias (dim), initially ones and zeros. PyTorch's default for eps is 1e-5. */
typedef struct itr_layernorm_layer { itr_param *weight, *bias; double eps; } itr_layernorm_layer;
void itr_layernorm_init(itr_layernorm_layer *l, itr_params *p, const char *name, int64_t dim, double eps);
itr_var *itr_layernorm(itr_tape *t, const itr_layernorm_layer *l, itr_var *x);

/* NAME.weight (rows, dim), standard normal, as torch.nn.Embedding. */
typedef struct itr_embedding_layer { itr_param *weight; } itr_embedding_layer;
void itr_embedding_init(itr_embedding_layer *l, itr_params *p, const char *name, int64_t rows, int64_t dim);
itr_var *itr_embedding(itr_tape *t, const itr_embedding_layer *l, const int64_t *ids, int64_t n);

#endif
