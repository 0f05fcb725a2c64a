/* run.h - logs a run in MLflow's file-store layout, so that MLflow can open it. Writers of different runs share no files; metric lines are
 * appended in one write. Keys are made valid: `recall@10` becomes `recall_at_10`, other characters that MLflow rejects `_xHH_`. Values are
 * UTF-8; invalid bytes become
 * `\xHH`, with one warning for each run. A value too long for MLflow is truncated, and stored whole in artifacts/long/, with a warning. A
 * run is not thread-safe. All functions accept a NULL run and then do nothing.
 */
#ifndef ITR_TRACK_RUN_H
#define ITR_TRACK_RUN_H

#include "base/err.h"

typedef struct itr_run itr_run;
typedef enum { ITR_RUN_RUNNING = 1, ITR_RUN_SCHEDULED = 2, ITR_RUN_FINISHED = 3, ITR_RUN_FAILED = 4, ITR_RUN_KILLED = 5 } itr_run_status;

typedef struct itr_run_opts {
	const char *runs_dir;            /* "runs"; created when missing */
	const char *experiment; /* name; created when missing (integer id). NULL: that of the parent, or "Default" (id 0, as in MLflow) */
	const char *name;                /* run name; NULL: TOOL-xxxx */
	const char *parent;              /* run id or NULL */
	const char *source;              /* tool name */
	const char *argv_text;           /* the command line, for the tag itr.argv */
	const char *note;                /* mlflow.note.content or NULL */
	bool detached;                   /* the run outlasts this process (runs start), whose end does not mark it as killed */
} itr_run_opts;

/* Creates the run's folders and meta.yaml with status RUNNING. NULL with err. */
itr_run *itr_run_start(const itr_run_opts *o, itr_err *err);
/* Opens an existing run for appending and sets its status to RUNNING (resume; runs end). NULL with err. */
itr_run *itr_run_reopen(const char *runs_dir, const char *run_id, itr_err *err);
/* Opens an existing run for appending without a change of its status; ends with itr_run_close, not itr_run_end (runs log). NULL with err.
 */
itr_run *itr_run_attach(const char *runs_dir, const char *run_id, itr_err *err);
ITR_MUST_USE int itr_run_close(itr_run *r, itr_err *err);        /* -1 with the first failure; frees r in both cases */
const char *itr_run_id(const itr_run *r);           /* 32 hex digits */
const char *itr_run_dir(const itr_run *r);

/* Failures of these are reported by itr_run_end (the first one), so that a full disk does not stop a training step. */
/* cannot be changed: logging another value is an error; at most 6,000 characters */
void itr_run_param(itr_run *r, const char *key, const char *value);
void itr_run_metric(itr_run *r, const char *key, double value, int64_t step);
typedef struct itr_metric { const char *key; double value; int64_t step; } itr_metric;
void itr_run_metrics(itr_run *r, const itr_metric *m, int64_t n);          /* as log_batch: one timestamp, one write for each key */
void itr_run_tag(itr_run *r, const char *key, const char *value);           /* replaces; 8,000 characters */
/* copies a file or folder to artifacts/; for a file > 16 MiB writes NAME.link.json {path, sha256, bytes} */
void itr_run_artifact(itr_run *r, const char *path);
ITR_MUST_USE int itr_run_end(itr_run *r, itr_run_status status, itr_err *err);   /* frees r in both cases */

/* out = `key` as MLflow accepts it: letters and numbers of all scripts and "_-. :/" are unchanged. Different keys stay different, except
 * for empty path components and '@', which becomes "_at_". False when it is empty, or longer than 250 bytes (out is truncated). */
bool itr_run_key(const char *key, char out[256]);
/* Checks a name, and the value of a "param" or "tag" (NULL: not checked), from the user: -1 with err when MLflow would reject it. */
ITR_MUST_USE int itr_run_check(const char *kind, const char *key, const char *value, itr_err *err);

#endif
