/* parallel.h - one loop over independent pieces, shared out to threads.
 * What a piece computes must not depend on the thread that computes it: results are then the same for any number of threads.
 *
 * Each calling thread has a team of its own, made when first needed and kept. A worker that waits for work, and a caller that waits for the
 * last pieces, spins for a tenth of a millisecond (the usual gap between two loops of a training step) and then sleeps, so that other
 * programs get the processor. A worker that other programs keep from running is not waited for: the caller computes its pieces. OpenMP's
 * runtimes wait for every thread at the end of every loop, and by default spin while they do: beside other work that made training six
 * times slower. */
#ifndef ITR_BASE_PARALLEL_H
#define ITR_BASE_PARALLEL_H

#include "base/compat.h"

/* Calls fn(ctx, i, worker) once for every 0 <= i < n and returns when all calls have returned; worker < threads numbers a private scratch
 * area: two calls that run at the same time have different numbers. Pieces are handed out one at a time in order. threads as
 * itr_threads_resolve; 1 runs in the caller. Calls inside a parallel piece run serially, as worker 0 of their own loop. May be called from
 * several threads at once. Threads that the system refuses are done without. */
void itr_parallel_for(int threads, int64_t n, void (*fn)(void *ctx, int64_t i, int worker), void *ctx);

#endif
