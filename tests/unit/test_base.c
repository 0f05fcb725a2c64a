/* base: memory, text, maps, paths, atomic files, processes, loops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/atomic_file.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/parallel.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/scratch.h"
#include "base/vec.h"

static void test_err(void **state)
{
	itr_err e = ITR_ERR_INIT;
	(void)state;
	errno = ENOENT;
	assert_int_equal(itr_err_errno(&e, "cannot open '%s'", "x"), -1);
	assert_string_equal(e.msg, "cannot open 'x': No such file or directory");
	itr_err_prefix(&e, "%s: ", "y");
	assert_string_equal(e.msg, "y: cannot open 'x': No such file or directory");
	itr_err_set(&e, "again: %s", e.msg);                 /* its own message as an argument */
	assert_string_equal(e.msg, "again: y: cannot open 'x': No such file or directory");
	assert_int_equal(itr_err_set(NULL, "nobody listens"), -1);
}

static void test_buf(void **state)
{
	itr_buf b = ITR_BUF_INIT;
	(void)state;
	assert_string_equal(itr_buf_str(&b), "");
	for (int i = 0; i < 1000; i++)
		itr_buf_printf(&b, "%d,", i);
	assert_int_equal(b.len, 10 * 2 + 90 * 3 + 900 * 4);
	assert_int_equal(b.data[b.len], 0);
	char *text = itr_buf_detach(&b);
	assert_memory_equal(text, "0,1,2,", 6);
	assert_null(b.data);
	free(text);
}

static void test_arena_keeps_blocks(void **state)
{
	itr_arena *a = itr_arena_new(4096);
	(void)state;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 100; i++) {
			char *p = itr_arena_alloc(a, 100);
			assert_int_equal((uintptr_t)p % 64, 0);
			memset(p, i, 100);
		}
		assert_non_null(itr_arena_alloc(a, 100000));      /* larger than a block */
		size_t held = itr_arena_bytes(a), blocks = itr_arena_blocks(a);
		itr_arena_reset(a);
		if (round)
			assert_true(held == itr_arena_bytes(a) && blocks == itr_arena_blocks(a));
	}
	size_t before = itr_arena_bytes(a);
	for (int i = 0; i < 100; i++)
		itr_arena_alloc(a, 100);
	assert_int_equal(before, itr_arena_bytes(a));
	itr_arena_free(a);
}

static void test_map(void **state)
{
	itr_map *m = itr_map_new();
	char key[32];
	(void)state;
	assert_int_equal(itr_map_get(m, "nothing", -7), -7);
	for (int i = 0; i < 100000; i++) {
		snprintf(key, sizeof key, "%012d", i * 7);
		assert_int_equal(itr_map_add(m, key, i), 1);
	}
	assert_int_equal(itr_map_add(m, "000000000007", 5), 0);
	assert_int_equal(itr_map_get(m, "000000000007", -1), 1);
	itr_map_set(m, "000000000007", 5);
	assert_int_equal(itr_map_get(m, "000000000007", -1), 5);
	assert_int_equal(itr_map_count(m), 100000);
	for (int i = 0; i < 100000; i += 999) {
		snprintf(key, sizeof key, "%012d", i * 7);
		assert_string_equal(itr_map_key(m, i), key);
	}
	itr_map_free(m);
}

static void check_join(const char *dir, const char *name, const char *want)
{
	char *p = itr_path_join(dir, name);
	assert_string_equal(p, want);
	free(p);
}

static void test_paths(void **state)
{
	char *p;
	(void)state;
	check_join("a", "b", "a/b");
	check_join("a/", "b", "a/b");
	check_join(".", "b", "b");
	check_join("a", "/b", "/b");
	assert_string_equal(itr_path_extension("a.b/c"), "");
	assert_string_equal(itr_path_extension("a/.hidden"), "");
	assert_string_equal(itr_path_extension("a/b.tar.gz"), ".gz");
	p = itr_path_replace_extension("x/y.png", ".txt");
	assert_string_equal(p, "x/y.txt");
	free(p);
	assert_true(itr_path_is_safe("a/b.jpg") && itr_path_is_safe("..a/b"));
	assert_false(itr_path_is_safe("/a") || itr_path_is_safe("a/../b") || itr_path_is_safe("..") || itr_path_is_safe("") ||
	             itr_path_is_safe("a//b") || itr_path_is_safe("a/"));
}

static char *scratch(void)
{
	char name[] = "/tmp/itr-unit.XXXXXX";
	assert_non_null(mkdtemp(name));
	return itr_xstrdup(name);
}

