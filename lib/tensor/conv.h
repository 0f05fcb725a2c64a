/* conv.h - two-dimensional convolution on pictures that lie channels last (B, H, W, C), forward and backward, as products whose left
 * operand (the patches) is never made as a whole.
 *
 * Weights are PyTorch's (O, C / groups, KH, KW). Every output element is one chain over (kh, kw, c), places outside of the picture counting
 * as zeros. In fp32 the result depends neither on threads nor on the batch.
 */
#ifndef ITR_TENSOR_CONV_H
#define ITR_TENSOR_CONV_H

#include "tensor/packed_weight.h"

enum { ITR_CONV_MAX_KERNEL = 16 };

typedef struct itr_conv {
	int64_t batch, h, w, c;                  /* the picture */
	int64_t o, kh, kw, stride, dilation, groups;
	int64_t top, left;                       /* zeros before the first row and column; those behind the last follow from oh and ow */
	int64_t oh, ow;                          /* the result, (batch, oh, ow, o) */
} itr_conv;

/* Fills in oh, ow, top, left from the rest. pad >= 0: as many zeros on all sides; ITR_PAD_SAME: TensorFlow's rule, ceil(size / stride)
 * outputs, the odd zero at the end. false: the picture is smaller than the kernel, or a number makes no sense. */
enum { ITR_PAD_SAME = -1 };
bool itr_conv_shape(itr_conv *g, int64_t pad);

double itr_conv_flops(const itr_conv *g);

/* y = x * w. */
void itr_conv_forward(const itr_conv *g, itr_compute compute, const float *x, const float *w, float *y, int threads);
/* dx = beta dx + the gradient; beta 0 or 1. */
void itr_conv_backward_input(const itr_conv *g, itr_compute compute, const float *dy, const float *w, float beta, float *dx, int threads);
void itr_conv_backward_weight(const itr_conv *g, itr_compute compute, const float *x, const float *dy, float beta, float *dw, int threads);
/* The same from bfloat16 in memory. Sums are fp32; y and dx are bfloat16, or float where so told; w, dw and what is added to them float.
 * ITR_COMPUTE_BF16 above rounds its operands and comes here. Results do not depend on threads; dx is rounded again when it is added to. */
void itr_conv_forward_bf16(const itr_conv *g, const uint16_t *x, const float *w, void *y, bool y_float, int threads);
void itr_conv_backward_input_bf16(const itr_conv *g, const uint16_t *dy, const float *w, float beta, void *dx, bool dx_float, int threads);
void itr_conv_backward_weight_bf16(const itr_conv *g, const uint16_t *x, const uint16_t *dy, float beta, float *dw, int threads);
/* (O, C / groups, KH, KW) -> (O, KH, KW, C / groups): the order in which a weight to pack (groups 1) is asked for. */
void itr_conv_weight_rows(const itr_conv *g, const float *w, float *rows);
/* rows (o, kh kw c) packed for itr_conv_packed_forward. Of g: c, o, kh, kw, dilation, groups (1). x: as in itr_pack_weight_expecting (mean
 * by channel, (c), zeros around the picture not counted), or NULL. Copies; never fails. */
itr_packed_weight *itr_conv_pack_weight(const itr_conv *g, itr_compute compute, const float *rows, const itr_expected *x, int threads);
/* y = after(x * w) with a weight by itr_conv_pack_weight; groups 1. after->residual: as y. int8: activations in the range of each pixel
 * where the kernel is one pixel, else of each picture. */
void itr_conv_packed_forward(const itr_conv *g, const itr_packed_weight *w, const float *x, const itr_after *after, float *y, int threads);

#endif
