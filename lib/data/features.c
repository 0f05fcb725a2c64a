#include "data/features.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/nearest.h"

static void free_texts(char **t, int64_t n)
{
	for (int64_t i = 0; t && i < n; i++)
		free(t[i]);
	free(t);
}

void itr_features_close(itr_features *f)
{
	if (!f)
		return;
	free_texts(f->image_id, f->n_images);
	free_texts(f->image_path, f->n_images);
	free_texts(f->text_id, f->n_texts);
	free_texts(f->caption, f->n_texts);
	free(f->image_split);
	itr_aligned_free(f->text_image);
	free(f->image_encoder);
	free(f->text_encoder);
	free(f->text_weights);
	free(f->text_preprocess);
	free(f->path);
	itr_h5_close(f->h5);
	free(f);
}

/* `n` strings of `path`, or NULL with err when there is another number of them. */
static char **texts_of(const itr_features *f, const char *path, int64_t n, itr_err *err)
{
	int64_t got = 0;
	char **t = itr_h5_read_texts(f->h5, path, &got, err);
	if (t && got != n) {
		free_texts(t, got);
		itr_err_set(err, "'%s': %s has %lld rows where %lld are expected", f->path, path, (long long)got, (long long)n);
		return NULL;
	}
	return t;
}

static int check_ids(const itr_features *f, const char *what, char *const *id, int64_t n, itr_err *err)
{
	itr_map *seen = itr_map_new();
	int rc = 0;
	for (int64_t i = 0; i < n && rc == 0; i++)
		if (!id[i][0])
			rc = itr_err_set(err, "'%s': %s %lld has an empty id", f->path, what, (long long)i);
		else if (!itr_map_add(seen, id[i], i))
			rc = itr_err_set(err, "'%s': %s id '%s' occurs twice", f->path, what, id[i]);
	itr_map_free(seen);
	return rc;
}

/* Rank 2 and as many rows as ids. The number of columns, 0 when there are no vectors, -1 with err. */
static int64_t dim_of(const itr_features *f, const char *path, int64_t rows, itr_err *err)
{
	itr_h5_info info;
	if (!itr_h5_has(f->h5, path))
		return 0;
	if (itr_h5_info_of(f->h5, path, &info, err) < 0)
		return -1;
	if (info.is_text || info.rank != 2 || info.shape[0] != rows || info.shape[1] < 1 || info.shape[1] > 1 << 24)
		return itr_err_set(err, "'%s': %s is not a matrix with %lld rows", f->path, path, (long long)rows);
	return info.shape[1];
}

static int read_splits(itr_features *f, itr_err *err)
{
	char **name = texts_of(f, "/image/split", f->n_images, err);
	int64_t without = 0;
	int rc = name ? 0 : -1;
	if (name)
		f->image_split = itr_xcalloc((size_t)f->n_images + 1, sizeof *f->image_split);
	for (int64_t i = 0; i < f->n_images && rc == 0; i++) {
		const int s = itr_split_find(name[i]);
		without += name[i][0] == 0;
		if (name[i][0] && s < 0)
			rc = itr_err_set(err, "'%s': image '%s' has the unknown split '%s': did you mean '%s'?", f->path, f->image_id[i],
			                 name[i], itr_nearest(name[i], itr_split_names, ITR_SPLIT_COUNT));
		f->image_split[i] = s >= 0 ? (itr_split)s : ITR_TEST;
	}
	if (rc == 0 && without && without < f->n_images)
		rc = itr_err_set(err, "'%s': %lld of %lld images have no split; give one to all or to none", f->path, (long long)without,
		                 (long long)f->n_images);
	f->has_split = without == 0;
	free_texts(name, f->n_images);
	return rc;
}

static int read_images(itr_features *f, itr_err *err)
{
	f->image_id = itr_h5_read_texts(f->h5, "/image/id", &f->n_images, err);
	if (!f->image_id) {
		f->n_images = 0;
		return -1;
	}
	if (check_ids(f, "image", f->image_id, f->n_images, err) < 0 || read_splits(f, err) < 0)
		return -1;
	f->image_path = texts_of(f, "/image/path", f->n_images, err);
	f->image_dim = dim_of(f, "/image/pooled", f->n_images, err);
	return f->image_path && f->image_dim >= 0 ? 0 : -1;
}

