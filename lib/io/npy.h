/* npy.h - reading and writing the header of a .npy array, for npz.c and npzwrite.c.
 * Format: numpy/lib/format.py, versions 1.0, 2.0, 3.0. */
#ifndef ITR_IO_NPY_H
#define ITR_IO_NPY_H

#include "base/buf.h"
#include "io/npz.h"

enum { ITR_NPY_PRELUDE = 12, ITR_NPY_MAX_HEADER = 1 << 16 };

typedef struct itr_npy_header {
	itr_array_info info;
	size_t item;                    /* bytes of one element in the file */
	bool swapped, fortran;          /* byte order differs from the machine's; Fortran order (first axis fastest) */
	bool wide_text;                 /* <U, 4 bytes for each code point; false: |S */
} itr_npy_header;

/* Reads the first n bytes of a file (10 for version 1, otherwise 12). *prelude = their number, *text = length of the header text that
 * follows. -1 with err when it is not a .npy file. */
ITR_MUST_USE int itr_npy_sizes(const unsigned char *first, size_t n, size_t *prelude, size_t *text, const char *what, itr_err *err);
/* Parses the header text, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }". 0, or -1 with err. */
ITR_MUST_USE int itr_npy_parse(const char *text, size_t n, itr_npy_header *h, const char *what, itr_err *err);
/* Appends the whole header with the same bytes as numpy.save. descr: "<f4", "<U12", ... */
void itr_npy_print(itr_buf *b, const char *descr, int rank, const int64_t *shape);
/* "<f4" etc. of a numeric type; NULL for bfloat16, which NumPy does not have. */
const char *itr_npy_descr(itr_dtype t);

#endif
