/* torch_internal.h - internal: reader of PyTorch files. A pickle interpreter that can create only plain values and descriptions of tensors.
 * Source of the opcodes: CPython's Lib/pickletools.py; of the contents: torch/serialization.py, torch/_utils.py. */
#ifndef ITR_IO_TORCH_INTERNAL_H
#define ITR_IO_TORCH_INTERNAL_H

#include "base/arena.h"
#include "base/vec.h"
#include "io/weights_internal.h"

typedef enum {
	ITR_PY_NONE,
	ITR_PY_BOOL,
	ITR_PY_INT,
	ITR_PY_LONG /* beyond 64 bits: its bytes */,
	ITR_PY_FLOAT,
	ITR_PY_STR,
	ITR_PY_BYTES,
	ITR_PY_LIST,
	ITR_PY_TUPLE,
	ITR_PY_DICT,
	ITR_PY_GLOBAL,
	ITR_PY_STORAGE,
	ITR_PY_TENSOR,
	ITR_PY_OPAQUE /* an object that is ignored */
} itr_py_type;

typedef struct itr_py itr_py;

/* A torch storage, identified by its key. Its position in the file is known only after the pickle has been read. */
typedef struct itr_torch_storage {
	const char *key;
	size_t key_n;
	bool untyped;
	itr_dtype dtype;                /* u8 when untyped */
	int size;                       /* bytes of an element of an unsupported type; 0: a supported type, dtype */
	const char *type;               /* its name, "FloatStorage" */
	int64_t bytes;
	int64_t member, at;             /* as in itr_stored; member -2: not placed yet */
} itr_torch_storage;

typedef struct itr_py_tensor {
	int storage;                    /* index into itr_pickle.storages */
	int64_t offset;
	itr_dtype dtype;
	int size;                       /* as in the storage */
	const char *unread;             /* name of an unsupported type, or NULL */
	int rank;
	int64_t shape[ITR_WEIGHT_MAX_RANK], stride[ITR_WEIGHT_MAX_RANK];
} itr_py_tensor;

struct itr_py {
	itr_py_type type;
	union {
		int64_t i;              /* BOOL, INT; GLOBAL: index of torch_globals.c's table; STORAGE: index of the storage */
		double f;
		struct { const char *s; size_t n; } str;        /* STR, BYTES, LONG: inside the pickle, not terminated */
		struct { itr_py **v; size_t n, cap; } seq;      /* LIST, TUPLE; DICT: key, value, key, value... */
		itr_py_tensor *tensor;
	} u;
	int64_t base, view;             /* STORAGE: first element and length of a view (legacy files); view -1: the whole storage */
};

typedef struct itr_pickle {
	const char *path;               /* for messages */
	const unsigned char *bytes;
	size_t n, at;
	itr_arena *arena;
	int64_t values;                 /* number created so far */
	ITR_VEC(itr_py *) stack, memo;
	ITR_VEC(size_t) marks;
	ITR_VEC(itr_torch_storage) storages;
	itr_map *keys;                  /* of the storages */
} itr_pickle;

void itr_pickle_init(itr_pickle *p, const char *path, const unsigned char *bytes, size_t n);
void itr_pickle_clear(itr_pickle *p);
/* Runs one pickle from offset p->at and sets p->at to its end. The value is valid until itr_pickle_clear. NULL with err. */
itr_py *itr_pickle_run(itr_pickle *p, itr_err *err);
/* Sets err to "'x.pth': its pickle is damaged at byte N: why". Returns -1. */
int itr_pickle_fail(const itr_pickle *p, itr_err *err, const char *why);

/* For torch_globals.c: creates a value; appends to a sequence. NULL or -1 with err when the pickle has too many values. */
itr_py *itr_py_new(itr_pickle *p, itr_py_type type, itr_err *err);
ITR_MUST_USE int itr_py_push(itr_pickle *p, itr_py *seq, itr_py *value, itr_err *err);
bool itr_py_is(const itr_py *v, const char *text);                      /* true when v is this string */
const itr_py *itr_py_get(const itr_py *dict, const char *key);          /* value of the last such key, or NULL */

/* torch_globals.c: the globals that a pickle may use, and the results of calling them. Any other global: NULL with err, which names it. */
itr_py *itr_torch_global(itr_pickle *p, const char *module, size_t mn, const char *name, size_t nn, itr_err *err);
itr_py *itr_torch_call(itr_pickle *p, const itr_py *f, const itr_py *args, itr_err *err);
itr_py *itr_torch_persistent(itr_pickle *p, const itr_py *id, itr_err *err);

/* torch_state.c: finds the state_dict in the root value and lists its tensors. The positions of all storages must be known. */
ITR_MUST_USE int itr_torch_list(itr_weights *w, int file, const itr_pickle *p, const itr_py *root, itr_err *err);

#endif
