/* The lexer for streams and trees. It keeps a window of the file and one bit for each level of nesting (object or array). Strings are
 * copied in runs of unescaped bytes. Skipping a value checks only brackets and quotes (1 GB/s): `segmentation` is 90 % of
 * instances_train2017.json.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/json_internal.h"
#include "io/textfile.h"
#include "io/utf8.h"

enum { WINDOW = 1 << 18 };

typedef enum { WANT_VALUE, WANT_FIRST, WANT_KEY, WANT_COLON, WANT_COMMA, WANT_NOTHING } want;

struct itr_jsonpull {
	itr_textfile *file;
	char *where;                    /* "cannot read 'where': ..." ; NULL: no prefix */
	char *window;                   /* owned when file */
	const char *data;
	size_t pos, len;
	int64_t base;                   /* offset in the file of data[0] */
	int64_t lines, line_start;      /* number of line ends before it; offset of the last of them */
	itr_err failure;                /* repeated at every later call */
	bool failed, started, lenient;
	int64_t replaced;               /* invalid sequences, where lenient */
	want want;
	int depth;
	bool object[ITR_JSON_MAX_DEPTH];
	itr_buf text;
};

/* --- bytes ------------------------------------------------------------------------------------------------------------- */

static void count_lines(itr_jsonpull *p, size_t n)
{
	const char *at = p->data, *end = p->data + n;
	while (at < end && (at = memchr(at, '\n', (size_t)(end - at)))) {
		p->lines++;
		p->line_start = p->base + (++at - p->data);
	}
}

/* The error message gives the offset, and for text of several lines also the line. */
static int fail(itr_jsonpull *p, itr_err *err, const char *what)
{
	p->failed = true;
	const bool unread = p->file && itr_textfile_error(p->file, &p->failure) < 0;     /* names the file */
	const int64_t at = p->base + (int64_t)p->pos;
	count_lines(p, p->pos);
	if (!unread && p->lines > 0)
		itr_err_set(&p->failure, "%s at byte %lld (line %lld, column %lld)", what, (long long)at, (long long)(p->lines + 1),
		            (long long)(at - p->line_start + 1));
	else if (!unread)
		itr_err_set(&p->failure, "%s at byte %lld", what, (long long)at);
	if (p->where && !unread)
		itr_err_prefix(&p->failure, "cannot read '%s': ", p->where);
	itr_err_set(err, "%s", p->failure.msg);
	return ITR_JP_ERROR;
}

/* Loads the next window once this one is used up. False at the end of the input. */
static bool refill(itr_jsonpull *p)
{
	if (!p->file)
		return false;
	count_lines(p, p->len);
	p->base += (int64_t)p->len;
	p->pos = 0;
	p->len = itr_textfile_read(p->file, p->window, WINDOW);
	return p->len > 0;
}

static inline int look(itr_jsonpull *p)
{
	if (p->pos == p->len && !refill(p))
		return -1;
	return (unsigned char)p->data[p->pos];
}

static int look_past_space(itr_jsonpull *p)
{
	int c;
	while ((c = look(p)) == ' ' || c == '\n' || c == '\t' || c == '\r')
		p->pos++;
	return c;
}

/* --- life --------------------------------------------------------------------------------------------------------------- */

static itr_jsonpull *new_pull(const char *where)
{
	itr_jsonpull *p = itr_xcalloc(1, sizeof *p);
	p->where = where ? itr_xstrdup(where) : NULL;
	return p;
}

itr_jsonpull *itr_jsonpull_open(const char *path, itr_err *err)
{
	itr_textfile *f = itr_textfile_open(path, err);
	if (!f)
		return NULL;
	itr_jsonpull *p = new_pull(itr_textfile_name(f));
	p->file = f;
	p->window = itr_xmalloc(WINDOW);
	p->data = p->window;
	return p;
}

itr_jsonpull *itr_jsonpull_memory(const char *text, size_t len, const char *where)
{
	itr_jsonpull *p = new_pull(where);
	p->data = text;
	p->len = len;
	return p;
}

