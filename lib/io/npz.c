#include "io/npz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/nearest.h"
#include "base/path.h"
#include "base/vec.h"
#include "io/convert.h"
#include "io/limit.h"
#include "io/npy.h"
#include "io/utf8.h"
#include "io/zip.h"

enum { BLOCK_BYTES = 4 << 20 };

struct itr_npz {
	char *path;
	itr_zip *zip;                   /* NULL: a single .npy */
	ITR_VEC(char *) names;
	ITR_VEC(int64_t) members;       /* index in the zip */
};

/* One array being read. */
struct stream {
	FILE *file;
	itr_zip_member *member;
	itr_npy_header h;
	char *what;                     /* "'x.npz': array 'text_512'", for messages */
};

/* --- opening ------------------------------------------------------------------------------------------------------------- */

static int list_members(itr_npz *z, itr_err *err)
{
	for (int64_t i = 0; i < itr_zip_count(z->zip); i++) {
		const char *name = itr_zip_name(z->zip, i);
		size_t n = strlen(name);
		if (n < 4 || strcmp(name + n - 4, ".npy"))
			continue;
		if (itr_zip_find(z->zip, name) != i)
			return itr_err_set(err, "'%s' holds two arrays '%.*s'", z->path, (int)n - 4, name);
		ITR_VEC_PUSH(&z->names, itr_xstrndup(name, n - 4));
		ITR_VEC_PUSH(&z->members, i);
	}
	if (z->names.n == 0 && itr_zip_count(z->zip) > 0)
		return itr_err_set(err, "'%s' is a zip archive without a single .npy member: not an NPZ file", z->path);
	return 0;
}

itr_npz *itr_npz_open(const char *path, itr_err *err)
{
	unsigned char head[8] = { 0 };
	FILE *f = fopen(path, "rb");
	size_t got = f ? fread(head, 1, sizeof head, f) : 0;
	if (!f || (got == 0 && ferror(f))) {
		itr_err_errno(err, "cannot open '%s'", path);
		if (f)
			fclose(f);
		return NULL;
	}
	fclose(f);
	itr_npz *z = itr_xcalloc(1, sizeof *z);
	z->path = itr_xstrdup(path);
	if (got >= 6 && !memcmp(head, "\x93NUMPY", 6)) {
		ITR_VEC_PUSH(&z->names, itr_xstrdup(""));
		ITR_VEC_PUSH(&z->members, 0);
		return z;
	}
	if (got >= 4 && !memcmp(head, "PK", 2)) {
		z->zip = itr_zip_open(path, err);
		if (z->zip && list_members(z, err) == 0)
			return z;
	} else
		itr_err_set(err, "cannot read '%s': %s", path,
		            got == 0                      ? "the file is empty"
		            : !memcmp(head, "\x89HDF", 4) ? "it is an HDF5 file, not .npz or .npy"
		            : head[0] == 0x80             ? "it is a Python pickle, which is refused; save with numpy.savez"
		                                          : "it is neither .npz nor .npy");
	itr_npz_close(z);
	return NULL;
}

void itr_npz_close(itr_npz *z)
{
	if (!z)
		return;
	for (size_t i = 0; i < z->names.n; i++)
		free(z->names.v[i]);
	free(z->names.v);
	free(z->members.v);
	itr_zip_close(z->zip);
	free(z->path);
	free(z);
}

const char *itr_npz_path(const itr_npz *z) { return z->path; }
int64_t itr_npz_count(const itr_npz *z) { return (int64_t)z->names.n; }
const char *itr_npz_name(const itr_npz *z, int64_t i) { return z->names.v[i]; }

static int64_t find(const itr_npz *z, const char *name)
{
	for (size_t i = 0; i < z->names.n; i++)
		if (!strcmp(z->names.v[i], name))
			return (int64_t)i;
	return -1;
}

bool itr_npz_has(const itr_npz *z, const char *name) { return find(z, name) >= 0; }

static int not_found(const itr_npz *z, const char *name, itr_err *err)
{
	if (!z->zip)
		return itr_err_set(err, "'%s' is a single array (.npy); there is no '%s' in it", z->path, name);
	if (z->names.n == 0)
		return itr_err_set(err, "'%s' has no array '%s'; it is empty", z->path, name);
	itr_buf list = ITR_BUF_INIT;
	for (size_t i = 0; i < z->names.n && i < 20; i++)
		itr_buf_printf(&list, "%s%.60s", i ? ", " : "", z->names.v[i]);
	itr_buf_puts(&list, z->names.n > 20 ? ", ..." : "");
	const char *nearest = itr_nearest(name, (const char *const *)z->names.v, (int)ITR_MIN(z->names.n, 1000));
	int rc = itr_err_set(err, "'%s' has no array '%s': did you mean '%s'? It holds: %s", z->path, name, nearest, list.data);
	itr_buf_free(&list);
	return rc;
}

