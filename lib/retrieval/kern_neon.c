/* All precisions with NEON (any 64-bit ARM). Same chains and sums as the scalar kernels. int8 codes lose their offset by flipping the top
 * bit, so `corr` is not added there; products of two codes fit 16 bits, pairs of them are added into 32. */
#if defined(__aarch64__)
#include <arm_neon.h>

#include "base/cpu.h"
#include "retrieval/kernels.h"
#include "retrieval/quantise.h"
#include "tensor/dtype.h"

enum { ROWS = 4, MR = 6, NR = 16, CHUNK = 64 };

static inline int64_t row_at(int64_t first, const int64_t *idx, int64_t i, int64_t n) { return idx ? idx[i < n ? i : 0] : first + i; }

static inline const uint8_t *row_pointer(const itr_krows *g, int64_t row) { return g->base + (size_t)row * g->stride; }

static inline void store_some(float *out, float32x4_t s, int64_t n)
{
	float t[ROWS];
	vst1q_f32(t, s);
	for (int64_t i = 0; i < ITR_MIN(n, (int64_t)ROWS); i++)
		out[i] = t[i];
}

/* Four columns of four rows, added to the chain column by column. */
static inline float32x4_t four_columns(float32x4_t s, const float *const p[ROWS], int64_t k, const float *x)
{
	float32x4x2_t a = vtrnq_f32(vld1q_f32(p[0] + k), vld1q_f32(p[1] + k)), b = vtrnq_f32(vld1q_f32(p[2] + k), vld1q_f32(p[3] + k));
	s = vfmaq_n_f32(s, vcombine_f32(vget_low_f32(a.val[0]), vget_low_f32(b.val[0])), x[0]);
	s = vfmaq_n_f32(s, vcombine_f32(vget_low_f32(a.val[1]), vget_low_f32(b.val[1])), x[1]);
	s = vfmaq_n_f32(s, vcombine_f32(vget_high_f32(a.val[0]), vget_high_f32(b.val[0])), x[2]);
	return vfmaq_n_f32(s, vcombine_f32(vget_high_f32(a.val[1]), vget_high_f32(b.val[1])), x[3]);
}

static void few_f32(const itr_krows *g, const itr_kquery *q, int64_t first, const int64_t *idx, int64_t n, float *out)
{
	const float *x = q->data;
	for (int64_t i = 0; i < n; i += 2 * ROWS) {
		const float *p[2 * ROWS];
		float32x4_t s0 = vdupq_n_f32(0), s1 = s0;
		for (int r = 0; r < 2 * ROWS; r++)
			p[r] = (const float *)(const void *)row_pointer(g, row_at(first + i, idx ? idx + i : NULL, r, n - i));
		for (int64_t k = 0; k < g->k; k += 4) {
			s0 = four_columns(s0, p, k, x + k);
			s1 = four_columns(s1, p + ROWS, k, x + k);
		}
		store_some(out + i, s0, n - i);
		if (n - i > ROWS)
			store_some(out + i + ROWS, s1, n - i - ROWS);
	}
}

static inline float32x4_t widen_f16(const uint16_t *p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
static inline float32x4_t widen_bf16(const uint16_t *p) { return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16)); }