void itr_jsonpull_close(itr_jsonpull *p)
{
	if (!p)
		return;
	itr_textfile_close(p->file);
	free(p->window);
	free(p->where);
	itr_buf_free(&p->text);
	free(p);
}

const char *itr_jsonpull_text(const itr_jsonpull *p) { return itr_buf_str(&p->text); }

/* --- strings and numbers --------------------------------------------------------------------------------------------------- */

/* Four hex digits after \u; -1 when they are not. */
static int32_t hex4(itr_jsonpull *p)
{
	int32_t v = 0;
	for (int i = 0; i < 4; i++) {
		int c = look(p);
		int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
		if (d < 0)
			return -1;
		v = v << 4 | d;
		p->pos++;
	}
	return v;
}

/* After "\u": appends the character. A high surrogate without a low one becomes U+FFFD, and the following text is read independently. */
static int unicode_escape(itr_jsonpull *p, itr_err *err)
{
	int32_t v = hex4(p);
	while (v >= 0xd800 && v < 0xdc00) {
		if (look(p) != '\\') {
			itr_utf8_put(&p->text, 0xfffd);
			return 0;
		}
		p->pos++;
		int c = look(p);
		if (c != 'u') {                         /* another escape: its letter is handled by the caller's next round */
			itr_utf8_put(&p->text, 0xfffd);
			return c < 0 ? fail(p, err, "the file ends inside a string") : 1;
		}
		p->pos++;
		int32_t low = hex4(p);
		if (low >= 0xdc00 && low < 0xe000) {
			itr_utf8_put(&p->text, 0x10000u + ((uint32_t)(v - 0xd800) << 10) + (uint32_t)(low - 0xdc00));
			return 0;
		}
		itr_utf8_put(&p->text, 0xfffd);
		v = low;
	}
	if (v < 0)
		return fail(p, err, look(p) < 0 ? "the file ends inside a string" : "\\u needs four hex digits");
	itr_utf8_put(&p->text, v == 0 ? 0xfffd : (uint32_t)v);
	return 0;
}

static int escape(itr_jsonpull *p, itr_err *err)
{
	for (int again = 1; again;) {
		int c = look(p);
		static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
		const char *at = c > 0 ? strchr(from, c) : NULL;
		if (c < 0)
			return fail(p, err, "the file ends inside a string");
		if (!at && c != 'u')
			return fail(p, err, "unknown escape in a string");
		p->pos++;
		if (at) {
			itr_buf_putc(&p->text, to[at - from]);
			return 0;
		}
		again = unicode_escape(p, err);
		if (again < 0)
			return -1;
	}
	return 0;
}

/* One sequence of two to four bytes, which may straddle two windows. */
static int multibyte(itr_jsonpull *p, itr_err *err)
{
	char s[4];
	uint32_t cp;
	size_t n = 0;
	int64_t at = p->base + (int64_t)p->pos;
	unsigned char first = (unsigned char)look(p);
	size_t want_bytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
	for (int c; n < want_bytes && (c = look(p)) >= 0 && (n == 0 || (c & 0xc0) == 0x80); )
		s[n++] = p->data[p->pos++];
	if (itr_utf8_decode(s, n, &cp) != (int)want_bytes) {
		if (p->lenient) {
			p->replaced++;
			itr_utf8_put(&p->text, 0xfffd);
			return 0;
		}
		p->base += at - (p->base + (int64_t)p->pos);           /* the message names where the sequence began */
		return fail(p, err, "invalid UTF-8");
	}
	itr_buf_add(&p->text, s, n);
	return 0;
}

