/* lib/image/resize.c against Pillow (tests/golden/gen_resize.py): equality, not closeness - the fixed-point arithmetic is the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/hash.h"
#include "image/image.h"

static void picture(itr_image *img, int width, int height, uint32_t seed)
{
	uint32_t x = seed;
	itr_image_alloc(img, width, height);
	for (int i = 0; i < width * height * 3; i++) {
		x = x * 1664525u + 1013904223u;
		img->rgb[i] = seed % 3 == 0 ? (x >> 31 ? 255 : 0) : (uint8_t)(x >> 24);
	}
}

static void test_golden(void **state)
{
	(void)state;
	char line[512], want[65], have[ITR_SHA256_HEX];
	int cases = 0, w, h, W, H, filter;
	unsigned seed;
	FILE *f = fopen("tests/golden/resize.txt", "r");
	assert_non_null(f);
	while (fgets(line, sizeof line, f)) {
		if (line[0] == '#')
			continue;
		assert_int_equal(sscanf(line, "%d %d %d %d %d %u %64s", &w, &h, &W, &H, &filter, &seed, want), 7);
		itr_image src, dst;
		picture(&src, w, h, seed);
		itr_image_resize(&dst, &src, W, H, (itr_filter)filter);
		assert_int_equal(dst.width, W);
		assert_int_equal(dst.height, H);
		itr_sha256_bytes(dst.rgb, (size_t)W * (size_t)H * 3, have);
		if (strcmp(have, want))
			fail_msg("%d x %d to %d x %d, filter %d differs from Pillow", w, h, W, H, filter);
		itr_image_free(&src);
		itr_image_free(&dst);
		cases++;
	}
	fclose(f);
	assert_true(cases >= 40);
}

static void test_crop_outside_is_black(void **state)
{
	(void)state;
	itr_image src, dst;
	picture(&src, 5, 4, 1);
	itr_image_crop(&dst, &src, -1, 2, 4, 4);
	assert_int_equal(dst.rgb[0] | dst.rgb[1] | dst.rgb[2], 0);
	assert_memory_equal(dst.rgb + 3, src.rgb + 2 * 5 * 3, 9);
	assert_memory_equal(dst.rgb + 12 + 3, src.rgb + 3 * 5 * 3, 9);
	for (int i = 24; i < 48; i++)
		assert_int_equal(dst.rgb[i], 0);
	itr_image_free(&dst);
	itr_image_crop(&dst, &src, 100, -50, 2, 2);
	for (int i = 0; i < 12; i++)
		assert_int_equal(dst.rgb[i], 0);
	itr_image_free(&dst);
	itr_image_free(&src);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_golden), cmocka_unit_test(test_crop_outside_is_black) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
