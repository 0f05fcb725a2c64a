/* The readers of embeddings: the same rows from every kind of file, and what each refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/path.h"
#include "data/embeddings.h"
#include "io/h5.h"
#include "io/npz.h"

enum { TEXTS = 6, IMAGES = 3, DIM = 4 };
static char folder[] = "/tmp/itr-embeddings-XXXXXX";
static float text[TEXTS * DIM], image[IMAGES * DIM];
static const int64_t truth[TEXTS] = { 0, 0, 1, 1, 2, 2 };
static const char *const text_ids[TEXTS] = { "a", "b", "c", "d", "e", "f" }, *const image_ids[IMAGES] = { "x", "y", "z" };

static char *in_folder(const char *name) { return itr_path_join(folder, name); }

static void npy(const char *name, const float *x, int64_t n, int64_t dim)
{
	char *path = in_folder(name);
	assert_int_equal(itr_npy_write(path, ITR_F32, 2, (int64_t[]){ n, dim }, x, NULL), 0);
	free(path);
}

/* text_4, video_4, ground_truth, ids; or the competition's names. */
static char *npz(const char *name, bool competition, const int64_t *labels, const char *const *ids)
{
	char *path = in_folder(name);
	itr_npz_writer *w = itr_npz_create(path, false, NULL);
	const int64_t n = TEXTS;
	assert_int_equal(itr_npz_put(w, competition ? "captions/embeddings" : "text_4", ITR_F32, 2, (int64_t[]){ TEXTS, DIM }, text, NULL),
	                 0);
	assert_int_equal(itr_npz_put(w, competition ? "images/embeddings" : "video_4", ITR_F32, 2, (int64_t[]){ IMAGES, DIM }, image, NULL),
	                 0);
	if (labels)
		assert_int_equal(itr_npz_put(w, competition ? "captions/label" : "ground_truth", ITR_I64, 1, &n, labels, NULL), 0);
	if (ids) {
		assert_int_equal(itr_npz_put_text(w, competition ? "captions/ids" : "text_ids", ids, TEXTS, NULL), 0);
		assert_int_equal(itr_npz_put_text(w, competition ? "images/names" : "video_ids", image_ids, IMAGES, NULL), 0);
	}
	assert_int_equal(itr_npz_finish(w, NULL), 0);
	return path;
}

/* The same as HDF5; the competition's labels as one-hot rows of bytes. */
static char *h5(const char *name, bool competition, bool synthetic)
{
	char *path = in_folder(name);
	uint8_t hot[TEXTS * IMAGES] = { 0 };
	itr_h5 *h = itr_h5_create(path, "embeddings", synthetic, NULL);
	const int64_t n = TEXTS;
	for (int i = 0; i < TEXTS; i++)
		hot[i * IMAGES + truth[i]] = 1;
	assert_int_equal(itr_h5_write(h, competition ? "captions/embeddings" : "text_4", ITR_F32, 2, (int64_t[]){ TEXTS, DIM }, text, NULL),
	                 0);
	assert_int_equal(
		itr_h5_write(h, competition ? "images/embeddings" : "video_4", ITR_F32, 2, (int64_t[]){ IMAGES, DIM }, image, NULL), 0);
	assert_int_equal(competition ? itr_h5_write(h, "captions/label", ITR_U8, 2, (int64_t[]){ TEXTS, IMAGES }, hot, NULL)
	                             : itr_h5_write(h, "ground_truth", ITR_I64, 1, &n, truth, NULL), 0);
	assert_int_equal(itr_h5_commit(h, NULL), 0);
	return path;
}

static void shards(const char *name)
{
	static const char *const sides[] = { "text_emb", "img_emb" };
	char *base = in_folder(name), *part;
	mkdir(base, 0700);
	for (int m = 0; m < 2; m++) {
		part = itr_path_join(base, sides[m]);
		mkdir(part, 0700);
		free(part);
	}
	free(base);
	npy("clip/text_emb/text_emb_0.npy", text, 4, DIM);
	npy("clip/text_emb/text_emb_1.npy", text + 4 * DIM, 2, DIM);
	npy("clip/img_emb/img_emb_0.npy", image, IMAGES, DIM);
}

static int begin(void **state)
{
	(void)state;
	for (int i = 0; i < TEXTS * DIM; i++)
		text[i] = (float)((i * 7) % 11) / 3 + 0.25F;
	for (int i = 0; i < IMAGES * DIM; i++)
		image[i] = (float)((i * 5) % 13) / 4 + 0.5F;
	if (!mkdtemp(folder))
		return -1;
	npy("t.npy", text, TEXTS, DIM);
	npy("i.npy", image, IMAGES, DIM);
	shards("clip");
	return 0;
}

static int end(void **state)
{
	(void)state;
	return itr_path_remove_tree(folder, NULL);
}

