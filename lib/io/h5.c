#include "io/h5.h"

#include <errno.h>
#include <fcntl.h>
#include <hdf5.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/convert.h"
#include "io/limit.h"
#include "io/utf8.h"

struct itr_h5 {
	hid_t file;
	char *path;
	itr_atomic_file *atomic;        /* NULL: a reader */
	bool synthetic;
};

/* Rows are moved in pieces of about this many bytes wherever they are converted or padded. */
enum { PIECE_BYTES = 4 << 20, MAX_ATTR = 60000 };

/* --- errors ------------------------------------------------------------------------------------------------------------- */

static herr_t innermost(unsigned n, const H5E_error2_t *e, void *text)
{
	if (n == 0)
		snprintf(text, 256, "%s", e->desc ? e->desc : "");
	return 0;
}

/* The message, the file, and what HDF5 says was the first thing to go wrong. */
static int ITR_PRINTF(3, 4) fail(const itr_h5 *h, itr_err *err, const char *format, ...)
{
	char library[256] = "", what[512];
	va_list ap;
	va_start(ap, format);
	vsnprintf(what, sizeof what, format, ap);
	va_end(ap);
	H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, innermost, library);
	H5Eclear2(H5E_DEFAULT);
	return itr_err_set(err, "'%s': %s%s%s", h->path, what, library[0] ? ": " : "", library);
}

/* --- types ----------------------------------------------------------------------------------------------------------------- */

/* A 16-bit float that HDF5 1.10 has no name for: sign at bit 15, then exponent, then mantissa. h5py reads the half as float16. */
static hid_t half_type(bool bf16)
{
	hid_t t = H5Tcopy(H5T_IEEE_F32LE);
	if (bf16) {
		H5Tset_fields(t, 15, 7, 8, 0, 7);
		H5Tset_size(t, 2);
		H5Tset_ebias(t, 127);
	} else {
		H5Tset_fields(t, 15, 10, 5, 0, 10);
		H5Tset_size(t, 2);
		H5Tset_ebias(t, 15);
	}
	return t;
}

/* h5py's own form of a NumPy bool. */
static hid_t bool_type(void)
{
	hid_t t = H5Tenum_create(H5T_STD_I8LE);
	const signed char no = 0, yes = 1;
	H5Tenum_insert(t, "FALSE", &no);
	H5Tenum_insert(t, "TRUE", &yes);
	return t;
}

/* The type in the file; the caller closes it. In memory the same number in the machine's byte order: of_memory. */
static hid_t type_of(itr_dtype t, bool in_memory)
{
	switch (t) {
	case ITR_F32: return H5Tcopy(in_memory ? H5T_NATIVE_FLOAT : H5T_IEEE_F32LE);
	case ITR_F64: return H5Tcopy(in_memory ? H5T_NATIVE_DOUBLE : H5T_IEEE_F64LE);
	case ITR_F16: return half_type(false);
	case ITR_BF16: return half_type(true);
	case ITR_I8: return H5Tcopy(in_memory ? H5T_NATIVE_INT8 : H5T_STD_I8LE);
	case ITR_I16: return H5Tcopy(in_memory ? H5T_NATIVE_INT16 : H5T_STD_I16LE);
	case ITR_I32: return H5Tcopy(in_memory ? H5T_NATIVE_INT32 : H5T_STD_I32LE);
	case ITR_I64: return H5Tcopy(in_memory ? H5T_NATIVE_INT64 : H5T_STD_I64LE);
	case ITR_U8: return H5Tcopy(in_memory ? H5T_NATIVE_UINT8 : H5T_STD_U8LE);
	case ITR_U16: return H5Tcopy(in_memory ? H5T_NATIVE_UINT16 : H5T_STD_U16LE);
	case ITR_U32: return H5Tcopy(in_memory ? H5T_NATIVE_UINT32 : H5T_STD_U32LE);
	case ITR_U64: return H5Tcopy(in_memory ? H5T_NATIVE_UINT64 : H5T_STD_U64LE);
	case ITR_BOOL: return bool_type();
	case ITR_DTYPE_COUNT: break;
	}
	ITR_BUG("element type %d", (int)t);
}

/* The bits that the type claims lie within its bytes: libhdf5 (1.10, 1.14) converts by them unchecked and reads out of bounds when a file lies about them. */
static bool sound(hid_t type)
{
	size_t bits = 8 * H5Tget_size(type), sign, exponent, exponent_bits, mantissa, mantissa_bits;
	if (H5Tget_offset(type) != 0 || H5Tget_precision(type) != bits)
		return false;
	if (H5Tget_class(type) != H5T_FLOAT)
		return true;
	return H5Tget_fields(type, &sign, &exponent, &exponent_bits, &mantissa, &mantissa_bits) >= 0 && sign < bits && exponent < bits && exponent_bits <= bits - exponent &&
	       exponent_bits > 0 && mantissa < bits && mantissa_bits <= bits - mantissa && mantissa_bits > 0;
}

