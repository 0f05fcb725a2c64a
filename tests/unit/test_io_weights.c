/* Weight files as PyTorch and safetensors write them (tests/golden/gen_weights.py), and the folders and indexes around them. Values must be
 * exact: a conversion to float32 is rounded once, by both sides, to nearest even. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/atomic_file.h"
#include "base/mem.h"
#include "base/path.h"
#include "io/json.h"
#include "io/weights.h"

#define GOLDEN "tests/golden/weights/"
#define CHECKPOINTS "tests/golden/checkpoints/"

static char *folder;            /* scratch */

static void check_tensor(const char *file, const itr_weights *w, const itr_weight *t, const itr_json *want)
{
	const itr_json *shape = itr_json_get(want, "shape"), *values = itr_json_get(want, "values");
	itr_err err = ITR_ERR_INIT;
	assert_string_equal(t->name, itr_json_str(itr_json_get(want, "name"), ""));
	assert_string_equal(itr_dtype_name(t->dtype), itr_json_str(itr_json_get(want, "dtype"), ""));
	assert_int_equal(t->rank, itr_json_count(shape));
	for (int d = 0; d < t->rank; d++)
		assert_int_equal(t->shape[d], itr_json_int(itr_json_at(shape, d), -1));
	assert_int_equal(t->count, itr_json_count(values));
	float *x = itr_xmalloc((size_t)t->count * sizeof *x + 1);
	if (itr_weights_read(w, t, x, &err) < 0)
		fail_msg("%s: %s", file, err.msg);
	for (int64_t i = 0; i < t->count; i++)
		if (x[i] != (float)itr_json_num(itr_json_at(values, i), 1e30))
			fail_msg("%s: %s[%lld] is %.9g", file, t->name, (long long)i, (double)x[i]);
	free(x);
}

static void check_file(const char *from, const char *name, const itr_json *want)
{
	char *path = itr_path_join(from, name);
	const itr_json *unread = itr_json_get(want, "unread"), *tensors = itr_json_get(want, "tensors");
	itr_err err = ITR_ERR_INIT;
	itr_weights *w = itr_weights_open(path, &err);
	if (!w)
		fail_msg("%s", err.msg);
	assert_string_equal(itr_weights_note(w), itr_json_str(itr_json_get(want, "note"), "?"));
	assert_string_equal(itr_weights_format(w), itr_json_str(itr_json_get(want, "format"), "?"));
	assert_int_equal(itr_weights_count(w), itr_json_count(tensors) + itr_json_count(unread));
	int64_t k = itr_json_count(tensors);
	for (int64_t i = itr_weights_count(w) - 1; i >= 0; i--)         /* backwards: tensors are read in any order */
		if (!itr_weights_at(w, i)->unread)
			check_tensor(name, w, itr_weights_at(w, i), itr_json_at(tensors, --k));
	for (const itr_json *u = itr_json_first(unread); u; u = itr_json_next(u)) {
		const itr_weight *t = itr_weights_find(w, itr_json_key(u));
		float x[16];
		assert_non_null(t);
		assert_string_equal(t->unread ? t->unread : "read", itr_json_str(u, ""));
		assert_int_equal(itr_weights_read(w, t, x, &err), -1);
		assert_non_null(strstr(err.msg, "which is not read"));
	}
	itr_weights_close(w);
	free(path);
}

static void golden(const char *from, int at_least)
{
	itr_err err = ITR_ERR_INIT;
	char *path = itr_path_join(from, "expected.json");
	itr_json *j = itr_json_read(path, &err);
	if (!j)
		fail_msg("%s", err.msg);
	assert_true(itr_json_count(j) >= at_least);
	for (const itr_json *c = itr_json_first(j); c; c = itr_json_next(c))
		check_file(from, itr_json_key(c), c);
	itr_json_free(j);
	free(path);
}

static void test_golden(void **state)
{
	(void)state;
	golden(GOLDEN, 13);
}

/* What trainings leave: objects beside the state_dict, prefixes, nests, types that are not read (tests/golden/gen_checkpoints.py). */
static void test_checkpoints(void **state)
{
	(void)state;
	golden(CHECKPOINTS, 30);
}

static void test_shards(void **state)
{
	(void)state;
	static const char *const paths[] = { GOLDEN "shards_safetensors", GOLDEN "shards_bin",
		                             GOLDEN "shards_bin/pytorch_model.bin.index.json" };
	itr_err err = ITR_ERR_INIT;
	itr_json *j = itr_json_read(GOLDEN "expected.json", &err);
	const itr_json *want = itr_json_get(itr_json_get(j, "module.pth"), "tensors");
	for (int i = 0; i < 3; i++) {
		itr_weights *w = itr_weights_open(paths[i], &err);
		if (!w)
			fail_msg("%s", err.msg);
		assert_int_equal(itr_weights_count(w), itr_json_count(want));
		for (const itr_json *t = itr_json_first(want); t; t = itr_json_next(t)) {
			const itr_weight *found = itr_weights_find(w, itr_json_str(itr_json_get(t, "name"), ""));
			assert_non_null(found);
			check_tensor(paths[i], w, found, t);
		}
		assert_null(itr_weights_find(w, "no such"));
		assert_null(itr_weights_at(w, -1));
		assert_null(itr_weights_at(w, itr_weights_count(w)));
		itr_weights_close(w);
	}
	itr_json_free(j);
}

