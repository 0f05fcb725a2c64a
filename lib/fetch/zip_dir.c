#include "fetch/zip_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

enum { END = 22, END64 = 56, LOCATOR = 20, CENTRAL = 46, LOCAL = 30 };
static const int64_t MAX_DIRECTORY = 256 << 20;

static uint32_t u16(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8; }
static uint32_t u32(const uint8_t *p) { return u16(p) | u16(p + 2) << 16; }
static uint64_t u64(const uint8_t *p) { return (uint64_t)u32(p) | (uint64_t)u32(p + 4) << 32; }

typedef struct directory {
	int64_t offset, size, count;
} directory;

static int damaged(const itr_zip_source *s, const char *what, itr_err *err)
{
	return itr_err_set(err, "'%s' is not a whole zip file: %s", s->name, what);
}

/* The zip64 end record, where the plain one holds 0xffff.. . */
static int find_end64(const itr_zip_source *s, int64_t end_at, directory *d, itr_err *err)
{
	uint8_t locator[LOCATOR], end[END64];
	if (end_at < LOCATOR)
		return damaged(s, "its zip64 end record is missing", err);
	if (s->read(s->ctx, end_at - LOCATOR, LOCATOR, locator, err) < 0)
		return -1;
	uint64_t at = u64(locator + 8);
	if (memcmp(locator, "PK\x06\x07", 4) != 0 || at > (uint64_t)s->size || (int64_t)at > s->size - END64)
		return damaged(s, "its zip64 end record is missing", err);
	if (s->read(s->ctx, (int64_t)at, END64, end, err) < 0)
		return -1;
	if (memcmp(end, "PK\x06\x06", 4) != 0)
		return damaged(s, "its zip64 end record is damaged", err);
	uint64_t count = u64(end + 32), size = u64(end + 40), offset = u64(end + 48);
	if (size > (uint64_t)s->size || offset > (uint64_t)s->size || count > (uint64_t)s->size)
		return damaged(s, "its directory lies outside of it", err);
	*d = (directory){ (int64_t)offset, (int64_t)size, (int64_t)count };
	return 0;
}

static int find_end(const itr_zip_source *s, directory *d, itr_err *err)
{
	size_t n = (size_t)ITR_MIN(s->size, ITR_ZIP_TAIL);
	if (s->size < END)
		return damaged(s, "it is too small", err);
	uint8_t *tail = itr_xmalloc(n);
	if (s->read(s->ctx, s->size - (int64_t)n, n, tail, err) < 0) {
		free(tail);
		return -1;
	}
	int64_t at = -1;
	for (size_t i = n - END + 1; i-- > 0 && at < 0; )
		if (memcmp(tail + i, "PK\x05\x06", 4) == 0 && i + END + u16(tail + i + 20) == n)
			at = (int64_t)i;
	if (at < 0) {
		free(tail);
		return damaged(s, "its end record is missing", err);
	}
	const uint8_t *e = tail + at;
	bool parts = u16(e + 4) != 0 && u16(e + 4) != 0xffff;
	*d = (directory){ u32(e + 16), u32(e + 12), u16(e + 10) };
	bool zip64 = u32(e + 16) == 0xffffffffu || u32(e + 12) == 0xffffffffu || u16(e + 10) == 0xffff;
	free(tail);
	if (parts)
		return itr_err_set(err, "'%s' is one part of several: that is not supported", s->name);
	return zip64 ? find_end64(s, s->size - (int64_t)n + at, d, err) : 0;
}

/* Fields of a central record that do not fit into 32 bits are in the extra field 0x0001, in this order. */
static int extra64(const uint8_t *x, size_t n, uint64_t *size, uint64_t *packed, uint64_t *header)
{
	for (size_t i = 0; i + 4 <= n; ) {
		size_t len = u16(x + i + 2);
		if (i + 4 + len > n)
			return -1;
		if (u16(x + i) == 1) {
			const uint8_t *p = x + i + 4, *end = p + len;
			uint64_t *field[3] = { size, packed, header };
			for (int k = 0; k < 3; k++)
				if (*field[k] == 0xffffffffu) {
					if (end - p < 8)
						return -1;
					*field[k] = u64(p);
					p += 8;
				}
		}
		i += 4 + len;
	}
	return 0;
}

