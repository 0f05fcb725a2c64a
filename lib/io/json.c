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

static const int64_t two53 = (int64_t)1 << 53;

/* --- life ------------------------------------------------------------------------------------------------------------- */

/* cJSON answers NULL where memory ran out. */
static itr_json *made(itr_json *node)
{
	if (!node)
		ITR_BUG("out of memory: a JSON value");
	return node;
}

/* digits: NULL when the double is exact. */
static itr_json *number_of(double v, const char *digits)
{
	itr_json *j = made(cJSON_CreateNumber(v));
	if (digits) {
		size_t bytes = strlen(digits) + 1;
		j->valuestring = cJSON_malloc(bytes);
		if (!j->valuestring)
			ITR_BUG("out of memory: %zu bytes", bytes);
		memcpy(j->valuestring, digits, bytes);
	}
	return j;
}

void itr_json_free(itr_json *j) { cJSON_Delete(j); }

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

bool itr_json_is_object(const itr_json *j) { return cJSON_IsObject(j); }
bool itr_json_is_array(const itr_json *j) { return cJSON_IsArray(j); }
bool itr_json_is_string(const itr_json *j) { return cJSON_IsString(j); }
bool itr_json_is_number(const itr_json *j) { return cJSON_IsNumber(j); }
bool itr_json_is_bool(const itr_json *j) { return cJSON_IsBool(j); }
bool itr_json_is_null(const itr_json *j) { return cJSON_IsNull(j); }

