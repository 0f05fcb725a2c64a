/* The only names that a pickle may use. None of them runs anything: a call gives a dict, a tuple or the description of a tensor. */
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "io/torch_internal.h"

enum kind { DICT, TENSOR, TENSOR_V2, TENSOR_V3, PARAMETER, SIZE, STORAGE_TYPE, UNTYPED, DTYPE };

static const struct global { const char *module, *name; enum kind kind; itr_dtype dtype; } globals[] = {
	{ "collections", "OrderedDict", DICT, 0 },
	{ "torch._utils", "_rebuild_tensor", TENSOR, 0 },
	{ "torch._utils", "_rebuild_tensor_v2", TENSOR_V2, 0 },
	{ "torch._utils", "_rebuild_tensor_v3", TENSOR_V3, 0 },
	{ "torch._utils", "_rebuild_parameter", PARAMETER, 0 },
	{ "torch", "Size", SIZE, 0 },
	{ "torch", "FloatStorage", STORAGE_TYPE, ITR_F32 }, { "torch", "DoubleStorage", STORAGE_TYPE, ITR_F64 }, { "torch", "HalfStorage", STORAGE_TYPE, ITR_F16 },
	{ "torch", "BFloat16Storage", STORAGE_TYPE, ITR_BF16 }, { "torch", "LongStorage", STORAGE_TYPE, ITR_I64 }, { "torch", "IntStorage", STORAGE_TYPE, ITR_I32 },
	{ "torch", "ShortStorage", STORAGE_TYPE, ITR_I16 }, { "torch", "CharStorage", STORAGE_TYPE, ITR_I8 }, { "torch", "ByteStorage", STORAGE_TYPE, ITR_U8 },
	{ "torch", "BoolStorage", STORAGE_TYPE, ITR_BOOL }, { "torch", "UntypedStorage", UNTYPED, ITR_U8 }, { "torch.storage", "UntypedStorage", UNTYPED, ITR_U8 },
	{ "torch", "float32", DTYPE, ITR_F32 }, { "torch", "float64", DTYPE, ITR_F64 }, { "torch", "float16", DTYPE, ITR_F16 }, { "torch", "bfloat16", DTYPE, ITR_BF16 },
	{ "torch", "int64", DTYPE, ITR_I64 }, { "torch", "int32", DTYPE, ITR_I32 }, { "torch", "int16", DTYPE, ITR_I16 }, { "torch", "int8", DTYPE, ITR_I8 },
	{ "torch", "uint64", DTYPE, ITR_U64 }, { "torch", "uint32", DTYPE, ITR_U32 }, { "torch", "uint16", DTYPE, ITR_U16 }, { "torch", "uint8", DTYPE, ITR_U8 },
	{ "torch", "bool", DTYPE, ITR_BOOL },
};

static bool equal(const char *s, size_t n, const char *text) { return n == strlen(text) && !memcmp(s, text, n); }

/* At most 100 bytes of a name out of the file, without what would disturb a terminal. */
static void put_name(itr_buf *b, const char *s, size_t n)
{
	for (size_t i = 0; i < ITR_MIN(n, 100); i++)
		itr_buf_putc(b, s[i] > ' ' && s[i] < 127 ? s[i] : '?');
	if (n > 100)
		itr_buf_puts(b, "...");
}

itr_py *itr_torch_global(itr_pickle *p, const char *module, size_t mn, const char *name, size_t nn, itr_err *err)
{
	if (equal(module, mn, "torch.cuda"))    /* old files: the storage's type says where it lay */
		mn = strlen("torch");
	for (int i = 0; i < ITR_LEN(globals); i++)
		if (equal(module, mn, globals[i].module) && equal(name, nn, globals[i].name)) {
			itr_py *v = itr_py_new(p, ITR_PY_GLOBAL, err);
			if (v)
				v->u.i = i;
			return v;
		}
	itr_buf b = ITR_BUF_INIT;
	put_name(&b, module, mn);
	itr_buf_putc(&b, '.');
	put_name(&b, name, nn);
	itr_err_set(err, "'%s' wants to run %s: refused; only tensors, dicts, lists, numbers and strings are read (as torch.save(model.state_dict(), ...) writes them)", p->path, b.data);
	itr_buf_free(&b);
	return NULL;
}

