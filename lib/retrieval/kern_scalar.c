/* The reference: what every other kernel must reproduce bit for bit. Scoring kernels are the precisions' own (precision_*.c). */
#include <math.h>
#include <string.h>

#include "retrieval/kernels.h"
#include "retrieval/quantise.h"
#include "tensor/dtype.h"

static int64_t above(const float *s, int64_t n, float limit, int32_t *pos)
{
	int64_t m = 0;
	for (int64_t i = 0; i < n; i++)
		if (s[i] > limit)
			pos[m++] = (int32_t)i;
	return m;
}

static int64_t above_tile(const float *s, int mr, int nr, const float *limit, int32_t *pos)
{
	int64_t m = 0;
	for (int r = 0; r < mr; r++)
		for (int j = 0; j < nr; j++)
			if (s[r * nr + j] > limit[j])
				pos[m++] = r * nr + j;
	return m;
}

#define COUNT_BYTES 16
#include "retrieval/kern_count.inc"

static void count_compare(const float *score, int64_t n, float t, uint64_t *above_t, uint64_t *equal_t)
{
	for (int64_t w = 0; w * 64 < n; w++) {
		uint64_t a = 0, e = 0;
		count_compare_rest(score, w, 0, ITR_MIN(n - w * 64, (int64_t)64), t, &a, &e);
		above_t[w] = a;
		equal_t[w] = e;
	}
}

static const itr_count_kernel count = { count_row, count_columns, count_dots, count_compare, count_common };
static const itr_scan scan = { above, above_tile, itr_f16_from_f32_n };

const itr_isa itr_isa_scalar = { 0, &scan, &count, { NULL }, { NULL } };        /* kernels: precision.h */
