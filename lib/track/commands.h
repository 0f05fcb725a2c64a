/* commands.h - functions of the program `runs`: selecting runs, logging from the shell, conversions. */
#ifndef ITR_TRACK_COMMANDS_H
#define ITR_TRACK_COMMANDS_H

#include "io/json.h"
#include "track/runstore.h"

typedef struct itr_select {
	const char *runs_dir, *experiment, *filter;
	const char *sort;               /* column name, may end in " asc" or " desc"; NULL: newest first */
	bool descending, deleted, stale, tree;      /* stale: only runs of dead processes; tree: children below parents */
	int64_t limit;                  /* 0: all */
	unsigned needs;                 /* itr_runs_load_flags in addition to those of filter and sort */
	int threads;
} itr_select;

/* Loads, filters and sorts runs, up to the limit. Warns about runs that cannot be read. 0, or -1 with err. Free with itr_runs_free. */
ITR_MUST_USE int itr_select_runs(itr_runs *rs, const itr_select *s, itr_err *err);

/* The column of a sort text ("metrics.loss desc"); *descending (may be NULL) is set when the text has "asc" or "desc". The caller frees. */
char *itr_select_sort_column(const char *sort, bool *descending);

/* Logs to a run. args: ID metric KEY VALUE | KEY=VALUE... | -   (stdin: lines "KEY VALUE [STEP]");  ID param ...;  ID artifact PATH... */
ITR_MUST_USE int itr_commands_log(const char *runs_dir, char **args, int n, int64_t step, itr_err *err);
/* Sets tags. args: ID KEY VALUE | KEY=VALUE... */
ITR_MUST_USE int itr_commands_tag(const char *runs_dir, char **args, int n, itr_err *err);

/* Ends runs that another process started, with a status by name; stops at the first that fails. */
ITR_MUST_USE int itr_commands_end(const char *runs_dir, char **ids, int n, const char *status, itr_err *err);
/* Marks runs as deleted (away true) or active; stops at the first that fails. Without ids: all of `experiment` (NULL: -1 with err). */
ITR_MUST_USE int itr_commands_stage(const char *runs_dir, const char *experiment, char **ids, int n, bool away, itr_err *err);

/* Loads runs by id or unambiguous prefix of an id, completely and in this order. Free with itr_runs_free; after -1 with err there is
 * nothing to free. */
ITR_MUST_USE int itr_commands_load(itr_runs *rs, const char *runs_dir, char **ids, int n, itr_err *err);
/* One run, by id or unambiguous prefix: readable text with so many digits, or JSON with artifacts; with a metric its history instead. */
ITR_MUST_USE int itr_commands_show(const char *runs_dir, const char *id, const char *metric, bool json, int digits, itr_buf *out,
                                   itr_err *err);
/* The first of runs that are sorted by `metric`: "ID  VALUE  NAME" (digits 0: all), or its JSON. -1 with err: none has a number for it. */
ITR_MUST_USE int itr_commands_best(const itr_runs *rs, const char *metric, bool json, int digits, itr_buf *out, itr_err *err);
/* {"runs":[{...}],"schema":1}. */
itr_json *itr_commands_list_json(const itr_runs *rs);
/* "step<TAB>value<TAB>time" lines, or a JSON object {key, points: [{step, value, timestamp}]}. */
ITR_MUST_USE int itr_commands_history(const itr_run_info *r, const char *key, bool json, itr_buf *out, itr_err *err);
/* {"runs":[...],"metrics":{key:[...]},"params":{key:[...]}}: arrays in the order of the runs, null for a missing value. all false: only
 * values that differ. */
itr_json *itr_commands_compare_json(const itr_runs *rs, bool all);
/* True for metrics such as loss, rank, error, seconds, memory. */
bool itr_commands_smaller_is_better(const char *metric);
/* Milliseconds of "30d", "12h", "10m", "5s", "0"; -1 with err. */
int64_t itr_commands_age(const char *text, itr_err *err);
ITR_MUST_USE int itr_commands_write(const char *path, const itr_buf *b, itr_err *err);

#endif
