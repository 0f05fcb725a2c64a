/* http_client.h - many concurrent downloads; each target is complete or absent. Only http_client.c uses libcurl (multi interface).
 *
 *	itr_http_opts o; itr_http_opts_default(&o);
 *	itr_http *c = itr_http_new(&o, err);
 *	itr_http_source s = { ctx, next, done };        // jobs are requested one by one: memory does not grow with their number
 *	itr_http_run(c, &s, err);
 *	itr_http_free(c);
 *
 * A body is written to TARGET.part and hashed at the same time. It is renamed to TARGET after its length, its SHA-256 (if one is expected)
 * and the caller's check are right and it was fsynced. An interrupted attempt is resumed with Range/If-Range. A part of 4 MiB and more is
 * kept with its validators (TARGET.part.meta) and resumed by the next process. The rules are in http_policy.h. There are at most 1 +
 * retries attempts; each MiB that is kept resets the count of failed attempts, if the server supports resuming. If it does not, the
 * received bytes are discarded and all attempts count. The failure of a job is a result, not an error; itr_http_run fails only when all
 * jobs would fail (a full disk). http, https and file URLs; a redirect to file:, or from https to http, is not followed. Proxies as in
 * curl: the environment, or opts.proxy.
 */
#ifndef ITR_NET_HTTP_CLIENT_H
#define ITR_NET_HTTP_CLIENT_H

#include <signal.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"

typedef struct itr_http itr_http;

typedef struct itr_http_opts {
	int connections;                /* concurrent transfers; 16, at most 256 */
	int per_host;                   /* of these to one host; 0: no limit */
	int retries;                    /* attempts after the first, restarts included; 5 */
	double backoff, backoff_max;    /* seconds: 0.5 doubling up to 30, with jitter */
	double retry_after_max;         /* upper limit for Retry-After, seconds; 120 */
	double connect_timeout;         /* seconds; 20 */
	double stall_timeout;           /* an attempt fails after so many seconds below stall_bytes per second; 30 */
	int64_t stall_bytes;            /* 512 */
	int max_redirects;              /* 5 */
	const char *proxy;              /* NULL: http_proxy, https_proxy, all_proxy, no_proxy */
	const char *user_agent;
	uint64_t seed;                  /* of the jitter */
	const volatile sig_atomic_t *stop;   /* may be NULL; non-zero ends the run: unfinished jobs are reported as interrupted */
} itr_http_opts;

void itr_http_opts_default(itr_http_opts *o);
/* NULL when the options are valid, otherwise a message about the first invalid field (static). */
const char *itr_http_opts_check(const itr_http_opts *o);

typedef struct itr_http_job {
	const char *url;
	const char *target;             /* path; copied by the client, as url; NULL with `into` */
	itr_buf *into;                  /* memory instead of a file; cleared first */
	int64_t first, length;          /* range: length > 0 bytes from `first`; < 0: the last -length bytes; 0: the whole file */
	int64_t max_bytes;              /* a larger file is an error; 0: 64 MiB for memory, no limit for a file */
	const char *sha256;             /* expected, 64 hex digits; NULL: any (copied) */
	/* Checks the complete part before the rename: 0, or -1 with the reason. Called from helper threads, several at a time. May be
	 * NULL. */
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
	itr_http_reason reason;         /* ITR_HTTP_OK: the target is complete */
	long status;                    /* of the last response; 0: none */
	int attempts;
	bool resumed;                   /* some of it was on disk before */
	int64_t bytes;                  /* size of the target, or of `into` */
	int64_t received;               /* body bytes received in all attempts */
	int64_t total;                  /* size of the remote file as reported by the server; -1: unknown */
	char sha256[ITR_SHA256_HEX];
	char etag[256];
	char message[sizeof ((itr_err *)0)->msg];      /* the error */
} itr_http_result;

/* The reason as a key for statistics and failures.json: "ok", "http-404", "timeout", "not-what-was-expected", ... */
const char *itr_http_reason_name(const itr_http_result *r, char buf[32]);

typedef struct itr_http_source {
	void *ctx;
	/* Sets *job (initialised with zeros) and returns 1, or returns 0 when there are no more jobs. The client copies url, target and
	 * sha256 */
	int (*next)(void *ctx, itr_http_job *job);
	void (*done)(void *ctx, const itr_http_job *job, const itr_http_result *r);     /* in order of completion; in the caller's thread */
	void (*tick)(void *ctx, int64_t received);      /* called a few times a second with the body bytes so far; may be NULL */
} itr_http_source;

/* NULL with err when the options are invalid (itr_http_opts_check). */
itr_http *itr_http_new(const itr_http_opts *o, itr_err *err);
void itr_http_free(itr_http *c);

/* Runs all jobs of the source. 0, also when jobs failed; -1 with err when the disk is full or not writable, or when interrupted
 * ("interrupted"). `done` has then been called for every job that `next` returned. */
ITR_MUST_USE int itr_http_run(itr_http *c, const itr_http_source *s, itr_err *err);

/* Runs one job. 0, or -1 with err "cannot fetch 'URL': reason"; *r is set in both cases. */
ITR_MUST_USE int itr_http_fetch(itr_http *c, const itr_http_job *job, itr_http_result *r, itr_err *err);

/* The URL of a file in a folder: base + "/" + name, with exactly one slash. base is a URL; in name, a path, the characters that a URL
 * cannot contain ('#', '?', '%', spaces, bytes beyond ASCII) are percent-encoded (RFC 3986, section 2.1). The caller frees. */
char *itr_http_join(const char *base, const char *name);

#endif
