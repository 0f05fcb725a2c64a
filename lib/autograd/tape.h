/* tape.h - variables and reverse-mode differentiation.
 *
 *	itr_tape *t = itr_tape_new(&(itr_tape_opts){ .threads = 2, .seed = 42 });
 *	for (int64_t step = 0; step < steps; step++) {
 *		itr_tape_reset(t, step);                         // invalidates every itr_var of the last step
 *		itr_var *x = itr_input(t, 2, (int64_t[]){ 256, 1024 }, batch);
 *		itr_var *loss = itr_mse(t, model(t, x), target);
 *		itr_backward(t, loss, 1);                        // adds into the parameters' gradients
 *		itr_optim_step(optim, lr, 1);
 *	}
 *
 * Shapes are checked where ops are called; a mismatch is a programming mistake and aborts with the op's name and the shapes. Nothing here
 * allocates after the first steps: the arena keeps its blocks. Results do not depend on the number of threads. Source of the method:
 * reverse accumulation (Griewank & Walther, "Evaluating Derivatives", ch. 3).
 */
#ifndef ITR_AUTOGRAD_TAPE_H
#define ITR_AUTOGRAD_TAPE_H

#include "base/err.h"
#include "tensor/packed_weight.h"

enum { ITR_MAX_RANK = 5 };

typedef struct itr_tape itr_tape;

typedef struct itr_var {
	int rank;
	int64_t shape[ITR_MAX_RANK], count;
	/* data and grad are bfloat16 (uint16_t): only what itr_to_bf16 began, and only between ops that take it */
	bool bf16;
	void *data;                     /* else float; double on a reference tape. NULL while they are discarded: see itr_scope */
	/* as data; NULL when nothing needs it. An op's output gives it back once the walk is past that op */
	void *grad;
	size_t grad_bytes;              /* what the tape gave for it; 0: not the tape's */
	bool needs_grad;
	bool *written;                  /* has a contribution arrived? The first one overwrites, later ones add */
	bool own_written;
	/* the tape's own book-keeping: whose memory a view shows, which op made it (recorded ones), whose gradient a leaf's is */
	struct itr_var *base;
	struct itr_node *maker;
	struct itr_param *param;
	size_t data_bytes;              /* what the tape gave for data and may take back; 0: not the tape's, or too small to matter */
	double recompute_cost;          /* multiplications and additions, with those of all that is discarded before it */
	bool read_back, kept, discarded; /* does a backward function read it; result of a scope; recomputed when it is needed */
	double terms;                   /* reference tapes: see itr_ref_terms (op_util.h) */
} itr_var;

/* A trainable array. Lives with its model; gradients are added to until itr_params_zero_grad. One without memory for its gradient
 * (itr_params_release_grads) borrows the tape's in the walk back, until the tape's reset: for steps of one backward pass, whose gradients
 * then lie where activations were, and need no memory of their own. */
typedef struct itr_param {
	const char *name;               /* PyTorch's state_dict name */
	int rank;
	int64_t shape[ITR_MAX_RANK], count;
	float *data, *grad;
	double *data64, *grad64;        /* only where a reference tape is used: see itr_params_enable_reference (nn/param.h) */
	bool grad_written;              /* false: the gradient is zero, whatever the memory holds (itr_param_zero_grad) */
	bool frozen;                    /* no gradient */
	unsigned net;                   /* bits of the net that it belongs to, for itr_tape_opts.frozen_nets; 0: none */
	/* frozen for good, and not a statistic either: nothing ever changes it, so nobody keeps averages or moments of it. Set before
	 * itr_params_seal */
	bool constant;
	double lr_scale;                /* times the learning rate; 0: as it is */
	bool no_decay;                  /* bias, norm, temperature: excluded from weight decay when decay is per group */
	itr_packed_weight *packed;      /* after itr_params_pack (nn/param.h): what inference multiplies by; data is then gone (NULL) */
	/* after packing a convolution whose normalisation was folded into it: what is added instead of the bias; NULL otherwise */
	float *folded_bias;
} itr_param;

typedef struct itr_tape_opts {
	int threads;
	uint64_t seed;                  /* of dropout: the mask depends on (seed, step, call number, element) alone */
	bool reference;                 /* double precision by the plain loops */
	bool no_dropout;                /* dropout is the identity while training too: comparisons with other implementations */
	bool fresh_statistics;          /* running statistics begin with nothing: see itr_tape_momentum */
	bool inference;                 /* records nothing; dropout is the identity; running statistics are used */
	itr_compute compute;            /* of matrix products; sums stay fp32 */
	bool bf16_everywhere;           /* every op that takes bfloat16 is given it: for the checks of these ops */
	unsigned frozen_nets;           /* parameters of these nets (itr_param.net) are constants on this tape */
	/* ITR_RECOMPUTE_CHEAP or another: operations per element up to which a scope's inner values are discarded after it and recomputed
	 * in the walk back, to the same bits: 0: those without products, INFINITY: all of them (gradient checkpointing, Chen et al.
	 * 2016), negative: none */
	double recompute;
} itr_tape_opts;

/* What takes less to recompute than to keep: normalisations, activations, and products of few factors such as a bottleneck's last
 * convolution. Measured, ResNet-50 + BERT, batch 16, fp32: a step holds 1,912 MB beside weights and moments with none, 1,104 with this in
 * the same time, 674 with all in 1.16 times it. Scopes of mostly memory traffic (MobileNet's) are left as they are. */
