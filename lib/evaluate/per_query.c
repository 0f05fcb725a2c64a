/* Per-query files: what a paired comparison needs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/vec.h"
#include "io/npz.h"
#include "evaluate/evaluate.h"

/* --- what such a file holds: made once, then written, or compared with a file that is there ------------------------------------------- */

struct member {
	char key[64];
	itr_dtype type;                 /* of data */
	int rank;
	int64_t shape[2];
	void *data;
	const char **text;              /* instead of data: shape[0] strings that are borrowed */
};

typedef ITR_VEC(struct member) members;

static struct member *add(members *m, const char *side, const char *name, int64_t n)
{
	struct member one = { .rank = 1, .shape = { n, 1 } };
	snprintf(one.key, sizeof one.key, "%s%s%s", side, side[0] ? "_" : "", name);
	ITR_VEC_PUSH(m, one);
	return &m->v[m->n - 1];
}

static void add_array(members *m, const char *side, const char *name, itr_dtype type, int64_t rows, int64_t columns, const void *x)
{
	struct member *one = add(m, side, name, rows);
	size_t bytes = (size_t)(rows * ITR_MAX(columns, 1)) * itr_dtype_size(type);
	one->type = type;
	one->rank = columns ? 2 : 1;
	one->shape[1] = columns;
	one->data = itr_xmalloc(bytes + 1);
	memcpy(one->data, x, bytes);
}

static const char **add_texts(members *m, const char *side, const char *name, int64_t n)
{
	struct member *one = add(m, side, name, n);
	return one->text = itr_xcalloc((size_t)n + 1, sizeof *one->text);
}

static void add_side(members *m, const itr_eval *e, itr_modality asks)
{
	const itr_eval_side *s = &e->side[asks];
	const char *side = itr_direction_names[asks];
	const itr_row_table *t = &e->data->table;
	if (!s->values || s->values->n == 0)
		return;
	int64_t n = s->values->n, rows = t->n[asks];
	const char **query = add_texts(m, side, "query_id", n), **image = add_texts(m, side, "image_id", n);
	int64_t *group = itr_xmalloc(((size_t)n * 3 + 1) * sizeof *group);
	for (int64_t i = 0; i < n; i++) {
		int64_t q = s->values->query[i];
		query[i] = q >= rows ? e->qrels->absent_id[asks][q - rows] : t->id[asks][q];
		image[i] = s->cluster[i] >= 0 ? t->id[ITR_IMAGE][s->cluster[i]] : "";
		group[i] = s->best[i].above;
		group[n + i] = s->best[i].n;
		group[2 * n + i] = s->best[i].m;
	}
	add_array(m, side, "g", ITR_I64, n, 0, group);
	add_array(m, side, "n", ITR_I64, n, 0, group + n);
	add_array(m, side, "m", ITR_I64, n, 0, group + 2 * n);
	add_array(m, side, "relevant", ITR_I64, n, 0, s->relevant);
	add_array(m, side, "pool", ITR_I64, n, 0, s->pool);
	add_array(m, side, "values", ITR_F64, n, s->values->columns, s->values->value);
	free(group);
}

/* options: of the metrics, as text; NULL: they have none. */
static void make_members(members *m, const itr_eval *e, const char *options)
{
	for (int d = 0; d < 2; d++)
		add_side(m, e, (itr_modality)d);
	const char **keys = add_texts(m, "", "metrics", e->set.n);
	for (int i = 0; i < e->set.n; i++)
		keys[i] = e->set.m[i].key;
	*add_texts(m, "", "ties", 1) = itr_ties_text(e->ties, e->rules.conventions);
	*add_texts(m, "", "protocol", 1) = e->protocol;
	if (options)
		*add_texts(m, "", "metric_options", 1) = options;
}

static void free_members(members *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->v[i].data);
		free(m->v[i].text);
	}
	ITR_VEC_FREE(m);
}

/* The metrics' options as text, or NULL. The caller frees. */
static char *options_text(const itr_eval *e)
{
	itr_json *j = itr_metric_options_json(&e->set);
	itr_buf b = ITR_BUF_INIT;
	if (j)
		itr_json_print(&b, j, false);
	itr_json_free(j);
	char *text = b.len ? itr_xstrdup(b.data) : NULL;
	itr_buf_free(&b);
	return text;
}

/* --- writing -------------------------------------------------------------------------------------------------------------------------- */

