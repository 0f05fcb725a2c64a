#include "fetch/annotations.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "fetch/zip_dir.h"

enum { MAX_NAMES = 16 };
static const int64_t MAX_MEMBER = INT64_C(8) << 30;

/* A zip at a URL: its tail is cached, because it has the end record and usually the whole directory. */
typedef struct remote {
	itr_http *client;
	const char *url;
	itr_buf tail, piece;
	int64_t size, received;
	bool refused;                   /* the server sends no ranges */
} remote;

static int remote_read(void *ctx, int64_t offset, size_t n, void *out, itr_err *err)
{
	remote *r = ctx;
	int64_t tail_at = r->size - (int64_t)r->tail.len;
	if (offset >= tail_at) {
		memcpy(out, r->tail.data + (offset - tail_at), n);
		return 0;
	}
	itr_http_job job = { .url = r->url, .into = &r->piece, .first = offset, .length = (int64_t)n, .max_bytes = INT64_MAX };
	itr_http_result res;
	if (n == 0)
		return 0;
	int rc = itr_http_fetch(r->client, &job, &res, err);
	r->received += res.received;
	r->refused |= res.reason == ITR_HTTP_RANGES;
	if (rc < 0)
		return -1;
	memcpy(out, r->piece.data, n);
	return 0;
}

static int remote_open(remote *r, itr_zip_source *s, itr_err *err)
{
	itr_http_job job = { .url = r->url, .into = &r->tail, .length = -(int64_t)ITR_ZIP_TAIL };
	itr_http_result res;
	int rc = itr_http_fetch(r->client, &job, &res, err);
	r->received += res.received;
	/* a server that sends the whole file, or a range without the total, does not support ranges for this purpose */
	r->refused = res.reason == ITR_HTTP_RANGES || (res.reason == ITR_HTTP_STATUS && res.status == 416) || (rc == 0 && res.total < 0);
	if (rc < 0 || r->refused)
		return -1;
	r->size = res.total;
	*s = (itr_zip_source){ r, r->url, r->size, remote_read };
	return 0;
}

static int missing_member(const char *url, const char *name, itr_err *err)
{
	return itr_err_set(err,
	                   "'%s' does not contain '%s'; put the file into the folder 'annotations' of the output, or name another zip with "
	                   "--annotations-url",
	                   url, name);
}

/* Downloads the range to a file, so that it can be resumed after an interruption. */
static int fetch_member(remote *r, const itr_zip_source *s, const itr_zip_entry *e, const char *target, itr_err *err)
{
	int64_t at = itr_zip_data(s, e, err);
	if (at < 0)
		return -1;
	char *slice = itr_xasprintf("%s.packed", target);
	itr_http_job job = { .url = r->url, .target = slice, .first = at, .length = e->packed };
	itr_http_result res = { .reason = ITR_HTTP_OK };
	itr_zip_source local;
	itr_zip_file file = { -1 };
	int rc = itr_http_fetch(r->client, &job, &res, err);
	r->received += res.received;
	r->refused |= res.reason == ITR_HTTP_RANGES;
	if (rc == 0)
		rc = itr_zip_open_file(&local, &file, slice, err);
	if (rc == 0) {
		local.name = r->url;
		rc = itr_zip_unpack(&local, e, 0, target, MAX_MEMBER, err);
	}
	itr_zip_close_file(&file);
	unlink(slice);
	free(slice);
	return rc;
}

typedef struct wanted {
	const char *names[MAX_NAMES];
	char *targets[MAX_NAMES];
	bool required[MAX_NAMES];
	int n;
} wanted;

