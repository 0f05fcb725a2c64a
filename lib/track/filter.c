#include "track/filter.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/vec.h"

enum op { OP_AND, OP_OR, OP_NOT, OP_EQ, OP_NE, OP_GT, OP_GE, OP_LT, OP_LE, OP_LIKE, OP_ILIKE, OP_IN };
enum { MAX_DEPTH = 64 };

typedef struct value { char *text; bool number; double v; } value;

struct node {
	enum op op;
	int left, right;               /* and, or, not */
	char *name;                    /* comparisons */
	itr_column column;
	ITR_VEC(value) values;
};

struct itr_filter {
	ITR_VEC(struct node) nodes;
	int root;
	char *text;
};

struct parser {
	itr_filter *f;
	const char *p;
	int depth;
	itr_err *err;
};

/* --- parsing -------------------------------------------------------------------------------------------------------------------------- */

static int parse_or(struct parser *s);

static int expected(struct parser *s, const char *what)
{
	size_t rest = strcspn(s->p, "\n");
	return itr_err_set(s->err, "filter '%s': %s is expected %s%s%.*s%s", s->f->text, what, *s->p ? "at " : "at the end",
	                   *s->p ? "'" : "", (int)ITR_MIN(rest, 30), s->p, *s->p ? "'" : "");
}

static void blank(struct parser *s)
{
	while (isspace((unsigned char)*s->p))
		s->p++;
}

static bool is_key(char c)
{
	return isalnum((unsigned char)c) || strchr("_.-/@:", c) || (unsigned char)c >= 0x80;
}

/* Consumes the word (any case) if it is the next whole word. */
static bool word(struct parser *s, const char *w)
{
	size_t n = strlen(w);
	blank(s);
	if (strncasecmp(s->p, w, n) || (s->p[n] && is_key(s->p[n])))
		return false;
	s->p += n;
	return true;
}

static bool sign(struct parser *s, const char *w)
{
	blank(s);
	if (strncmp(s->p, w, strlen(w)))
		return false;
	s->p += strlen(w);
	return true;
}

static int add_node(struct parser *s, enum op op, int left, int right)
{
	struct node n = { .op = op, .left = left, .right = right };
	ITR_VEC_PUSH(&s->f->nodes, n);
	return (int)s->f->nodes.n - 1;
}

/* 'text', "text" or `text`, a doubled quote standing for one. NULL when it does not end. */
static char *quoted(struct parser *s)
{
	itr_buf b = ITR_BUF_INIT;
	char quote = *s->p++;
	for (; *s->p; s->p++) {
		if (*s->p == quote && s->p[1] == quote)
			s->p++;
		else if (*s->p == quote)
			break;
		itr_buf_putc(&b, *s->p);
	}
	if (*s->p != quote) {
		itr_buf_free(&b);
		expected(s, "the closing quote");
		return NULL;
	}
	s->p++;
	return itr_buf_detach(&b);
}

static char *parse_name(struct parser *s)
{
	blank(s);
	itr_buf b = ITR_BUF_INIT;
	while (*s->p && is_key(*s->p))
		itr_buf_putc(&b, *s->p++);
	if (b.len && b.data[b.len - 1] == '.' && *s->p && strchr("\"`", *s->p)) {
		char *key = quoted(s);
		if (key)
			itr_buf_puts(&b, key);
		else
			itr_buf_clear(&b);
		free(key);
	} else if (!b.len) {
		expected(s, "a name such as metrics.recall_at_10");
	}
	if (b.len)
		return itr_buf_detach(&b);
	itr_buf_free(&b);
	return NULL;
}

static int parse_value(struct parser *s, struct node *n)
{
	value v = { 0 };
	char *end;
	blank(s);
	if (*s->p && strchr("'\"", *s->p)) {
		v.text = quoted(s);
	} else {
		const char *start = s->p;
		while (*s->p && (is_key(*s->p) || *s->p == '+'))
			s->p++;
		if (s->p == start)
			return expected(s, "a value");
		v.text = itr_xstrndup(start, (size_t)(s->p - start));
		v.v = strtod(v.text, &end);
		v.number = *end == 0;
	}
	if (!v.text)
		return -1;
	ITR_VEC_PUSH(&n->values, v);
	return 0;
}

