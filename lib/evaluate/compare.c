/* Paired comparison of two evaluations of the same queries. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/path.h"
#include "io/npz.h"
#include "io/table.h"
#include "evaluate/evaluate.h"


struct side { int64_t n; char **query, **image; double *value; };
struct file { bool synthetic; char *path, *ties, *protocol, *options; char **metric; int64_t n_metrics; struct side side[2]; };

static void free_side(struct side *s)
{
	if (s->query)
		itr_npz_free_text(s->query, s->n);
	if (s->image)
		itr_npz_free_text(s->image, s->n);
	itr_aligned_free(s->value);
}

static void free_file(struct file *f)
{
	free(f->path);
	free(f->ties);
	free(f->protocol);
	free(f->options);
	if (f->metric)
		itr_npz_free_text(f->metric, f->n_metrics);
	free_side(&f->side[0]);
	free_side(&f->side[1]);
}

static char *one_string(itr_npz *z, const char *name, itr_err *err)
{
	itr_array_info info;
	char **s = itr_npz_text(z, name, &info, err), *out = NULL;
	if (s && info.count == 1)
		out = itr_xstrdup(s[0]);
	else if (s)
		itr_err_set(err, "'%s': %s should be one string", itr_npz_path(z), name);
	if (s)
		itr_npz_free_text(s, info.count);
	return out;
}

static int read_side(itr_npz *z, const char *name, int64_t metrics, struct side *s, itr_err *err)
{
	char key[3][64];
	itr_array_info q, i, v;
	snprintf(key[0], sizeof key[0], "%s_query_id", name);
	snprintf(key[1], sizeof key[1], "%s_image_id", name);
	snprintf(key[2], sizeof key[2], "%s_values", name);
	if (!itr_npz_has(z, key[0]))
		return 0;
	if (!(s->query = itr_npz_text(z, key[0], &q, err)))
		return -1;
	s->n = q.count;
	if (!(s->image = itr_npz_text(z, key[1], &i, err)) || i.count != s->n) {
		if (s->image) {
			itr_npz_free_text(s->image, i.count);
			s->image = NULL;
			itr_err_set(err, "'%s': %s and %s differ in length", itr_npz_path(z), key[0], key[1]);
		}
		return -1;
	}
	if (!(s->value = itr_npz_f64(z, key[2], &v, err)))
		return -1;
	if (v.rank != 2 || v.shape[0] != s->n || v.shape[1] != metrics)
		return itr_err_set(err, "'%s': %s should be [%lld, %lld]", itr_npz_path(z), key[2], (long long)s->n, (long long)metrics);
	return 0;
}

/* A result's JSON names its per-query file. */
static char *per_query_of(const char *path, itr_err *err)
{
	if (!itr_path_has_suffix(path, ".json"))
		return itr_xstrdup(path);
	itr_json *j = itr_json_read(path, err);
	const char *name = itr_json_str(itr_json_get(j, "per_query"), NULL);
	char *out = NULL;
	if (j && !name)
		itr_err_set(err, "'%s' names no per_query file: {evaluate} again without --per-query none", path);
	if (name && itr_path_exists(name)) {
		out = itr_xstrdup(name);
	} else if (name) {                                  /* the result moved together with its file */
		char *dir = itr_path_dirname(path);
		out = itr_path_join(dir, itr_path_basename(name));
		free(dir);
	}
	itr_json_free(j);
	return out;
}

static bool is_synthetic(itr_npz *z)
{
	itr_err ignored = ITR_ERR_INIT;
	char *text = itr_npz_has(z, "itr_provenance") ? one_string(z, "itr_provenance", &ignored) : NULL;
	itr_json *j = text ? itr_json_parse(text, strlen(text), itr_npz_path(z), &ignored) : NULL;
	bool synthetic = itr_json_bool(itr_json_get(j, "synthetic"), false);
	itr_json_free(j);
	free(text);
	return synthetic;
}