/* After the opening quote, up to and over the closing one. */
static int string(itr_jsonpull *p, itr_err *err)
{
	itr_buf_clear(&p->text);
	for (;;) {
		int c = look(p);
		size_t i = p->pos;
		while (i < p->len && (unsigned char)p->data[i] >= 0x20 && (unsigned char)p->data[i] < 0x80 && p->data[i] != '"' &&
		       p->data[i] != '\\')
			i++;
		itr_buf_add(&p->text, p->data + p->pos, i - p->pos);
		if (i > p->pos) {
			p->pos = i;
			continue;
		}
		if (c < 0)
			return fail(p, err, "the file ends inside a string");
		if (c < 0x20)
			return fail(p, err, "control character in a string (a line break must be written \\n)");
		if (c >= 0x80) {
			if (multibyte(p, err) < 0)
				return -1;
			continue;
		}
		p->pos++;
		if (c == '"')
			return 0;
		if (escape(p, err) < 0)
			return -1;
	}
}

static size_t digits(itr_jsonpull *p)
{
	size_t n = 0;
	for (int c; (c = look(p)) >= '0' && c <= '9'; n++, p->pos++)
		itr_buf_putc(&p->text, (char)c);
	return n;
}

static void take(itr_jsonpull *p)
{
	itr_buf_putc(&p->text, p->data[p->pos++]);
}

static int number(itr_jsonpull *p, itr_err *err)
{
	itr_buf_clear(&p->text);
	if (look(p) == '-')
		take(p);
	bool zero = look(p) == '0';
	size_t n = digits(p);
	if (n == 0)
		return fail(p, err, look(p) == 'I' ? "Infinity is not JSON (null is)" : "a number without digits");
	if (zero && n > 1)
		return fail(p, err, "a number with a leading zero");
	if (look(p) == '.') {
		take(p);
		if (digits(p) == 0)
			return fail(p, err, "a number without digits after its point");
	}
	if (look(p) == 'e' || look(p) == 'E') {
		take(p);
		if (look(p) == '+' || look(p) == '-')
			take(p);
		if (digits(p) == 0)
			return fail(p, err, "a number without digits in its exponent");
	}
	return 0;
}

static int word(itr_jsonpull *p, const char *name, itr_err *err)
{
	for (const char *s = name; *s; s++, p->pos++)
		if (look(p) != *s)
			return fail(p, err,
			            look(p) < 0 ? "the file ends inside a value"
			                        : "expected a value (true, false and null are lower case; NaN is not JSON)");
	return 0;
}

/* --- tokens --------------------------------------------------------------------------------------------------------------- */

static itr_jp after_value(itr_jsonpull *p, itr_jp t)
{
	p->want = p->depth == 0 ? WANT_NOTHING : WANT_COMMA;
	return t;
}

/* Skips white space and the comma or colon up to the first byte of the next token, and returns the type of this token without consuming it.
 */
static itr_jp prepare(itr_jsonpull *p, itr_err *err)
{
	if (p->failed)
		return itr_err_set(err, "%s", p->failure.msg), ITR_JP_ERROR;
	if (!p->started) {
		p->started = true;
		if (look(p) == 0xef && p->len - p->pos >= 3 && !memcmp(p->data + p->pos, "\xef\xbb\xbf", 3))
			p->pos += 3;
	}
	int c = look_past_space(p);
	bool in_object = p->depth > 0 && p->object[p->depth - 1];
	if (p->want == WANT_NOTHING)
		return c < 0 && !(p->file && itr_textfile_error(p->file, NULL) < 0)
		               ? ITR_JP_END
		               : (itr_jp)fail(p, err, "something follows the end of the value");
	if (c < 0)
		return (itr_jp)fail(p, err, p->depth == 0 ? "the file is empty" : "the file ends inside an object or array");
	if (p->want == WANT_COLON) {
		if (c != ':')
			return (itr_jp)fail(p, err, "expected ':'");
		p->pos++;
		p->want = WANT_VALUE;
		c = look_past_space(p);
	} else if (p->want == WANT_COMMA || p->want == WANT_FIRST) {
		if (c == (in_object ? '}' : ']'))
			return in_object ? ITR_JP_OBJECT_END : ITR_JP_ARRAY_END;
		if (p->want == WANT_COMMA) {
			if (c != ',')
				return (itr_jp)fail(p, err, in_object ? "expected ',' or '}'" : "expected ',' or ']'");
			p->pos++;
			c = look_past_space(p);
		}
		p->want = in_object ? WANT_KEY : WANT_VALUE;
	}
	if (p->want == WANT_KEY)
		return c == '"' ? ITR_JP_KEY
		                : (itr_jp)fail(p, err, c < 0 ? "the file ends inside an object" : "expected a key in double quotes");
	switch (c) {
	case '{': return ITR_JP_OBJECT;
	case '[': return ITR_JP_ARRAY;
	case '"': return ITR_JP_STRING;
	case 't': return ITR_JP_TRUE;
	case 'f': return ITR_JP_FALSE;
	case 'n': return ITR_JP_NULL;
	default:
		if (c == '-' || (c >= '0' && c <= '9'))
			return ITR_JP_NUMBER;
		if (c == 'N' || c == 'I')
			return (itr_jp)fail(p, err, c == 'N' ? "NaN is not JSON (null is)" : "Infinity is not JSON (null is)");
		return (itr_jp)fail(p, err, c < 0 ? "the file ends where a value should be" : "expected a value");
	}
}

