#include "track/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "track/meta.h"
#include "track/names.h"

bool itr_store_is_run_id(const char *name)
{
	return strlen(name) == 32 && strspn(name, "0123456789abcdef") == 32;
}

bool itr_store_is_number(const char *name)
{
	size_t n = strlen(name);
	return n > 0 && n <= 18 && strspn(name, "0123456789") == n;
}

char *itr_store_uri(const char *path)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
	char *full = itr_path_absolute(path);
	itr_buf b = ITR_BUF_INIT;
	itr_buf_puts(&b, "file://");
	for (const char *c = full; *c; c++) {
		if (strchr(plain, *c))
			itr_buf_putc(&b, *c);
		else
			itr_buf_printf(&b, "%%%02X", (unsigned char)*c);
	}
	free(full);
	return itr_buf_detach(&b);
}

/* Looks through the experiments in `dir`: 1 when one has this name (*id), 0 when none, and the largest small id in *top. */
static int scan(const char *dir, const char *name, char **id, int64_t *top)
{
	DIR *d = opendir(dir);
	int found = 0;
	if (!d)
		return 0;
	for (struct dirent *e; !found && (e = readdir(d));) {
		if (!itr_store_is_number(e->d_name))
			continue;
		int64_t number = strtoll(e->d_name, NULL, 10);
		if (number < 1000000000)                   /* MLflow's own new ids are random numbers of 18 digits: we count below them */
			*top = ITR_MAX(*top, number);
		char *path = itr_xasprintf("%s/%s/meta.yaml", dir, e->d_name);
		itr_meta m;
		if (itr_meta_read(&m, path, NULL) == 0) {
			const char *n = itr_meta_get(&m, "name");
			if (n && !strcmp(n, name)) {
				*id = itr_xstrdup(e->d_name);
				found = 1;
			}
			itr_meta_free(&m);
		}
		free(path);
	}
	closedir(d);
	return found;
}

/* 1: created; 0: the id is in use; -1 with err. */
static int make_experiment(const char *runs_dir, int64_t id, const char *name, itr_err *err)
{
	char *dir = itr_xasprintf("%s/%lld", runs_dir, (long long)id), *path = itr_path_join(dir, "meta.yaml"), *uri = itr_store_uri(dir);
	char *number = itr_xasprintf("%lld", (long long)id);
	itr_meta m = { 0 };
	int rc = 1;
	/* the name of experiment 0 is known even if its meta.yaml is lost */
	if (mkdir(dir, 0777) < 0 && !(errno == EEXIST && id == 0)) {
		rc = errno == EEXIST ? 0 : itr_err_errno(err, "cannot make folder '%s'", dir);
	} else {
		int64_t now = itr_clock_epoch_ms();
		itr_meta_set_str(&m, "artifact_location", uri);
		itr_meta_set_int(&m, "creation_time", now);
		itr_meta_set_str(&m, "experiment_id", number);
		itr_meta_set_int(&m, "last_update_time", now);
		itr_meta_set_str(&m, "lifecycle_stage", "active");
		itr_meta_set_str(&m, "name", name);
		if (itr_meta_write(&m, path, true, err) < 0)
			rc = -1;
		itr_meta_free(&m);
	}
	free(dir);
	free(path);
	free(uri);
	free(number);
	return rc;
}

void itr_store_warn_nameless(const char *dir)
{
	DIR *d = opendir(dir);
	int64_t runs = 0;
	char *path = itr_path_join(dir, "meta.yaml");
	itr_meta m;
	bool named = itr_meta_read(&m, path, NULL) == 0;
	for (struct dirent *e; d && !named && (e = readdir(d));)
		runs += itr_store_is_run_id(e->d_name);
	if (d)
		closedir(d);
	if (named)
		itr_meta_free(&m);
	free(path);
	if (!runs)
		return;
	char *uri = itr_store_uri(dir);
	itr_warn("'%s' holds %lld runs that cannot be listed: its meta.yaml is missing or damaged. To mend it write that file, four lines: "
	         "artifact_location: '%s', "
	         "experiment_id: '%s', lifecycle_stage: active, name: NAME",
	         dir, (long long)runs, uri, itr_path_basename(dir));
	free(uri);
}

/* The lock is released when the process ends. -1: the file system has no locks (some network file systems); exclusive mkdir still prevents
 * duplicate ids. */
static int lock_store(const char *runs_dir)
{
	char *path = itr_path_join(runs_dir, ".lock");
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	free(path);
	while (fd >= 0 && flock(fd, LOCK_EX) < 0)
		if (errno != EINTR) {
			close(fd);
			return -1;
		}
	return fd;
}

