/* The pickle machine. It has a stack, marks and a memo like CPython's, but can import and call only what is in the table of
 * torch_globals.c. There is no recursion, so deep nesting cannot overflow the stack. The number of values and the memo are bounded. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/torch_internal.h"

enum { MAX_VALUES = 1 << 21, MAX_STACK = 1 << 20 };

enum opcode {
	OP_MARK = '(',
	OP_STOP = '.',
	OP_POP = '0',
	OP_POP_MARK = '1',
	OP_DUP = '2',
	OP_FLOAT = 'F',
	OP_INT = 'I',
	OP_BININT = 'J',
	OP_BININT1 = 'K',
	OP_LONG = 'L',
	OP_BININT2 = 'M',
	OP_NONE = 'N',
	OP_PERSID = 'P',
	OP_BINPERSID = 'Q',
	OP_REDUCE = 'R',
	OP_STRING = 'S',
	OP_BINSTRING = 'T',
	OP_SHORT_BINSTRING = 'U',
	OP_UNICODE = 'V',
	OP_BINUNICODE = 'X',
	OP_APPEND = 'a',
	OP_BUILD = 'b',
	OP_GLOBAL = 'c',
	OP_DICT = 'd',
	OP_EMPTY_DICT = '}',
	OP_APPENDS = 'e',
	OP_GET = 'g',
	OP_BINGET = 'h',
	OP_INST = 'i',
	OP_LONG_BINGET = 'j',
	OP_LIST = 'l',
	OP_EMPTY_LIST = ']',
	OP_OBJ = 'o',
	OP_PUT = 'p',
	OP_BINPUT = 'q',
	OP_LONG_BINPUT = 'r',
	OP_SETITEM = 's',
	OP_TUPLE = 't',
	OP_EMPTY_TUPLE = ')',
	OP_SETITEMS = 'u',
	OP_BINFLOAT = 'G',
	OP_BINBYTES = 'B',
	OP_SHORT_BINBYTES = 'C',
	OP_PROTO = 0x80,
	OP_NEWOBJ = 0x81,
	OP_TUPLE1 = 0x85,
	OP_TUPLE2 = 0x86,
	OP_TUPLE3 = 0x87,
	OP_NEWTRUE = 0x88,
	OP_NEWFALSE = 0x89,
	OP_LONG1 = 0x8a,
	OP_LONG4 = 0x8b,
	OP_SHORT_BINUNICODE = 0x8c,
	OP_BINUNICODE8 = 0x8d,
	OP_BINBYTES8 = 0x8e,
	OP_EMPTY_SET = 0x8f,
	OP_ADDITEMS = 0x90,
	OP_FROZENSET = 0x91,
	OP_NEWOBJ_EX = 0x92,
	OP_STACK_GLOBAL = 0x93,
	OP_MEMOIZE = 0x94,
	OP_FRAME = 0x95,
	OP_BYTEARRAY8 = 0x96
};

int itr_pickle_fail(const itr_pickle *p, itr_err *err, const char *why)
{
	return itr_err_set(err, "'%s': its pickle is damaged at byte %zu: %s", p->path, p->at, why);
}

void itr_pickle_init(itr_pickle *p, const char *path, const unsigned char *bytes, size_t n)
{
	*p = (itr_pickle){ .path = path, .bytes = bytes, .n = n, .arena = itr_arena_new(0), .keys = itr_map_new() };
}

void itr_pickle_clear(itr_pickle *p)
{
	itr_arena_free(p->arena);
	itr_map_free(p->keys);
	ITR_VEC_FREE(&p->stack);
	ITR_VEC_FREE(&p->memo);
	ITR_VEC_FREE(&p->marks);
	ITR_VEC_FREE(&p->storages);
}

/* --- values ----------------------------------------------------------------------------------------------------------------- */

itr_py *itr_py_new(itr_pickle *p, itr_py_type type, itr_err *err)
{
	if (++p->values > MAX_VALUES) {
		itr_err_set(err, "'%s': its pickle makes more than %d values", p->path, MAX_VALUES);
		return NULL;
	}
	itr_py *v = itr_arena_calloc(p->arena, sizeof *v);
	v->type = type;
	v->view = -1;
	return v;
}

