/* names.h - internal: texts that MLflow's file store can read; itr_run_key is in run.h. */
#ifndef ITR_TRACK_NAMES_H
#define ITR_TRACK_NAMES_H

#include "base/buf.h"

enum { ITR_RUN_MAX_PARAM = 6000, ITR_RUN_MAX_TAG = 8000 };       /* MLflow's limits in characters */

/* Appends s with each byte that is not UTF-8 replaced by \xHH (one of them would make a whole experiment unreadable for MLflow). Returns
 * the number of such bytes. */
int64_t itr_run_text(itr_buf *out, const char *s);
/* Length in bytes of the first `max` characters of s. */
size_t itr_run_cut(const char *s, size_t max);

#endif
