/* err.h - errors of the library's functions: files, the network or the input failed.
 *
 * A function that can fail takes `itr_err *err` last, returns -1 (or NULL) and leaves ONE complete message there: what failed,
 * the file, the system's reason, and the next step where there is an obvious one. Lower case, no full stop, subject in single
 * quotes: "cannot open 'x.h5': No such file or directory". `err` may be NULL. A function never prints and never exits.
 * A format may name a program in braces, "{train} --resume": the message shows the name that the user types (program.h).
 * Programming mistakes (wrong shapes) and lack of memory are not errors: they abort with ITR_BUG (log.h) and itr_xmalloc (mem.h).
 */
#ifndef ITR_BASE_ERR_H
#define ITR_BASE_ERR_H

#include "base/compat.h"

typedef struct itr_err {
	int set;          /* 0: no error */
	char msg[1536];
} itr_err;

#define ITR_ERR_INIT { 0, { 0 } }

/* Sets the message. Always returns -1, so that `return itr_err_set(err, ...)` reads well. A later message replaces an earlier one. */
int itr_err_set(itr_err *err, const char *format, ...) ITR_PRINTF(2, 3);

/* As itr_err_set, with ": " and the text of the current errno added. Returns -1. */
int itr_err_errno(itr_err *err, const char *format, ...) ITR_PRINTF(2, 3);

/* Puts text in front of the message, to name the operation or the file that failed. Returns -1. */
int itr_err_prefix(itr_err *err, const char *format, ...) ITR_PRINTF(2, 3);

#endif
