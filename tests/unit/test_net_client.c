/* lib/net/http_client against a small server in this process that misbehaves on purpose: what is on disk afterwards is whole or absent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/path.h"
#include "net/http_client.h"

/* CUT: more than an attempt must bring not to count as a failure */
enum { SIZE = 100000, PATHS = 1024, BIG = 7 << 19, CUT = 2 << 20, ENOUGH = 40 };

static struct server {
	int fd, port;
	pthread_t thread;
	pthread_mutex_t lock;
	char path[PATHS][64];
	int hits[PATHS], n, connections;
	char last_range[64], last_if_range[64];
} server = { .lock = PTHREAD_MUTEX_INITIALIZER };
static char folder[] = "/tmp/itr-net-XXXXXX";

static uint8_t byte_at(int i) { return (uint8_t)((i * 7 + i / 251) & 255); }

static int hit(const char *path)        /* 1 for the first request of a path */
{
	int i = 0;
	pthread_mutex_lock(&server.lock);
	while (i < server.n && strcmp(server.path[i], path) != 0)
		i++;
	if (i == server.n && server.n < PATHS)
		snprintf(server.path[server.n++], 64, "%s", path);
	int n = ++server.hits[i];
	pthread_mutex_unlock(&server.lock);
	return n;
}

static int hits(const char *path) { return hit(path) - 1; }

static void put(int fd, const void *bytes, size_t n)
{
	const char *p = bytes;
	while (n) {
		ssize_t w = send(fd, p, n, MSG_NOSIGNAL);
		if (w <= 0)
			return;
		p += w;
		n -= (size_t)w;
	}
}

static void body(int fd, int from, int to)
{
	char chunk[4096];
	for (int i = from; i < to; ) {
		int n = 0;
		while (n < (int)sizeof chunk && i < to)
			chunk[n++] = (char)byte_at(i++);
		put(fd, chunk, (size_t)n);
	}
}

static void say(int fd, const char *format, ...) ITR_PRINTF(2, 3);
static void say(int fd, const char *format, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, format);
	int n = vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	put(fd, text, (size_t)n);
}

/* A good answer, whole or from `from`, of which only `send` bytes are sent. */
static void good(int fd, int from, const char *etag, int send_bytes)
{
	if (from)
		say(fd, "HTTP/1.1 206 Partial\r\nContent-Range: bytes %d-%d/%d\r\nContent-Length: %d\r\nETag: \"%s\"\r\n\r\n", from,
		    SIZE - 1, SIZE, SIZE - from, etag);
	else
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nETag: \"%s\"\r\n\r\n", SIZE, etag);
	body(fd, from, ITR_MIN(SIZE, from + send_bytes));
}

/* A file of BIG bytes that always breaks off, and whose continuation is refused in the way that the path says. */
static bool refuse(int fd, const char *path, int from, int n)
{
	const char *how = path + strlen("/refuse-");
	/* the first continuation is good: its bytes were kept, until the second is refused */
	bool late = strstr(how, "late");
	int cut = strstr(how, "growing") ? CUT + n * 100000 : CUT;
	if (n > ENOUGH)
		return say(fd, "HTTP/1.1 404 Enough\r\nContent-Length: 0\r\n\r\n"), true;
	if (from && strstr(how, "416") && !(late && n == 2))
		return say(fd, "HTTP/1.1 416 No\r\nContent-Range: bytes */%d\r\nContent-Length: 0\r\n\r\n", BIG), true;
	if (!from || strstr(how, "whole")) {
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nETag: \"a\"\r\n\r\n", BIG);
		return body(fd, 0, cut), false;
	}
	say(fd, "HTTP/1.1 206 Partial\r\nETag: \"%s\"\r\nContent-Length: %d\r\n", strstr(how, "etag") ? "b" : "a", BIG - from);
	if (!strstr(how, "unsaid"))
		say(fd, "Content-Range: bytes %d-%d/%d\r\n", from - (strstr(how, "shifted") != NULL), BIG - 1,
		    BIG + (strstr(how, "total") != NULL));
	say(fd, "\r\n");
	body(fd, from, late ? from + (5 << 18) : BIG);
	return false;
}

