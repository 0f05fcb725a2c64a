/* atomic_file.h - outputs are whole or absent: written beside the target, fsynced, renamed over it.
 *
 *	itr_atomic_file *a = itr_atomic_open(path, err);        // NULL with err
 *	fputs(text, itr_atomic_stream(a));                       // or hand itr_atomic_path(a) to a library that wants a name
 *	return itr_atomic_commit(a, err);                        // 0: the target is the new file; -1: the target is as it was
 *
 * The temporary name is random, in the target's folder, and starts with '.': two jobs never collide. Temporaries that are still
 * open when the program ends by exit() or by a signal handled by the tool scaffold are removed (itr_atomic_cleanup_all).
 */
#ifndef ITR_BASE_ATOMIC_FILE_H
#define ITR_BASE_ATOMIC_FILE_H

#include <stdio.h>

#include "base/err.h"

typedef struct itr_atomic_file itr_atomic_file;

/* Creates the temporary. Missing parent folders are made. */
itr_atomic_file *itr_atomic_open(const char *target, itr_err *err);
FILE *itr_atomic_stream(itr_atomic_file *a);              /* opened on first use; borrowed */
const char *itr_atomic_path(const itr_atomic_file *a);    /* the temporary's name; the file exists, empty */
/* Flush, fsync, rename, fsync of the folder. Frees a either way. 0, or -1 with err and the temporary removed. */
ITR_MUST_USE int itr_atomic_commit(itr_atomic_file *a, itr_err *err);
/* Removes the temporary; keeps errno. NULL is fine. */
void itr_atomic_abort(itr_atomic_file *a);
/* Removes every temporary that is open. Async-signal-safe. */
void itr_atomic_cleanup_all(void);

/* Removes what killed processes of this machine were writing in `folder`: temporaries of `name`, or of any name when it is "". Those of
 * living processes stay. */
void itr_atomic_remove_stale(const char *folder, const char *name);

/* Text in one call. */
ITR_MUST_USE int itr_atomic_write(const char *target, const void *bytes, size_t n, itr_err *err);

#endif
