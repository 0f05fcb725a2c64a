/* weights_internal.h - internal: shared by the readers of weight files. Each format lists its tensors with itr_weights_add; weights.c reads
 * their elements. */
#ifndef ITR_IO_WEIGHTS_INTERNAL_H
#define ITR_IO_WEIGHTS_INTERNAL_H

#include "base/map.h"
#include "base/vec.h"
#include "io/weights.h"
#include "io/zip.h"

/* Position of a tensor's elements: a strided view (strides in elements) of a storage in a mapped file or in a zip member. */
typedef struct itr_stored {
	int file;
	int64_t member;                 /* index of the zip member; -1: the mapped file */
	int64_t at;                     /* mapped: offset of the storage in the file, in bytes */
	int64_t elements;               /* size of the storage in elements of the tensor's dtype */
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

/* The storage of a zip member, cached because several tensors may be views of it (the weights of an LSTM). */
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
	/* prefix: added to the names while itr_weights_append lists a file; NULL: none */
	const char *format, *prefix;
	ITR_VEC(itr_weights_file) files;
	ITR_VEC(struct itr_weights_entry) entries;
	itr_map *names;
	struct itr_weights_cache *cache;
};

/* Adds a tensor: name (n bytes, copied), dtype, rank, shape and position. Sets the counts and `dense`. -1 with err when the name is not
 * UTF-8 or not new, the shape overflows, or the view is not inside its storage. */
ITR_MUST_USE int itr_weights_add(itr_weights *w, const char *name, size_t n, const itr_weight *t, const itr_stored *s, itr_err *err);
/* Strides of a row-major array. */
void itr_weights_row_major(const itr_weight *t, int64_t stride[ITR_WEIGHT_MAX_RANK]);

/* weights_names.c: removes known prefixes of wrappers that all names have. */
void itr_weights_unwrap(itr_weights *w);

/* One for each format: list all tensors of files[file]. 0, or -1 with err. */
ITR_MUST_USE int itr_safetensors_list(itr_weights *w, int file, itr_err *err);
ITR_MUST_USE int itr_torch_zip_list(itr_weights *w, int file, itr_err *err);
ITR_MUST_USE int itr_torch_legacy_list(itr_weights *w, int file, itr_err *err);

#endif
