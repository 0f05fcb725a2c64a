/* runstore.h - reading a store of runs (ours or MLflow's): the list, one run, its values by name, and what may be done to old runs.
 *
 * Columns have names as MLflow's search has: `metrics.KEY`, `params.KEY`, `tags.KEY`, and the attributes `id name experiment experiment_id
 * status start end duration user source parent note` (MLflow's `run_id`, `run_name`, `start_time`, `end_time`, `attributes.X` mean the
 * same). The latest value of a metric is the largest by (step, timestamp, value), as MLflow takes it.
 */
#ifndef ITR_TRACK_RUNSTORE_H
#define ITR_TRACK_RUNSTORE_H

#include "base/buf.h"
#include "base/err.h"
#include "track/run.h"

typedef struct itr_run_pair { char *key, *value; } itr_run_pair;
/* points: all; nans of them are no numbers; min and max of the others (0 when there are none). */
typedef struct itr_run_value { char *key; double value, min, max; int64_t step, points, nans; } itr_run_value;

typedef struct itr_run_info {
	char *id, *name, *dir, *experiment, *experiment_id, *user, *source, *parent, *note;      /* parent, note: NULL when none */
	itr_run_status status;
	bool deleted;
	bool stale;                     /* RUNNING, but its process on this machine is gone */
	int64_t start, end;             /* ms; end 0 while it runs */
	itr_run_pair *params; int64_t n_params;          /* sorted by key; only what was asked for */
	itr_run_pair *tags; int64_t n_tags;
	itr_run_value *metrics; int64_t n_metrics;
	int depth;                      /* children stand one deeper, see itr_runs_tree */
} itr_run_info;

typedef struct itr_runs { itr_run_info *v; int64_t n; } itr_runs;

enum itr_runs_load_flags { ITR_RUNS_PARAMS = 1, ITR_RUNS_METRICS = 2, ITR_RUNS_TAGS = 4, ITR_RUNS_ALL = 7,
                           ITR_RUNS_DELETED = 8,          /* the deleted ones too */
                           ITR_RUNS_ONLY_DELETED = 16 };

/* All runs of a store, newest first (equal times: by id); experiment (name or id) may be NULL: all. A run whose files cannot be read is
 * left out and counted in *broken (may be NULL). A store that is not there is an error. */
ITR_MUST_USE int itr_runs_load(itr_runs *rs, const char *runs_dir, const char *experiment, unsigned what, int threads, int64_t *broken,
                               itr_err *err);
/* One run by its id or an unambiguous beginning of it, with everything. */
ITR_MUST_USE int itr_runs_load_one(itr_run_info *r, const char *runs_dir, const char *run_id, itr_err *err);
void itr_runs_free(itr_runs *rs);
void itr_run_info_free(itr_run_info *r);

/* Orders children behind their parents and sets depth; runs whose parent is not in the list stand alone. */
void itr_runs_tree(itr_runs *rs);

/* The history of one metric, in file order: 0 and *n points (the caller frees *points), or -1 with err that names the nearest metric. */
typedef struct itr_run_point { int64_t timestamp, step; double value; } itr_run_point;
ITR_MUST_USE int itr_run_history(const itr_run_info *r, const char *key, itr_run_point **points, int64_t *n, itr_err *err);
/* Paths of artifacts below the run's artifacts/, sorted; the caller frees each and the list. */
char **itr_run_artifacts(const itr_run_info *r, int64_t *n);

/* --- values by column name ------------------------------------------------------------------------------------------------------------ */

typedef enum { ITR_COLUMN_METRIC, ITR_COLUMN_PARAM, ITR_COLUMN_TAG, ITR_COLUMN_ATTRIBUTE } itr_column_kind;
typedef struct itr_column { itr_column_kind kind; char key[256]; } itr_column;

/* "metrics.recall@10" -> {METRIC, "recall_at_10"}. A bare word is an attribute, else a metric, else a param of one of the runs. When no run
 * has it: -1 with err that names the nearest. Without runs every name is accepted. */
ITR_MUST_USE int itr_column_parse(itr_column *c, const char *name, const itr_runs *rs, itr_err *err);
/* Which files `name` needs (itr_runs_load_flags); a bare word that is no attribute needs metrics and params. */
unsigned itr_column_needs(const char *name);
/* The number behind it (metrics, times in ms, duration in s, a param that is a number): false when there is none. */
bool itr_column_number(const itr_run_info *r, const itr_column *c, double *v);
/* As text for people and tables: metrics with `digits` significant digits (0: all that matter), times as ISO 8601. False when there is
 * none. */
bool itr_column_text(const itr_run_info *r, const itr_column *c, int digits, itr_buf *out);
const char *itr_run_status_name(itr_run_status s);            /* "FINISHED"; "UNKNOWN" */
/* -1 when `name` is no status. */
int itr_run_status_parse(const char *name);

/* Stable sort by a column; runs without a value come last. */
void itr_runs_sort(itr_runs *rs, const itr_column *c, bool descending);

/* --- changes -------------------------------------------------------------------------------------------------------------------------- */

/* Marks as deleted, as MLflow does: nothing is removed until gc. */
ITR_MUST_USE int itr_run_delete(const char *runs_dir, const char *run_id, itr_err *err);
ITR_MUST_USE int itr_run_restore(const char *runs_dir, const char *run_id, itr_err *err);
/* An experiment (name or id) to and from .trash/, with its runs marked. */
ITR_MUST_USE int itr_experiment_delete(const char *runs_dir, const char *name, itr_err *err);
ITR_MUST_USE int itr_experiment_restore(const char *runs_dir, const char *name, itr_err *err);
/* Removes for good what was deleted at least `age_ms` ago: number of runs, or -1 with err. dry: only counts. */
int64_t itr_runs_gc(const char *runs_dir, int64_t age_ms, bool dry, itr_err *err);
/* Runs that are RUNNING although their process is gone become KILLED: their number, or -1 with err. */
int64_t itr_runs_end_stale(const char *runs_dir, itr_err *err);

#endif
