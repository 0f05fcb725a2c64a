/* Decompresses a member of a zip in one pass. (libzip, used by lib/io/zip.c, needs the whole archive; here only a range of it exists.) */
#include <stdio.h>
#include <stdlib.h>

#include "base/atomic_file.h"
#include "base/mem.h"
#include "fetch/zip_dir.h"
#include "io/zipwrite.h"

enum { CHUNK = 256 << 10 };

typedef struct unpacking {
	const itr_zip_source *s;
	const itr_zip_entry *e;
	FILE *out;
	const char *target;
	int64_t written;
	uint32_t crc;
} unpacking;

static int put(void *ctx, const void *bytes, size_t n, itr_err *err)
{
	unpacking *u = ctx;
	u->written += (int64_t)n;
	if (u->written > u->e->size)
		return itr_err_set(err, "'%s': a member is larger than its directory says", u->s->name);
	u->crc = itr_crc32(u->crc, bytes, n);
	if (n && fwrite(bytes, 1, n, u->out) != n)
		return itr_err_errno(err, "cannot write '%s'", u->target);
	return 0;
}

static int copy_stored(unpacking *u, int64_t offset, uint8_t *in, itr_err *err)
{
	for (int64_t left = u->e->packed; left; ) {
		size_t n = (size_t)ITR_MIN(left, CHUNK);
		if (u->s->read(u->s->ctx, offset, n, in, err) < 0 || put(u, in, n, err) < 0)
			return -1;
		offset += (int64_t)n;
		left -= (int64_t)n;
	}
	return 0;
}

static int copy_deflated(unpacking *u, int64_t offset, uint8_t *in, itr_err *err)
{
	itr_inflate *z = itr_inflate_new();
	int rc = 0;
	for (int64_t left = u->e->packed; left && rc == 0; ) {
		size_t n = (size_t)ITR_MIN(left, CHUNK);
		rc = u->s->read(u->s->ctx, offset, n, in, err);
		if (rc < 0)
			break;
		offset += (int64_t)n;
		left -= (int64_t)n;
		rc = itr_inflate_feed(z, in, n, put, u, err);
	}
	itr_inflate_free(z);
	if (rc == 0)
		return itr_err_set(err, "'%s': a member is cut off", u->s->name);
	return rc < 0 ? itr_err_prefix(err, "'%s': ", u->s->name) : 0;
}

static int unpack(unpacking *u, int64_t offset, itr_err *err)
{
	uint8_t *in = itr_xmalloc(CHUNK);
	int rc = u->e->method == 8 ? copy_deflated(u, offset, in, err) : copy_stored(u, offset, in, err);
	free(in);
	if (rc < 0)
		return -1;
	if (u->written != u->e->size || u->crc != u->e->crc)
		return itr_err_set(err, "'%s': a member's checksum (CRC-32) or size is wrong: the file is damaged", u->s->name);
	return 0;
}

int itr_zip_unpack(const itr_zip_source *s, const itr_zip_entry *e, int64_t offset, const char *target, int64_t max_bytes, itr_err *err)
{
	if (e->method != 0 && e->method != 8)
		return itr_err_set(err, "'%s' uses compression method %d; only stored and deflated members are supported", s->name,
		                   e->method);
	if (e->size > max_bytes)
		return itr_err_set(err, "'%s': a member claims %lld bytes; at most %lld are allowed", s->name, (long long)e->size,
		                   (long long)max_bytes);
	itr_atomic_file *a = itr_atomic_open(target, err);
	if (!a)
		return -1;
	unpacking u = { s, e, itr_atomic_stream(a), target, 0, 0 };
	int rc = u.out ? unpack(&u, offset, err) : itr_err_errno(err, "cannot write '%s'", target);
	if (rc < 0) {
		itr_atomic_abort(a);
		return -1;
	}
	return itr_atomic_commit(a, err);
}
