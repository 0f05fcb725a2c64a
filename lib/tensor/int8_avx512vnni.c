/* AVX512-VNNI micro-kernel: the shape of gemm_avx512.c with four bytes along k in place of a float. VPDPBUSD adds four products of an unsigned and a signed byte to a 32-bit
 * sum without saturation. */
#include "tensor/frozen_kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>
#include <string.h>

enum { MR = 14, NR = 32 };

static inline __attribute__((always_inline)) void tile_rows(const int rows, int64_t k, const uint32_t *ap, const uint32_t *bp, int32_t *c, int64_t ldc, bool resume, const char *ahead, int64_t step)
{
	__m512i s[MR][2];
#pragma GCC unroll 14
	for (int i = 0; i < rows; i++) {
		s[i][0] = resume ? _mm512_loadu_si512(c + i * ldc) : _mm512_setzero_si512();
		s[i][1] = resume ? _mm512_loadu_si512(c + i * ldc + 16) : _mm512_setzero_si512();
	}
	for (int64_t kk = 0; kk < k; kk++, ap += MR, bp += NR) {
		if (ahead) {
			_mm_prefetch(ahead, _MM_HINT_T1);
			ahead += step;
		}
		__m512i b0 = _mm512_load_si512(bp), b1 = _mm512_load_si512(bp + 16);
#pragma GCC unroll 14
		for (int i = 0; i < rows; i++) {
			__m512i a = _mm512_set1_epi32((int)ap[i]);
			s[i][0] = _mm512_dpbusd_epi32(s[i][0], a, b0);
			s[i][1] = _mm512_dpbusd_epi32(s[i][1], a, b1);
		}
	}
#pragma GCC unroll 14
	for (int i = 0; i < rows; i++) {
		_mm512_storeu_si512(c + i * ldc, s[i][0]);
		_mm512_storeu_si512(c + i * ldc + 16, s[i][1]);
	}
}

static void tile(int rows, int64_t k, const uint32_t *ap, const uint32_t *bp, int32_t *c, int64_t ldc, bool resume)
{
	switch (rows) {
#define ROWS(n) case n: tile_rows(n, k, ap, bp, c, ldc, resume, NULL, 0); break;
	ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6) ROWS(7) ROWS(8) ROWS(9) ROWS(10) ROWS(11) ROWS(12) ROWS(13) ROWS(14)
#undef ROWS
	}
}

static void tile_ahead(int rows, int64_t k, const uint32_t *ap, const uint32_t *bp, int32_t *c, int64_t ldc, bool resume, const void *ahead, int64_t step)
{
	switch (rows) {
#define ROWS(n) case n: tile_rows(n, k, ap, bp, c, ldc, resume, ahead, step); break;
	ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6) ROWS(7) ROWS(8) ROWS(9) ROWS(10) ROWS(11) ROWS(12) ROWS(13) ROWS(14)
#undef ROWS
	}
}

static inline __mmask16 first(int64_t n) { return n >= 16 ? 0xffff : (__mmask16)((1u << n) - 1); }

/* As rowwise.inc's, with the instructions that the compiler does not find: conversion rounds to nearest even, narrowing saturates. */
static itr_row_range quantise(const float *x, int64_t n, const float *fixed, bool wide, void *q)
{
	__m512 lo[2] = { _mm512_setzero_ps(), _mm512_setzero_ps() }, hi[2] = { _mm512_setzero_ps(), _mm512_setzero_ps() };
	__m512i top = _mm512_setzero_si512();
	const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
	int64_t j = 0;
	(void)wide;
	for (; j + 32 <= n; j += 32)
		for (int u = 0; u < 2; u++) {
			const __m512 v = _mm512_loadu_ps(x + j + 16 * u);
			lo[u] = _mm512_min_ps(v, lo[u]);
			hi[u] = _mm512_max_ps(v, hi[u]);
			top = _mm512_max_epu32(top, _mm512_and_si512(_mm512_castps_si512(v), magnitude));
		}
	for (; j < n; j += 16) {
		const __m512 v = _mm512_maskz_loadu_ps(first(n - j), x + j);
		lo[0] = _mm512_min_ps(v, lo[0]);
		hi[0] = _mm512_max_ps(v, hi[0]);
		top = _mm512_max_epu32(top, _mm512_and_si512(_mm512_castps_si512(v), magnitude));
	}
	float low = _mm512_reduce_min_ps(_mm512_min_ps(lo[0], lo[1])), high = _mm512_reduce_max_ps(_mm512_max_ps(hi[0], hi[1]));
	if (_mm512_reduce_max_epu32(top) >= 0x7f800000u) {
		memset(q, 0, (size_t)n);
		return (itr_row_range){ NAN, 0 };
	}
	float inverse;
	const itr_row_range r = itr_row_range_of(low, high, fixed, &inverse);
	const __m512 by = _mm512_set1_ps(inverse), least = _mm512_set1_ps(-512), most = _mm512_set1_ps(512);
	const __m512i zero = _mm512_set1_epi32(r.zero);
	for (j = 0; j < n; j += 16) {
		const __mmask16 m = first(n - j);
		const __m512 v = _mm512_min_ps(_mm512_max_ps(_mm512_mul_ps(_mm512_maskz_loadu_ps(m, x + j), by), least), most);
		const __m512i k = _mm512_max_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(v), zero), _mm512_setzero_si512());
		_mm512_mask_cvtusepi32_storeu_epi8((char *)q + j, m, k);
	}
	return r;
}

const itr_int8_isa itr_int8_avx512vnni = { "avx512-vnni", MR, NR, 4, tile, quantise, tile_ahead };
#endif
