/* depthwise_kernel.h - internal: depthwise kernels for one row of outputs, and for its share of the weight gradient. */
#ifndef ITR_TENSOR_DEPTHWISE_KERNEL_H
#define ITR_TENSOR_DEPTHWISE_KERNEL_H

#include "tensor/conv_plan.h"

typedef struct itr_depthwise_row {
	int nu, nv;                                      /* kernel rows inside the image, kernel columns */
	const float *x[ITR_CONV_MAX_KERNEL];             /* source row of tap u */
	const float *w[ITR_CONV_MAX_KERNEL];             /* its weights (nv, c) */
	int64_t c, sw, step, first;                      /* output j reads source columns j step + first .. j step + first + nv - 1 */
	int64_t n, out_step;                             /* outputs; floats from one to the next */
	const float *bias;
	float low, high;                                 /* clamp; infinite: none */
	bool hardswish, hardsigmoid, add;                /* add: out += */
	float *out;
} itr_depthwise_row;

typedef struct itr_depthwise_isa {
	const char *name;
	void (*row)(const itr_depthwise_row *r);
	/* dw[u][(v, c)] += sum over outputs j of dy[j][c] x[u][(j step + first + v)][c] */
	void (*weight)(const itr_depthwise_row *r, const float *dy, float *const *dw);
} itr_depthwise_isa;

#if defined(__x86_64__)
extern const itr_depthwise_isa itr_depthwise_avx512, itr_depthwise_avx2;
#endif

#endif
