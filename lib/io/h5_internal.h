/* h5_internal.h - declarations shared by h5.c (files, names, attributes), h5data.c (numeric datasets), h5text.c (strings), h5driver.c
 * (bounds checks) and h5filter.c (compression). The only file that includes hdf5.h. */
#ifndef ITR_IO_H5_INTERNAL_H
#define ITR_IO_H5_INTERNAL_H

#include <hdf5.h>

#include "base/atomic_file.h"
#include "io/h5.h"

struct itr_h5 {
	hid_t file;
	char *path;
	itr_atomic_file *atomic;        /* NULL: a reader */
	bool synthetic;
};

/* Rows that have to be converted or padded are transferred in pieces of about this many bytes. */
enum { ITR_H5_PIECE_BYTES = 4 << 20 };

/* An open dataset and its properties. */
typedef struct itr_h5_set {
	hid_t id, type, space;
	itr_h5_info info;
	size_t stored_size;             /* bytes of one stored element */
} itr_h5_set;

/* Sets err to the message, the file, and the first error in HDF5's error stack. Returns -1. Call it before any other HDF5 function, which
 * would clear the stack. */
int itr_h5_fail(const itr_h5 *h, itr_err *err, const char *format, ...) ITR_PRINTF(3, 4);
/* Closes an id and keeps HDF5's error stack for itr_h5_fail. */
void itr_h5_close_id(herr_t (*close_it)(hid_t), hid_t id);

/* Sets the driver of h5driver.c in a file access property list. */
void itr_h5_reading_driver(hid_t access);
/* h5filter.c: registers lzf and disables plug-ins of libhdf5. Call it before a file is opened. */
void itr_h5_filters(void);
/* Checks that all filters of a dataset (plist: its creation property list; element: bytes of an element) can be decoded. 0, or -1 with err,
 * which names the unknown filter. */
int itr_h5_check_filters(const itr_h5 *h, const char *path, hid_t plist, size_t element, itr_err *err);
/* Resolves soft links, so that every part of the returned path is a hard link; the caller frees. NULL with err (may be NULL) when the
 * object does not exist, the links form a cycle, or a link leads to another file. */
char *itr_h5_resolve(const itr_h5 *h, const char *path, itr_err *err);
/* The HDF5 type of t in the file, or in memory (native byte order); the caller closes it. */
hid_t itr_h5_type_of(itr_dtype t, bool in_memory);
/* The element type of a stored HDF5 type. 0, or -1 when it is not supported. */
int itr_h5_dtype_of(hid_t type, itr_dtype *t);
/* Fixed-length UTF-8, NUL-padded; the caller closes it. */
hid_t itr_h5_string_type(size_t width);
/* n stored bytes as valid UTF-8 (invalid bytes replaced); the caller frees. */
char *itr_h5_clean(const char *s, size_t n);

/* Opens and checks a dataset: 0, or -1 with err and nothing to close. */
int itr_h5_set_open(const itr_h5 *h, const char *path, itr_h5_set *s, itr_err *err);
/* Creates a dataset and its parent groups. chunk_rows > 0: compressed, in chunks of that many rows (rank 1 only). 0, or -1 with err. */
int itr_h5_set_create(itr_h5 *h, const char *path, hid_t type, int rank, const int64_t *shape, int64_t chunk_rows, itr_h5_set *s,
                      itr_err *err);
void itr_h5_set_close(itr_h5_set *s);
/* Reads rows [first, first+rows) of the dataset into `in`, or writes them from `out` (the other is NULL); elements have memory type `type`.
 * 0, or -1 with the reason in HDF5's error stack. */
int itr_h5_transfer(const itr_h5_set *s, hid_t type, int64_t first, int64_t rows, void *in, const void *out);

#endif
