/* http_client.h - many downloads at once, each whole or absent. libcurl's multi interface is used by http_client.c alone.
 *
 *	itr_http_opts o; itr_http_opts_default(&o);
 *	itr_http *c = itr_http_new(&o, err);
 *	itr_http_source s = { ctx, next, done };        // jobs are pulled one by one: memory does not grow with their number
 *	itr_http_run(c, &s, err);
 *	itr_http_free(c);
 *
 * A body is written to TARGET.part, hashed while it is written, and becomes TARGET by rename only after its length, its SHA-256 (if one is
 * expected) and the caller's check have passed and it was fsynced. An attempt that breaks off is continued with Range/If-Range in this
 * process; a part of 4 MiB and more is kept with its validators (TARGET.part.meta) and continued by the next process. The rules are in
 * http_policy.h. Each MiB that is kept sets the count of failed attempts back, on a server that continues what it broke off; where it
 * refuses to, what came is dropped and every attempt counts again: never more than 1 + retries of them, unless bytes were kept. Failures of
 * single jobs are results, not errors; itr_http_run fails only for what stops all of them (a full disk). http, https and file URLs; a
 * redirect never leads to file:, nor from https to http. Proxies as curl: the environment, or opts.proxy.
 */
#ifndef ITR_NET_HTTP_CLIENT_H
#define ITR_NET_HTTP_CLIENT_H

#include <signal.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"

typedef struct itr_http itr_http;

typedef struct itr_http_opts {
	int connections;                /* transfers at once; 16, at most 256 */
	int per_host;                   /* of them to one host; 0: all */
	int retries;                    /* attempts after the first, beginnings from the start among them; 5 */
	double backoff, backoff_max;    /* seconds: 0.5 doubling up to 30, with jitter */
	double retry_after_max;         /* the longest Retry-After that is followed; 120 */
	double connect_timeout;         /* seconds; 20 */
	double stall_timeout;           /* seconds below stall_bytes a second before an attempt is given up; 30 */
	int64_t stall_bytes;            /* 512 */
	int max_redirects;              /* 5 */
	const char *proxy;              /* NULL: http_proxy, https_proxy, all_proxy, no_proxy */
	const char *user_agent;
	uint64_t seed;                  /* of the jitter */
	const volatile sig_atomic_t *stop;   /* may be NULL; non-zero ends the run: unfinished jobs are reported as interrupted */
} itr_http_opts;

void itr_http_opts_default(itr_http_opts *o);
/* A message about the first bad field, or NULL. */
const char *itr_http_opts_check(const itr_http_opts *o);

typedef struct itr_http_job {
	const char *url;
	const char *target;             /* copied by the client, as url; NULL with `into` */
	itr_buf *into;                  /* memory instead of a file; cleared first */
	int64_t first, length;          /* a slice: length > 0 bytes from `first`; length < 0: the last -length bytes; 0: the whole file */
	int64_t max_bytes;              /* refused beyond; 0: 64 MiB for memory, no cap for a file */
	const char *sha256;             /* expected, 64 hex digits; NULL: any (copied) */
	/* Looks at the finished part before it gets its name: 0, or -1 with the reason. Called from a helper thread, several at once. May
	 * be NULL. */
	int (*check)(const struct itr_http_job *job, const char *path, itr_err *err);
	void *user;
} itr_http_job;

typedef enum {
	ITR_HTTP_OK,
	ITR_HTTP_STATUS,
	ITR_HTTP_DNS,
	ITR_HTTP_CONNECT,
	ITR_HTTP_TIMEOUT,
	ITR_HTTP_BROKEN,
	ITR_HTTP_TRUNCATED,
	ITR_HTTP_TOO_LARGE,
	ITR_HTTP_RANGES,
	ITR_HTTP_NOT_CONTINUED,
	ITR_HTTP_CONTENT,
	ITR_HTTP_CHECKSUM,
	ITR_HTTP_TLS,
	ITR_HTTP_REDIRECT,
	ITR_HTTP_FILE,
	ITR_HTTP_URL,
	ITR_HTTP_DISK,
	ITR_HTTP_INTERRUPTED
} itr_http_reason;

typedef struct itr_http_result {
	itr_http_reason reason;         /* ITR_HTTP_OK: the target is there */
	long status;                    /* of the last answer; 0 none */
	int attempts;
	bool resumed;                   /* part of it was on disk before */
	int64_t bytes;                  /* size of the target (or of what `into` got) */
	int64_t received;               /* body bytes over the line in all attempts */
	int64_t total;                  /* size of the remote file as the server reports it; -1 unknown */
	char sha256[ITR_SHA256_HEX];
	char etag[256];
	char message[sizeof ((itr_err *)0)->msg];      /* why it failed */
} itr_http_result;

/* "ok", "http-404", "timeout", "not-what-was-expected"...: a key for statistics and failures.json. */
const char *itr_http_reason_name(const itr_http_result *r, char buf[32]);

typedef struct itr_http_source {
	void *ctx;
	/* 1: *job is filled (it came zeroed); 0: there are no more. Strings stay valid until it returns */
	int (*next)(void *ctx, itr_http_job *job);
	void (*done)(void *ctx, const itr_http_job *job, const itr_http_result *r);     /* in the caller's thread, in order of completion */
	void (*tick)(void *ctx, int64_t received);      /* a few times a second with the body bytes so far; may be NULL */
} itr_http_source;

/* NULL with err for options that itr_http_opts_check refuses. */
itr_http *itr_http_new(const itr_http_opts *o, itr_err *err);
void itr_http_free(itr_http *c);

/* Runs until the source is empty. 0 even if jobs failed; -1 with err when the disk is full or not writable, or when interrupted
 * ("interrupted"). Every job that `next` handed out has had its `done`. */
ITR_MUST_USE int itr_http_run(itr_http *c, const itr_http_source *s, itr_err *err);

/* One job. 0 and *r, or -1 with err "cannot fetch 'URL': reason" (and *r). */
ITR_MUST_USE int itr_http_fetch(itr_http *c, const itr_http_job *job, itr_http_result *r, itr_err *err);

/* The address of a file below a folder: base + "/" + name, with exactly one slash. base is a URL as it is; of name, a path, what a URL
 * cannot hold as it is ('#', '?', '%', spaces, bytes beyond ASCII) is percent-encoded (RFC 3986, section 2.1). The caller frees. */
char *itr_http_join(const char *base, const char *name);

#endif
