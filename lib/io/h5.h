/* h5.h - HDF5 files; only h5_internal.h includes hdf5.h. Files use the structures of HDF5 1.8 (with checksums) and store no times. File
 * locking is off (NFS). Messages of libhdf5 go into err. Paths look like "/image/pooled". The root has the attributes `format`, `version`,
 * `complete`, `synthetic`; itr_h5_open rejects another format and an incomplete file. Conversions lose nothing silently: an integer that
 * does not fit and a fraction read as an integer are errors. HDF5 IS NOT THREAD-SAFE, not even for two different files: call the functions
 * of this header from one thread at a time.
 */
#ifndef ITR_IO_H5_H
#define ITR_IO_H5_H

#include "base/err.h"
#include "tensor/dtype.h"

enum { ITR_H5_MAX_RANK = 8 };
typedef struct itr_h5 itr_h5;

/* Opens a file for reading. `format` ("itr-features", "itr-model", ...) may be NULL: any HDF5 file, not checked for completeness. NULL with
 * err. */
itr_h5 *itr_h5_open(const char *path, const char *format, itr_err *err);
/* The same for a format with versions 1 .. newest; a newer file is an error. itr_h5_attr_int(h, "/", "version", 0) is the version of the
 * file. itr_h5_open accepts version 1 only. A writer sets another version by itr_h5_set_attr_int. */
itr_h5 *itr_h5_open_version(const char *path, const char *format, int64_t newest, itr_err *err);
/* True when the file has the signature of HDF5. It may still be truncated: itr_h5_open checks that. */
bool itr_h5_is(const char *path);
/* Creates a file for writing, as a temporary: nothing exists at `path` before itr_h5_commit. Sets format, version 1 and synthetic. NULL
 * with err. */
itr_h5 *itr_h5_create(const char *path, const char *format, bool synthetic, itr_err *err);
ITR_MUST_USE int itr_h5_commit(itr_h5 *h, itr_err *err);      /* complete = 1, flush, fsync, rename; frees h either way */
void itr_h5_close(itr_h5 *h);                                 /* closes a reader; discards a file being written. NULL does nothing */
const char *itr_h5_path(const itr_h5 *h);
bool itr_h5_is_synthetic(const itr_h5 *h);

bool itr_h5_has(const itr_h5 *h, const char *path);           /* true for a dataset or group */
/* Names of the members of a group, sorted; the caller frees each and the array. Returns their number; -1: no such group. */
int64_t itr_h5_list(const itr_h5 *h, const char *group, char ***names);

typedef struct itr_h5_info {
	itr_dtype dtype;
	bool is_text;
	int rank;
	int64_t shape[ITR_H5_MAX_RANK];
	int64_t count;
} itr_h5_info;
ITR_MUST_USE int itr_h5_info_of(const itr_h5 *h, const char *path, itr_h5_info *info, itr_err *err);

/* Reads rows [first, first+rows) along the first axis of a numeric dataset into dst, converted to `t`. 0, or -1 with err. */
ITR_MUST_USE int itr_h5_read_rows(const itr_h5 *h, const char *path, itr_dtype t, int64_t first, int64_t rows, void *dst, itr_err *err);
/* Where the values of a numeric dataset lie in the file (row_file.h). 1 with *info and *offset; 0: chunked, compressed or of another byte
 * order; -1 with err. */
ITR_MUST_USE int itr_h5_place(const itr_h5 *h, const char *path, itr_h5_info *info, int64_t *offset, itr_err *err);
/* Reads a whole numeric dataset of rank 0..8. The caller frees with itr_aligned_free. info may be NULL. NULL with err. */
void *itr_h5_read(const itr_h5 *h, const char *path, itr_dtype t, itr_h5_info *info, itr_err *err);
/* Reads N strings (fixed or variable length), or a scalar string. The caller frees each string and the array. NULL with err. */
char **itr_h5_read_texts(const itr_h5 *h, const char *path, int64_t *count, itr_err *err);
char *itr_h5_read_text(const itr_h5 *h, const char *path, itr_err *err);

/* Writes a numeric dataset (contiguous). Parent groups are created. */
ITR_MUST_USE int itr_h5_write(itr_h5 *h, const char *path, itr_dtype t, int rank, const int64_t *shape, const void *data, itr_err *err);
/* A numeric dataset of the given shape that is written in pieces: create it, then write ranges of rows in any order. data of type t is
 * converted to `stored` (float32 to ITR_F16, for example). */
ITR_MUST_USE int itr_h5_create_rows(itr_h5 *h, const char *path, itr_dtype stored, int rank, const int64_t *shape, itr_err *err);
ITR_MUST_USE int itr_h5_write_rows(itr_h5 *h, const char *path, itr_dtype t, int64_t first, int64_t rows, const void *data, itr_err *err);
/* N strings of fixed length in UTF-8, padded with NUL; long lists are chunked and compressed with gzip */
ITR_MUST_USE int itr_h5_write_texts(itr_h5 *h, const char *path, const char *const *strings, int64_t count, itr_err *err);
/* a scalar string as a dataset (an attribute holds at most 64 KiB) */
ITR_MUST_USE int itr_h5_write_text(itr_h5 *h, const char *path, const char *text, itr_err *err);

/* A soft link `path` to the group or dataset `target` of the same file. */
ITR_MUST_USE int itr_h5_write_link(itr_h5 *h, const char *path, const char *target, itr_err *err);

/* Attributes of a group or dataset ("/" for the root). */
ITR_MUST_USE int itr_h5_set_attr_text(itr_h5 *h, const char *object, const char *name, const char *text, itr_err *err);
ITR_MUST_USE int itr_h5_set_attr_int(itr_h5 *h, const char *object, const char *name, int64_t v, itr_err *err);
char *itr_h5_attr_text(const itr_h5 *h, const char *object, const char *name);              /* NULL when missing; free */
int64_t itr_h5_attr_int(const itr_h5 *h, const char *object, const char *name, int64_t missing);

#endif
