/* Default options, their check, and names of failure reasons. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "net/http_client.h"

void itr_http_opts_default(itr_http_opts *o)
{
	*o = (itr_http_opts){
		.connections = 16, .retries = 5, .backoff = 0.5, .backoff_max = 30, .retry_after_max = 120, .connect_timeout = 20,
		.stall_timeout = 30, .stall_bytes = 512, .max_redirects = 5, .user_agent = "itr (image-text retrieval toolkit)", .seed = 42,
	};
}

const char *itr_http_opts_check(const itr_http_opts *o)
{
	if (o->connections < 1 || o->connections > 256)
		return "the number of connections must be 1 to 256";
	if (o->per_host < 0)
		return "the number of connections to one host must not be negative";
	if (o->retries < 0 || o->retries > 100)
		return "the number of retries must be 0 to 100";
	if (!(o->backoff >= 0 && o->backoff_max >= o->backoff && o->retry_after_max >= 0))
		return "back-off times must not be negative, nor their limit below their start";
	if (!(o->connect_timeout > 0 && o->stall_timeout >= 1))
		return "time limits must be positive, and at least a second for a stalled transfer";
	if (o->max_redirects < 0 || o->stall_bytes < 0)
		return "limits must not be negative";
	return NULL;
}

const char *itr_http_reason_name(const itr_http_result *r, char buf[32])
{
	static const char *const names[] = {
		[ITR_HTTP_OK] = "ok",
		[ITR_HTTP_DNS] = "unknown-host",
		[ITR_HTTP_CONNECT] = "no-connection",
		[ITR_HTTP_TIMEOUT] = "timeout",
		[ITR_HTTP_BROKEN] = "broken-off",
		[ITR_HTTP_TRUNCATED] = "truncated",
		[ITR_HTTP_TOO_LARGE] = "too-large",
		[ITR_HTTP_RANGES] = "no-ranges",
		[ITR_HTTP_NOT_CONTINUED] = "not-continued",
		[ITR_HTTP_CONTENT] = "wrong-content",
		[ITR_HTTP_CHECKSUM] = "wrong-checksum",
		[ITR_HTTP_TLS] = "tls",
		[ITR_HTTP_REDIRECT] = "redirect",
		[ITR_HTTP_FILE] = "no-file",
		[ITR_HTTP_URL] = "bad-url",
		[ITR_HTTP_DISK] = "disk",
		[ITR_HTTP_INTERRUPTED] = "interrupted",
	};
	if (r->reason == ITR_HTTP_STATUS)
		snprintf(buf, 32, "http-%ld", r->status);
	else
		snprintf(buf, 32, "%s", names[r->reason]);
	return buf;
}

char *itr_http_join(const char *base, const char *name)
{
	size_t n = strlen(base);
	while (n && base[n - 1] == '/')
		n--;
	while (*name == '/')
		name++;
	itr_buf url = ITR_BUF_INIT;
	itr_buf_printf(&url, "%.*s/", (int)n, base);
	for (const unsigned char *p = (const unsigned char *)name; *p; p++)
		if ((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || strchr("-._~!$&'()*+,;=:@/", *p))
			itr_buf_putc(&url, (char)*p);
		else
			itr_buf_printf(&url, "%%%02X", *p);
	return itr_buf_detach(&url);
}
