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
	for (const itr_json *c = array->child; c; c = c->next)
		if (!cJSON_IsNumber(c))
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
	if (cJSON_IsString(j)) {
		itr_json_print_string(out, j->valuestring);
		return;
	}
	if (cJSON_IsNumber(j)) {
		if (j->valuestring)
			itr_buf_puts(out, j->valuestring);
		else
			itr_json_print_number(out, j->valuedouble);
		return;
	}
	const bool object = cJSON_IsObject(j);
	if (!object && !cJSON_IsArray(j)) {
		itr_buf_puts(out, cJSON_IsTrue(j) ? "true" : cJSON_IsFalse(j) ? "false" : "null");
		return;
	}
	itr_buf_putc(out, object ? '{' : '[');
	const bool lines = pretty && (object || !all_numbers(j));
	for (const itr_json *c = j->child; c; c = c->next) {
		if (c != j->child)
			itr_buf_puts(out, pretty && !lines ? ", " : ",");
		newline(out, lines, depth + 1);
		if (object) {
			itr_json_print_string(out, c->string);
			itr_buf_puts(out, pretty ? ": " : ":");
		}
		print(out, c, pretty, depth + 1);
	}
	if (j->child)
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
