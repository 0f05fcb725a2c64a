/* kern_count.h - inside of retrieval: the positives' scores, and counting scores above and equal to them: the whole work of exact ranks.
 * Counts are integers and a score is one chain of fused multiply-adds: every kernel gives the same. */
#ifndef ITR_RETRIEVAL_KERN_COUNT_H
#define ITR_RETRIEVAL_KERN_COUNT_H

#include "base/compat.h"

enum { ITR_COUNT_LANES = 16 };          /* columns of a group, whatever the vector length */
enum { ITR_COUNT_DOTS = 8 };            /* inner products at a time: as many chains as hide the latency of FMA */

typedef struct itr_count_kernel {
	/* *above += #(s[i] > t), *equal += #(s[i] == t), 0 <= i < n. */
	void (*row)(const float *s, int64_t n, float t, int64_t *above, int64_t *equal);
	/* A group of 16 columns, rows `ld` apart, against `slots` thresholds a column: threshold[slot * 16 + lane], and likewise above,
	 * equal (+=). A NaN counts nothing. before not NULL: += rows of equal score with first + i < limit[slot * 16 + lane]. */
	void (*columns)(const float *s, int64_t ld, int64_t rows, int64_t slots, const float *threshold, int32_t *above, int32_t *equal,
	                int32_t first, const int32_t *limit, int32_t *before);
	/* out[i] = itr_dot_chain(a[i], b[i], k) of n <= ITR_COUNT_DOTS pairs. */
	void (*dots)(const float *const *a, const float *const *b, int n, int64_t k, float *out);
} itr_count_kernel;

const itr_count_kernel *itr_count_kernel_get(void);

extern const itr_count_kernel itr_count_plain;
#if defined(__x86_64__)
extern const itr_count_kernel itr_count_avx2, itr_count_avx512;
#endif

#endif
