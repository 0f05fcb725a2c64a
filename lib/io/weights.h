/* weights.h - published weight files behind one interface: safetensors (single, or shards with an index) and PyTorch's .pth/.pt/.bin (zip
 * and the legacy stream of before 1.6).
 *
 *	itr_weights *w = itr_weights_open("clip-vit-b32", err);          // a file, or a folder that holds one
 *	const itr_weight *t = itr_weights_find(w, "logit_scale");
 *	itr_weights_read(w, t, out, err);                                 // t->count floats, row-major
 *	itr_weights_close(w);
 *
 * Files are mapped, not read: opening costs the header alone, and pages of a tensor are given back once it has been read, so a model of n
 * bytes needs n bytes, not 2n. Pickles run in an interpreter that knows only tensors, storages, dicts, lists, tuples, numbers and strings,
 * and passes over plain objects on a list (torch_globals.c); any other global is refused by its name. Nothing in a file is believed before
 * it is checked against the file's size. One thread at a time for an itr_weights.
 */
#ifndef ITR_IO_WEIGHTS_H
#define ITR_IO_WEIGHTS_H

#include "base/err.h"
#include "base/hash.h"
#include "tensor/dtype.h"

enum { ITR_WEIGHT_MAX_RANK = 8 };

typedef struct itr_weight {
	const char *name;               /* as in the file, see itr_weights_note; UTF-8 */
	itr_dtype dtype;                /* as stored; */
	/* NULL, or the name of a type that is not read (float8, complex, quantised): listed, dtype means nothing, itr_weights_read refuses
	 * it */
	const char *unread;
	int rank;                       /* 0: a scalar, count 1 */
	int64_t shape[ITR_WEIGHT_MAX_RANK];
	int64_t count;                  /* product of the shape */
} itr_weight;

typedef struct itr_weights itr_weights;

/* A .safetensors file, a NAME.safetensors.index.json or NAME.bin.index.json (its shards lie beside it), a PyTorch file (recognised by its
 * bytes, whatever its name), or a folder with one of: model.safetensors, model.safetensors.index.json, pytorch_model.bin,
 * pytorch_model.bin.index.json, or a single
 * *.safetensors, *.pth, *.pt, *.bin. NULL with err. */
itr_weights *itr_weights_open(const char *path, itr_err *err);
/* Lists the tensors of another file or folder as well, each as PREFIX + its name (a Dense layer that lies in a folder of its own). 0, or -1
 * with err; w is to be closed either way. */
ITR_MUST_USE int itr_weights_append(itr_weights *w, const char *path, const char *prefix, itr_err *err);
void itr_weights_close(itr_weights *w);                                   /* NULL is fine */
const char *itr_weights_path(const itr_weights *w);                       /* of the file (or index) that was found; borrowed */
/* "safetensors", "safetensors shards", "pytorch zip", "pytorch legacy", "pytorch shards". */
const char *itr_weights_format(const itr_weights *w);
/* What wraps a network (DataParallel, torch.compile, Lightning...) puts a prefix in front of every name: it is taken off where all tensors
 * have it. How the names came about when they are not the file's own ("tensors of 'state_dict', without the prefix 'module.'"), or "".
 * Borrowed. */
const char *itr_weights_note(const itr_weights *w);

int64_t itr_weights_count(const itr_weights *w);
const itr_weight *itr_weights_at(const itr_weights *w, int64_t i);        /* in the file's order; NULL outside. Borrowed until close */
const itr_weight *itr_weights_find(const itr_weights *w, const char *name);   /* NULL: not there */

/* The whole tensor as row-major float32 into out (t->count floats): f16, bf16, f64, integers and bool are converted, the strides of views
 * applied. t must be a pointer that came from w. 0, or -1 with err (a zip member whose checksum is wrong, say); out is then undefined. */
ITR_MUST_USE int itr_weights_read(const itr_weights *w, const itr_weight *t, float *out, itr_err *err);

/* Takes a prefix off the names and puts the tensors without it aside, as if the file had none of them; itr_weights_note says so. At least
 * one must have it. Names that were borrowed before are gone. */
void itr_weights_below(itr_weights *w, const char *prefix);

/* SHA-256 of the file; of shards: of their bytes one after the other in the order of their names, appended files behind. For provenance
 * (weights_sha256). */
ITR_MUST_USE int itr_weights_sha256(const itr_weights *w, char hex[ITR_SHA256_HEX], itr_err *err);

#endif