static int extract_all(const itr_zip_source *s, remote *r, const char *url, const wanted *w, itr_annotations_report *report, itr_err *err)
{
	itr_zip_entry e[MAX_NAMES];
	if (itr_zip_dir_find(s, w->names, w->n, e, err) < 0)
		return -1;
	for (int i = 0; i < w->n; i++)
		if (!e[i].found && w->required[i])
			return missing_member(url, w->names[i], err);
	for (int i = 0; i < w->n; i++) {
		if (!e[i].found || itr_path_exists(w->targets[i]))
			continue;
		if (r && e[i].packed) {
			if (fetch_member(r, s, &e[i], w->targets[i], err) < 0)
				return -1;
		} else {
			int64_t at = itr_zip_data(s, &e[i], err);
			if (at < 0 || itr_zip_unpack(s, &e[i], at, w->targets[i], MAX_MEMBER, err) < 0)
				return -1;
		}
		report->extracted++;
	}
	return 0;
}

static int extract_file(const char *path, const char *url, const wanted *w, itr_annotations_report *report, itr_err *err)
{
	itr_zip_source s;
	itr_zip_file file;
	if (itr_zip_open_file(&s, &file, path, err) < 0)
		return -1;
	int rc = extract_all(&s, NULL, url, w, report, err);
	itr_zip_close_file(&file);
	return rc;
}

static int starts_as_zip(const itr_http_job *job, const char *path, itr_err *err)
{
	itr_zip_source s;
	itr_zip_file file;
	const char *none[1] = { "" };
	itr_zip_entry e[1];
	(void)job;
	if (itr_zip_open_file(&s, &file, path, err) < 0)
		return -1;
	int rc = itr_zip_dir_find(&s, none, 0, e, err);
	itr_zip_close_file(&file);
	return rc;
}

static int fetch_whole(itr_http *c, const char *url, const char *dir, const wanted *w, itr_annotations_report *report, itr_err *err)
{
	char *zip = itr_path_join(dir, ".annotations.zip");
	itr_http_job job = { .url = url, .target = zip, .check = starts_as_zip };
	itr_http_result res = { .reason = ITR_HTTP_OK };
	int rc = itr_path_exists(zip) ? 0 : itr_http_fetch(c, &job, &res, err);
	report->received += res.received;
	if (rc == 0)
		rc = extract_file(zip, url, w, report, err);
	if (itr_path_exists(zip))
		unlink(zip);
	free(zip);
	return rc;
}

static int fetch_wanted(itr_http *c, const char *url, const char *dir, const wanted *w, itr_annotations_report *report, itr_err *err)
{
	if (strncasecmp(url, "file://", 7) == 0)
		return extract_file(url + 7, url, w, report, err);
	remote r = { .client = c, .url = url };
	itr_zip_source s;
	int rc = remote_open(&r, &s, err);
	if (rc == 0)
		rc = extract_all(&s, &r, url, w, report, err);
	report->by_ranges = rc == 0;
	report->received += r.received;
	itr_buf_free(&r.tail);
	itr_buf_free(&r.piece);
	if (rc < 0 && r.refused) {
		itr_debug("'%s': the server sends no ranges; fetching all of it", url);
		rc = fetch_whole(c, url, dir, w, report, err);
	}
	return rc;
}

int itr_annotations_fetch(itr_http *c, const char *url, const char *dir, const char *const *names, const bool *required, int n,
                          itr_annotations_report *report, itr_err *err)
{
	wanted w = { .n = 0 };
	bool any = false;
	*report = (itr_annotations_report){ 0 };
	if (n > MAX_NAMES)
		ITR_BUG("%d annotation files", n);
	for (int i = 0; i < n; i++) {
		char *target = itr_path_join(dir, names[i]);
		if (itr_path_exists(target)) {
			report->present++;
			free(target);
			continue;
		}
		any |= required[i];
		w.names[w.n] = names[i];
		w.required[w.n] = required[i];
		w.targets[w.n++] = target;
	}
	/* where the user supplied captions without instances, the latter are not downloaded */
	int rc = any || (w.n && !report->present) ? itr_path_mkdirs(dir, err) : 0;
	if (rc == 0 && (any || (w.n && !report->present)))
		rc = fetch_wanted(c, url, dir, &w, report, err);
	for (int i = 0; i < w.n; i++)
		free(w.targets[i]);
	return rc;
}
