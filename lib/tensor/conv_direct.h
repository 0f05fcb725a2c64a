/* conv_direct.h - inside of convolution: fp32 kernels that read the picture where it lies instead of patches.
 *
 * A band of the source is copied once, with its zeros around it, into the second-level cache; there the kw pixels under a row of the kernel
 * are one run of numbers, and neighbouring outputs begin a fixed distance apart. So a tile needs no packed left operand: seven outputs of
 * one row, twice, by 32 columns of packed weights. Each sum is the chain of itr_gemm, to the bit; what follows the sums (itr_after) is done
 * in registers, and the lines it reads and writes are asked for while the tile computes.
 */
#ifndef ITR_TENSOR_CONV_DIRECT_H
#define ITR_TENSOR_CONV_DIRECT_H

#include "tensor/conv_plan.h"

enum { ITR_DIRECT_GROUP = 7, ITR_DIRECT_COLUMNS = 32 };

/* Where a tile's numbers lie, in floats: output r of a group reads, for u < nh and v < nw, `run` numbers from a + r * pixel + u * line + v
 * * column, in this order. */
typedef struct itr_direct_walk {
	int nh, nw;
	int64_t run, line, column, pixel;
	/* asked for while the tile computes: weights that come next, ahead_step bytes for every four numbers */
	const char *ahead;
	int64_t ahead_step;
} itr_direct_walk;

/* What becomes of the sums of one or two groups (a1 NULL: one). */
typedef struct itr_direct_out {
	float *sums;                     /* (14, 32) */
	bool resume;                     /* continue from the sums that are stored there */
	bool finish;                     /* y = after(sums), all rows of the groups, instead of leaving them in `sums` */
	int cols;                        /* of 32 that are there */
	itr_activation activation;       /* none, relu, relu6, hardswish */
	const float *bias, *residual[2]; /* of these columns; residual[0] NULL: none */
	int64_t ld_residual, ld;
	float *y[2];
} itr_direct_out;

typedef void itr_direct_tile(const itr_direct_walk *w, const float *a0, const float *a1, const float *panel, const itr_direct_out *o);

/* What this processor has, or NULL. */
itr_direct_tile *itr_direct_tile_get(void);
#if defined(__x86_64__)
extern itr_direct_tile itr_direct_tile_avx512;
#endif

/* Floats from one pixel of a band to the next: more than its channels where outputs would lie multiples of 4 KB apart, which are the same
 * few lines of the first-level cache. */
static inline int64_t itr_direct_pitch(int64_t channels, int64_t step) { return step * channels % 1024 ? channels : channels + 16; }

/* Can the tile do this itself? */
bool itr_direct_finishes(const itr_after *a);

/* Does the plan have the shape that direct kernels know (taps side by side), and is there a kernel? */
bool itr_direct_fits(const itr_conv_plan *p);
/* dst = after(patches panels). panels: n columns in panels of 32, k = nh nw cn rows each. after (may be NULL): residual lies as dst does.
 */
void itr_direct_run(const itr_conv_plan *p, const float *x, const float *panels, const itr_after *after, float *dst, int threads);

/* The same for 1x1 kernels with any stride, whose results lie densely. */
bool itr_pointwise_fits(const itr_conv_plan *p);
void itr_pointwise_run(const itr_conv_plan *p, const float *x, const float *panels, const itr_after *after, float *dst, int threads);

#endif
