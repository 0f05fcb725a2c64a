#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "io/convert.h"
#include "io/h5_internal.h"
#include "io/limit.h"

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
hid_t itr_h5_type_of(itr_dtype t, bool in_memory)
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

/* True when the bit fields of the type are within its bytes. libhdf5 (1.10, 1.14) does not check them and would read out of bounds. */
static bool sound(hid_t type)
{
	size_t bits = 8 * H5Tget_size(type), sign, exponent, exponent_bits, mantissa, mantissa_bits;
	if (H5Tget_offset(type) != 0 || H5Tget_precision(type) != bits)
		return false;
	if (H5Tget_class(type) != H5T_FLOAT)
		return true;
	return H5Tget_fields(type, &sign, &exponent, &exponent_bits, &mantissa, &mantissa_bits) >= 0 && sign < bits && exponent < bits &&
	       exponent_bits <= bits - exponent && exponent_bits > 0 && mantissa < bits && mantissa_bits <= bits - mantissa &&
	       mantissa_bits > 0;
}

/* The element type of a stored HDF5 type. 0, or -1 when it is not supported. */
int itr_h5_dtype_of(hid_t type, itr_dtype *t)
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

/* --- datasets ----------------------------------------------------------------------------------------------------------- */

void itr_h5_set_close(itr_h5_set *s)
{
	if (s->type >= 0)
		H5Tclose(s->type);
	if (s->space >= 0)
		H5Sclose(s->space);
	if (s->id >= 0)
		H5Dclose(s->id);
	H5Eclear2(H5E_DEFAULT);
}

/* Checks the size of a dataset against the bytes in the file: contiguous data must be there completely, compressed chunks at most at
 * deflate's best ratio (1032). */
static int check_storage(const itr_h5 *h, const char *path, itr_h5_set *s, itr_err *err)
{
	hid_t plist = H5Dget_create_plist(s->id);
	H5D_layout_t layout = plist < 0 ? H5D_LAYOUT_ERROR : H5Pget_layout(plist);
	int external = plist < 0 ? 0 : H5Pget_external_count(plist),
	    filters = plist < 0 ? 0 : itr_h5_check_filters(h, path, plist, s->stored_size, err);
	if (plist >= 0)
		itr_h5_close_id(H5Pclose, plist);
	if (filters < 0)
		return -1;
	if (layout == H5D_LAYOUT_ERROR || layout == H5D_VIRTUAL || external != 0)
		return itr_h5_fail(h, err, "dataset '%s' keeps its data in other files, which is refused", path);
	if (itr_limit_shape(s->info.shape, s->info.rank, &s->info.count, "it", err) < 0)
		return itr_err_prefix(err, "'%s': dataset '%s': ", h->path, path);
	double need = (double)s->info.count * (double)s->stored_size, there = (double)H5Dget_storage_size(s->id);
	hsize_t file_bytes = 0;
	H5Fget_filesize(h->file, &file_bytes);
	there = ITR_MIN(there, (double)file_bytes);
	if (need > there * (layout == H5D_CHUNKED ? 1032 : 1))
		return itr_h5_fail(h, err, "dataset '%s' claims %.0f bytes, but the file holds %.0f of them", path, need, there);
	return 0;
}

