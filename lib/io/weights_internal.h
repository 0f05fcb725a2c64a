/* weights_internal.h - what the readers of weight files share. A reader lists tensors with itr_weights_add; weights.c reads them all the
 * same way. */
#ifndef ITR_IO_WEIGHTS_INTERNAL_H
#define ITR_IO_WEIGHTS_INTERNAL_H

#include "base/map.h"
#include "base/vec.h"
#include "io/weights.h"
#include "io/zip.h"

/* Where a tensor's elements lie: a view, by element strides, of a storage in a mapped file or in a zip member. */
typedef struct itr_stored {
	int file;
	int64_t member;                 /* of the zip; -1: mapped */
	int64_t at;                     /* mapped: offset of the storage's first byte in the file */
	int64_t elements;               /* of the storage, in the tensor's dtype */
	int64_t offset;                 /* of the tensor's first element in it */
	int64_t stride[ITR_WEIGHT_MAX_RANK];
	bool dense;                     /* row-major without gaps */
} itr_stored;

typedef struct itr_weights_file {
	char *path;
	const unsigned char *bytes;     /* the mapping */
	size_t n;
	itr_zip *zip;
} itr_weights_file;

/* A storage out of a zip of which views are read one after the other (an LSTM keeps all its weights in one). */
struct itr_weights_cache {
	int file;
	int64_t member;
	void *bytes;
};

struct itr_weights_entry {
	itr_weight pub;
	itr_stored at;
};

struct itr_weights {
	char *path, *note;
	/* prefix: in front of the names of the files that are listed now (itr_weights_append); NULL: none */
	const char *format, *prefix;
	ITR_VEC(itr_weights_file) files;
	ITR_VEC(struct itr_weights_entry) entries;
	itr_map *names;
	struct itr_weights_cache *cache;
};

/* Lists a tensor: name (n bytes, copied), dtype, rank, shape and place. Fills in counts and `dense`; checks that the name is UTF-8 and new,
 * that the shape can be counted, and that the view stays inside its storage. */
ITR_MUST_USE int itr_weights_add(itr_weights *w, const char *name, size_t n, const itr_weight *t, const itr_stored *s, itr_err *err);
/* Strides of a row-major array. */
void itr_weights_row_major(const itr_weight *t, int64_t stride[ITR_WEIGHT_MAX_RANK]);

/* weights_names.c: takes off the prefixes that all names share and that are known to come from wrappers. */
void itr_weights_unwrap(itr_weights *w);

/* The readers: list all tensors of files[file]. */
ITR_MUST_USE int itr_safetensors_list(itr_weights *w, int file, itr_err *err);
ITR_MUST_USE int itr_torch_zip_list(itr_weights *w, int file, itr_err *err);
ITR_MUST_USE int itr_torch_legacy_list(itr_weights *w, int file, itr_err *err);

#endif