/* What a stored type is to us: 0, or -1 when it is nothing we read. */
static int dtype_of(hid_t type, itr_dtype *t)
{
	static const itr_dtype sizes[2][4] = { { ITR_U8, ITR_U16, ITR_U32, ITR_U64 }, { ITR_I8, ITR_I16, ITR_I32, ITR_I64 } };
	size_t size = H5Tget_size(type);
	int log2 = size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : size == 8 ? 3 : -1;
	switch (H5Tget_class(type)) {
	case H5T_INTEGER:
		if (log2 < 0 || !sound(type))
			return -1;
		*t = sizes[H5Tget_sign(type) == H5T_SGN_2][log2];
		return 0;
	case H5T_ENUM:
		*t = ITR_BOOL;
		return size == 1 && H5Tget_nmembers(type) == 2 && sound(type) ? 0 : -1;
	case H5T_FLOAT:
		if (!sound(type))
			return -1;
		if (size == 2) {
			hid_t bf = half_type(true);
			*t = H5Tequal(type, bf) > 0 ? ITR_BF16 : ITR_F16;
			H5Tclose(bf);
		} else if (size == 4 || size == 8)
			*t = size == 4 ? ITR_F32 : ITR_F64;
		return size == 2 || size == 4 || size == 8 ? 0 : -1;
	default:
		return -1;
	}
}

/* --- opening and closing -------------------------------------------------------------------------------------------------- */

static itr_h5 *new_h5(const char *path)
{
	itr_h5 *h = itr_xcalloc(1, sizeof *h);
	h->path = itr_xstrdup(path);
	h->file = -1;
	H5Eset_auto2(H5E_DEFAULT, NULL, NULL);          /* messages go into err, not to standard error */
	return h;
}

/* No locks (NFS); closing the file closes everything in it. */
static hid_t access_plist(void)
{
	hid_t p = H5Pcreate(H5P_FILE_ACCESS);
	H5Pset_file_locking(p, false, true);
	H5Pset_fclose_degree(p, H5F_CLOSE_STRONG);
	return p;
}

void itr_h5_close(itr_h5 *h)
{
	if (!h)
		return;
	if (h->file >= 0)
		H5Fclose(h->file);
	H5Eclear2(H5E_DEFAULT);
	itr_atomic_abort(h->atomic);
	free(h->path);
	free(h);
}

static int check_root(itr_h5 *h, const char *format, itr_err *err)
{
	char *is = itr_h5_attr_text(h, "/", "format");
	int rc = 0;
	if (!is)
		rc = itr_err_set(err, "'%s' is an HDF5 file without the attribute 'format': not one of ours (wanted '%s')", h->path, format);
	else if (strcmp(is, format))
		rc = itr_err_set(err, "'%s' is of format '%s', not '%s'", h->path, is, format);
	else if (itr_h5_attr_int(h, "/", "version", 0) != 1)
		rc = itr_err_set(err, "'%s' is of version %lld of '%s'; this program reads version 1", h->path, (long long)itr_h5_attr_int(h, "/", "version", 0), format);
	else if (itr_h5_attr_int(h, "/", "complete", 0) != 1)
		rc = itr_err_set(err, "'%s' is incomplete: what wrote it was stopped half-way; make it again", h->path);
	free(is);
	return rc;
}

itr_h5 *itr_h5_open(const char *path, const char *format, itr_err *err)
{
	static const char magic[8] = "\x89HDF\r\n\x1a\n";
	char head[8] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, head, sizeof head);
	if (got < 0) {
		itr_err_errno(err, "cannot open '%s'", path);
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	close(fd);
	if (got < (ssize_t)sizeof head || memcmp(head, magic, sizeof magic)) {
		itr_err_set(err, "cannot open '%s': %s", path, got == 0 ? "the file is empty" : "it is not an HDF5 file");
		return NULL;
	}
	itr_h5 *h = new_h5(path);
	hid_t access = access_plist();
	h->file = H5Fopen(path, H5F_ACC_RDONLY, access);
	H5Pclose(access);
	if (h->file < 0) {
		fail(h, err, "cannot open this HDF5 file; it is cut short or damaged");
	} else if (!format || check_root(h, format, err) == 0) {
		h->synthetic = itr_h5_attr_int(h, "/", "synthetic", 0) != 0;
		return h;
	}
	itr_h5_close(h);
	return NULL;
}

