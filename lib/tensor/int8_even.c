/* Quantisation of weights to 8 bits such that the rounding errors of a row cancel. */
#include <math.h>

#include "tensor/packed_weight_kernel.h"

/* UNIT: a rounding error of one step as an integer, because integer sums do not depend on their order. BINS: histogram of errors up to half
 * a step. */
enum { UNIT = 1 << 16, BINS = 512 };

/* Weight minus its rounded value, in 1 / UNIT steps; at most UNIT / 2. */
static inline int32_t rounding_error(float w, float inverse, int q) { return (int32_t)((w * inverse - (float)q) * (float)UNIT); }

/* How near a weight is to the middle between two steps, if it can be rounded the other way (way 1: up): 1 .. BINS - 1; 0 when it cannot.
 * Zeros stay zeros: they are padding or pruned weights. */
static inline int nearness(float w, float inverse, int q, int way)
{
	const int32_t e = rounding_error(w, inverse, q) * way;
	return e <= 0 || w == 0.0f || q * way >= 127 ? 0 : ITR_MIN(1 + e / (UNIT / 2 / (BINS - 1)), BINS - 1);
}

static inline __attribute__((always_inline)) int32_t even_out(const float *w, int64_t k, float inverse, const bool wide, void *q)
{
	int8_t *const narrow = q;
	int16_t *const words = q;
	int64_t sum = 0, count[BINS] = { 0 };
	for (int64_t j = 0; j < k; j++)
		sum += rounding_error(w[j], inverse, wide ? words[j] : narrow[j]);
	const int way = sum < 0 ? -1 : 1;
	const int64_t flips = (sum * way + UNIT / 2) / UNIT;
	if (flips == 0)
		return 0;
	for (int64_t j = 0; j < k; j++)
		count[nearness(w[j], inverse, wide ? words[j] : narrow[j], way)]++;
	int bin = BINS;
	/* all weights of the bins above `bin` are rounded the other way, and the first `left` of `bin` */
	int64_t left = flips;
	while (--bin > 0 && left > count[bin])
		left -= count[bin];
	int32_t made = 0;
	for (int64_t j = 0; j < k; j++) {
		const int d = nearness(w[j], inverse, wide ? words[j] : narrow[j], way);
		if (d == 0 || d < bin || (d == bin && left-- <= 0))
			continue;
		if (wide)
			words[j] = (int16_t)(words[j] + way);
		else
			narrow[j] = (int8_t)(narrow[j] + way);
		made += way;
	}
	return made;
}

int32_t itr_int8_balance_rounding(const float *w, int64_t k, float scale, bool wide, void *q)
{
	if (!isfinite(scale))
		return 0;
	return wide ? even_out(w, k, 1.0f / scale, true, q) : even_out(w, k, 1.0f / scale, false, q);
}
