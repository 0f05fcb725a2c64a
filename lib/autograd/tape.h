/* tape.h - variables and reverse-mode automatic differentiation.
 *
 *	itr_tape *t = itr_tape_new(&(itr_tape_opts){ .threads = 2, .seed = 42 });
 *	for (int64_t step = 0; step < steps; step++) {
 *		itr_tape_reset(t, step);                         // invalidates every itr_var of the last step
 *		itr_var *x = itr_input(t, 2, (int64_t[]){ 256, 1024 }, batch);
 *		itr_var *loss = itr_mse(t, model(t, x), target);
 *		itr_backward(t, loss, 1);                        // adds to the parameters' gradients
 *		itr_optim_step(optim, lr, 1);
 *	}
 *
 * A call of an op checks shapes; a mismatch is a programming mistake and aborts with the op's name and the shapes. After the first steps no
 * memory is allocated. Results do not depend on the number of threads. Source of the method: reverse accumulation (Griewank & Walther,
 * "Evaluating Derivatives", ch. 3).
 */
#ifndef ITR_AUTOGRAD_TAPE_H
#define ITR_AUTOGRAD_TAPE_H

#include "base/err.h"
#include "tensor/packed_weight.h"

enum { ITR_MAX_RANK = 5 };

typedef struct itr_tape itr_tape;

/* A variable on a tape, valid until itr_tape_reset. Models read rank, shape and count; the other fields are internal. */
typedef struct itr_var {
	int rank;
	int64_t shape[ITR_MAX_RANK], count;
	/* data and grad are bfloat16 (uint16_t): after itr_to_bf16, between ops that support it */
	bool bf16;
	void *data;                     /* float, or bfloat16; double on a reference tape. NULL while discarded: see itr_scope */
	/* same type as data; NULL when no gradient is needed. That of an op's output is freed after the backward function of the op */
	void *grad;
	size_t grad_bytes;              /* bytes of grad in the tape's pool; 0: not from the pool */
	bool needs_grad;
	bool *written;                  /* true after the first contribution, which overwrites grad; later ones add */
	bool own_written;
	struct itr_var *base;           /* of a view: the variable whose memory it uses */
	struct itr_node *creator;       /* the recorded op whose output it is, as PyTorch's grad_fn */
	struct itr_param *param;        /* of a leaf: its parameter */
	size_t data_bytes;              /* bytes of data in the tape's pool; 0: not from the pool, or too small */
	double recompute_cost;          /* additions and multiplications, including those of discarded values that it depends on */
	bool read_back, kept, discarded; /* a backward function reads it; it is the result of a scope; it is recomputed when needed */
	double terms;                   /* reference tapes: see itr_ref_terms (op_util.h) */
} itr_var;

/* A trainable array, owned by its model. Gradients accumulate until itr_params_zero_grad. A parameter without memory for its gradient
 * (itr_params_release_grads) uses memory of the tape in the backward pass, until the tape's reset: for steps with one backward pass, whose
 * gradients then reuse the memory of activations. */
typedef struct itr_param {
	const char *name;               /* PyTorch's state_dict name */
	int rank;
	int64_t shape[ITR_MAX_RANK], count;
	float *data, *grad;
	double *data64, *grad64;        /* only where a reference tape is used: see itr_params_enable_reference (nn/param.h) */
	bool grad_written;              /* false: the gradient is zero and its memory undefined (itr_param_zero_grad) */
	bool frozen;                    /* no gradient: requires_grad = False */
	unsigned net;                   /* bit of the net that it belongs to, for itr_tape_opts.frozen_nets; 0: none */
	/* never changes, neither by training nor as a running statistic, so averages and moments do not include it. Set before
	 * itr_params_seal */
	bool constant;
	double lr_scale;                /* factor of the learning rate; 0 means 1 */
	bool no_decay;                  /* bias, norm, temperature: excluded from weight decay when decay is per group */
	itr_packed_weight *packed;      /* after itr_params_pack (nn/param.h): the weight for inference; data is then NULL */
	/* after packing a convolution with its normalisation folded into it: the new bias; otherwise NULL */
	float *folded_bias;
} itr_param;

typedef struct itr_tape_opts {
	int threads;
	uint64_t seed;                  /* of dropout: the mask depends only on (seed, step, call number, element) */
	bool reference;                 /* double precision, by simple loops */
	bool no_dropout;                /* dropout is the identity also while training: for comparisons with other implementations */
	bool fresh_statistics;          /* the running statistics start at zeros and ones: see itr_tape_momentum */
	bool inference;                 /* as torch.inference_mode and model.eval(): nothing is recorded, no dropout, running statistics */
	itr_compute compute;            /* precision of matrix products; sums stay fp32 */
	bool bf16_everywhere;           /* every op that supports bfloat16 gets it: for tests of these ops */
	unsigned frozen_nets;           /* parameters of these nets (itr_param.net) are constants on this tape */
	/* gradient checkpointing (Chen et al. 2016): values inside a scope that cost at most that many operations for each element are
	 * discarded after the scope and recomputed in the backward pass, with the same bits. 0: values without matrix products,
	 * INFINITY: all, negative: none */
	double recompute;
} itr_tape_opts;

/* A threshold for `recompute`: normalisations, activations, and matrix products with few terms, such as the last convolution of a
 * bottleneck. Measured with ResNet-50 + BERT, batch 16, fp32, memory of a step without weights and moments: 1,912 MB with none; 1,104 MB
 * with this value, in the same time; 674 MB with all, in 1.16 times the time. Scopes with mostly memory traffic (MobileNet) are not
 * recomputed. */
