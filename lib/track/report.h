/* report.h - runs as tables and JSON, for `runs list`, `show`, `compare` and `export`. */
#ifndef ITR_TRACK_REPORT_H
#define ITR_TRACK_REPORT_H

#include "base/option.h"
#include "io/json.h"
#include "io/table.h"
#include "track/runstore.h"

typedef struct itr_report_opts {
	itr_strs columns; /* names; "metrics", "params", "tags": all of that kind; none: id name experiment status start duration */
	bool add_default;                                  /* the default columns, then `columns` */
	const char *keep, *drop; /* POSIX extended regular expressions for column names ("metrics.x"): keep ADDS matching metrics and
	                            params, drop removes columns */
	/* metrics and params whose values differ among these runs (and the default columns) */
	bool only_changed;
	const char *filter, *sort;                         /* their columns are shown after the default columns */
	int64_t digits;                                    /* significant digits of metrics; 0: all */
	bool full_ids;
	/* for other programs: durations in seconds, no marks for children, dead or deleted runs */
	bool raw;
} itr_report_opts;

/* The files that these options need (itr_runs_load_flags). */
unsigned itr_report_needs(const itr_report_opts *o);
/* A table with a row for each run. NULL with err (unknown column, invalid expression). Free with itr_table_free. */
itr_table *itr_report_list(const itr_runs *rs, const itr_report_opts *o, itr_err *err);
/* A table whose rows are values and whose columns are runs (transpose: the reverse). all false: only values that differ. With two runs
 * there is a column "difference" for numbers. */
itr_table *itr_report_compare(const itr_runs *rs, const itr_report_opts *o, bool all, bool transpose, itr_err *err);
/* One run as readable text: attributes, params, metrics with range and number of points, tags, artifacts. */
void itr_report_show(const itr_run_info *r, int digits, itr_buf *out);
/* A metric's value in JSON, which has no NaN: "NaN", "Infinity", "-Infinity" are strings, as in MLflow's REST API. */
itr_json *itr_report_number(double v);
/* {"id","name","experiment",...,"metrics":{},"params":{},"tags":{}} ; the caller frees. */
itr_json *itr_report_json(const itr_run_info *r, bool with_artifacts);

#endif
