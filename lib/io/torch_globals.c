/* The globals that a pickle may use. None of them executes code: a call gives a dict, a tuple or the description of a tensor. */
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "io/torch_internal.h"

enum kind { DICT, DEFAULTDICT, TENSOR, TENSOR_V2, TENSOR_V3, TENSOR_Q, PARAMETER, FROM_TYPE, SIZE, STORAGE_TYPE, UNTYPED, DTYPE, OPAQUE };

/* size: bytes of an element of an unsupported type (complex, quantised, 8 bits and fewer): its tensors are listed, but reading one is an
 * error. OPAQUE: a class or function whose results are ignored, for the other contents of checkpoints. Sources: the globals of
 * torch.load(weights_only=True), and plain values of Python and NumPy. */
static const struct global { const char *module, *name; enum kind kind; itr_dtype dtype; int size;
} globals[] = {
	{ "collections", "OrderedDict", DICT, 0, 0 },
	{ "collections", "defaultdict", DEFAULTDICT, 0, 0 },
	{ "torch._utils", "_rebuild_tensor", TENSOR, 0, 0 },
	{ "torch._utils", "_rebuild_tensor_v2", TENSOR_V2, 0, 0 },
	{ "torch._utils", "_rebuild_tensor_v3", TENSOR_V3, 0, 0 },
	{ "torch._utils", "_rebuild_qtensor", TENSOR_Q, 0, 0 },
	{ "torch._utils", "_rebuild_parameter", PARAMETER, 0, 0 },
	{ "torch._utils", "_rebuild_parameter_with_state", PARAMETER, 0, 0 },
	{ "torch._tensor", "_rebuild_from_type_v2", FROM_TYPE, 0, 0 },
	{ "torch", "Size", SIZE, 0, 0 },
#define STORAGE(name, dtype) { "torch", name "Storage", STORAGE_TYPE, dtype, 0 }
#define UNREAD(name, size) { "torch", name "Storage", STORAGE_TYPE, ITR_U8, size }
	STORAGE("Float", ITR_F32),
	STORAGE("Double", ITR_F64),
	STORAGE("Half", ITR_F16),
	STORAGE("BFloat16", ITR_BF16),
	STORAGE("Long", ITR_I64),
	STORAGE("Int", ITR_I32),
	STORAGE("Short", ITR_I16),
	STORAGE("Char", ITR_I8),
	STORAGE("Byte", ITR_U8),
	STORAGE("Bool", ITR_BOOL),
	UNREAD("ComplexFloat", 8),
	UNREAD("ComplexDouble", 16),
	UNREAD("QInt8", 1),
	UNREAD("QUInt8", 1),
	UNREAD("QInt32", 4),
	UNREAD("QUInt4x2", 1),
	UNREAD("QUInt2x4", 1),
#undef UNREAD
#undef STORAGE
	{ "torch", "UntypedStorage", UNTYPED, ITR_U8, 0 },
	{ "torch.storage", "UntypedStorage", UNTYPED, ITR_U8, 0 },
#define READ(name, dtype) { "torch", name, DTYPE, dtype, 0 }
#define UNREAD(name, size) { "torch", name, DTYPE, ITR_U8, size }
	READ("float32", ITR_F32),
	READ("float64", ITR_F64),
	READ("float16", ITR_F16),
	READ("bfloat16", ITR_BF16),
	READ("int64", ITR_I64),
	READ("int32", ITR_I32),
	READ("int16", ITR_I16),
	READ("int8", ITR_I8),
	READ("uint64", ITR_U64),
	READ("uint32", ITR_U32),
	READ("uint16", ITR_U16),
	READ("uint8", ITR_U8),
	READ("bool", ITR_BOOL),
	UNREAD("complex32", 4),
	UNREAD("complex64", 8),
	UNREAD("complex128", 16),
	UNREAD("float8_e4m3fn", 1),
	UNREAD("float8_e5m2", 1),
	UNREAD("float8_e4m3fnuz", 1),
	UNREAD("float8_e5m2fnuz", 1),
	UNREAD("float8_e8m0fnu", 1),
	UNREAD("float4_e2m1fn_x2", 1),
	UNREAD("qint8", 1),
	UNREAD("quint8", 1),
	UNREAD("qint32", 4),
	UNREAD("quint4x2", 1),
	UNREAD("quint2x4", 1),
	UNREAD("bits8", 1),
	UNREAD("bits16", 2),
	UNREAD("uint1", 1),
	UNREAD("uint2", 1),
	UNREAD("uint3", 1),
	UNREAD("uint4", 1),
	UNREAD("uint5", 1),
	UNREAD("uint6", 1),
	UNREAD("uint7", 1),
	UNREAD("int1", 1),
	UNREAD("int2", 1),
	UNREAD("int3", 1),
	UNREAD("int4", 1),
	UNREAD("int5", 1),
	UNREAD("int6", 1),
	UNREAD("int7", 1),
#undef UNREAD
#undef READ
#define SKIPPED(module, name) { module, name, OPAQUE, 0, 0 }
	SKIPPED("collections", "Counter"),
	SKIPPED("collections", "deque"),
	SKIPPED("torch", "device"),
	SKIPPED("torch", "Tensor"),
	SKIPPED("torch.nn.parameter", "Parameter"),
	SKIPPED("torch.nn.parameter", "Buffer"),
	SKIPPED("torch.serialization", "_get_layout"),
	SKIPPED("torch", "per_tensor_affine"),
	SKIPPED("torch", "per_tensor_symmetric"),
	SKIPPED("torch", "per_channel_affine"),
	SKIPPED("torch", "per_channel_symmetric"),
	SKIPPED("torch", "per_channel_affine_float_qparams"),
	SKIPPED("torch._utils", "_rebuild_sparse_tensor"),
	SKIPPED("torch._utils", "_rebuild_meta_tensor_no_storage"),
	SKIPPED("torch._utils", "_rebuild_nested_tensor"),
	SKIPPED("torch._utils", "_rebuild_wrapper_subclass"),
	SKIPPED("torch._utils", "_rebuild_device_tensor_from_numpy"),
	SKIPPED("torch._utils", "_rebuild_device_tensor_from_cpu_tensor"),
	SKIPPED("_codecs", "encode"),
	SKIPPED("builtins", "bytearray"),
	SKIPPED("builtins", "bytes"),
	SKIPPED("builtins", "set"),
	SKIPPED("builtins", "frozenset"),
	SKIPPED("builtins", "complex"),
	SKIPPED("builtins", "slice"),
	SKIPPED("builtins", "range"),
	SKIPPED("builtins", "xrange"),
	SKIPPED("builtins", "long"),
	SKIPPED("builtins", "unicode"),
	SKIPPED("builtins", "object"),
	SKIPPED("builtins", "list"),
	SKIPPED("builtins", "dict"),
	SKIPPED("builtins", "tuple"),
	SKIPPED("builtins", "int"),
	SKIPPED("builtins", "float"),
	SKIPPED("builtins", "str"),
	SKIPPED("builtins", "bool"),
	SKIPPED("copyreg", "_reconstructor"),
	SKIPPED("copy_reg", "_reconstructor"),
	SKIPPED("argparse", "Namespace"),
	SKIPPED("types", "SimpleNamespace"),
	SKIPPED("pathlib", "PosixPath"),
	SKIPPED("pathlib", "PurePosixPath"),
	SKIPPED("pathlib", "WindowsPath"),
	SKIPPED("pathlib._local", "PosixPath"),
	SKIPPED("datetime", "datetime"),
	SKIPPED("datetime", "date"),
	SKIPPED("datetime", "timedelta"),
	SKIPPED("numpy", "dtype"),
	SKIPPED("numpy", "ndarray"),
	SKIPPED("numpy.core.multiarray", "scalar"),
	SKIPPED("numpy.core.multiarray", "_reconstruct"),
	SKIPPED("numpy._core.multiarray", "scalar"),
	SKIPPED("numpy._core.multiarray", "_reconstruct"),
	SKIPPED("numpy.core.numeric", "_frombuffer"),
	SKIPPED("numpy._core.numeric", "_frombuffer"),
	SKIPPED("pytorch_lightning.utilities.parsing", "AttributeDict"),
	SKIPPED("lightning.fabric.utilities.data", "AttributeDict"),
	SKIPPED("lightning_fabric.utilities.data", "AttributeDict"),
	SKIPPED("lightning.pytorch.utilities.parsing", "AttributeDict"),
#undef SKIPPED
};

