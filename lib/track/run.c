#include "track/run.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/vec.h"
#include "track/artifact.h"
#include "track/context.h"
#include "track/meta.h"
#include "track/names.h"
#include "track/store.h"

struct itr_run {
	char *dir, *id;
	itr_meta meta;
	itr_err err;             /* the first failure */
	bool said_bytes;         /* that a text is not UTF-8 */
};

/* Only the first failure is stored, because later ones are mostly consequences. */
#define FAILED(r, call) ((void)((r)->err.set ? 0 : (call)))

/* --- values --------------------------------------------------------------------------------------------------------------------------- */

/* The shortest text that Python's float() reads back to the same double. */
static void put_double(itr_buf *b, double v)
{
	char text[40];
	if (isnan(v) || isinf(v)) {
		itr_buf_puts(b, isnan(v) ? "nan" : v > 0 ? "inf" : "-inf");
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	itr_buf_puts(b, text);
}

/* --- files ---------------------------------------------------------------------------------------------------------------------------- */

/* run/kind/key; creates the folders of a key with '/'. NULL after a failure, which is stored. */
static char *key_path(itr_run *r, const char *kind, const char *key)
{
	char clean[256];
	if (!itr_run_key(key, clean)) {
		FAILED(r,
		       itr_err_set(&r->err, "'%.60s%s' cannot be tracked: a name has 1 to 250 bytes", key, strlen(key) > 60 ? "..." : ""));
		return NULL;
	}
	char *path = itr_xasprintf("%s/%s/%s", r->dir, kind, clean);
	if (strchr(clean, '/')) {
		char *dir = itr_path_dirname(path);
		if (itr_path_mkdirs(dir, r->err.set ? NULL : &r->err) < 0) {
			free(path);
			path = NULL;
		}
		free(dir);
	}
	return path;
}

static int write_whole(int fd, const char *bytes, size_t n)
{
	ssize_t put;
	while ((put = write(fd, bytes, n)) < 0 && errno == EINTR)
		continue;
	if (put >= 0 && (size_t)put < n)
		errno = ENOSPC;                                  /* a short write to a plain file */
	return put == (ssize_t)n ? 0 : -1;
}

/* A file that appears with all its bytes, or not at all: written under another name in the run's folder (in params/ MLflow would take it
 * for a param), then linked. replace false: 1 when the file is there already. Where links do not exist the file is made in place. */
static int put_file(itr_run *r, const char *path, const char *bytes, size_t n, bool replace)
{
	char *temp = itr_xasprintf("%s/.%ld.XXXXXX", r->dir, (long)getpid());
	int rc = 0, fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0 || fchmod(fd, 0644) < 0 || write_whole(fd, bytes, n) < 0)
		rc = -1;
	if (fd >= 0 && close(fd) < 0)
		rc = -1;
	if (rc == 0 && replace)
		rc = rename(temp, path);
	else if (rc == 0 && link(temp, path) < 0) {
		if (errno == EEXIST)
			rc = 1;
		else if (errno == EPERM || errno == ENOTSUP || errno == ENOSYS || errno == EMLINK)
			rc = itr_path_exists(path) ? 1 : rename(temp, path);
		else
			rc = -1;
	}
	int saved = errno;
	if (fd >= 0 && !(rc == 0 && replace))
		unlink(temp);
	free(temp);
	errno = saved;
	return rc;
}

/* Stores a value that is too long for MLflow in a file of the run, with a warning. */
static void keep_whole(itr_run *r, const char *kind, const char *key, const itr_buf *value, size_t max)
{
	char clean[256], *dir = itr_path_join(r->dir, "artifacts/long");
	(void)itr_run_key(key, clean);
	for (char *c = clean; *c; c++)
		*c = *c == '/' ? '_' : *c;
	char *path = itr_xasprintf("%s/%s.%s.txt", dir, kind, clean);
	if (itr_path_mkdirs(dir, r->err.set ? NULL : &r->err) == 0) {
		if (put_file(r, path, value->data, value->len, true) < 0)
			FAILED(r, itr_err_errno(&r->err, "cannot write '%s'", path));
		else
			itr_warn("%s '%s' is cut to the %zu characters that MLflow takes; the whole of it is in '%s'", kind, key, max,
			         path);
	}
	free(dir);
	free(path);
}

/* The value as it is logged: UTF-8, at most `max` characters. */
static void prepare(itr_run *r, const char *kind, const char *key, const char *value, size_t max, itr_buf *out)
{
	if (itr_run_text(out, value) && !r->said_bytes) {
		itr_warn("%s '%s' is not UTF-8: its wrong bytes are tracked as \\xHH, for MLflow could not read them", kind, key);
		r->said_bytes = true;
	}
	size_t n = itr_run_cut(itr_buf_str(out), max);
	if (n < out->len) {
		keep_whole(r, kind, key, out, max);
		out->data[out->len = n] = 0;
	}
}

