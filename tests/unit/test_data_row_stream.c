/* lib/data/row_stream, and embeddings whose rows stay in their file: the same rows as loaded ones, for any budget, order and number of
 * threads; a file that changes meanwhile is an error */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "data/features.h"
#include "data/row_stream.h"

enum { N = 400, M = 2000, D = 24, E = 17, BATCH = 60 };
static const size_t image_bytes = N * D * sizeof(float), text_bytes = M * E * sizeof(float);

static char path[] = "/tmp/itr-test-row-stream-XXXXXX";
static float image[N * D], text[M * E];

static void draw(void)
{
	itr_rng r;
	itr_rng_seed(&r, 5);
	for (int i = 0; i < N * D; i++)
		image[i] = (float)itr_rng_normal(&r);
	for (int i = 0; i < M * E; i++)
		text[i] = (float)itr_rng_normal(&r);
	memset(text + 3 * E, 0, E * sizeof *text);
}

static void save(void)
{
	itr_err err = ITR_ERR_INIT;
	const char *id[N], *none[N], *text_id[M], *caption[M];
	int64_t text_image[M];
	char *numbers = itr_xmalloc((size_t)M * 8);
	for (int i = 0; i < M; i++) {
		snprintf(numbers + i * 8, 8, "%d", i);
		text_id[i] = numbers + i * 8;
		caption[i] = "words";
		text_image[i] = i * 7 % N;
	}
	for (int i = 0; i < N; i++) {
		id[i] = text_id[i];
		none[i] = "";
	}
	itr_features_layout l = {
		.n_images = N, .n_texts = M, .image = { .encoder = "e", .dim = D }, .text = { .encoder = "f", .dim = E }
	};
	itr_features_index x = { id, none, none, text_id, caption, text_image, NULL, 0, NULL, NULL, "{}", NULL };
	itr_h5 *h = itr_features_create(path, ITR_FEATURES_FORMAT, &l, &err);
	assert_int_equal(itr_h5_write_rows(h, "/image/pooled", ITR_F32, 0, N, image, &err), 0);
	assert_int_equal(itr_h5_write_rows(h, "/text/pooled", ITR_F32, 0, M, text, &err), 0);
	assert_int_equal(itr_features_write_index(h, &l, &x, &err), 0);
	assert_int_equal(itr_h5_commit(h, &err), 0);
	free(numbers);
}

static itr_embeddings opened(size_t max_memory, int threads)
{
	itr_err err = ITR_ERR_INIT;
	itr_embeddings e;
	if (itr_embeddings_open(&e, path, &(itr_embeddings_opts){ .max_memory = max_memory, .threads = threads }, &err) < 0)
		fail_msg("%s", err.msg);
	return e;
}

/* Which sides stay in the file, and how much memory each has. */
static void test_what_stays(void **state)
{
	(void)state;
	draw();
	save();
	itr_embeddings e = opened(text_bytes + image_bytes, 2);
	assert_true(e.side[ITR_TEXT].rows && e.side[ITR_IMAGE].rows && !e.side[ITR_TEXT].file && !e.side[ITR_IMAGE].file);
	itr_embeddings_free(&e);
	for (int k = 0; k < 2; k++) {
		e = opened(k ? ITR_MEMORY_OF_MACHINE : 0, 2);
		assert_true(e.side[ITR_TEXT].rows && e.side[ITR_IMAGE].rows);
		itr_embeddings_free(&e);
	}
	e = opened(2 * image_bytes + 1000, 2);
	assert_true(e.side[ITR_TEXT].file && !e.side[ITR_TEXT].rows && e.side[ITR_TEXT].ahead == image_bytes + 1000);
	assert_true(e.side[ITR_IMAGE].rows && itr_embeddings_has(&e, ITR_TEXT) && itr_embeddings_has(&e, ITR_IMAGE));
	assert_int_equal(e.side[ITR_TEXT].zero_rows, 1);
	itr_embeddings_free(&e);
	e = opened(10000, 2);
	assert_true(e.side[ITR_TEXT].file && e.side[ITR_IMAGE].file && e.side[ITR_TEXT].ahead == 5000 && e.side[ITR_IMAGE].ahead == 5000);
	itr_embeddings_free(&e);
}

static void test_same_rows(void **state)
{
	itr_err err = ITR_ERR_INIT;
	(void)state;
	draw();
	save();
	itr_embeddings loaded = opened(0, 2), e = opened(1000, 3);
	for (int m = 0; m < 2; m++) {
		const int64_t dim = e.side[m].dim, n = e.table.n[m], rows[] = { 5, 6, 7, 3, 3, n - 1, 0 };
		float out[7 * D];
		assert_int_equal(itr_embeddings_read(&e, (itr_modality)m, rows, 7, out, &err), 0);
		for (int i = 0; i < 7; i++)
			assert_memory_equal(out + i * dim, loaded.side[m].rows + rows[i] * dim, (size_t)dim * sizeof *out);
		assert_int_equal(itr_embeddings_read(&loaded, (itr_modality)m, rows, 7, out, &err), 0);
		assert_memory_equal(out + 5 * dim, loaded.side[m].rows + (n - 1) * dim, (size_t)dim * sizeof *out);
		assert_false(itr_embeddings_alike(&e, (itr_modality)m));
	}
	itr_embeddings_free(&loaded);
	itr_embeddings_free(&e);
	for (int i = 0; i < M * E; i++)
		text[i] = 1 + (float)(i % E);
	save();
	e = opened(1000, 1);
	assert_true(itr_embeddings_alike(&e, ITR_TEXT) && !itr_embeddings_alike(&e, ITR_IMAGE));
	itr_embeddings_free(&e);
}