itr_h5 *itr_h5_create(const char *path, const char *format, bool synthetic, itr_err *err)
{
	itr_h5 *h = new_h5(path);
	h->synthetic = synthetic;
	h->atomic = itr_atomic_open(path, err);
	if (h->atomic) {
		hid_t access = access_plist(), create = H5Pcreate(H5P_FILE_CREATE);
		H5Pset_obj_track_times(create, false);
		h->file = H5Fcreate(itr_atomic_path(h->atomic), H5F_ACC_TRUNC, create, access);
		H5Pclose(create);
		H5Pclose(access);
		if (h->file < 0)
			fail(h, err, "cannot be written");
		else if (itr_h5_set_attr_text(h, "/", "format", format, err) == 0 && itr_h5_set_attr_int(h, "/", "version", 1, err) == 0 &&
		         itr_h5_set_attr_int(h, "/", "synthetic", synthetic, err) == 0 && itr_h5_set_attr_int(h, "/", "complete", 0, err) == 0)
			return h;
	}
	itr_h5_close(h);
	return NULL;
}

int itr_h5_commit(itr_h5 *h, itr_err *err)
{
	if (!h->atomic)
		ITR_BUG("commit of '%s', which is open for reading", h->path);
	int rc = itr_h5_set_attr_int(h, "/", "complete", 1, err);
	if (rc == 0 && H5Fclose(h->file) < 0)           /* flushes; a full disk often shows only here */
		rc = fail(h, err, "cannot be written");
	else if (rc == 0)
		h->file = -1;
	if (rc == 0) {
		rc = itr_atomic_commit(h->atomic, err);
		h->atomic = NULL;
	}
	itr_h5_close(h);
	return rc;
}

const char *itr_h5_path(const itr_h5 *h) { return h->path; }
bool itr_h5_is_synthetic(const itr_h5 *h) { return h->synthetic; }

/* --- finding things -------------------------------------------------------------------------------------------------------- */

bool itr_h5_has(const itr_h5 *h, const char *path)
{
	/* Every step must be there and be a hard link: an external link would make a file from elsewhere open other files here. */
	char *p = itr_xstrdup(path);
	bool found = true;
	for (char *s = p + (p[0] == '/'); *s && found; s++) {
		s += strcspn(s, "/");
		char keep = *s;
		*s = 0;
		H5L_info_t info;
		found = H5Lexists(h->file, p, H5P_DEFAULT) > 0 && H5Lget_info(h->file, p, &info, H5P_DEFAULT) >= 0 && info.type == H5L_TYPE_HARD;
		*s = keep;
		if (!keep)
			break;
	}
	H5Eclear2(H5E_DEFAULT);
	free(p);
	return found;
}

struct names {
	char **v;
	int64_t n, cap;
};

static herr_t add_name(hid_t group, const char *name, const H5L_info_t *info, void *data)
{
	struct names *names = data;
	(void)group, (void)info;
	if (names->n == names->cap) {
		names->cap = names->cap * 2 + 16;
		names->v = itr_xrealloc(names->v, (size_t)names->cap * sizeof *names->v);
	}
	names->v[names->n++] = itr_xstrdup(name);
	return 0;
}

int64_t itr_h5_list(const itr_h5 *h, const char *group, char ***out)
{
	struct names names = { NULL, 0, 0 };
	*out = NULL;
	hid_t g = itr_h5_has(h, group) ? H5Gopen2(h->file, group, H5P_DEFAULT) : -1;
	bool bad = g < 0 || H5Literate(g, H5_INDEX_NAME, H5_ITER_INC, NULL, add_name, &names) < 0;
	if (g >= 0)
		H5Gclose(g);
	H5Eclear2(H5E_DEFAULT);
	if (bad) {
		for (int64_t i = 0; i < names.n; i++)
			free(names.v[i]);
		free(names.v);
		return -1;
	}
	*out = names.v;
	return names.n;
}

/* An open dataset and what is known of it. */
struct set {
	hid_t id, type, space;
	itr_h5_info info;
	size_t stored_size;             /* bytes of one stored element */
};

static void set_close(struct set *s)
{
	if (s->type >= 0)
		H5Tclose(s->type);
	if (s->space >= 0)
		H5Sclose(s->space);
	if (s->id >= 0)
		H5Dclose(s->id);
	H5Eclear2(H5E_DEFAULT);
}

