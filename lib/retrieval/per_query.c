/* Per-query files: what a paired comparison needs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "io/npz.h"
#include "retrieval/evaluate.h"

static int put_i64(itr_npz_writer *w, const char *side, const char *name, const int64_t *x, int64_t n, itr_err *err)
{
	char key[64];
	snprintf(key, sizeof key, "%s_%s", side, name);
	return itr_npz_put(w, key, ITR_I64, 1, &n, x, err);
}

static int put_ids(itr_npz_writer *w, const char *side, const char *name, char **ids, const int64_t *row, int64_t n, itr_err *err)
{
	char key[64];
	const char **list = itr_xmalloc(((size_t)n + 1) * sizeof *list);
	snprintf(key, sizeof key, "%s_%s", side, name);
	for (int64_t i = 0; i < n; i++)
		list[i] = row[i] >= 0 ? ids[row[i]] : "";
	int rc = itr_npz_put_text(w, key, list, n, err);
	free(list);
	return rc;
}

static int put_side(itr_npz_writer *w, const char *side, const itr_eval_side *s, const itr_pairs *p, char **query_ids, itr_err *err)
{
	if (!s->values || s->values->n == 0)
		return 0;
	int64_t n = s->values->n, columns = s->values->columns;
	int64_t *group = itr_xmalloc(((size_t)n * 3 + 1) * sizeof *group);
	char key[64];
	for (int64_t i = 0; i < n; i++) {
		group[i] = s->best[i].above;
		group[n + i] = s->best[i].n;
		group[2 * n + i] = s->best[i].m;
	}
	snprintf(key, sizeof key, "%s_values", side);
	int rc = put_ids(w, side, "query_id", query_ids, s->values->query, n, err) < 0 || put_ids(w, side, "image_id", p->image_id, s->cluster, n, err) < 0 ||
	         put_i64(w, side, "g", group, n, err) < 0 || put_i64(w, side, "n", group + n, n, err) < 0 || put_i64(w, side, "m", group + 2 * n, n, err) < 0 ||
	         put_i64(w, side, "relevant", s->relevant, n, err) < 0 || put_i64(w, side, "pool", s->pool, n, err) < 0 ||
	         itr_npz_put(w, key, ITR_F64, 2, (int64_t[]){ n, columns }, s->values->value, err) < 0;
	free(group);
	return rc ? -1 : 0;
}

int itr_eval_write_queries(const itr_eval *e, const itr_pairs *p, const char *path, const itr_provenance *provenance, itr_err *err)
{
	itr_npz_writer *w = itr_npz_create(path, true, err);
	const char *keys[ITR_METRIC_MAX];
	if (!w)
		return -1;
	for (int i = 0; i < e->set.n; i++)
		keys[i] = e->set.m[i].key;
	char *text = provenance ? itr_provenance_text(provenance) : NULL;
	int rc = put_side(w, "t2i", &e->t2i, p, p->text_id, err) < 0 || put_side(w, "i2t", &e->i2t, p, p->image_id, err) < 0 ||
	         itr_npz_put_text(w, "metrics", keys, e->set.n, err) < 0 || itr_npz_put_string(w, "ties", itr_ties_names[e->ties], err) < 0 ||
	         itr_npz_put_string(w, "protocol", e->protocol, err) < 0 || (text && text[0] && itr_npz_put_string(w, "itr_provenance", text, err) < 0);
	free(text);
	if (!rc)
		return itr_npz_finish(w, err);
	itr_npz_abandon(w);
	return -1;
}

char *itr_eval_queries_path(const char *input, const itr_pairs *p, const char *protocol)
{
	static const char *const packaged[] = { "eccv:", "cxc:", "coco:" };
	char *plain = itr_xstrdup(protocol), *suffix, *path;
	const char *relevance = "";
	for (char *c = plain; *c; c++)
		*c = *c == ':' ? '-' : *c;
	for (int i = 0; i < ITR_LEN(packaged); i++)
		if (strncmp(p->relevance, packaged[i], strlen(packaged[i])) == 0)
			relevance = packaged[i];
	bool full = strcmp(protocol, "full") == 0;
	suffix = itr_xasprintf(".dim%lld%s%s%s%.*s.per_query.npz", (long long)p->dim, full ? "" : ".", full ? "" : plain, relevance[0] ? "." : "",
	                       (int)strcspn(relevance, ":"), relevance);
	path = itr_path_is_dir(input) ? itr_path_join(input, suffix + 1) : itr_path_replace_extension(input, suffix);
	free(plain);
	free(suffix);
	return path;
}
