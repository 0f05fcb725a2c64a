/* proc.h - other programs (gnuplot, git): no shell in between. */
#ifndef ITR_BASE_PROC_H
#define ITR_BASE_PROC_H

#include "base/err.h"

/* Runs argv (NULL-terminated) with stdin empty. `out` (may be NULL) receives at most max_out bytes of its standard output; its standard
 * error is kept apart, and its last lines appear in err when it fails. 0 when it exits 0; -1 with err ("not found: apt install ..." is the
 * caller's to add). */
ITR_MUST_USE int itr_proc_run(const char *const *argv, const char *dir, char *out, size_t max_out, itr_err *err);

/* True when a program of this name is on PATH. */
bool itr_proc_exists(const char *program);

#endif
