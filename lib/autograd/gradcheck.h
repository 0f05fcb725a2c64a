/* gradcheck.h - is the gradient the gradient? Every registered op's double reference against central differences, and its fast float
 * kernels against the reference. `train --check-grad` runs it for all ops; tests/unit/test_autograd.c too. */
#ifndef ITR_AUTOGRAD_GRADCHECK_H
#define ITR_AUTOGRAD_GRADCHECK_H

#include "autograd/op.h"

typedef struct itr_gradcheck_result {
	int cases;                      /* that the op sampled */
	/* max |analytic - central difference| / max(1, largest gradient), over all elements of all inputs */
	double difference_error;
	double forward_error;           /* max |float - double| / largest output */
	/* max |float - double| / (largest gradient + what the rounding of its terms may leave, in units of the bound) */
	double backward_error;
} itr_gradcheck_result;

/* Bounds that the tests hold: central differences with step 1e-6 in double leave about 1e-9 of rounding; 1e-6 is the bound of the method.
 * The float kernels: 1e-5 of the largest element. */
#define ITR_GRADCHECK_DIFFERENCE 1e-6
#define ITR_GRADCHECK_FLOAT 1e-5
/* Of ops that take bfloat16, from numbers that bfloat16 holds: sums are fp32 and what is stored is rounded once, by 2^-8 of it at most; a
 * gradient that arrives in two parts, three times. */
#define ITR_GRADCHECK_BF16 0x3p-8

/* A gradient that is a difference of large terms (layernorm of two columns, softmax of a row whose one entry is nearly 1, batch statistics
 * of two rows) has no digits left that float could get right: each of its terms has passed through a handful of roundings by 2^-24
 * (products, quotients, the sums in 16 lanes and their tree), which leaves up to ITR_GRADCHECK_ROUNDINGS 2^-24 sum |terms| whatever the sum
 * is (Higham, "Accuracy and Stability of Numerical Algorithms", 3.1). That much is allowed besides; the reference tells the terms
 * (itr_ref_terms). A kernel that forgets a term is wrong by about sum |terms| itself. */
#define ITR_GRADCHECK_ROUNDINGS 16

itr_gradcheck_result itr_gradcheck(const itr_op *op, uint64_t seed, int threads);
/* With bfloat16 for what the op takes as such. Against the reference alone; difference_error is 0. */
itr_gradcheck_result itr_gradcheck_bf16(const itr_op *op, uint64_t seed, int threads);

#endif
