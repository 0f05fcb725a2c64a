#include "net/http_part.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/mem.h"
#include "base/path.h"

/* The meta file: a line with version, range and total, then a line each for URL, ETag and date; written in one write. */
static void meta_write(itr_http_part *p)
{
	itr_buf b = ITR_BUF_INIT;
	itr_buf_printf(&b, "itr-part 1 %lld %lld %lld\n%s\n%s\n%s\n", (long long)p->first, (long long)p->length, (long long)p->total,
	               p->url, p->etag, p->modified);
	if (itr_atomic_write(p->meta, b.data, b.len, NULL) == 0)        /* without it the part is only not resumed */
		p->meta_written = true;
	itr_buf_free(&b);
}

static bool meta_read(itr_http_part *p)
{
	size_t n;
	char *text = itr_path_read(p->meta, 1 << 16, &n, NULL), *save = text;
	if (!text)
		return false;
	long long first, length, total;
	bool ok = sscanf(text, "itr-part 1 %lld %lld %lld", &first, &length, &total) == 3 && first == p->first && length == p->length;
	char *line[4] = { NULL };
	for (int i = 0; i < 4 && ok; i++) {
		line[i] = strsep(&save, "\n");
		ok = line[i] && save;           /* a line without its end was cut off */
	}
	ok = ok && strcmp(line[1], p->url) == 0 && strlen(line[2]) < sizeof p->etag && strlen(line[3]) < sizeof p->modified &&
	     (*line[2] || *line[3]);
	if (ok) {
		p->total = total;
		snprintf(p->etag, sizeof p->etag, "%s", line[2]);
		snprintf(p->modified, sizeof p->modified, "%s", line[3]);
	}
	free(text);
	return ok;
}

static int hash_what_is_there(itr_http_part *p)
{
	enum { CHUNK = 1 << 20 };
	char *chunk = itr_xmalloc(CHUNK);
	ssize_t n;
	while ((n = read(p->fd, chunk, CHUNK)) > 0) {
		itr_sha256_add(p->hash, chunk, (size_t)n);
		p->have += n;
	}
	free(chunk);
	return n < 0 ? -1 : 0;
}

int itr_http_part_open(itr_http_part *p, const itr_http_job *job, itr_err *err)
{
	*p = (itr_http_part){ .fd = -1, .total = -1, .into = job->into, .first = job->first, .length = job->length };
	p->url = itr_xstrdup(job->url);
	p->hash = itr_sha256_new();
	if (p->into) {
		itr_buf_clear(p->into);
		return 0;
	}
	p->target = itr_xstrdup(job->target);
	p->path = itr_xasprintf("%s.part", job->target);
	p->meta = itr_xasprintf("%s.part.meta", job->target);
	char *dir = itr_path_dirname(p->path);
	int rc = itr_path_mkdirs(dir, err);
	free(dir);
	if (rc < 0)
		return -1;
	p->fd = open(p->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (p->fd < 0)
		return itr_err_errno(err, "cannot write '%s'", p->path);
	struct stat st;
	bool resume = fstat(p->fd, &st) == 0 && st.st_size > 0 && meta_read(p);
	if (resume && hash_what_is_there(p) == 0 && (p->length <= 0 || p->have < p->length)) {
		p->meta_written = true;
		return 0;
	}
	return itr_http_part_restart(p, err);
}

int itr_http_part_restart(itr_http_part *p, itr_err *err)
{
	itr_sha256_end(p->hash, NULL);
	p->hash = itr_sha256_new();
	p->have = 0;
	p->total = -1;
	p->etag[0] = p->modified[0] = 0;
	p->meta_written = false;
	if (p->into) {
		itr_buf_clear(p->into);
		return 0;
	}
	unlink(p->meta);
	if (ftruncate(p->fd, 0) < 0 || lseek(p->fd, 0, SEEK_SET) < 0)
		return itr_err_errno(err, "cannot write '%s'", p->path);
	return 0;
}

void itr_http_part_describe(itr_http_part *p, const itr_http_response *r)
{
	snprintf(p->etag, sizeof p->etag, "%s", r->etag);
	snprintf(p->modified, sizeof p->modified, "%s", r->modified);
	p->total = r->has_range ? r->total : r->length;
}

int itr_http_part_write(itr_http_part *p, const void *bytes, size_t n, itr_err *err)
{
	if (p->into) {
		itr_buf_add(p->into, bytes, n);
	} else {
		const char *at = bytes;
		for (size_t left = n; left; ) {
			ssize_t w = write(p->fd, at, left);
			if (w < 0 && errno == EINTR)
				continue;
			if (w <= 0)
				return itr_err_errno(err, "cannot write '%s'", p->path);
			at += w;
			left -= (size_t)w;
		}
		if (!p->meta_written && p->have + (int64_t)n >= ITR_HTTP_KEEP_BYTES && (*p->etag || *p->modified))
			meta_write(p);
	}
	itr_sha256_add(p->hash, bytes, n);
	p->have += (int64_t)n;
	return 0;
}

static void release(itr_http_part *p)
{
	if (p->fd >= 0)
		close(p->fd);
	if (p->hash)
		itr_sha256_end(p->hash, NULL);
	free(p->url);
	free(p->target);
	free(p->path);
	free(p->meta);
	*p = (itr_http_part){ .fd = -1 };
}

static void fail(itr_http_result *r, itr_http_reason reason, const char *message)
{
	r->reason = reason;
	snprintf(r->message, sizeof r->message, "%s", message);
}

/* The checks after a successful transfer. */
static void examine(itr_http_part *p, const itr_http_job *job, itr_http_result *r)
{
	itr_err err = ITR_ERR_INIT;
	r->reason = ITR_HTTP_OK;
	r->bytes = p->have;
	itr_sha256_end(p->hash, r->sha256);
	p->hash = NULL;
	if (job->sha256 && strcasecmp(job->sha256, r->sha256) != 0) {
		itr_err_set(&err, "its sha256 is %s, not %s", r->sha256, job->sha256);
		fail(r, ITR_HTTP_CHECKSUM, err.msg);
	} else if (job->check && p->path && job->check(job, p->path, &err) < 0) {
		fail(r, ITR_HTTP_CONTENT, err.msg);
	}
}

void itr_http_part_finish(itr_http_part *p, const itr_http_job *job, itr_http_result *r)
{
	examine(p, job, r);
	if (!p->into) {
		if (r->reason == ITR_HTTP_OK) {
			itr_err err = ITR_ERR_INIT;
			if (fsync(p->fd) < 0 || rename(p->path, p->target) < 0) {
				itr_err_errno(&err, "cannot write '%s'", p->target);
				fail(r, ITR_HTTP_DISK, err.msg);
			}
		}
		if (r->reason != ITR_HTTP_OK)
			unlink(p->path);
		if (p->meta_written || r->reason != ITR_HTTP_OK)
			unlink(p->meta);
	}
	release(p);
}

void itr_http_part_drop(itr_http_part *p, bool keep)
{
	if (!p->into && p->path && !(keep && p->meta_written && p->have >= ITR_HTTP_KEEP_BYTES)) {
		unlink(p->path);
		unlink(p->meta);
	}
	release(p);
}
