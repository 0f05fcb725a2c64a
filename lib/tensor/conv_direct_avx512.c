#include "tensor/conv_direct.h"

#if defined(__x86_64__)
#include <immintrin.h>

/* One number of the left operand in all lanes. Written out because of the addresses: seven rows need one base and three multiples of their distance, where a compiler makes fourteen pointers
 * that do not fit the registers. */
#define SPREAD(v, p, index, scale, at) __asm__("vbroadcastss %c3(%1,%2," #scale "), %0" : "=v"(v) : "r"(p), "r"(index), "i"((at) * 4))
#define SPREAD0(v, p, at) __asm__("vbroadcastss %c2(%1), %0" : "=v"(v) : "r"(p), "i"((at) * 4))

#define ROW(i) \
	s[i][0] = _mm512_fmadd_ps(a, b0, s[i][0]); \
	s[i][1] = _mm512_fmadd_ps(a, b1, s[i][1]);
#define SEVEN(first, p, at) \
	SPREAD0(a, p, at); ROW(first) \
	SPREAD(a, p, d1, 1, at); ROW(first + 1) \
	SPREAD(a, p, d1, 2, at); ROW(first + 2) \
	SPREAD(a, p, d3, 1, at); ROW(first + 3) \
	SPREAD(a, p, d1, 4, at); ROW(first + 4) \
	SPREAD(a, p, d5, 1, at); ROW(first + 5) \
	SPREAD(a, p, d3, 2, at); ROW(first + 6)
#define STEP(at) \
	do { \
		const __m512 b0 = _mm512_load_ps(bp + 32 * (at)), b1 = _mm512_load_ps(bp + 32 * (at) + 16); \
		__m512 a; \
		SEVEN(0, p0, at) \
		if (two) { \
			SEVEN(7, p1, at) \
		} \
	} while (0)

static inline __attribute__((always_inline)) void tile(const bool two, int nh, int64_t run, int64_t line, int64_t pixel, const float *a0, const float *a1, const float *bp, float *out)
{
	const int64_t d1 = pixel * 4, d3 = pixel * 12, d5 = pixel * 20;
	__m512 s[14][2];
	const int rows = two ? 14 : 7;
#pragma GCC unroll 14
	for (int i = 0; i < rows; i++)
		s[i][0] = s[i][1] = _mm512_setzero_ps();
	for (int u = 0; u < nh; u++) {
		const float *p0 = a0 + u * line, *p1 = two ? a1 + u * line : p0;
		int64_t k = run;
		for (; k >= 4; k -= 4, p0 += 4, p1 += 4, bp += 128) {
			STEP(0);
			STEP(1);
			STEP(2);
			STEP(3);
		}
		for (; k > 0; k--, p0++, p1++, bp += 32)
			STEP(0);
	}
#pragma GCC unroll 14
	for (int i = 0; i < rows; i++) {
		_mm512_store_ps(out + 32 * i, s[i][0]);
		_mm512_store_ps(out + 32 * i + 16, s[i][1]);
	}
}

__attribute__((noinline)) void itr_direct_tile_avx512(int nh, int64_t run, int64_t line, int64_t pixel, const float *a0, const float *a1, const float *panel, float *s)
{
	if (a1)
		tile(true, nh, run, line, pixel, a0, a1, panel, s);
	else
		tile(false, nh, run, line, pixel, a0, a0, panel, s);
}
#endif
