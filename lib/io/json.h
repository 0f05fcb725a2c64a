/* json.h - JSON: parse, read, build, write, and stream. Trees are cJSON nodes. The lexer (jsonpull.c) is our own and serves trees and
 * streams, because cJSON_Parse loses digits beyond 2^53 and accepts duplicate keys.
 *
 * A double does not represent all integers beyond 2^53. So ids, seeds and sizes are written as strings, and itr_json_id returns the
 * original digits of a number. Input must be UTF-8 (a byte-order mark is skipped), nested at most 256 deep, without trailing text or
 * duplicate keys; \u0000 and lone surrogates are read as U+FFFD. NaN and Infinity are written as null.
 */
#ifndef ITR_IO_JSON_H
#define ITR_IO_JSON_H

#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"

typedef struct cJSON itr_json;

/* --- reading. Children are borrowed from their root; free only the root. ---------------------------------------------------- */
itr_json *itr_json_parse(const char *text, size_t len, const char *where, itr_err *err);   /* `where` names the source in messages */
itr_json *itr_json_read(const char *path, itr_err *err);                                   /* a whole file, at most 1 GiB. NULL with err */
void itr_json_free(itr_json *j);

bool itr_json_is_object(const itr_json *j);
bool itr_json_is_array(const itr_json *j);
bool itr_json_is_string(const itr_json *j);
bool itr_json_is_number(const itr_json *j);
bool itr_json_is_bool(const itr_json *j);
bool itr_json_is_null(const itr_json *j);

const itr_json *itr_json_get(const itr_json *object, const char *key);     /* NULL when missing or object is NULL */
const itr_json *itr_json_path(const itr_json *j, const char *dotted);      /* nested members: "t2i.recall@10" */
int64_t itr_json_count(const itr_json *array_or_object);
const itr_json *itr_json_at(const itr_json *array_or_object, int64_t i);   /* constant time, as count and get; NULL outside */
const itr_json *itr_json_first(const itr_json *array_or_object);           /* iteration: for (c = first(j); c; c = next(c)) */
const itr_json *itr_json_next(const itr_json *child);
const char *itr_json_key(const itr_json *child);                           /* of a member; NULL for an element */

/* Values; `missing` is returned when j is NULL or has another type. */
double itr_json_num(const itr_json *j, double missing);
int64_t itr_json_int(const itr_json *j, int64_t missing);                  /* only for an integer of magnitude below 2^53 */
const char *itr_json_str(const itr_json *j, const char *missing);
bool itr_json_bool(const itr_json *j, bool missing);
/* An id: the string itself (borrowed), or the original digits of an integer, written to buf. NULL when j is neither or buf is too small. */
const char *itr_json_id(const itr_json *j, char *buf, size_t size);

/* --- building. `add` takes ownership of the value and returns it. --------------------------------------------------------------- */
itr_json *itr_json_object(void);
itr_json *itr_json_array(void);
itr_json *itr_json_add(itr_json *object, const char *key, itr_json *value);      /* replaces an equal key */
itr_json *itr_json_add_num(itr_json *object, const char *key, double v);
itr_json *itr_json_add_int(itr_json *object, const char *key, int64_t v);
itr_json *itr_json_add_str(itr_json *object, const char *key, const char *v);    /* NULL: null */
itr_json *itr_json_add_bool(itr_json *object, const char *key, bool v);
itr_json *itr_json_add_object(itr_json *object, const char *key);
itr_json *itr_json_add_array(itr_json *object, const char *key);
itr_json *itr_json_push(itr_json *array, itr_json *value);
void itr_json_pushf(itr_json *array, const char *format, ...) ITR_PRINTF(2, 3);        /* appends a formatted string */
itr_json *itr_json_new_num(double v);
itr_json *itr_json_new_int(int64_t v);
itr_json *itr_json_new_str(const char *v);
itr_json *itr_json_new_bool(bool v);
itr_json *itr_json_new_null(void);
itr_json *itr_json_copy(const itr_json *j);

/* --- writing. Numbers: the shortest text that reads back to the same double; integers without a point. Invalid UTF-8 becomes U+FFFD. */
void itr_json_print(itr_buf *out, const itr_json *j, bool pretty);         /* pretty: two-space indent, no final newline */
ITR_MUST_USE int itr_json_write(const char *path, const itr_json *j, itr_err *err);   /* pretty, atomic */
void itr_json_print_string(itr_buf *out, const char *utf8);                /* quoted and escaped */
void itr_json_print_number(itr_buf *out, double v);

/* --- streaming: files too large for a tree (instances_train2017.json, 470 MB) --------------------------------------------------
 * A pull parser: itr_jsonpull_next returns the next token, itr_jsonpull_peek looks ahead. itr_jsonpull_skip skips the next value and
 * itr_jsonpull_tree reads it as a tree; both may be called after a KEY, before an element, or at the start. Memory does not grow with the
 * file. A skipped value is checked for brackets, strings and truncation only. Duplicate keys are errors in trees, but are not detected in
 * the stream.
 *
 *	while (itr_jsonpull_peek(p, err) == ITR_JP_OBJECT) {            // the elements of an array
 *		itr_json *j = itr_jsonpull_tree(p, err);
 *		itr_json_free(j);
 *	}
 *	if (itr_jsonpull_next(p, err) != ITR_JP_ARRAY_END)              // ITR_JP_ERROR, or an element of another type
 *		return -1;
 */
typedef struct itr_jsonpull itr_jsonpull;
typedef enum { ITR_JP_ERROR = -1, ITR_JP_END, ITR_JP_OBJECT, ITR_JP_OBJECT_END, ITR_JP_ARRAY, ITR_JP_ARRAY_END,
               ITR_JP_KEY, ITR_JP_STRING, ITR_JP_NUMBER, ITR_JP_TRUE, ITR_JP_FALSE, ITR_JP_NULL } itr_jp;
itr_jsonpull *itr_jsonpull_open(const char *path, itr_err *err);           /* "-" is standard input */
itr_jp itr_jsonpull_next(itr_jsonpull *p, itr_err *err);                   /* errors name the file and the byte offset */
/* the type of the next token, without consuming it; its text is not available yet */
itr_jp itr_jsonpull_peek(itr_jsonpull *p, itr_err *err);
/* text of the current KEY, STRING (decoded) or NUMBER (digits); borrowed until the next call */
const char *itr_jsonpull_text(const itr_jsonpull *p);
int itr_jsonpull_skip(itr_jsonpull *p, itr_err *err);                      /* skips the next value; 0 or -1 */
itr_json *itr_jsonpull_tree(itr_jsonpull *p, itr_err *err);                 /* reads the next value; the caller frees */
/* After this call invalid UTF-8 in a string is replaced by U+FFFD instead of being an error. _replaced: the number of replacements, which
 * the caller reports. */
void itr_jsonpull_replace_invalid(itr_jsonpull *p);
int64_t itr_jsonpull_replaced(const itr_jsonpull *p);
void itr_jsonpull_close(itr_jsonpull *p);

#endif
