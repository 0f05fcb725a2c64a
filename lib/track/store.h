/* store.h - internal: the folders of a store, runs/<experiment id>/<run id>/.
 * Experiments are created under a lock on the file runs/.lock (a SUBFOLDER of runs/ would be an experiment for MLflow) and by an exclusive
 * mkdir, for file systems without locks, so that tools started at the same time by `make -j` use the same experiment. */
#ifndef ITR_TRACK_STORE_H
#define ITR_TRACK_STORE_H

#include "base/err.h"

#define ITR_TRACK_DEFAULT "Default"          /* name of experiment 0, created with the store, as in MLflow */

/* Creates the store, with experiment 0, when it does not exist. */
ITR_MUST_USE int itr_store_create(const char *runs_dir, itr_err *err);
/* Id of the experiment `name`, which is created when it does not exist; NULL with err. The caller frees. */
char *itr_store_experiment(const char *runs_dir, const char *name, itr_err *err);
/* Folder of run `run_id` (the whole id or an unambiguous prefix of at least 4 digits), and its experiment's id (experiment_id may be NULL);
 * the caller frees both. NULL with err. */
char *itr_store_find_run(const char *runs_dir, const char *run_id, char **experiment_id, itr_err *err);
/* Warns when `dir` is the folder of an experiment with runs but without a readable meta.yaml, whose runs neither we nor MLflow list. The
 * warning says how to repair it. */
void itr_store_warn_nameless(const char *dir);
bool itr_store_is_run_id(const char *name);           /* 32 lower-case hex digits */
bool itr_store_is_number(const char *name);           /* an experiment id that we and `mlflow migrate-filestore` accept */

/* "file:///abs/path", percent-encoded; the caller frees. */
char *itr_store_uri(const char *path);

#endif
