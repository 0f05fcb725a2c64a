#include "io/convert.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/log.h"

bool itr_dtype_is_float(itr_dtype t) { return t == ITR_F32 || t == ITR_F64 || t == ITR_F16 || t == ITR_BF16; }

int64_t itr_beyond_f32(const void *src, itr_dtype from, int64_t n, double *value)
{
	const char *bytes = src;
	for (int64_t i = 0; from == ITR_F64 && i < n; i++) {
		memcpy(value, bytes + (size_t)i * sizeof *value, sizeof *value);
		if (fabs(*value) > (double)FLT_MAX && isfinite(*value) && isinf((float)*value))
			return i;
	}
	return -1;
}

void itr_swap_bytes(void *data, size_t size, int64_t n)
{
	unsigned char *p = data;
	for (int64_t i = 0; i < n; i++, p += size)
		for (size_t a = 0, b = size - 1; a < b; a++, b--) {
			unsigned char t = p[a];
			p[a] = p[b];
			p[b] = t;
		}
}

/* Any alignment: memcpy of a constant size compiles to one load. */
#define LOOP_F64(type) \
	do { \
		for (int64_t i = 0; i < n; i++) { \
			type v; \
			memcpy(&v, src + (size_t)i * sizeof v, sizeof v); \
			dst[i] = (double)v; \
		} \
	} while (0)

static void to_f64(double *dst, const char *src, itr_dtype from, int64_t n)
{
	switch (from) {
	case ITR_F64: memcpy(dst, src, (size_t)n * sizeof *dst); break;
	case ITR_I32: LOOP_F64(int32_t); break;
	case ITR_I64: LOOP_F64(int64_t); break;
	case ITR_U32: LOOP_F64(uint32_t); break;
	case ITR_U64: LOOP_F64(uint64_t); break;
	case ITR_F32: LOOP_F64(float); break;
	default:                                        /* up to 16 bits: exact in a float */
		for (int64_t i = 0; i < n; i += 256) {
			float block[256];
			int64_t k = ITR_MIN(n - i, 256);
			itr_to_f32(block, src + (size_t)i * itr_dtype_size(from), from, k);
			for (int64_t j = 0; j < k; j++)
				dst[i + j] = block[j];
		}
	}
}

#define STORE(type, low, high) \
	do { \
		for (int64_t i = 0; i < n; i++) { \
			if (src[i] < (low) || src[i] > (high)) \
				return -1; \
			type v = (type)src[i]; \
			memcpy(dst + (size_t)i * sizeof v, &v, sizeof v); \
		} \
		return 0; \
	} while (0)

static int from_i64(char *dst, itr_dtype to, const int64_t *src, int64_t n)
{
	switch (to) {
	case ITR_I8: STORE(int8_t, INT8_MIN, INT8_MAX);
	case ITR_I16: STORE(int16_t, INT16_MIN, INT16_MAX);
	case ITR_I32: STORE(int32_t, INT32_MIN, INT32_MAX);
	case ITR_I64: STORE(int64_t, INT64_MIN, INT64_MAX);
	case ITR_U8: STORE(uint8_t, 0, UINT8_MAX);
	case ITR_U16: STORE(uint16_t, 0, UINT16_MAX);
	case ITR_U32: STORE(uint32_t, 0, UINT32_MAX);
	case ITR_U64: STORE(uint64_t, 0, INT64_MAX);
	case ITR_BOOL: STORE(uint8_t, 0, 1);
	default: ITR_BUG("conversion to type %d", (int)to);
	}
}

int itr_convert(void *dst, itr_dtype to, const void *src, itr_dtype from, int64_t n)
{
	if (n == 0)
		return 0;
	if (to == from) {
		memcpy(dst, src, (size_t)n * itr_dtype_size(to));
		return 0;
	}
	if (to == ITR_F32) {
		itr_to_f32(dst, src, from, n);
		return 0;
	}
	if (to == ITR_F64) {
		to_f64(dst, src, from, n);
		return 0;
	}
	if (to == ITR_I64)
		return itr_to_i64(dst, src, from, n);
	for (int64_t i = 0; i < n; i += 256) {
		int64_t k = ITR_MIN(n - i, 256), whole[256];
		const char *in = (const char *)src + (size_t)i * itr_dtype_size(from);
		char *out = (char *)dst + (size_t)i * itr_dtype_size(to);
		float block[256];
		if (to == ITR_F16 || to == ITR_BF16) {
			itr_to_f32(block, in, from, k);
			(to == ITR_F16 ? itr_f16_from_f32_n : itr_bf16_from_f32_n)((uint16_t *)(void *)out, block, k);
		} else if (itr_to_i64(whole, in, from, k) < 0 || from_i64(out, to, whole, k) < 0)
			return -1;
	}
	return 0;
}
