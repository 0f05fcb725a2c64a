/* json_internal.h - declarations shared by json.c (tree), json_index.c (access by index and key), jsonprint.c (writing) and jsonpull.c
 * (reading). The only file that includes cJSON.
 *
 * A value is a cJSON node, created by cJSON_Create* and freed by cJSON_Delete. cJSON_Parse and cJSON_Print are not used: the first accepts
 * duplicate keys and rounds digits beyond 2^53, the second writes 17 digits where 16 are enough. Three values use fields of the node that
 * cJSON leaves unused for its type; cJSON_Delete frees them:
 *
 *	NUMBER          valuestring     the digits as written, when a double may not represent them
 *	ARRAY, OBJECT   valuedouble     the number of children
 *	ARRAY, OBJECT   valuestring     the index of the children (json_index.c), when there are more than 16
 */
#ifndef ITR_IO_JSON_INTERNAL_H
#define ITR_IO_JSON_INTERNAL_H

#include <cjson/cJSON.h>

#include "io/json.h"

enum { ITR_JSON_MAX_DEPTH = 256 };

/* Adds `value` with a new key. 0, or -1 when the object already has the key; value then still belongs to the caller. */
int itr_json_append_member(itr_json *object, const char *key, itr_json *value);
/* A number from its JSON text; NULL when it is out of the range of a double. */
itr_json *itr_json_new_number_text(const char *digits);

/* --- json_index.c: access by index and by key in constant time (cJSON searches a list) --------------------------- */
itr_json *itr_json_index_at(const itr_json *container, int64_t i);                   /* 0 <= i < number of children */
itr_json *itr_json_index_find(const itr_json *object, const char *key);              /* NULL: no such member */
void itr_json_index_append(itr_json *container, itr_json *child);                    /* child: already linked as the last one */
void itr_json_index_replace(itr_json *object, const char *key, itr_json *value);     /* replaces the member `key` */

/* A pull parser over bytes in memory (borrowed). where may be NULL: messages then name no source. */
itr_jsonpull *itr_jsonpull_memory(const char *text, size_t len, const char *where);

#endif