int itr_py_push(itr_pickle *p, itr_py *seq, itr_py *value, itr_err *err)
{
	if (seq->u.seq.n == seq->u.seq.cap) {
		size_t cap = seq->u.seq.cap * 2 + 4;
		if (cap > (size_t)MAX_VALUES * 2)
			return itr_err_set(err, "'%s': its pickle makes a list of more than %d values", p->path, MAX_VALUES);
		itr_py **v = itr_arena_alloc(p->arena, cap * sizeof *v);
		if (seq->u.seq.n)
			memcpy(v, seq->u.seq.v, seq->u.seq.n * sizeof *v);
		seq->u.seq.v = v;
		seq->u.seq.cap = cap;
	}
	seq->u.seq.v[seq->u.seq.n++] = value;
	return 0;
}

bool itr_py_is(const itr_py *v, const char *text)
{
	return v->type == ITR_PY_STR && v->u.str.n == strlen(text) && !memcmp(v->u.str.s, text, v->u.str.n);
}

const itr_py *itr_py_get(const itr_py *dict, const char *key)
{
	for (size_t i = dict->u.seq.n; dict->type == ITR_PY_DICT && i >= 2; i -= 2)
		if (itr_py_is(dict->u.seq.v[i - 2], key))
			return dict->u.seq.v[i - 1];
	return NULL;
}

/* --- stack ------------------------------------------------------------------------------------------------------------------ */

static int push(itr_pickle *p, itr_py *v, itr_err *err)
{
	if (!v)
		return -1;
	if (p->stack.n == MAX_STACK)
		return itr_err_set(err, "'%s': its pickle stacks more than %d values", p->path, MAX_STACK);
	ITR_VEC_PUSH(&p->stack, v);
	return 0;
}

/* The topmost value above the last mark. NULL with err when there is none. */
static itr_py *top(itr_pickle *p, itr_err *err)
{
	if (p->stack.n > (p->marks.n ? p->marks.v[p->marks.n - 1] : 0))
		return p->stack.v[p->stack.n - 1];
	itr_pickle_fail(p, err, "the stack is empty");
	return NULL;
}

static itr_py *pop(itr_pickle *p, itr_err *err)
{
	itr_py *v = top(p, err);
	if (v)
		p->stack.n--;
	return v;
}

/* Removes the last mark; *from is the index of the first value above it. */
static int pop_mark(itr_pickle *p, size_t *from, itr_err *err)
{
	*from = 0;
	if (!p->marks.n)
		return itr_pickle_fail(p, err, "a mark is missing");
	*from = p->marks.v[--p->marks.n];
	return 0;
}

/* --- operands --------------------------------------------------------------------------------------------------------------- */

/* The next n bytes. NULL with err. */
static const unsigned char *take(itr_pickle *p, uint64_t n, itr_err *err)
{
	if (n > p->n - p->at) {
		itr_pickle_fail(p, err, "it ends here");
		return NULL;
	}
	p->at += (size_t)n;
	return p->bytes + p->at - n;
}

static int take_uint(itr_pickle *p, int size, uint64_t *out, itr_err *err)
{
	const unsigned char *b = take(p, (uint64_t)size, err);
	*out = 0;
	for (int i = size - 1; b && i >= 0; i--)
		*out = *out << 8 | b[i];
	return b ? 0 : -1;
}

/* The rest of the line, without its end. */
static const char *take_line(itr_pickle *p, size_t *n, itr_err *err)
{
	const char *s = (const char *)p->bytes + p->at, *end = memchr(s, '\n', p->n - p->at);
	if (!end) {
		itr_pickle_fail(p, err, "a line has no end");
		return NULL;
	}
	*n = (size_t)(end - s);
	p->at += *n + 1;
	return s;
}

static int push_int(itr_pickle *p, itr_py_type type, int64_t i, itr_err *err)
{
	itr_py *v = itr_py_new(p, type, err);
	if (v)
		v->u.i = i;
	return push(p, v, err);
}

