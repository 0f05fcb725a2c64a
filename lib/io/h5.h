/* h5.h - HDF5 files as this project uses them; hdf5.h is included by h5_internal.h alone. Structures of HDF5 1.8 (checksums), object times
 * off, library messages off (they go into err), file locking off (NFS), reads and writes checked. Paths look like "/image/pooled". A file
 * carries the root attributes `format`, `version`, `complete`, `synthetic`. HDF5 IS NOT THREAD-SAFE, not even for two different files:
 * callers make every call of this header from one thread at a time. Conversions between types refuse damage: an integer that does not fit
 * and a fraction read as an integer are errors. itr_h5_open refuses a file of another format or an incomplete one.
 */
#ifndef ITR_IO_H5_H
#define ITR_IO_H5_H

#include "base/err.h"
#include "tensor/dtype.h"

enum { ITR_H5_MAX_RANK = 8 };
typedef struct itr_h5 itr_h5;

/* Reading. `format` ("itr-features", "itr-model", ...) may be NULL: any HDF5 file, no completeness check. */
itr_h5 *itr_h5_open(const char *path, const char *format, itr_err *err);
/* The same for a format of which there are several versions, 1 .. newest (itr_h5_attr_int(h, "/", "version", 0) is the file's): a later one
 * is refused. itr_h5_open reads version 1; a writer sets another by itr_h5_set_attr_int. */
itr_h5 *itr_h5_open_version(const char *path, const char *format, int64_t newest, itr_err *err);
/* does the file begin as HDF5 does? It may still be truncated: itr_h5_open checks */
bool itr_h5_is(const char *path);
/* Writing: beside the target; nothing is at `path` before itr_h5_commit succeeded. Sets format, version 1 and synthetic. */
itr_h5 *itr_h5_create(const char *path, const char *format, bool synthetic, itr_err *err);
ITR_MUST_USE int itr_h5_commit(itr_h5 *h, itr_err *err);      /* complete = 1, flush, fsync, rename; frees h either way */
void itr_h5_close(itr_h5 *h);                                 /* of a reader; of a writer: abandons the file. NULL is fine */
const char *itr_h5_path(const itr_h5 *h);
bool itr_h5_is_synthetic(const itr_h5 *h);

/* Looking. */
bool itr_h5_has(const itr_h5 *h, const char *path);           /* a dataset or group */
/* member names in name order; free each and the array; -1: no such group */
int64_t itr_h5_list(const itr_h5 *h, const char *group, char ***names);

typedef struct itr_h5_info {
	itr_dtype dtype;
	bool is_text;
	int rank;
	int64_t shape[ITR_H5_MAX_RANK];
	int64_t count;
} itr_h5_info;
ITR_MUST_USE int itr_h5_info_of(const itr_h5 *h, const char *path, itr_h5_info *info, itr_err *err);

/* Rows [first, first+rows) of the first axis of a numeric dataset, converted to `t`, into dst. A stored float16 (IEEE_F32LE fields
 * 15/10/5/0/10, size 2) is converted too. */
ITR_MUST_USE int itr_h5_read_rows(const itr_h5 *h, const char *path, itr_dtype t, int64_t first, int64_t rows, void *dst, itr_err *err);
/* Whole numeric dataset of rank 0..8, itr_aligned_alloc'd; the caller frees with itr_aligned_free. */
void *itr_h5_read(const itr_h5 *h, const char *path, itr_dtype t, itr_h5_info *info, itr_err *err);
/* Text: [N] strings (fixed or variable length), or a scalar. Free: each and the array / the string. */
char **itr_h5_read_texts(const itr_h5 *h, const char *path, int64_t *count, itr_err *err);
char *itr_h5_read_text(const itr_h5 *h, const char *path, itr_err *err);

/* Writing. Parent groups are made. The data set is contiguous unless it is appended to. */
ITR_MUST_USE int itr_h5_write(itr_h5 *h, const char *path, itr_dtype t, int rank, const int64_t *shape, const void *data, itr_err *err);
/* A dataset of [rows, ...shape[1..]] whose rows arrive in pieces: create once, then write any row range. F16 is stored as half floats from
 * float32 data when `stored` is ITR_F16 and `t` ITR_F32. */
ITR_MUST_USE int itr_h5_create_rows(itr_h5 *h, const char *path, itr_dtype stored, int rank, const int64_t *shape, itr_err *err);
ITR_MUST_USE int itr_h5_write_rows(itr_h5 *h, const char *path, itr_dtype t, int64_t first, int64_t rows, const void *data, itr_err *err);
/* fixed-length UTF-8, NUL-padded */
ITR_MUST_USE int itr_h5_write_texts(itr_h5 *h, const char *path, const char *const *strings, int64_t count, itr_err *err);
/* scalar string DATASET (attributes stop at 64 KiB) */
ITR_MUST_USE int itr_h5_write_text(itr_h5 *h, const char *path, const char *text, itr_err *err);

/* Attributes of a group or dataset ("/" for the root). */
ITR_MUST_USE int itr_h5_set_attr_text(itr_h5 *h, const char *object, const char *name, const char *text, itr_err *err);
ITR_MUST_USE int itr_h5_set_attr_int(itr_h5 *h, const char *object, const char *name, int64_t v, itr_err *err);
char *itr_h5_attr_text(const itr_h5 *h, const char *object, const char *name);              /* NULL when missing; free */
int64_t itr_h5_attr_int(const itr_h5 *h, const char *object, const char *name, int64_t missing);

#endif
