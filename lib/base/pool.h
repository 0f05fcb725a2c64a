/* pool.h - large arrays that are taken and given back in any order, round after round: a free list over blocks that are kept.
 *
 * What is taken comes from the smallest hole that it fits into, so that a round of the same calls finds the same places; holes that meet
 * grow together. Blocks are asked for from the system but their pages only touched as far as arrays reach, which is what itr_pool_bytes
 * returns. For one thread. Source of the method: best fit with immediate coalescing (Knuth, "The Art of Computer Programming" 1, 2.5).
 */
#ifndef ITR_BASE_POOL_H
#define ITR_BASE_POOL_H

#include "base/compat.h"

typedef struct itr_pool itr_pool;

itr_pool *itr_pool_new(void);
void itr_pool_free(itr_pool *p);
void *itr_pool_take(itr_pool *p, size_t bytes);           /* 64-byte aligned, not zeroed, never NULL */
void itr_pool_give(itr_pool *p, void *memory, size_t bytes);      /* `bytes` as it was taken with */
void itr_pool_reset(itr_pool *p);                         /* invalidates every array; the memory is kept */
void itr_pool_trim(itr_pool *p);                          /* invalidates every array; the memory is released */
size_t itr_pool_bytes(const itr_pool *p);                 /* touched since the last trim: the peak, holes included */

#endif
