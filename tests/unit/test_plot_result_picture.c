/* The retrieval picture: drawn at the size that its rows need, script and tiles kept, a missing picture named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/proc.h"
#include "image/image.h"
#include "plot/result_picture.h"

static char root[256];

static int setup(void **state)
{
	const char *keep = getenv("ITR_KEEP_PLOTS");
	(void)state;
	snprintf(root, sizeof root, "%s", keep ? keep : "/tmp/itr-sheet.XXXXXX");
	return keep || mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return getenv("ITR_KEEP_PLOTS") ? 0 : itr_path_remove_tree(root, NULL);
}

static char *picture(int number, int width, int height)
{
	itr_image img;
	itr_err err = ITR_ERR_INIT;
	char *path = itr_xasprintf("%s/p%d.jpg", root, number);
	itr_image_alloc(&img, width, height);
	for (int i = 0; i < width * height * 3; i++)
		img.rgb[i] = (uint8_t)(i % 3 == number % 3 ? 200 : (i / 3 % width) * 255 / width);
	if (itr_image_write_jpeg(path, &img, 90, &err) < 0)
		fail_msg("%s", err.msg);
	itr_image_free(&img);
	return path;
}

static void test_result_picture(void **state)
{
	char *png = itr_path_join(root, "sheet.png"), *gp = itr_path_join(root, "sheet.gp"),
	     *tiles = itr_path_join(root, "sheet.tiles.png"), *paths[6];
	itr_err err = ITR_ERR_INIT;
	itr_result_row rows[2] = { { .caption = "two small red circles on a dark green field, and it's `date` that \xC3\xBC"
		                               "berrascht: averyveryverylongwordwithoutanyspaceinit",
		                    .note = "caption 17",
		                    .n_hits = 5 },
		                  { .caption = "short", .n_hits = 3 } };
	(void)state;
	for (int i = 0; i < 6; i++)
		paths[i] = picture(i, i % 2 ? 300 : 120, i % 3 ? 200 : 320);
	for (int i = 0; i < 5; i++)
		rows[0].hits[i] = rows[1].hits[i] =
			(itr_result_hit){ paths[i], "scene-000123", 0.9 - 0.1 * i, i == 1 ? ITR_RESULT_HIT : ITR_RESULT_MISS };
	rows[1].hits[1].mark = ITR_RESULT_MISS;
	rows[1].truth = paths[5];
	rows[1].truth_name = "rank 17";
	int rc = itr_result_picture_render(png, "What the captions find", "1 of 2 in the top 5", rows, 2, 2, &err);
	assert_true(itr_path_size(gp) > 0 && itr_path_size(tiles) > 0);
	if (!itr_proc_exists("gnuplot")) {
		assert_int_equal(rc, -1);
	} else {
		if (rc < 0)
			fail_msg("%s", err.msg);
		itr_image img, t;
		assert_int_equal(itr_image_read(&img, png, NULL, &err), 0);
		assert_int_equal(itr_image_read(&t, tiles, NULL, &err), 0);
		assert_int_equal(img.width, t.width);
		assert_int_equal(img.height, t.height);
		/* a pixel in the middle of the second picture is the tile's own (gnuplot lays it down unscaled) */
		int x = 24 + 270 + 176 + 18 + 88, y = 92 + 88;
		for (int c = 0; c < 3; c++)
			/* one pixel aside at most: a gradient of 2 a pixel */
			assert_true(abs(img.rgb[(y * img.width + x) * 3 + c] - t.rgb[(y * t.width + x) * 3 + c]) <= 8);
		itr_image_free(&img);
		itr_image_free(&t);
	}
	rows[0].hits[2].image = "/nonexistent/x.jpg";
	assert_int_equal(itr_result_picture_render(png, "t", NULL, rows, 2, 2, &err), -1);
	assert_non_null(strstr(err.msg, "/nonexistent/x.jpg"));
	for (int i = 0; i < 6; i++)
		free(paths[i]);
	free(png), free(gp), free(tiles);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_result_picture) };
	return cmocka_run_group_tests_name("sheet", tests, setup, teardown);
}
