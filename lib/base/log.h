/* log.h - messages to standard error that begin with the program's name, and ITR_BUG for programming mistakes.
 * The level and the name are set once by a tool's main (cli/tool.c) before any thread starts. Formats may name a program in braces, as in
 * err.h. Library functions report failures by itr_err, not by itr_error. */
#ifndef ITR_BASE_LOG_H
#define ITR_BASE_LOG_H

#include "base/compat.h"

enum itr_log_level { ITR_LOG_ERROR = 0, ITR_LOG_WARN = 1, ITR_LOG_INFO = 2, ITR_LOG_DEBUG = 3 };

void itr_log_setup(const char *program, int level);      /* program is borrowed until the process ends */
const char *itr_log_program(void);

void itr_error(const char *format, ...) ITR_PRINTF(1, 2);   /* always printed */
void itr_warn(const char *format, ...) ITR_PRINTF(1, 2);    /* "NAME: warning: ..." unless -q */
void itr_info(const char *format, ...) ITR_PRINTF(1, 2);    /* the default level; -q silences */
void itr_debug(const char *format, ...) ITR_PRINTF(1, 2);   /* -v */

/* Prints file, line and message, then aborts: for a wrong shape or an impossible state, never for user input. */
#define ITR_BUG(...) itr_bug(__FILE__, __LINE__, __VA_ARGS__)
ITR_NORETURN void itr_bug(const char *file, int line, const char *format, ...) ITR_PRINTF(3, 4);

#endif
