#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "io/convert.h"
#include "io/npy.h"
#include "io/utf8.h"
#include "io/zipwrite.h"

struct itr_npz_writer {
	itr_atomic_file *atomic;
	itr_zipw *zip;
	itr_map *names;
	char *path;
};

enum { BLOCK_BYTES = 1 << 20 };

itr_npz_writer *itr_npz_create(const char *path, bool deflate, itr_err *err)
{
	itr_atomic_file *atomic = itr_atomic_open(path, err);
	if (!atomic)
		return NULL;
	if (!itr_atomic_stream(atomic)) {
		itr_err_errno(err, "cannot write '%s'", path);
		itr_atomic_abort(atomic);
		return NULL;
	}
	itr_npz_writer *w = itr_xcalloc(1, sizeof *w);
	w->atomic = atomic;
	w->path = itr_xstrdup(path);
	w->zip = itr_zipw_new(itr_atomic_stream(atomic), path, deflate);
	w->names = itr_map_new();
	return w;
}

void itr_npz_abandon(itr_npz_writer *w)
{
	if (!w)
		return;
	itr_zipw_free(w->zip);
	itr_atomic_abort(w->atomic);
	itr_map_free(w->names);
	free(w->path);
	free(w);
}

int itr_npz_finish(itr_npz_writer *w, itr_err *err)
{
	int rc = itr_zipw_finish(w->zip, err);
	if (rc == 0) {
		rc = itr_atomic_commit(w->atomic, err);
		w->atomic = NULL;
	}
	itr_npz_abandon(w);
	return rc;
}

/* Destination of an array's bytes: a member of a zip archive, or a file. */
struct sink {
	itr_zipw *zip;
	FILE *file;
	const char *path;
};

static int put(struct sink *s, const void *bytes, size_t n, itr_err *err)
{
	if (s->zip)
		return itr_zipw_write(s->zip, bytes, n, err);
	return n == 0 || fwrite(bytes, 1, n, s->file) == n ? 0 : itr_err_errno(err, "cannot write '%s'", s->path);
}

static int begin(itr_npz_writer *w, const char *name, const itr_buf *header, size_t bytes, itr_err *err)
{
	if (!itr_map_add(w->names, name, 1))
		ITR_BUG("array '%s' put twice into '%s'", name, w->path);
	char *member = itr_xasprintf("%s.npy", name);
	int rc = itr_zipw_begin(w->zip, member, (int64_t)(header->len + bytes), err);
	free(member);
	return rc == 0 ? itr_zipw_write(w->zip, header->data, header->len, err) : -1;
}

static size_t bytes_of(itr_dtype t, int rank, const int64_t *shape)
{
	size_t n = itr_dtype_size(t);
	for (int i = 0; i < rank; i++)
		if (shape[i] < 0 || itr_size_mul(n, (size_t)shape[i], &n) < 0)
			ITR_BUG("array with an impossible dimension %lld", (long long)shape[i]);
	return n;
}

/* Writes elements to a sink, little-endian on every machine. */
static int put_numbers(struct sink *s, itr_dtype t, size_t bytes, const void *data, itr_err *err)
{
	const uint16_t one = 1;
	if (*(const unsigned char *)&one == 1)
		return put(s, data, bytes, err);
	char *block = itr_xmalloc(BLOCK_BYTES);
	int rc = 0;
	for (size_t i = 0; i < bytes && rc == 0; i += BLOCK_BYTES) {
		size_t n = ITR_MIN(bytes - i, (size_t)BLOCK_BYTES);
		memcpy(block, (const char *)data + i, n);
		itr_swap_bytes(block, itr_dtype_size(t), (int64_t)(n / itr_dtype_size(t)));
		rc = put(s, block, n, err);
	}
	free(block);
	return rc;
}