/* --- arguments -------------------------------------------------------------------------------------------------------------- */

static itr_py *bad(const itr_pickle *p, itr_err *err, const char *why)
{
	itr_pickle_fail(p, err, why);
	return NULL;
}

static const itr_py *arg(const itr_py *args, size_t i, itr_py_type type)
{
	return i < args->u.seq.n && args->u.seq.v[i]->type == type ? args->u.seq.v[i] : NULL;
}

/* A tuple (or list) of at most ITR_WEIGHT_MAX_RANK counts: their number, -1 when it is not that. */
static int counts(const itr_py *v, int64_t *out)
{
	if (!v || (v->type != ITR_PY_TUPLE && v->type != ITR_PY_LIST) || v->u.seq.n > ITR_WEIGHT_MAX_RANK)
		return -1;
	for (size_t i = 0; i < v->u.seq.n; i++) {
		if (v->u.seq.v[i]->type != ITR_PY_INT || v->u.seq.v[i]->u.i < 0)
			return -1;
		out[i] = v->u.seq.v[i]->u.i;
	}
	return (int)v->u.seq.n;
}

/* _rebuild_tensor*(storage, offset, size, stride, requires_grad, hooks, [dtype,] ...) */
static itr_py *tensor(itr_pickle *p, enum kind kind, const itr_py *args, itr_err *err)
{
	const itr_py *storage = arg(args, 0, ITR_PY_STORAGE), *offset = arg(args, 1, ITR_PY_INT), *dtype = kind == TENSOR_V3 ? arg(args, 6, ITR_PY_GLOBAL) : NULL;
	itr_py_tensor t = { 0 };
	if (!storage || !offset || offset->u.i < 0 || (kind == TENSOR_V3 && (!dtype || globals[dtype->u.i].kind != DTYPE)))
		return bad(p, err, "a tensor is made of something else than a storage and numbers");
	t.rank = args->u.seq.n > 3 ? counts(args->u.seq.v[2], t.shape) : -1;
	if (t.rank < 0 || counts(args->u.seq.v[3], t.stride) != t.rank)
		return bad(p, err, "a tensor's size and stride are not at most 8 counts each");
	const itr_torch_storage *s = &p->storages.v[storage->u.i];
	t.storage = (int)storage->u.i;
	t.dtype = dtype ? globals[dtype->u.i].dtype : s->dtype;
	if (s->untyped != (dtype != NULL))
		return bad(p, err, "a tensor's type is said twice, or not at all");
	if (__builtin_add_overflow(offset->u.i, storage->base, &t.offset))
		return bad(p, err, "a tensor begins beyond its storage");
	itr_py *v = itr_py_new(p, ITR_PY_TENSOR, err);
	if (v) {
		v->u.tensor = itr_arena_alloc(p->arena, sizeof t);
		*v->u.tensor = t;
	}
	return v;
}

/* OrderedDict() or OrderedDict([[key, value], ...]) */
static itr_py *dict(itr_pickle *p, const itr_py *args, itr_err *err)
{
	itr_py *v = itr_py_new(p, ITR_PY_DICT, err);
	const itr_py *pairs = args->u.seq.n ? args->u.seq.v[0] : NULL;
	if (!v || !pairs)
		return v;
	if (pairs->type != ITR_PY_LIST && pairs->type != ITR_PY_TUPLE)
		return bad(p, err, "an OrderedDict is made of something else than pairs");
	for (size_t i = 0; i < pairs->u.seq.n; i++) {
		const itr_py *pair = pairs->u.seq.v[i];
		if ((pair->type != ITR_PY_LIST && pair->type != ITR_PY_TUPLE) || pair->u.seq.n != 2)
			return bad(p, err, "an OrderedDict is made of something else than pairs");
		if (itr_py_push(p, v, pair->u.seq.v[0], err) < 0 || itr_py_push(p, v, pair->u.seq.v[1], err) < 0)
			return NULL;
	}
	return v;
}

