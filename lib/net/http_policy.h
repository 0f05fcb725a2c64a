/* http_policy.h - what to do with an answer: pure decisions, no sockets and no files, so that every case has a unit test.
 * Sources: RFC 9110 (ranges 14, conditions 13.1.5, Retry-After 10.2.3), RFC 6585 (429); the defects behind the rules: curl #1163, #2288,
 * #6740, #12174 (an error page appended to a resumed file, 416 on a finished one). */
#ifndef ITR_NET_HTTP_POLICY_H
#define ITR_NET_HTTP_POLICY_H

#include "base/compat.h"

/* The headers of one answer that matter here. */
typedef struct itr_http_response {
	long status;                    /* 0: none (file://) */
	int64_t length;                 /* Content-Length; -1 absent */
	bool has_range;                 /* a Content-Range that could be read: */
	int64_t first, last, total;     /* first -1: "bytes * / N" (unsatisfied); total -1: unknown */
	char etag[256], modified[64];
	double retry_after;             /* seconds; -1 absent */
} itr_http_response;

void itr_http_response_reset(itr_http_response *r);
/* One header line as it came ("ETag: \"x\"\r\n"), or a status line, which resets the rest: after a redirect only the last answer counts.
 * `now` is the wall clock in seconds since 1970, for Retry-After dates. */
void itr_http_response_line(itr_http_response *r, const char *line, size_t n, int64_t now);

/* "bytes 0-9/100", "bytes 0-9/" followed by a star, "bytes * /100" without the blank. 0, or -1 when it is anything else. */
int itr_http_parse_content_range(const char *value, int64_t *first, int64_t *last, int64_t *total);
/* Seconds to wait: a number, or a date (IMF-fixdate, RFC 850, asctime) against `now`; a date that is past is 0. -1 unreadable. */
double itr_http_parse_retry_after(const char *value, int64_t now);
/* Seconds since 1970 of an HTTP date, -1 unreadable. Independent of locale and time zone. */
int64_t itr_http_parse_date(const char *value);

/* What was known before the request was sent. */
typedef struct itr_http_request {
	int64_t base;                   /* first byte of the slice that is wanted; 0 with length 0: the whole file */
	int64_t length;                 /* bytes of the slice; 0: to the end; negative: the last -length bytes */
	int64_t have;                   /* bytes of it that are on disk already */
	int64_t total;                  /* whole size of the remote file as reported before; -1 unknown */
	const char *etag, *modified;    /* of what is on disk; "" unknown */
} itr_http_request;

typedef enum {
	ITR_HTTP_TAKE,          /* the body is the wanted bytes from the start: drop what is there */
	ITR_HTTP_APPEND,        /* the body is appended to the file */
	ITR_HTTP_COMPLETE,      /* nothing is missing (416 at full size) */
	ITR_HTTP_RESTART,       /* what is there cannot be continued: drop it, ask again without a range */
	ITR_HTTP_NO_RANGES,     /* a slice was wanted and the server sends whole files only */
	ITR_HTTP_RETRY,         /* later */
	ITR_HTTP_GIVE_UP
} itr_http_action;

itr_http_action itr_http_decide(const itr_http_request *q, const itr_http_response *r);

/* Why an answer cannot be joined to what is there: words for a message, static. Of use for ITR_HTTP_RESTART, and for ITR_HTTP_TAKE with
 * have > 0. */
const char *itr_http_refusal(const itr_http_request *q, const itr_http_response *r);

/* Is a Range header needed, and with what value? "" when the whole file is wanted from its start. */
void itr_http_range_value(const itr_http_request *q, char out[64]);
/* The value of If-Range: a strong ETag, else the date; "" when neither can serve (RFC 9110 13.1.5: never a weak ETag). */
const char *itr_http_if_range(const itr_http_request *q);

/* Seconds before attempt `attempt` (1 = first retry): base * 2^(attempt-1), at most `cap`, spread over its upper half by `unit` in [0, 1);
 * a Retry-After (>= 0) is a lower bound, itself at most `retry_after_cap`. */
double itr_http_backoff(int attempt, double base, double cap, double unit, double retry_after, double retry_after_cap);

/* "http://Host:80" in lower case of a URL, for limits by host; "file" for file://. */
void itr_http_host(const char *url, char *out, size_t size);

#endif
