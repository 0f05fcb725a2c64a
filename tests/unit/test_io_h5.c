/* HDF5: what is written is read back, in pieces and with conversions; half floats; text; incomplete and foreign files; same bytes twice. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/path.h"
#include "io/h5.h"

static char *temp(const char *name)
{
	return itr_xasprintf("%s/itr-h5-%ld-%s", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", (long)getpid(), name);
}

static itr_err err;
#define OK(call) do { if ((call) != 0) fail_msg("%s: %s", #call, err.msg); } while (0)

static void free_texts(char **t, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		free(t[i]);
	free(t);
}

static void write_sample(const char *path, bool commit)
{
	itr_h5 *h = itr_h5_create(path, "itr-features", true, &err);
	assert_non_null(h);
	float x[6] = { 1.5f, -2, 3.25f, 65504, 1e-8f, NAN };
	int64_t big[3] = { 1, (int64_t)1 << 60, -5 };
	uint8_t flags[4] = { 0, 1, 1, 0 };
	OK(itr_h5_write(h, "/image/pooled", ITR_F32, 2, (int64_t[]){ 3, 2 }, x, &err));
	OK(itr_h5_write(h, "/big", ITR_I64, 1, (int64_t[]){ 3 }, big, &err));
	OK(itr_h5_write(h, "/label/matrix", ITR_U8, 2, (int64_t[]){ 2, 2 }, flags, &err));
	OK(itr_h5_write(h, "/flags", ITR_BOOL, 1, (int64_t[]){ 4 }, flags, &err));
	OK(itr_h5_write(h, "/scalar", ITR_F64, 0, NULL, (double[]){ 2.5 }, &err));
	OK(itr_h5_write(h, "/empty", ITR_F32, 2, (int64_t[]){ 0, 4 }, NULL, &err));
	OK(itr_h5_create_rows(h, "/image/patches", ITR_F16, 3, (int64_t[]){ 2, 3, 1 }, &err));
	OK(itr_h5_write_rows(h, "/image/patches", ITR_F32, 1, 1, x + 3, &err));
	OK(itr_h5_write_rows(h, "/image/patches", ITR_F32, 0, 1, x, &err));
	OK(itr_h5_write_texts(h, "/image/id", (const char *const[]){ "a", "caf\xc3\xa9", "", "\xf0\x9f\x98\x80" }, 4, &err));
	OK(itr_h5_write_texts(h, "/none", NULL, 0, &err));
	OK(itr_h5_write_text(h, "/config", "{\"k\":1}", &err));
	OK(itr_h5_write_text(h, "/nothing", "", &err));
	OK(itr_h5_set_attr_text(h, "/image", "encoder", "classic", &err));
	OK(itr_h5_set_attr_text(h, "/image", "encoder", "classic2", &err));
	OK(itr_h5_set_attr_int(h, "/image", "normalized", 1, &err));
	if (commit)
		OK(itr_h5_commit(h, &err));
	else
		itr_h5_close(h);
}

static void test_beyond_float32(void **state)
{
	(void)state;
	char *path = temp("wide.h5");
	itr_h5 *h = itr_h5_create(path, "itr-features", true, &err);
	assert_non_null(h);
	OK(itr_h5_write(h, "/wide", ITR_F64, 2, (int64_t[]){ 2, 2 }, (double[]){ 1, 3.4028235e38, 1e300, NAN }, &err));
	OK(itr_h5_write(h, "/edge", ITR_F64, 1, (int64_t[]){ 3 }, (double[]){ -3.4028235e38, INFINITY, NAN }, &err));
	OK(itr_h5_commit(h, &err));
	h = itr_h5_open(path, NULL, &err);
	assert_null(itr_h5_read(h, "/wide", ITR_F32, NULL, &err));
	assert_non_null(strstr(err.msg, "row 1 holds 1e+300, which is beyond float32's range"));
	float *edge = itr_h5_read(h, "/edge", ITR_F32, NULL, &err);
	assert_true(edge && isfinite(edge[0]) && isinf(edge[1]) && isnan(edge[2]));
	itr_aligned_free(edge);
	itr_h5_close(h);
	unlink(path);
	free(path);
}

static void test_round_trip(void **state)
{
	(void)state;
	char *path = temp("round.h5");
	write_sample(path, true);
	itr_h5 *h = itr_h5_open(path, "itr-features", &err);
	if (!h)
		fail_msg("%s", err.msg);
	assert_true(itr_h5_is_synthetic(h));
	assert_string_equal(itr_h5_path(h), path);
	itr_h5_info info;
	float *x = itr_h5_read(h, "/image/pooled", ITR_F32, &info, &err);
	assert_non_null(x);
	assert_int_equal(info.rank, 2);
	assert_int_equal(info.shape[0], 3);
	assert_int_equal(info.count, 6);
	assert_true(x[2] == 3.25f && isnan(x[5]));
	itr_aligned_free(x);
	double *d = itr_h5_read(h, "/image/pooled", ITR_F64, NULL, &err);
	assert_true(d[3] == 65504 && d[4] == (double)1e-8f);
	itr_aligned_free(d);
	float row[2];
	OK(itr_h5_read_rows(h, "/image/pooled", ITR_F32, 1, 1, row, &err));
	assert_true(row[0] == 3.25f && row[1] == 65504);
	assert_int_equal(itr_h5_read_rows(h, "/image/pooled", ITR_F32, 2, 2, row, &err), -1);
	assert_int_equal(itr_h5_read_rows(h, "/image/pooled", ITR_F32, -1, 1, row, &err), -1);
	float half[6];
	OK(itr_h5_info_of(h, "/image/patches", &info, &err));
	assert_int_equal(info.dtype, ITR_F16);
	OK(itr_h5_read_rows(h, "/image/patches", ITR_F32, 0, 2, half, &err));
	assert_true(half[0] == 1.5f && half[3] == 65504 && half[4] == 0 && isnan(half[5]));
	uint16_t bits[6];
	OK(itr_h5_read_rows(h, "/image/patches", ITR_F16, 0, 2, bits, &err));
	assert_int_equal(bits[0], 0x3e00);
	int64_t *big = itr_h5_read(h, "big", ITR_I64, &info, &err);
	assert_true(big[1] == (int64_t)1 << 60);
	itr_aligned_free(big);
	assert_null(itr_h5_read(h, "big", ITR_I32, &info, &err));
	assert_non_null(strstr(err.msg, "holds int64 values that int32 cannot hold"));
	assert_null(itr_h5_read(h, "/image/pooled", ITR_I64, &info, &err));
	uint8_t *flags = itr_h5_read(h, "/flags", ITR_U8, &info, &err);
	assert_int_equal(info.dtype, ITR_BOOL);
	assert_true(flags[1] == 1 && flags[3] == 0);
	itr_aligned_free(flags);
	double *scalar = itr_h5_read(h, "/scalar", ITR_F64, &info, &err);
	assert_true(info.rank == 0 && info.count == 1 && scalar[0] == 2.5);
	itr_aligned_free(scalar);
	void *empty = itr_h5_read(h, "/empty", ITR_F32, &info, &err);
	assert_non_null(empty);
	assert_int_equal(info.count, 0);
	itr_aligned_free(empty);
	itr_h5_close(h);
	remove(path);
	free(path);
}

static void test_text_and_names(void **state)
{
	(void)state;
	char *path = temp("text.h5");
	write_sample(path, true);
	itr_h5 *h = itr_h5_open(path, NULL, &err);
	int64_t n;
	char **ids = itr_h5_read_texts(h, "/image/id", &n, &err);
	assert_int_equal(n, 4);
	assert_string_equal(ids[1], "caf\xc3\xa9");
	assert_string_equal(ids[2], "");
	assert_string_equal(ids[3], "\xf0\x9f\x98\x80");
	free_texts(ids, n);
	ids = itr_h5_read_texts(h, "/none", &n, &err);
	assert_non_null(ids);
	assert_int_equal(n, 0);
	free(ids);
	char *s = itr_h5_read_text(h, "/config", &err);
	assert_string_equal(s, "{\"k\":1}");
	free(s);
	s = itr_h5_read_text(h, "/nothing", &err);
	assert_string_equal(s, "");
	free(s);
	assert_null(itr_h5_read_text(h, "/image/id", &err));
	assert_null(itr_h5_read_text(h, "/big", &err));
	assert_null(itr_h5_read(h, "/image/id", ITR_F32, NULL, &err));
	assert_non_null(strstr(err.msg, "holds text, not numbers"));
	assert_null(itr_h5_read(h, "/image/nope", ITR_F32, NULL, &err));
	assert_non_null(strstr(err.msg, "has no dataset '/image/nope'"));
	assert_null(itr_h5_read(h, "/image", ITR_F32, NULL, &err));
	s = itr_h5_attr_text(h, "/image", "encoder");
	assert_string_equal(s, "classic2");
	free(s);
	assert_null(itr_h5_attr_text(h, "/image", "nope"));
	assert_null(itr_h5_attr_text(h, "/nope", "encoder"));
	assert_int_equal(itr_h5_attr_int(h, "/image", "normalized", -1), 1);
	assert_int_equal(itr_h5_attr_int(h, "/image", "encoder", -1), -1);
	assert_true(itr_h5_has(h, "/image") && itr_h5_has(h, "image/id") && !itr_h5_has(h, "/image/nope") && itr_h5_has(h, "/"));
	char **names;
	n = itr_h5_list(h, "/image", &names);
	assert_int_equal(n, 3);
	assert_string_equal(names[0], "id");
	assert_string_equal(names[2], "pooled");
	free_texts(names, n);
	assert_int_equal(itr_h5_list(h, "/nope", &names), -1);
	itr_h5_close(h);
	remove(path);
	free(path);
}

static void test_long_text(void **state)
{
	(void)state;
	char *path = temp("long.h5");
	size_t n = 5 << 20;
	char *text = itr_xmalloc(n + 1);
	memset(text, 'x', n);
	text[n] = 0;
	enum { COUNT = 3000 };
	const char *strings[COUNT];
	for (int i = 0; i < COUNT; i++)
		strings[i] = i == 1234 ? text + n - 10000 : i % 2 ? "odd" : "even";
	itr_h5 *h = itr_h5_create(path, "itr-model", false, &err);
	OK(itr_h5_write_text(h, "/provenance", text, &err));
	OK(itr_h5_write_texts(h, "/caption", strings, COUNT, &err));
	assert_int_equal(itr_h5_set_attr_text(h, "/", "long", text, &err), -1);
	assert_non_null(strstr(err.msg, "must be a dataset"));
	OK(itr_h5_commit(h, &err));
	assert_true(itr_path_size(path) < (int64_t)n + (1 << 20));      /* 30 MB of padding compressed away */
	h = itr_h5_open(path, "itr-model", &err);
	assert_false(itr_h5_is_synthetic(h));
	char *back = itr_h5_read_text(h, "/provenance", &err);
	assert_string_equal(back, text);
	free(back);
	int64_t count;
	char **all = itr_h5_read_texts(h, "/caption", &count, &err);
	if (!all)
		fail_msg("%s", err.msg);
	for (int i = 0; i < COUNT; i++)
		assert_string_equal(all[i], strings[i]);
	free_texts(all, count);
	itr_h5_close(h);
	free(text);
	remove(path);
	free(path);
}

