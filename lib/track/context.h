/* context.h - who, where and from which commit a run was started. Inside of track. All strings are the caller's to free. */
#ifndef ITR_TRACK_CONTEXT_H
#define ITR_TRACK_CONTEXT_H

#include "base/compat.h"

char *itr_context_user(void);                                  /* LOGNAME, USER, the password file, or the number */
char *itr_context_host(void);
/* Commit and branch of the working tree that holds `dir`, read from .git without running git (worktrees, packed refs). False when there is
 * none. */
bool itr_context_git(const char *dir, char **commit, char **branch);
/* "PID START" of this process; START distinguishes it from a later process of the same number. */
char *itr_context_process(void);
/* Is the process of that text still there? Only meaningful on the host that wrote it. */
bool itr_context_alive(const char *process);

#endif
