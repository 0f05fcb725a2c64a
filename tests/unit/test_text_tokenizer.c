/* lib/text/tokenizer: ids of transformers and open_clip (tests/golden/gen_tokenizers.py), truncation, threads, long words, damaged
 * vocabularies, counted words */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "text/captions.h"
#include "text/lengths.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

static const struct { const char *name, *spec; itr_tokenizer_opts o; } kinds[] = {
	{ "bert", "wordpiece:tests/golden/tokenizers_vocab.txt", { 0 } },
	{ "cased", "wordpiece:tests/golden/tokenizers_vocab.txt", { .cased = true } },
	{ "clip", "clip-bpe:tests/golden/tokenizers_merges.txt", { 0 } },
	{ "open_clip", "clip-bpe:tests/golden/tokenizers_merges.txt", { .open_clip_clean = true } },
};

static itr_tokenizer *make(int kind)
{
	itr_err err = ITR_ERR_INIT;
	itr_tokenizer *k = itr_tokenizer_new(kinds[kind].spec, &kinds[kind].o, &err);
	if (!k)
		fail_msg("%s", err.msg);
	return k;
}

static int kind_of(const char *name)
{
	for (int i = 0; i < 4; i++)
		if (!strcmp(kinds[i].name, name))
			return i;
	fail_msg("no kind %s", name);
	return -1;
}

static size_t unhex(const char *hex, char *out)
{
	size_t n = 0;
	if (*hex == '-')
		return 0;
	for (unsigned v; hex[2 * n] != ' ' && sscanf(hex + 2 * n, "%2x", &v) == 1; n++)
		out[n] = (char)v;
	return n;
}

static void every_code_point(const itr_tokenizer *k, char hex[ITR_SHA256_HEX])
{
	itr_sha256 *h = itr_sha256_new();
	int32_t ids[40];
	char s[8];
	for (int32_t base = 0; base < 0x110000; base += 0x8000)
		for (int between = 0; between < 2; between++)
			for (int32_t cp = base; cp < base + 0x8000; cp++) {
				if (cp >= 0xD800 && cp <= 0xDFFF)
					continue;
				size_t n = 0;
				if (between)
					s[n++] = 'a';
				n += (size_t)itr_utf8_encode(cp, s + n);
				if (between)
					s[n++] = 'b';
				int64_t m = itr_tokenizer_encode(k, s, n, ids, 40);
				itr_sha256_add(h, ids, (size_t)m * sizeof *ids);
			}
	itr_sha256_end(h, hex);
}

static bool same_ids(const char *want, const int32_t *ids, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		char *end;
		if (strtol(want, &end, 10) != ids[i] || *end != (i + 1 < n ? ',' : '\n'))
			return false;
		want = end + 1;
	}
	return true;
}

/* tokenizer.json with added tokens of every kind: what tokenizers makes of them (gen_added.py); the same again from the bytes and rules
 * that a model file keeps. */
static void test_added(void **state)
{
	static const struct {
		const char *file, *kind;
	} files[] = { { "bert.json", "wordpiece" },
		      { "cased.json", "wordpiece" },
		      { "raw.json", "wordpiece" },
		      { "clip.json", "clip-bpe" },
		      { "plain.json", "clip-bpe" } };
	itr_tokenizer *k[5][2];
	char *line = NULL, name[16];
	size_t room = 0;
	int checked = 0, wrong = 0;
	FILE *f = fopen("tests/golden/added/ids.txt", "r");
	(void)state;
	assert_non_null(f);
	for (int i = 0; i < 5; i++) {
		itr_err err = ITR_ERR_INIT;
		size_t n;
		char *spec = itr_xasprintf("%s:tests/golden/added/%s", files[i].kind, files[i].file), *rules;
		if (!(k[i][0] = itr_tokenizer_new(spec, NULL, &err)))
			fail_msg("%s", err.msg);
		const void *source = itr_tokenizer_source(k[i][0], &n);
		rules = itr_tokenizer_rules_json(k[i][0]);
		if (!(k[i][1] = itr_tokenizer_parse(files[i].kind, "model", source, n, &(itr_tokenizer_opts){ .rules = rules }, &err)))
			fail_msg("%s", err.msg);
		free(rules);
		free(spec);
	}
	while (getline(&line, &room, f) > 0) {
		int at = 0, i = 0;
		if (line[0] == '#')
			continue;
		assert_int_equal(sscanf(line, "%15s %n", name, &at), 1);
		while (strcmp(files[i].file, name))
			i++;
		char *text = itr_xmalloc(strlen(line));
		const size_t n = unhex(line + at, text);
		int32_t *ids = itr_xmalloc((size_t)itr_tokenizer_max_ids(n) * sizeof *ids);
		for (int again = 0; again < 2; again++) {
			const int64_t m = itr_tokenizer_encode(k[i][again], text, n, ids, itr_tokenizer_max_ids(n));
			if (!same_ids(strchr(line + at, ' ') + 1, ids, m)) {
				print_message("%.200s", line);
				for (int64_t c = 0; c < m && c < 60; c++)
					print_message("%d,", ids[c]);
				print_message("\n");
				wrong++;
			}
		}
		checked++;
		free(ids);
		free(text);
	}
	assert_true(checked > 1000);
	assert_int_equal(wrong, 0);
	for (int i = 0; i < 5; i++)
		for (int again = 0; again < 2; again++)
			itr_tokenizer_free(k[i][again]);
	free(line);
	fclose(f);
}