int itr_store_create(const char *runs_dir, itr_err *err)
{
	char *zero = itr_path_join(runs_dir, "0/meta.yaml");
	int rc = 0;
	if (!itr_path_exists(zero)) {
		rc = itr_path_mkdirs(runs_dir, err);
		int lock = rc < 0 ? -1 : lock_store(runs_dir);
		if (rc == 0 && !itr_path_exists(zero) && make_experiment(runs_dir, 0, ITR_TRACK_DEFAULT, err) < 0)
			rc = -1;
		if (lock >= 0)
			close(lock);
	}
	free(zero);
	return rc;
}

/* Warns before a new experiment is created: it may be the one without a readable meta.yaml. */
static void warn_of_nameless(const char *runs_dir)
{
	DIR *d = opendir(runs_dir);
	for (struct dirent *e; d && (e = readdir(d));)
		if (itr_store_is_number(e->d_name)) {
			char *dir = itr_path_join(runs_dir, e->d_name);
			itr_store_warn_nameless(dir);
			free(dir);
		}
	if (d)
		closedir(d);
}

char *itr_store_experiment(const char *runs_dir, const char *wanted, itr_err *err)
{
	itr_buf name = ITR_BUF_INIT, text = ITR_BUF_INIT;
	char *id = NULL, *trash = itr_path_join(runs_dir, ".trash"), *deleted = NULL;
	int64_t top = 0;
	if (itr_run_text(&text, wanted))
		itr_warn("the experiment's name is not UTF-8: its wrong bytes are tracked as \\xHH, for MLflow could not read them");
	itr_meta_clean(&name, itr_buf_str(&text));
	itr_buf_free(&text);
	if (name.len == 0 || name.len > 500 || itr_store_create(runs_dir, err) < 0) {
		if (name.len == 0 || name.len > 500)
			itr_err_set(err, "an experiment's name has 1 to 500 characters");
	} else if (!scan(runs_dir, name.data, &id, &top)) {
		int lock = lock_store(runs_dir), made = 0;
		if (!scan(runs_dir, name.data, &id, &top)) {              /* again, now that no other process creates one */
			if (scan(trash, name.data, &deleted, &top))
				made = itr_err_set(err,
				                   "experiment '%s' was deleted: '{runs} restore --experiment NAME' brings it back, "
				                   "another name makes a new one",
				                   name.data);
			else
				warn_of_nameless(runs_dir);
			while (made == 0)
				made = make_experiment(runs_dir, ++top, name.data, err);
			if (made > 0)
				id = itr_xasprintf("%lld", (long long)top);
		}
		if (lock >= 0)
			close(lock);
	}
	free(deleted);
	free(trash);
	itr_buf_free(&name);
	return id;
}

/* The run of exactly this id in one experiment, or (exact false) those whose id begins so: *n counts them, *run keeps the last. */
static void match_runs(const char *dir, const char *prefix, bool exact, int *n, char **run)
{
	if (exact) {
		char *path = itr_xasprintf("%s/%s/meta.yaml", dir, prefix);
		if (itr_path_exists(path)) {
			free(*run);
			*run = itr_path_join(dir, prefix);
			++*n;
		}
		free(path);
		return;
	}
	DIR *d = opendir(dir);
	for (struct dirent *e; d && (e = readdir(d));)
		if (itr_store_is_run_id(e->d_name) && !strncmp(e->d_name, prefix, strlen(prefix))) {
			free(*run);
			*run = itr_path_join(dir, e->d_name);
			++*n;
		}
	if (d)
		closedir(d);
}

char *itr_store_find_run(const char *runs_dir, const char *run_id, char **experiment_id, itr_err *err)
{
	bool exact = itr_store_is_run_id(run_id);
	char *run = NULL;
	int n = 0;
	if (!exact && (strlen(run_id) < 4 || strlen(run_id) > 32 || strspn(run_id, "0123456789abcdef") != strlen(run_id))) {
		itr_err_set(err, "'%s' is no run id (32 hex digits, or at least their first 4)", run_id);
		return NULL;
	}
	DIR *d = opendir(runs_dir);
	if (!d) {
		itr_err_errno(err, "cannot open the store of runs '%s'", runs_dir);
		return NULL;
	}
	for (struct dirent *e; (e = readdir(d)) && !(exact && n);) {
		if (!itr_store_is_number(e->d_name))
			continue;
		char *dir = itr_path_join(runs_dir, e->d_name), *before = run;
		match_runs(dir, run_id, exact, &n, &run);
		if (run != before && experiment_id) {
			free(*experiment_id);
			*experiment_id = itr_xstrdup(e->d_name);
		}
		free(dir);
	}
	closedir(d);
	if (n != 1) {
		if (n == 0)
			itr_err_set(err, "no run '%s' in '%s'", run_id, runs_dir);
		else
			itr_err_set(err, "%d runs begin with '%s': give more digits", n, run_id);
		free(run);
		run = NULL;
		if (experiment_id) {
			free(*experiment_id);
			*experiment_id = NULL;
		}
	}
	return run;
}
