/* json_internal.h - what json.c (tree), json_index.c (places and keys), jsonprint.c (writing) and jsonpull.c (reading) share. The only file
 * that includes cJSON.
 *
 * A value is a cJSON node, made by cJSON_Create* and freed by cJSON_Delete. cJSON_Parse and cJSON_Print are not used: the first accepts
 * equal keys and rounds digits beyond 2^53, the second writes 17 digits where 16 are enough. Three values have no field of their own in a
 * node; they lie where cJSON keeps nothing for that type of node, and cJSON_Delete frees them with it:
 *
 *	NUMBER          valuestring     the digits as written, where a double may not hold them
 *	ARRAY, OBJECT   valuedouble     the number of children
 *	ARRAY, OBJECT   valuestring     the index of the children (json_index.c), once they are more than a few
 */
#ifndef ITR_IO_JSON_INTERNAL_H
#define ITR_IO_JSON_INTERNAL_H

#include <cjson/cJSON.h>

#include "io/json.h"

enum { ITR_JSON_MAX_DEPTH = 256 };

/* Adds `value` under a key that the object must not have yet. 0, or -1 when it has: value is then still the caller's. */
int itr_json_append_member(itr_json *object, const char *key, itr_json *value);
/* A number from its text in JSON's grammar; NULL when it is beyond a double's range. */
itr_json *itr_json_new_number_text(const char *digits);

/* --- json_index.c: constant time for a place and for a key, where cJSON walks its list -------------------------- */
itr_json *itr_json_index_at(const itr_json *container, int64_t i);                   /* 0 <= i < number of children */
itr_json *itr_json_index_find(const itr_json *object, const char *key);              /* NULL: no such member */
void itr_json_index_append(itr_json *container, itr_json *child);                    /* child: just linked behind the others */
void itr_json_index_replace(itr_json *object, const char *key, itr_json *value);     /* value takes the place of the member `key` */

/* A pull parser over bytes in memory (borrowed). where may be NULL: messages then name no source. */
itr_jsonpull *itr_jsonpull_memory(const char *text, size_t len, const char *where);

#endif