static void test_golden(void **state)
{
	itr_tokenizer *k[4];
	char *line = NULL, name[16], hex[ITR_SHA256_HEX], want[ITR_SHA256_HEX];
	size_t room = 0;
	int checked = 0, wrong = 0, every = 0;
	FILE *f = fopen("tests/golden/tokenizers.txt", "r");
	(void)state;
	assert_non_null(f);
	for (int i = 0; i < 4; i++)
		k[i] = make(i);
	while (getline(&line, &room, f) > 0) {
		int at = 0, limit = 0;
		if (line[0] == '#')
			continue;
		if (sscanf(line, "every %15s %64s", name, want) == 2) {
			every_code_point(k[kind_of(name)], hex);
			assert_string_equal(hex, want);
			every++;
			continue;
		}
		assert_int_equal(sscanf(line, "%15s %d %n", name, &limit, &at), 2);
		char *text = itr_xmalloc(strlen(line));
		size_t n = unhex(line + at, text);
		int32_t *ids = itr_xmalloc((size_t)limit * sizeof *ids);
		int64_t m = itr_tokenizer_encode(k[kind_of(name)], text, n, ids, limit);
		assert_true(m <= limit && m <= itr_tokenizer_max_ids(n));
		if (!same_ids(strchr(line + at, ' ') + 1, ids, m)) {
			print_message("%.200s\n", line);
			wrong++;
		}
		checked++;
		free(ids);
		free(text);
	}
	fclose(f);
	free(line);
	for (int i = 0; i < 4; i++)
		itr_tokenizer_free(k[i]);
	assert_int_equal(wrong, 0);
	assert_int_equal(every, 4);
	assert_true(checked > 800);
}

static void test_names(void **state)
{
	itr_tokenizer *b = make(0), *c = make(2), *o = make(3);
	(void)state;
	assert_string_equal(itr_tokenizer_token(b, itr_tokenizer_start(b)), "[CLS]");
	assert_string_equal(itr_tokenizer_token(b, itr_tokenizer_end(b)), "[SEP]");
	assert_int_equal(itr_tokenizer_id(b, "[PAD]"), 0);
	assert_int_equal(itr_tokenizer_pad(b), 0);
	assert_int_equal(itr_tokenizer_unk(b), 2);
	assert_int_equal(itr_tokenizer_id(b, "no such token"), -1);
	assert_null(itr_tokenizer_token(b, -1));
	assert_null(itr_tokenizer_token(b, (int32_t)itr_tokenizer_size(b)));
	assert_string_equal(itr_tokenizer_token(c, itr_tokenizer_end(c)), "<|endoftext|>");
	assert_string_equal(itr_tokenizer_token(o, itr_tokenizer_end(o)), "<end_of_text>");
	assert_int_equal(itr_tokenizer_start(c) + 2, itr_tokenizer_size(c));
	assert_string_equal(itr_tokenizer_token(c, 256), "!</w>");
	assert_string_equal(itr_tokenizer_kind(c), "clip-bpe");
	itr_tokenizer_free(b);
	itr_tokenizer_free(c);
	itr_tokenizer_free(o);
	itr_tokenizer_free(NULL);
}

