#include "io/npy.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/limit.h"

static const struct {
	const char *code;
	itr_dtype t;
} codes[] = {
	{ "f2", ITR_F16 }, { "f4", ITR_F32 }, { "f8", ITR_F64 }, { "i1", ITR_I8 }, { "i2", ITR_I16 }, { "i4", ITR_I32 }, { "i8", ITR_I64 },
	{ "u1", ITR_U8 }, { "u2", ITR_U16 }, { "u4", ITR_U32 }, { "u8", ITR_U64 }, { "b1", ITR_BOOL },
};

static bool little_endian(void)
{
	const uint16_t one = 1;
	unsigned char first;
	memcpy(&first, &one, 1);
	return first == 1;
}

int itr_npy_sizes(const unsigned char *first, size_t n, size_t *prelude, size_t *text, const char *what, itr_err *err)
{
	if (n < 10 || memcmp(first, "\x93NUMPY", 6))
		return itr_err_set(err, "%s is not a NumPy array (no \\x93NUMPY at its start)", what);
	if (first[6] < 1 || first[6] > 3)
		return itr_err_set(err, "%s is of .npy version %d.%d; 1.0 to 3.0 are read", what, first[6], first[7]);
	*prelude = first[6] == 1 ? 10 : 12;
	*text = first[8] | (size_t)first[9] << 8;
	if (first[6] > 1)
		*text = n < 12 ? 0 : *text | (size_t)first[10] << 16 | (size_t)first[11] << 24;
	if (*text < 10 || *text > ITR_NPY_MAX_HEADER)
		return itr_err_set(err, "%s has a header of %zu bytes, which cannot be", what, *text);
	return 0;
}

/* --- the dictionary: a cursor over a Python literal -------------------------------------------------------------------- */

struct cursor {
	const char *at, *end;
};

static char peek(struct cursor *c)
{
	while (c->at < c->end && isspace((unsigned char)*c->at))
		c->at++;
	return c->at < c->end ? *c->at : 0;
}

static bool take(struct cursor *c, char wanted)
{
	if (peek(c) != wanted)
		return false;
	c->at++;
	return true;
}

static bool take_string(struct cursor *c, char *out, size_t size)
{
	char quote = peek(c);
	size_t n = 0;
	if (quote != '\'' && quote != '"')
		return false;
	for (c->at++; c->at < c->end && *c->at != quote; c->at++)
		if (n + 1 < size)
			out[n++] = *c->at;
	out[n] = 0;
	return take(c, quote);
}

static bool take_word(struct cursor *c, const char *word)
{
	size_t n = strlen(word);
	if (peek(c) == 0 || (size_t)(c->end - c->at) < n || memcmp(c->at, word, n))
		return false;
	c->at += n;
	return true;
}

static bool take_integer(struct cursor *c, int64_t *v)
{
	if (!isdigit((unsigned char)peek(c)))
		return false;
	*v = 0;
	for (; c->at < c->end && isdigit((unsigned char)*c->at); c->at++) {
		if (*v > (INT64_MAX - 9) / 10)
			return false;
		*v = *v * 10 + (*c->at - '0');
	}
	if (c->at < c->end && *c->at == 'L')            /* Python 2's long */
		c->at++;
	return true;
}

static int take_shape(struct cursor *c, itr_array_info *info, const char *what, itr_err *err)
{
	if (!take(c, '('))
		return itr_err_set(err, "%s has a header without a shape", what);
	for (info->rank = 0; !take(c, ')'); info->rank++) {
		if (info->rank == ITR_NPY_MAX_RANK)
			return itr_err_set(err, "%s has more than %d dimensions", what, ITR_NPY_MAX_RANK);
		if (!take_integer(c, &info->shape[info->rank]) || (!take(c, ',') && peek(c) != ')'))
			return itr_err_set(err, "%s has a shape that cannot be read", what);
	}
	return itr_limit_shape(info->shape, info->rank, &info->count, what, err);
}

