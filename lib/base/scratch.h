/* scratch.h - large temporary blocks that are taken and given back many times a second (packed operands of products): kept in a small pool,
 * because fresh pages cost more than the work (28 % of a training step went into clearing them, measured). Contents are undefined. Safe
 * from several threads. */
#ifndef ITR_BASE_SCRATCH_H
#define ITR_BASE_SCRATCH_H

#include "base/compat.h"

void *itr_scratch_take(size_t bytes);   /* 64-byte aligned, never NULL */
void itr_scratch_give(void *p);         /* NULL is fine */
void itr_scratch_release(void);         /* frees what lies in the pool: before a tool that is done computing waits for long */

#endif