void itr_run_param(itr_run *r, const char *key, const char *value)
{
	char *path = r ? key_path(r, "params", key) : NULL;
	if (!path)
		return;
	itr_buf v = ITR_BUF_INIT;
	size_t old_n = 0;
	prepare(r, "param", key, value, ITR_RUN_MAX_PARAM, &v);
	int rc = put_file(r, path, itr_buf_str(&v), v.len, false);
	if (rc < 0) {
		FAILED(r, itr_err_errno(&r->err, "cannot write '%s'", path));
	} else if (rc == 1) {
		char *old = itr_path_read(path, 1 << 20, &old_n, r->err.set ? NULL : &r->err);
		if (old && (old_n != v.len || memcmp(old, itr_buf_str(&v), v.len)))
			FAILED(r, itr_err_set(&r->err,
			                      "param '%s' of run '%s' is '%.200s' and cannot become '%.200s': params never change, start "
			                      "another run",
			                      key, r->id, old, itr_buf_str(&v)));
		free(old);
	}
	itr_buf_free(&v);
	free(path);
}

void itr_run_tag(itr_run *r, const char *key, const char *value)
{
	char *path = r ? key_path(r, "tags", key) : NULL;
	if (!path)
		return;
	itr_buf v = ITR_BUF_INIT;
	prepare(r, "tag", key, value, ITR_RUN_MAX_TAG, &v);
	if (put_file(r, path, itr_buf_str(&v), v.len, true) < 0)
		FAILED(r, itr_err_errno(&r->err, "cannot write '%s'", path));
	itr_buf_free(&v);
	free(path);
}

int itr_run_check(const char *kind, const char *key, const char *value, itr_err *err)
{
	char clean[256];
	itr_buf b = ITR_BUF_INIT;
	size_t max = !value ? 0 : !strcmp(kind, "param") ? ITR_RUN_MAX_PARAM : ITR_RUN_MAX_TAG;
	int rc = 0;
	if (!itr_run_key(key, clean))
		rc = itr_err_set(err, "'%.60s%s' cannot be the name of a %s: a name has 1 to 250 bytes", key, strlen(key) > 60 ? "..." : "",
		                 kind);
	if (rc == 0 && value) {
		(void)itr_run_text(&b, value);
		if (itr_run_cut(itr_buf_str(&b), max) < b.len)
			rc = itr_err_set(err,
			                 "%s '%s' is longer than the %zu characters that MLflow takes: keep it as a file, {runs} log ID "
			                 "artifact FILE",
			                 kind, key, max);
	}
	itr_buf_free(&b);
	return rc;
}

/* --- metrics -------------------------------------------------------------------------------------------------------------------------- */

/* Appends lines to a metric's file in one write. The file is created together with its first lines, because MLflow cannot read a run with
 * an empty one. */
static void append(itr_run *r, const char *key, const itr_buf *lines)
{
	char *path = key_path(r, "metrics", key);
	if (!path)
		return;
	for (int tries = 0; tries < 3; tries++) {
		int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC), rc;
		if (fd >= 0) {
			rc = write_whole(fd, lines->data, lines->len);
			if (close(fd) < 0)
				rc = -1;
		} else {
			rc = errno == ENOENT ? put_file(r, path, lines->data, lines->len, false) : -1;
		}
		if (rc < 0)
			FAILED(r, itr_err_errno(&r->err, "cannot write '%s'", path));
		if (rc != 1)                             /* 1: another process created it in between */
			break;
	}
	free(path);
}

void itr_run_metrics(itr_run *r, const itr_metric *m, int64_t n)
{
	if (!r || n <= 0)
		return;
	int64_t now = itr_clock_epoch_ms();
	itr_map *index = itr_map_new();
	ITR_VEC(itr_buf) lines = ITR_VEC_INIT;
	for (int64_t i = 0; i < n; i++) {
		int64_t at = itr_map_get(index, m[i].key, -1);
		if (at < 0) {
			at = (int64_t)lines.n;
			itr_map_add(index, m[i].key, at);
			itr_buf empty = ITR_BUF_INIT;
			ITR_VEC_PUSH(&lines, empty);
		}
		itr_buf_printf(&lines.v[at], "%lld ", (long long)now);
		put_double(&lines.v[at], m[i].value);
		itr_buf_printf(&lines.v[at], " %lld\n", (long long)m[i].step);
	}
	for (size_t i = 0; i < lines.n; i++) {
		append(r, itr_map_key(index, (int64_t)i), &lines.v[i]);
		itr_buf_free(&lines.v[i]);
	}
	ITR_VEC_FREE(&lines);
	itr_map_free(index);
}