static void test_atomic_file(void **state)
{
	itr_err e = ITR_ERR_INIT;
	char *dir = scratch(), *target = itr_path_join(dir, "deep/er/x.txt"), *text;
	(void)state;
	assert_int_equal(itr_atomic_write(target, "one", 3, &e), 0);
	itr_atomic_file *a = itr_atomic_open(target, &e);
	fputs("two", itr_atomic_stream(a));
	text = itr_path_read(target, 100, NULL, &e);
	assert_string_equal(text, "one");                     /* not before the commit */
	free(text);
	itr_atomic_abort(a);
	a = itr_atomic_open(target, &e);
	char *temp = itr_xstrdup(itr_atomic_path(a));
	assert_true(itr_path_exists(temp));
	itr_atomic_cleanup_all();
	assert_false(itr_path_exists(temp));
	itr_atomic_abort(a);
	free(temp);
	assert_int_equal(itr_atomic_write(target, "three", 5, &e), 0);
	text = itr_path_read(target, 100, NULL, &e);
	assert_string_equal(text, "three");
	free(text);
	assert_null(itr_path_read(target, 4, NULL, &e));
	assert_null(itr_atomic_open(dir, &e));                /* a folder */
	assert_int_equal(itr_path_remove_tree(dir, &e), 0);
	assert_false(itr_path_exists(dir));
	free(target);
	free(dir);
}

/* What a killed process was writing goes; what a living one writes, other names and strangers stay. */
static void test_stale_temporaries(void **state)
{
	static const struct { const char *before, *after; bool own, any;
	} file[] = {
		{ ".x.txt.", ".abcdef", true, true },  { ".y.txt.", ".abcdef", false, true }, { ".x.txt.", ".abcdefg", false, false },
		{ "x.txt.", ".abcdef", false, false }, { ".x.txt.", "", false, false },
	};
	itr_err e = ITR_ERR_INIT;
	char *dir = scratch(), *target = itr_path_join(dir, "x.txt");
	(void)state;
	pid_t dead = fork();
	if (dead == 0)
		_exit(0);
	assert_int_equal(waitpid(dead, NULL, 0), dead);
	itr_atomic_file *living = itr_atomic_open(target, &e);
	for (int any = 0; any < 2; any++) {
		char *path[ITR_LEN(file)];
		for (int i = 0; i < ITR_LEN(file); i++) {
			path[i] = itr_xasprintf("%s/%s%ld%s", dir, file[i].before, (long)dead, file[i].after);
			assert_int_equal(itr_atomic_write(path[i], "half", 4, &e), 0);
		}
		itr_atomic_remove_stale(dir, any ? "" : "x.txt");
		for (int i = 0; i < ITR_LEN(file); i++) {
			assert_int_equal(itr_path_exists(path[i]), !(any ? file[i].any : file[i].own));
			free(path[i]);
		}
	}
	assert_true(itr_path_exists(itr_atomic_path(living)));
	itr_atomic_abort(living);
	assert_int_equal(itr_path_remove_tree(dir, &e), 0);
	free(target);
	free(dir);
}

static void test_hash(void **state)
{
	char hex[ITR_SHA256_HEX];
	(void)state;
	itr_sha256_bytes("abc", 3, hex);                      /* FIPS 180-2, appendix B.1 */
	assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void test_nearest(void **state)
{
	static const char *const names[] = { "recall-k", "dim", "threads" };
	(void)state;
	assert_string_equal(itr_nearest("dmi", names, 3), "dim");
	assert_string_equal(itr_nearest("thread", names, 3), "threads");
	assert_string_equal(itr_nearest("recal_k", names, 3), "recall-k");
	assert_null(itr_nearest("x", names, 0));
}

static void test_proc(void **state)
{
	itr_err e = ITR_ERR_INIT;
	char out[64];
	const char *echo[] = { "echo", "a b", NULL }, *fails[] = { "sh", "-c", "echo reason >&2; exit 3", NULL },
		   *missing[] = { "no-such-program", NULL };
	(void)state;
	assert_int_equal(itr_proc_run(echo, NULL, out, sizeof out, &e), 0);
	assert_string_equal(out, "a b\n");
	assert_int_equal(itr_proc_run(fails, "/", NULL, 0, &e), -1);
	assert_string_equal(e.msg, "'sh' failed (exit 3): reason");
	assert_int_equal(itr_proc_run(missing, NULL, NULL, 0, &e), -1);
	assert_true(itr_proc_exists("sh"));
	assert_false(itr_proc_exists("no-such-program"));
}

struct visits { int count[1000]; };
static void visit(void *ctx, int64_t i, int worker)
{
	struct visits *v = ctx;
	assert_true(worker >= 0 && worker < 4);
	__atomic_fetch_add(&v->count[i], 1, __ATOMIC_RELAXED);
}

static void test_parallel(void **state)
{
	(void)state;
	for (int threads = 0; threads <= 4; threads++) {
		struct visits v = { { 0 } };
		itr_parallel_for(threads ? threads : 1, 1000, visit, &v);
		for (int i = 0; i < 1000; i++)
			assert_int_equal(v.count[i], 1);
	}
	itr_parallel_for(2, 0, visit, NULL);
}

/* Loops of every size in quick succession, from several threads at once, some nested: each piece once, no number twice at the same time. */
struct crowd { _Atomic int busy[4]; _Atomic int64_t sum; bool nested; };
static void add(void *ctx, int64_t i, int worker)
{
	(void)worker;
	*(int64_t *)ctx += i;                   /* not atomic: a loop inside a piece is serial */
}
static void count_alone(void *ctx, int64_t i, int worker)
{
	struct crowd *c = ctx;
	int64_t inner = 0;
	assert_int_equal(c->busy[worker]++, 0);
	if (c->nested)
		itr_parallel_for(4, i + 1, add, &inner);
	c->sum += c->nested ? inner : i;
	assert_int_equal(c->busy[worker]--, 1);
}
static void *many_loops(void *arg)
{
	for (int64_t loop = 0; loop < 4000; loop++) {
		int64_t n = loop % 37, want = 0;
		/* inside a loop that is serial itself, the inner one may be shared out */
		struct crowd c = { .nested = loop % 3 == 0 && loop % 4 && n > 1 };
		for (int64_t i = 0; i < n; i++)
			want += c.nested ? i * (i + 1) / 2 : i;
		itr_parallel_for(1 + (int)(loop % 4), n, count_alone, &c);
		assert_int_equal(c.sum, want);
		if (loop % 500 == 0)
			usleep(200);            /* long enough that the workers sleep */
	}
	return arg;
}
static void test_parallel_crowd(void **state)
{
	(void)state;
	pthread_t other[3];
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&other[i], NULL, many_loops, NULL), 0);
	many_loops(NULL);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_join(other[i], NULL), 0);
}

