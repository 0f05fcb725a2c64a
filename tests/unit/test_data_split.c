/* lib/data/split.c and dataset.c: NumPy's split (tests/golden/gen_split.py), fractions, the leaky split, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "data/dataset.h"
#include "data/split.h"

static void test_golden(void **state)
{
	(void)state;
	char line[1024], parts[600];
	unsigned long long seed;
	double f[3];
	int cases = 0;
	FILE *file = fopen("tests/golden/split.txt", "r");
	assert_non_null(file);
	while (fgets(line, sizeof line, file)) {
		if (line[0] == '#')
			continue;
		assert_int_equal(sscanf(line, "%llu %lf %lf %lf %599s", &seed, &f[0], &f[1], &f[2], parts), 5);
		int64_t n = (int64_t)strlen(parts);
		const char **ids = itr_xcalloc((size_t)n, sizeof *ids);
		itr_split *part = itr_xcalloc((size_t)n, sizeof *part);
		itr_err err = ITR_ERR_INIT;
		for (int64_t i = 0; i < n; i++)
			ids[i] = itr_xasprintf("%lld", (long long)(i * 7919 % 100003));
		assert_int_equal(itr_split_assign(part, ids, n, f, seed, &err), 0);
		for (int64_t i = 0; i < n; i++)
			assert_int_equal("tvx"[part[i]], parts[i]);
		for (int64_t i = 0; i < n; i++)
			free((void *)ids[i]);
		free(ids);
		free(part);
		cases++;
	}
	fclose(file);
	assert_int_equal(cases, 5);
}

static void test_groups_golden(void **state)
{
	(void)state;
	char line[2048], tags[1024], parts[600];
	unsigned long long seed;
	double f[3];
	int cases = 0;
	FILE *file = fopen("tests/golden/split_groups.txt", "r");
	assert_non_null(file);
	while (fgets(line, sizeof line, file)) {
		if (line[0] == '#')
			continue;
		assert_int_equal(sscanf(line, "%llu %lf %lf %lf %1023s %599s", &seed, &f[0], &f[1], &f[2], tags, parts), 6);
		int64_t n = (int64_t)strlen(parts), row = 0;
		const char **ids = itr_xcalloc((size_t)n, sizeof *ids);
		itr_split *part = itr_xcalloc((size_t)n, sizeof *part);
		itr_groups *g = itr_groups_new(n);
		itr_err err = ITR_ERR_INIT;
		for (int64_t i = 0; i < n; i++)
			ids[i] = itr_xasprintf("%lld", (long long)(i * 7919 % 100003));
		for (const char *s = tags; *s; s++)
			if (*s == ',')
				row++;
			else if (*s != '+' && *s != '-')
				itr_groups_tag(g, row, (char[]){ *s, 0 });
		assert_int_equal(row, n - 1);
		assert_int_equal(itr_split_assign_groups(part, ids, n, g, f, seed, &err), 0);
		for (int64_t i = 0; i < n; i++)
			assert_int_equal("tvx"[part[i]], parts[i]);
		for (int64_t i = 0; i < n; i++)
			free((void *)ids[i]);
		itr_groups_free(g);
		free(ids);
		free(part);
		cases++;
	}
	fclose(file);
	assert_int_equal(cases, 4);
}

static void test_groups_refusals_and_rules(void **state)
{
	(void)state;
	const char *const ids[] = { "a", "b", "c", "d" };
	itr_split part[4];
	itr_err err = ITR_ERR_INIT;
	itr_groups *g = itr_groups_new(4);
	for (int i = 0; i < 4; i++)
		itr_groups_tag(g, i, "same");
	assert_int_equal(itr_split_assign_groups(part, ids, 4, g, (double[]){ .5, .25, .25 }, 1, &err), -1);
	assert_non_null(strstr(err.msg, "leave nothing for train: 1 groups of 4 rows"));
	itr_groups_free(g);
	itr_split_rule r;
	assert_int_equal(itr_split_rule_parse(&r, NULL, &err), 0);
	assert_int_equal(r.by, ITR_SPLIT_BY_IMAGE);
	assert_int_equal(itr_split_rule_parse(&r, "group:x.csv", &err), 0);
	assert_int_equal(r.by, ITR_SPLIT_BY_GROUP);
	assert_string_equal(r.file, "x.csv");
	static const char *const wrong[] = { "group", "group:", "labels", "file", "" };
	for (int i = 0; i < ITR_LEN(wrong); i++)
		assert_int_equal(itr_split_rule_parse(&r, wrong[i], &err), -1);
	assert_false(itr_split_rule_of(&r, "file", ""));
	assert_true(itr_split_rule_of(&r, "label", ""));
	assert_int_equal(r.by, ITR_SPLIT_BY_LABEL);
}

static void test_refusals(void **state)
{
	(void)state;
	const char *const twice[] = { "a", "b", "a" };
	itr_split part[3];
	itr_err err = ITR_ERR_INIT;
	assert_int_equal(itr_split_assign(part, twice, 3, (double[]){ .6, .2, .2 }, 1, &err), -1);
	assert_non_null(strstr(err.msg, "'a' occurs twice"));
	assert_int_equal(itr_split_assign(part, twice, 1, (double[]){ .6, .2, .1 }, 1, &err), -1);
	assert_int_equal(itr_split_assign(part, twice, 1, (double[]){ 1.2, -.2, 0 }, 1, &err), -1);
	double f[3];
	static const char *const wrong[] = { "", "1", "0.6/0.2", "0.6/0.2/0.3", "a/b/c", "0.6/0.2/0.2/0", "nan/0/1", "1/0/0x" };
	for (int i = 0; i < ITR_LEN(wrong); i++)
		assert_int_equal(itr_split_parse(f, wrong[i], &err), -1);
	assert_int_equal(itr_split_parse(f, "0.8/0.1/0.1", &err), 0);
	assert_true(f[0] > .79 && f[2] < .11);
}

static void fill(itr_manifest *m, int n)
{
	char id[32], caption[32];
	itr_manifest_init(m);
	for (int i = 0; i < n; i++) {
		snprintf(id, sizeof id, "%d", i);
		itr_record *r = itr_manifest_add(m, id, "x.jpg");
		for (int k = 0; k < 5; k++) {
			snprintf(caption, sizeof caption, "%d", i * 5 + k);
			itr_record_add_caption(m, r, caption, "text");
		}
	}
}

static void test_split_by_caption_keeps_every_caption(void **state)
{
	(void)state;
	itr_manifest m;
	itr_err err = ITR_ERR_INIT;
	fill(&m, 50);
	assert_int_equal(itr_dataset_split(&m, (double[]){ .6, .2, .2 }, 42, &(itr_split_rule){ .by = ITR_SPLIT_BY_CAPTION }, -1, &err), 0);
	assert_int_equal(m.n_captions, 250);
	int64_t in_test = 0;
	for (int64_t i = 0; i < m.n; i++)
		in_test += strcmp(m.records[i].split, "test") ? 0 : m.records[i].n_captions;
	assert_int_equal(in_test, 50);
	assert_true(m.n > 50);
	itr_manifest_free(&m);
}

static void test_limit(void **state)
{
	(void)state;
	itr_manifest a, b;
	fill(&a, 100);
	fill(&b, 100);
	itr_dataset_limit(&a, 30, 7);
	itr_dataset_limit(&b, 20, 7);
	assert_int_equal(a.n, 30);
	assert_int_equal(a.n_captions, 150);
	for (int64_t i = 0; i < b.n; i++) {             /* a smaller limit is a part of a larger one */
		bool found = false;
		for (int64_t k = 0; k < a.n; k++)
			found |= !strcmp(a.records[k].id, b.records[i].id);
		assert_true(found);
	}
	itr_manifest_free(&a);
	itr_manifest_free(&b);
}

static void test_hash_ignores_order(void **state)
{
	(void)state;
	const char *const a[] = { "1", "2", "10" }, *const b[] = { "10", "1", "2" };
	const itr_split pa[] = { ITR_TEST, ITR_TRAIN, ITR_TEST }, pb[] = { ITR_TEST, ITR_TEST, ITR_TRAIN };
	char ha[ITR_SHA256_HEX], hb[ITR_SHA256_HEX], expected[ITR_SHA256_HEX];
	itr_split_hash(a, pa, 3, ITR_TEST, ha);
	itr_split_hash(b, pb, 3, ITR_TEST, hb);
	itr_sha256_bytes("1\n10\n", 5, expected);
	assert_string_equal(ha, hb);
	assert_string_equal(ha, expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_golden),
		                            cmocka_unit_test(test_groups_golden),
		                            cmocka_unit_test(test_groups_refusals_and_rules),
		                            cmocka_unit_test(test_refusals),
		                            cmocka_unit_test(test_split_by_caption_keeps_every_caption),
		                            cmocka_unit_test(test_limit),
		                            cmocka_unit_test(test_hash_ignores_order) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