#define ITR_RECOMPUTE_CHEAP 256.0

itr_tape *itr_tape_new(const itr_tape_opts *o);
void itr_tape_free(itr_tape *t);
/* Invalidates all variables and keeps the memory; `step` selects the dropout masks. */
void itr_tape_reset(itr_tape *t, uint64_t step);
int itr_tape_threads(const itr_tape *t);
bool itr_tape_training(const itr_tape *t);
bool itr_tape_dropout_active(const itr_tape *t);         /* false: dropout is the identity */
bool itr_tape_reference(const itr_tape *t);
itr_compute itr_tape_compute(const itr_tape *t);
void itr_tape_set_inference(itr_tape *t, bool inference);
void itr_tape_set_compute(itr_tape *t, itr_compute compute);
void itr_tape_set_frozen_nets(itr_tape *t, unsigned nets);      /* applies to variables created later */
/* false: as torch.no_grad() in training: dropout and batch statistics, but nothing is recorded and no parameter needs a gradient (the first
 * pass of GradCache). Applies to variables created later; call it right after a reset. */
void itr_tape_set_recording(itr_tape *t, bool recording);
unsigned itr_tape_nets_read(const itr_tape *t);                 /* nets (itr_param.net) whose parameters were read since the reset */
size_t itr_tape_bytes(const itr_tape *t);                /* peak of activations and gradients, including those of parameters */
void itr_tape_trim(itr_tape *t);                         /* resets and frees the memory */
/* The momentum for running statistics. With fresh_statistics it is max(momentum, 9 / (10 + step)), the warm-up of TensorFlow's moving
 * averages: with MobileNet's momentum 0.01 the initial zeros and ones would still have a weight of a third after a hundred steps. */
double itr_tape_momentum(const itr_tape *t, double momentum);
double itr_tape_flops(const itr_tape *t);                /* of matrix products since the last reset, forward and backward */

/* For inference: an array of as many single-threaded tapes as t has threads, for work that is divided by images instead of within each
 * layer. They belong to t, are reset here and whenever t is, and their operations count in itr_tape_flops(t). Must not be called from a
 * worker thread. */
itr_tape *const *itr_tape_workers(itr_tape *t);

/* A constant. data is borrowed until the reset on a float tape, and copied on a reference tape. */
itr_var *itr_input(itr_tape *t, int rank, const int64_t *shape, const float *data);
/* A constant with the values of v, a variable of tape `from` of the same precision: detach() across tapes. Borrowed until the backward pass
 * or the reset of `from`; converted from bfloat16. */
itr_var *itr_constant_of(itr_tape *t, itr_tape *from, itr_var *v);
/* A constant with uninitialised values, which the caller sets: torch.empty. */
itr_var *itr_blank(itr_tape *t, int rank, const int64_t *shape);
/* An input with a gradient (for checks and saliency). */
itr_var *itr_input_grad(itr_tape *t, int rank, const int64_t *shape, const float *data);
/* The variable of a parameter; p must live until the reset. */
itr_var *itr_leaf(itr_tape *t, itr_param *p);
/* --- scopes: a block of layers of which only the result is used later. At the end of the scope the other values are freed in inference,
 * and their memory is used by the next block. While recording, values that no backward function reads are freed, and values that are cheap
 * to recompute (itr_tape_opts.recompute) are discarded until the backward pass needs them; in a scope where no parameter needs a gradient
 * all are freed as in inference.
 *	for (layer = 0; layer < layers; layer++) {
 *		itr_scope s = itr_scope_begin(t);
 *		x = itr_scope_end(t, s, block(t, layer, x));
 *	}
 * result may be a variable of this scope or of an outer one; NULL: no result. */
typedef struct itr_scope { size_t mark[2]; } itr_scope;
itr_scope itr_scope_begin(itr_tape *t);
itr_var *itr_scope_end(itr_tape *t, itr_scope s, itr_var *result);

/* All values as float, borrowed until the reset (converted from bfloat16 or double when needed). Call it before the backward pass, which
 * frees them. */
const float *itr_values(itr_tape *t, itr_var *v);
/* The value of a variable of one element, as Tensor.item(); element i of any variable. */
double itr_var_item(const itr_tape *t, const itr_var *x);
double itr_var_at(const itr_tape *t, const itr_var *x, int64_t i);

/* Backward pass from loss (one element): adds scale times the gradients to those of all parameters and inputs that need them (gradient
 * accumulation: scale = 1/steps). It frees values as it proceeds: afterwards the values of large variables (more than a few thousand
 * elements) are no longer available, except inputs, parameters and gradients of inputs. */
void itr_backward(itr_tape *t, itr_var *loss, double scale);
/* The same from a given gradient of `out` (shape of out; float, or double on a reference tape, also when out is bfloat16): the second pass
 * of GradCache.
 */
void itr_backward_from(itr_tape *t, itr_var *out, const void *grad);
/* The same from several outputs (different variables) in one backward pass. An output is skipped when it or its gradient is NULL or it
 * needs no gradient. */
void itr_backward_outputs(itr_tape *t, itr_var *const *out, const void *const *grad, int n);

/* Name of the first recorded op whose output is not finite, or NULL. For "loss is NaN: first bad tensor ...". */
const char *itr_tape_first_bad(itr_tape *t);

#endif
