#include "net/http_policy.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void itr_http_response_reset(itr_http_response *r)
{
	memset(r, 0, sizeof *r);
	r->length = r->first = r->last = r->total = -1;
	r->retry_after = -1;
}

/* Digits only, below 2^62; -1 otherwise. *end is the first character that is not one. */
static int64_t digits(const char *s, const char **end)
{
	int64_t v = 0;
	const char *p = s;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (v > (INT64_C(1) << 62) / 10 - 1)
			return -1;
		v = v * 10 + (*p - '0');
	}
	*end = p;
	return p == s ? -1 : v;
}

int itr_http_parse_content_range(const char *value, int64_t *first, int64_t *last, int64_t *total)
{
	const char *p = value;
	if (strncasecmp(p, "bytes", 5) != 0 || (p[5] != ' ' && p[5] != '='))
		return -1;
	p += 6;
	while (*p == ' ')
		p++;
	*first = *last = *total = -1;
	if (*p == '*') {
		p++;
	} else {
		*first = digits(p, &p);
		if (*first < 0 || *p++ != '-')
			return -1;
		*last = digits(p, &p);
		if (*last < *first)
			return -1;
	}
	if (*p++ != '/')
		return -1;
	if (*p == '*')
		return *first < 0 || p[1] ? -1 : 0;
	*total = digits(p, &p);
	return *total < 0 || *p || (*first >= 0 && *last >= *total) ? -1 : 0;
}

static int month_number(const char *s)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	for (int i = 0; i < 12; i++)
		if (strncasecmp(s, names + 3 * i, 3) == 0)
			return i + 1;
	return 0;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date algorithms"). */