static int read_file(struct file *f, const char *path, itr_err *err)
{
	itr_array_info info;
	*f = (struct file){ .path = per_query_of(path, err) };
	itr_npz *z = f->path ? itr_npz_open(f->path, err) : NULL;
	int rc = -1;
	if (z && !itr_npz_has(z, "metrics")) {
		itr_err_set(err, "'%s' is no per-query file of {evaluate} (no member 'metrics')", f->path);
	} else if (z && (f->metric = itr_npz_text(z, "metrics", &info, err))) {
		f->n_metrics = info.count;
		if ((f->ties = one_string(z, "ties", err)) && (f->protocol = one_string(z, "protocol", err)) &&
		    read_side(z, itr_direction_names[0], f->n_metrics, &f->side[0], err) == 0 &&
		    read_side(z, itr_direction_names[1], f->n_metrics, &f->side[1], err) == 0)
			rc = 0;
	}
	if (rc == 0 && itr_npz_has(z, "metric_options") && !(f->options = one_string(z, "metric_options", err)))
		rc = -1;
	f->synthetic = z && is_synthetic(z);
	if (z)
		itr_npz_close(z);
	return rc;
}

/* --- joining -------------------------------------------------------------------------------------------------------------------------- */

struct joined {
	itr_metric_set set;             /* metrics that both know */
	int column[2][ITR_METRIC_MAX];
	itr_metric_values v[2][2];      /* [file][direction] */
	int64_t *cluster[2];            /* [direction] */
	itr_map *images;
	int64_t only[2][2];             /* queries that the other file lacks */
};

static void common_metrics(struct joined *j, const struct file f[2])
{
	itr_err unknown = ITR_ERR_INIT;         /* a metric of a later version: its mean */
	for (int64_t a = 0; a < f[0].n_metrics && j->set.n < ITR_METRIC_MAX; a++)
		for (int64_t b = 0; b < f[1].n_metrics; b++)
			if (strcmp(f[0].metric[a], f[1].metric[b]) == 0) {
				itr_metric_def *m = &j->set.m[j->set.n];
				snprintf(m->key, sizeof m->key, "%s", f[0].metric[a]);
				m->metric = itr_metric_parse(m->key, &m->k, &unknown);
				unknown = (itr_err)ITR_ERR_INIT;
				j->column[0][j->set.n] = (int)a;
				j->column[1][j->set.n++] = (int)b;
				break;
			}
}

static int join_side(struct joined *j, const struct file f[2], int d, itr_err *err)
{
	const struct side *a = &f[0].side[d], *b = &f[1].side[d];
	itr_map *of_b = itr_map_new();
	int64_t n = 0;
	int rc = 0;
	for (int64_t i = 0; i < b->n; i++)
		itr_map_add(of_b, b->query[i], i);
	for (int k = 0; k < 2; k++) {
		j->v[k][d].columns = j->set.n;
		j->v[k][d].value = itr_xcalloc((size_t)a->n * (size_t)j->set.n + 1, sizeof(double));
	}
	j->cluster[d] = itr_xmalloc(((size_t)a->n + 1) * sizeof *j->cluster[d]);
	for (int64_t i = 0; i < a->n && rc == 0; i++) {
		int64_t o = itr_map_get(of_b, a->query[i], -1);
		if (o < 0)
			continue;
		if (strcmp(a->image[i], b->image[o]) != 0)
			rc = itr_err_set(err,
			                 "%s query '%s' belongs to image '%s' in '%s' and to '%s' in '%s': these are not the same data",
			                 itr_direction_names[d], a->query[i], a->image[i], f[0].path, b->image[o], f[1].path);
		for (int m = 0; m < j->set.n; m++) {
			j->v[0][d].value[n * j->set.n + m] = a->value[i * f[0].n_metrics + j->column[0][m]];
			j->v[1][d].value[n * j->set.n + m] = b->value[o * f[1].n_metrics + j->column[1][m]];
		}
		itr_map_add(j->images, a->image[i], itr_map_count(j->images));
		j->cluster[d][n++] = a->image[i][0] ? itr_map_get(j->images, a->image[i], 0) : -1;
	}
	j->v[0][d].n = j->v[1][d].n = n;
	j->only[0][d] = a->n - n;
	j->only[1][d] = b->n - n;
	itr_map_free(of_b);
	return rc;
}

static void free_joined(struct joined *j)
{
	for (int d = 0; d < 2; d++) {
		free(j->v[0][d].value);
		free(j->v[1][d].value);
		free(j->cluster[d]);
	}
	itr_map_free(j->images);
}

/* --- differences ---------------------------------------------------------------------------------------------------------------------- */

static double summary(const itr_metric_values *v, const itr_metric_set *s, int m)
{
	double sum = 0, *copy = itr_xmalloc(((size_t)v->n + 1) * sizeof *copy);
	for (int64_t i = 0; i < v->n; i++)
		sum += copy[i] = v->value[i * v->columns + m];
	sum = itr_metric_is_median(&s->m[m]) ? itr_median(copy, v->n) : sum / (double)v->n;
	free(copy);
	return sum;
}

