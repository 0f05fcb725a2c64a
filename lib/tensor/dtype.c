#include "tensor/dtype.h"

#include <math.h>
#include <string.h>

#include "base/log.h"
#include "tensor/bf16.h"

static const struct {
	size_t size;
	const char *name;
} table[ITR_DTYPE_COUNT] = {
	[ITR_F32] = { 4, "float32" }, [ITR_F64] = { 8, "float64" }, [ITR_F16] = { 2, "float16" }, [ITR_BF16] = { 2, "bfloat16" },
	[ITR_I8] = { 1, "int8" }, [ITR_I16] = { 2, "int16" }, [ITR_I32] = { 4, "int32" }, [ITR_I64] = { 8, "int64" },
	[ITR_U8] = { 1, "uint8" }, [ITR_U16] = { 2, "uint16" }, [ITR_U32] = { 4, "uint32" }, [ITR_U64] = { 8, "uint64" },
	[ITR_BOOL] = { 1, "bool" },
};

size_t itr_dtype_size(itr_dtype t) { return table[t].size; }
const char *itr_dtype_name(itr_dtype t) { return table[t].name; }

static uint32_t bits_of(float x)
{
	uint32_t u;
	memcpy(&u, &x, sizeof u);
	return u;
}

static float float_of(uint32_t u)
{
	float x;
	memcpy(&x, &u, sizeof x);
	return x;
}

/* One branch for each class: normal, subnormal (a shift with sticky rounding), overflow, infinity, NaN. */
uint16_t itr_f16_from_f32(float x)
{
	uint32_t u = bits_of(x), sign = u >> 16 & 0x8000, a = u & 0x7fffffff;
	if (a > 0x7f800000)
		return (uint16_t)(sign | 0x7e00 | (a >> 13 & 0x1ff));       /* NaN stays NaN, quiet, with its upper payload */
	if (a >= 0x47800000)
		return (uint16_t)(sign | 0x7c00);                           /* 65536 and above; rounding up to it: below */
	if (a < 0x38800000) {                                               /* below 2^-14: subnormal */
		if (a < 0x33000000)
			return (uint16_t)sign;                              /* below 2^-25 */
		uint32_t shift = 126 - (a >> 23), m = (a & 0x7fffff) | 0x800000;
		uint32_t h = m >> shift, rest = m & ((1u << shift) - 1), half = 1u << (shift - 1);
		return (uint16_t)(sign | (h + (rest > half || (rest == half && (h & 1)))));
	}
	uint32_t h = (a - 0x38000000) >> 13, rest = a & 0x1fff;
	return (uint16_t)(sign | (h + (rest > 0x1000 || (rest == 0x1000 && (h & 1)))));
}

float itr_f16_to_f32(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16, e = h >> 10 & 31, m = h & 0x3ff;
	if (e == 31)
		return float_of(sign | 0x7f800000 | m << 13 | (m ? 0x400000 : 0));
	if (e == 0) {
		float v = (float)m * 0x1p-24f;
		return sign ? -v : v;
	}
	return float_of(sign | (e + 112) << 23 | m << 13);
}

uint16_t itr_bf16_from_f32(float x) { return itr_bf16_round(x); }

float itr_bf16_to_f32(uint16_t h) { return itr_bf16_load(h); }

void itr_f16_from_f32_n(uint16_t *dst, const float *src, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		dst[i] = itr_f16_from_f32(src[i]);
}

void itr_f16_to_f32_n(float *dst, const uint16_t *src, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		dst[i] = itr_f16_to_f32(src[i]);
}

ITR_CLONES_BF16 void itr_bf16_from_f32_n(uint16_t *dst, const float *src, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		dst[i] = itr_bf16_from_f32(src[i]);
}

ITR_CLONES_BF16 void itr_bf16_to_f32_n(float *dst, const uint16_t *src, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		dst[i] = itr_bf16_to_f32(src[i]);
}

#define EACH(type, expression)                                                          \
	for (int64_t i = 0; i < n; i++) {                                               \
		type v;                                                                 \
		memcpy(&v, bytes + (size_t)i * sizeof v, sizeof v);                     \
		dst[i] = (expression);                                                  \
	}                                                                               \
	return

void itr_to_f32(float *dst, const void *src, itr_dtype t, int64_t n)
{
	const unsigned char *bytes = src;
	switch (t) {
	case ITR_F32: if (n > 0) memcpy(dst, src, (size_t)n * sizeof *dst); return;
	case ITR_F64: EACH(double, (float)v);
	case ITR_F16: EACH(uint16_t, itr_f16_to_f32(v));
	case ITR_BF16: EACH(uint16_t, itr_bf16_to_f32(v));
	case ITR_I8: EACH(int8_t, (float)v);
	case ITR_I16: EACH(int16_t, (float)v);
	case ITR_I32: EACH(int32_t, (float)v);
	case ITR_I64: EACH(int64_t, (float)v);
	case ITR_U8: EACH(uint8_t, (float)v);
	case ITR_U16: EACH(uint16_t, (float)v);
	case ITR_U32: EACH(uint32_t, (float)v);
	case ITR_U64: EACH(uint64_t, (float)v);
	case ITR_BOOL: EACH(uint8_t, v ? 1.0f : 0.0f);
	case ITR_DTYPE_COUNT: break;
	}
	ITR_BUG("itr_to_f32: element type %d", (int)t);
}

/* 2^63 is the first double that does not fit; every double from 2^53 on is an integer. */
static int integer_of(double v, int64_t *out)
{
	if (!(v >= -0x1p63 && v < 0x1p63) || v != floor(v))
		return -1;
	*out = (int64_t)v;
	return 0;
}

static int floats_to_i64(int64_t *dst, const void *src, itr_dtype t, int64_t n)
{
	const unsigned char *bytes = src;
	for (int64_t i = 0; i < n; i++) {
		double v;
		float f;
		if (t == ITR_F64)
			memcpy(&v, bytes + (size_t)i * sizeof v, sizeof v);
		else
			itr_to_f32(&f, bytes + (size_t)i * itr_dtype_size(t), t, 1), v = f;
		if (integer_of(v, dst + i) < 0)
			return -1;
	}
	return 0;
}

int itr_to_i64(int64_t *dst, const void *src, itr_dtype t, int64_t n)
{
	const unsigned char *bytes = src;
	switch (t) {
	case ITR_F32: case ITR_F64: case ITR_F16: case ITR_BF16: return floats_to_i64(dst, src, t, n);
	case ITR_I8: EACH(int8_t, v) 0;
	case ITR_I16: EACH(int16_t, v) 0;
	case ITR_I32: EACH(int32_t, v) 0;
	case ITR_I64: EACH(int64_t, v) 0;
	case ITR_U8: EACH(uint8_t, v) 0;
	case ITR_U16: EACH(uint16_t, v) 0;
	case ITR_U32: EACH(uint32_t, v) 0;
	case ITR_BOOL: EACH(uint8_t, v != 0) 0;
	case ITR_U64:
		for (int64_t i = 0; i < n; i++) {
			uint64_t v;
			memcpy(&v, bytes + (size_t)i * sizeof v, sizeof v);
			if (v > INT64_MAX)
				return -1;
			dst[i] = (int64_t)v;
		}
		return 0;
	case ITR_DTYPE_COUNT: break;
	}
	ITR_BUG("itr_to_i64: element type %d", (int)t);
}