static int64_t days_from_civil(int64_t y, int m, int d)
{
	y -= m <= 2;
	int64_t era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400;
	int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

int64_t itr_http_parse_date(const char *value)
{
	char month[4] = "";
	int d, y, H, M, S;
	const char *comma = strchr(value, ',');
	if (comma) {
		if (sscanf(comma + 1, " %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT", &d, month, &y, &H, &M, &S) != 6 &&
		    sscanf(comma + 1, " %2d-%3[A-Za-z]-%4d %2d:%2d:%2d GMT", &d, month, &y, &H, &M, &S) != 6)
			return -1;
	} else if (sscanf(value, "%*3[A-Za-z] %3[A-Za-z] %2d %2d:%2d:%2d %4d", month, &d, &H, &M, &S, &y) != 6) {
		return -1;
	}
	int m = month_number(month);
	if (y < 100)                    /* RFC 850: two digits, no more than 50 years ahead */
		y += y < 70 ? 2000 : 1900;
	if (!m || d < 1 || d > 31 || y < 1970 || H < 0 || H > 23 || M < 0 || M > 59 || S < 0 || S > 60)
		return -1;
	return days_from_civil(y, m, d) * 86400 + H * 3600 + M * 60 + S;
}

double itr_http_parse_retry_after(const char *value, int64_t now)
{
	const char *end;
	int64_t s = digits(value, &end);
	if (s >= 0)
		return *end ? -1 : (double)s;
	int64_t when = itr_http_parse_date(value);
	return when < 0 ? -1 : when > now ? (double)(when - now) : 0;
}

static void status_line(itr_http_response *r, const char *text)
{
	itr_http_response_reset(r);
	const char *blank = strchr(text, ' ');
	r->status = blank ? strtol(blank, NULL, 10) : 0;
}

void itr_http_response_line(itr_http_response *r, const char *line, size_t n, int64_t now)
{
	char text[1024];
	if (n >= sizeof text)                   /* none of the headers that matter is that long */
		return;
	memcpy(text, line, n);
	text[n] = 0;
	while (n && isspace((unsigned char)text[n - 1]))
		text[--n] = 0;
	if (strncmp(text, "HTTP/", 5) == 0) {
		status_line(r, text);
		return;
	}
	char *value = strchr(text, ':');
	if (!value)
		return;
	*value++ = 0;
	while (*value == ' ' || *value == '\t')
		value++;
	const char *end;
	if (strcasecmp(text, "content-length") == 0) {
		int64_t v = digits(value, &end);
		r->length = *value && v >= 0 && !*end ? v : -1;
	} else if (strcasecmp(text, "content-range") == 0) {
		r->has_range = itr_http_parse_content_range(value, &r->first, &r->last, &r->total) == 0;
	} else if (strcasecmp(text, "etag") == 0) {
		snprintf(r->etag, sizeof r->etag, "%s", strlen(value) < sizeof r->etag ? value : "");
	} else if (strcasecmp(text, "last-modified") == 0) {
		snprintf(r->modified, sizeof r->modified, "%s", strlen(value) < sizeof r->modified ? value : "");
	} else if (strcasecmp(text, "retry-after") == 0) {
		r->retry_after = itr_http_parse_retry_after(value, now);
	}
}

/* Weak comparison: W/"x" equals "x". Sufficient, because a complete file is also checked by its checksum or content. */
static bool same_etag(const char *a, const char *b)
{
	a += strncmp(a, "W/", 2) == 0 ? 2 : 0;
	b += strncmp(b, "W/", 2) == 0 ? 2 : 0;
	return strcmp(a, b) == 0;
}

/* True when the response is about another file than the part. */
static bool changed(const itr_http_request *q, const itr_http_response *r)
{
	if (*q->etag && *r->etag)
		return !same_etag(q->etag, r->etag);
	if (*q->modified && *r->modified && strcmp(q->modified, r->modified) != 0)
		return true;
	return q->total >= 0 && r->total >= 0 && q->total != r->total;
}

static itr_http_action partial(const itr_http_request *q, const itr_http_response *r)
{
	bool asked = q->have > 0 || q->length != 0 || q->base > 0;
	if (!asked || !r->has_range || r->first < 0)
		return q->length ? ITR_HTTP_NO_RANGES : ITR_HTTP_RESTART;
	if (q->have > 0 && (changed(q, r) || (q->total >= 0 && r->total >= 0 && q->total != r->total)))
		return ITR_HTTP_RESTART;
	if (q->length < 0)
		return r->total >= 0 && r->last == r->total - 1 && r->first == ITR_MAX(0, r->total + q->length) ? ITR_HTTP_TAKE
		                                                                                                : ITR_HTTP_NO_RANGES;
	if (r->first != q->base + q->have)
		return q->length ? ITR_HTTP_NO_RANGES : ITR_HTTP_RESTART;
	if (q->length > 0 ? r->last != q->base + q->length - 1 : r->total >= 0 && r->last != r->total - 1)
		return q->length ? ITR_HTTP_NO_RANGES : ITR_HTTP_RESTART;
	return q->have > 0 ? ITR_HTTP_APPEND : ITR_HTTP_TAKE;
}

itr_http_action itr_http_decide(const itr_http_request *q, const itr_http_response *r)
{
	switch (r->status) {
	case 0:                         /* file:// */
		return ITR_HTTP_TAKE;
	case 200: case 203:
		return q->length || q->base ? ITR_HTTP_NO_RANGES : ITR_HTTP_TAKE;
	case 206:
		return partial(q, r);
	case 416:
		if (q->have > 0 && !q->length && r->has_range && r->first < 0 && r->total == q->base + q->have && !changed(q, r))
			return ITR_HTTP_COMPLETE;
		return q->have > 0 ? ITR_HTTP_RESTART : ITR_HTTP_GIVE_UP;
	case 408: case 425: case 429: case 500: case 502: case 503: case 504: case 520: case 522: case 524:
		return ITR_HTTP_RETRY;
	default:
		return ITR_HTTP_GIVE_UP;
	}
}

const char *itr_http_refusal(const itr_http_request *q, const itr_http_response *r)
{
	if (r->status == 416)
		return "it has no such range (416)";
	if (r->status != 206)
		return "it sends the whole file from the start";
	if (!r->has_range || r->first < 0)
		return "it sends a part of the file (206) without saying which (Content-Range)";
	return changed(q, r) || (q->total >= 0 && r->total >= 0 && q->total != r->total)
	               ? "the file is another one now (ETag, date or size)"
	               : "it sends other bytes than those asked for (Content-Range)";
}

void itr_http_range_value(const itr_http_request *q, char out[64])
{
	out[0] = 0;
	if (q->length < 0)
		snprintf(out, 64, "-%lld", (long long)-q->length);
	else if (q->length > 0)
		snprintf(out, 64, "%lld-%lld", (long long)(q->base + q->have), (long long)(q->base + q->length - 1));
	else if (q->base + q->have > 0)
		snprintf(out, 64, "%lld-", (long long)(q->base + q->have));
}

const char *itr_http_if_range(const itr_http_request *q)
{
	if (q->have <= 0)
		return "";
	if (*q->etag)
		return strncmp(q->etag, "W/", 2) == 0 ? "" : q->etag;
	return q->modified;
}

double itr_http_backoff(int attempt, double base, double cap, double unit, double retry_after, double retry_after_cap)
{
	double wait = base;
	for (int i = 1; i < attempt && wait < cap; i++)
		wait *= 2;
	wait = ITR_MIN(wait, cap) * (0.5 + 0.5 * unit);
	if (retry_after >= 0)
		wait = ITR_MAX(wait, ITR_MIN(retry_after, retry_after_cap));
	return wait;
}

void itr_http_host(const char *url, char *out, size_t size)
{
	const char *p = strstr(url, "://");
	if (!p || strncasecmp(url, "file:", 5) == 0) {
		snprintf(out, size, "file");
		return;
	}
	const char *end = p + 3 + strcspn(p + 3, "/?#"), *at = NULL;
	for (const char *c = p + 3; c < end; c++)
		if (*c == '@')
			at = c;
	const char *start = at ? at + 1 : p + 3;
	size_t n = 0;
	for (const char *c = url; c < p + 3 && n + 1 < size; c++)
		out[n++] = (char)tolower((unsigned char)*c);
	for (const char *c = start; c < end && n + 1 < size; c++)
		out[n++] = (char)tolower((unsigned char)*c);
	out[n] = 0;
}