int itr_h5_set_open(const itr_h5 *h, const char *path, itr_h5_set *s, itr_err *err)
{
	*s = (itr_h5_set){ .id = -1, .type = -1, .space = -1 };
	char *there = itr_h5_resolve(h, path, err);
	if (!there)
		return -1;
	hsize_t dims[H5S_MAX_RANK];
	s->id = H5Dopen2(h->file, there, H5P_DEFAULT);
	free(there);
	s->type = s->id < 0 ? -1 : H5Dget_type(s->id);
	s->space = s->id < 0 ? -1 : H5Dget_space(s->id);
	int rank = s->space < 0 ? -1 : H5Sget_simple_extent_ndims(s->space), rc = 0;
	H5S_class_t space_class = s->space < 0 ? H5S_NO_CLASS : H5Sget_simple_extent_type(s->space);
	if (s->type < 0 || rank < 0 || rank > H5S_MAX_RANK || H5Sget_simple_extent_dims(s->space, dims, NULL) < 0)
		rc = itr_h5_fail(h, err, "cannot read dataset '%s'", path);
	else if (rank > ITR_H5_MAX_RANK || space_class == H5S_NULL)
		rc = itr_h5_fail(h, err, space_class == H5S_NULL ? "dataset '%s' is empty" : "dataset '%s' has more than 8 dimensions",
		                 path);
	if (rc == 0) {
		s->stored_size = H5Tget_size(s->type);
		s->info.rank = rank;
		for (int i = 0; i < rank; i++)
			s->info.shape[i] = dims[i] > INT64_MAX ? -1 : (int64_t)dims[i];
		s->info.is_text = H5Tget_class(s->type) == H5T_STRING;
		if (!s->info.is_text && itr_h5_dtype_of(s->type, &s->info.dtype) < 0)
			rc = itr_h5_fail(h, err, "dataset '%s' holds neither plain numbers nor strings", path);
		if (rc == 0)
			rc = check_storage(h, path, s, err);
	}
	if (rc < 0)
		itr_h5_set_close(s);
	return rc;
}

int itr_h5_info_of(const itr_h5 *h, const char *path, itr_h5_info *info, itr_err *err)
{
	itr_h5_set s;
	if (itr_h5_set_open(h, path, &s, err) < 0)
		return -1;
	*info = s.info;
	itr_h5_set_close(&s);
	return 0;
}

/* Creates the parent groups one by one, because groups that HDF5 creates implicitly store the time. */
static int make_groups(itr_h5 *h, const char *path, hid_t links)
{
	hid_t create = H5Pcreate(H5P_GROUP_CREATE);
	H5Pset_obj_track_times(create, false);
	char *p = itr_xstrdup(path);
	int rc = 0;
	for (char *s = p + (p[0] == '/'); (s = strchr(s, '/')) && rc == 0; s++) {
		*s = 0;
		if (H5Lexists(h->file, p, H5P_DEFAULT) <= 0) {
			hid_t g = H5Gcreate2(h->file, p, links, create, H5P_DEFAULT);
			rc = g < 0 ? -1 : 0;
			if (g >= 0)
				H5Gclose(g);
		}
		*s = '/';
	}
	H5Pclose(create);
	free(p);
	return rc;
}

int itr_h5_set_create(itr_h5 *h, const char *path, hid_t type, int rank, const int64_t *shape, int64_t chunk_rows, itr_h5_set *s,
                      itr_err *err)
{
	hsize_t dims[ITR_H5_MAX_RANK + 1], chunk = (hsize_t)chunk_rows;
	if (!h->atomic || rank < 0 || rank > ITR_H5_MAX_RANK)
		ITR_BUG("dataset '%s' of rank %d in '%s'%s", path, rank, h->path, h->atomic ? "" : ", which is open for reading");
	*s = (itr_h5_set){ .type = H5Tcopy(type), .stored_size = H5Tget_size(type) };
	s->info.rank = rank;
	for (int i = 0; i < rank; i++)
		dims[i] = (hsize_t)(s->info.shape[i] = shape[i]);
	hid_t links = H5Pcreate(H5P_LINK_CREATE), create = H5Pcreate(H5P_DATASET_CREATE);
	H5Pset_char_encoding(links, H5T_CSET_UTF8);
	H5Pset_obj_track_times(create, false);
	if (chunk_rows > 0) {
		H5Pset_chunk(create, 1, &chunk);
		H5Pset_deflate(create, 1);
	}
	s->space = rank == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(rank, dims, NULL);
	s->id = make_groups(h, path, links) < 0 ? -1 : H5Dcreate2(h->file, path, type, s->space, links, create, H5P_DEFAULT);
	int rc = s->id < 0 ? itr_h5_fail(h, err, "cannot write dataset '%s'", path) : 0;
	H5Pclose(links);
	H5Pclose(create);
	if (rc < 0)
		itr_h5_set_close(s);
	return rc;
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

/* Transfers rows [first, first+rows) between the dataset and `data`, whose elements have memory type `type`. */
int itr_h5_transfer(const itr_h5_set *s, hid_t type, int64_t first, int64_t rows, void *in, const void *out)
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
		rc = in ? H5Dread(s->id, type, memory, s->space, H5P_DEFAULT, in)
		        : H5Dwrite(s->id, type, memory, s->space, H5P_DEFAULT, out);
	itr_h5_close_id(H5Sclose, memory);
	return rc < 0 ? -1 : 0;
}

