/* parallel.h - a parallel for loop over independent pieces.
 * The result of a piece must not depend on the thread that computes it. Results are then the same for any number of threads.
 *
 * Each calling thread has its own team of workers, created at the first loop and kept. A waiting thread spins for a tenth of a millisecond
 * (the usual gap between two loops of a training step) and then sleeps, so that other programs get the processor. The caller does not wait
 * for a worker that has not started yet: it computes the pieces that are left. OpenMP runtimes wait for every thread at the end of every
 * loop, and by default spin while they wait: on a busy machine that made training six times slower. */
#ifndef ITR_BASE_PARALLEL_H
#define ITR_BASE_PARALLEL_H

#include "base/compat.h"

/* Calls fn(ctx, i, worker) once for every 0 <= i < n and returns when all calls have returned. 0 <= worker < threads; two calls that run at
 * the same time have different worker numbers, so each can use its own scratch memory. Threads take the next i one at a time. threads as in
 * itr_threads_resolve; 1 runs in the caller. A loop inside a piece runs serially, with worker 0. May be called from several threads at
 * once. When the system cannot create all threads, the loop runs with fewer. */
void itr_parallel_for(int threads, int64_t n, void (*fn)(void *ctx, int64_t i, int worker), void *ctx);

#endif
