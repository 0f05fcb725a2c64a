/* failures.json: the selection of the last run and the reasons of its failures. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/map.h"
#include "base/path.h"
#include "fetch/coco_internal.h"

static itr_json *selection(const coco_run *c)
{
	itr_json *s = itr_json_object(), *subsets = itr_json_add_array(s, "subset");
	char seed[32];
	for (int i = 0; i < c->o->n_subsets; i++)
		itr_json_push(subsets, itr_json_new_str(c->o->subsets[i]));
	snprintf(seed, sizeof seed, "%llu", (unsigned long long)c->seed);
	itr_json_add_int(s, "limit", c->limit);
	itr_json_add_str(s, "seed", seed);
	itr_json_add_str(s, "split", c->split);
	return s;
}

int coco_failures_write(coco_run *c, bool complete, itr_err *err)
{
	itr_json *j = itr_json_object(), *counts = itr_json_add_object(j, "counts");
	static const char *const names[] = { [COCO_MISSING] = "interrupted", [COCO_PRESENT] = "present", [COCO_FOUND] = "found",
		                             [COCO_FETCHED] = "fetched",     [COCO_FAILED] = "failed",   [COCO_SKIPPED] = "skipped" };
	int64_t n[ITR_LEN(names)] = { 0 };
	char *path = itr_path_join(c->o->dir, "failures.json");
	for (int64_t i = 0; i < c->m->n; i++)
		n[c->state[i]]++;
	itr_json_add_int(j, "itr_failures", 1);
	itr_json_add_bool(j, "complete", complete);
	itr_json_add(j, "selection", selection(c));
	itr_json_add_int(counts, "wanted", c->m->n);
	for (int s = 0; s < ITR_LEN(names); s++)
		itr_json_add_int(counts, names[s], n[s]);
	itr_json_add(j, "reasons", itr_json_copy(c->r->reasons));
	itr_json_add_int(j, "requests", c->r->attempts);
	itr_json_add_int(j, "bytes", c->r->received);
	itr_json_add_num(j, "seconds", c->r->seconds);
	itr_json_add_num(j, "bytes_per_second", c->r->seconds > 0 ? (double)c->r->received / c->r->seconds : 0);
	itr_json *list = itr_json_add_array(j, "failures");
	for (size_t i = 0; i < c->failures.n; i++) {
		const coco_failure *f = &c->failures.v[i];
		const itr_record *r = &c->m->records[f->row];
		itr_json *e = itr_json_push(list, itr_json_object());
		itr_json_add_str(e, "id", r->id);
		itr_json_add_str(e, "image", coco_file(c, r));
		itr_json_add_str(e, "url", r->url);
		itr_json_add_str(e, "reason", f->reason);
		itr_json_add_int(e, "status", f->status);
		itr_json_add_int(e, "attempts", f->attempts);
		itr_json_add_str(e, "message", f->message);
	}
	int rc = itr_json_write(path, j, err);
	itr_json_free(j);
	free(path);
	return rc;
}

static int same_subsets(const coco_run *c, const char *path, const itr_json *s, itr_err *err)
{
	const itr_json *list = itr_json_get(s, "subset");
	bool same = itr_json_count(list) == c->o->n_subsets;
	for (int i = 0; i < c->o->n_subsets && same; i++)
		same = strcmp(itr_json_str(itr_json_at(list, i), ""), c->o->subsets[i]) == 0;
	return same ? 0 : itr_err_set(err, "'%s' is about another subset; run without --retry-failed first", path);
}

static struct itr_map *retry_list(const itr_json *list)
{
	itr_map *m = itr_map_new();
	for (const itr_json *e = itr_json_first(list); e; e = itr_json_next(e))
		itr_map_add(m, itr_json_str(itr_json_get(e, "image"), ""), 1);
	return m;
}

/* Reads the failed files and the selection of the last run, so that the command without --limit selects the same images. */
int coco_failures_read(coco_run *c, itr_err *err)
{
	char *path = itr_path_join(c->o->dir, "failures.json");
	int rc = 0;
	if (!itr_path_exists(path))
		rc = itr_err_set(err, "there is no '%s': nothing was fetched into this folder yet; run without --retry-failed first", path);
	else if (!(c->last = itr_json_read(path, err)))
		rc = -1;
	const itr_json *s = itr_json_get(c->last, "selection"), *list = itr_json_get(c->last, "failures");
	if (rc == 0 && (!itr_json_is_object(s) || !itr_json_is_array(list)))
		rc = itr_err_set(err, "'%s' is damaged; run without --retry-failed", path);
	if (rc == 0)
		rc = same_subsets(c, path, s, err);
	if (rc == 0) {
		if (!c->limit) {
			c->limit = itr_json_int(itr_json_get(s, "limit"), 0);
			c->seed = strtoull(itr_json_str(itr_json_get(s, "seed"), "42"), NULL, 10);
		}
		if (!c->split && c->o->karpathy)
			c->split = itr_json_str(itr_json_get(s, "split"), NULL);
		if (!itr_json_bool(itr_json_get(c->last, "complete"), true))
			itr_info("the last run did not end by itself: what it had not reached is fetched, too");
		else
			c->retry = retry_list(list);
	}
	free(path);
	return rc;
}
