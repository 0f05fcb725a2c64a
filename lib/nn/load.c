#include "nn/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "io/convert.h"

enum { MAX_CAPTURES = 8, MAX_PREFIXES = 4, MAX_PARTS = 64, LISTED = 10 };

struct capture {
	const char *s;
	size_t n;
};

/* Errors by kind: the first few names and their number. */
enum { MISSING, UNEXPECTED, TWICE, SHAPE, INTEGERS, UNREAD, NOT_FINITE, KINDS };
static const char *const kind_words[KINDS] = { "missing",
	                                       "unexpected",
	                                       "filled twice",
	                                       "of another shape",
	                                       "of whole numbers, not floats",
	                                       "of types that are not read",
	                                       "with NaN or infinity" };

struct load {
	itr_params *p;
	const itr_weights *w;
	const itr_load_rule *rules;
	uint64_t *filled;               /* per parameter: a bit a part */
	int *parts;                     /* per parameter: into how many it is divided; 0: nothing came yet */
	itr_buf bad[KINDS];
	int64_t n_bad[KINDS];
};

static void complain(struct load *l, int kind, const char *name, const char *detail)
{
	if (l->n_bad[kind]++ < LISTED)
		itr_buf_printf(&l->bad[kind], "%s'%.100s'%s", l->bad[kind].len ? ", " : "", name, detail);
}

/* --- names ------------------------------------------------------------------------------------------------------------------ */

/* True when the pattern matches all of s. Captures the matches of its stars, the shortest first. */
static bool match(const char *pattern, const char *s, struct capture *c, int n)
{
	while (*pattern && *pattern != '*')
		if (*pattern++ != *s++)
			return false;
	if (!*pattern)
		return !*s;
	bool any = pattern[1] == '*';
	if (n == MAX_CAPTURES)
		ITR_BUG("a load rule has more than %d stars", MAX_CAPTURES);
	for (size_t k = 1; s[k - 1] && (any || s[k - 1] != '.'); k++)
		if (match(pattern + 1 + any, s + k, c, n + 1)) {
			c[n] = (struct capture){ s, k };
			return true;
		}
	return false;
}

/* param with its stars replaced by the captures. The caller frees. */
static char *substitute(const char *param, const struct capture *c)
{
	itr_buf b = ITR_BUF_INIT;
	for (; *param; param++) {
		if (*param != '*') {
			itr_buf_putc(&b, *param);
			continue;
		}
		param += param[1] == '*';
		if (!c->s)
			ITR_BUG("a load rule has more stars in its parameter than in its pattern");
		itr_buf_add(&b, c->s, c->n);
		c++;
	}
	return itr_buf_detach(&b);
}

/* The parameter for a tensor, and the rule that was used (NULL: the names are equal). Returns 1; 0 when the tensor is ignored; -1 when
 * there is neither a rule nor a parameter. */
static int resolve(const struct load *l, const char *name, int depth, itr_param **q, const itr_load_rule **rule)
{
	bool optional = false;
	for (const itr_load_rule *r = l->rules; r && r->pattern; r++) {
		struct capture c[MAX_CAPTURES + 1] = { { NULL, 0 } };
		if (!match(r->pattern, name, c, 0))
			continue;
		if (!r->param)
			return 0;
		char *target = substitute(r->param, c);
		int found = -1;
		if (strcmp(r->param, "**")) {
			found = (*q = itr_params_find(l->p, target)) ? 1 : -1;
			*rule = r;
		} else if (depth < MAX_PREFIXES && strcmp(target, name))
			found = resolve(l, target, depth + 1, q, rule);
		free(target);
		if (found >= 0)
			return found;
		optional = optional || (r->flags & ITR_LOAD_OPTIONAL);
	}
	*rule = NULL;
	*q = itr_params_find(l->p, name);
	return *q ? 1 : optional ? 0 : -1;
}

/* --- shapes ----------------------------------------------------------------------------------------------------------------- */

/* A shape without the ones at its ends. */
static int trim(int rank, const int64_t *shape, int64_t *out)
{
	int from = 0, n = 0;
	while (from < rank && shape[from] == 1)
		from++;
	while (rank > from && shape[rank - 1] == 1)
		rank--;
	for (int d = from; d < rank; d++)
		out[n++] = shape[d];
	return n;
}

static bool same_shape(int rank_a, const int64_t *a, int rank_b, const int64_t *b)
{
	int64_t x[ITR_WEIGHT_MAX_RANK], y[ITR_WEIGHT_MAX_RANK];
	int n = trim(rank_a, a, x);
	return n == trim(rank_b, b, y) && !memcmp(x, y, (size_t)n * sizeof *x);
}

/* The tensor's shape after the rule's flags (transpose, channels last). */
static int turned(const itr_weight *t, unsigned flags, int64_t *shape)
{
	memcpy(shape, t->shape, sizeof t->shape);
	if (flags & ITR_LOAD_TRANSPOSE && t->rank == 2) {
		shape[0] = t->shape[1];
		shape[1] = t->shape[0];
	}
	if (flags & ITR_LOAD_NHWC && t->rank == 4) {
		shape[1] = t->shape[2];
		shape[2] = t->shape[3];
		shape[3] = t->shape[1];
	}
	return t->rank;
}