static void test_same_bytes(void **state)
{
	(void)state;
	char *a = temp("a.h5"), *b = temp("b.h5"), ha[ITR_SHA256_HEX], hb[ITR_SHA256_HEX];
	write_sample(a, true);
	sleep(1);                                       /* a stored time would differ */
	write_sample(b, true);
	OK(itr_sha256_file(a, ha, &err));
	OK(itr_sha256_file(b, hb, &err));
	assert_string_equal(ha, hb);
	remove(a);
	remove(b);
	free(a);
	free(b);
}

static void test_whole_or_absent(void **state)
{
	(void)state;
	char *path = temp("absent.h5");
	write_sample(path, false);
	assert_false(itr_path_exists(path));
	assert_null(itr_h5_open(path, NULL, &err));
	assert_non_null(strstr(err.msg, "No such file"));
	FILE *f = fopen(path, "wb");
	fputs("\x89PNG\r\n", f);
	fclose(f);
	assert_null(itr_h5_open(path, NULL, &err));
	assert_non_null(strstr(err.msg, "not an HDF5 file"));
	write_sample(path, true);
	assert_null(itr_h5_open(path, "itr-model", &err));
	assert_non_null(strstr(err.msg, "is of format 'itr-features', not 'itr-model'"));
	itr_h5 *h = itr_h5_create(path, "itr-features", false, &err);
	OK(itr_h5_set_attr_int(h, "/", "version", 9, &err));
	OK(itr_h5_commit(h, &err));
	assert_null(itr_h5_open(path, "itr-features", &err));
	assert_non_null(strstr(err.msg, "version 9"));
	remove(path);
	free(path);
	assert_null(itr_h5_create("/proc/nope/x.h5", "itr-features", false, &err));
	itr_h5_close(NULL);
}