static int take_descr(struct cursor *c, itr_npy_header *h, const char *what, itr_err *err)
{
	char d[32];
	if (peek(c) == '[')
		return itr_err_set(err, "%s is a structured array; save its fields as arrays of their own", what);
	if (!take_string(c, d, sizeof d) || strlen(d) < 2)
		return itr_err_set(err, "%s has an element type that cannot be read", what);
	const char *code = strchr("<>|=", d[0]) ? d + 1 : d;
	h->swapped = little_endian() ? d[0] == '>' : d[0] == '<';
	if (code[0] == 'O')
		return itr_err_set(err,
		                   "%s holds pickled Python objects, which are refused: unpickling runs whatever code the file brings. "
		                   "Save numbers, or strings as a '<U' array: numpy.asarray(x, dtype=str)",
		                   what);
	for (int i = 0; i < ITR_LEN(codes); i++)
		if (!strcmp(code, codes[i].code)) {
			h->info.dtype = codes[i].t;
			h->item = itr_dtype_size(codes[i].t);
			return 0;
		}
	if (code[0] != 'U' && code[0] != 'S')
		return itr_err_set(err, "%s holds elements of type '%s'; f2 f4 f8 i1 to i8 u1 to u8 bool U S are read", what, d);
	char *rest;
	long long width = strtoll(code + 1, &rest, 10);
	if (*rest || width < 0 || width > (1 << 30))
		return itr_err_set(err, "%s holds strings of impossible width ('%s')", what, d);
	h->info.is_text = true;
	h->info.width = width;
	h->item = (size_t)width * (code[0] == 'U' ? 4 : 1);
	h->wide_text = code[0] == 'U';
	return 0;
}

int itr_npy_parse(const char *text, size_t n, itr_npy_header *h, const char *what, itr_err *err)
{
	struct cursor c = { text, text + n };
	char key[32];
	int seen = 0;
	*h = (itr_npy_header){ 0 };
	if (!take(&c, '{'))
		return itr_err_set(err, "%s has a header that is no dictionary", what);
	while (!take(&c, '}')) {
		if (!take_string(&c, key, sizeof key) || !take(&c, ':'))
			return itr_err_set(err, "%s has a header that cannot be read", what);
		if (!strcmp(key, "descr")) {
			seen |= 1;
			if (take_descr(&c, h, what, err) < 0)
				return -1;
		} else if (!strcmp(key, "fortran_order")) {
			seen |= 2;
			h->fortran = take_word(&c, "True");
			if (!h->fortran && !take_word(&c, "False"))
				return itr_err_set(err, "%s has a header that cannot be read", what);
		} else if (!strcmp(key, "shape")) {
			seen |= 4;
			if (take_shape(&c, &h->info, what, err) < 0)
				return -1;
		} else
			return itr_err_set(err, "%s has an unknown key '%s' in its header", what, key);
		if (!take(&c, ',') && peek(&c) != '}')
			return itr_err_set(err, "%s has a header that cannot be read", what);
	}
	if (seen != 7)
		return itr_err_set(err, "%s has a header without %s", what,
		                   !(seen & 1)   ? "descr"
		                   : !(seen & 2) ? "fortran_order"
		                                 : "shape");
	size_t bytes;
	if (h->item == 0 && h->info.count > 1 << 20)            /* strings of no width cost the file nothing, but us */
		return itr_err_set(err, "%s claims %lld strings of width 0", what, (long long)h->info.count);
	if (itr_size_mul((size_t)h->info.count, h->item, &bytes) < 0)
		return itr_err_set(err, "%s claims more bytes than can be counted", what);
	return 0;
}

/* --- writing ------------------------------------------------------------------------------------------------------------------ */

const char *itr_npy_descr(itr_dtype t)
{
	static const char *const names[ITR_DTYPE_COUNT] = {
		[ITR_F32] = "<f4", [ITR_F64] = "<f8", [ITR_F16] = "<f2", [ITR_I8] = "|i1",  [ITR_I16] = "<i2", [ITR_I32] = "<i4",
		[ITR_I64] = "<i8", [ITR_U8] = "|u1",  [ITR_U16] = "<u2", [ITR_U32] = "<u4", [ITR_U64] = "<u8", [ITR_BOOL] = "|b1"
	};
	return names[t];
}

void itr_npy_print(itr_buf *b, const char *descr, int rank, const int64_t *shape)
{
	itr_buf text = ITR_BUF_INIT;
	itr_buf_printf(&text, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
	for (int i = 0; i < rank; i++)
		itr_buf_printf(&text, "%s%lld", i ? ", " : "", (long long)shape[i]);
	itr_buf_puts(&text, rank == 1 ? ",), }" : "), }");
	/* numpy leaves room for the first axis to grow to 21 digits, then pads so that the data begin at a multiple of 64 */
	if (rank > 0) {
		int digits = snprintf(NULL, 0, "%lld", (long long)shape[0]);
		for (int i = digits; i < 21; i++)
			itr_buf_putc(&text, ' ');
	}
	for (size_t pad = 64 - (10 + text.len + 1) % 64; pad > 0; pad--)
		itr_buf_putc(&text, ' ');
	itr_buf_putc(&text, '\n');
	itr_buf_add(b, "\x93NUMPY\x01\x00", 8);
	itr_buf_putc(b, (char)(text.len & 0xff));
	itr_buf_putc(b, (char)(text.len >> 8));
	itr_buf_add(b, text.data, text.len);
	itr_buf_free(&text);
}
