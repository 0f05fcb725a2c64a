/* The event loop over libcurl's multi handle. A job has a slot from `next` to `done`: WAITING (for its time, its host, a free connection)
 * -> ACTIVE -> FINISHING (hash, check, fsync, rename in a helper thread) -> done; a failed attempt goes back to WAITING. The number of
 * slots bounds memory and open files; they are more than the connections so that jobs which wait for their next attempt do not block the
 * others. */
#include "net/http_client.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "net/http_part.h"
#include "net/http_policy.h"
#include "net/workers.h"

enum { FINISHERS = 8, MAX_HOSTS = 64, MAX_IDLE_BODY = 256 << 10 };
/* an attempt that brought that much does not count as a failure, as long as its bytes are kept */
static const int64_t PROGRESS = 1 << 20;
static const int64_t MEMORY_CAP = 64 << 20;

typedef enum { FREE, WAITING, ACTIVE, FINISHING } slot_state;

typedef struct host {
	char name[128];
	int active;
	bool answered;                  /* it exists: its silence may pass */
	itr_http_reason unreachable;    /* not ITR_HTTP_OK: it never answered and gets no more requests */
	char why[CURL_ERROR_SIZE];
	double not_before;              /* a 429 or 503 with Retry-After holds back the whole host */
} host;

typedef struct slot {
	struct itr_http *client;
	slot_state state;
	CURL *easy;
	itr_http_job job;
	itr_http_result res;
	itr_http_part part;
	bool open;                      /* part is */
	host *host;
	double due;
	int failures, bad_contents;
	bool continues;                 /* the server has resumed the part */
	const char *refusal;            /* why it once did not; NULL */
	int64_t forgiven;               /* bytes for which failures were set back to 0 */
	/* of the present attempt */
	itr_http_response answer;
	bool decided, too_large, disk;
	itr_http_action action;
	int64_t idle_body;
	struct curl_slist *headers;
	char curl_text[CURL_ERROR_SIZE];
	itr_err err;
} slot;

struct itr_http {
	itr_http_opts o;
	CURLM *multi;
	itr_rng rng;
	slot *slots;
	int n_slots, active;
	host hosts[MAX_HOSTS];
	int n_hosts;
	itr_workers *finishers;
	int64_t received;
	bool fatal;
	itr_err fatal_err;
	const itr_http_source *source;
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static void curl_start(void) { curl_global_init(CURL_GLOBAL_DEFAULT); }

/* --- callbacks of one transfer ------------------------------------------------------------------------------------------------- */

static itr_http_request request_of(const slot *s)
{
	return (itr_http_request){ .base = s->job.first, .length = s->job.length, .have = s->part.have, .total = s->part.total,
	                           .etag = s->part.etag, .modified = s->part.modified };
}

static int64_t cap_of(const slot *s)
{
	return s->job.max_bytes ? s->job.max_bytes : s->job.into ? MEMORY_CAP : INT64_MAX;
}

/* Resets the count of failures for bytes that are kept, when the server has shown that it supports resuming. */
static void forgive(slot *s)
{
	if (s->continues && s->part.have - s->forgiven >= PROGRESS) {
		s->failures = 0;
		s->forgiven = s->part.have;
	}
}

/* Empties the part. The resets for its bytes are undone: all earlier attempts count again. */
static int start_over(slot *s)
{
	if (s->part.have > 0)
		s->failures = s->res.attempts - 1;
	s->continues = false;
	s->forgiven = 0;
	return itr_http_part_restart(&s->part, &s->err);
}

/* Called once for each response, before its first byte is used. */
static void decide(slot *s)
{
	itr_http_request q = request_of(s);
	s->decided = true;
	s->action = itr_http_decide(&q, &s->answer);
	if (s->action == ITR_HTTP_RESTART || (s->action == ITR_HTTP_TAKE && q.have > 0))
		s->refusal = itr_http_refusal(&q, &s->answer);
	if (s->action == ITR_HTTP_APPEND) {
		s->continues = true;
		forgive(s);
	}
	if (s->action == ITR_HTTP_TAKE && q.have > 0 && s->res.attempts > s->client->o.retries + 1)
		s->action = ITR_HTTP_RESTART;           /* it begins again, and has done so often enough */
	if (s->action == ITR_HTTP_TAKE) {
		s->disk = start_over(s) < 0;
		itr_http_part_describe(&s->part, &s->answer);
		s->too_large = s->answer.length > cap_of(s);
	}
}

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
	slot *s = ctx;
	n *= size;
	if (!s->decided)
		decide(s);
	if (s->disk || s->too_large || s->action == ITR_HTTP_RESTART || s->action == ITR_HTTP_NO_RANGES)
		return n ? 0 : 1;                       /* ends the transfer */
	if (s->action != ITR_HTTP_TAKE && s->action != ITR_HTTP_APPEND) {
		s->idle_body += (int64_t)n;             /* an error page: read on, to keep the connection, unless it is long */
		return s->idle_body > MAX_IDLE_BODY ? 0 : n;
	}
	s->too_large = s->part.have + (int64_t)n > cap_of(s) || (s->job.length > 0 && s->part.have + (int64_t)n > s->job.length);
	if (s->too_large)
		return 0;
	s->disk = itr_http_part_write(&s->part, data, n, &s->err) < 0;
	s->client->received += (int64_t)n;
	s->res.received += (int64_t)n;
	return s->disk ? 0 : n;
}

