/* op.h - the descriptor of an op. Each op has one descriptor and one line in ops.def; the tests check all of them (gradcheck.h). */
#ifndef ITR_AUTOGRAD_OP_H
#define ITR_AUTOGRAD_OP_H

#include "autograd/tape.h"
#include "base/hash.h"
#include "base/rng.h"

enum { ITR_OP_INPUTS = 8 };

struct itr_case;

typedef struct itr_attr {
	double f[4];                            /* p, eps, temperature ... */
	int64_t i[6];                           /* stride, heads, modes ... */
} itr_attr;

/* One call of an op on the tape. */
typedef struct itr_node {
	const struct itr_op *op;
	itr_tape *tape;
	itr_var *in[ITR_OP_INPUTS];             /* NULL where absent */
	itr_var *out;
	itr_attr attr;
	const int64_t *index;                   /* lengths, labels, ids; copied onto the arena */
	int64_t n_index;
	void *state[2];                         /* running statistics, packed weights: not differentiated, borrowed */
	int64_t saved_count, scratch_count;     /* sizes of saved and scratch in elements (float or double), set by the shape rule */
	size_t saved_bytes;                     /* bytes of `saved` in the tape's pool; 0: in the arena */
	void *saved, *scratch;                  /* saved: kept from forward to backward; scratch: valid within one call */
	int threads;
	/* forward runs again to recompute the same output: `saved` has its contents from the first run, and state must not be updated */
	bool recomputing;
	uint64_t serial;                        /* number of this call; selects the dropout mask, with seed and step */
	struct itr_node *previous, *next;
} itr_node;

typedef struct itr_op {
	const char *name;
	int n_in;                               /* largest number of inputs; the shape rule aborts when a required one is NULL */
	unsigned flags;
	void (*shape)(itr_node *n);             /* checks inputs, sets out->rank and shape, saved_count, scratch_count */
	void (*forward)(itr_node *n);           /* fast, float */
	void (*backward)(itr_node *n);          /* adds to in[i]->grad where it is not NULL (itr_grad_beta) */
	void (*ref_forward)(itr_node *n);       /* simple loops in double */
	void (*ref_backward)(itr_node *n);
	/* floating-point operations of the matrix products of forward; NULL: none. The tape counts the same again for each gradient */
	double (*flops)(const itr_node *n);
	/* A random case for the tests: creates inputs by itr_case_*, calls the op, returns its output. `which` counts cases from 0; NULL
	 * when there are no more. */
	itr_var *(*sample)(struct itr_case *c, int which);
} itr_op;

enum itr_op_flags {
	ITR_OP_LOSS = 1 << 0, /* output is one element */
	ITR_OP_VIEW = 1 << 1, /* output is a view of in[0]: nothing is allocated, forward does nothing */
	ITR_OP_IN_PLACE = 1 << 2, /* output overwrites in[1] when it is given: only for inference */
	ITR_OP_CONSTANT = 1 << 3, /* output needs no gradient even when the input does */
	/* << k: in[k] may be bfloat16. The tape casts these inputs to the type of in[0] and all others to float; the shape rule sets the
	 * type
	 *    of the output (out->bf16) */
	ITR_OP_BF16 = 1 << 8,
	/* backward does not read these values, so they need not be saved for it. tests/unit/test_autograd_memory.c checks every op. */
	ITR_OP_UNSAVED_OUT = 1 << 16,
	ITR_OP_UNSAVED_IN0 = 1 << 17,
	ITR_OP_UNSAVED_IN1 = 1 << 18,
	ITR_OP_UNSAVED_IN2 = 1 << 19,
};

/* Runs the op and records it on the tape; returns its output. in has n_in inputs, some may be NULL. index (copied) may be NULL. */
itr_var *itr_apply(itr_tape *t, const itr_op *op, itr_var *const *in, int n_in, const itr_attr *attr, const int64_t *index, int64_t n_index,
                   void *const state[2]);

/* For backward functions: 0 when this is the first contribution to the gradient of in[i], which overwrites it; 1 when it must be added.
 * Call it exactly once for each input. */
float itr_grad_beta(itr_node *n, int i);
/* Shape rule helpers. */
void itr_shape_like(itr_node *n, const itr_var *x);
void itr_shape_set(itr_node *n, int rank, const int64_t *shape);
ITR_NORETURN void itr_shape_bug(const itr_node *n, const char *expected);       /* aborts with the op's name and all shapes */
int64_t itr_last_dim(const itr_var *x);                                         /* columns; rows = count / columns */
/* True when dropout and batch statistics apply. */
bool itr_node_training(const itr_node *n);
/* itr_random_at(itr_node_stream(n), i): 64 random bits for element i of this call. Counter-based, so that recomputation gives the same
 * mask. */
uint64_t itr_node_stream(const itr_node *n);
static inline uint64_t itr_random_at(uint64_t stream, uint64_t i) { return itr_mix64(stream + i * 0x9e3779b97f4a7c15u); }

extern const itr_op *const itr_ops[];           /* ops.def, NULL-terminated */

/* --- cases for the checks ------------------------------------------------------------------------------------------------------------- */
typedef struct itr_case {
	itr_tape *tape;
	itr_rng rng;                            /* for shapes and attributes: starts from the same seed in every replay */
	uint64_t seed;
	int n_var;
	bool bf16;                              /* inputs are rounded to bfloat16 */
	itr_var *var[ITR_OP_INPUTS];            /* inputs with gradient, in the order of creation */
	double *value[ITR_OP_INPUTS];           /* drawn in the first run, then replayed; gradcheck changes one element between replays */
	int64_t count[ITR_OP_INPUTS];
} itr_case;
/* An input with gradient: normal random numbers times scale plus shift. */
itr_var *itr_case_input(itr_case *c, int rank, const int64_t *shape, double scale, double shift);
/* An input with gradient; the values are copied to the tape, rounded to float on a float tape. Used by itr_case_input. */
itr_var *itr_input_owned(itr_tape *t, int rank, const int64_t *shape, const double *values);
/* A random integer in [low, high], for shapes. */
int64_t itr_case_int(itr_case *c, int64_t low, int64_t high);

#endif
