#include "autograd/tape.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/op.h"
#include "autograd/ops.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/pool.h"
#include "tensor/dtype.h"

/* Arrays from here on live in the pool, where they go and come in any order; smaller ones lie in the arena until the reset, with the
 * variables. */
static const size_t POOLED = (size_t)32 << 10;

/* A parameter whose gradient is the tape's until the reset. */
struct lent {
	struct lent *next;
	itr_param *param;
};

/* A value in the pool that no walk back will come to. */
struct idle {
	struct idle *next;
	itr_var *value;
};

struct itr_tape {
	itr_tape_opts o;
	itr_arena *arena;               /* variables and small arrays; in inference everything, by scopes */
	itr_pool *pool;                 /* large arrays while recording */
	itr_node *first, *last;         /* of those recorded */
	uint64_t step, serial;
	double flops;
	struct lent *lent;
	struct idle *idle;              /* newest first */
	void *scratch;                  /* one call's scratch at a time, grown to the largest */
	size_t scratch_bytes;
	itr_tape **worker;              /* threads of them, or NULL: itr_tape_workers */
};

/* few block ends, where a large array does not fit; pages that are never touched cost nothing */
static const size_t ARENA_BLOCK = (size_t)32 << 20;

static size_t element(const itr_tape *t) { return t->o.reference ? sizeof(double) : sizeof(float); }
static size_t bytes_of(const itr_tape *t, const itr_var *v) { return (size_t)v->count * (v->bf16 ? sizeof(uint16_t) : element(t)); }

itr_tape *itr_tape_new(const itr_tape_opts *o)
{
	itr_tape *t = itr_xcalloc(1, sizeof *t);
	t->o = *o;
	t->o.threads = ITR_MAX(1, o->threads);
	t->arena = itr_arena_new(ARENA_BLOCK);
	t->pool = itr_pool_new();
	return t;
}

static void free_workers(itr_tape *t)
{
	for (int i = 0; t->worker && i < t->o.threads; i++)
		itr_tape_free(t->worker[i]);
	free(t->worker);
	t->worker = NULL;
}

void itr_tape_free(itr_tape *t)
{
	if (!t)
		return;
	free_workers(t);
	itr_arena_free(t->arena);
	itr_pool_free(t->pool);
	itr_aligned_free(t->scratch);
	free(t);
}

itr_tape *const *itr_tape_workers(itr_tape *t)
{
	itr_tape_opts o = t->o;
	o.threads = 1;
	if (!t->o.inference)
		ITR_BUG("itr_tape_workers: while recording, what the workers make would be lost to the walk back");
	if (!t->worker) {
		t->worker = itr_xcalloc((size_t)t->o.threads, sizeof *t->worker);
		for (int i = 0; i < t->o.threads; i++)
			t->worker[i] = itr_tape_new(&o);
	}
	for (int i = 0; i < t->o.threads; i++) {
		t->flops += t->worker[i]->flops;
		itr_tape_reset(t->worker[i], t->step);
		t->worker[i]->o = o;
	}
	return t->worker;
}

void itr_tape_reset(itr_tape *t, uint64_t step)
{
	for (; t->lent; t->lent = t->lent->next) {
		t->lent->param->grad = NULL;
		t->lent->param->grad_written = false;
	}
	itr_arena_reset(t->arena);
	itr_pool_reset(t->pool);
	t->first = t->last = NULL;
	t->idle = NULL;
	t->step = step;
	t->serial = 0;
	t->flops = 0;
	for (int i = 0; t->worker && i < t->o.threads; i++)
		itr_tape_reset(t->worker[i], step);
}

void itr_tape_trim(itr_tape *t)
{
	itr_tape_reset(t, 0);
	free_workers(t);
	itr_arena_free(t->arena);
	itr_pool_trim(t->pool);
	itr_aligned_free(t->scratch);
	t->arena = itr_arena_new(ARENA_BLOCK);
	t->scratch = NULL;
	t->scratch_bytes = 0;
}

