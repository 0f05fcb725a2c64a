#include "model/cnn.h"

#include <string.h>

#include "base/parallel.h"

enum { PICTURES = 2, EACH = 1 };        /* at a time in inference, through all threads together or through one */

static itr_var *as_rows(itr_tape *t, itr_var *map)
{
	return itr_reshape(t, map, 2, (int64_t[]){ map->shape[0] * map->shape[1] * map->shape[2], map->shape[3] });
}

static itr_var *some(itr_tape *t, const void *m, const itr_tower_config *c, const itr_tower_in *in, int64_t first, int64_t n, bool states,
                     itr_cnn_trunk *trunk)
{
	const int64_t size = c->image_size;
	itr_scope s = itr_scope_begin(t);
	itr_var *x = itr_input(t, 4, (int64_t[]){ n, size, size, 3 }, in->pixels + first * size * size * 3);
	x = trunk(t, m, c, x);
	return itr_scope_end(t, s, states ? as_rows(t, x) : itr_global_pool(t, x));
}

struct sharing {
	itr_tape *const *tape;
	const void *m;
	const itr_tower_config *c;
	const itr_tower_in *in;
	bool states;
	itr_cnn_trunk *trunk;
	float *out;
	int64_t row;                    /* numbers a picture */
};

static void share_piece(void *ctx, int64_t piece, int worker)
{
	const struct sharing *q = ctx;
	itr_tape *t = q->tape[worker];
	const int64_t i = piece * EACH, n = ITR_MIN((int64_t)EACH, q->in->n - i);
	itr_scope s = itr_scope_begin(t);
	itr_var *x = some(t, q->m, q->c, q->in, i, n, q->states, q->trunk);
	memcpy(q->out + i * q->row, x->data, (size_t)(n * q->row) * sizeof *q->out);
	itr_scope_end(t, s, NULL);
}

/* Each thread takes pictures through the whole trunk by itself: nobody waits at the end of a layer, and what a layer wrote lies in the
 * cache of the core that reads it. */
static itr_var *shared_out(itr_tape *t, const void *m, const itr_tower_config *c, const itr_tower_in *in, bool states, itr_cnn_trunk *trunk,
                           int threads)
{
	const int64_t grid = c->image_size / 32, rows = states ? grid * grid : 1;
	struct sharing q = { itr_tape_workers(t), m, c, in, states, trunk, NULL, rows * c->width };
	itr_var *all = itr_blank(t, 2, (int64_t[]){ in->n * rows, c->width });
	q.out = all->data;
	itr_parallel_for(threads, (in->n + EACH - 1) / EACH, share_piece, &q);
	return all;
}
itr_tower_out itr_cnn_forward(itr_tape *t, const void *m, const itr_tower_config *c, const itr_tower_in *in, bool states,
                              itr_cnn_trunk *trunk)
{
	const int threads = itr_tape_threads(t);
	const bool training = itr_tape_training(t);
	const int64_t step = training ? in->n : PICTURES, grid = c->image_size / 32;
	itr_tower_out out = { NULL, NULL };
	itr_var *all = NULL;
	if (!training && threads > 1 && in->n >= 2 * EACH * threads)
		all = shared_out(t, m, c, in, states, trunk, threads);
	else
		for (int64_t i = 0; i < in->n; i += step) {
			itr_var *x = some(t, m, c, in, i, ITR_MIN(step, in->n - i), states, trunk);
			all = all ? itr_stack(t, all, x) : x;
		}
	out.states = states ? all : NULL;
	out.pooled = states ? itr_global_pool(t, itr_reshape(t, all, 4, (int64_t[]){ in->n, grid, grid, all->shape[1] })) : all;
	return out;
}

int itr_cnn_check(const itr_weights *w, const char *tower, const char *const *names, int64_t o, int64_t i, int64_t k, itr_err *err)
{
	const itr_weight *x = NULL;
	const char *name = NULL;
	for (; !x && *names; names++)
		x = itr_weights_find(w, name = *names);
	if (x && (x->rank != 4 || x->shape[0] != o || x->shape[1] != i || x->shape[2] != k || x->shape[3] != k))
		return itr_err_set(err,
		                   "these are not the weights of %s: its '%s' is (%lld, %lld, %lld, %lld), the file's has another shape",
		                   tower, name, (long long)o, (long long)i, (long long)k, (long long)k);
	return 0;
}
