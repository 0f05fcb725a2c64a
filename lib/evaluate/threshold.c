#include "evaluate/threshold.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/vec.h"
#include "evaluate/qrels.h"

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

static int unknown(names *n, const char *path, itr_err *err)
{
	const char *nearest = itr_nearest(path, n->v, (int)n->n);
	return itr_err_set(err, "the result has no figure '%s'%s%s%s", path, nearest ? ": did you mean '" : "", nearest ? nearest : "",
	                   nearest ? "'?" : "");
}

static void free_names(names *n)
{
	for (size_t i = 0; i < n->n; i++)
		free((char *)(uintptr_t)n->v[i]);
	ITR_VEC_FREE(n);
}

/* --- PATH OPERATOR NUMBER ------------------------------------------------------------------------------------------------------------- */

typedef enum operator { AT_MOST, AT_LEAST, EQUAL, OTHER, LESS, MORE } operator;
struct threshold { char *path; operator op; double limit; };

static int parse(const char *condition, struct threshold *c, itr_err *err)
{
	static const char *const operators[] = { "<=", ">=", "==", "!=", "<", ">" };
	size_t at = strcspn(condition, "<>=!"), end = at, begin = strspn(condition, " \t");
	char *rest = NULL;
	int op = 0;
	while (op < ITR_LEN(operators) && strncmp(condition + at, operators[op], strlen(operators[op])) != 0)
		op++;
	while (end > 0 && isspace((unsigned char)condition[end - 1]))
		end--;
	double limit = op < ITR_LEN(operators) ? strtod(condition + at + strlen(operators[op]), &rest) : 0;
	if (op == ITR_LEN(operators) || end <= begin || rest == condition + at + strlen(operators[op]) || rest[strspn(rest, " \t")])
		return itr_err_set(err, "'%s' is no condition: write it as 'i2t.recall@1<0.3'", condition);
	*c = (struct threshold){ itr_xstrndup(condition + begin, end - begin), (operator)op, limit };
	return 0;
}

static bool holds(operator op, double value, double limit)
{
	const bool all[] = { value <= limit, value >= limit, value == limit, value != limit, value < limit, value > limit };
	return all[op];
}

/* Can a share, 0 to 1, meet the condition? */
static bool within_reach(operator op, double limit)
{
	return holds(op, 0, limit) || holds(op, 1, limit) || (op == EQUAL && limit > 0 && limit < 1);
}

/* Every figure that an evaluation of these metrics has without being asked for more. */
static void known_figures(const itr_metric_set *set, names *n)
{
	static const char *const counts[] = { "n_queries", "n_gallery", "tie_fraction", "missing", "no_positive", "unjudged" };
	static const char *const whole[] = { "rsum", "n_texts", "n_images", "dim", "mean_cosine", "schema" };
	for (int d = 0; d < 2; d++) {
		for (int j = 0; j < set->n; j++)
			ITR_VEC_PUSH(n, itr_xasprintf("%s.%s", itr_direction_names[d], set->m[j].key));
		for (int j = 0; j < set->n; j++)
			ITR_VEC_PUSH(n, itr_xasprintf("%s.chance.%s", itr_direction_names[d], set->m[j].key));
		for (int j = 0; j < ITR_LEN(counts); j++)
			ITR_VEC_PUSH(n, itr_xasprintf("%s.%s", itr_direction_names[d], counts[j]));
	}
	for (int j = 0; j < ITR_LEN(whole); j++)
		ITR_VEC_PUSH(n, itr_xstrdup(whole[j]));
}

int itr_threshold_check(const char *condition, const itr_metric_set *set, itr_err *err)
{
	static const char *const more[] = { "baseline.", "distances.", "anchors." };
	struct threshold c;
	names n = ITR_VEC_INIT;
	int rc = 0;
	if (parse(condition, &c, err) < 0)
		return -1;
	if (!isfinite(c.limit))
		rc = itr_err_set(err, "'%s' compares with %s: metrics are finite, so it can never fire", condition,
		                 isnan(c.limit) ? "NaN" : "infinity");
	bool known = false;
	known_figures(set, &n);
	for (int i = 0; i < ITR_LEN(more); i++)
		known |= strncmp(c.path, more[i], strlen(more[i])) == 0;
	for (size_t i = 0; i < n.n; i++)
		known |= strcmp(c.path, n.v[i]) == 0;
	if (rc == 0 && !known)
		rc = unknown(&n, c.path, err);
	int share = strncmp(c.path, "t2i.", 4) == 0 || strncmp(c.path, "i2t.", 4) == 0 ? itr_metric_find(set, c.path + 4) : -1;
	if (rc == 0 && share >= 0 && !set->m[share].metric->rank && !within_reach(c.op, c.limit))
		rc = itr_err_set(err, "'%s' can never hold: %s lies between 0 and 1", condition, c.path);
	free_names(&n);
	free(c.path);
	return rc;
}

/* 1: it holds, 0: not, -1 with err. *value receives the figure. */
static int one(const itr_json *result, const char *condition, double *value, itr_err *err)
{
	struct threshold c;
	int rc;
	if (parse(condition, &c, err) < 0)
		return -1;
	const itr_json *figure = itr_json_path(result, c.path);
	if (figure && itr_json_is_number(figure)) {
		*value = itr_json_num(figure, 0);
		rc = holds(c.op, *value, c.limit);
	} else if (figure) {
		rc = itr_err_set(err, "'%s': this result has no value of %s, so the threshold cannot be checked", condition, c.path);
	} else {
		names n = ITR_VEC_INIT;
		collect(result, "", &n);
		rc = unknown(&n, c.path, err);
		free_names(&n);
	}
	free(c.path);
	return rc;
}

int itr_thresholds(const itr_json *result, const char *const *condition, int64_t n, itr_err *err)
{
	int any = 0;
	for (int64_t i = 0; i < n; i++) {
		double value = 0;
		const int rc = one(result, condition[i], &value, err);
		if (rc < 0)
			return -1;
		if (rc)
			itr_error("failed: %s (it is %.6g)", condition[i], value);
		any |= rc;
	}
	return any;
}
