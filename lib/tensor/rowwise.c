/* rowwise.inc without vector instructions, and the choice among its three versions. */
#define ROWWISE static const itr_rowwise plain
#include "tensor/rowwise.inc"

#include "base/cpu.h"

const itr_rowwise *itr_rowwise_get(void)
{
#if defined(__x86_64__)
	if (itr_cpu_features() & ITR_CPU_AVX512)
		return &itr_rowwise_avx512;
	if (itr_cpu_features() & ITR_CPU_AVX2)
		return &itr_rowwise_avx2;
#endif
	return &plain;
}

void itr_activate(itr_activation a, const float *x, float *y, int64_t n) { itr_rowwise_get()->activate(a, x, y, n); }
