/* store.h - the folders of a store: runs/<experiment id>/<run id>/. Inside of track.
 * Experiments are found or created under a lock on the plain file runs/.lock (every SUBFOLDER of runs/ would count as an experiment for
 * MLflow), with exclusive mkdir behind it where the file system has no locks: tools that start together in one `make -j` end up in one
 * experiment. */
#ifndef ITR_TRACK_STORE_H
#define ITR_TRACK_STORE_H

#include "base/err.h"

#define ITR_TRACK_DEFAULT "Default"          /* MLflow's: id 0, made with the store */

/* Makes the store (with experiment 0, as MLflow does) when it is not there. */
ITR_MUST_USE int itr_store_create(const char *runs_dir, itr_err *err);
/* Id of the experiment called `name`, made when there is none; NULL with err. The caller frees. */
char *itr_store_experiment(const char *runs_dir, const char *name, itr_err *err);
/* Folder of run `run_id` and its experiment's id (may be NULL); the caller frees both. NULL with err. `run_id` may be an unambiguous
 * beginning of at least 4 digits. */
char *itr_store_find_run(const char *runs_dir, const char *run_id, char **experiment_id, itr_err *err);
/* Warns when `dir` is the folder of an experiment that has runs but no meta.yaml that can be read: neither we nor MLflow list them. Says
 * how to mend it. */
void itr_store_warn_nameless(const char *dir);
bool itr_store_is_run_id(const char *name);           /* 32 lower-case hex digits */
bool itr_store_is_number(const char *name);           /* an experiment id that we and `mlflow migrate-filestore` take */

/* "file:///abs/path", percent-encoded; the caller frees. */
char *itr_store_uri(const char *path);

#endif
