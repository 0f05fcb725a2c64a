/* Folders of clip-retrieval: text_emb/text_emb_0.npy, _1, ... and img_emb/img_emb_0.npy, ..., the parts of a side one below the other. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "data/arrays.h"
#include "data/embeddings.h"

static const char *const kinds[2] = { "text_emb", "img_emb" };

static bool is(const char *path, const itr_embeddings_opts *o)
{
	(void)o;
	return path && itr_path_is_dir(path);
}

static char *part_path(const char *dir, itr_modality m, int part)
{
	return itr_xasprintf("%s/%s/%s_%d.npy", dir, kinds[m], kinds[m], part);
}

/* Rows of all parts of a side together, by their headers. The first part must be there. */
static int measure(itr_embeddings *e, itr_modality m, itr_err *err)
{
	int64_t *rows = &e->table.n[m], *dim = &e->side[m].dim;
	for (int part = 0;; part++) {
		char *path = part_path(e->table.name, m, part);
		int64_t n, d;
		if (part && !itr_path_exists(path)) {
			free(path);
			return 0;
		}
		itr_arrays *a = itr_arrays_open(path, err);
		int rc = a ? itr_arrays_shape(a, "", &n, &d, err) : -1;
		itr_arrays_close(a);
		if (rc == 0 && part && d != *dim)
			rc = itr_err_set(err, "'%s' has rows of %lld dimensions, the parts before it %lld", path, (long long)d,
			                 (long long)*dim);
		if (rc == 0 && e->opts.provenance)
			itr_provenance_input(e->opts.provenance, path);
		free(path);
		if (rc < 0)
			return -1;
		*rows += n;
		*dim = d;
	}
}

static int open_folder(itr_embeddings *e, itr_err *err)
{
	for (int m = 0; m < 2; m++) {
		e->side[m].array = itr_xstrdup(kinds[m]);
		if (measure(e, (itr_modality)m, err) < 0)
			return -1;
	}
	return 0;
}

static float *load(itr_embeddings *e, itr_modality m, const int64_t *rows, int64_t n, itr_err *err)
{
	const int64_t total = e->table.n[m], dim = e->side[m].dim;
	size_t bytes;
	if (itr_size_mul((size_t)total, (size_t)dim * sizeof(float), &bytes) < 0) {
		itr_err_set(err, "'%s/%s' is too large", e->table.name, kinds[m]);
		return NULL;
	}
	float *all = NULL;
	for (int64_t part = 0, at = 0; at < total; part++) {
		int64_t count = 0, d = 0;
		char *path = part_path(e->table.name, m, (int)part);
		itr_arrays *a = itr_arrays_open(path, err);
		float *x = a ? itr_arrays_matrix(a, "", &count, &d, err) : NULL;
		itr_arrays_close(a);
		const bool changed = x && (d != dim || count > total - at);
		if (changed)
			itr_err_set(err, "'%s' has changed while it was read", path);
		free(path);
		if (x && !changed && count == total) {           /* one part: nothing is to be copied */
			all = x;
		} else if (x && !changed) {
			all = all ? all : itr_aligned_alloc(bytes + 1);
			memcpy(all + at * dim, x, (size_t)(count * dim) * sizeof *all);
		}
		if (x != all)
			itr_aligned_free(x);
		if (!x || changed) {
			itr_aligned_free(all);
			return NULL;
		}
		at += count;
	}
	itr_embeddings_keep(all, dim, rows, n);
	return all;
}

const itr_embeddings_reader itr_embeddings_clip_retrieval = {
	.name = "clip-retrieval",
	.summary = "folder of clip-retrieval: text_emb/text_emb_*.npy and img_emb/img_emb_*.npy",
	.is = is,
	.open = open_folder,
	.load = load,
};