static int64_t rows_of(const itr_h5_info *info) { return info->rank == 0 ? 1 : info->shape[0]; }

static int check_rows(const itr_h5 *h, const char *path, const itr_h5_info *info, int64_t first, int64_t rows, itr_err *err)
{
	if (first < 0 || rows < 0 || rows > rows_of(info) - first)
		return itr_err_set(err, "'%s': dataset '%s' has %lld rows; rows %lld to %lld are not there", h->path, path,
		                   (long long)rows_of(info), (long long)first, (long long)(first + rows));
	return 0;
}

static int read_rows(const itr_h5 *h, const char *path, const itr_h5_set *s, itr_dtype t, int64_t first, int64_t rows, void *dst,
                     itr_err *err)
{
	itr_dtype stored = s->info.dtype;
	int64_t wide = row_elements(&s->info), piece = ITR_MAX(1, ITR_H5_PIECE_BYTES / ITR_MAX(1, wide * (int64_t)itr_dtype_size(stored)));
	hid_t type = stored == ITR_BOOL ? H5Tcopy(s->type) : itr_h5_type_of(stored, true);
	int rc = 0;
	if (t == stored) {
		rc = itr_h5_transfer(s, type, first, rows, dst, NULL) < 0 ? itr_h5_fail(h, err, "cannot read dataset '%s'", path) : 0;
		H5Tclose(type);
		return rc;
	}
	void *raw = itr_xmalloc((size_t)(ITR_MIN(piece, rows) * wide) * itr_dtype_size(stored) + 1);
	for (int64_t r = 0; r < rows && rc == 0; r += piece) {
		int64_t n = ITR_MIN(piece, rows - r);
		if (itr_h5_transfer(s, type, first + r, n, raw, NULL) < 0)
			rc = itr_h5_fail(h, err, "cannot read dataset '%s'", path);
		else if (itr_convert((char *)dst + (size_t)(r * wide) * itr_dtype_size(t), t, raw, stored, n * wide) < 0)
			rc = itr_err_set(err, "'%s': dataset '%s' holds %s values that %s cannot hold", h->path, path,
			                 itr_dtype_name(stored), itr_dtype_name(t));
		double value;
		int64_t beyond = rc == 0 && t == ITR_F32 ? itr_beyond_f32(raw, stored, n * wide, &value) : -1;
		if (beyond >= 0)
			rc = itr_err_set(
				err, "'%s': dataset '%s': row %lld holds %g, which is beyond float32's range (3.4e38): scale the values",
				h->path, path, (long long)(first + r + beyond / wide), value);
	}
	free(raw);
	H5Tclose(type);
	return rc;
}

static int numeric_open(const itr_h5 *h, const char *path, itr_h5_set *s, itr_err *err)
{
	if (itr_h5_set_open(h, path, s, err) < 0)
		return -1;
	if (!s->info.is_text)
		return 0;
	itr_h5_set_close(s);
	return itr_err_set(err, "'%s': dataset '%s' holds text, not numbers", h->path, path);
}

int itr_h5_read_rows(const itr_h5 *h, const char *path, itr_dtype t, int64_t first, int64_t rows, void *dst, itr_err *err)
{
	itr_h5_set s;
	if (numeric_open(h, path, &s, err) < 0)
		return -1;
	int rc = check_rows(h, path, &s.info, first, rows, err);
	if (rc == 0)
		rc = read_rows(h, path, &s, t, first, rows, dst, err);
	itr_h5_set_close(&s);
	return rc;
}

int itr_h5_place(const itr_h5 *h, const char *path, itr_h5_info *info, int64_t *offset, itr_err *err)
{
	itr_h5_set s;
	if (numeric_open(h, path, &s, err) < 0)
		return -1;
	hid_t plist = H5Dget_create_plist(s.id), native = itr_h5_type_of(s.info.dtype, true);
	const haddr_t at = H5Dget_offset(s.id);
	const bool plain = plist >= 0 && H5Pget_layout(plist) == H5D_CONTIGUOUS && H5Tequal(s.type, native) > 0 && at <= INT64_MAX;
	*info = s.info;
	*offset = plain ? (int64_t)at : 0;
	H5Tclose(native);
	if (plist >= 0)
		H5Pclose(plist);
	itr_h5_set_close(&s);
	return plain;
}

