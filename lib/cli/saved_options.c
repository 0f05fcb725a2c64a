#include "cli/saved_options.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "cli/internal.h"
#include "track/run.h"
#include "version.h"

bool itr_tool_given(const itr_tool *t, const char *option)
{
	const struct itr_tool_internals *in = t->internals;
	return itr_optset_given(&in->options, option);
}

/* Numbers with all their digits, unlike --help's. */
static itr_json *value_json(const itr_option *o, const void *field)
{
	const itr_nums *nums = field;
	itr_json *j;
	switch (o->type) {
	case ITR_OPT_T_NUM:
		return itr_json_new_num(*(const double *)field);
	case ITR_OPT_T_NUMS:
		j = itr_json_array();
		for (int64_t i = 0; i < nums->n; i++)
			itr_json_push(j, itr_json_new_num(nums->v[i]));
		return j;
	default: {
		itr_buf b = ITR_BUF_INIT;
		itr_opt_text(o, field, &b);
		j = itr_json_new_str(itr_buf_str(&b));
		itr_buf_free(&b);
		return j;
	}
	}
}

static void group_json(const itr_option_group *g, itr_json *options)
{
	for (const itr_option *o = g->table; o->type != ITR_OPT_T_END; o++)
		if (o->type != ITR_OPT_T_HEADING &&
		    !(o->type == ITR_OPT_T_STR && !*(const char *const *)((const char *)g->values + o->offset)))
			itr_json_add(options, o->name, value_json(o, (const char *)g->values + o->offset));
}

itr_json *itr_tool_options(const itr_tool *t)
{
	char seed[32];
	const struct itr_tool_internals *in = t->internals;
	itr_json *j = itr_json_object(), *options = itr_json_add_object(j, "options"), *arguments = itr_json_add_array(j, "arguments"),
		 *p = itr_provenance_json(t->provenance);
	for (int k = 0; k < in->options.n - 1; k++)              /* the last are the standard ones */
		if (itr_group_counts(in, in->options.group[k]))
			group_json(in->options.group[k], options);
	for (int i = 0; i < t->n_args; i++)
		itr_json_push(arguments, itr_json_new_str(t->args[i]));
	if (t->output)
		itr_json_add_str(j, "output", t->output);
	snprintf(seed, sizeof seed, "%llu", (unsigned long long)t->seed);
	itr_json_add_str(j, "seed", seed);
	if (!t->run && in->run_lost) {                           /* a later call may say where its store is */
		itr_json_add_str(j, "run", in->continue_run);
		itr_json_add_str(j, "runs_dir", in->continue_dir);
	}
	if (t->run) {
		char *dir = itr_path_absolute(t->runs_dir);      /* the next call may be made from elsewhere, and with another default */
		itr_json_add_str(j, "run", itr_run_id(t->run));
		itr_json_add_str(j, "runs_dir", dir);
		free(dir);
	}
	if (p)
		itr_json_add(j, "provenance", p);
	return j;
}

static bool is_loose(const char *name, const char *const *loose)
{
	for (; loose && *loose; loose++)
		if (!strcmp(*loose, name))
			return true;
	return false;
}

static char *json_text(const itr_json *v)
{
	itr_buf b = ITR_BUF_INIT;
	if (itr_json_is_string(v))
		itr_buf_puts(&b, itr_json_str(v, ""));
	else
		itr_json_print(&b, v, false);
	char *text = itr_xstrdup(itr_buf_str(&b));
	itr_buf_free(&b);
	return text;
}

static int conflict(itr_tool *t, const char *name, const char *given, const char *kept, const char *where)
{
	return itr_err_set(&t->err, "'--%s %.200s' conflicts with '%s', which was made with '%.200s': omit it", name, given, where,
	                   kept);
}

/* One of the tool's options. */
static int adopt_option(itr_tool *t, const void *field, const itr_option *o, const itr_json *kept, const char *where,
                        const char *const *loose)
{
	struct itr_tool_internals *in = t->internals;
	if (!itr_optset_given(&in->options, o->name)) {
		int rc = itr_opts_json(&in->options, o->name, kept, &t->err);
		return rc < 0 ? itr_err_prefix(&t->err, "in '%s': ", where) : 0;
	}
	if (is_loose(o->name, loose))
		return 0;
	itr_json *now = value_json(o, field);
	char *a = json_text(now), *b = json_text(kept);
	int rc = strcmp(a, b) ? conflict(t, o->name, a, b, where) : 0;
	itr_json_free(now);
	free(a);
	free(b);
	return rc;
}

