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
#include "tensor/dtype.h"

/* A gradient's memory after its last use, for the next one on the walk back: gradients then take what few of them live at a time, not what all of them need. */
struct spare {
	struct spare *next;
	void *memory;
	size_t bytes;
};

struct itr_tape {
	itr_tape_opts o;
	itr_arena *arena;
	itr_node *last;                 /* newest first: the order of the walk back */
	uint64_t step, serial;
	double flops;
	struct spare *spare;
	void *scratch;                  /* one call's scratch at a time, grown to the largest */
	size_t scratch_bytes;
	itr_tape **worker;              /* threads of them, or NULL: itr_tape_workers */
};

static size_t element(const itr_tape *t) { return t->o.reference ? sizeof(double) : sizeof(float); }
static size_t bytes_of(const itr_tape *t, const itr_var *v) { return (size_t)v->count * (v->bf16 ? sizeof(uint16_t) : element(t)); }

itr_tape *itr_tape_new(const itr_tape_opts *o)
{
	itr_tape *t = itr_xcalloc(1, sizeof *t);
	t->o = *o;
	t->o.threads = ITR_MAX(1, o->threads);
	t->arena = itr_arena_new((size_t)32 << 20);        /* few block ends, where a large array does not fit; pages that are never touched cost nothing */
	return t;
}

void itr_tape_free(itr_tape *t)
{
	if (!t)
		return;
	for (int i = 0; t->worker && i < t->o.threads; i++)
		itr_tape_free(t->worker[i]);
	free(t->worker);
	itr_arena_free(t->arena);
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
	itr_arena_reset(t->arena);
	t->last = NULL;
	t->spare = NULL;
	t->step = step;
	t->serial = 0;
	t->flops = 0;
	for (int i = 0; t->worker && i < t->o.threads; i++)
		itr_tape_reset(t->worker[i], step);
}

int itr_tape_threads(const itr_tape *t) { return t->o.threads; }
bool itr_tape_training(const itr_tape *t) { return !t->o.inference; }
bool itr_tape_drops(const itr_tape *t) { return !t->o.inference && !t->o.no_dropout; }
void itr_tape_set_inference(itr_tape *t, bool inference) { t->o.inference = inference; }
void itr_tape_set_compute(itr_tape *t, itr_compute compute) { t->o.compute = compute; }
bool itr_tape_reference(const itr_tape *t) { return t->o.reference; }
itr_compute itr_tape_compute(const itr_tape *t) { return t->o.compute; }

size_t itr_tape_bytes(const itr_tape *t)
{
	size_t sum = itr_arena_bytes(t->arena) + t->scratch_bytes;
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
	return v;
}

/* --- scopes --------------------------------------------------------------------------------------------------------------------------- */

itr_scope itr_scope_begin(itr_tape *t)
{
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

itr_var *itr_scope_end(itr_tape *t, itr_scope s, itr_var *result)
{
	const itr_arena_mark m = { (void *)(uintptr_t)s.mark[0], s.mark[1] };
	if (!t->o.inference)
		return result;
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
		move(t, data, keep.data, bytes_of(t, &keep));
		keep.data = data;
	}
	itr_var *v = new_var(t, keep.rank, keep.shape);
	v->data = keep.data;
	v->bf16 = keep.bf16;
	return v;
}

itr_var *itr_detach(itr_tape *t, itr_var *x)
{
	itr_var *v = new_var(t, x->rank, x->shape);
	v->data = x->data;
	v->bf16 = x->bf16;
	return v;
}

double itr_var_at(const itr_tape *t, const itr_var *x, int64_t i)
{
	return x->bf16 ? (double)itr_bf16_to_f32(((const uint16_t *)x->data)[i]) : t->o.reference ? ((const double *)x->data)[i] : (double)((const float *)x->data)[i];
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

uint64_t itr_node_stream(const itr_node *n) { return itr_mix64(n->tape->o.seed ^ itr_mix64(n->tape->step * 0x9e3779b97f4a7c15u + n->serial + 1)); }

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

itr_var *itr_apply(itr_tape *t, const itr_op *op, itr_var *const *in, int n_in, const itr_attr *attr, const int64_t *index, int64_t n_index, void *const state[2])
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
	record &= !t->o.inference;
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
	n->out->data = op->flags & ITR_OP_VIEW ? n->in[0]->data : itr_arena_alloc(t->arena, bytes_of(t, n->out));
	n->out->needs_grad = record;
	n->saved = n->saved_count ? itr_arena_alloc(t->arena, (size_t)n->saved_count * element(t)) : NULL;
	take_scratch(n);
	(t->o.reference ? op->ref_forward : op->forward)(n);
	if (op->flops)
		t->flops += op->flops(n);
	if (record) {
		n->previous = t->last;
		t->last = n;
	}
	return n->out;
}

float itr_grad_beta(itr_node *n, int i)
{
	bool was = *n->in[i]->written;
	*n->in[i]->written = true;
	return was ? 1.0f : 0.0f;
}

/* Memory for x's gradient: a spare one of the right size, or new. */
static void give_gradient(itr_tape *t, itr_var *x)
{
	const size_t bytes = bytes_of(t, x);
	for (struct spare **s = &t->spare; *s; s = &(*s)->next)
		if ((*s)->bytes >= bytes && (*s)->bytes / 2 <= bytes) {
			x->grad = (*s)->memory;
			x->grad_bytes = (*s)->bytes;
			*s = (*s)->next;
			return;
		}
	x->grad = itr_arena_alloc(t->arena, bytes);
	x->grad_bytes = bytes;
}

/* The op that made x has been walked: nobody reads x's gradient again. */
static void take_gradient(itr_tape *t, itr_var *x)
{
	if (!x->grad_bytes)
		return;
	struct spare *s = itr_arena_alloc(t->arena, sizeof *s);
	*s = (struct spare){ t->spare, x->grad, x->grad_bytes };
	t->spare = s;
	x->grad = NULL;
	x->grad_bytes = 0;
}

static void walk_back(itr_tape *t)
{
	for (itr_node *n = t->last; n; n = n->previous) {
		if (!n->out->grad || !*n->out->written)
			continue;
		int products = 0;
		for (int k = 0; k < ITR_OP_INPUTS; k++) {
			itr_var *x = n->in[k];
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
		take_gradient(t, n->out);
	}
	t->last = NULL;                  /* a tape is walked once */
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

const char *itr_tape_first_bad(const itr_tape *t)
{
	const char *name = NULL;
	for (const itr_node *n = t->last; n; n = n->previous)
		if (!all_finite(t, n->out))
			name = n->op->name;
	return name;
}
