#include "io/weights.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/limit.h"
#include "io/utf8.h"
#include "io/weights_internal.h"

enum { CHUNK = 4 << 20, MAX_NAME = 4096 };      /* CHUNK: bytes that are converted before their pages are released */

const char *itr_weights_path(const itr_weights *w) { return w->path; }
const char *itr_weights_format(const itr_weights *w) { return w->format; }
const char *itr_weights_note(const itr_weights *w) { return w->note ? w->note : ""; }
int64_t itr_weights_count(const itr_weights *w) { return (int64_t)w->entries.n; }

const itr_weight *itr_weights_at(const itr_weights *w, int64_t i)
{
	return i >= 0 && i < (int64_t)w->entries.n ? &w->entries.v[i].pub : NULL;
}
const itr_weight *itr_weights_find(const itr_weights *w, const char *name) { return itr_weights_at(w, itr_map_get(w->names, name, -1)); }

/* --- listing -------------------------------------------------------------------------------------------------------------- */

void itr_weights_row_major(const itr_weight *t, int64_t stride[ITR_WEIGHT_MAX_RANK])
{
	int64_t step = 1;
	for (int d = t->rank - 1; d >= 0; d--) {
		stride[d] = step;
		if (__builtin_mul_overflow(step, ITR_MAX(t->shape[d], 1), &step))
			step = 0;               /* only where another dimension is 0: nothing will be read */
	}
}

/* True when all elements of the view are inside the storage. */
static bool inside(const itr_weight *t, const itr_stored *s)
{
	int64_t last = s->offset;
	if (t->count == 0)
		return true;
	for (int d = 0; d < t->rank; d++) {
		int64_t reach;
		if (s->stride[d] < 0 || __builtin_mul_overflow(t->shape[d] - 1, s->stride[d], &reach) ||
		    __builtin_add_overflow(last, reach, &last))
			return false;
	}
	return s->offset >= 0 && last < s->elements;
}

static bool dense(const itr_weight *t, const itr_stored *s)
{
	int64_t want[ITR_WEIGHT_MAX_RANK];
	itr_weights_row_major(t, want);
	for (int d = 0; d < t->rank; d++)
		if (t->shape[d] != 1 && s->stride[d] != want[d])
			return false;
	return true;
}

int itr_weights_add(itr_weights *w, const char *name, size_t n, const itr_weight *t, const itr_stored *s, itr_err *err)
{
	const char *path = w->files.v[s->file].path;
	struct itr_weights_entry e = { *t, *s };
	if (n == 0 || n > MAX_NAME || memchr(name, 0, n) || itr_utf8_invalid_at(name, n) >= 0)
		return itr_err_set(err, "'%s': a tensor's name is empty, longer than %d bytes or not UTF-8", path, MAX_NAME);
	if (itr_limit_shape(t->shape, t->rank, &e.pub.count, "its shape", err) < 0 ||
	    itr_limit_check(e.pub.count, sizeof(float), "it", err) < 0)
		return itr_err_prefix(err, "'%s': tensor '%.*s': ", path, (int)ITR_MIN(n, 200), name);
	if (!inside(&e.pub, s))
		return itr_err_set(err, "'%s': tensor '%.*s' reaches beyond its storage of %lld elements", path, (int)ITR_MIN(n, 200), name,
		                   (long long)s->elements);
	char *key = itr_xasprintf("%s%.*s", w->prefix ? w->prefix : "", (int)n, name);
	int fresh = itr_map_add(w->names, key, (int64_t)w->entries.n);
	free(key);
	if (!fresh)
		return itr_err_set(err, "'%s': tensor '%.*s' is there twice", path, (int)ITR_MIN(n, 200), name);
	e.pub.name = itr_map_key(w->names, itr_map_count(w->names) - 1);
	e.at.dense = dense(&e.pub, s);
	ITR_VEC_PUSH(&w->entries, e);
	return 0;
}

/* --- reading -------------------------------------------------------------------------------------------------------------- */

/* Releases the pages of [begin, end), including the partial ones at both ends: the system reads them from the file again when needed. */
static void drop(const itr_weights_file *f, size_t begin, size_t end)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), from = begin / page * page, to = (end + page - 1) / page * page;
	madvise((void *)(uintptr_t)(f->bytes + from), to - from, MADV_DONTNEED);
}

static void read_mapped(const itr_weights_file *f, const itr_weight *t, const itr_stored *s, float *out)
{
	size_t size = itr_dtype_size(t->dtype), at = (size_t)s->at + (size_t)s->offset * size;
	int64_t step = CHUNK / (int64_t)size;
	for (int64_t i = 0; i < t->count; i += step) {
		int64_t n = ITR_MIN(step, t->count - i);
		size_t begin = at + (size_t)i * size;
		itr_to_f32(out + i, f->bytes + begin, t->dtype, n);
		drop(f, begin, begin + (size_t)n * size);
	}
}

