/* depthwise.h - depthwise convolution (groups == channels) of (B, H, W, C) with PyTorch's weights (C, 1, KH, KW). Works on vectors of
 * channels and several pixels of a row at a time, so that a loaded pixel is used for all outputs that depend on it. Every output is one
 * chain over (kh, kw), the same in all kernels; results do not depend on threads or the batch. */
#ifndef ITR_TENSOR_DEPTHWISE_H
#define ITR_TENSOR_DEPTHWISE_H

#include "tensor/conv.h"

/* (C, 1, KH, KW) -> taps (KH, KW, C), the layout that itr_depthwise reads; channel c is multiplied by scale[c] unless scale is NULL. */
void itr_depthwise_weights(const itr_conv *g, const float *w, const float *scale, float *taps);
/* y = activation(x * w + bias); bias may be NULL; g->c == g->o == g->groups, dilation 1. taps by itr_depthwise_weights. */
void itr_depthwise(const itr_conv *g, const float *x, const float *taps, const float *bias, itr_activation a, float *y, int threads);
/* Gradients as in conv.h: dx = beta dx + ..., dw (C, 1, KH, KW) = beta dw + ... */
void itr_depthwise_backward_input(const itr_conv *g, const float *dy, const float *w, float beta, float *dx, int threads);
void itr_depthwise_backward_weight(const itr_conv *g, const float *x, const float *dy, float beta, float *dw, int threads);

#endif
