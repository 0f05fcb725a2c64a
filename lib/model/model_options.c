/* Options of a network's kind in its file: a row is a key, with '_' for '-'. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "model/model.h"

/* Keys that every network's file has, in this order: older programs wrote them for all kinds. An ENUM is a flag there: is it its name
 * number `on`? A kind without the option writes 0, or `absent`. */
static const struct first_key { const char *key, *option; bool flag, absent; int on; } first_keys[] = {
	{ "hidden", "hidden", false, false, 0 },
	{ "embed_dim", "embed-dim", false, false, 0 },
	{ "dropout", "dropout", false, false, 0 },
	{ "relu", "activation", true, false, 1 },
	{ "output_activation", "output-activation", true, true, 0 },
};

static const itr_option *row_of(const itr_model_ops *ops, const char *name)
{
	for (const itr_option *o = ops->options; o && o->type != ITR_OPT_T_END; o++)
		if (!strcmp(o->name, name))
			return o;
	return NULL;
}

static const struct first_key *first_key_of(const char *option)
{
	for (int i = 0; i < ITR_LEN(first_keys); i++)
		if (!strcmp(first_keys[i].option, option))
			return &first_keys[i];
	return NULL;
}

static const char *key_of(const itr_option *o, char key[64])
{
	snprintf(key, 64, "%s", o->name);
	for (char *c = key; *c; c++)
		*c = *c == '-' ? '_' : *c;
	return key;
}

static void write_row(const itr_option *o, const void *options, const char *key, itr_json *config)
{
	const void *field = (const char *)options + o->offset;
	switch (o->type) {
	case ITR_OPT_T_BOOL: itr_json_add_bool(config, key, *(const bool *)field); break;
	case ITR_OPT_T_INT: itr_json_add_int(config, key, *(const int64_t *)field); break;
	case ITR_OPT_T_NUM: itr_json_add_num(config, key, *(const double *)field); break;
	case ITR_OPT_T_ENUM: itr_json_add_str(config, key, o->names[*(const int *)field]); break;
	default: ITR_BUG("a model's file cannot hold '--%s'", o->name);
	}
}

void itr_model_options_write(const itr_model *m, itr_json *config)
{
	char key[64];
	for (int i = 0; i < ITR_LEN(first_keys); i++) {
		const struct first_key *k = &first_keys[i];
		const itr_option *o = row_of(m->ops, k->option);
		if (!k->flag && o)
			write_row(o, m->config.options, k->key, config);
		else if (!k->flag)
			itr_json_add_int(config, k->key, 0);
		else
			itr_json_add_bool(config, k->key,
			                  o ? *(const int *)((const char *)m->config.options + o->offset) == k->on : k->absent);
	}
	for (const itr_option *o = m->ops->options; o && o->type != ITR_OPT_T_END; o++)
		if (!first_key_of(o->name))
			write_row(o, m->config.options, key_of(o, key), config);
}

static bool in_range(const itr_option *o, double v)
{
	const itr_range *r = &o->range;
	return isfinite(v) && (!r->given || ((r->low_open ? v > r->low : v >= r->low) && (r->high_open ? v < r->high : v <= r->high)));
}

static int read_row(const itr_option *o, const itr_json *v, void *options, itr_err *err)
{
	void *field = (char *)options + o->offset;
	const struct first_key *k = first_key_of(o->name);
	double number = 0;
	switch (o->type) {
	case ITR_OPT_T_BOOL: *(bool *)field = itr_json_bool(v, *(bool *)field); return 0;
	case ITR_OPT_T_INT: number = (double)(*(int64_t *)field = itr_json_int(v, -1)); break;
	case ITR_OPT_T_NUM: number = *(double *)field = itr_json_num(v, NAN); break;
	case ITR_OPT_T_ENUM:
		for (int i = 0; o->names[i]; i++)
			if (k ? itr_json_bool(v, k->absent) == (i == k->on) : !strcmp(itr_json_str(v, ""), o->names[i])) {
				*(int *)field = i;
				return 0;
			}
		return itr_err_set(err, "'%s' is not known as %s", itr_json_str(v, "?"), o->name);
	default: ITR_BUG("a model's file cannot hold '--%s'", o->name);
	}
	return in_range(o, number) ? 0 : itr_err_set(err, "%s %g is out of range", o->name, number);
}

int itr_model_options_read(const itr_model_ops *ops, const itr_json *config, void *options, itr_err *err)
{
	char key[64];
	for (const itr_option *o = ops->options; o && o->type != ITR_OPT_T_END; o++) {
		const struct first_key *k = first_key_of(o->name);
		const itr_json *v = itr_json_get(config, k ? k->key : key_of(o, key));
		if (v && read_row(o, v, options, err) < 0)
			return itr_err_prefix(err, "model '%s' cannot be built: ", ops->name);
	}
	return 0;
}
