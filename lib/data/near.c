#include "data/near.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/path.h"

enum { COPIES = 32, NAMED = 1000 };

/* --- who is alike --------------------------------------------------------------------------------------------------------------------- */

static void on_alike(void *ctx, int64_t i, int64_t j, int distance)
{
	(void)distance;
	itr_groups_join(ctx, i, j);
}

/* Equal hashes are joined first, so that a thousand copies of one picture are one row of the search. */
static void join(const itr_near_item *items, int64_t n, int distance, itr_groups *g)
{
	itr_map *first = itr_map_new();
	itr_phash *hash = itr_xmalloc((size_t)ITR_MAX(n, 1) * sizeof *hash);
	int64_t *row = itr_xmalloc((size_t)ITR_MAX(n, 1) * sizeof *row), m = 0;
	int *group = itr_xmalloc((size_t)ITR_MAX(n, 1) * sizeof *group);
	char hex[33];
	for (int64_t i = 0; i < n; i++) {
		if (items[i].sha256)
			itr_groups_tag(g, i, items[i].sha256);
		if (!items[i].hashed)
			continue;
		itr_phash_print(items[i].hash, hex);
		if (!itr_map_add(first, hex, i)) {
			itr_groups_join(g, i, itr_map_get(first, hex, i));
			continue;
		}
		hash[m] = items[i].hash;
		group[m] = (int)m;
		row[m++] = i;
	}
	itr_groups *alike = itr_groups_new(m);
	itr_phash_pairs(hash, group, m, distance, on_alike, alike);
	for (int64_t k = 0; k < m; k++)
		itr_groups_join(g, row[k], row[itr_groups_of(alike, k)]);
	itr_groups_free(alike);
	itr_map_free(first);
	free(hash);
	free(group);
	free(row);
}

static itr_near_item *items_of(const itr_manifest *m)
{
	itr_near_item *items = itr_xcalloc((size_t)ITR_MAX(m->n, 1), sizeof *items);
	for (int64_t i = 0; i < m->n; i++) {
		const itr_record *r = &m->records[i];
		items[i] = (itr_near_item){ r->image, r->split, r->sha256, { { r->phash[0], r->phash[1] } }, r->has_phash };
	}
	return items;
}

void itr_near_join(const itr_manifest *m, int distance, itr_groups *g)
{
	itr_near_item *items = items_of(m);
	join(items, m->n, distance, g);
	free(items);
}

/* --- what is said about them ---------------------------------------------------------------------------------------------------------- */

struct report {
	const itr_near_item **item;     /* those that are paired */
	int64_t n, pairs;
	itr_issues *f;
	FILE *out;
};

static void on_pair(void *ctx, int64_t i, int64_t j, int distance)
{
	struct report *r = ctx;
	const itr_near_item *a = r->item[i], *b = r->item[j];
	const char *a_part = a->part ? a->part : "none", *b_part = b->part ? b->part : "none";
	itr_buf line = ITR_BUF_INIT;
	itr_buf_printf(&line, "{\"distance\":%d,\"a\":", distance);
	itr_json_print_string(&line, a->file);
	itr_buf_printf(&line, ",\"a_part\":\"%s\",\"b\":", a_part);
	itr_json_print_string(&line, b->file);
	itr_buf_printf(&line, ",\"b_part\":\"%s\"}\n", b_part);
	fputs(line.data, r->out);
	itr_buf_free(&line);
	if (r->pairs++ < NAMED)
		itr_issues_add(r->f, "near-duplicate pictures in different parts", "%s (%s) and %s (%s), %d of 128 bits apart", a->file,
		                 a_part, b->file, b_part, distance);
}

static int by_sha(const void *x, const void *y)
{
	const itr_near_item *const *a = x, *const *b = y;
	const int c = strcmp((*a)->sha256, (*b)->sha256);
	return c ? c : *a < *b ? -1 : *a > *b;
}

/* Flat pictures have no hash that says anything; their bytes may still be the same. They stand at the start of r->item, n of them. */
static void pair_flat(struct report *r, int64_t n)
{
	if (n)
		qsort(r->item, (size_t)n, sizeof *r->item, by_sha);
	for (int64_t i = 0; i < n; i++)
		for (int64_t j = i + 1; j < n && !strcmp(r->item[i]->sha256, r->item[j]->sha256); j++)
			if (strcmp(r->item[i]->part ? r->item[i]->part : "", r->item[j]->part ? r->item[j]->part : ""))
				on_pair(r, i, j, 0);
}

