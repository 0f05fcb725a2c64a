/* cpu.h - instruction sets of this processor, detected once, for kernels chosen at run time.
 * The environment variable ITR_CPU=scalar|avx2|avx512|neon restricts the result (it never adds a feature), so that tests run every kernel
 * on one machine; avx512 and neon there mean the base set without the extensions below. Another value is ignored. */
#ifndef ITR_BASE_CPU_H
#define ITR_BASE_CPU_H

#include "base/compat.h"

enum itr_cpu {
	ITR_CPU_AVX2 = 1 << 0,         /* AVX2 + FMA; F16C is not tested: every such processor has it */
	ITR_CPU_AVX512 = 1 << 1,       /* F + BW + VL + DQ */
	ITR_CPU_AVX512_VNNI = 1 << 2,
	ITR_CPU_AVX512_BF16 = 1 << 3,
	ITR_CPU_AVX512_VPOPCNT = 1 << 4,
	ITR_CPU_NEON = 1 << 5,
	ITR_CPU_NEON_DOTPROD = 1 << 6,
};

unsigned itr_cpu_features(void);
const char *itr_cpu_names(void);        /* "avx2 avx512 avx512-vnni ...", for --version and provenance */
int itr_cpu_count(void);                /* processors that this process may use (its affinity mask) */
int itr_threads_resolve(int64_t threads);   /* number of threads to use: itr_cpu_count() for 0 or less, otherwise min(threads, 1024) */

#endif
