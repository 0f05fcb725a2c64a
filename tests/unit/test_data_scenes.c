/* lib/data/scenes*.c: the same pixels and words everywhere (a hash that must hold under every compiler and machine), and what the edits
 * promise. */
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
#include "base/path.h"
#include "data/dataset.h"
#include "data/scenes.h"

/* Pixels and captions of 80 scenes. A change here means that the data set is another one: say so in NEWS. */
static const char golden_pixels[] = "0eb5b874af375e67466595fdb73dccbb8d2d0f548b5712ce1ddea59830450629";
static const char golden_words[] = "809e409a62e9e49e1effac20a23daa4393124c846b7a172667846a42800efc76";

static void test_golden(void **state)
{
	(void)state;
	itr_sha256 *pixels = itr_sha256_new(), *words = itr_sha256_new();
	itr_buf captions[ITR_SCENE_CAPTIONS] = { ITR_BUF_INIT };
	char hex[ITR_SHA256_HEX];
	for (int64_t i = 0; i < 80; i++) {
		itr_scene s;
		itr_image img;
		int size = i < 8 ? 224 : 97;
		itr_scene_make(&s, 7, i * 3);
		itr_scene_render(&img, &s, size);
		itr_sha256_add(pixels, img.rgb, (size_t)size * (size_t)size * 3);
		itr_image_free(&img);
		itr_scene_captions(&s, captions);
		for (int k = 0; k < ITR_SCENE_CAPTIONS; k++)
			itr_sha256_add(words, captions[k].data, captions[k].len + 1);
	}
	for (int k = 0; k < ITR_SCENE_CAPTIONS; k++)
		itr_buf_free(&captions[k]);
	itr_sha256_end(pixels, hex);
	assert_string_equal(hex, golden_pixels);
	itr_sha256_end(words, hex);
	assert_string_equal(hex, golden_words);
}

static void test_families(void **state)
{
	(void)state;
	itr_buf text = ITR_BUF_INIT;
	int queries = 0;
	for (int64_t f = 0; f < 300; f++) {
		itr_scene s[ITR_SCENE_FAMILY];
		for (int k = 0; k < ITR_SCENE_FAMILY; k++)
			itr_scene_make(&s[k], 11, f * ITR_SCENE_FAMILY + k);
		for (int k = 1; k < ITR_SCENE_FAMILY; k++) {
			if (!itr_scene_edit(&s[0], &s[k], &text))
				fail_msg("family %lld: member %d is no edit of the base", (long long)f, k);
			assert_true(text.len > 5);
			assert_true(itr_scene_edit(&s[k], &s[0], &text));
			for (int j = 0; j < k; j++)
				assert_true(itr_scene_distance(&s[k], &s[j]) > 0);
			queries++;
		}
		assert_false(itr_scene_edit(&s[0], &s[0], &text));
	}
	itr_buf_free(&text);
	assert_int_equal(queries, 900);
}

static void test_objects_lie_inside_and_apart(void **state)
{
	(void)state;
	for (int64_t i = 0; i < 200; i++) {
		itr_scene s, again;
		itr_image img;
		itr_scene_make(&s, 3, i);
		assert_in_range(s.n, 1, ITR_SCENE_OBJECTS);
		again = s;
		itr_scene_render(&img, &s, 64);
		itr_scene_measure(&again, 64);
		itr_image_free(&img);
		for (int k = 0; k < s.n; k++) {
			const itr_scene_object *o = &s.objects[k];
			assert_memory_equal(o->box, again.objects[k].box, sizeof o->box);
			assert_int_equal(o->area, again.objects[k].area);
			assert_true(o->area > 0 && o->area <= (int64_t)o->box[2] * o->box[3]);
			assert_true(o->box[0] >= 0 && o->box[1] >= 0 && o->box[0] + o->box[2] <= 64 && o->box[1] + o->box[3] <= 64);
		}
	}
}

