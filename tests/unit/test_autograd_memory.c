/* What the tape discards, it recomputes to the same bits: losses, gradients and running statistics of whole towers for every setting and
 * any threads; gradients in the tape's memory are those of the parameters' own; no op reads what it says that it spares. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/op.h"
#include "autograd/ops.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/tower.h"

/* --- spared inputs and outputs -------------------------------------------------------------------------------------------------------- */

static void spoil(itr_var *v)
{
	for (int64_t i = 0; i < v->count; i++)
		((float *)v->data)[i] = NAN;
}

/* All inputs' gradients, those of a case run with and without what the op spares. A case of several ops is left out: what one spares
 * another may read. 1: compared. */
static int compare_case(const itr_op *op, itr_tape *t, int which, bool *more)
{
	itr_case c = { .tape = t, .seed = 77 + (uint64_t)which };
	float *grad[2] = { NULL, NULL };
	int64_t count = 0;
	int compared = 0;
	for (int spoilt = 0; spoilt < 2; spoilt++) {
		c.n_var = 0;
		itr_tape_reset(t, 3);
		itr_rng_init(&c.rng, (uint64_t[]){ c.seed, 1 }, 2);
		itr_var *y = op->sample(&c, which);
		*more = y != NULL;
		if (!y || y->creator->op != op)
			break;
		float *w = itr_xmalloc((size_t)y->count * sizeof *w);
		for (int64_t i = 0; i < y->count; i++)
			w[i] = 1 + (float)(i % 7) / 3;
		for (int k = 0; spoilt && k < 3; k++)
			if (y->creator->in[k] && op->flags & (unsigned)(ITR_OP_UNSAVED_IN0 << k) && !y->creator->in[k]->creator)
				spoil(y->creator->in[k]);
		if (spoilt && op->flags & ITR_OP_UNSAVED_OUT && !(op->flags & ITR_OP_VIEW))
			spoil(y);
		itr_backward_from(t, y, w);
		free(w);
		count = 0;
		for (int k = 0; k < c.n_var; k++)
			count += c.count[k];
		grad[spoilt] = itr_xcalloc((size_t)count, sizeof(float));
		for (int64_t k = 0, at = 0; k < c.n_var; at += c.count[k++])
			if (*c.var[k]->written)
				memcpy(grad[spoilt] + at, c.var[k]->grad, (size_t)c.count[k] * sizeof(float));
	}
	if (grad[1]) {
		assert_memory_equal(grad[0], grad[1], (size_t)count * sizeof(float));
		compared = 1;
	}
	for (int k = 0; k < ITR_OP_INPUTS; k++)
		free(c.value[k]);
	free(grad[0]);
	free(grad[1]);
	return compared;
}

static void test_what_ops_spare(void **state)
{
	itr_tape *t = itr_tape_new(&(itr_tape_opts){ .threads = 1, .seed = 5 });
	int ops = 0, spared = 0;
	(void)state;
	for (int i = 0; itr_ops[i]; i++) {
		bool more = true;
		int compared = 0;
		for (int which = 0; more; which++)
			compared += compare_case(itr_ops[i], t, which, &more);
		ops++;
		spared += compared > 0 &&
		          itr_ops[i]->flags & (ITR_OP_UNSAVED_OUT | ITR_OP_UNSAVED_IN0 | ITR_OP_UNSAVED_IN1 | ITR_OP_UNSAVED_IN2);
	}
	assert_true(ops > 30 && spared > 20);
	itr_tape_free(t);
}

/* --- towers --------------------------------------------------------------------------------------------------------------------------- */

struct net {
	const itr_tower_ops *ops;
	itr_tower_config c;
	itr_params *p;
	void *layers;
	float *pixels, *first;          /* first: the parameters' values before any step moved statistics */
	int32_t ids[96];
	int64_t start[5];
	itr_tower_in in;
};

enum { SIZE = 64, PICTURES = 4 };

static void make(struct net *y, const char *name, bool image)
{
	itr_err err = ITR_ERR_INIT;
	itr_rng r;
	memset(y, 0, sizeof *y);
	y->ops = itr_tower_find(name, image, &err);
	assert_non_null(y->ops);
	assert_int_equal(y->ops->configure(&y->c, NULL, NULL, &err), 0);
	y->c.batch_statistics = true;
	if (image)
		y->c.image_size = SIZE;
	else {
		y->c.vocab = 50;
		y->c.pooling = ITR_POOL_CLS;              /* what itr_tower_open makes of the default */
		y->c.width = y->c.width > 256 ? 256 : y->c.width;
		y->c.mlp = 512;
		y->c.layers = 2;
		y->c.heads = y->c.heads > 4 ? 4 : y->c.heads;
	}
	y->layers = itr_xcalloc(1, y->ops->size);
	y->p = itr_params_new();
	y->ops->init(y->layers, y->p, &y->c);
	itr_params_seal(y->p);
	itr_params_initialise(y->p, 5);
	y->first = memcpy(itr_aligned_alloc((size_t)itr_params_block(y->p) * sizeof(float)), itr_params_values(y->p),
	                  (size_t)itr_params_block(y->p) * sizeof(float));
	itr_rng_seed(&r, 9);
	y->pixels = itr_aligned_alloc((size_t)(PICTURES * SIZE * SIZE * 3) * sizeof(float));
	for (int64_t i = 0; i < PICTURES * SIZE * SIZE * 3; i++)
		y->pixels[i] = (float)itr_rng_normal(&r);
	for (int i = 0; i < 96; i++)
		y->ids[i] = (int32_t)(itr_rng_u64(&r) % 50);
	for (int i = 0; i < 5; i++)
		y->start[i] = 24 * i;
	y->in = (itr_tower_in){ .n = PICTURES, .pixels = y->pixels, .ids = y->ids, .start = y->start };
}

