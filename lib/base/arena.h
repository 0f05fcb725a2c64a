/* arena.h - chained-block bump allocator: many small allocations that are freed together. Never "full": a new block is chained.
 * After itr_arena_reset the blocks are kept, so a loop that resets each round allocates nothing after the first. */
#ifndef ITR_BASE_ARENA_H
#define ITR_BASE_ARENA_H

#include "base/compat.h"

typedef struct itr_arena itr_arena;

itr_arena *itr_arena_new(size_t block_bytes);             /* 0: 1 MiB */
void *itr_arena_alloc(itr_arena *a, size_t bytes);        /* 64-byte aligned, not zeroed; lives until reset or free */
void *itr_arena_calloc(itr_arena *a, size_t bytes);
char *itr_arena_strndup(itr_arena *a, const char *s, size_t n);
char *itr_arena_strdup(itr_arena *a, const char *s);
void itr_arena_reset(itr_arena *a);                       /* invalidates every allocation; the memory is kept */
/* itr_arena_back invalidates every allocation since the mark; the memory is kept and used again. Marks nest. */
typedef struct itr_arena_mark { void *block; size_t used; } itr_arena_mark;
itr_arena_mark itr_arena_here(const itr_arena *a);
bool itr_arena_since(const itr_arena *a, itr_arena_mark m, const void *p);      /* was p allocated after m? */
void itr_arena_back(itr_arena *a, itr_arena_mark m);
size_t itr_arena_bytes(const itr_arena *a);               /* touched so far: the peak. The rest of a block costs nothing */
size_t itr_arena_blocks(const itr_arena *a);
void itr_arena_free(itr_arena *a);

#endif