static int push_text(itr_pickle *p, itr_py_type type, const char *s, size_t n, itr_err *err)
{
	itr_py *v = s ? itr_py_new(p, type, err) : NULL;
	if (v) {
		v->u.str.s = s;
		v->u.str.n = n;
	}
	return push(p, v, err);
}

/* A counted string whose length takes `size` bytes. */
static int push_counted(itr_pickle *p, itr_py_type type, int size, itr_err *err)
{
	uint64_t n;
	return take_uint(p, size, &n, err) < 0 ? -1 : push_text(p, type, (const char *)take(p, n, err), (size_t)n, err);
}

/* LONG1, LONG4: two's complement, little-endian. */
static int push_long(itr_pickle *p, int size, itr_err *err)
{
	uint64_t n, v = 0;
	const unsigned char *b = take_uint(p, size, &n, err) < 0 ? NULL : take(p, n, err);
	if (!b)
		return -1;
	if (n > 8)
		return push_text(p, ITR_PY_LONG, (const char *)b, (size_t)n, err);
	for (int i = (int)n - 1; i >= 0; i--)
		v = v << 8 | b[i];
	if (n && n < 8 && b[n - 1] & 0x80)
		v |= ~(uint64_t)0 << 8 * n;
	return push_int(p, ITR_PY_INT, (int64_t)v, err);
}

/* Decimal digits of a line: protocol 0's integers and memo numbers; "01" and "00" are its True and False. */
static int parse_decimal(itr_pickle *p, itr_py_type *type, int64_t *out, itr_err *err)
{
	size_t n;
	const char *s = take_line(p, &n, err);
	if (!s)
		return -1;
	*type = n == 2 && s[0] == '0' ? ITR_PY_BOOL : ITR_PY_INT;
	n -= n && s[n - 1] == 'L';
	bool minus = n && s[0] == '-';
	int64_t v = 0;
	if (n <= minus)
		return itr_pickle_fail(p, err, "a number has no digits");
	for (size_t i = minus; i < n; i++)
		if (s[i] < '0' || s[i] > '9' || __builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, s[i] - '0', &v))
			return itr_pickle_fail(p, err, "a number cannot be read");
	*out = minus ? -v : v;
	return 0;
}

static int push_decimal(itr_pickle *p, itr_err *err)
{
	itr_py_type type;
	int64_t v;
	return parse_decimal(p, &type, &v, err) < 0 ? -1 : push_int(p, type, v, err);
}

static int push_float(itr_pickle *p, bool text, itr_err *err)
{
	itr_py *v = itr_py_new(p, ITR_PY_FLOAT, err);       /* no number of a pickle is ever used as a float: a text one is not parsed */
	size_t n;
	if (!v || (text ? !take_line(p, &n, err) : false))
		return -1;
	const unsigned char *b = text ? NULL : take(p, 8, err);
	if (!text && !b)
		return -1;
	uint64_t bits = 0;
	for (int i = 0; b && i < 8; i++)
		bits = bits << 8 | b[i];
	memcpy(&v->u.f, &bits, sizeof bits);
	return push(p, v, err);
}

/* Quoted strings of protocol 0. Escapes are not decoded; the only consequence is that a name with an escape is not found. */
static int push_quoted(itr_pickle *p, itr_err *err)
{
	size_t n;
	const char *s = take_line(p, &n, err);
	if (s && (n < 2 || (s[0] != '\'' && s[0] != '"') || s[n - 1] != s[0]))
		return itr_pickle_fail(p, err, "a string has no quotes");
	return s ? push_text(p, ITR_PY_STR, s + 1, n - 2, err) : -1;
}

static int push_line(itr_pickle *p, itr_err *err)
{
	size_t n = 0;
	const char *s = take_line(p, &n, err);
	return push_text(p, ITR_PY_STR, s, n, err);
}

/* --- groups of opcodes: 1 done, 0 not of this group, -1 with err ------------------------------------------------------------------ */

static int done(int rc) { return rc < 0 ? -1 : 1; }