static void drop(struct net *y)
{
	itr_params_free(y->p);
	itr_aligned_free(y->pixels);
	itr_aligned_free(y->first);
	free(y->layers);
}

/* Two steps on a new tape: gradients of the second and the values that both left (running statistics moved), one behind the other; *held:
 * the tape's memory. */
static float *two_steps(struct net *y, itr_compute compute, int threads, double recompute, bool borrowed, size_t *held)
{
	const size_t n = (size_t)itr_params_block(y->p);
	itr_tape *t = itr_tape_new(&(itr_tape_opts){ .threads = threads, .compute = compute, .recompute = recompute });
	float *result = itr_xcalloc(2 * n, sizeof *result), *values = itr_params_values(y->p);
	memcpy(values, y->first, n * sizeof *values);
	for (uint64_t step = 0; step < 2; step++) {
		if (borrowed)
			itr_params_release_grads(y->p);
		else
			itr_params_zero_grad(y->p);
		itr_tape_reset(t, step);
		itr_var *x = y->ops->forward(t, y->layers, &y->c, &y->in, false).pooled;
		float *target = itr_xmalloc((size_t)x->count * sizeof *target);
		for (int64_t i = 0; i < x->count; i++)
			target[i] = (float)(i % 5) - 2;
		itr_backward(t, itr_mse(t, x, itr_input(t, 2, (int64_t[]){ x->shape[0], x->shape[1] }, target)), 1);
		free(target);
	}
	for (int64_t i = 0; i < itr_params_count(y->p); i++) {
		const itr_param *q = itr_params_at(y->p, i);
		if (q->grad_written)
			memcpy(result + (q->data - values), q->grad, (size_t)q->count * sizeof *result);
	}
	memcpy(result + n, values, n * sizeof *result);
	*held = itr_tape_bytes(t);
	itr_tape_reset(t, 0);
	if (borrowed)
		for (int64_t i = 0; i < itr_params_count(y->p); i++)
			assert_null(itr_params_at(y->p, i)->grad);
	itr_tape_free(t);
	itr_params_zero_grad(y->p);
	return result;
}

static void check(const char *name, bool image, itr_compute compute)
{
	static const struct {
		int threads;
		double recompute;
		bool borrowed;
	} with[] = { { 1, 0, false }, { 2, ITR_RECOMPUTE_CHEAP, true }, { 2, 1024, true }, { 2, INFINITY, false }, { 1, INFINITY, true } };
	struct net y;
	size_t all, held;
	make(&y, name, image);
	const size_t bytes = 2 * (size_t)itr_params_block(y.p) * sizeof(float);
	float *plain = two_steps(&y, compute, 2, -1, false, &all);
	for (int i = 0; i < ITR_LEN(with); i++) {
		float *other = two_steps(&y, compute, with[i].threads, with[i].recompute, with[i].borrowed, &held);
		assert_memory_equal(plain, other, bytes);
		assert_true(with[i].borrowed || (strcmp(name, "lstm") ? held < all : held <= all));         /* the LSTM has no blocks */
		free(other);
	}
	free(plain);
	drop(&y);
}

static void test_resnet(void **state) { (void)state, check("resnet18", true, ITR_COMPUTE_F32); }
static void test_resnet_bf16(void **state) { (void)state, check("resnet18", true, ITR_COMPUTE_BF16); }
static void test_mobilenet(void **state) { (void)state, check("mobilenet-v3-small", true, ITR_COMPUTE_F32); }
static void test_bert(void **state) { (void)state, check("bert", false, ITR_COMPUTE_F32); }
static void test_lstm(void **state) { (void)state, check("lstm", false, ITR_COMPUTE_F32); }

/* A step whose loss is no number: the first bad op is named although its output had been left out. */
static void test_first_bad_op_among_those_discarded(void **state)
{
	struct net y;
	(void)state;
	make(&y, "mobilenet-v3-small", true);
	y.pixels[5] = NAN;
	itr_tape *t = itr_tape_new(&(itr_tape_opts){ .threads = 2, .recompute = INFINITY });
	itr_tape_reset(t, 0);
	y.ops->forward(t, y.layers, &y.c, &y.in, false);
	assert_string_equal(itr_tape_first_bad(t), "conv2d");
	itr_tape_free(t);
	drop(&y);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_ops_spare),
		cmocka_unit_test(test_resnet),
		cmocka_unit_test(test_resnet_bf16),
		cmocka_unit_test(test_mobilenet),
		cmocka_unit_test(test_bert),
		cmocka_unit_test(test_lstm),
		cmocka_unit_test(test_first_bad_op_among_those_discarded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
