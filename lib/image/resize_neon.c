/* resize_neon.c - 32-bit multiply-accumulate: across, the lanes are R, G, B of one pixel, four rows at a time; down, 16 neighbouring bytes.
 */
#include "image/resize_kernel.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#include <string.h>

static void pack(int32_t *to, const int32_t *k) { memcpy(to, k, 4 * sizeof *k); }

static inline uint8x8_t finish(int32x4_t a, int32x4_t b)
{
	return vqmovun_s16(vcombine_s16(vqmovn_s32(vshrq_n_s32(a, ITR_RESIZE_BITS)), vqmovn_s32(vshrq_n_s32(b, ITR_RESIZE_BITS))));
}

/* Four taps (12 bytes and four more) of one row, channels in the lanes. */
static inline int32x4_t taps4(int32x4_t s, const uint8_t *p, int32x4_t k)
{
	static const uint8_t spread[4][16] = {
		{ 0, 255, 255, 255, 1, 255, 255, 255, 2, 255, 255, 255, 255, 255, 255, 255 },
		{ 3, 255, 255, 255, 4, 255, 255, 255, 5, 255, 255, 255, 255, 255, 255, 255 },
		{ 6, 255, 255, 255, 7, 255, 255, 255, 8, 255, 255, 255, 255, 255, 255, 255 },
		{ 9, 255, 255, 255, 10, 255, 255, 255, 11, 255, 255, 255, 255, 255, 255, 255 },
	};
	uint8x16_t v = vld1q_u8(p);
	s = vmlaq_laneq_s32(s, vreinterpretq_s32_u8(vqtbl1q_u8(v, vld1q_u8(spread[0]))), k, 0);
	s = vmlaq_laneq_s32(s, vreinterpretq_s32_u8(vqtbl1q_u8(v, vld1q_u8(spread[1]))), k, 1);
	s = vmlaq_laneq_s32(s, vreinterpretq_s32_u8(vqtbl1q_u8(v, vld1q_u8(spread[2]))), k, 2);
	return vmlaq_laneq_s32(s, vreinterpretq_s32_u8(vqtbl1q_u8(v, vld1q_u8(spread[3]))), k, 3);
}

static void across(uint8_t *const to[4], const uint8_t *const from[4], const itr_resize_axis *a)
{
	for (int x = 0; x < a->n; x++) {
		int32x4_t s[4];
		const int32_t *k = itr_resize_weights(a, x);
		size_t at = (size_t)a->first[x] * 3;
		for (int r = 0; r < 4; r++)
			s[r] = vdupq_n_s32(1 << (ITR_RESIZE_BITS - 1));
		for (int g = a->groups[x]; g > 0; g--, at += 12, k += 4) {
			int32x4_t w = vld1q_s32(k);
			for (int r = 0; r < 4; r++)
				s[r] = taps4(s[r], from[r] + at, w);
		}
		uint8_t out[16];
		vst1q_u8(out, vcombine_u8(finish(s[0], s[1]), finish(s[2], s[3])));
		for (int r = 0; r < 4; r++)
			memcpy(to[r] + (size_t)x * 3, out + 4 * r, 3);
	}
}

static inline uint8x16_t down16(const uint8_t *const *rows, size_t at, const itr_resize_axis *a, int i)
{
	int32x4_t s[4];
	const int32_t *k = itr_resize_weights(a, i);
	for (int c = 0; c < 4; c++)
		s[c] = vdupq_n_s32(1 << (ITR_RESIZE_BITS - 1));
	for (int t = 0; t < 4 * a->groups[i]; t++) {
		uint8x16_t v = vld1q_u8(rows[t] + at);
		uint16x8_t low = vmovl_u8(vget_low_u8(v)), high = vmovl_u8(vget_high_u8(v));
		s[0] = vmlaq_n_s32(s[0], vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(low))), k[t]);
		s[1] = vmlaq_n_s32(s[1], vreinterpretq_s32_u32(vmovl_u16(vget_high_u16(low))), k[t]);
		s[2] = vmlaq_n_s32(s[2], vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(high))), k[t]);
		s[3] = vmlaq_n_s32(s[3], vreinterpretq_s32_u32(vmovl_u16(vget_high_u16(high))), k[t]);
	}
	return vcombine_u8(finish(s[0], s[1]), finish(s[2], s[3]));
}

static void down(uint8_t *to, const uint8_t *const *rows, size_t n, const itr_resize_axis *a, int i)
{
	size_t at = 0;
	for (; at + 16 <= n; at += 16)
		vst1q_u8(to + at, down16(rows, at, a, i));
	if (at < n && n >= 16)
		vst1q_u8(to + n - 16, down16(rows, n - 16, a, i));       /* overlaps the one before */
	else if (at < n)
		itr_resize_scalar.down(to, rows, n, a, i);
}

const itr_resize_kernel itr_resize_neon = { "neon", 4, pack, across, down };
#endif
