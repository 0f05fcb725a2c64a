#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/program.h"

static const char *log_program = "itr";     /* set once, before threads */
static int log_level = ITR_LOG_INFO;

void itr_log_setup(const char *program, int level)
{
	log_program = program;
	log_level = level;
}

const char *itr_log_program(void) { return log_program; }

/* One write per message, so that lines of two processes do not mix. "\r\033[K" erases a progress line on a terminal. */
static void emit(const char *kind, const char *format, va_list ap)
{
	char line[4096];
	int n = snprintf(line, sizeof line, "%s%s: %s", isatty(2) ? "\r\033[K" : "", log_program, kind);
	int m = itr_program_vformat(line + n, sizeof line - (size_t)n - 1, format, ap);
	n = ITR_MIN(n + ITR_MAX(m, 0), (int)sizeof line - 2);
	line[n++] = '\n';
	fwrite(line, 1, (size_t)n, stderr);
	fflush(stderr);
}

#define EMIT(at, kind) \
	do { \
		va_list ap; \
		if (log_level < (at)) \
			return; \
		va_start(ap, format); \
		emit(kind, format, ap); \
		va_end(ap); \
	} while (0)

void itr_error(const char *format, ...) { EMIT(ITR_LOG_ERROR, ""); }
void itr_warn(const char *format, ...) { EMIT(ITR_LOG_WARN, "warning: "); }
void itr_info(const char *format, ...) { EMIT(ITR_LOG_INFO, ""); }
void itr_debug(const char *format, ...) { EMIT(ITR_LOG_DEBUG, "debug: "); }

void itr_bug(const char *file, int line, const char *format, ...)
{
	va_list ap;
	fprintf(stderr, "%s: BUG at %s:%d: ", log_program, file, line);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}
