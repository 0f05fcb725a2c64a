#include "io/json.h"

#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "io/textfile.h"
#include "io/json_internal.h"

/* Below this many members a scan of the keys is as fast as a hash map and needs no memory. */
enum { MAP_FROM = 16 };
static const int64_t two53 = (int64_t)1 << 53;

/* --- life ------------------------------------------------------------------------------------------------------------- */

itr_json *itr_json_new_of(itr_json_type type)
{
	itr_json *j = itr_xcalloc(1, sizeof *j);
	j->type = type;
	return j;
}

void itr_json_free(itr_json *j)
{
	if (!j)
		return;
	for (int64_t i = 0; i < j->count; i++)
		itr_json_free(j->items[i]);
	free(j->items);
	itr_map_free(j->keys);
	free(j->text);
	free(j->key);
	free(j);
}

itr_json *itr_json_copy(const itr_json *j)
{
	if (!j)
		return NULL;
	itr_json *c = itr_json_new_of(j->type);
	c->truth = j->truth;
	c->num = j->num;
	c->text = j->text ? itr_xstrdup(j->text) : NULL;
	for (int64_t i = 0; i < j->count; i++) {
		itr_json *child = itr_json_copy(j->items[i]);
		if (j->type == ITR_JSON_OBJECT)
			(void)itr_json_append_member(c, j->items[i]->key, child);
		else
			itr_json_push(c, child);
	}
	return c;
}

/* --- reading ------------------------------------------------------------------------------------------------------------ */

itr_json *itr_json_parse(const char *text, size_t len, const char *where, itr_err *err)
{
	itr_jsonpull *p = itr_jsonpull_memory(text, len, where);
	itr_json *j = itr_jsonpull_tree(p, err);
	if (j && itr_jsonpull_next(p, err) != ITR_JP_END) {
		itr_json_free(j);
		j = NULL;
	}
	itr_jsonpull_close(p);
	return j;
}

itr_json *itr_json_read(const char *path, itr_err *err)
{
	size_t len;
	char *text = itr_textfile_all(path, (size_t)1 << 30, &len, err);
	itr_json *j = text ? itr_json_parse(text, len, path, err) : NULL;
	free(text);
	return j;
}

bool itr_json_is_object(const itr_json *j) { return j && j->type == ITR_JSON_OBJECT; }
bool itr_json_is_array(const itr_json *j) { return j && j->type == ITR_JSON_ARRAY; }
bool itr_json_is_string(const itr_json *j) { return j && j->type == ITR_JSON_STRING; }
bool itr_json_is_number(const itr_json *j) { return j && j->type == ITR_JSON_NUMBER; }
bool itr_json_is_bool(const itr_json *j) { return j && j->type == ITR_JSON_BOOL; }
bool itr_json_is_null(const itr_json *j) { return j && j->type == ITR_JSON_NULL; }

static int64_t find(const itr_json *object, const char *key)
{
	if (object->keys)
		return itr_map_get(object->keys, key, -1);
	for (int64_t i = 0; i < object->count; i++)
		if (!strcmp(object->items[i]->key, key))
			return i;
	return -1;
}

const itr_json *itr_json_get(const itr_json *object, const char *key)
{
	int64_t i = itr_json_is_object(object) ? find(object, key) : -1;
	return i < 0 ? NULL : object->items[i];
}

const itr_json *itr_json_path(const itr_json *j, const char *dotted)
{
	while (j && *dotted) {
		size_t n = strcspn(dotted, ".");
		char *key = itr_xstrndup(dotted, n);
		j = itr_json_get(j, key);
		free(key);
		dotted += n + (dotted[n] == '.');
	}
	return j;
}

int64_t itr_json_count(const itr_json *j) { return j ? j->count : 0; }
const itr_json *itr_json_at(const itr_json *j, int64_t i) { return j && i >= 0 && i < j->count ? j->items[i] : NULL; }
const itr_json *itr_json_first(const itr_json *j) { return itr_json_at(j, 0); }
const itr_json *itr_json_next(const itr_json *child) { return child ? itr_json_at(child->parent, child->index + 1) : NULL; }
const char *itr_json_key(const itr_json *child) { return child ? child->key : NULL; }

double itr_json_num(const itr_json *j, double missing) { return itr_json_is_number(j) ? j->num : missing; }

int64_t itr_json_int(const itr_json *j, int64_t missing)
{
	if (!itr_json_is_number(j) || !(fabs(j->num) < (double)two53) || j->num != floor(j->num))
		return missing;
	return (int64_t)j->num;
}

const char *itr_json_str(const itr_json *j, const char *missing) { return itr_json_is_string(j) ? j->text : missing; }
bool itr_json_bool(const itr_json *j, bool missing) { return itr_json_is_bool(j) ? j->truth : missing; }

const char *itr_json_id(const itr_json *j, char *buf, size_t size)
{
	if (itr_json_is_string(j))
		return j->text;
	if (!itr_json_is_number(j))
		return NULL;
	int n = -1;
	if (j->text && !j->text[strspn(j->text, "-0123456789")])
		n = snprintf(buf, size, "%s", j->text);
	else if (fabs(j->num) < (double)two53 && j->num == floor(j->num))
		n = snprintf(buf, size, "%" PRId64, (int64_t)j->num);
	return n > 0 && (size_t)n < size ? buf : NULL;
}

/* --- numbers ------------------------------------------------------------------------------------------------------------- */