int itr_tape_threads(const itr_tape *t) { return t->o.threads; }
double itr_tape_momentum(const itr_tape *t, double momentum)
{
	return t->o.fresh_statistics ? ITR_MAX(momentum, 9 / (10 + (double)t->step)) : momentum;
}
bool itr_tape_training(const itr_tape *t) { return !t->o.inference; }
bool itr_tape_drops(const itr_tape *t) { return !t->o.inference && !t->o.no_dropout; }
void itr_tape_set_inference(itr_tape *t, bool inference) { t->o.inference = inference; }
void itr_tape_set_compute(itr_tape *t, itr_compute compute) { t->o.compute = compute; }
bool itr_tape_reference(const itr_tape *t) { return t->o.reference; }
itr_compute itr_tape_compute(const itr_tape *t) { return t->o.compute; }

size_t itr_tape_bytes(const itr_tape *t)
{
	size_t sum = itr_arena_bytes(t->arena) + itr_pool_bytes(t->pool) + t->scratch_bytes;
	for (int i = 0; t->worker && i < t->o.threads; i++)
		sum += itr_tape_bytes(t->worker[i]);
	return sum;
}

double itr_tape_flops(const itr_tape *t)
{
	double sum = t->flops;
	for (int i = 0; t->worker && i < t->o.threads; i++)
		sum += t->worker[i]->flops;
	return sum;
}

/* --- memory --------------------------------------------------------------------------------------------------------------------------- */

/* *from_pool: what to give back, 0 where it lies in the arena. */
static void *take(itr_tape *t, size_t bytes, size_t *from_pool)
{
	*from_pool = !t->o.inference && bytes >= POOLED ? bytes : 0;
	return *from_pool ? itr_pool_take(t->pool, bytes) : itr_arena_alloc(t->arena, bytes);
}

/* A variable's numbers are no longer there. */
static void drop(itr_tape *t, itr_var *v)
{
	if (!v->data_bytes)
		return;
	itr_pool_give(t->pool, v->data, v->data_bytes);
	v->data = NULL;
	v->data_bytes = 0;
}

static itr_var *root(itr_var *v) { return v->base ? v->base : v; }

/* --- variables ---------------------------------------------------------------------------------------------------------------------- */

static void set_shape(itr_var *v, int rank, const int64_t *shape)
{
	v->rank = rank;
	v->count = 1;
	for (int i = 0; i < rank; i++) {
		v->shape[i] = shape[i];
		v->count *= shape[i];
	}
}

static itr_var *new_var(itr_tape *t, int rank, const int64_t *shape)
{
	itr_var *v = itr_arena_calloc(t->arena, sizeof *v);
	v->written = &v->own_written;
	set_shape(v, rank, shape);
	return v;
}

static void *to_tape(itr_tape *t, const float *data, int64_t count)
{
	if (!t->o.reference)
		return (void *)(uintptr_t)data;
	double *d = itr_arena_alloc(t->arena, (size_t)count * sizeof *d);
	for (int64_t i = 0; i < count; i++)
		d[i] = (double)data[i];
	return d;
}

itr_var *itr_input(itr_tape *t, int rank, const int64_t *shape, const float *data)
{
	itr_var *v = new_var(t, rank, shape);
	v->data = to_tape(t, data, v->count);
	return v;
}

itr_var *itr_blank(itr_tape *t, int rank, const int64_t *shape)
{
	itr_var *v = new_var(t, rank, shape);
	v->data = itr_arena_alloc(t->arena, (size_t)v->count * element(t));
	return v;
}

itr_var *itr_input_grad(itr_tape *t, int rank, const int64_t *shape, const float *data)
{
	itr_var *v = itr_input(t, rank, shape, data);
	v->needs_grad = true;
	v->grad = itr_arena_alloc(t->arena, (size_t)v->count * element(t));
	return v;
}

