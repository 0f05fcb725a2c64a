/* Products in bfloat16, two a lane and instruction: twice the rate of FMA. Their rounding is not that of the exact chain, so they only
 * filter: a row whose rough score cannot reach a query's k-th best is passed over, the others are scored exactly. Stored bf16 rows are
 * operands as they lie; float32 and float16 rows are rounded to bf16 on the way. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "base/cpu.h"
#include "retrieval/kernels.h"
#include "retrieval/quantise.h"

enum { MR = 12, NR = 32 };

/* As an instruction in place: see kern_avx512vnni.c. */
static inline __m512 dot(__m512 sum, __m512i x, __m512i y)
{
	__asm__("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(x), "v"(y));
	return sum;
}

static void tile(const itr_krows *g, const itr_kpanel *p, int64_t first, float *out)
{
	const uint8_t *base = g->base + (size_t)first * g->stride;
	const uint16_t *q = p->data;
	const size_t stride = g->stride;
	__m512 a[MR][2];
#pragma GCC unroll 12
	for (int r = 0; r < MR; r++)
		a[r][0] = a[r][1] = _mm512_setzero_ps();
	for (int64_t k = 0; k < g->k; k += 2, q += 2 * NR) {
		__m512i q0 = _mm512_loadu_si512(q), q1 = _mm512_loadu_si512(q + 32);
#pragma GCC unroll 12
		for (int r = 0; r < MR; r++) {
			__m512i b = _mm512_set1_epi32(*(const int32_t *)(const void *)(base + (size_t)r * stride + (size_t)k * 2));
			a[r][0] = dot(a[r][0], b, q0);
			a[r][1] = dot(a[r][1], b, q1);
		}
	}
#pragma GCC unroll 12
	for (int r = 0; r < MR; r++) {
		_mm512_storeu_ps(out + r * NR, a[r][0]);
		_mm512_storeu_ps(out + r * NR + 16, a[r][1]);
	}
}

static inline __m256i narrow(__m512 x) { return (__m256i)_mm512_cvtneps_pbh(x); }
static inline __m512 from_f32(const uint8_t *p, int64_t k) { return _mm512_loadu_ps(p + k * 4); }
static inline __m512 from_f16(const uint8_t *p, int64_t k)
{
	return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)(p + k * 2)));
}

#define DECODE(name, load) \
static void name(const itr_krows *g, int64_t first, int mr, void *scratch, itr_krows *seen) \
{ \
	uint16_t *d = scratch; \
	for (int r = 0; r < mr; r++) { \
		const uint8_t *p = g->base + (size_t)(first + r) * g->stride; \
		for (int64_t k = 0; k < g->k; k += 16, d += 16) \
			_mm256_storeu_si256((__m256i *)(void *)d, narrow(load(p, k))); \
	} \
	*seen = *g; \
	seen->base = scratch; \
	seen->stride = (size_t)g->k * sizeof *d; \
}

DECODE(decode_f32, from_f32)
DECODE(decode_f16, from_f16)

/* Rounding to nearest moves an element by at most 2^-9 of itself. */
static const itr_rough_tile fp32 = { { "avx512bf16", NULL, tile, MR, NR, ITR_PANEL_BF16X2, decode_f32, 2, NULL },
	                             1.0f / 512,
	                             "avx512+bf16" };
static const itr_rough_tile fp16 = { { "avx512bf16", NULL, tile, MR, NR, ITR_PANEL_BF16X2, decode_f16, 2, NULL },
	                             1.0f / 512,
	                             "avx512+bf16" };
static const itr_rough_tile bf16 = { { "avx512bf16", NULL, tile, MR, NR, ITR_PANEL_BF16X2, NULL, 0, NULL }, 0, "avx512+bf16" };

const itr_isa itr_isa_avx512bf16 = { ITR_CPU_AVX2 | ITR_CPU_AVX512 | ITR_CPU_AVX512_BF16, NULL, NULL, { NULL },
	{ [ITR_PREC_FP32] = &fp32, [ITR_PREC_FP16] = &fp16, [ITR_PREC_BF16] = &bf16 } };
#endif
