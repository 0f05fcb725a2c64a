/* lib/image/resize.c against Pillow (tests/golden/gen_resize.py): equality, not closeness - the fixed-point arithmetic is the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cpu.h"
#include "base/hash.h"
#include "base/path.h"
#include "image/image.h"
#include "image/resize_kernel.h"

static void picture(itr_image *img, int width, int height, uint32_t seed)
{
	uint32_t x = seed;
	itr_image_alloc(img, width, height);
	for (int i = 0; i < width * height * 3; i++) {
		x = x * 1664525u + 1013904223u;
		img->rgb[i] = seed % 3 == 0 ? (x >> 31 ? 255 : 0) : (uint8_t)(x >> 24);
	}
}

/* All kernels that this processor has. */
static int kernels(const itr_resize_kernel *list[4])
{
	unsigned cpu = itr_cpu_features();
	int n = 0;
	list[n++] = &itr_resize_scalar;
#if defined(__x86_64__)
	if (cpu & ITR_CPU_AVX2)
		list[n++] = &itr_resize_avx2;
	if (cpu & ITR_CPU_AVX512_VNNI)
		list[n++] = &itr_resize_avx512vnni;
#elif defined(__aarch64__)
	if (cpu & ITR_CPU_NEON)
		list[n++] = &itr_resize_neon;
#endif
	(void)cpu;
	return n;
}

static void test_golden(void **state)
{
	(void)state;
	const itr_resize_kernel *kern[4];
	int n_kernels = kernels(kern);
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
		for (int k = 0; k < n_kernels && (W != w || H != h); k++) {
			itr_image same;
			itr_resize_run(&same, &src, W, H, (itr_filter)filter, &(itr_box){ 0, 0, W, H }, kern[k]);
			if (memcmp(same.rgb, dst.rgb, (size_t)W * (size_t)H * 3))
				fail_msg("%d x %d to %d x %d, filter %d: kernel %s differs", w, h, W, H, filter, kern[k]->name);
			itr_image_free(&same);
		}
		itr_image_free(&src);
		itr_image_free(&dst);
		cases++;
	}
	fclose(f);
	assert_true(cases >= 500);
}

/* A box of the resized picture is what cropping the whole of it gives, for every kernel and both orders of the passes. */
static void test_box(void **state)
{
	(void)state;
	const itr_resize_kernel *kern[4];
	int n_kernels = kernels(kern);
	uint32_t x = 99;
	for (int i = 0; i < 300; i++) {
		int v[8];
		for (int k = 0; k < 8; k++)
			v[k] = (int)((x = x * 1664525u + 1013904223u) >> 8);
		int w = 1 + v[0] % (i % 3 ? 150 : 9), h = 1 + v[1] % (i % 5 ? 150 : 400), W = i % 7 ? 1 + v[2] % 90 : w,
		    H = i % 11 ? 1 + v[3] % 90 : h;
		itr_box b = { v[4] % W, v[5] % H, 0, 0 };
		b.width = 1 + v[6] % (W - b.left);
		b.height = 1 + v[7] % (H - b.top);
		itr_image src, whole, want, have;
		picture(&src, w, h, (uint32_t)i + 1);
		itr_image_resize(&whole, &src, W, H, (itr_filter)(i % 3));
		itr_image_crop(&want, &whole, b.left, b.top, b.width, b.height);
		for (int k = 0; k < n_kernels; k++) {
			if (W == w && H == h)
				itr_image_resize_box(&have, &src, W, H, (itr_filter)(i % 3), &b);
			else
				itr_resize_run(&have, &src, W, H, (itr_filter)(i % 3), &b, kern[k]);
			if (memcmp(have.rgb, want.rgb, (size_t)b.width * (size_t)b.height * 3))
				fail_msg("%d x %d to %d x %d, box %d x %d at %d, %d, kernel %s", w, h, W, H, b.width, b.height, b.left,
				         b.top, kern[k]->name);
			itr_image_free(&have);
		}
		itr_image_free(&src);
		itr_image_free(&whole);
		itr_image_free(&want);
	}
}

/* Real photographs with transparent backgrounds: decoded, laid over white, resized as Pillow does all three. */
static void test_stamps(void **state)
{
	(void)state;
	const char *shared = getenv("ITR_SHARED");
	char line[512], name[256], want[65], have[ITR_SHA256_HEX], path[1024];
	int W, H, filter, cases = 0;
	snprintf(path, sizeof path, "%s/data/stamps", shared ? shared : "../shared");
	if (!itr_path_exists(path)) {
		print_message("'%s' is absent: skipped\n", path);
		skip();
	}
	FILE *f = fopen("tests/golden/resize_stamps.txt", "r");
	assert_non_null(f);
	while (fgets(line, sizeof line, f)) {
		if (line[0] == '#')
			continue;
		assert_int_equal(sscanf(line, "%255s %d %d %d %64s", name, &W, &H, &filter, want), 5);
		snprintf(path, sizeof path, "%s/data/stamps/%s", shared ? shared : "../shared", name);
		itr_err err = ITR_ERR_INIT;
		itr_image src, dst;
		if (itr_image_read(&src, path, NULL, &err) < 0)
			fail_msg("%s", err.msg);
		itr_image_resize(&dst, &src, W, H, (itr_filter)filter);
		itr_sha256_bytes(dst.rgb, (size_t)W * (size_t)H * 3, have);
		if (strcmp(have, want))
			fail_msg("%s to %d x %d, filter %d differs from Pillow", name, W, H, filter);
		itr_image_free(&src);
		itr_image_free(&dst);
		cases++;
	}
	fclose(f);
	assert_int_equal(cases, 100);
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
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_golden), cmocka_unit_test(test_box), cmocka_unit_test(test_stamps),
		                            cmocka_unit_test(test_crop_outside_is_black) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
