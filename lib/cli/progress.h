/* progress.h - progress with percent, rate and ETA: a line that is updated on a terminal, after one second; otherwise a new line every 30 s
 * (--progress). itr_progress_add and itr_progress_tick are thread-safe. */
#ifndef ITR_CLI_PROGRESS_H
#define ITR_CLI_PROGRESS_H

#include "cli/tool.h"

typedef struct itr_progress itr_progress;

itr_progress *itr_progress_begin(itr_tool *t, const char *what, const char *unit, int64_t total);   /* total 0: unknown */
void itr_progress_add(itr_progress *p, int64_t done);
void itr_progress_note(itr_progress *p, const char *format, ...) ITR_PRINTF(2, 3);   /* text after the ETA: "loss 0.12", "3 failed" */
void itr_progress_end(itr_progress *p);             /* erases the line; frees p */

/* Progress callback for library code, which must not include cli. */
typedef void (*itr_progress_fn)(void *ctx, int64_t done);
void itr_progress_tick(void *progress, int64_t done);   /* an itr_progress_fn whose ctx is an itr_progress */

#endif
