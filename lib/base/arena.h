/* arena.h - bump allocator over a list of blocks: many small allocations that are freed together. When a block is full, a new one is added.
 * itr_arena_reset keeps the blocks, so a loop that resets in each iteration calls malloc in the first iteration only. */
#ifndef ITR_BASE_ARENA_H
#define ITR_BASE_ARENA_H

#include "base/compat.h"

typedef struct itr_arena itr_arena;

itr_arena *itr_arena_new(size_t block_bytes);             /* smallest block; 0: 1 MiB */
void *itr_arena_alloc(itr_arena *a, size_t bytes);        /* 64-byte aligned, not zeroed; lives until reset or free */
void *itr_arena_calloc(itr_arena *a, size_t bytes);       /* the same, zeroed */
char *itr_arena_strndup(itr_arena *a, const char *s, size_t n);
char *itr_arena_strdup(itr_arena *a, const char *s);
void itr_arena_reset(itr_arena *a);                       /* invalidates every allocation; the memory is kept */
/* A mark is a position in the arena. itr_arena_rewind invalidates every allocation made after the mark; the memory is kept for later
 * allocations. Marks nest. */
typedef struct itr_arena_mark { void *block; size_t used; } itr_arena_mark;
itr_arena_mark itr_arena_get_mark(const itr_arena *a);
bool itr_arena_is_after_mark(const itr_arena *a, itr_arena_mark m, const void *p);      /* was p allocated after m? */
void itr_arena_rewind(itr_arena *a, itr_arena_mark m);
size_t itr_arena_bytes(const itr_arena *a);               /* peak use in bytes; pages of a block that were never touched do not count */
size_t itr_arena_blocks(const itr_arena *a);
void itr_arena_free(itr_arena *a);

#endif
