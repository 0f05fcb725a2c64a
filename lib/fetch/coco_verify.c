/* --verify: compares all files with their pinned hashes. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/path.h"
#include "fetch/coco.h"

typedef struct item {
	const char *file;
	const itr_pin *pin;
	enum { SAME, CHANGED, MISSING } verdict;
} item;

typedef struct verifying {
	const itr_coco_opts *o;
	item *items;
	void *progress;
} verifying;

static bool belongs(const itr_coco_opts *o, const char *file)
{
	for (int i = 0; i < o->n_subsets; i++) {
		size_t n = strlen(o->subsets[i]);
		if (strncmp(file, o->subsets[i], n) == 0 && file[n] == '/')
			return true;
		if (strncmp(file, "annotations/", 12) == 0 && strstr(file, o->subsets[i]))
			return true;
	}
	return false;
}

static void hash(void *ctx, int64_t i, int worker)
{
	verifying *v = ctx;
	item *it = &v->items[i];
	char hex[ITR_SHA256_HEX], *path = itr_path_join(v->o->dir, it->file);
	(void)worker;
	if (!(v->o->stop && *v->o->stop)) {
		if (!itr_path_exists(path))
			it->verdict = MISSING;
		else if (itr_path_size(path) != it->pin->bytes || itr_sha256_file(path, hex, NULL) < 0 || strcmp(hex, it->pin->sha256) != 0)
			it->verdict = CHANGED;
		if (v->progress && v->o->progress.add)
			v->o->progress.add(v->progress, 1);
	}
	free(path);
}

static int64_t count_unpinned(const itr_coco_opts *o, const itr_pins *pins)
{
	int64_t n = 0;
	for (int i = 0; i < o->n_subsets; i++) {
		char *dir = itr_path_join(o->dir, o->subsets[i]);
		DIR *d = opendir(dir);
		for (struct dirent *e; d && (e = readdir(d)); ) {
			char *file = itr_xasprintf("%s/%s", o->subsets[i], e->d_name);
			n += e->d_name[0] != '.' && !itr_path_has_suffix(file, ".part") && !itr_path_has_suffix(file, ".meta") &&
			     !itr_pins_find(pins, file);
			free(file);
		}
		if (d)
			closedir(d);
		free(dir);
	}
	return n;
}

static int by_file(const void *a, const void *b) { return strcmp(((const item *)a)->file, ((const item *)b)->file); }

static int verify(const itr_coco_opts *o, itr_pins *pins, void (*say)(void *ctx, const char *what, const char *file), void *ctx,
                  itr_verify_report *r, itr_err *err)
{
	verifying v = { .o = o, .items = itr_xcalloc((size_t)ITR_MAX(itr_pins_count(pins), 1), sizeof *v.items) };
	int64_t n = 0;
	for (int64_t i = 0; i < itr_pins_count(pins); i++)
		if (itr_pins_at(pins, i) && belongs(o, itr_pins_file(pins, i)))
			v.items[n++] = (item){ itr_pins_file(pins, i), itr_pins_at(pins, i), SAME };
	qsort(v.items, (size_t)n, sizeof *v.items, by_file);
	if (o->progress.begin)
		v.progress = o->progress.begin(o->progress.ctx, "verifying", "files", n);
	itr_parallel_for(o->threads, n, hash, &v);
	if (v.progress && o->progress.end)
		o->progress.end(v.progress);
	int rc = o->stop && *o->stop ? itr_err_set(err, "interrupted") : 0;
	if (rc == 0 && n == 0)
		rc = itr_err_set(err, "'%s' holds no checksums of this subset: nothing was fetched there yet", o->dir);
	for (int64_t i = 0; i < n && rc == 0; i++) {
		r->checked++;
		r->changed += v.items[i].verdict == CHANGED;
		r->missing += v.items[i].verdict == MISSING;
		if (say && v.items[i].verdict != SAME)
			say(ctx, v.items[i].verdict == CHANGED ? "changed" : "missing", v.items[i].file);
	}
	r->unpinned = count_unpinned(o, pins);
	if (rc == 0)
		itr_info("%lld files hashed: %lld changed, %lld missing; %lld files have no checksum", (long long)r->checked,
		         (long long)r->changed, (long long)r->missing, (long long)r->unpinned);
	free(v.items);
	return rc;
}

int itr_coco_verify(const itr_coco_opts *o, void (*say)(void *ctx, const char *what, const char *file), void *ctx, itr_verify_report *r,
                    itr_err *err)
{
	*r = (itr_verify_report){ 0 };
	if (!itr_path_is_dir(o->dir))
		return itr_err_set(err, "there is no folder '%s'", o->dir);
	itr_pins *pins = itr_pins_open(o->dir, err);
	if (!pins)
		return -1;
	int rc = verify(o, pins, say, ctx, r, err);
	itr_pins_close(pins);
	return rc;
}