static bool named(const char *full, size_t n, const char *name)
{
	size_t len = strlen(name);
	return n >= len && memcmp(full + n - len, name, len) == 0 && (n == len || full[n - len - 1] == '/');
}

static int read_entry(const itr_zip_source *s, const uint8_t *c, const uint8_t *extra, size_t n_extra, itr_zip_entry *e, itr_err *err)
{
	uint64_t packed = u32(c + 20), size = u32(c + 24), header = u32(c + 42);
	if (extra64(extra, n_extra, &size, &packed, &header) < 0 || header > (uint64_t)s->size || packed > (uint64_t)s->size - header ||
	    size > INT64_MAX)
		return damaged(s, "a member lies outside of it", err);
	if (u16(c + 8) & 1)
		return itr_err_set(err, "'%s' is encrypted: that is not supported", s->name);
	*e = (itr_zip_entry){ true, (int64_t)header, (int64_t)packed, (int64_t)size, u32(c + 16), (int)u16(c + 10) };
	return 0;
}

int itr_zip_dir_find(const itr_zip_source *s, const char *const *names, int n, itr_zip_entry *out, itr_err *err)
{
	directory d = { 0, 0, 0 };
	memset(out, 0, (size_t)n * sizeof *out);
	if (find_end(s, &d, err) < 0)
		return -1;
	if (d.offset > s->size || d.size > s->size - d.offset || d.size > MAX_DIRECTORY)
		return damaged(s, "its directory lies outside of it", err);
	uint8_t *c = itr_xmalloc((size_t)d.size + 1), *p = c, *end = c + d.size;
	int rc = s->read(s->ctx, d.offset, (size_t)d.size, c, err);
	for (int64_t i = 0; i < d.count && rc == 0; i++) {
		if (end - p < CENTRAL || memcmp(p, "PK\x01\x02", 4) != 0) {
			rc = damaged(s, "its directory is cut off", err);
			break;
		}
		size_t name = u16(p + 28), extra = u16(p + 30), comment = u16(p + 32);
		if ((size_t)(end - p) < CENTRAL + name + extra + comment) {
			rc = damaged(s, "its directory is cut off", err);
			break;
		}
		for (int k = 0; k < n && rc == 0; k++)
			if (!out[k].found && named((const char *)p + CENTRAL, name, names[k]))
				rc = read_entry(s, p, p + CENTRAL + name, extra, &out[k], err);
		p += CENTRAL + name + extra + comment;
	}
	free(c);
	return rc;
}

int64_t itr_zip_data(const itr_zip_source *s, const itr_zip_entry *e, itr_err *err)
{
	uint8_t h[LOCAL];
	if (e->header > s->size - LOCAL)
		return damaged(s, "a member lies outside of it", err);
	if (s->read(s->ctx, e->header, LOCAL, h, err) < 0)
		return -1;
	if (memcmp(h, "PK\x03\x04", 4) != 0)
		return damaged(s, "a member's header is damaged", err);
	int64_t at = e->header + LOCAL + u16(h + 26) + u16(h + 28);
	return at > s->size - e->packed ? damaged(s, "a member lies outside of it", err) : at;
}

static int file_read(void *ctx, int64_t offset, size_t n, void *out, itr_err *err)
{
	const itr_zip_file *f = ctx;
	for (char *p = out; n; ) {
		ssize_t got = pread(f->fd, p, n, offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? itr_err_errno(err, "cannot read the zip file") : itr_err_set(err, "the zip file ends too early");
		p += got;
		offset += got;
		n -= (size_t)got;
	}
	return 0;
}

int itr_zip_open_file(itr_zip_source *s, itr_zip_file *file, const char *path, itr_err *err)
{
	struct stat st;
	file->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (file->fd < 0 || fstat(file->fd, &st) < 0) {
		itr_err_errno(err, "cannot open '%s'", path);
		itr_zip_close_file(file);
		return -1;
	}
	*s = (itr_zip_source){ file, path, st.st_size, file_read };
	return 0;
}

void itr_zip_close_file(itr_zip_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}
