/* Index of the children of a large array or object, by position and by key. cJSON has a linked list: access to child i takes i steps, and a
 * key takes a comparison with each member, so reading an object of n members with a check for duplicate keys would take n^2. The index is
 * one block of memory in valuestring of the container (json_internal.h):
 *
 *	count, cap, item[cap]           the children in order; for objects also:
 *	hash[cap], slot[2 cap]          hash of each key; hash table with open addressing: 1 + position of the child, 0: empty
 */
#include <string.h>

#include "base/log.h"
#include "base/map.h"
#include "io/json_internal.h"

/* Up to this many children a linear search is as fast and needs no memory. */
enum { INDEX_FROM = 16 };

struct index {
	int64_t count, cap;             /* cap: a power of two */
	itr_json *item[];
};

static struct index *index_of(const itr_json *container) { return (struct index *)(void *)container->valuestring; }
static uint64_t *hashes(struct index *x) { return (uint64_t *)(void *)(x->item + x->cap); }
static int64_t *slots(struct index *x) { return (int64_t *)(void *)(hashes(x) + x->cap); }

/* The slot of the member `key`, or the empty one where it belongs. At most half of the slots are full. */
static int64_t *slot_of(struct index *x, const char *key, uint64_t hash)
{
	int64_t *slot = slots(x), mask = 2 * x->cap - 1;
	for (int64_t i = (int64_t)(hash & (uint64_t)mask);; i = (i + 1) & mask)
		if (slot[i] == 0 || (hashes(x)[slot[i] - 1] == hash && !strcmp(x->item[slot[i] - 1]->string, key)))
			return &slot[i];
}

static void add(struct index *x, itr_json *child, uint64_t hash)
{
	x->item[x->count++] = child;
	if (child->string) {
		hashes(x)[x->count - 1] = hash;
		*slot_of(x, child->string, hash) = x->count;
	}
}

/* A block of twice the size. The hashes are copied: computing them again would double the time to read a large object. */
static struct index *grow(itr_json *container)
{
	struct index *old = index_of(container);
	const bool object = cJSON_IsObject(container);
	const int64_t cap = old ? 2 * old->cap : 2 * INDEX_FROM;
	const size_t each = sizeof(itr_json *) + (object ? sizeof(uint64_t) + 2 * sizeof(int64_t) : 0);
	const size_t bytes = sizeof(struct index) + (size_t)cap * each;
	struct index *x = cJSON_malloc(bytes);
	if (!x)
		ITR_BUG("out of memory: %zu bytes", bytes);
	x->count = 0;
	x->cap = cap;
	if (object)
		memset(slots(x), 0, 2 * (size_t)cap * sizeof(int64_t));
	for (int64_t i = 0; old && i < old->count; i++)
		add(x, old->item[i], object ? hashes(old)[i] : 0);
	cJSON_free(old);
	container->valuestring = (char *)x;
	return x;
}

void itr_json_index_append(itr_json *container, itr_json *child)
{
	struct index *x = index_of(container);
	container->valuedouble++;
	if (x) {
		if (x->count == x->cap)
			x = grow(container);
		add(x, child, child->string ? itr_map_hash(child->string) : 0);
	} else if (container->valuedouble > INDEX_FROM) {
		x = grow(container);
		for (itr_json *c = container->child; c; c = c->next)
			add(x, c, c->string ? itr_map_hash(c->string) : 0);
	}
}

void itr_json_index_replace(itr_json *object, const char *key, itr_json *value)
{
	struct index *x = index_of(object);
	if (x)
		x->item[*slot_of(x, key, itr_map_hash(key)) - 1] = value;
}

itr_json *itr_json_index_at(const itr_json *container, int64_t i)
{
	struct index *x = index_of(container);
	if (x)
		return x->item[i];
	itr_json *c = container->child;
	while (i-- > 0)
		c = c->next;
	return c;
}

itr_json *itr_json_index_find(const itr_json *object, const char *key)
{
	struct index *x = index_of(object);
	if (!x)
		return cJSON_GetObjectItemCaseSensitive(object, key);
	int64_t place = *slot_of(x, key, itr_map_hash(key));
	return place ? x->item[place - 1] : NULL;
}