static bool answer(int fd, const char *path, int from, bool if_range)
{
	int n = hit(path);
	if (strncmp(path, "/refuse-", 8) == 0)
		return refuse(fd, path, from, n);
	if (strncmp(path, "/ok", 3) == 0)
		return good(fd, from, "a", SIZE), true;
	if (strcmp(path, "/flaky") == 0 && n < 3)
		return say(fd, "HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops"), true;
	if (strcmp(path, "/busy") == 0 && n < 2)
		return say(fd, "HTTP/1.1 429 Slow\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"), true;
	if (strcmp(path, "/flaky") == 0 || strcmp(path, "/busy") == 0)
		return good(fd, from, "a", SIZE), true;
	if (strcmp(path, "/cut") == 0)
		return good(fd, from, "a", n < 3 ? SIZE / 4 : SIZE), false;
	if (strcmp(path, "/cut-no-range") == 0)
		return good(fd, 0, "a", n < 2 ? SIZE / 2 : SIZE), false;
	if (strcmp(path, "/cut-changed") == 0)          /* ignores If-Range, too, but tells the new ETag */
		return good(fd, from, n < 2 ? "a" : "b", n < 2 ? SIZE / 2 : SIZE), false;
	if (strcmp(path, "/cut-error") == 0 && from)
		return say(fd, "HTTP/1.1 404 Gone\r\nContent-Length: 4\r\n\r\ngone"), true;
	if (strcmp(path, "/cut-error") == 0 || strcmp(path, "/always-short") == 0)
		return good(fd, 0, "a", SIZE / 2), false;
	if (strcmp(path, "/reset") == 0)
		return false;
	if (strcmp(path, "/html") == 0)
		return say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>"), true;
	if (strcmp(path, "/loop") == 0)
		return say(fd, "HTTP/1.1 302 F\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n"), true;
	if (strcmp(path, "/tofile") == 0)
		return say(fd, "HTTP/1.1 302 F\r\nLocation: file:///etc/hostname\r\nContent-Length: 0\r\n\r\n"), true;
	if (strcmp(path, "/toother") == 0)
		return say(fd, "HTTP/1.1 302 F\r\nLocation: /ok-other\r\nContent-Length: 0\r\n\r\n"), true;
	if (strcmp(path, "/stages") == 0) {
		if (from)
			say(fd, "HTTP/1.1 206 Partial\r\nContent-Range: bytes %d-%d/%d\r\nContent-Length: %d\r\nETag: \"a\"\r\n\r\n", from,
			    BIG - 1, BIG, BIG - from);
		else
			say(fd, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nETag: \"a\"\r\n\r\n", BIG);
		return body(fd, from, ITR_MIN(BIG, from + (5 << 18))), false;
	}
	if (strcmp(path, "/slow") == 0) {
		good(fd, from, "a", 1000);
		sleep(4);
		return false;
	}
	(void)if_range;
	return say(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot found"), true;
}

static void *connection(void *ctx)
{
	int fd = (int)(intptr_t)ctx;
	char text[4096];
	size_t n = 0;
	for (;;) {
		ssize_t got = recv(fd, text + n, sizeof text - 1 - n, 0);
		if (got <= 0)
			break;
		n += (size_t)got;
		text[n] = 0;
		if (!strstr(text, "\r\n\r\n"))
			continue;
		char path[64] = "";
		sscanf(text, "GET %63s", path);
		const char *range = strcasestr(text, "\nRange: bytes="), *cond = strcasestr(text, "\nIf-Range: ");
		pthread_mutex_lock(&server.lock);
		snprintf(server.last_range, 64, "%.*s", range ? (int)strcspn(range + 14, "\r") : 0, range ? range + 14 : "");
		snprintf(server.last_if_range, 64, "%.*s", cond ? (int)strcspn(cond + 11, "\r") : 0, cond ? cond + 11 : "");
		pthread_mutex_unlock(&server.lock);
		n = 0;
		if (!answer(fd, path, range ? atoi(range + 14) : 0, cond != NULL))
			break;
	}
	close(fd);
	return NULL;
}

static void *serve(void *ctx)
{
	(void)ctx;
	for (;;) {
		int fd = accept(server.fd, NULL, NULL);
		if (fd < 0)
			return NULL;
		server.connections++;
		pthread_t t;
		if (pthread_create(&t, NULL, connection, (void *)(intptr_t)fd) == 0)
			pthread_detach(t);
	}
}

static int begin(void **state)
{
	(void)state;
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;
	if (!mkdtemp(folder))
		return -1;
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	server.fd = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(server.fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(server.fd, 64) < 0 ||
	    getsockname(server.fd, (struct sockaddr *)&a, &len) < 0)
		return -1;
	server.port = ntohs(a.sin_port);
	return pthread_create(&server.thread, NULL, serve, NULL);
}

static int end(void **state)
{
	(void)state;
	shutdown(server.fd, SHUT_RDWR);
	pthread_join(server.thread, NULL);
	close(server.fd);
	return itr_path_remove_tree(folder, NULL);
}

static itr_http *client(int retries)
{
	itr_http_opts o;
	itr_http_opts_default(&o);
	o.retries = retries;
	o.backoff = 0.01;
	o.backoff_max = 0.05;
	o.stall_timeout = 1;
	itr_err err = ITR_ERR_INIT;
	itr_http *c = itr_http_new(&o, &err);
	assert_non_null(c);
	return c;
}

static char *url_of(const char *path) { return itr_xasprintf("http://127.0.0.1:%d%s", server.port, path); }
static char *file_of(const char *path) { return itr_xasprintf("%s%s", folder, path); }

static void expect_bytes(const char *path)
{
	size_t n;
	char *file = file_of(path), *bytes = itr_path_read(file, 1 << 20, &n, NULL), *part = itr_xasprintf("%s.part", file);
	assert_non_null(bytes);
	assert_int_equal(n, SIZE);
	for (int i = 0; i < SIZE; i++)
		assert_int_equal((uint8_t)bytes[i], byte_at(i));
	assert_false(itr_path_exists(part));
	free(part);
	free(bytes);
	free(file);
}

static int no_html(const itr_http_job *job, const char *path, itr_err *err)
{
	(void)job;
	size_t n;
	char *text = itr_path_read(path, 1 << 20, &n, err);
	int rc = text && text[0] != '<' ? 0 : itr_err_set(err, "an HTML page");
	free(text);
	return rc;
}

/* One job; returns its reason's name (static). The file is there exactly when it is "ok", and nothing else is. */
static const char *get_with(const itr_http_job *proto, const char *path, int retries, itr_http_result *r)
{
	static char name[32];
	itr_http *c = client(retries);
	char *url = url_of(path), *file = file_of(path), *part = itr_xasprintf("%s.part", file);
	itr_http_job job = *proto;
	itr_err err = ITR_ERR_INIT;
	job.url = url;
	job.target = job.into ? NULL : file;
	int rc = itr_http_fetch(c, &job, r, &err);
	itr_http_reason_name(r, name);
	assert_int_equal(rc, strcmp(name, "ok") == 0 ? 0 : -1);
	if (rc < 0)
		assert_non_null(strstr(err.msg, url));
	assert_int_equal(itr_path_exists(file), rc == 0 && !job.into);
	assert_false(itr_path_exists(part));
	free(url);
	free(file);
	free(part);
	itr_http_free(c);
	return name;
}

static const char *get(const char *path, int retries, itr_http_result *r)
{
	itr_http_job job = { .check = no_html };
	return get_with(&job, path, retries, r);
}

static void test_good(void **state)
{
	(void)state;
	itr_http_result r;
	assert_string_equal(get("/ok", 0, &r), "ok");
	expect_bytes("/ok");
	char hex[ITR_SHA256_HEX], *file = file_of("/ok");
	assert_int_equal(itr_sha256_file(file, hex, NULL), 0);
	free(file);
	assert_string_equal(r.sha256, hex);
	assert_int_equal(r.bytes, SIZE);
	assert_int_equal(r.received, SIZE);
	assert_string_equal(r.etag, "\"a\"");
	itr_http_job job = { .sha256 = hex };
	assert_string_equal(get_with(&job, "/ok-hash", 0, &r), "ok");
	hex[0] = hex[0] == '0' ? '1' : '0';
	assert_string_equal(get_with(&job, "/ok-wrong-hash", 0, &r), "wrong-checksum");
	job = (itr_http_job){ .max_bytes = SIZE - 1 };
	assert_string_equal(get_with(&job, "/ok-large", 3, &r), "too-large");
	assert_int_equal(r.attempts, 1);
}

static void test_retries(void **state)
{
	(void)state;
	itr_http_result r;
	assert_string_equal(get("/missing", 5, &r), "http-404");
	assert_int_equal(r.attempts, 1);
	assert_string_equal(get("/flaky", 5, &r), "ok");
	assert_int_equal(r.attempts, 3);
	double before = itr_clock_now();
	assert_string_equal(get("/busy", 5, &r), "ok");
	assert_true(itr_clock_now() - before >= 0.95);
	assert_string_equal(get("/reset", 2, &r), "broken-off");
	assert_int_equal(r.attempts, 3);
	assert_string_equal(get("/html", 2, &r), "wrong-content");
	assert_int_equal(r.attempts, 2);
	assert_string_equal(r.message, "an HTML page");
	assert_string_equal(get("/slow", 0, &r), "timeout");
	assert_string_equal(get("/always-short", 2, &r), "truncated");
}

static void test_resume(void **state)
{
	(void)state;
	itr_http_result r;
	assert_string_equal(get("/cut", 5, &r), "ok");
	expect_bytes("/cut");
	assert_int_equal(r.attempts, 3);
	assert_int_equal(r.received, SIZE);             /* nothing came twice */
	assert_string_equal(server.last_range, "50000-");
	assert_string_equal(server.last_if_range, "\"a\"");
	assert_string_equal(get("/cut-no-range", 5, &r), "ok");
	expect_bytes("/cut-no-range");
	assert_string_equal(get("/cut-changed", 5, &r), "ok");
	expect_bytes("/cut-changed");
	assert_int_equal(r.attempts, 3);                /* half, refused 206, whole */
	assert_string_equal(get("/cut-error", 5, &r), "http-404");
}

/* Beginnings from the start are retries, however much each of them brings: what is thrown away is no progress. */
static void test_refused_continuation(void **state)
{
	(void)state;
	static const char *const paths[] = { "/refuse-416",         "/refuse-etag",          "/refuse-unsaid",
		                             "/refuse-shifted",     "/refuse-total",         "/refuse-whole",
		                             "/refuse-growing-416", "/refuse-growing-whole", "/refuse-growing-unsaid",
		                             "/refuse-late-416" };
	for (int i = 0; i < ITR_LEN(paths); i++)
		for (int retries = 1; retries < 5; retries++) {
			bool kept = strstr(paths[i], "late");   /* the budget was set back once */
			char path[64];
			itr_http_result r;
			snprintf(path, sizeof path, "%s-%d", paths[i], retries);
			get_with(&(itr_http_job){ 0 }, path, retries, &r);
			if (r.attempts != 1 + retries)
				print_message("%s: %d attempts\n", path, r.attempts);
			assert_int_equal(r.attempts, ITR_MAX(1 + retries, kept ? 3 : 0));
			assert_int_equal(hits(path), r.attempts);
			assert_true(r.reason == ITR_HTTP_NOT_CONTINUED || r.reason == ITR_HTTP_TRUNCATED);
			assert_non_null(strstr(r.message, "; the server does not continue what broke off: "));
		}
	itr_http_result r;
	itr_buf b = ITR_BUF_INIT;
	itr_http_job slice = { .into = &b, .first = 5, .length = BIG - 10 };            /* a member of a zip */
	assert_string_equal(get_with(&slice, "/refuse-shifted-slice", 3, &r), "no-ranges");
	assert_int_equal(r.attempts, 1);
	itr_buf_free(&b);
}

/* A long transfer that breaks off more often than there are retries, and is continued each time. */
static void test_progress(void **state)
{
	(void)state;
	itr_http_result r;
	assert_string_equal(get_with(&(itr_http_job){ 0 }, "/stages", 1, &r), "ok");
	assert_true(r.attempts > 2);
	assert_int_equal(r.received, BIG);
}

static void test_redirects(void **state)
{
	(void)state;
	itr_http_result r;
	assert_string_equal(get("/toother", 0, &r), "ok");
	expect_bytes("/toother");
	assert_string_equal(get("/loop", 3, &r), "redirect");
	assert_int_equal(hits("/loop"), 6);
	assert_string_equal(get("/tofile", 0, &r), "redirect");
}

static void test_memory_and_slices(void **state)
{
	(void)state;
	itr_http_result r;
	itr_buf b = ITR_BUF_INIT;
	itr_http_job job = { .into = &b };
	assert_string_equal(get_with(&job, "/ok-mem", 0, &r), "ok");
	assert_int_equal(b.len, SIZE);
	job.first = SIZE - 10;
	job.length = 10;
	assert_string_equal(get_with(&job, "/ok-mem", 0, &r), "ok");
	assert_int_equal(b.len, 10);
	assert_int_equal((uint8_t)b.data[0], byte_at(SIZE - 10));
	job.first = 10;                                 /* this server goes on to the end of the file */
	assert_string_equal(get_with(&job, "/ok-mem", 0, &r), "no-ranges");
	job.max_bytes = SIZE - 1;
	job.first = job.length = 0;
	assert_string_equal(get_with(&job, "/ok-mem", 0, &r), "too-large");
	itr_buf_free(&b);
}

static void test_local(void **state)
{
	(void)state;
	itr_http_result r;
	itr_http *c = client(3);
	char *source = file_of("/source"), *url = itr_xasprintf("file://%s", source), *target = file_of("/below/this/copy");
	FILE *f = fopen(source, "wb");
	for (int i = 0; i < SIZE; i++)
		fputc(byte_at(i), f);
	fclose(f);
	itr_http_job job = { .url = url, .target = target };
	itr_err err = ITR_ERR_INIT;
	assert_int_equal(itr_http_fetch(c, &job, &r, &err), 0);
	expect_bytes("/below/this/copy");
	job.url = "file:///nowhere/at/all";
	assert_int_equal(itr_http_fetch(c, &job, &r, &err), -1);
	assert_int_equal(r.reason, ITR_HTTP_FILE);
	assert_int_equal(r.attempts, 1);
	job.url = "gopher://127.0.0.1/";
	assert_int_equal(itr_http_fetch(c, &job, &r, &err), -1);
	assert_int_equal(r.reason, ITR_HTTP_URL);
	free(source);
	free(url);
	free(target);
	itr_http_free(c);
}

static void test_next_process(void **state)
{
	(void)state;
	/* what a killed process left: a part with its meta file, and one without */
	itr_http_result r;
	char *part = file_of("/ok-left.part"), *meta = file_of("/ok-left.part.meta"), *url = url_of("/ok-left");
	for (int with = 0; with < 2; with++) {
		FILE *f = fopen(part, "wb");
		for (int i = 0; i < 60000; i++)
			fputc(with ? byte_at(i) : 'x', f);
		fclose(f);
		if (with) {
			f = fopen(meta, "w");
			fprintf(f, "itr-part 1 0 0 %d\n%s\n\"a\"\n\n", SIZE, url);
			fclose(f);
		}
		assert_string_equal(get("/ok-left", 0, &r), "ok");
		expect_bytes("/ok-left");
		assert_int_equal(r.resumed, with);
		assert_int_equal(r.received, with ? SIZE - 60000 : SIZE);
		assert_false(itr_path_exists(meta));
		char *file = file_of("/ok-left");
		unlink(file);
		free(file);
	}
	free(part);
	free(meta);
	free(url);
}

struct many { int given, ok, failed; int64_t ticks; };

static int many_next(void *ctx, itr_http_job *job)
{
	struct many *m = ctx;
	static char url[96], target[96];
	if (m->given == 500)
		return 0;
	snprintf(url, sizeof url, "http://127.0.0.1:%d/%s%d", server.port, m->given % 50 == 7 ? "gone" : "ok", m->given);
	snprintf(target, sizeof target, "%s/many/%03d", folder, m->given++);
	job->url = url;
	job->target = target;
	return 1;
}

static void many_done(void *ctx, const itr_http_job *job, const itr_http_result *r)
{
	struct many *m = ctx;
	assert_int_equal(itr_path_exists(job->target), r->reason == ITR_HTTP_OK);
	*(r->reason == ITR_HTTP_OK ? &m->ok : &m->failed) += 1;
}

static void test_many(void **state)
{
	(void)state;
	struct many m = { 0 };
	itr_http_source s = { &m, many_next, many_done, NULL };
	itr_http *c = client(1);
	itr_err err = ITR_ERR_INIT;
	int before = server.connections;
	assert_int_equal(itr_http_run(c, &s, &err), 0);
	assert_int_equal(m.ok, 490);
	assert_int_equal(m.failed, 10);
	assert_in_range(server.connections - before, 1, 16);    /* kept alive */
	itr_http_free(c);
}

static void test_stop(void **state)
{
	(void)state;
	volatile sig_atomic_t stop = 1;
	itr_http_opts o;
	itr_http_opts_default(&o);
	o.stop = &stop;
	struct many m = { 0 };
	itr_http_source s = { &m, many_next, many_done, NULL };
	itr_err err = ITR_ERR_INIT;
	itr_http *c = itr_http_new(&o, &err);
	assert_int_equal(itr_http_run(c, &s, &err), -1);
	assert_string_equal(err.msg, "interrupted");
	assert_int_equal(m.ok + m.failed, m.given);
	itr_http_free(c);
	o.connections = 0;
	assert_null(itr_http_new(&o, &err));
}

static void test_unwritable(void **state)
{
	(void)state;
	itr_http_result r;
	itr_http *c = client(3);
	char *url = url_of("/ok");
	itr_http_job job = { .url = url, .target = "/dev/null/x" };
	itr_err err = ITR_ERR_INIT;
	assert_int_equal(itr_http_fetch(c, &job, &r, &err), -1);
	assert_int_equal(r.reason, ITR_HTTP_DISK);
	if (access("/dev/full", W_OK) == 0) {           /* the disk is full at the first byte */
		char *part = file_of("/full.part"), *file = file_of("/full");
		assert_int_equal(symlink("/dev/full", part), 0);
		job.target = file;
		assert_int_equal(itr_http_fetch(c, &job, &r, &err), -1);
		assert_int_equal(r.reason, ITR_HTTP_DISK);
		assert_false(itr_path_exists(file));
		assert_false(itr_path_exists(part));
		free(part);
		free(file);
	}
	free(url);
	itr_http_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_retries),
		cmocka_unit_test(test_resume),
		cmocka_unit_test(test_redirects),
		cmocka_unit_test(test_refused_continuation),
		cmocka_unit_test(test_progress),
		cmocka_unit_test(test_memory_and_slices),
		cmocka_unit_test(test_local),
		cmocka_unit_test(test_next_process),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_unwritable),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