static int parse_list(struct parser *s, struct node *n)
{
	if (!sign(s, "("))
		return expected(s, "'('");
	do {
		if (parse_value(s, n) < 0)
			return -1;
	} while (sign(s, ","));
	return sign(s, ")") ? 0 : expected(s, "')'");
}

static int parse_comparison(struct parser *s)
{
	static const struct {
		const char *text;
		enum op op;
	} signs[] = { { "==", OP_EQ }, { "=", OP_EQ }, { "!=", OP_NE }, { "<>", OP_NE },
		      { ">=", OP_GE }, { ">", OP_GT }, { "<=", OP_LE }, { "<", OP_LT } };
	char *name = parse_name(s);
	if (!name)
		return -1;
	int at = add_node(s, OP_EQ, -1, -1), op = -1, rc;
	s->f->nodes.v[at].name = name;
	bool negated = word(s, "not");
	if (word(s, "in"))
		op = OP_IN;
	else if (word(s, "like"))
		op = OP_LIKE;
	else if (word(s, "ilike"))
		op = OP_ILIKE;
	for (int i = 0; op < 0 && !negated && i < ITR_LEN(signs); i++)
		if (sign(s, signs[i].text))
			op = (int)signs[i].op;
	if (op < 0)
		return expected(s, negated ? "in, like or ilike" : "one of = != < <= > >= like ilike in");
	struct node n = s->f->nodes.v[at];
	n.op = (enum op)op;
	rc = op == OP_IN ? parse_list(s, &n) : parse_value(s, &n);
	s->f->nodes.v[at] = n;
	return rc < 0 ? -1 : negated ? add_node(s, OP_NOT, at, -1) : at;
}

static int parse_not(struct parser *s)
{
	if (++s->depth > MAX_DEPTH)
		return itr_err_set(s->err, "filter: nested too deeply");
	int at;
	if (word(s, "not")) {
		int inner = parse_not(s);
		at = inner < 0 ? -1 : add_node(s, OP_NOT, inner, -1);
	} else if (sign(s, "(")) {
		at = parse_or(s);
		if (at >= 0 && !sign(s, ")"))
			at = expected(s, "')'");
	} else {
		at = parse_comparison(s);
	}
	s->depth--;
	return at;
}

static int parse_and(struct parser *s)
{
	int left = parse_not(s);
	while (left >= 0 && word(s, "and")) {
		int right = parse_not(s);
		left = right < 0 ? -1 : add_node(s, OP_AND, left, right);
	}
	return left;
}

static int parse_or(struct parser *s)
{
	int left = parse_and(s);
	while (left >= 0 && word(s, "or")) {
		int right = parse_and(s);
		left = right < 0 ? -1 : add_node(s, OP_OR, left, right);
	}
	return left;
}

itr_filter *itr_filter_parse(const char *text, itr_err *err)
{
	itr_filter *f = itr_xcalloc(1, sizeof *f);
	f->text = itr_xstrdup(text);
	struct parser s = { f, f->text, 0, err };
	f->root = parse_or(&s);
	blank(&s);
	if (f->root >= 0 && *s.p)
		f->root = expected(&s, "'and' or 'or'");
	if (f->root >= 0)
		return f;
	itr_filter_free(f);
	return NULL;
}

void itr_filter_free(itr_filter *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->nodes.n; i++) {
		for (size_t k = 0; k < f->nodes.v[i].values.n; k++)
			free(f->nodes.v[i].values.v[k].text);
		free(f->nodes.v[i].values.v);
		free(f->nodes.v[i].name);
	}
	free(f->nodes.v);
	free(f->text);
	free(f);
}

unsigned itr_filter_needs(const itr_filter *f)
{
	unsigned needs = 0;
	for (size_t i = 0; i < f->nodes.n; i++)
		needs |= f->nodes.v[i].name ? itr_column_needs(f->nodes.v[i].name) : 0;
	return needs;
}

int itr_filter_columns(const itr_filter *f, const char **names, int max)
{
	int n = 0;
	for (size_t i = 0; i < f->nodes.n && n < max; i++)
		if (f->nodes.v[i].name)
			names[n++] = f->nodes.v[i].name;
	return n;
}

