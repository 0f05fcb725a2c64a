#include "model/transformer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

int itr_blocks_check(const itr_tower_config *c, const char *name, itr_err *err)
{
	if (c->layers < 1 || c->layers > ITR_MAX_BLOCKS || c->heads < 1 || c->width < 1 || c->width % c->heads)
		return itr_err_set(err, "%s of %lld blocks, width %lld and %lld heads: not a size that works", name, (long long)c->layers,
		                   (long long)c->width, (long long)c->heads);
	return 0;
}

void itr_blocks_init(itr_block *b, itr_params *p, const char *prefix, const itr_block_names *names, const itr_tower_config *c)
{
	for (int64_t i = 0; i < c->layers; i++) {
		char name[6][96];
		const char *const part[] = { names->norm1, names->qkv, names->proj, names->norm2, names->fc1, names->fc2 };
		for (int k = 0; k < 6; k++)
			snprintf(name[k], sizeof name[k], "%s.%lld.%s", prefix, (long long)i, part[k]);
		itr_layernorm_init(&b[i].norm1, p, name[0], c->width, c->eps);
		itr_linear_init(&b[i].qkv, p, name[1], c->width, 3 * c->width, true);
		itr_linear_init(&b[i].proj, p, name[2], c->width, c->width, true);
		itr_layernorm_init(&b[i].norm2, p, name[3], c->width, c->eps);
		itr_linear_init(&b[i].fc1, p, name[4], c->width, c->mlp, true);
		itr_linear_init(&b[i].fc2, p, name[5], c->mlp, c->width, true);
	}
}

static itr_var *block(itr_tape *t, const itr_block *b, const itr_tower_config *c, itr_var *x, const itr_sequences *s, const int64_t *rows,
                      int64_t n_rows)
{
	itr_var *h = itr_linear(t, &b->qkv, s->norm_after ? x : itr_layernorm(t, &b->norm1, x));
	h = itr_attention(t, h, s->start, s->n, c->heads, s->causal);
	if (rows) {
		h = itr_gather(t, h, rows, n_rows);
		x = itr_gather(t, x, rows, n_rows);
	}
	x = itr_linear_add(t, &b->proj, h, x);
	if (s->norm_after) {
		x = itr_layernorm(t, &b->norm1, x);
		return itr_layernorm(t, &b->norm2, itr_linear_add(t, &b->fc2, itr_linear_act(t, &b->fc1, x, c->activation), x));
	}
	h = itr_linear_act(t, &b->fc1, itr_layernorm(t, &b->norm2, x), c->activation);
	return itr_linear_add(t, &b->fc2, h, x);
}

itr_var *itr_blocks(itr_tape *t, const itr_block *b, const itr_tower_config *c, itr_var *x, const itr_sequences *s, const int64_t *rows,
                    int64_t n_rows)
{
	for (int64_t i = 0; i < c->layers; i++) {
		itr_scope scope = itr_scope_begin(t);
		bool last = i == c->layers - 1;
		x = itr_scope_end(t, scope, block(t, &b[i], c, x, s, last ? rows : NULL, n_rows));
	}
	return x;
}

itr_var *itr_patch_tokens(itr_tape *t, const itr_patch_embedding *e, const itr_tower_config *c, const itr_tower_in *in)
{
	const int64_t grid = c->image_size / c->patch, patches = grid * grid, length = patches + 1, n = in->n * length;
	int64_t *from = itr_xmalloc((size_t)(2 * n) * sizeof *from), *position = from + n;
	for (int64_t i = 0; i < n; i++) {
		position[i] = i % length;
		from[i] = position[i] ? i / length * patches + position[i] : 0;          /* row 0 of the stack is the class token */
	}
	itr_var *pixels = itr_input(t, 4, (int64_t[]){ in->n, c->image_size, c->image_size, 3 }, in->pixels);
	itr_var *x = itr_linear(t, &e->patch, itr_patches(t, pixels, c->patch));
	x = itr_gather(t, itr_stack(t, itr_leaf(t, e->class_token), x), from, n);
	x = itr_add(t, x, itr_gather(t, itr_leaf(t, e->positions), position, n));
	free(from);
	return x;
}

int64_t *itr_equal_starts(int64_t n, int64_t length)
{
	int64_t *start = itr_xmalloc((size_t)(2 * n + 1) * sizeof *start);
	for (int64_t i = 0; i <= n; i++)
		start[i] = i * length;
	memcpy(start + n + 1, start, (size_t)n * sizeof *start);
	return start;
}

itr_var *itr_without_first(itr_tape *t, itr_var *x, int64_t n, int64_t length)
{
	int64_t *rows = itr_xmalloc((size_t)(n * (length - 1) + 1) * sizeof *rows);
	for (int64_t i = 0, k = 0; i < n * length; i++)
		if (i % length)
			rows[k++] = i;
	itr_var *y = itr_gather(t, x, rows, n * (length - 1));
	free(rows);
	return y;
}

int64_t itr_weights_layers(const itr_weights *w, const char *prefix, const char *suffix)
{
	for (int64_t i = 0; i <= ITR_MAX_BLOCKS; i++) {
		char name[128];
		snprintf(name, sizeof name, "%s%lld%s", prefix, (long long)i, suffix);
		if (!itr_weights_find(w, name))
			return i;
	}
	return ITR_MAX_BLOCKS + 1;
}

int itr_activation_named(const char *name, itr_activation *a, itr_err *err)
{
	static const struct {
		const char *name;
		itr_activation a;
	} known[] = { { "gelu", ITR_ACT_GELU }, { "quick_gelu", ITR_ACT_QUICK_GELU }, { "relu", ITR_ACT_RELU } };
	for (int i = 0; i < ITR_LEN(known); i++)
		if (!strcmp(name, known[i].name)) {
			*a = known[i].a;
			return 0;
		}
	return itr_err_set(err, "the config file asks for the activation '%s'; known are gelu, quick_gelu and relu", name);
}
