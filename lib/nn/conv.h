/* conv.h - convolutions as networks use them: with the normalisation and the activation that follow.
 *
 *	const itr_conv_opts o = { .in = 64, .out = 128, .kernel = 3, .stride = 2, .padding = 1, .eps = 1e-5 };
 *	itr_conv_norm_init(&m->conv1, p, "conv1", "bn1", &o);
 *	x = itr_conv_norm(t, &m->conv1, x, NULL, ITR_ACT_RELU);
 *
 * While recording: conv2d, then batchnorm with residual and activation. After itr_params_pack: one product (or one depthwise pass) whose
 * weights have the normalisation folded in.
 */
#ifndef ITR_NN_CONV_H
#define ITR_NN_CONV_H

#include "nn/layers.h"
#include "tensor/conv.h"

typedef struct itr_conv_opts {
	int64_t in, out, kernel, stride;         /* stride 0 means 1 */
	int64_t padding;                         /* zeros on each side, or ITR_PAD_SAME */
	int64_t groups;                          /* 0 means 1; in = out: depthwise */
	double eps, momentum;                    /* of the normalisation; momentum 0 means 0.1 */
	/* while training: see itr_norm (autograd/ops.h); not where the normalisation is constant */
	bool batch_statistics;
} itr_conv_opts;

/* CONV.weight (out, in / groups, k, k); NORM.weight, .bias, .running_mean, .running_var (out). Normal with variance 2 / (k k out), as
 * torchvision initialises its networks. The layer may not move: packing finds it by its address. */
typedef struct itr_conv_norm_layer {
	itr_conv_opts o;
	itr_param *weight, *gamma, *beta, *mean, *var;
	float *taps;                             /* depthwise, after packing */
	const struct itr_conv_norm_layer *source;        /* makes this layer's input, through `between`; or NULL */
	itr_activation between;
} itr_conv_norm_layer;
void itr_conv_norm_init(itr_conv_norm_layer *l, itr_params *p, const char *conv, const char *norm, const itr_conv_opts *o);
/* Says that l's input is always a(norm(conv(...))) of `source`, registered before it and nothing added. int8 then knows the mean of each
 * channel without having seen a picture (a normalised channel has mean beta and deviation |gamma|; Nagel et al. 2019, Data-free
 * quantization through weight equalization and bias correction), and the bias makes up for what rounding the weights does to it. */
void itr_conv_norm_follows(itr_conv_norm_layer *l, const itr_conv_norm_layer *source, itr_activation a);
/* activation(norm(conv(x)) + residual); residual may be NULL. */
itr_var *itr_conv_norm(itr_tape *t, const itr_conv_norm_layer *l, itr_var *x, itr_var *residual, itr_activation a);
/* The same with a residual that an op has made and that nobody reads afterwards: a packed layer's result takes its place, so that a map of
 * the largest size is neither written elsewhere nor moved at the end of the block. */
itr_var *itr_conv_norm_onto(itr_tape *t, const itr_conv_norm_layer *l, itr_var *x, itr_var *residual, itr_activation a);

/* activation(conv(x) + bias); NAME.weight, NAME.bias, as torch.nn.Conv2d. */
typedef struct itr_conv_layer {
	itr_conv_opts o;
	itr_param *weight, *bias;
} itr_conv_layer;
void itr_conv_layer_init(itr_conv_layer *l, itr_params *p, const char *name, const itr_conv_opts *o);
itr_var *itr_conv_layer_call(itr_tape *t, const itr_conv_layer *l, itr_var *x, itr_activation a);

#endif
