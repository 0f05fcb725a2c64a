/* The run store against MLflow's rules; MLflow itself reads one in tests/interop/mlflow_opens_runs.py. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/path.h"
#include "track/context.h"
#include "track/meta.h"
#include "track/run.h"
#include "track/store.h"

static char root[64];

static int setup(void **state)
{
	(void)state;
	snprintf(root, sizeof root, "/tmp/itr-track.XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return itr_path_remove_tree(root, NULL);
}

static char *slurp(const char *dir, const char *name)
{
	char *path = itr_path_join(dir, name), *text = itr_path_read(path, 1 << 20, NULL, NULL);
	free(path);
	return text;
}

static void expect_file(const char *dir, const char *name, const char *text)
{
	char *got = slurp(dir, name);
	assert_non_null(got);
	assert_string_equal(got, text);
	free(got);
}

static itr_run *start(const char *runs, const char *experiment, const char *name, const char *parent)
{
	itr_err err = ITR_ERR_INIT;
	itr_run_opts o = {
		.runs_dir = runs, .experiment = experiment, .name = name, .parent = parent, .source = "test", .argv_text = "test --x 1"
	};
	itr_run *r = itr_run_start(&o, &err);
	if (!r)
		fail_msg("%s", err.msg);
	return r;
}

static void test_keys(void **state)
{
	static const char *const cases[][2] = {
		{ "recall@10", "recall_at_10" },
		{ "t2i/recall@1", "t2i/recall_at_1" },
		{ "loss", "loss" },
		{ "a b.c-d_e", "a b.c-d_e" },
		{ "../../etc/passwd", "_x2E__x2E_/_x2E__x2E_/etc/passwd" },
		{ "/abs", "abs" },
		{ "a//b/", "a/b" },
		{ "./x", "_x2E_/x" },
		{ ".x", ".x" },
		/* letters and numbers of all scripts */
		{ "gr\xC3\xBC\xC3\x9F"
		  "e",
		  "gr\xC3\xBC\xC3\x9F"
		  "e" },
		{ "\xE6\x97\xA5\xE6\x9C\xAC\xC2\xB2", "\xE6\x97\xA5\xE6\x9C\xAC\xC2\xB2" },
		{ "a:b=c\n", "a:b_x3D_c_x0A_" },
		{ "", "_" },
		{ "/", "_" },
		{ "x_@5", "x_at_5" },
		{ "a+b", "a_x2B_b" },
		{ "a*b", "a_x2A_b" },
		{ "x\xE2\x80\x93y", "x_x2013_y" },
		{ "x\xE2\x80\x94y", "x_x2014_y" },
		{ "caf\xE9", "caf_byteE9_" },
		{ "caf\xE8", "caf_byteE8_" },
	};
	char out[256], *text = itr_xmalloc(1000);
	(void)state;
	for (int i = 0; i < ITR_LEN(cases); i++) {
		assert_int_equal(itr_run_key(cases[i][0], out), cases[i][0][0] && strcmp(cases[i][0], "/"));
		assert_string_equal(out, cases[i][1]);
	}
	memset(text, 'a', 999);
	text[999] = 0;
	assert_false(itr_run_key(text, out));
	text[251] = 0;
	assert_false(itr_run_key(text, out));
	text[250] = 0;
	assert_true(itr_run_key(text, out));
	assert_string_equal(out, text);
	free(text);
}

