/* lib/image/classic: what the descriptor sees, and that it is the same for everyone */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "image/classic.h"

enum { S = ITR_CLASSIC_SIDE, D = ITR_CLASSIC_DIM, P = ITR_CLASSIC_GRID * ITR_CLASSIC_GRID, CELL = 32 };

static itr_classic *classic;
static uint8_t rgb[S * S * 3];
static float pooled[D], other[D], patches[P * D];

static void fill(int r, int g, int b)
{
	for (int i = 0; i < S * S; i++) {
		rgb[3 * i] = (uint8_t)r;
		rgb[3 * i + 1] = (uint8_t)g;
		rgb[3 * i + 2] = (uint8_t)b;
	}
}

static void square(int x0, int y0, int side, int r, int g, int b)
{
	for (int y = y0; y < y0 + side; y++)
		for (int x = x0; x < x0 + side; x++) {
			uint8_t *p = rgb + 3 * (y * S + x);
			p[0] = (uint8_t)r, p[1] = (uint8_t)g, p[2] = (uint8_t)b;
		}
}

static void test_colours(void **state)
{
	(void)state;
	fill(255, 0, 0);
	itr_classic_describe(classic, rgb, pooled, NULL);
	for (int c = 0; c < P; c++) {
		assert_true(pooled[c * CELL] > 0.99f);              /* hue bin 0 is red */
		for (int k = 1; k < 16; k++)
			assert_true(pooled[c * CELL + k] < 0.01f);
		assert_true(pooled[c * CELL + CELL - 1] == 0);      /* no gradient */
	}
	fill(128, 128, 128);
	itr_classic_describe(classic, rgb, pooled, NULL);
	for (int k = 0; k < 12; k++)
		assert_true(pooled[k] == 0);                        /* grey has no hue */
}

static void test_place(void **state)
{
	(void)state;
	fill(255, 255, 255);
	square(32, 64, 32, 0, 0, 255);                              /* row 2, column 1 */
	itr_classic_describe(classic, rgb, pooled, NULL);
	for (int c = 0; c < P; c++) {
		float blue = pooled[c * CELL + 8];                  /* 240 degrees = bin 8 */
		assert_true(c == 2 * 7 + 1 ? blue > 0.99f : blue == 0);
	}
}

static void test_orientation(void **state)
{
	(void)state;
	for (int y = 0; y < S; y++)
		for (int x = 0; x < S; x++)
			/* vertical stripes: gradients at 0 degrees, between bins 8 and 0 */
			memset(rgb + 3 * (y * S + x), x / 8 % 2 ? 255 : 0, 3);
	itr_classic_describe(classic, rgb, pooled, NULL);
	assert_true(pooled[24 * CELL + 22] == pooled[24 * CELL + 22 + 8]);
	for (int k = 1; k < 8; k++)
		assert_true(pooled[24 * CELL + 22] > 3 * pooled[24 * CELL + 22 + k]);
	for (int y = 0; y < S; y++)
		memset(rgb + 3 * S * y, y / 8 % 2 ? 255 : 0, 3 * S);            /* horizontal ones: 90 degrees, bin 4 */
	itr_classic_describe(classic, rgb, pooled, NULL);
	for (int k = 0; k < 9; k++)
		assert_true(k == 4 || pooled[24 * CELL + 22 + 4] > 3 * pooled[24 * CELL + 22 + k]);
}

static void noise(uint64_t seed)
{
	for (size_t i = 0; i < sizeof rgb; i++)
		rgb[i] = (uint8_t)(itr_mix64(seed + i) >> 56);
}

static void test_range(void **state)
{
	(void)state;
	noise(1);
	itr_classic_describe(classic, rgb, pooled, patches);
	for (int i = 0; i < D; i++)
		assert_true(isfinite(pooled[i]) && fabsf(pooled[i]) <= 2);
	for (int i = 0; i < P * D; i++)
		assert_true(isfinite(patches[i]) && fabsf(patches[i]) <= 2);
	itr_classic_describe(classic, rgb, other, NULL);
	assert_memory_equal(pooled, other, sizeof pooled);          /* with and without patches */
}

static void test_patch_is_local(void **state)
{
	float *before = malloc(sizeof patches);
	(void)state;
	noise(2);
	itr_classic_describe(classic, rgb, pooled, patches);
	memcpy(before, patches, sizeof patches);
	square(200, 200, 20, 0, 255, 0);                            /* bottom right: patches in the top left half do not notice */
	itr_classic_describe(classic, rgb, pooled, patches);
	for (int p = 0; p < P; p++) {
		bool near = p / 7 >= 5 && p % 7 >= 5;
		assert_int_equal(memcmp(before + p * D, patches + p * D, D * sizeof *before) != 0, near);
	}
	free(before);
}

/* The same bits on every machine and compiler: integer arithmetic up to a correctly rounded square root. The hash was made on x86-64 with
 * gcc. */
static void test_same_bits(void **state)
{
	char hex[ITR_SHA256_HEX];
	(void)state;
	noise(3);
	square(20, 30, 90, 250, 120, 10);
	square(130, 100, 60, 20, 60, 200);
	itr_classic_describe(classic, rgb, pooled, patches);
	for (int i = 0; i < D; i++)
		pooled[i] += 0.0f;                                  /* -0 and 0 are one */
	itr_sha256_bytes(pooled, sizeof pooled, hex);
	assert_string_equal(hex, "de4e56fc30d3fdbc86d2f425709195451af5a564d7e76715f84d8b636a14bf23");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_colours),        cmocka_unit_test(test_place),
		                            cmocka_unit_test(test_orientation),    cmocka_unit_test(test_range),
		                            cmocka_unit_test(test_patch_is_local), cmocka_unit_test(test_same_bits) };
	classic = itr_classic_new();
	int bad = cmocka_run_group_tests(tests, NULL, NULL);
	itr_classic_free(classic);
	return bad;
}
