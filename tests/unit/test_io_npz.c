/* NumPy arrays: what numpy wrote (tests/golden/npz, by gen_npz.py) is read; what must be refused is, with the reason; what we write we read
 * again. */
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
#include "io/npz.h"
#include "io/zip.h"

#define GOLDEN "tests/golden/npz/"

static itr_err err;
#define OK(call) do { if ((call) != 0) fail_msg("%s: %s", #call, err.msg); } while (0)

static itr_npz *opened(const char *path)
{
	itr_npz *z = itr_npz_open(path, &err);
	if (!z)
		fail_msg("%s", err.msg);
	return z;
}

static char *temp(const char *name)
{
	return itr_xasprintf("%s/itr-npz-%ld-%s", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", (long)getpid(), name);
}

/* Element k in C order is k - 3; k when unsigned; k odd when bool. */
static double expected(itr_dtype t, int64_t k)
{
	return t == ITR_BOOL ? (double)(k % 2) : t == ITR_U8 || t == ITR_U16 || t == ITR_U32 || t == ITR_U64 ? (double)k : (double)(k - 3);
}

static void check_ramp(itr_npz *z, const char *name)
{
	itr_array_info info;
	float *f = itr_npz_f32(z, name, &info, &err);
	double *d = itr_npz_f64(z, name, &info, &err);
	int64_t *n = itr_npz_i64(z, name, &info, &err);
	if (!f || !d || !n)
		fail_msg("%s", err.msg);
	for (int64_t k = 0; k < info.count; k++) {
		double want = expected(info.dtype, k);
		if ((double)f[k] != want || d[k] != want || (double)n[k] != want)
			fail_msg("%s[%d] = %g %g %g, not %g", name, (int)k, (double)f[k], d[k], (double)n[k], want);
	}
	itr_aligned_free(f);
	itr_aligned_free(d);
	itr_aligned_free(n);
}

static void check_texts(itr_npz *z, const char *name, int rank, const char *const *want, int64_t n)
{
	itr_array_info info;
	char **t = itr_npz_text(z, name, &info, &err);
	if (!t)
		fail_msg("%s", err.msg);
	assert_int_equal(info.count, n);
	assert_int_equal(info.rank, rank);
	assert_true(info.is_text);
	for (int64_t i = 0; i < n; i++)
		assert_string_equal(t[i], want[i]);
	itr_npz_free_text(t, n);
}

static void check_everything(const char *path)
{
	static const char *const types[] = { "float16", "float32", "float64", "int8",   "int16",  "int32",
		                             "int64",   "uint8",   "uint16",  "uint32", "uint64", "bool" };
	itr_npz *z = opened(path);
	for (int i = 0; i < ITR_LEN(types); i++) {
		char name[64];
		itr_array_info info;
		check_ramp(z, types[i]);
		OK(itr_npz_info(z, types[i], &info, &err));
		assert_string_equal(itr_dtype_name(info.dtype), types[i]);
		assert_true(info.rank == 2 && info.shape[0] == 3 && info.shape[1] == 4 && info.count == 12 && !info.is_text);
		snprintf(name, sizeof name, "big/%s", types[i]);
		check_ramp(z, name);
		snprintf(name, sizeof name, "fortran/%s", types[i]);
		check_ramp(z, name);
	}
	check_ramp(z, "vector");
	check_texts(z, "captions/text", 1,
	            (const char *const[]){ "a dog", "caf\xc3\xa9 \xf0\x9f\x98\x80", "", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" }, 4);
	check_texts(z, "bytes", 1, (const char *const[]){ "val2017/1.jpg", "", "\xc3\xa9", "\xef\xbf\xbd" }, 4);
	check_texts(z, "text_big", 1, (const char *const[]){ "caf\xc3\xa9 \xf0\x9f\x98\x80", "b" }, 2);
	check_texts(z, "text_2d", 2, (const char *const[]){ "a", "b", "c", "d", "e", "f" }, 6);
	check_texts(z, "scalar_text", 0, (const char *const[]){ "provenance \xe2\x9c\x93" }, 1);
	check_texts(z, "empty_text", 1, NULL, 0);
	itr_array_info info;
	double *scalar = itr_npz_f64(z, "scalar", &info, &err);
	assert_true(scalar[0] == 2.5 && info.rank == 0 && info.count == 1);
	itr_aligned_free(scalar);
	float *empty = itr_npz_f32(z, "empty", &info, &err);
	assert_non_null(empty);
	assert_true(info.count == 0 && info.shape[0] == 0 && info.shape[1] == 512);
	itr_aligned_free(empty);
	assert_true(itr_npz_has(z, "captions/text") && !itr_npz_has(z, "captions"));
	assert_int_equal(itr_npz_count(z), 45);
	assert_string_equal(itr_npz_name(z, 0), "float16");
	assert_string_equal(itr_npz_path(z), path);
	itr_npz_close(z);
}

static void test_stored(void **state) { (void)state; check_everything(GOLDEN "stored.npz"); }
static void test_deflated(void **state) { (void)state; check_everything(GOLDEN "deflated.npz"); }

static void test_other_writers(void **state)
{
	(void)state;
	static const char *const zips[] = { GOLDEN "plain.npz", GOLDEN "stream.npz" };
	static const char *const singles[] = { GOLDEN "v1.npy", GOLDEN "v2.npy", GOLDEN "v3.npy", GOLDEN "fortran.npy",
		                               GOLDEN "python2.npy" };
	for (int i = 0; i < ITR_LEN(zips); i++) {
		itr_npz *z = opened(zips[i]);
		check_ramp(z, "float32");
		itr_npz_close(z);
	}
	for (int i = 0; i < ITR_LEN(singles); i++) {
		itr_npz *z = opened(singles[i]);
		assert_int_equal(itr_npz_count(z), 1);
		check_ramp(z, "");
		assert_null(itr_npz_f32(z, "x", NULL, &err));
		assert_non_null(strstr(err.msg, "is a single array"));
		itr_npz_close(z);
	}
}

static void refused(itr_npz *z, const char *name, const char *why)
{
	itr_array_info info;
	void *data = itr_npz_f32(z, name, &info, &err);
	assert_null(data);
	if (!strstr(err.msg, why))
		fail_msg("%s", err.msg);
}

static void test_refused(void **state)
{
	(void)state;
	itr_npz *z = opened(GOLDEN "object.npz");
	check_ramp(z, "ok");
	refused(z, "bad", "array 'bad' holds pickled Python objects, which are refused");
	itr_npz_close(z);
	z = opened(GOLDEN "refused.npz");
	refused(z, "complex", "elements of type '<c8'");
	refused(z, "longdouble", "elements of type '<f16'");
	refused(z, "date", "elements of type '<M8[s]'");
	refused(z, "void", "elements of type '|V2'");
	refused(z, "struct", "is a structured array");
	refused(z, "rank9", "more than 8 dimensions");
	refused(z, "nul", "holds text, not numbers");
	assert_null(itr_npz_text(z, "nul", NULL, &err));
	assert_non_null(strstr(err.msg, "NUL character inside"));
	assert_null(itr_npz_i64(z, "half", NULL, &err));
	assert_non_null(strstr(err.msg, "holds float64 values that int64 cannot hold"));
	assert_null(itr_npz_text(z, "half", NULL, &err));
	refused(z, "hulf", "did you mean 'half'? It holds: complex, longdouble");
	itr_npz_close(z);
	static const struct { const char *bytes; size_t n; const char *why;
	} files[] = {
		{ "", 0, "the file is empty" },
		{ "\x89HDF\r\n\x1a\n", 8, "HDF5" },
		{ "\x80\x04\x95xxx", 6, "pickle" },
		{ "hello, world", 12, "neither" },
		{ "PK\x03\x04xxxxxxxxxxxxxxxxxxxxxxxx", 28, "not a zip archive" },
	};
	char *path = temp("sniff.npz");
	for (int i = 0; i < ITR_LEN(files); i++) {
		FILE *f = fopen(path, "wb");
		fwrite(files[i].bytes, 1, files[i].n, f);
		fclose(f);
		assert_null(itr_npz_open(path, &err));
		if (!strstr(err.msg, files[i].why))
			fail_msg("%s", err.msg);
	}
	remove(path);
	free(path);
	assert_null(itr_npz_open("/nonexistent.npz", &err));
	assert_non_null(strstr(err.msg, "No such file"));
}

/* .npy headers by hand: claims that the file does not keep. */
static void header_refused(const char *dictionary, size_t data, const char *why)
{
	char *path = temp("header.npy");
	FILE *f = fopen(path, "wb");
	size_t n = strlen(dictionary);
	fwrite("\x93NUMPY\x01\x00", 1, 8, f);
	fputc((int)(n & 0xff), f);
	fputc((int)(n >> 8), f);
	fwrite(dictionary, 1, n, f);
	for (size_t i = 0; i < data; i++)
		fputc(0, f);
	fclose(f);
	itr_npz *z = opened(path);
	refused(z, "", why);
	itr_npz_close(z);
	remove(path);
	free(path);
}

static void test_headers(void **state)
{
	(void)state;
	header_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 1000), }", 64,
	               "needs 4000000000000000 bytes for its shape, but the file holds 64");
	header_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4611686018427387904), }", 64,
	               "more elements than can be counted");
	header_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 2), }", 64, "a shape that cannot be read");
	header_refused("{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904,), }", 64, "more bytes than can be counted");
	header_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", 64, "a shape that cannot be read");
	header_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (3, }", 64, "a shape that cannot be read");
	header_refused("{'descr': '<f4', 'fortran_order': False, 'shape': 3, }", 12, "without a shape");
	header_refused("{'descr': '<f4', 'fortran_order': False, }", 12, "without shape");
	header_refused("{'fortran_order': False, 'shape': (3,), }", 12, "without descr");
	header_refused("{'descr': '<f4', 'shape': (3,), }", 12, "without fortran_order");
	header_refused("{'descr': '<f4', 'fortran_order': Maybe, 'shape': (3,), }", 12, "cannot be read");
	header_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'x': 1}", 12, "unknown key 'x'");
	header_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (3,)", 12, "cannot be read");
	header_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", 11,
	               "needs 12 bytes for its shape, but the file holds 11");
	header_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", 13,
	               "needs 12 bytes for its shape, but the file holds 13");
	header_refused("{'descr': '<U99999999999', 'fortran_order': False, 'shape': (3,), }", 12, "impossible width");
	header_refused("{'descr': '<U0', 'fortran_order': False, 'shape': (99999999999,), }", 0, "strings of width 0");
	header_refused("not a dictionary", 12, "no dictionary");
}

