/* changes.c - delete, restore, gc, mark as killed: as MLflow does. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/path.h"
#include "track/meta.h"
#include "track/runstore.h"
#include "track/store.h"

/* Sets the life-cycle stage in dir/meta.yaml. */
static int set_stage(const char *dir, bool deleted, bool is_run, itr_err *err)
{
	char *path = itr_path_join(dir, "meta.yaml");
	itr_meta m;
	int rc = itr_meta_read(&m, path, err);
	if (rc == 0) {
		int64_t now = itr_clock_epoch_ms();
		itr_meta_set_str(&m, "lifecycle_stage", deleted ? "deleted" : "active");
		if (!is_run)
			itr_meta_set_int(&m, "last_update_time", now);
		else if (deleted)
			itr_meta_set_int(&m, "deleted_time", now);
		else
			itr_meta_set_str(&m, "deleted_time", NULL);
		rc = itr_meta_write(&m, path, true, err);
		itr_meta_free(&m);
	}
	free(path);
	return rc;
}

static int stage_run(const char *runs_dir, const char *run_id, bool deleted, itr_err *err)
{
	char *dir = itr_store_find_run(runs_dir, run_id, NULL, err);
	int rc = dir ? set_stage(dir, deleted, true, err) : -1;
	free(dir);
	return rc;
}

int itr_run_delete(const char *runs_dir, const char *run_id, itr_err *err) { return stage_run(runs_dir, run_id, true, err); }
int itr_run_restore(const char *runs_dir, const char *run_id, itr_err *err) { return stage_run(runs_dir, run_id, false, err); }

/* --- experiments ---------------------------------------------------------------------------------------------------------------------- */

/* Folder name of the experiment `wanted` (name or id) in `root`; NULL when there is none. */
static char *find_experiment(const char *root, const char *wanted)
{
	DIR *d = opendir(root);
	char *found = NULL;
	for (struct dirent *e; d && !found && (e = readdir(d));) {
		char *path = itr_xasprintf("%s/%s/meta.yaml", root, e->d_name);
		itr_meta m;
		if (e->d_name[0] != '.' && itr_meta_read(&m, path, NULL) == 0) {
			const char *name = itr_meta_get(&m, "name");
			if (!strcmp(e->d_name, wanted) || (name && !strcmp(name, wanted)))
				found = itr_xstrdup(e->d_name);
			itr_meta_free(&m);
		}
		free(path);
	}
	if (d)
		closedir(d);
	return found;
}

static int stage_experiment(const char *dir, bool deleted, itr_err *err)
{
	DIR *d = opendir(dir);
	int rc = 0;
	for (struct dirent *e; d && rc == 0 && (e = readdir(d));) {
		char *run = itr_path_join(dir, e->d_name);
		if (itr_store_is_run_id(e->d_name))
			rc = set_stage(run, deleted, true, err);
		free(run);
	}
	if (d)
		closedir(d);
	return rc < 0 ? rc : set_stage(dir, deleted, false, err);
}

static int move_experiment(const char *runs_dir, const char *name, bool out, itr_err *err)
{
	char *trash = itr_path_join(runs_dir, ".trash");
	const char *from = out ? runs_dir : trash, *to = out ? trash : runs_dir;
	char *id = find_experiment(from, name), *source = id ? itr_path_join(from, id) : NULL, *target = id ? itr_path_join(to, id) : NULL;
	int rc = 0;
	if (!id)
		rc = itr_err_set(err, "no %sexperiment '%s' in '%s'", out ? "" : "deleted ", name, runs_dir);
	else if (out && !strcmp(id, "0"))
		rc = itr_err_set(err,
		                 "the experiment '" ITR_TRACK_DEFAULT "' (0) belongs to every store and stays: delete its runs instead");
	else if (itr_path_exists(target))
		rc = itr_err_set(err, "'%s' is there already", target);
	else if (itr_path_mkdirs(to, err) < 0 || stage_experiment(source, out, err) < 0)
		rc = -1;
	else if (rename(source, target) < 0)
		rc = itr_err_errno(err, "cannot move '%s' to '%s'", source, target);
	free(id);
	free(source);
	free(target);
	free(trash);
	return rc;
}

int itr_experiment_delete(const char *runs_dir, const char *name, itr_err *err) { return move_experiment(runs_dir, name, true, err); }
int itr_experiment_restore(const char *runs_dir, const char *name, itr_err *err) { return move_experiment(runs_dir, name, false, err); }

/* --- gc, stale ------------------------------------------------------------------------------------------------------------------------ */

static int64_t deleted_at(const char *dir)
{
	char *path = itr_path_join(dir, "meta.yaml");
	itr_meta m;
	int64_t at = 0;
	if (itr_meta_read(&m, path, NULL) == 0) {
		at = itr_meta_int(&m, "deleted_time", itr_meta_int(&m, "last_update_time", 0));
		itr_meta_free(&m);
	}
	free(path);
	return at;
}

/* Removes experiments in .trash that were deleted before `before` and have no runs. */
static int gc_experiments(const char *runs_dir, int64_t before, itr_err *err)
{
	char *trash = itr_path_join(runs_dir, ".trash");
	DIR *d = opendir(trash), *in;
	int rc = 0;
	for (struct dirent *e; d && rc == 0 && (e = readdir(d));) {
		char *dir = itr_path_join(trash, e->d_name);
		bool empty = e->d_name[0] != '.' && deleted_at(dir) <= before && (in = opendir(dir)) != NULL;
		if (empty) {
			for (struct dirent *x; (x = readdir(in));)
				empty = empty && !itr_store_is_run_id(x->d_name);
			closedir(in);
		}
		if (empty)
			rc = itr_path_remove_tree(dir, err);
		free(dir);
	}
	if (d)
		closedir(d);
	free(trash);
	return rc;
}

int64_t itr_runs_gc(const char *runs_dir, int64_t age_ms, bool dry, itr_err *err)
{
	itr_runs rs;
	int64_t n = 0, before = itr_clock_epoch_ms() - age_ms;
	if (itr_runs_load(&rs, runs_dir, NULL, ITR_RUNS_ONLY_DELETED, 1, NULL, err) < 0)
		return -1;
	for (int64_t i = 0; i < rs.n && n >= 0; i++) {
		if (deleted_at(rs.v[i].dir) > before)
			continue;
		n = !dry && itr_path_remove_tree(rs.v[i].dir, err) < 0 ? -1 : n + 1;
	}
	itr_runs_free(&rs);
	return n < 0 || (!dry && gc_experiments(runs_dir, before, err) < 0) ? -1 : n;
}

int64_t itr_runs_end_stale(const char *runs_dir, itr_err *err)
{
	itr_runs rs;
	int64_t n = 0;
	if (itr_runs_load(&rs, runs_dir, NULL, 0, 1, NULL, err) < 0)
		return -1;
	for (int64_t i = 0; i < rs.n && n >= 0; i++) {
		if (!rs.v[i].stale)
			continue;
		itr_run *r = itr_run_attach(runs_dir, rs.v[i].id, err);
		n = !r || itr_run_end(r, ITR_RUN_KILLED, err) < 0 ? -1 : n + 1;
	}
	itr_runs_free(&rs);
	return n;
}