itr_jp itr_jsonpull_peek(itr_jsonpull *p, itr_err *err) { return prepare(p, err); }

itr_jp itr_jsonpull_next(itr_jsonpull *p, itr_err *err)
{
	itr_jp t = prepare(p, err);
	int rc = 0;
	switch (t) {
	case ITR_JP_OBJECT:
	case ITR_JP_ARRAY:
		if (p->depth == ITR_JSON_MAX_DEPTH)
			return (itr_jp)fail(p, err, "nested more than 256 deep");
		p->pos++;
		p->object[p->depth++] = t == ITR_JP_OBJECT;
		p->want = WANT_FIRST;
		return t;
	case ITR_JP_OBJECT_END:
	case ITR_JP_ARRAY_END:
		p->pos++;
		p->depth--;
		return after_value(p, t);
	case ITR_JP_KEY:
		p->pos++;
		p->want = WANT_COLON;
		return string(p, err) < 0 ? ITR_JP_ERROR : t;
	case ITR_JP_STRING:
		p->pos++;
		rc = string(p, err);
		break;
	case ITR_JP_NUMBER:
		rc = number(p, err);
		break;
	case ITR_JP_TRUE:
		rc = word(p, "true", err);
		break;
	case ITR_JP_FALSE:
		rc = word(p, "false", err);
		break;
	case ITR_JP_NULL:
		rc = word(p, "null", err);
		break;
	case ITR_JP_END:
	case ITR_JP_ERROR:
		return t;
	}
	return rc < 0 ? ITR_JP_ERROR : after_value(p, t);
}

/* --- skipping --------------------------------------------------------------------------------------------------------------- */

/* After the opening quote: skips to the byte after the closing one. */
static int skip_string(itr_jsonpull *p, itr_err *err)
{
	for (;;) {
		if (look(p) < 0)
			return fail(p, err, "the file ends inside a string");
		const char *s = p->data + p->pos, *end = p->data + p->len;
		while (s < end && *s != '"' && *s != '\\')
			s++;
		p->pos = (size_t)(s - p->data);
		if (s == end)
			continue;
		p->pos++;
		if (*s == '"')
			return 0;
		if (look(p) < 0)
			continue;
		p->pos++;                               /* skips the escaped character, which may be a quote */
	}
}

/* The container whose opening bracket comes next. */
static int skip_container(itr_jsonpull *p, itr_err *err)
{
	int bottom = p->depth;
	do {
		if (look(p) < 0)
			return fail(p, err, "the file ends inside an object or array");
		const char *s = p->data + p->pos, *end = p->data + p->len;
		/* [ and { differ in one bit, ] and } too; digits, commas, points and spaces are below them all: two tests pass nearly all
		 * of a polygon */
		while (s < end && *s != '"' && ((unsigned char)*s < '[' || ((*s & 0xdf) != '[' && (*s & 0xdf) != ']')))
			s++;
		p->pos = (size_t)(s - p->data);
		if (s == end)
			continue;
		char c = *s;
		p->pos++;
		if (c == '"') {
			if (skip_string(p, err) < 0)
				return -1;
		} else if (c == '[' || c == '{') {
			if (p->depth == ITR_JSON_MAX_DEPTH)
				return fail(p, err, "nested more than 256 deep");
			p->object[p->depth++] = c == '{';
		} else if (p->object[--p->depth] != (c == '}')) {
			return fail(p, err, "brackets that do not match");
		}
	} while (p->depth > bottom);
	return 0;
}

