/* The backward pass: runs the backward functions of the recorded ops, the last one first, and frees values that are no longer needed. */
#include <string.h>

#include "autograd/tape_state.h"
#include "base/log.h"
#include "tensor/dtype.h"

/* Allocates memory for x's gradient. A parameter without its own memory borrows memory of the tape until the reset. */
static void give_gradient(itr_tape *t, itr_var *x)
{
	const size_t bytes = itr_var_bytes(t, x);
	size_t from_pool;
	if (!x->param) {
		x->grad = itr_tape_alloc(t, bytes, &x->grad_bytes);
		return;
	}
	if (t->o.reference)
		ITR_BUG("parameter '%s' has no double gradient: itr_params_enable_reference", x->param->name);
	if (!x->param->grad) {
		struct itr_borrowed *l = itr_arena_alloc(t->arena, sizeof *l);
		*l = (struct itr_borrowed){ t->borrowed, x->param };
		t->borrowed = l;
		x->param->grad = itr_tape_alloc(t, bytes, &from_pool);
	}
	x->grad = x->param->grad;
}

/* Frees x and its gradient after the backward function of its op: nothing reads them again. */
static void release(itr_tape *t, itr_node *n)
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
	itr_tape_free_values(t, x);
}

static void backward_one(itr_tape *t, itr_node *n)
{
	int products = 0;
	if (!(n->op->flags & ITR_OP_UNSAVED_OUT))
		itr_rematerialize(t, n->out);
	for (int k = 0; k < ITR_OP_INPUTS; k++) {
		itr_var *x = n->in[k];
		if (x && !itr_node_unsaved(n, k))
			itr_rematerialize(t, x);
		if (!x || !x->needs_grad)
			continue;
		products += k < 2;              /* of a product op the first two inputs are its factors */
		if (!x->grad)
			give_gradient(t, x);
	}
	itr_node_scratch(n);
	(t->o.reference ? n->op->ref_backward : n->op->backward)(n);
	if (n->op->flops)
		t->flops += n->op->flops(n) * products;
}

static void run_backward(itr_tape *t)
{
	for (itr_node *n = t->last; n; n = n->previous) {
		if (n->out->grad && *n->out->written)
			backward_one(t, n);
		release(t, n);
	}
	t->first = t->last = NULL;       /* a tape can be used for one backward pass */
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
	run_backward(t);
}

/* Copies float numbers, or double on a reference tape. */
static void seed(itr_tape *t, itr_var *out, const void *grad)
{
	need_gradient(t, out);
	if (out->bf16)
		itr_bf16_from_f32_n(out->grad, grad, out->count);
	else
		memcpy(out->grad, grad, itr_var_bytes(t, out));
}

void itr_backward_from(itr_tape *t, itr_var *out, const void *grad)
{
	seed(t, out, grad);
	run_backward(t);
}

void itr_backward_outputs(itr_tape *t, itr_var *const *out, const void *const *grad, int n)
{
	for (int i = 0; i < n; i++)
		if (out[i] && grad[i] && out[i]->needs_grad)
			seed(t, out[i], grad[i]);
	run_backward(t);
}