const itr_json *itr_json_get(const itr_json *object, const char *key)
{
	return cJSON_IsObject(object) ? itr_json_index_find(object, key) : NULL;
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

int64_t itr_json_count(const itr_json *j) { return cJSON_IsArray(j) || cJSON_IsObject(j) ? (int64_t)j->valuedouble : 0; }
const itr_json *itr_json_at(const itr_json *j, int64_t i) { return i >= 0 && i < itr_json_count(j) ? itr_json_index_at(j, i) : NULL; }
const itr_json *itr_json_first(const itr_json *j) { return j ? j->child : NULL; }
const itr_json *itr_json_next(const itr_json *child) { return child ? child->next : NULL; }
const char *itr_json_key(const itr_json *child) { return child ? child->string : NULL; }

double itr_json_num(const itr_json *j, double missing) { return cJSON_IsNumber(j) ? j->valuedouble : missing; }

static bool small_integer(double v) { return fabs(v) < (double)two53 && v == floor(v); }

int64_t itr_json_int(const itr_json *j, int64_t missing)
{
	return cJSON_IsNumber(j) && small_integer(j->valuedouble) ? (int64_t)j->valuedouble : missing;
}

const char *itr_json_str(const itr_json *j, const char *missing) { return cJSON_IsString(j) ? j->valuestring : missing; }
bool itr_json_bool(const itr_json *j, bool missing) { return cJSON_IsBool(j) ? cJSON_IsTrue(j) : missing; }

const char *itr_json_id(const itr_json *j, char *buf, size_t size)
{
	if (cJSON_IsString(j))
		return j->valuestring;
	if (!cJSON_IsNumber(j))
		return NULL;
	int n = -1;
	if (j->valuestring && !j->valuestring[strspn(j->valuestring, "-0123456789")])
		n = snprintf(buf, size, "%s", j->valuestring);
	else if (small_integer(j->valuedouble))
		n = snprintf(buf, size, "%" PRId64, (int64_t)j->valuedouble);
	return n > 0 && (size_t)n < size ? buf : NULL;
}

/* --- numbers ------------------------------------------------------------------------------------------------------------- */

/* Parses JSON's number grammar without regard to the locale. */
static double parse_double(const char *digits)
{
	/* strtod uses the decimal point of the locale, which a program that uses the library may have set to a comma. */
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
	double v = !integer ? parse_double(digits) : digits[0] == '-' ? -(double)small : (double)small;
	if (!isfinite(v))
		return NULL;
	return number_of(v, fabs(v) >= (double)two53 ? digits : NULL);
}

/* --- building ------------------------------------------------------------------------------------------------------------ */

static void append(itr_json *parent, const char *key, itr_json *value)
{
	if (value->prev)                        /* cJSON: the first child's prev is the last child */
		ITR_BUG("a JSON value was added twice");
	if (!(key ? cJSON_AddItemToObject(parent, key, value) : cJSON_AddItemToArray(parent, value)))
		ITR_BUG("out of memory: a JSON member");
	itr_json_index_append(parent, value);
}

int itr_json_append_member(itr_json *object, const char *key, itr_json *value)
{
	if (itr_json_index_find(object, key))
		return -1;
	append(object, key, value);
	return 0;
}

itr_json *itr_json_add(itr_json *object, const char *key, itr_json *value)
{
	if (!cJSON_IsObject(object) || !value)
		ITR_BUG("'%s' added to a JSON value that is no object, or nothing added", key);
	itr_json *old = itr_json_index_find(object, key);
	if (!old) {
		append(object, key, value);
		return value;
	}
	if (value->prev)
		ITR_BUG("a JSON value was added twice");
	itr_json_index_replace(object, key, value);
	value->string = old->string;
	old->string = NULL;
	cJSON_ReplaceItemViaPointer(object, old, value);
	return value;
}

itr_json *itr_json_push(itr_json *array, itr_json *value)
{
	if (!cJSON_IsArray(array) || !value)
		ITR_BUG("element pushed to a JSON value that is no array, or nothing pushed");
	append(array, NULL, value);
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

itr_json *itr_json_object(void) { return made(cJSON_CreateObject()); }
itr_json *itr_json_array(void) { return made(cJSON_CreateArray()); }
itr_json *itr_json_new_null(void) { return made(cJSON_CreateNull()); }
itr_json *itr_json_new_bool(bool v) { return made(cJSON_CreateBool(v)); }
itr_json *itr_json_new_str(const char *v) { return v ? made(cJSON_CreateString(v)) : itr_json_new_null(); }
itr_json *itr_json_new_num(double v) { return isfinite(v) ? number_of(v, NULL) : itr_json_new_null(); }

itr_json *itr_json_new_int(int64_t v)
{
	char digits[24];
	snprintf(digits, sizeof digits, "%" PRId64, v);
	return number_of((double)v, v >= two53 || v <= -two53 ? digits : NULL);
}

itr_json *itr_json_add_num(itr_json *o, const char *key, double v) { return itr_json_add(o, key, itr_json_new_num(v)); }
itr_json *itr_json_add_int(itr_json *o, const char *key, int64_t v) { return itr_json_add(o, key, itr_json_new_int(v)); }
itr_json *itr_json_add_str(itr_json *o, const char *key, const char *v) { return itr_json_add(o, key, itr_json_new_str(v)); }
itr_json *itr_json_add_bool(itr_json *o, const char *key, bool v) { return itr_json_add(o, key, itr_json_new_bool(v)); }
itr_json *itr_json_add_object(itr_json *o, const char *key) { return itr_json_add(o, key, itr_json_object()); }
itr_json *itr_json_add_array(itr_json *o, const char *key) { return itr_json_add(o, key, itr_json_array()); }

/* cJSON_Duplicate would copy the index of another tree as if it were text, and keep the key of a member. */
itr_json *itr_json_copy(const itr_json *j)
{
	if (!j)
		return NULL;
	if (cJSON_IsString(j))
		return itr_json_new_str(j->valuestring);
	if (cJSON_IsNumber(j))
		return number_of(j->valuedouble, j->valuestring);
	if (cJSON_IsBool(j))
		return itr_json_new_bool(cJSON_IsTrue(j));
	itr_json *c = cJSON_IsArray(j) ? itr_json_array() : cJSON_IsObject(j) ? itr_json_object() : itr_json_new_null();
	for (const itr_json *child = j->child; child; child = child->next)
		append(c, child->string, itr_json_copy(child));
	return c;
}
