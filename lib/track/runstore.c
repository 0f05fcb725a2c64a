#include "track/runstore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/parallel.h"
#include "base/path.h"
#include "base/vec.h"
#include "track/context.h"
#include "track/meta.h"
#include "track/store.h"

enum { MAX_VALUE = 1 << 16, MAX_METRIC_FILE = 1 << 30, MAX_DEPTH = 8 };

/* --- one run's files ------------------------------------------------------------------------------------------------------------------ */

typedef ITR_VEC(itr_run_pair) pairs;

/* Reads a whole file by file descriptors, for speed: a list of 1,000 runs opens tens of thousands of small files. */
static char *read_at(int dir, const char *name, size_t max)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	size_t cap = 256, n = 0;
	char *text = itr_xmalloc(cap + 1);
	for (ssize_t got; n <= max && (got = read(fd, text + n, cap - n)) > 0;) {
		n += (size_t)got;
		if (n < cap)                       /* a regular file returns less than requested only at its end */
			break;
		text = itr_xrealloc(text, (cap *= 4) + 1);
	}
	close(fd);
	text[n] = 0;
	return text;
}

/* Every file below `dir`, keys with '/' for folders. */
static void read_pairs(int dir, const char *prefix, int depth, size_t max, pairs *out)
{
	DIR *d = dir < 0 ? NULL : fdopendir(dir);
	if (!d) {
		if (dir >= 0)
			close(dir);
		return;
	}
	for (struct dirent *e; (e = readdir(d));) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		char *key = itr_xasprintf("%s%s%s", prefix, *prefix ? "/" : "", e->d_name);
		struct stat st;
		bool folder = e->d_type == DT_DIR ||
		              (e->d_type == DT_UNKNOWN && fstatat(dirfd(d), e->d_name, &st, 0) == 0 && S_ISDIR(st.st_mode));
		if (folder && depth < MAX_DEPTH) {
			read_pairs(openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), key, depth + 1, max, out);
		} else if (!folder) {
			char *value = read_at(dirfd(d), e->d_name, max);
			if (value) {
				itr_run_pair p = { key, value };
				ITR_VEC_PUSH(out, p);
				continue;
			}
		}
		free(key);
	}
	closedir(d);
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const itr_run_pair *)a)->key, ((const itr_run_pair *)b)->key);
}

static pairs read_kind(int run_dir, const char *kind, size_t max)
{
	pairs p = ITR_VEC_INIT;
	read_pairs(openat(run_dir, kind, O_RDONLY | O_DIRECTORY | O_CLOEXEC), "", 0, max, &p);
	if (p.n)
		qsort(p.v, p.n, sizeof *p.v, by_key);
	return p;
}

static bool parse_point(const char *line, itr_run_point *p, const char **end)
{
	char *e;
	p->timestamp = strtoll(line, &e, 10);
	if (e == line || *e != ' ')
		return false;
	const char *v = e + 1;
	p->value = strtod(v, &e);
	if (e == v)
		return false;
	p->step = *e == ' ' ? strtoll(e + 1, &e, 10) : 0;         /* two fields: step 0, as MLflow reads it */
	*end = e + strcspn(e, "\n");
	return true;
}

static void read_metrics(itr_run_info *r, int run_dir)
{
	pairs files = read_kind(run_dir, "metrics", MAX_METRIC_FILE);
	r->metrics = itr_xcalloc(files.n + 1, sizeof *r->metrics);
	for (size_t i = 0; i < files.n; i++) {
		itr_run_value *m = &r->metrics[r->n_metrics];
		itr_run_point p, last = { 0 };
		for (const char *s = files.v[i].value; *s && parse_point(s, &p, &s); s += *s == '\n') {
			bool later = !m->points || p.step > last.step || (p.step == last.step &&
			             (p.timestamp > last.timestamp || (p.timestamp == last.timestamp && p.value > last.value)));
			last = later ? p : last;
			bool first = m->points == m->nans;              /* of those that are numbers */
			if (isnan(p.value)) {
				m->nans++;
			} else {
				m->min = first || p.value < m->min ? p.value : m->min;
				m->max = first || p.value > m->max ? p.value : m->max;
			}
			m->points++;
		}
		if (m->points) {
			m->key = files.v[i].key;
			m->value = last.value;
			m->step = last.step;
			r->n_metrics++;
		} else {
			free(files.v[i].key);
		}
		free(files.v[i].value);
	}
	free(files.v);
}

static const char *find_pair(const itr_run_pair *p, int64_t n, const char *key)
{
	for (int64_t i = 0; i < n; i++)
		if (!strcmp(p[i].key, key))
			return p[i].value;
	return NULL;
}

