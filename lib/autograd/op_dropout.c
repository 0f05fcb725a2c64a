/* dropout: y = x / (1 - p) for elements that are kept, otherwise 0. The mask comes from a counter-based generator and is not stored:
 * backward computes it again (itr_node_stream). */
#include <string.h>

#include "autograd/op_util.h"
#include "autograd/ops.h"
#include "base/hash.h"

static void shape(itr_node *n)
{
	if (!n->in[0] || !(n->attr.f[0] >= 0 && n->attr.f[0] < 1))
		itr_shape_bug(n, "x and 0 <= p < 1");
	itr_shape_like(n, n->in[0]);
}

static bool active(const itr_node *n) { return n->attr.f[0] > 0 && itr_node_training(n); }

/* An element is kept when its 32 random bits are at least p * 2^32. A 64-bit number is used for two neighbours. */
static uint32_t threshold(const itr_node *n) { return (uint32_t)(n->attr.f[0] * 4294967296.0); }

enum { BLOCK = 256 };           /* random numbers per block: separate loops for drawing and scaling, so that both are vectorised */

#define DROP(real, destination, source, operation) \
	do { \
		const uint32_t limit = threshold(n); \
		const uint64_t stream = itr_node_stream(n); \
		const real keep = (real)(1 / (1 - n->attr.f[0])); \
		uint32_t word[2 * BLOCK]; \
		for (int64_t i = begin; i < end; i += 2 * BLOCK) { \
			const int64_t count = ITR_MIN(end - i, (int64_t)2 * BLOCK); \
			for (int64_t k = 0; k < BLOCK; k++) { \
				const uint64_t bits = itr_random_at(stream, (uint64_t)(i / 2 + k)); \
				word[2 * k] = (uint32_t)bits; \
				word[2 * k + 1] = (uint32_t)(bits >> 32); \
			} \
			for (int64_t k = 0; k < count; k++) \
				destination[i + k] operation source[i + k] * (word[k] >= limit ? keep : 0); \
		} \
	} while (0)

ITR_CLONES static void forward_piece(itr_node *n, int64_t begin, int64_t end)
{
	const float *x = itr_in(n, 0);
	float *y = itr_out(n);
	DROP(float, y, x, =);
}

static void forward(itr_node *n)
{
	if (active(n))
		itr_node_chunks(n, n->out->count, ITR_CHUNK, forward_piece);
	else
		memcpy(itr_out(n), itr_in(n, 0), (size_t)n->out->count * sizeof(float));
}

ITR_CLONES static void backward_piece(itr_node *n, int64_t begin, int64_t end)
{
	const float *g = itr_dout(n);
	float *d = itr_din(n, 0);
	if (n->attr.f[3] != 0)
		DROP(float, d, g, +=);
	else
		DROP(float, d, g, =);
}

static void backward(itr_node *n)
{
	if (!itr_din(n, 0))
		return;
	n->attr.f[3] = itr_grad_beta(n, 0);
	if (active(n)) {
		itr_node_chunks(n, n->out->count, ITR_CHUNK, backward_piece);
		return;
	}
	for (int64_t i = 0; i < n->out->count; i++)
		itr_accumulate(&itr_din(n, 0)[i], (float)n->attr.f[3], itr_dout(n)[i]);
}

static void ref_forward(itr_node *n)
{
	int64_t begin = 0, end = n->out->count;
	const double *x = itr_in64(n, 0);
	double *y = itr_out64(n);
	if (active(n))
		DROP(double, y, x, =);
	else
		memcpy(y, x, (size_t)end * sizeof *y);
}

static void ref_backward(itr_node *n)
{
	int64_t begin = 0, end = n->out->count;
	const double *g = itr_dout64(n);
	double *d = itr_ref_grad(n, 0);
	if (!d)
		return;
	if (active(n))
		DROP(double, d, g, +=);
	else
		for (int64_t i = 0; i < end; i++)
			d[i] += g[i];
}

static itr_var *sample(itr_case *c, int which)
{
	static const double p[] = { 0, 0.2, 0.75 };
	return which < 3 ? itr_dropout(c->tape, itr_case_input(c, 2, (int64_t[]){ 7, 33 }, 1, 0), p[which]) : NULL;
}

const itr_op itr_op_dropout = {
	"dropout", 1, ITR_OP_UNSAVED_IN0 | ITR_OP_UNSAVED_OUT, shape, forward, backward, ref_forward, ref_backward, NULL, sample
};

itr_var *itr_dropout(itr_tape *t, itr_var *x, double p)
{
	return !itr_tape_dropout_active(t) && itr_tape_training(t) ? x : itr_apply1(t, &itr_op_dropout, x, &(itr_attr){ .f = { p } });
}
