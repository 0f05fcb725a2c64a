/* transpose_avx512.h - internal to the AVX-512 kernels: transpose of 16 x 16 words in registers. */
#ifndef ITR_TENSOR_TRANSPOSE_AVX512_H
#define ITR_TENSOR_TRANSPOSE_AVX512_H

#if defined(__AVX512F__)
#include <immintrin.h>

/* In: v[r] = 16 consecutive numbers of row r. Out: v[k] = number k of the 16 rows. */
static inline __attribute__((always_inline)) void itr_transpose16(__m512 v[16])
{
	__m512 t[16];
	for (int i = 0; i < 16; i += 2) {
		t[i] = _mm512_unpacklo_ps(v[i], v[i + 1]);
		t[i + 1] = _mm512_unpackhi_ps(v[i], v[i + 1]);
	}
	for (int i = 0; i < 16; i += 4)
		for (int j = 0; j < 2; j++) {
			__m512d lo = _mm512_castps_pd(t[i + j]), hi = _mm512_castps_pd(t[i + j + 2]);
			v[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(lo, hi));
			v[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(lo, hi));
		}
	/* v[4q+c], 128-bit lane l: k = 4l + c of rows 4q..4q+3 */
	for (int c = 0; c < 4; c++) {
		__m512 a = _mm512_shuffle_f32x4(v[c], v[4 + c], 0x88), b = _mm512_shuffle_f32x4(v[c], v[4 + c], 0xdd);
		__m512 d = _mm512_shuffle_f32x4(v[8 + c], v[12 + c], 0x88), e = _mm512_shuffle_f32x4(v[8 + c], v[12 + c], 0xdd);
		t[c] = _mm512_shuffle_f32x4(a, d, 0x88);
		t[8 + c] = _mm512_shuffle_f32x4(a, d, 0xdd);
		t[4 + c] = _mm512_shuffle_f32x4(b, e, 0x88);
		t[12 + c] = _mm512_shuffle_f32x4(b, e, 0xdd);
	}
	for (int i = 0; i < 16; i++)
		v[i] = t[i];
}

#endif
#endif
