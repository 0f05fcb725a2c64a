#include "cli/progress.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/internal.h"

struct itr_progress {
	pthread_mutex_t lock;
	const char *what, *unit;
	int64_t total, done;
	double started, shown, interval;
	bool live, off, drawn;
	char note[128];
};

itr_progress *itr_progress_begin(itr_tool *t, const char *what, const char *unit, int64_t total)
{
	const struct itr_tool_internals *in = t->internals;
	itr_progress *p = itr_xcalloc(1, sizeof *p);
	pthread_mutex_init(&p->lock, NULL);
	p->what = what;
	p->unit = unit;
	p->total = total;
	p->started = p->shown = itr_clock_now();
	p->off = in->progress == ITR_PROGRESS_NEVER;
	p->live = isatty(2) != 0;
	p->interval = p->live ? 0.2 : in->progress == ITR_PROGRESS_ALWAYS ? 1 : 30;
	return p;
}

/* "images 1200/5000 24% 812/s ETA 4.7s  3 failed" */
static void draw(itr_progress *p, double now)
{
	char eta[32];
	itr_buf b = ITR_BUF_INIT;
	double seconds = now - p->started, rate = (double)p->done / (seconds > 0 ? seconds : 1e-9);
	itr_buf_printf(&b, "%s %lld", p->what, (long long)p->done);
	if (p->total > 0)
		itr_buf_printf(&b, "/%lld %d%%", (long long)p->total, (int)(100 * p->done / p->total));
	itr_buf_printf(&b, " %s, %.*f/s", p->unit, rate < 10 ? 1 : 0, rate);
	if (p->total > 0 && rate > 0) {
		itr_format_seconds((double)(p->total - p->done) / rate, eta);
		itr_buf_printf(&b, ", ETA %s", eta);
	}
	if (p->note[0])
		itr_buf_printf(&b, "  %s", p->note);
	if (p->live)
		fprintf(stderr, "\r\033[K%s: %s", itr_log_program(), b.data);
	else
		fprintf(stderr, "%s: %s\n", itr_log_program(), b.data);
	fflush(stderr);
	p->drawn = true;
	itr_buf_free(&b);
}

void itr_progress_add(itr_progress *p, int64_t done)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->done += done;
	double now = itr_clock_now();
	if (!p->off && now - p->started >= 1 && now - p->shown >= p->interval) {
		p->shown = now;
		draw(p, now);
	}
	pthread_mutex_unlock(&p->lock);
}

void itr_progress_note(itr_progress *p, const char *format, ...)
{
	va_list ap;
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	va_start(ap, format);
	vsnprintf(p->note, sizeof p->note, format, ap);
	va_end(ap);
	pthread_mutex_unlock(&p->lock);
}

void itr_progress_end(itr_progress *p)
{
	if (!p)
		return;
	if (p->drawn && p->live)
		fputs("\r\033[K", stderr);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void itr_progress_tick(void *progress, int64_t done) { itr_progress_add(progress, done); }
