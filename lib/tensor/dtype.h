/* dtype.h - element types: sizes, names and conversions. */
#ifndef ITR_TENSOR_DTYPE_H
#define ITR_TENSOR_DTYPE_H

#include "base/compat.h"

typedef enum itr_dtype {
	ITR_F32, ITR_F64, ITR_F16, ITR_BF16,
	ITR_I8, ITR_I16, ITR_I32, ITR_I64,
	ITR_U8, ITR_U16, ITR_U32, ITR_U64,
	ITR_BOOL,
	ITR_DTYPE_COUNT
} itr_dtype;

size_t itr_dtype_size(itr_dtype t);              /* bytes of one element */
const char *itr_dtype_name(itr_dtype t);         /* "float32", as NumPy says it; bfloat16 has no NumPy name */

/* Conversions of float16 and bfloat16. They round to nearest even, as the hardware does; NaN stays NaN. _n: arrays of n. */
uint16_t itr_f16_from_f32(float x);
float itr_f16_to_f32(uint16_t h);
uint16_t itr_bf16_from_f32(float x);
float itr_bf16_to_f32(uint16_t h);
void itr_f16_from_f32_n(uint16_t *dst, const float *src, int64_t n);
void itr_f16_to_f32_n(float *dst, const uint16_t *src, int64_t n);
void itr_bf16_from_f32_n(uint16_t *dst, const float *src, int64_t n);
void itr_bf16_to_f32_n(float *dst, const uint16_t *src, int64_t n);

/* Converts n elements of type t at src (any alignment, native byte order) to float32 or int64. Integers beyond 2^24 lose precision in
 * float32. itr_to_i64 returns -1 when a floating-point value is not an integer or a value exceeds int64, otherwise 0. */
void itr_to_f32(float *dst, const void *src, itr_dtype t, int64_t n);
ITR_MUST_USE int itr_to_i64(int64_t *dst, const void *src, itr_dtype t, int64_t n);

#endif
