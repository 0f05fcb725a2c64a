/* Decodes every image once, which finds damage that is not visible in its size, and computes its perceptual hash. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/path.h"
#include "data/near.h"
#include "fetch/coco_internal.h"
#include "image/image.h"

enum { BATCH = 4096 };
static const size_t MAX_PICTURE = 256 << 20;

typedef struct seen {
	int64_t row;
	itr_pin pin;
	int width, height;
	bool done;
	char *why;                      /* it is damaged */
} seen;

typedef struct checking {
	coco_run *c;
	seen *s;
	void *progress;
} checking;

static void check_one(void *ctx, int64_t i, int worker)
{
	checking *l = ctx;
	seen *s = &l->s[i];
	const itr_record *r = &l->c->m->records[s->row];
	itr_err err = ITR_ERR_INIT;
	itr_image img = { 0, 0, NULL };
	size_t n = 0;
	(void)worker;
	if (coco_stopped(l->c))
		return;
	char *bytes = itr_path_read_named(r->image, MAX_PICTURE, &n, &err);
	if (!bytes || itr_image_decode(&img, bytes, n, r->image, NULL, &err) < 0) {
		s->why = itr_xstrdup(err.msg);
	} else {
		s->pin.bytes = (int64_t)n;
		itr_sha256_bytes(bytes, n, s->pin.sha256);
		s->pin.phash = itr_image_phash(&img, &s->pin.flat);
		s->pin.has_phash = true;
		s->width = img.width;
		s->height = img.height;
	}
	itr_image_free(&img);
	free(bytes);
	s->done = true;
	if (l->progress && l->c->o->progress.add)
		l->c->o->progress.add(l->progress, 1);
}

static int take(coco_run *c, seen *s, itr_err *err)
{
	itr_record *r = &c->m->records[s->row];
	const char *file = coco_file(c, r);
	const itr_pin *pin = itr_pins_find(c->pins, file);
	if (s->why) {
		bool ours = c->state[s->row] != COCO_FOUND;
		if (ours)
			unlink(r->image);       /* removes corrupt downloads, but not the user's own files */
		else
			itr_issues_add(c->f, "damaged picture on disk (delete it to have it fetched)", "%s", s->why);
		coco_fail(c, s->row, "damaged", 0, 0, s->why);
		free(s->why);
		return itr_pins_drop(c->pins, file, err);
	}
	if (pin && strcmp(pin->sha256, s->pin.sha256) != 0) {
		itr_issues_add(c->f, "picture on disk that is not what was fetched first", "%s", file);
		coco_fail(c, s->row, "changed-on-disk", 0, 0, "its sha256 is not the one of its first fetch");
		return 0;
	}
	if (r->width > 0 && r->height > 0 && (r->width != s->width || r->height != s->height))
		itr_issues_add(c->f, "picture of another size than its annotation says", "%s: %dx%d, not %lldx%lld", file, s->width,
		                 s->height, (long long)r->width, (long long)r->height);
	if (r->width <= 0 || r->height <= 0) {
		r->width = s->width;
		r->height = s->height;
	}
	return itr_pins_add(c->pins, file, &s->pin, err);
}

static bool wants_look(const coco_run *c, int64_t i)
{
	if (c->state[i] != COCO_PRESENT && c->state[i] != COCO_FOUND && c->state[i] != COCO_FETCHED)
		return false;
	const itr_pin *pin = itr_pins_find(c->pins, coco_file(c, &c->m->records[i]));
	return !pin || !pin->has_phash;
}

int coco_check(coco_run *c, itr_err *err)
{
	int64_t todo = 0;
	int rc = 0;
	for (int64_t i = 0; i < c->m->n; i++)
		todo += wants_look(c, i);
	if (!todo)
		return 0;
	checking l = { .c = c, .s = itr_xcalloc(BATCH, sizeof *l.s) };
	if (c->o->progress.begin)
		l.progress = c->o->progress.begin(c->o->progress.ctx, "checking pictures", "pictures", todo);
	for (int64_t i = 0; i < c->m->n && rc == 0; ) {
		int64_t n = 0;
		memset(l.s, 0, BATCH * sizeof *l.s);
		for (; i < c->m->n && n < BATCH; i++)
			if (wants_look(c, i))
				l.s[n++].row = i;
		itr_parallel_for(c->o->threads, n, check_one, &l);
		for (int64_t k = 0; k < n && rc == 0; k++)
			if (l.s[k].done)
				rc = take(c, &l.s[k], err);
		if (rc == 0 && coco_stopped(c))
			rc = itr_err_set(err, "interrupted");
	}
	if (l.progress && c->o->progress.end)
		c->o->progress.end(l.progress);
	free(l.s);
	return rc;
}

/* --- near-duplicates across splits ---------------------------------------------------------------------------------------------- */

/* The images of the manifest with their splits, and images downloaded to this folder before, with their subset. */
static int64_t collect(coco_run *c, itr_near_item *items)
{
	itr_map *mine = itr_map_new();
	int64_t n = 0;
	for (int64_t i = 0; i < c->m->n; i++) {
		const itr_record *r = &c->m->records[i];
		itr_map_add(mine, r->image, i);
		items[n++] = (itr_near_item){ r->image, r->split, r->sha256, { { r->phash[0], r->phash[1] } }, r->has_phash };
	}
	for (int64_t i = 0; i < itr_pins_count(c->pins); i++) {
		const itr_pin *pin = itr_pins_at(c->pins, i);
		const char *file = itr_pins_file(c->pins, i), *slash = strchr(file, '/');
		if (!pin || !pin->has_phash || !slash || itr_map_has(mine, file))
			continue;
		char *subset = itr_xstrndup(file, (size_t)(slash - file));
		bool asked = false;             /* rows beyond --limit of a selected subset are ignored */
		for (int k = 0; k < c->o->n_subsets; k++)
			asked |= strcmp(subset, c->o->subsets[k]) == 0;
		if (!asked)
			items[n++] = (itr_near_item){ file, itr_manifest_str(c->m, subset), pin->sha256, pin->phash, !pin->flat };
		free(subset);
	}
	itr_map_free(mine);
	return n;
}

int coco_near(coco_run *c, itr_err *err)
{
	itr_near_item *items = itr_xcalloc((size_t)ITR_MAX(c->m->n + itr_pins_count(c->pins), 1), sizeof *items);
	int rc = itr_near_report(items, collect(c, items), c->o->near, c->o->dir, c->f, &c->r->near, err);
	free(items);
	return rc;
}