/* Every length of the file, in steps: a message or, where HDF5 can still see everything, the data; never a crash. */
static void test_cut_short(void **state)
{
	(void)state;
	char *path = temp("cut.h5"), *cut = temp("cut2.h5");
	write_sample(path, true);
	size_t n;
	char *bytes = itr_path_read(path, 1 << 24, &n, &err);
	for (size_t k = 0; k < n; k += k < 4096 ? 61 : 509) {
		FILE *f = fopen(cut, "wb");
		fwrite(bytes, 1, k, f);
		fclose(f);
		err.set = 0;
		itr_h5 *h = itr_h5_open(cut, "itr-features", &err);
		assert_null(h);
		assert_true(err.set && strstr(err.msg, cut));
	}
	free(bytes);
	remove(path);
	remove(cut);
	free(path);
	free(cut);
}

#define GOLDEN "tests/golden/h5/"

static void check_x(const char *file, const char *name)
{
	char *path = itr_path_join(GOLDEN, file);
	itr_h5_info info;
	assert_true(itr_h5_is(path));
	itr_h5 *h = itr_h5_open(path, NULL, &err);
	if (!h)
		fail_msg("%s", err.msg);
	float *x = itr_h5_read(h, name, ITR_F32, &info, &err);
	if (!x)
		fail_msg("%s", err.msg);
	assert_int_equal(info.count, 60);
	for (int i = 0; i < 60; i++)
		assert_true(x[i] == (float)(i % 7));
	itr_aligned_free(x);
	itr_h5_close(h);
	free(path);
}

