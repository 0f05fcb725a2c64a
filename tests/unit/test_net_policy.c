/* Every answer that a server may give to a request for the rest of a file, and what is done about it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/http_client.h"
#include "net/http_policy.h"

static void feed(itr_http_response *r, const char *text)
{
	itr_http_response_reset(r);
	while (*text) {
		size_t n = strcspn(text, "\n") + 1;
		itr_http_response_line(r, text, n, 1000);
		text += n;
	}
}

static itr_http_action decide(int64_t length, int64_t have, int64_t total, const char *etag, const char *answer)
{
	itr_http_request q = { .base = 0, .length = length, .have = have, .total = total, .etag = etag, .modified = "" };
	itr_http_response r;
	feed(&r, answer);
	return itr_http_decide(&q, &r);
}

static void test_whole(void **state)
{
	(void)state;
	assert_int_equal(decide(0, 0, -1, "", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n"), ITR_HTTP_TAKE);
	assert_int_equal(decide(0, 0, -1, "", "HTTP/1.1 404 Not Found\r\n"), ITR_HTTP_GIVE_UP);
	assert_int_equal(decide(0, 0, -1, "", "HTTP/1.1 500 Oops\r\n"), ITR_HTTP_RETRY);
	assert_int_equal(decide(0, 0, -1, "", "HTTP/1.1 429 Slow down\r\n"), ITR_HTTP_RETRY);
	assert_int_equal(decide(0, 0, -1, "", "HTTP/1.1 403 No\r\n"), ITR_HTTP_GIVE_UP);
	assert_int_equal(decide(0, 0, -1, "", "HTTP/1.1 204 Nothing\r\n"), ITR_HTTP_GIVE_UP);
	assert_int_equal(decide(0, 0, -1, "", "HTTP/1.1 416 No\r\nContent-Range: bytes */0\r\n"), ITR_HTTP_GIVE_UP);
}

