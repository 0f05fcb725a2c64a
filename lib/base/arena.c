#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct block {
	struct block *next;
	char *data;
	size_t used, cap, touched;
};

struct itr_arena {
	struct block *first, *current;
	size_t block_bytes, blocks;
};

itr_arena *itr_arena_new(size_t block_bytes)
{
	itr_arena *a = itr_xcalloc(1, sizeof *a);
	a->block_bytes = block_bytes ? block_bytes : (size_t)1 << 20;
	return a;
}

static struct block *block_new(itr_arena *a, size_t bytes)
{
	struct block *b = itr_xcalloc(1, sizeof *b);
	b->cap = ITR_MAX(bytes, a->block_bytes);
	b->data = itr_aligned_alloc(b->cap);
	a->blocks++;
	return b;
}

static size_t aligned_start(const struct block *b, size_t align) { return (b->used + align - 1) & ~(align - 1); }

static bool fits(const struct block *b, size_t bytes, size_t align)
{
	size_t start = aligned_start(b, align);
	return start <= b->cap && b->cap - start >= bytes;
}

static void *take(itr_arena *a, size_t bytes, size_t align)
{
	while (a->current && !fits(a->current, bytes, align) && a->current->next)
		a->current = a->current->next;              /* blocks kept by a reset */
	if (!a->current || !fits(a->current, bytes, align)) {
		struct block *b = block_new(a, bytes);
		if (a->current)
			a->current->next = b;
		else
			a->first = b;
		a->current = b;
	}
	size_t start = aligned_start(a->current, align);
	a->current->used = start + bytes;
	a->current->touched = ITR_MAX(a->current->touched, a->current->used);
	return a->current->data + start;
}

void *itr_arena_alloc(itr_arena *a, size_t bytes) { return take(a, ITR_MAX(bytes, (size_t)1), 64); }

void *itr_arena_calloc(itr_arena *a, size_t bytes) { return memset(itr_arena_alloc(a, bytes), 0, bytes); }

char *itr_arena_strndup(itr_arena *a, const char *s, size_t n)
{
	char *p = take(a, n + 1, 1);             /* strings pack tightly */
	memcpy(p, s, n);
	p[n] = 0;
	return p;
}

char *itr_arena_strdup(itr_arena *a, const char *s) { return itr_arena_strndup(a, s, strlen(s)); }

void itr_arena_reset(itr_arena *a)
{
	for (struct block *b = a->first; b; b = b->next)
		b->used = 0;
	a->current = a->first;
}

itr_arena_mark itr_arena_get_mark(const itr_arena *a) { return (itr_arena_mark){ a->current, a->current ? a->current->used : 0 }; }

/* The block of the mark. A mark taken before there was any block means the start of the first one. */
static struct block *marked(const itr_arena *a, itr_arena_mark m) { return m.block ? m.block : a->first; }

bool itr_arena_is_after_mark(const itr_arena *a, itr_arena_mark m, const void *p)
{
	const uintptr_t at = (uintptr_t)p;
	for (const struct block *b = marked(a, m); b; b = b->next) {
		const size_t from = b == m.block ? m.used : 0;
		if (at >= (uintptr_t)b->data + from && at < (uintptr_t)b->data + b->used)
			return true;
	}
	return false;
}

void itr_arena_rewind(itr_arena *a, itr_arena_mark m)
{
	for (struct block *b = marked(a, m); b; b = b->next)
		b->used = b == m.block ? m.used : 0;
	a->current = marked(a, m);
}

size_t itr_arena_bytes(const itr_arena *a)
{
	size_t sum = 0;
	for (const struct block *b = a->first; b; b = b->next)
		sum += b->touched;
	return sum;
}

size_t itr_arena_blocks(const itr_arena *a) { return a->blocks; }

void itr_arena_free(itr_arena *a)
{
	if (!a)
		return;
	for (struct block *b = a->first, *next; b; b = next) {
		next = b->next;
		itr_aligned_free(b->data);
		free(b);
	}
	free(a);
}