static bool fits(const itr_param *q, const itr_weight *t, const itr_load_rule *r)
{
	int64_t want[ITR_MAX_RANK], have[ITR_WEIGHT_MAX_RANK];
	unsigned flags = r ? r->flags : 0;
	int parts = r && r->parts > 1 ? r->parts : 1, rank = turned(t, flags, have);
	if (t->count != q->count / parts || q->count % parts || ((flags & ITR_LOAD_TRANSPOSE) && t->rank != 2) ||
	    ((flags & ITR_LOAD_NHWC) && t->rank != 4))
		return false;
	if (flags & ITR_LOAD_FLATTEN || (flags & ITR_LOAD_NHWC && q->rank == 2 && q->shape[0] == have[0]))
		return true;
	memcpy(want, q->shape, sizeof want);
	if (q->rank && parts > 1) {
		if (want[0] % parts)
			return false;
		want[0] /= parts;
	}
	return same_shape(q->rank, want, rank, have);
}

static void misshapen(struct load *l, const itr_param *q, const itr_weight *t, const itr_load_rule *r)
{
	itr_buf b = ITR_BUF_INIT;
	itr_buf_puts(&b, " is (");
	for (int d = 0; d < t->rank; d++)
		itr_buf_printf(&b, "%s%lld", d ? ", " : "", (long long)t->shape[d]);
	itr_buf_puts(&b, "), the model's is (");
	for (int d = 0; d < q->rank; d++)
		itr_buf_printf(&b, "%s%lld", d ? ", " : "", (long long)q->shape[d]);
	itr_buf_putc(&b, ')');
	if (r && r->parts > 1)
		itr_buf_printf(&b, " in %d parts", r->parts);
	complain(l, SHAPE, t->name, b.data);
	itr_buf_free(&b);
}

/* --- values ----------------------------------------------------------------------------------------------------------------- */

/* (outer, rows, cols) -> (outer, cols, rows) */
static void swap_axes(float *dst, const float *src, int64_t outer, int64_t rows, int64_t cols)
{
	for (int64_t o = 0; o < outer; o++, dst += rows * cols, src += rows * cols)
		for (int64_t c = 0; c < cols; c++)
			for (int64_t r = 0; r < rows; r++)
				dst[c * rows + r] = src[r * cols + c];
}

static int read_into(const itr_weights *w, const itr_weight *t, unsigned flags, float *dst, itr_err *err)
{
	bool nhwc = flags & ITR_LOAD_NHWC;
	if (!nhwc && !(flags & ITR_LOAD_TRANSPOSE))
		return itr_weights_read(w, t, dst, err);
	float *stored = itr_aligned_alloc((size_t)t->count * sizeof *stored);
	int rc = itr_weights_read(w, t, stored, err);
	if (rc == 0)
		swap_axes(dst, stored, nhwc ? t->shape[0] : 1, nhwc ? t->shape[1] : t->shape[0],
		          nhwc ? t->shape[2] * t->shape[3] : t->shape[1]);
	itr_aligned_free(stored);
	return rc;
}

static bool all_finite(const float *x, int64_t n)
{
	uint32_t worst = 0;
	for (int64_t i = 0; i < n; i++) {
		uint32_t bits;
		memcpy(&bits, x + i, sizeof bits);
		bits &= 0x7f800000u;
		worst = bits > worst ? bits : worst;
	}
	return worst < 0x7f800000u;
}

/* Loads one tensor of the file, or adds it to the list of errors. -1 only when it cannot be read. */
static int take(struct load *l, const itr_weight *t, itr_err *err)
{
	itr_param *q = NULL;
	const itr_load_rule *r = NULL;
	int found = resolve(l, t->name, 0, &q, &r);
	if (found <= 0) {
		if (found < 0)
			complain(l, UNEXPECTED, t->name, "");
		return 0;
	}
	int parts = r && r->parts > 1 ? r->parts : 1, part = parts > 1 ? r->part : 0;
	if (parts > MAX_PARTS || part < 0 || part >= parts)
		ITR_BUG("load rule '%s' has part %d of %d", r->pattern, part, parts);
	int64_t i = itr_params_index(l->p, q);
	if (l->filled[i] >> part & 1 || (l->parts[i] && l->parts[i] != parts)) {
		complain(l, TWICE, q->name, "");
		return 0;
	}
	l->filled[i] |= (uint64_t)1 << part;
	l->parts[i] = parts;
	if (!fits(q, t, r)) {
		misshapen(l, q, t, r);
		return 0;
	}
	if (t->unread) {
		char detail[64];
		snprintf(detail, sizeof detail, " (%.50s)", t->unread);
		complain(l, UNREAD, t->name, detail);
		return 0;
	}
	if (!itr_dtype_is_float(t->dtype)) {            /* quantised elsewhere: without its scales it is noise */
		complain(l, INTEGERS, t->name, "");
		return 0;
	}
	float *dst = q->data + part * t->count;
	if (read_into(l->w, t, r ? r->flags : 0, dst, err) < 0)
		return -1;
	if (!all_finite(dst, t->count))
		complain(l, NOT_FINITE, t->name, "");
	return 0;
}

