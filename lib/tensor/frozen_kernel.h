/* frozen_kernel.h - inside of frozen.h: integer micro-kernels and what follows a tile.
 *
 * Panels are those of gemm_kernel.h, of 32-bit words whatever they hold: a float, two bfloat16, four 8-bit or two 16-bit integers that lie behind each other along k. Left words are
 * activations (unsigned), right words weights (signed).
 */
#ifndef ITR_TENSOR_FROZEN_KERNEL_H
#define ITR_TENSOR_FROZEN_KERNEL_H

#include "tensor/frozen.h"
#include "tensor/gemm_kernel.h"

typedef struct itr_int8_isa {
	const char *name;
	int mr, nr, k_unit;              /* k_unit: 4 (bytes) or 2 (16-bit words, where there is no exact product of bytes) */
	/* c[i * ldc + j] (+)= sum over k words, for i < rows <= mr and all j < nr, exactly. Panels 64-byte aligned. */
	void (*tile)(int rows, int64_t k, const uint32_t *ap, const uint32_t *bp, int32_t *c, int64_t ldc, bool resume);
} itr_int8_isa;
const itr_int8_isa *itr_int8_isa_get(void);

#if defined(__x86_64__)
extern const itr_int8_isa itr_int8_avx512vnni, itr_int8_avx2;
#elif defined(__aarch64__)
extern const itr_int8_isa itr_int8_neon;
#endif

/* One row of activations in 8 bits: x = scale * (q - zero). A row that holds NaN or infinity gets a scale of NaN, so that it comes out as NaN instead of as numbers. */
typedef struct itr_row_range { float scale; int32_t zero; } itr_row_range;
/* fixed: the range [low, high] is given (values beyond are clamped). q: n bytes, or n 16-bit words when wide. */
itr_row_range itr_quantise_row(const float *x, int64_t n, const float *fixed, bool wide, void *q);
/* A weight row: symmetric, q in [-127, 127]; *sum = sum of q. Returns the scale. */
float itr_quantise_weight_row(const float *w, int64_t n, bool wide, void *q, int32_t *sum);

/* Epilogue of a block: rows x cols sums s (rows lds apart), for columns j0 .. j0+cols-1 of the product and its rows i0 .. : written to c, activated. Integer sums (range not NULL: one a row)
 * are first turned into numbers with the weights' scale and sum by column. */
typedef struct itr_int8_columns { const float *scale; const int32_t *sum; } itr_int8_columns;
void itr_after_block(const itr_after *after, const itr_row_range *range, const itr_int8_columns *w, int64_t i0, int64_t j0, int rows, int cols, const void *s, int64_t lds,
                     float *c, int64_t ldc);

#endif
