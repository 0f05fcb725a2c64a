#include "base/clock.h"

#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

static double seconds_of(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double itr_clock_now(void) { return seconds_of(CLOCK_MONOTONIC); }

int64_t itr_clock_epoch_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void itr_clock_iso8601(int64_t epoch_ms, char out[32])
{
	time_t s = (time_t)(epoch_ms / 1000);
	struct tm tm;
	gmtime_r(&s, &tm);
	strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

double itr_peak_rss_mb(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (double)u.ru_maxrss / 1024;
}

void itr_format_seconds(double s, char out[32])
{
	if (s < 60)
		snprintf(out, 32, "%.1fs", s);
	else if (s < 3600)
		snprintf(out, 32, "%dm%02ds", (int)s / 60, (int)s % 60);
	else
		snprintf(out, 32, "%dh%02dm", (int)(s / 3600) % 100000, (int)(s / 60) % 60);
}
