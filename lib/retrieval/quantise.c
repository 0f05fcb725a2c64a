/* A kernel by its name only: the loops over rows are compiled for each instruction set (and at -O3), the results are the same. */
#include "retrieval/quantise.h"

#include <math.h>
#include <string.h>

#include "tensor/dtype.h"

const char *const itr_quantizer_names[] = { "symmetric", "minmax-wrap", NULL };

/* Without their sign, finite floats are ordered as their bits are; a maximum of integers is one that the compiler vectorises. */
ITR_CLONES static float max_abs(const float *x, int64_t n)
{
	int32_t m = 0;
	float f;
	for (int64_t i = 0; i < n; i++) {
		int32_t a;
		memcpy(&a, x + i, sizeof a);
		a &= INT32_MAX;
		m = a > m ? a : m;
	}
	memcpy(&f, &m, sizeof f);
	return f;
}

/* Adding and taking away 1.5 * 2^23 rounds half to even like rintf for |x| < 2^22, and vectorises without SSE4.1. */
static inline float round_even(float x)
{
	const float magic = 12582912.0f;
	return (x + magic) - magic;
}

ITR_CLONES static void codes(const float *x, int64_t n, float s, float limit, int8_t *code)
{
	for (int64_t i = 0; i < n; i++) {
		float c = round_even(x[i] / s);
		c = c > limit ? limit : c;
		c = c < -limit ? -limit : c;
		code[i] = (int8_t)(int)c;
	}
}

float itr_quantise_int8(const float *x, int64_t n, int8_t *code)
{
	float s = max_abs(x, n) / 127.0f;
	if (s > 0)
		codes(x, n, s, 127.0f, code);
	else
		memset(code, 0, (size_t)n);
	return s;
}

uint16_t itr_quantise_int4(const float *x, int64_t n, int8_t *code)
{
	float s = max_abs(x, n) / 7.0f;
	uint16_t h = itr_f16_from_f32(s < 65504.0f ? s : 65504.0f);
	s = itr_f16_to_f32(h);                 /* codes are made with the scale that is stored */
	if (s > 0)
		codes(x, n, s, 7.0f, code);
	else
		memset(code, 0, (size_t)n);
	return h;
}

ITR_CLONES void itr_quantise_binary(const float *x, int64_t n, uint64_t *bits)
{
	for (int64_t w = 0; w * 64 < n; w++) {
		uint64_t b = 0;
		int64_t m = ITR_MIN(n - w * 64, (int64_t)64);
		for (int64_t i = 0; i < m; i++)
			b |= (uint64_t)(x[w * 64 + i] < 0) << i;
		bits[w] = b;
	}
}

ITR_CLONES void itr_quantise_minmax(const float *x, int64_t n, float lo, float hi, int levels, int8_t *code)
{
	float s = (hi - lo) / (float)levels;
	for (int64_t i = 0; i < n; i++) {
		float c = s > 0 ? rintf((x[i] - lo) / s) : 0;
		c = c < 0 ? 0 : c > (float)levels ? (float)levels : c;
		code[i] = (int8_t)(uint8_t)c;          /* 128..255 wrap to -128..-1: the defect itself */
	}
}

void itr_calibrate(const float *sample, int64_t rows, int64_t dim, float *factor)
{
	double sum = 0;
	int64_t used = 0;
	memset(factor, 0, (size_t)dim * sizeof *factor);
	for (int64_t r = 0; r < rows; r++)
		for (int64_t d = 0; d < dim; d++) {
			float a = fabsf(sample[r * dim + d]);
			factor[d] = a > factor[d] ? a : factor[d];
		}
	for (int64_t d = 0; d < dim; d++)
		if (factor[d] > 0) {
			sum += factor[d];
			used++;
		}
	float scale = used ? (float)((double)used / sum) : 1;
	for (int64_t d = 0; d < dim; d++)
		factor[d] = factor[d] > 0 && isfinite(factor[d] * scale) && factor[d] * scale > 1e-30f ? factor[d] * scale : 1;
}

ITR_CLONES bool itr_all_finite(const float *x, int64_t n)
{
	uint32_t worst = 0;
	for (int64_t i = 0; i < n; i++) {
		uint32_t b;
		memcpy(&b, &x[i], sizeof b);
		b &= 0x7fffffff;
		worst = b > worst ? b : worst;
	}
	return worst < 0x7f800000;
}

ITR_CLONES int32_t itr_code_sum(const int8_t *code, int64_t n)
{
	int32_t sum = 0;
	for (int64_t i = 0; i < n; i++)
		sum += code[i];
	return sum;
}

/* min and max of n values, n >= 1. */
ITR_CLONES void itr_extent(const float *x, int64_t n, float *lo, float *hi)
{
	float a = x[0], b = x[0];
	for (int64_t i = 1; i < n; i++) {
		a = x[i] < a ? x[i] : a;
		b = x[i] > b ? x[i] : b;
	}
	*lo = a;
	*hi = b;
}

/* code + offset, as galleries store them. */
ITR_CLONES void itr_code_shift(uint8_t *d, const int8_t *code, int64_t n, int offset)
{
	for (int64_t i = 0; i < n; i++)
		d[i] = (uint8_t)(code[i] + offset);
}

ITR_CLONES void itr_code_nibbles(uint8_t *d, const int8_t *code, int64_t n, int offset)
{
	for (int64_t i = 0; i < n / 2; i++)
		d[i] = (uint8_t)((code[2 * i] + offset) | (code[2 * i + 1] + offset) << 4);
}