#define HALF(name, widen)                                                                                                                  \
	static void few_##name(const itr_krows *g, const itr_kquery *q, int64_t first, const int64_t *idx, int64_t n, float *out)          \
	{                                                                                                                                  \
		const float *x = q->data;                                                                                                  \
		float wide[ROWS][CHUNK];                                                                                                   \
		const float *p[ROWS] = { wide[0], wide[1], wide[2], wide[3] };                                                             \
		for (int64_t i = 0; i < n; i += ROWS) {                                                                                    \
			float32x4_t s = vdupq_n_f32(0);                                                                                    \
			for (int64_t k = 0; k < g->k; k += CHUNK) {                                                                        \
				int64_t m = ITR_MIN(g->k - k, (int64_t)CHUNK);                                                             \
				for (int r = 0; r < ROWS; r++) {                                                                           \
					const uint16_t *h = (const uint16_t *)(const void *)row_pointer(                                   \
								    g, row_at(first + i, idx ? idx + i : NULL, r, n - i)) +                \
					                    k;                                                                             \
					for (int64_t j = 0; j < m; j += 4)                                                                 \
						vst1q_f32(wide[r] + j, widen(h + j));                                                      \
				}                                                                                                          \
				for (int64_t j = 0; j < m; j += 4)                                                                         \
					s = four_columns(s, p, j, x + k + j);                                                              \
			}                                                                                                                  \
			store_some(out + i, s, n - i);                                                                                     \
		}                                                                                                                          \
	}                                                                                                                                  \
	static void decode_##name(const itr_krows *g, int64_t first, int mr, void *scratch, itr_krows *seen)                               \
	{                                                                                                                                  \
		float *d = scratch;                                                                                                        \
		for (int r = 0; r < mr; r++) {                                                                                             \
			const uint16_t *h = (const uint16_t *)(const void *)row_pointer(g, first + r);                                     \
			for (int64_t k = 0; k < g->k; k += 4, d += 4)                                                                      \
				vst1q_f32(d, widen(h + k));                                                                                \
		}                                                                                                                          \
		*seen = *g;                                                                                                                \
		seen->base = scratch;                                                                                                      \
		seen->stride = (size_t)g->k * sizeof *d;                                                                                   \
	}

HALF(f16, widen_f16)
HALF(bf16, widen_bf16)

static void tile_f32(const itr_krows *g, const itr_kpanel *p, int64_t first, float *out)
{
	const uint8_t *base = row_pointer(g, first);
	const float *q = p->data;
	const size_t stride = g->stride;
	float32x4_t a[MR][4];
#pragma GCC unroll 6
	for (int r = 0; r < MR; r++)
		a[r][0] = a[r][1] = a[r][2] = a[r][3] = vdupq_n_f32(0);
	for (int64_t k = 0; k < g->k; k++, q += NR) {
		const float32x4_t q0 = vld1q_f32(q), q1 = vld1q_f32(q + 4), q2 = vld1q_f32(q + 8), q3 = vld1q_f32(q + 12);
#pragma GCC unroll 6
		for (int r = 0; r < MR; r++) {
			float b = ((const float *)(const void *)(base + (size_t)r * stride))[k];
			a[r][0] = vfmaq_n_f32(a[r][0], q0, b);
			a[r][1] = vfmaq_n_f32(a[r][1], q1, b);
			a[r][2] = vfmaq_n_f32(a[r][2], q2, b);
			a[r][3] = vfmaq_n_f32(a[r][3], q3, b);
		}
	}
#pragma GCC unroll 6
	for (int r = 0; r < MR; r++)
		for (int j = 0; j < 4; j++)
			vst1q_f32(out + r * NR + 4 * j, a[r][j]);
}

/* Products of 16 pairs of codes, added in pairs to four sums. */
static inline int32x4_t dot16(int32x4_t s, int8x16_t a, int8x16_t b)
{
	s = vpadalq_s16(s, vmull_s8(vget_low_s8(a), vget_low_s8(b)));
	return vpadalq_s16(s, vmull_high_s8(a, b));
}

static void few_int8(const itr_krows *g, const itr_kquery *q, int64_t first, const int64_t *idx, int64_t n, float *out)
{
	const int8_t *x = q->data;
	const uint8x16_t flip = vdupq_n_u8(0x80);
	for (int64_t i = 0; i < n; i++) {
		int64_t row = idx ? idx[i] : first + i;
		const uint8_t *p = row_pointer(g, row);
		int32x4_t s = vdupq_n_s32(0), t = s;
		for (int64_t k = 0; k < g->k; k += 32) {
			__builtin_prefetch(p + k + 4096, 0, 3);
			s = dot16(s, vreinterpretq_s8_u8(veorq_u8(vld1q_u8(p + k), flip)), vld1q_s8(x + k));
			t = dot16(t, vreinterpretq_s8_u8(veorq_u8(vld1q_u8(p + k + 16), flip)), vld1q_s8(x + k + 16));
		}
		out[i] = (float)vaddvq_s32(vaddq_s32(s, t)) * (g->scale[row] * q->scale);
	}
}

