/* bf16.h - conversion of single bfloat16 numbers, inline so that the compiler vectorises the loops that call it. The AVX512-BF16
 * instruction flushes denormals to zero; these functions do not, so that stored numbers are the same on every machine. */
#ifndef ITR_TENSOR_BF16_H
#define ITR_TENSOR_BF16_H

#include "base/compat.h"

/* As ITR_CLONES (compat.h), for loops over 16-bit numbers: these need AVX512BW for full vectors. With AVX512F alone a pass of BatchNorm
 * takes 1.4 times as long. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12 && !defined(__SANITIZE_ADDRESS__)
#define ITR_CLONES_BF16 __attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#else
#define ITR_CLONES_BF16 ITR_CLONES
#endif

static inline float itr_bf16_load(uint16_t h)
{
	union { uint32_t u; float f; } v = { (uint32_t)h << 16 };
	return v.f;
}

/* Rounds to nearest even; NaN stays NaN. */
static inline uint16_t itr_bf16_round(float x)
{
	union { float f; uint32_t u; } v = { x };
	const uint32_t rounded = v.u + 0x7fff + (v.u >> 16 & 1), quiet = v.u | 0x400000;
	return (uint16_t)(((v.u & 0x7fffffff) > 0x7f800000 ? quiet : rounded) >> 16);
}

#endif
