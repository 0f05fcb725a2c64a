/* conv.h - convolution layers: convolution + batch normalisation + activation, and convolution + bias.
 *
 *	const itr_conv_opts o = { .in = 64, .out = 128, .kernel = 3, .stride = 2, .padding = 1, .eps = 1e-5 };
 *	itr_conv_norm_init(&m->conv1, p, "conv1", "bn1", &o);
 *	x = itr_conv_norm(t, &m->conv1, x, NULL, ITR_ACT_RELU);
 *
 * In training: conv2d, then batchnorm with residual and activation. After itr_params_pack: one product (or one depthwise convolution) with
 * the normalisation folded into its weights.
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
	/* in training: as itr_norm (autograd/ops.h); ignored when the parameters of the normalisation are constant */
	bool batch_statistics;
} itr_conv_opts;

/* Parameters: CONV.weight (out, in / groups, k, k); NORM.weight, .bias, .running_mean, .running_var (out). Initial weights are normal with
 * variance 2 / (k k out), as in torchvision. The struct must not move or be freed before p: packing uses its address. */
typedef struct itr_conv_norm_layer {
	itr_conv_opts o;
	itr_param *weight, *gamma, *beta, *mean, *var;
	float *taps;                             /* depthwise, after packing */
	const struct itr_conv_norm_layer *source;        /* the layer whose output, after activation `between`, is the input; or NULL */
	itr_activation between;
} itr_conv_norm_layer;
void itr_conv_norm_init(itr_conv_norm_layer *l, itr_params *p, const char *conv, const char *norm, const itr_conv_opts *o);
/* Declares that l's input is always a(norm(conv(...))) of `source`, without a residual; `source` must be registered before l. int8 packing
 * then computes the mean of each input channel without calibration images (a normalised channel has mean beta and standard deviation
 * |gamma|) and corrects the bias for the rounding of the weights (Nagel et al. 2019, Data-free quantization through weight equalization and
 * bias correction). */
void itr_conv_norm_follows(itr_conv_norm_layer *l, const itr_conv_norm_layer *source, itr_activation a);
/* activation(norm(conv(x)) + residual); residual may be NULL. */
itr_var *itr_conv_norm(itr_tape *t, const itr_conv_norm_layer *l, itr_var *x, itr_var *residual, itr_activation a);
/* The same for a residual that is the output of an op and is not used afterwards: a packed layer overwrites it with the result, which saves
 * memory and a copy at the end of the block. */
itr_var *itr_conv_norm_onto(itr_tape *t, const itr_conv_norm_layer *l, itr_var *x, itr_var *residual, itr_activation a);

/* activation(conv(x) + bias); NAME.weight, NAME.bias, as torch.nn.Conv2d. */
typedef struct itr_conv_layer {
	itr_conv_opts o;
	itr_param *weight, *bias;
} itr_conv_layer;
void itr_conv_layer_init(itr_conv_layer *l, itr_params *p, const char *name, const itr_conv_opts *o);
itr_var *itr_conv_layer_call(itr_tape *t, const itr_conv_layer *l, itr_var *x, itr_activation a);

#endif