double itr_json_strtod(const char *digits)
{
	/* A program that embeds the library may have set a locale whose point is a comma; strtod would stop at ours. */
	const char *point = localeconv()->decimal_point, *dot = strchr(digits, '.');
	if (!dot || !strcmp(point, "."))
		return strtod(digits, NULL);
	char *local = itr_xasprintf("%.*s%s%s", (int)(dot - digits), digits, point, dot + 1);
	double v = strtod(local, NULL);
	free(local);
	return v;
}

itr_json *itr_json_new_number_text(const char *digits)
{
	size_t n = strlen(digits);
	int64_t small = 0;
	bool integer = n <= 16;
	for (size_t i = digits[0] == '-'; i < n && integer; i++) {
		integer = digits[i] >= '0' && digits[i] <= '9';
		small = small * 10 + (digits[i] - '0');
	}
	double v = !integer ? itr_json_strtod(digits) : digits[0] == '-' ? -(double)small : (double)small;
	if (!isfinite(v))
		return NULL;
	itr_json *j = itr_json_new_of(ITR_JSON_NUMBER);
	j->num = v;
	if (fabs(v) >= (double)two53)
		j->text = itr_xstrdup(digits);
	return j;
}

/* --- building ------------------------------------------------------------------------------------------------------------ */

static void attach(itr_json *parent, itr_json *value)
{
	if (value->parent)
		ITR_BUG("a JSON value was added twice");
	if (parent->count == parent->cap) {
		parent->cap = parent->cap ? parent->cap * 2 : 4;
		parent->items = itr_xrealloc(parent->items, (size_t)parent->cap * sizeof *parent->items);
	}
	value->parent = parent;
	value->index = parent->count;
	parent->items[parent->count++] = value;
}

int itr_json_append_member(itr_json *object, const char *key, itr_json *value)
{
	if (find(object, key) >= 0)
		return -1;
	attach(object, value);
	value->key = itr_xstrdup(key);
	if (object->keys)
		itr_map_add(object->keys, key, value->index);
	else if (object->count > MAP_FROM) {
		object->keys = itr_map_new();
		for (int64_t i = 0; i < object->count; i++)
			itr_map_add(object->keys, object->items[i]->key, i);
	}
	return 0;
}

itr_json *itr_json_add(itr_json *object, const char *key, itr_json *value)
{
	if (!itr_json_is_object(object) || !value)
		ITR_BUG("'%s' added to a JSON value that is no object, or nothing added", key);
	if (itr_json_append_member(object, key, value) < 0) {
		int64_t i = find(object, key);
		if (value->parent)
			ITR_BUG("a JSON value was added twice");
		itr_json_free(object->items[i]);
		object->items[i] = value;
		value->parent = object;
		value->index = i;
		value->key = itr_xstrdup(key);
	}
	return value;
}

itr_json *itr_json_push(itr_json *array, itr_json *value)
{
	if (!itr_json_is_array(array) || !value)
		ITR_BUG("element pushed to a JSON value that is no array, or nothing pushed");
	attach(array, value);
	return value;
}

void itr_json_pushf(itr_json *array, const char *format, ...)
{
	itr_buf b = ITR_BUF_INIT;
	va_list ap;
	va_start(ap, format);
	itr_buf_vprintf(&b, format, ap);
	va_end(ap);
	itr_json_push(array, itr_json_new_str(itr_buf_str(&b)));
	itr_buf_free(&b);
}

itr_json *itr_json_object(void) { return itr_json_new_of(ITR_JSON_OBJECT); }
itr_json *itr_json_array(void) { return itr_json_new_of(ITR_JSON_ARRAY); }
itr_json *itr_json_new_null(void) { return itr_json_new_of(ITR_JSON_NULL); }

itr_json *itr_json_new_num(double v)
{
	if (!isfinite(v))
		return itr_json_new_null();
	itr_json *j = itr_json_new_of(ITR_JSON_NUMBER);
	j->num = v;
	return j;
}

itr_json *itr_json_new_int(int64_t v)
{
	itr_json *j = itr_json_new_num((double)v);
	if (v >= two53 || v <= -two53)
		j->text = itr_xasprintf("%" PRId64, v);
	return j;
}

itr_json *itr_json_new_str(const char *v)
{
	if (!v)
		return itr_json_new_null();
	itr_json *j = itr_json_new_of(ITR_JSON_STRING);
	j->text = itr_xstrdup(v);
	return j;
}

itr_json *itr_json_new_bool(bool v)
{
	itr_json *j = itr_json_new_of(ITR_JSON_BOOL);
	j->truth = v;
	return j;
}

itr_json *itr_json_add_num(itr_json *o, const char *key, double v) { return itr_json_add(o, key, itr_json_new_num(v)); }
itr_json *itr_json_add_int(itr_json *o, const char *key, int64_t v) { return itr_json_add(o, key, itr_json_new_int(v)); }
itr_json *itr_json_add_str(itr_json *o, const char *key, const char *v) { return itr_json_add(o, key, itr_json_new_str(v)); }
itr_json *itr_json_add_bool(itr_json *o, const char *key, bool v) { return itr_json_add(o, key, itr_json_new_bool(v)); }
itr_json *itr_json_add_object(itr_json *o, const char *key) { return itr_json_add(o, key, itr_json_object()); }
itr_json *itr_json_add_array(itr_json *o, const char *key) { return itr_json_add(o, key, itr_json_array()); }