/* A dataset's claim must be covered by bytes that are in the file: contiguous data wholly, compressed chunks by deflate's best ratio (1032). */
static int check_storage(const itr_h5 *h, const char *path, struct set *s, itr_err *err)
{
	hid_t plist = H5Dget_create_plist(s->id);
	H5D_layout_t layout = plist < 0 ? H5D_LAYOUT_ERROR : H5Pget_layout(plist);
	int external = plist < 0 ? 0 : H5Pget_external_count(plist);
	if (plist >= 0)
		H5Pclose(plist);
	if (layout == H5D_LAYOUT_ERROR || layout == H5D_VIRTUAL || external != 0)
		return fail(h, err, "dataset '%s' keeps its data in other files, which is refused", path);
	if (itr_limit_shape(s->info.shape, s->info.rank, &s->info.count, "it", err) < 0)
		return itr_err_prefix(err, "'%s': dataset '%s': ", h->path, path);
	double need = (double)s->info.count * (double)s->stored_size, there = (double)H5Dget_storage_size(s->id);
	hsize_t file_bytes = 0;
	H5Fget_filesize(h->file, &file_bytes);
	there = ITR_MIN(there, (double)file_bytes);
	if (need > there * (layout == H5D_CHUNKED ? 1032 : 1))
		return fail(h, err, "dataset '%s' claims %.0f bytes, but the file holds %.0f of them", path, need, there);
	return 0;
}

static int set_open(const itr_h5 *h, const char *path, struct set *s, itr_err *err)
{
	*s = (struct set){ .id = -1, .type = -1, .space = -1 };
	if (!itr_h5_has(h, path))
		return itr_err_set(err, "'%s' has no dataset '%s'", h->path, path);
	hsize_t dims[H5S_MAX_RANK];
	s->id = H5Dopen2(h->file, path, H5P_DEFAULT);
	s->type = s->id < 0 ? -1 : H5Dget_type(s->id);
	s->space = s->id < 0 ? -1 : H5Dget_space(s->id);
	int rank = s->space < 0 ? -1 : H5Sget_simple_extent_ndims(s->space), rc = 0;
	H5S_class_t space_class = s->space < 0 ? H5S_NO_CLASS : H5Sget_simple_extent_type(s->space);
	if (s->type < 0 || rank < 0 || rank > H5S_MAX_RANK || H5Sget_simple_extent_dims(s->space, dims, NULL) < 0)
		rc = fail(h, err, "cannot read dataset '%s'", path);
	else if (rank > ITR_H5_MAX_RANK || space_class == H5S_NULL)
		rc = fail(h, err, space_class == H5S_NULL ? "dataset '%s' is empty" : "dataset '%s' has more than 8 dimensions", path);
	if (rc == 0) {
		s->stored_size = H5Tget_size(s->type);
		s->info.rank = rank;
		for (int i = 0; i < rank; i++)
			s->info.shape[i] = dims[i] > INT64_MAX ? -1 : (int64_t)dims[i];
		s->info.is_text = H5Tget_class(s->type) == H5T_STRING;
		if (!s->info.is_text && dtype_of(s->type, &s->info.dtype) < 0)
			rc = fail(h, err, "dataset '%s' holds neither plain numbers nor strings", path);
		if (rc == 0)
			rc = check_storage(h, path, s, err);
	}
	if (rc < 0)
		set_close(s);
	return rc;
}

int itr_h5_info_of(const itr_h5 *h, const char *path, itr_h5_info *info, itr_err *err)
{
	struct set s;
	if (set_open(h, path, &s, err) < 0)
		return -1;
	*info = s.info;
	set_close(&s);
	return 0;
}

/* --- reading ----------------------------------------------------------------------------------------------------------------- */

/* Elements of one row; 1 for a scalar. */
static int64_t row_elements(const itr_h5_info *info)
{
	int64_t n = 1;
	for (int i = 1; i < info->rank; i++)
		n *= info->shape[i];
	return n;
}

/* Moves rows [first, first+rows) between the dataset and `data`, whose elements are of memory type `type`. */
static int transfer(const struct set *s, hid_t type, int64_t first, int64_t rows, void *in, const void *out)
{
	hsize_t start[ITR_H5_MAX_RANK] = { 0 }, count[ITR_H5_MAX_RANK], n = (hsize_t)(rows * row_elements(&s->info));
	for (int i = 0; i < s->info.rank; i++)
		count[i] = (hsize_t)s->info.shape[i];
	start[0] = (hsize_t)first;
	count[0] = (hsize_t)rows;
	if (n == 0)
		return 0;
	hid_t memory = H5Screate_simple(1, &n, NULL);
	herr_t rc = s->info.rank == 0 ? 0 : H5Sselect_hyperslab(s->space, H5S_SELECT_SET, start, NULL, count, NULL);
	if (rc >= 0)
		rc = in ? H5Dread(s->id, type, memory, s->space, H5P_DEFAULT, in) : H5Dwrite(s->id, type, memory, s->space, H5P_DEFAULT, out);
	H5Sclose(memory);
	return rc < 0 ? -1 : 0;
}

static int64_t rows_of(const itr_h5_info *info) { return info->rank == 0 ? 1 : info->shape[0]; }

