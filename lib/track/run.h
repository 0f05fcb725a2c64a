/* run.h - one MLflow run in the file-store layout, written so that MLflow itself opens it (formats.md; facts 3.6). Concurrent writers of
 * different runs never meet; metric lines are appended in one write. Keys are made valid: `recall@10` -> `recall_at_10`, other characters
 * that MLflow refuses -> `_xHH_`; values are UTF-8, wrong bytes `\xHH` (warned of once a run). What is too long for MLflow is cut, and kept
 * whole in artifacts/long/ (warned of). A run belongs to one thread at a time; a NULL run is accepted and tracks nothing.
 */
#ifndef ITR_TRACK_RUN_H
#define ITR_TRACK_RUN_H

#include "base/err.h"

typedef struct itr_run itr_run;
typedef enum { ITR_RUN_RUNNING = 1, ITR_RUN_SCHEDULED = 2, ITR_RUN_FINISHED = 3, ITR_RUN_FAILED = 4, ITR_RUN_KILLED = 5 } itr_run_status;

typedef struct itr_run_opts {
	const char *runs_dir;            /* "runs"; made when missing */
	const char *experiment; /* name; found or created (integer id). NULL: the parent's, or "Default" (id 0, as MLflow has it) */
	const char *name;                /* run name; NULL: TOOL-xxxx */
	const char *parent;              /* run id or NULL */
	const char *source;              /* tool name */
	const char *argv_text;           /* the command line, for the tag itr.argv */
	const char *note;                /* mlflow.note.content or NULL */
	bool detached;                   /* the run outlives this process (runs start): not marked as killed when it ends */
} itr_run_opts;

/* Creates the run's folders and meta.yaml with status RUNNING. NULL with err. */
itr_run *itr_run_start(const itr_run_opts *o, itr_err *err);
/* Opens an existing run for appending (resume; runs end). Sets it RUNNING again. */
itr_run *itr_run_reopen(const char *runs_dir, const char *run_id, itr_err *err);
/* Opens an existing run to add to it and leaves its status alone; itr_run_close, not itr_run_end, ends that (runs log). */
itr_run *itr_run_attach(const char *runs_dir, const char *run_id, itr_err *err);
ITR_MUST_USE int itr_run_close(itr_run *r, itr_err *err);        /* the first failure since; frees r either way */
const char *itr_run_id(const itr_run *r);           /* 32 hex digits */
const char *itr_run_dir(const itr_run *r);

/* These report the first failure at itr_run_end: a full disk must not kill a training step. */
/* immutable: writing another value is an error; 6,000 characters */
void itr_run_param(itr_run *r, const char *key, const char *value);
void itr_run_metric(itr_run *r, const char *key, double value, int64_t step);
typedef struct itr_metric { const char *key; double value; int64_t step; } itr_metric;
void itr_run_metrics(itr_run *r, const itr_metric *m, int64_t n);          /* one timestamp, one append a key */
void itr_run_tag(itr_run *r, const char *key, const char *value);           /* replaces; 8,000 characters */
/* file or folder, copied under artifacts/; > 16 MiB: NAME.link.json {path, sha256, bytes} */
void itr_run_artifact(itr_run *r, const char *path);
ITR_MUST_USE int itr_run_end(itr_run *r, itr_run_status status, itr_err *err);   /* frees r either way */

/* `key` as MLflow accepts it, into out: letters and numbers of all scripts, "_-. :/" as they are; keys that differ stay different (but for
 * empty parts of paths, and
 * '@' that equals "_at_"). False: empty, or longer than 250 bytes (out is cut). */
bool itr_run_key(const char *key, char out[256]);
/* For what people log: -1 with err when MLflow would not take this name or, of a "param" or "tag", this value (NULL: not checked). */
ITR_MUST_USE int itr_run_check(const char *kind, const char *key, const char *value, itr_err *err);

#endif
