#include "model/stages.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

enum { MAX_WIDTH = 1 << 16 };

static const char *const kind_names[] = { "dense", "layernorm", "normalize" };
static const char *const activation_names[] = { "identity", "tanh", "relu", "gelu", "relu6", "hardswish", "hardsigmoid" };

int itr_dense_activation_named(const char *name, itr_dense_activation *a, itr_err *err)
{
	static const char *const theirs[] = { "Identity", "Tanh", "ReLU", "GELU", "ReLU6", "Hardswish", "Hardsigmoid" };
	const char *dot = name ? strrchr(name, '.') : NULL, *last = dot ? dot + 1 : name ? name : "Tanh";
	if (!name || !strncmp(name, "torch.nn.", 9))
		for (int i = 0; i < ITR_LEN(theirs); i++)
			if (!strcmp(theirs[i], last)) {
				*a = (itr_dense_activation)i;
				return 0;
			}
	return itr_err_set(err,
	                   "its Dense layer wants the activation '%.100s'; known are torch.nn's Identity, Tanh, ReLU, GELU, ReLU6, "
	                   "Hardswish and Hardsigmoid",
	                   name);
}

void itr_stages_init(itr_stage_layers *l, itr_params *p, const itr_stages *s)
{
	for (int i = 0; i < s->n; i++) {
		const itr_stage *g = &s->v[i];
		char name[64];
		memset(&l[i], 0, sizeof l[i]);
		if (g->kind == ITR_STAGE_DENSE) {
			snprintf(name, sizeof name, "modules.%d.linear", i);
			itr_linear_init(&l[i].linear, p, name, g->in, g->out, g->bias);
		}
		if (g->kind == ITR_STAGE_DENSE && g->residual && g->in != g->out) {
			snprintf(name, sizeof name, "modules.%d.residual", i);
			itr_linear_init(&l[i].residual, p, name, g->in, g->out, false);
		}
		if (g->kind == ITR_STAGE_LAYERNORM) {
			snprintf(name, sizeof name, "modules.%d.norm", i);
			/* torch.nn.LayerNorm's default, which the module takes */
			itr_layernorm_init(&l[i].norm, p, name, g->in, 1e-5);
		}
	}
}

static itr_var *activation(itr_tape *t, itr_var *x, itr_dense_activation a)
{
	switch (a) {
	case ITR_DENSE_IDENTITY: return x;
	case ITR_DENSE_TANH: return itr_tanh(t, x);
	case ITR_DENSE_RELU: return itr_relu(t, x);
	case ITR_DENSE_GELU: return itr_gelu(t, x);
	case ITR_DENSE_RELU6: return itr_relu6(t, x);
	case ITR_DENSE_HARDSWISH: return itr_hardswish(t, x);
	case ITR_DENSE_HARDSIGMOID: return itr_hardsigmoid(t, x);
	default: ITR_BUG("no activation %d of a Dense layer", (int)a);
	}
}

itr_var *itr_stages_apply(itr_tape *t, const itr_stage_layers *l, const itr_stages *s, itr_var *x)
{
	for (int i = 0; i < s->n; i++) {
		const itr_stage *g = &s->v[i];
		if (g->kind == ITR_STAGE_NORMALIZE) {
			x = itr_l2norm(t, x);
		} else if (g->kind == ITR_STAGE_LAYERNORM) {
			x = itr_layernorm(t, &l[i].norm, x);
		} else {
			itr_var *y = activation(t, itr_linear(t, &l[i].linear, x), g->activation);
			x = !g->residual ? y : itr_add(t, y, g->in == g->out ? x : itr_linear(t, &l[i].residual, x));
		}
	}
	return x;
}

int64_t itr_stages_out(const itr_stages *s, int64_t in)
{
	for (int i = 0; i < s->n; i++)
		in = s->v[i].kind == ITR_STAGE_DENSE ? s->v[i].out : in;
	return in;
}

int itr_stages_check(const itr_stages *s, int64_t in, itr_err *err)
{
	for (int i = 0; i < s->n; i++) {
		const itr_stage *g = &s->v[i];
		if (g->kind == ITR_STAGE_NORMALIZE)
			continue;
		if (g->in != in)
			return itr_err_set(err, "module %d behind the pooling (%s) takes %lld numbers, it would get %lld", i,
			                   kind_names[g->kind], (long long)g->in, (long long)in);
		if (g->kind == ITR_STAGE_DENSE && (g->out < 1 || g->out > MAX_WIDTH))
			return itr_err_set(err, "module %d behind the pooling (dense) makes %lld numbers: not a size that works", i,
			                   (long long)g->out);
		in = g->kind == ITR_STAGE_DENSE ? g->out : in;
	}
	return 0;
}

void itr_stages_print(const itr_stages *s, itr_buf *b)
{
	for (int i = 0; i < s->n; i++) {
		const itr_stage *g = &s->v[i];
		itr_buf_printf(b, "%s%s", i ? ", " : "", kind_names[g->kind]);
		if (g->kind == ITR_STAGE_DENSE)
			itr_buf_printf(b, " %lld->%lld %s%s", (long long)g->in, (long long)g->out, activation_names[g->activation],
			               g->residual ? " + input" : "");
	}
}

/* --- model files ---------------------------------------------------------------------------------------------------------------------- */

itr_json *itr_stages_json(const itr_stages *s)
{
	itr_json *all = s->n ? itr_json_array() : NULL;
	for (int i = 0; i < s->n; i++) {
		itr_json *j = itr_json_push(all, itr_json_object());
		itr_json_add_str(j, "kind", kind_names[s->v[i].kind]);
		itr_json_add_int(j, "in", s->v[i].in);
		itr_json_add_int(j, "out", s->v[i].out);
		itr_json_add_bool(j, "bias", s->v[i].bias);
		itr_json_add_bool(j, "residual", s->v[i].residual);
		itr_json_add_str(j, "activation", activation_names[s->v[i].activation]);
	}
	return all;
}

static int place_of(const char *name, const char *const *names, int n)
{
	int i = 0;
	while (i < n && strcmp(names[i], name))
		i++;
	return i;
}

int itr_stages_read(itr_stages *s, const itr_json *j, itr_err *err)
{
	*s = (itr_stages){ .n = 0 };
	for (const itr_json *c = itr_json_first(j); c; c = itr_json_next(c)) {
		if (s->n == ITR_MAX_STAGES)
			return itr_err_set(err, "the tower has more than %d modules behind its pooling", ITR_MAX_STAGES);
		const int kind = place_of(itr_json_str(itr_json_get(c, "kind"), ""), kind_names, ITR_STAGE_KINDS);
		const int a = place_of(itr_json_str(itr_json_get(c, "activation"), ""), activation_names, ITR_DENSE_ACTIVATIONS);
		if (kind == ITR_STAGE_KINDS || a == ITR_DENSE_ACTIVATIONS)
			return itr_err_set(err, "module %d behind the tower's pooling is of an unknown kind", s->n);
		s->v[s->n++] = (itr_stage){ (itr_stage_kind)kind,
			                    itr_json_int(itr_json_get(c, "in"), 0),
			                    itr_json_int(itr_json_get(c, "out"), 0),
			                    itr_json_bool(itr_json_get(c, "bias"), false),
			                    itr_json_bool(itr_json_get(c, "residual"), false),
			                    (itr_dense_activation)a };
	}
	return 0;
}
