#include "data/embeddings.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/path.h"
#include "data/ground_truth.h"
#include "tensor/rows.h"

#define ITR_EMBEDDINGS(name) extern const itr_embeddings_reader itr_embeddings_##name;
#include "data/embeddings.def"
#undef ITR_EMBEDDINGS

const itr_embeddings_reader *const itr_embeddings_readers[] = {
#define ITR_EMBEDDINGS(name) &itr_embeddings_##name,
#include "data/embeddings.def"
#undef ITR_EMBEDDINGS
	NULL
};

/* --- the table ------------------------------------------------------------------------------------------------------------------------ */

static char **numbers(int64_t n)
{
	char **ids = itr_xcalloc((size_t)n + 1, sizeof *ids);
	for (int64_t i = 0; i < n; i++)
		ids[i] = itr_xasprintf("%lld", (long long)i);
	return ids;
}

static int check_ids(const itr_row_table *t, itr_modality m, itr_err *err)
{
	itr_map *seen = itr_map_new();
	int rc = 0;
	for (int64_t i = 0; i < t->n[m] && rc == 0; i++)
		if (!itr_map_add(seen, t->id[m][i], i))
			rc = itr_err_set(err, "'%s': %s id '%s' stands at rows %lld and %lld", t->name, itr_modality_names[m], t->id[m][i],
			                 (long long)itr_map_get(seen, t->id[m][i], 0), (long long)i);
	itr_map_free(seen);
	return rc;
}

static int finish_table(itr_embeddings *e, itr_err *err)
{
	itr_row_table *t = &e->table;
	t->numbered = !t->id[ITR_TEXT] || !t->id[ITR_IMAGE];
	for (int m = 0; m < 2; m++) {
		if (t->n[m] > INT32_MAX)
			return itr_err_set(err, "'%s' has more than 2^31 rows", t->name);
		if (!t->id[m] && t->n[m])
			t->id[m] = numbers(t->n[m]);
		if (check_ids(t, (itr_modality)m, err) < 0)
			return -1;
	}
	if (e->opts.provenance && t->synthetic)
		itr_provenance_set_synthetic(e->opts.provenance);
	if (t->text_image || !t->n[ITR_IMAGE])
		return 0;
	return e->opts.ground_truth ? itr_ground_truth_file(e, err) : itr_ground_truth_by_order(e, err);
}

int itr_embeddings_open_table(itr_embeddings *e, const char *path, const itr_embeddings_opts *o, itr_err *err)
{
	const itr_embeddings_reader *const *r = itr_embeddings_readers;
	*e = (itr_embeddings){ .opts = *o };
	e->table.name = itr_xstrdup(path ? path : o->vectors[ITR_TEXT] ? o->vectors[ITR_TEXT] : o->vectors[ITR_IMAGE]);
	while (r[1] && !(*r)->is(path, o))
		r++;
	e->reader = *r;
	if (path && o->provenance && !itr_path_is_dir(path))
		itr_provenance_input(o->provenance, path);
	if (e->reader->open(e, err) == 0 && finish_table(e, err) == 0)
		return 0;
	itr_embeddings_free(e);
	return -1;
}

/* --- the rows ------------------------------------------------------------------------------------------------------------------------- */

int itr_embeddings_check(itr_embeddings *e, itr_scaling scale, int threads, itr_err *err)
{
	for (int m = 0; m < 2; m++) {
		itr_embeddings_side *s = &e->side[m];
		const int64_t n = e->table.n[m];
		if (s->file && itr_embeddings_check_file(e, (itr_modality)m, scale, threads, err) < 0)
			return -1;
		if (!s->rows)
			continue;
		const itr_rows_check c = itr_rows_inspect(s->rows, n, s->dim, threads);
		if (c.bad_row >= 0)
			return itr_err_set(err, "'%s': %s row %lld of '%s' (id '%s') holds NaN or infinity", e->table.name,
			                   itr_modality_names[m], (long long)c.bad_row, s->array ? s->array : "the model",
			                   e->table.id[m][c.bad_row]);
		s->zero_rows = c.zero_rows;
		s->not_unit = c.not_unit - c.zero_rows;
		s->constant = c.constant;
		s->rescaled = scale == ITR_SCALE_UNIT || (scale == ITR_SCALE_UNIT_IF_NEEDED && s->not_unit);
		if (s->rescaled)
			(void)itr_rows_normalize(s->rows, n, s->dim, threads);
	}
	return 0;
}

static void close_file(itr_embeddings *e)
{
	if (e->file && e->reader->close)
		e->reader->close(e);
	e->file = NULL;
}

static bool wanted(const itr_embeddings_opts *o, int side) { return !o->sides || o->sides & 1U << side; }

int itr_embeddings_load(itr_embeddings *e, const itr_selection *s, itr_err *err)
{
	if (!s && itr_embeddings_stay(e, err) < 0)
		return -1;
	for (int m = 0; m < 2; m++) {
		itr_embeddings_side *side = &e->side[m];
		const int64_t *rows = s ? s->row[m] : NULL, n = s ? s->n[m] : e->table.n[m];
		if (side->dim && !side->file && wanted(&e->opts, m) && !(side->rows = e->reader->load(e, (itr_modality)m, rows, n, err)))
			return -1;
	}
	close_file(e);
	if (s) {
		itr_row_table whole = e->table;
		itr_row_table_part(&e->table, &whole, s);
		itr_row_table_free(&whole);
	}
	if (e->opts.ground_truth && !e->table.pair[ITR_TEXT] && e->table.n[ITR_IMAGE] && itr_ground_truth_file(e, err) < 0)
		return -1;
	return itr_embeddings_check(e, e->opts.scale, e->opts.threads, err);
}

int itr_embeddings_open(itr_embeddings *e, const char *path, const itr_embeddings_opts *o, itr_err *err)
{
	if (itr_embeddings_open_table(e, path, o, err) < 0)
		return -1;
	if (itr_embeddings_load(e, NULL, err) == 0)
		return 0;
	itr_embeddings_free(e);
	return -1;
}

void itr_embeddings_keep(float *x, int64_t dim, const int64_t *rows, int64_t n)
{
	for (int64_t i = 0; rows && i < n; i++)
		if (rows[i] != i)
			memcpy(x + i * dim, x + rows[i] * dim, (size_t)dim * sizeof *x);
}

float *itr_embeddings_rows(const itr_embeddings *e, itr_modality m, const int64_t *rows, int64_t n)
{
	const int64_t dim = e->side[m].dim;
	float *y = itr_aligned_alloc((size_t)(n * dim + 1) * sizeof *y);
	for (int64_t i = 0; i < n; i++)
		memcpy(y + i * dim, e->side[m].rows + rows[i] * dim, (size_t)dim * sizeof *y);
	return y;
}

void itr_embeddings_free(itr_embeddings *e)
{
	close_file(e);
	for (int m = 0; m < 2; m++) {
		itr_aligned_free(e->side[m].rows);
		itr_row_file_free(e->side[m].file);
		free(e->side[m].array);
		free(e->side[m].encoder);
		free(e->side[m].weights_sha256);
		free(e->side[m].preprocess);
	}
	itr_row_table_free(&e->table);
	memset(e, 0, sizeof *e);
}