static bool is_value(itr_jp t)
{
	return t == ITR_JP_OBJECT || t == ITR_JP_ARRAY || t == ITR_JP_STRING || t == ITR_JP_NUMBER || t == ITR_JP_TRUE ||
	       t == ITR_JP_FALSE || t == ITR_JP_NULL;
}

int itr_jsonpull_skip(itr_jsonpull *p, itr_err *err)
{
	itr_jp t = prepare(p, err);
	if (t == ITR_JP_ERROR)
		return -1;
	if (!is_value(t))
		return fail(p, err, "expected a value");
	int rc;
	if (t == ITR_JP_OBJECT || t == ITR_JP_ARRAY)
		rc = skip_container(p, err);
	else if (t == ITR_JP_STRING) {
		p->pos++;
		rc = skip_string(p, err);
	} else
		return itr_jsonpull_next(p, err) == ITR_JP_ERROR ? -1 : 0;
	if (rc == 0)
		(void)after_value(p, t);
	return rc;
}

/* --- trees --------------------------------------------------------------------------------------------------------------------- */

static itr_json *tree_of(itr_jsonpull *p, itr_jp t, itr_err *err);

static int fill(itr_jsonpull *p, itr_json *j, itr_err *err)
{
	itr_buf key = ITR_BUF_INIT;
	int rc = 0;
	while (rc == 0) {
		itr_jp t = itr_jsonpull_next(p, err);
		if (t == ITR_JP_ARRAY_END || t == ITR_JP_OBJECT_END)
			break;
		if (t == ITR_JP_KEY) {
			itr_buf_clear(&key);
			itr_buf_puts(&key, itr_jsonpull_text(p));
			t = itr_jsonpull_next(p, err);
		}
		itr_json *child = tree_of(p, t, err);
		if (!child)
			rc = -1;
		else if (cJSON_IsArray(j))
			itr_json_push(j, child);
		else if (itr_json_append_member(j, itr_buf_str(&key), child) < 0) {
			char *what = itr_xasprintf("the key '%.100s' occurs twice in one object, before", itr_buf_str(&key));
			rc = fail(p, err, what);
			free(what);
			itr_json_free(child);
		}
	}
	itr_buf_free(&key);
	return rc;
}

static itr_json *tree_of(itr_jsonpull *p, itr_jp t, itr_err *err)
{
	itr_json *j = NULL;
	switch (t) {
	case ITR_JP_STRING:
		return itr_json_new_str(itr_jsonpull_text(p));
	case ITR_JP_NUMBER:
		j = itr_json_new_number_text(itr_jsonpull_text(p));
		if (!j)
			fail(p, err, "a number beyond the range of a double, before");
		return j;
	case ITR_JP_TRUE:
	case ITR_JP_FALSE:
		return itr_json_new_bool(t == ITR_JP_TRUE);
	case ITR_JP_NULL:
		return itr_json_new_null();
	case ITR_JP_OBJECT:
	case ITR_JP_ARRAY:
		j = t == ITR_JP_OBJECT ? itr_json_object() : itr_json_array();
		if (fill(p, j, err) == 0)
			return j;
		itr_json_free(j);
		return NULL;
	case ITR_JP_ERROR:
		return NULL;
	default:
		fail(p, err, "expected a value");
		return NULL;
	}
}

itr_json *itr_jsonpull_tree(itr_jsonpull *p, itr_err *err) { return tree_of(p, itr_jsonpull_next(p, err), err); }

void itr_jsonpull_replace_invalid(itr_jsonpull *p) { p->lenient = true; }
int64_t itr_jsonpull_replaced(const itr_jsonpull *p) { return p->replaced; }
