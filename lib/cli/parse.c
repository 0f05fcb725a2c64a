#include "cli/parse.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "io/json.h"

static int table_size(const itr_option *t)
{
	int n = 0;
	while (t && t[n].type != ITR_OPT_T_END)
		n++;
	return n;
}

void itr_optset_init(itr_optset *s) { memset(s, 0, sizeof *s); }

void itr_optset_add(itr_optset *s, itr_option_group *g)
{
	const size_t n = (size_t)table_size(g->table) + 1;
	if (s->n == ITR_OPT_GROUPS)
		ITR_BUG("more than %d groups of options", ITR_OPT_GROUPS);
	s->group[s->n] = g;
	s->seen[s->n] = itr_xcalloc(n, sizeof(bool));
	s->given[s->n++] = itr_xcalloc(n, sizeof(bool));
}

void itr_optset_free(itr_optset *s)
{
	for (int k = 0; k < s->n; k++) {
		free(s->seen[k]);
		free(s->given[k]);
	}
}

static void forget_seen(itr_optset *s)
{
	for (int k = 0; k < s->n; k++)
		memset(s->seen[k], 0, (size_t)table_size(s->group[k]->table) * sizeof(bool));
}

/* True for equal names, where '-' and '_' are equal. */
static bool same_name(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((a[i] == '_' ? '-' : a[i]) != (b[i] == '_' ? '-' : b[i]) || !a[i])
			return false;
	return a[n] == 0;
}

typedef struct found {
	const itr_option *o;
	void *field;
	bool *seen, *given;
	bool negated;           /* --no-NAME of a bool */
	itr_arena *strings;
	itr_optset *set;
	int group;
} found;

static found find_from(itr_optset *s, int first, const char *name, size_t n, int letter)
{
	for (int k = first; k < s->n; k++)
		for (int i = 0; s->group[k]->table[i].type != ITR_OPT_T_END; i++) {
			const itr_option *o = &s->group[k]->table[i];
			if (o->type == ITR_OPT_T_HEADING)
				continue;
			bool plain = letter ? o->letter == letter : same_name(o->name, name, n);
			bool no = !letter && o->type == ITR_OPT_T_BOOL && n > 3 && !strncmp(name, "no", 2) &&
			          (name[2] == '-' || name[2] == '_') && same_name(o->name, name + 3, n - 3);
			if (plain || no)
				return (found){ o,
					        (char *)s->group[k]->values + o->offset,
					        &s->seen[k][i],
					        &s->given[k][i],
					        no && !plain,
					        s->strings,
					        s,
					        k };
		}
	return (found){ .o = NULL };
}

static found find_in(itr_optset *s, const char *name, size_t n, int letter) { return find_from(s, 0, name, n, letter); }

static int unknown_option(itr_optset *s, const char *name, size_t n, itr_err *err)
{
	const char *names[512];
	int count = 0;
	const char *abbreviated = NULL;
	for (int k = 0; k < s->n; k++)
		for (const itr_option *o = s->group[k]->table; o->type != ITR_OPT_T_END; o++) {
			if (o->type == ITR_OPT_T_HEADING)
				continue;
			if (!abbreviated && n >= 2 && !strncmp(o->name, name, n))
				abbreviated = o->name;
			if (count < ITR_LEN(names))
				names[count++] = o->name;
		}
	if (abbreviated)
		return itr_err_set(err, "unknown option '--%.*s': abbreviations are refused, write '--%s'", (int)n, name, abbreviated);
	char *word = itr_xstrndup(name, n);
	itr_err_set(err, "unknown option '--%s': did you mean '--%s'?", word, itr_nearest(word, names, count));
	free(word);
	return -1;
}

/* --- one value ------------------------------------------------------------------------------------------------------------------ */

/* Copies a text value into the arena of strings, or (in tests) to the heap. */
static char *keep(const found *f, const char *text)
{
	return f->strings ? itr_arena_strdup(f->strings, text) : itr_xstrdup(text);
}

static bool parse_int(const char *text, int64_t *out)
{
	char *end;
	errno = 0;
	long long v = strtoll(text, &end, 10);
	if (end == text || errno)
		return false;
	if (*end == 'e' || *end == 'E' || *end == '.') {        /* 1e6 is an integer to its writer */
		double d = strtod(text, &end);
		if (*end || d != floor(d) || fabs(d) > 9e15)
			return false;
		v = (long long)d;
	}
	*out = v;
	return *end == 0;
}

/* NaN and infinity are not accepted as values. */
static bool parse_num(const char *text, double *out)
{
	char *end;
	*out = strtod(text, &end);
	return end != text && *end == 0 && isfinite(*out);
}