/* --- one array ------------------------------------------------------------------------------------------------------------ */

static void stream_close(struct stream *s)
{
	if (s->file)
		fclose(s->file);
	itr_zip_member_close(s->member);
	free(s->what);
}

/* Exactly n bytes. */
static int read_exactly(struct stream *s, void *bytes, size_t n, itr_err *err)
{
	if (s->file) {
		if (fread(bytes, 1, n, s->file) == n)
			return 0;
		return ferror(s->file) ? itr_err_errno(err, "%s: reading failed", s->what) : itr_err_set(err, "%s is cut short", s->what);
	}
	for (char *p = bytes; n > 0;) {
		int64_t got = itr_zip_member_read(s->member, p, (int64_t)n, err);
		if (got <= 0)
			return got < 0 ? -1 : itr_err_set(err, "%s is cut short", s->what);
		p += got;
		n -= (size_t)got;
	}
	return 0;
}

/* After the last element: nothing may follow, and the zip's CRC is checked. */
static int read_end(struct stream *s, itr_err *err)
{
	char c;
	int64_t got = s->file ? (int64_t)fread(&c, 1, 1, s->file) : itr_zip_member_read(s->member, &c, 1, err);
	return got < 0 ? -1 : got > 0 ? itr_err_set(err, "%s has bytes behind its last element", s->what) : 0;
}

static int read_header(struct stream *s, int64_t bytes, itr_err *err)
{
	unsigned char first[ITR_NPY_PRELUDE];
	size_t prelude, n;
	if (read_exactly(s, first, 10, err) < 0)
		return -1;
	if (first[6] > 1 && read_exactly(s, first + 10, 2, err) < 0)
		return -1;
	if (itr_npy_sizes(first, first[6] > 1 ? 12 : 10, &prelude, &n, s->what, err) < 0)
		return -1;
	char *text = itr_xmalloc(n);
	int rc = read_exactly(s, text, n, err);
	if (rc == 0)
		rc = itr_npy_parse(text, n, &s->h, s->what, err);
	free(text);
	if (rc < 0)
		return -1;
	/* checks the size of the array against the file before memory is allocated */
	int64_t need = s->h.info.count * (int64_t)s->h.item, there = bytes - (int64_t)(prelude + n);
	if (need != there)
		return itr_err_set(err, "%s needs %lld bytes for its shape, but the file holds %lld", s->what, (long long)need,
		                   (long long)there);
	return 0;
}

static int stream_open(itr_npz *z, const char *name, struct stream *s, itr_err *err)
{
	int64_t i = find(z, name), bytes;
	*s = (struct stream){ 0 };
	if (i < 0)
		return not_found(z, name, err);
	s->what = z->zip ? itr_xasprintf("'%s': array '%s'", z->path, name) : itr_xasprintf("'%s'", z->path);
	if (z->zip) {
		s->member = itr_zip_member_open(z->zip, z->members.v[i], err);
		bytes = itr_zip_size(z->zip, z->members.v[i]);
	} else {
		s->file = fopen(z->path, "rb");
		bytes = itr_path_size(z->path);
		if (!s->file)
			itr_err_errno(err, "cannot open '%s'", z->path);
	}
	if ((s->file || s->member) && read_header(s, bytes, err) == 0)
		return 0;
	stream_close(s);
	return -1;
}

int itr_npz_info(itr_npz *z, const char *name, itr_array_info *info, itr_err *err)
{
	struct stream s;
	if (stream_open(z, name, &s, err) < 0)
		return -1;
	*info = s.h.info;
	stream_close(&s);
	return 0;
}

/* --- order of elements ------------------------------------------------------------------------------------------------------- */

/* Iterates over the C-order offsets of elements that are stored in Fortran order. */
struct walk {
	int rank;
	int64_t shape[ITR_NPY_MAX_RANK], stride[ITR_NPY_MAX_RANK], index[ITR_NPY_MAX_RANK], place;
};

static void walk_start(struct walk *w, const itr_array_info *info)
{
	*w = (struct walk){ .rank = info->rank };
	int64_t stride = 1;
	for (int i = info->rank - 1; i >= 0; i--) {
		w->shape[i] = info->shape[i];
		w->stride[i] = stride;
		stride *= info->shape[i];
	}
}

static int64_t walk_next(struct walk *w)
{
	int64_t place = w->place;
	for (int i = 0; i < w->rank; i++) {
		w->place += w->stride[i];
		if (++w->index[i] < w->shape[i])
			break;
		w->place -= w->shape[i] * w->stride[i];
		w->index[i] = 0;
	}
	return place;
}

static bool is_c_order(const itr_npy_header *h) { return !h->fortran || h->info.rank < 2; }

/* --- numbers --------------------------------------------------------------------------------------------------------------------- */

