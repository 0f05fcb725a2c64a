#include <stdio.h>
#include <string.h>

#include "base/program.h"
#include "cli/parse.h"

static void list_text(const itr_option *o, const void *field, itr_buf *out)
{
	const itr_ints *ints = field;
	const itr_nums *nums = field;
	const itr_strs *strs = field;
	for (int64_t i = 0; i < ints->n; i++) {          /* n is the first field of all three types */
		if (i)
			itr_buf_putc(out, ',');
		switch (o->type) {
		case ITR_OPT_T_INTS: itr_buf_printf(out, "%lld", (long long)ints->v[i]); break;
		case ITR_OPT_T_NUMS: itr_buf_printf(out, "%g", nums->v[i]); break;
		case ITR_OPT_T_ENUMS: itr_buf_puts(out, o->names[ints->v[i]]); break;
		default: itr_buf_puts(out, strs->v[i]); break;
		}
	}
}

void itr_opt_text(const itr_option *o, const void *field, itr_buf *out)
{
	switch (o->type) {
	case ITR_OPT_T_BOOL: itr_buf_puts(out, *(const bool *)field ? "true" : "false"); break;
	case ITR_OPT_T_INT: itr_buf_printf(out, "%lld", (long long)*(const int64_t *)field); break;
	case ITR_OPT_T_NUM: itr_buf_printf(out, "%g", *(const double *)field); break;
	case ITR_OPT_T_STR: itr_buf_puts(out, *(const char *const *)field ? *(const char *const *)field : ""); break;
	case ITR_OPT_T_ENUM: itr_buf_puts(out, o->names[*(const int *)field]); break;
	case ITR_OPT_T_END: case ITR_OPT_T_HEADING: break;
	default: list_text(o, field, out); break;
	}
}

static void limit_text(const itr_option *o, double v, itr_buf *out)
{
	if (o->type == ITR_OPT_T_INT || o->type == ITR_OPT_T_INTS)
		itr_buf_printf(out, "%.0f", v);
	else
		itr_buf_printf(out, "%g", v);
}

void itr_opt_range(const itr_option *o, itr_buf *out)
{
	const itr_range *r = &o->range;
	if (!r->given)
		return;
	itr_buf_puts(out, r->low_open ? "above " : isinf(r->high) ? "" : "from ");
	limit_text(o, r->low, out);
	if (isinf(r->high)) {
		itr_buf_puts(out, r->low_open ? "" : " or more");
		return;
	}
	itr_buf_puts(out, r->high_open ? " to below " : r->low_open ? " up to " : " to ");
	limit_text(o, r->high, out);
}

static void help_text(const itr_option *o, itr_buf *out)
{
	itr_buf range = ITR_BUF_INIT;
	itr_opt_range(o, &range);
	itr_buf_puts(out, o->help);
	if (range.len)
		itr_buf_printf(out, " (%s)", range.data);
	itr_buf_free(&range);
}

static void meta_text(const itr_option *o, itr_buf *out)
{
	if (o->type == ITR_OPT_T_BOOL)
		return;
	if (!o->names) {
		itr_buf_puts(out, o->meta ? o->meta : "VALUE");
		return;
	}
	for (int i = 0; o->names[i]; i++)
		itr_buf_printf(out, "%s%s", i ? "|" : "", o->names[i]);
	if (o->type == ITR_OPT_T_ENUMS)
		itr_buf_puts(out, "...");
}

static void default_text(const itr_option *o, const void *base, itr_buf *out)
{
	itr_buf v = ITR_BUF_INIT;
	itr_opt_text(o, (const char *)base + o->offset, &v);
	if (v.len && !(o->type == ITR_OPT_T_BOOL && !strcmp(v.data, "false")))
		itr_buf_puts(out, o->type == ITR_OPT_T_BOOL ? "on" : v.data);
	itr_buf_free(&v);
}

