/* NPZ files of the translation competition (document 003): captions/embeddings [M,1024], images/embeddings [N,1536], captions/label or five
 * captions an image. A file of queries has no images. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "data/embeddings.h"
#include "io/h5.h"
#include "io/npz.h"

static float *read_matrix(itr_npz *z, const char *key, int64_t *n, int64_t *dim, itr_err *err)
{
	itr_array_info info;
	float *x = itr_npz_f32(z, key, &info, err);
	if (x && (info.rank != 2 || info.shape[0] < 1 || info.shape[1] < 1)) {
		itr_err_set(err, "'%s': '%s' is no matrix of rows", itr_npz_path(z), key);
		itr_aligned_free(x);
		return NULL;
	}
	if (x) {
		*n = info.shape[0];
		*dim = info.shape[1];
	}
	return x;
}

/* --- captions/label: indices, or one-hot rows ----------------------------------------------------------------------------------------- */

struct onehot {
	itr_row_table *table;
	const char *path;
};

static bool is_one(const void *data, itr_dtype t, int64_t i, bool *zero)
{
	float v;
	itr_to_f32(&v, (const char *)data + (size_t)i * itr_dtype_size(t), t, 1);
	*zero = v == 0;
	return v == 1;
}

/* One row: where its single 1 stands; -1 when there is none or more than one, or another value. Zero bytes are passed over eight at a time.
 */
static int64_t hot_index(const void *data, itr_dtype t, int64_t n)
{
	const size_t size = itr_dtype_size(t);
	const char *row = data;
	int64_t found = -1;
	for (int64_t i = 0; i < n;) {
		uint64_t word;
		bool zero;
		if ((size_t)(n - i) * size >= sizeof word) {
			memcpy(&word, row + (size_t)i * size, sizeof word);
			if (word == 0) {
				i += (int64_t)(sizeof word / size);
				continue;
			}
		}
		if (is_one(row, t, i, &zero)) {
			if (found >= 0)
				return -1;
			found = i;
		} else if (!zero) {
			return -1;
		}
		i++;
	}
	return found;
}

static int onehot_rows(void *ctx, int64_t first, int64_t rows, const void *data, const itr_array_info *info, itr_err *err)
{
	const struct onehot *o = ctx;
	const int64_t n = info->shape[1];
	for (int64_t r = 0; r < rows; r++) {
		int64_t at = hot_index((const char *)data + (size_t)(r * n) * itr_dtype_size(info->dtype), info->dtype, n);
		if (at < 0)
			return itr_err_set(err, "'%s': row %lld of 'captions/label' is not one-hot", o->path, (long long)(first + r));
		o->table->text_image[first + r] = at;
	}
	return 0;
}

static int read_labels(itr_row_table *t, itr_npz *z, itr_err *err)
{
	itr_array_info info;
	if (!itr_npz_has(z, "captions/label")) {
		if (t->n[ITR_TEXT] != 5 * t->n[ITR_IMAGE])
			return itr_err_set(err,
			                   "'%s' has %lld captions for %lld images and no 'captions/label': only five captions an image "
			                   "can be assumed",
			                   itr_npz_path(z), (long long)t->n[ITR_TEXT], (long long)t->n[ITR_IMAGE]);
		for (int64_t i = 0; i < t->n[ITR_TEXT]; i++)
			t->text_image[i] = i / 5;
		return 0;
	}
	if (itr_npz_info(z, "captions/label", &info, err) < 0)
		return -1;
	if (info.is_text || info.rank < 1 || info.rank > 2 || info.shape[0] != t->n[ITR_TEXT] ||
	    (info.rank == 2 && info.shape[1] != t->n[ITR_IMAGE]))
		return itr_err_set(err, "'%s': 'captions/label' fits neither as %lld image numbers nor as one-hot rows of %lld",
		                   itr_npz_path(z), (long long)t->n[ITR_TEXT], (long long)t->n[ITR_IMAGE]);
	if (info.rank == 2) {
		struct onehot o = { t, itr_npz_path(z) };
		return itr_npz_stream(z, "captions/label", 256, onehot_rows, &o, err);
	}
	int64_t *index = itr_npz_i64(z, "captions/label", &info, err);
	if (!index)
		return -1;
	memcpy(t->text_image, index, (size_t)t->n[ITR_TEXT] * sizeof *index);
	itr_aligned_free(index);
	for (int64_t i = 0; i < t->n[ITR_TEXT]; i++)
		if (t->text_image[i] < 0 || t->text_image[i] >= t->n[ITR_IMAGE])
			return itr_err_set(err, "'%s': caption %lld belongs to image %lld of %lld", itr_npz_path(z), (long long)i,
			                   (long long)t->text_image[i], (long long)t->n[ITR_IMAGE]);
	return 0;
}