static void test_layout(void **state)
{
	char *runs = itr_path_join(root, "runs of mine");
	itr_err err = ITR_ERR_INIT;
	struct stat st;
	(void)state;
	itr_run *r = start(runs, NULL, "it's: a #name\nof two lines", NULL);
	const char *dir = itr_run_dir(r);
	assert_true(itr_store_is_run_id(itr_run_id(r)));
	static const char *const kinds[] = { "metrics", "params", "tags", "artifacts" };
	for (int i = 0; i < 4; i++) {
		char *d = itr_path_join(dir, kinds[i]);
		assert_true(itr_path_is_dir(d));
		free(d);
	}
	char *metrics = itr_path_join(dir, "metrics"), *zero = itr_path_join(runs, "0");
	assert_int_equal(stat(metrics, &st), 0);
	assert_int_equal(st.st_nlink, 2);
	itr_meta m;
	char *meta = itr_path_join(dir, "meta.yaml"), *experiment = itr_path_join(zero, "meta.yaml");
	assert_int_equal(itr_meta_read(&m, experiment, &err), 0);
	assert_string_equal(itr_meta_get(&m, "name"), "Default");
	assert_true(strstr(itr_meta_get(&m, "artifact_location"), "/runs%20of%20mine/0") &&
	            !strncmp(itr_meta_get(&m, "artifact_location"), "file:///", 8));
	itr_meta_free(&m);
	assert_int_equal(itr_meta_read(&m, meta, &err), 0);
	assert_int_equal(itr_meta_int(&m, "status", 0), ITR_RUN_RUNNING);
	assert_int_equal(itr_meta_int(&m, "source_type", 0), 4);
	assert_null(itr_meta_get(&m, "end_time"));
	assert_string_equal(itr_meta_get(&m, "run_name"), "it's: a #name of two lines");
	itr_meta_free(&m);
	char *text = itr_path_read(meta, 1 << 20, NULL, NULL);
	assert_non_null(strstr(text, "\nrun_name: 'it''s: a #name of two lines'\n"));
	assert_non_null(strstr(text, "\ntags: []\n"));
	free(text);
	expect_file(dir, "tags/mlflow.source.name", "test");
	expect_file(dir, "tags/itr.argv", "test --x 1");
	char *keep = itr_xstrdup(meta);
	assert_int_equal(itr_run_end(r, ITR_RUN_FINISHED, &err), 0);
	assert_int_equal(itr_meta_read(&m, keep, &err), 0);
	assert_int_equal(itr_meta_int(&m, "status", 0), ITR_RUN_FINISHED);
	assert_true(itr_meta_int(&m, "end_time", 0) >= itr_meta_int(&m, "start_time", 0));
	itr_meta_free(&m);
	free(keep), free(meta), free(experiment), free(metrics), free(zero), free(runs);
}

static void test_values(void **state)
{
	char *runs = itr_path_join(root, "values"), *long_value = itr_xmalloc(20000);
	itr_err err = ITR_ERR_INIT;
	long long ts;
	char value[64];
	long step;
	int used = 0;
	(void)state;
	itr_run *r = start(runs, "e", NULL, NULL);
	itr_metric batch[] = {
		{ "loss", 0.1, 0 }, { "recall@10", 1.0 / 3, 0 }, { "loss", 1e-300, 1 }, { "loss", NAN, 2 }, { "loss", -INFINITY, 3 }
	};
	itr_run_metrics(r, batch, ITR_LEN(batch));
	itr_run_metric(r, "loss", 5, 4);
	char *text = slurp(itr_run_dir(r), "metrics/loss");
	static const char *const want[] = { "0.1", "1e-300", "nan", "-inf", "5" };
	const char *p = text;
	for (int i = 0; i < 5; i++, p += used) {
		assert_int_equal(sscanf(p, "%lld %63s %ld\n%n", &ts, value, &step, &used), 3);
		assert_string_equal(value, want[i]);
		assert_int_equal(step, i);
		assert_true(ts > 1600000000000LL);
	}
	assert_int_equal(*p, 0);
	free(text);
	text = slurp(itr_run_dir(r), "metrics/recall_at_10");
	assert_int_equal(sscanf(text, "%lld %63s", &ts, value), 2);
	assert_true(strtod(value, NULL) == 1.0 / 3);
	free(text);
	itr_run_param(r, "dim", "512");
	itr_run_param(r, "dim", "512");
	itr_run_param(r, "empty", "");
	memset(long_value, 'x', 19999);
	long_value[19999] = 0;
	itr_run_param(r, "long", long_value);
	itr_run_tag(r, "t", "1");
	itr_run_tag(r, "t", "2");
	expect_file(itr_run_dir(r), "params/dim", "512");
	expect_file(itr_run_dir(r), "params/empty", "");
	expect_file(itr_run_dir(r), "tags/t", "2");
	text = slurp(itr_run_dir(r), "params/long");
	assert_int_equal(strlen(text), 6000);
	free(text);
	expect_file(itr_run_dir(r), "artifacts/long/param.long.txt", long_value);      /* nothing is lost */
	itr_run_param(r, "file", "caf\xE9.npz");
	itr_run_tag(r, "file", "caf\xC3\xA9 \xED\xA0\x80");          /* a surrogate is no UTF-8 either */
	expect_file(itr_run_dir(r), "params/file", "caf\\xE9.npz");
	expect_file(itr_run_dir(r), "tags/file", "caf\xC3\xA9 \\xED\\xA0\\x80");
	itr_run_param(r, "dim", "1024");
	itr_run_metric(r, "after", 1, 0);                       /* the run goes on after a failure */
	char *dir = itr_xstrdup(itr_run_dir(r));
	assert_int_equal(itr_run_end(r, ITR_RUN_FINISHED, &err), -1);
	assert_non_null(strstr(err.msg, "'dim'"));
	expect_file(dir, "params/dim", "512");
	text = slurp(dir, "metrics/after");
	assert_non_null(text);
	free(text), free(dir), free(runs), free(long_value);
}

