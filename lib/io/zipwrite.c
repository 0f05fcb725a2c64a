#include "io/zipwrite.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"

enum { LOCAL_BYTES = 30, DOS_DATE_1980 = 0x21, OUT_BYTES = 1 << 17 };
static const uint64_t max32 = 0xffffffffu;

struct itr_zipw {
	FILE *file;
	char *path;
	bool deflate;
	itr_buf directory;
	uint64_t members, offset;       /* offset: where the next byte of the archive goes */
	/* the member being written */
	char *name;
	uint64_t start, size, packed, written;
	uint32_t crc;
	bool wide;                      /* its sizes need zip64 */
	z_stream z;
	bool z_open;
	unsigned char *out;
};

static void put(itr_buf *b, uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		itr_buf_putc(b, (char)(v >> 8 * i & 0xff));
}

static int put_file(itr_zipw *w, const void *bytes, size_t n, itr_err *err)
{
	if (n && fwrite(bytes, 1, n, w->file) != n)
		return itr_err_errno(err, "cannot write '%s'", w->path);
	w->offset += n;
	return 0;
}

itr_zipw *itr_zipw_new(FILE *f, const char *path, bool deflate)
{
	itr_zipw *w = itr_xcalloc(1, sizeof *w);
	w->file = f;
	w->path = itr_xstrdup(path);
	w->deflate = deflate;
	w->out = itr_xmalloc(OUT_BYTES);
	return w;
}

void itr_zipw_free(itr_zipw *w)
{
	if (!w)
		return;
	if (w->z_open)
		deflateEnd(&w->z);
	itr_buf_free(&w->directory);
	free(w->path);
	free(w->name);
	free(w->out);
	free(w);
}

static unsigned flags_of(const char *name)
{
	for (; *name; name++)
		if ((unsigned char)*name >= 0x80)
			return 0x800;                   /* the name is UTF-8 */
	return 0;
}

/* The fields that the local header and the directory share, from "version needed" to the length of the extra field. */
static void put_common(const itr_zipw *w, itr_buf *b, bool wide_sizes, unsigned extra)
{
	put(b, w->wide ? 45 : 20, 2);
	put(b, flags_of(w->name), 2);
	put(b, w->deflate ? 8 : 0, 2);
	put(b, 0, 2);
	put(b, DOS_DATE_1980, 2);
	put(b, w->crc, 4);
	put(b, wide_sizes ? max32 : w->packed, 4);
	put(b, wide_sizes ? max32 : w->size, 4);
	put(b, strlen(w->name), 2);
	put(b, extra, 2);
}

static void put_local(const itr_zipw *w, itr_buf *b)
{
	put(b, 0x04034b50, 4);
	put_common(w, b, w->wide, w->wide ? 20 : 0);
	itr_buf_puts(b, w->name);
	if (w->wide) {
		put(b, 1, 2);
		put(b, 16, 2);
		put(b, w->size, 8);
		put(b, w->packed, 8);
	}
}

