/* The labels of a store as lists: /label/start and /label/index, or the matrix of 0 and 1 that older stores have. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/vec.h"
#include "data/features.h"

enum { BLOCK_BYTES = 4 << 20 };

/* A vector of integers, `want` of them (-1: any number); the caller frees. */
static int64_t *integers(const itr_features *f, const char *path, int64_t want, int64_t *n, itr_err *err)
{
	itr_h5_info info;
	if (itr_h5_info_of(f->h5, path, &info, err) < 0)
		return NULL;
	if (info.is_text || info.rank != 1 || (want >= 0 && info.count != want)) {
		itr_err_set(err, "'%s': %s does not hold one number for each label or image and one more", f->path, path);
		return NULL;
	}
	int64_t *v = itr_h5_read(f->h5, path, ITR_I64, NULL, err), *copy = NULL;
	if (v) {
		copy = itr_xmalloc(((size_t)info.count + 1) * sizeof *copy);
		memcpy(copy, v, (size_t)info.count * sizeof *copy);
		*n = info.count;
	}
	itr_aligned_free(v);
	return copy;
}

/* Every image's list begins where the last one ended, and names labels in ascending order. */
static int check_lists(const itr_features *f, int64_t entries, itr_err *err)
{
	const itr_row_table *t = &f->table;
	const int64_t n = t->n[ITR_IMAGE], *start = t->label_start;
	for (int64_t i = 0; i < n; i++)
		if (start[i + 1] < start[i] || start[i + 1] > entries)
			return itr_err_set(err, "'%s': /label/start goes from %lld to %lld at image '%s', of %lld entries", f->path,
			                   (long long)start[i], (long long)start[i + 1], t->id[ITR_IMAGE][i], (long long)entries);
	if (start[0] != 0 || start[n] != entries)
		return itr_err_set(err, "'%s': /label/start goes from %lld to %lld, not from 0 to the %lld entries of /label/index",
		                   f->path, (long long)start[0], (long long)start[n], (long long)entries);
	for (int64_t i = 0; i < n; i++)
		for (int64_t k = start[i]; k < start[i + 1]; k++)
			if (t->label[k] < 0 || t->label[k] >= t->n_labels || (k > start[i] && t->label[k] <= t->label[k - 1]))
				return itr_err_set(err, "'%s': image '%s' has label %lld of %lld, or not in ascending order", f->path,
				                   t->id[ITR_IMAGE][i], (long long)t->label[k], (long long)t->n_labels);
	return 0;
}

static int read_lists(itr_features *f, itr_err *err)
{
	itr_row_table *t = &f->table;
	int64_t n, entries;
	if (!(t->label_start = integers(f, "/label/start", t->n[ITR_IMAGE] + 1, &n, err)) ||
	    !(t->label = integers(f, "/label/index", -1, &entries, err)))
		return -1;
	return check_lists(f, entries, err);
}

/* A block of rows at a time: the whole matrix may be gigabytes. */
static int read_matrix(itr_features *f, itr_err *err)
{
	itr_row_table *t = &f->table;
	const int64_t n = t->n[ITR_IMAGE], k = t->n_labels, most = ITR_MAX(1, BLOCK_BYTES / ITR_MAX(k, 1));
	itr_h5_info info;
	ITR_VEC(int64_t) list = ITR_VEC_INIT;
	if (itr_h5_info_of(f->h5, "/label/matrix", &info, err) < 0)
		return -1;
	if (info.is_text || info.rank != 2 || info.shape[0] != n || info.shape[1] != k)
		return itr_err_set(err, "'%s': /label/matrix is not %lld x %lld", f->path, (long long)n, (long long)k);
	uint8_t *block = itr_xmalloc((size_t)(ITR_MIN(most, n) * k) + 1);
	int rc = 0;
	t->label_start = itr_xcalloc((size_t)n + 1, sizeof *t->label_start);
	for (int64_t first = 0; first < n && rc == 0; first += most) {
		const int64_t rows = ITR_MIN(most, n - first);
		rc = itr_h5_read_rows(f->h5, "/label/matrix", ITR_U8, first, rows, block, err);
		for (int64_t r = 0; r < rows && rc == 0; r++) {
			for (int64_t c = 0; c < k; c++)
				if (block[r * k + c])
					ITR_VEC_PUSH(&list, c);
			t->label_start[first + r + 1] = (int64_t)list.n;
		}
	}
	free(block);
	ITR_VEC_RESERVE(&list, 1);
	t->label = list.v;
	return rc;
}

int itr_features_labels(itr_features *f, itr_err *err)
{
	itr_row_table *t = &f->table;
	if (t->label_start || !itr_h5_has(f->h5, "/label/name"))
		return 0;
	if (!(t->label_name = itr_h5_read_texts(f->h5, "/label/name", &t->n_labels, err))) {
		t->n_labels = 0;
		return -1;
	}
	return itr_h5_has(f->h5, "/label/start") ? read_lists(f, err) : read_matrix(f, err);
}

int itr_features_read_labels(itr_row_table *t, itr_err *err)
{
	itr_features *f = itr_features_open_rows(t->name, err);
	int rc = f ? itr_features_labels(f, err) : -1;
	if (rc == 0 && f->table.n[ITR_IMAGE] != t->n[ITR_IMAGE])
		rc = itr_err_set(err, "'%s' has changed while it was in use", t->name);
	if (rc == 0) {
		t->n_labels = f->table.n_labels;
		t->label_start = f->table.label_start;
		t->label = f->table.label;
		t->label_name = f->table.label_name;
		f->table.n_labels = 0;
		f->table.label_start = f->table.label = NULL;
		f->table.label_name = NULL;
	}
	itr_features_close(f);
	return rc;
}
