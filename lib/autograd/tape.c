#include "autograd/tape.h"

#include <stdlib.h>
#include <string.h>

#include "autograd/ops.h"
#include "autograd/tape_state.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "tensor/bf16.h"
#include "tensor/dtype.h"

/* Arrays of at least this size are in the pool, where they can be freed in any order; smaller ones are in the arena until the reset, with
 * the variables. */
static const size_t POOLED = (size_t)32 << 10;
/* large blocks, to lose little memory at their ends; pages that are never touched use no memory */
static const size_t ARENA_BLOCK = (size_t)32 << 20;

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
		ITR_BUG("itr_tape_workers: not while recording: the ops of the workers would not be in the backward pass");
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
	for (; t->borrowed; t->borrowed = t->borrowed->next) {
		t->borrowed->param->grad = NULL;
		t->borrowed->param->grad_written = false;
	}
	itr_arena_reset(t->arena);
	itr_pool_reset(t->pool);
	t->first = t->last = NULL;
	t->unrecorded = NULL;
	t->nets_read = 0;
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
bool itr_tape_dropout_active(const itr_tape *t) { return !t->o.inference && !t->o.no_dropout; }
void itr_tape_set_inference(itr_tape *t, bool inference) { t->o.inference = inference; }
void itr_tape_set_frozen_nets(itr_tape *t, unsigned nets) { t->o.frozen_nets = nets; }
void itr_tape_set_recording(itr_tape *t, bool recording) { t->paused = !recording; }
unsigned itr_tape_nets_read(const itr_tape *t) { return t->nets_read; }
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

/* --- memory ------------------------------------------------------------------------------------------------------------------------ */

void *itr_tape_alloc(itr_tape *t, size_t bytes, size_t *from_pool)
{
	*from_pool = !t->o.inference && bytes >= POOLED ? bytes : 0;
	return *from_pool ? itr_pool_take(t->pool, bytes) : itr_arena_alloc(t->arena, bytes);
}

void itr_tape_free_values(itr_tape *t, itr_var *v)
{
	if (!v->data_bytes)
		return;
	itr_pool_give(t->pool, v->data, v->data_bytes);
	v->data = NULL;
	v->data_bytes = 0;
}

void itr_node_scratch(itr_node *n)
{
	itr_tape *t = n->tape;
	size_t bytes = (size_t)n->scratch_count * itr_tape_element(t);
	if (bytes > t->scratch_bytes) {
		itr_aligned_free(t->scratch);
		t->scratch = itr_aligned_alloc(bytes);
		t->scratch_bytes = bytes;
	}
	n->scratch = t->scratch;
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

itr_var *itr_var_new(itr_tape *t, int rank, const int64_t *shape)
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
	itr_var *v = itr_var_new(t, rank, shape);
	v->data = to_tape(t, data, v->count);
	return v;
}

itr_var *itr_blank(itr_tape *t, int rank, const int64_t *shape)
{
	itr_var *v = itr_var_new(t, rank, shape);
	v->data = itr_arena_alloc(t->arena, (size_t)v->count * itr_tape_element(t));
	return v;
}

itr_var *itr_input_grad(itr_tape *t, int rank, const int64_t *shape, const float *data)
{
	itr_var *v = itr_input(t, rank, shape, data);
	v->needs_grad = true;
	v->grad = itr_arena_alloc(t->arena, (size_t)v->count * itr_tape_element(t));
	return v;
}

itr_var *itr_input_owned(itr_tape *t, int rank, const int64_t *shape, const double *values)
{
	itr_var *v = itr_var_new(t, rank, shape);
	v->data = itr_arena_alloc(t->arena, (size_t)v->count * itr_tape_element(t));
	for (int64_t i = 0; i < v->count; i++) {
		if (t->o.reference)
			((double *)v->data)[i] = values[i];
		else
			((float *)v->data)[i] = (float)values[i];
	}
	v->needs_grad = true;
	v->grad = itr_arena_alloc(t->arena, (size_t)v->count * itr_tape_element(t));
	return v;
}

