#include "retrieval/condition.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/nearest.h"
#include "base/vec.h"

typedef ITR_VEC(const char *) names;

/* Paths of all numbers below j. */
static void collect(const itr_json *j, const char *prefix, names *out)
{
	for (const itr_json *c = itr_json_first(j); c; c = itr_json_next(c)) {
		if (!itr_json_key(c))
			continue;
		char *path = prefix[0] ? itr_xasprintf("%s.%s", prefix, itr_json_key(c)) : itr_xstrdup(itr_json_key(c));
		if (itr_json_is_number(c)) {
			ITR_VEC_PUSH(out, path);
			continue;
		}
		if (itr_json_is_object(c))
			collect(c, path, out);
		free(path);
	}
}

static int unknown(const itr_json *result, const char *path, itr_err *err)
{
	names n = ITR_VEC_INIT;
	collect(result, "", &n);
	const char *nearest = itr_nearest(path, n.v, (int)n.n);
	itr_err_set(err, "the result has no figure '%s'%s%s%s", path, nearest ? ": did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
	for (size_t i = 0; i < n.n; i++)
		free((char *)(uintptr_t)n.v[i]);
	ITR_VEC_FREE(&n);
	return -1;
}

int itr_condition(const itr_json *result, const char *condition, double *value, itr_err *err)
{
	static const char *const operators[] = { "<=", ">=", "==", "!=", "<", ">" };
	size_t at = strcspn(condition, "<>=!"), end = at;
	char *path, *rest;
	int op = 0;
	while (op < ITR_LEN(operators) && strncmp(condition + at, operators[op], strlen(operators[op])) != 0)
		op++;
	while (end > 0 && isspace((unsigned char)condition[end - 1]))
		end--;
	double limit = op < ITR_LEN(operators) ? strtod(condition + at + strlen(operators[op]), &rest) : 0;
	if (op == ITR_LEN(operators) || end == 0 || rest == condition + at + strlen(operators[op]) || rest[strspn(rest, " \t")])
		return itr_err_set(err, "'%s' is no condition: write it as 'i2t.recall@1<0.3'", condition);
	size_t begin = strspn(condition, " \t");
	path = itr_xstrndup(condition + begin, end - begin);
	const itr_json *figure = itr_json_path(result, path);
	if (!figure || !itr_json_is_number(figure)) {
		unknown(result, path, err);
		free(path);
		return -1;
	}
	free(path);
	*value = itr_json_num(figure, 0);
	bool holds[] = { *value <= limit, *value >= limit, *value == limit, *value != limit, *value < limit, *value > limit };
	return holds[op];
}