static int constants(itr_pickle *p, int op, itr_err *err)
{
	uint64_t v;
	switch (op) {
	case OP_NONE: return done(push(p, itr_py_new(p, ITR_PY_NONE, err), err));
	case OP_NEWTRUE: case OP_NEWFALSE: return done(push_int(p, ITR_PY_BOOL, op == OP_NEWTRUE, err));
	case OP_BININT: return take_uint(p, 4, &v, err) < 0 ? -1 : done(push_int(p, ITR_PY_INT, (int32_t)(uint32_t)v, err));
	case OP_BININT1:
	case OP_BININT2: return take_uint(p, op == OP_BININT1 ? 1 : 2, &v, err) < 0 ? -1 : done(push_int(p, ITR_PY_INT, (int64_t)v, err));
	case OP_INT: case OP_LONG: return done(push_decimal(p, err));
	case OP_LONG1: case OP_LONG4: return done(push_long(p, op == OP_LONG1 ? 1 : 4, err));
	case OP_FLOAT: case OP_BINFLOAT: return done(push_float(p, op == OP_FLOAT, err));
	case OP_STRING: return done(push_quoted(p, err));
	case OP_UNICODE: return done(push_line(p, err));
	case OP_BINSTRING: case OP_BINUNICODE: return done(push_counted(p, ITR_PY_STR, 4, err));
	case OP_SHORT_BINSTRING: case OP_SHORT_BINUNICODE: return done(push_counted(p, ITR_PY_STR, 1, err));
	case OP_BINUNICODE8: return done(push_counted(p, ITR_PY_STR, 8, err));
	case OP_BINBYTES: return done(push_counted(p, ITR_PY_BYTES, 4, err));
	case OP_SHORT_BINBYTES: return done(push_counted(p, ITR_PY_BYTES, 1, err));
	case OP_BINBYTES8: case OP_BYTEARRAY8: return done(push_counted(p, ITR_PY_BYTES, 8, err));
	default: return 0;
	}
}

/* Replaces the values from index `from` on by a list, tuple or dict of them. */
static int gather(itr_pickle *p, itr_py_type type, size_t from, itr_err *err)
{
	itr_py *v = itr_py_new(p, type, err);
	if (type == ITR_PY_DICT && (p->stack.n - from) % 2)
		return itr_pickle_fail(p, err, "a key has no value");
	for (size_t i = from; v && i < p->stack.n; i++)
		if (itr_py_push(p, v, p->stack.v[i], err) < 0)
			return -1;
	p->stack.n = from;
	return push(p, v, err);
}

static int gather_marked(itr_pickle *p, itr_py_type type, itr_err *err)
{
	size_t from;
	return pop_mark(p, &from, err) < 0 ? -1 : gather(p, type, from, err);
}

static int gather_last(itr_pickle *p, size_t n, itr_err *err)
{
	size_t floor = p->marks.n ? p->marks.v[p->marks.n - 1] : 0;
	return p->stack.n - floor < n ? itr_pickle_fail(p, err, "the stack is empty") : gather(p, ITR_PY_TUPLE, p->stack.n - n, err);
}

/* Moves the values from index `from` on into the list or dict below them. */
static int extend(itr_pickle *p, itr_py_type type, size_t from, itr_err *err)
{
	size_t n = p->stack.n, floor = p->marks.n ? p->marks.v[p->marks.n - 1] : 0;
	/* a subclass of dict or list, a set: its contents are ignored */
	if (from > floor && p->stack.v[from - 1]->type == ITR_PY_OPAQUE) {
		p->stack.n = from;
		return 0;
	}
	if (from <= floor || p->stack.v[from - 1]->type != type)
		return itr_pickle_fail(p, err,
		                       type == ITR_PY_DICT ? "items are set where there is no dict"
		                                           : "values are appended where there is no list");
	if (type == ITR_PY_DICT && (n - from) % 2)
		return itr_pickle_fail(p, err, "a key has no value");
	for (size_t i = from; i < n; i++)
		if (itr_py_push(p, p->stack.v[from - 1], p->stack.v[i], err) < 0)
			return -1;
	p->stack.n = from;
	return 0;
}

static int extend_last(itr_pickle *p, itr_py_type type, size_t n, itr_err *err)
{
	return p->stack.n <= n ? itr_pickle_fail(p, err, "the stack is empty") : extend(p, type, p->stack.n - n, err);
}