void *itr_h5_read(const itr_h5 *h, const char *path, itr_dtype t, itr_h5_info *info, itr_err *err)
{
	itr_h5_set s;
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
	itr_h5_set_close(&s);
	return data;
}

/* --- writing --------------------------------------------------------------------------------------------------------------------- */

int itr_h5_create_rows(itr_h5 *h, const char *path, itr_dtype stored, int rank, const int64_t *shape, itr_err *err)
{
	itr_h5_set s;
	hid_t type = itr_h5_type_of(stored, false);
	int rc = itr_h5_set_create(h, path, type, rank, shape, 0, &s, err);
	H5Tclose(type);
	if (rc == 0)
		itr_h5_set_close(&s);
	return rc;
}

static int write_rows(itr_h5 *h, const char *path, const itr_h5_set *s, itr_dtype t, int64_t first, int64_t rows, const void *data,
                      itr_err *err)
{
	itr_dtype stored = s->info.dtype;
	int64_t wide = row_elements(&s->info),
		piece = t == stored ? ITR_MAX(rows, 1) : ITR_MAX(1, ITR_H5_PIECE_BYTES / ITR_MAX(1, wide * 8));
	hid_t type = itr_h5_type_of(stored, true);
	void *raw = t == stored ? NULL : itr_xmalloc((size_t)(ITR_MIN(piece, rows) * wide) * itr_dtype_size(stored) + 1);
	int rc = 0;
	for (int64_t r = 0; r < rows && rc == 0; r += piece) {
		int64_t n = ITR_MIN(piece, rows - r);
		const char *from = (const char *)data + (size_t)(r * wide) * itr_dtype_size(t);
		if (raw && itr_convert(raw, stored, from, t, n * wide) < 0)
			rc = itr_err_set(err, "'%s': dataset '%s': a value does not fit into %s", h->path, path, itr_dtype_name(stored));
		else if (itr_h5_transfer(s, type, first + r, n, NULL, raw ? raw : from) < 0)
			rc = itr_h5_fail(h, err, "cannot write dataset '%s'", path);
	}
	free(raw);
	H5Tclose(type);
	return rc;
}

int itr_h5_write_rows(itr_h5 *h, const char *path, itr_dtype t, int64_t first, int64_t rows, const void *data, itr_err *err)
{
	itr_h5_set s = { .id = H5Dopen2(h->file, path, H5P_DEFAULT), .type = -1, .space = -1 };
	hsize_t dims[H5S_MAX_RANK];
	int rc = -1;
	if (s.id >= 0) {
		s.type = H5Dget_type(s.id);
		s.space = H5Dget_space(s.id);
		s.info.rank = H5Sget_simple_extent_dims(s.space, dims, NULL);
		for (int i = 0; i < s.info.rank; i++)
			s.info.shape[i] = (int64_t)dims[i];
	}
	if (s.id < 0 || itr_h5_dtype_of(s.type, &s.info.dtype) < 0)
		itr_h5_fail(h, err, "has no dataset '%s' of numbers to write to", path);
	else if (check_rows(h, path, &s.info, first, rows, err) == 0)
		rc = write_rows(h, path, &s, t, first, rows, data, err);
	itr_h5_set_close(&s);
	return rc;
}

int itr_h5_write(itr_h5 *h, const char *path, itr_dtype t, int rank, const int64_t *shape, const void *data, itr_err *err)
{
	itr_h5_set s;
	hid_t type = itr_h5_type_of(t, false);
	int rc = itr_h5_set_create(h, path, type, rank, shape, 0, &s, err);
	H5Tclose(type);
	if (rc < 0)
		return -1;
	s.info.dtype = t;
	rc = write_rows(h, path, &s, t, 0, rows_of(&s.info), data, err);
	itr_h5_set_close(&s);
	return rc;
}