int itr_npz_put(itr_npz_writer *w, const char *name, itr_dtype t, int rank, const int64_t *shape, const void *data, itr_err *err)
{
	const char *descr = itr_npy_descr(t);
	if (!descr)
		return itr_err_set(err, "'%s': array '%s': NumPy has no bfloat16; convert it first", w->path, name);
	itr_buf header = ITR_BUF_INIT;
	itr_npy_print(&header, descr, rank, shape);
	size_t bytes = bytes_of(t, rank, shape);
	struct sink s = { w->zip, NULL, w->path };
	int rc = begin(w, name, &header, bytes, err);
	itr_buf_free(&header);
	if (rc == 0)
		rc = put_numbers(&s, t, bytes, data, err);
	return rc == 0 ? itr_zipw_end(w->zip, err) : -1;
}

/* One string as `width` little-endian code points, NUL-padded. */
static void put_wide(unsigned char *out, int64_t width, const char *s)
{
	size_t n = strlen(s);
	memset(out, 0, (size_t)width * 4);
	for (int64_t i = 0; n > 0 && i < width; i++, out += 4) {
		uint32_t cp;
		int len = itr_utf8_decode(s, n, &cp);
		if (len == 0)
			cp = 0xfffd;
		len = len ? len : 1;
		for (int k = 0; k < 4; k++)
			out[k] = (unsigned char)(cp >> 8 * k);
		s += len;
		n -= (size_t)len;
	}
}

static int put_strings(itr_npz_writer *w, const char *name, int rank, const char *const *strings, int64_t count, itr_err *err)
{
	int64_t width = 1;
	for (int64_t i = 0; i < count; i++)
		width = ITR_MAX(width, itr_utf8_count(strings[i]));
	char descr[32];
	snprintf(descr, sizeof descr, "<U%lld", (long long)width);
	itr_buf header = ITR_BUF_INIT;
	itr_npy_print(&header, descr, rank, &count);
	int rc = begin(w, name, &header, (size_t)count * (size_t)width * 4, err);
	itr_buf_free(&header);
	int64_t block = ITR_MAX(1, BLOCK_BYTES / (width * 4));
	unsigned char *raw = itr_xmalloc((size_t)(block * width) * 4);
	for (int64_t i = 0; i < count && rc == 0; i += block) {
		int64_t n = ITR_MIN(block, count - i);
		for (int64_t k = 0; k < n; k++)
			put_wide(raw + (size_t)(k * width) * 4, width, strings[i + k]);
		rc = itr_zipw_write(w->zip, raw, (size_t)(n * width) * 4, err);
	}
	free(raw);
	return rc == 0 ? itr_zipw_end(w->zip, err) : -1;
}

int itr_npz_put_text(itr_npz_writer *w, const char *name, const char *const *strings, int64_t count, itr_err *err)
{
	return put_strings(w, name, 1, strings, count, err);
}

int itr_npz_put_string(itr_npz_writer *w, const char *name, const char *text, itr_err *err)
{
	return put_strings(w, name, 0, &text, 1, err);
}

int itr_npy_write(const char *path, itr_dtype t, int rank, const int64_t *shape, const void *data, itr_err *err)
{
	const char *descr = itr_npy_descr(t);
	if (!descr)
		return itr_err_set(err, "'%s': NumPy has no bfloat16; convert it first", path);
	itr_atomic_file *a = itr_atomic_open(path, err);
	if (!a)
		return -1;
	struct sink s = { NULL, itr_atomic_stream(a), path };
	itr_buf header = ITR_BUF_INIT;
	itr_npy_print(&header, descr, rank, shape);
	int rc = s.file ? put(&s, header.data, header.len, err) : itr_err_errno(err, "cannot write '%s'", path);
	itr_buf_free(&header);
	if (rc == 0)
		rc = put_numbers(&s, t, bytes_of(t, rank, shape), data, err);
	if (rc == 0)
		return itr_atomic_commit(a, err);
	itr_atomic_abort(a);
	return -1;
}
