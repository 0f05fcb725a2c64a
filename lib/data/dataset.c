#include "data/dataset.h"

#include <stdlib.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/rng.h"
#include "data/near.h"

enum { LIMIT_STREAM = 3 };

static int claimed(const char *path, const char *description, itr_err *err)
{
	size_t n;
	char *old = itr_path_read(path, 1 << 16, &n, err);
	if (!old)
		return -1;
	while (n && old[n - 1] == '\n')
		old[--n] = 0;
	int same = !strcmp(old, description);
	if (!same)
		itr_err_set(err, "'%s': this folder holds '%s', not '%s'; name another folder with -o, or --force", path, old,
		            description);
	free(old);
	return same;
}

int itr_dataset_claim(const char *dir, const char *description, bool force, itr_err *err)
{
	char *marker = itr_path_join(dir, "dataset.txt"), *manifest = itr_path_join(dir, "manifest.jsonl"),
	     *line = itr_xasprintf("%s\n", description);
	int rc = 0;
	if (itr_path_exists(marker)) {
		rc = claimed(marker, description, err);
		if (rc == 0)
			rc = force ? 0 : -1;
	} else if (itr_path_exists(manifest) && !force) {
		rc = itr_err_set(err, "'%s' is there already and nothing says what it lists; name another folder with -o, or --force",
		                 manifest);
	}
	if (rc == 0)
		rc = itr_path_mkdirs(dir, err) < 0 || itr_atomic_write(marker, line, strlen(line), err) < 0 ? -1 : 0;
	free(marker);
	free(manifest);
	free(line);
	return rc;
}

int itr_split_parse(double f[3], const char *text, itr_err *err)
{
	const char *s = text;
	for (int i = 0; i < 3; i++) {
		char *end;
		f[i] = strtod(s, &end);
		if (end == s || (i < 2 ? *end != '/' && *end != ',' : *end != 0) || !(f[i] >= 0 && f[i] <= 1))
			return itr_err_set(err, "split sizes '%s' are not of the form 0.6/0.2/0.2 (train/val/test)", text);
		s = end + 1;
	}
	double sum = f[0] + f[1] + f[2];
	if (sum < 1 - 1e-6 || sum > 1 + 1e-6)
		return itr_err_set(err, "split sizes '%s' do not sum to 1", text);
	return 0;
}

static const char **all_ids(const itr_manifest *m)
{
	const char **ids = itr_xmalloc((size_t)ITR_MAX(m->n, 1) * sizeof *ids);
	for (int64_t i = 0; i < m->n; i++)
		ids[i] = m->records[i].id;
	return ids;
}

/* Who belongs together by a rule that keeps pictures whole; NULL for ITR_SPLIT_BY_IMAGE, and with err. */
static itr_groups *groups_of(const itr_manifest *m, const char *const *ids, const itr_split_rule *rule, int near, itr_err *err)
{
	if (rule->by == ITR_SPLIT_BY_IMAGE)
		return NULL;
	itr_groups *g = itr_groups_new(m->n);
	bool any = rule->by != ITR_SPLIT_BY_LABEL;
	for (int64_t i = 0; i < m->n && !any; i++)
		any = m->records[i].n_labels > 0;
	if (!any)
		itr_err_set(err,
		            "there are no labels to split by: COCO's lie in instances_SUBSET.json, a sidecar folder's are its subfolders");
	else if (rule->by == ITR_SPLIT_BY_NEAR)
		itr_near_join(m, near, g);
	for (int64_t i = 0; rule->by == ITR_SPLIT_BY_LABEL && i < m->n; i++)
		for (int64_t k = 0; k < m->records[i].n_labels; k++)
			itr_groups_tag(g, i, m->records[i].labels[k]);
	if (any && (rule->by != ITR_SPLIT_BY_GROUP || itr_groups_read(g, rule->file, ids, m->n, err) == 0))
		return g;
	itr_groups_free(g);
	return NULL;
}

