/* Scopes: freeing and discarding the values of a block of layers, and their recomputation (gradient checkpointing, Chen et al. 2016). */
#include <math.h>
#include <string.h>

#include "autograd/tape_state.h"
#include "base/parallel.h"

itr_scope itr_scope_begin(itr_tape *t)
{
	if (!t->o.inference)
		return (itr_scope){ { (size_t)(uintptr_t)t->last, (size_t)(uintptr_t)t->unrecorded } };
	itr_arena_mark m = itr_arena_get_mark(t->arena);
	return (itr_scope){ { (size_t)(uintptr_t)m.block, m.used } };
}

struct moving { char *to; const char *from; size_t bytes; };
enum { MOVE = 1 << 18 };

static void move_piece(void *ctx, int64_t i, int worker)
{
	const struct moving *m = ctx;
	const size_t at = (size_t)i * MOVE;
	(void)worker;
	memcpy(m->to + at, m->from + at, ITR_MIN((size_t)MOVE, m->bytes - at));
}

/* Moves memory with all threads, unless source and destination overlap. */
static void move(itr_tape *t, void *to, const void *from, size_t bytes)
{
	struct moving m = { to, from, bytes };
	if ((const char *)from - (char *)to >= (ptrdiff_t)bytes || (char *)to - (const char *)from >= (ptrdiff_t)bytes)
		itr_parallel_for(t->o.threads, (int64_t)((bytes + MOVE - 1) / MOVE), move_piece, &m);
	else
		memmove(to, from, bytes);
}

static double work(const itr_node *n) { return n->op->flops ? n->op->flops(n) : 0; }

/* True when recomputing the cheap values is a small part of the scope's work. With few operations for each element (depthwise blocks: 50,
 * bottlenecks of ResNet: 180) the time is memory traffic, and recomputing takes as long as the first pass: a step of MobileNetV3 took 16 %
 * longer. */
static bool worth_recomputing(const itr_tape *t, const itr_node *from)
{
	const double enough = 96;
	double operations = 0, elements = 0;
	for (const itr_node *n = from; n; n = n->next) {
		operations += work(n);
		elements += (double)n->out->count;
	}
	return isinf(t->o.recompute) || operations >= enough * elements;
}

/* Values of a scope that are not used before the backward pass: freed when no backward function reads them, otherwise discarded when they
 * are cheap to recompute. In the order of computation, so that the cost of a value includes discarded values that it depends on. */
static void discard(itr_tape *t, itr_node *from)
{
	const bool recompute = worth_recomputing(t, from);
	for (itr_node *n = from; n; n = n->next) {
		itr_var *v = n->out;
		if (v->base || v->kept || v->discarded || !v->data_bytes)
			continue;
		v->recompute_cost = work(n);
		for (int k = 0; k < ITR_OP_INPUTS; k++)
			if (n->in[k] && itr_root(n->in[k])->discarded)
				v->recompute_cost += itr_root(n->in[k])->recompute_cost;
		if (v->read_back && (!recompute || v->recompute_cost > t->o.recompute * (double)v->count))
			continue;
		itr_tape_free_values(t, v);
		v->discarded = true;
	}
}

/* Nothing of the scope was recorded, because no parameter before it is trained: frees everything except its result. */
static void drop_unrecorded(itr_tape *t, struct itr_unrecorded *until, const itr_var *result)
{
	const itr_var *keep = result ? itr_root((itr_var *)(uintptr_t)result) : NULL;
	struct itr_unrecorded *kept = NULL;
	for (struct itr_unrecorded *i = t->unrecorded; i != until; i = i->next) {
		if (i->value == keep)
			kept = i;
		else
			itr_tape_free_values(t, i->value);
	}
	t->unrecorded = until;
	if (kept) {
		kept->next = until;
		t->unrecorded = kept;
	}
}

itr_var *itr_scope_end(itr_tape *t, itr_scope s, itr_var *result)
{
	const itr_arena_mark m = { (void *)(uintptr_t)s.mark[0], s.mark[1] };
	if (!t->o.inference) {
		const itr_node *before = (void *)(uintptr_t)s.mark[0];
		if (result)
			itr_root(result)->kept = true;
		if (t->last == before)
			drop_unrecorded(t, (void *)(uintptr_t)s.mark[1], result);
		else if (t->o.recompute >= 0)
			discard(t, before ? before->next : t->first);
		return result;
	}
	if (!result) {
		itr_arena_rewind(t->arena, m);
		return NULL;
	}
	itr_var keep = *result;
	const bool inner = itr_arena_is_after_mark(t->arena, m, keep.data);
	if (!inner && !itr_arena_is_after_mark(t->arena, m, result)) {
		itr_arena_rewind(t->arena, m);
		return result;
	}
	/* The destinations are before the sources, values first, then the variable, so nothing is overwritten before it is moved. */
	itr_arena_rewind(t->arena, m);
	if (inner) {
		void *data = itr_arena_alloc(t->arena, itr_var_bytes(t, &keep));
		if (data != keep.data)
			move(t, data, keep.data, itr_var_bytes(t, &keep));
		keep.data = data;
	}
	itr_var *v = itr_var_new(t, keep.rank, keep.shape);
	v->data = keep.data;
	v->bf16 = keep.bf16;
	return v;
}

void itr_rematerialize(itr_tape *t, itr_var *v)
{
	itr_var *r = itr_root(v);
	if (r->discarded) {
		itr_node *n = r->creator;
		for (int k = 0; k < ITR_OP_INPUTS; k++)
			if (n->in[k])
				itr_rematerialize(t, n->in[k]);
		r->data = itr_tape_alloc(t, itr_var_bytes(t, r), &r->data_bytes);
		itr_node_scratch(n);
		n->recomputing = true;
		(t->o.reference ? n->op->ref_forward : n->op->forward)(n);
		n->recomputing = r->discarded = false;
	}
	v->data = r->data;
}

static bool all_finite(const itr_tape *t, const itr_var *v)
{
	for (int64_t i = 0; i < v->count; i++)
		if (!isfinite(itr_var_at(t, v, i)))
			return false;
	return true;
}

const char *itr_tape_first_bad(itr_tape *t)
{
	const char *name = NULL;
	for (itr_node *n = t->last; n; n = n->previous) {
		const bool absent = itr_root(n->out)->discarded;
		itr_rematerialize(t, n->out);
		if (!all_finite(t, n->out))
			name = n->op->name;
		if (absent && !n->out->base) {          /* older ones do not need it */
			itr_tape_free_values(t, n->out);
			n->out->discarded = true;
		}
	}
	return name;
}
