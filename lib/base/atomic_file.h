/* atomic_file.h - outputs that are complete or absent: a temporary file in the target's folder, fsync, rename over the target.
 *
 *	itr_atomic_file *a = itr_atomic_open(path, err);        // NULL with err
 *	fputs(text, itr_atomic_stream(a));                       // or hand itr_atomic_path(a) to a library that wants a name
 *	return itr_atomic_commit(a, err);                        // 0: the target is the new file; -1: the target is unchanged
 *
 * The temporary's name starts with '.' and is random, so two jobs never use the same one. cli/tool.c calls itr_atomic_cleanup_all at
 * exit() and in its signal handlers, which removes the temporaries that are still open.
 */
#ifndef ITR_BASE_ATOMIC_FILE_H
#define ITR_BASE_ATOMIC_FILE_H

#include <stdio.h>

#include "base/err.h"

typedef struct itr_atomic_file itr_atomic_file;

/* Creates the temporary and missing parent folders. NULL with err. Ends with itr_atomic_commit or itr_atomic_abort. */
itr_atomic_file *itr_atomic_open(const char *target, itr_err *err);
FILE *itr_atomic_stream(itr_atomic_file *a);              /* opened on first use; borrowed; NULL with errno */
const char *itr_atomic_path(const itr_atomic_file *a);    /* the temporary's name; the file exists, empty */
/* Flush, fsync, rename, then fsync of the folder (whose failure is ignored). Frees a in any case. 0, or -1 with err and the temporary
 * removed. */
ITR_MUST_USE int itr_atomic_commit(itr_atomic_file *a, itr_err *err);
/* Removes the temporary and frees a; errno keeps its value. NULL does nothing. */
void itr_atomic_abort(itr_atomic_file *a);
/* Removes every temporary that is open. Async-signal-safe. */
void itr_atomic_cleanup_all(void);

/* Removes from `folder` the temporaries of processes that no longer exist on this machine: those of target `name`, or of every target when
 * name is "". */
void itr_atomic_remove_stale(const char *folder, const char *name);

/* Writes n bytes as the whole content of target. 0, or -1 with err and the target unchanged. */
ITR_MUST_USE int itr_atomic_write(const char *target, const void *bytes, size_t n, itr_err *err);

#endif
