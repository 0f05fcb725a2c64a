/* filter.h - selection of runs by MLflow's search language, with extensions.
 *
 *	metrics.recall_at_10 > 0.4 and params.model = "cca"
 *	status = 'FINISHED' and (tags.note like '%best%' or not params.dim in (256, 512))
 *
 * Comparisons: = == != > >= < <= , like and ilike (% any text, _ one character), in (...). `and`, `or`, `not`, parentheses. Keys as in
 * runstore.h; keys with spaces in backquotes or double quotes after the point: metrics."a b". A comparison with a missing value is false.
 * So is a comparison of NaN with a number, except !=; `= nan` matches NaN.
 */
#ifndef ITR_TRACK_FILTER_H
#define ITR_TRACK_FILTER_H

#include "track/runstore.h"

typedef struct itr_filter itr_filter;

/* NULL with err, which gives the position of the error and what was expected. */
itr_filter *itr_filter_parse(const char *text, itr_err *err);
void itr_filter_free(itr_filter *f);
/* The files that it needs (itr_runs_load_flags). */
unsigned itr_filter_needs(const itr_filter *f);
/* Its column names, in order of appearance; borrowed. */
int itr_filter_columns(const itr_filter *f, const char **names, int max);
/* Removes the runs that do not match. -1 with err when it has a name that no run has. */
ITR_MUST_USE int itr_filter_apply(itr_filter *f, itr_runs *rs, itr_err *err);

#endif