static int check_rows(const itr_h5 *h, const char *path, const itr_h5_info *info, int64_t first, int64_t rows, itr_err *err)
{
	if (first < 0 || rows < 0 || rows > rows_of(info) - first)
		return itr_err_set(err, "'%s': dataset '%s' has %lld rows; rows %lld to %lld are not there", h->path, path, (long long)rows_of(info), (long long)first,
		                   (long long)(first + rows));
	return 0;
}

static int read_rows(const itr_h5 *h, const char *path, const struct set *s, itr_dtype t, int64_t first, int64_t rows, void *dst, itr_err *err)
{
	itr_dtype stored = s->info.dtype;
	int64_t wide = row_elements(&s->info), piece = ITR_MAX(1, PIECE_BYTES / ITR_MAX(1, wide * (int64_t)itr_dtype_size(stored)));
	hid_t type = stored == ITR_BOOL ? H5Tcopy(s->type) : type_of(stored, true);
	int rc = 0;
	if (t == stored) {
		rc = transfer(s, type, first, rows, dst, NULL) < 0 ? fail(h, err, "cannot read dataset '%s'", path) : 0;
		H5Tclose(type);
		return rc;
	}
	void *raw = itr_xmalloc((size_t)(ITR_MIN(piece, rows) * wide) * itr_dtype_size(stored) + 1);
	for (int64_t r = 0; r < rows && rc == 0; r += piece) {
		int64_t n = ITR_MIN(piece, rows - r);
		if (transfer(s, type, first + r, n, raw, NULL) < 0)
			rc = fail(h, err, "cannot read dataset '%s'", path);
		else if (itr_convert((char *)dst + (size_t)(r * wide) * itr_dtype_size(t), t, raw, stored, n * wide) < 0)
			rc = itr_err_set(err, "'%s': dataset '%s' holds %s values that %s cannot hold", h->path, path, itr_dtype_name(stored), itr_dtype_name(t));
	}
	free(raw);
	H5Tclose(type);
	return rc;
}

static int numeric_open(const itr_h5 *h, const char *path, struct set *s, itr_err *err)
{
	if (set_open(h, path, s, err) < 0)
		return -1;
	if (!s->info.is_text)
		return 0;
	set_close(s);
	return itr_err_set(err, "'%s': dataset '%s' holds text, not numbers", h->path, path);
}

int itr_h5_read_rows(const itr_h5 *h, const char *path, itr_dtype t, int64_t first, int64_t rows, void *dst, itr_err *err)
{
	struct set s;
	if (numeric_open(h, path, &s, err) < 0)
		return -1;
	int rc = check_rows(h, path, &s.info, first, rows, err);
	if (rc == 0)
		rc = read_rows(h, path, &s, t, first, rows, dst, err);
	set_close(&s);
	return rc;
}

void *itr_h5_read(const itr_h5 *h, const char *path, itr_dtype t, itr_h5_info *info, itr_err *err)
{
	struct set s;
	if (numeric_open(h, path, &s, err) < 0)
		return NULL;
	void *data = NULL;
	if (itr_limit_check(s.info.count, itr_dtype_size(t), "it", err) < 0)
		itr_err_prefix(err, "'%s': dataset '%s': ", h->path, path);
	else {
		data = itr_aligned_alloc((size_t)s.info.count * itr_dtype_size(t));
		if (read_rows(h, path, &s, t, 0, rows_of(&s.info), data, err) < 0) {
			itr_aligned_free(data);
			data = NULL;
		}
	}
	if (info)
		*info = s.info;
	set_close(&s);
	return data;
}

/* --- text ---------------------------------------------------------------------------------------------------------------------- */

static char *clean(const char *s, size_t n)
{
	if (itr_utf8_invalid_at(s, n) < 0)
		return itr_xstrndup(s, n);
	itr_buf b = ITR_BUF_INIT;
	itr_utf8_put_clean(&b, s, n);
	return itr_buf_detach(&b);
}

/* Fixed-length strings [first, first+n), padded with NUL or (Fortran's way) with spaces. */
static int read_fixed(const struct set *s, int64_t first, int64_t n, char **out)
{
	size_t width = s->stored_size;
	char *raw = itr_xmalloc((size_t)n * width);
	int rc = transfer(s, s->type, first, n, raw, NULL);
	for (int64_t i = 0; i < n && rc == 0; i++) {
		size_t len = strnlen(raw + (size_t)i * width, width);
		while (H5Tget_strpad(s->type) == H5T_STR_SPACEPAD && len > 0 && raw[(size_t)i * width + len - 1] == ' ')
			len--;
		out[i] = clean(raw + (size_t)i * width, len);
	}
	free(raw);
	return rc;
}

