/* lib/data/features: what is written is read back, and stores that contradict themselves are refused with the row that is wrong */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "data/features.h"

enum { N = 3, M = 4, D = 5, E = 6 };

static char path[] = "/tmp/itr-test-features-XXXXXX";

static const char *id[N], *split[N], *file[N], *text_id[M], *caption[M], *label[] = { "cat", "dog" };
static int64_t text_image[M];
static float image[N * D], text[M * E];
static int64_t label_start[N + 1], label_index[N * 2];

static void reset(void)
{
	static const char *const ids[] = { "a", "b", "c" }, *const tids[] = { "1", "2", "3", "4" };
	static const char *const splits[] = { "train", "test", "test" };
	for (int i = 0; i < N; i++) {
		id[i] = ids[i];
		split[i] = splits[i];
		file[i] = "x.png";
	}
	/* a: dog, b: cat and dog, c: dog */
	memcpy(label_start, (int64_t[]){ 0, 1, 3, 4 }, sizeof label_start);
	memcpy(label_index, (int64_t[]){ 1, 0, 1, 1 }, 4 * sizeof *label_index);
	for (int i = 0; i < M; i++) {
		text_id[i] = tids[i];
		caption[i] = i ? "caf\xc3\xa9" : "";
		text_image[i] = i < 2 ? i : 2;
	}
	for (int i = 0; i < N * D; i++)
		image[i] = (float)i;
	for (int i = 0; i < M * E; i++)
		text[i] = (float)-i;
}

static int save(bool commit)
{
	itr_features_layout l = { .n_images = N,
		                  .n_texts = M,
		                  .image = { .encoder = "e", .preprocess = "p", .dim = D, .normalized = true },
		                  .text = { .encoder = "f", .dim = E } };
	itr_features_index x = { .image_id = id,
		                 .image_split = split,
		                 .image_path = file,
		                 .text_id = text_id,
		                 .caption = caption,
		                 .text_image = text_image,
		                 .label = label,
		                 .n_labels = 2,
		                 .label_start = label_start,
		                 .label_index = label_index,
		                 .config = "{}" };
	itr_err err = ITR_ERR_INIT;
	itr_h5 *h = itr_features_create(path, ITR_FEATURES_FORMAT, &l, &err);
	assert_non_null(h);
	assert_int_equal(itr_h5_write_rows(h, "/image/pooled", ITR_F32, 0, N, image, &err), 0);
	assert_int_equal(itr_h5_write_rows(h, "/text/pooled", ITR_F32, 0, M, text, &err), 0);
	assert_int_equal(itr_features_write_index(h, &l, &x, &err), 0);
	if (!commit) {
		itr_h5_close(h);
		return 0;
	}
	return itr_h5_commit(h, &err);
}

static void refuse(const char *why)
{
	itr_err err = ITR_ERR_INIT;
	assert_int_equal(save(true), 0);
	itr_features *f = itr_features_open(path, &err);
	if (f || !strstr(err.msg, why))
		print_message("wanted '%s', got '%s'\n", why, f ? "no error" : err.msg);
	assert_null(f);
	assert_non_null(strstr(err.msg, why));
	reset();
}

static void test_back(void **state)
{
	itr_err err = ITR_ERR_INIT;
	(void)state;
	reset();
	assert_int_equal(save(true), 0);
	itr_features *f = itr_features_open(path, &err);
	assert_non_null(f);
	assert_true(f->table.n[ITR_IMAGE] == N && f->table.n[ITR_TEXT] == M && f->image_dim == D && f->text_dim == E &&
	            itr_row_table_has_split(&f->table) && !f->table.synthetic);
	assert_string_equal(f->table.caption[0], "");
	assert_string_equal(f->table.caption[3], "caf\xc3\xa9");
	assert_string_equal(f->image_encoder, "e");
	float *all = itr_features_images(f, NULL, 0, &err);
	assert_memory_equal(all, image, sizeof image);
	itr_aligned_free(all);
	float *some = itr_features_texts(f, (int64_t[]){ 3, 0, 1 }, 3, &err);
	assert_memory_equal(some, text + 3 * E, E * sizeof *text);
	assert_memory_equal(some + E, text, 2 * E * sizeof *text);
	itr_aligned_free(some);
	itr_selection s;
	assert_int_equal(itr_row_table_select(&s, &f->table, "test", 0, &err), 0);
	assert_true(s.n[ITR_IMAGE] == 2 && s.n[ITR_TEXT] == 3 && s.row[ITR_IMAGE][0] == 1);
	assert_true(s.row[ITR_TEXT][0] == 1 && s.row[ITR_TEXT][2] == 3 && s.text_image[0] == 0);
	itr_selection_free(&s);
	itr_features_layout l;
	assert_int_equal(itr_features_read_layout(f, &l, &err), 0);
	assert_true(l.image.normalized && !l.text.normalized && l.image.patch_dim == 0);
	itr_features_layout_free(&l);
	itr_features_close(f);
}

