#include "data/embeddings.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
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

static int check_rows(itr_embeddings *e, itr_modality m, const itr_embeddings_reader *r, int threads, itr_err *err)
{
	itr_embeddings_side *s = &e->side[m];
	const itr_rows_check c = itr_rows_inspect(s->rows, e->table.n[m], s->dim, threads);
	if (c.bad_row >= 0)
		return itr_err_set(err, "'%s': row %lld of '%s' holds NaN or infinity", e->table.name, (long long)c.bad_row, r->where[m]);
	s->zero_rows = itr_rows_normalize(s->rows, e->table.n[m], s->dim, threads);
	return 0;
}

int itr_embeddings_open(itr_embeddings *e, const char *path, int threads, itr_err *err)
{
	const itr_embeddings_reader *const *r = itr_embeddings_readers;
	*e = (itr_embeddings){ .table.name = itr_xstrdup(path) };
	while (r[1] && !(*r)->is(path))
		r++;
	int rc = (*r)->open(e, path, err);
	for (int m = 0; m < 2 && rc == 0; m++)
		if (e->side[m].rows)
			rc = check_rows(e, (itr_modality)m, *r, threads, err);
	if (rc < 0)
		itr_embeddings_free(e);
	return rc;
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
	for (int m = 0; m < 2; m++) {
		itr_aligned_free(e->side[m].rows);
		free(e->side[m].encoder);
		free(e->side[m].weights_sha256);
		free(e->side[m].preprocess);
	}
	itr_row_table_free(&e->table);
	memset(e, 0, sizeof *e);
}
