/* tape_state.h - inside of autograd: what the tape's files (tape.c, recompute.c, backward.c) share. */
#ifndef ITR_AUTOGRAD_TAPE_STATE_H
#define ITR_AUTOGRAD_TAPE_STATE_H

#include "autograd/op.h"
#include "base/arena.h"
#include "base/pool.h"

/* A parameter whose gradient lies in the tape's memory until the reset. */
struct itr_borrowed {
	struct itr_borrowed *next;
	itr_param *param;
};

/* A value in the pool that was not recorded: no walk back comes to it. */
struct itr_unrecorded {
	struct itr_unrecorded *next;
	itr_var *value;
};

struct itr_tape {
	itr_tape_opts o;
	itr_arena *arena;               /* variables and small arrays; in inference everything, by scopes */
	itr_pool *pool;                 /* large arrays while training */
	itr_node *first, *last;         /* of those recorded */
	uint64_t step, serial;
	double flops;
	bool paused;                    /* itr_tape_set_recording(t, false) */
	unsigned nets_read;             /* bits of the nets whose parameters were read since the reset */
	struct itr_borrowed *borrowed;
	struct itr_unrecorded *unrecorded;      /* newest first */
	void *scratch;                  /* one call's scratch at a time, grown to the largest */
	size_t scratch_bytes;
	itr_tape **worker;              /* threads of them, or NULL: itr_tape_workers */
};

static inline size_t itr_tape_element(const itr_tape *t) { return t->o.reference ? sizeof(double) : sizeof(float); }
static inline size_t itr_var_bytes(const itr_tape *t, const itr_var *v)
{
	return (size_t)v->count * (v->bf16 ? sizeof(uint16_t) : itr_tape_element(t));
}
/* Whose memory v shows. */
static inline itr_var *itr_root(itr_var *v) { return v->base ? v->base : v; }
/* Does n's backward leave input k's numbers alone? */
static inline bool itr_node_spares(const itr_node *n, int k) { return k < 3 && (n->op->flags & (unsigned)(ITR_OP_SPARES_IN0 << k)); }

/* Memory until the reset, or until it is given back to the pool; *from_pool: how much then, 0 where it lies in the arena. */
void *itr_tape_take(itr_tape *t, size_t bytes, size_t *from_pool);
/* Gives back the memory of v's numbers, where the tape may. */
void itr_tape_drop(itr_tape *t, itr_var *v);
itr_var *itr_var_new(itr_tape *t, int rank, const int64_t *shape);
/* Scratch for one call of n. */
void itr_node_scratch(itr_node *n);
/* Makes sure that v's numbers are there: what a scope discarded is computed again, from the same inputs by the same op. */
void itr_rematerialize(itr_tape *t, itr_var *v);

#endif
