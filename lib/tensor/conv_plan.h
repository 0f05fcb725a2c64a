/* conv_plan.h - inside of convolution: a product of patches, whichever of the passes it belongs to.
 *
 * Grid element (b, i, j) gathers, for every tap (u, v), channels c0 .. c0+cn-1 of the source at (b, i step + eh[u], j step + ew[v]), or
 * zeros outside, and its n results go to channels o0 .. of the destination at (b, dh0 + i dstep, dw0 + j dstep). Forward: source x, step =
 * stride. Backward to the input: source dy, one plan for each residue of the input's place modulo the stride, so that no multiplication
 * with an inserted zero is ever made.
 */
#ifndef ITR_TENSOR_CONV_PLAN_H
#define ITR_TENSOR_CONV_PLAN_H

#include "tensor/conv.h"

typedef struct itr_conv_plan {
	int64_t batch, sh, sw, sc, c0, cn;
	int nh, nw;
	int64_t eh[ITR_CONV_MAX_KERNEL], ew[ITR_CONV_MAX_KERNEL], step;      /* ascending */
	int64_t gh, gw;
	int64_t dh, dw, dc, dh0, dw0, dstep, o0, n;
} itr_conv_plan;

itr_conv_plan itr_conv_plan_forward(const itr_conv *g, int64_t group);
itr_conv_plan itr_conv_plan_input(const itr_conv *g, int64_t group, int64_t ph, int64_t pw, int *taps_h, int *taps_w);
/* Rows row .. row+rows-1 of the patch matrix, nh nw cn numbers of `element` bytes each. */
void itr_conv_patches(const itr_conv_plan *p, const void *x, size_t element, int64_t row, int64_t rows, void *dst);

#endif