/* True when the process of the run has ended. A tag has its process and host; this can be checked only on that host. */
static bool is_stale(const itr_run_info *r, int tags, const char *host)
{
	if (r->status != ITR_RUN_RUNNING)
		return false;
	char *process = read_at(tags, "itr.pid", 100), *on = process ? read_at(tags, "itr.host", 1000) : NULL;
	bool stale = process && on && !strcmp(on, host) && !itr_context_alive(process);
	free(process);
	free(on);
	return stale;
}

static char *dup_or_null(const char *s) { return s ? itr_xstrdup(s) : NULL; }

/* Loads r from dir; false when it is not a readable run. */
static bool read_run(itr_run_info *r, const char *dir, unsigned what, const char *host)
{
	itr_meta m;
	char *path = itr_path_join(dir, "meta.yaml");
	bool ok = itr_meta_read(&m, path, NULL) == 0;
	free(path);
	memset(r, 0, sizeof *r);
	if (!ok)
		return false;
	const char *stage = itr_meta_get(&m, "lifecycle_stage"), *name = itr_meta_get(&m, "run_name"), *user = itr_meta_get(&m, "user_id");
	r->id = itr_xstrdup(itr_path_basename(dir));
	r->dir = itr_xstrdup(dir);
	r->name = itr_xstrdup(name ? name : "");
	r->user = itr_xstrdup(user ? user : "");
	r->experiment_id = itr_xstrdup(itr_meta_get(&m, "experiment_id") ? itr_meta_get(&m, "experiment_id") : "");
	r->status = (itr_run_status)itr_meta_int(&m, "status", ITR_RUN_RUNNING);
	r->start = itr_meta_int(&m, "start_time", 0);
	r->end = itr_meta_int(&m, "end_time", 0);
	r->deleted = stage && !strcmp(stage, "deleted");
	itr_meta_free(&m);
	int run = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
	    tags = run < 0 ? -1 : openat(run, "tags", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tags >= 0 && !(what & ITR_RUNS_TAGS)) {
		r->parent = read_at(tags, "mlflow.parentRunId", 100);
		r->source = read_at(tags, "mlflow.source.name", 4096);
	}
	r->stale = tags >= 0 && is_stale(r, tags, host);
	if (what & ITR_RUNS_TAGS) {
		pairs p = read_kind(run, "tags", MAX_VALUE);
		r->tags = p.v, r->n_tags = (int64_t)p.n;
		r->parent = dup_or_null(find_pair(p.v, r->n_tags, "mlflow.parentRunId"));
		r->source = dup_or_null(find_pair(p.v, r->n_tags, "mlflow.source.name"));
		r->note = dup_or_null(find_pair(p.v, r->n_tags, "mlflow.note.content"));
	}
	if (what & ITR_RUNS_PARAMS) {
		pairs p = read_kind(run, "params", MAX_VALUE);
		r->params = p.v, r->n_params = (int64_t)p.n;
	}
	if (what & ITR_RUNS_METRICS)
		read_metrics(r, run);
	if (tags >= 0)
		close(tags);
	if (run >= 0)
		close(run);
	return true;
}

static void free_pairs(itr_run_pair *p, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		free(p[i].key);
		free(p[i].value);
	}
	free(p);
}

void itr_run_info_free(itr_run_info *r)
{
	char *strings[] = { r->id, r->name, r->dir, r->experiment, r->experiment_id, r->user, r->source, r->parent, r->note };
	for (int i = 0; i < ITR_LEN(strings); i++)
		free(strings[i]);
	free_pairs(r->params, r->n_params);
	free_pairs(r->tags, r->n_tags);
	for (int64_t i = 0; i < r->n_metrics; i++)
		free(r->metrics[i].key);
	free(r->metrics);
	memset(r, 0, sizeof *r);
}

void itr_runs_free(itr_runs *rs)
{
	for (int64_t i = 0; i < rs->n; i++)
		itr_run_info_free(&rs->v[i]);
	free(rs->v);
	rs->v = NULL;
	rs->n = 0;
}

/* --- the list ------------------------------------------------------------------------------------------------------------------------- */

struct listing {
	ITR_VEC(char *) dirs;
	ITR_VEC(char *) experiments;           /* name of each folder's experiment */
	itr_run_info *runs;
	bool *good;
	unsigned what;
	char *host;
};

static char *experiment_name(const char *dir)
{
	char *path = itr_path_join(dir, "meta.yaml"), *name = NULL;
	itr_meta m;
	if (itr_meta_read(&m, path, NULL) == 0) {
		name = itr_xstrdup(itr_meta_get(&m, "name") ? itr_meta_get(&m, "name") : "");
		itr_meta_free(&m);
	}
	free(path);
	return name;
}