static int check_range(const itr_option *o, double v, const char *text, itr_err *err)
{
	const itr_range *r = &o->range;
	if (!r->given || ((r->low_open ? v > r->low : v >= r->low) && (r->high_open ? v < r->high : v <= r->high)))
		return 0;
	itr_buf b = ITR_BUF_INIT;
	itr_opt_range(o, &b);
	itr_err_set(err, "'--%s' is %s, not '%s'", o->name, itr_buf_str(&b), text);
	itr_buf_free(&b);
	return -1;
}

static int enum_index(const itr_option *o, const char *text)
{
	for (int i = 0; o->names[i]; i++)
		if (same_name(o->names[i], text, strlen(text)))
			return i;
	return -1;
}

static int bad_enum(const itr_option *o, const char *text, itr_err *err)
{
	itr_buf all = ITR_BUF_INIT;
	int n = 0;
	for (; o->names[n]; n++)
		itr_buf_printf(&all, "%s%s", n ? ", " : "", o->names[n]);
	itr_err_set(err, "unknown value '%s' for '--%s': did you mean '%s'? (known: %s)", text, o->name, itr_nearest(text, o->names, n),
	            itr_buf_str(&all));
	itr_buf_free(&all);
	return -1;
}

static bool is_list(const itr_option *o) { return o->type >= ITR_OPT_T_INTS && o->type <= ITR_OPT_T_ENUMS; }

/* True when the word can be an element of the list without commas: only numbers and enum names. */
static bool is_element(const itr_option *o, const char *word)
{
	int64_t i;
	double d;
	switch (o->type) {
	case ITR_OPT_T_INTS: return parse_int(word, &i) || (strchr(word, ',') && isdigit((unsigned char)word[0]));
	case ITR_OPT_T_NUMS: return parse_num(word, &d);
	case ITR_OPT_T_ENUMS: return enum_index(o, word) >= 0;
	default: return false;
	}
}

static int set_element(const found *f, const char *text, itr_err *err)
{
	itr_ints *ints = f->field;
	itr_nums *nums = f->field;
	itr_strs *strs = f->field;
	if (ints->n >= ITR_OPT_LIST)                         /* n is the first field of all three types */
		return itr_err_set(err, "'--%s' takes at most %d values", f->o->name, ITR_OPT_LIST);
	switch (f->o->type) {
	case ITR_OPT_T_INTS:
		if (!parse_int(text, &ints->v[ints->n]))
			return itr_err_set(err, "'--%s' needs whole numbers, not '%s'", f->o->name, text);
		return check_range(f->o, (double)ints->v[ints->n++], text, err);
	case ITR_OPT_T_NUMS:
		if (!parse_num(text, &nums->v[nums->n]))
			return itr_err_set(err, "'--%s' needs numbers, not '%s'", f->o->name, text);
		return check_range(f->o, nums->v[nums->n++], text, err);
	case ITR_OPT_T_ENUMS:
		if (enum_index(f->o, text) < 0)
			return bad_enum(f->o, text, err);
		ints->v[ints->n++] = enum_index(f->o, text);
		return 0;
	default:
		strs->v[strs->n++] = keep(f, text);
		return 0;
	}
}

static int set_list(const found *f, const char *text, itr_err *err)
{
	if (!*f->seen)
		((itr_ints *)f->field)->n = 0;
	*f->seen = true;
	if (f->o->type == ITR_OPT_T_TEXTS)
		return set_element(f, text, err);
	char *copy = itr_xstrdup(text), *rest = copy, *part;
	int rc = 0;
	while (rc == 0 && (part = strsep(&rest, ",")))
		if (*part || f->o->type == ITR_OPT_T_STRS)
			rc = *part ? set_element(f, part, err) : 0;
	free(copy);
	return rc;
}

static int set_one(const found *f, const char *text, itr_err *err)
{
	*f->given = true;
	if (is_list(f->o))
		return set_list(f, text, err);
	*f->seen = true;
	switch (f->o->type) {
	case ITR_OPT_T_BOOL: {
		bool yes = !strcmp(text, "true") || !strcmp(text, "1") || !strcmp(text, "yes"),
		     no = !strcmp(text, "false") || !strcmp(text, "0") || !strcmp(text, "no");
		if (!yes && !no)
			return itr_err_set(err, "'--%s' is on or off, not '%s': write --%s or --no-%s", f->o->name, text, f->o->name,
			                   f->o->name);
		*(bool *)f->field = yes != f->negated;
		return 0;
	}
	case ITR_OPT_T_INT:
		return parse_int(text, f->field) ? check_range(f->o, (double)*(int64_t *)f->field, text, err)
		                                 : itr_err_set(err, "'--%s' needs a whole number, not '%s'", f->o->name, text);
	case ITR_OPT_T_NUM:
		return parse_num(text, f->field) ? check_range(f->o, *(double *)f->field, text, err)
		                                 : itr_err_set(err, "'--%s' needs a number, not '%s'", f->o->name, text);
	case ITR_OPT_T_ENUM:
		if (enum_index(f->o, text) < 0)
			return bad_enum(f->o, text, err);
		*(int *)f->field = enum_index(f->o, text);
		return 0;
	default:
		*(const char **)f->field = keep(f, text);
		return 0;
	}
}

