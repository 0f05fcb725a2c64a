/* condition.h - "i2t.recall@1<0.3": a limit on a figure of a JSON result, for use in CI. */
#ifndef ITR_RETRIEVAL_CONDITION_H
#define ITR_RETRIEVAL_CONDITION_H

#include "io/json.h"

/* Does `condition` (PATH OPERATOR NUMBER; < <= > >= == !=; spaces allowed) hold for `result`? 1 yes, 0 no, -1 with err: not of that form, or no such number in the
 * result (the nearest name is given). *value receives the figure. */
ITR_MUST_USE int itr_condition(const itr_json *result, const char *condition, double *value, itr_err *err);

#endif