static int extend_marked(itr_pickle *p, itr_py_type type, itr_err *err)
{
	size_t from;
	return pop_mark(p, &from, err) < 0 ? -1 : extend(p, type, from, err);
}

/* FROZENSET: the values above the mark become one value that is ignored. */
static int pop_marked_as_opaque(itr_pickle *p, itr_err *err)
{
	size_t from;
	if (pop_mark(p, &from, err) < 0)
		return -1;
	p->stack.n = from;
	return push(p, itr_py_new(p, ITR_PY_OPAQUE, err), err);
}

static int containers(itr_pickle *p, int op, itr_err *err)
{
	switch (op) {
	case OP_EMPTY_LIST: return done(push(p, itr_py_new(p, ITR_PY_LIST, err), err));
	case OP_EMPTY_TUPLE: return done(push(p, itr_py_new(p, ITR_PY_TUPLE, err), err));
	case OP_EMPTY_DICT: return done(push(p, itr_py_new(p, ITR_PY_DICT, err), err));
	case OP_EMPTY_SET: return done(push(p, itr_py_new(p, ITR_PY_OPAQUE, err), err));
	case OP_FROZENSET: return done(pop_marked_as_opaque(p, err));
	case OP_LIST: return done(gather_marked(p, ITR_PY_LIST, err));
	case OP_TUPLE: return done(gather_marked(p, ITR_PY_TUPLE, err));
	case OP_DICT: return done(gather_marked(p, ITR_PY_DICT, err));
	case OP_TUPLE1: case OP_TUPLE2: case OP_TUPLE3: return done(gather_last(p, (size_t)(op - OP_TUPLE1 + 1), err));
	case OP_APPEND: return done(extend_last(p, ITR_PY_LIST, 1, err));
	case OP_APPENDS: return done(extend_marked(p, ITR_PY_LIST, err));
	case OP_ADDITEMS: return done(extend_marked(p, ITR_PY_OPAQUE, err));
	case OP_SETITEM: return done(extend_last(p, ITR_PY_DICT, 2, err));
	case OP_SETITEMS: return done(extend_marked(p, ITR_PY_DICT, err));
	default: return 0;
	}
}

static int memo_put(itr_pickle *p, uint64_t i, itr_err *err)
{
	itr_py *v = top(p, err);
	if (!v)
		return -1;
	if (i >= MAX_VALUES || i > p->at)       /* every number below it took at least a byte to be given */
		return itr_pickle_fail(p, err, "a memo number is out of bounds");
	while (p->memo.n <= i)
		ITR_VEC_PUSH(&p->memo, NULL);
	p->memo.v[i] = v;
	return 0;
}

static int memo_get(itr_pickle *p, uint64_t i, itr_err *err)
{
	return i >= p->memo.n || !p->memo.v[i] ? itr_pickle_fail(p, err, "a memo number was never given") : push(p, p->memo.v[i], err);
}

static int memo(itr_pickle *p, int op, itr_err *err)
{
	bool get = op == OP_GET || op == OP_BINGET || op == OP_LONG_BINGET;
	uint64_t i = p->memo.n;
	itr_py_type type;
	int64_t v;
	switch (op) {
	case OP_GET: case OP_PUT:
		if (parse_decimal(p, &type, &v, err) < 0)
			return -1;
		i = (uint64_t)v;
		break;
	case OP_BINGET: case OP_BINPUT:
		if (take_uint(p, 1, &i, err) < 0)
			return -1;
		break;
	case OP_LONG_BINGET: case OP_LONG_BINPUT:
		if (take_uint(p, 4, &i, err) < 0)
			return -1;
		break;
	case OP_MEMOIZE: break;
	default: return 0;
	}
	return done(get ? memo_get(p, i, err) : memo_put(p, i, err));
}

/* "module\nname\n". The class of an instance (OP_INST) is looked up in the same table. */
static int push_global(itr_pickle *p, itr_err *err)
{
	size_t mn, nn;
	const char *module = take_line(p, &mn, err), *name = module ? take_line(p, &nn, err) : NULL;
	return name ? push(p, itr_torch_global(p, module, mn, name, nn, err), err) : -1;
}