static size_t field_size(const itr_option *o)
{
	switch (o->type) {
	case ITR_OPT_T_BOOL: return sizeof(bool);
	case ITR_OPT_T_INT: return sizeof(int64_t);
	case ITR_OPT_T_NUM: return sizeof(double);
	case ITR_OPT_T_STR: return sizeof(const char *);
	case ITR_OPT_T_ENUM: return sizeof(int);
	case ITR_OPT_T_INTS: case ITR_OPT_T_ENUMS: return sizeof(itr_ints);
	case ITR_OPT_T_NUMS: return sizeof(itr_nums);
	default: return sizeof(itr_strs);
	}
}

/* Stores the value in f's field and in those of other components with an option of this name. */
static int set_value(const found *f, const char *text, itr_err *err)
{
	const char *name = f->o->name;
	const int rc = set_one(f, text, err);
	for (int k = f->group + 1; rc == 0 && f->set->group[f->group]->owner && k < f->set->n; k++) {
		const found other = find_from(f->set, k, name, strlen(name), 0);
		if (!other.o)
			break;
		k = other.group;
		if (!f->set->group[k]->owner)
			continue;
		if (other.o->type != f->o->type)
			ITR_BUG("the option '%s' has two types", name);
		memcpy(other.field, f->field, field_size(f->o));
		*other.given = *other.seen = true;
	}
	return rc;
}

/* --- argv ------------------------------------------------------------------------------------------------------------------------ */

static bool looks_like_option(const char *word) { return word[0] == '-' && word[1] && !isdigit((unsigned char)word[1]) && word[1] != '.'; }

/* Reads the value of f from argv[*i + 1...], with further elements of a list. */
static int take_values(const found *f, int argc, char **argv, int *i, itr_err *err)
{
	if (*i + 1 >= argc || (looks_like_option(argv[*i + 1]) && !(f->o->type == ITR_OPT_T_STR && !strcmp(argv[*i + 1], "-"))))
		return itr_err_set(err, "option '--%s' needs a value", f->o->name);
	if (set_value(f, argv[++*i], err) < 0)
		return -1;
	while (is_list(f->o) && *i + 1 < argc && is_element(f->o, argv[*i + 1]))
		if (set_value(f, argv[++*i], err) < 0)
			return -1;
	return 0;
}

static int long_option(itr_optset *s, int argc, char **argv, int *i, itr_err *err)
{
	const char *name = argv[*i] + 2, *equals = strchr(name, '=');
	size_t n = equals ? (size_t)(equals - name) : strlen(name);
	found f = find_in(s, name, n, 0);
	if (!f.o)
		return unknown_option(s, name, n, err);
	if (equals)
		return set_value(&f, equals + 1, err);
	if (f.o->type == ITR_OPT_T_BOOL)
		return set_value(&f, "true", err);
	return take_values(&f, argc, argv, i, err);
}

static int short_options(itr_optset *s, int argc, char **argv, int *i, itr_err *err)
{
	for (const char *c = argv[*i] + 1; *c; c++) {
		found f = find_in(s, NULL, 0, (unsigned char)*c);
		if (!f.o)
			return itr_err_set(err, "unknown option '-%c': see --help", *c);
		if (f.o->type == ITR_OPT_T_BOOL) {
			if (set_value(&f, "true", err) < 0)
				return -1;
			continue;
		}
		return c[1] ? set_value(&f, c + 1, err) : take_values(&f, argc, argv, i, err);
	}
	return 0;
}

int itr_opts_argv(itr_optset *s, int argc, char **argv, char **args, int *n_args, itr_err *err)
{
	forget_seen(s);
	*n_args = 0;
	for (int i = 1; i < argc; i++) {
		int rc = 0;
		if (!strcmp(argv[i], "--")) {
			while (++i < argc)
				args[(*n_args)++] = argv[i];
		} else if (argv[i][0] == '-' && argv[i][1] == '-') {
			rc = long_option(s, argc, argv, &i, err);
		} else if (looks_like_option(argv[i])) {
			rc = short_options(s, argc, argv, &i, err);
		} else {
			args[(*n_args)++] = argv[i];
		}
		if (rc < 0)
			return -1;
	}
	return 0;
}