static size_t on_header(char *line, size_t size, size_t n, void *ctx)
{
	itr_http_response_line(&((slot *)ctx)->answer, line, size * n, (int64_t)time(NULL));
	return size * n;
}

/* --- starting ------------------------------------------------------------------------------------------------------------------ */

static CURL *easy_new(slot *s)
{
	const itr_http_opts *o = &s->client->o;
	CURL *e = curl_easy_init();
	if (!e)
		ITR_BUG("curl_easy_init failed");
	curl_easy_setopt(e, CURLOPT_PRIVATE, s);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, s);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, s);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, s->curl_text);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https,file");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, o->max_redirects > 0 ? 1L : 0L);
	curl_easy_setopt(e, CURLOPT_MAXREDIRS, (long)o->max_redirects);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)(o->connect_timeout * 1000));
	curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, (long)o->stall_bytes);
	curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME, (long)o->stall_timeout);
	curl_easy_setopt(e, CURLOPT_BUFFERSIZE, 128L << 10);
	curl_easy_setopt(e, CURLOPT_DNS_CACHE_TIMEOUT, 300L);
	curl_easy_setopt(e, CURLOPT_USERAGENT, o->user_agent);
	if (o->proxy)
		curl_easy_setopt(e, CURLOPT_PROXY, o->proxy);
	return e;
}

static void start(slot *s)
{
	itr_http *c = s->client;
	if (!s->open) {
		s->disk = itr_http_part_open(&s->part, &s->job, &s->err) < 0;
		s->open = true;
		s->res.resumed = s->part.have > 0;
		s->forgiven = s->part.have;
		s->continues = false;
	}
	if (!s->easy)
		s->easy = easy_new(s);
	itr_http_response_reset(&s->answer);
	s->decided = s->too_large = false;
	s->idle_body = 0;
	s->curl_text[0] = 0;
	s->res.attempts++;
	itr_http_request q = request_of(s);
	char range[64];
	itr_http_range_value(&q, range);
	bool file = strncasecmp(s->job.url, "file:", 5) == 0;
	if (file && s->part.have)       /* a local copy starts afresh: it is cheap and has no validators */
		s->disk |= start_over(s) < 0;
	if (file && !s->job.length)
		range[0] = 0;
	const char *condition = itr_http_if_range(&q);
	if (*condition && !file) {
		char *line = itr_xasprintf("If-Range: %s", condition);
		s->headers = curl_slist_append(NULL, line);
		free(line);
	}
	curl_easy_setopt(s->easy, CURLOPT_URL, s->job.url);
	curl_easy_setopt(s->easy, CURLOPT_RANGE, *range ? range : NULL);
	curl_easy_setopt(s->easy, CURLOPT_HTTPHEADER, s->headers);
	curl_easy_setopt(s->easy, CURLOPT_REDIR_PROTOCOLS_STR, strncasecmp(s->job.url, "https:", 6) == 0 ? "https" : "http,https");
	s->state = ACTIVE;
	s->host->active++;
	c->active++;
	curl_multi_add_handle(c->multi, s->easy);
}

static host *host_find(itr_http *c, const char *url)
{
	char name[128];
	itr_http_host(url, name, sizeof name);
	for (int i = 0; i < c->n_hosts; i++)
		if (strcmp(c->hosts[i].name, name) == 0)
			return &c->hosts[i];
	if (c->n_hosts == MAX_HOSTS)            /* the rest shares one entry: only the politeness suffers */
		return &c->hosts[MAX_HOSTS - 1];
	host *h = &c->hosts[c->n_hosts++];
	*h = (host){ .active = 0 };
	snprintf(h->name, sizeof h->name, "%s", name);
	return h;
}