/* The hash of one file is its SHA-256, that of shards the SHA-256 of their bytes in the order of their names. */
static void test_sha256(void **state)
{
	(void)state;
	char hex[ITR_SHA256_HEX], want[ITR_SHA256_HEX];
	itr_err err = ITR_ERR_INIT;
	itr_weights *w = itr_weights_open(GOLDEN "views.pth", &err);
	assert_int_equal(itr_weights_sha256(w, hex, &err), 0);
	assert_int_equal(itr_sha256_file(GOLDEN "views.pth", want, &err), 0);
	assert_string_equal(hex, want);
	itr_weights_close(w);
	itr_sha256 *h = itr_sha256_new();
	for (int i = 1; i <= 2; i++) {
		char name[100];
		size_t n;
		snprintf(name, sizeof name, GOLDEN "shards_safetensors/model-%05d-of-00002.safetensors", i);
		char *bytes = itr_path_read(name, 1 << 20, &n, &err);
		itr_sha256_add(h, bytes, n);
		free(bytes);
	}
	itr_sha256_end(h, want);
	w = itr_weights_open(GOLDEN "shards_safetensors", &err);
	assert_int_equal(itr_weights_sha256(w, hex, &err), 0);
	assert_string_equal(hex, want);
	itr_weights_close(w);
}

static void put(const char *name, const char *text)
{
	char *path = itr_path_join(folder, name);
	itr_err err = ITR_ERR_INIT;
	assert_int_equal(itr_atomic_write(path, text, strlen(text), &err), 0);
	free(path);
}

static void copy(const char *from, const char *name)
{
	size_t n;
	itr_err err = ITR_ERR_INIT;
	char *bytes = itr_path_read(from, 1 << 20, &n, &err), *path = itr_path_join(folder, name);
	assert_non_null(bytes);
	assert_int_equal(itr_atomic_write(path, bytes, n, &err), 0);
	free(bytes);
	free(path);
}

static void refuse(const char *path, const char *why)
{
	itr_err err = ITR_ERR_INIT;
	itr_weights *w = itr_weights_open(path, &err);
	if (w || !strstr(err.msg, why))
		fail_msg("'%s': wanted an error with \"%s\", got \"%s\"", path, why, w ? "none" : err.msg);
}

static void accept(const char *path, const char *found)
{
	itr_err err = ITR_ERR_INIT;
	itr_weights *w = itr_weights_open(path, &err);
	if (!w)
		fail_msg("%s", err.msg);
	assert_string_equal(itr_path_basename(itr_weights_path(w)), found);
	itr_weights_close(w);
}

static void test_folders(void **state)
{
	(void)state;
	refuse("no/such/folder", "cannot open 'no/such/folder'");
	refuse("/dev/zero", "it is no regular file");
	refuse(folder, "holds no weights");
	put("empty.pth", "");
	refuse(folder, "is empty");
	copy(GOLDEN "module.pth", "empty.pth");
	accept(folder, "empty.pth");
	copy(GOLDEN "module.pth", "b.pth");
	refuse(folder, "name the one that is meant");
	copy(GOLDEN "every.safetensors", "model.safetensors");
	accept(folder, "model.safetensors");
	put("model.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n");
	refuse(folder, "git lfs pull");
	put("model.safetensors", "<!DOCTYPE html><html></html>");
	refuse(folder, "it is no safetensors file");
	put("page.bin", "<!DOCTYPE html><html></html>");
	char *page = itr_path_join(folder, "page.bin");
	refuse(page, "a web page");
	free(page);
}

static void test_index(void **state)
{
	(void)state;
	char *index = itr_path_join(folder, "x.safetensors.index.json");
	copy(GOLDEN "every.safetensors", "every.safetensors");
	put("x.safetensors.index.json", "{\"weight_map\":{\"f32\":\"every.safetensors\",\"f64\":\"every.safetensors\"}}");
	accept(index, "x.safetensors.index.json");
	put("x.safetensors.index.json", "{\"weight_map\":{\"f32\":\"every.safetensors\",\"f99\":\"every.safetensors\"}}");
	refuse(index, "tensor 'f99' is not in 'every.safetensors'");
	put("x.safetensors.index.json", "{\"weight_map\":{\"f32\":\"every.safetensors\",\"f64\":\"other.safetensors\"}}");
	refuse(index, "names 2 shards: cannot open");
	put("x.safetensors.index.json", "{\"weight_map\":{\"f32\":\"../every.safetensors\"}}");
	refuse(index, "no plain file name");
	put("x.safetensors.index.json", "{\"weight_map\":{\"f32\":\"/etc/passwd\"}}");
	refuse(index, "no plain file name");
	put("x.safetensors.index.json", "{\"weight_map\":{}}");
	refuse(index, "its weight_map is empty");
	put("x.safetensors.index.json", "[1]");
	refuse(index, "has no weight_map");
	copy(GOLDEN "every.safetensors", "again.safetensors");
	put("x.safetensors.index.json", "{\"weight_map\":{\"f32\":\"every.safetensors\",\"f64\":\"again.safetensors\"}}");
	refuse(index, "is there twice");
	free(index);
}

static int setup(void **state)
{
	(void)state;
	char template[] = "/tmp/itr-weights.XXXXXX";
	folder = itr_xstrdup(mkdtemp(template) ? template : "");
	return folder[0] ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	itr_err err = ITR_ERR_INIT;
	int rc = itr_path_remove_tree(folder, &err);
	free(folder);
	return rc;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_checkpoints),
		cmocka_unit_test(test_shards),
		cmocka_unit_test(test_sha256),
		cmocka_unit_test_setup_teardown(test_folders, setup, teardown),
		cmocka_unit_test_setup_teardown(test_index, setup, teardown),
	};
	return cmocka_run_group_tests_name("io_weights", tests, NULL, NULL);
}