static void test_refused(void **state)
{
	(void)state;
	reset();
	id[2] = "a";
	refuse("image id 'a' occurs twice");
	text_id[3] = "1";
	refuse("caption id '1' occurs twice");
	id[0] = "";
	refuse("empty id");
	text_image[1] = N;
	refuse("caption '2' belongs to image row 3 of 3");
	text_image[1] = -1;
	refuse("image row -1");
	split[1] = "tset";
	refuse("did you mean 'test'");
	split[0] = "";
	refuse("have no split");
}

static void same_labels(const itr_row_table *t)
{
	assert_int_equal(t->n_labels, 2);
	assert_string_equal(t->label_name[0], "cat");
	assert_string_equal(t->label_name[1], "dog");
	assert_memory_equal(t->label_start, label_start, sizeof label_start);
	assert_memory_equal(t->label, label_index, 4 * sizeof *label_index);
}

/* The store with these lists, or with the matrix of older ones, of k columns. */
static itr_features *labelled(const uint8_t *matrix, int64_t k)
{
	itr_err err = ITR_ERR_INIT;
	if (!matrix) {
		assert_int_equal(save(true), 0);
	} else {
		itr_features_layout l = { .n_images = N, .n_texts = M };
		itr_features_index x = { id, split, file, text_id, caption, text_image, NULL, 0, NULL, NULL, "{}", NULL };
		itr_h5 *h = itr_features_create(path, ITR_FEATURES_FORMAT, &l, &err);
		assert_int_equal(itr_features_write_index(h, &l, &x, &err), 0);
		assert_int_equal(itr_h5_write_texts(h, "/label/name", (const char *const *)label, 2, &err), 0);
		assert_int_equal(itr_h5_write(h, "/label/matrix", ITR_U8, 2, (int64_t[]){ N, k }, matrix, &err), 0);
		assert_int_equal(itr_h5_commit(h, &err), 0);
	}
	itr_features *f = itr_features_open(path, &err);
	assert_non_null(f);
	return f;
}

static void refuse_labels(const char *why)
{
	itr_err err = ITR_ERR_INIT;
	itr_features *f = labelled(NULL, 0);
	assert_int_equal(itr_features_labels(f, &err), -1);
	if (!strstr(err.msg, why))
		print_message("wanted '%s', got '%s'\n", why, err.msg);
	assert_non_null(strstr(err.msg, why));
	itr_features_close(f);
	reset();
}

static void test_labels(void **state)
{
	static const uint8_t matrix[] = { 0, 1, 1, 1, 0, 1 };
	itr_err err = ITR_ERR_INIT;
	(void)state;
	reset();
	for (int old = 0; old < 2; old++) {
		itr_features *f = labelled(old ? matrix : NULL, 2);
		assert_null(f->table.label_start);
		assert_int_equal(itr_features_labels(f, &err), 0);
		same_labels(&f->table);
		itr_features_close(f);
		f = labelled(old ? matrix : NULL, 2);           /* and as a table reads them that has no file open any more */
		assert_int_equal(f->table.read_labels(&f->table, &err), 0);
		same_labels(&f->table);
		itr_features_close(f);
	}
	itr_features *f = labelled(matrix, 1);
	assert_int_equal(itr_features_labels(f, &err), -1);
	assert_non_null(strstr(err.msg, "/label/matrix is not 3 x 2"));
	itr_features_close(f);
}

static void test_labels_refused(void **state)
{
	(void)state;
	reset();
	label_start[0] = 1;
	refuse_labels("goes from 1 to 4, not from 0 to the 4 entries");
	label_start[1] = 4;
	refuse_labels("goes from 4 to 3 at image 'b'");
	label_start[2] = INT64_MAX;
	refuse_labels("at image 'b', of 4 entries");
	label_index[3] = 2;
	refuse_labels("image 'c' has label 2 of 2");
	label_index[0] = -1;
	refuse_labels("image 'a' has label -1 of 2");
	label_index[1] = 1;
	refuse_labels("image 'b' has label 1 of 2, or not in ascending order");
}

