/* lib/io/row_file: rows by pread are those that HDF5 gives; a file that is written to, cut or replaced meanwhile never gives a wrong row */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/parallel.h"
#include "io/row_file.h"

enum { N = 50, D = 4099 };     /* a row is longer than what is converted at a time */

static char path[] = "/tmp/itr-test-row-file-XXXXXX";
static float x[N * D];

/* "/x" stored as `stored`, "/text" and "/flat" besides. */
static void save(itr_dtype stored, float scale)
{
	itr_err err = ITR_ERR_INIT;
	itr_h5 *h = itr_h5_create(path, "itr-test", false, &err);
	for (int i = 0; i < N * D; i++)
		x[i] = scale * (float)((i * 7 + i / D) % 1001) / 8;
	assert_int_equal(itr_h5_create_rows(h, "/x", stored, 2, (int64_t[]){ N, D }, &err), 0);
	assert_int_equal(itr_h5_write_rows(h, "/x", ITR_F32, 0, N, x, &err), 0);
	assert_int_equal(itr_h5_write(h, "/flat", ITR_F32, 1, (int64_t[]){ N }, x, &err), 0);
	assert_int_equal(itr_h5_write_texts(h, "/text", (const char *[]){ "a", "b" }, 2, &err), 0);
	assert_int_equal(itr_h5_commit(h, &err), 0);
}

/* The descriptor outlives h. */
static itr_row_file *rows_of(void)
{
	itr_err err = ITR_ERR_INIT;
	itr_row_file *f = NULL;
	itr_h5 *h = itr_h5_open(path, NULL, &err);
	assert_int_equal(itr_row_file_open(&f, h, "/x", &err), 1);
	itr_h5_close(h);
	assert_true(itr_row_file_rows(f) == N && itr_row_file_width(f) == D);
	return f;
}

struct reading { const itr_row_file *f; const float *want; int bad; };

static void read_one(void *ctx, int64_t i, int worker)
{
	struct reading *r = ctx;
	itr_err err = ITR_ERR_INIT;
	float *got = malloc(D * sizeof *got);
	const int64_t row = i * 37 % N;
	(void)worker;
	if (itr_row_file_read(r->f, row, 1, got, &err) < 0 || memcmp(got, r->want + row * D, D * sizeof *got))
		r->bad = 1;
	free(got);
}

static void test_types(void **state)
{
	static const itr_dtype types[] = { ITR_F32, ITR_F16, ITR_BF16, ITR_F64, ITR_I16 };
	itr_err err = ITR_ERR_INIT;
	(void)state;
	for (int k = 0; k < (int)ITR_LEN(types); k++) {
		save(types[k], types[k] == ITR_I16 ? 8 : 1);
		itr_h5 *h = itr_h5_open(path, NULL, &err);
		float *want = itr_h5_read(h, "/x", ITR_F32, NULL, &err), *got = itr_aligned_alloc(sizeof x);
		itr_h5_close(h);
		itr_row_file *f = rows_of();
		assert_int_equal(itr_row_file_read(f, 0, N, got, &err), 0);
		assert_memory_equal(got, want, sizeof x);
		assert_int_equal(itr_row_file_read(f, N, 0, got, &err), 0);
		struct reading r = { f, want, 0 };
		itr_parallel_for(4, 4 * N, read_one, &r);
		assert_int_equal(r.bad, 0);
		itr_row_file_free(f);
		itr_aligned_free(want);
		itr_aligned_free(got);
	}
}

static void test_not_rows(void **state)
{
	itr_err err = ITR_ERR_INIT;
	itr_row_file *f;
	(void)state;
	save(ITR_F32, 1);
	itr_h5 *h = itr_h5_open(path, NULL, &err);
	assert_int_equal(itr_row_file_open(&f, h, "/flat", &err), -1);
	assert_non_null(strstr(err.msg, "/flat does not hold rows"));
	assert_int_equal(itr_row_file_open(&f, h, "/text", &err), -1);
	assert_int_equal(itr_row_file_open(&f, h, "/nothing", &err), -1);
	assert_null(f);
	itr_h5_close(h);
}

static void test_beyond(void **state)
{
	itr_err err = ITR_ERR_INIT;
	float out[2 * D];
	(void)state;
	itr_h5 *h = itr_h5_create(path, "itr-test", false, &err);
	double *y = itr_xcalloc(N * D, sizeof *y);
	y[7 * D + 4097] = 1e300;
	assert_int_equal(itr_h5_write(h, "/x", ITR_F64, 2, (int64_t[]){ N, D }, y, &err), 0);
	assert_int_equal(itr_h5_commit(h, &err), 0);
	free(y);
	itr_row_file *f = rows_of();
	assert_int_equal(itr_row_file_read(f, 5, 2, out, &err), 0);
	assert_int_equal(itr_row_file_read(f, 6, 2, out, &err), -1);
	assert_non_null(strstr(err.msg, "row 7 holds 1e+300"));
	itr_row_file_free(f);
}

static void test_changes(void **state)
{
	itr_err err = ITR_ERR_INIT;
	float out[D];
	struct stat st;
	(void)state;
	save(ITR_F32, 1);
	itr_row_file *f = rows_of();
	save(ITR_F32, 2);               /* another file in its place: the rows stay those of the one that was opened */
	assert_int_equal(itr_row_file_read(f, 3, 1, out, &err), 0);
	for (int i = 0; i < D; i++)
		assert_true(2 * out[i] == x[3 * D + i]);
	itr_row_file_free(f);
	f = rows_of();
	nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);     /* the clock of files ticks every few milliseconds */
	const int fd = open(path, O_WRONLY);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(pwrite(fd, "x", 1, st.st_size / 2), 1);
	assert_int_equal(itr_row_file_read(f, 3, 1, out, &err), -1);
	assert_non_null(strstr(err.msg, "has changed while it was being read"));
	assert_int_equal(ftruncate(fd, st.st_size / 2), 0);
	assert_int_equal(itr_row_file_read(f, N - 1, 1, out, &err), -1);
	assert_non_null(strstr(err.msg, "was cut short"));
	assert_int_equal(itr_row_file_read(f, 0, 1, out, &err), -1);
	close(fd);
	itr_row_file_free(f);
}

static int clean(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_types), cmocka_unit_test(test_not_rows), cmocka_unit_test(test_beyond),
		                            cmocka_unit_test(test_changes) };
	close(mkstemp(path));
	return cmocka_run_group_tests(tests, NULL, clean);
}
