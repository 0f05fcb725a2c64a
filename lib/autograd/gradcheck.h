/* gradcheck.h - checks of gradients, as torch.autograd.gradcheck: the double reference of every registered op is compared with central
 * differences, and its fast float kernels with the reference. Used by `train --check-grad` and tests/unit/test_autograd.c. */
#ifndef ITR_AUTOGRAD_GRADCHECK_H
#define ITR_AUTOGRAD_GRADCHECK_H

#include "autograd/op.h"

typedef struct itr_gradcheck_result {
	int cases;                      /* number of random cases of the op */
	/* max |analytic - central difference| / max(1, largest gradient), over all elements of all inputs */
	double difference_error;
	double forward_error;           /* max |float - double| / largest output */
	/* max |float - double| / (largest gradient + rounding error of its terms, see ITR_GRADCHECK_ROUNDINGS, divided by the bound) */
	double backward_error;
} itr_gradcheck_result;

/* Bounds of the tests. Central differences with step 1e-6 in double have a rounding error of about 1e-9; the bound is 1e-6. Float kernels:
 * 1e-5 of the largest element. */
#define ITR_GRADCHECK_DIFFERENCE 1e-6
#define ITR_GRADCHECK_FLOAT 1e-5
/* Bound for bfloat16 kernels, with inputs that bfloat16 represents exactly: sums are fp32 and a stored result is rounded once, with a
 * relative error of at most 2^-8; a gradient that is the sum of two contributions is rounded three times. */
#define ITR_GRADCHECK_BF16 0x3p-8

/* A gradient may be a small difference of large terms (layernorm of two columns, softmax of a row with one entry near 1, batch statistics
 * of two rows). Each term has several rounding errors of 2^-24 (products, quotients, sums in 16 lanes and their tree), so the error of the
 * sum may be ITR_GRADCHECK_ROUNDINGS 2^-24 sum |terms|, whatever its value (Higham, "Accuracy and Stability of Numerical Algorithms", 3.1).
 * This error is allowed in addition; the reference computes sum |terms| (itr_ref_terms). A kernel with a missing term has an error of about
 * sum |terms|. */
#define ITR_GRADCHECK_ROUNDINGS 16

/* Runs all cases of op and returns the largest errors. */
itr_gradcheck_result itr_gradcheck(const itr_op *op, uint64_t seed, int threads);
/* The same with bfloat16 for the inputs that may be bfloat16, compared with the reference only; difference_error is 0. */
itr_gradcheck_result itr_gradcheck_bf16(const itr_op *op, uint64_t seed, int threads);

#endif
