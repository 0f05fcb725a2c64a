#include "data/split.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/nearest.h"
#include "base/rng.h"

const char *const itr_split_names[] = { "train", "val", "test", "restval", NULL };

int itr_split_find(const char *name)
{
	static const struct {
		const char *name;
		int part;
	} others[] = { { "training", ITR_TRAIN }, { "dev", ITR_VAL }, { "valid", ITR_VAL }, { "validation", ITR_VAL } };
	for (int i = 0; name && i < ITR_SPLIT_COUNT; i++)
		if (!strcasecmp(name, itr_split_names[i]))
			return i;
	for (int i = 0; name && i < ITR_LEN(others); i++)
		if (!strcasecmp(name, others[i].name))
			return others[i].part;
	return -1;
}

int itr_split_named(const char *name, itr_err *err)
{
	const int part = itr_split_find(name);
	return part >= 0 ? part
	                 : itr_err_set(err, "unknown split '%s': did you mean '%s'?", name,
	                               itr_nearest(name, itr_split_names, ITR_SPLIT_COUNT));
}

struct item {
	const char *id;
	int64_t row;
};

static int by_id(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	return strcmp(x->id, y->id);    /* strcmp compares as unsigned char: bytewise, whatever the locale */
}

static struct item *sorted(const char *const *ids, int64_t n)
{
	struct item *items = itr_xmalloc((size_t)ITR_MAX(n, 1) * sizeof *items);
	for (int64_t i = 0; i < n; i++)
		items[i] = (struct item){ ids[i], i };
	qsort(items, (size_t)n, sizeof *items, by_id);
	return items;
}

static int check_fractions(const double f[3], itr_err *err)
{
	for (int i = 0; i < 3; i++)
		if (!(f[i] >= 0 && f[i] <= 1))
			return itr_err_set(err, "split size %g for '%s' is not between 0 and 1", f[i], itr_split_names[i]);
	if (fabs(f[0] + f[1] + f[2] - 1) > 1e-6)
		return itr_err_set(err, "split sizes %g/%g/%g do not sum to 1", f[0], f[1], f[2]);
	return 0;
}

int itr_split_assign(itr_split *part, const char *const *ids, int64_t n, const double fractions[3], uint64_t seed, itr_err *err)
{
	if (check_fractions(fractions, err) < 0)
		return -1;
	struct item *items = sorted(ids, n);
	for (int64_t i = 1; i < n; i++)
		if (!strcmp(items[i - 1].id, items[i].id)) {
			itr_err_set(err, "id '%s' occurs twice", items[i].id);
			free(items);
			return -1;
		}
	int64_t *p = itr_xmalloc((size_t)ITR_MAX(n, 1) * sizeof *p);
	itr_rng rng;
	itr_rng_seed(&rng, seed);
	itr_rng_permutation(&rng, n, p);
	int64_t test = (int64_t)floor((double)n * fractions[2]), val = (int64_t)floor((double)n * fractions[1]);
	for (int64_t i = 0; i < n; i++)
		part[items[p[i]].row] = i < test ? ITR_TEST : i < test + val ? ITR_VAL : ITR_TRAIN;
	free(p);
	free(items);
	return 0;
}

/* Rows of the groups in the order of their smallest ids; group[k] is the place of item k's among them. Their number. */
static int64_t number_groups(itr_groups *g, const struct item *items, int64_t n, int64_t *group, int64_t *size)
{
	int64_t *number = itr_xcalloc((size_t)ITR_MAX(n, 1), sizeof *number), count = 0;
	for (int64_t k = 0; k < n; k++) {
		int64_t *at = &number[itr_groups_of(g, items[k].row)];
		if (!*at)
			*at = ++count;
		group[k] = *at - 1;
		size[group[k]]++;
	}
	free(number);
	return count;
}

int itr_split_assign_groups(itr_split *part, const char *const *ids, int64_t n, itr_groups *g, const double fractions[3], uint64_t seed,
                            itr_err *err)
{
	if (itr_split_assign(part, ids, n, fractions, seed, err) < 0)  /* the same refusals */
		return -1;
	struct item *items = sorted(ids, n);
	const size_t bytes = (size_t)ITR_MAX(n, 1) * sizeof(int64_t);
	int64_t *group = itr_xmalloc(bytes), *size = itr_xcalloc(1, bytes), *p = itr_xmalloc(bytes), taken[2] = { 0, 0 }, largest = 0;
	itr_split *of = itr_xmalloc((size_t)ITR_MAX(n, 1) * sizeof *of);
	const int64_t count = number_groups(g, items, n, group, size), test = (int64_t)floor((double)n * fractions[2]),
		      val = (int64_t)floor((double)n * fractions[1]);
	itr_rng rng;
	itr_rng_seed(&rng, seed);
	itr_rng_permutation(&rng, count, p);
	for (int64_t i = 0; i < count; i++) {
		of[p[i]] = taken[0] < test ? ITR_TEST : taken[1] < val ? ITR_VAL : ITR_TRAIN;
		if (of[p[i]] != ITR_TRAIN)
			taken[of[p[i]] == ITR_VAL] += size[p[i]];
		largest = ITR_MAX(largest, size[i]);
	}
	for (int64_t k = 0; k < n; k++)
		part[items[k].row] = of[group[k]];
	free(items);
	free(group);
	free(size);
	free(p);
	free(of);
	if (n && fractions[0] > 0 && taken[0] + taken[1] == n)
		return itr_err_set(err,
		                   "the groups leave nothing for train: %lld groups of %lld rows, the largest of %lld; split by something "
		                   "finer, or by image",
		                   (long long)count, (long long)n, (long long)largest);
	return 0;
}

const char *const itr_split_by_names[] = { "image", "caption", "near", "label", "group", NULL };

int itr_split_rule_parse(itr_split_rule *r, const char *text, itr_err *err)
{
	const bool file = text && !strncmp(text, "group:", 6) && text[6];
	*r = (itr_split_rule){ ITR_SPLIT_BY_IMAGE, file ? text + 6 : NULL };
	if (file)
		r->by = ITR_SPLIT_BY_GROUP;
	if (!text || file)
		return 0;
	for (int i = 0; i < ITR_SPLIT_BY_GROUP; i++)
		if (!strcmp(text, itr_split_by_names[i])) {
			r->by = (itr_split_by)i;
			return 0;
		}
	return itr_err_set(err, "'--split-by %s': there are image, caption, near, label and group:FILE; did you mean '%s'?", text,
	                   !strncmp(text, "group", 5) ? "group:FILE" : itr_nearest(text, itr_split_by_names, ITR_SPLIT_BY_GROUP));
}

bool itr_split_rule_of(itr_split_rule *r, const char *by, const char *file)
{
	for (int i = 0; itr_split_by_names[i]; i++)
		if (!strcmp(by, itr_split_by_names[i])) {
			*r = (itr_split_rule){ (itr_split_by)i, i == ITR_SPLIT_BY_GROUP ? file : NULL };
			return true;
		}
	return false;
}

void itr_split_hash(const char *const *ids, const itr_split *part, int64_t n, itr_split which, char hex[ITR_SHA256_HEX])
{
	struct item *items = sorted(ids, n);
	itr_sha256 *h = itr_sha256_new();
	for (int64_t i = 0; i < n; i++)
		if (part[items[i].row] == which) {
			itr_sha256_add(h, items[i].id, strlen(items[i].id));
			itr_sha256_add(h, "\n", 1);
		}
	itr_sha256_end(h, hex);
	free(items);
}