int itr_zipw_begin(itr_zipw *w, const char *name, int64_t size, itr_err *err)
{
	if (w->name || size < 0 || strlen(name) > 60000)
		ITR_BUG("zip member '%s' of %lld bytes begun while '%s' is open", name, (long long)size, w->name ? w->name : "none");
	w->name = itr_xstrdup(name);
	w->start = w->offset;
	w->size = (uint64_t)size;
	w->packed = w->written = 0;
	w->crc = 0;
	/* Incompressible data grow by 5 bytes in 16 KiB: well below this margin. */
	w->wide = w->size > max32 - (64 << 20);
	if (w->deflate) {
		memset(&w->z, 0, sizeof w->z);
		if (deflateInit2(&w->z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK)
			ITR_BUG("deflateInit2 failed");
		w->z_open = true;
	}
	itr_buf b = ITR_BUF_INIT;
	put_local(w, &b);
	int rc = put_file(w, b.data, b.len, err);
	itr_buf_free(&b);
	return rc;
}

/* Compresses the bytes at z.next_in; with Z_FINISH to the end of the stream. */
static int pack(itr_zipw *w, int flush, itr_err *err)
{
	int state;
	do {
		w->z.next_out = w->out;
		w->z.avail_out = OUT_BYTES;
		state = deflate(&w->z, flush);
		size_t n = OUT_BYTES - w->z.avail_out;
		w->packed += n;
		if (put_file(w, w->out, n, err) < 0)
			return -1;
	} while (flush == Z_FINISH ? state != Z_STREAM_END : w->z.avail_out == 0);
	return 0;
}

int itr_zipw_write(itr_zipw *w, const void *bytes, size_t n, itr_err *err)
{
	const unsigned char *p = bytes;
	w->written += n;
	while (n > 0) {
		unsigned k = (unsigned)ITR_MIN(n, (size_t)1 << 20);
		w->crc = (uint32_t)crc32(w->crc, p, k);
		if (w->deflate) {
			w->z.next_in = (unsigned char *)(uintptr_t)p;   /* zlib does not write there */
			w->z.avail_in = k;
			if (pack(w, Z_NO_FLUSH, err) < 0)
				return -1;
		} else {
			w->packed += k;
			if (put_file(w, p, k, err) < 0)
				return -1;
		}
		p += k;
		n -= k;
	}
	return 0;
}

static void put_directory(itr_zipw *w)
{
	bool far = w->start >= max32;
	unsigned fields = (w->wide ? 16 : 0) + (far ? 8 : 0);
	itr_buf *b = &w->directory;
	put(b, 0x02014b50, 4);
	put(b, w->wide || far ? 45 | 3 << 8 : 20 | 3 << 8, 2);          /* made on Unix */
	put_common(w, b, w->wide, fields ? fields + 4 : 0);
	put(b, 0, 2);                                                   /* comment */
	put(b, 0, 2);                                                   /* disk */
	put(b, 0, 2);
	put(b, (uint64_t)0100644 << 16, 4);
	put(b, far ? max32 : w->start, 4);
	itr_buf_puts(b, w->name);
	if (fields) {
		put(b, 1, 2);
		put(b, fields, 2);
		if (w->wide) {
			put(b, w->size, 8);
			put(b, w->packed, 8);
		}
		if (far)
			put(b, w->start, 8);
	}
}

int itr_zipw_end(itr_zipw *w, itr_err *err)
{
	if (w->written != w->size)
		ITR_BUG("zip member '%s': %llu bytes announced, %llu written", w->name, (unsigned long long)w->size,
		        (unsigned long long)w->written);
	int rc = w->deflate ? pack(w, Z_FINISH, err) : 0;
	if (w->deflate) {
		deflateEnd(&w->z);
		w->z_open = false;
	}
	/* the header again, now that the CRC and the packed size are known */
	itr_buf b = ITR_BUF_INIT;
	put_local(w, &b);
	if (rc == 0 && (fseeko(w->file, (off_t)w->start, SEEK_SET) < 0 || fwrite(b.data, 1, b.len, w->file) != b.len ||
	                fseeko(w->file, (off_t)w->offset, SEEK_SET) < 0))
		rc = itr_err_errno(err, "cannot write '%s'", w->path);
	itr_buf_free(&b);
	put_directory(w);
	w->members++;
	free(w->name);
	w->name = NULL;
	return rc;
}

int itr_zipw_finish(itr_zipw *w, itr_err *err)
{
	uint64_t at = w->offset, size = w->directory.len;
	bool wide = w->members >= 0xffff || at >= max32 || size >= max32;
	itr_buf *b = &w->directory;
	if (wide) {
		put(b, 0x06064b50, 4);
		put(b, 44, 8);
		put(b, 45 | 3 << 8, 2);
		put(b, 45, 2);
		put(b, 0, 8);                           /* two disk numbers */
		put(b, w->members, 8);
		put(b, w->members, 8);
		put(b, size, 8);
		put(b, at, 8);
		put(b, 0x07064b50, 4);                  /* locator */
		put(b, 0, 4);
		put(b, at + size, 8);
		put(b, 1, 4);
	}
	put(b, 0x06054b50, 4);
	put(b, 0, 4);
	put(b, ITR_MIN(w->members, 0xffff), 2);
	put(b, ITR_MIN(w->members, 0xffff), 2);
	put(b, ITR_MIN(size, max32), 4);
	put(b, ITR_MIN(at, max32), 4);
	put(b, 0, 2);
	return put_file(w, b->data, b->len, err);
}

/* --- decompression -------------------------------------------------------------------------------------------------------------- */

enum { UNPACKED = 256 << 10 };

struct itr_inflate {
	z_stream z;
	unsigned char out[UNPACKED];
};

itr_inflate *itr_inflate_new(void)
{
	itr_inflate *i = itr_xcalloc(1, sizeof *i);
	if (inflateInit2(&i->z, -MAX_WBITS) != Z_OK)
		ITR_BUG("inflateInit2 failed");
	return i;
}

int itr_inflate_feed(itr_inflate *i, const void *bytes, size_t n, int (*sink)(void *ctx, const void *bytes, size_t n, itr_err *err),
                     void *ctx, itr_err *err)
{
	i->z.next_in = (unsigned char *)(uintptr_t)bytes;       /* zlib does not write there */
	i->z.avail_in = (uInt)n;
	do {
		i->z.next_out = i->out;
		i->z.avail_out = UNPACKED;
		int state = inflate(&i->z, Z_NO_FLUSH);
		if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR)
			return itr_err_set(err, "deflated data are damaged: %s", i->z.msg ? i->z.msg : "inflate failed");
		if (i->z.avail_out < UNPACKED && sink(ctx, i->out, UNPACKED - i->z.avail_out, err) < 0)
			return -1;
		if (state == Z_STREAM_END)
			return 1;
	} while (i->z.avail_in || !i->z.avail_out);
	return 0;
}

void itr_inflate_free(itr_inflate *i)
{
	if (i)
		inflateEnd(&i->z);
	free(i);
}

uint32_t itr_crc32(uint32_t crc, const void *bytes, size_t n) { return (uint32_t)crc32(crc, bytes, (uInt)n); }
