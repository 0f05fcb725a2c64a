/* JSON: what is read, what is refused and where, how numbers are written, the stream against the tree. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/path.h"
#include "io/json.h"
#include "io/jsonl.h"
#include "io/utf8.h"

static itr_json *parse(const char *s)
{
	itr_err err = ITR_ERR_INIT;
	itr_json *j = itr_json_parse(s, strlen(s), "test", &err);
	if (!j)
		print_message("%s\n", err.msg);
	return j;
}

static void refused(const char *s, size_t n, const char *message)
{
	itr_err err = ITR_ERR_INIT;
	itr_json *j = itr_json_parse(s, n, "x.json", &err);
	assert_null(j);
	if (!strstr(err.msg, message))
		fail_msg("'%s' says '%s', not '%s'", s, err.msg, message);
	assert_true(!strncmp(err.msg, "cannot read 'x.json': ", 22));
}
#define REFUSED(text, message) refused(text, sizeof(text) - 1, message)

static char *printed(const itr_json *j, bool pretty)
{
	itr_buf b = ITR_BUF_INIT;
	itr_json_print(&b, j, pretty);
	return itr_buf_detach(&b);
}

static void round_trip(const char *in, const char *out)
{
	itr_json *j = parse(in);
	assert_non_null(j);
	char *s = printed(j, false);
	assert_string_equal(s, out);
	free(s);
	itr_json *copy = itr_json_copy(j);
	s = printed(copy, false);
	assert_string_equal(s, out);
	free(s);
	itr_json_free(copy);
	itr_json_free(j);
}

static void test_values(void **state)
{
	(void)state;
	round_trip(" {\"a\" : [1, 2.5, -3e2, true, false, null, \"x\"], \"b\":{}, \"c\":[]} ",
	           "{\"a\":[1,2.5,-300,true,false,null,\"x\"],\"b\":{},\"c\":[]}");
	round_trip("\xef\xbb\xbf[0.1]", "[0.1]");
	round_trip("\"\\u00e9\\ud83d\\ude00\\n\\/\\\"\"", "\"\xc3\xa9\xf0\x9f\x98\x80\\n/\\\"\"");
	round_trip("\"\\ud83dx\"", "\"\xef\xbf\xbdx\"");
	round_trip("\"\\ude00\"", "\"\xef\xbf\xbd\"");
	round_trip("\"\\ud83d\\n\"", "\"\xef\xbf\xbd\\n\"");
	round_trip("\"\\ud83d\\u0041\"", "\"\xef\xbf\xbd" "A\"");
	round_trip("\"\\ud83d\\ud83d\\ude00\"", "\"\xef\xbf\xbd\xf0\x9f\x98\x80\"");
	round_trip("\"a\\u0000b\"", "\"a\xef\xbf\xbd" "b\"");
	round_trip("[9007199254740993, 18446744073709551616, -9223372036854775808]",
	           "[9007199254740993,18446744073709551616,-9223372036854775808]");
	round_trip("[-0.0, -0]", "[-0.0,-0.0]");
}

static void test_refused(void **state)
{
	(void)state;
	REFUSED("", "the file is empty at byte 0");
	REFUSED("   ", "the file is empty");
	REFUSED("{", "ends inside an object");
	REFUSED("{\"a\"", "ends inside");
	REFUSED("{\"a\":", "ends where a value");
	REFUSED("{\"a\":1", "ends inside");
	REFUSED("{\"a\":1,", "ends inside");
	REFUSED("[1,", "ends where a value");
	REFUSED("[1 2]", "expected ',' or ']' at byte 3");
	REFUSED("[1,]", "expected a value at byte 3");
	REFUSED("{\"a\":1,}", "expected a key in double quotes at byte 7");
	REFUSED("{a:1}", "expected a key in double quotes at byte 1");
	REFUSED("[1]]", "something follows the end of the value at byte 3");
	REFUSED("\"abc", "ends inside a string at byte 4");
	REFUSED("\"a\nb\"", "control character in a string");
	REFUSED("\"\\x\"", "unknown escape");
	REFUSED("\"\\u12g4\"", "four hex digits at byte 5");
	REFUSED("\"\\ud83d\\u12g4\"", "four hex digits");
	REFUSED("\"\\u12", "ends inside a string");
	REFUSED("\"\\ud83d\\", "ends inside a string");
	REFUSED("01", "leading zero");
	REFUSED("-", "a number without digits at byte 1");
	REFUSED("1.", "without digits after its point");
	REFUSED("1e+", "without digits in its exponent");
	REFUSED("1e999", "beyond the range of a double");
	REFUSED("-Infinity", "Infinity is not JSON");
	REFUSED("NaN", "NaN is not JSON (null is) at byte 0");
	REFUSED("[1,\n 2, NaN]", "NaN is not JSON (null is) at byte 8 (line 2, column 5)");
	REFUSED("{\"a\":\n\n Infinity}", "Infinity is not JSON (null is) at byte 8 (line 3, column 2)");
	REFUSED("nan", "NaN is not JSON");
	REFUSED("tru", "ends inside a value");
	REFUSED("{\"a\":1,\"b\":2,\"a\":3}", "the key 'a' occurs twice");
	REFUSED("[\"ok\",\"\xff\"]", "invalid UTF-8 at byte 7");
	REFUSED("[\"\xe2\x82\"]", "invalid UTF-8 at byte 2");
	REFUSED("[\"\xed\xa0\x80\"]", "invalid UTF-8");             /* a surrogate */
	REFUSED("[\"\xc0\x80\"]", "invalid UTF-8");                 /* overlong */
	REFUSED("[\"a\0b\"]", "control character");
	char deep[600];
	memset(deep, '[', 257);
	refused(deep, 257, "nested more than 256 deep at byte 256");
	memset(deep + 256, ']', 256);
	itr_json *j = itr_json_parse(deep, 512, "deep", NULL);
	assert_non_null(j);
	itr_json_free(j);
}

