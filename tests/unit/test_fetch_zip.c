/* lib/fetch/zip_dir and zip_unpack on archives built byte by byte here: what is whole is unpacked, what is not is refused, whatever the
 * sizes claim. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/path.h"
#include "fetch/zip_dir.h"
#include "io/zipwrite.h"

static char folder[] = "/tmp/itr-zip-XXXXXX";
static const char text[] = "{\"images\":[],\"annotations\":[]}";

static int begin(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	return itr_path_remove_tree(folder, NULL);
}

typedef struct memory { const uint8_t *bytes; size_t n; } memory;

static int memory_read(void *ctx, int64_t offset, size_t n, void *out, itr_err *err)
{
	const memory *m = ctx;
	(void)err;
	assert_true(offset >= 0 && (size_t)offset <= m->n && n <= m->n - (size_t)offset);       /* never beyond its end */
	memcpy(out, m->bytes + offset, n);
	return 0;
}

/* An archive of two members, `big` bytes of noise and `text`, by our writer. */
static void build(itr_buf *b, bool deflate, size_t big)
{
	char *path = itr_path_join(folder, "made.zip");
	itr_err err = ITR_ERR_INIT;
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	itr_zipw *w = itr_zipw_new(f, path, deflate);
	char *noise = itr_xmalloc(big + 1);
	for (size_t i = 0; i < big; i++)
		noise[i] = (char)(i * 2654435761u >> 13);
	assert_int_equal(itr_zipw_begin(w, "annotations/other.bin", (int64_t)big, &err), 0);
	assert_int_equal(itr_zipw_write(w, noise, big, &err), 0);
	assert_int_equal(itr_zipw_end(w, &err), 0);
	assert_int_equal(itr_zipw_begin(w, "annotations/captions.json", (int64_t)strlen(text), &err), 0);
	assert_int_equal(itr_zipw_write(w, text, strlen(text), &err), 0);
	assert_int_equal(itr_zipw_end(w, &err), 0);
	assert_int_equal(itr_zipw_finish(w, &err), 0);
	itr_zipw_free(w);
	fclose(f);
	size_t n;
	char *bytes = itr_path_read(path, 1 << 24, &n, NULL);
	itr_buf_clear(b);
	itr_buf_add(b, bytes, n);
	free(bytes);
	free(noise);
	free(path);
}

/* 0 when captions.json came out whole; -1 refused; nothing is left behind then. */
static int extract(const void *bytes, size_t n, itr_err *err)
{
	memory m = { bytes, n };
	itr_zip_source s = { &m, "test.zip", (int64_t)n, memory_read };
	const char *name = "captions.json";
	itr_zip_entry e;
	char *target = itr_path_join(folder, "captions.json");
	unlink(target);
	int rc = itr_zip_dir_find(&s, &name, 1, &e, err);
	if (rc == 0 && !e.found)
		rc = itr_err_set(err, "no such member");
	int64_t at = rc == 0 ? itr_zip_data(&s, &e, err) : -1;
	if (rc == 0)
		rc = at < 0 ? -1 : itr_zip_unpack(&s, &e, at, target, 1 << 20, err);
	assert_int_equal(itr_path_exists(target), rc == 0);
	if (rc == 0) {
		size_t got;
		char *out = itr_path_read(target, 1 << 20, &got, NULL);
		assert_string_equal(out, text);
		free(out);
	}
	free(target);
	return rc;
}

static void test_good(void **state)
{
	(void)state;
	itr_buf b = ITR_BUF_INIT;
	itr_err err = ITR_ERR_INIT;
	for (int deflate = 0; deflate < 2; deflate++)
		for (size_t big = 0; big <= 300000; big += 100000) {
			build(&b, deflate, big);
			assert_int_equal(extract(b.data, b.len, &err), 0);
		}
	itr_buf_free(&b);
}

static void test_cut(void **state)
{
	(void)state;
	itr_buf b = ITR_BUF_INIT;
	itr_err err = ITR_ERR_INIT;
	build(&b, true, 1000);
	for (size_t n = 0; n < b.len; n++) {
		err.set = 0;
		assert_int_equal(extract(b.data, n, &err), -1);
		assert_true(err.set);
	}
	itr_buf_free(&b);
}

/* Each byte of the archive turned over: refused, or the text is right all the same (the byte did not matter). extract() asserts that. */
static void test_damaged(void **state)
{
	(void)state;
	itr_buf b = ITR_BUF_INIT;
	int refused = 0;
	for (int deflate = 0; deflate < 2; deflate++) {
		build(&b, deflate, 10);
		for (size_t i = 0; i < b.len; i++)
			for (int bit = 0; bit < 8; bit++) {
				itr_err err = ITR_ERR_INIT;
				b.data[i] ^= (char)(1 << bit);
				refused += extract(b.data, b.len, &err) < 0;
				b.data[i] ^= (char)(1 << bit);
			}
	}
	assert_true(refused > 500);
	itr_buf_free(&b);
}

static void test_comment_and_prefix(void **state)
{
	(void)state;
	itr_buf b = ITR_BUF_INIT;
	itr_err err = ITR_ERR_INIT;
	build(&b, true, 10);
	/* a comment that looks like an end record is not taken for one */
	b.data[b.len - 2] = 30;
	itr_buf_add(&b, "PK\x05\x06 this is only a comment...", 30);
	assert_int_equal(extract(b.data, b.len, &err), 0);
	itr_buf_putc(&b, 'x');
	assert_int_equal(extract(b.data, b.len, &err), -1);
	itr_buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_good), cmocka_unit_test(test_cut), cmocka_unit_test(test_damaged),
		                            cmocka_unit_test(test_comment_and_prefix) };
	return cmocka_run_group_tests(tests, begin, end);
}
