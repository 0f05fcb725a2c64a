/* report.h - runs as tables and JSON: what `runs list`, `show`, `compare` and `export` print. */
#ifndef ITR_TRACK_REPORT_H
#define ITR_TRACK_REPORT_H

#include "io/json.h"
#include "io/table.h"
#include "track/runstore.h"

typedef struct itr_report_opts {
	const char *const *columns;
	int64_t n_columns; /* names; "metrics", "params", "tags": all of that kind; none: id name experiment status start duration */
	bool add_default;                                  /* `columns` come behind the default ones */
	const char *keep, *drop; /* POSIX extended regular expressions over column names ("metrics.x"): keep ADDS matching metrics and
	                            params, drop removes */
	/* metrics and params whose values differ among these runs (and the default columns) */
	bool only_changed;
	const char *filter, *sort;                         /* what they mention is shown behind the default columns */
	int digits;                                        /* of metrics; 0: all */
	bool full_ids;
	/* for programs: durations in seconds, no marks of children, dead or deleted runs */
	bool raw;
} itr_report_opts;

/* What must be loaded for these options (itr_runs_load_flags). */
unsigned itr_report_needs(const itr_report_opts *o);
/* One row a run. NULL with err (unknown column, bad expression). Free with itr_table_free. */
itr_table *itr_report_list(const itr_runs *rs, const itr_report_opts *o, itr_err *err);
/* Rows are values, columns are runs (transpose: the other way round); all false: only what differs. With two runs a column "difference" for
 * numbers. */
itr_table *itr_report_compare(const itr_runs *rs, const itr_report_opts *o, bool all, bool transpose, itr_err *err);
/* One run for people: attributes, params, metrics with range and number of points, tags, artifacts. */
void itr_report_show(const itr_run_info *r, int digits, itr_buf *out);
/* A metric's value in JSON, which has no NaN: "NaN", "Infinity", "-Infinity" are texts, as in MLflow's REST answers. */
itr_json *itr_report_number(double v);
/* {"id","name","experiment",...,"metrics":{},"params":{},"tags":{}} ; the caller frees. */
itr_json *itr_report_json(const itr_run_info *r, bool with_artifacts);

#endif
