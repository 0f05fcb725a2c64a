#include "retrieval/kern_count.h"

#include "base/cpu.h"

#define BYTES 16
#define NAME itr_count_plain
#include "retrieval/kern_count.inc"

const itr_count_kernel *itr_count_kernel_get(void)
{
#if defined(__x86_64__)
	unsigned cpu = itr_cpu_features();
	if (cpu & ITR_CPU_AVX512)
		return &itr_count_avx512;
	if (cpu & ITR_CPU_AVX2)
		return &itr_count_avx2;
#endif
	return &itr_count_plain;
}
