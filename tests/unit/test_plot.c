/* Figures: the script holds nothing but quoted text, gnuplot draws it (where it is installed), the script can be run again from elsewhere.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/proc.h"
#include "plot/plot.h"

static char root[256];

static int setup(void **state)
{
	const char *keep = getenv("ITR_KEEP_PLOTS");            /* a folder to look at the pictures in */
	(void)state;
	snprintf(root, sizeof root, "%s", keep ? keep : "/tmp/itr-plot.XXXXXX");
	return keep || mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return getenv("ITR_KEEP_PLOTS") ? 0 : itr_path_remove_tree(root, NULL);
}

/* Draws; checks the size in the PNG's header. Without gnuplot: the message, and script and data are there. */
static void expect_picture(itr_figure *f, const char *png, int width, int height)
{
	itr_err err = ITR_ERR_INIT;
	char *gp = itr_path_replace_extension(png, ".gp"), *dat = itr_path_replace_extension(png, ".dat");
	int rc = itr_figure_render(f, &err);
	assert_true(itr_path_size(gp) > 0 && itr_path_size(dat) >= 0);
	if (!itr_proc_exists("gnuplot")) {
		assert_int_equal(rc, -1);
		assert_non_null(strstr(err.msg, "apt-get install gnuplot-nox"));
	} else {
		if (rc < 0)
			fail_msg("%s", err.msg);
		unsigned char *bytes = (unsigned char *)itr_path_read(png, 1 << 24, NULL, NULL);
		assert_non_null(bytes);
		assert_memory_equal(bytes, "\x89PNG\r\n\x1a\n", 8);
		assert_int_equal(bytes[18] << 8 | bytes[19], width);
		assert_int_equal(bytes[22] << 8 | bytes[23], height);
		free(bytes);
	}
	free(gp), free(dat);
}

static void test_panels(void **state)
{
	static const double dims[] = { 256, 512, 1024 }, fp32[] = { 0.41, 0.47, 0.49 }, low[] = { 0.38, 0.44, 0.46 },
			    high[] = { 0.44, 0.50, 0.52 }, int4[] = { 0.33, 0.41, NAN };
	static const char *const precisions[] = { "fp32", "fp16", "int8", "int4" }, *const pools[] = { "100", "200", "300", "400", "500" };
	double heat[20], boxes[3][15], ours[12], theirs[12];
	char *png = itr_path_join(root, "panels.png");
	(void)state;
	for (int i = 0; i < 20; i++)
		heat[i] = i == 7 ? NAN : 0.9 - 0.04 * (i % 5) - 0.05 * (i / 5);
	for (int k = 0; k < 3; k++)
		for (int i = 0; i < 15; i++)
			boxes[k][i] = 0.3 + 0.1 * k + 0.03 * sin(i * 1.7) + (i == 3 ? 0.2 : 0);
	for (int i = 0; i < 12; i++)
		ours[i] = 0.3 + 0.02 * i, theirs[i] = 0.31 + 0.018 * i + 0.02 * cos(i);
	itr_figure *f = itr_figure_new(png, 2, 3, "Candidate pools: recall, precision, speed");
	itr_panel *p = itr_figure_panel(f, "by dimension", "dimensions", "Recall@10");
	itr_panel_line(p, "fp32", 3, dims, fp32, low, high);
	itr_panel_line(p, "int4", 3, dims, int4, NULL, NULL);
	itr_panel_hline(p, "chance", 0.02);
	itr_panel_log(p, true, false);
	itr_panel_x_ticks(p, 3, dims);
	p = itr_figure_panel(f, "by precision", NULL, "Recall@10");
	for (int k = 0; k < 3; k++)
		itr_panel_box(p, precisions[k], 15, boxes[k]);
	itr_panel_hline(p, "chance", 0.1);
	p = itr_figure_panel(f, "recall, precision by pool", "candidates", NULL);
	itr_panel_heat(p, 4, 5, precisions, pools, heat, 3);
	p = itr_figure_panel(f, "text to image against image to text", "text to image", "image to text");
	itr_panel_scatter(p, NULL, 12, ours, theirs);
	itr_panel_diagonal(p);
	p = itr_figure_panel(f, "speed", NULL, "queries per second");
	itr_panel_categories(p, 3, precisions);
	itr_panel_bars(p, "one thread", 3, fp32, low, high);
	itr_panel_bars(p, "two threads", 3, low, NULL, NULL);
	p = itr_figure_panel(f, "nothing", "x", "y");
	(void)p;
	expect_picture(f, png, 1920, 920);
	free(png);
}