struct sum {
	int64_t rows, blocks;
	double total;
};

static int add_block(void *ctx, int64_t first, int64_t rows, const void *data, const itr_array_info *info, itr_err *e)
{
	struct sum *s = ctx;
	if (first != s->rows)
		return itr_err_set(e, "rows out of order");
	int64_t wide = info->count / info->shape[0];
	for (int64_t i = 0; i < rows * wide; i++)
		s->total += info->dtype == ITR_F32 ? (double)((const float *)data)[i] : (double)((const int16_t *)data)[i];
	s->rows += rows;
	s->blocks++;
	return s->rows > 900 && info->rank == 3 ? itr_err_set(e, "stopped by the callback") : 0;
}

static void test_streaming(void **state)
{
	(void)state;
	itr_npz *z = opened(GOLDEN "deflated.npz");
	struct sum s = { 0, 0, 0 };
	OK(itr_npz_stream(z, "vector", 300, add_block, &s, &err));
	assert_true(s.rows == 1000 && s.blocks == 4 && s.total == 1000.0 * 999 / 2 - 3000);
	s = (struct sum){ 0, 0, 0 };
	OK(itr_npz_stream(z, "big/int16", 1, add_block, &s, &err));
	assert_true(s.rows == 2 && s.total == -3);
	s = (struct sum){ 0, 0, 0 };
	OK(itr_npz_stream(z, "fortran/float32", 1, add_block, &s, &err));
	assert_true(s.rows == 2 && s.total == 24.0 * 23 / 2 - 72);
	OK(itr_npz_stream(z, "empty", 10, add_block, &s, &err));
	assert_int_equal(itr_npz_stream(z, "bytes", 10, add_block, &s, &err), -1);
	s = (struct sum){ 5, 0, 0 };
	assert_int_equal(itr_npz_stream(z, "vector", 300, add_block, &s, &err), -1);
	assert_string_equal(err.msg, "rows out of order");
	itr_npz_close(z);
}

