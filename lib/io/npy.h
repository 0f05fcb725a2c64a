/* npy.h - the header of a .npy array: read and written; shared by npz.c (reading) and npzwrite.c.
 * Format: numpy/lib/format.py, versions 1.0, 2.0, 3.0. */
#ifndef ITR_IO_NPY_H
#define ITR_IO_NPY_H

#include "base/buf.h"
#include "io/npz.h"

enum { ITR_NPY_PRELUDE = 12, ITR_NPY_MAX_HEADER = 1 << 16 };

typedef struct itr_npy_header {
	itr_array_info info;
	size_t item;                    /* bytes of one element in the file */
	bool swapped, fortran;          /* other byte order than this machine's; first axis fastest */
	bool wide_text;                 /* <U: 4 bytes a code point; else |S */
} itr_npy_header;

/* From the first bytes (10 for version 1, 12 else) of a file: bytes of the prelude into *prelude, of the text behind it into *text. -1 with
 * err when it is no .npy. */
ITR_MUST_USE int itr_npy_sizes(const unsigned char *first, size_t n, size_t *prelude, size_t *text, const char *what, itr_err *err);
/* Parses the text, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }". */
ITR_MUST_USE int itr_npy_parse(const char *text, size_t n, itr_npy_header *h, const char *what, itr_err *err);
/* The whole header as numpy.save writes it, byte for byte. descr as "<f4" or "<U12". */
void itr_npy_print(itr_buf *b, const char *descr, int rank, const int64_t *shape);
/* "<f4" etc. of a numeric type; NULL for bfloat16, which NumPy has no name for. */
const char *itr_npy_descr(itr_dtype t);

#endif