static int push_stack_global(itr_pickle *p, itr_err *err)
{
	const itr_py *name = pop(p, err), *module = name ? pop(p, err) : NULL;
	if (!module)
		return -1;
	if (name->type != ITR_PY_STR || module->type != ITR_PY_STR)
		return itr_pickle_fail(p, err, "a global has no name");
	return push(p, itr_torch_global(p, module->u.str.s, module->u.str.n, name->u.str.s, name->u.str.n, err), err);
}

static int call(itr_pickle *p, itr_err *err)
{
	const itr_py *args = pop(p, err), *f = args ? pop(p, err) : NULL;
	if (!f)
		return -1;
	if (f->type != ITR_PY_GLOBAL || args->type != ITR_PY_TUPLE)
		return itr_pickle_fail(p, err, "something is called that is no function");
	return push(p, itr_torch_call(p, f, args, err), err);
}

/* BUILD sets the state of an object: attributes of an OrderedDict (torch's _metadata) or of a parameter. They are ignored. */
static int build(itr_pickle *p, itr_err *err)
{
	const itr_py *state = pop(p, err), *object = state ? top(p, err) : NULL;
	if (!object)
		return -1;
	return object->type == ITR_PY_DICT || object->type == ITR_PY_TENSOR || object->type == ITR_PY_OPAQUE
	               ? 0
	               : itr_pickle_fail(p, err, "a state is given to something that has none");
}

/* OBJ: a mark, a class, arguments. Classes of that time are in no table, so only the refusal by name matters; INST names its class itself.
 */
static int push_object(itr_pickle *p, int op, itr_err *err)
{
	size_t from;
	if (op == OP_INST && push_global(p, err) < 0)
		return -1;
	return pop_mark(p, &from, err) < 0 ? -1 : itr_pickle_fail(p, err, "it makes an object of a class");
}

static int persistent(itr_pickle *p, itr_err *err)
{
	const itr_py *id = pop(p, err);
	return id ? push(p, itr_torch_persistent(p, id, err), err) : -1;
}

static int objects(itr_pickle *p, int op, itr_err *err)
{
	size_t from;
	switch (op) {
	case OP_MARK:
		if (p->marks.n == MAX_STACK)
			return itr_err_set(err, "'%s': its pickle nests more than %d deep", p->path, MAX_STACK);
		ITR_VEC_PUSH(&p->marks, p->stack.n);
		return 1;
	case OP_POP: return pop(p, err) ? 1 : -1;
	case OP_POP_MARK:
		if (pop_mark(p, &from, err) < 0)
			return -1;
		p->stack.n = from;
		return 1;
	case OP_DUP: return done(push(p, top(p, err), err));
	case OP_GLOBAL: return done(push_global(p, err));
	case OP_STACK_GLOBAL: return done(push_stack_global(p, err));
	case OP_REDUCE: case OP_NEWOBJ: return done(call(p, err));
	case OP_NEWOBJ_EX: return pop(p, err) ? done(call(p, err)) : -1;         /* arguments by name: of use to nothing that is known */
	case OP_BUILD: return done(build(p, err));
	case OP_INST: case OP_OBJ: return done(push_object(p, op, err));
	case OP_BINPERSID: return done(persistent(p, err));
	case OP_PROTO: return take(p, 1, err) ? 1 : -1;
	case OP_FRAME: return take(p, 8, err) ? 1 : -1;
	default: return 0;
	}
}

itr_py *itr_pickle_run(itr_pickle *p, itr_err *err)
{
	static int (*const groups[])(itr_pickle *, int, itr_err *) = { constants, memo, containers, objects };
	p->stack.n = p->memo.n = p->marks.n = 0;
	for (;;) {
		const unsigned char *op = take(p, 1, err);
		int rc = 0;
		if (!op)
			return NULL;
		if (*op == OP_STOP)
			return pop(p, err);
		for (int g = 0; g < ITR_LEN(groups) && rc == 0; g++)
			rc = groups[g](p, *op, err);
		if (rc == 0)
			itr_err_set(err, "'%s': its pickle has the opcode 0x%02x at byte %zu, which no file of tensors needs", p->path, *op,
			            p->at - 1);
		if (rc <= 0)
			return NULL;
	}
}
