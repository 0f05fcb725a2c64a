#include "fetch/pins.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/vec.h"
#include "io/json.h"

enum { FLUSH_BYTES = 32 << 10, DROPPED = -1 };
static const size_t MAX_FILE = (size_t)1 << 30;

struct itr_pins {
	char *dir, *path;
	int lock, fd;                   /* fd: opened for appending on the first addition */
	itr_map *index;
	ITR_VEC(itr_pin) pins;
	itr_buf pending;
	double flushed;
};

static void remember(itr_pins *p, const char *file, const itr_pin *pin)
{
	int64_t i = itr_map_get(p->index, file, -1);
	if (i >= 0) {
		p->pins.v[i] = *pin;
		return;
	}
	itr_map_add(p->index, file, (int64_t)p->pins.n);
	ITR_VEC_PUSH(&p->pins, *pin);
}

static bool parse_line(itr_pins *p, const char *line, size_t n)
{
	itr_json *j = itr_json_parse(line, n, "a line", NULL);
	const char *file = itr_json_str(itr_json_get(j, "file"), NULL), *sha = itr_json_str(itr_json_get(j, "sha256"), ""),
		   *phash = itr_json_str(itr_json_get(j, "phash"), NULL);
	itr_pin pin = { .bytes = itr_json_int(itr_json_get(j, "bytes"), -1) };
	if (file && itr_json_bool(itr_json_get(j, "dropped"), false)) {
		pin.bytes = DROPPED;
		remember(p, file, &pin);
		itr_json_free(j);
		return true;
	}
	bool ok = file && strlen(sha) == 64 && pin.bytes >= 0 && strspn(sha, "0123456789abcdef") == 64;
	if (ok) {
		memcpy(pin.sha256, sha, ITR_SHA256_HEX);
		pin.flat = phash && strcmp(phash, "flat") == 0;
		pin.has_phash = pin.flat || (phash && itr_phash_parse(&pin.phash, phash));
		remember(p, file, &pin);
	}
	itr_json_free(j);
	return ok;
}

/* Number of valid bytes: an incomplete last line (interrupted write) is ignored. */
static int load(itr_pins *p, itr_err *err)
{
	size_t n;
	if (!itr_path_exists(p->path))
		return 0;
	char *text = itr_path_read(p->path, MAX_FILE, &n, err);
	if (!text)
		return -1;
	size_t at = 0;
	int64_t line = 1;
	int rc = 0;
	for (char *end; rc == 0 && at < n && (end = memchr(text + at, '\n', n - at)); line++) {
		size_t len = (size_t)(end - text) - at;
		if (len && !parse_line(p, text + at, len))
			rc = itr_err_set(err, "'%s:%lld' is not a checksum line; correct or delete it", p->path, (long long)line);
		at += len + 1;
	}
	free(text);
	if (rc == 0 && at < n && truncate(p->path, (off_t)at) < 0)
		rc = itr_err_errno(err, "cannot write '%s'", p->path);
	return rc;
}

