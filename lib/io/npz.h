/* npz.h - NumPy arrays in files. Reads .npy 1.0-3.0 and .npz (stored, deflated, zip64, keys with '/'), C and Fortran order, f2 f4 f8 i1..i8
 * u1..u8 bool <U |S (big-endian too); integers are read exactly or not at all; refuses pickled objects, structured types, sizes that the
 * file cannot hold, and bombs. Writes what numpy.load reads, same bytes each time. */
#ifndef ITR_IO_NPZ_H
#define ITR_IO_NPZ_H

#include "base/err.h"
#include "tensor/dtype.h"

enum { ITR_NPY_MAX_RANK = 8 };

typedef struct itr_array_info {
	itr_dtype dtype;                /* numeric arrays */
	bool is_text;                   /* <U or |S: strings, `width` code points or bytes each */
	int64_t width;
	int rank;
	int64_t shape[ITR_NPY_MAX_RANK];
	int64_t count;                  /* product of the shape */
} itr_array_info;

typedef struct itr_npz itr_npz;

/* Opens a .npz, or a single .npy (its one member is then called ""). */
itr_npz *itr_npz_open(const char *path, itr_err *err);
void itr_npz_close(itr_npz *z);
const char *itr_npz_path(const itr_npz *z);
int64_t itr_npz_count(const itr_npz *z);
const char *itr_npz_name(const itr_npz *z, int64_t i);                    /* without ".npy"; borrowed */
bool itr_npz_has(const itr_npz *z, const char *name);
/* What member `name` is. -1 with err; a missing name lists those present and names the nearest. */
ITR_MUST_USE int itr_npz_info(itr_npz *z, const char *name, itr_array_info *info, itr_err *err);

/* Whole members, converted. The caller frees (f32, i64: itr_aligned_free; text: free both levels with itr_npz_free_text). `info` may be
 * NULL. */
float *itr_npz_f32(itr_npz *z, const char *name, itr_array_info *info, itr_err *err);
double *itr_npz_f64(itr_npz *z, const char *name, itr_array_info *info, itr_err *err);
int64_t *itr_npz_i64(itr_npz *z, const char *name, itr_array_info *info, itr_err *err);
/* numbers as stored: info->dtype; itr_aligned_free */
void *itr_npz_raw(itr_npz *z, const char *name, itr_array_info *info, itr_err *err);
char **itr_npz_text(itr_npz *z, const char *name, itr_array_info *info, itr_err *err);    /* UTF-8 strings */
void itr_npz_free_text(char **strings, int64_t count);                                    /* NULL is fine */
void itr_npz_free_text(char **strings, int64_t count);

/* Streams the rows (first axis) of a numeric C-order member without holding it: calls fn with blocks of raw elements of info->dtype in
 * native byte order. fn returns 0, or -1 (with err set) to stop. For the competition's 3 GB one-hot array. */
ITR_MUST_USE int itr_npz_stream(itr_npz *z, const char *name, int64_t block_rows,
                   int (*fn)(void *ctx, int64_t first_row, int64_t rows, const void *data, const itr_array_info *info, itr_err *err),
                   void *ctx, itr_err *err);

/* --- writing: atomic, members in call order, zip times 1980. -------------------------------------------------------------------- */
typedef struct itr_npz_writer itr_npz_writer;
itr_npz_writer *itr_npz_create(const char *path, bool deflate, itr_err *err);
ITR_MUST_USE int itr_npz_put(itr_npz_writer *w, const char *name, itr_dtype t, int rank, const int64_t *shape, const void *data,
                             itr_err *err);
/* <U; rank 1 */
ITR_MUST_USE int itr_npz_put_text(itr_npz_writer *w, const char *name, const char *const *strings, int64_t count, itr_err *err);
/* <U, rank 0 */
ITR_MUST_USE int itr_npz_put_string(itr_npz_writer *w, const char *name, const char *text, itr_err *err);
ITR_MUST_USE int itr_npz_finish(itr_npz_writer *w, itr_err *err);         /* frees w either way */
void itr_npz_abandon(itr_npz_writer *w);                                  /* nothing is written; NULL is fine */

/* One array as a .npy file. */
ITR_MUST_USE int itr_npy_write(const char *path, itr_dtype t, int rank, const int64_t *shape, const void *data, itr_err *err);

#endif
