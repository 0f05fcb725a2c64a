#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/program.h"

int itr_err_set(itr_err *err, const char *format, ...)
{
	if (err) {
		va_list ap;
		char text[sizeof err->msg];             /* an argument may be err->msg itself */
		va_start(ap, format);
		itr_program_vformat(text, sizeof text, format, ap);
		va_end(ap);
		memcpy(err->msg, text, sizeof text);
		err->set = 1;
	}
	return -1;
}

int itr_err_errno(itr_err *err, const char *format, ...)
{
	int saved = errno;
	if (err) {
		va_list ap;
		va_start(ap, format);
		itr_program_vformat(err->msg, sizeof err->msg, format, ap);
		va_end(ap);
		size_t used = strlen(err->msg);
		snprintf(err->msg + used, sizeof err->msg - used, ": %s", strerror(saved));
		err->set = 1;
	}
	errno = saved;
	return -1;
}

int itr_err_prefix(itr_err *err, const char *format, ...)
{
	if (err) {
		char old[sizeof err->msg];
		memcpy(old, err->msg, sizeof old);
		va_list ap;
		va_start(ap, format);
		itr_program_vformat(err->msg, sizeof err->msg, format, ap);
		va_end(ap);
		size_t used = strlen(err->msg);
		snprintf(err->msg + used, sizeof err->msg - used, "%s", old);
		err->set = 1;
	}
	return -1;
}