int itr_opts_pair(itr_optset *s, const char *pair, itr_err *err)
{
	const char *equals = strchr(pair, '=');
	if (!equals)
		return itr_err_set(err, "'--set %s' needs the form name=value", pair);
	found f = find_in(s, pair, (size_t)(equals - pair), 0);
	return f.o ? set_value(&f, equals + 1, err) : unknown_option(s, pair, (size_t)(equals - pair), err);
}

static int config_value(const found *f, const itr_json *v, itr_err *err)
{
	itr_buf b = ITR_BUF_INIT;
	int rc;
	if (itr_json_is_string(v)) {
		itr_buf_puts(&b, itr_json_str(v, ""));
	} else if (itr_json_is_array(v)) {
		for (const itr_json *c = itr_json_first(v); c; c = itr_json_next(c)) {
			if (b.len)
				itr_buf_putc(&b, ',');
			if (itr_json_is_string(c))
				itr_buf_puts(&b, itr_json_str(c, ""));
			else
				itr_json_print(&b, c, false);
		}
	} else {
		itr_json_print(&b, v, false);
	}
	rc = set_value(f, itr_buf_str(&b), err);
	itr_buf_free(&b);
	return rc;
}

int itr_opts_json(itr_optset *s, const char *name, const itr_json *value, itr_err *err)
{
	found f = find_in(s, name, strlen(name), 0);
	if (!f.o)
		return unknown_option(s, name, strlen(name), err);
	*f.seen = false;                                 /* a list is replaced */
	return config_value(&f, value, err);
}

bool itr_optset_given(const itr_optset *s, const char *name)
{
	found f = find_in((itr_optset *)s, name, strlen(name), 0);
	if (!f.o)
		ITR_BUG("option '%s' stands in no table", name);
	return *f.given;
}

bool itr_optset_earlier(const itr_optset *s, int group, const char *name)
{
	return find_from((itr_optset *)s, 0, name, strlen(name), 0).group < group;
}

/* The components with the option, as the user selects them: "--loss vsepp or --loss triplet"; NULL when a group in use has it. The caller
 * frees. */
static char *owners(const itr_optset *s, const char *name)
{
	itr_buf b = ITR_BUF_INIT;
	for (int k = 0; k < s->n; k++) {
		const found f = find_from((itr_optset *)s, k, name, strlen(name), 0);
		if (!f.o)
			break;
		k = f.group;
		if (s->group[k]->in_use) {
			itr_buf_free(&b);
			return NULL;
		}
		itr_buf_printf(&b, "%s%s", b.len ? " or " : "", s->group[k]->owner);
	}
	char *all = itr_xstrdup(itr_buf_str(&b));
	itr_buf_free(&b);
	return all;
}

int itr_optset_check(const itr_optset *s, itr_err *err)
{
	for (int k = 0; k < s->n; k++)
		for (int i = 0; s->group[k]->owner && !s->group[k]->in_use && s->group[k]->table[i].type != ITR_OPT_T_END; i++) {
			const char *name = s->group[k]->table[i].name;
			char *of = s->given[k][i] ? owners(s, name) : NULL;
			if (of) {
				itr_err_set(err, "'--%s' belongs to %s", name, of);
				free(of);
				return -1;
			}
		}
	return 0;
}

void itr_optset_no_effect(const itr_optset *s)
{
	for (int k = 0; k < s->n; k++)
		for (int i = 0; s->group[k]->in_use && s->group[k]->table[i].type != ITR_OPT_T_END; i++)
			if (s->group[k]->table[i].no_effect && s->given[k][i])
				itr_warn("'--%s' has no effect with %s", s->group[k]->table[i].name, s->group[k]->owner);
}

int itr_opts_config(itr_optset *s, const char *path, itr_err *err)
{
	itr_json *j = itr_json_read(path, err);
	int rc = 0;
	if (!j)
		return -1;
	if (!itr_json_is_object(j))
		rc = itr_err_set(err, "'%s' is not a JSON object of options", path);
	forget_seen(s);
	for (const itr_json *c = rc ? NULL : itr_json_first(j); c && rc == 0; c = itr_json_next(c)) {
		const char *key = itr_json_key(c);
		found f = find_in(s, key, strlen(key), 0);
		rc = f.o ? config_value(&f, c, err) : unknown_option(s, key, strlen(key), err);
		if (rc < 0)
			itr_err_prefix(err, "in '%s': ", path);
	}
	itr_json_free(j);
	return rc;
}