/* Names of two stores become one list in byte order, rows of a store without labels have none. */
static void test_merged_labels(void **state)
{
	static char other[] = "/tmp/itr-test-features-XXXXXX", out[] = "/tmp/itr-test-features-XXXXXX";
	static const char *const other_id[] = { "d", "e", "f" }, *const other_text[] = { "5", "6", "7", "8" };
	static const char *const other_label[] = { "zebra", "ant" };
	itr_err err = ITR_ERR_INIT;
	itr_features_layout merged;
	(void)state;
	reset();
	assert_int_equal(save(true), 0);
	close(mkstemp(other)), close(mkstemp(out));
	itr_features_layout l = { .n_images = N,
		                  .n_texts = M,
		                  .image = { .encoder = "e", .preprocess = "p", .dim = D, .normalized = true },
		                  .text = { .encoder = "f", .dim = E } };
	/* d: zebra and ant, in the order of this store's names; e: ant */
	itr_features_index x = { (const char *const *)other_id, split, file, (const char *const *)other_text, caption, text_image,
		                 (const char *const *)other_label, 2, (int64_t[]){ 0, 2, 3, 3 }, (int64_t[]){ 0, 1, 1 }, "{}", NULL };
	itr_h5 *h = itr_features_create(other, ITR_FEATURES_FORMAT, &l, &err);
	assert_int_equal(itr_h5_write_rows(h, "/image/pooled", ITR_F32, 0, N, image, &err), 0);
	assert_int_equal(itr_h5_write_rows(h, "/text/pooled", ITR_F32, 0, M, text, &err), 0);
	assert_int_equal(itr_features_write_index(h, &l, &x, &err), 0);
	assert_int_equal(itr_h5_commit(h, &err), 0);
	assert_int_equal(itr_features_merge((char *[]){ path, other }, 2, out, NULL, &merged, &err), 0);
	itr_features *f = itr_features_open(out, &err);
	assert_int_equal(itr_features_labels(f, &err), 0);
	const itr_row_table *t = &f->table;
	assert_int_equal(t->n_labels, 4);
	assert_string_equal(t->label_name[0], "ant");
	assert_string_equal(t->label_name[3], "zebra");
	assert_memory_equal(t->label_start, ((int64_t[]){ 0, 1, 3, 4, 6, 7, 7 }), 7 * sizeof(int64_t));
	assert_memory_equal(t->label, ((int64_t[]){ 2, 1, 2, 2, 0, 3, 0 }), 7 * sizeof(int64_t));
	itr_features_close(f);
	unlink(other), unlink(out);
}

static void test_no_split(void **state)
{
	itr_err err = ITR_ERR_INIT;
	(void)state;
	reset();
	split[0] = split[1] = split[2] = "";
	assert_int_equal(save(true), 0);
	itr_features *f = itr_features_open(path, &err);
	assert_non_null(f);
	assert_false(itr_row_table_has_split(&f->table));
	assert_null(f->table.part[ITR_IMAGE]);
	itr_features_close(f);
}

static void test_not_finite(void **state)
{
	itr_err err = ITR_ERR_INIT;
	(void)state;
	reset();
	image[D + 2] = NAN;
	text[3 * E] = INFINITY;
	assert_int_equal(save(true), 0);
	itr_features *f = itr_features_open(path, &err);
	assert_non_null(f);
	assert_null(itr_features_images(f, NULL, 0, &err));
	assert_non_null(strstr(err.msg, "vector of 'b' holds NaN"));
	float *fine = itr_features_images(f, (int64_t[]){ 0, 2 }, 2, &err);
	assert_non_null(fine);
	itr_aligned_free(fine);
	assert_null(itr_features_texts(f, (int64_t[]){ 3 }, 1, &err));
	assert_non_null(strstr(err.msg, "'4' holds infinity"));
	itr_features_close(f);
}

static void test_unfinished(void **state)
{
	itr_err err = ITR_ERR_INIT;
	(void)state;
	reset();
	assert_int_equal(save(true), 0);
	image[0] = 77;
	assert_int_equal(save(false), 0);               /* abandoned: the old store is still there */
	itr_features *f = itr_features_open(path, &err);
	float *x = itr_features_images(f, NULL, 0, &err);
	assert_true(x[0] == 0);
	itr_aligned_free(x);
	itr_features_close(f);
}

static int clean(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_back), cmocka_unit_test(test_refused), cmocka_unit_test(test_no_split),
		                            cmocka_unit_test(test_labels), cmocka_unit_test(test_labels_refused),
		                            cmocka_unit_test(test_merged_labels),
		                            cmocka_unit_test(test_not_finite), cmocka_unit_test(test_unfinished) };
	close(mkstemp(path));
	return cmocka_run_group_tests(tests, NULL, clean);
}
