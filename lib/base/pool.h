/* pool.h - allocator of large arrays that are allocated and freed in any order, in every step of a loop: a free list over blocks that it
 * keeps.
 *
 * An array comes from the smallest free range that is large enough, so repeating the same calls after a reset gives the same addresses.
 * Neighbouring free ranges are merged. The system maps pages of a block only when they are touched; itr_pool_bytes counts these. Not
 * thread-safe. Source of the method: best fit with immediate coalescing (Knuth, "The Art of Computer Programming" 1, 2.5). /
 */
#ifndef ITR_BASE_POOL_H
#define ITR_BASE_POOL_H

#include "base/compat.h"

typedef struct itr_pool itr_pool;

itr_pool *itr_pool_new(void);
void itr_pool_free(itr_pool *p);
void *itr_pool_take(itr_pool *p, size_t bytes);           /* 64-byte aligned, not zeroed, never NULL */
void itr_pool_give(itr_pool *p, void *memory, size_t bytes);      /* frees an array; `bytes` as in itr_pool_take */
void itr_pool_reset(itr_pool *p);                         /* invalidates every array; the memory is kept */
void itr_pool_trim(itr_pool *p);                          /* invalidates every array; the memory is released */
size_t itr_pool_bytes(const itr_pool *p);                 /* peak of touched bytes since the last trim, free ranges within included */

#endif
