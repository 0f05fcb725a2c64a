#include "retrieval/rank_bits.h"

#include <string.h>

#include "base/cpu.h"
#include "retrieval/rank_bits.inc"

static void compare(const float *score, int64_t n, float t, uint64_t *above, uint64_t *equal)
{
	for (int64_t w = 0; w * 64 < n; w++) {
		uint64_t a = 0, e = 0;
		compare_rest(score, w, 0, ITR_MIN(n - w * 64, (int64_t)64), t, &a, &e);
		above[w] = a;
		equal[w] = e;
	}
}

const itr_bits_kernel itr_bits_plain = { compare, common };

const itr_bits_kernel *itr_bits_kernel_get(void)
{
#if defined(__x86_64__)
	unsigned cpu = itr_cpu_features();
	if (cpu & ITR_CPU_AVX512)
		return &itr_bits_avx512;
	if (cpu & ITR_CPU_AVX2)
		return &itr_bits_avx2;
#endif
	return &itr_bits_plain;
}

void itr_ranks_query_bits(itr_ranks *const *ranks, int n, const itr_relevance *rel, int64_t q, const float *score,
                          const uint64_t *const *bits, const int64_t *size, uint64_t *scratch)
{
	const itr_bits_kernel *kernel = itr_bits_kernel_get();
	int64_t words = itr_bits_words(rel->gallery), first = rel->offset[q], p = itr_relevance_count(rel, q);
	uint64_t *above = scratch, *equal = scratch + words, *lower = scratch + 2 * words;
	const itr_ranks *sorted = NULL;
	for (int i = 0; i < n; i++) {              /* the order of the positives is the same in every pool */
		itr_ranks *r = ranks[i];
		if (!r)
			continue;
		r->pool[q] = p ? size[i] : 0;
		if (sorted) {
			memcpy(r->row + first, sorted->row + first, (size_t)p * sizeof *r->row);
			memcpy(r->score + first, sorted->score + first, (size_t)p * sizeof *r->score);
		} else {
			itr_ranks_entries(r, rel, q, score);
			sorted = r;
		}
	}
	for (int64_t e = first; sorted && e < first + p; e++) {
		int64_t row = sorted->row[e];
		kernel->compare(score, rel->gallery, sorted->score[e], above, equal);
		if (sorted->before) {
			memcpy(lower, equal, (size_t)words * sizeof *lower);
			lower[row / 64] &= (UINT64_C(1) << row % 64) - 1;
			memset(lower + row / 64 + 1, 0, (size_t)(words - row / 64 - 1) * sizeof *lower);
		}
		for (int i = 0; i < n; i++) {
			if (!ranks[i])
				continue;
			ranks[i]->above[e] = kernel->common(above, bits[i], words);
			ranks[i]->equal[e] = kernel->common(equal, bits[i], words);
			if (ranks[i]->before)
				ranks[i]->before[e] = kernel->common(lower, bits[i], words);
		}
	}
}