itr_var *itr_leaf(itr_tape *t, itr_param *p)
{
	itr_var *v = itr_var_new(t, p->rank, p->shape);
	if (t->o.reference && !p->data64)
		ITR_BUG("parameter '%s' has no double copy: itr_params_enable_reference", p->name);
	if (!p->data)
		ITR_BUG("parameter '%s' is packed for inference (itr_params_pack): no op but its layer's product can use it", p->name);
	v->data = t->o.reference ? (void *)p->data64 : (void *)p->data;
	v->needs_grad = !p->frozen && !t->o.inference && !t->paused && !(p->net & t->o.frozen_nets);
	t->nets_read |= p->net;
	v->grad = !v->needs_grad ? NULL : t->o.reference ? (void *)p->grad64 : (void *)p->grad;
	v->written = &p->grad_written;
	v->param = p;
	return v;
}

/* v's values, recomputed if a scope has discarded them. */
static const void *numbers_of(itr_tape *t, itr_var *v)
{
	itr_rematerialize(t, v);
	if (!v->data)
		ITR_BUG("values of a variable after the backward pass, which frees them");
	return v->data;
}

itr_var *itr_constant_of(itr_tape *t, itr_tape *from, itr_var *v)
{
	if (t == from)
		return itr_detach(t, v);
	if (t->o.reference != from->o.reference)
		ITR_BUG("itr_constant_of: a float and a double tape");
	itr_var *c = itr_var_new(t, v->rank, v->shape);
	c->data = (void *)(uintptr_t)numbers_of(from, v);
	if (v->bf16) {
		c->data = itr_arena_alloc(t->arena, (size_t)v->count * sizeof(float));
		itr_bf16_to_f32_n(c->data, v->data, v->count);
	}
	return c;
}

const float *itr_values(itr_tape *t, itr_var *v)
{
	const void *data = numbers_of(t, v);
	if (!v->bf16 && !t->o.reference)
		return data;
	float *f = itr_arena_alloc(t->arena, (size_t)v->count * sizeof *f);
	for (int64_t i = 0; i < v->count; i++)
		f[i] = (float)itr_var_at(t, v, i);
	return f;
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

extern const itr_op itr_op_cast;

/* x in a type that op supports for it: bfloat16 or float. */
static itr_var *as_taken(itr_tape *t, const itr_op *op, int k, itr_var *x, bool bf16)
{
	const bool wanted = bf16 && op->flags & (unsigned)ITR_OP_BF16 << k;
	return !x || op == &itr_op_cast || x->bf16 == wanted ? x : itr_cast(t, x, wanted);
}

/* Appends the op to the tape, for the backward pass. */
static void record_op(itr_tape *t, itr_node *n)
{
	for (int k = 0; k < ITR_OP_INPUTS; k++)
		if (n->in[k] && !itr_node_unsaved(n, k))
			itr_root(n->in[k])->read_back = true;
	itr_root(n->out)->read_back |= !(n->op->flags & ITR_OP_UNSAVED_OUT);
	n->out->creator = n;
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
	record &= !t->o.inference && !t->paused && !(op->flags & ITR_OP_CONSTANT);
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
	itr_var *place = op->flags & ITR_OP_VIEW ? n->in[0] : op->flags & ITR_OP_IN_PLACE ? n->in[1] : NULL;
	if (place) {
		n->out->data = place->data;
		n->out->base = itr_root(place);
	} else {
		n->out->data = itr_tape_alloc(t, itr_var_bytes(t, n->out), &n->out->data_bytes);
	}
	n->out->needs_grad = record;
	n->saved = n->saved_count ? itr_tape_alloc(t, (size_t)n->saved_count * itr_tape_element(t), &n->saved_bytes) : NULL;
	itr_node_scratch(n);
	(t->o.reference ? op->ref_forward : op->forward)(n);
	if (op->flops)
		t->flops += op->flops(n);
	if (record) {
		record_op(t, n);
	} else {
		if (n->saved_bytes)
			itr_pool_give(t->pool, n->saved, n->saved_bytes);
		n->saved = NULL;
		n->saved_bytes = 0;
		if (n->out->data_bytes) {
			struct itr_unrecorded *i = itr_arena_alloc(t->arena, sizeof *i);
			*i = (struct itr_unrecorded){ t->unrecorded, n->out };
			t->unrecorded = i;
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