/* Restores the standard options and the arguments. */
static int adopt_standard(itr_tool *t, const itr_json *kept, const char *where)
{
	struct itr_tool_internals *in = t->internals;
	const char *output = itr_json_str(itr_json_get(kept, "output"), NULL), *seed = itr_json_str(itr_json_get(kept, "seed"), "42");
	const itr_json *arguments = itr_json_get(kept, "arguments");
	char now[32];
	snprintf(now, sizeof now, "%llu", (unsigned long long)t->seed);
	if (itr_optset_given(&in->options, "seed") && strcmp(now, seed))
		return conflict(t, "seed", now, seed, where);
	if (output && t->output && strcmp(output, t->output))
		return conflict(t, "output", t->output, output, where);
	t->seed = strtoull(seed, NULL, 10);
	if (output && !t->output)
		t->output = itr_arena_strdup(in->strings, output);
	if (t->n_args) /* the file may have moved; the tool compares its contents */
		return 0;
	free(t->args);
	t->args = itr_xcalloc((size_t)itr_json_count(arguments) + 1, sizeof *t->args);
	for (const itr_json *a = itr_json_first(arguments); a; a = itr_json_next(a))
		t->args[t->n_args++] = itr_arena_strdup(in->strings, itr_json_str(a, ""));
	return 0;
}

/* The provenance of outputs is the first command, not the one that resumed it. */
static void adopt_provenance(itr_tool *t, const itr_json *p)
{
	const itr_json *arguments = itr_json_get(p, "arguments");
	const int n = (int)itr_json_count(arguments);
	char **argv = itr_xcalloc((size_t)n + 2, sizeof *argv);
	argv[0] = (char *)t->desc->name;
	for (int i = 0; i < n; i++)
		argv[i + 1] = (char *)itr_json_str(itr_json_at(arguments, i), "");
	itr_provenance_free(t->provenance);
	t->provenance = itr_provenance_new(t->desc->name, ITR_VERSION, n + 1, argv, t->seed, p != NULL);
	free(argv);
}

static int adopt_group(itr_tool *t, const itr_option_group *g, const itr_json *options, const char *where, const char *const *loose)
{
	const struct itr_tool_internals *in = t->internals;
	for (const itr_option *o = g->table; o->type != ITR_OPT_T_END; o++) {
		const itr_json *v = o->type == ITR_OPT_T_HEADING ? NULL : itr_json_get(options, o->name);
		if (v && adopt_option(t, (const char *)g->values + o->offset, o, v, where, loose) < 0)
			return -1;
		const bool absent = !v && (o->type == ITR_OPT_T_STR ||
		                           (g->owner && o->type != ITR_OPT_T_HEADING)); /* not given or not used: not saved */
		if (absent && itr_optset_given(&in->options, o->name) && !is_loose(o->name, loose))
			return itr_err_set(&t->err, "'--%s' conflicts with '%s', which was made without it: omit it", o->name, where);
	}
	return 0;
}

int itr_tool_adopt(itr_tool *t, const itr_json *kept, const char *where, const char *const *loose)
{
	struct itr_tool_internals *in = t->internals;
	const itr_json *options = itr_json_get(kept, "options");
	const char *run = itr_json_str(itr_json_get(kept, "run"), NULL);
	if (!itr_json_is_object(options))
		return itr_err_set(&t->err, "'%s' does not say with what options it was made", where);
	in->adopted = true;
	for (int k = 0; k < in->options.n - 1; k++)
		if (adopt_group(t, in->options.group[k], options, where, loose) < 0)
			return -1;
	if (adopt_standard(t, kept, where) < 0)
		return -1;
	adopt_provenance(t, itr_json_get(kept, "provenance"));
	const char *dir = itr_json_str(itr_json_get(kept, "runs_dir"), NULL);
	in->continue_run = run ? itr_arena_strdup(in->strings, run) : NULL;
	in->continue_dir = dir ? itr_arena_strdup(in->strings, dir) : NULL;
	in->untracked = !run;
	return 0;
}