/* What h5py and MATLAB write and our own writer does not (tests/golden/gen_h5.py). */
static void test_of_others(void **state)
{
	(void)state;
	static const char *const files[] = { "lzf.h5",           "lzf_shuffle.h5",    "lzf_large.h5",
		                             "userblock_512.h5", "userblock_1024.h5", "userblock_4096.h5" };
	for (int i = 0; i < ITR_LEN(files); i++)
		check_x(files[i], "x");
	check_x("links.h5", "x");
	check_x("links.h5", "/folder/here");
	check_x("links.h5", "through");
	itr_h5_info info;
	itr_h5 *h = itr_h5_open(GOLDEN "lzf_large.h5", NULL, &err);
	int64_t *n = itr_h5_read(h, "long", ITR_I64, &info, &err);
	for (int i = 0; i < 40000; i++)
		assert_int_equal(n[i], i / 300);
	itr_aligned_free(n);
	itr_h5_close(h);
}

static void test_refused(void **state)
{
	(void)state;
	static const char *const cases[][3] = {
		{ "links.h5", "nowhere", "is a link to what is not there" },
		{ "links.h5", "a", "goes in circles" },
		{ "links.h5", "self", "goes in circles" },
		{ "links.h5", "grow", "goes in circles" },
		{ "links.h5", "elsewhere", "a link to another file, which is refused" },
		{ "links.h5", "/by/way", "a link to another file, which is refused" },
		{ "links.h5", "none", "has no dataset 'none'" },
		{ "refused.h5", "x",
		  "compressed by blosc (filter 32001), which is not read: save it with gzip, lzf or without compression" },
		{ "refused.h5", "big", "row 6 holds 1e+300, which is beyond float32's range" },
	};
	for (int i = 0; i < ITR_LEN(cases); i++) {
		char *path = itr_path_join(GOLDEN, cases[i][0]);
		itr_h5 *h = itr_h5_open(path, NULL, &err);
		assert_non_null(h);
		assert_null(itr_h5_read(h, cases[i][1], ITR_F32, NULL, &err));
		if (!strstr(err.msg, cases[i][2]) || !strstr(err.msg, path))
			fail_msg("%s %s: %s", path, cases[i][1], err.msg);
		itr_h5_close(h);
		free(path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_beyond_float32), cmocka_unit_test(test_text_and_names),
		cmocka_unit_test(test_long_text),  cmocka_unit_test(test_same_bytes),     cmocka_unit_test(test_whole_or_absent),
		cmocka_unit_test(test_cut_short),  cmocka_unit_test(test_of_others),      cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests_name("io_h5", tests, NULL, NULL);
}
