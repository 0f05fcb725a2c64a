/* commands.h - what `runs` does beyond reading a list: choosing runs, logging from the shell, small conversions. */
#ifndef ITR_TRACK_COMMANDS_H
#define ITR_TRACK_COMMANDS_H

#include "io/json.h"
#include "track/runstore.h"

typedef struct itr_select {
	const char *runs_dir, *experiment, *filter;
	const char *sort;               /* column name, may end in " asc" or " desc"; NULL: newest first */
	bool descending, deleted, stale, tree;      /* stale: only those; tree: children under parents when not sorted */
	int64_t limit;                  /* 0: all */
	unsigned needs;                 /* itr_runs_load_flags beyond what filter and sort need */
	int threads;
} itr_select;

/* Loads, filters, orders and cuts. Runs that cannot be read are warned about. Free with itr_runs_free. */
ITR_MUST_USE int itr_select_runs(itr_runs *rs, const itr_select *s, itr_err *err);

/* The column of a sort text ("metrics.loss desc"); *descending (may be NULL) is set when the text says so. The caller frees. */
char *itr_select_sort_column(const char *sort, bool *descending);

/* args: ID metric KEY VALUE | KEY=VALUE... | -   (stdin: "KEY VALUE [STEP]" a line);  ID param ...;  ID artifact PATH... */
ITR_MUST_USE int itr_commands_log(const char *runs_dir, char **args, int n, int64_t step, itr_err *err);
/* args: ID KEY VALUE | KEY=VALUE... */
ITR_MUST_USE int itr_commands_tag(const char *runs_dir, char **args, int n, itr_err *err);

/* Ends runs that another process started, with a status by name; stops at the first that fails. */
ITR_MUST_USE int itr_commands_end(const char *runs_dir, char **ids, int n, const char *status, itr_err *err);
/* Marks runs as deleted (`away`) or as active again; stops at the first that fails. */
ITR_MUST_USE int itr_commands_stage(const char *runs_dir, char **ids, int n, bool away, itr_err *err);

/* Each run of ids (or of what an id begins with), in that order, loaded whole. Free with itr_runs_free; -1 with err leaves nothing to free.
 */
ITR_MUST_USE int itr_commands_load(itr_runs *rs, const char *runs_dir, char **ids, int n, itr_err *err);
/* {"runs":[{...}],"schema":1}. */
itr_json *itr_commands_list_json(const itr_runs *rs);
/* "step<TAB>value<TAB>time" lines, or a JSON object {key, points: [{step, value, timestamp}]}. */
ITR_MUST_USE int itr_commands_history(const itr_run_info *r, const char *key, bool json, itr_buf *out, itr_err *err);
/* {"runs":[...],"metrics":{key:[...]},"params":{key:[...]}}: arrays in the order of the runs, null where one has none. */
itr_json *itr_commands_compare_json(const itr_runs *rs, bool all);
/* loss, rank, error, seconds, memory. */
bool itr_commands_smaller_is_better(const char *metric);
/* "30d", "12h", "10m", "5s", "0" in ms; -1 with err. */
int64_t itr_commands_age(const char *text, itr_err *err);
ITR_MUST_USE int itr_commands_write(const char *path, const itr_buf *b, itr_err *err);

#endif
