/* log.h - messages to standard error, with the program's name in front, and ITR_BUG for what can only be a programming mistake.
 * The level and the name are set once by a tool's main (cli/tool.c) before any thread starts. The library itself uses only
 * itr_warn (something the user must know) and itr_debug (with -v). */
#ifndef ITR_BASE_LOG_H
#define ITR_BASE_LOG_H

#include "base/compat.h"

enum itr_log_level { ITR_LOG_ERROR = 0, ITR_LOG_WARN = 1, ITR_LOG_INFO = 2, ITR_LOG_DEBUG = 3 };

void itr_log_setup(const char *program, int level);      /* program is borrowed for good */
const char *itr_log_program(void);

void itr_error(const char *format, ...) ITR_PRINTF(1, 2);   /* always printed */
void itr_warn(const char *format, ...) ITR_PRINTF(1, 2);    /* "NAME: warning: ..." unless -q */
void itr_info(const char *format, ...) ITR_PRINTF(1, 2);    /* the default level; -q silences */
void itr_debug(const char *format, ...) ITR_PRINTF(1, 2);   /* -v */

/* Aborts: a wrong shape, an impossible state. Never for user input. */
#define ITR_BUG(...) itr_bug(__FILE__, __LINE__, __VA_ARGS__)
ITR_NORETURN void itr_bug(const char *file, int line, const char *format, ...) ITR_PRINTF(3, 4);

#endif