static void write_sample(const char *path, bool deflate)
{
	itr_npz_writer *w = itr_npz_create(path, deflate, &err);
	assert_non_null(w);
	float x[6] = { 1.5f, -2, 3, 4, NAN, INFINITY };
	int64_t gt[2] = { 7, (int64_t)1 << 60 };
	OK(itr_npz_put(w, "captions/embeddings", ITR_F32, 2, (int64_t[]){ 2, 3 }, x, &err));
	OK(itr_npz_put(w, "ground_truth", ITR_I64, 1, (int64_t[]){ 2 }, gt, &err));
	OK(itr_npz_put(w, "flag", ITR_BOOL, 0, NULL, (uint8_t[]){ 1 }, &err));
	OK(itr_npz_put(w, "none", ITR_F32, 2, (int64_t[]){ 0, 3 }, NULL, &err));
	OK(itr_npz_put_text(w, "ids", (const char *const[]){ "139", "caf\xc3\xa9 \xf0\x9f\x98\x80", "bad \xff" }, 3, &err));
	OK(itr_npz_put_text(w, "no_ids", NULL, 0, &err));
	OK(itr_npz_put_string(w, "itr_provenance", "{\"tool\":\"x\"}", &err));
	OK(itr_npz_put_string(w, "caf\xc3\xa9", "", &err));
	OK(itr_npz_finish(w, &err));
}