/* The next n elements as raw native ones. */
static int read_raw(struct stream *s, void *raw, int64_t n, itr_err *err)
{
	if (read_exactly(s, raw, (size_t)n * s->h.item, err) < 0)
		return -1;
	if (s->h.swapped)
		itr_swap_bytes(raw, s->h.item, n);
	return 0;
}

/* Values from..from+n-1 of the member, in stored order: an error when one overflows float32. */
static int check_range(const struct stream *s, const char *raw, itr_dtype from, int64_t first, int64_t n, itr_err *err)
{
	const itr_array_info *a = &s->h.info;
	double value;
	int64_t at = itr_beyond_f32(raw, from, n, &value), rows = a->rank ? a->shape[0] : 1;
	if (at < 0)
		return 0;
	return itr_err_set(err, "%s: row %lld holds %g, which is beyond float32's range (3.4e38): scale the values", s->what,
	                   (long long)(is_c_order(&s->h) ? (first + at) / (a->count / rows) : (first + at) % rows), value);
}

static int read_numbers(struct stream *s, itr_dtype t, char *dst, itr_err *err)
{
	itr_dtype from = s->h.info.dtype;
	bool direct = t == from && is_c_order(&s->h), scatter = !is_c_order(&s->h);
	int64_t count = s->h.info.count, block = BLOCK_BYTES / 8;
	size_t size = itr_dtype_size(t);
	char *raw = direct ? NULL : itr_xmalloc((size_t)ITR_MIN(block, count) * s->h.item + 1);
	char *converted = scatter ? itr_xmalloc((size_t)ITR_MIN(block, count) * size + 1) : NULL;
	struct walk w;
	walk_start(&w, &s->h.info);
	int rc = 0;
	for (int64_t i = 0; i < count && rc == 0; i += block) {
		int64_t n = ITR_MIN(block, count - i);
		char *to = scatter ? converted : dst + (size_t)i * size;
		rc = read_raw(s, direct ? to : raw, n, err);
		if (rc == 0 && !direct && itr_convert(to, t, raw, from, n) < 0)
			rc = itr_err_set(err, "%s holds %s values that %s cannot hold", s->what, itr_dtype_name(from), itr_dtype_name(t));
		if (rc == 0 && t == ITR_F32)
			rc = check_range(s, raw, from, i, n, err);
		for (int64_t k = 0; scatter && k < n && rc == 0; k++)
			memcpy(dst + (size_t)walk_next(&w) * size, converted + (size_t)k * size, size);
	}
	free(raw);
	free(converted);
	return rc < 0 ? -1 : read_end(s, err);
}

static void *load(itr_npz *z, const char *name, itr_dtype t, bool as_stored, itr_array_info *info, itr_err *err)
{
	struct stream s;
	void *data = NULL;
	if (stream_open(z, name, &s, err) < 0)
		return NULL;
	if (as_stored)
		t = s.h.info.dtype;
	if (s.h.info.is_text)
		itr_err_set(err, "%s holds text, not numbers", s.what);
	else if (itr_limit_check(s.h.info.count, itr_dtype_size(t), s.what, err) == 0) {
		data = itr_aligned_alloc((size_t)s.h.info.count * itr_dtype_size(t));
		if (read_numbers(&s, t, data, err) < 0) {
			itr_aligned_free(data);
			data = NULL;
		} else if (info)
			*info = s.h.info;
	}
	stream_close(&s);
	return data;
}

float *itr_npz_f32(itr_npz *z, const char *name, itr_array_info *info, itr_err *err) { return load(z, name, ITR_F32, false, info, err); }
double *itr_npz_f64(itr_npz *z, const char *name, itr_array_info *info, itr_err *err) { return load(z, name, ITR_F64, false, info, err); }
int64_t *itr_npz_i64(itr_npz *z, const char *name, itr_array_info *info, itr_err *err) { return load(z, name, ITR_I64, false, info, err); }
void *itr_npz_raw(itr_npz *z, const char *name, itr_array_info *info, itr_err *err) { return load(z, name, ITR_F32, true, info, err); }

typedef int block_fn(void *ctx, int64_t first_row, int64_t rows, const void *data, const itr_array_info *info, itr_err *err);

/* A Fortran-order array has no rows to stream: it is transposed in memory first. */
static int stream_transposed(itr_npz *z, const char *name, int64_t block_rows, block_fn *fn, void *ctx, itr_err *err)
{
	itr_array_info info;
	char *all = itr_npz_raw(z, name, &info, err);
	int64_t rows = all ? info.shape[0] : 0, wide = rows ? info.count / rows : 0;
	int rc = all ? 0 : -1;
	for (int64_t r = 0; r < rows && rc == 0; r += block_rows)
		rc = fn(ctx, r, ITR_MIN(block_rows, rows - r), all + (size_t)(r * wide) * itr_dtype_size(info.dtype), &info, err);
	itr_aligned_free(all);
	return rc;
}

