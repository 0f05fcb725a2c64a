/* weights.h - one interface for published weight files: safetensors (single, or shards with an index) and PyTorch's .pth/.pt/.bin (zip, and
 * the legacy format before 1.6).
 *
 *	itr_weights *w = itr_weights_open("clip-vit-b32", err);          // a file, or a folder with one
 *	const itr_weight *t = itr_weights_find(w, "logit_scale");
 *	itr_weights_read(w, t, out, err);                                 // t->count floats, row-major
 *	itr_weights_close(w);
 *
 * Files are memory-mapped: opening reads only the header, and the pages of a tensor are released after it has been read, so loading a model
 * of n bytes needs n bytes of memory, not 2n. Pickles run in an interpreter that knows only tensors, storages, dicts, lists, tuples,
 * numbers and strings, and ignores the plain objects listed in torch_globals.c; any other global is an error that names it. All sizes are
 * checked against the size of the file. Not thread-safe.
 */
#ifndef ITR_IO_WEIGHTS_H
#define ITR_IO_WEIGHTS_H

#include "base/err.h"
#include "base/hash.h"
#include "tensor/dtype.h"

enum { ITR_WEIGHT_MAX_RANK = 8 };

typedef struct itr_weight {
	const char *name;               /* as in the file, but see itr_weights_note; UTF-8 */
	itr_dtype dtype;                /* as stored */
	/* NULL, or the name of an unsupported type (float8, complex, quantised): dtype is then undefined and itr_weights_read gives an
	 * error */
	const char *unread;
	int rank;                       /* 0: a scalar, count 1 */
	int64_t shape[ITR_WEIGHT_MAX_RANK];
	int64_t count;                  /* product of the shape */
} itr_weight;

typedef struct itr_weights itr_weights;

/* Opens a .safetensors file, a NAME.safetensors.index.json or NAME.bin.index.json (its shards are in the same folder), a PyTorch file
 * (detected by its content, not its name), or a folder with one of: model.safetensors, model.safetensors.index.json, pytorch_model.bin,
 * pytorch_model.bin.index.json, or a single *.safetensors, *.pth, *.pt, *.bin. NULL with err. */
itr_weights *itr_weights_open(const char *path, itr_err *err);
/* Adds the tensors of another file or folder, each with the name PREFIX + its name (such as a Dense layer of sentence-transformers in its
 * own folder). 0, or -1 with err; w must be closed in both cases. */
ITR_MUST_USE int itr_weights_append(itr_weights *w, const char *path, const char *prefix, itr_err *err);
void itr_weights_close(itr_weights *w);                                   /* NULL does nothing */
const char *itr_weights_path(const itr_weights *w);                       /* path of the file or index that was opened; borrowed */
/* "safetensors", "safetensors shards", "pytorch zip", "pytorch legacy", "pytorch shards". */
const char *itr_weights_format(const itr_weights *w);
/* Wrappers (DataParallel, torch.compile, Lightning...) add a prefix to every name; it is removed when all tensors have it. The note says
 * how the names differ from those in the file ("tensors of 'state_dict', without the prefix 'module.'"); "" when they do not. Borrowed. */
const char *itr_weights_note(const itr_weights *w);

int64_t itr_weights_count(const itr_weights *w);
const itr_weight *itr_weights_at(const itr_weights *w, int64_t i);        /* in the order of the file; NULL outside. Borrowed until close */
const itr_weight *itr_weights_find(const itr_weights *w, const char *name);   /* NULL when missing */

/* Reads the whole tensor as row-major float32 into out (t->count floats). f16, bf16, f64, integers and bool are converted; strides of views
 * are applied. t must be borrowed from w. 0, or -1 with err (for example a wrong checksum of a zip member); out is then undefined. */
ITR_MUST_USE int itr_weights_read(const itr_weights *w, const itr_weight *t, float *out, itr_err *err);

/* Keeps only the tensors whose names start with the prefix, and removes it from the names; itr_weights_note says so. At least one tensor
 * must have it. Pointers to tensors and names borrowed before become invalid. */
void itr_weights_below(itr_weights *w, const char *prefix);

/* SHA-256 of the file. Several files: of their concatenation, shards sorted by name, then appended files. For provenance (weights_sha256).
 * 0, or -1 with err. */
ITR_MUST_USE int itr_weights_sha256(const itr_weights *w, char hex[ITR_SHA256_HEX], itr_err *err);

#endif
