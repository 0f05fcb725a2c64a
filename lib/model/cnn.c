#include "model/cnn.h"

#include <string.h>

enum { PICTURES = 2 };          /* at a time in inference. Measured, ResNet-50, 49 images/s with 1, 52 with 2, 43 with 4; MobileNetV3 1,290, 1,515, 1,170 */

static itr_var *as_rows(itr_tape *t, itr_var *map) { return itr_reshape(t, map, 2, (int64_t[]){ map->shape[0] * map->shape[1] * map->shape[2], map->shape[3] }); }

static itr_var *some(itr_tape *t, const void *m, const itr_tower_config *c, const itr_tower_in *in, int64_t first, int64_t n, bool states, itr_cnn_trunk *trunk)
{
	const int64_t size = c->image_size;
	itr_scope s = itr_scope_begin(t);
	itr_var *x = itr_input(t, 4, (int64_t[]){ n, size, size, 3 }, in->pixels + first * size * size * 3);
	x = trunk(t, m, c, x);
	return itr_scope_end(t, s, states ? as_rows(t, x) : itr_global_pool(t, x));
}

itr_tower_out itr_cnn_forward(itr_tape *t, const void *m, const itr_tower_config *c, const itr_tower_in *in, bool states, itr_cnn_trunk *trunk)
{
	const int64_t step = itr_tape_training(t) ? in->n : PICTURES, grid = c->image_size / 32;
	itr_tower_out out = { NULL, NULL };
	itr_var *all = NULL;
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
		return itr_err_set(err, "these are not the weights of %s: its '%s' is (%lld, %lld, %lld, %lld), the file's has another shape", tower, name, (long long)o, (long long)i, (long long)k, (long long)k);
	return 0;
}
