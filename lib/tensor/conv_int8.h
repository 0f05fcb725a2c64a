/* conv_int8.h - internal: int8 convolution without patches.
 *
 * A band (some rows of the input) is quantised once, with padding of zero points, and stays in the second-level cache. There the kw pixels
 * under a row of the kernel are contiguous bytes, and neighbouring outputs start at a fixed distance: no patches, no packed left operand.
 * There is one quantisation range for each pixel when the kernel is 1x1, otherwise for each image, so a result depends neither on the batch
 * nor on the position in it nor on threads. Sums are exact integers, hence the same in every kernel.
 */
#ifndef ITR_TENSOR_CONV_INT8_H
#define ITR_TENSOR_CONV_INT8_H

#include "tensor/conv_plan.h"

/* Length of one kernel row in a packed int8 weight: kw c, padded with zeros to whole 32-bit words. */
int64_t itr_conv_int8_run(const itr_conv *g);
/* True when these kernels support the shape: one group, contiguous taps. */
bool itr_conv_int8_fits(const itr_conv *g);
/* y = epilogue(x * w). f (o, kh * itr_conv_int8_run(g)); epilogue as in itr_conv_packed_forward, may be NULL. */
void itr_conv_int8(const itr_conv *g, const itr_packed_weight *f, const float *x, const itr_epilogue *epilogue, float *y, int threads);

#endif
