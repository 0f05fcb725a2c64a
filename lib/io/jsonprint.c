#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic_file.h"
#include "io/json_internal.h"
#include "io/utf8.h"

void itr_json_print_number(itr_buf *out, double v)
{
	if (!isfinite(v)) {
		itr_buf_puts(out, "null");
		return;
	}
	if (v == floor(v) && fabs(v) < 9007199254740992.0) {
		/* "-0" would read back as the integer 0 in Python */
		if (v == 0 && signbit(v))
			itr_buf_puts(out, "-0.0");
		else
			itr_buf_printf(out, "%" PRId64, (int64_t)v);
		return;
	}
	char text[40];
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	const char *point = localeconv()->decimal_point;
	char *at = strcmp(point, ".") ? strstr(text, point) : NULL;
	if (at)
		itr_buf_printf(out, "%.*s.%s", (int)(at - text), text, at + strlen(point));
	else
		itr_buf_puts(out, text);
}

void itr_json_print_string(itr_buf *out, const char *s)
{
	size_t left = strlen(s);
	itr_buf_putc(out, '"');
	while (left > 0) {
		size_t plain = 0;
		while (plain < left && (unsigned char)s[plain] >= 0x20 && s[plain] != '"' && s[plain] != '\\')
			plain++;
		itr_utf8_put_clean(out, s, plain);
		s += plain;
		left -= plain;
		if (left == 0)
			break;
		const char *special = strchr("\"\"\\\\\nn\tt\rr\bb\ff", *s);
		if (special)
			itr_buf_printf(out, "\\%c", special[1]);
		else
			itr_buf_printf(out, "\\u%04x", (unsigned)(unsigned char)*s);
		s++;
		left--;
	}
	itr_buf_putc(out, '"');
}

/* Rows of figures stay on one line: a file of 25,000 ranks should not have 25,000 lines. */
static bool all_numbers(const itr_json *array)
{
	for (int64_t i = 0; i < array->count; i++)
		if (array->items[i]->type != ITR_JSON_NUMBER)
			return false;
	return true;
}

static void newline(itr_buf *out, bool pretty, int depth)
{
	if (!pretty)
		return;
	itr_buf_putc(out, '\n');
	for (int i = 0; i < depth; i++)
		itr_buf_puts(out, "  ");
}

static void print(itr_buf *out, const itr_json *j, bool pretty, int depth)
{
	bool object = j->type == ITR_JSON_OBJECT;
	switch (j->type) {
	case ITR_JSON_NULL:
		itr_buf_puts(out, "null");
		return;
	case ITR_JSON_BOOL:
		itr_buf_puts(out, j->truth ? "true" : "false");
		return;
	case ITR_JSON_STRING:
		itr_json_print_string(out, j->text);
		return;
	case ITR_JSON_NUMBER:
		if (j->text)
			itr_buf_puts(out, j->text);
		else
			itr_json_print_number(out, j->num);
		return;
	case ITR_JSON_ARRAY:
	case ITR_JSON_OBJECT:
		break;
	}
	itr_buf_putc(out, object ? '{' : '[');
	bool lines = pretty && (object || !all_numbers(j));
	for (int64_t i = 0; i < j->count; i++) {
		if (i > 0)
			itr_buf_puts(out, pretty && !lines ? ", " : ",");
		newline(out, lines, depth + 1);
		if (object) {
			itr_json_print_string(out, j->items[i]->key);
			itr_buf_puts(out, pretty ? ": " : ":");
		}
		print(out, j->items[i], pretty, depth + 1);
	}
	if (j->count > 0)
		newline(out, lines, depth);
	itr_buf_putc(out, object ? '}' : ']');
}

void itr_json_print(itr_buf *out, const itr_json *j, bool pretty) { print(out, j, pretty, 0); }

int itr_json_write(const char *path, const itr_json *j, itr_err *err)
{
	itr_buf b = ITR_BUF_INIT;
	itr_json_print(&b, j, true);
	itr_buf_putc(&b, '\n');
	int rc = itr_atomic_write(path, b.data, b.len, err);
	itr_buf_free(&b);
	return rc;
}
