/* runstore.h - reading a file store of runs (ours or MLflow's): list of runs, one run, values by column name; and deleting, restoring, gc.
 *
 * Columns have the names of MLflow's search: `metrics.KEY`, `params.KEY`, `tags.KEY`, and the attributes `id name experiment experiment_id
 * status start end duration user source parent note` (MLflow's `run_id`, `run_name`, `start_time`, `end_time`, `attributes.X` are
 * synonyms). The latest value of a metric is the one with the largest (step, timestamp, value), as in MLflow.
 */
#ifndef ITR_TRACK_RUNSTORE_H
#define ITR_TRACK_RUNSTORE_H

#include "base/buf.h"
#include "base/err.h"
#include "track/run.h"

typedef struct itr_run_pair { char *key, *value; } itr_run_pair;
/* The latest value of a metric. points: number of all values; nans: of those that are NaN; min and max of the others (0 when there are
 * none). */
typedef struct itr_run_value { char *key; double value, min, max; int64_t step, points, nans; } itr_run_value;

typedef struct itr_run_info {
	char *id, *name, *dir, *experiment, *experiment_id, *user, *source, *parent, *note;      /* parent, note: NULL when none */
	itr_run_status status;
	bool deleted;
	bool stale;                     /* RUNNING, but its process on this machine has ended */
	int64_t start, end;             /* ms since 1970; end 0 while it runs */
	itr_run_pair *params; int64_t n_params;          /* sorted by key; empty unless loaded */
	itr_run_pair *tags; int64_t n_tags;
	itr_run_value *metrics; int64_t n_metrics;
	int depth;                      /* in the tree of parents and children: itr_runs_tree */
} itr_run_info;

typedef struct itr_runs { itr_run_info *v; int64_t n; } itr_runs;

enum itr_runs_load_flags { ITR_RUNS_PARAMS = 1, ITR_RUNS_METRICS = 2, ITR_RUNS_TAGS = 4, ITR_RUNS_ALL = 7,
                           ITR_RUNS_DELETED = 8,          /* also deleted runs */
                           ITR_RUNS_ONLY_DELETED = 16 };

/* Loads all runs of a store, newest first (equal times: by id). experiment: name or id; NULL: all. A run whose files cannot be read is
 * skipped and counted in *broken (may be NULL). -1 with err when there is no store. */
ITR_MUST_USE int itr_runs_load(itr_runs *rs, const char *runs_dir, const char *experiment, unsigned what, int threads, int64_t *broken,
                               itr_err *err);
/* Loads one run completely, by its id or an unambiguous prefix of it. 0, or -1 with err. */
ITR_MUST_USE int itr_runs_load_one(itr_run_info *r, const char *runs_dir, const char *run_id, itr_err *err);
void itr_runs_free(itr_runs *rs);
void itr_run_info_free(itr_run_info *r);

/* Sorts children after their parents and sets depth; a run whose parent is not in the list has depth 0. */
void itr_runs_tree(itr_runs *rs);

/* The history of one metric, in the order of the file: 0 and *n points (the caller frees *points), or -1 with err, which gives the nearest
 * metric. */
typedef struct itr_run_point { int64_t timestamp, step; double value; } itr_run_point;
ITR_MUST_USE int itr_run_history(const itr_run_info *r, const char *key, itr_run_point **points, int64_t *n, itr_err *err);
/* Paths of artifacts relative to the run's artifacts/, sorted; the caller frees each and the list. */
char **itr_run_artifacts(const itr_run_info *r, int64_t *n);

/* --- values by column name ------------------------------------------------------------------------------------------------------------ */

typedef enum { ITR_COLUMN_METRIC, ITR_COLUMN_PARAM, ITR_COLUMN_TAG, ITR_COLUMN_ATTRIBUTE } itr_column_kind;
typedef struct itr_column { itr_column_kind kind; char key[256]; } itr_column;

/* "metrics.recall@10" -> {METRIC, "recall_at_10"}. A word without prefix is an attribute, otherwise a metric or a param of one of the runs.
 * -1 with err, which gives the nearest name, when no run has it; rs NULL or without runs: every name is accepted. */
ITR_MUST_USE int itr_column_parse(itr_column *c, const char *name, const itr_runs *rs, itr_err *err);
/* The files that `name` needs (itr_runs_load_flags); a word without prefix that is not an attribute needs metrics and params. */
unsigned itr_column_needs(const char *name);
/* The value as a number (metrics, times in ms, duration in s, a numeric param); false when there is none. */
bool itr_column_number(const itr_run_info *r, const itr_column *c, double *v);
/* The value as text: metrics with `digits` significant digits (0: as many as are needed to read it back), times as ISO 8601. False when
 * there is none. */
bool itr_column_text(const itr_run_info *r, const itr_column *c, int digits, itr_buf *out);
const char *itr_run_status_name(itr_run_status s);            /* "FINISHED"; "UNKNOWN" */
/* -1 when `name` is not a status. */
int itr_run_status_parse(const char *name);

/* Stable sort by a column; runs without a value come last. */
void itr_runs_sort(itr_runs *rs, const itr_column *c, bool descending);

/* --- changes -------------------------------------------------------------------------------------------------------------------------- */

/* Marks a run as deleted or active, as in MLflow: files are not removed until gc. 0, or -1 with err, as all functions below. */
ITR_MUST_USE int itr_run_delete(const char *runs_dir, const char *run_id, itr_err *err);
ITR_MUST_USE int itr_run_restore(const char *runs_dir, const char *run_id, itr_err *err);
/* Moves an experiment (name or id) to or from .trash/ and marks its runs. */
ITR_MUST_USE int itr_experiment_delete(const char *runs_dir, const char *name, itr_err *err);
ITR_MUST_USE int itr_experiment_restore(const char *runs_dir, const char *name, itr_err *err);
/* Removes the files of runs that were deleted at least `age_ms` ago. Returns their number, or -1 with err. dry: only counts. */
int64_t itr_runs_gc(const char *runs_dir, int64_t age_ms, bool dry, itr_err *err);
/* Sets stale runs to KILLED. Returns their number, or -1 with err. */
int64_t itr_runs_end_stale(const char *runs_dir, itr_err *err);

#endif
