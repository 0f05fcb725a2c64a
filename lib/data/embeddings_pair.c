/* Own vectors, a file for each side (opts.vectors): a .npy matrix, or what {predict} writes: ids and embeddings in an NPZ or HDF5 file. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "data/arrays.h"
#include "data/embeddings.h"

static bool is(const char *path, const itr_embeddings_opts *o)
{
	(void)path;
	return o->vectors[ITR_TEXT] || o->vectors[ITR_IMAGE];
}

static const char *array_of(const itr_arrays *a) { return itr_arrays_has(a, "") ? "" : "embeddings"; }

static int open_pair(itr_embeddings *e, itr_err *err)
{
	itr_row_table *t = &e->table;
	int rc = 0;
	for (int m = 0; m < 2 && rc == 0; m++) {
		const char *path = e->opts.vectors[m];
		itr_embeddings_side *s = &e->side[m];
		itr_arrays *a = path ? itr_arrays_open(path, err) : NULL;
		if (!path)
			continue;
		s->array = itr_xstrdup(path);
		rc = a ? itr_arrays_shape(a, array_of(a), &t->n[m], &s->dim, err) : -1;
		if (rc == 0 && itr_arrays_has(a, "ids"))
			rc = (t->id[m] = itr_arrays_ids(a, "ids", t->n[m], err)) ? 0 : -1;
		if (rc == 0)
			t->synthetic |= itr_arrays_synthetic(a);
		itr_arrays_close(a);
	}
	for (int m = 0; m < 2 && rc == 0; m++)
		if (e->opts.provenance && e->opts.vectors[m])
			itr_provenance_input(e->opts.provenance, e->opts.vectors[m]);
	return rc;
}

static float *load(itr_embeddings *e, itr_modality m, const int64_t *rows, int64_t n, itr_err *err)
{
	int64_t all, dim;
	itr_arrays *a = itr_arrays_open(e->opts.vectors[m], err);
	float *x = a ? itr_arrays_matrix(a, array_of(a), &all, &dim, err) : NULL;
	if (x && (all < n || dim != e->side[m].dim)) {
		itr_err_set(err, "'%s' has changed while it was read", e->opts.vectors[m]);
		itr_aligned_free(x);
		x = NULL;
	}
	itr_arrays_close(a);
	if (x)
		itr_embeddings_keep(x, dim, rows, n);
	return x;
}

const itr_embeddings_reader itr_embeddings_pair = {
	.name = "pair",
	.summary = "a file for the texts and one for the images: .npy, or what {predict} writes",
	.is = is,
	.open = open_pair,
	.load = load,
};