/* Words of text, wrapped at column 100 and indented by 26. */
static void wrap(const char *words, itr_buf *out)
{
	itr_buf b = ITR_BUF_INIT;
	itr_program_text(words, &b);
	const char *text = itr_buf_str(&b);
	size_t column = 26;
	for (const char *w = text; *w;) {
		size_t n = strcspn(w, " ");
		if (column > 26 && column + n > 100) {
			itr_buf_printf(out, "\n%26s", "");
			column = 26;
		} else if (column > 26) {
			itr_buf_putc(out, ' ');
			column++;
		}
		itr_buf_add(out, w, n);
		column += n;
		w += n + strspn(w + n, " ");
	}
	itr_buf_putc(out, '\n');
	itr_buf_free(&b);
}

void itr_opts_help(const itr_option_group *g, itr_buf *out)
{
	if (g->title) {
		itr_buf_putc(out, '\n');
		itr_program_text(g->title, out);
		itr_buf_puts(out, ":\n");
	}
	for (const itr_option *o = g->table; o->type != ITR_OPT_T_END; o++) {
		if (o->type == ITR_OPT_T_HEADING) {
			itr_buf_putc(out, '\n');
			itr_program_text(o->name, out);
			itr_buf_putc(out, '\n');
			continue;
		}
		itr_buf left = ITR_BUF_INIT, right = ITR_BUF_INIT;
		if (o->letter)
			itr_buf_printf(&left, "  -%c, --%s ", o->letter, o->name);
		else
			itr_buf_printf(&left, "      --%s ", o->name);
		meta_text(o, &left);
		help_text(o, &right);
		itr_buf def = ITR_BUF_INIT;
		default_text(o, g->values, &def);
		if (def.len)
			itr_buf_printf(&right, " [%s]", def.data);
		if (left.len > 25)
			itr_buf_printf(out, "%s\n%26s", left.data, "");
		else
			itr_buf_printf(out, "%-26s", left.data);
		wrap(itr_buf_str(&right), out);
		itr_buf_free(&left);
		itr_buf_free(&right);
		itr_buf_free(&def);
	}
}

/* mdoc text: a leading '.' or '\'' would be a macro, a backslash an escape. */
static void mdoc_text(const char *text, itr_buf *out)
{
	itr_buf b = ITR_BUF_INIT;
	itr_program_text(text, &b);
	const char *s = itr_buf_str(&b);
	if (*s == '.' || *s == '\'')
		itr_buf_puts(out, "\\&");
	for (; *s; s++) {
		if (*s == '\\')
			itr_buf_puts(out, "\\e");
		else
			itr_buf_putc(out, *s);
	}
	itr_buf_free(&b);
}

void itr_opts_mdoc(const itr_option_group *g, itr_buf *out)
{
	if (g->title) {
		itr_buf_puts(out, ".El\n.Pp\n");
		mdoc_text(g->title, out);
		itr_buf_puts(out, ":\n.Bl -tag -width Ds\n");
	}
	for (const itr_option *o = g->table; o->type != ITR_OPT_T_END; o++) {
		if (o->type == ITR_OPT_T_HEADING)
			continue;
		itr_buf meta = ITR_BUF_INIT, def = ITR_BUF_INIT, help = ITR_BUF_INIT;
		meta_text(o, &meta);
		default_text(o, g->values, &def);
		itr_buf_puts(out, ".It ");
		if (o->letter)
			itr_buf_printf(out, "Fl %c , ", o->letter);
		itr_buf_printf(out, "Fl -%s", o->name);
		if (meta.len)
			itr_buf_printf(out, " Ar %s", meta.data);
		itr_buf_putc(out, '\n');
		help_text(o, &help);
		mdoc_text(itr_buf_str(&help), out);
		itr_buf_free(&help);
		itr_buf_puts(out, ".\n");
		if (def.len)
			itr_buf_printf(out, "The default is\n.Cm %s .\n", def.data);
		itr_buf_free(&meta);
		itr_buf_free(&def);
	}
}

void itr_opts_completion(const itr_optset *s, itr_buf *out)
{
	for (int k = 0; k < s->n; k++)
		for (const itr_option *o = s->group[k]->table; o->type != ITR_OPT_T_END; o++)
			if (o->type != ITR_OPT_T_HEADING && !itr_optset_earlier(s, k, o->name))
				itr_buf_printf(out, "--%s\n", o->name);
}