/* A word of a million bytes, marks and references without end: all linear (or n log n). */
static void test_long(void **state)
{
	enum { N = 1000000 };
	static const char *const patterns[] = { "x",        "ab",  "dog", "\xCC\x81\xCC\xA7", "&",   "[", "<",
		                                "\xCE\xA3", "&#1", "'",   "\xE4\xB8\xAD",     "\xFF" };
	char *text = itr_xmalloc(N);
	int32_t *ids = itr_xmalloc(((size_t)N * 3 + 2) * sizeof *ids);
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		itr_tokenizer *k = make(kind);
		for (int p = 0; p < ITR_LEN(patterns); p++) {
			size_t len = strlen(patterns[p]);
			for (size_t i = 0; i < N; i++)
				text[i] = patterns[p][i % len];
			double start = itr_clock_now();
			int64_t n = itr_tokenizer_encode(k, text, N, ids, (int64_t)N * 3 + 2);
			assert_true(n >= 2 && ids[0] == itr_tokenizer_start(k) && ids[n - 1] == itr_tokenizer_end(k));
			assert_true(itr_clock_now() - start < 30);          /* quadratic would be hours */
			assert_int_equal(itr_tokenizer_encode(k, text, N, ids, 77) <= 77, 1);
		}
		itr_tokenizer_free(k);
	}
	free(text);
	free(ids);
}

static void refused(const char *kind, const char *bytes, size_t n, const char *why)
{
	itr_err err = ITR_ERR_INIT;
	itr_tokenizer *k = itr_tokenizer_parse(kind, "v.txt", bytes, n, NULL, &err);
	assert_null(k);
	if (!strstr(err.msg, why))
		fail_msg("'%s' does not say '%s'", err.msg, why);
}

static void test_damaged(void **state)
{
	(void)state;
#define REFUSED(kind, text, why) refused(kind, text, sizeof(text) - 1, why)
	REFUSED("wordpiece", "[UNK]\n[CLS]\n[SEP]\na\na\n", "'v.txt:5' repeats token 'a', which already has id 3");
	REFUSED("wordpiece", "[CLS]\n[SEP]\na\n", "it has no [UNK]");
	REFUSED("wordpiece", "[UNK]\n[SEP]\na\n", "it has no [CLS]");
	REFUSED("wordpiece", "[UNK]\n\n[CLS]\n", "'v.txt:2' is empty");
	REFUSED("wordpiece", "[UNK]\n\xff\n", "not UTF-8");
	REFUSED("wordpiece", "[UNK]\na\0b\n", "not UTF-8 text");
	REFUSED("wordpiece", "", "it has no [UNK]");
	REFUSED("wordpiece", "\x1f\x8b\x08", "gzip");
	REFUSED("clip-bpe", "", "#version");
	REFUSED("clip-bpe", "a b\n", "#version");
	REFUSED("clip-bpe", "#version: 0.2\n", "holds no merges");
	REFUSED("clip-bpe", "#version: 0.2\na b\na b\n", "'v.txt:3' repeats token 'ab'");
	REFUSED("clip-bpe", "#version: 0.2\nab c\n", "joins a token that no line before it makes");
	REFUSED("clip-bpe", "#version: 0.2\nabc\n", "two tokens");
	REFUSED("clip-bpe", "#version: 0.2\na b c\n", "two tokens");
	REFUSED("clip-bpe", "#version: 0.2\na</w> b\n", "after the end of a word");
	REFUSED("clip-bpe", "#version: 0.2\n\xff\xfe b\n", "joins");
	REFUSED("words", "a\nb\n", "it has no <pad>");
	REFUSED("words", "{\"x\":1}", "word_to_idx");
	REFUSED("words", "{\"word_to_idx\":{\"<pad>\":0,\"a\":2}}", "each once");
	REFUSED("words", "{\"word_to_idx\":{\"<pad>\":0", "v.txt");
	REFUSED("wordpeace", "", "did you mean 'wordpiece'");
#undef REFUSED
	itr_err err = ITR_ERR_INIT;
	assert_null(itr_tokenizer_new("nowhere.txt", NULL, &err));
	assert_non_null(strstr(err.msg, "KIND:FILE"));
	assert_null(itr_tokenizer_new("wordpiece:nowhere.txt", NULL, &err));
	assert_non_null(strstr(err.msg, "No such file"));
	assert_null(itr_tokenizer_new("tests/golden", NULL, &err));
	assert_non_null(strstr(err.msg, "holds no vocabulary"));
	assert_null(itr_tokenizer_new("tests/golden/tokenizers_vocab.txt", NULL, &err));
	assert_non_null(strstr(err.msg, "its kind belongs in front"));
}

static void check_words(const itr_tokenizer *k, const char *text, int64_t max, const char *want)
{
	int32_t ids[32];
	char got[256] = "";
	int64_t n = itr_tokenizer_encode(k, text, strlen(text), ids, max);
	for (int64_t i = 0; i < n; i++)
		snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s", i ? " " : "", itr_tokenizer_token(k, ids[i]));
	assert_string_equal(got, want);
}

