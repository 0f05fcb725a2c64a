/* resize_avx512vnni.c - each 22-bit weight is divided into three signed bytes: vpdpbusd sums four taps of one of them, 16 sums in an
 * instruction, without widening the samples. The three sums are combined at the end, modulo 2^32 as in all kernels. */
#include "image/resize_kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

enum { DIGITS = 3 };

/* k = d0 + 256 d1 + 65536 d2, digits -128..127: holds for |k| < 127 * 65536, twice the weight 1. */
static void pack(int32_t *to, const int32_t *k)
{
	int8_t digit[DIGITS][4];
	for (int t = 0; t < 4; t++) {
		int32_t rest = k[t];
		for (int d = 0; d < DIGITS; d++) {
			digit[d][t] = (int8_t)(uint8_t)((uint32_t)rest & 0xFF);
			rest = (rest - digit[d][t]) / 256;
		}
	}
	memcpy(to, digit, sizeof digit);
}

static inline __m512i join(__m512i s0, __m512i s1, __m512i s2)
{
	__m512i s = _mm512_add_epi32(_mm512_slli_epi32(s2, 16), _mm512_slli_epi32(s1, 8));
	s = _mm512_add_epi32(_mm512_add_epi32(s, s0), _mm512_set1_epi32(1 << (ITR_RESIZE_BITS - 1)));
	return _mm512_srai_epi32(s, ITR_RESIZE_BITS);
}

/* Sixteen bytes of four rows, a row a lane. */
static inline __m512i load4(const uint8_t *const from[4], size_t at)
{
	__m256i a = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(from[0] + at))),
	                                    _mm_loadu_si128((const __m128i *)(from[1] + at)), 1);
	__m256i b = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(from[2] + at))),
	                                    _mm_loadu_si128((const __m128i *)(from[3] + at)), 1);
	return _mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1);
}

/* Output x of four rows: (R, G, B, 0) a lane. */
static inline __m512i pixel(const uint8_t *const from[4], const itr_resize_axis *a, int x)
{
	const __m512i planes = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11, -1, -1, -1, -1));
	__m512i s0 = _mm512_setzero_si512(), s1 = s0, s2 = s0;
	const int32_t *k = itr_resize_weights(a, x);
	size_t at = (size_t)a->first[x] * 3;
	for (int g = a->groups[x]; g > 0; g--, at += 12, k += DIGITS) {
		__m512i p = _mm512_shuffle_epi8(load4(from, at), planes);
		s0 = _mm512_dpbusd_epi32(s0, p, _mm512_set1_epi32(k[0]));
		s1 = _mm512_dpbusd_epi32(s1, p, _mm512_set1_epi32(k[1]));
		s2 = _mm512_dpbusd_epi32(s2, p, _mm512_set1_epi32(k[2]));
	}
	return join(s0, s1, s2);
}

static void across(uint8_t *const to[4], const uint8_t *const from[4], const itr_resize_axis *a)
{
	const __m512i squeeze = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1));
	for (int x = 0; x < a->n; x += 4) {
		int n = a->n - x < 4 ? a->n - x : 4;
		__m512i p0 = pixel(from, a, x), p1 = n > 1 ? pixel(from, a, x + 1) : p0, p2 = n > 2 ? pixel(from, a, x + 2) : p0,
			p3 = n > 3 ? pixel(from, a, x + 3) : p0;
		__m512i four = _mm512_shuffle_epi8(_mm512_packus_epi16(_mm512_packs_epi32(p0, p1), _mm512_packs_epi32(p2, p3)), squeeze);
		const __mmask16 keep = (__mmask16)((1u << (3 * n)) - 1);
		size_t at = (size_t)x * 3;
		_mm_mask_storeu_epi8(to[0] + at, keep, _mm512_castsi512_si128(four));
		_mm_mask_storeu_epi8(to[1] + at, keep, _mm512_extracti32x4_epi32(four, 1));
		_mm_mask_storeu_epi8(to[2] + at, keep, _mm512_extracti32x4_epi32(four, 2));
		_mm_mask_storeu_epi8(to[3] + at, keep, _mm512_extracti32x4_epi32(four, 3));
	}
}

/* 64 bytes wide: four rows are interleaved to four taps a 32-bit lane; packing at the end undoes the order within the lanes. */
static void down(uint8_t *to, const uint8_t *const *rows, size_t n, const itr_resize_axis *a, int i)
{
	for (size_t at = 0; at < n; at += 64) {
		const __mmask64 here = n - at >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << (n - at)) - 1;
		__m512i s[4][DIGITS], p[4];
		const int32_t *k = itr_resize_weights(a, i);
		for (int c = 0; c < 4; c++)
			for (int d = 0; d < DIGITS; d++)
				s[c][d] = _mm512_setzero_si512();
		for (int g = 0; g < a->groups[i]; g++, k += DIGITS) {
			const uint8_t *const *r = rows + 4 * g;
			__m512i r0 = _mm512_maskz_loadu_epi8(here, r[0] + at), r1 = _mm512_maskz_loadu_epi8(here, r[1] + at);
			__m512i r2 = _mm512_maskz_loadu_epi8(here, r[2] + at), r3 = _mm512_maskz_loadu_epi8(here, r[3] + at);
			__m512i low01 = _mm512_unpacklo_epi8(r0, r1), low23 = _mm512_unpacklo_epi8(r2, r3);
			__m512i high01 = _mm512_unpackhi_epi8(r0, r1), high23 = _mm512_unpackhi_epi8(r2, r3);
			p[0] = _mm512_unpacklo_epi16(low01, low23);
			p[1] = _mm512_unpackhi_epi16(low01, low23);
			p[2] = _mm512_unpacklo_epi16(high01, high23);
			p[3] = _mm512_unpackhi_epi16(high01, high23);
			for (int d = 0; d < DIGITS; d++) {
				__m512i w = _mm512_set1_epi32(k[d]);
				for (int c = 0; c < 4; c++)
					s[c][d] = _mm512_dpbusd_epi32(s[c][d], p[c], w);
			}
		}
		__m512i v[4];
		for (int c = 0; c < 4; c++)
			v[c] = join(s[c][0], s[c][1], s[c][2]);
		_mm512_mask_storeu_epi8(to + at, here, _mm512_packus_epi16(_mm512_packs_epi32(v[0], v[1]), _mm512_packs_epi32(v[2], v[3])));
	}
}

const itr_resize_kernel itr_resize_avx512vnni = { "avx512-vnni", DIGITS, pack, across, down };
#endif
