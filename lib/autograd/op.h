/* op.h - what an op is. One descriptor per op, one line in ops.def; being registered, it is checked (gradcheck.h). */
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
	void *state[2];                         /* running statistics: not differentiated, borrowed */
	int64_t saved_count, scratch_count;     /* elements (float or double) that the shape rule asks for */
	size_t saved_bytes;                     /* what the tape may take back of it */
	void *saved, *scratch;                  /* saved: from forward to backward; scratch: valid within one call */
	int threads;
	/* forward runs once more, to make the same output: `saved` still holds what the first run left there, and state must not move */
	bool recomputing;
	uint64_t serial;                        /* number of this call on the tape: with the tape's seed and step it names a dropout mask */
	struct itr_node *previous, *next;
} itr_node;

typedef struct itr_op {
	const char *name;
	int n_in;                               /* at most; the shape rule refuses a missing one that is needed */
	unsigned flags;
	void (*shape)(itr_node *n);             /* checks inputs, fills out->rank and shape, saved_count, scratch_count */
	void (*forward)(itr_node *n);           /* fast, float */
	void (*backward)(itr_node *n);          /* adds to in[i]->grad where it is not NULL (itr_grad_beta) */
	void (*ref_forward)(itr_node *n);       /* plain loops, double */
	void (*ref_backward)(itr_node *n);
	/* of forward's matrix products; NULL: none. Backward counts each product that it makes again */
	double (*flops)(const itr_node *n);
	/* A random case for the checks: builds inputs through itr_case_*, calls the op, returns its output. `which` counts cases from 0;
	 * NULL when there are no more. */
	itr_var *(*sample)(struct itr_case *c, int which);
} itr_op;

enum itr_op_flags {
	ITR_OP_LOSS = 1 << 0, /* output is one element */
	ITR_OP_VIEW = 1 << 1, /* output's numbers are in[0]'s: nothing is allocated, forward does nothing */
	ITR_OP_ONTO = 1 << 2, /* output's numbers take the place of in[1]'s, where there is one: for inference alone */
	ITR_OP_CONSTANT = 1 << 3, /* output needs no gradient, whatever its input does */
	/* << k: in[k] may be bfloat16. The tape casts others to float, and these to in[0]'s type; the shape rule then says whether the
	   result is (out->bf16) */
	ITR_OP_BF16 = 1 << 8,
	/* What backward does not read: memory that need not live until then. tests/unit/test_autograd_memory.c holds every op to it. */
	ITR_OP_SPARES_OUT = 1 << 16,
	ITR_OP_SPARES_IN0 = 1 << 17,
	ITR_OP_SPARES_IN1 = 1 << 18,
	ITR_OP_SPARES_IN2 = 1 << 19,
};

/* Runs the op now and notes it. Inputs beyond n_in are NULL. `index` may be NULL. */
itr_var *itr_apply(itr_tape *t, const itr_op *op, itr_var *const *in, int n_in, const itr_attr *attr, const int64_t *index, int64_t n_index,
                   void *const state[2]);

/* For backward functions: 0 when this is the first contribution to in[i]'s gradient (overwrite it), 1 when it must be added to. Call once
 * per input and use the answer. */
float itr_grad_beta(itr_node *n, int i);
/* Shape rule helpers. */
void itr_shape_like(itr_node *n, const itr_var *x);
void itr_shape_set(itr_node *n, int rank, const int64_t *shape);
ITR_NORETURN void itr_shape_bug(const itr_node *n, const char *expected);       /* names the op and prints all shapes */
int64_t itr_last_dim(const itr_var *x);                                         /* columns; rows = count / columns */
/* True where dropout and batch statistics apply. */
bool itr_node_training(const itr_node *n);
/* 64 random bits of element i of this call: counter-based, so that any recomputation sees the same mask. itr_random_at(itr_node_stream(n),
 * i). */
uint64_t itr_node_stream(const itr_node *n);
static inline uint64_t itr_random_at(uint64_t stream, uint64_t i) { return itr_mix64(stream + i * 0x9e3779b97f4a7c15u); }

extern const itr_op *const itr_ops[];           /* ops.def, NULL-terminated */

/* --- cases for the checks ------------------------------------------------------------------------------------------------------------- */
typedef struct itr_case {
	itr_tape *tape;
	itr_rng rng;                            /* for shapes and attributes: begins anew at every replay */
	uint64_t seed;
	int n_var;
	bool bf16;                              /* inputs are numbers that bfloat16 holds */
	itr_var *var[ITR_OP_INPUTS];            /* inputs with gradient, in the order of creation */
	double *value[ITR_OP_INPUTS];           /* drawn at the first build, then replayed; gradcheck moves one element between replays */
	int64_t count[ITR_OP_INPUTS];
} itr_case;
/* An input of normal draws times scale plus shift, with gradient. */
itr_var *itr_case_input(itr_case *c, int rank, const int64_t *shape, double scale, double shift);
/* What itr_case_input stands on: an input with gradient whose values are copied onto the tape, rounded to float on a float tape. */
itr_var *itr_input_owned(itr_tape *t, int rank, const int64_t *shape, const double *values);
/* A whole number in [low, high] for shapes. */
int64_t itr_case_int(itr_case *c, int64_t low, int64_t high);

#endif
