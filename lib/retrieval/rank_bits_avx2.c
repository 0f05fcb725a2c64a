#include "retrieval/rank_bits.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "retrieval/rank_bits.inc"

static void compare(const float *score, int64_t n, float t, uint64_t *above, uint64_t *equal)
{
	__m256 limit = _mm256_set1_ps(t);
	for (int64_t w = 0; w * 64 < n; w++) {
		uint64_t a = 0, e = 0;
		int64_t left = ITR_MIN(n - w * 64, (int64_t)64), i = 0;
		for (; i + 8 <= left; i += 8) {
			__m256 v = _mm256_loadu_ps(score + w * 64 + i);
			a |= (uint64_t)(unsigned)_mm256_movemask_ps(_mm256_cmp_ps(v, limit, _CMP_GT_OQ)) << i;
			e |= (uint64_t)(unsigned)_mm256_movemask_ps(_mm256_cmp_ps(v, limit, _CMP_EQ_OQ)) << i;
		}
		compare_rest(score, w, i, left, t, &a, &e);
		above[w] = a;
		equal[w] = e;
	}
}

const itr_bits_kernel itr_bits_avx2 = { compare, common };
#endif