/* Reads a view with strides: gathers one row (the last dimension) at a time, then converts it. */
static void read_strided(const unsigned char *storage, const itr_weight *t, const itr_stored *s, float *out)
{
	size_t size = itr_dtype_size(t->dtype);
	int64_t cols = t->rank ? t->shape[t->rank - 1] : 1, step = t->rank ? s->stride[t->rank - 1] : 1, index[ITR_WEIGHT_MAX_RANK] = { 0 };
	unsigned char *row = itr_xmalloc((size_t)cols * size);
	for (int64_t done = 0; done < t->count; done += cols) {
		int64_t at = s->offset;
		for (int d = 0; d < t->rank - 1; d++)
			at += index[d] * s->stride[d];
		for (int64_t c = 0; c < cols; c++)
			memcpy(row + (size_t)c * size, storage + (size_t)(at + c * step) * size, size);
		itr_to_f32(out + done, row, t->dtype, cols);
		for (int d = t->rank - 2; d >= 0 && ++index[d] == t->shape[d]; d--)
			index[d] = 0;
	}
	free(row);
}

/* The next n bytes of a member, all of them. */
static int member_fill(const itr_weights_file *f, itr_zip_member *m, void *bytes, int64_t n, itr_err *err)
{
	for (int64_t done = 0; done < n;) {
		int64_t got = itr_zip_member_read(m, (char *)bytes + done, n - done, err);
		if (got <= 0)
			return got < 0 ? -1 : itr_err_set(err, "'%s': a storage ends too early", f->path);
		done += got;
	}
	return 0;
}

/* The end of the member, where libzip checks the CRC. */
static int member_end(itr_zip_member *m, itr_err *err)
{
	char beyond;
	return itr_zip_member_read(m, &beyond, 1, err) == 0 ? 0 : -1;
}

/* A tensor that is a whole storage: read and converted in chunks. */
static int read_member(const itr_weights_file *f, const itr_weight *t, const itr_stored *s, float *out, itr_err *err)
{
	int64_t size = (int64_t)itr_dtype_size(t->dtype), step = CHUNK / size;
	itr_zip_member *m = itr_zip_member_open(f->zip, s->member, err);
	if (!m)
		return -1;
	void *piece = t->dtype == ITR_F32 ? NULL : itr_xmalloc((size_t)(ITR_MIN(step, t->count) * size));
	int rc = 0;
	for (int64_t i = 0; i < t->count && rc == 0; i += step) {
		int64_t n = ITR_MIN(step, t->count - i);
		rc = member_fill(f, m, piece ? piece : out + i, n * size, err);
		if (rc == 0 && piece)
			itr_to_f32(out + i, piece, t->dtype, n);
	}
	if (rc == 0)
		rc = member_end(m, err);
	free(piece);
	itr_zip_member_close(m);
	return rc;
}

/* The whole storage of a member in memory, cached until another one is read. NULL with err. */
static const void *cached(const itr_weights *w, const itr_stored *s, size_t size, itr_err *err)
{
	struct itr_weights_cache *c = w->cache;
	if (c->bytes && c->file == s->file && c->member == s->member)
		return c->bytes;
	free(c->bytes);
	c->bytes = NULL;
	const itr_weights_file *f = &w->files.v[s->file];
	itr_zip_member *m = itr_zip_member_open(f->zip, s->member, err);
	if (!m)
		return NULL;
	void *bytes = itr_xmalloc((size_t)s->elements * size + 1);
	if (member_fill(f, m, bytes, s->elements * (int64_t)size, err) == 0 && member_end(m, err) == 0)
		*c = (struct itr_weights_cache){ s->file, s->member, bytes };
	else
		free(bytes);
	itr_zip_member_close(m);
	return c->bytes;
}

int itr_weights_read(const itr_weights *w, const itr_weight *t, float *out, itr_err *err)
{
	const itr_stored *s = &((const struct itr_weights_entry *)(const void *)t)->at;         /* pub is the entry's first member */
	const itr_weights_file *f = &w->files.v[s->file];
	size_t size = itr_dtype_size(t->dtype);
	if (t->unread)
		return itr_err_set(err, "'%s': tensor '%.200s' has the type '%.40s', which is not read", f->path, t->name, t->unread);
	if (t->count == 0)
		return 0;
	if (s->member < 0 && s->dense)
		read_mapped(f, t, s, out);
	else if (s->member < 0)
		read_strided(f->bytes + s->at, t, s, out);
	else if (s->dense && s->offset == 0 && t->count == s->elements)
		return read_member(f, t, s, out, err);
	else {
		const unsigned char *storage = cached(w, s, size, err);
		if (!storage)
			return -1;
		if (s->dense)
			itr_to_f32(out, storage + (size_t)s->offset * size, t->dtype, t->count);
		else
			read_strided(storage, t, s, out);
	}
	return 0;
}

void itr_weights_close(itr_weights *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->files.n; i++) {
		itr_zip_close(w->files.v[i].zip);
		if (w->files.v[i].bytes)
			munmap((void *)(uintptr_t)w->files.v[i].bytes, w->files.v[i].n);
		free(w->files.v[i].path);
	}
	if (w->cache)
		free(w->cache->bytes);
	free(w->cache);
	ITR_VEC_FREE(&w->files);
	ITR_VEC_FREE(&w->entries);
	itr_map_free(w->names);
	free(w->path);
	free(w->note);
	free(w);
}
