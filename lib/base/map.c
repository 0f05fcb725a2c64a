#include "base/map.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"

struct entry {
	const char *key;
	uint64_t hash;
	int64_t value;
};

struct itr_map {
	struct entry *entries;
	int64_t count, cap;
	int64_t *slots;                 /* indices into entries, -1: empty; their number is a power of two; at most half of them are used */
	int64_t mask;
	itr_arena *keys;
};

uint64_t itr_map_hash(const char *key)
{
	uint64_t h = 0xcbf29ce484222325u;       /* FNV-1a, then itr_mix64, because short numeric ids differ in few low bits */
	for (; *key; key++)
		h = (h ^ (unsigned char)*key) * 0x100000001b3u;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93u;
	return h ^ h >> 32;
}

itr_map *itr_map_new(void)
{
	itr_map *m = itr_xcalloc(1, sizeof *m);
	m->keys = itr_arena_new(1 << 16);
	return m;
}

void itr_map_free(itr_map *m)
{
	if (!m)
		return;
	itr_arena_free(m->keys);
	free(m->entries);
	free(m->slots);
	free(m);
}

int64_t itr_map_count(const itr_map *m) { return m->count; }

static int64_t find_slot(const itr_map *m, const char *key, uint64_t hash)
{
	for (int64_t i = (int64_t)(hash & (uint64_t)m->mask);; i = (i + 1) & m->mask) {
		int64_t e = m->slots[i];
		if (e < 0 || (m->entries[e].hash == hash && !strcmp(m->entries[e].key, key)))
			return i;
	}
}

static void grow(itr_map *m)
{
	m->cap = m->cap ? m->cap * 2 : 16;
	m->mask = m->cap * 2 - 1;
	m->entries = itr_xrealloc(m->entries, (size_t)m->cap * sizeof *m->entries);
	m->slots = itr_xrealloc(m->slots, (size_t)(m->mask + 1) * sizeof *m->slots);
	memset(m->slots, 0xff, (size_t)(m->mask + 1) * sizeof *m->slots);
	for (int64_t e = 0; e < m->count; e++)
		m->slots[find_slot(m, m->entries[e].key, m->entries[e].hash)] = e;
}

static int64_t *lookup(const itr_map *m, const char *key)
{
	if (!m->cap)
		return NULL;
	int64_t e = m->slots[find_slot(m, key, itr_map_hash(key))];
	return e < 0 ? NULL : &m->entries[e].value;
}

int itr_map_add(itr_map *m, const char *key, int64_t value)
{
	if (m->count == m->cap)
		grow(m);
	uint64_t hash = itr_map_hash(key);
	int64_t slot = find_slot(m, key, hash);
	if (m->slots[slot] >= 0)
		return 0;
	m->slots[slot] = m->count;
	m->entries[m->count++] = (struct entry){ itr_arena_strdup(m->keys, key), hash, value };
	return 1;
}

void itr_map_set(itr_map *m, const char *key, int64_t value)
{
	if (!itr_map_add(m, key, value))
		*lookup(m, key) = value;
}

int64_t itr_map_get(const itr_map *m, const char *key, int64_t missing)
{
	const int64_t *v = lookup(m, key);
	return v ? *v : missing;
}

bool itr_map_has(const itr_map *m, const char *key) { return lookup(m, key) != NULL; }
const char *itr_map_key(const itr_map *m, int64_t i) { return m->entries[i].key; }
