/* resize_kernel.h - internal interface between resize.c and its kernels. All kernels give the same bytes: sums of 8-bit samples times
 * 22-bit fixed-point weights modulo 2^32, rounded, shifted, clipped. */
#ifndef ITR_IMAGE_RESIZE_KERNEL_H
#define ITR_IMAGE_RESIZE_KERNEL_H

#include "image/image.h"

enum {
	ITR_RESIZE_BITS = 32 - 8 - 2,
	ITR_RESIZE_SLACK = 16,          /* bytes that `across` may read beyond the last group of four taps */
};

/* One axis: output i is the sum over t < 4 * groups[i] of weight t times input first[i] + t; weights beyond the end of the filter are zero.
 * k: the weights of output i, packed by the kernel, start at k + i * taps / 4 * words. */
typedef struct itr_resize_axis {
	int n, taps;                    /* outputs; the most taps of any, a multiple of 4 */
	int *first, *count, *groups;    /* groups = ceil(count / 4), raised to the largest of its aligned four outputs */
	int32_t *k;
	int words;                      /* 32-bit words for a group of four taps */
} itr_resize_axis;

typedef struct itr_resize_kernel {
	const char *name;
	int words;
	void (*pack)(int32_t *to, const int32_t *taps4);
	/* Horizontal pass: four rows of pixels -> a->n pixels in each of the four `to`. Reads up to 12 * groups + 4 bytes from pixel
	 * first[i] on. */
	void (*across)(uint8_t *const to[4], const uint8_t *const from[4], const itr_resize_axis *a);
	/* Vertical pass: output row i of axis a, n bytes, from 4 * groups[i] rows of n bytes. */
	void (*down)(uint8_t *to, const uint8_t *const *rows, size_t n, const itr_resize_axis *a, int i);
} itr_resize_kernel;

extern const itr_resize_kernel itr_resize_scalar;
#if defined(__x86_64__)
extern const itr_resize_kernel itr_resize_avx2, itr_resize_avx512vnni;
#elif defined(__aarch64__)
extern const itr_resize_kernel itr_resize_neon;
#endif

/* itr_image_resize_box with a given kernel, when source and target sizes differ. Tests compare all kernels of the processor. */
void itr_resize_run(itr_image *dst, const itr_image *src, int width, int height, itr_filter filter, const itr_box *box,
                    const itr_resize_kernel *kern);

static inline const int32_t *itr_resize_weights(const itr_resize_axis *a, int i)
{
	return a->k + (size_t)i * (size_t)(a->taps / 4) * (size_t)a->words;
}

#endif
