/* cast to bfloat16 (attr.i[0]) or float; the gradient is cast back. The tape inserts it before every op that does not support the type of
 * its input. */
#include <string.h>

#include "autograd/op_util.h"
#include "autograd/ops.h"
#include "tensor/bf16.h"

static void shape(itr_node *n)
{
	if (!n->in[0])
		itr_shape_bug(n, "one input");
	itr_shape_like(n, n->in[0]);
	n->out->bf16 = n->attr.i[0] && !itr_tape_reference(n->tape);
}

/* dst = beta dst + src, either of either type. */
#define COPY(name, from, LOAD, to, OLD, STORE) \
	ITR_CLONES_BF16 static void name(const from *restrict src, to *restrict dst, bool add, int64_t count) \
	{ \
		if (add) \
			for (int64_t i = 0; i < count; i++) \
				dst[i] = STORE(OLD(dst[i]) + LOAD(src[i])); \
		else \
			for (int64_t i = 0; i < count; i++) \
				dst[i] = STORE(LOAD(src[i])); \
	}
#define SAME(x) (x)
COPY(half_to_half, uint16_t, itr_bf16_load, uint16_t, itr_bf16_load, itr_bf16_round)
COPY(half_to_float, uint16_t, itr_bf16_load, float, SAME, SAME)
COPY(float_to_half, float, SAME, uint16_t, itr_bf16_load, itr_bf16_round)
COPY(float_to_float, float, SAME, float, SAME, SAME)

static void copy(const void *src, bool src_bf16, void *dst, bool dst_bf16, bool add, int64_t begin, int64_t end)
{
	const int64_t n = end - begin;
	if (src_bf16 && dst_bf16)
		half_to_half((const uint16_t *)src + begin, (uint16_t *)dst + begin, add, n);
	else if (src_bf16)
		half_to_float((const uint16_t *)src + begin, (float *)dst + begin, add, n);
	else if (dst_bf16)
		float_to_half((const float *)src + begin, (uint16_t *)dst + begin, add, n);
	else
		float_to_float((const float *)src + begin, (float *)dst + begin, add, n);
}

static void piece(itr_node *n, int64_t begin, int64_t end)
{
	copy(n->in[0]->data, n->in[0]->bf16, n->out->data, n->out->bf16, false, begin, end);
}
static void back_piece(itr_node *n, int64_t begin, int64_t end)
{
	copy(n->out->grad, n->out->bf16, n->in[0]->grad, n->in[0]->bf16, n->attr.f[3] != 0, begin, end);
}

static void forward(itr_node *n) { itr_node_chunks(n, n->out->count, ITR_CHUNK, piece); }

static void backward(itr_node *n)
{
	n->attr.f[3] = itr_grad_beta(n, 0);
	itr_node_chunks(n, n->out->count, ITR_CHUNK, back_piece);
}

static void ref_forward(itr_node *n) { memcpy(n->out->data, n->in[0]->data, (size_t)n->out->count * sizeof(double)); }

static void ref_backward(itr_node *n)
{
	double *d = itr_ref_grad(n, 0);
	for (int64_t i = 0; d && i < n->out->count; i++)
		d[i] += itr_dout64(n)[i];
}

static itr_var *sample(itr_case *c, int which)
{
	itr_var *x = which < 2 ? itr_case_input(c, 2, (int64_t[]){ 5, 37 }, 1, 0) : NULL;
	return which == 0 ? itr_cast(c->tape, x, false) : which == 1 ? itr_cast(c->tape, itr_to_bf16(c->tape, x), false) : NULL;
}

const itr_op itr_op_cast = {
	"cast", 1, ITR_OP_BF16 | ITR_OP_UNSAVED_IN0 | ITR_OP_UNSAVED_OUT, shape, forward, backward, ref_forward, ref_backward, NULL, sample
};

itr_var *itr_cast(itr_tape *t, itr_var *x, bool bf16) { return itr_apply1(t, &itr_op_cast, x, &(itr_attr){ .i = { bf16 } }); }

itr_var *itr_to_bf16(itr_tape *t, itr_var *x)
{
	return x->bf16 || itr_tape_reference(t) || !itr_tape_training(t) || itr_tape_compute(t) != ITR_COMPUTE_BF16 ? x
	                                                                                                            : itr_cast(t, x, true);
}