/* Folders of runs in the experiments of one level (the store, or .trash below it). */
static void collect(struct listing *l, const char *root, const char *wanted, itr_map *names)
{
	DIR *d = opendir(root), *in;
	for (struct dirent *e; d && (e = readdir(d));) {
		if (e->d_name[0] == '.')
			continue;
		char *dir = itr_path_join(root, e->d_name), *name = experiment_name(dir);
		if (name)
			itr_map_add(names, name, 0);
		else
			itr_store_warn_nameless(dir);
		if (name && (!wanted || !strcmp(wanted, name) || !strcmp(wanted, e->d_name)) && (in = opendir(dir))) {
			for (struct dirent *x; (x = readdir(in));)
				if (itr_store_is_run_id(x->d_name)) {
					ITR_VEC_PUSH(&l->dirs, itr_path_join(dir, x->d_name));
					ITR_VEC_PUSH(&l->experiments, itr_xstrdup(name));
				}
			closedir(in);
		}
		free(dir);
		free(name);
	}
	if (d)
		closedir(d);
}

static void read_piece(void *ctx, int64_t i, int worker)
{
	struct listing *l = ctx;
	(void)worker;
	l->good[i] = read_run(&l->runs[i], l->dirs.v[i], l->what, l->host);
}

static int newest_first(const void *a, const void *b)
{
	const itr_run_info *x = a, *y = b;
	return x->start != y->start ? (x->start < y->start ? 1 : -1) : strcmp(x->id, y->id);
}

static int no_experiment(const char *wanted, const itr_map *names, const char *runs_dir, itr_err *err)
{
	int n = (int)itr_map_count(names);
	const char **list = itr_xcalloc((size_t)n + 1, sizeof *list);
	for (int i = 0; i < n; i++)
		list[i] = itr_map_key(names, i);
	const char *near = itr_nearest(wanted, list, n);
	itr_err_set(err, "no experiment '%s' in '%s'%s%s%s", wanted, runs_dir, near ? ": did you mean '" : "", near ? near : "",
	            near ? "'?" : "");
	free(list);
	return -1;
}

int itr_runs_load(itr_runs *rs, const char *runs_dir, const char *experiment, unsigned what, int threads, int64_t *broken, itr_err *err)
{
	struct listing l = { .what = what, .host = itr_context_host() };
	itr_map *names = itr_map_new();
	int rc = 0;
	rs->v = NULL;
	rs->n = 0;
	if (!itr_path_is_dir(runs_dir))
		rc = itr_err_set(err,
		                 "no store of runs in '%s': every tool writes one where it runs, --runs-dir or ITR_RUNS_DIR names another",
		                 runs_dir);
	collect(&l, runs_dir, experiment, names);
	if (rc == 0 && experiment && !l.dirs.n && !itr_map_has(names, experiment) && !itr_store_is_number(experiment))
		rc = no_experiment(experiment, names, runs_dir, err);
	if (what & (ITR_RUNS_DELETED | ITR_RUNS_ONLY_DELETED)) {
		char *trash = itr_path_join(runs_dir, ".trash");
		collect(&l, trash, experiment, names);
		free(trash);
	}
	l.runs = itr_xcalloc(l.dirs.n + 1, sizeof *l.runs);
	l.good = itr_xcalloc(l.dirs.n + 1, sizeof *l.good);
	if (rc == 0)
		itr_parallel_for(threads, (int64_t)l.dirs.n, read_piece, &l);
	if (broken)
		*broken = 0;
	for (size_t i = 0; i < l.dirs.n; i++) {
		itr_run_info *r = &l.runs[i];
		bool keep = rc == 0 && l.good[i] &&
		            (r->deleted ? what & (ITR_RUNS_DELETED | ITR_RUNS_ONLY_DELETED) : !(what & ITR_RUNS_ONLY_DELETED));
		if (broken && rc == 0)
			*broken += !l.good[i];
		if (keep) {
			r->experiment = l.experiments.v[i];
			l.runs[rs->n++] = *r;
		} else {
			itr_run_info_free(r);
			free(l.experiments.v[i]);
		}
		free(l.dirs.v[i]);
	}
	rs->v = l.runs;
	qsort(rs->v, (size_t)rs->n, sizeof *rs->v, newest_first);
	free(l.dirs.v);
	free(l.experiments.v);
	free(l.good);
	free(l.host);
	itr_map_free(names);
	if (rc < 0)
		itr_runs_free(rs);
	return rc;
}

int itr_runs_load_one(itr_run_info *r, const char *runs_dir, const char *run_id, itr_err *err)
{
	char *dir = itr_store_find_run(runs_dir, run_id, NULL, err), *host = itr_context_host();
	int rc = dir ? 0 : -1;
	memset(r, 0, sizeof *r);
	if (dir && !read_run(r, dir, ITR_RUNS_ALL, host))
		rc = itr_err_set(err, "run '%s' cannot be read: its meta.yaml is damaged", run_id);
	if (rc == 0) {
		char *up = itr_path_dirname(dir);
		r->experiment = experiment_name(up);
		if (!r->experiment)
			r->experiment = itr_xstrdup(itr_path_basename(up));
		free(up);
	}
	free(dir);
	free(host);
	return rc;
}

