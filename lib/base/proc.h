/* proc.h - runs other programs (gnuplot, git) without a shell. */
#ifndef ITR_BASE_PROC_H
#define ITR_BASE_PROC_H

#include "base/err.h"

/* Runs argv (NULL-terminated) in folder dir (NULL: the current one), with empty standard input, and waits for its end. `out` (may be NULL)
 * receives the first max_out - 1 bytes of its standard output and a NUL. 0 when it exits with 0; otherwise -1 with err, which contains the
 * last lines of its standard error. */
ITR_MUST_USE int itr_proc_run(const char *const *argv, const char *dir, char *out, size_t max_out, itr_err *err);

/* True when a program of this name is on PATH. */
bool itr_proc_exists(const char *program);

#endif
