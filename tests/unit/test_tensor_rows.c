/* lib/tensor/dtype.c and rows.c. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "tensor/dtype.h"
#include "tensor/rows.h"

static uint32_t state_ = 99;
static uint32_t next(void) { return state_ = state_ * 1664525u + 1013904223u; }
static float float_of(uint32_t u) { float x; memcpy(&x, &u, sizeof x); return x; }

static void test_half_round_trip(void **state)
{
	(void)state;
	for (uint32_t h = 0; h < 65536; h++) {
		float x = itr_f16_to_f32((uint16_t)h), b = itr_bf16_to_f32((uint16_t)h);
		if (isnan(x))
			assert_true(isnan(itr_f16_to_f32(itr_f16_from_f32(x))));
		else
			assert_int_equal(itr_f16_from_f32(x), h);
		if (isnan(b))
			assert_true(isnan(itr_bf16_to_f32(itr_bf16_from_f32(b))));
		else
			assert_int_equal(itr_bf16_from_f32(b), h);
	}
	assert_true(itr_f16_to_f32(0x3c00) == 1.0f && itr_f16_to_f32(0x0001) == 0x1p-24f && itr_f16_to_f32(0x7bff) == 65504.0f);
}

/* The two neighbours of what came out are no nearer; on a tie the last bit is 0. Works on magnitudes as integers, exactly, in double. */
static void nearest(float x, uint16_t h, float (*back)(uint16_t), uint16_t infinity)
{
	double a = fabs((double)x), here = fabs((double)back(h & 0x7fff));
	uint16_t m = h & 0x7fff;
	assert_int_equal(h >> 15, signbit(x) ? 1 : 0);
	/* the step above the largest finite number counts as one more step of the same size, as IEEE rounding has it */
	double top = fabs((double)back(infinity - 1)), step = top - fabs((double)back(infinity - 2));
	if (m == infinity)
		here = top + step;
	double below = m > 0 ? fabs((double)back(m - 1)) : -1,
	       above = m < infinity ? m + 1 == infinity ? top + step : fabs((double)back(m + 1)) : HUGE_VAL;
	double d = fabs(a - here);
	if (m == infinity && a > here)
		return;
	if (m > 0)
		assert_true(d < a - below || (d == a - below && !(m & 1)));
	if (m < infinity)
		assert_true(d < above - a || (d == above - a && !(m & 1)));
}

static void test_half_rounds_to_nearest_even(void **state)
{
	(void)state;
	for (int i = 0; i < 400000; i++) {
		uint32_t u = next();
		if (i & 1)                                         /* half of them exactly between two halves */
			u = (u & 0xffffe000) | 0x1000;
		if (i % 3 == 0)
			u = (u & 0x807fffff) | (100 + (u >> 23) % 45) << 23;       /* the range where halves live */
		float x = float_of(u);
		if (isnan(x)) {
			assert_true(isnan(itr_f16_to_f32(itr_f16_from_f32(x))) && isnan(itr_bf16_to_f32(itr_bf16_from_f32(x))));
			continue;
		}
		if (isinf(x))
			continue;
		nearest(x, itr_f16_from_f32(x), itr_f16_to_f32, 0x7c00);
		nearest(x, itr_bf16_from_f32(x), itr_bf16_to_f32, 0x7f80);
	}
	assert_int_equal(itr_f16_from_f32(65519.996f), 0x7bff);
	assert_int_equal(itr_f16_from_f32(65520.0f), 0x7c00);
	assert_int_equal(itr_f16_from_f32(-INFINITY), 0xfc00);
	assert_int_equal(itr_bf16_from_f32(3.4e38f), 0x7f80);
	uint16_t h[3];
	float f[3] = { 1, -2, 0.5f }, g[3];
	itr_f16_from_f32_n(h, f, 3), itr_f16_to_f32_n(g, h, 3);
	assert_memory_equal(f, g, sizeof f);
	itr_bf16_from_f32_n(h, f, 3), itr_bf16_to_f32_n(g, h, 3);
	assert_memory_equal(f, g, sizeof f);
}

