/* progress.h - percent, rate, ETA: a live line on a terminal after one second, plain lines every 30 s otherwise (--progress). Safe to tick
 * from several threads. */
#ifndef ITR_CLI_PROGRESS_H
#define ITR_CLI_PROGRESS_H

#include "cli/tool.h"

typedef struct itr_progress itr_progress;

itr_progress *itr_progress_begin(itr_tool *t, const char *what, const char *unit, int64_t total);   /* total 0: unknown */
void itr_progress_add(itr_progress *p, int64_t done);
void itr_progress_note(itr_progress *p, const char *format, ...) ITR_PRINTF(2, 3);   /* text behind the ETA: "loss 0.12", "3 failed" */
void itr_progress_end(itr_progress *p);             /* clears the live line; frees */

/* For library code that must not know cli: a callback with its context. */
typedef void (*itr_progress_fn)(void *ctx, int64_t done);
void itr_progress_tick(void *progress, int64_t done);   /* an itr_progress_fn over an itr_progress */

#endif
