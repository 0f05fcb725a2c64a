/* kernel-cca: canonical correlation analysis on random Fourier features of both sides; Lopez-Paz et al., "Randomized nonlinear component
 * analysis", ICML 2014. */
#include "model/model.h"

const itr_model_ops itr_model_kernel_cca = {
	.name = "kernel-cca",
	.summary = "cca on random Fourier features of both sides: a Gaussian kernel",
	.closed = &(const itr_closed_kind){ .needs = ITR_MOMENT_XX | ITR_MOMENT_YY | ITR_MOMENT_XY,
	                                    .normalize = true,
	                                    .regularized = true,
	                                    .kernel = ITR_KERNEL_BOTH_SIDES,
	                                    .fit = itr_cca_solve },
};
