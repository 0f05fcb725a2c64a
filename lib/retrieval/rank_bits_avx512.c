#include "retrieval/rank_bits.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "retrieval/rank_bits.inc"

static void compare(const float *score, int64_t n, float t, uint64_t *above, uint64_t *equal)
{
	__m512 limit = _mm512_set1_ps(t);
	for (int64_t w = 0; w * 64 < n; w++) {
		uint64_t a = 0, e = 0;
		for (int k = 0; k < 4; k++) {
			int64_t left = ITR_MAX(0, ITR_MIN(n - w * 64 - k * 16, (int64_t)16));
			__mmask16 in = (__mmask16)((1u << left) - 1);
			__m512 v = _mm512_maskz_loadu_ps(in, score + w * 64 + (left ? k * 16 : 0));
			a |= (uint64_t)_mm512_mask_cmp_ps_mask(in, v, limit, _CMP_GT_OQ) << (k * 16);
			e |= (uint64_t)_mm512_mask_cmp_ps_mask(in, v, limit, _CMP_EQ_OQ) << (k * 16);
		}
		above[w] = a;
		equal[w] = e;
	}
}

const itr_bits_kernel itr_bits_avx512 = { compare, common };
#endif