static char **numbers(int64_t n)
{
	char **ids = itr_xmalloc((size_t)n * sizeof *ids);
	for (int64_t i = 0; i < n; i++)
		ids[i] = itr_xasprintf("%lld", (long long)i);
	return ids;
}

/* Ids as text; numbers become their digits; rows are numbered where the key is absent. */
static char **read_ids(itr_npz *z, const char *key, int64_t n, itr_err *err)
{
	itr_array_info info;
	char **ids = NULL;
	if (!itr_npz_has(z, key))
		return numbers(n);
	if (itr_npz_info(z, key, &info, err) < 0)
		return NULL;
	if (info.rank != 1 || info.count != n) {
		itr_err_set(err, "'%s': '%s' does not hold one id for each of %lld rows", itr_npz_path(z), key, (long long)n);
		return NULL;
	}
	if (info.is_text) {
		char **text = itr_npz_text(z, key, &info, err);
		if (!text)
			return NULL;
		ids = itr_xmalloc((size_t)n * sizeof *ids);
		for (int64_t i = 0; i < n; i++)
			ids[i] = itr_xstrdup(text[i]);
		itr_npz_free_text(text, n);
		return ids;
	}
	int64_t *v = itr_npz_i64(z, key, &info, err);
	if (!v)
		return NULL;
	ids = itr_xmalloc((size_t)n * sizeof *ids);
	for (int64_t i = 0; i < n; i++)
		ids[i] = itr_xasprintf("%lld", (long long)v[i]);
	itr_aligned_free(v);
	return ids;
}

static bool is(const char *path) { return !itr_h5_is(path); }

static int open_npz(itr_embeddings *e, const char *path, itr_err *err)
{
	itr_npz *z = itr_npz_open(path, err);
	itr_row_table *t = &e->table;
	itr_embeddings_side *text = &e->side[ITR_TEXT], *image = &e->side[ITR_IMAGE];
	int rc = -1;
	if (!z)
		return -1;
	const bool images = itr_npz_has(z, "images/embeddings") || !itr_npz_has(z, "captions/embeddings");
	t->synthetic = itr_npz_has(z, "itr_synthetic");
	if ((text->rows = read_matrix(z, "captions/embeddings", &t->n[ITR_TEXT], &text->dim, err)) &&
	    (!images || (image->rows = read_matrix(z, "images/embeddings", &t->n[ITR_IMAGE], &image->dim, err))) &&
	    (t->id[ITR_TEXT] = read_ids(z, "captions/ids", t->n[ITR_TEXT], err)) &&
	    (!images || (t->id[ITR_IMAGE] = read_ids(z, "images/names", t->n[ITR_IMAGE], err))))
		rc = 0;
	if (rc == 0 && images) {
		t->text_image = itr_xmalloc((size_t)t->n[ITR_TEXT] * sizeof *t->text_image);
		rc = read_labels(t, z, err);
	}
	itr_npz_close(z);
	return rc;
}

const itr_embeddings_reader itr_embeddings_competition = {
	.name = "competition",
	.summary = "NPZ of the translation competition: captions/embeddings, images/embeddings, captions/label",
	.is = is,
	.open = open_npz,
	.where = { "captions/embeddings", "images/embeddings" },
};
