/* conv_direct.h - internal: fp32 convolution kernels that read the input directly instead of patches.
 *
 * A band (some rows of the input) is copied once, with its padding, so that it stays in the second-level cache. There the kw pixels under a
 * row of the kernel are contiguous, and neighbouring outputs start at a fixed distance, so a tile needs no packed left operand. A tile
 * computes two groups of seven outputs of one row by 32 columns of packed weights. Each sum is the chain of itr_gemm, with the same bits.
 * The epilogue is applied in registers; the memory that it reads and writes is prefetched while the tile computes.
 */
#ifndef ITR_TENSOR_CONV_DIRECT_H
#define ITR_TENSOR_CONV_DIRECT_H

#include "tensor/conv_plan.h"

enum { ITR_DIRECT_GROUP = 7, ITR_DIRECT_COLUMNS = 32 };

/* Addresses of a tile's input, in floats: output r of a group reads, for u < nh and v < nw in this order, `run` numbers from
 * a + r * pixel + u * line + v * column. */
typedef struct itr_direct_input {
	int nh, nw;
	int64_t run, line, column, pixel;
	/* weights to prefetch while the tile computes; the address advances by ahead_step bytes for every four numbers */
	const char *ahead;
	int64_t ahead_step;
} itr_direct_input;

/* The output of one or two groups (a1 NULL: one). */
typedef struct itr_direct_out {
	float *sums;                     /* (14, 32) */
	bool resume;                     /* continue from the values in `sums` */
	bool finish;                     /* write y = epilogue(sums) for all rows of the groups; otherwise write `sums` */
	int cols;                        /* number of columns that exist, <= 32 */
	itr_activation activation;       /* none, relu, relu6, hardswish */
	const float *bias, *residual[2]; /* of these columns; residual[0] NULL: none */
	int64_t ld_residual, ld;
	float *y[2];
} itr_direct_out;

typedef void itr_direct_tile(const itr_direct_input *w, const float *a0, const float *a1, const float *panel, const itr_direct_out *o);

/* The kernel for this processor, or NULL. */
itr_direct_tile *itr_direct_tile_get(void);
#if defined(__x86_64__)
extern itr_direct_tile itr_direct_tile_avx512;
#endif

/* Floats from one pixel of a band to the next: the channels, plus padding where outputs would be multiples of 4 KB apart and so map to the
 * same few lines of the first-level cache. */
static inline int64_t itr_direct_pitch(int64_t channels, int64_t step) { return step * channels % 1024 ? channels : channels + 16; }

/* True when the kernel can apply this epilogue in registers. */
bool itr_direct_finishes(const itr_epilogue *a);

/* True when there is a kernel and it supports the shape of the plan (contiguous taps). */
bool itr_direct_fits(const itr_conv_plan *p);
/* dst = epilogue(patches x panels). panels: n columns in panels of 32, k = nh nw cn rows each. epilogue (may be NULL): its residual has the
 * layout of dst. */
void itr_direct_run(const itr_conv_plan *p, const float *x, const float *panels, const itr_epilogue *epilogue, float *dst, int threads);

/* The same for 1x1 kernels with any stride and a contiguous result. */
bool itr_pointwise_fits(const itr_conv_plan *p);
void itr_pointwise_run(const itr_conv_plan *p, const float *x, const float *panels, const itr_epilogue *epilogue, float *dst, int threads);

#endif