static void test_writing(void **state)
{
	(void)state;
	for (int deflate = 0; deflate < 2; deflate++) {
		char *a = temp("a.npz"), *b = temp("b.npz"), ha[ITR_SHA256_HEX], hb[ITR_SHA256_HEX];
		write_sample(a, deflate);
		write_sample(b, deflate);
		OK(itr_sha256_file(a, ha, &err));
		OK(itr_sha256_file(b, hb, &err));
		assert_string_equal(ha, hb);
		itr_npz *z = opened(a);
		itr_array_info info;
		float *x = itr_npz_f32(z, "captions/embeddings", &info, &err);
		assert_true(x[0] == 1.5f && isnan(x[4]) && isinf(x[5]) && info.shape[1] == 3);
		itr_aligned_free(x);
		int64_t *gt = itr_npz_i64(z, "ground_truth", &info, &err);
		assert_true(gt[1] == (int64_t)1 << 60);
		itr_aligned_free(gt);
		check_texts(z, "ids", 1, (const char *const[]){ "139", "caf\xc3\xa9 \xf0\x9f\x98\x80", "bad \xef\xbf\xbd" }, 3);
		check_texts(z, "no_ids", 1, NULL, 0);
		check_texts(z, "itr_provenance", 0, (const char *const[]){ "{\"tool\":\"x\"}" }, 1);
		check_texts(z, "caf\xc3\xa9", 0, (const char *const[]){ "" }, 1);
		itr_npz_close(z);
		remove(a);
		remove(b);
		free(a);
		free(b);
	}
	char *path = temp("one.npy");
	OK(itr_npy_write(path, ITR_F64, 2, (int64_t[]){ 2, 2 }, (double[]){ 1, 2, 3, 4 }, &err));
	itr_npz *z = opened(path);
	double *d = itr_npz_f64(z, "", NULL, &err);
	assert_true(d[3] == 4);
	itr_aligned_free(d);
	itr_npz_close(z);
	remove(path);
	itr_npz_writer *w = itr_npz_create(path, false, &err);
	OK(itr_npz_put(w, "x", ITR_F32, 1, (int64_t[]){ 1 }, (float[]){ 1 }, &err));
	assert_int_equal(itr_npz_put(w, "y", ITR_BF16, 1, (int64_t[]){ 1 }, (uint16_t[]){ 1 }, &err), -1);
	itr_npz_abandon(w);
	assert_false(itr_path_exists(path));
	free(path);
	itr_npz_abandon(NULL);
	itr_npz_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stored),  cmocka_unit_test(test_deflated), cmocka_unit_test(test_other_writers),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_headers),  cmocka_unit_test(test_streaming),
		cmocka_unit_test(test_writing),
	};
	return cmocka_run_group_tests_name("io_npz", tests, NULL, NULL);
}
