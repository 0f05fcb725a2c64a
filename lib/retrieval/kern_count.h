/* kern_count.h - inside of retrieval: counting scores above and equal to a threshold, the whole work of exact ranks once a positive's score is known.
 * Counts are integers: every kernel gives the same. */
#ifndef ITR_RETRIEVAL_KERN_COUNT_H
#define ITR_RETRIEVAL_KERN_COUNT_H

#include "base/compat.h"

enum { ITR_COUNT_LANES = 16 };          /* columns of a group, whatever the vector length */

typedef struct itr_count_kernel {
	/* *above += #(s[i] > t), *equal += #(s[i] == t), 0 <= i < n. */
	void (*row)(const float *s, int64_t n, float t, int64_t *above, int64_t *equal);
	/* A group of 16 columns, rows `ld` apart, against `slots` thresholds a column: threshold[slot * 16 + lane], and likewise above, equal (+=). A NaN counts nothing.
	 * before not NULL: += rows of equal score with first + i < limit[slot * 16 + lane]. */
	void (*columns)(const float *s, int64_t ld, int64_t rows, int64_t slots, const float *threshold, int32_t *above, int32_t *equal,
	                int32_t first, const int32_t *limit, int32_t *before);
} itr_count_kernel;

const itr_count_kernel *itr_count_kernel_get(void);

extern const itr_count_kernel itr_count_plain;
#if defined(__x86_64__)
extern const itr_count_kernel itr_count_avx2, itr_count_avx512;
#endif

#endif
