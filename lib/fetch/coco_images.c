/* Finds the missing images and downloads them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/path.h"
#include "fetch/coco_internal.h"
#include "image/image.h"

static const int64_t MAX_PICTURE = 64 << 20;

typedef struct transfer {
	coco_run *c;
	int64_t row, done, ticked;      /* row: the next to check */
	double started;
	void *progress;
	char *target;                   /* of the job returned last */
	itr_err err;
} transfer;

/* Rejects error pages and truncated files. Decoding comes later (coco_check). */
static int looks_like_picture(const itr_http_job *job, const char *path, itr_err *err)
{
	size_t n;
	char *b = itr_path_read(path, (size_t)MAX_PICTURE, &n, err), *p = b;
	if (!b)
		return -1;
	while (p < b + n && *p && strchr(" \t\r\n", *p))
		p++;
	int rc = p < b + n && *p == '<' ? itr_err_set(err, "what came is not a JPEG or PNG but a page of HTML or XML")
	                                : itr_image_whole(b, n, job->url, err);
	free(b);
	return rc;
}

void coco_fail(coco_run *c, int64_t row, const char *reason, long status, int attempts, const char *message)
{
	coco_failure f = { .row = row, .status = status, .attempts = attempts, .message = itr_xstrdup(message) };
	snprintf(f.reason, sizeof f.reason, "%s", reason);
	ITR_VEC_PUSH(&c->failures, f);
	c->state[row] = COCO_FAILED;
	itr_json_add_int(c->r->reasons, reason, itr_json_int(itr_json_get(c->r->reasons, reason), 0) + 1);
}

/* Finds the images that are on disk. */
static void check_disk(coco_run *c)
{
	for (int64_t i = 0; i < c->m->n; i++) {
		const itr_record *r = &c->m->records[i];
		const char *file = coco_file(c, r);
		const itr_pin *pin = itr_pins_find(c->pins, file);
		int64_t size = itr_path_size(r->image);
		if (size >= 0 && (!pin || pin->bytes == size))
			c->state[i] = pin ? COCO_PRESENT : COCO_FOUND;
		else if (c->retry && !itr_map_has(c->retry, file))
			c->state[i] = COCO_SKIPPED;
		if (size >= 0 && pin && pin->bytes != size)
			itr_issues_add(c->f, "picture on disk of another size than at its first fetch (fetched again)",
			                 "%s: %lld bytes, not %lld", file, (long long)size, (long long)pin->bytes);
	}
}

static int next_job(void *ctx, itr_http_job *job)
{
	transfer *t = ctx;
	coco_run *c = t->c;
	while (t->row < c->m->n && c->state[t->row] != COCO_MISSING)
		t->row++;
	if (t->row == c->m->n || t->err.set)
		return 0;
	const itr_record *r = &c->m->records[t->row];
	const itr_pin *pin = itr_pins_find(c->pins, coco_file(c, r));
	*job = (itr_http_job){ .url = r->url,
		               .target = r->image,
		               .max_bytes = MAX_PICTURE,
		               .sha256 = pin ? pin->sha256 : NULL,
		               .check = looks_like_picture,
		               .user = (void *)(intptr_t)t->row++ };
	return 1;
}

static void job_done(void *ctx, const itr_http_job *job, const itr_http_result *res)
{
	transfer *t = ctx;
	coco_run *c = t->c;
	int64_t row = (int64_t)(intptr_t)job->user;
	char reason[32];
	c->r->attempts += res->attempts;
	if (res->reason == ITR_HTTP_OK) {
		itr_pin pin = { .bytes = res->bytes };
		memcpy(pin.sha256, res->sha256, sizeof pin.sha256);
		c->r->refetched += itr_pins_find(c->pins, coco_file(c, &c->m->records[row])) != NULL;
		c->state[row] = COCO_FETCHED;
		if (itr_pins_add(c->pins, coco_file(c, &c->m->records[row]), &pin, t->err.set ? NULL : &t->err) < 0)
			itr_debug("%s", t->err.msg);
	} else if (res->reason != ITR_HTTP_INTERRUPTED && res->reason != ITR_HTTP_DISK) {
		coco_fail(c, row, itr_http_reason_name(res, reason), res->status, res->attempts, res->message);
	}
	if (t->progress && c->o->progress.add)
		c->o->progress.add(t->progress, 1);
}

static void tick(void *ctx, int64_t received)
{
	transfer *t = ctx;
	coco_run *c = t->c;
	char text[96];
	c->r->received = received;
	double seconds = itr_clock_now() - t->started;
	snprintf(text, sizeof text, "%.1f MB/s, %zu failed", seconds > 0 ? (double)received / 1e6 / seconds : 0.0, c->failures.n);
	if (t->progress && c->o->progress.note)
		c->o->progress.note(t->progress, text);
}

/* Removes .part files of an interrupted run: those of images are small and are not resumed. */
static void sweep(coco_run *c)
{
	for (int64_t i = 0; i < c->m->n; i++) {
		char *part = itr_xasprintf("%s.part", c->m->records[i].image), *meta = itr_xasprintf("%s.meta", part);
		if (!itr_path_exists(meta))
			unlink(part);
		free(part);
		free(meta);
	}
}

int coco_fetch_images(coco_run *c, itr_err *err)
{
	transfer t = { .c = c, .started = itr_clock_now() };
	itr_http_source source = { &t, next_job, job_done, tick };
	int64_t missing = 0;
	check_disk(c);
	for (int64_t i = 0; i < c->m->n; i++)
		missing += c->state[i] == COCO_MISSING;
	if (!missing)
		return 0;
	sweep(c);
	itr_http *client = itr_http_new(&c->o->http, err);
	if (!client)
		return -1;
	if (c->o->progress.begin)
		t.progress = c->o->progress.begin(c->o->progress.ctx, "pictures", "pictures", missing);
	int rc = itr_http_run(client, &source, err);
	if (t.progress && c->o->progress.end)
		c->o->progress.end(t.progress);
	c->r->seconds = itr_clock_now() - t.started;
	itr_http_free(client);
	if (rc == 0 && t.err.set)
		rc = itr_err_set(err, "%s", t.err.msg);
	if (rc < 0 && !coco_stopped(c))
		itr_err_prefix(err, "%lld of %lld pictures were missing and not all came: ", (long long)missing, (long long)c->m->n);
	return rc;
}
