/* lanes.h - internal: sums over a row in sixteen fixed lanes, so that the compiler vectorises them and the order of additions is the same
 * on every machine. */
#ifndef ITR_AUTOGRAD_LANES_H
#define ITR_AUTOGRAD_LANES_H

#include <stdint.h>

enum { ITR_LANES = 16 };

static inline float itr_lanes_total(float acc[ITR_LANES])
{
	for (int w = ITR_LANES / 2; w; w /= 2)
		for (int l = 0; l < w; l++)
			acc[l] += acc[l + w];
	return acc[0];
}

/* Declares `float result` = sum over 0 <= j < count of `expression` (in j). */
#define ITR_LANE_SUM(result, count, expression) \
	float result; \
	do { \
		float acc_[ITR_LANES] = { 0 }; \
		int64_t j0_ = 0, count_ = (count); \
		for (; j0_ + ITR_LANES <= count_; j0_ += ITR_LANES) \
			for (int l_ = 0; l_ < ITR_LANES; l_++) { \
				const int64_t j = j0_ + l_; \
				acc_[l_] += (expression); \
			} \
		for (int l_ = 0; j0_ + l_ < count_; l_++) { \
			const int64_t j = j0_ + l_; \
			acc_[l_] += (expression); \
		} \
		result = itr_lanes_total(acc_); \
	} while (0)

static inline float itr_row_max(const float *x, int64_t n)
{
	float m[ITR_LANES];
	int64_t j = 0;
	for (int l = 0; l < ITR_LANES; l++)
		m[l] = x[0];
	for (; j + ITR_LANES <= n; j += ITR_LANES)
		for (int l = 0; l < ITR_LANES; l++)
			m[l] = x[j + l] > m[l] ? x[j + l] : m[l];
	for (int l = 0; j + l < n; l++)
		m[l] = x[j + l] > m[l] ? x[j + l] : m[l];
	for (int l = 1; l < ITR_LANES; l++)
		m[0] = m[l] > m[0] ? m[l] : m[0];
	return m[0];
}

#endif
