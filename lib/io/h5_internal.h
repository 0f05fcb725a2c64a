/* h5_internal.h - what the files behind h5.h share, and the only place that includes hdf5.h: h5.c (files, names, attributes), h5data.c
 * (datasets of numbers), h5text.c (strings), h5driver.c (bounds), h5filter.c (what a dataset is compressed by). */
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

/* Rows are moved in pieces of about this many bytes wherever they are converted or padded. */
enum { ITR_H5_PIECE_BYTES = 4 << 20 };

/* An open dataset and what is known of it. */
typedef struct itr_h5_set {
	hid_t id, type, space;
	itr_h5_info info;
	size_t stored_size;             /* bytes of one stored element */
} itr_h5_set;

/* The message, the file, and what HDF5 says was the first thing to go wrong. Returns -1. */
int itr_h5_fail(const itr_h5 *h, itr_err *err, const char *format, ...) ITR_PRINTF(3, 4);
/* Closes an id between a failure and itr_h5_fail: any other call would clear the reasons. */
void itr_h5_close_id(herr_t (*close_it)(hid_t), hid_t id);

/* Makes files that are opened with this access list use the driver of h5driver.c. */
void itr_h5_reading_driver(hid_t access);
/* h5filter.c: makes lzf readable, and keeps libhdf5 from loading plug-ins. Before a file is opened. */
void itr_h5_filters(void);
/* Can all filters of a dataset (its creation list, bytes of an element) be undone? 0, or -1 with err, which names the one that cannot. */
int itr_h5_check_filters(const itr_h5 *h, const char *path, hid_t plist, size_t element, itr_err *err);
/* The path with its soft links followed, so that every step of it is a hard link: free() it. NULL with err (may be NULL): it does not
 * exist, goes in circles, or leads to another file. */
char *itr_h5_resolve(const itr_h5 *h, const char *path, itr_err *err);
/* The type in the file, or in memory: the same number in the machine's byte order; the caller closes it. */
hid_t itr_h5_type_of(itr_dtype t, bool in_memory);
/* What a stored type is to us: 0, or -1 when it is nothing we read. */
int itr_h5_dtype_of(hid_t type, itr_dtype *t);
/* Fixed-length UTF-8, NUL-padded; the caller closes it. */
hid_t itr_h5_string_type(size_t width);
/* Stored bytes as valid UTF-8; the caller frees. */
char *itr_h5_clean(const char *s, size_t n);

/* Opens and checks a dataset: 0, or -1 with err and nothing to close. */
int itr_h5_set_open(const itr_h5 *h, const char *path, itr_h5_set *s, itr_err *err);
/* Makes one, with the groups above it. chunk_rows > 0: compressed, in chunks of so many rows (rank 1). */
int itr_h5_set_create(itr_h5 *h, const char *path, hid_t type, int rank, const int64_t *shape, int64_t chunk_rows, itr_h5_set *s,
                      itr_err *err);
void itr_h5_set_close(itr_h5_set *s);
/* Moves rows [first, first+rows) between the dataset and in (reading) or out (writing), whose elements are of memory type `type`. 0 or -1,
 * the reason in HDF5's stack. */
int itr_h5_transfer(const itr_h5_set *s, hid_t type, int64_t first, int64_t rows, void *in, const void *out);

#endif
