/* tape_state.h - internal: the tape's struct, shared by tape.c, recompute.c and backward.c. */
#ifndef ITR_AUTOGRAD_TAPE_STATE_H
#define ITR_AUTOGRAD_TAPE_STATE_H

#include "autograd/op.h"
#include "base/arena.h"
#include "base/pool.h"

/* A parameter whose gradient is in the tape's memory until the reset. */
struct itr_borrowed {
	struct itr_borrowed *next;
	itr_param *param;
};

/* A value in the pool whose op was not recorded: the backward pass does not free it. */
struct itr_unrecorded {
	struct itr_unrecorded *next;
	itr_var *value;
};

struct itr_tape {
	itr_tape_opts o;
	itr_arena *arena;               /* variables and small arrays; in inference all arrays */
	itr_pool *pool;                 /* large arrays while training */
	itr_node *first, *last;         /* list of recorded ops */
	uint64_t step, serial;
	double flops;
	bool paused;                    /* itr_tape_set_recording(t, false) */
	unsigned nets_read;             /* bits of the nets whose parameters were read since the reset */
	struct itr_borrowed *borrowed;
	struct itr_unrecorded *unrecorded;      /* newest first */
	void *scratch;                  /* scratch of the current call; as large as the largest so far */
	size_t scratch_bytes;
	itr_tape **worker;              /* array of one tape for each thread, or NULL: itr_tape_workers */
};

static inline size_t itr_tape_element(const itr_tape *t) { return t->o.reference ? sizeof(double) : sizeof(float); }
static inline size_t itr_var_bytes(const itr_tape *t, const itr_var *v)
{
	return (size_t)v->count * (v->bf16 ? sizeof(uint16_t) : itr_tape_element(t));
}
/* The variable that owns v's memory: v, or the base of a view. */
static inline itr_var *itr_root(itr_var *v) { return v->base ? v->base : v; }
/* True when n's backward function does not read input k. */
static inline bool itr_node_unsaved(const itr_node *n, int k) { return k < 3 && (n->op->flags & (unsigned)(ITR_OP_UNSAVED_IN0 << k)); }

/* Allocates memory until the reset. *from_pool: its bytes when it is from the pool, and may be freed before; 0 when it is from the arena.
 */
void *itr_tape_alloc(itr_tape *t, size_t bytes, size_t *from_pool);
/* Frees v's values when they are in the pool. */
void itr_tape_free_values(itr_tape *t, itr_var *v);
itr_var *itr_var_new(itr_tape *t, int rank, const int64_t *shape);
/* Scratch for one call of n. */
void itr_node_scratch(itr_node *n);
/* Recomputes v's values if a scope has discarded them, by the same op from the same inputs. */
void itr_rematerialize(itr_tape *t, itr_var *v);

#endif
