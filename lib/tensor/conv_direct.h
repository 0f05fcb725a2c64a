/* conv_direct.h - inside of convolution: fp32 kernels that read the picture where it lies instead of patches.
 *
 * A band of the source is copied once, with its zeros around it, into the second-level cache; there the kw pixels under a row of the kernel are one run of numbers, and neighbouring outputs
 * begin a fixed distance apart. So a tile needs no packed left operand: seven outputs of one row, twice, by 32 columns of packed weights. Each sum is the chain of itr_gemm, to the bit.
 */
#ifndef ITR_TENSOR_CONV_DIRECT_H
#define ITR_TENSOR_CONV_DIRECT_H

#include "tensor/conv_plan.h"

enum { ITR_DIRECT_GROUP = 7, ITR_DIRECT_COLUMNS = 32 };

/* s (14, 32): rows 0..6 of the group at a0, 7..13 of the one at a1 (NULL: none). Output r of a group reads, for u < nh, `run` numbers from a + r * pixel + u * line; panel: nh * run rows of 32. */
typedef void itr_direct_tile(int nh, int64_t run, int64_t line, int64_t pixel, const float *a0, const float *a1, const float *panel, float *s);

/* What this processor has, or NULL. */
itr_direct_tile *itr_direct_tile_get(void);
#if defined(__x86_64__)
extern itr_direct_tile itr_direct_tile_avx512;
#endif

/* Does the plan have the shape that direct kernels know (taps side by side), and is there a kernel? */
bool itr_direct_fits(const itr_conv_plan *p);
/* dst = after(patches panels). panels: n columns in panels of 32, k = nh nw cn rows each. after (may be NULL): residual lies as dst does. */
void itr_direct_run(const itr_conv_plan *p, const float *x, const float *panels, const itr_after *after, float *dst, int threads);

#endif