itr_var *itr_input_owned(itr_tape *t, int rank, const int64_t *shape, const double *values)
{
	itr_var *v = new_var(t, rank, shape);
	v->data = itr_arena_alloc(t->arena, (size_t)v->count * element(t));
	for (int64_t i = 0; i < v->count; i++) {
		if (t->o.reference)
			((double *)v->data)[i] = values[i];
		else
			((float *)v->data)[i] = (float)values[i];
	}
	v->needs_grad = true;
	v->grad = itr_arena_alloc(t->arena, (size_t)v->count * element(t));
	return v;
}

itr_var *itr_leaf(itr_tape *t, itr_param *p)
{
	itr_var *v = new_var(t, p->rank, p->shape);
	if (t->o.reference && !p->data64)
		ITR_BUG("parameter '%s' has no double copy: itr_params_enable_reference", p->name);
	if (!p->data)
		ITR_BUG("parameter '%s' is packed for inference (itr_params_freeze): no op but its layer's product can use it", p->name);
	v->data = t->o.reference ? (void *)p->data64 : (void *)p->data;
	v->needs_grad = !p->frozen && !t->o.inference;
	v->grad = !v->needs_grad ? NULL : t->o.reference ? (void *)p->grad64 : (void *)p->grad;
	v->written = &p->grad_written;
	v->param = p;
	return v;
}

/* --- scopes --------------------------------------------------------------------------------------------------------------------------- */