/* Who waits sleeps: the caller for a worker's long piece, workers for the next loop. What is measured is processor time, not how long it
 * took. */
static double cpu_seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
static void nap(void *ctx, int64_t i, int worker)
{
	(void)ctx, (void)worker;
	usleep(i % 4 == 0 ? 300000 : 1000);
}
static void test_parallel_waits_asleep(void **state)
{
	(void)state;
	double before = cpu_seconds();
	itr_parallel_for(4, 4, nap, NULL);
	usleep(300000);
	itr_parallel_for(4, 8, nap, NULL);
	assert_true(cpu_seconds() - before < 0.1);
}

static void test_vec_and_sizes(void **state)
{
	ITR_VEC(int) v = ITR_VEC_INIT;
	size_t s;
	(void)state;
	for (int i = 0; i < 1000; i++)
		ITR_VEC_PUSH(&v, i);
	assert_int_equal(v.v[999], 999);
	ITR_VEC_FREE(&v);
	assert_int_equal(itr_size_mul(3, 4, &s), 0);
	assert_int_equal(s, 12);
	assert_int_equal(itr_size_mul(SIZE_MAX / 2, 3, &s), -1);
	assert_int_equal(itr_size_mul(SIZE_MAX / 2, 2, &s), -1);      /* beyond PTRDIFF_MAX */
	char text[32];
	itr_format_seconds(125, text);
	assert_string_equal(text, "2m05s");
	itr_clock_iso8601(0, text);
	assert_string_equal(text, "1970-01-01T00:00:00Z");
	assert_true(itr_cpu_count() >= 1 && itr_threads_resolve(0) == itr_cpu_count() && itr_threads_resolve(3) == 3);
}

static void test_scratch(void **state)
{
	void *p[40];
	(void)state;
	void *first = itr_scratch_take(1000);
	itr_scratch_give(first);
	assert_ptr_equal(itr_scratch_take(900), first);       /* the block that fits comes back */
	itr_scratch_give(first);
	for (int i = 0; i < 40; i++) {
		p[i] = itr_scratch_take((size_t)(i + 1) * 5000);
		assert_int_equal((uintptr_t)p[i] % 64, 0);
		memset(p[i], i, (size_t)(i + 1) * 5000);
	}
	for (int i = 0; i < 40; i++)
		itr_scratch_give(p[i]);
	itr_scratch_give(NULL);
	itr_scratch_release();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_err),
		cmocka_unit_test(test_buf),
		cmocka_unit_test(test_arena_keeps_blocks),
		cmocka_unit_test(test_map),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_atomic_file),
		cmocka_unit_test(test_stale_temporaries),
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_proc),
		cmocka_unit_test(test_parallel),
		cmocka_unit_test(test_parallel_crowd),
		cmocka_unit_test(test_parallel_waits_asleep),
		cmocka_unit_test(test_vec_and_sizes),
		cmocka_unit_test(test_scratch),
	};
	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