static bool equal(const char *s, size_t n, const char *text) { return n == strlen(text) && !memcmp(s, text, n); }

/* At most 100 bytes of a name from the file, without control characters. */
static void put_name(itr_buf *b, const char *s, size_t n)
{
	for (size_t i = 0; i < ITR_MIN(n, 100); i++)
		itr_buf_putc(b, s[i] > ' ' && s[i] < 127 ? s[i] : '?');
	if (n > 100)
		itr_buf_puts(b, "...");
}

/* Index in the table, or -1. */
static int find(const char *module, size_t mn, const char *name, size_t nn)
{
	if (equal(module, mn, "torch.cuda"))    /* old files: the storage's type includes its device */
		mn = strlen("torch");
	else if (equal(module, mn, "__builtin__")) {    /* Python 2's name, in protocols below 3 */
		module = "builtins";
		mn = strlen(module);
	}
	for (int i = 0; i < ITR_LEN(globals); i++)
		if (equal(module, mn, globals[i].module) && equal(name, nn, globals[i].name))
			return i;
	return -1;
}

itr_py *itr_torch_global(itr_pickle *p, const char *module, size_t mn, const char *name, size_t nn, itr_err *err)
{
	const int i = find(module, mn, name, nn);
	if (i >= 0) {
		itr_py *v = itr_py_new(p, ITR_PY_GLOBAL, err);
		if (v)
			v->u.i = i;
		return v;
	}
	itr_buf b = ITR_BUF_INIT;
	put_name(&b, module, mn);
	itr_buf_putc(&b, '.');
	put_name(&b, name, nn);
	itr_err_set(err,
	            "'%s' wants to run %s: refused; only tensors, dicts, lists, numbers and strings are read (as "
	            "torch.save(model.state_dict(), ...) writes them)",
	            p->path, b.data);
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

/* _rebuild_tensor*(storage, offset, size, stride, requires_grad, hooks, [dtype,] ...); _rebuild_qtensor begins so too */
static itr_py *tensor(itr_pickle *p, enum kind kind, const itr_py *args, itr_err *err)
{
	const itr_py *storage = arg(args, 0, ITR_PY_STORAGE), *offset = arg(args, 1, ITR_PY_INT),
		     *dtype = kind == TENSOR_V3 ? arg(args, 6, ITR_PY_GLOBAL) : NULL;
	itr_py_tensor t = { 0 };
	if (!storage || !offset || offset->u.i < 0 || (kind == TENSOR_V3 && (!dtype || globals[dtype->u.i].kind != DTYPE)))
		return bad(p, err, "a tensor is made of something else than a storage and numbers");
	t.rank = args->u.seq.n > 3 ? counts(args->u.seq.v[2], t.shape) : -1;
	if (t.rank < 0 || counts(args->u.seq.v[3], t.stride) != t.rank)
		return bad(p, err, "a tensor's size and stride are not at most 8 counts each");
	const itr_torch_storage *s = &p->storages.v[storage->u.i];
	t.storage = (int)storage->u.i;
	t.dtype = dtype ? globals[dtype->u.i].dtype : s->dtype;
	t.size = dtype ? globals[dtype->u.i].size : s->size;
	t.unread = t.size ? (dtype ? globals[dtype->u.i].name : s->type) : kind == TENSOR_Q ? "quantised" : NULL;
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

/* _rebuild_from_type_v2(function, type, its arguments, state): a tensor of a class of its own, or one with attributes */
static itr_py *from_type(itr_pickle *p, const itr_py *args, itr_err *err)
{
	const itr_py *f = arg(args, 0, ITR_PY_GLOBAL), *inner = arg(args, 2, ITR_PY_TUPLE);
	if (!f || !inner || globals[f->u.i].kind == FROM_TYPE)
		return bad(p, err, "a tensor with attributes is made of something else than a tensor");
	return itr_torch_call(p, f, inner, err);
}

itr_py *itr_torch_call(itr_pickle *p, const itr_py *f, const itr_py *args, itr_err *err)
{
	const struct global *g = &globals[f->u.i];
	switch (g->kind) {
	case DICT: return dict(p, args, err);
	case DEFAULTDICT: return itr_py_new(p, ITR_PY_DICT, err);               /* the default factory is never called here */
	case TENSOR: case TENSOR_V2: case TENSOR_V3: case TENSOR_Q: return tensor(p, g->kind, args, err);
	case OPAQUE: return itr_py_new(p, ITR_PY_OPAQUE, err);
	case FROM_TYPE: return from_type(p, args, err);
	case PARAMETER:
		if (arg(args, 0, ITR_PY_TENSOR) || arg(args, 0, ITR_PY_OPAQUE))
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

/* Index of the storage with this key, which is added when it is new; the same key must have the same type and size each time. -1 with err.
 */
static int64_t storage(itr_pickle *p, const itr_py *key, const struct global *type, int64_t bytes, itr_err *err)
{
	itr_torch_storage s = { key->u.str.s, key->u.str.n, type->kind == UNTYPED, type->dtype, type->size, type->name, bytes, -2, 0 };
	char *name = itr_arena_strndup(p->arena, s.key, s.key_n);
	int64_t i = itr_map_get(p->keys, name, -1);
	if (strlen(name) != s.key_n || s.key_n == 0 || s.key_n > 255)
		return itr_pickle_fail(p, err, "a storage's key is no name");
	if (i < 0) {
		itr_map_add(p->keys, name, i = (int64_t)p->storages.n);
		ITR_VEC_PUSH(&p->storages, s);
	} else if (p->storages.v[i].bytes != bytes || p->storages.v[i].dtype != s.dtype || p->storages.v[i].size != s.size ||
	           p->storages.v[i].untyped != s.untyped)
		return itr_pickle_fail(p, err, "a storage is described in two ways");
	return i;
}

/* A legacy view (key, offset, size) of a storage, or None. */
static int legacy_view(itr_pickle *p, const itr_py *view, itr_py *v, int64_t elements, itr_err *err)
{
	const itr_py *offset, *size;
	if (view->type == ITR_PY_NONE)
		return 0;
	if (view->type != ITR_PY_TUPLE || !(offset = arg(view, 1, ITR_PY_INT)) || !(size = arg(view, 2, ITR_PY_INT)) || offset->u.i < 0 ||
	    size->u.i < 0 || offset->u.i > elements || size->u.i > elements - offset->u.i)
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
	if (itr_size_mul((size_t)elements->u.i, g->size ? (size_t)g->size : itr_dtype_size(g->dtype), &bytes) < 0)
		return bad(p, err, "a storage's size cannot be");
	int64_t i = storage(p, key, g, (int64_t)bytes, err);
	itr_py *v = i < 0 ? NULL : itr_py_new(p, ITR_PY_STORAGE, err);
	if (!v || (id->u.seq.n == 6 && legacy_view(p, id->u.seq.v[5], v, elements->u.i, err) < 0))
		return NULL;
	v->u.i = i;
	return v;
}
