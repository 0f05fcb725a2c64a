/* vmath.h - exp and erf for float loops that the compiler must vectorise: no branches, no tables, no libm, the same bits on every machine
 * (each operation is one correctly rounded IEEE operation; -ffp-contract=off is needed). Errors: exp <= 2 ulp on [-87, 88], 0 below; erf <=
 * 5e-7 absolute (the rational approximation on [-4, 4] of Eigen's float erf). tests/unit/test_autograd.c compares them with libm.
 */
#ifndef ITR_TENSOR_VMATH_H
#define ITR_TENSOR_VMATH_H

#include <string.h>

#include "base/compat.h"

/* exp(x) for x <= 88. Cody-Waite reduction to |r| <= ln2/2, polynomial of Cephes expf, exponent by integer addition. */
static inline float itr_vexp(float x)
{
	const float magic = 12582912.0f;                 /* 1.5 * 2^23: adding it rounds to an integer */
	float clamped = x < -87.0f ? -87.0f : x > 88.0f ? 88.0f : x;
	float k = clamped * 1.44269504088896341f + magic - magic;
	float r = clamped - k * 0.693359375f - k * -2.12194440e-4f;
	float p = 1.9875691500e-4f;
	p = p * r + 1.3981999507e-3f;
	p = p * r + 8.3334519073e-3f;
	p = p * r + 4.1665795894e-2f;
	p = p * r + 1.6666665459e-1f;
	p = p * r + 5.0000001201e-1f;
	float y = p * (r * r) + r + 1.0f;
	uint32_t bits;                                   /* unsigned: shifting a negative exponent is undefined in int */
	memcpy(&bits, &y, sizeof bits);
	bits += (uint32_t)(int32_t)k << 23;
	memcpy(&y, &bits, sizeof y);
	return x < -87.0f ? 0.0f : y;
}

static inline float itr_verf(float x)
{
	float c = x < -4.0f ? -4.0f : x > 4.0f ? 4.0f : x, z = c * c;
	float p = -2.72614225801306e-10f;
	p = p * z + 2.77068142495902e-08f;
	p = p * z + -2.10102402082508e-06f;
	p = p * z + -5.69250639462346e-05f;
	p = p * z + -7.34990630326855e-04f;
	p = p * z + -2.95459980854025e-03f;
	p = p * z + -1.60960333262415e-02f;
	float q = -1.45660718464996e-05f;
	q = q * z + -2.13374055278905e-04f;
	q = q * z + -1.68282697438203e-03f;
	q = q * z + -7.37332916720468e-03f;
	q = q * z + -1.42647390514189e-02f;
	return c * p / q;
}

#endif
