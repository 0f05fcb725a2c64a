#include "data/split.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/rng.h"

const char *const itr_split_names[] = { "train", "val", "test", "restval", NULL };

int itr_split_find(const char *name)
{
	static const struct { const char *name; int part; } others[] = { { "training", ITR_TRAIN }, { "dev", ITR_VAL }, { "valid", ITR_VAL }, { "validation", ITR_VAL } };
	for (int i = 0; name && i < ITR_SPLIT_COUNT; i++)
		if (!strcasecmp(name, itr_split_names[i]))
			return i;
	for (int i = 0; name && i < ITR_LEN(others); i++)
		if (!strcasecmp(name, others[i].name))
			return others[i].part;
	return -1;
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
