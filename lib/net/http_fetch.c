/* Runs one job with the client. */
#include "net/http_client.h"

typedef struct single {
	const itr_http_job *job;
	itr_http_result *result;
	bool given;
} single;

static int single_next(void *ctx, itr_http_job *job)
{
	single *one = ctx;
	if (one->given)
		return 0;
	*job = *one->job;
	one->given = true;
	return 1;
}

static void single_done(void *ctx, const itr_http_job *job, const itr_http_result *r)
{
	(void)job;
	*((single *)ctx)->result = *r;
}

int itr_http_fetch(itr_http *c, const itr_http_job *job, itr_http_result *r, itr_err *err)
{
	itr_err why = ITR_ERR_INIT;
	single one = { job, r, false };
	itr_http_source source = { &one, single_next, single_done, NULL };
	*r = (itr_http_result){ .reason = ITR_HTTP_INTERRUPTED, .total = -1 };
	if (itr_http_run(c, &source, &why) < 0)
		return itr_err_set(err, "cannot fetch '%s': %s", job->url, why.msg);
	if (r->reason != ITR_HTTP_OK)
		return itr_err_set(err, "cannot fetch '%s': %s", job->url, r->message);
	return 0;
}