static int split_by_image(itr_manifest *m, const double fractions[3], uint64_t seed, const itr_split_rule *rule, int near, itr_err *err)
{
	const char **ids = all_ids(m);
	itr_split *part = itr_xmalloc((size_t)ITR_MAX(m->n, 1) * sizeof *part);
	itr_groups *g = groups_of(m, ids, rule, near, err);
	int rc = rule->by == ITR_SPLIT_BY_IMAGE ? itr_split_assign(part, ids, m->n, fractions, seed, err)
	         : g                            ? itr_split_assign_groups(part, ids, m->n, g, fractions, seed, err)
	                                        : -1;
	for (int64_t i = 0; rc == 0 && i < m->n; i++)
		m->records[i].split = itr_split_names[part[i]];
	itr_groups_free(g);
	free(part);
	free(ids);
	return rc;
}

/* The records of `m` again, each cut into one record a part. */
static void deal_out(itr_manifest *m, const itr_split *part)
{
	itr_record *old = m->records;
	int64_t n = m->n, first = 0;
	m->records = NULL;
	m->n = m->n_captions = 0;
	for (int64_t i = 0; i < n; first += old[i].n_captions, i++)
		for (int p = ITR_TRAIN; p <= ITR_TEST; p++) {
			itr_record *r = NULL;
			for (int64_t k = 0; k < old[i].n_captions; k++) {
				if (part[first + k] != (itr_split)p)
					continue;
				if (!r) {
					char *id = itr_xasprintf("%s:%s", old[i].id, itr_split_names[p]);
					r = itr_manifest_add(m, id, old[i].image);
					const char *own = r->id;
					*r = old[i];
					r->id = own;
					r->split = itr_split_names[p];
					r->captions = NULL;
					r->n_captions = 0;
					free(id);
				}
				itr_record_add_caption(m, r, old[i].captions[k].id, old[i].captions[k].text);
			}
		}
	free(old);
}

static int split_by_caption(itr_manifest *m, const double fractions[3], uint64_t seed, itr_err *err)
{
	int64_t n = 0;
	const char **ids = itr_xmalloc((size_t)ITR_MAX(m->n_captions, 1) * sizeof *ids);
	itr_split *part = itr_xmalloc((size_t)ITR_MAX(m->n_captions, 1) * sizeof *part);
	for (int64_t i = 0; i < m->n; i++)
		for (int64_t k = 0; k < m->records[i].n_captions; k++)
			ids[n++] = m->records[i].captions[k].id;
	int rc = itr_split_assign(part, ids, n, fractions, seed, err);
	if (rc == 0)
		deal_out(m, part);
	free(part);
	free(ids);
	return rc;
}

int itr_dataset_split(itr_manifest *m, const double fractions[3], uint64_t seed, const itr_split_rule *rule, int near, itr_err *err)
{
	for (int64_t i = 0; i < m->n; i++)
		if (m->records[i].split) {      /* an official split wins */
			if (rule->by != ITR_SPLIT_BY_IMAGE)
				itr_warn("the data set has a split of its own, which stays: '--split-by %s' is not applied",
				         itr_split_by_names[rule->by]);
			return 0;
		}
	if (fractions[0] + fractions[1] + fractions[2] == 0)
		return 0;               /* --split-sizes none */
	return rule->by == ITR_SPLIT_BY_CAPTION ? split_by_caption(m, fractions, seed, err)
	                                        : split_by_image(m, fractions, seed, rule, near, err);
}

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

void itr_dataset_limit(itr_manifest *m, int64_t limit, uint64_t seed)
{
	if (limit <= 0 || limit >= m->n)
		return;
	const char **ids = all_ids(m), **kept = itr_xmalloc((size_t)limit * sizeof *kept);
	int64_t *p = itr_xmalloc((size_t)m->n * sizeof *p), out = 0;
	itr_rng r;
	qsort(ids, (size_t)m->n, sizeof *ids, by_text);
	itr_rng_init(&r, (uint64_t[]){ seed, LIMIT_STREAM }, 2);
	itr_rng_permutation(&r, m->n, p);
	for (int64_t i = 0; i < limit; i++)
		kept[i] = ids[p[i]];
	qsort(kept, (size_t)limit, sizeof *kept, by_text);
	m->n_captions = 0;
	for (int64_t i = 0; i < m->n; i++)
		if (bsearch(&m->records[i].id, kept, (size_t)limit, sizeof *kept, by_text)) {
			m->records[out] = m->records[i];
			m->n_captions += m->records[out++].n_captions;
		}
	m->n = out;
	free(ids);
	free(kept);
	free(p);
}

