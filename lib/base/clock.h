/* clock.h - time, and the peak memory of this process. */
#ifndef ITR_BASE_CLOCK_H
#define ITR_BASE_CLOCK_H

#include "base/compat.h"

double itr_clock_now(void);                    /* monotonic seconds */
int64_t itr_clock_epoch_ms(void);              /* wall clock, milliseconds since 1970 */
void itr_clock_iso8601(int64_t epoch_ms, char out[32]);   /* "2026-11-21T09:30:00Z" */
double itr_peak_rss_mb(void);                  /* peak resident memory, MiB */
void itr_format_seconds(double s, char out[32]);          /* "0.8s", "2m05s", "3h12m" */

#endif