/* True for the first COPIES of a picture in its part. */
static bool is_listed(itr_map *copies, const itr_near_item *item)
{
	char hex[33];
	itr_phash_print(item->hash, hex);
	char *key = itr_xasprintf("%s/%s", item->part ? item->part : "", item->hashed ? hex : item->sha256);
	const int64_t k = itr_map_get(copies, key, 0);
	itr_map_set(copies, key, k + 1);
	free(key);
	return k < COPIES;
}

static void pair_all(struct report *r, const itr_near_item *items, int64_t n, int distance)
{
	itr_map *copies = itr_map_new(), *parts = itr_map_new();
	itr_phash *hash = itr_xmalloc((size_t)ITR_MAX(n, 1) * sizeof *hash);
	int *group = itr_xmalloc((size_t)ITR_MAX(n, 1) * sizeof *group);
	r->item = itr_xmalloc((size_t)ITR_MAX(n, 1) * sizeof *r->item);
	for (int64_t i = 0; i < n; i++)
		if (!items[i].hashed && items[i].sha256 && is_listed(copies, &items[i]))
			r->item[r->n++] = &items[i];
	pair_flat(r, r->n);
	r->n = 0;
	for (int64_t i = 0; i < n; i++) {
		if (!items[i].hashed || !is_listed(copies, &items[i]))
			continue;
		const char *part = items[i].part ? items[i].part : "";
		itr_map_add(parts, part, itr_map_count(parts));
		hash[r->n] = items[i].hash;
		group[r->n] = (int)itr_map_get(parts, part, 0);
		r->item[r->n++] = &items[i];
	}
	itr_phash_pairs(hash, group, r->n, distance, on_pair, r);
	itr_map_free(copies);
	itr_map_free(parts);
	free(hash);
	free(group);
	free(r->item);
}

static void say_how_many(const itr_near_item *items, int64_t n, int distance, bool apart)
{
	itr_groups *g = itr_groups_new(n);
	int64_t *size = itr_xcalloc((size_t)ITR_MAX(n, 1), sizeof *size), alike = 0, groups = 0;
	join(items, n, distance, g);
	for (int64_t i = 0; i < n; i++)
		size[itr_groups_of(g, i)]++;
	for (int64_t i = 0; i < n; i++) {
		alike += size[i] > 1 ? size[i] : 0;
		groups += size[i] > 1;
	}
	if (alike)
		itr_info("%lld of %lld pictures are or look the same as another one, in %lld groups (at most %d of 128 bits apart)%s",
		         (long long)alike, (long long)n, (long long)groups, distance,
		         apart ? "; --split-by near keeps each group in one part" : "");
	itr_groups_free(g);
	free(size);
}

int itr_near_report(const itr_near_item *items, int64_t n, int distance, const char *dir, itr_issues *f, int64_t *pairs, itr_err *err)
{
	char *path = itr_path_join(dir, "near_duplicates.jsonl");
	itr_atomic_file *a = itr_atomic_open(path, err);
	struct report r = { .f = f, .out = a ? itr_atomic_stream(a) : NULL };
	int rc = r.out ? 0 : a ? itr_err_errno(err, "cannot write '%s'", path) : -1;
	if (rc == 0)
		pair_all(&r, items, n, distance);
	if (rc == 0 && r.pairs) {
		rc = itr_atomic_commit(a, err);
	} else if (a) {
		itr_atomic_abort(a);
		if (rc == 0)
			unlink(path);
	}
	if (rc == 0)
		say_how_many(items, n, distance, r.pairs > 0);
	*pairs = r.pairs;
	free(path);
	return rc;
}

int itr_near_report_manifest(const itr_manifest *m, int distance, const char *dir, itr_issues *f, int64_t *pairs, itr_err *err)
{
	itr_near_item *items = items_of(m);
	int rc = itr_near_report(items, m->n, distance, dir, f, pairs, err);
	free(items);
	return rc;
}