static void test_duplicate_among_many(void **state)
{
	(void)state;
	itr_buf b = ITR_BUF_INIT;
	itr_buf_putc(&b, '{');
	for (int i = 0; i < 5000; i++)
		itr_buf_printf(&b, "%s\"k%d\":%d", i ? "," : "", i, i);
	size_t n = b.len;
	itr_buf_puts(&b, ",\"k77\":1}");
	refused(b.data, b.len, "the key 'k77' occurs twice");
	b.data[n] = '}';
	itr_json *j = itr_json_parse(b.data, n + 1, "many", NULL);
	assert_non_null(j);
	assert_int_equal(itr_json_int(itr_json_get(j, "k4321"), -1), 4321);
	assert_null(itr_json_get(j, "k5000"));
	itr_json_add_int(j, "k4321", 7);
	assert_int_equal(itr_json_int(itr_json_get(j, "k4321"), -1), 7);
	assert_int_equal(itr_json_count(j), 5000);
	itr_json_free(j);
	itr_buf_free(&b);
}

static void test_getters(void **state)
{
	(void)state;
	itr_json *j =
		parse("{\"t2i\":{\"recall@10\":0.5},\"n\":3,\"f\":1.5,\"s\":\"x\",\"b\":true,\"z\":null,\"big\":1e300,\"a\":[10,20,30]}");
	assert_true(itr_json_num(itr_json_path(j, "t2i.recall@10"), 0) == 0.5);
	assert_null(itr_json_path(j, "t2i.mrr"));
	assert_null(itr_json_path(j, "n.mrr"));
	assert_int_equal(itr_json_int(itr_json_get(j, "f"), -1), -1);
	assert_int_equal(itr_json_int(itr_json_get(j, "big"), -1), -1);
	assert_int_equal(itr_json_int(itr_json_get(j, "s"), -1), -1);
	assert_string_equal(itr_json_str(itr_json_get(j, "n"), "?"), "?");
	assert_true(itr_json_bool(itr_json_get(j, "b"), false));
	assert_true(itr_json_is_null(itr_json_get(j, "z")));
	assert_false(itr_json_is_null(itr_json_get(j, "missing")));
	assert_null(itr_json_get(NULL, "x"));
	int64_t sum = 0;
	const itr_json *a = itr_json_get(j, "a");
	for (const itr_json *c = itr_json_first(a); c; c = itr_json_next(c))
		sum += itr_json_int(c, 0);
	assert_int_equal(sum, 60);
	assert_int_equal(itr_json_int(itr_json_at(a, 2), 0), 30);
	assert_null(itr_json_at(a, 3));
	assert_string_equal(itr_json_key(itr_json_first(j)), "t2i");
	assert_null(itr_json_key(itr_json_first(a)));
	itr_json_free(j);
}

