/* Which kernel runs: the first table, best first, that the CPU can run and that has the precision. */
#include <stddef.h>

#include "base/cpu.h"
#include "retrieval/kernels.h"

static const itr_isa *const best_first[] = {
#if defined(__x86_64__)
	&itr_isa_avx512bf16, &itr_isa_avx512vnni, &itr_isa_avx512vpopcnt, &itr_isa_avx512, &itr_isa_avx2,
#elif defined(__aarch64__)
	&itr_isa_neon,
#endif
	&itr_isa_scalar,
};

const itr_kernel *itr_kernel_for(int precision)
{
	unsigned have = itr_cpu_features();
	for (int i = 0; i < ITR_LEN(best_first); i++)
		if (!(best_first[i]->needs & ~have) && best_first[i]->kernel[precision])
			return best_first[i]->kernel[precision];
	return itr_precisions[precision]->reference;
}

const itr_rough_tile *itr_rough_for(int precision)
{
	unsigned have = itr_cpu_features();
	for (int i = 0; i < ITR_LEN(best_first); i++)
		if (!(best_first[i]->needs & ~have) && best_first[i]->rough[precision])
			return best_first[i]->rough[precision];
	return NULL;
}

const itr_scan *itr_scan_best(void)
{
	unsigned have = itr_cpu_features();
	for (int i = 0; i < ITR_LEN(best_first); i++)
		if (!(best_first[i]->needs & ~have) && best_first[i]->scan)
			return best_first[i]->scan;
	return itr_isa_scalar.scan;
}

const itr_count_kernel *itr_count_best(void)
{
	unsigned have = itr_cpu_features();
	for (int i = 0; i < ITR_LEN(best_first); i++)
		if (!(best_first[i]->needs & ~have) && best_first[i]->count)
			return best_first[i]->count;
	return itr_isa_scalar.count;
}

const itr_kernel *itr_kernel_scalar(int precision) { return itr_precisions[precision]->reference; }