static void test_parent(void **state)
{
	char *runs = itr_path_join(root, "parents"), *dir;
	itr_err err = ITR_ERR_INIT;
	(void)state;
	itr_run *p = start(runs, "pipeline", "all", NULL), *c = start(runs, NULL, NULL, itr_run_id(p));
	expect_file(itr_run_dir(c), "tags/mlflow.parentRunId", itr_run_id(p));
	char *a = itr_path_dirname(itr_run_dir(p)), *b = itr_path_dirname(itr_run_dir(c));
	assert_string_equal(a, b);                              /* the parent's experiment */
	dir = itr_xstrdup(itr_run_id(p));
	assert_int_equal(itr_run_end(c, ITR_RUN_FINISHED, &err), 0);
	assert_int_equal(itr_run_end(p, ITR_RUN_KILLED, &err), 0);
	p = itr_run_reopen(runs, dir, &err);
	assert_non_null(p);
	assert_int_equal(itr_run_end(p, ITR_RUN_FAILED, &err), 0);
	itr_run_opts o = { .runs_dir = runs, .parent = "00000000000000000000000000000000", .source = "test" };
	assert_null(itr_run_start(&o, &err));
	assert_non_null(strstr(err.msg, "no run '0000"));
	assert_null(itr_run_reopen(runs, "../../etc", &err));
	free(a), free(b), free(dir), free(runs);
}

/* Eight processes that start at once and name one experiment make one, and two names make two. */
static void test_race(void **state)
{
	char *runs = itr_path_join(root, "race");
	pid_t child[8];
	int status, experiments = 0;
	(void)state;
	for (int i = 0; i < 8; i++)
		if ((child[i] = fork()) == 0) {
			itr_err err = ITR_ERR_INIT;
			itr_run_opts o = { .runs_dir = runs, .experiment = i % 2 ? "odd" : "even", .source = "race" };
			itr_run *r = itr_run_start(&o, &err);
			_exit(r && itr_run_end(r, ITR_RUN_FINISHED, &err) == 0 ? 0 : 1);
		}
	for (int i = 0; i < 8; i++) {
		assert_int_equal(waitpid(child[i], &status, 0), child[i]);
		assert_int_equal(status, 0);
	}
	for (int i = 0; i < 10; i++) {
		char *dir = itr_xasprintf("%s/%d", runs, i);
		experiments += itr_path_is_dir(dir);
		free(dir);
	}
	assert_int_equal(experiments, 3);
	free(runs);
}

struct writer { itr_run *r; int from; };

static void *write_points(void *arg)
{
	struct writer *w = arg;
	for (int i = 0; i < 200; i++)
		itr_run_metric(w->r, "shared", w->from + i, w->from + i);
	return NULL;
}

/* Two openings of one run append at the same time: every line arrives whole. */
static void test_appends(void **state)
{
	char *runs = itr_path_join(root, "appends"), *text;
	itr_err err = ITR_ERR_INIT;
	bool seen[400] = { false };
	(void)state;
	itr_run *a = start(runs, "e", NULL, NULL), *b = itr_run_attach(runs, itr_run_id(a), &err);
	assert_non_null(b);
	pthread_t thread[2];
	struct writer w[2] = { { a, 0 }, { b, 200 } };
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, write_points, &w[i]), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	text = slurp(itr_run_dir(a), "metrics/shared");
	int n = 0;
	for (char *line = text; *line; line += strcspn(line, "\n") + 1, n++) {
		long long ts;
		int value, step;
		assert_int_equal(sscanf(line, "%lld %d %d\n", &ts, &value, &step), 3);
		assert_true(value == step && value >= 0 && value < 400 && !seen[value]);
		seen[value] = true;
	}
	assert_int_equal(n, 400);
	assert_int_equal(itr_run_close(b, &err), 0);
	assert_int_equal(itr_run_end(a, ITR_RUN_FINISHED, &err), 0);
	free(text), free(runs);
}

static void test_artifacts(void **state)
{
	char *runs = itr_path_join(root, "artifacts"), *small = itr_path_join(root, "small.txt"), *large = itr_path_join(root, "large.bin");
	itr_err err = ITR_ERR_INIT;
	(void)state;
	FILE *f = fopen(small, "w");
	fputs("hello\n", f);
	fclose(f);
	f = fopen(large, "w");
	fclose(f);
	assert_int_equal(truncate(large, (16 << 20) + 1), 0);
	itr_run *r = start(runs, "e", NULL, NULL);
	itr_run_artifact(r, small);
	itr_run_artifact(r, large);
	expect_file(itr_run_dir(r), "artifacts/small.txt", "hello\n");
	char *link = slurp(itr_run_dir(r), "artifacts/large.bin.link.json");
	assert_non_null(link);
	assert_non_null(strstr(link, "\"bytes\": 16777217"));
	assert_non_null(strstr(link, large));
	itr_run_artifact(r, "/nonexistent/x");
	assert_int_equal(itr_run_end(r, ITR_RUN_FINISHED, &err), -1);
	assert_non_null(strstr(err.msg, "/nonexistent/x"));
	free(link), free(small), free(large), free(runs);
}