static void few_int4(const itr_krows *g, const itr_kquery *q, int64_t first, const int64_t *idx, int64_t n, float *out)
{
	const uint8x16_t nibble = vdupq_n_u8(15);
	for (int64_t i = 0; i < n; i++) {
		int64_t row = idx ? idx[i] : first + i;
		const uint8_t *p = row_pointer(g, row);
		const int8_t *x = q->data;
		const uint16_t *scale = g->group_scale + (row / 16) * g->groups * 16 + row % 16;
		float s = 0;
		for (int64_t j = 0; j < g->groups; j++, p += 32, x += 64) {
			int32x4_t d = vdupq_n_s32(0);
			for (int h = 0; h < 2; h++) {
				uint8x16_t v = vld1q_u8(p + 16 * h);
				d = dot16(d, vreinterpretq_s8_u8(vandq_u8(v, nibble)), vld1q_s8(x + 16 * h));
				d = dot16(d, vreinterpretq_s8_u8(vshrq_n_u8(v, 4)), vld1q_s8(x + 32 + 16 * h));
			}
			s = __builtin_fmaf(itr_f16_to_f32(scale[j * 16]), (float)(vaddvq_s32(d) + q->corr[j]), s);
		}
		out[i] = s * q->scale;
	}
}

static void few_binary(const itr_krows *g, const itr_kquery *q, int64_t first, const int64_t *idx, int64_t n, float *out)
{
	const uint64_t *x = q->data;
	for (int64_t i = 0; i < n; i++) {
		const uint64_t *p = (const uint64_t *)(const void *)row_pointer(g, idx ? idx[i] : first + i);
		int64_t h = 0, k = 0;
		for (; k + 2 <= g->k; k += 2)
			h += vaddlvq_u8(vcntq_u8(vreinterpretq_u8_u64(veorq_u64(vld1q_u64(p + k), vld1q_u64(x + k)))));
		if (k < g->k)
			h += vaddlv_u8(vcnt_u8(vreinterpret_u8_u64(veor_u64(vld1_u64(p + k), vld1_u64(x + k)))));
		out[i] = (float)(g->dim - 2 * h);
	}
}

static const itr_kernel fp32 = { "neon", few_f32, tile_f32, MR, NR, ITR_PANEL_F32, NULL, 0, NULL };
static const itr_kernel fp16 = { "neon", few_f16, tile_f32, MR, NR, ITR_PANEL_F32, decode_f16, 4, NULL };
static const itr_kernel bf16 = { "neon", few_bf16, tile_f32, MR, NR, ITR_PANEL_F32, decode_bf16, 4, NULL };
static const itr_kernel int8 = { "neon", few_int8, NULL, 0, 0, ITR_PANEL_NONE, NULL, 0, NULL };
static const itr_kernel int4 = { "neon", few_int4, NULL, 0, 0, ITR_PANEL_NONE, NULL, 0, NULL };
static const itr_kernel binary = { "neon", few_binary, NULL, 0, 0, ITR_PANEL_NONE, NULL, 0, NULL };

const itr_isa itr_isa_neon = { ITR_CPU_NEON,
	                       NULL,
	                       NULL,
	                       { [ITR_PREC_FP32] = &fp32,
	                         [ITR_PREC_FP16] = &fp16,
	                         [ITR_PREC_BF16] = &bf16,
	                         [ITR_PREC_INT8] = &int8,
	                         [ITR_PREC_INT4] = &int4,
	                         [ITR_PREC_BINARY] = &binary },
	                       { NULL } };
#endif