static void test_captions_are_sentences(void **state)
{
	(void)state;
	itr_buf c[ITR_SCENE_CAPTIONS] = { ITR_BUF_INIT };
	for (int64_t i = 0; i < 400; i++) {
		itr_scene s;
		itr_scene_make(&s, 5, i);
		itr_scene_captions(&s, c);
		for (int k = 0; k < ITR_SCENE_CAPTIONS; k++) {
			assert_true(c[k].len > 8 && c[k].data[c[k].len - 1] == '.');
			assert_true(c[k].data[0] >= 'A' && c[k].data[0] <= 'Z');
			assert_null(strstr(c[k].data, "  "));
			assert_null(strstr(c[k].data, " a o"));
			for (int j = 0; j < k; j++)
				if (k < 2)
					assert_string_not_equal(c[k].data, c[j].data);
		}
	}
	for (int k = 0; k < ITR_SCENE_CAPTIONS; k++)
		itr_buf_free(&c[k]);
}

static void write_all(const char *dir, int threads)
{
	itr_manifest m;
	itr_err err = ITR_ERR_INIT;
	itr_scenes_opts o = { .n = 40, .seed = 9, .size = 64, .threads = threads };
	itr_manifest_init(&m);
	assert_int_equal(itr_scenes_write(dir, &o, &m, NULL, &err), 0);
	assert_int_equal(m.n, 40);
	assert_int_equal(m.n_captions, 200);
	assert_true(m.synthetic);
	assert_int_equal(itr_dataset_split(&m, (double[]){ .6, .2, .2 }, 9, &(itr_split_rule){ .by = ITR_SPLIT_BY_IMAGE }, -1, &err), 0);
	assert_true(itr_scenes_write_composed(dir, &o, &m, &err) > 5);
	char *path = itr_path_join(dir, "manifest.jsonl");
	free(m.root);
	m.root = strdup(".");
	assert_int_equal(itr_manifest_write(&m, path, NULL, NULL, &err), 0);
	free(path);
	itr_manifest_free(&m);
}

static void same_file(const char *a, const char *b, const char *name)
{
	char *pa = itr_path_join(a, name), *pb = itr_path_join(b, name), ha[ITR_SHA256_HEX], hb[ITR_SHA256_HEX];
	assert_int_equal(itr_sha256_file(pa, ha, NULL), 0);
	assert_int_equal(itr_sha256_file(pb, hb, NULL), 0);
	assert_string_equal(ha, hb);
	free(pa);
	free(pb);
}

/* One and three threads, and a second run over what an interrupted first one may leave: a half file, a missing file. */
static void test_files(void **state)
{
	(void)state;
	char a[] = "/tmp/itr-test-scenes-XXXXXX", b[] = "/tmp/itr-test-scenes-XXXXXX";
	assert_non_null(mkdtemp(a));
	assert_non_null(mkdtemp(b));
	write_all(a, 1);
	write_all(b, 3);
	char *cut = itr_path_join(b, "images/000000000007.jpg"), *gone = itr_path_join(b, "images/000000000009.jpg");
	FILE *f = fopen(cut, "r+b");
	assert_non_null(f);
	assert_int_equal(ftruncate(fileno(f), 500), 0);
	fclose(f);
	assert_int_equal(remove(gone), 0);
	write_all(b, 2);
	static const char *const names[] = { "manifest.jsonl",
		                             "composed.jsonl",
		                             "annotations/captions_scenes.json",
		                             "annotations/instances_scenes.json",
		                             "images/000000000001.jpg",
		                             "images/000000000007.jpg",
		                             "images/000000000009.jpg",
		                             "images/000000000040.jpg" };
	for (int i = 0; i < ITR_LEN(names); i++)
		same_file(a, b, names[i]);
	assert_int_equal(itr_path_remove_tree(a, NULL), 0);
	assert_int_equal(itr_path_remove_tree(b, NULL), 0);
	free(cut);
	free(gone);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_golden), cmocka_unit_test(test_families),
		                            cmocka_unit_test(test_objects_lie_inside_and_apart),
		                            cmocka_unit_test(test_captions_are_sentences), cmocka_unit_test(test_files) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