#define ITR_RECOMPUTE_CHEAP 256.0

itr_tape *itr_tape_new(const itr_tape_opts *o);
void itr_tape_free(itr_tape *t);
/* Forgets all variables; `step` numbers the dropout masks that follow. */
void itr_tape_reset(itr_tape *t, uint64_t step);
int itr_tape_threads(const itr_tape *t);
bool itr_tape_training(const itr_tape *t);
bool itr_tape_drops(const itr_tape *t);                  /* does dropout do anything? */
bool itr_tape_reference(const itr_tape *t);
itr_compute itr_tape_compute(const itr_tape *t);
void itr_tape_set_inference(itr_tape *t, bool inference);
void itr_tape_set_compute(itr_tape *t, itr_compute compute);
void itr_tape_set_frozen_nets(itr_tape *t, unsigned nets);      /* for the variables that follow */
/* false: as in training (dropout, batch statistics), but nothing is recorded and no parameter needs a gradient: the first pass of
 * GradCache. For the variables that follow; best right after a reset. */
void itr_tape_set_recording(itr_tape *t, bool recording);
unsigned itr_tape_nets_read(const itr_tape *t);                 /* nets (itr_param.net) whose parameters were read since the reset */
size_t itr_tape_bytes(const itr_tape *t);                /* the peak of activations and their gradients, borrowed ones included */
void itr_tape_trim(itr_tape *t);                         /* resets and gives the memory back: between phases that need it elsewhere */
/* How much of a batch's statistics goes into the running ones. Where those began as zeros and ones, more than `momentum` at first, 9 / (10
 * + step), the warm-up of TensorFlow's moving averages: with 0.01, as MobileNet has it, a hundred steps would leave a third of what nobody
 * ever measured in what evaluation uses. */
double itr_tape_momentum(const itr_tape *t, double momentum);
double itr_tape_flops(const itr_tape *t);                /* of matrix products since the last reset, forward and backward */

/* In inference: as many tapes of one thread each as t has threads, for work that is better shared out by pictures than within each layer.
 * They are reset here and with t, live with t, and their products count as t's. Not to be called from a worker. */
itr_tape *const *itr_tape_workers(itr_tape *t);

/* A constant: borrowed on a float tape until the reset, copied to double on a reference tape. */
itr_var *itr_input(itr_tape *t, int rank, const int64_t *shape, const float *data);
/* A constant with the values of v, which lies on `from`, a tape of the same precision: stop-gradient across tapes. Borrowed until `from` is
 * walked back or reset; converted from bfloat16. */
itr_var *itr_constant_of(itr_tape *t, itr_tape *from, itr_var *v);
/* A constant that the caller fills: its numbers are not set yet. */
itr_var *itr_blank(itr_tape *t, int rank, const int64_t *shape);
/* A constant with a gradient of its own (checks, saliency). */
itr_var *itr_input_grad(itr_tape *t, int rank, const int64_t *shape, const float *data);
itr_var *itr_leaf(itr_tape *t, itr_param *p);
/* --- scopes: what a block of layers computed is not used after its end but for its result. In inference it is dead, and its memory is
 * used again by the next block. While recording, what no backward function reads is dead too, and what is cheap to recompute
 * (itr_tape_opts.recompute) is discarded until the walk back comes to it; what lies in front of the first array that is trained is dead
 * as in inference.
 *	for (layer = 0; layer < layers; layer++) {
 *		itr_scope s = itr_scope_begin(t);
 *		x = itr_scope_end(t, s, block(t, layer, x));
 *	}
 * x itself may lie in an outer scope or in this one; NULL: nothing is kept. */
typedef struct itr_scope { size_t mark[2]; } itr_scope;
itr_scope itr_scope_begin(itr_tape *t);
itr_var *itr_scope_end(itr_tape *t, itr_scope s, itr_var *result);

/* All values as float: borrowed, or converted from bfloat16 or double, until the reset. Before the walk back, which frees them. */
const float *itr_values(itr_tape *t, itr_var *v);
/* Value of a variable of one element; element i of any. */
double itr_var_item(const itr_tape *t, const itr_var *x);
double itr_var_at(const itr_tape *t, const itr_var *x, int64_t i);

/* d loss / d everything that needs it; loss has one element. Adds into parameters' gradients. `scale` multiplies (gradient accumulation:
 * 1/steps). The walk frees as it goes: afterwards the numbers of variables of more than a few thousand elements are gone, but for inputs,
 * parameters and gradients of inputs. */
void itr_backward(itr_tape *t, itr_var *loss, double scale);
/* The same from a given gradient of `out` (same shape, float or double as the tape; out's type does not matter): GradCache's second pass.
 */
void itr_backward_from(itr_tape *t, itr_var *out, const void *grad);
/* The same from several outputs (different variables), one walk. An output or a gradient that is NULL is passed over, and so is an output
 * behind which nothing needs a gradient. */
void itr_backward_outputs(itr_tape *t, itr_var *const *out, const void *const *grad, int n);

/* The first op whose output is not finite, in the order of the tape: its name, or NULL. For "loss is NaN: first bad tensor ...". */
const char *itr_tape_first_bad(itr_tape *t);

#endif
