/* map.h - hash map from strings to 64-bit integers that keeps insertion order. Keys are copied. Nothing can be removed. */
#ifndef ITR_BASE_MAP_H
#define ITR_BASE_MAP_H

#include "base/compat.h"

typedef struct itr_map itr_map;

itr_map *itr_map_new(void);
void itr_map_free(itr_map *m);
int64_t itr_map_count(const itr_map *m);

/* Inserts key -> value. 1 when the key is new; 0 when it is already in the map, whose value then stays. */
int itr_map_add(itr_map *m, const char *key, int64_t value);
/* Inserts key -> value or replaces its value. */
void itr_map_set(itr_map *m, const char *key, int64_t value);

/* The value of key, or `missing`. */
int64_t itr_map_get(const itr_map *m, const char *key, int64_t missing);
bool itr_map_has(const itr_map *m, const char *key);

/* The i-th key in order of insertion, 0 <= i < count. Borrowed from the map. */
const char *itr_map_key(const itr_map *m, int64_t i);

/* The hash of a key, for hash tables that do not copy their keys. The same on any machine. */
uint64_t itr_map_hash(const char *key);

#endif