static bool is_string(const struct member *m)
{
	return strcmp(m->key, "ties") == 0 || strcmp(m->key, "protocol") == 0 || strcmp(m->key, "metric_options") == 0;
}

static int put(itr_npz_writer *w, const struct member *m, itr_err *err)
{
	if (is_string(m))
		return itr_npz_put_string(w, m->key, m->text[0], err);
	if (m->text)
		return itr_npz_put_text(w, m->key, m->text, m->shape[0], err);
	return itr_npz_put(w, m->key, m->type, m->rank, m->shape, m->data, err);
}

int itr_eval_write_queries(const itr_eval *e, const char *path, const itr_provenance *provenance, itr_err *err)
{
	members m = ITR_VEC_INIT;
	itr_npz_writer *w = itr_npz_create(path, true, err);
	int rc = 0;
	if (!w)
		return -1;
	char *options = options_text(e);
	make_members(&m, e, options);
	for (size_t i = 0; i < m.n && rc == 0; i++)
		rc = put(w, &m.v[i], err);
	char *text = provenance ? itr_provenance_text(provenance) : NULL;
	if (rc == 0 && text && text[0])
		rc = itr_npz_put_string(w, "itr_provenance", text, err);
	free(text);
	free_members(&m);
	free(options);
	if (!rc)
		return itr_npz_finish(w, err);
	itr_npz_abandon(w);
	return -1;
}

/* --- is it the file that is there? ---------------------------------------------------------------------------------------------------- */

static bool same_member(itr_npz *z, const struct member *m)
{
	itr_err ignored = ITR_ERR_INIT;
	itr_array_info info;
	bool same;
	if (!itr_npz_has(z, m->key))
		return false;
	if (m->text) {
		char **text = itr_npz_text(z, m->key, &info, &ignored);
		same = text && info.count == m->shape[0];
		for (int64_t i = 0; same && i < info.count; i++)
			same = strcmp(text[i], m->text[i]) == 0;
		if (text)
			itr_npz_free_text(text, info.count);
		return same;
	}
	void *x = m->type == ITR_F64 ? (void *)itr_npz_f64(z, m->key, &info, &ignored) : (void *)itr_npz_i64(z, m->key, &info, &ignored);
	same = x && info.rank == m->rank && info.shape[0] == m->shape[0] && (m->rank == 1 || info.shape[1] == m->shape[1]) &&
	       memcmp(x, m->data, (size_t)info.count * itr_dtype_size(m->type)) == 0;
	itr_aligned_free(x);
	return same;
}

/* Were both made from inputs of the same bytes, in the same order? Where one of them does not tell: yes. */
static bool same_inputs(itr_npz *z, const itr_provenance *provenance)
{
	itr_err ignored = ITR_ERR_INIT;
	itr_array_info info;
	itr_json *ours = itr_provenance_json(provenance), *theirs = NULL;
	char **text = ours && itr_npz_has(z, "itr_provenance") ? itr_npz_text(z, "itr_provenance", &info, &ignored) : NULL;
	if (text && info.count == 1)
		theirs = itr_json_parse(text[0], strlen(text[0]), "itr_provenance", &ignored);
	if (text)
		itr_npz_free_text(text, info.count);
	bool same = true;
	if (theirs) {
		const itr_json *a = itr_json_first(itr_json_get(ours, "inputs")), *b = itr_json_first(itr_json_get(theirs, "inputs"));
		for (; a && b && same; a = itr_json_next(a), b = itr_json_next(b))
			same = strcmp(itr_json_str(itr_json_get(a, "sha256"), ""), itr_json_str(itr_json_get(b, "sha256"), "")) == 0;
		same &= !a && !b;
	}
	itr_json_free(ours);
	itr_json_free(theirs);
	return same;
}

bool itr_eval_same_queries(const itr_eval *e, const char *path, const itr_provenance *provenance)
{
	itr_err ignored = ITR_ERR_INIT;
	members m = ITR_VEC_INIT;
	itr_npz *z = itr_npz_open(path, &ignored);
	if (!z)
		return false;
	char *options = options_text(e);
	make_members(&m, e, options);
	bool same = itr_npz_count(z) == (int64_t)m.n + itr_npz_has(z, "itr_provenance") && same_inputs(z, provenance);
	for (size_t i = 0; i < m.n && same; i++)
		same = same_member(z, &m.v[i]);
	free_members(&m);
	free(options);
	itr_npz_close(z);
	return same;
}