static void test_conversions(void **state)
{
	(void)state;
	const uint64_t u[] = { 1, UINT64_C(1) << 63 };
	const double whole[] = { -3, 0x1p62, -0x1p63 }, broken[] = { 1, 0.5 }, huge[] = { 0x1p63 }, nan_[] = { NAN };
	const float fl[] = { 7, 16777216 }, ffrac[] = { 2.25f };
	const uint8_t flags[] = { 0, 1, 7 };
	const int8_t small[] = { -128, 127 };
	char odd[1 + 2 * sizeof(int32_t)];
	int64_t out[3];
	float f[3];
	assert_int_equal(itr_to_i64(out, u, ITR_U64, 1), 0);
	assert_int_equal(itr_to_i64(out, u, ITR_U64, 2), -1);
	assert_int_equal(itr_to_i64(out, whole, ITR_F64, 3), 0);
	assert_true(out[0] == -3 && out[1] == INT64_C(1) << 62 && out[2] == INT64_MIN);
	assert_int_equal(itr_to_i64(out, broken, ITR_F64, 2), -1);
	assert_int_equal(itr_to_i64(out, huge, ITR_F64, 1), -1);
	assert_int_equal(itr_to_i64(out, nan_, ITR_F64, 1), -1);
	assert_int_equal(itr_to_i64(out, fl, ITR_F32, 2), 0);
	assert_int_equal(out[1], 16777216);
	assert_int_equal(itr_to_i64(out, ffrac, ITR_F32, 1), -1);
	assert_int_equal(itr_to_i64(out, flags, ITR_BOOL, 3), 0);
	assert_true(out[0] == 0 && out[1] == 1 && out[2] == 1);
	itr_to_f32(f, small, ITR_I8, 2);
	assert_true(f[0] == -128 && f[1] == 127);
	const int32_t v[] = { -5, 1 << 20 };
	memcpy(odd + 1, v, sizeof v);                              /* any alignment */
	itr_to_f32(f, odd + 1, ITR_I32, 2);
	assert_true(f[0] == -5 && f[1] == 1 << 20);
	assert_int_equal(itr_dtype_size(ITR_I16), 2);
	assert_string_equal(itr_dtype_name(ITR_U8), "uint8");
	for (int t = 0; t < ITR_DTYPE_COUNT; t++)
		assert_true(itr_dtype_size((itr_dtype)t) > 0 && itr_dtype_name((itr_dtype)t));
}

static void test_normalize(void **state)
{
	(void)state;
	enum { ROWS = 1300, DIM = 131 };
	float *x = itr_xmalloc(ROWS * DIM * sizeof *x), *y = itr_xmalloc(ROWS * DIM * sizeof *y);
	for (int i = 0; i < ROWS * DIM; i++)
		x[i] = (float)((int32_t)next() >> 8) * 0x1p-20f;
	memset(x + 700 * DIM, 0, DIM * sizeof *x);
	for (int i = 0; i < DIM; i++) {
		x[3 * DIM + i] = 1e-42f;                           /* a row of subnormals still has a direction */
		x[4 * DIM + i] = 3e38f;                            /* and so has one whose float sum of squares overflows */
	}
	memcpy(y, x, ROWS * DIM * sizeof *y);
	assert_int_equal(itr_rows_normalize(x, ROWS, DIM, 1), 1);
	assert_int_equal(itr_rows_normalize(y, ROWS, DIM, 3), 1);
	assert_memory_equal(x, y, ROWS * DIM * sizeof *x);
	for (int r = 0; r < ROWS; r++) {
		double s = 0;
		for (int i = 0; i < DIM; i++)
			s += (double)x[r * DIM + i] * (double)x[r * DIM + i];
		assert_true(r == 700 ? s == 0 : fabs(s - 1) < 1e-6);      /* DIM roundings of 2^-24 each, averaged */
	}
	itr_rows_check c = itr_rows_inspect(x, ROWS, DIM, 2);
	assert_true(c.bad_row == -1 && c.zero_rows == 1 && c.not_unit == 1 && !c.constant);
	x[900 * DIM + 5] = NAN;
	x[901 * DIM] = INFINITY;
	assert_int_equal(itr_rows_inspect(x, ROWS, DIM, 2).bad_row, 900);
	for (int r = 1; r < ROWS; r++)
		memcpy(x + r * DIM, x, DIM * sizeof *x);
	assert_true(itr_rows_inspect(x, ROWS, DIM, 2).constant);
	assert_false(itr_rows_inspect(x, 1, DIM, 2).constant);
	assert_true(itr_rows_inspect(x, 0, DIM, 2).bad_row == -1);
	free(x), free(y);
}

static void test_finite(void **state)
{
	enum { N = 9001 };
	const int64_t at[] = { 0, 1, 4095, 4096, 8191, 8192, N - 1 };
	float *x = calloc(N, sizeof *x);
	(void)state;
	assert_non_null(x);
	assert_int_equal(itr_first_not_finite(x, 0), -1);
	x[7] = FLT_MAX, x[8] = -FLT_MAX, x[9] = 1e-45F;
	assert_int_equal(itr_first_not_finite(x, N), -1);
	for (int i = ITR_LEN(at) - 1; i >= 0; i--) {
		x[at[i]] = i % 3 == 0 ? NAN : i % 3 == 1 ? INFINITY : -INFINITY;
		assert_int_equal(itr_first_not_finite(x, N), at[i]);
	}
	free(x);
}

static void test_alike(void **state)
{
	enum { ROWS = 3000, DIM = 3 };
	static float x[ROWS * DIM];
	(void)state;
	for (int i = 0; i < ROWS * DIM; i++)
		x[i] = 1 + (float)(i % DIM) + 1e-5F * (float)(i % 7);
	assert_true(itr_rows_alike(x, ROWS, DIM));
	assert_false(itr_rows_alike(x, 1, DIM));
	x[1001 * DIM] = -50;            /* a row that no sample looks at */
	assert_false(itr_rows_alike(x, ROWS, DIM));
	for (int i = 0; i < ROWS * DIM; i++)
		x[i] = (float)(i % 5);
	assert_false(itr_rows_alike(x, ROWS, DIM));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_finite),          cmocka_unit_test(test_alike),
		                            cmocka_unit_test(test_half_round_trip), cmocka_unit_test(test_half_rounds_to_nearest_even),
		                            cmocka_unit_test(test_conversions),     cmocka_unit_test(test_normalize) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
