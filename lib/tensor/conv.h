/* conv.h - two-dimensional convolution, forward and backward, on channels-last arrays (B, H, W, C). Computed as matrix products; the patch
 * matrix (im2col) exists only in blocks.
 *
 * Weights have PyTorch's layout (O, C / groups, KH, KW). Every output element is one chain of fused multiply-adds over (kh, kw, c); padding
 * counts as zeros. In fp32 the result depends neither on threads nor on the batch.
 */
#ifndef ITR_TENSOR_CONV_H
#define ITR_TENSOR_CONV_H

#include "tensor/packed_weight.h"

enum { ITR_CONV_MAX_KERNEL = 16 };

typedef struct itr_conv {
	int64_t batch, h, w, c;                  /* input (batch, h, w, c) */
	int64_t o, kh, kw, stride, dilation, groups;
	int64_t top, left;                       /* padding before the first row and column; that after the last follows from oh and ow */
	int64_t oh, ow;                          /* output (batch, oh, ow, o) */
} itr_conv;

/* Sets oh, ow, top, left from the other fields. pad >= 0: padding on each of the four sides; ITR_PAD_SAME: TensorFlow's "SAME",
 * ceil(size / stride) outputs, an odd zero at the end. Returns false when the padded input is smaller than the kernel or a field is
 * invalid. */
enum { ITR_PAD_SAME = -1 };
bool itr_conv_shape(itr_conv *g, int64_t pad);

double itr_conv_flops(const itr_conv *g);        /* of one forward pass; a multiply-add counts 2 */

/* y = x * w. Arrays as in itr_conv; threads as in itr_threads_resolve, in all functions below. None of them fails. */
void itr_conv_forward(const itr_conv *g, itr_compute compute, const float *x, const float *w, float *y, int threads);
/* dx = beta dx + gradient of the input; dw = beta dw + gradient of the weights; beta is 0 or 1. */
void itr_conv_backward_input(const itr_conv *g, itr_compute compute, const float *dy, const float *w, float beta, float *dx, int threads);
void itr_conv_backward_weight(const itr_conv *g, itr_compute compute, const float *x, const float *dy, float beta, float *dw, int threads);
/* The same with bfloat16 arrays x and dy. Sums are fp32; y and dx are bfloat16, or float with y_float, dx_float; w and dw are float. With
 * ITR_COMPUTE_BF16 the functions above round their operands and call these. Results do not depend on threads. With beta 1 a bfloat16 dx is
 * rounded again. */
void itr_conv_forward_bf16(const itr_conv *g, const uint16_t *x, const float *w, void *y, bool y_float, int threads);
void itr_conv_backward_input_bf16(const itr_conv *g, const uint16_t *dy, const float *w, float beta, void *dx, bool dx_float, int threads);
void itr_conv_backward_weight_bf16(const itr_conv *g, const uint16_t *x, const uint16_t *dy, float beta, float *dw, int threads);
/* (O, C / groups, KH, KW) -> (O, KH, KW, C / groups): the layout that itr_conv_pack_weight reads (groups 1). */
void itr_conv_weight_rows(const itr_conv *g, const float *w, float *rows);
/* Packs the weight `rows` (o, kh kw c) for itr_conv_packed_forward. Reads these fields of g: c, o, kh, kw, dilation, groups (must be 1). x:
 * as in itr_pack_weight_corrected, but with one mean for each channel (c); padding is ignored; or NULL. Copies; the caller frees. */
itr_packed_weight *itr_conv_pack_weight(const itr_conv *g, itr_compute compute, const float *rows, const itr_bias_correction *x,
                                        int threads);
/* y = epilogue(x * w) with a weight by itr_conv_pack_weight; groups 1. epilogue (may be NULL): its residual has the shape of y. int8: x is
 * quantised with one range for each pixel when the kernel is 1x1, otherwise with one range for each image. */
void itr_conv_packed_forward(const itr_conv *g, const itr_packed_weight *w, const float *x, const itr_epilogue *epilogue, float *y,
                             int threads);

#endif
