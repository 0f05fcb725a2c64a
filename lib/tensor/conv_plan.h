/* conv_plan.h - internal: the matrix product of patches, in one form for the forward and the backward passes.
 *
 * Row (b, i, j) of the patch matrix contains, for every tap (u, v), channels c0 .. c0+cn-1 of the source at (b, i step + eh[u],
 * j step + ew[v]), or zeros outside the source. Its n results go to channels o0 .. of the destination at (b, dh0 + i dstep, dw0 + j dstep).
 * Forward: the source is x, step = stride. Gradient of the input: the source is dy, with one plan for each residue of the input position
 * modulo the stride, so that no inserted zero is multiplied.
 */
#ifndef ITR_TENSOR_CONV_PLAN_H
#define ITR_TENSOR_CONV_PLAN_H

#include "tensor/conv.h"

typedef struct itr_conv_plan {
	int64_t batch, sh, sw, sc, c0, cn;                                   /* source (batch, sh, sw, sc) and its channels */
	int nh, nw;                                                          /* taps */
	int64_t eh[ITR_CONV_MAX_KERNEL], ew[ITR_CONV_MAX_KERNEL], step;      /* their offsets, ascending */
	int64_t gh, gw;                                                      /* 0 <= i < gh, 0 <= j < gw */
	int64_t dh, dw, dc, dh0, dw0, dstep, o0, n;                          /* destination (batch, dh, dw, dc), positions */
} itr_conv_plan;

/* The plans of one group. _input: for the input positions with residues ph, pw modulo the stride; taps_h, taps_w receive the indices of the
 * taps that reach them. */
itr_conv_plan itr_conv_plan_forward(const itr_conv *g, int64_t group);
itr_conv_plan itr_conv_plan_input(const itr_conv *g, int64_t group, int64_t ph, int64_t pw, int *taps_h, int *taps_w);
/* Writes rows row .. row+rows-1 of the patch matrix to dst, nh nw cn numbers of `element` bytes each. */
void itr_conv_patches(const itr_conv_plan *p, const void *x, size_t element, int64_t row, int64_t rows, void *dst);

#endif
