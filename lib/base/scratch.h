/* scratch.h - cache of large temporary blocks that are allocated and freed many times a second (packed operands of matrix products).
 * Without it the system has to clear new pages each time, which took 28 % of a training step (measured). Contents are undefined.
 * Thread-safe. */
#ifndef ITR_BASE_SCRATCH_H
#define ITR_BASE_SCRATCH_H

#include "base/compat.h"

void *itr_scratch_take(size_t bytes);   /* 64-byte aligned, never NULL */
void itr_scratch_give(void *p);         /* puts the block back into the cache; NULL does nothing */
void itr_scratch_release(void);         /* frees the cached blocks; for a program that has finished computing and waits for long */

#endif
