/* names.h - texts as MLflow's file store can read them. Inside of track; itr_run_key is in run.h. */
#ifndef ITR_TRACK_NAMES_H
#define ITR_TRACK_NAMES_H

#include "base/buf.h"

enum { ITR_RUN_MAX_PARAM = 6000, ITR_RUN_MAX_TAG = 8000 };       /* characters that MLflow takes */

/* Appends s; a byte that is not UTF-8 as \xHH, since one of them makes a whole experiment unreadable to MLflow. The number of such bytes.
 */
int64_t itr_run_text(itr_buf *out, const char *s);
/* Bytes of s that hold at most `max` characters. */
size_t itr_run_cut(const char *s, size_t max);

#endif
