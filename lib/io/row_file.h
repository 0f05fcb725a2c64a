/* row_file.h - rows of a dataset in an HDF5 file by pread: from any thread, in any order, with no memory but the caller's. HDF5 itself
 * allows one thread and converts through buffers of its own.
 *
 *	itr_row_file *f;
 *	int can = itr_row_file_open(&f, h, "/text/pooled", err);        // 1; 0: in chunks, to be loaded by itr_h5_read_rows; -1
 *	if (can == 1 && itr_row_file_read(f, row, 1, out, err) < 0)
 *		return -1;
 *	itr_row_file_free(f);
 */
#ifndef ITR_IO_ROW_FILE_H
#define ITR_IO_ROW_FILE_H

#include "io/h5.h"

typedef struct itr_row_file itr_row_file;

/* The rows (first axis) of a dataset of numbers of rank 2 at least. It keeps a descriptor of its own: h may be closed before it, and a file
 * that is put in the old one's place changes nothing. 1; 0, *f NULL: chunked, compressed, or of the other byte order; -1 with err. */
ITR_MUST_USE int itr_row_file_open(itr_row_file **f, const itr_h5 *h, const char *path, itr_err *err);
void itr_row_file_free(itr_row_file *f);
int64_t itr_row_file_rows(const itr_row_file *f);
int64_t itr_row_file_width(const itr_row_file *f);      /* elements of a row */

/* Rows first .. first + n - 1 as float32, out (n, width). Thread-safe. -1 with err: the file cannot be read, it has been written to or cut
 * since it was opened (its size or time of modification is another), a value is beyond float32's range. */
ITR_MUST_USE int itr_row_file_read(const itr_row_file *f, int64_t first, int64_t n, float *out, itr_err *err);

#endif