static int read_variable(const struct set *s, int64_t first, int64_t n, char **out)
{
	char **raw = itr_xcalloc((size_t)n, sizeof *raw);
	hid_t type = H5Tcopy(H5T_C_S1);
	H5Tset_size(type, H5T_VARIABLE);
	H5Tset_cset(type, H5Tget_cset(s->type));
	int rc = transfer(s, type, first, n, raw, NULL);
	for (int64_t i = 0; i < n && rc == 0; i++)
		out[i] = raw[i] ? clean(raw[i], strlen(raw[i])) : itr_xstrdup("");
	for (int64_t i = 0; i < n; i++)
		H5free_memory(raw[i]);
	H5Tclose(type);
	free(raw);
	return rc;
}

static char **read_texts(const itr_h5 *h, const char *path, const struct set *s, itr_err *err)
{
	bool variable = H5Tis_variable_str(s->type) > 0;
	int64_t count = s->info.count, piece = ITR_MAX(1, PIECE_BYTES / (int64_t)ITR_MAX(s->stored_size, 8));
	if (itr_limit_check(count, s->stored_size + 40, "it", err) < 0) {
		itr_err_prefix(err, "'%s': dataset '%s': ", h->path, path);
		return NULL;
	}
	char **texts = itr_xcalloc((size_t)count + 1, sizeof *texts);
	int rc = 0;
	for (int64_t i = 0; i < count && rc == 0; i += piece)
		rc = (variable ? read_variable : read_fixed)(s, i, ITR_MIN(piece, count - i), texts + i);
	if (rc == 0)
		return texts;
	fail(h, err, "cannot read dataset '%s'", path);
	for (int64_t i = 0; i < count; i++)
		free(texts[i]);
	free(texts);
	return NULL;
}

static int text_open(const itr_h5 *h, const char *path, struct set *s, itr_err *err)
{
	if (set_open(h, path, s, err) < 0)
		return -1;
	if (s->info.is_text && s->info.rank <= 1)
		return 0;
	int rank = s->info.rank;
	set_close(s);
	return itr_err_set(err, "'%s': dataset '%s' holds %s, not a list of strings", h->path, path, rank > 1 ? "a table" : "numbers");
}

char **itr_h5_read_texts(const itr_h5 *h, const char *path, int64_t *count, itr_err *err)
{
	struct set s;
	if (text_open(h, path, &s, err) < 0)
		return NULL;
	*count = s.info.count;
	char **texts = read_texts(h, path, &s, err);
	set_close(&s);
	return texts;
}

char *itr_h5_read_text(const itr_h5 *h, const char *path, itr_err *err)
{
	int64_t count;
	char **texts = itr_h5_read_texts(h, path, &count, err);
	char *text = texts && count == 1 ? texts[0] : NULL;
	if (texts && !text) {
		itr_err_set(err, "'%s': dataset '%s' holds %lld strings, not one", h->path, path, (long long)count);
		for (int64_t i = 0; i < count; i++)
			free(texts[i]);
	}
	free(texts);
	return text;
}

/* --- writing --------------------------------------------------------------------------------------------------------------------- */

static int create_set(itr_h5 *h, const char *path, hid_t type, int rank, const int64_t *shape, int64_t chunk_rows, struct set *s, itr_err *err)
{
	hsize_t dims[ITR_H5_MAX_RANK + 1], chunk = (hsize_t)chunk_rows;
	if (!h->atomic || rank < 0 || rank > ITR_H5_MAX_RANK)
		ITR_BUG("dataset '%s' of rank %d in '%s'%s", path, rank, h->path, h->atomic ? "" : ", which is open for reading");
	*s = (struct set){ .type = H5Tcopy(type), .stored_size = H5Tget_size(type) };
	s->info.rank = rank;
	for (int i = 0; i < rank; i++)
		dims[i] = (hsize_t)(s->info.shape[i] = shape[i]);
	hid_t links = H5Pcreate(H5P_LINK_CREATE), create = H5Pcreate(H5P_DATASET_CREATE);
	H5Pset_create_intermediate_group(links, 1);
	H5Pset_char_encoding(links, H5T_CSET_UTF8);
	H5Pset_obj_track_times(create, false);
	if (chunk_rows > 0) {
		H5Pset_chunk(create, 1, &chunk);
		H5Pset_deflate(create, 1);
	}
	s->space = rank == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(rank, dims, NULL);
	s->id = H5Dcreate2(h->file, path, type, s->space, links, create, H5P_DEFAULT);
	H5Pclose(links);
	H5Pclose(create);
	if (s->id >= 0)
		return 0;
	int rc = fail(h, err, "cannot write dataset '%s'", path);
	set_close(s);
	return rc;
}

int itr_h5_create_rows(itr_h5 *h, const char *path, itr_dtype stored, int rank, const int64_t *shape, itr_err *err)
{
	struct set s;
	hid_t type = type_of(stored, false);
	int rc = create_set(h, path, type, rank, shape, 0, &s, err);
	H5Tclose(type);
	if (rc == 0)
		set_close(&s);
	return rc;
}