static void add_side(itr_json *out, const struct joined *j, int d, const double *sample, const double *p, const double *holm, int resamples)
{
	int columns = j->set.n, stride = 4 * columns;
	itr_json *side = itr_json_add_object(out, itr_direction_names[d]);
	double *difference = itr_xmalloc(((size_t)resamples + 1) * sizeof *difference);
	for (int m = 0; m < columns; m++) {
		itr_json *one = itr_json_add_object(side, j->set.m[m].key);
		double a = summary(&j->v[0][d], &j->set, m), b = summary(&j->v[1][d], &j->set, m);
		for (int r = 0; r < resamples; r++)
			difference[r] = sample[(size_t)r * (size_t)stride + (size_t)((2 + d) * columns + m)] -
			                sample[(size_t)r * (size_t)stride + (size_t)(d * columns + m)];
		itr_interval ci = itr_interval_95(difference, resamples, 1);
		itr_json_add_num(one, "a", a);
		itr_json_add_num(one, "b", b);
		itr_json_add_num(one, "difference", b - a);
		itr_json *pair = itr_json_add_array(one, "ci95");
		itr_json_push(pair, itr_json_new_num(ci.low));
		itr_json_push(pair, itr_json_new_num(ci.high));
		itr_json_add_num(one, "p", p[d * columns + m]);
		itr_json_add_num(one, "p_holm", holm[d * columns + m]);
	}
	itr_json_add_int(side, "n_queries", j->v[0][d].n);
	free(difference);
}

static void p_values(const struct joined *j, const double *sample, int resamples, double *p, double *holm)
{
	int columns = j->set.n, stride = 4 * columns;
	double *difference = itr_xmalloc(((size_t)resamples + 1) * sizeof *difference);
	for (int d = 0; d < 2; d++)
		for (int m = 0; m < columns; m++) {
			for (int r = 0; r < resamples; r++)
				difference[r] = sample[(size_t)r * (size_t)stride + (size_t)((2 + d) * columns + m)] -
				                sample[(size_t)r * (size_t)stride + (size_t)(d * columns + m)];
			p[d * columns + m] = j->v[0][d].n ? itr_boot_p(difference, resamples, 1) : NAN;
		}
	itr_holm(p, 2 * columns, holm);
	free(difference);
}

static void add_warnings(itr_json *out, const struct joined *j, const struct file f[2])
{
	itr_json *w = itr_json_add_array(out, "warnings");
	char *text = NULL;
	if (f[0].synthetic || f[1].synthetic)
		itr_json_push(w, itr_json_new_str("synthetic data: these figures say nothing about real pictures"));
	if (strcmp(f[0].ties, f[1].ties) != 0 || strcmp(f[0].protocol, f[1].protocol) != 0) {
		text = itr_xasprintf("evaluated differently: protocol %s, ties %s against protocol %s, ties %s", f[0].protocol, f[0].ties,
		                     f[1].protocol, f[1].ties);
		itr_json_push(w, itr_json_new_str(text));
		free(text);
	}
	if (f[0].options && f[1].options && strcmp(f[0].options, f[1].options) != 0) {
		text = itr_xasprintf("evaluated differently: %s against %s", f[0].options, f[1].options);
		itr_json_push(w, itr_json_new_str(text));
		free(text);
	}
	for (int d = 0; d < 2; d++)
		for (int k = 0; k < 2; k++)
			if (j->only[k][d]) {
				text = itr_xasprintf("%lld %s queries are only in '%s': left out", (long long)j->only[k][d],
				                     itr_direction_names[d], f[k].path);
				itr_json_push(w, itr_json_new_str(text));
				free(text);
			}
}

static itr_json *difference_json(const struct joined *j, const struct file f[2], int resamples, uint64_t seed, int threads)
{
	itr_boot_side sides[4] = { { &j->v[0][0], j->cluster[0] },
		                   { &j->v[0][1], j->cluster[1] },
		                   { &j->v[1][0], j->cluster[0] },
		                   { &j->v[1][1], j->cluster[1] } };
	double *sample = itr_bootstrap(sides, 4, &j->set, itr_map_count(j->images), NULL, 1, resamples, seed, threads),
	       p[2 * ITR_METRIC_MAX], holm[2 * ITR_METRIC_MAX];
	itr_json *out = itr_json_object();
	itr_json_add_str(out, "a", f[0].path);
	itr_json_add_str(out, "b", f[1].path);
	p_values(j, sample, resamples, p, holm);
	for (int d = 0; d < 2; d++)
		if (j->v[0][d].n)
			add_side(out, j, d, sample, p, holm, resamples);
		else
			itr_json_add(out, itr_direction_names[d], itr_json_new_null());
	itr_json_add_int(out, "n_images", itr_map_count(j->images));
	itr_json_add_int(out, "resamples", resamples);
	itr_json_add_bool(out, "synthetic", f[0].synthetic || f[1].synthetic);
	add_warnings(out, j, f);
	free(sample);
	return out;
}