itr_py *itr_torch_call(itr_pickle *p, const itr_py *f, const itr_py *args, itr_err *err)
{
	const struct global *g = &globals[f->u.i];
	switch (g->kind) {
	case DICT: return dict(p, args, err);
	case TENSOR: case TENSOR_V2: case TENSOR_V3: return tensor(p, g->kind, args, err);
	case PARAMETER:
		if (arg(args, 0, ITR_PY_TENSOR))
			return args->u.seq.v[0];
		return bad(p, err, "a parameter holds no tensor");
	case SIZE:
		if (args->u.seq.n == 1 && (arg(args, 0, ITR_PY_TUPLE) || arg(args, 0, ITR_PY_LIST)))
			return args->u.seq.v[0];
		return bad(p, err, "a size holds no counts");
	default: return bad(p, err, "something is called that is no function");
	}
}

/* --- storages --------------------------------------------------------------------------------------------------------------- */

/* The index of the storage with this key; the same key again must mean the same. -1 with err. */
static int64_t storage(itr_pickle *p, const itr_py *key, const struct global *type, int64_t bytes, itr_err *err)
{
	itr_torch_storage s = { key->u.str.s, key->u.str.n, type->kind == UNTYPED, type->dtype, bytes, -2, 0 };
	char *name = itr_arena_strndup(p->arena, s.key, s.key_n);
	int64_t i = itr_map_get(p->keys, name, -1);
	if (strlen(name) != s.key_n || s.key_n == 0 || s.key_n > 255)
		return itr_pickle_fail(p, err, "a storage's key is no name");
	if (i < 0) {
		itr_map_add(p->keys, name, i = (int64_t)p->storages.n);
		ITR_VEC_PUSH(&p->storages, s);
	} else if (p->storages.v[i].bytes != bytes || p->storages.v[i].dtype != s.dtype || p->storages.v[i].untyped != s.untyped)
		return itr_pickle_fail(p, err, "a storage is described in two ways");
	return i;
}

/* A legacy view (key, offset, size) of a storage, or None. */
static int legacy_view(itr_pickle *p, const itr_py *view, itr_py *v, int64_t elements, itr_err *err)
{
	const itr_py *offset, *size;
	if (view->type == ITR_PY_NONE)
		return 0;
	if (view->type != ITR_PY_TUPLE || !(offset = arg(view, 1, ITR_PY_INT)) || !(size = arg(view, 2, ITR_PY_INT)) || offset->u.i < 0 || size->u.i < 0 ||
	    offset->u.i > elements || size->u.i > elements - offset->u.i)
		return itr_pickle_fail(p, err, "a view lies outside its storage");
	v->base = offset->u.i;
	v->view = size->u.i;
	return 0;
}

/* ('storage', type, key, location, elements[, view]) */
itr_py *itr_torch_persistent(itr_pickle *p, const itr_py *id, itr_err *err)
{
	if (id->type != ITR_PY_TUPLE || id->u.seq.n < 5 || id->u.seq.n > 6 || !itr_py_is(id->u.seq.v[0], "storage"))
		return bad(p, err, "a persistent id names no storage");
	const itr_py *type = arg(id, 1, ITR_PY_GLOBAL), *key = arg(id, 2, ITR_PY_STR), *elements = arg(id, 4, ITR_PY_INT);
	const struct global *g = type ? &globals[type->u.i] : NULL;
	size_t bytes;
	if (!g || (g->kind != STORAGE_TYPE && g->kind != UNTYPED) || !key || !elements || elements->u.i < 0)
		return bad(p, err, "a storage has no type, key or size");
	if (itr_size_mul((size_t)elements->u.i, itr_dtype_size(g->dtype), &bytes) < 0)
		return bad(p, err, "a storage's size cannot be");
	int64_t i = storage(p, key, g, (int64_t)bytes, err);
	itr_py *v = i < 0 ? NULL : itr_py_new(p, ITR_PY_STORAGE, err);
	if (!v || (id->u.seq.n == 6 && legacy_view(p, id->u.seq.v[5], v, elements->u.i, err) < 0))
		return NULL;
	v->u.i = i;
	return v;
}
