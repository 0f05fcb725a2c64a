/* npz.h - NumPy files. Reads .npy 1.0-3.0 and .npz (stored, deflated, zip64, keys with '/'), C and Fortran order, f2 f4 f8 i1..i8 u1..u8
 * bool <U |S, also big-endian. An integer that does not fit the requested type is an error. Rejects pickled objects, structured types,
 * sizes larger than the file, and zip bombs. Writes files that numpy.load reads, with the same bytes each time. */
#ifndef ITR_IO_NPZ_H
#define ITR_IO_NPZ_H

#include "base/err.h"
#include "tensor/dtype.h"

enum { ITR_NPY_MAX_RANK = 8 };

typedef struct itr_array_info {
	itr_dtype dtype;                /* numeric arrays */
	bool is_text;                   /* <U or |S: strings of at most `width` code points or bytes */
	int64_t width;
	int rank;
	int64_t shape[ITR_NPY_MAX_RANK];
	int64_t count;                  /* product of the shape */
} itr_array_info;

typedef struct itr_npz itr_npz;

/* Opens a .npz, or a .npy (one member with the name ""). NULL with err. */
itr_npz *itr_npz_open(const char *path, itr_err *err);
void itr_npz_close(itr_npz *z);
const char *itr_npz_path(const itr_npz *z);
int64_t itr_npz_count(const itr_npz *z);
const char *itr_npz_name(const itr_npz *z, int64_t i);                    /* without ".npy"; borrowed */
bool itr_npz_has(const itr_npz *z, const char *name);
/* Type and shape of member `name`. -1 with err; for a missing name the message lists the members and the nearest name. */
ITR_MUST_USE int itr_npz_info(itr_npz *z, const char *name, itr_array_info *info, itr_err *err);

/* Read whole members, converted to the type. The caller frees numbers with itr_aligned_free, text with itr_npz_free_text. `info` may be
 * NULL. NULL with err. */
float *itr_npz_f32(itr_npz *z, const char *name, itr_array_info *info, itr_err *err);
double *itr_npz_f64(itr_npz *z, const char *name, itr_array_info *info, itr_err *err);
int64_t *itr_npz_i64(itr_npz *z, const char *name, itr_array_info *info, itr_err *err);
/* numbers in their stored type, info->dtype */
void *itr_npz_raw(itr_npz *z, const char *name, itr_array_info *info, itr_err *err);
char **itr_npz_text(itr_npz *z, const char *name, itr_array_info *info, itr_err *err);    /* UTF-8 strings */
void itr_npz_free_text(char **strings, int64_t count);                                    /* NULL does nothing */

/* Reads a numeric member in blocks of rows (first axis): calls fn with elements of info->dtype in native byte order. fn returns 0, or -1
 * with err to stop. Memory is one block, but the whole array in Fortran order. 0, or -1 with err. */
ITR_MUST_USE int itr_npz_stream(itr_npz *z, const char *name, int64_t block_rows,
                   int (*fn)(void *ctx, int64_t first_row, int64_t rows, const void *data, const itr_array_info *info, itr_err *err),
                   void *ctx, itr_err *err);

/* --- writing: an atomic file, members in the order of the calls, times 1980-01-01 ------------------------------------------------ */
typedef struct itr_npz_writer itr_npz_writer;
itr_npz_writer *itr_npz_create(const char *path, bool deflate, itr_err *err);
ITR_MUST_USE int itr_npz_put(itr_npz_writer *w, const char *name, itr_dtype t, int rank, const int64_t *shape, const void *data,
                             itr_err *err);
/* strings (count) as <U */
ITR_MUST_USE int itr_npz_put_text(itr_npz_writer *w, const char *name, const char *const *strings, int64_t count, itr_err *err);
/* one string as <U of rank 0 */
ITR_MUST_USE int itr_npz_put_string(itr_npz_writer *w, const char *name, const char *text, itr_err *err);
ITR_MUST_USE int itr_npz_finish(itr_npz_writer *w, itr_err *err);         /* frees w either way */
void itr_npz_abandon(itr_npz_writer *w);                                  /* discards the file; NULL does nothing */

/* One array as a .npy file. */
ITR_MUST_USE int itr_npy_write(const char *path, itr_dtype t, int rank, const int64_t *shape, const void *data, itr_err *err);

#endif
