#include "nn/layers.h"

#include <math.h>

static void pack_linear(itr_params *p, void *weight, itr_compute c, int threads)
{
	itr_param *w = weight;
	w->packed = itr_pack_weight(c, w->data, w->shape[0], w->shape[1], w->shape[1], threads);
	itr_params_release_data(p, w);
}

void itr_linear_init(itr_linear_layer *l, itr_params *p, const char *name, int64_t in, int64_t out, bool bias)
{
	const double bound = 1 / sqrt((double)in);
	l->weight = itr_params_add(p, name, "weight", 2, (int64_t[]){ out, in }, ITR_INIT_UNIFORM, bound, false);
	l->bias = bias ? itr_params_add(p, name, "bias", 1, (int64_t[]){ out }, ITR_INIT_UNIFORM, bound, true) : NULL;
	itr_params_add_packer(p, pack_linear, l->weight);
}

itr_var *itr_linear(itr_tape *t, const itr_linear_layer *l, itr_var *x)
{
	return itr_linear_act(t, l, x, ITR_ACT_NONE);
}

itr_var *itr_linear_act(itr_tape *t, const itr_linear_layer *l, itr_var *x, itr_activation a)
{
	if (l->weight->packed)
		return itr_linear_packed(t, x, l->weight->packed, l->bias ? l->bias->data : NULL, NULL, a);
	return itr_activation_call(t, itr_op_linear_call(t, x, itr_leaf(t, l->weight), l->bias ? itr_leaf(t, l->bias) : NULL), a);
}

itr_var *itr_linear_add(itr_tape *t, const itr_linear_layer *l, itr_var *x, itr_var *residual)
{
	if (l->weight->packed)
		return itr_linear_packed(t, x, l->weight->packed, l->bias ? l->bias->data : NULL, residual, ITR_ACT_NONE);
	return itr_add(t, residual, itr_linear(t, l, x));
}

void itr_layernorm_init(itr_layernorm_layer *l, itr_params *p, const char *name, int64_t dim, double eps)
{
	l->weight = itr_params_add(p, name, "weight", 1, (int64_t[]){ dim }, ITR_INIT_ONE, 0, true);
	l->bias = itr_params_add(p, name, "bias", 1, (int64_t[]){ dim }, ITR_INIT_ZERO, 0, true);
	l->eps = eps;
}

itr_var *itr_layernorm(itr_tape *t, const itr_layernorm_layer *l, itr_var *x)
{
	return itr_op_layernorm_call(t, x, itr_leaf(t, l->weight), itr_leaf(t, l->bias), l->eps);
}

void itr_embedding_init(itr_embedding_layer *l, itr_params *p, const char *name, int64_t rows, int64_t dim)
{
	l->weight = itr_params_add(p, name, "weight", 2, (int64_t[]){ rows, dim }, ITR_INIT_NORMAL, 1, false);
}

itr_var *itr_embedding(itr_tape *t, const itr_embedding_layer *l, const int64_t *ids, int64_t n)
{
	return itr_gather(t, itr_leaf(t, l->weight), ids, n);
}
