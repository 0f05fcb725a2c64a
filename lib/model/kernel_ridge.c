/* kernel-ridge: ridge regression on random Fourier features of the side that is mapped; a Gaussian kernel whose width is the median
 * distance of training rows. Rahimi and Recht 2007; scikit-learn's RBFSampler followed by Ridge. */
#include "model/model.h"

static const itr_option options[] = { ITR_CLOSED_FEATURES, ITR_CLOSED_REGULARIZATION,
	                              ITR_CLOSED_LAMBDA,   ITR_CLOSED_DIRECTION,
	                              ITR_CLOSED_IDF,      ITR_OPT_END };

const itr_model_ops itr_model_kernel_ridge = {
	.name = "kernel-ridge",
	.summary = "ridge on random Fourier features: a Gaussian kernel from one side to the other",
	.options_size = sizeof(itr_closed_fit_opts),
	.defaults = &itr_closed_defaults,
	.options = options,
	.closed = &(const itr_closed_kind){ .needs = ITR_MOMENT_XX | ITR_MOMENT_YY | ITR_MOMENT_XY,
	                                    .normalize = true,
	                                    .regularized = true,
	                                    .kernel = ITR_KERNEL_MAPPED_SIDE,
	                                    .fit = itr_ridge_solve },
};