void itr_run_metric(itr_run *r, const char *key, double value, int64_t step)
{
	itr_metric m = { key, value, step };
	itr_run_metrics(r, &m, 1);
}

void itr_run_artifact(itr_run *r, const char *path)
{
	if (!r)
		return;
	char *dir = itr_path_join(r->dir, "artifacts");
	(void)(itr_artifact_store(dir, path, r->err.set ? NULL : &r->err) < 0);
	free(dir);
}

/* --- life ----------------------------------------------------------------------------------------------------------------------------- */

const char *itr_run_id(const itr_run *r) { return r->id; }
const char *itr_run_dir(const itr_run *r) { return r->dir; }

static void run_free(itr_run *r)
{
	itr_meta_free(&r->meta);
	free(r->dir);
	free(r->id);
	free(r);
}

static int write_meta(itr_run *r, bool sync, itr_err *err)
{
	char *path = itr_path_join(r->dir, "meta.yaml");
	int rc = itr_meta_write(&r->meta, path, sync, err);
	free(path);
	return rc;
}

static void new_id(char out[33])
{
	unsigned char bytes[16];
	size_t have = 0;
	while (have < sizeof bytes) {
		ssize_t got = getrandom(bytes + have, sizeof bytes - have, 0);
		have += got > 0 ? (size_t)got : 0;
	}
	for (int i = 0; i < 16; i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static void fill_meta(itr_run *r, const itr_run_opts *o, const char *experiment_id, const char *name)
{
	char *artifacts = itr_path_join(r->dir, "artifacts"), *uri = itr_store_uri(artifacts), *user = itr_context_user();
	itr_meta *m = &r->meta;
	itr_meta_set_str(m, "artifact_uri", uri);
	itr_meta_set_str(m, "deleted_time", NULL);
	itr_meta_set_str(m, "end_time", NULL);
	itr_meta_set_str(m, "entry_point_name", "");
	itr_meta_set_str(m, "experiment_id", experiment_id);
	itr_meta_set_str(m, "lifecycle_stage", "active");
	itr_meta_set_str(m, "run_id", r->id);
	itr_meta_set_str(m, "run_name", name);
	itr_meta_set_str(m, "run_uuid", r->id);
	itr_meta_set_str(m, "source_name", o->source ? o->source : "");
	itr_meta_set_int(m, "source_type", 4);
	itr_meta_set_str(m, "source_version", "");
	itr_meta_set_int(m, "start_time", itr_clock_epoch_ms());
	itr_meta_set_int(m, "status", ITR_RUN_RUNNING);
	itr_meta_set_list(m, "tags");
	itr_meta_set_str(m, "user_id", user);
	free(artifacts);
	free(uri);
	free(user);
}

static void tag_process(itr_run *r)
{
	char *process = itr_context_process(), *host = itr_context_host();
	itr_run_tag(r, "itr.pid", process);
	itr_run_tag(r, "itr.host", host);
	free(process);
	free(host);
}

static void start_tags(itr_run *r, const itr_run_opts *o)
{
	char *commit, *branch;
	itr_run_tag(r, "mlflow.runName", itr_meta_get(&r->meta, "run_name"));
	itr_run_tag(r, "mlflow.user", itr_meta_get(&r->meta, "user_id"));
	itr_run_tag(r, "mlflow.source.name", o->source ? o->source : "");
	itr_run_tag(r, "mlflow.source.type", "LOCAL");
	if (o->parent)
		itr_run_tag(r, "mlflow.parentRunId", o->parent);
	if (o->note)
		itr_run_tag(r, "mlflow.note.content", o->note);
	if (o->argv_text)
		itr_run_tag(r, "itr.argv", o->argv_text);
	if (itr_context_git(".", &commit, &branch)) {
		itr_run_tag(r, "mlflow.source.git.commit", commit);
		if (branch)
			itr_run_tag(r, "mlflow.source.git.branch", branch);
		free(commit);
		free(branch);
	}
	if (!o->detached)
		tag_process(r);
}

static int make_folders(itr_run *r, itr_err *err)
{
	static const char *const kinds[] = { "metrics", "params", "tags", "artifacts" };
	if (mkdir(r->dir, 0777) < 0)
		return itr_err_errno(err, "cannot make folder '%s'", r->dir);
	for (int i = 0; i < ITR_LEN(kinds); i++) {
		char *dir = itr_path_join(r->dir, kinds[i]);
		int rc = mkdir(dir, 0777) < 0 ? itr_err_errno(err, "cannot make folder '%s'", dir) : 0;
		free(dir);
		if (rc < 0)
			return -1;
	}
	return 0;
}

/* The experiment's id: the named one, the parent's, or Default. *parent receives the parent's whole id. NULL with err. */
static char *choose_experiment(const itr_run_opts *o, char **parent, itr_err *err)
{
	char *id = NULL;
	if (o->parent) {
		char *dir = itr_store_find_run(o->runs_dir, o->parent, &id, err);
		if (!dir) {
			itr_err_prefix(err, "the parent run is not there (--parent-run, ITR_PARENT_RUN): ");
			return NULL;
		}
		*parent = itr_xstrdup(itr_path_basename(dir));
		free(dir);
		if (!o->experiment || !*o->experiment)
			return id;
		free(id);
	}
	return itr_store_experiment(o->runs_dir, o->experiment && *o->experiment ? o->experiment : ITR_TRACK_DEFAULT, err);
}

static char *utf8_name(itr_run *r, const char *name)
{
	itr_buf b = ITR_BUF_INIT;
	prepare(r, "the run's", "name", name, SIZE_MAX, &b);
	return itr_buf_detach(&b);
}

itr_run *itr_run_start(const itr_run_opts *o, itr_err *err)
{
	itr_run_opts opts = *o;
	char id[33], *parent = NULL, *experiment = choose_experiment(o, &parent, err);
	if (!experiment) {
		free(parent);
		return NULL;
	}
	new_id(id);
	itr_run *r = itr_xcalloc(1, sizeof *r);
	r->id = itr_xstrdup(id);
	r->dir = itr_xasprintf("%s/%s/%s", o->runs_dir, experiment, id);
	char *name =
		o->name && *o->name ? utf8_name(r, o->name) : itr_xasprintf("%s-%.4s", o->source && *o->source ? o->source : "run", id);
	opts.parent = parent;
	fill_meta(r, &opts, experiment, name);
	/* meta.yaml is written last, so that a listed run is complete */
	int rc = make_folders(r, err);
	if (rc == 0) {
		start_tags(r, &opts);
		rc = write_meta(r, false, err);
	}
	if (rc == 0 && r->err.set)
		rc = itr_err_set(err, "%s", r->err.msg);
	free(name);
	free(experiment);
	free(parent);
	if (rc < 0) {
		(void)!itr_path_remove_tree(r->dir, NULL);
		run_free(r);
		return NULL;
	}
	return r;
}

itr_run *itr_run_attach(const char *runs_dir, const char *run_id, itr_err *err)
{
	char *dir = itr_store_find_run(runs_dir, run_id, NULL, err);
	if (!dir)
		return NULL;
	itr_run *r = itr_xcalloc(1, sizeof *r);
	r->dir = dir;
	r->id = itr_xstrdup(itr_path_basename(dir));
	char *path = itr_path_join(dir, "meta.yaml");
	int rc = itr_meta_read(&r->meta, path, err);
	const char *stage = itr_meta_get(&r->meta, "lifecycle_stage");
	if (rc == 0 && stage && !strcmp(stage, "deleted"))
		rc = itr_err_set(err, "run '%s' is deleted: '{runs} restore %s' brings it back", r->id, r->id);
	free(path);
	if (rc == 0)
		return r;
	run_free(r);
	return NULL;
}

itr_run *itr_run_reopen(const char *runs_dir, const char *run_id, itr_err *err)
{
	itr_run *r = itr_run_attach(runs_dir, run_id, err);
	if (!r)
		return NULL;
	itr_meta_set_int(&r->meta, "status", ITR_RUN_RUNNING);
	itr_meta_set_str(&r->meta, "end_time", NULL);
	tag_process(r);
	if (write_meta(r, false, err) == 0)
		return r;
	run_free(r);
	return NULL;
}

int itr_run_close(itr_run *r, itr_err *err)
{
	int rc = r && r->err.set ? itr_err_set(err, "%s", r->err.msg) : 0;
	if (r)
		run_free(r);
	return rc;
}

int itr_run_end(itr_run *r, itr_run_status status, itr_err *err)
{
	if (!r)
		return 0;
	itr_meta_set_int(&r->meta, "status", status);
	if (status == ITR_RUN_RUNNING || status == ITR_RUN_SCHEDULED)
		itr_meta_set_str(&r->meta, "end_time", NULL);
	else
		itr_meta_set_int(&r->meta, "end_time", itr_clock_epoch_ms());
	int rc = write_meta(r, true, err), first = itr_run_close(r, err);
	return rc < 0 || first < 0 ? -1 : 0;
}
