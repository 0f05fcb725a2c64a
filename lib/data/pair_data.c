#include "data/pair_data.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "data/features.h"
#include "io/npz.h"
#include "tensor/rows.h"

static int check_rows(itr_pair_data *d, float *x, int64_t n, int64_t dim, const char *path, const char *key, int threads, itr_err *err)
{
	itr_rows_check c = itr_rows_inspect(x, n, dim, threads);
	if (c.bad_row >= 0)
		return itr_err_set(err, "'%s': row %lld of '%s' holds NaN or infinity", path, (long long)c.bad_row, key);
	d->zero_rows += itr_rows_normalize(x, n, dim, threads);
	return 0;
}

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
	itr_pair_data *d;
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
		o->d->text_image[first + r] = at;
	}
	return 0;
}

static int read_labels(itr_pair_data *d, itr_npz *z, itr_err *err)
{
	itr_array_info info;
	if (!itr_npz_has(z, "captions/label")) {
		if (d->n_texts != 5 * d->n_images)
			return itr_err_set(err,
			                   "'%s' has %lld captions for %lld images and no 'captions/label': only five captions an image "
			                   "can be assumed",
			                   itr_npz_path(z), (long long)d->n_texts, (long long)d->n_images);
		for (int64_t i = 0; i < d->n_texts; i++)
			d->text_image[i] = i / 5;
		return 0;
	}
	if (itr_npz_info(z, "captions/label", &info, err) < 0)
		return -1;
	if (info.is_text || info.rank < 1 || info.rank > 2 || info.shape[0] != d->n_texts ||
	    (info.rank == 2 && info.shape[1] != d->n_images))
		return itr_err_set(err, "'%s': 'captions/label' fits neither as %lld image numbers nor as one-hot rows of %lld",
		                   itr_npz_path(z), (long long)d->n_texts, (long long)d->n_images);
	if (info.rank == 2) {
		struct onehot o = { d, itr_npz_path(z) };
		return itr_npz_stream(z, "captions/label", 256, onehot_rows, &o, err);
	}
	int64_t *index = itr_npz_i64(z, "captions/label", &info, err);
	if (!index)
		return -1;
	memcpy(d->text_image, index, (size_t)d->n_texts * sizeof *index);
	itr_aligned_free(index);
	for (int64_t i = 0; i < d->n_texts; i++)
		if (d->text_image[i] < 0 || d->text_image[i] >= d->n_images)
			return itr_err_set(err, "'%s': caption %lld belongs to image %lld of %lld", itr_npz_path(z), (long long)i,
			                   (long long)d->text_image[i], (long long)d->n_images);
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

static int open_npz(itr_pair_data *d, const char *path, int threads, itr_err *err)
{
	itr_npz *z = itr_npz_open(path, err);
	int rc = -1;
	if (!z)
		return -1;
	const bool images = itr_npz_has(z, "images/embeddings") || !itr_npz_has(z, "captions/embeddings");
	d->synthetic = itr_npz_has(z, "itr_synthetic");
	if ((d->text = read_matrix(z, "captions/embeddings", &d->n_texts, &d->text_dim, err)) &&
	    (!images || (d->image = read_matrix(z, "images/embeddings", &d->n_images, &d->image_dim, err))) &&
	    (d->text_id = read_ids(z, "captions/ids", d->n_texts, err)) &&
	    (!images || (d->image_id = read_ids(z, "images/names", d->n_images, err))))
		rc = 0;
	if (rc == 0 && images) {
		d->text_image = itr_xmalloc((size_t)d->n_texts * sizeof *d->text_image);
		rc = read_labels(d, z, err);
	}
	if (rc == 0)
		rc = check_rows(d, d->text, d->n_texts, d->text_dim, path, "captions/embeddings", threads, err);
	if (rc == 0 && images)
		rc = check_rows(d, d->image, d->n_images, d->image_dim, path, "images/embeddings", threads, err);
	itr_npz_close(z);
	return rc;
}

static char **copy_ids(char *const *ids, int64_t n)
{
	char **copy = itr_xmalloc((size_t)n * sizeof *copy);
	for (int64_t i = 0; i < n; i++)
		copy[i] = itr_xstrdup(ids[i]);
	return copy;
}

static int open_store(itr_pair_data *d, const char *path, int threads, itr_err *err)
{
	itr_features *f = itr_features_open(path, err);
	int rc = -1;
	if (!f)
		return -1;
	d->n_texts = f->n_texts, d->n_images = f->n_images, d->text_dim = f->text_dim, d->image_dim = f->image_dim;
	d->path = itr_xstrdup(path);
	d->synthetic = f->synthetic;
	d->text_encoder = f->text_encoder ? itr_xstrdup(f->text_encoder) : NULL;
	d->image_encoder = f->image_encoder ? itr_xstrdup(f->image_encoder) : NULL;
	d->text_weights = f->text_weights ? itr_xstrdup(f->text_weights) : NULL;
	d->text_preprocess = f->text_weights && f->text_preprocess ? itr_xstrdup(f->text_preprocess) : NULL;
	if (!f->text_dim || !f->image_dim)
		itr_err_set(err, "'%s' lacks the vectors of %s", path, f->text_dim ? "images" : "texts");
	else if ((d->text = itr_features_texts(f, NULL, 0, err)) && (d->image = itr_features_images(f, NULL, 0, err)))
		rc = 0;
	if (rc == 0)
		rc = check_rows(d, d->text, d->n_texts, d->text_dim, path, "/text/pooled", threads, err);
	if (rc == 0)
		rc = check_rows(d, d->image, d->n_images, d->image_dim, path, "/image/pooled", threads, err);
	if (rc == 0) {
		const size_t bytes = (size_t)d->n_texts * sizeof *d->text_image;
		d->text_image = memcpy(itr_xmalloc(bytes), f->text_image, bytes);
		d->text_id = copy_ids(f->text_id, d->n_texts);
		d->image_id = copy_ids(f->image_id, d->n_images);
		d->has_split = f->has_split;
		if (f->has_split) {
			d->image_split = memcpy(itr_xmalloc((size_t)d->n_images * sizeof *d->image_split), f->image_split,
			                        (size_t)d->n_images * sizeof *d->image_split);
			d->text_split = itr_xmalloc((size_t)d->n_texts * sizeof *d->text_split);
			for (int64_t i = 0; i < d->n_texts; i++)
				d->text_split[i] = d->image_split[d->text_image[i]];
		}
	}
	itr_features_close(f);
	return rc;
}

int itr_pair_data_open(itr_pair_data *d, const char *path, int threads, itr_err *err)
{
	memset(d, 0, sizeof *d);
	int rc = itr_h5_is(path) ? open_store(d, path, threads, err) : open_npz(d, path, threads, err);
	if (rc < 0)
		itr_pair_data_free(d);
	return rc;
}

/* NULL with err. */
static itr_groups *groups_of(const itr_pair_data *d, const itr_split_rule *rule, itr_err *err)
{
	itr_groups *g = itr_groups_new(d->n_images);
	int rc = -1;
	if (rule->by == ITR_SPLIT_BY_GROUP) {
		rc = itr_groups_read(g, rule->file, (const char *const *)d->image_id, d->n_images, err);
	} else if (rule->by == ITR_SPLIT_BY_LABEL && d->path) {
		itr_features *f = itr_features_open(d->path, err);
		rc = f ? itr_features_group(f, rule, g, err) : -1;
		itr_features_close(f);
	} else {
		itr_err_set(err,
		            "vectors alone cannot be split by %s: {fetch-coco} --split-by %s makes that split, and the store keeps "
		            "the parts",
		            itr_split_by_names[rule->by], itr_split_by_names[rule->by]);
	}
	if (rc == 0)
		return g;
	itr_groups_free(g);
	return NULL;
}

int itr_pair_data_split(itr_pair_data *d, const double fractions[3], uint64_t seed, const itr_split_rule *rule, itr_err *err)
{
	if (d->has_split || !d->text_image)
		return 0;
	d->text_split = itr_xmalloc((size_t)d->n_texts * sizeof *d->text_split);
	d->split_by = rule->by;
	d->groups = rule->by == ITR_SPLIT_BY_GROUP ? itr_path_absolute(rule->file) : NULL;
	d->leaky = rule->by == ITR_SPLIT_BY_CAPTION;
	if (d->leaky)
		return itr_split_assign(d->text_split, (const char *const *)d->text_id, d->n_texts, fractions, seed, err);
	d->image_split = itr_xmalloc((size_t)d->n_images * sizeof *d->image_split);
	itr_groups *g = rule->by == ITR_SPLIT_BY_IMAGE ? NULL : groups_of(d, rule, err);
	if (!g && rule->by != ITR_SPLIT_BY_IMAGE)
		return -1;
	const int rc = g ? itr_split_assign_groups(d->image_split, (const char *const *)d->image_id, d->n_images, g, fractions, seed, err)
	                 : itr_split_assign(d->image_split, (const char *const *)d->image_id, d->n_images, fractions, seed, err);
	itr_groups_free(g);
	for (int64_t i = 0; rc == 0 && i < d->n_texts; i++)
		d->text_split[i] = d->image_split[d->text_image[i]];
	return rc;
}

int64_t *itr_pair_data_texts(const itr_pair_data *d, itr_split which, int64_t *n)
{
	int64_t *rows = itr_xmalloc((size_t)d->n_texts * sizeof *rows);
	*n = 0;
	for (int64_t i = 0; i < d->n_texts; i++)
		if (d->text_split[i] == which || (which == ITR_TRAIN && d->text_split[i] == ITR_RESTVAL))
			rows[(*n)++] = i;
	return rows;
}

int64_t *itr_pair_data_images(const itr_pair_data *d, const int64_t *texts, int64_t n, int64_t **position, int64_t *n_images)
{
	int64_t *at = itr_xmalloc((size_t)d->n_images * sizeof *at),
		*rows = itr_xmalloc((size_t)ITR_MIN(n, d->n_images) * sizeof *rows + 8);
	memset(at, 0xff, (size_t)d->n_images * sizeof *at);
	*position = itr_xmalloc((size_t)n * sizeof **position + 8);
	*n_images = 0;
	for (int64_t i = 0; i < n; i++)
		at[d->text_image[texts[i]]] = 0;
	for (int64_t i = 0; i < d->n_images; i++)
		if (at[i] == 0) {
			rows[*n_images] = i;
			at[i] = (*n_images)++;
		}
	for (int64_t i = 0; i < n; i++)
		(*position)[i] = at[d->text_image[texts[i]]];
	free(at);
	return rows;
}

static void free_ids(char **ids, int64_t n)
{
	for (int64_t i = 0; ids && i < n; i++)
		free(ids[i]);
	free(ids);
}

void itr_pair_data_free(itr_pair_data *d)
{
	itr_aligned_free(d->text);
	itr_aligned_free(d->image);
	free(d->text_image);
	free_ids(d->text_id, d->n_texts);
	free_ids(d->image_id, d->n_images);
	free(d->path);
	free(d->groups);
	free(d->text_encoder);
	free(d->text_weights);
	free(d->text_preprocess);
	free(d->image_encoder);
	free(d->text_split);
	free(d->image_split);
	memset(d, 0, sizeof *d);
}