static void test_ids(void **state)
{
	(void)state;
	char buf[32];
	itr_json *j = parse("[139, \"139\", 9007199254740993, 123456789012345678901234567890, 139.0, 1e3, 1.5, true, -4, "
	                    "1234567890123456789012345678901234567890]");
	static const char *const want[] = { "139", "139", "9007199254740993", "123456789012345678901234567890", "139", "1000", NULL, NULL,
		                            "-4",  NULL };
	for (int i = 0; i < ITR_LEN(want); i++) {
		const char *id = itr_json_id(itr_json_at(j, i), buf, sizeof buf);
		if (want[i])
			assert_string_equal(id, want[i]);
		else
			assert_null(id);
	}
	itr_json_free(j);
}

static void number(double v, const char *text)
{
	itr_buf b = ITR_BUF_INIT;
	itr_json_print_number(&b, v);
	assert_string_equal(b.data, text);
	itr_buf_free(&b);
}

static void test_numbers(void **state)
{
	(void)state;
	number(0.1, "0.1");
	number(1.0 / 3, "0.3333333333333333");
	number(0.1 + 0.2, "0.30000000000000004");
	number(5e-324, "4.94065645841247e-324");
	number(1.7976931348623157e308, "1.7976931348623157e+308");
	number(42, "42");
	number(-7, "-7");
	number(1e15, "1000000000000000");
	number(1e22, "1e+22");
	number((double)NAN, "null");
	number((double)INFINITY, "null");
	uint64_t x = 88172645463325252u;
	for (int i = 0; i < 20000; i++) {               /* xorshift bits: doubles of every magnitude */
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		double v, back;
		memcpy(&v, &x, sizeof v);
		if (v != v || v - v != 0)
			continue;
		itr_buf b = ITR_BUF_INIT;
		itr_json_print_number(&b, v);
		itr_json *j = itr_json_parse(b.data, b.len, "n", NULL);
		back = itr_json_num(j, 0);
		assert_memory_equal(&back, &v, sizeof v);
		itr_json_free(j);
		itr_buf_free(&b);
	}
}

static void test_building(void **state)
{
	(void)state;
	itr_json *j = itr_json_object();
	itr_json_add_str(j, "s", "caf\xc3\xa9 \xff\x01\"");
	itr_json_add_str(j, "null", NULL);
	itr_json_add_int(j, "big", INT64_MAX);
	itr_json_add_num(j, "nan", (double)NAN);
	itr_json_add_bool(j, "b", true);
	itr_json *a = itr_json_add_array(j, "a");
	itr_json_push(a, itr_json_new_num(0.5));
	itr_json_push(a, itr_json_new_int(-2));
	itr_json_add_object(j, "o");
	itr_json_add_bool(j, "b", false);
	char *s = printed(j, false);
	assert_string_equal(
		s, "{\"s\":\"caf\xc3\xa9 "
	           "\xef\xbf\xbd\\u0001\\\"\",\"null\":null,\"big\":9223372036854775807,\"nan\":null,\"b\":false,\"a\":[0.5,-2],\"o\":{}}");
	free(s);
	s = printed(j, true);
	assert_non_null(strstr(s, "\n  \"a\": [0.5, -2],\n  \"o\": {}\n}"));
	free(s);
	itr_json_free(j);
}

