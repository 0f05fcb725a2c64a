/* depthwise.h - convolution of each channel by itself, (B, H, W, C) with weights (C, 1, KH, KW) as PyTorch stores them: vectors of
 * channels, several pixels of a row at a time, so that a pixel that is loaded serves all the outputs that it reaches. Every output is one
 * chain over (kh, kw), the same in all kernels; nothing depends on threads or the batch. */
#ifndef ITR_TENSOR_DEPTHWISE_H
#define ITR_TENSOR_DEPTHWISE_H

#include "tensor/conv.h"

/* (C, 1, KH, KW) -> (KH, KW, C), each channel times scale[c] where scale is not NULL: what itr_depthwise reads. */
void itr_depthwise_weights(const itr_conv *g, const float *w, const float *scale, float *taps);
/* y = activation(x * w + bias); bias may be NULL; g->c == g->o == g->groups, dilation 1. taps by itr_depthwise_weights. */
void itr_depthwise(const itr_conv *g, const float *x, const float *taps, const float *bias, itr_activation a, float *y, int threads);
void itr_depthwise_backward_input(const itr_conv *g, const float *dy, const float *w, float beta, float *dx, int threads);
void itr_depthwise_backward_weight(const itr_conv *g, const float *x, const float *dy, float beta, float *dw, int threads);

#endif