itr_scope itr_scope_begin(itr_tape *t)
{
	if (!t->o.inference)
		return (itr_scope){ { (size_t)(uintptr_t)t->last, (size_t)(uintptr_t)t->idle } };
	itr_arena_mark m = itr_arena_here(t->arena);
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

/* By all threads, unless the places overlap. */
static void move(itr_tape *t, void *to, const void *from, size_t bytes)
{
	struct moving m = { to, from, bytes };
	if ((const char *)from - (char *)to >= (ptrdiff_t)bytes || (char *)to - (const char *)from >= (ptrdiff_t)bytes)
		itr_parallel_for(t->o.threads, (int64_t)((bytes + MOVE - 1) / MOVE), move_piece, &m);
	else
		memmove(to, from, bytes);
}

static double work(const itr_node *n) { return n->op->flops ? n->op->flops(n) : 0; }

/* Is making again what is cheap a small part of the scope's work? Where few operations go into an element (depthwise blocks: 50,
 * bottlenecks of ResNet: 180) all is memory traffic, and a pass made again costs as much as one made: MobileNetV3's step took 16 % longer.
 */
static bool worth_it(const itr_tape *t, const itr_node *from)
{
	const double enough = 96;
	double operations = 0, elements = 0;
	for (const itr_node *n = from; n; n = n->next) {
		operations += work(n);
		elements += (double)n->out->count;
	}
	return isinf(t->o.remake) || operations >= enough * elements;
}

/* What a scope made and nobody uses before the walk back: dead where no backward function reads it, else left out where it is cheap to make
 * again from what stays. In the order they were made, so that the price of a value includes what was left out before it. */
static void leave_out(itr_tape *t, itr_node *from)
{
	const bool again = worth_it(t, from);
	for (itr_node *n = from; n; n = n->next) {
		itr_var *v = n->out;
		if (v->base || v->kept || v->left_out || !v->data_bytes)
			continue;
		v->again = work(n);
		for (int k = 0; k < ITR_OP_INPUTS; k++)
			if (n->in[k] && root(n->in[k])->left_out)
				v->again += root(n->in[k])->again;
		if (v->read_back && (!again || v->again > t->o.remake * (double)v->count))
			continue;
		drop(t, v);
		v->left_out = true;
	}
}

/* Nothing that a scope made was recorded, as in front of the first array that is trained: all but its result is dead. */
static void drop_idle(itr_tape *t, struct idle *until, const itr_var *result)
{
	const itr_var *keep = result ? root((itr_var *)(uintptr_t)result) : NULL;
	struct idle *kept = NULL;
	for (struct idle *i = t->idle; i != until; i = i->next) {
		if (i->value == keep)
			kept = i;
		else
			drop(t, i->value);
	}
	t->idle = until;
	if (kept) {
		kept->next = until;
		t->idle = kept;
	}
}

itr_var *itr_scope_end(itr_tape *t, itr_scope s, itr_var *result)
{
	const itr_arena_mark m = { (void *)(uintptr_t)s.mark[0], s.mark[1] };
	if (!t->o.inference) {
		const itr_node *before = (void *)(uintptr_t)s.mark[0];
		if (result)
			root(result)->kept = true;
		if (t->last == before)
			drop_idle(t, (void *)(uintptr_t)s.mark[1], result);
		else if (t->o.remake >= 0)
			leave_out(t, before ? before->next : t->first);
		return result;
	}
	if (!result) {
		itr_arena_back(t->arena, m);
		return NULL;
	}
	itr_var keep = *result;
	const bool inner = itr_arena_since(t->arena, m, keep.data);
	if (!inner && !itr_arena_since(t->arena, m, result)) {
		itr_arena_back(t->arena, m);
		return result;
	}
	/* The new places lie before the old ones, numbers first, then the variable: nothing is overwritten that is still to be moved. */
	itr_arena_back(t->arena, m);
	if (inner) {
		void *data = itr_arena_alloc(t->arena, bytes_of(t, &keep));
		if (data != keep.data)
			move(t, data, keep.data, bytes_of(t, &keep));
		keep.data = data;
	}
	itr_var *v = new_var(t, keep.rank, keep.shape);
	v->data = keep.data;
	v->bf16 = keep.bf16;
	return v;
}

double itr_var_at(const itr_tape *t, const itr_var *x, int64_t i)
{
	return x->bf16          ? (double)itr_bf16_to_f32(((const uint16_t *)x->data)[i])
	       : t->o.reference ? ((const double *)x->data)[i]
	                        : (double)((const float *)x->data)[i];
}

double itr_var_item(const itr_tape *t, const itr_var *x)
{
	if (x->count != 1)
		ITR_BUG("itr_var_item of a variable of %lld elements", (long long)x->count);
	return itr_var_at(t, x, 0);
}

/* --- ops ----------------------------------------------------------------------------------------------------------------------------- */

static void describe(const itr_node *n, itr_buf *b)
{
	for (int k = 0; k < n->op->n_in; k++) {
		itr_buf_puts(b, k ? ", (" : " (");
		for (int d = 0; n->in[k] && d < n->in[k]->rank; d++)
			itr_buf_printf(b, "%s%lld", d ? "," : "", (long long)n->in[k]->shape[d]);
		itr_buf_puts(b, n->in[k] ? ")" : "absent)");
	}
}

void itr_shape_bug(const itr_node *n, const char *expected)
{
	itr_buf b = ITR_BUF_INIT;
	describe(n, &b);
	ITR_BUG("%s: expected %s, got%s", n->op->name, expected, itr_buf_str(&b));
}

void itr_shape_set(itr_node *n, int rank, const int64_t *shape) { set_shape(n->out, rank, shape); }
void itr_shape_like(itr_node *n, const itr_var *x) { set_shape(n->out, x->rank, x->shape); }
int64_t itr_last_dim(const itr_var *x) { return x->rank ? x->shape[x->rank - 1] : 1; }
bool itr_node_training(const itr_node *n) { return !n->tape->o.inference; }

uint64_t itr_node_stream(const itr_node *n)
{
	return itr_mix64(n->tape->o.seed ^ itr_mix64(n->tape->step * 0x9e3779b97f4a7c15u + n->serial + 1));
}

/* Does n's backward leave input k's numbers alone? */
static bool spares(const itr_node *n, int k) { return k < 3 && (n->op->flags & (unsigned)(ITR_OP_SPARES_IN0 << k)); }

static void take_scratch(itr_node *n)
{
	itr_tape *t = n->tape;
	size_t bytes = (size_t)n->scratch_count * element(t);
	if (bytes > t->scratch_bytes) {
		itr_aligned_free(t->scratch);
		t->scratch = itr_aligned_alloc(bytes);
		t->scratch_bytes = bytes;
	}
	n->scratch = t->scratch;
}

extern const itr_op itr_op_cast;

/* What op takes of x: bfloat16 or float. */
static itr_var *as_taken(itr_tape *t, const itr_op *op, int k, itr_var *x, bool bf16)
{
	const bool wanted = bf16 && op->flags & (unsigned)ITR_OP_BF16 << k;
	return !x || op == &itr_op_cast || x->bf16 == wanted ? x : itr_cast(t, x, wanted);
}

/* On the tape, for the walk back. */
static void note(itr_tape *t, itr_node *n)
{
	for (int k = 0; k < ITR_OP_INPUTS; k++)
		if (n->in[k] && !spares(n, k))
			root(n->in[k])->read_back = true;
	root(n->out)->read_back |= !(n->op->flags & ITR_OP_SPARES_OUT);
	n->out->maker = n;
	n->previous = t->last;
	*(t->last ? &t->last->next : &t->first) = n;
	t->last = n;
}

itr_var *itr_apply(itr_tape *t, const itr_op *op, itr_var *const *in, int n_in, const itr_attr *attr, const int64_t *index, int64_t n_index,
                   void *const state[2])
{
	itr_node *n = itr_arena_calloc(t->arena, sizeof *n);
	const bool bf16 = op->flags & ITR_OP_BF16 && (in[0]->bf16 || (t->o.bf16_everywhere && !t->o.reference));
	bool record = false;
	n->op = op;
	n->tape = t;
	n->threads = t->o.threads;
	n->serial = t->serial++;
	for (int k = 0; k < n_in; k++) {
		n->in[k] = as_taken(t, op, k, in[k], bf16);
		record |= in[k] && in[k]->needs_grad;
	}
	record &= !t->o.inference && !(op->flags & ITR_OP_CONSTANT);
	if (attr)
		n->attr = *attr;
	if (state)
		memcpy(n->state, state, sizeof n->state);
	if (index) {
		int64_t *copy = itr_arena_alloc(t->arena, (size_t)n_index * sizeof *copy);
		memcpy(copy, index, (size_t)n_index * sizeof *copy);
		n->index = copy;
		n->n_index = n_index;
	}
	n->out = itr_arena_calloc(t->arena, sizeof *n->out);
	n->out->written = &n->out->own_written;
	op->shape(n);
	itr_var *place = op->flags & ITR_OP_VIEW ? n->in[0] : op->flags & ITR_OP_ONTO ? n->in[1] : NULL;
	if (place) {
		n->out->data = place->data;
		n->out->base = root(place);
	} else {
		n->out->data = take(t, bytes_of(t, n->out), &n->out->data_bytes);
	}
	n->out->needs_grad = record;
	n->saved = n->saved_count ? take(t, (size_t)n->saved_count * element(t), &n->saved_bytes) : NULL;
	take_scratch(n);
	(t->o.reference ? op->ref_forward : op->forward)(n);
	if (op->flops)
		t->flops += op->flops(n);
	if (record) {
		note(t, n);
	} else {
		if (n->saved_bytes)
			itr_pool_give(t->pool, n->saved, n->saved_bytes);
		n->saved = NULL;
		n->saved_bytes = 0;
		if (n->out->data_bytes) {
			struct idle *i = itr_arena_alloc(t->arena, sizeof *i);
			*i = (struct idle){ t->idle, n->out };
			t->idle = i;
		}
	}
	return n->out;
}

float itr_grad_beta(itr_node *n, int i)
{
	bool was = *n->in[i]->written;
	*n->in[i]->written = true;
	return was ? 1.0f : 0.0f;
}

/* Memory for x's gradient. A parameter that has none of its own is lent some until the reset. */
static void give_gradient(itr_tape *t, itr_var *x)
{
	const size_t bytes = bytes_of(t, x);
	size_t from_pool;
	if (!x->param) {
		x->grad = take(t, bytes, &x->grad_bytes);
		return;
	}
	if (t->o.reference)
		ITR_BUG("parameter '%s' has no double gradient: itr_params_enable_reference", x->param->name);
	if (!x->param->grad) {
		struct lent *l = itr_arena_alloc(t->arena, sizeof *l);
		*l = (struct lent){ t->lent, x->param };
		t->lent = l;
		x->param->grad = take(t, bytes, &from_pool);
	}
	x->grad = x->param->grad;
}

/* The op that made x has been walked: nobody reads x again, nor its gradient. */
static void bury(itr_tape *t, itr_node *n)
{
	itr_var *x = n->out;
	if (x->grad_bytes) {
		itr_pool_give(t->pool, x->grad, x->grad_bytes);
		x->grad = NULL;
		x->grad_bytes = 0;
	}
	if (n->saved_bytes)
		itr_pool_give(t->pool, n->saved, n->saved_bytes);
	n->saved_bytes = 0;
	drop(t, x);
}

/* Sees to it that v's numbers are there: what a scope left out is made again, from the same inputs by the same op. */
static void bring_back(itr_tape *t, itr_var *v)
{
	itr_var *r = root(v);
	if (r->left_out) {
		itr_node *n = r->maker;
		for (int k = 0; k < ITR_OP_INPUTS; k++)
			if (n->in[k])
				bring_back(t, n->in[k]);
		r->data = take(t, bytes_of(t, r), &r->data_bytes);
		take_scratch(n);
		n->again = true;
		(t->o.reference ? n->op->ref_forward : n->op->forward)(n);
		n->again = r->left_out = false;
	}
	v->data = r->data;
}

static void walk_one(itr_tape *t, itr_node *n)
{
	int products = 0;
	if (!(n->op->flags & ITR_OP_SPARES_OUT))
		bring_back(t, n->out);
	for (int k = 0; k < ITR_OP_INPUTS; k++) {
		itr_var *x = n->in[k];
		if (x && !spares(n, k))
			bring_back(t, x);
		if (!x || !x->needs_grad)
			continue;
		products += k < 2;              /* of a product op the first two inputs are its factors */
		if (!x->grad)
			give_gradient(t, x);
	}
	take_scratch(n);
	(t->o.reference ? n->op->ref_backward : n->op->backward)(n);
	if (n->op->flops)
		t->flops += n->op->flops(n) * products;
}

static void walk_back(itr_tape *t)
{
	for (itr_node *n = t->last; n; n = n->previous) {
		if (n->out->grad && *n->out->written)
			walk_one(t, n);
		bury(t, n);
	}
	t->first = t->last = NULL;       /* a tape is walked once */
}

static void need_gradient(itr_tape *t, itr_var *v)
{
	if (!v->needs_grad)
		ITR_BUG("itr_backward: nothing behind this value needs a gradient");
	if (!v->grad)
		give_gradient(t, v);
	*v->written = true;
}

void itr_backward(itr_tape *t, itr_var *loss, double scale)
{
	if (loss->count != 1)
		ITR_BUG("itr_backward: the loss has %lld elements", (long long)loss->count);
	need_gradient(t, loss);
	if (t->o.reference)
		*(double *)loss->grad = scale;
	else
		*(float *)loss->grad = (float)scale;
	walk_back(t);
}

void itr_seed_gradient(itr_tape *t, itr_var *out, const void *grad)
{
	need_gradient(t, out);
	if (out->bf16)
		itr_bf16_from_f32_n(out->grad, grad, out->count);
	else
		memcpy(out->grad, grad, bytes_of(t, out));
}

void itr_backward_from(itr_tape *t, itr_var *out, const void *grad)
{
	itr_seed_gradient(t, out, grad);
	walk_back(t);
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
		const bool absent = root(n->out)->left_out;
		bring_back(t, n->out);
		if (!all_finite(t, n->out))
			name = n->op->name;
		if (absent && !n->out->base) {          /* older ones do not need it */
			drop(t, n->out);
			n->out->left_out = true;
		}
	}
	return name;
}
