/* conv_int8.h - inside of convolution: int8 products that read the picture where it lies.
 *
 * A band of the source is rounded to 8 bits once, with its zero points around it, into the second-level cache; there the kw pixels under a
 * row of the kernel are one run of bytes, and neighbouring outputs begin a fixed distance apart: no patches, no packed left operand.
 * Ranges: of each pixel where the kernel is one pixel, else of each picture, so that no result depends on the batch, on the place in it, or
 * on threads. Sums are exact, hence the same in every kernel.
 */
#ifndef ITR_TENSOR_CONV_INT8_H
#define ITR_TENSOR_CONV_INT8_H

#include "tensor/conv_plan.h"

/* Numbers a row of the kernel takes in a packed int8 weight: kw c, and zeros behind them, so that the next row begins with a word of its
 * own. */
int64_t itr_conv_int8_run(const itr_conv *g);
/* Does it have the shape that these kernels know: one group, taps side by side? */
bool itr_conv_int8_fits(const itr_conv *g);
/* y = after(x * w). f (o, kh * itr_conv_int8_run(g)); after as itr_conv_packed_forward's, may be NULL. */
void itr_conv_int8(const itr_conv *g, const itr_packed_weight *f, const float *x, const itr_after *after, float *y, int threads);

#endif