static char *scratch(const char *name, const char *bytes, size_t n)
{
	char *path = itr_xasprintf("%s/itr-json-%ld-%s", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", (long)getpid(), name);
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	fclose(f);
	return path;
}

/* Walks the whole stream with next() and writes what it saw back as compact JSON. */
static int replay(const char *path, itr_buf *out, itr_err *err)
{
	itr_jsonpull *p = itr_jsonpull_open(path, err);
	assert_non_null(p);
	bool comma = false;
	itr_jp t;
	while ((t = itr_jsonpull_next(p, err)) > ITR_JP_END) {
		if (comma && t != ITR_JP_OBJECT_END && t != ITR_JP_ARRAY_END)
			itr_buf_putc(out, ',');
		comma = t != ITR_JP_OBJECT && t != ITR_JP_ARRAY && t != ITR_JP_KEY;
		switch (t) {
		case ITR_JP_OBJECT: itr_buf_putc(out, '{'); break;
		case ITR_JP_OBJECT_END: itr_buf_putc(out, '}'); break;
		case ITR_JP_ARRAY: itr_buf_putc(out, '['); break;
		case ITR_JP_ARRAY_END: itr_buf_putc(out, ']'); break;
		case ITR_JP_KEY: itr_json_print_string(out, itr_jsonpull_text(p)); itr_buf_putc(out, ':'); break;
		case ITR_JP_STRING: itr_json_print_string(out, itr_jsonpull_text(p)); break;
		case ITR_JP_NUMBER: itr_buf_puts(out, itr_jsonpull_text(p)); break;
		case ITR_JP_TRUE: itr_buf_puts(out, "true"); break;
		case ITR_JP_FALSE: itr_buf_puts(out, "false"); break;
		case ITR_JP_NULL: itr_buf_puts(out, "null"); break;
		default: break;
		}
	}
	itr_jsonpull_close(p);
	return t == ITR_JP_END ? 0 : -1;
}

/* A document longer than the window, so that strings, numbers, escapes and UTF-8 sequences straddle its edges. */
static void test_stream_windows(void **state)
{
	(void)state;
	itr_buf b = ITR_BUF_INIT;
	itr_buf_puts(&b, "{\"a\":[");
	for (int i = 0; i < 60000; i++)
		itr_buf_printf(&b, "%s{\"id\":%d,\"t\":\"\xc3\xa9\xf0\x9f\x98\x80%d\\n\\\"\",\"s\":[[1.5,2],[true,null]]}", i ? "," : "",
		               i * 7, i);
	itr_buf_puts(&b, "],\"z\":\"end\"}");
	char *path = scratch("windows.json", b.data, b.len);
	itr_buf out = ITR_BUF_INIT;
	itr_err err = ITR_ERR_INIT;
	assert_int_equal(replay(path, &out, &err), 0);
	assert_int_equal(out.len, b.len);
	assert_memory_equal(out.data, b.data, b.len);

	itr_jsonpull *p = itr_jsonpull_open(path, &err);
	assert_int_equal(itr_jsonpull_next(p, &err), ITR_JP_OBJECT);
	assert_int_equal(itr_jsonpull_next(p, &err), ITR_JP_KEY);
	assert_int_equal(itr_jsonpull_peek(p, &err), ITR_JP_ARRAY);
	assert_int_equal(itr_jsonpull_next(p, &err), ITR_JP_ARRAY);
	int64_t n = 0;
	while (itr_jsonpull_peek(p, &err) == ITR_JP_OBJECT) {
		if (n % 2) {
			assert_int_equal(itr_jsonpull_skip(p, &err), 0);
		} else {
			itr_json *j = itr_jsonpull_tree(p, &err);
			assert_non_null(j);
			assert_int_equal(itr_json_int(itr_json_get(j, "id"), -1), n * 7);
			itr_json_free(j);
		}
		n++;
	}
	assert_int_equal(n, 60000);
	assert_int_equal(itr_jsonpull_next(p, &err), ITR_JP_ARRAY_END);
	assert_int_equal(itr_jsonpull_next(p, &err), ITR_JP_KEY);
	assert_string_equal(itr_jsonpull_text(p), "z");
	assert_int_equal(itr_jsonpull_skip(p, &err), 0);
	assert_int_equal(itr_jsonpull_next(p, &err), ITR_JP_OBJECT_END);
	assert_int_equal(itr_jsonpull_next(p, &err), ITR_JP_END);
	itr_jsonpull_close(p);
	remove(path);
	free(path);
	itr_buf_free(&b);
	itr_buf_free(&out);
}

/* Every prefix of a document is an error, for the tree, for the stream and for a skip of the whole. */
static void test_every_prefix(void **state)
{
	(void)state;
	static const char doc[] = "{\"a\":[1,-2.5e3,\"x\\n\\u00e9\xc3\xa9\"],\"b\":{\"c\":true,\"d\":[[],{}]},\"e\":null}";
	for (size_t n = 0; n < sizeof doc - 1; n++) {
		itr_err err = ITR_ERR_INIT;
		assert_null(itr_json_parse(doc, n, "prefix", &err));
		assert_true(err.set);
		char *path = scratch("prefix.json", doc, n);
		itr_buf out = ITR_BUF_INIT;
		err.set = 0;
		assert_int_equal(replay(path, &out, &err), -1);
		assert_non_null(strstr(err.msg, path));
		itr_buf_free(&out);
		err.set = 0;
		itr_jsonpull *p = itr_jsonpull_open(path, &err);
		assert_int_equal(itr_jsonpull_skip(p, &err), -1);
		assert_true(err.set);
		itr_jsonpull_close(p);
		remove(path);
		free(path);
	}
}

static void test_skip_refuses(void **state)
{
	(void)state;
	static const char *const bad[] = { "[1,{]}", "{\"a\":[}", "[\"x]", "[\"\\\"]", "[[[" };
	for (int i = 0; i < ITR_LEN(bad); i++) {
		itr_err err = ITR_ERR_INIT;
		char *path = scratch("skip.json", bad[i], strlen(bad[i]));
		itr_jsonpull *p = itr_jsonpull_open(path, &err);
		assert_int_equal(itr_jsonpull_skip(p, &err), -1);
		itr_jsonpull_close(p);
		remove(path);
		free(path);
	}
}

static void test_lines(void **state)
{
	(void)state;
	static const char text[] = "{\"a\":1}\n\n  \r\n{\"a\":2}\r\n{\"a\":3}";
	itr_err err = ITR_ERR_INIT;
	char *path = scratch("lines.jsonl", text, sizeof text - 1);
	itr_jsonl *r = itr_jsonl_open(path, &err);
	itr_json *j;
	static const int64_t lines[] = { 1, 4, 5 };
	for (int i = 0; i < 3; i++) {
		assert_int_equal(itr_jsonl_next(r, &j, &err), 1);
		assert_int_equal(itr_json_int(itr_json_get(j, "a"), 0), i + 1);
		assert_int_equal(itr_jsonl_line(r), lines[i]);
		itr_json_free(j);
	}
	assert_int_equal(itr_jsonl_next(r, &j, &err), 0);
	assert_null(j);
	itr_jsonl_close(r);
	remove(path);
	free(path);
	static const char *const bad[][2] = { { "{\"a\":1}\n[1]\n", ":2: a line must be one JSON object" },
		                              { "{\"a\":1}\n{\"a\":", ":2: the file ends" },
		                              { "{\"a\":1} {\"a\":2}\n", ":1: something follows" } };
	for (int i = 0; i < ITR_LEN(bad); i++) {
		path = scratch("bad.jsonl", bad[i][0], strlen(bad[i][0]));
		r = itr_jsonl_open(path, &err);
		int rc;
		while ((rc = itr_jsonl_next(r, &j, &err)) > 0)
			itr_json_free(j);
		assert_int_equal(rc, -1);
		assert_non_null(strstr(err.msg, bad[i][1]));
		itr_jsonl_close(r);
		remove(path);
		free(path);
	}
	assert_null(itr_jsonl_open("/nonexistent/x.jsonl", &err));
	assert_non_null(strstr(err.msg, "No such file"));
}

static void test_write(void **state)
{
	(void)state;
	itr_err err = ITR_ERR_INIT;
	char *path = scratch("write.json", "old", 3);
	itr_json *j = parse("{\"a\":[1,2],\"b\":[\"x\",{\"c\":0.25}]}");
	assert_int_equal(itr_json_write(path, j, &err), 0);
	itr_json *back = itr_json_read(path, &err);
	char *s = printed(back, false);
	assert_string_equal(s, "{\"a\":[1,2],\"b\":[\"x\",{\"c\":0.25}]}");
	free(s);
	itr_json_free(back);
	itr_json_free(j);
	remove(path);
	free(path);
	assert_null(itr_json_read("/nonexistent/x.json", &err));
}

/* Arrays and objects around the size from which they carry an index, and far beyond it: every place and key, replaced members, a copy. */
static void test_places_and_keys(void **state)
{
	(void)state;
	static const int64_t sizes[] = { 0, 1, 15, 16, 17, 31, 32, 33, 64, 65, 100000 };
	char key[32];
	for (int s = 0; s < ITR_LEN(sizes); s++) {
		const int64_t n = sizes[s];
		itr_json *j = itr_json_object(), *a = itr_json_add_array(j, "a"), *o = itr_json_add_object(j, "o");
		for (int64_t i = 0; i < n; i++) {
			itr_json_push(a, itr_json_new_int(i));
			snprintf(key, sizeof key, "k%lld", (long long)i);
			itr_json_add_int(o, key, i);
		}
		for (int64_t i = 0; i < n; i += 1 + n / 7) {
			snprintf(key, sizeof key, "k%lld", (long long)i);
			itr_json_push(itr_json_add_array(o, key), itr_json_new_int(-i));       /* another type in its place */
		}
		itr_json *copy = itr_json_copy(j);
		itr_json_free(j);
		const itr_json *ca = itr_json_get(copy, "a"), *element = itr_json_first(ca);
		const itr_json *co = itr_json_get(copy, "o"), *member = itr_json_first(co);
		assert_int_equal(itr_json_count(ca), n);
		assert_int_equal(itr_json_count(co), n);
		for (int64_t i = 0; i < n; i++, element = itr_json_next(element), member = itr_json_next(member)) {
			snprintf(key, sizeof key, "k%lld", (long long)i);
			assert_ptr_equal(itr_json_at(ca, i), element);
			assert_int_equal(itr_json_int(element, -1), i);
			assert_ptr_equal(itr_json_at(co, i), member);
			assert_ptr_equal(itr_json_get(co, key), member);
			assert_string_equal(itr_json_key(member), key);
			const itr_json *value = itr_json_is_array(member) ? itr_json_at(member, 0) : member;
			assert_int_equal(itr_json_int(value, -1), i % (1 + n / 7) ? i : -i);
		}
		assert_null(element);
		assert_null(member);
		assert_null(itr_json_at(ca, n));
		assert_null(itr_json_get(co, "k"));
		itr_json_free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_duplicate_among_many),
		cmocka_unit_test(test_getters),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_building),
		cmocka_unit_test(test_stream_windows),
		cmocka_unit_test(test_every_prefix),
		cmocka_unit_test(test_skip_refuses),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_places_and_keys),
	};
	return cmocka_run_group_tests_name("io_json", tests, NULL, NULL);
}