int64_t itr_dataset_count(const itr_manifest *m, const char *split)
{
	int64_t n = 0;
	for (int64_t i = 0; i < m->n; i++)
		n += m->records[i].split && !strcmp(m->records[i].split, split);
	return n;
}

char *itr_dataset_relative(const char *dir, const char *path)
{
	char *from = realpath(dir, NULL), *to = realpath(path, NULL);
	if (!from || !to) {
		free(from);
		free(to);
		return itr_path_absolute(path);
	}
	size_t same = 0;        /* length of the common folders, the slash included */
	for (size_t i = 0; from[i] && from[i] == to[i]; i++)
		if (from[i] == '/')
			same = i + 1;
	size_t n = strlen(from);
	if (!strncmp(from, to, n) && to[n] == '/')
		same = n + 1;
	itr_buf b = ITR_BUF_INIT;
	if (same <= 1) {
		itr_buf_puts(&b, to);
	} else {
		if (same <= n)
			for (const char *s = from + same - 1; s; s = strchr(s + 1, '/'))
				itr_buf_puts(&b, "../");
		itr_buf_puts(&b, to + same);
	}
	free(from);
	free(to);
	return itr_buf_detach(&b);
}

static int64_t count_train(const itr_manifest *m) { return itr_dataset_count(m, "train") + itr_dataset_count(m, "restval"); }

/* The reasons, as they were counted: a data set without pictures is never said to list none when they were left out. */
static int nothing_left(const itr_issues *f, const char *problems, const char *hint, itr_err *err)
{
	char *reasons = itr_issues_summary(f);
	const bool missing = itr_issues_count(f, "picture missing") + itr_issues_count(f, "picture damaged") > 0 || !reasons[0];
	char *listed = reasons[0] ? itr_xasprintf(": %.1000s; all of them are listed in '%s'", reasons, problems) : itr_xstrdup("");
	itr_err_set(err, "no picture is left%s%s%s", listed, missing ? "; " : "", missing ? hint : "");
	free(listed);
	free(reasons);
	return -1;
}

int itr_dataset_write(const itr_manifest *m, const char *dir, const itr_issues *f, const char *hint, const itr_provenance *p, FILE *echo,
                      itr_err *err)
{
	char *manifest = itr_path_join(dir, "manifest.jsonl"), *problems = itr_path_join(dir, "problems.json");
	itr_issues_warn(f);
	int rc = itr_issues_write(f, problems, err);
	if (rc == 0 && itr_issues_count(f, NULL))
		itr_info("all of them are listed in '%s'", problems);
	if (rc == 0 && m->n == 0)
		rc = nothing_left(f, problems, hint, err);
	if (rc == 0)
		rc = itr_manifest_write(m, manifest, p, echo, err);
	if (rc == 0)
		itr_info("%lld pictures, %lld captions (train %lld, val %lld, test %lld)%s -> %s", (long long)m->n,
		         (long long)m->n_captions, (long long)count_train(m), (long long)itr_dataset_count(m, "val"),
		         (long long)itr_dataset_count(m, "test"), m->synthetic ? ", synthetic" : "", manifest);
	free(manifest);
	free(problems);
	return rc;
}

itr_json *itr_dataset_json(const itr_manifest *m, const itr_issues *f)
{
	itr_json *j = itr_json_object();
	itr_json_add_int(j, "images", m->n);
	itr_json_add_int(j, "captions", m->n_captions);
	itr_json *s = itr_json_add_object(j, "split");
	itr_json_add_int(s, "train", count_train(m));
	itr_json_add_int(s, "val", itr_dataset_count(m, "val"));
	itr_json_add_int(s, "test", itr_dataset_count(m, "test"));
	itr_json_add_bool(j, "synthetic", m->synthetic);
	itr_json_add(j, "problems", itr_issues_json(f));
	return j;
}
