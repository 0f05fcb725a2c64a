/* parallel.h - one loop over independent pieces, shared out to threads (OpenMP behind it, the same pool as the BLAS).
 * What a piece computes must not depend on who computes it: results are then the same for any number of threads. */
#ifndef ITR_BASE_PARALLEL_H
#define ITR_BASE_PARALLEL_H

#include "base/compat.h"

/* Calls fn(ctx, i, worker) once for every 0 <= i < n; worker < threads numbers a private scratch area. Pieces are handed out one at a
 * time in order. threads as itr_threads_resolve; 1 runs in the caller. Calls inside a parallel piece run serially. */
void itr_parallel_for(int threads, int64_t n, void (*fn)(void *ctx, int64_t i, int worker), void *ctx);

#endif
