/* arrays.h - arrays by name in a .npz, .npy or HDF5 file: what the readers of vectors ask of any of them. The one array of a .npy file is
 * called "". HDF5 is told by its content or by its name's ending.
 *
 *	itr_arrays *a = itr_arrays_open("test.npz", err);
 *	int64_t n, dim;
 *	if (!a || itr_arrays_shape(a, "text_512", &n, &dim, err) < 0)
 *		return -1;
 *	itr_arrays_close(a);
 *
 * What is there and of the wrong type, shape or size is an error with the file's and the array's name; so is an array that is not there.
 */
#ifndef ITR_DATA_ARRAYS_H
#define ITR_DATA_ARRAYS_H

#include "io/npz.h"

typedef struct itr_arrays itr_arrays;
itr_arrays *itr_arrays_open(const char *path, itr_err *err);
void itr_arrays_close(itr_arrays *a);           /* NULL is fine */
const char *itr_arrays_path(const itr_arrays *a);
bool itr_arrays_has(const itr_arrays *a, const char *name);
/* Names of the file's arrays, of HDF5 those at the root: how many; the caller frees each and the list. */
int64_t itr_arrays_names(const itr_arrays *a, char ***names);
ITR_MUST_USE int itr_arrays_info(const itr_arrays *a, const char *name, itr_array_info *info, itr_err *err);
/* Shape of an array that has rows: two axes, neither of them empty. */
ITR_MUST_USE int itr_arrays_shape(const itr_arrays *a, const char *name, int64_t *rows, int64_t *dim, itr_err *err);
/* Such an array as float32 (rows, dim), itr_aligned_alloc'd; the caller frees. */
float *itr_arrays_matrix(const itr_arrays *a, const char *name, int64_t *rows, int64_t *dim, itr_err *err);
/* Whole numbers, itr_aligned_alloc'd; the caller frees. Booleans are refused: a mask would be read as rows 0 and 1. */
int64_t *itr_arrays_numbers(const itr_arrays *a, const char *name, itr_array_info *info, itr_err *err);
/* n ids: strings, or whole numbers that are written out. The caller frees each and the list. */
char **itr_arrays_ids(const itr_arrays *a, const char *name, int64_t n, itr_err *err);
/* Rows of a numeric array in blocks, never held whole: see itr_npz_stream. */
typedef int itr_arrays_block(void *ctx, int64_t first, int64_t rows, const void *data, const itr_array_info *info, itr_err *err);
ITR_MUST_USE int itr_arrays_stream(const itr_arrays *a, const char *name, int64_t block, itr_arrays_block *fn, void *ctx, itr_err *err);
/* Does the file say that its data are synthetic? Asked three ways: HDF5's root attribute, itr_provenance, an array itr_synthetic. */
bool itr_arrays_synthetic(const itr_arrays *a);

#endif