/* --- matching ------------------------------------------------------------------------------------------------------------------------- */

/* SQL's LIKE pattern; `fold`: ignores ASCII case. Backtracks only to the last %. */
static bool like(const char *s, const char *pattern, bool fold)
{
	const char *star = NULL, *mark = NULL;
	while (*s) {
		int a = fold ? tolower((unsigned char)*s) : *s, b = fold ? tolower((unsigned char)*pattern) : *pattern;
		if (*pattern == '%') {
			star = pattern++;
			mark = s;
		} else if (*pattern && (*pattern == '_' || a == b)) {
			s++, pattern++;
		} else if (star) {
			pattern = star + 1;
			s = ++mark;
		} else {
			return false;
		}
	}
	while (*pattern == '%')
		pattern++;
	return *pattern == 0;
}

/* NaN is neither greater than, less than nor equal to a number, as in MLflow; = nan and != nan test for it. */
static bool compare_numbers(enum op op, double x, double y)
{
	bool same = x == y || (isnan(x) && isnan(y));
	switch (op) {
	case OP_EQ: case OP_IN: return same;
	case OP_NE: return !same;
	case OP_GT: return x > y;
	case OP_GE: return x >= y;
	case OP_LT: return x < y;
	case OP_LE: return x <= y;
	default: return false;
	}
}

static bool compare(const struct node *n, const itr_run_info *r, const value *v, const char *text)
{
	double x = 0;
	bool pattern = n->op == OP_LIKE || n->op == OP_ILIKE;
	bool number = itr_column_number(r, &n->column, &x) || (n->column.kind == ITR_COLUMN_METRIC && isnan(x));
	if (!pattern && v->number && number)
		return compare_numbers(n->op, x, v->v);
	int order = strcmp(text, v->text);
	if (n->column.kind == ITR_COLUMN_ATTRIBUTE && !strcmp(n->column.key, "id") && strlen(v->text) >= 4)
		order = strncmp(text, v->text, strlen(v->text));           /* ids as people type them */
	return pattern ? like(text, v->text, n->op == OP_ILIKE) : compare_numbers(n->op, order, 0);
}

static bool matches(const itr_filter *f, int at, const itr_run_info *r)
{
	const struct node *n = &f->nodes.v[at];
	if (n->op == OP_AND)
		return matches(f, n->left, r) && matches(f, n->right, r);
	if (n->op == OP_OR)
		return matches(f, n->left, r) || matches(f, n->right, r);
	if (n->op == OP_NOT)
		return !matches(f, n->left, r);
	itr_buf text = ITR_BUF_INIT;
	bool hit = false;
	if (itr_column_text(r, &n->column, 0, &text))
		for (size_t k = 0; k < n->values.n && !hit; k++)
			hit = compare(n, r, &n->values.v[k], itr_buf_str(&text));
	itr_buf_free(&text);
	return hit;
}

/* Numbers are not compared as text, by which 1e-05 would be greater than 0.5. */
static int check_values(const struct node *n, itr_err *err)
{
	bool numbers = n->name && n->column.kind == ITR_COLUMN_METRIC && n->op != OP_LIKE && n->op != OP_ILIKE;
	for (size_t k = 0; numbers && k < n->values.n; k++)
		if (!n->values.v[k].number)
			return itr_err_set(err, "filter: '%s' is compared with a number (without quotes), not with '%s'", n->name,
			                   n->values.v[k].text);
	return 0;
}

int itr_filter_apply(itr_filter *f, itr_runs *rs, itr_err *err)
{
	int64_t kept = 0;
	for (size_t i = 0; i < f->nodes.n; i++)
		if (f->nodes.v[i].name && itr_column_parse(&f->nodes.v[i].column, f->nodes.v[i].name, rs, err) < 0)
			return itr_err_prefix(err, "filter: ");
	for (size_t i = 0; i < f->nodes.n; i++)
		if (check_values(&f->nodes.v[i], err) < 0)
			return -1;
	for (int64_t i = 0; i < rs->n; i++) {
		if (matches(f, f->root, &rs->v[i]))
			rs->v[kept++] = rs->v[i];
		else
			itr_run_info_free(&rs->v[i]);
	}
	rs->n = kept;
	return 0;
}