static int read_texts(itr_features *f, itr_err *err)
{
	itr_h5_info info;
	f->text_id = itr_h5_read_texts(f->h5, "/text/id", &f->n_texts, err);
	if (!f->text_id) {
		f->n_texts = 0;
		return -1;
	}
	if (check_ids(f, "caption", f->text_id, f->n_texts, err) < 0)
		return -1;
	f->caption = texts_of(f, "/text/caption", f->n_texts, err);
	f->text_dim = dim_of(f, "/text/pooled", f->n_texts, err);
	if (!f->caption || f->text_dim < 0 || itr_h5_info_of(f->h5, "/text/image", &info, err) < 0)
		return -1;
	if (info.is_text || info.rank != 1 || info.count != f->n_texts)
		return itr_err_set(err, "'%s': /text/image does not have one entry a caption", f->path);
	f->text_image = itr_h5_read(f->h5, "/text/image", ITR_I64, NULL, err);
	if (!f->text_image)
		return -1;
	for (int64_t i = 0; i < f->n_texts; i++)
		if (f->text_image[i] < 0 || f->text_image[i] >= f->n_images)
			return itr_err_set(err, "'%s': caption '%s' belongs to image row %lld of %lld", f->path, f->text_id[i],
			                   (long long)f->text_image[i], (long long)f->n_images);
	return 0;
}

/* Rows that share a label. */
static int group_by_label(const itr_features *f, itr_groups *g, itr_err *err)
{
	char **names = NULL;
	uint8_t *matrix = NULL;
	int64_t n = 0;
	if (itr_features_labels(f, &names, &n, &matrix, err) < 0)
		return -1;
	for (int64_t i = 0; matrix && i < f->n_images; i++)
		for (int64_t c = 0; c < n; c++)
			if (matrix[i * n + c])
				itr_groups_tag(g, i, names[c]);
	for (int64_t c = 0; names && c < n; c++)
		free(names[c]);
	free(names);
	itr_aligned_free(matrix);
	return n ? 0 : itr_err_set(err, "'%s' has no labels to split by", f->path);
}

int itr_features_group(const itr_features *f, const itr_split_rule *rule, itr_groups *g, itr_err *err)
{
	if (rule->by == ITR_SPLIT_BY_LABEL)
		return group_by_label(f, g, err);
	if (rule->by == ITR_SPLIT_BY_GROUP)
		return itr_groups_read(g, rule->file, (const char *const *)f->image_id, f->n_images, err);
	return itr_err_set(err, "'%s' cannot be split by %s: {fetch-coco} makes that split", f->path, itr_split_by_names[rule->by]);
}

int itr_features_deal(itr_features *f, const double fractions[3], uint64_t seed, const itr_split_rule *rule, itr_err *err)
{
	if (f->has_split)
		return 0;
	const char *const *ids = (const char *const *)f->image_id;
	int rc;
	if (rule->by == ITR_SPLIT_BY_IMAGE) {
		rc = itr_split_assign(f->image_split, ids, f->n_images, fractions, seed, err);
	} else {
		itr_groups *g = itr_groups_new(f->n_images);
		rc = itr_features_group(f, rule, g, err);
		if (rc == 0)
			rc = itr_split_assign_groups(f->image_split, ids, f->n_images, g, fractions, seed, err);
		itr_groups_free(g);
	}
	f->has_split = rc == 0;
	return rc;
}

void itr_features_parts(const itr_features *f, char hash[3][ITR_SHA256_HEX], int64_t count[3])
{
	for (int part = 0; part < 3; part++) {
		count[part] = 0;
		itr_split_hash((const char *const *)f->image_id, f->image_split, f->n_images, (itr_split)part, hash[part]);
	}
	for (int64_t i = 0; i < f->n_images; i++)
		if ((int)f->image_split[i] < 3)
			count[f->image_split[i]]++;
}

