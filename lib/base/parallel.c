#include "base/parallel.h"

#include <omp.h>

#include "base/cpu.h"

void itr_parallel_for(int threads, int64_t n, void (*fn)(void *ctx, int64_t i, int worker), void *ctx)
{
	int t = (int)ITR_MIN((int64_t)itr_threads_resolve(threads), n);
	if (t <= 1 || omp_in_parallel()) {
		for (int64_t i = 0; i < n; i++)
			fn(ctx, i, 0);
		return;
	}
#pragma omp parallel for schedule(dynamic, 1) num_threads(t)
	for (int64_t i = 0; i < n; i++)
		fn(ctx, i, omp_get_thread_num());
}
