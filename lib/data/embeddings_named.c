/* text_D and video_D of an NPZ or HDF5 file, one pair of arrays for each size D; ground_truth, text_ids and video_ids beside them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "data/ground_truth.h"

static int64_t dim_of_name(const char *name)
{
	char *end;
	if (strncmp(name, "text_", 5) != 0 || name[5] < '1' || name[5] > '9')
		return 0;
	long long d = strtoll(name + 5, &end, 10);
	return *end || d > INT32_MAX ? 0 : d;
}

static int by_size(const void *a, const void *b)
{
	return (*(const int64_t *)a > *(const int64_t *)b) - (*(const int64_t *)a < *(const int64_t *)b);
}

/* The sizes D of text_D, ascending; at most max. `both`: that have video_D too. */
static int sizes_of(const itr_arrays *a, bool both, int64_t *size, int max)
{
	char **names, image[48];
	int kept = 0;
	const int64_t n = itr_arrays_names(a, &names);
	for (int64_t i = 0; i < n; i++) {
		const int64_t d = dim_of_name(names[i]);
		snprintf(image, sizeof image, "video_%lld", (long long)d);
		if (d && kept < max && (!both || itr_arrays_has(a, image)))
			size[kept++] = d;
		free(names[i]);
	}
	free(names);
	qsort(size, (size_t)kept, sizeof *size, by_size);
	return kept;
}

int itr_embeddings_sizes(const char *path, int64_t *size, int max)
{
	itr_err ignored = ITR_ERR_INIT;
	itr_arrays *a = itr_path_is_dir(path) ? NULL : itr_arrays_open(path, &ignored);
	const int n = a ? sizes_of(a, true, size, max) : 0;
	itr_arrays_close(a);
	return n;
}

static bool is(const char *path, const itr_embeddings_opts *o)
{
	(void)path, (void)o;
	return true;
}

static int open_named(itr_embeddings *e, itr_err *err)
{
	static const char *const prefix[2] = { "text", "video" }, *const ids[2] = { "text_ids", "video_ids" };
	enum { SIZES = 256 };
	int64_t size[SIZES];
	itr_row_table *t = &e->table;
	itr_arrays *a = itr_arrays_open(t->name, err);
	if (!a)
		return -1;
	e->file = a;
	const int n = sizes_of(a, false, size, SIZES);
	const int64_t dim = e->opts.dim ? e->opts.dim : n ? size[n - 1] : 0;
	if (!n)
		return itr_err_set(err, "'%s' has no text_D and video_D arrays (nor captions/embeddings)", t->name);
	for (int m = 0; m < 2; m++) {
		itr_embeddings_side *s = &e->side[m];
		s->array = itr_xasprintf("%s_%lld", prefix[m], (long long)dim);
		if (itr_arrays_shape(a, s->array, &t->n[m], &s->dim, err) < 0)
			return -1;
	}
	for (int m = 0; m < 2; m++)
		if (itr_arrays_has(a, ids[m]) && !(t->id[m] = itr_arrays_ids(a, ids[m], t->n[m], err)))
			return -1;
	t->synthetic = itr_arrays_synthetic(a);
	return itr_arrays_has(a, "ground_truth") ? itr_ground_truth_array(e, a, "ground_truth", false, err) : 0;
}

static float *load(itr_embeddings *e, itr_modality m, const int64_t *rows, int64_t n, itr_err *err)
{
	int64_t all, dim;
	float *x = itr_arrays_matrix(e->file, e->side[m].array, &all, &dim, err);
	if (x)
		itr_embeddings_keep(x, dim, rows, n);
	return x;
}

static void close_file(itr_embeddings *e) { itr_arrays_close(e->file); }

const itr_embeddings_reader itr_embeddings_named = {
	.name = "named",
	.summary = "NPZ or HDF5: text_D and video_D of each size D, ground_truth, text_ids, video_ids",
	.is = is,
	.open = open_named,
	.load = load,
	.close = close_file,
};