static void test_resume(void **state)
{
	(void)state;
	assert_int_equal(decide(0, 5, 10, "\"a\"", "HTTP/1.1 206 P\r\nContent-Range: bytes 5-9/10\r\nETag: \"a\"\r\n"), ITR_HTTP_APPEND);
	assert_int_equal(decide(0, 5, 10, "\"a\"", "HTTP/1.1 206 P\r\nContent-Range: bytes 5-9/10\r\nETag: W/\"a\"\r\n"), ITR_HTTP_APPEND);
	assert_int_equal(decide(0, 5, 10, "\"a\"", "HTTP/1.1 206 P\r\nContent-Range: bytes 5-9/10\r\nETag: \"b\"\r\n"), ITR_HTTP_RESTART);
	assert_int_equal(decide(0, 5, 10, "\"a\"", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n"), ITR_HTTP_TAKE);
	/* another range */
	assert_int_equal(decide(0, 5, 10, "", "HTTP/1.1 206 P\r\nContent-Range: bytes 0-9/10\r\n"), ITR_HTTP_RESTART);
	/* not to the end */
	assert_int_equal(decide(0, 5, 10, "", "HTTP/1.1 206 P\r\nContent-Range: bytes 5-8/10\r\n"), ITR_HTTP_RESTART);
	/* the file grew */
	assert_int_equal(decide(0, 5, 10, "", "HTTP/1.1 206 P\r\nContent-Range: bytes 5-19/20\r\n"), ITR_HTTP_RESTART);
	assert_int_equal(decide(0, 5, 10, "\"a\"", "HTTP/1.1 206 P\r\nContent-Range: bytes 5-19/20\r\nETag: \"a\"\r\n"), ITR_HTTP_RESTART);
	/* no Content-Range */
	assert_int_equal(decide(0, 5, 10, "", "HTTP/1.1 206 P\r\n"), ITR_HTTP_RESTART);
	assert_int_equal(decide(0, 5, 10, "", "HTTP/1.1 206 P\r\nContent-Range: pages 5-9/10\r\n"), ITR_HTTP_RESTART);
	assert_int_equal(decide(0, 10, 10, "", "HTTP/1.1 416 No\r\nContent-Range: bytes */10\r\n"), ITR_HTTP_COMPLETE);
	assert_int_equal(decide(0, 10, 10, "\"a\"", "HTTP/1.1 416 No\r\nContent-Range: bytes */10\r\nETag: \"b\"\r\n"), ITR_HTTP_RESTART);
	assert_int_equal(decide(0, 12, 10, "", "HTTP/1.1 416 No\r\nContent-Range: bytes */10\r\n"), ITR_HTTP_RESTART);
	assert_int_equal(decide(0, 10, 10, "", "HTTP/1.1 416 No\r\n"), ITR_HTTP_RESTART);
	assert_int_equal(decide(0, 5, 10, "", "HTTP/1.1 503 Busy\r\n"), ITR_HTTP_RETRY);
}

static void test_slice(void **state)
{
	(void)state;
	itr_http_response r;
	itr_http_request q = { .base = 100, .length = 50, .total = -1, .etag = "", .modified = "" };
	feed(&r, "HTTP/1.1 206 P\r\nContent-Range: bytes 100-149/1000\r\n");
	assert_int_equal(itr_http_decide(&q, &r), ITR_HTTP_TAKE);
	feed(&r, "HTTP/1.1 206 P\r\nContent-Range: bytes 100-140/1000\r\n");
	assert_int_equal(itr_http_decide(&q, &r), ITR_HTTP_NO_RANGES);
	feed(&r, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n");
	assert_int_equal(itr_http_decide(&q, &r), ITR_HTTP_NO_RANGES);
	q.have = 20;
	feed(&r, "HTTP/1.1 206 P\r\nContent-Range: bytes 120-149/1000\r\n");
	assert_int_equal(itr_http_decide(&q, &r), ITR_HTTP_APPEND);
	char range[64];
	itr_http_range_value(&q, range);
	assert_string_equal(range, "120-149");
	assert_int_equal(decide(-100, 0, -1, "", "HTTP/1.1 206 P\r\nContent-Range: bytes 900-999/1000\r\n"), ITR_HTTP_TAKE);
	assert_int_equal(decide(-100, 0, -1, "", "HTTP/1.1 206 P\r\nContent-Range: bytes 0-49/50\r\n"), ITR_HTTP_TAKE);
	assert_int_equal(decide(-100, 0, -1, "", "HTTP/1.1 206 P\r\nContent-Range: bytes 0-99/1000\r\n"), ITR_HTTP_NO_RANGES);
}

static void test_headers(void **state)
{
	(void)state;
	itr_http_response r;
	feed(&r, "HTTP/1.1 302 Found\r\nContent-Length: 7\r\nETag: \"old\"\r\n\r\nHTTP/2 200\r\ncontent-length:  12 \r\nLAST-MODIFIED: "
	         "Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n");
	assert_int_equal(r.status, 200);
	assert_int_equal(r.length, 12);
	assert_string_equal(r.etag, "");        /* the redirect's headers are forgotten */
	assert_string_equal(r.modified, "Sun, 06 Nov 1994 08:49:37 GMT");
	feed(&r, "HTTP/1.1 200 OK\r\nContent-Length: -5\r\nContent-Length: 99999999999999999999\r\n");
	assert_int_equal(r.length, -1);
	itr_http_request q = { .have = 1, .etag = "W/\"weak\"", .modified = "m", .total = -1 };
	assert_string_equal(itr_http_if_range(&q), "");
	q.etag = "\"strong\"";
	assert_string_equal(itr_http_if_range(&q), "\"strong\"");
	q.etag = "";
	assert_string_equal(itr_http_if_range(&q), "m");
	q.have = 0;
	assert_string_equal(itr_http_if_range(&q), "");
}

static void test_content_range(void **state)
{
	(void)state;
	int64_t a, b, n;
	assert_int_equal(itr_http_parse_content_range("bytes 0-9/*", &a, &b, &n), 0);
	assert_int_equal(n, -1);
	assert_int_equal(itr_http_parse_content_range("bytes 0-9223372036854775807/9223372036854775808", &a, &b, &n), -1);
	assert_int_equal(itr_http_parse_content_range("bytes 9-0/10", &a, &b, &n), -1);
	assert_int_equal(itr_http_parse_content_range("bytes 0-10/10", &a, &b, &n), -1);
	assert_int_equal(itr_http_parse_content_range("bytes */*", &a, &b, &n), -1);
	assert_int_equal(itr_http_parse_content_range("bytes 0-9/10x", &a, &b, &n), -1);
	assert_int_equal(itr_http_parse_content_range("", &a, &b, &n), -1);
}

static void test_times(void **state)
{
	(void)state;
	assert_int_equal(itr_http_parse_date("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
	assert_int_equal(itr_http_parse_date("Sunday, 06-Nov-94 08:49:37 GMT"), 784111777);
	assert_int_equal(itr_http_parse_date("Sun Nov  6 08:49:37 1994"), 784111777);
	assert_int_equal(itr_http_parse_date("Thu, 29 Feb 2024 00:00:00 GMT"), 1709164800);
	assert_int_equal(itr_http_parse_date("tomorrow"), -1);
	assert_int_equal(itr_http_parse_date("Sun, 06 Nux 1994 08:49:37 GMT"), -1);
	assert_true(itr_http_parse_retry_after("120", 0) == 120);
	assert_true(itr_http_parse_retry_after("12x", 0) == -1);
	assert_true(itr_http_parse_retry_after("-1", 0) == -1);
	assert_true(itr_http_parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 784111770) == 7);
	assert_true(itr_http_parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 784111999) == 0);
	assert_true(itr_http_backoff(1, 0.5, 30, 1, -1, 120) == 0.5);
	assert_true(itr_http_backoff(3, 0.5, 30, 1, -1, 120) == 2);
	assert_true(itr_http_backoff(3, 0.5, 30, 0, -1, 120) == 1);
	assert_true(itr_http_backoff(60, 0.5, 30, 1, -1, 120) == 30);
	assert_true(itr_http_backoff(1, 0.5, 30, 1, 7, 120) == 7);
	assert_true(itr_http_backoff(1, 0.5, 30, 1, 86400, 120) == 120);
	assert_true(itr_http_backoff(1, 0, 0, 0.3, -1, 120) == 0);
}

static void test_host(void **state)
{
	(void)state;
	char h[64];
	itr_http_host("http://User:pw@Images.COCOdataset.org:80/val2017/1.jpg?x=@", h, sizeof h);
	assert_string_equal(h, "http://images.cocodataset.org:80");
	itr_http_host("file:///tmp/a", h, sizeof h);
	assert_string_equal(h, "file");
	itr_http_host("nonsense", h, sizeof h);
	assert_string_equal(h, "file");
	itr_http_host("https://a-very-long-name.example/x", h, 16);
	assert_int_equal(strlen(h), 15);
}

static void test_join(void **state)
{
	(void)state;
	static const struct { const char *base, *name, *url; } cases[] = {
		{ "http://a.example/x//", "/val2017/1.jpg", "http://a.example/x/val2017/1.jpg" },
		{ "http://a.example/x?y=%20", "1.jpg", "http://a.example/x?y=%20/1.jpg" },     /* the base is a URL already */
		{ "file:///tmp", "a b/50%#1?.jpg", "file:///tmp/a%20b/50%25%231%3F.jpg" },
		{ "http://a", "\xc3\xa4\"<>[]\\^`{|}.png", "http://a/%C3%A4%22%3C%3E%5B%5D%5C%5E%60%7B%7C%7D.png" },
		{ "http://a", "-._~!$&'()*+,;=:@/z9", "http://a/-._~!$&'()*+,;=:@/z9" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *url = itr_http_join(cases[i].base, cases[i].name);
		assert_string_equal(url, cases[i].url);
		free(url);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),   cmocka_unit_test(test_resume),        cmocka_unit_test(test_slice),
		cmocka_unit_test(test_headers), cmocka_unit_test(test_content_range), cmocka_unit_test(test_times),
		cmocka_unit_test(test_host),    cmocka_unit_test(test_join),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