static void check_epoch(itr_row_stream *s, const itr_embeddings *loaded, itr_modality m, const int64_t *rows, int64_t n, int64_t first)
{
	itr_err err = ITR_ERR_INIT;
	const int64_t dim = loaded->side[m].dim;
	itr_row_stream_begin(s, rows, n, first);
	for (int64_t at = first; at < n; at += BATCH) {
		const int64_t b = ITR_MIN(BATCH, n - at);
		assert_int_equal(itr_row_stream_wait(s, at, b, &err), 0);
		for (int64_t i = 0; i < b; i++)
			assert_memory_equal(itr_row_stream_row(s, at + i), loaded->side[m].rows + rows[at + i] * dim,
			                    (size_t)dim * sizeof(float));
	}
}

/* Several epochs in another order each, begun anew in the middle of one, resumed behind its start. */
static void test_streams(void **state)
{
	static const size_t bytes[] = { 1, 3000, 20000, 1 << 20 };
	static int64_t order[M], rows[M];
	itr_err err = ITR_ERR_INIT;
	(void)state;
	draw();
	save();
	itr_embeddings loaded = opened(0, 2), e = opened(1000, 2);
	for (int k = 0; k < 4 * 2 * 2; k++) {
		const itr_modality m = (itr_modality)(k % 2);
		itr_row_stream *s = itr_row_stream_new(&e, m, BATCH, bytes[k / 4], k / 2 % 2 ? 1 : 4);
		for (uint64_t epoch = 0; epoch < 3; epoch++) {
			itr_rng r;
			itr_rng_seed(&r, epoch);
			itr_rng_permutation(&r, M, order);
			for (int i = 0; i < M; i++)
				rows[i] = m == ITR_IMAGE ? e.table.text_image[order[i]] : order[i];
			check_epoch(s, &loaded, m, rows, M, epoch == 1 ? 7 * BATCH : 0);
			if (epoch == 0) {                /* left half-way */
				itr_row_stream_begin(s, rows, M, 0);
				assert_int_equal(itr_row_stream_wait(s, 0, BATCH, &err), 0);
			}
		}
		check_epoch(s, &loaded, m, rows, 3, 0);
		check_epoch(s, &loaded, m, rows, 0, 0);
		itr_row_stream_free(s);
	}
	itr_embeddings_free(&loaded);
	itr_embeddings_free(&e);
}

/* NaN is found at opening, with the loaded rows' message. */
static void test_not_finite(void **state)
{
	(void)state;
	for (int k = 0; k < 2; k++) {
		itr_err loaded = ITR_ERR_INIT, in_file = ITR_ERR_INIT;
		itr_embeddings e;
		draw();
		text[1234 * E + 3] = k ? NAN : -INFINITY;
		text[1999 * E] = NAN;
		save();
		assert_int_equal(itr_embeddings_open(&e, path, &(itr_embeddings_opts){ .threads = 2 }, &loaded), -1);
		assert_int_equal(itr_embeddings_open(&e, path, &(itr_embeddings_opts){ .max_memory = 1000, .threads = 2 }, &in_file), -1);
		assert_string_equal(loaded.msg, in_file.msg);
		assert_non_null(strstr(in_file.msg, k ? "'1234' holds NaN" : "'1234' holds infinity"));
	}
}

static void test_cut_short(void **state)
{
	static int64_t rows[M];
	itr_err err = ITR_ERR_INIT;
	(void)state;
	draw();
	save();
	itr_embeddings e = opened(1000, 2);
	itr_row_stream *s = itr_row_stream_new(&e, ITR_TEXT, BATCH, 1, 2);
	for (int i = 0; i < M; i++)
		rows[i] = i;
	itr_row_stream_begin(s, rows, M, 0);
	assert_int_equal(itr_row_stream_wait(s, 0, BATCH, &err), 0);
	assert_int_equal(truncate(path, 5000), 0);
	int rc = 0;
	for (int64_t at = BATCH; at + BATCH <= M && rc == 0; at += BATCH)
		rc = itr_row_stream_wait(s, at, BATCH, &err);
	assert_int_equal(rc, -1);
	assert_non_null(strstr(err.msg, "cut short while"));
	assert_int_equal(itr_row_stream_wait(s, 0, 1, &err), -1);       /* and stays so */
	itr_row_stream_free(s);
	itr_embeddings_free(&e);
}

static int clean(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_what_stays), cmocka_unit_test(test_same_rows),
		                            cmocka_unit_test(test_streams), cmocka_unit_test(test_not_finite),
		                            cmocka_unit_test(test_cut_short) };
	close(mkstemp(path));
	return cmocka_run_group_tests(tests, NULL, clean);
}
