/* filter.h - which runs: MLflow's search language and a little more.
 *
 *	metrics.recall_at_10 > 0.4 and params.model = "cca"
 *	status = 'FINISHED' and (tags.note like '%best%' or not params.dim in (256, 512))
 *
 * Comparisons: = == != > >= < <= , like and ilike (% any text, _ one character), in (...). `and`, `or`, `not`, brackets. Keys as in
 * runstore.h; keys with spaces in backquotes or double quotes behind the point: metrics."a b". A comparison with a value that a run lacks
 * is false; so is NaN with any number, but != (= nan finds it).
 */
#ifndef ITR_TRACK_FILTER_H
#define ITR_TRACK_FILTER_H

#include "track/runstore.h"

typedef struct itr_filter itr_filter;

/* NULL with err: the place of the mistake and what was expected there. */
itr_filter *itr_filter_parse(const char *text, itr_err *err);
void itr_filter_free(itr_filter *f);
/* Which files it reads (itr_runs_load_flags). */
unsigned itr_filter_needs(const itr_filter *f);
/* Its column names, in order of appearance; borrowed. */
int itr_filter_columns(const itr_filter *f, const char **names, int max);
/* Keeps the runs that match. -1 with err when it names something that no run has. */
ITR_MUST_USE int itr_filter_apply(itr_filter *f, itr_runs *rs, itr_err *err);

#endif