static bool fill_slot(itr_http *c, slot *s)
{
	itr_http_job job = { 0 };
	if (!c->source->next(c->source->ctx, &job))
		return false;
	CURL *easy = s->easy;
	*s = (slot){ .client = c, .easy = easy, .state = WAITING, .part = { .fd = -1 }, .res = { .total = -1 } };
	s->job = job;
	s->job.url = itr_xstrdup(job.url);
	s->job.target = job.target ? itr_xstrdup(job.target) : NULL;
	s->job.sha256 = job.sha256 ? itr_xstrdup(job.sha256) : NULL;
	s->host = host_find(c, job.url);
	return true;
}

/* --- ending -------------------------------------------------------------------------------------------------------------------- */

static void report(slot *s)
{
	itr_http *c = s->client;
	if (s->res.reason == ITR_HTTP_DISK && !c->fatal) {
		c->fatal = true;
		itr_err_set(&c->fatal_err, "%s", s->res.message);
	}
	s->state = FREE;
	c->source->done(c->source->ctx, &s->job, &s->res);
	free((char *)s->job.url);
	free((char *)s->job.target);
	free((char *)s->job.sha256);
}

static void give_up(slot *s, itr_http_reason reason, const char *message)
{
	s->res.reason = reason;
	snprintf(s->res.message, sizeof s->res.message, "%s", message);
	if (s->open)
		itr_http_part_drop(&s->part, reason != ITR_HTTP_STATUS && reason != ITR_HTTP_CONTENT && reason != ITR_HTTP_CHECKSUM &&
		                                     reason != ITR_HTTP_TOO_LARGE);
	report(s);
}

/* Without a network, or with a wrong host name, the first attempt is conclusive. A host that never answered gets two more attempts (one
 * after a timeout), and then no more for any of the 118,000 images. */
static int retries_of(slot *s, itr_http_reason reason, const char *message)
{
	int most = s->client->o.retries;
	bool silent = reason == ITR_HTTP_DNS || reason == ITR_HTTP_CONNECT || (reason == ITR_HTTP_TIMEOUT && !s->answer.status);
	if (!silent || s->host->answered)
		return most;
	most = ITR_MIN(most, reason == ITR_HTTP_TIMEOUT ? 1 : 2);
	if (s->failures >= most && s->host->unreachable == ITR_HTTP_OK) {
		s->host->unreachable = reason;
		snprintf(s->host->why, sizeof s->host->why, "%s", message);
	}
	return most;
}

static void again(slot *s, itr_http_reason reason, const char *message, double retry_after)
{
	itr_http *c = s->client;
	if (s->open)
		forgive(s);
	if (s->failures >= retries_of(s, reason, message) || c->fatal) {
		char text[sizeof s->res.message];
		snprintf(text, sizeof text, "%s%s%s", message, s->refusal ? "; the server does not continue what broke off: " : "",
		         s->refusal ? s->refusal : "");
		give_up(s, reason, text);
		return;
	}
	s->failures++;
	double now = itr_clock_now(), wait = itr_http_backoff(s->failures, c->o.backoff, c->o.backoff_max, itr_rng_random(&c->rng),
	                                                      retry_after, c->o.retry_after_max);
	s->due = now + wait;
	if (retry_after >= 0)
		s->host->not_before = ITR_MAX(s->host->not_before, s->due);
	s->state = WAITING;
	itr_debug("'%s': %s; attempt %d in %.1f s", s->job.url, message, s->res.attempts + 1, wait);
}

static itr_http_reason reason_of(const slot *s, CURLcode code)
{
	long redirects = 0;
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST: case CURLE_COULDNT_RESOLVE_PROXY: return ITR_HTTP_DNS;
	case CURLE_COULDNT_CONNECT: return ITR_HTTP_CONNECT;
	case CURLE_OPERATION_TIMEDOUT: return ITR_HTTP_TIMEOUT;
	case CURLE_PARTIAL_FILE: return ITR_HTTP_TRUNCATED;
	case CURLE_TOO_MANY_REDIRECTS: return ITR_HTTP_REDIRECT;
	case CURLE_URL_MALFORMAT: return ITR_HTTP_URL;
	case CURLE_UNSUPPORTED_PROTOCOL:
		curl_easy_getinfo(s->easy, CURLINFO_REDIRECT_COUNT, &redirects);
		return redirects || s->answer.status ? ITR_HTTP_REDIRECT : ITR_HTTP_URL;
	case CURLE_FILE_COULDNT_READ_FILE: return ITR_HTTP_FILE;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM: return ITR_HTTP_TLS;
	default: return ITR_HTTP_BROKEN;
	}
}

