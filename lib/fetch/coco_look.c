/* Looking at what came: every picture is decoded once in its life here, which finds damage that sizes do not show and gives the perceptual hash. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/path.h"
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

typedef struct looking {
	coco_run *c;
	seen *s;
	void *progress;
} looking;

static void look(void *ctx, int64_t i, int worker)
{
	looking *l = ctx;
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
			unlink(r->image);       /* nothing corrupt is kept; what the user put there is his */
		else
			itr_findings_add(c->f, "damaged picture on disk (delete it to have it fetched)", "%s", s->why);
		coco_fail(c, s->row, "damaged", 0, 0, s->why);
		free(s->why);
		return itr_pins_drop(c->pins, file, err);
	}
	if (pin && strcmp(pin->sha256, s->pin.sha256) != 0) {
		itr_findings_add(c->f, "picture on disk that is not what was fetched first", "%s", file);
		coco_fail(c, s->row, "changed-on-disk", 0, 0, "its sha256 is not the one of its first fetch");
		return 0;
	}
	if (r->width > 0 && r->height > 0 && (r->width != s->width || r->height != s->height))
		itr_findings_add(c->f, "picture of another size than its annotation says", "%s: %dx%d, not %lldx%lld", file, s->width, s->height, (long long)r->width, (long long)r->height);
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

int coco_look(coco_run *c, itr_err *err)
{
	int64_t todo = 0;
	int rc = 0;
	for (int64_t i = 0; i < c->m->n; i++)
		todo += wants_look(c, i);
	if (!todo)
		return 0;
	looking l = { .c = c, .s = itr_xcalloc(BATCH, sizeof *l.s) };
	if (c->o->progress.begin)
		l.progress = c->o->progress.begin(c->o->progress.ctx, "looking at them", "pictures", todo);
	for (int64_t i = 0; i < c->m->n && rc == 0; ) {
		int64_t n = 0;
		memset(l.s, 0, BATCH * sizeof *l.s);
		for (; i < c->m->n && n < BATCH; i++)
			if (wants_look(c, i))
				l.s[n++].row = i;
		itr_parallel_for(c->o->threads, n, look, &l);
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

/* --- the same picture in two parts ---------------------------------------------------------------------------------------------- */

typedef struct gallery {
	coco_run *c;
	const char **file, **part;
	itr_phash *hash;
	int *group;
	int64_t n;
	FILE *out;
} gallery;

static void add(gallery *g, itr_map *parts, const char *file, const char *part, const itr_pin *pin)
{
	itr_map_add(parts, part, itr_map_count(parts));
	g->file[g->n] = file;
	g->part[g->n] = part;
	g->hash[g->n] = pin->phash;
	g->group[g->n++] = (int)itr_map_get(parts, part, 0);
}

static void on_pair(void *ctx, int64_t i, int64_t j, int distance)
{
	gallery *g = ctx;
	itr_buf b = ITR_BUF_INIT;
	itr_buf_printf(&b, "{\"distance\":%d,\"a\":", distance);
	itr_json_print_string(&b, g->file[i]);
	itr_buf_printf(&b, ",\"a_part\":\"%s\",\"b\":", g->part[i]);
	itr_json_print_string(&b, g->file[j]);
	itr_buf_printf(&b, ",\"b_part\":\"%s\"}\n", g->part[j]);
	fputs(b.data, g->out);
	itr_buf_free(&b);
	if (g->c->r->near++ < 1000)
		itr_findings_add(g->c->f, "near-duplicate pictures in different parts", "%s (%s) and %s (%s), %d of 128 bits apart", g->file[i], g->part[i], g->file[j], g->part[j], distance);
}

/* The manifest's pictures with their parts, and what else was fetched into this folder before, by its subset. */
static void collect(gallery *g, coco_run *c, itr_map *parts)
{
	itr_map *mine = itr_map_new();
	for (int64_t i = 0; i < c->m->n; i++) {
		const itr_pin *pin = itr_pins_find(c->pins, c->m->records[i].image);
		itr_map_add(mine, c->m->records[i].image, i);
		if (pin && pin->has_phash && !pin->flat)
			add(g, parts, c->m->records[i].image, c->m->records[i].split ? c->m->records[i].split : "none", pin);
	}
	for (int64_t i = 0; i < itr_pins_count(c->pins); i++) {
		const itr_pin *pin = itr_pins_at(c->pins, i);
		const char *file = itr_pins_file(c->pins, i), *slash = strchr(file, '/');
		if (!pin || !pin->has_phash || pin->flat || !slash || itr_map_has(mine, file))
			continue;
		char *subset = itr_xstrndup(file, (size_t)(slash - file));
		bool asked = false;             /* rows beyond --limit of a subset at hand say nothing */
		for (int k = 0; k < c->o->n_subsets; k++)
			asked |= strcmp(subset, c->o->subsets[k]) == 0;
		if (!asked)
			add(g, parts, file, itr_manifest_str(c->m, subset), pin);
		free(subset);
	}
	itr_map_free(mine);
}

int coco_near(coco_run *c, itr_err *err)
{
	size_t cap = (size_t)ITR_MAX(c->m->n + itr_pins_count(c->pins), 1);
	gallery g = { .c = c, .file = itr_xcalloc(cap, sizeof *g.file), .part = itr_xcalloc(cap, sizeof *g.part), .hash = itr_xcalloc(cap, sizeof *g.hash),
	              .group = itr_xcalloc(cap, sizeof *g.group) };
	char *path = itr_path_join(c->o->dir, "near_duplicates.jsonl");
	itr_map *parts = itr_map_new();
	collect(&g, c, parts);
	itr_atomic_file *a = itr_atomic_open(path, err);
	g.out = a ? itr_atomic_stream(a) : NULL;
	int rc = g.out ? 0 : a ? itr_err_errno(err, "cannot write '%s'", path) : -1;
	if (rc == 0)
		itr_phash_pairs(g.hash, g.group, g.n, c->o->near, on_pair, &g);
	if (rc == 0 && c->r->near) {
		rc = itr_atomic_commit(a, err);
	} else {
		itr_atomic_abort(a);
		if (rc == 0)
			unlink(path);
	}
	itr_map_free(parts);
	free(g.file);
	free(g.part);
	free(g.hash);
	free(g.group);
	free(path);
	return rc;
}