static void find_missing(struct load *l)
{
	for (int64_t i = 0; i < itr_params_count(l->p); i++) {
		char detail[48] = "";
		int have = 0;
		for (int k = 0; k < l->parts[i]; k++)
			have += l->filled[i] >> k & 1;
		if (l->parts[i] && have == l->parts[i])
			continue;
		if (l->parts[i])
			snprintf(detail, sizeof detail, " (%d of its %d parts are there)", have, l->parts[i]);
		complain(l, MISSING, itr_params_at(l->p, i)->name, detail);
	}
}

static int verdict(struct load *l, itr_err *err)
{
	itr_buf b = ITR_BUF_INIT;
	for (int k = 0; k < KINDS; k++) {
		if (!l->n_bad[k])
			continue;
		itr_buf_printf(&b, "%s%lld %s: %.400s%s", b.len ? "; " : "", (long long)l->n_bad[k], kind_words[k], l->bad[k].data,
		               l->bad[k].len > 400 ? "..." : "");
		if (l->n_bad[k] > LISTED)
			itr_buf_printf(&b, " and %lld more", (long long)(l->n_bad[k] - LISTED));
	}
	const bool foreign = l->n_bad[MISSING] > 1 && l->n_bad[MISSING] == itr_params_count(l->p);
	int rc = b.len ? itr_err_set(err, "'%s' %s: %s", itr_weights_path(l->w),
	                             foreign ? "is of another network, none of this one's arrays is in it" : "does not fit the model",
	                             b.data)
	               : 0;
	itr_buf_free(&b);
	return rc;
}

int itr_params_load_weights(itr_params *p, const itr_weights *w, const itr_load_rule *rules, itr_err *err)
{
	struct load l = { .p = p, .w = w, .rules = rules };
	int rc = 0;
	l.filled = itr_xcalloc((size_t)itr_params_count(p) + 1, sizeof *l.filled);
	l.parts = itr_xcalloc((size_t)itr_params_count(p) + 1, sizeof *l.parts);
	for (int64_t i = 0; i < itr_weights_count(w) && rc == 0; i++)
		rc = take(&l, itr_weights_at(w, i), err);
	if (rc == 0) {
		find_missing(&l);
		rc = verdict(&l, err);
	}
	for (int k = 0; k < KINDS; k++)
		itr_buf_free(&l.bad[k]);
	free(l.filled);
	free(l.parts);
	return rc;
}

/* --- prefixes --------------------------------------------------------------------------------------------------------------- */

/* Number of parameters that get a tensor when the prefix is removed and names without it are ignored. */
static int64_t filled_below(struct load *l, const char *prefix)
{
	const size_t n = strlen(prefix);
	int64_t filled = 0;
	memset(l->parts, 0, (size_t)itr_params_count(l->p) * sizeof *l->parts);
	for (int64_t i = 0; i < itr_weights_count(l->w); i++) {
		const char *name = itr_weights_at(l->w, i)->name;
		const itr_load_rule *r;
		itr_param *q;
		if (!strncmp(name, prefix, n) && name[n] && resolve(l, name + n, 0, &q, &r) > 0)
			filled += !l->parts[itr_params_index(l->p, q)]++;
	}
	return filled;
}

char *itr_params_prefix(itr_params *p, const itr_weights *w, const itr_load_rule *rules)
{
	enum { MAX_DOTS = 5, MAX_TRIED = 512 };
	struct load l = { .p = p, .w = w, .rules = rules };
	const int64_t all = itr_params_count(p);
	char *found = itr_xstrdup("");
	l.parts = itr_xcalloc((size_t)all + 1, sizeof *l.parts);
	int64_t best = filled_below(&l, ""), need = (all + 2) / 3;
	itr_map *tried = itr_map_new();
	for (int64_t i = 0; best < need && i < itr_weights_count(w) && itr_map_count(tried) < MAX_TRIED; i++) {
		const char *name = itr_weights_at(w, i)->name, *dot = name;
		for (int dots = 0; dots < MAX_DOTS && (dot = strchr(dot, '.')); dots++) {
			char *prefix = itr_xstrndup(name, (size_t)(++dot - name));
			const int64_t filled = itr_map_add(tried, prefix, 0) ? filled_below(&l, prefix) : 0;
			if (filled >= need && filled > best) {
				best = filled;
				free(found);
				found = itr_xstrdup(prefix);
			}
			free(prefix);
		}
	}
	itr_map_free(tried);
	free(l.parts);
	return found;
}