static void check(const char *path, const itr_embeddings_opts *o, const char *reader, const char *where_from, bool ids)
{
	itr_embeddings e;
	itr_err err = ITR_ERR_INIT;
	if (itr_embeddings_open(&e, path, o, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(e.reader->name, reader);
	assert_string_equal(e.table.truth ? e.table.truth : "ground_truth", where_from);
	assert_true(e.table.n[ITR_TEXT] == TEXTS && e.table.n[ITR_IMAGE] == IMAGES && e.side[ITR_TEXT].dim == DIM &&
	            e.table.numbered == !ids);
	assert_memory_equal(e.side[ITR_TEXT].rows, text, sizeof text);
	assert_memory_equal(e.side[ITR_IMAGE].rows, image, sizeof image);
	assert_memory_equal(e.table.text_image, truth, sizeof truth);
	assert_string_equal(e.table.id[ITR_TEXT][3], ids ? "d" : "3");
	assert_true(!e.side[ITR_TEXT].rescaled && e.side[ITR_TEXT].not_unit == TEXTS);
	itr_embeddings_free(&e);
}

static void test_same_rows(void **state)
{
	(void)state;
	itr_embeddings_opts o = { .scale = ITR_SCALE_STORED, .threads = 2 };
	char *path[] = { npz("named.npz", false, truth, text_ids), npz("competition.npz", true, truth, text_ids),
		         h5("named.hdf5", false, false), h5("competition.h5", true, false), in_folder("clip"), in_folder("t.npy"),
		         in_folder("i.npy") };
	check(path[0], &o, "named", "ground_truth", true);
	check(path[1], &o, "competition", "ground_truth", true);
	check(path[2], &o, "named", "ground_truth", false);
	check(path[3], &o, "competition", "ground_truth", false);
	o.captions_per_image = 2;
	check(path[4], &o, "clip-retrieval", "2 captions an image", false);
	o.vectors[ITR_TEXT] = path[5];
	o.vectors[ITR_IMAGE] = path[6];
	check(NULL, &o, "pair", "2 captions an image", false);
	for (int i = 0; i < ITR_LEN(path); i++)
		free(path[i]);
}

/* Unit rows where that is asked for; where it is asked for if needed, unit rows keep their bits. */
static void test_scales(void **state)
{
	(void)state;
	char *path = npz("scales.npz", false, truth, NULL);
	itr_embeddings e, again;
	assert_int_equal(itr_embeddings_open(&e, path, &(itr_embeddings_opts){ .threads = 1 }, NULL), 0);
	double s = 0;
	for (int k = 0; k < DIM; k++)
		s += (double)e.side[ITR_TEXT].rows[k] * (double)e.side[ITR_TEXT].rows[k];
	assert_true(fabs(s - 1) < 1e-6 && e.side[ITR_TEXT].rescaled);
	npy("unit-t.npy", e.side[ITR_TEXT].rows, TEXTS, DIM);
	npy("unit-i.npy", e.side[ITR_IMAGE].rows, IMAGES, DIM);
	char *t = in_folder("unit-t.npy"), *i = in_folder("unit-i.npy");
	const itr_embeddings_opts o = { .vectors = { t, i }, .captions_per_image = 2, .scale = ITR_SCALE_UNIT_IF_NEEDED, .threads = 1 };
	assert_int_equal(itr_embeddings_open(&again, NULL, &o, NULL), 0);
	assert_memory_equal(again.side[ITR_TEXT].rows, e.side[ITR_TEXT].rows, sizeof text);
	assert_true(!again.side[ITR_TEXT].rescaled && !again.side[ITR_TEXT].not_unit);
	itr_embeddings_free(&again);
	itr_embeddings_free(&e);
	free(t), free(i), free(path);
}

/* Rows of a part alone: the table becomes that of the part, pairs of a file of ground truth included. */
static void test_part(void **state)
{
	(void)state;
	char *path = npz("part.npz", false, NULL, text_ids), *csv = in_folder("pairs.csv");
	FILE *f = fopen(csv, "w");
	fputs("text,image\n0,0\n1,0\n2,1\n3,1\n3,2\n4,2\n5,0\n", f);
	fclose(f);
	itr_embeddings e;
	itr_selection s;
	const itr_embeddings_opts o = { .ground_truth = csv, .scale = ITR_SCALE_STORED, .threads = 1 };
	assert_int_equal(itr_embeddings_open_table(&e, path, &o, NULL), 0);
	assert_null(e.side[ITR_TEXT].rows);
	e.table.part[ITR_TEXT] = itr_xcalloc(TEXTS, sizeof(itr_split));
	e.table.part[ITR_IMAGE] = itr_xcalloc(IMAGES, sizeof(itr_split));
	for (int i = 0; i < TEXTS; i++)
		e.table.part[ITR_TEXT][i] = i == 2 || i == 3 || i == 4 ? ITR_TEST : ITR_TRAIN;
	for (int i = 0; i < IMAGES; i++)
		e.table.part[ITR_IMAGE][i] = i ? ITR_TEST : ITR_TRAIN;
	assert_int_equal(itr_row_table_select(&s, &e.table, "test", 0, NULL), 0);
	assert_int_equal(itr_embeddings_load(&e, &s, NULL), 0);
	itr_selection_free(&s);
	assert_true(e.table.n[ITR_TEXT] == 3 && e.table.n[ITR_IMAGE] == 2);
	assert_memory_equal(e.side[ITR_TEXT].rows, text + 2 * DIM, 3 * DIM * sizeof *text);
	assert_memory_equal(e.side[ITR_IMAGE].rows, image + DIM, 2 * DIM * sizeof *image);
	assert_string_equal(e.table.id[ITR_TEXT][0], "c");
	assert_string_equal(e.table.id[ITR_IMAGE][1], "z");
	assert_memory_equal(e.table.text_image, ((int64_t[]){ 0, 0, 1 }), 3 * sizeof(int64_t));
	assert_int_equal(e.table.n_pairs, 4);
	assert_memory_equal(e.table.pair[ITR_TEXT], ((int64_t[]){ 0, 1, 1, 2 }), 4 * sizeof(int64_t));
	assert_memory_equal(e.table.pair[ITR_IMAGE], ((int64_t[]){ 0, 0, 1, 1 }), 4 * sizeof(int64_t));
	itr_embeddings_free(&e);
	free(path), free(csv);
}

/* What a file says of itself is asked for in each of the three ways. */
static void test_synthetic(void **state)
{
	(void)state;
	char *path = h5("synthetic.h5", false, true);
	itr_provenance *p = itr_provenance_new("test", "1", 0, NULL, 0, true);
	itr_embeddings e;
	for (int k = 0; k < 3; k++) {
		assert_int_equal(itr_embeddings_open(&e, path, &(itr_embeddings_opts){ .threads = 1, .provenance = p }, NULL), 0);
		assert_true(e.table.synthetic && itr_provenance_synthetic(p));
		itr_embeddings_free(&e);
		free(path);
		path = in_folder(k ? "synthetic.npz" : "told.npz");
		itr_npz_writer *w = itr_npz_create(path, false, NULL);
		const char *text_name = k ? "captions/embeddings" : "text_4", *image_name = k ? "images/embeddings" : "video_4";
		assert_int_equal(itr_npz_put(w, text_name, ITR_F32, 2, (int64_t[]){ IMAGES, DIM }, text, NULL), 0);
		assert_int_equal(itr_npz_put(w, image_name, ITR_F32, 2, (int64_t[]){ IMAGES, DIM }, image, NULL), 0);
		assert_int_equal(k ? itr_npz_put_string(w, "itr_synthetic", "yes", NULL)
		                   : itr_npz_put_string(w, "itr_provenance", "{\"synthetic\": true}", NULL), 0);
		assert_int_equal(itr_npz_finish(w, NULL), 0);
	}
	itr_provenance_free(p);
	free(path);
}

static void refused(char *path, const itr_embeddings_opts *o, const char *why)
{
	itr_embeddings e;
	itr_err err = ITR_ERR_INIT;
	assert_int_equal(itr_embeddings_open(&e, path, o, &err), -1);
	if (!strstr(err.msg, why))
		fail_msg("'%s' says nothing of '%s'", err.msg, why);
	assert_true(!e.table.name && !e.side[ITR_TEXT].rows && !e.file);
	free(path);
}

static void test_refusals(void **state)
{
	(void)state;
	static const char *const twice[TEXTS] = { "a", "b", "c", "a", "e", "f" };
	const itr_embeddings_opts o = { .threads = 1 };
	refused(npz("twice.npz", false, truth, twice), &o, "text id 'a' stands at rows 0 and 3");
	refused(npz("far.npz", true, (int64_t[]){ 0, 0, 1, 3, 2, 2 }, NULL), &o, "captions/label[3] is 3");
	refused(npz("unpaired.npz", false, NULL, NULL), &o, "no ground truth: give --ground-truth FILE or --captions-per-image");
	refused(npz("size.npz", false, truth, NULL), &(itr_embeddings_opts){ .dim = 5, .threads = 1 }, "text_5");
	refused(in_folder("t.npy"), &o, "no text_D and video_D");
	npy("clip/text_emb/text_emb_2.npy", text, 2, 3);
	refused(in_folder("clip"), &(itr_embeddings_opts){ .captions_per_image = 2, .threads = 1 }, "the parts before it 4");
	itr_embeddings e;
	char *path = npz("alone.npz", false, NULL, NULL);
	assert_int_equal(itr_embeddings_open(&e, path, &(itr_embeddings_opts){ .unpaired = true, .threads = 1 }, NULL), 0);
	assert_true(!e.table.text_image && !e.table.truth);
	itr_embeddings_free(&e);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_rows), cmocka_unit_test(test_scales),    cmocka_unit_test(test_part),
		cmocka_unit_test(test_synthetic), cmocka_unit_test(test_refusals),
	};
	return cmocka_run_group_tests_name("data_embeddings", tests, begin, end);
}
