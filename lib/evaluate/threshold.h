/* threshold.h - "i2t.recall@1<0.3": a limit on a figure of a JSON result, for use in CI. */
#ifndef ITR_EVALUATE_THRESHOLD_H
#define ITR_EVALUATE_THRESHOLD_H

#include "io/json.h"
#include "retrieval/metrics.h"

/* Can `condition` ever hold for an evaluation of these metrics? 0, or -1 with err: not of the form PATH OPERATOR NUMBER, a limit that is
 * NaN or infinite, a figure that no evaluation has (the nearest name is given), or a share that would have to leave [0, 1]. To be asked
 * before the work. */
ITR_MUST_USE int itr_threshold_check(const char *condition, const itr_metric_set *set, itr_err *err);
/* Does one of n conditions (PATH OPERATOR NUMBER; < <= > >= == !=; spaces allowed) hold for `result`? 1 yes, each that holds reported as an
 * error of the log; 0 no; -1 with err: not of that form, or no such number in the result (the nearest name is given). */
ITR_MUST_USE int itr_thresholds(const itr_json *result, const char *const *condition, int64_t n, itr_err *err);

#endif