itr_json *itr_eval_compare(const char *a, const char *b, int resamples, uint64_t seed, int threads, itr_err *err)
{
	struct file f[2] = { { .path = NULL } };
	struct joined j = { .images = itr_map_new() };
	itr_json *out = NULL;
	if (resamples < 1)
		resamples = ITR_BOOT_RESAMPLES;
	if (read_file(&f[0], a, err) == 0 && read_file(&f[1], b, err) == 0) {
		common_metrics(&j, f);
		if (j.set.n == 0)
			itr_err_set(err, "'%s' and '%s' have no metric in common", f[0].path, f[1].path);
		else if (join_side(&j, f, 0, err) == 0 && join_side(&j, f, 1, err) == 0) {
			if (j.v[0][0].n + j.v[0][1].n == 0)
				itr_err_set(err, "'%s' and '%s' have no query in common (the first are '%s' and '%s')", f[0].path,
				            f[1].path, f[0].side[0].n ? f[0].side[0].query[0] : "",
				            f[1].side[0].n ? f[1].side[0].query[0] : "");
			else
				out = difference_json(&j, f, resamples, seed, threads);
		}
	}
	free_joined(&j);
	free_file(&f[0]);
	free_file(&f[1]);
	return out;
}

void itr_eval_compare_table(const itr_json *c, int format, itr_buf *out)
{
	static const char *const names[] = { "direction", "metric", "A", "B", "B - A", "low", "high", "p", "p (Holm)" };
	static const char *const keys[] = { "a", "b", "difference" };
	const double floor = itr_boot_p_floor(itr_json_int(itr_json_get(c, "resamples"), 0));
	const bool synthetic = itr_json_bool(itr_json_get(c, "synthetic"), false);
	const bool bounds = format != ITR_TABLE_CSV && format != ITR_TABLE_TSV;         /* "<0.0010" is no number */
	itr_table *t = itr_table_new(ITR_LEN(names), names);
	for (int d = 0; d < 2; d++)
		for (const itr_json *m = itr_json_first(itr_json_get(c, itr_direction_names[d])); m; m = itr_json_next(m)) {
			if (!itr_json_is_object(m))
				continue;
			itr_table_cell(t, itr_direction_names[d]);
			itr_table_cell(t, itr_json_key(m));
			for (int k = 0; k < 3; k++)
				itr_table_cellf(t, "%.4f", itr_json_num(itr_json_get(m, keys[k]), NAN));
			for (int k = 0; k < 2; k++)
				itr_table_cellf(t, "%.4f", itr_json_num(itr_json_at(itr_json_get(m, "ci95"), k), NAN));
			double p = itr_json_num(itr_json_get(m, "p"), NAN);
			itr_p_cell(t, p, bounds && p <= floor);
			itr_p_cell(t, itr_json_num(itr_json_get(m, "p_holm"), NAN), bounds && p <= floor);
		}
	if (format == ITR_TABLE_TEXT)
		itr_buf_printf(out, "A %s\nB %s\n%lld images, 95 %% intervals of B - A from %lld resamples of images%s\n\n",
		               itr_json_str(itr_json_get(c, "a"), ""), itr_json_str(itr_json_get(c, "b"), ""),
		               (long long)itr_json_int(itr_json_get(c, "n_images"), 0),
		               (long long)itr_json_int(itr_json_get(c, "resamples"), 0), synthetic ? "; SYNTHETIC DATA" : "");
	itr_table_print_marked(t, (itr_table_format)format, synthetic, out);
	itr_table_free(t);
	for (const itr_json *w = format == ITR_TABLE_TEXT ? itr_json_first(itr_json_get(c, "warnings")) : NULL; w; w = itr_json_next(w))
		itr_buf_printf(out, "warning: %s\n", itr_json_str(w, ""));
}
