/* json_internal.h - the tree's node, shared by json.c (tree), jsonprint.c (writing) and jsonpull.c (reading). */
#ifndef ITR_IO_JSON_INTERNAL_H
#define ITR_IO_JSON_INTERNAL_H

#include "base/map.h"
#include "io/json.h"

enum { ITR_JSON_MAX_DEPTH = 256 };

typedef enum { ITR_JSON_NULL, ITR_JSON_BOOL, ITR_JSON_NUMBER, ITR_JSON_STRING, ITR_JSON_ARRAY, ITR_JSON_OBJECT } itr_json_type;

struct itr_json {
	itr_json_type type;
	bool truth;
	double num;
	char *text;                     /* STRING: its bytes; NUMBER: the digits as written, when a double may not hold them */
	char *key;                      /* of a member */
	itr_json *parent;
	int64_t index;                  /* in the parent */
	itr_json **items;               /* children in order */
	int64_t count, cap;
	itr_map *keys;                  /* key -> index, kept once an object has more than a few members */
};

itr_json *itr_json_new_of(itr_json_type type);
/* Adds `value` under a key that the object must not have yet. 0, or -1 when it has: value is then still the caller's. */
int itr_json_append_member(itr_json *object, const char *key, itr_json *value);
/* A number from its text in JSON's grammar; NULL when it is beyond a double's range. */
itr_json *itr_json_new_number_text(const char *digits);
/* Parses JSON's number grammar without regard to the locale. */
double itr_json_strtod(const char *digits);

/* A pull parser over bytes in memory (borrowed). where may be NULL: messages then name no source. */
itr_jsonpull *itr_jsonpull_memory(const char *text, size_t len, const char *where);

#endif
