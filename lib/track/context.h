/* context.h - internal: user, host, git commit and process of a run. The caller frees all strings. */
#ifndef ITR_TRACK_CONTEXT_H
#define ITR_TRACK_CONTEXT_H

#include "base/compat.h"

char *itr_context_user(void);                                  /* LOGNAME, USER, the password file, or the number */
char *itr_context_host(void);
/* Commit and branch of the working tree that contains `dir`, read from .git without running git (worktrees and packed refs work). False
 * when there is none. */
bool itr_context_git(const char *dir, char **commit, char **branch);
/* "PID START" of this process; the start time distinguishes it from a later process with the same id. */
char *itr_context_process(void);
/* True when the process of such a text is alive. Only valid on the host that wrote it. */
bool itr_context_alive(const char *process);

#endif