struct tree {
	itr_runs *rs;
	int64_t *child, *sibling;          /* first child, next child of the same parent; -1 */
	bool *placed;
	itr_run_info *out;
	int64_t n;
};

/* Appends a run, its children, the oldest first, and their children. */
static void place(struct tree *t, int64_t i, int depth)
{
	if (t->placed[i] || depth > 64)
		return;
	t->placed[i] = true;
	t->rs->v[i].depth = depth;
	t->out[t->n++] = t->rs->v[i];
	for (int64_t c = t->child[i]; c >= 0; c = t->sibling[c])
		place(t, c, depth + 1);
}

void itr_runs_tree(itr_runs *rs)
{
	size_t n = (size_t)rs->n + 1;
	struct tree t = { rs,
		          itr_xmalloc(n * sizeof *t.child),
		          itr_xmalloc(n * sizeof *t.sibling),
		          itr_xcalloc(n, sizeof *t.placed),
		          itr_xcalloc(n, sizeof *t.out),
		          0 };
	itr_map *index = itr_map_new();
	bool *top = itr_xcalloc(n, sizeof *top);
	for (int64_t i = 0; i < rs->n; i++) {
		itr_map_add(index, rs->v[i].id, i);
		t.child[i] = t.sibling[i] = -1;
	}
	for (int64_t i = 0; i < rs->n; i++) {              /* newest first in, oldest first out */
		int64_t parent = rs->v[i].parent ? itr_map_get(index, rs->v[i].parent, -1) : -1;
		top[i] = parent < 0;
		if (parent >= 0) {
			t.sibling[i] = t.child[parent];
			t.child[parent] = i;
		}
	}
	for (int64_t i = 0; i < rs->n; i++)
		if (top[i])
			place(&t, i, 0);
	for (int64_t i = 0; i < rs->n; i++)                /* a circle of parents, or too deep: still listed */
		place(&t, i, 0);
	free(rs->v);
	rs->v = t.out;
	free(t.child);
	free(t.sibling);
	free(t.placed);
	free(top);
	itr_map_free(index);
}

/* --- history, artifacts --------------------------------------------------------------------------------------------------------------- */

int itr_run_history(const itr_run_info *r, const char *key, itr_run_point **points, int64_t *n, itr_err *err)
{
	char clean[256];
	(void)itr_run_key(key, clean);
	char *path = itr_xasprintf("%s/metrics/%s", r->dir, clean),
	     *text = itr_path_exists(path) ? itr_path_read(path, MAX_METRIC_FILE, NULL, err) : NULL;
	ITR_VEC(itr_run_point) v = ITR_VEC_INIT;
	itr_run_point p;
	int rc = 0;
	if (!text) {
		itr_runs one = { (itr_run_info *)(uintptr_t)r, 1 };
		itr_column c;
		char *name = itr_xasprintf("metrics.%s", clean);
		rc = itr_column_parse(&c, name, &one, err);
		free(name);
		rc = rc < 0 ? rc : itr_err_set(err, "run '%s' has no metric '%s'", r->id, key);
	}
	for (const char *s = text ? text : ""; *s && parse_point(s, &p, &s); s += *s == '\n')
		ITR_VEC_PUSH(&v, p);
	free(text);
	free(path);
	*points = v.v;
	*n = (int64_t)v.n;
	return rc;
}

static void collect_artifacts(const char *dir, const char *prefix, int depth, char ***list, int64_t *n)
{
	DIR *d = opendir(dir);
	for (struct dirent *e; d && (e = readdir(d));) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		char *path = itr_path_join(dir, e->d_name), *name = itr_xasprintf("%s%s%s", prefix, *prefix ? "/" : "", e->d_name);
		if (itr_path_is_dir(path) && depth < 16) {
			collect_artifacts(path, name, depth + 1, list, n);
			free(name);
		} else {
			*list = itr_xrealloc(*list, (size_t)(*n + 1) * sizeof **list);
			(*list)[(*n)++] = name;
		}
		free(path);
	}
	if (d)
		closedir(d);
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

char **itr_run_artifacts(const itr_run_info *r, int64_t *n)
{
	char *dir = itr_path_join(r->dir, "artifacts"), **list = NULL;
	*n = 0;
	collect_artifacts(dir, "", 0, &list, n);
	if (*n)
		qsort(list, (size_t)*n, sizeof *list, by_text);
	free(dir);
	return list;
}