static void test_words(void **state)
{
	static const char *const captions[] = { "A dog, a DOG & a cat.", "Don't  run!\tDon't", "\xC3\x89t\xC3\xA9 dog", "\xFF", "" };
	itr_word_counter *c = itr_word_counter_new();
	int64_t lines;
	itr_err err = ITR_ERR_INIT;
	(void)state;
	for (int i = 0; i < ITR_LEN(captions); i++)
		itr_word_counter_add(c, captions[i], strlen(captions[i]));
	char *v = itr_word_counter_vocab(c, 1, 0, &lines);
	assert_string_equal(v, "<pad>\n<unk>\n<start>\n<end>\na\ndog\ndont\ncat\nrun\n\xC3\xA9t\xC3\xA9\n");
	assert_int_equal(lines, 10);
	itr_tokenizer *k = itr_tokenizer_parse("words", "v", v, strlen(v), NULL, &err);
	assert_non_null(k);
	check_words(k, "THE Dog's \xC3\x89T\xC3\x89 -- don't!", 32, "<start> <unk> <unk> \xC3\xA9t\xC3\xA9 dont <end>");
	check_words(k, "a a a a a a", 4, "<start> a a <end>");
	check_words(k, "", 2, "<start> <end>");
	itr_tokenizer_free(k);
	free(v);
	v = itr_word_counter_vocab(c, 2, 6, &lines);
	assert_string_equal(v, "<pad>\n<unk>\n<start>\n<end>\na\ndog\n");
	free(v);
	for (int i = 0; i < 5000; i++) {                /* the table grows */
		char word[16];
		snprintf(word, sizeof word, "w%d", i);
		itr_word_counter_add(c, word, strlen(word));
	}
	free(itr_word_counter_vocab(c, 1, 0, &lines));
	assert_int_equal(lines, 5010);
	itr_word_counter_free(c);
	static const char json[] = "{\"word_to_idx\":{\"dog\":4,\"<pad>\":0,\"<unk>\":1,\"<start>\":2,\"<end>\":3},\"idx_to_word\":{}}";
	k = itr_tokenizer_parse("words", "v", json, sizeof json - 1, NULL, &err);
	assert_non_null(k);
	check_words(k, "dog cat", 9, "<start> dog <unk> <end>");
	itr_tokenizer_free(k);
}

struct shared_work { const itr_tokenizer *k; int wrong[8]; };

static void encode_again(void *ctx, int64_t i, int worker)
{
	static const char text[] = "a dog don't caf\xC3\xA9 \xE4\xB8\xAD surfboard 10 \xCE\x9F\xCE\xA3";
	struct shared_work *w = ctx;
	int32_t a[64], b[64];
	int64_t n = itr_tokenizer_encode(w->k, text, sizeof text - 1 - (size_t)(i % 9), a, 64),
		m = itr_tokenizer_encode(w->k, text, sizeof text - 1 - (size_t)(i % 9), b, 64);
	w->wrong[worker] += n != m || memcmp(a, b, (size_t)n * sizeof *a) != 0;
}

static void test_threads(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		struct shared_work w = { make(kind), { 0 } };
		itr_parallel_for(4, 4000, encode_again, &w);
		for (int i = 0; i < 4; i++)
			assert_int_equal(w.wrong[i], 0);
		itr_tokenizer_free((itr_tokenizer *)(uintptr_t)w.k);
	}
}

static void test_lengths(void **state)
{
	itr_lengths l = ITR_LENGTHS_INIT;
	(void)state;
	for (int i = 1; i <= 100; i++)
		itr_lengths_add(&l, i, "f", i);
	itr_json *j = itr_lengths_json(&l);
	assert_int_equal(itr_json_int(itr_json_get(j, "median"), 0), 50);
	assert_int_equal(itr_json_int(itr_json_get(j, "p90"), 0), 90);
	assert_int_equal(itr_json_int(itr_json_get(j, "max"), 0), 100);
	assert_int_equal(itr_json_int(itr_json_path(j, "cut_at.77"), 0), 23);
	assert_true(itr_json_num(itr_json_get(j, "mean"), 0) == 50.5);
	itr_json_free(j);
	itr_lengths_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_golden),  cmocka_unit_test(test_added),   cmocka_unit_test(test_names),
		                            cmocka_unit_test(test_long),    cmocka_unit_test(test_damaged), cmocka_unit_test(test_words),
		                            cmocka_unit_test(test_threads), cmocka_unit_test(test_lengths) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