static int write_rows(itr_h5 *h, const char *path, const struct set *s, itr_dtype t, int64_t first, int64_t rows, const void *data, itr_err *err)
{
	itr_dtype stored = s->info.dtype;
	int64_t wide = row_elements(&s->info), piece = t == stored ? ITR_MAX(rows, 1) : ITR_MAX(1, PIECE_BYTES / ITR_MAX(1, wide * 8));
	hid_t type = type_of(stored, true);
	void *raw = t == stored ? NULL : itr_xmalloc((size_t)(ITR_MIN(piece, rows) * wide) * itr_dtype_size(stored) + 1);
	int rc = 0;
	for (int64_t r = 0; r < rows && rc == 0; r += piece) {
		int64_t n = ITR_MIN(piece, rows - r);
		const char *from = (const char *)data + (size_t)(r * wide) * itr_dtype_size(t);
		if (raw && itr_convert(raw, stored, from, t, n * wide) < 0)
			rc = itr_err_set(err, "'%s': dataset '%s': a value does not fit into %s", h->path, path, itr_dtype_name(stored));
		else if (transfer(s, type, first + r, n, NULL, raw ? raw : from) < 0)
			rc = fail(h, err, "cannot write dataset '%s'", path);
	}
	free(raw);
	H5Tclose(type);
	return rc;
}

int itr_h5_write_rows(itr_h5 *h, const char *path, itr_dtype t, int64_t first, int64_t rows, const void *data, itr_err *err)
{
	struct set s = { .id = H5Dopen2(h->file, path, H5P_DEFAULT), .type = -1, .space = -1 };
	hsize_t dims[H5S_MAX_RANK];
	int rc = -1;
	if (s.id >= 0) {
		s.type = H5Dget_type(s.id);
		s.space = H5Dget_space(s.id);
		s.info.rank = H5Sget_simple_extent_dims(s.space, dims, NULL);
		for (int i = 0; i < s.info.rank; i++)
			s.info.shape[i] = (int64_t)dims[i];
	}
	if (s.id < 0 || dtype_of(s.type, &s.info.dtype) < 0)
		fail(h, err, "has no dataset '%s' of numbers to write to", path);
	else if (check_rows(h, path, &s.info, first, rows, err) == 0)
		rc = write_rows(h, path, &s, t, first, rows, data, err);
	set_close(&s);
	return rc;
}

int itr_h5_write(itr_h5 *h, const char *path, itr_dtype t, int rank, const int64_t *shape, const void *data, itr_err *err)
{
	struct set s;
	hid_t type = type_of(t, false);
	int rc = create_set(h, path, type, rank, shape, 0, &s, err);
	H5Tclose(type);
	if (rc < 0)
		return -1;
	s.info.dtype = t;
	rc = write_rows(h, path, &s, t, 0, rows_of(&s.info), data, err);
	set_close(&s);
	return rc;
}

static hid_t string_type(size_t width)
{
	hid_t type = H5Tcopy(H5T_C_S1);
	H5Tset_size(type, ITR_MAX(width, 1));
	H5Tset_strpad(type, H5T_STR_NULLPAD);
	H5Tset_cset(type, H5T_CSET_UTF8);
	return type;
}

int itr_h5_write_texts(itr_h5 *h, const char *path, const char *const *strings, int64_t count, itr_err *err)
{
	size_t width = 1;
	for (int64_t i = 0; i < count; i++)
		width = ITR_MAX(width, strlen(strings[i]));
	/* One long caption among many short ones would make the padding the larger part: large lists are compressed. */
	int64_t piece = ITR_MAX(1, (1 << 20) / (int64_t)width), chunk = count > piece ? piece : 0;
	hid_t type = string_type(width);
	struct set s;
	int rc = create_set(h, path, type, 1, &count, chunk, &s, err);
	if (rc == 0) {
		char *raw = itr_xmalloc((size_t)ITR_MAX(1, ITR_MIN(piece, count)) * width);
		for (int64_t i = 0; i < count && rc == 0; i += piece) {
			int64_t n = ITR_MIN(piece, count - i);
			memset(raw, 0, (size_t)n * width);
			for (int64_t k = 0; k < n; k++)
				memcpy(raw + (size_t)k * width, strings[i + k], strlen(strings[i + k]));
			if (transfer(&s, type, i, n, NULL, raw) < 0)
				rc = fail(h, err, "cannot write dataset '%s'", path);
		}
		free(raw);
		set_close(&s);
	}
	H5Tclose(type);
	return rc;
}