int itr_npz_stream(itr_npz *z, const char *name, int64_t block_rows, block_fn *fn, void *ctx, itr_err *err)
{
	struct stream s;
	if (stream_open(z, name, &s, err) < 0)
		return -1;
	int64_t rows = s.h.info.rank == 0 ? 1 : s.h.info.shape[0], wide = rows ? s.h.info.count / rows : 0;
	int64_t block = ITR_MAX(1, ITR_MIN(block_rows, rows));
	bool transposed = !is_c_order(&s.h);
	int rc = s.h.info.is_text ? itr_err_set(err, "%s holds text, not numbers", s.what)
	                          : itr_limit_check(block * wide, s.h.item, s.what, err);
	if (rc == 0 && !transposed) {
		void *raw = itr_aligned_alloc((size_t)(block * wide) * s.h.item);
		for (int64_t r = 0; r < rows && rc == 0; r += block) {
			int64_t n = ITR_MIN(block, rows - r);
			rc = read_raw(&s, raw, n * wide, err);
			if (rc == 0)
				rc = fn(ctx, r, n, raw, &s.h.info, err);
		}
		itr_aligned_free(raw);
		rc = rc == 0 ? read_end(&s, err) : rc;
	}
	stream_close(&s);
	return rc == 0 && transposed ? stream_transposed(z, name, block, fn, ctx, err) : rc;
}

/* --- text ---------------------------------------------------------------------------------------------------------------------- */

/* One <U element (native byte order) or |S element as UTF-8; NULs at its end are padding. NULL when one is inside. */
static char *text_of(const char *raw, const itr_npy_header *h)
{
	itr_buf b = ITR_BUF_INIT;
	int64_t n = h->info.width;
	if (!h->wide_text) {
		while (n > 0 && raw[n - 1] == 0)
			n--;
		if (n > 0 && memchr(raw, 0, (size_t)n))
			return NULL;
		itr_utf8_put_clean(&b, raw, (size_t)n);
		return itr_buf_detach(&b);
	}
	uint32_t cp = 0;
	while (n > 0 && (memcpy(&cp, raw + 4 * (n - 1), 4), cp == 0))
		n--;
	for (int64_t i = 0; i < n; i++) {
		memcpy(&cp, raw + 4 * i, 4);
		if (cp == 0) {
			itr_buf_free(&b);
			return NULL;
		}
		itr_utf8_put(&b, cp);
	}
	return itr_buf_detach(&b);
}

static int read_texts(struct stream *s, char **texts, itr_err *err)
{
	int64_t count = s->h.info.count, block = ITR_MAX(1, BLOCK_BYTES / (int64_t)ITR_MAX(s->h.item, 1));
	char *raw = itr_xmalloc((size_t)ITR_MIN(block, count) * s->h.item + 1);
	bool scatter = !is_c_order(&s->h);
	struct walk w;
	walk_start(&w, &s->h.info);
	int rc = 0;
	for (int64_t i = 0; i < count && rc == 0; i += block) {
		int64_t n = ITR_MIN(block, count - i);
		rc = read_exactly(s, raw, (size_t)n * s->h.item, err);
		if (rc == 0 && s->h.swapped && s->h.wide_text)
			itr_swap_bytes(raw, 4, n * s->h.info.width);
		for (int64_t k = 0; k < n && rc == 0; k++) {
			char *text = text_of(raw + (size_t)k * s->h.item, &s->h);
			if (text)
				texts[scatter ? walk_next(&w) : i + k] = text;
			else
				rc = itr_err_set(err, "%s holds a string with a NUL character inside (element %lld)", s->what,
				                 (long long)(i + k));
		}
	}
	free(raw);
	return rc < 0 ? -1 : read_end(s, err);
}

char **itr_npz_text(itr_npz *z, const char *name, itr_array_info *info, itr_err *err)
{
	struct stream s;
	char **texts = NULL;
	if (stream_open(z, name, &s, err) < 0)
		return NULL;
	if (!s.h.info.is_text)
		itr_err_set(err, "%s holds %s, not text", s.what, itr_dtype_name(s.h.info.dtype));
	else if (itr_limit_check(s.h.info.count, s.h.item + 40, s.what, err) == 0) {
		texts = itr_xcalloc((size_t)s.h.info.count + 1, sizeof *texts);
		if (read_texts(&s, texts, err) < 0) {
			itr_npz_free_text(texts, s.h.info.count);
			texts = NULL;
		} else if (info)
			*info = s.h.info;
	}
	stream_close(&s);
	return texts;
}

void itr_npz_free_text(char **strings, int64_t count)
{
	if (!strings)
		return;
	for (int64_t i = 0; i < count; i++)
		free(strings[i]);
	free(strings);
}