static bool worth_another(itr_http_reason reason)
{
	return reason == ITR_HTTP_DNS || reason == ITR_HTTP_CONNECT || reason == ITR_HTTP_TIMEOUT || reason == ITR_HTTP_TRUNCATED ||
	       reason == ITR_HTTP_BROKEN;
}

static void broke_off(slot *s, CURLcode code)
{
	itr_http_reason reason = reason_of(s, code);
	const char *text = *s->curl_text ? s->curl_text : curl_easy_strerror(code);
	if (worth_another(reason))
		again(s, reason, text, -1);
	else
		give_up(s, reason, text);
}

/* Bytes that the part must have in the end; -1 unknown. */
static int64_t wanted(const slot *s)
{
	if (s->job.length)
		return s->job.length > 0 ? s->job.length : -1;
	return s->part.total >= 0 ? s->part.total - s->job.first : -1;
}

/* Checks that a body that ended without an error is complete. */
static void body_ended(slot *s)
{
	char text[160];
	int64_t want = wanted(s);
	s->res.total = s->part.total;
	if (want >= 0 && s->part.have != want) {
		snprintf(text, sizeof text, "got %lld of %lld bytes", (long long)s->part.have, (long long)want);
		again(s, ITR_HTTP_TRUNCATED, text, -1);
		return;
	}
	snprintf(s->res.etag, sizeof s->res.etag, "%s", s->part.etag);
	s->state = FINISHING;
	itr_workers_push(s->client->finishers, s);
}

static void ended(slot *s, CURLcode code)
{
	itr_http *c = s->client;
	char text[256];
	c->active--;
	s->host->active--;
	curl_multi_remove_handle(c->multi, s->easy);
	curl_easy_setopt(s->easy, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(s->headers);
	s->headers = NULL;
	if (code == CURLE_OK && !s->decided)
		decide(s);
	s->res.status = s->answer.status;
	if (s->answer.status || code == CURLE_OK) {
		s->host->answered = true;
		s->host->unreachable = ITR_HTTP_OK;
	}
	if (s->disk) {
		give_up(s, ITR_HTTP_DISK, s->err.msg);
	} else if (s->too_large) {
		snprintf(text, sizeof text, "larger than the %lld bytes allowed",
		         (long long)ITR_MIN(cap_of(s), s->job.length > 0 ? s->job.length : INT64_MAX));
		give_up(s, ITR_HTTP_TOO_LARGE, text);
	} else if (!s->decided ||
	           (code != CURLE_OK && (s->action == ITR_HTTP_TAKE || s->action == ITR_HTTP_APPEND) && s->part.have != wanted(s))) {
		broke_off(s, code);
	} else if (s->action == ITR_HTTP_TAKE || s->action == ITR_HTTP_APPEND || s->action == ITR_HTTP_COMPLETE) {
		body_ended(s);
	} else if (s->action == ITR_HTTP_RESTART) {
		snprintf(text, sizeof text, "it broke off after %lld bytes", (long long)s->part.have);
		if (start_over(s) < 0)
			give_up(s, ITR_HTTP_DISK, s->err.msg);
		else
			again(s, ITR_HTTP_NOT_CONTINUED, text, -1);
	} else if (s->action == ITR_HTTP_NO_RANGES) {
		give_up(s, ITR_HTTP_RANGES, "the server sends no ranges of this file");
	} else {
		snprintf(text, sizeof text, "the server answered %ld", s->answer.status);
		if (s->action == ITR_HTTP_RETRY)
			again(s, ITR_HTTP_STATUS, text, s->answer.retry_after);
		else
			give_up(s, ITR_HTTP_STATUS, text);
	}
}

/* Runs in a helper thread. */
static void finish(void *item)
{
	slot *s = item;
	itr_http_part_finish(&s->part, &s->job, &s->res);
}

static void finished(slot *s)
{
	bool bad = s->res.reason == ITR_HTTP_CONTENT || s->res.reason == ITR_HTTP_CHECKSUM;
	s->open = false;
	if (bad && s->bad_contents++ == 0 && s->client->o.retries > 0)
		again(s, s->res.reason, s->res.message, -1);    /* once more: an error page with 200 is often a passing thing */
	else
		report(s);
}

static void wake(void *ctx) { curl_multi_wakeup(((itr_http *)ctx)->multi); }

/* --- the loop ------------------------------------------------------------------------------------------------------------------ */

static bool stopped(const itr_http *c) { return c->fatal || (c->o.stop && *c->o.stop); }

static void stop_all(itr_http *c)
{
	for (int i = 0; i < c->n_slots; i++) {
		slot *s = &c->slots[i];
		if (s->state == ACTIVE) {
			c->active--;
			s->host->active--;
			curl_multi_remove_handle(c->multi, s->easy);
			curl_easy_setopt(s->easy, CURLOPT_HTTPHEADER, NULL);
			curl_slist_free_all(s->headers);
			s->headers = NULL;
		}
		if (s->state == ACTIVE || s->state == WAITING)
			give_up(s, ITR_HTTP_INTERRUPTED, "interrupted");
	}
}

/* Starts jobs and transfers. Returns the seconds until the next slot is due (at most 0.25). */
static double schedule(itr_http *c, bool *exhausted)
{
	double now = itr_clock_now(), next = 0.25;
	int per_host = c->o.per_host ? c->o.per_host : c->o.connections;
	for (int i = 0; i < c->n_slots && !stopped(c); i++) {
		slot *s = &c->slots[i];
		if (s->state == FREE && !*exhausted && c->active < c->o.connections)
			*exhausted = !fill_slot(c, s);
		if (s->state != WAITING)
			continue;
		if (s->host->unreachable != ITR_HTTP_OK) {
			give_up(s, s->host->unreachable, s->host->why);
			next = 0;
			continue;
		}
		double due = ITR_MAX(s->due, s->host->not_before);
		if (due > now)
			next = ITR_MIN(next, due - now);
		else if (c->active < c->o.connections && s->host->active < per_host)
			start(s);
	}
	return next;
}

/* Handles finished transfers. Returns true when there was one: a connection may be free. */
static bool collect(itr_http *c)
{
	CURLMsg *m;
	int left;
	slot *s;
	bool any = false;
	while ((m = curl_multi_info_read(c->multi, &left))) {
		CURLcode code = m->data.result;
		if (m->msg == CURLMSG_DONE && curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&s) == CURLE_OK)
			ended(s, code);
		any = true;
	}
	while ((s = itr_workers_take(c->finishers))) {
		finished(s);
		any = true;
	}
	return any;
}

