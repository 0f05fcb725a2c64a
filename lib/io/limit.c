#include "io/limit.h"

#include <unistd.h>

#include "base/mem.h"

double itr_limit_memory(void)
{
	const double bytes = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
	return ITR_MAX(bytes, 0.0);
}

int itr_limit_check(int64_t count, size_t size, const char *what, itr_err *err)
{
	size_t bytes;
	const double memory = itr_limit_memory();
	if (count < 0 || itr_size_mul((size_t)count, size, &bytes) < 0)
		return itr_err_set(err, "%s claims %lld elements of %zu bytes, which no machine can hold", what, (long long)count, size);
	if (memory > 0 && (double)bytes > memory)
		return itr_err_set(err, "%s needs %.1f GB, but this machine has %.1f GB of memory", what, (double)bytes / 1e9,
		                   memory / 1e9);
	return 0;
}

int itr_limit_shape(const int64_t *shape, int rank, int64_t *count, const char *what, itr_err *err)
{
	bool empty = false;
	*count = 1;
	for (int i = 0; i < rank; i++) {
		if (shape[i] < 0)
			return itr_err_set(err, "%s has a negative dimension", what);
		empty = empty || shape[i] == 0;
	}
	for (int i = 0; i < rank && !empty; i++) {
		size_t product;
		if (itr_size_mul((size_t)*count, (size_t)shape[i], &product) < 0)
			return itr_err_set(err, "%s claims more elements than can be counted", what);
		*count = (int64_t)product;
	}
	if (empty)
		*count = 0;
	return 0;
}
