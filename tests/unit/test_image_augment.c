/* Augmentation: pixels are Pillow's (augment.txt), draws are torchvision's ranges and depend on (seed, epoch, row) alone, captions with
 * sides are known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/path.h"
#include "image/augment.h"

enum { W = 53, H = 37 };

static void picture(itr_image *img)
{
	itr_image_alloc(img, W, H);
	for (int y = 0; y < H; y++)
		for (int x = 0; x < W; x++)
			for (int c = 0; c < 3; c++)
				img->rgb[(y * W + x) * 3 + c] = (uint8_t)((x * 7 + y * 13 + c * 91 + x * y * (c + 1)) % 256);
}

static void expect(const char *golden, const char *name, const itr_image *img)
{
	char hex[ITR_SHA256_HEX], line[200];
	itr_sha256_bytes(img->rgb, (size_t)img->width * (size_t)img->height * 3, hex);
	snprintf(line, sizeof line, "%s %s\n", name, hex);
	if (!strstr(golden, line))
		fail_msg("'%s' is not Pillow's", name);
}

static char *golden_text(void)
{
	itr_err err = ITR_ERR_INIT;
	size_t n;
	char *text = itr_path_read("tests/golden/augment.txt", 1 << 20, &n, &err);
	if (!text)
		text = itr_path_read("../../tests/golden/augment.txt", 1 << 20, &n, &err);
	if (!text)
		fail_msg("%s", err.msg);
	return text;
}

static void test_pixels(void **state)
{
	static const char *const factors[] = { "0.0", "0.37", "0.8", "1.0", "1.2", "1.9" };
	const itr_preset small = { .name = "small", .crop = 24, .filter = ITR_BILINEAR };
	const itr_augment all = { ITR_AUGMENT_CROP | ITR_AUGMENT_FLIP | ITR_AUGMENT_COLOUR, 0.1, { 0, 0, 0 } },
			  shape = { ITR_AUGMENT_CROP | ITR_AUGMENT_FLIP, 0.1, { 0, 0, 0 } };
	itr_augment_draw d = { { 11, 4, 30, 25 }, true, { 1.1, 0.9, 1.25 }, { 1, 0, 2 } };
	itr_err err = ITR_ERR_INIT;
	itr_image img, out;
	char *golden = golden_text(), name[64];
	(void)state;
	for (int kind = 0; kind < 3; kind++)
		for (int f = 0; f < ITR_LEN(factors); f++) {
			picture(&img);
			itr_image_enhance(&img, kind, strtod(factors[f], NULL));
			snprintf(name, sizeof name, "enhance %d %s", kind, factors[f]);
			expect(golden, name, &img);
			itr_image_free(&img);
		}
	picture(&img);
	assert_int_equal(itr_augment_apply(&shape, &d, &small, &img, &out, &err), 0);
	expect(golden, "crop 11 4 30 25 flip", &out);
	itr_image_free(&out);
	assert_int_equal(itr_augment_apply(&all, &d, &small, &img, &out, &err), 0);
	expect(golden, "crop flip contrast brightness color", &out);
	itr_image_free(&out);
	itr_image_free(&img);
	free(golden);
}

static void test_draws(void **state)
{
	const itr_augment a = { itr_augment_kinds_of(3), 0.3, { 0.2, 0.2, 0.4 } };
	static const int sides[][2] = { { 640, 480 }, { 1, 1 }, { 3, 900 }, { 500, 7 } };
	itr_augment_draw d, e;
	int flips = 0;
	double low = 9, high = 0;
	(void)state;
	for (int s = 0; s < ITR_LEN(sides); s++)
		for (uint64_t row = 0; row < 500; row++) {
			const int w = sides[s][0], h = sides[s][1];
			itr_augment_sample(&a, w, h, 42, 3, row, row % 2, &d);
			itr_augment_sample(&a, w, h, 42, 3, row, row % 2, &e);
			assert_int_equal(d.box.left, e.box.left);
			assert_true(d.factor[2] == e.factor[2]);
			assert_true(d.box.left >= 0 && d.box.top >= 0 && d.box.width > 0 && d.box.height > 0 &&
			            d.box.left + d.box.width <= w && d.box.top + d.box.height <= h);
			assert_false(d.flip && row % 2 == 0);
			flips += d.flip;
			for (int k = 0; k < 3; k++)
				assert_true(fabs(d.factor[k] - 1) <= a.jitter[k] && d.order[k] >= 0 && d.order[k] < 3);
			assert_int_equal(d.order[0] + d.order[1] + d.order[2], 3);
			const double share = (double)d.box.width * (double)d.box.height / ((double)w * (double)h),
				     ratio = (double)d.box.width / (double)d.box.height;
			if (s == 0) {
				assert_true(share > 0.29 && share <= 1 && ratio > 0.74 && ratio < 1.35);
				low = fmin(low, share);
				high = fmax(high, share);
			}
			itr_augment_sample(&a, w, h, 42, 4, row, true, &e);
			if (s == 0 && row == 1)
				assert_true(d.box.left != e.box.left || d.box.width != e.box.width);
		}
	assert_true(low < 0.35 && high > 0.9);
	assert_in_range(flips, 400, 600);               /* half of the 1,000 that may */
}

static void test_sides(void **state)
{
	(void)state;
	assert_true(itr_caption_has_side("A dog LEFT of the tree."));
	assert_true(itr_caption_has_side("the right-hand side"));
	assert_true(itr_caption_has_side("turning clockwise"));
	assert_false(itr_caption_has_side("A brightly lit leftover pizza"));
	assert_false(itr_caption_has_side(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_pixels), cmocka_unit_test(test_draws), cmocka_unit_test(test_sides) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
