/* http_policy.h - decisions about an HTTP response, as pure functions without sockets and files, so that every case has a unit test.
 * Sources: RFC 9110 (ranges 14, conditions 13.1.5, Retry-After 10.2.3), RFC 6585 (429). Defects that the rules avoid: curl #1163, #2288,
 * #6740, #12174 (an error page appended to a resumed file, 416 for a complete one). */
#ifndef ITR_NET_HTTP_POLICY_H
#define ITR_NET_HTTP_POLICY_H

#include "base/compat.h"

/* The headers of a response that are used. */
typedef struct itr_http_response {
	long status;                    /* 0: none (file://) */
	int64_t length;                 /* Content-Length; -1: absent */
	bool has_range;                 /* there is a valid Content-Range: */
	int64_t first, last, total;     /* first -1: "bytes * / N" (unsatisfied); total -1: unknown */
	char etag[256], modified[64];
	double retry_after;             /* seconds; -1 absent */
} itr_http_response;

void itr_http_response_reset(itr_http_response *r);
/* Parses one header line ("ETag: \"x\"\r\n"), or a status line, which resets *r, so that after a redirect only the last response counts.
 * `now`: seconds since 1970, for Retry-After dates. */
void itr_http_response_line(itr_http_response *r, const char *line, size_t n, int64_t now);

/* "bytes 0-9/100", "bytes 0-9/" followed by a star, "bytes * /100" without the blank. 0, or -1 when it is anything else. */
int itr_http_parse_content_range(const char *value, int64_t *first, int64_t *last, int64_t *total);
/* Seconds to wait: a number, or a date (IMF-fixdate, RFC 850, asctime) minus `now`, at least 0. -1: invalid. */
double itr_http_parse_retry_after(const char *value, int64_t now);
/* Seconds since 1970 of an HTTP date; -1: invalid. Independent of locale and time zone. */
int64_t itr_http_parse_date(const char *value);

/* The state when the request is sent. */
typedef struct itr_http_request {
	int64_t base;                   /* first byte of the requested range; 0 with length 0: the whole file */
	int64_t length;                 /* bytes of the range; 0: to the end; negative: the last -length bytes */
	int64_t have;                   /* bytes of it that are already on disk */
	int64_t total;                  /* size of the remote file as reported before; -1: unknown */
	const char *etag, *modified;    /* of the bytes on disk; "": unknown */
} itr_http_request;

typedef enum {
	ITR_HTTP_TAKE,          /* the body starts at the first requested byte: discard the part and write the body */
	ITR_HTTP_APPEND,        /* append the body to the part */
	ITR_HTTP_COMPLETE,      /* the part is complete (416 at full size) */
	ITR_HTTP_RESTART,       /* the part cannot be resumed: discard it, request again without a range */
	ITR_HTTP_NO_RANGES,     /* a range was requested, but the server sends whole files only */
	ITR_HTTP_RETRY,         /* try again later */
	ITR_HTTP_GIVE_UP        /* permanent failure */
} itr_http_action;

itr_http_action itr_http_decide(const itr_http_request *q, const itr_http_response *r);

/* The reason why the part cannot be resumed, as static text for a message. For ITR_HTTP_RESTART, and for ITR_HTTP_TAKE with have > 0. */
const char *itr_http_refusal(const itr_http_request *q, const itr_http_response *r);

/* The value of the Range header; "" when none is needed. */
void itr_http_range_value(const itr_http_request *q, char out[64]);
/* The value of If-Range: a strong ETag, otherwise the date; "" when there is neither (RFC 9110 13.1.5: not a weak ETag). */
const char *itr_http_if_range(const itr_http_request *q);

/* Seconds before attempt `attempt` (1 = first retry): base * 2^(attempt-1), at most `cap`, times a factor in [0.5, 1) from `unit` in [0, 1)
 * (jitter). A Retry-After (>= 0), limited to `retry_after_cap`, is a lower bound. */
double itr_http_backoff(int attempt, double base, double cap, double unit, double retry_after, double retry_after_cap);

/* Scheme, host and port of a URL in lower case, for limits by host; "file" for file://. */
void itr_http_host(const char *url, char *out, size_t size);

#endif
