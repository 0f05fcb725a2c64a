/* resize_avx2.c - the 22-bit weights are divided into a low part of 15 bits and a signed high part: vpmaddwd sums two taps of each. The two
 * sums are combined at the end, modulo 2^32 as in all kernels. (vpmaddubsw would saturate; vpmulld is half as fast on many processors.) */
#include "image/resize_kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

enum { WORDS = 4, LOW = 15 };

/* Words: low halves of taps 0 1, high halves of taps 0 1, then the same of taps 2 3. */
static void pack(int32_t *to, const int32_t *k)
{
	int16_t half[2][2][2];
	for (int t = 0; t < 4; t++) {
		int16_t low = (int16_t)(k[t] & ((1 << LOW) - 1));
		half[t / 2][0][t % 2] = low;
		half[t / 2][1][t % 2] = (int16_t)((k[t] - low) / (1 << LOW));
	}
	memcpy(to, half, sizeof half);
}

static inline __m256i join(__m256i low, __m256i high)
{
	__m256i s = _mm256_add_epi32(_mm256_add_epi32(_mm256_slli_epi32(high, LOW), low), _mm256_set1_epi32(1 << (ITR_RESIZE_BITS - 1)));
	return _mm256_srai_epi32(s, ITR_RESIZE_BITS);
}

/* Output x of two rows: (R, G, B, 0) a lane. */
static inline __m256i pixel(const uint8_t *row0, const uint8_t *row1, const itr_resize_axis *a, int x)
{
	const __m256i taps01 = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1));
	const __m256i taps23 = _mm256_broadcastsi128_si256(_mm_setr_epi8(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1));
	__m256i low = _mm256_setzero_si256(), high = low;
	const int32_t *k = itr_resize_weights(a, x);
	size_t at = (size_t)a->first[x] * 3;
	for (int g = a->groups[x]; g > 0; g--, at += 12, k += WORDS) {
		__m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(row0 + at))),
		                                       _mm_loadu_si128((const __m128i *)(row1 + at)), 1);
		__m256i p = _mm256_shuffle_epi8(both, taps01), q = _mm256_shuffle_epi8(both, taps23);
		low = _mm256_add_epi32(low, _mm256_add_epi32(_mm256_madd_epi16(p, _mm256_set1_epi32(k[0])),
		                                             _mm256_madd_epi16(q, _mm256_set1_epi32(k[2]))));
		high = _mm256_add_epi32(high, _mm256_add_epi32(_mm256_madd_epi16(p, _mm256_set1_epi32(k[1])),
		                                               _mm256_madd_epi16(q, _mm256_set1_epi32(k[3]))));
	}
	return join(low, high);
}

static inline void store(uint8_t *to, __m128i v, int n)
{
	uint8_t pixels[16];
	if (n == 4) {
		int32_t last = _mm_extract_epi32(v, 2);
		_mm_storel_epi64((__m128i *)to, v);
		memcpy(to + 8, &last, 4);
	} else {
		_mm_storeu_si128((__m128i *)pixels, v);
		memcpy(to, pixels, (size_t)n * 3);
	}
}

static void across(uint8_t *const to[4], const uint8_t *const from[4], const itr_resize_axis *a)
{
	const __m256i squeeze = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1));
	for (int r = 0; r < 4; r += 2)
		for (int x = 0; x < a->n; x += 4) {
			int n = a->n - x < 4 ? a->n - x : 4;
			__m256i p[4];
			for (int j = 0; j < 4; j++)
				p[j] = pixel(from[r], from[r + 1], a, x + (j < n ? j : 0));
			__m256i four = _mm256_shuffle_epi8(
				_mm256_packus_epi16(_mm256_packs_epi32(p[0], p[1]), _mm256_packs_epi32(p[2], p[3])), squeeze);
			store(to[r] + (size_t)x * 3, _mm256_castsi256_si128(four), n);
			store(to[r + 1] + (size_t)x * 3, _mm256_extracti128_si256(four, 1), n);
		}
}

static inline __m256i down32(const uint8_t *const *rows, size_t at, const itr_resize_axis *a, int i)
{
	const __m256i zero = _mm256_setzero_si256();
	__m256i low[4] = { zero, zero, zero, zero }, high[4] = { zero, zero, zero, zero };
	const int32_t *k = itr_resize_weights(a, i);
	for (int t = 0; t < 4 * a->groups[i]; t += 2, k += 2) {
		__m256i r0 = _mm256_loadu_si256((const __m256i *)(rows[t] + at)),
			r1 = _mm256_loadu_si256((const __m256i *)(rows[t + 1] + at));
		__m256i first = _mm256_unpacklo_epi8(r0, r1), second = _mm256_unpackhi_epi8(r0, r1);
		__m256i p[4] = { _mm256_unpacklo_epi8(first, zero), _mm256_unpackhi_epi8(first, zero), _mm256_unpacklo_epi8(second, zero),
			         _mm256_unpackhi_epi8(second, zero) };
		__m256i wl = _mm256_set1_epi32(k[0]), wh = _mm256_set1_epi32(k[1]);
		for (int c = 0; c < 4; c++) {
			low[c] = _mm256_add_epi32(low[c], _mm256_madd_epi16(p[c], wl));
			high[c] = _mm256_add_epi32(high[c], _mm256_madd_epi16(p[c], wh));
		}
	}
	return _mm256_packus_epi16(_mm256_packs_epi32(join(low[0], high[0]), join(low[1], high[1])),
	                           _mm256_packs_epi32(join(low[2], high[2]), join(low[3], high[3])));
}

/* Rows shorter than a vector are computed byte by byte; in longer rows the last vector overlaps the one before. */
static void down(uint8_t *to, const uint8_t *const *rows, size_t n, const itr_resize_axis *a, int i)
{
	size_t at = 0;
	for (; at + 32 <= n; at += 32)
		_mm256_storeu_si256((__m256i *)(to + at), down32(rows, at, a, i));
	if (at < n && n >= 32) {
		_mm256_storeu_si256((__m256i *)(to + n - 32), down32(rows, n - 32, a, i));
		return;
	}
	for (; at < n; at++) {
		const int32_t *k = itr_resize_weights(a, i);
		uint32_t s = 1u << (ITR_RESIZE_BITS - 1);
		for (int t = 0; t < 4 * a->groups[i]; t++) {
			int16_t half[4];
			memcpy(half, k + t / 2 * 2, sizeof half);
			s += (uint32_t)rows[t][at] * (uint32_t)(half[t % 2] + half[2 + t % 2] * (1 << LOW));
		}
		int32_t v = (int32_t)s >> ITR_RESIZE_BITS;
		to[at] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
	}
}

const itr_resize_kernel itr_resize_avx2 = { "avx2", WORDS, pack, across, down };
#endif