/* What PyYAML writes when MLflow rewrites a file, and files that are none. */
static void test_yaml(void **state)
{
	char *path = itr_path_join(root, "meta.yaml");
	itr_err err = ITR_ERR_INIT;
	itr_meta m;
	(void)state;
	FILE *f = fopen(path, "w");
	fputs("a: plain words\nb: 'it''s'\nc: \"tab\\there \\xFC \\u20AC \\\"q\\\"\"\nd: null\ne: ''\nf: 123\ng: []\nh: a long text that\n "
	      " goes on: here\ni: 'also\n  folded'\n",
	      f);
	fclose(f);
	assert_int_equal(itr_meta_read(&m, path, &err), 0);
	assert_string_equal(itr_meta_get(&m, "a"), "plain words");
	assert_string_equal(itr_meta_get(&m, "b"), "it's");
	assert_string_equal(itr_meta_get(&m, "c"), "tab\there \xC3\xBC \xE2\x82\xAC \"q\"");
	assert_null(itr_meta_get(&m, "d"));
	assert_string_equal(itr_meta_get(&m, "e"), "");
	assert_int_equal(itr_meta_int(&m, "f", 0), 123);
	assert_string_equal(itr_meta_get(&m, "h"), "a long text that goes on: here");
	assert_string_equal(itr_meta_get(&m, "i"), "also folded");
	assert_int_equal(itr_meta_write(&m, path, false, &err), 0);
	itr_meta_free(&m);
	assert_int_equal(itr_meta_read(&m, path, &err), 0);
	assert_string_equal(itr_meta_get(&m, "g"), "[]");
	assert_string_equal(itr_meta_get(&m, "b"), "it's");
	itr_meta_free(&m);
	static const char *const bad[] = { "no colon here\n", "  indented: first\n", "\xFF\xFE", "- list\n" };
	for (int i = 0; i < ITR_LEN(bad); i++) {
		f = fopen(path, "w");
		fputs(bad[i], f);
		fclose(f);
		assert_int_equal(itr_meta_read(&m, path, &err), -1);
	}
	f = fopen(path, "w");
	for (int i = 0; i < 100; i++)
		fprintf(f, "k%d: v\n", i);
	fclose(f);
	assert_int_equal(itr_meta_read(&m, path, &err), -1);
	free(path);
}

static void test_context(void **state)
{
	char *commit, *branch, *repo = itr_path_join(root, "repo"), *deep = itr_path_join(repo, "a/b"),
			       *refs = itr_path_join(repo, ".git/refs/heads"), *file, *self;
	itr_err err = ITR_ERR_INIT;
	(void)state;
	assert_int_equal(itr_path_mkdirs(deep, &err), 0);
	assert_int_equal(itr_path_mkdirs(refs, &err), 0);
	file = itr_path_join(repo, ".git/HEAD");
	FILE *f = fopen(file, "w");
	fputs("ref: refs/heads/topic/x\n", f);
	fclose(f);
	free(file);
	assert_false(itr_context_git(deep, &commit, &branch));   /* no commit yet */
	file = itr_path_join(repo, ".git/packed-refs");
	f = fopen(file, "w");
	fputs("# pack-refs with: peeled\n0123456789012345678901234567890123456789 refs/heads/topic/x\n", f);
	fclose(f);
	assert_true(itr_context_git(deep, &commit, &branch));
	assert_string_equal(commit, "0123456789012345678901234567890123456789");
	assert_string_equal(branch, "topic/x");
	self = itr_context_process();
	assert_true(itr_context_alive(self));
	assert_false(itr_context_alive("0 0"));
	assert_false(itr_context_alive(""));
	char *other = itr_xasprintf("%ld 1", (long)getpid());    /* same number, another start: another process */
	assert_false(itr_context_alive(other));
	free(commit), free(branch), free(file), free(self), free(other), free(refs), free(deep), free(repo);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),      cmocka_unit_test(test_layout), cmocka_unit_test(test_values),
		cmocka_unit_test(test_parent),    cmocka_unit_test(test_race),   cmocka_unit_test(test_appends),
		cmocka_unit_test(test_artifacts), cmocka_unit_test(test_yaml),   cmocka_unit_test(test_context),
	};
	return cmocka_run_group_tests_name("track_run", tests, setup, teardown);
}
