#include "autograd/op_util.h"

#include <string.h>

#include "base/parallel.h"

struct chunks {
	itr_node *n;
	int64_t count, chunk;
	void (*fn)(itr_node *n, int64_t begin, int64_t end);
};

static void one_chunk(void *ctx, int64_t i, int worker)
{
	const struct chunks *c = ctx;
	(void)worker;
	c->fn(c->n, i * c->chunk, ITR_MIN((i + 1) * c->chunk, c->count));
}

void itr_node_chunks(itr_node *n, int64_t count, int64_t chunk, void (*fn)(itr_node *n, int64_t begin, int64_t end))
{
	struct chunks c = { n, count, chunk, fn };
	itr_parallel_for(n->threads, (count + chunk - 1) / chunk, one_chunk, &c);
}

int64_t itr_chunk_rows(int64_t columns) { return ITR_MAX((int64_t)1, ITR_CHUNK / ITR_MAX(columns, (int64_t)1)); }

double *itr_ref_grad(itr_node *n, int k)
{
	double *d = itr_din64(n, k);
	if (d && itr_grad_beta(n, k) == 0.0f)
		memset(d, 0, (size_t)n->in[k]->count * sizeof *d);
	return d;
}

float *itr_zeroed_grad(itr_node *n, int k)
{
	float *d = itr_din(n, k);
	if (d && itr_grad_beta(n, k) == 0.0f)
		memset(d, 0, (size_t)n->in[k]->count * sizeof *d);
	return d;
}

itr_var *itr_apply1(itr_tape *t, const itr_op *op, itr_var *a, const itr_attr *attr)
{
	itr_var *in[] = { a };
	return itr_apply(t, op, in, 1, attr, NULL, 0, NULL);
}

itr_var *itr_apply2(itr_tape *t, const itr_op *op, itr_var *a, itr_var *b, const itr_attr *attr)
{
	itr_var *in[] = { a, b };
	return itr_apply(t, op, in, 2, attr, NULL, 0, NULL);
}
