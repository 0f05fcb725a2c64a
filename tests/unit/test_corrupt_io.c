/* Damaged files: every format cut short at its structure boundaries, bytes flipped by fixed seeds, counts blown up. The verdict is always a
 * message that names the file, or data that are what they were; never a crash, a hang, or an allocation on the file's word. Run it under
 * AddressSanitizer: make check-asan. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/path.h"
#include "io/h5.h"
#include "io/jsonl.h"
#include "io/npz.h"
#include "io/zip.h"
#include "io/zipwrite.h"

#define GOLDEN "tests/golden/npz/"

static char *damaged;                   /* the file that each case writes anew */

static void save(const void *bytes, size_t n)
{
	FILE *f = fopen(damaged, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	fclose(f);
}

static char *slurp(const char *path, size_t *n)
{
	itr_err err = ITR_ERR_INIT;
	char *bytes = itr_path_read(path, 1 << 26, n, &err);
	if (!bytes)
		fail_msg("%s", err.msg);
	return bytes;
}

/* splitmix64: the same flips everywhere */
static uint64_t next_random(uint64_t *state) { return itr_mix64(*state += 0x9e3779b97f4a7c15u); }

/* An error must name the file; the message must not be left from before. */
static void check_message(const itr_err *err)
{
	assert_true(err->set);
	if (!strstr(err->msg, damaged))
		fail_msg("the message does not name the file: %s", err->msg);
}

/* --- NPZ ------------------------------------------------------------------------------------------------------------------ */

/* What an array holds, as one hash; 0 with err when it cannot be read. */
static uint64_t array_hash(itr_npz *z, const char *name, itr_err *err)
{
	itr_array_info info;
	uint64_t h = 1;
	if (itr_npz_info(z, name, &info, err) < 0)
		return 0;
	if (info.is_text) {
		char **t = itr_npz_text(z, name, &info, err);
		for (int64_t i = 0; t && i < info.count; i++)
			for (const char *s = t[i]; *s; s++)
				h = itr_mix64(h ^ (unsigned char)*s);
		itr_npz_free_text(t, info.count);
		return t ? h : 0;
	}
	unsigned char *raw = itr_npz_raw(z, name, &info, err);
	for (size_t i = 0; raw && i < (size_t)info.count * itr_dtype_size(info.dtype); i++)
		h = itr_mix64(h ^ raw[i]);
	itr_aligned_free(raw);
	return raw ? h : 0;
}

enum { MAX_ARRAYS = 64 };
struct known {
	int n;
	char *names[MAX_ARRAYS];
	uint64_t hashes[MAX_ARRAYS];
};

static void learn(const char *path, struct known *k)
{
	itr_err err = ITR_ERR_INIT;
	itr_npz *z = itr_npz_open(path, &err);
	assert_non_null(z);
	k->n = 0;
	for (int64_t i = 0; i < itr_npz_count(z); i++) {
		err.set = 0;
		k->names[k->n] = itr_xstrdup(itr_npz_name(z, i));
		k->hashes[k->n++] = array_hash(z, itr_npz_name(z, i), &err);
	}
	itr_npz_close(z);
}

static void forget(struct known *k)
{
	for (int i = 0; i < k->n; i++)
		free(k->names[i]);
}

/* Reads all that the damaged file still offers. The number of arrays that could not be read (all, when it cannot be opened). Data that come
 * must be the original's where a checksum guards them. */
static int read_damaged(const struct known *k, bool guarded)
{
	itr_err err = ITR_ERR_INIT;
	itr_npz *z = itr_npz_open(damaged, &err);
	int bad = 0;
	if (!z) {
		check_message(&err);
		return k->n;
	}
	for (int i = 0; i < k->n; i++) {
		err.set = 0;
		if (!itr_npz_has(z, k->names[i])) {
			bad++;
			continue;
		}
		uint64_t h = array_hash(z, k->names[i], &err);
		if (h == 0) {
			check_message(&err);
			bad++;
		} else if (guarded && h != k->hashes[i])
			fail_msg("array '%s' reads as something else, without an error", k->names[i]);
	}
	itr_npz_close(z);
	return bad;
}

static const char *const archives[] = { GOLDEN "stored.npz", GOLDEN "deflated.npz", GOLDEN "stream.npz", GOLDEN "plain.npz" };
static const char *const singles[] = { GOLDEN "v1.npy", GOLDEN "v2.npy", GOLDEN "v3.npy", GOLDEN "fortran.npy", GOLDEN "python2.npy" };

/* Around each zip signature, and on a grid in between. */
static bool near_boundary(const char *bytes, size_t n, size_t k)
{
	if (n < 2000 || k % 97 == 0 || k + 30 > n)
		return true;
	for (size_t d = 0; d < 3; d++)
		if (k + d >= 1 && k + d + 1 < n && bytes[k + d - 1] == 'P' && bytes[k + d] == 'K')
			return true;
	return k >= 30 && bytes[k - 30] == 'P' && bytes[k - 29] == 'K';
}

static void test_npz_cut(void **state)
{
	(void)state;
	for (int a = 0; a < ITR_LEN(archives) + ITR_LEN(singles); a++) {
		const char *path = a < ITR_LEN(archives) ? archives[a] : singles[a - ITR_LEN(archives)];
		struct known k;
		size_t n;
		char *bytes = slurp(path, &n);
		learn(path, &k);
		size_t comment = strstr(path, "plain") ? 9 : 0;         /* a comment cut short takes no data with it */
		for (size_t cut = 0; cut < n - comment; cut++) {
			if (!near_boundary(bytes, n, cut))
				continue;
			save(bytes, cut);
			if (read_damaged(&k, true) != k.n)
				fail_msg("%s cut at %zu of %zu bytes was read as if whole", path, cut, n);
		}
		forget(&k);
		free(bytes);
	}
}

static void test_npz_flips(void **state)
{
	(void)state;
	uint64_t seed = 11;
	for (int a = 0; a < ITR_LEN(archives) + ITR_LEN(singles); a++) {
		const char *path = a < ITR_LEN(archives) ? archives[a] : singles[a - ITR_LEN(archives)];
		struct known k;
		size_t n;
		char *bytes = slurp(path, &n);
		learn(path, &k);
		int noticed = 0;
		for (int i = 0; i < 300; i++) {
			size_t at = next_random(&seed) % n;
			char was = bytes[at];
			bytes[at] = (char)(was ^ (1 << next_random(&seed) % 8));
			save(bytes, n);
			noticed += read_damaged(&k, a < ITR_LEN(archives)) > 0;
			bytes[at] = was;
		}
		assert_true(noticed > 20);
		forget(&k);
		free(bytes);
	}
}

static void put32(char *at, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		at[i] = (char)(v >> 8 * i);
}

/* Sizes, offsets and counts of the directory, one after the other, set to what no file holds. */
static void test_npz_claims(void **state)
{
	(void)state;
	static const uint32_t claims[] = { 0x7fffffff, 0xfffffffe, 0xffffffff, 0 };
	for (int a = 0; a < ITR_LEN(archives); a++) {
		struct known k;
		size_t n;
		char *bytes = slurp(archives[a], &n);
		learn(archives[a], &k);
		for (size_t at = 0; at + 22 <= n; at++) {
			bool entry = !memcmp(bytes + at, "PK\1\2", 4), end = !memcmp(bytes + at, "PK\5\6", 4);
			/* CRC, sizes, lengths, offset; counts, size, offset */
			static const int in_entry[] = { 16, 20, 24, 28, 42 }, in_end[] = { 8, 12, 16 };
			for (int f = 0; f < (entry ? 5 : end ? 3 : 0); f++)
				for (int c = 0; c < ITR_LEN(claims); c++) {
					char *field = bytes + at + (entry ? in_entry[f] : in_end[f]), was[4];
					memcpy(was, field, 4);
					put32(field, claims[c]);
					if (memcmp(was, field, 4)) {
						save(bytes, n);
						if (read_damaged(&k, true) == 0)
							fail_msg("%s: claim %x at byte %zu was believed", archives[a], claims[c],
							         (size_t)(field - bytes));
					}
					memcpy(field, was, 4);
				}
		}
		forget(&k);
		free(bytes);
	}
}

/* A member that inflates to a megabyte while the directory says otherwise. */
static void test_zip_bomb(void **state)
{
	(void)state;
	itr_err err = ITR_ERR_INIT;
	static char zeros[1 << 20];
	FILE *f = fopen(damaged, "wb");
	itr_zipw *w = itr_zipw_new(f, damaged, true);
	assert_int_equal(itr_zipw_begin(w, "bomb", sizeof zeros, &err), 0);
	assert_int_equal(itr_zipw_write(w, zeros, sizeof zeros, &err), 0);
	assert_int_equal(itr_zipw_end(w, &err), 0);
	assert_int_equal(itr_zipw_finish(w, &err), 0);
	itr_zipw_free(w);
	fclose(f);
	size_t n;
	char *bytes = slurp(damaged, &n);
	size_t at = n - 22;
	while (memcmp(bytes + at, "PK\1\2", 4))
		at--;
	static const struct { uint32_t size; const char *why;
	} lies[] = {
		{ 100, "holds more than the 100 bytes" },
		{ 1 << 21, "which cannot be" },
		{ 0x7fffffff, "which cannot be" },
		{ (1 << 20) + 5, "ends 5 bytes too early" },
	};
	for (int i = 0; i < ITR_LEN(lies); i++) {
		put32(bytes + at + 24, lies[i].size);
		save(bytes, n);
		itr_zip *z = itr_zip_open(damaged, &err);
		assert_non_null(z);
		itr_zip_member *m = itr_zip_member_open(z, 0, &err);
		int64_t got = m ? 1 : -1;
		while (got > 0)
			got = itr_zip_member_read(m, zeros, sizeof zeros, &err);
		assert_int_equal(got, -1);
		if (!strstr(err.msg, lies[i].why))
			fail_msg("%s", err.msg);
		itr_zip_member_close(m);
		itr_zip_close(z);
	}
	free(bytes);
}

/* --- JSON ----------------------------------------------------------------------------------------------------------------- */

static const char document[] = "{\"info\":{\"year\":2017,\"url\":\"http:\\/\\/"
                               "cocodataset.org\"},\"images\":[{\"id\":139,\"file_name\":\"000000000139.jpg\",\"width\":640},"
			       "{\"id\":285,\"file_name\":\"caf\xc3\xa9 "
                               "\xf0\x9f\x98\x80.jpg\",\"width\":586}],\"annotations\":[{\"image_id\":139,\"id\":9007199254740993,"
			       "\"segmentation\":[[240.86,211.31,-1e-5],{\"counts\":\"\\u00e9\\ud83d\\ude00\"}],\"bbox\":[1.5,2,3,4],"
                               "\"iscrowd\":false,\"x\":null,\"y\":true}]}";

static void test_json_flips(void **state)
{
	(void)state;
	char bytes[sizeof document];
	uint64_t seed = 13;
	int noticed = 0;
	memcpy(bytes, document, sizeof document);
	for (int i = 0; i < 4000; i++) {
		size_t at = next_random(&seed) % (sizeof document - 1);
		char was = bytes[at];
		bytes[at] = (char)(next_random(&seed) & 0xff);
		itr_err err = ITR_ERR_INIT;
		save(bytes, sizeof document - 1);
		itr_json *j = itr_json_read(damaged, &err);
		if (!j)
			check_message(&err);
		noticed += !j;
		/* the stream, with skips, must come to the same verdict or be content with what a skip cannot see */
		itr_err other = ITR_ERR_INIT;
		itr_jsonpull *p = itr_jsonpull_open(damaged, &other);
		itr_jp t;
		while ((t = itr_jsonpull_next(p, &other)) > ITR_JP_END)
			if (t == ITR_JP_KEY && !strcmp(itr_jsonpull_text(p), "segmentation") && itr_jsonpull_skip(p, &other) < 0)
				break;
		if (other.set)
			check_message(&other);
		if (j && other.set)
			fail_msg("the tree was read, the stream was not: %s", other.msg);
		itr_jsonpull_close(p);
		itr_json_free(j);
		bytes[at] = was;
	}
	assert_true(noticed > 400);
}

static void test_jsonl_damage(void **state)
{
	(void)state;
	itr_buf b = ITR_BUF_INIT;
	for (int i = 0; i < 3; i++) {
		itr_buf_add(&b, document, sizeof document - 1);
		itr_buf_putc(&b, '\n');
	}
	uint64_t seed = 17;
	for (size_t i = 0; i < b.len + 1500; i++) {
		char *at = i < b.len ? NULL : b.data + next_random(&seed) % b.len, was = at ? *at : 0;
		if (at)
			*at = (char)(next_random(&seed) & 0xff);
		save(b.data, at ? b.len : i);
		if (at)
			*at = was;
		itr_err err = ITR_ERR_INIT;
		itr_jsonl *r = itr_jsonl_open(damaged, &err);
		itr_json *j;
		int rc, lines = 0;
		for (; (rc = itr_jsonl_next(r, &j, &err)) > 0; lines++)
			itr_json_free(j);
		if (rc < 0)
			check_message(&err);
		else if (!at && i % sizeof document > 0 && i % sizeof document < sizeof document - 1)
			fail_msg("cut inside a line at %zu, yet no error", i);
		itr_jsonl_close(r);
	}
	itr_buf_free(&b);
}

/* --- HDF5 ----------------------------------------------------------------------------------------------------------------- */

static void write_h5(const char *path)
{
	itr_err err = ITR_ERR_INIT;
	itr_h5 *h = itr_h5_create(path, "itr-features", true, &err);
	assert_non_null(h);
	float x[64];
	const char *strings[2000];
	for (int i = 0; i < 64; i++)
		x[i] = (float)i;
	for (int i = 0; i < 2000; i++)
		strings[i] = i == 7 ? "a caption that is much longer than the others, so that the padding is worth compressing away in the "
		                      "file, which makes it chunked; "
		                      "and so on, and so on, and so on, and so on, and so on, and so on, and so on, and so on, and so on, "
		                      "and so on, and so on, and so on, and so on, "
		                      "and so on, and so on, and so on, and so on, and so on, and so on, and so on, and so on, and so on, "
		                      "and so on, and so on, and so on, and so on, "
		                      "and so on, and so on, and so on, and so on, and so on, and so on, and so on, and so on, and so on, "
		                      "and so on, and so on, and so on, and so on"
		                    : "short";
	assert_int_equal(itr_h5_write(h, "/image/pooled", ITR_F32, 2, (int64_t[]){ 8, 8 }, x, &err), 0);
	assert_int_equal(itr_h5_create_rows(h, "/image/patches", ITR_F16, 3, (int64_t[]){ 2, 4, 8 }, &err), 0);
	assert_int_equal(itr_h5_write_rows(h, "/image/patches", ITR_F32, 0, 2, x, &err), 0);
	assert_int_equal(itr_h5_write_texts(h, "/image/id", strings, 5, &err), 0);
	assert_int_equal(itr_h5_write_texts(h, "/text/caption", strings, 2000, &err), 0);
	assert_int_equal(itr_h5_write_text(h, "/config", "{\"k\":1}", &err), 0);
	assert_int_equal(itr_h5_set_attr_text(h, "/image", "encoder", "classic", &err), 0);
	assert_int_equal(itr_h5_commit(h, &err), 0);
}

/* Opens and reads everything below `group`. The number of things that failed. */
static int read_group(itr_h5 *h, const char *group, int depth)
{
	char **names;
	int64_t n = depth < 6 ? itr_h5_list(h, group, &names) : -1;
	int bad = n < 0;
	for (int64_t i = 0; i < n; i++) {
		itr_err err = ITR_ERR_INIT;
		itr_h5_info info;
		char *path = itr_xasprintf("%s/%s", depth ? group : "", names[i]), **inner;
		int64_t members = itr_h5_list(h, path, &inner);
		for (int64_t k = 0; k < members; k++)
			free(inner[k]);
		if (members >= 0) {
			free(inner);
			free(itr_h5_attr_text(h, path, "encoder"));
			bad += read_group(h, path, depth + 1);
		} else if (itr_h5_info_of(h, path, &info, &err) < 0) {
			bad++;
		} else if (info.is_text) {
			int64_t count = 0;
			char **t = itr_h5_read_texts(h, path, &count, &err);
			bad += !t;
			for (int64_t k = 0; t && k < count; k++)
				free(t[k]);
			free(t);
		} else {
			void *data = itr_h5_read(h, path, ITR_F32, NULL, &err);
			bad += !data;
			itr_aligned_free(data);
		}
		if (err.set && !strstr(err.msg, damaged))
			bad += 1000;
		free(path);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	return bad;
}

static const char *h5_format = "itr-features";

static int read_h5(void)
{
	itr_err err = ITR_ERR_INIT;
	itr_h5 *h = itr_h5_open(damaged, h5_format, &err);
	if (!h)
		return err.set && strstr(err.msg, damaged) ? 1 : 1000;
	int bad = read_group(h, "/", 0);
	itr_h5_close(h);
	return bad;
}

/* In a process of its own, with a clock: a crash or a hang of the HDF5 library is then counted, not suffered. 0 whole, 1 a clean error, 2
 * died, 3 bad message. */
static int read_h5_apart(void)
{
	fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		static const int deadly[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL };
		for (int i = 0; i < ITR_LEN(deadly); i++)
			signal(deadly[i], SIG_DFL);             /* cmocka's handlers would go on with the next test, here in the child */
		alarm(30);
		int bad = read_h5();
		_exit(bad == 0 ? 0 : bad < 1000 ? 1 : 3);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) && WEXITSTATUS(status) <= 3 ? WEXITSTATUS(status) : 2;
}

static void test_h5_cut(void **state)
{
	(void)state;
	static const char *const marks[] = { "TREE", "HEAP", "SNOD", "\x89HDF" };
	write_h5(damaged);
	size_t n;
	char *bytes = slurp(damaged, &n);
	assert_int_equal(read_h5_apart(), 0);
	for (size_t cut = 0; cut < n; cut++) {
		bool boundary = cut % 211 == 0 || cut + 9 > n;
		for (int m = 0; m < ITR_LEN(marks) && !boundary; m++)
			for (size_t d = 0; d < 3; d++)
				boundary = boundary || (cut + d >= 1 && cut + d + 3 < n && !memcmp(bytes + cut + d - 1, marks[m], 4));
		if (!boundary)
			continue;
		save(bytes, cut);
		if (read_h5_apart() != 1)
			fail_msg("an HDF5 file cut at %zu of %zu bytes gave no clean error", cut, n);
	}
	free(bytes);
}

static void test_h5_flips(void **state)
{
	(void)state;
	write_h5(damaged);
	size_t n, head = 6000;                  /* the structures lie at the front; behind them are mostly data, which nothing guards */
	char *bytes = slurp(damaged, &n);
	uint64_t seed = 19;
	int verdicts[4] = { 0 };
	for (int i = 0; i < 1500; i++) {
		size_t at = next_random(&seed) % (i % 10 ? ITR_MIN(head, n) : n);
		char was = bytes[at];
		bytes[at] = i % 2 ? (char)(was ^ (1 << next_random(&seed) % 8)) : (char)(next_random(&seed) & 0xff);
		save(bytes, n);
		int verdict = read_h5_apart();
		verdicts[verdict]++;
		if (verdict >= 2 && getenv("ITR_KEEP_DAMAGED")) {
			char *keep = itr_xasprintf("%s/damaged-%d.h5", getenv("ITR_KEEP_DAMAGED"), i);
			FILE *f = fopen(keep, "wb");
			fwrite(bytes, 1, n, f);
			fclose(f);
			free(keep);
		}
		if (verdict >= 2)
			print_message("# byte %zu from %02x to %02x: %s\n", at, (unsigned char)was, (unsigned char)bytes[at],
			              verdict == 2 ? "died" : "a message without the file");
		bytes[at] = was;
	}
	print_message("# HDF5 flips: %d harmless, %d clean errors, %d died, %d bad messages\n", verdicts[0], verdicts[1], verdicts[2],
	              verdicts[3]);
	free(bytes);
	assert_int_equal(verdicts[2] + verdicts[3], 0);
	assert_true(verdicts[1] > 100);
}

/* Files of others (tests/golden/gen_h5.py): lzf, a block in front, soft links, with one to four bytes changed anywhere. */
static void test_h5_foreign_flips(void **state)
{
	(void)state;
	static const char *const files[] = { "tests/golden/h5/lzf.h5", "tests/golden/h5/lzf_shuffle.h5", "tests/golden/h5/lzf_large.h5",
		                             "tests/golden/h5/userblock_512.h5", "tests/golden/h5/links.h5" };
	uint64_t seed = 23;
	int verdicts[4] = { 0 };
	h5_format = NULL;
	for (int f = 0; f < ITR_LEN(files); f++) {
		size_t n;
		char *bytes = slurp(files[f], &n), *copy = itr_xmalloc(n);
		for (int i = 0; i < 250; i++) {
			memcpy(copy, bytes, n);
			for (int k = 0; k <= i % 4; k++)
				copy[next_random(&seed) % n] = (char)(next_random(&seed) & 0xff);
			save(copy, n);
			int verdict = read_h5_apart();
			verdicts[verdict]++;
			if (verdict >= 2)
				print_message("# %s, case %d: %s\n", files[f], i, verdict == 2 ? "died" : "a message without the file");
		}
		free(bytes);
		free(copy);
	}
	h5_format = "itr-features";
	assert_int_equal(verdicts[2] + verdicts[3], 0);
	assert_true(verdicts[1] > 100);
}

/* --- a disk without room ---------------------------------------------------------------------------------------------------- */

/* Files may not grow beyond 64 KiB: every writer must say so, and the file that was there must be as it was. The number of things wrong. */
static int write_without_room(void)
{
	enum { N = 40000 };
	static float x[N];
	itr_err err = ITR_ERR_INIT;
	int bad = 0;
	uint64_t seed = 23;
	for (int i = 0; i < N; i++)
		x[i] = (float)(next_random(&seed) >> 40);
	struct rlimit limit = { 1 << 16, 1 << 16 };
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
#define WRONG(call)                                                                                                                        \
	do {                                                                                                                               \
		err.set = 0;                                                                                                               \
		err.msg[0] = 0;                                                                                                            \
		if ((call) != -1 || !strstr(err.msg, damaged) || !strstr(err.msg, "File too large")) {                                     \
			fprintf(stderr, "# line %d: %s\n", __LINE__, err.msg);                                                             \
			bad++;                                                                                                             \
		}                                                                                                                          \
	} while (0)
	for (int deflate = 0; deflate < 2; deflate++) {
		itr_npz_writer *w = itr_npz_create(damaged, deflate, &err);
		int rc = itr_npz_put(w, "x", ITR_F32, 1, (int64_t[]){ N }, x, &err);
		if (rc == 0)
			WRONG(itr_npz_finish(w, &err));
		else {
			bad += !strstr(err.msg, "File too large");
			itr_npz_abandon(w);
		}
	}
	WRONG(itr_npy_write(damaged, ITR_F32, 1, (int64_t[]){ N }, x, &err));
	itr_json *j = itr_json_array();
	for (int i = 0; i < N; i++)
		itr_json_push(j, itr_json_new_num((double)x[i]));
	WRONG(itr_json_write(damaged, j, &err));
	itr_json_free(j);
	itr_h5 *h = itr_h5_create(damaged, "itr-features", false, &err);
	WRONG(itr_h5_write(h, "/g/x", ITR_F32, 1, (int64_t[]){ N }, x, &err));
	itr_h5_close(h);
	h = itr_h5_create(damaged, "itr-features", false, &err);
	for (int i = 0; i < 1000; i++) {                /* structures are kept in memory until the end: the commit finds out */
		char name[32];
		snprintf(name, sizeof name, "/g/%d", i);
		bad += itr_h5_write_text(h, name, "hello", &err) != 0;
	}
	WRONG(itr_h5_commit(h, &err));
	return bad;
}

static void test_disk_full(void **state)
{
	(void)state;
	save("what was there", 14);
	fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		signal(SIGSEGV, SIG_DFL);
		alarm(60);
		_exit(ITR_MIN(write_without_room(), 100));
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	size_t n;
	char *now = slurp(damaged, &n);
	assert_string_equal(now, "what was there");
	free(now);
}

static int setup(void **state)
{
	(void)state;
	damaged = itr_xasprintf("%s/itr-corrupt-%ld", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", (long)getpid());
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	remove(damaged);
	free(damaged);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_npz_cut),   cmocka_unit_test(test_npz_flips),  cmocka_unit_test(test_npz_claims),
		cmocka_unit_test(test_zip_bomb),  cmocka_unit_test(test_json_flips), cmocka_unit_test(test_jsonl_damage),
		cmocka_unit_test(test_h5_cut),    cmocka_unit_test(test_h5_flips),   cmocka_unit_test(test_h5_foreign_flips),
		cmocka_unit_test(test_disk_full),
	};
	return cmocka_run_group_tests_name("corrupt_io", tests, setup, teardown);
}
