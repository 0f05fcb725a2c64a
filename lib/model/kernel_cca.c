/* kernel-cca: canonical correlation analysis on random Fourier features of both sides; Lopez-Paz et al., "Randomized nonlinear component
 * analysis", ICML 2014. */
#include "model/model.h"

static const itr_option options[] = { ITR_CLOSED_FEATURES,       ITR_CLOSED_DIMS, ITR_CLOSED_POWER,
	                              ITR_CLOSED_REGULARIZATION, ITR_CLOSED_IDF,  ITR_OPT_END };

const itr_model_ops itr_model_kernel_cca = {
	.name = "kernel-cca",
	.summary = "cca on random Fourier features of both sides: a Gaussian kernel",
	.options_size = sizeof(itr_closed_fit_opts),
	.defaults = &itr_closed_defaults,
	.options = options,
	.closed = &(const itr_closed_kind){ .needs = ITR_MOMENT_XX | ITR_MOMENT_YY | ITR_MOMENT_XY,
	                                    .normalize = true,
	                                    .regularized = true,
	                                    .smaller = "--power",
	                                    .kernel = ITR_KERNEL_BOTH_SIDES,
	                                    .fit = itr_cca_solve },
};
