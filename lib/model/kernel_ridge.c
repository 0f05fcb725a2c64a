/* kernel-ridge: ridge regression on random Fourier features of the side that is mapped; a Gaussian kernel whose width is the median
 * distance of training rows. Rahimi and Recht 2007; scikit-learn's RBFSampler followed by Ridge. */
#include "model/model.h"

const itr_model_ops itr_model_kernel_ridge = {
	.name = "kernel-ridge",
	.summary = "ridge on random Fourier features: a Gaussian kernel from one side to the other",
	.closed = &(const itr_closed_kind){ .needs = ITR_MOMENT_XX | ITR_MOMENT_YY | ITR_MOMENT_XY,
	                                    .normalize = true,
	                                    .regularized = true,
	                                    .kernel = ITR_KERNEL_MAPPED_SIDE,
	                                    .fit = itr_ridge_solve },
};