itr_pins *itr_pins_open(const char *dir, itr_err *err)
{
	if (itr_path_mkdirs(dir, err) < 0)
		return NULL;
	itr_pins *p = itr_xcalloc(1, sizeof *p);
	p->dir = itr_xstrdup(dir);
	p->path = itr_path_join(dir, "checksums.jsonl");
	p->index = itr_map_new();
	p->fd = -1;
	char *lock = itr_path_join(dir, ".lock");
	p->lock = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	int rc = 0;
	if (p->lock < 0)
		rc = itr_err_errno(err, "cannot write '%s'", lock);
	else if (flock(p->lock, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		rc = itr_err_set(err, "another process is fetching into '%s' (it holds '%s')", dir, lock);
	free(lock);
	if (rc < 0 || load(p, err) < 0) {
		itr_pins_close(p);
		return NULL;
	}
	return p;
}

void itr_pins_close(itr_pins *p)
{
	if (!p)
		return;
	if (itr_pins_flush(p, NULL) < 0)
		itr_debug("the last checksums of '%s' could not be written", p->dir);   /* those files are hashed again next time */
	if (p->fd >= 0)
		close(p->fd);
	if (p->lock >= 0)
		close(p->lock);
	itr_map_free(p->index);
	itr_buf_free(&p->pending);
	ITR_VEC_FREE(&p->pins);
	free(p->dir);
	free(p->path);
	free(p);
}

int64_t itr_pins_count(const itr_pins *p) { return (int64_t)p->pins.n; }
const char *itr_pins_file(const itr_pins *p, int64_t i) { return itr_map_key(p->index, i); }
const itr_pin *itr_pins_at(const itr_pins *p, int64_t i) { return p->pins.v[i].bytes == DROPPED ? NULL : &p->pins.v[i]; }

const itr_pin *itr_pins_find(const itr_pins *p, const char *file)
{
	int64_t i = itr_map_get(p->index, file, -1);
	return i < 0 ? NULL : itr_pins_at(p, i);
}

static void print_line(itr_buf *b, const char *file, const itr_pin *pin)
{
	char hex[33];
	itr_buf_puts(b, "{\"file\":");
	itr_json_print_string(b, file);
	itr_buf_printf(b, ",\"sha256\":\"%s\",\"bytes\":%lld", pin->sha256, (long long)pin->bytes);
	if (pin->has_phash) {
		itr_phash_print(pin->phash, hex);
		itr_buf_printf(b, ",\"phash\":\"%s\"", pin->flat ? "flat" : hex);
	}
	itr_buf_puts(b, "}\n");
}

static int flush_sometimes(itr_pins *p, itr_err *err)
{
	return p->pending.len >= FLUSH_BYTES || itr_clock_now() - p->flushed >= 1 ? itr_pins_flush(p, err) : 0;
}

int itr_pins_add(itr_pins *p, const char *file, const itr_pin *pin, itr_err *err)
{
	remember(p, file, pin);
	print_line(&p->pending, file, pin);
	return flush_sometimes(p, err);
}

int itr_pins_drop(itr_pins *p, const char *file, itr_err *err)
{
	itr_pin none = { .bytes = DROPPED };
	if (!itr_pins_find(p, file))
		return 0;
	remember(p, file, &none);
	itr_buf_puts(&p->pending, "{\"file\":");
	itr_json_print_string(&p->pending, file);
	itr_buf_puts(&p->pending, ",\"dropped\":true}\n");
	return flush_sometimes(p, err);
}

int itr_pins_flush(itr_pins *p, itr_err *err)
{
	p->flushed = itr_clock_now();
	if (!p->pending.len)
		return 0;
	if (p->fd < 0)
		p->fd = open(p->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (p->fd < 0)
		return itr_err_errno(err, "cannot write '%s'", p->path);
	size_t done = 0;
	while (done < p->pending.len) {
		ssize_t w = write(p->fd, p->pending.data + done, p->pending.len - done);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return itr_err_errno(err, "cannot write '%s'", p->path);
		done += (size_t)w;
	}
	itr_buf_clear(&p->pending);
	return 0;
}

typedef struct line { const char *file; const itr_pin *pin; } line;

static int by_file(const void *a, const void *b) { return strcmp(((const line *)a)->file, ((const line *)b)->file); }

int itr_pins_save(itr_pins *p, itr_err *err)
{
	size_t n = p->pins.n;
	line *lines = itr_xmalloc(ITR_MAX(n, 1) * sizeof *lines);
	itr_buf b = ITR_BUF_INIT;
	n = 0;
	for (size_t i = 0; i < p->pins.n; i++)
		if (p->pins.v[i].bytes != DROPPED)
			lines[n++] = (line){ itr_map_key(p->index, (int64_t)i), &p->pins.v[i] };
	qsort(lines, n, sizeof *lines, by_file);
	itr_atomic_file *a = itr_atomic_open(p->path, err);
	int rc = a && itr_atomic_stream(a) ? 0 : -1;
	for (size_t i = 0; i < n && rc == 0; i++) {
		itr_buf_clear(&b);
		print_line(&b, lines[i].file, lines[i].pin);
		if (fwrite(b.data, 1, b.len, itr_atomic_stream(a)) != b.len)
			rc = itr_err_errno(err, "cannot write '%s'", p->path);
	}
	if (rc == 0)
		rc = itr_atomic_commit(a, err);
	else
		itr_atomic_abort(a);
	if (rc == 0) {
		itr_buf_clear(&p->pending);     /* it is in the new file */
		if (p->fd >= 0)
			close(p->fd);           /* that was the old one */
		p->fd = -1;
	}
	itr_buf_free(&b);
	free(lines);
	return rc;
}