/* Quotes, backquotes, macros, line breaks, gnuplot's own mark-up, bad UTF-8: shown as they are, nothing runs. */
static void test_hostile_text(void **state)
{
	static const char nasty[] = "it's `touch owned` @x $(touch owned) \"q\" \\n a_b^{c} %s\n'; system('touch owned') \xFF\x01";
	static const double x[] = { 1, 2 }, y[] = { 1, 4 };
	static const char *const texts[] = { nasty, "b" };
	char *png = itr_path_join(root, "it's `x` $y.png"), *owned = itr_path_join(root, "owned"),
	     *gp = itr_path_replace_extension(png, ".gp");
	(void)state;
	itr_figure *f = itr_figure_new(png, 1, 1, nasty);
	itr_panel *p = itr_figure_panel(f, NULL, nasty, nasty);
	itr_panel_line(p, nasty, 2, x, y, NULL, NULL);
	itr_panel_scatter(p, nasty, 2, y, x);
	itr_panel_labels(p, 2, x, y, texts);
	itr_figure_size(f, 900, 500);
	expect_picture(f, png, 900, 500);
	assert_false(itr_path_exists(owned));
	assert_false(itr_path_exists("owned"));
	char *text = itr_path_read(gp, 1 << 20, NULL, NULL);
	assert_null(strstr(text, "\n'; system"));
	assert_non_null(strstr(text, "it''s `touch owned`"));
	free(text), free(png), free(owned), free(gp);
}

/* The user's way: gnuplot on the script, from another folder, makes the same picture where the first one was. */
static void test_again(void **state)
{
	static const double x[] = { 1, 2, 3 }, y[] = { 1, 4, 9 };
	itr_err err = ITR_ERR_INIT;
	char *png = itr_path_join(root, "again/curve.png"), *gp = itr_path_replace_extension(png, ".gp");
	size_t first = 0, second = 0;
	(void)state;
	itr_figure *f = itr_figure_new(png, 1, 1, "again");
	itr_panel_line(itr_figure_panel(f, NULL, "x", "y"), NULL, 3, x, y, NULL, NULL);
	expect_picture(f, png, 640, 460);
	if (!itr_proc_exists("gnuplot")) {
		free(png), free(gp);
		skip();
	}
	char *a = itr_path_read(png, 1 << 24, &first, &err);
	assert_int_equal(unlink(png), 0);
	const char *argv[] = { "gnuplot", gp, NULL };
	if (itr_proc_run(argv, "/", NULL, 0, &err) < 0)
		fail_msg("%s", err.msg);
	char *b = itr_path_read(png, 1 << 24, &second, &err);
	assert_non_null(b);
	assert_int_equal(first, second);
	assert_memory_equal(a, b, first);
	free(a), free(b), free(png), free(gp);
}

/* A script that gnuplot refuses: its message arrives, the old picture stays. */
static void test_refused(void **state)
{
	itr_err err = ITR_ERR_INIT;
	char *png = itr_path_join(root, "bad.png"), *gp = itr_path_join(root, "bad.gp");
	(void)state;
	FILE *f = fopen(png, "w");
	fputs("old", f);
	fclose(f);
	f = fopen(gp, "w");
	fputs("plot nonsense(\n", f);
	fclose(f);
	assert_int_equal(itr_plot_run(png, &err), -1);
	assert_non_null(strstr(err.msg, "bad.p"));
	assert_int_equal(itr_path_size(png), 3);
	free(png), free(gp);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_panels), cmocka_unit_test(test_hostile_text),
		                            cmocka_unit_test(test_again), cmocka_unit_test(test_refused) };
	return cmocka_run_group_tests_name("track_plot", tests, setup, teardown);
}