static bool busy(const itr_http *c)
{
	for (int i = 0; i < c->n_slots; i++)
		if (c->slots[i].state != FREE)
			return true;
	return false;
}

int itr_http_run(itr_http *c, const itr_http_source *source, itr_err *err)
{
	bool exhausted = false;
	double ticked = itr_clock_now();
	c->source = source;
	c->fatal = false;
	c->received = 0;
	for (;;) {
		if (stopped(c))
			stop_all(c);
		double wait = stopped(c) ? 0.25 : schedule(c, &exhausted);
		if (!busy(c) && (exhausted || stopped(c)))
			break;
		int running;
		if (curl_multi_perform(c->multi, &running) != CURLM_OK)
			ITR_BUG("curl_multi_perform failed");
		bool any = collect(c);
		double now = itr_clock_now();
		if (source->tick && now - ticked >= 0.2) {
			ticked = now;
			source->tick(source->ctx, c->received);
		}
		if (!any)
			curl_multi_poll(c->multi, NULL, 0, (int)(wait * 1000) + 1, NULL);
	}
	if (source->tick)
		source->tick(source->ctx, c->received);
	if (c->fatal)
		return itr_err_set(err, "%s", c->fatal_err.msg);
	return stopped(c) ? itr_err_set(err, "interrupted") : 0;
}

itr_http *itr_http_new(const itr_http_opts *o, itr_err *err)
{
	const char *wrong = itr_http_opts_check(o);
	if (wrong) {
		itr_err_set(err, "%s", wrong);
		return NULL;
	}
	pthread_once(&curl_once, curl_start);
	itr_http *c = itr_xcalloc(1, sizeof *c);
	c->o = *o;
	itr_rng_seed(&c->rng, o->seed);
	c->n_slots = 2 * o->connections + 32;
	c->slots = itr_xcalloc((size_t)c->n_slots, sizeof *c->slots);
	c->multi = curl_multi_init();
	if (!c->multi)
		ITR_BUG("curl_multi_init failed");
	curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)o->connections);
	c->finishers = itr_workers_new(ITR_MIN(FINISHERS, o->connections), c->n_slots, finish, wake, c);
	return c;
}

void itr_http_free(itr_http *c)
{
	if (!c)
		return;
	itr_workers_free(c->finishers);
	for (int i = 0; i < c->n_slots; i++)
		if (c->slots[i].easy)
			curl_easy_cleanup(c->slots[i].easy);
	curl_multi_cleanup(c->multi);
	free(c->slots);
	free(c);
}
