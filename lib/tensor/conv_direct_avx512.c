#include "tensor/conv_direct.h"

#if defined(__x86_64__)
#include <immintrin.h>

/* Broadcast of one number of the left operand, with explicit addressing: seven rows need one base register and three multiples of the row
 * distance; the compiler would use fourteen pointers, which do not fit into the registers. */
#define SPREAD(v, p, index, scale, at) __asm__("vbroadcastss %c3(%1,%2," #scale "), %0" : "=v"(v) : "r"(p), "r"(index), "i"((at) * 4))
#define SPREAD0(v, p, at) __asm__("vbroadcastss %c2(%1), %0" : "=v"(v) : "r"(p), "i"((at) * 4))

#define ROW(i) \
	s[i][0] = _mm512_fmadd_ps(a, b0, s[i][0]); \
	if (wide) \
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
		const __m512 b0 = _mm512_load_ps(bp + 32 * (at)), b1 = wide ? _mm512_load_ps(bp + 32 * (at) + 16) : b0; \
		__m512 a; \
		(void)b1; \
		SEVEN(0, p0, at) \
		if (two) { \
			SEVEN(7, p1, at) \
		} \
	} while (0)

#define INLINE static inline __attribute__((always_inline))

/* Each of these is one rounding of the same kind as rowwise.inc's, in its order; NaN stays NaN because MAX and MIN give their second
 * operand then. */
INLINE __m512 activated(const itr_activation f, __m512 v)
{
	const __m512 zero = _mm512_setzero_ps(), six = _mm512_set1_ps(6.0f);
	if (f == ITR_ACT_RELU)
		return _mm512_max_ps(zero, v);
	if (f == ITR_ACT_RELU6)
		return _mm512_min_ps(six, _mm512_max_ps(zero, v));
	if (f == ITR_ACT_HARDSWISH)
		return _mm512_mul_ps(v, _mm512_mul_ps(_mm512_min_ps(six, _mm512_max_ps(zero, _mm512_add_ps(v, _mm512_set1_ps(3.0f)))),
		                                      _mm512_set1_ps(1.0f / 6.0f)));
	return v;
}

INLINE void finish(const bool two, const bool wide, const bool added, const itr_activation f, const itr_direct_out *o, __m512 s[14][2])
{
	const __mmask16 m0 = o->cols >= 16 ? 0xffff : (__mmask16)((1u << o->cols) - 1),
			m1 = o->cols >= 32 ? 0xffff : (__mmask16)((1u << (wide ? o->cols - 16 : 0)) - 1);
	const __m512 b0 = _mm512_maskz_loadu_ps(m0, o->bias), b1 = wide ? _mm512_maskz_loadu_ps(m1, o->bias + 16) : b0;
	const int rows = two ? 14 : 7;
#pragma GCC unroll 14
	for (int i = 0; i < rows; i++) {
		float *y = o->y[i / 7] + i % 7 * o->ld;
		const float *r = added ? o->residual[i / 7] + i % 7 * o->ld_residual : NULL;
		__m512 v = _mm512_add_ps(s[i][0], b0);
		if (added)
			v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(m0, r));
		_mm512_mask_storeu_ps(y, m0, activated(f, v));
		if (wide) {
			v = _mm512_add_ps(s[i][1], b1);
			if (added)
				v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(m1, r + 16));
			_mm512_mask_storeu_ps(y + 16, m1, activated(f, v));
		}
	}
}

INLINE void finish_as_asked(const bool two, const bool wide, const itr_direct_out *o, __m512 s[14][2])
{
	switch (o->activation) {
#define CASE(f) case f: if (o->residual[0]) finish(two, wide, true, f, o, s); else finish(two, wide, false, f, o, s); break;
	CASE(ITR_ACT_RELU)
	CASE(ITR_ACT_RELU6)
	CASE(ITR_ACT_HARDSWISH)
	default:
	CASE(ITR_ACT_NONE)
#undef CASE
	}
}

/* Prefetches the cache lines of result and residual of row r of a group. */
INLINE void ask(const itr_direct_out *o, int g, int r)
{
	const float *y = o->y[g] + r * o->ld;
	__builtin_prefetch(y, 1);
	__builtin_prefetch(y + o->cols - 1, 1);
	if (o->residual[0]) {
		const float *x = o->residual[g] + r * o->ld_residual;
		__builtin_prefetch(x, 0);
		__builtin_prefetch(x + o->cols - 1, 0);
	}
}

INLINE void tile(const bool two, const bool wide, const itr_direct_input *w, const float *a0, const float *a1, const float *bp,
                 const itr_direct_out *o)
{
	const int64_t d1 = w->pixel * 4, d3 = w->pixel * 12, d5 = w->pixel * 20;
	const int rows = two ? 14 : 7;
	const char *ahead = w->ahead;
	__m512 s[14][2];
#pragma GCC unroll 14
	for (int i = 0; i < rows; i++) {
		s[i][0] = o->resume ? _mm512_load_ps(o->sums + 32 * i) : _mm512_setzero_ps();
		if (wide)
			s[i][1] = o->resume ? _mm512_load_ps(o->sums + 32 * i + 16) : _mm512_setzero_ps();
	}
	int asked = o->finish ? 0 : 7;
	for (int u = 0; u < w->nh; u++)
		for (int v = 0; v < w->nw; v++) {
			const float *p0 = a0 + u * w->line + v * w->column, *p1 = two ? a1 + u * w->line + v * w->column : p0;
			int64_t k = w->run;
			for (; k >= 4; k -= 4, p0 += 4, p1 += 4, bp += 128) {
				_mm_prefetch(ahead, _MM_HINT_T1);
				if (w->ahead_step > 64)
					_mm_prefetch(ahead + 64, _MM_HINT_T1);
				ahead += w->ahead_step;
				if (asked < 7) {
					ask(o, 0, asked);
					if (two)
						ask(o, 1, asked);
					asked++;
				}
				STEP(0);
				STEP(1);
				STEP(2);
				STEP(3);
			}
			for (; k > 0; k--, p0++, p1++, bp += 32)
				STEP(0);
		}
	if (o->finish) {
		finish_as_asked(two, wide, o, s);
		return;
	}
#pragma GCC unroll 14
	for (int i = 0; i < rows; i++) {
		_mm512_store_ps(o->sums + 32 * i, s[i][0]);
		if (wide)
			_mm512_store_ps(o->sums + 32 * i + 16, s[i][1]);
	}
}

static __attribute__((noinline)) void narrow(const itr_direct_input *w, const float *a0, const float *a1, const float *panel,
                                             const itr_direct_out *o)
{
	if (a1)
		tile(true, false, w, a0, a1, panel, o);
	else
		tile(false, false, w, a0, a0, panel, o);
}

static __attribute__((noinline)) void two_groups(const itr_direct_input *w, const float *a0, const float *a1, const float *panel,
                                                 const itr_direct_out *o)
{
	tile(true, true, w, a0, a1, panel, o);
}
static __attribute__((noinline)) void one_group(const itr_direct_input *w, const float *a0, const float *panel, const itr_direct_out *o)
{
	tile(false, true, w, a0, a0, panel, o);
}

void itr_direct_tile_avx512(const itr_direct_input *w, const float *a0, const float *a1, const float *panel, const itr_direct_out *o)
{
	if (o->cols <= 16)
		narrow(w, a0, a1, panel, o);
	else if (a1)
		two_groups(w, a0, a1, panel, o);
	else
		one_group(w, a0, panel, o);
}
#endif
