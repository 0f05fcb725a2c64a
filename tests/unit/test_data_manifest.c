/* lib/data/manifest.c: round trip, the echo's paths, and one message with file and line for everything that can be wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/atomic_file.h"
#include "base/path.h"
#include "data/manifest.h"

static char dir[64];

static char *file(const char *name) { return itr_path_join(dir, name); }

static void test_round_trip(void **state)
{
	(void)state;
	itr_manifest m, back;
	itr_err err = ITR_ERR_INIT;
	char *path = file("m.jsonl"), *echo_path = file("echo.jsonl");
	itr_manifest_init(&m);
	for (int i = 0; i < 40; i++) {
		char id[16], caption[32];
		snprintf(id, sizeof id, "i%d", i);
		itr_record *r = itr_manifest_add(&m, id, "images/\"x\".jpg");
		for (int k = 0; k < i % 4 + 1; k++) {
			snprintf(caption, sizeof caption, "%d-%d", i, k);
			itr_record_add_caption(&m, r, caption, "A caf\xC3\xA9\n\"quoted\".");
		}
		itr_record_add_label(&m, r, "dog");
		r->split = "val";
		r->width = 640, r->height = 480;
		r->synthetic = i == 3;
	}
	free(m.root);
	m.root = file("");
	FILE *echo = fopen(echo_path, "w");
	m.synthetic = true;
	assert_int_equal(itr_manifest_write(&m, path, NULL, echo, &err), 0);
	fclose(echo);
	assert_int_equal(itr_manifest_read(&back, path, NULL, &err), 0);
	assert_int_equal(back.n, 40);
	assert_int_equal(back.n_captions, m.n_captions);
	assert_true(back.synthetic);
	assert_false(back.records[2].synthetic);
	assert_string_equal(back.records[7].captions[3].text, "A caf\xC3\xA9\n\"quoted\".");
	assert_string_equal(back.records[39].image, "images/\"x\".jpg");
	assert_string_equal(back.records[39].split, "val");
	assert_int_equal(back.records[39].width, 640);
	assert_null(back.records[0].url);
	assert_string_equal(back.root, dir);
	itr_manifest_free(&back);
	assert_int_equal(itr_manifest_read(&back, echo_path, "", &err), 0);
	assert_int_equal(strncmp(back.records[0].image, dir, strlen(dir)), 0);
	itr_manifest_free(&back);
	itr_manifest_free(&m);
	free(path);
	free(echo_path);
}

static void refuse(const char *text, size_t n, const char *expected)
{
	char *path = file("bad.jsonl");
	itr_manifest m;
	itr_err err = ITR_ERR_INIT;
	assert_int_equal(itr_atomic_write(path, text, n, &err), 0);
	if (itr_manifest_read(&m, path, NULL, &err) == 0)
		fail_msg("accepted: %s", text);
	if (!strstr(err.msg, expected))
		fail_msg("'%s' does not contain '%s'", err.msg, expected);
	free(path);
}

#define GOOD "{\"id\":\"1\",\"image\":\"a.jpg\",\"captions\":[{\"id\":\"7\",\"text\":\"x\"}],\"synthetic\":false}\n"

static void test_refusals(void **state)
{
	(void)state;
	static const struct { const char *text, *expected;
	} cases[] = {
		{ "", "lists no images" },
		{ "{\"itr_manifest\":1,\"root\":\".\"}\n", "lists no images" },
		{ "{\"itr_manifest\":2}\n" GOOD, ":1: a manifest of another version" },
		{ GOOD GOOD, ":2: image id '1' occurs twice (first in line 1)" },
		{ GOOD "{\"id\":\"2\",\"image\":\"a.jpg\",\"captions\":[{\"id\":\"7\",\"text\":\"x\"}],\"synthetic\":false}\n",
		  ":2: caption id '7' occurs twice" },
		{ "{\"image\":\"a.jpg\",\"captions\":[],\"synthetic\":false}\n", "'id' is missing" },
		{ "{\"id\":\"1\",\"captions\":[],\"synthetic\":false}\n", "'image' is missing" },
		{ "{\"id\":\"1\",\"image\":\"a.jpg\",\"synthetic\":false}\n", "'captions' is missing" },
		{ "{\"id\":\"1\",\"image\":\"a.jpg\",\"captions\":[{\"id\":\"1\"}],\"synthetic\":false}\n", "without 'id' or 'text'" },
		{ "{\"id\":\"1\",\"image\":\"a.jpg\",\"captions\":[]}\n", "'synthetic' is missing" },
		{ "{\"id\":\"1\",\"image\":\"a.jpg\",\"captions\":[],\"synthetic\":\"no\"}\n", "'synthetic' is missing" },
		{ "{\"id\":\"1\",\"image\":\"a.jpg\",\"captions\":[],\"synthetic\":false,\"split\":\"tset\"}\n",
		  "split 'tset' is none of" },
		{ "{\"id\":\"1\",\"image\":\"a.jpg\",\"captions\":[],\"synthetic\":false,\"width\":-3}\n", "'width' is not a size" },
		{ "{\"id\":\"1\",\"image\":\"a.jpg\",\"captions\":[],\"synthetic\":false,\"labels\":\"dog\"}\n", "'labels' is not a list" },
		{ "{\"id\":\"\",\"image\":\"a.jpg\",\"captions\":[],\"synthetic\":false}\n", "id is empty" },
		{ "{\"id\":\"1\",\"image\":\"a\xFF.jpg\",\"captions\":[],\"synthetic\":false}\n", "bad.jsonl" },
		{ "not json\n", "bad.jsonl" },
	};
	for (int i = 0; i < ITR_LEN(cases); i++)
		refuse(cases[i].text, strlen(cases[i].text), cases[i].expected);
}

static void test_numeric_ids_keep_their_digits(void **state)
{
	(void)state;
	char *path = file("n.jsonl");
	static const char text[] =
		"{\"id\":9007199254740993,\"image\":\"a.jpg\",\"captions\":[{\"id\":5,\"text\":\"x\"}],\"synthetic\":true}\n";
	itr_manifest m;
	itr_err err = ITR_ERR_INIT;
	assert_int_equal(itr_atomic_write(path, text, sizeof text - 1, &err), 0);
	assert_int_equal(itr_manifest_read(&m, path, NULL, &err), 0);
	assert_string_equal(m.records[0].id, "9007199254740993");
	assert_string_equal(m.records[0].captions[0].id, "5");
	itr_manifest_free(&m);
	free(path);
}

static void test_every_truncation(void **state)
{
	(void)state;
	static const char text[] = GOOD;
	char *path = file("cut.jsonl");
	for (size_t n = 1; n + 2 < sizeof text; n++) {
		itr_manifest m;
		itr_err err = ITR_ERR_INIT;
		assert_int_equal(itr_atomic_write(path, text, n, &err), 0);
		assert_int_equal(itr_manifest_read(&m, path, NULL, &err), -1);
	}
	free(path);
}

int main(void)
{
	snprintf(dir, sizeof dir, "/tmp/itr-test-manifest-XXXXXX");
	if (!mkdtemp(dir))
		return 1;
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_round_trip), cmocka_unit_test(test_refusals),
		                            cmocka_unit_test(test_numeric_ids_keep_their_digits), cmocka_unit_test(test_every_truncation) };
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	return itr_path_remove_tree(dir, NULL) < 0 ? 1 : rc;
}