int itr_h5_write_text(itr_h5 *h, const char *path, const char *text, itr_err *err)
{
	hid_t type = string_type(strlen(text));
	struct set s;
	int rc = create_set(h, path, type, 0, NULL, 0, &s, err);
	if (rc == 0) {
		if (H5Dwrite(s.id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text) < 0)
			rc = fail(h, err, "cannot write dataset '%s'", path);
		set_close(&s);
	}
	H5Tclose(type);
	return rc;
}

/* --- attributes --------------------------------------------------------------------------------------------------------------------- */

static int set_attr(itr_h5 *h, const char *object, const char *name, hid_t type, hid_t memory_type, const void *value, itr_err *err)
{
	hid_t o = H5Oopen(h->file, object, H5P_DEFAULT), space = H5Screate(H5S_SCALAR), a = -1;
	if (o >= 0 && H5Aexists(o, name) > 0)
		H5Adelete(o, name);
	if (o >= 0)
		a = H5Acreate2(o, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
	int rc = a < 0 || H5Awrite(a, memory_type, value) < 0 ? fail(h, err, "cannot write attribute '%s' of '%s'", name, object) : 0;
	if (a >= 0)
		H5Aclose(a);
	if (o >= 0)
		H5Oclose(o);
	H5Sclose(space);
	return rc;
}

int itr_h5_set_attr_text(itr_h5 *h, const char *object, const char *name, const char *text, itr_err *err)
{
	if (strlen(text) > MAX_ATTR)
		return itr_err_set(err, "'%s': attribute '%s' of %zu bytes is too long for HDF5; it must be a dataset", h->path, name, strlen(text));
	hid_t type = string_type(strlen(text));
	int rc = set_attr(h, object, name, type, type, text, err);
	H5Tclose(type);
	return rc;
}

int itr_h5_set_attr_int(itr_h5 *h, const char *object, const char *name, int64_t v, itr_err *err)
{
	return set_attr(h, object, name, H5T_STD_I64LE, H5T_NATIVE_INT64, &v, err);
}

/* An open scalar attribute (or an array of one) and its type; -1 when there is none. */
static hid_t attr_open(const itr_h5 *h, const char *object, const char *name, hid_t *type)
{
	hid_t a = -1;
	if ((!strcmp(object, "/") || itr_h5_has(h, object)) && H5Aexists_by_name(h->file, object, name, H5P_DEFAULT) > 0)
		a = H5Aopen_by_name(h->file, object, name, H5P_DEFAULT, H5P_DEFAULT);
	hid_t space = a < 0 ? -1 : H5Aget_space(a);
	*type = a < 0 ? -1 : H5Aget_type(a);
	bool good = space >= 0 && *type >= 0 && H5Sget_simple_extent_npoints(space) == 1;
	if (space >= 0)
		H5Sclose(space);
	if (!good) {
		if (*type >= 0)
			H5Tclose(*type);
		if (a >= 0)
			H5Aclose(a);
		a = *type = -1;
	}
	H5Eclear2(H5E_DEFAULT);
	return a;
}

static void attr_close(hid_t a, hid_t type)
{
	H5Tclose(type);
	H5Aclose(a);
	H5Eclear2(H5E_DEFAULT);
}

char *itr_h5_attr_text(const itr_h5 *h, const char *object, const char *name)
{
	hid_t type, a = attr_open(h, object, name, &type);
	char *text = NULL;
	if (a < 0)
		return NULL;
	if (H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) > 0) {
		char *raw = NULL;
		hid_t memory = H5Tcopy(H5T_C_S1);
		H5Tset_size(memory, H5T_VARIABLE);
		H5Tset_cset(memory, H5Tget_cset(type));
		if (H5Aread(a, memory, &raw) >= 0 && raw)
			text = clean(raw, strlen(raw));
		H5free_memory(raw);
		H5Tclose(memory);
	} else if (H5Tget_class(type) == H5T_STRING && H5Tget_size(type) <= 1 << 16) {
		size_t width = H5Tget_size(type);
		char *raw = itr_xcalloc(width + 1, 1);
		if (H5Aread(a, type, raw) >= 0)
			text = clean(raw, strlen(raw));
		free(raw);
	}
	attr_close(a, type);
	return text;
}

int64_t itr_h5_attr_int(const itr_h5 *h, const char *object, const char *name, int64_t missing)
{
	hid_t type, a = attr_open(h, object, name, &type);
	int64_t v = missing;
	itr_dtype t;
	unsigned char raw[8];
	if (a < 0)
		return missing;
	if (dtype_of(type, &t) == 0 && !itr_dtype_is_float(t)) {
		hid_t memory = t == ITR_BOOL ? H5Tcopy(type) : type_of(t, true);
		if (H5Aread(a, memory, raw) < 0 || itr_to_i64(&v, raw, t, 1) < 0)
			v = missing;
		H5Tclose(memory);
	}
	attr_close(a, type);
	return v;
}