itr_features *itr_features_open(const char *path, itr_err *err)
{
	itr_h5 *h = itr_h5_open(path, ITR_FEATURES_FORMAT, err);
	if (!h)
		return NULL;
	itr_features *f = itr_xcalloc(1, sizeof *f);
	f->path = itr_xstrdup(path);
	f->h5 = h;
	f->synthetic = itr_h5_is_synthetic(h);
	if (read_images(f, err) < 0 || read_texts(f, err) < 0) {
		itr_features_close(f);
		return NULL;
	}
	f->image_encoder = itr_h5_attr_text(h, "/image", "encoder");
	f->text_encoder = itr_h5_attr_text(h, "/text", "encoder");
	f->text_preprocess = itr_h5_attr_text(h, "/text", "preprocess");
	f->text_weights = itr_h5_attr_text(h, "/text", "weights_sha256");
	if (f->text_weights && !*f->text_weights) {
		free(f->text_weights);
		f->text_weights = NULL;
	}
	return f;
}

/* Reads the wanted rows; runs of consecutive rows come in one read. */
static float *pooled(const itr_features *f, const char *path, const int64_t *rows, int64_t n, int64_t total, int64_t dim, char *const *id,
                     itr_err *err)
{
	if (dim == 0) {
		itr_err_set(err, "'%s' has no %s vectors", f->path, path[1] == 'i' ? "image" : "text");
		return NULL;
	}
	if (!rows)
		n = total;
	size_t bytes;
	if (itr_size_mul((size_t)n, (size_t)dim * sizeof(float), &bytes) < 0) {
		itr_err_set(err, "'%s': %s is too large", f->path, path);
		return NULL;
	}
	float *x = itr_aligned_alloc(bytes ? bytes : 1);
	int rc = 0;
	for (int64_t i = 0, run; i < n && rc == 0; i += run) {
		int64_t first = rows ? rows[i] : i;
		run = rows ? 1 : n;
		while (i + run < n && rows[i + run] == first + run)
			run++;
		rc = itr_h5_read_rows(f->h5, path, ITR_F32, first, run, x + i * dim, err);
	}
	for (int64_t i = 0; i < n * dim && rc == 0; i++)
		if (!isfinite(x[i]))
			rc = itr_err_set(err, "'%s': the vector of '%s' holds %s", f->path, id[rows ? rows[i / dim] : i / dim],
			                 isnan(x[i]) ? "NaN" : "infinity");
	if (rc < 0) {
		itr_aligned_free(x);
		return NULL;
	}
	return x;
}

float *itr_features_images(const itr_features *f, const int64_t *rows, int64_t n, itr_err *err)
{
	return pooled(f, "/image/pooled", rows, n, f->n_images, f->image_dim, f->image_id, err);
}

float *itr_features_texts(const itr_features *f, const int64_t *rows, int64_t n, itr_err *err)
{
	return pooled(f, "/text/pooled", rows, n, f->n_texts, f->text_dim, f->text_id, err);
}

void itr_features_select(const itr_features *f, itr_split which, int64_t **images, int64_t *n_images, int64_t **texts, int64_t *n_texts)
{
	*images = itr_xmalloc(((size_t)f->n_images + 1) * sizeof **images);
	*texts = itr_xmalloc(((size_t)f->n_texts + 1) * sizeof **texts);
	*n_images = *n_texts = 0;
	for (int64_t i = 0; i < f->n_images; i++)
		if (f->image_split[i] == which)
			(*images)[(*n_images)++] = i;
	for (int64_t i = 0; i < f->n_texts; i++)
		if (f->image_split[f->text_image[i]] == which)
			(*texts)[(*n_texts)++] = i;
}

int itr_features_labels(const itr_features *f, char ***names, int64_t *n, uint8_t **matrix, itr_err *err)
{
	itr_h5_info info;
	*names = NULL;
	*matrix = NULL;
	*n = 0;
	if (!itr_h5_has(f->h5, "/label/name"))
		return 0;
	*names = itr_h5_read_texts(f->h5, "/label/name", n, err);
	if (!*names)
		return -1;
	if (itr_h5_info_of(f->h5, "/label/matrix", &info, err) == 0) {
		if (info.is_text || info.rank != 2 || info.shape[0] != f->n_images || info.shape[1] != *n)
			itr_err_set(err, "'%s': /label/matrix is not %lld x %lld", f->path, (long long)f->n_images, (long long)*n);
		else
			*matrix = itr_h5_read(f->h5, "/label/matrix", ITR_U8, NULL, err);
	}
	if (*matrix)
		return 0;
	free_texts(*names, *n);
	*names = NULL;
	*n = 0;
	return -1;
}
